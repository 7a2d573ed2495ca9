/*
 * Hyper-V synthetic cluster IPIs (TLFS 10.5)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "internal.h"

/* Vector, HV_INPUT_VTL and padding at the head of both calls */
static uint16_t hv_ipi_check(HvHypercall *hc, unsigned *vtl)
{
    uint32_t vector = ldl_le_p(hc->in);

    if (vector < HV_VECTOR_MIN || vector > UINT8_MAX ||
        hc->in[5] || hc->in[6] || hc->in[7]) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return hv_input_vtl(hc->vp, hc->in[4], vtl);
}

static void hv_ipi_send(HvHypercall *hc, unsigned vtl,
                        const unsigned long *vps)
{
    HvPartition *p = hc->vp->partition;
    uint8_t vector = ldl_le_p(hc->in);
    unsigned long i;

    hc->vp->stats.ipis++;
    for (i = find_first_bit(vps, HV_VP_SET_VPS); i < HV_VP_SET_VPS;
         i = find_next_bit(vps, HV_VP_SET_VPS, i + 1)) {
        HvVp *vp = hv_partition_vp(p, i);

        if (hv_vtl_enabled(vp, vtl)) {
            p->ops->assert_vector(&vp->vtl[vtl], vector);
        }
    }
}

uint16_t hv_hc_ipi(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    unsigned vtl;
    uint16_t status = hv_ipi_check(hc, &vtl);

    if (status == HV_STATUS_SUCCESS) {
        hv_vp_set_from_mask(hc->vp->partition, ldq_le_p(hc->in + 8), vps);
        hv_ipi_send(hc, vtl, vps);
    }
    return status;
}

uint16_t hv_hc_ipi_ex(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    unsigned vtl;
    uint16_t status = hv_ipi_check(hc, &vtl);

    if (status == HV_STATUS_SUCCESS) {
        status = hv_vp_set_parse(hc, hc->in + 8, vps);
    }
    if (status == HV_STATUS_SUCCESS) {
        hv_ipi_send(hc, vtl, vps);
    }
    return status;
}
