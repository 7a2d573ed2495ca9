/*
 * Hyper-V sets of virtual processors, as hypercalls pass them (TLFS 7.8.7)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "internal.h"

/*
 * VPs that do not exist are left out: neither KVM nor Hyper-V makes an error
 * of them, and guests name possible rather than present processors.
 */
static void hv_vp_set_add(HvPartition *p, unsigned bank, uint64_t mask,
                          unsigned long *vps)
{
    while (mask) {
        unsigned i = bank * HV_VP_SET_BANK_VPS + ctz64(mask);

        mask &= mask - 1;
        if (hv_partition_vp(p, i)) {
            set_bit(i, vps);
        }
    }
}

void hv_vp_set_from_mask(HvPartition *p, uint64_t mask, unsigned long *vps)
{
    bitmap_zero(vps, HV_VP_SET_VPS);
    hv_vp_set_add(p, 0, mask, vps);
}

void hv_vp_set_all(HvPartition *p, unsigned long *vps)
{
    unsigned bank;

    bitmap_zero(vps, HV_VP_SET_VPS);
    for (bank = 0; bank * HV_VP_SET_BANK_VPS < p->nr_vps; bank++) {
        hv_vp_set_add(p, bank, UINT64_MAX, vps);
    }
}

uint16_t hv_vp_set_parse(HvHypercall *hc, const uint8_t *set,
                         unsigned long *vps)
{
    HvPartition *p = hc->vp->partition;
    uint64_t format = ldq_le_p(set);
    uint64_t valid_banks = ldq_le_p(set + 8);
    unsigned i, bank;

    if (format == HV_GENERIC_SET_ALL) {
        hv_vp_set_all(p, vps);
        return HV_STATUS_SUCCESS;
    }
    if (format != HV_GENERIC_SET_SPARSE_4K) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (ctpop64(valid_banks) != hc->var_words) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    bitmap_zero(vps, HV_VP_SET_VPS);
    for (i = 0; i < hc->var_words; i++) {
        bank = ctz64(valid_banks);
        valid_banks &= valid_banks - 1;
        hv_vp_set_add(p, bank, ldq_le_p(set + 16 + i * 8), vps);
    }
    return HV_STATUS_SUCCESS;
}
