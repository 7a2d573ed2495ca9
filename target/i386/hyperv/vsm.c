/*
 * Hyper-V virtual secure mode (TLFS 15): its registers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "cpu.h"
#include "internal.h"

bool hv_vsm_startup_denied(HvPartition *p, unsigned vtl)
{
    unsigned i;

    for (i = vtl + 1; i < p->nr_vtls; i++) {
        if (p->vtl[i].vsm_config & HV_VSM_DENY_LOWER_VTL_STARTUP) {
            return true;
        }
    }
    return false;
}

bool hv_mbec_enabled(HvPartition *p, unsigned vtl)
{
    return p->mbec_vtls & (1u << vtl);
}

/* Has a trust level above switched MBEC on for @vtl? */
static bool hv_mbec_active(HvVp *vp, unsigned vtl)
{
    unsigned i;

    for (i = vtl + 1; i < vp->partition->nr_vtls; i++) {
        if (vp->vtl[i].secure_config[vtl] & HV_VSM_MBEC_ENABLED) {
            return true;
        }
    }
    return false;
}

uint8_t hv_execute_mask(HvVp *vp, bool user)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;

    /* TLFS 15.9.4: not if the guest could have SMEP and does without */
    if (user && hv_mbec_active(vp, vp->regs_vtl) &&
        (!(env->features[FEAT_7_0_EBX] & CPUID_7_0_EBX_SMEP) ||
         (env->cr[4] & CR4_SMEP_MASK))) {
        return HV_MAP_GPA_USER_EXECUTABLE;
    }
    return HV_MAP_GPA_KERNEL_EXECUTABLE;
}

bool hv_tlb_locked(HvVp *vp)
{
    HvPartition *p = vp->partition;
    unsigned lower = vp->active_vtl;
    unsigned i, vtl;

    /* What the guest has written is there; pairs with hv_vsm_reg_set() */
    smp_mb();
    for (i = 0; i < p->nr_vps; i++) {
        HvVp *other = hv_partition_vp(p, i);

        for (vtl = lower + 1; other && vtl < p->nr_vtls; vtl++) {
            if (other != vp &&
                (qatomic_read(&other->vtl[vtl].secure_config[lower]) &
                 HV_VSM_TLB_LOCKED)) {
                return true;
            }
        }
    }
    return false;
}

void hv_tlb_unlock(HvVp *vp, unsigned vtl)
{
    uint64_t *config = vp->vtl[vtl].secure_config;
    unsigned lower;

    for (lower = 0; lower < vtl; lower++) {
        if (config[lower] & HV_VSM_TLB_LOCKED) {
            qatomic_set(&config[lower], config[lower] & ~HV_VSM_TLB_LOCKED);
        }
    }
}

static uint64_t hv_vsm_code_page_offsets(HvVp *vp)
{
    bool is64 = hv_caller_is_64bit(&X86_CPU(vp->cs)->env);
    unsigned call = is64 ? HV_PAGE_VTL_CALL_64 : HV_PAGE_VTL_CALL_32;
    unsigned ret = is64 ? HV_PAGE_VTL_RETURN_64 : HV_PAGE_VTL_RETURN_32;

    return call * HV_PAGE_ENTRY_SIZE |
           ret * HV_PAGE_ENTRY_SIZE << HV_VSM_VTL_RETURN_OFFSET_SHIFT;
}

/* HvRegisterVsmVpSecureConfigVtlX: X, or -1 if it is not one below */
static int hv_vsm_secure_config(HvVp *vp, uint32_t name)
{
    unsigned lower = name - HV_REGISTER_VSM_VP_SECURE_CONFIG_VTL0;

    return lower < vp->regs_vtl ? lower : -1;
}

/* HvX64RegisterCrIntercept*, or NULL if @name is another */
static uint64_t *hv_vsm_cr_intercept(HvVtl *vtl, uint32_t name)
{
    unsigned i = name - HV_X64_REGISTER_CR_INTERCEPT_CONTROL;

    return i < HV_CR_INTERCEPT_REGS && hv_vtl_index(vtl) ?
           &vtl->cr_intercept[i] : NULL;
}

uint16_t hv_vsm_reg_get(HvVp *vp, uint32_t name, uint64_t *val)
{
    HvPartition *p = vp->partition;
    HvVtl *vtl = &vp->vtl[vp->regs_vtl];
    int lower;

    switch (name) {
    case HV_REGISTER_VSM_CODE_PAGE_OFFSETS:
        *val = hv_vsm_code_page_offsets(vp);
        break;
    case HV_REGISTER_VSM_VP_STATUS:
        *val = vp->active_vtl | (hv_mbec_active(vp, vp->active_vtl) ?
                                 HV_VSM_VP_ACTIVE_MBEC : 0) |
               vp->enabled_vtls << HV_VSM_VP_ENABLED_VTLS_SHIFT;
        break;
    case HV_REGISTER_VSM_PARTITION_STATUS:
        *val = p->enabled_vtls |
               (uint64_t)p->mbec_vtls << HV_VSM_PARTITION_MBEC_VTLS_SHIFT |
               (p->nr_vtls - 1) << HV_VSM_PARTITION_MAXIMUM_VTL_SHIFT;
        break;
    case HV_REGISTER_VSM_VINA:
        *val = vtl->vina;
        break;
    case HV_REGISTER_VSM_CAPABILITIES:
        /* MBEC for each VTL that has one below */
        *val = HV_VSM_CAP_DENY_LOWER_VTL_STARTUP |
               MAKE_64BIT_MASK(1, p->nr_vtls - 1) << HV_VSM_CAP_MBEC_VTLS_SHIFT;
        break;
    case HV_REGISTER_VSM_PARTITION_CONFIG:
        if (!vp->regs_vtl) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        *val = p->vtl[vp->regs_vtl].vsm_config;
        break;
    default:
        if (hv_vsm_cr_intercept(vtl, name)) {
            *val = *hv_vsm_cr_intercept(vtl, name);
            break;
        }
        lower = hv_vsm_secure_config(vp, name);
        if (lower < 0) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        *val = vtl->secure_config[lower];
        break;
    }
    return HV_STATUS_SUCCESS;
}

/* TLFS 15.5: what applies protections stays as it is once it is on */
static uint16_t hv_vsm_set_partition_config(HvPartition *p, unsigned index,
                                            uint64_t val)
{
    HvPartitionVtl *vtl = &p->vtl[index];
    uint8_t mask = (val & HV_VSM_DEFAULT_PROTECTION_MASK) >>
                   HV_VSM_DEFAULT_PROTECTION_SHIFT;
    bool enable = val & HV_VSM_ENABLE_VTL_PROTECTION;
    uint64_t fixed = HV_VSM_ENABLE_VTL_PROTECTION |
                     HV_VSM_DEFAULT_PROTECTION_MASK;

    if ((vtl->vsm_config & HV_VSM_ENABLE_VTL_PROTECTION) &&
        ((vtl->vsm_config ^ val) & fixed)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    /* Nothing that VTL 0 has set up may depend on it: it can read and write */
    if (enable && !(vtl->vsm_config & HV_VSM_ENABLE_VTL_PROTECTION)) {
        if (!hv_protection_mask_valid(p, index, mask) ||
            (mask & HV_MAP_GPA_RW) != HV_MAP_GPA_RW) {
            return HV_STATUS_INVALID_REGISTER_VALUE;
        }
        if (!hv_partition_enable_protection(p, index, mask)) {
            return HV_STATUS_OPERATION_DENIED;
        }
    }
    vtl->vsm_config = val;
    return HV_STATUS_SUCCESS;
}

static bool hv_vsm_lower_runs_guest(HvVp *vp)
{
    unsigned i;

    for (i = 0; i < vp->regs_vtl; i++) {
        if (hv_vtl_enabled(vp, i) && hv_vtl_runs_guest(vp, i)) {
            return true;
        }
    }
    return false;
}

uint16_t hv_vsm_reg_set(HvVp *vp, uint32_t name, uint64_t val)
{
    HvVtl *vtl = &vp->vtl[vp->regs_vtl];
    int lower;

    if (!vp->regs_vtl) {
        /* There is none below that these could be for */
        return HV_STATUS_INVALID_PARAMETER;
    }
    switch (name) {
    case HV_REGISTER_VSM_VINA:
        vtl->vina = val;
        return HV_STATUS_SUCCESS;
    case HV_REGISTER_VSM_PARTITION_CONFIG:
        return hv_vsm_set_partition_config(vp->partition, vp->regs_vtl, val);
    default:
        if (hv_vsm_cr_intercept(vtl, name)) {
            if (name == HV_X64_REGISTER_CR_INTERCEPT_CONTROL && val &&
                hv_vsm_lower_runs_guest(vp)) {
                /* Its #VMEXIT loads registers, and cannot be intercepted */
                return HV_STATUS_INVALID_VP_STATE;
            }
            *hv_vsm_cr_intercept(vtl, name) = val;
            hv_intercepts_changed(vp);
            return HV_STATUS_SUCCESS;
        }
        lower = hv_vsm_secure_config(vp, name);
        if (lower < 0) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        if ((val & HV_VSM_MBEC_ENABLED) &&
            !hv_mbec_enabled(vp->partition, vp->regs_vtl)) {
            return HV_STATUS_INVALID_REGISTER_VALUE;
        }
        if ((val & HV_VSM_TLB_LOCKED) && vp->regs_vtl != vp->active_vtl) {
            /* The VP could not let go of it by returning */
            return HV_STATUS_INVALID_VP_STATE;
        }
        qatomic_set(&vtl->secure_config[lower], val);
        /* What VTL reads from now on is there; pairs with hv_tlb_locked() */
        smp_mb();
        return HV_STATUS_SUCCESS;
    }
}
