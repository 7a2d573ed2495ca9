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
 *
 * Returns: false if it is not
 */
bool hv_tcg_nested_hypercall(CPUX86State *env);

/**
 * hv_tcg_poll: switch to a higher trust level if it has an interrupt
 *
 * Returns: true if it runs now.  Context: between two instructions on the
 * CPU's own thread, big QEMU lock held.
 */
bool hv_tcg_poll(X86CPU *cpu);

/**
 * hv_tcg_transaction_failed: TCGCPUOps.do_transaction_failed
 */
void hv_tcg_transaction_failed(CPUState *cs, hwaddr physaddr, vaddr addr,
                               unsigned size, MMUAccessType access_type,
                               int mmu_idx, MemTxAttrs attrs,
                               MemTxResult response, uintptr_t ra);

#endif
