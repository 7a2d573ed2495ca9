/*
 * Hyper-V hypercalls of virtual secure mode (TLFS 15.15): enabling a trust
 * level, disabling it, and switching to another one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "internal.h"
#include "trace.h"

#define HV_ENABLE_VP_VTL_CONTEXT    16

/* A trust level enables the next one above, as long as that does not exist */
static bool hv_may_enable_above(HvPartition *p, unsigned vtl, unsigned target)
{
    unsigned below = p->enabled_vtls & MAKE_64BIT_MASK(0, target);

    return vtl < target && 31 - clz32(below) == vtl;
}

uint16_t hv_hc_enable_partition_vtl(HvHypercall *hc)
{
    HvPartition *p = hc->vp->partition;
    unsigned target = hc->in[8];
    uint8_t flags = hc->in[9];

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if ((flags & ~HV_ENABLE_PARTITION_VTL_MBEC) || lduw_le_p(hc->in + 10) ||
        ldl_le_p(hc->in + 12)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (target >= p->nr_vtls) {
        return HV_STATUS_ACCESS_DENIED;
    }
    if (p->enabled_vtls & (1u << target)) {
        return HV_STATUS_INVALID_VTL_STATE;
    }
    if (!hv_may_enable_above(p, hc->vp->active_vtl, target)) {
        return HV_STATUS_ACCESS_DENIED;
    }
    p->vtl[target].vsm_config = HV_VSM_ZERO_MEMORY_ON_RESET;
    p->enabled_vtls |= 1u << target;
    if (flags & HV_ENABLE_PARTITION_VTL_MBEC) {
        p->mbec_vtls |= 1u << target;
    }
    trace_hv_vtl_enable_partition(target);
    return HV_STATUS_SUCCESS;
}

/* Has any VP but @except, which may be NULL, that trust level? */
static bool hv_vtl_enabled_elsewhere(HvPartition *p, unsigned vtl,
                                     const HvVp *except)
{
    unsigned i;

    for (i = 0; i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && vp != except && hv_vtl_enabled(vp, vtl)) {
            return true;
        }
    }
    return false;
}

static void hv_vtl_load_context(HvVp *vp, void *opaque)
{
    HvVpInit *init = opaque;

    init->status = hv_vp_load_context(vp, init->context);
    if (!(X86_CPU(vp->cs)->env.cr[0] & CR0_PE_MASK)) {
        /* TLFS 15.11: no real mode */
        init->status = HV_STATUS_INVALID_REGISTER_VALUE;
    }
}

static uint16_t hv_enable_vp_vtl(HvHypercall *hc, HvVp *vp)
{
    HvVpInit init = { .context = hc->in + HV_ENABLE_VP_VTL_CONTEXT };
    HvPartition *p = vp->partition;
    unsigned target = hc->in[12];

    if (hv_vtl_enabled(vp, target)) {
        return HV_STATUS_VTL_ALREADY_ENABLED;
    }
    if (hc->vp->active_vtl < target &&
        (hv_vtl_enabled_elsewhere(p, target, NULL) ||
         !hv_may_enable_above(p, hc->vp->active_vtl, target))) {
        return HV_STATUS_ACCESS_DENIED;
    }
    hv_vtl_enable(vp, target);
    hv_vtl_with_regs(vp, target, hv_vtl_load_context, &init);
    if (init.status != HV_STATUS_SUCCESS) {
        hv_vtl_disable(vp, target);
        return init.status;
    }
    trace_hv_vtl_enable_vp(vp->index, target);
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_enable_vp_vtl(HvHypercall *hc)
{
    HvPartition *p = hc->vp->partition;
    unsigned target = hc->in[12];

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if (target >= p->nr_vtls || hc->in[13] || hc->in[14] || hc->in[15]) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!(p->enabled_vtls & (1u << target))) {
        return HV_STATUS_INVALID_VTL_STATE;
    }
    return hv_hc_on_vp(hc, HV_VTL_ACTIVE, false, hv_enable_vp_vtl);
}

/*
 * The input of the next two was never published.  It is laid out as that of the
 * calls that enable, without what follows the trust level; flags, of which the
 * Windows Hypervisor Platform has ScrubOnly, are reserved.
 *
 * Only a trust level itself, or a higher one, may disable it: all that it
 * protects is open from then on.
 */
static uint16_t hv_check_disable(HvHypercall *hc, unsigned target)
{
    HvPartition *p = hc->vp->partition;

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if (!target || target >= p->nr_vtls) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (target > hc->vp->active_vtl) {
        return HV_STATUS_ACCESS_DENIED;
    }
    return p->enabled_vtls & (1u << target) ? HV_STATUS_SUCCESS :
                                              HV_STATUS_INVALID_VTL_STATE;
}

/* @vp: not one that is running @target, but the caller's may be */
static void hv_vtl_take_away(HvHypercall *hc, HvVp *vp, unsigned target)
{
    if (target == vp->active_vtl) {
        hv_vtl_leave(vp);
        hc->left = true;
    } else {
        hv_vtl_disable(vp, target);
    }
    /* It may have had MBEC on, so that translations have other rights now */
    vp->partition->ops->regs_changed(vp);
    trace_hv_vtl_disable_vp(vp->index, target);
}

static uint16_t hv_disable_partition_vtl(HvHypercall *hc, HvVp *vp)
{
    unsigned target = hc->in[8];

    if (hv_vtl_enabled_elsewhere(vp->partition, target, vp)) {
        return HV_STATUS_INVALID_VTL_STATE;
    }
    if (hv_vtl_enabled(vp, target)) {
        hv_vtl_take_away(hc, vp, target);
    }
    hv_partition_disable_vtl(vp->partition, target);
    trace_hv_vtl_disable_partition(target);
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_disable_partition_vtl(HvHypercall *hc)
{
    uint16_t status = hv_check_disable(hc, hc->in[8]);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    if (hc->in[9] || lduw_le_p(hc->in + 10) || ldl_le_p(hc->in + 12)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return hv_hc_alone(hc, hv_disable_partition_vtl);
}

/* The last VP keeps it until the partition loses it: nobody could do that */
static uint16_t hv_disable_vp_vtl(HvHypercall *hc, HvVp *vp)
{
    unsigned target = hc->in[12];

    if (!hv_vtl_enabled(vp, target)) {
        return HV_STATUS_INVALID_VTL_STATE;
    }
    if (!hv_vtl_enabled_elsewhere(vp->partition, target, vp)) {
        return HV_STATUS_OPERATION_DENIED;
    }
    if (vp != hc->vp && vp->active_vtl >= target) {
        return HV_STATUS_INVALID_VP_STATE;
    }
    hv_vtl_take_away(hc, vp, target);
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_disable_vp_vtl(HvHypercall *hc)
{
    uint16_t status = hv_check_disable(hc, hc->in[12]);

    if (status != HV_STATUS_SUCCESS) {
        return status;
    }
    if (hc->in[13] || lduw_le_p(hc->in + 14)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return hv_hc_on_vp(hc, HV_VTL_ACTIVE, true, hv_disable_vp_vtl);
}

/* Where the code in the hypercall page leaves the caller's control input */
static uint64_t hv_vtl_input(HvVp *vp)
{
    CPUX86State *env = hv_env(vp);

    return hv_caller_is_64bit(env) ? env->regs[R_EAX] :
                                     (uint32_t)env->regs[R_ECX];
}

bool hv_hc_vtl_call(HvVp *vp, uint64_t control)
{
    return control == HVCALL_VTL_CALL && !hv_vtl_input(vp) && hv_vtl_call(vp);
}

bool hv_hc_vtl_return(HvVp *vp, uint64_t control)
{
    uint64_t input = hv_vtl_input(vp);

    return control == HVCALL_VTL_RETURN && !(input & ~HV_VTL_RETURN_FAST) &&
           hv_vtl_return(vp, input & HV_VTL_RETURN_FAST);
}
