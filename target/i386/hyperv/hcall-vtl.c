/*
 * Hyper-V hypercalls of virtual secure mode (TLFS 15.15): enabling a trust
 * level, and switching to another one
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

static bool hv_vtl_enabled_on_any_vp(HvPartition *p, unsigned vtl)
{
    unsigned i;

    for (i = 0; i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && hv_vtl_enabled(vp, vtl)) {
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
        (hv_vtl_enabled_on_any_vp(p, target) ||
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
