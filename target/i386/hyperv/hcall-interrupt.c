/*
 * Hyper-V hypercalls by which a trust level asserts interrupts of its partition,
 * and takes them back (TLFS 10.5)
 *
 * The TLFS has them for the parent of a partition.  Here a higher trust level
 * calls them, for its own partition.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "trace.h"

typedef struct HvAssertion {
    uint32_t type;
    uint32_t vector;
    uint32_t dest;
    unsigned vtl;
    bool logical;
    bool level;
} HvAssertion;

static bool hv_vector_waits(HvVp *vp, const HvAssertion *a)
{
    APICCommonState *s = APIC_COMMON(hv_vtl_apic(vp, a->vtl));

    return apic_get_bit(s->irr, a->vector);
}

/*
 * What is asserted by level can be taken back as long as it is not in service:
 * note where it came to.  One that was there before is somebody else's.
 */
static void hv_assert_fixed(HvPartition *p, const HvAssertion *a)
{
    DECLARE_BITMAP(before, HV_VP_SET_VPS) = {};
    unsigned i;

    for (i = 0; a->level && i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && hv_vector_waits(vp, a)) {
            set_bit(i, before);
        }
    }
    apic_deliver_vtl_irq(a->vtl, a->dest, a->logical, a->type, a->vector,
                         a->level);
    for (i = 0; a->level && i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && !test_bit(i, before) && hv_vector_waits(vp, a)) {
            apic_set_bit(vp->vtl[a->vtl].level, a->vector);
        }
    }
}

/*
 * An external interrupt is VP 0's and VTL 0's.  It is replaced or taken back
 * until it is acknowledged, and then there is no other before it is cleared.
 */
static uint16_t hv_assert_external(HvPartition *p, const HvAssertion *a)
{
    HvVp *vp = hv_partition_vp(p, 0);

    if (a->vtl || a->dest || a->logical || a->level ||
        (a->vector >= HV_VECTORS && a->vector != HV_INTERRUPT_VECTOR_NONE)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!vp) {
        return HV_STATUS_INVALID_VP_INDEX;
    }
    if (p->extint_acknowledged) {
        return HV_STATUS_ACKNOWLEDGED;
    }
    p->extint_vector = a->vector;
    hv_extint_changed(vp);
    return HV_STATUS_SUCCESS;
}

/*
 * As a message on the APICs' bus.  Those of VTLs above 0 take fixed interrupts
 * only.
 */
static uint16_t hv_assert(HvPartition *p, const HvAssertion *a)
{
    switch (a->type) {
    case HV_INTERRUPT_TYPE_FIXED:
    case HV_INTERRUPT_TYPE_LOWEST_PRIORITY:
        if (a->vector == HV_INTERRUPT_VECTOR_NONE) {
            if (a->level) {
                apic_deassert_vtl_irq(a->vtl, a->dest, a->logical);
            }
            return HV_STATUS_SUCCESS;
        }
        if (a->vector < HV_VECTOR_MIN || a->vector >= HV_VECTORS) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        hv_assert_fixed(p, a);
        return HV_STATUS_SUCCESS;
    case HV_INTERRUPT_TYPE_NMI:
    case HV_INTERRUPT_TYPE_INIT:
        if (a->vtl || a->vector) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        apic_deliver_vtl_irq(0, a->dest, a->logical, a->type, 0, a->level);
        return HV_STATUS_SUCCESS;
    case HV_INTERRUPT_TYPE_EXTINT:
        return hv_assert_external(p, a);
    default:
        return HV_STATUS_INVALID_PARAMETER;
    }
}

uint16_t hv_hc_assert_virtual_interrupt(HvHypercall *hc)
{
    uint64_t control = ldq_le_p(hc->in + 8);
    uint64_t dest = ldq_le_p(hc->in + 16);
    HvAssertion a = {
        .type = control & HV_INTERRUPT_TYPE_MASK,
        .vector = ldl_le_p(hc->in + 24),
        .dest = dest,
        .vtl = hc->in[28],
        .logical = control & HV_INTERRUPT_LOGICAL_DESTINATION,
        .level = control & HV_INTERRUPT_LEVEL_TRIGGERED,
    };
    uint16_t status = hv_check_higher(hc);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    if (a.vtl >= hc->vp->partition->nr_vtls || hc->in[29] || hc->in[30] ||
        hc->in[31] || dest > UINT32_MAX ||
        (control & ~(HV_INTERRUPT_TYPE_MASK | HV_INTERRUPT_LEVEL_TRIGGERED |
                     HV_INTERRUPT_LOGICAL_DESTINATION))) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (a.vtl > hc->vp->active_vtl) {
        return HV_STATUS_ACCESS_DENIED;
    }
    trace_hv_assert_virtual_interrupt(a.vtl, a.type, dest, a.vector);
    return hv_assert(hc->vp->partition, &a);
}

uint16_t hv_hc_clear_virtual_interrupt(HvHypercall *hc)
{
    HvPartition *p = hc->vp->partition;
    uint16_t status = hv_check_higher(hc);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    if (!p->extint_acknowledged) {
        return HV_STATUS_NOT_ACKNOWLEDGED;
    }
    p->extint_acknowledged = false;
    return HV_STATUS_SUCCESS;
}
