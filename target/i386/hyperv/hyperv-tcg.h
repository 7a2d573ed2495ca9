/*
 * Hyper-V guest interface: what TCG's x86 helpers call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_HYPERV_TCG_H
#define TARGET_I386_HYPERV_TCG_H

#include "cpu.h"
#include "exec/memattrs.h"

/**
 * hv_tcg_rdmsr, hv_tcg_wrmsr: access the synthetic MSR that ECX names
 * @ra: the helper's return address
 *
 * Raise #GP, or park the CPU, instead of returning.
 */
uint64_t hv_tcg_rdmsr(CPUX86State *env, uintptr_t ra);
void hv_tcg_wrmsr(CPUX86State *env, uint64_t val, uintptr_t ra);

/**
 * hv_tcg_nested_hypercall: execute a VMMCALL of a nested guest, if it is one
 * that the nested guest's hypervisor leaves to us
 * @next_eip_addend: its length
 *
 * Returns: false if it is not
 */
bool hv_tcg_nested_hypercall(CPUX86State *env, int next_eip_addend);

/**
 * hv_tcg_access: take away from @prot, what is allowed to do to the page at
 * @paddr, what a higher trust level does not allow
 * @probe: the access may never be made
 *
 * Returns: false if @access_type is denied; then hv_tcg_intercept_access() is
 * to be called, unless nobody makes the access
 */
bool hv_tcg_check_access(CPUX86State *env, hwaddr paddr, int *prot,
                         MMUAccessType access_type, int mmu_idx, bool probe);

static inline bool hv_tcg_access(CPUX86State *env, hwaddr paddr, int *prot,
                                 MMUAccessType access_type, int mmu_idx,
                                 bool probe)
{
    return likely(!env_archcpu(env)->hv_vp) ||
           hv_tcg_check_access(env, paddr, prot, access_type, mmu_idx, probe);
}

/**
 * hv_tcg_access_denied: has hv_tcg_access() denied something, of which
 * hv_tcg_intercept_access() does not know yet?
 */
bool hv_tcg_access_denied(CPUX86State *env);

/**
 * hv_tcg_intercept_access: have a higher trust level run, if it is because of
 * hv_tcg_access() that the access to @addr cannot be made
 * @ra: return address of the access
 *
 * Returns only if it is not.
 */
void hv_tcg_intercept_access(CPUX86State *env, vaddr addr, int mmu_idx,
                             uintptr_t ra);

/**
 * hv_tcg_poll: switch to a higher trust level if it has an interrupt
 *
 * Returns: true if it runs now.  Context: between two instructions on the
 * CPU's own thread, big QEMU lock held.
 */
bool hv_tcg_poll(X86CPU *cpu);

/**
 * hv_tcg_run_vtl: go on in the trust level that the CPU's state is now of
 */
G_NORETURN void hv_tcg_run_vtl(CPUX86State *env);

/**
 * hv_tcg_transaction_failed: TCGCPUOps.do_transaction_failed
 */
void hv_tcg_transaction_failed(CPUState *cs, hwaddr physaddr, vaddr addr,
                               unsigned size, MMUAccessType access_type,
                               int mmu_idx, MemTxAttrs attrs,
                               MemTxResult response, uintptr_t ra);

#endif
