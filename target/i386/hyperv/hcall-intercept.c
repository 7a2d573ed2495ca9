/*
 * Hyper-V hypercalls by which a trust level has itself told of what lower ones
 * do (TLFS 15.13): intercepts and their results
 *
 * The TLFS has them for the parent of a partition.  Here a higher trust level
 * calls them, for its own partition.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "cpu.h"
#include "internal.h"
#include "trace.h"

/* To be called while no VP looks at what has changed */
static void hv_all_intercepts_changed(HvPartition *p)
{
    unsigned i;

    for (i = 0; i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp) {
            hv_intercepts_changed(vp);
        }
    }
}

static void hv_install_io(HvInstalled *in, unsigned first, unsigned last,
                          uint32_t access)
{
    unsigned i;

    for (i = first; i <= last; i++) {
        uint8_t bit = 1u << (i % 8);
        uint8_t *read = &in->io[0][i / 8], *write = &in->io[1][i / 8];

        *read = (*read & ~bit) | (access & HV_INTERCEPT_MASK_READ ? bit : 0);
        *write = (*write & ~bit) | (access & HV_INTERCEPT_MASK_WRITE ? bit : 0);
    }
}

static uint16_t hv_install_cpuid(HvInstalled *in, uint32_t leaf, bool install)
{
    unsigned i;

    for (i = 0; i < in->nr_cpuid && in->cpuid[i] != leaf; i++) {
        /* look further */
    }
    if (i == in->nr_cpuid) {
        if (!install) {
            return HV_STATUS_SUCCESS;
        }
        if (i == HV_CPUID_INTERCEPTS) {
            return HV_STATUS_INSUFFICIENT_MEMORY;
        }
        in->nr_cpuid++;
    }
    in->cpuid[i] = install ? leaf : in->cpuid[--in->nr_cpuid];
    return HV_STATUS_SUCCESS;
}

static uint32_t hv_installed_types(const HvInstalled *in)
{
    return (buffer_is_zero(in->io, sizeof(in->io)) ? 0 : HV_INTERCEPTS_IO) |
           (in->msr ? HV_INTERCEPTS_MSR : 0) |
           (in->nr_cpuid ? HV_INTERCEPTS_CPUID : 0) |
           (in->exceptions ? HV_INTERCEPTS_EXCEPTION : 0);
}

/* The accesses that there are of each type; 0: it cannot be intercepted */
static uint32_t hv_intercept_accesses(uint32_t type)
{
    switch (type) {
    case HV_INTERCEPT_TYPE_X64_IO_PORT:
    case HV_INTERCEPT_TYPE_X64_IO_PORT_RANGE:
    case HV_INTERCEPT_TYPE_X64_MSR:
        return HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE;
    case HV_INTERCEPT_TYPE_X64_CPUID:
    case HV_INTERCEPT_TYPE_EXCEPTION:
        return HV_INTERCEPT_MASK_EXECUTE;
    default:
        return 0;
    }
}

static uint16_t hv_install(HvHypercall *hc, HvVp *vp)
{
    HvInstalled *in = &vp->partition->vtl[vp->active_vtl].installed;
    uint32_t access = ldl_le_p(hc->in + 8);
    uint32_t type = ldl_le_p(hc->in + 12);
    uint64_t param = ldq_le_p(hc->in + 16);
    uint16_t port = param, last = param >> 16, status = HV_STATUS_SUCCESS;

    switch (type) {
    case HV_INTERCEPT_TYPE_X64_IO_PORT:
        if (param > UINT16_MAX) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        hv_install_io(in, port, port, access);
        break;
    case HV_INTERCEPT_TYPE_X64_IO_PORT_RANGE:
        if (param > UINT32_MAX || port > last) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        hv_install_io(in, port, last, access);
        break;
    case HV_INTERCEPT_TYPE_X64_MSR:
        /* Of all MSRs that nobody implements, whichever is named */
        in->msr = access;
        break;
    case HV_INTERCEPT_TYPE_X64_CPUID:
        if (param > UINT32_MAX) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        status = hv_install_cpuid(in, param, access);
        break;
    default:
        if (param >= 32 || param == EXCP02_NMI) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        in->exceptions = deposit32(in->exceptions, param, 1, !!access);
        break;
    }
    in->types = hv_installed_types(in);
    hv_all_intercepts_changed(vp->partition);
    trace_hv_install_intercept(vp->active_vtl, type, access, param);
    return status;
}

uint16_t hv_hc_install_intercept(HvHypercall *hc)
{
    uint32_t accesses = hv_intercept_accesses(ldl_le_p(hc->in + 12));
    uint16_t status = hv_check_higher(hc);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    return accesses && !(ldl_le_p(hc->in + 8) & ~accesses) ?
           hv_hc_alone(hc, hv_install) : HV_STATUS_INVALID_PARAMETER;
}

/*
 * HV_REGISTER_X64_CPUID_RESULT_PARAMETERS; padding is ignored.  Unregistering
 * one has the first three fields, and is the same as masks that are all 0.
 */
static bool hv_cpuid_result_parse(const HvHypercall *hc, HvCpuidResult *r)
{
    const uint8_t *in = hc->in + 16;
    bool take_away = (hc->control & HV_HYPERCALL_CODE_MASK) ==
                     HVCALL_UNREGISTER_INTERCEPT_RESULT;
    unsigned i;

    if (in[8] > 1 || (!take_away && in[9] > 1)) {
        return false;
    }
    r->eax = ldl_le_p(in);
    r->subleaf = in[8];
    r->ecx = r->subleaf ? ldl_le_p(in + 4) : 0;
    if (take_away) {
        return true;
    }
    r->always = in[9];
    for (i = 0; i < ARRAY_SIZE(r->val); i++) {
        r->val[i] = ldl_le_p(in + 12 + i * 8);
        r->mask[i] = ldl_le_p(in + 16 + i * 8);
    }
    return true;
}

static bool hv_cpuid_result_is_none(const HvCpuidResult *r)
{
    return !(r->mask[0] | r->mask[1] | r->mask[2] | r->mask[3]);
}

/* Where the result for the same leaf is, or the first one that is free */
static unsigned hv_cpuid_result_find(const HvCpuidResults *all,
                                     const HvCpuidResult *r)
{
    unsigned i = 0;

    while (i < all->nr &&
           (all->result[i].eax != r->eax ||
            all->result[i].subleaf != r->subleaf ||
            all->result[i].ecx != r->ecx)) {
        i++;
    }
    return i;
}

static bool hv_cpuid_result_fits(const HvCpuidResults *all,
                                 const HvCpuidResult *r)
{
    return hv_cpuid_result_is_none(r) ||
           hv_cpuid_result_find(all, r) < HV_CPUID_RESULTS;
}

static void hv_cpuid_result_set(HvCpuidResults *all, const HvCpuidResult *r)
{
    unsigned i = hv_cpuid_result_find(all, r);

    if (i == all->nr) {
        if (hv_cpuid_result_is_none(r)) {
            return;
        }
        all->nr++;
    }
    all->result[i] = hv_cpuid_result_is_none(r) ? all->result[--all->nr] : *r;
}

static uint16_t hv_register_result(HvHypercall *hc, HvVp *self)
{
    HvPartition *p = self->partition;
    unsigned vtl = self->active_vtl;
    uint32_t index = ldl_le_p(hc->in + 8);
    HvCpuidResults *future = &p->vtl[vtl].cpuid_results;
    bool all = index == HV_ANY_VP;
    HvCpuidResult r = {};
    unsigned i, first, end;

    if (index == HV_VP_INDEX_SELF) {
        index = self->index;
    }
    if (!all && !hv_partition_vp(p, index)) {
        return HV_STATUS_INVALID_VP_INDEX;
    }
    if (!hv_cpuid_result_parse(hc, &r)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    first = all ? 0 : index;
    end = all ? p->nr_vps : index + 1;
    /* On all of them, and those that are plugged in later, or on none */
    if (all && !hv_cpuid_result_fits(future, &r)) {
        return HV_STATUS_INSUFFICIENT_MEMORY;
    }
    for (i = first; i < end; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && !hv_cpuid_result_fits(&vp->vtl[vtl].cpuid_results, &r)) {
            return HV_STATUS_INSUFFICIENT_MEMORY;
        }
    }
    if (all) {
        hv_cpuid_result_set(future, &r);
    }
    for (i = first; i < end; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp) {
            hv_cpuid_result_set(&vp->vtl[vtl].cpuid_results, &r);
        }
    }
    hv_all_intercepts_changed(p);
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_register_intercept_result(HvHypercall *hc)
{
    uint16_t status = hv_check_higher(hc);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    return ldl_le_p(hc->in + 12) == HV_INTERCEPT_TYPE_X64_CPUID ?
           hv_hc_alone(hc, hv_register_result) : HV_STATUS_INVALID_PARAMETER;
}

/* HV_GPA_PAGE_RANGE: the first page that it is not of, or 0 if it is invalid */
static uint64_t hv_gpa_range_end(uint64_t range)
{
    uint64_t n = (range & HV_GPA_RANGE_COUNT_MASK) + 1;
    uint64_t end;

    if (!(range & HV_GPA_RANGE_LARGE)) {
        end = (range >> HV_PAGE_SHIFT) + n;
    } else if (range & HV_GPA_RANGE_LARGE_RSVD) {
        return 0;
    } else {
        unsigned shift = range & HV_GPA_RANGE_1GB ? 18 : 9;

        end = (range >> HV_GPA_RANGE_LARGE_SHIFT << 9) + (n << shift);
    }
    return end > 1ull << (HV_GPA_BITS_MAX - HV_PAGE_SHIFT) ? 0 : end;
}

/*
 * Pinning and unpinning: QEMU takes no page away from its guest, so that there
 * is nothing to do for a range that is valid.
 */
uint16_t hv_hc_pin_gpa_page_ranges(HvHypercall *hc)
{
    if (!hc->vp->active_vtl) {
        return HV_STATUS_ACCESS_DENIED;
    }
    if (ldq_le_p(hc->in)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    for (; hc->reps_done < hc->rep_count; hc->reps_done++) {
        if (!hv_gpa_range_end(ldq_le_p(hc->in + 8 + hc->reps_done * 8))) {
            return HV_STATUS_INVALID_PARAMETER;
        }
    }
    return HV_STATUS_SUCCESS;
}
