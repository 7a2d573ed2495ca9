/*
 * Hyper-V guest interface: VTL protections (TLFS 15.9) on TCG
 *
 * They are looked at when a TLB entry is made, and are part of it from then on.
 * The entries of different trust levels have different MMU indexes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "hyperv-tcg.h"
#include "internal.h"
#include "tcg/helper-tcg.h"

static int hv_mask_to_prot(HvVp *vp, uint8_t mask, int mmu_idx)
{
    int prot = 0;

    if (mask & HV_MAP_GPA_READABLE) {
        prot |= PAGE_READ;
    }
    if (mask & HV_MAP_GPA_WRITABLE) {
        prot |= PAGE_WRITE;
    }
    if (mask & hv_execute_mask(vp, is_mmu_index_user(mmu_idx))) {
        prot |= PAGE_EXEC;
    }
    return prot;
}

bool hv_tcg_check_access(CPUX86State *env, hwaddr paddr, int *prot,
                         MMUAccessType access_type, int mmu_idx, bool probe)
{
    HvVp *vp = env_archcpu(env)->hv_vp;
    uint8_t mask = hv_partition_vtl_access(vp->partition, vp->active_vtl,
                                           paddr, NULL, NULL);

    if (likely(mask == HV_MAP_GPA_ALL)) {
        return true;
    }
    switch (mmu_idx & ~MMU_VTL1_IDX) {
    case MMU_PHYS_IDX:
        *prot &= hv_mask_to_prot(vp, mask, mmu_idx);
        if (probe) {
            /* A page walk writes only if it has to: see ptw_setl_slow() */
            access_type = MMU_DATA_LOAD;
        }
        break;
    case MMU_NESTED_IDX:
        /* Page tables, or what is looked at again as the guest's access */
        *prot &= hv_mask_to_prot(vp, mask, mmu_idx) | PAGE_EXEC;
        break;
    default:
        *prot &= hv_mask_to_prot(vp, mask, mmu_idx);
        break;
    }
    if (*prot & (1 << access_type)) {
        return true;
    }
    vp->denied.set = true;
    vp->denied.page_walk = is_mmu_index_phys(mmu_idx) ||
                           is_mmu_index_nested(mmu_idx);
    vp->denied.access = access_type == MMU_DATA_LOAD ?
                            HV_INTERCEPT_ACCESS_READ :
                        access_type == MMU_DATA_STORE ?
                            HV_INTERCEPT_ACCESS_WRITE :
                            HV_INTERCEPT_ACCESS_EXECUTE;
    vp->denied.gpa = paddr;
    return false;
}

void hv_tcg_raise_intercept(CPUX86State *env, vaddr addr, int mmu_idx,
                            uintptr_t ra)
{
    CPUState *cs = env_cpu(env);
    HvVp *vp = env_archcpu(env)->hv_vp;

    vp->denied.set = false;
    vp->denied.gva_valid = !is_mmu_index_phys(mmu_idx) &&
                           !is_mmu_index_nested(mmu_idx);
    vp->denied.gva = vp->denied.gva_valid ? addr : 0;
    cpu_restore_state(cs, ra);
    if (!hv_intercept_memory(vp, &vp->denied)) {
        qemu_log_mask(LOG_GUEST_ERROR, "hyperv: VP %u has no VTL to tell of a "
                      "denied access to 0x%" HWADDR_PRIx "\n", vp->index,
                      vp->denied.gpa);
        raise_exception_err(env, EXCP0D_GPF, 0);
    }
    /* An exception that was being delivered is delivered again later on */
    hv_tcg_run_vtl(env);
}
