/*
 * Hyper-V TLB flush hypercalls (TLFS 9.4, 16.12)
 *
 * TCG's TLB has no address space identifiers, so AddressSpace only decides
 * whether the call is valid: dropping more than was asked for is allowed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "internal.h"
#include "trace.h"

#define HV_FLUSH_SPACE_FLAGS \
    (HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES | \
     HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY)
#define HV_FLUSH_LIST_FLAGS \
    (HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES | \
     HV_FLUSH_USE_EXTENDED_RANGE_FORMAT)

/* More ranges than this are not worth flushing one by one */
#define HV_FLUSH_MAX_RANGES HV_TLB_PENDING_MAX

/* Nor is a range of more pages, and hence no large one */
#define HV_FLUSH_MAX_PAGES 64

/* Check AddressSpace and Flags at the head of all four calls */
static uint16_t hv_flush_check(HvHypercall *hc, uint64_t valid_flags)
{
    static const HvRight ext_ranges = HV_RIGHT(FEATURES, EDX, 14);
    X86CPU *cpu = X86_CPU(hc->vp->cs);
    uint64_t cr3 = ldq_le_p(hc->in);
    uint64_t flags = ldq_le_p(hc->in + 8);

    if (!hv_has_right(hc->vp->partition, &ext_ranges)) {
        valid_flags &= ~HV_FLUSH_USE_EXTENDED_RANGE_FORMAT;
    }
    if (flags & ~valid_flags) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!(flags & HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES) &&
        (cr3 >> cpu->phys_bits)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return HV_STATUS_SUCCESS;
}

static void hv_flush_vps_from_mask(HvHypercall *hc, unsigned long *vps)
{
    uint64_t flags = ldq_le_p(hc->in + 8);
    uint64_t mask = ldq_le_p(hc->in + 16);

    /* Windows Server 2012 was seen to mean all of them by none of them */
    if ((flags & HV_FLUSH_ALL_PROCESSORS) || !mask) {
        hv_vp_set_all(hc->vp->partition, vps);
    } else {
        hv_vp_set_from_mask(hc->vp->partition, mask, vps);
    }
}

static uint16_t hv_flush_vps_from_set(HvHypercall *hc, unsigned long *vps)
{
    if (ldq_le_p(hc->in + 8) & HV_FLUSH_ALL_PROCESSORS) {
        hv_vp_set_all(hc->vp->partition, vps);
        return HV_STATUS_SUCCESS;
    }
    return hv_vp_set_parse(hc, hc->in + 16, vps);
}

static void hv_flush(HvHypercall *hc, const unsigned long *vps,
                     const HvGvaRange *ranges, unsigned nr)
{
    HvVp *vp = hc->vp;
    DECLARE_BITMAP(all, HV_VP_SET_VPS);

    if (vp->partition->nr_vtls > 1 && hv_tlb_locked(vp)) {
        trace_hv_tlb_locked(vp->index, vp->active_vtl);
        hc->again = true;
        return;
    }
    if (hc->l2) {
        /* its VP indexes are not ours, nor are its addresses tagged */
        hv_vp_set_all(vp->partition, all);
        vps = all;
        nr = 0;
    }
    vp->stats.flushes++;
    vp->partition->ops->flush_tlb(vp, vps, ranges, nr);
}

/* Returns: false if it is larger than is worth flushing by itself */
static bool hv_flush_range(uint64_t element, bool extended, HvGvaRange *r)
{
    uint64_t extra = element & (extended ? HV_GVA_RANGE_EX_COUNT_MASK :
                                           HV_PAGE_SIZE - 1);

    r->gva = element & ~(uint64_t)(HV_PAGE_SIZE - 1);
    r->len = HV_PAGE_SIZE * (extra + 1);
    return extra < HV_FLUSH_MAX_PAGES &&
           !(extended && (element & HV_GVA_RANGE_EX_LARGE));
}

static void hv_flush_list(HvHypercall *hc, const unsigned long *vps)
{
    bool extended = ldq_le_p(hc->in + 8) & HV_FLUSH_USE_EXTENDED_RANGE_FORMAT;
    const uint8_t *list = hc->in + hc->in_size - hc->rep_count * 8;
    HvGvaRange ranges[HV_FLUSH_MAX_RANGES];
    unsigned i, nr = hc->rep_count - hc->rep_start;

    if (nr > HV_FLUSH_MAX_RANGES) {
        nr = 0;
    }
    for (i = 0; i < nr; i++) {
        if (!hv_flush_range(ldq_le_p(list + (hc->rep_start + i) * 8), extended,
                            &ranges[i])) {
            nr = 0;
        }
    }
    hv_flush(hc, vps, ranges, nr);
    hc->reps_done = hc->rep_count;
}

uint16_t hv_hc_flush_space(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    uint16_t status = hv_flush_check(hc, HV_FLUSH_SPACE_FLAGS);

    if (status == HV_STATUS_SUCCESS) {
        hv_flush_vps_from_mask(hc, vps);
        hv_flush(hc, vps, NULL, 0);
    }
    return status;
}

uint16_t hv_hc_flush_space_ex(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    uint16_t status = hv_flush_check(hc, HV_FLUSH_SPACE_FLAGS);

    if (status == HV_STATUS_SUCCESS) {
        status = hv_flush_vps_from_set(hc, vps);
    }
    if (status == HV_STATUS_SUCCESS) {
        hv_flush(hc, vps, NULL, 0);
    }
    return status;
}

uint16_t hv_hc_flush_list(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    uint16_t status = hv_flush_check(hc, HV_FLUSH_LIST_FLAGS);

    if (status == HV_STATUS_SUCCESS) {
        hv_flush_vps_from_mask(hc, vps);
        hv_flush_list(hc, vps);
    }
    return status;
}

uint16_t hv_hc_flush_list_ex(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    uint16_t status = hv_flush_check(hc, HV_FLUSH_LIST_FLAGS);

    if (status == HV_STATUS_SUCCESS) {
        status = hv_flush_vps_from_set(hc, vps);
    }
    if (status == HV_STATUS_SUCCESS) {
        hv_flush_list(hc, vps);
    }
    return status;
}

/*
 * Translations of a nested guest's physical addresses: what TCG caches is the
 * combination of both stages, so that all of it goes.
 */
uint16_t hv_hc_flush_gpa(HvHypercall *hc)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);
    uint64_t root = ldq_le_p(hc->in);
    CPUX86State *env = &X86_CPU(hc->vp->cs)->env;

    if (!(env->efer & MSR_EFER_SVME)) {
        /* no hypervisor, hence no nested guest */
        return HV_STATUS_INVALID_VP_STATE;
    }
    if (ldq_le_p(hc->in + 8) ||
        (root >> X86_CPU(hc->vp->cs)->phys_bits)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    hv_vp_set_all(hc->vp->partition, vps);
    hv_flush(hc, vps, NULL, 0);
    hc->reps_done = hc->rep_count;
    return HV_STATUS_SUCCESS;
}
