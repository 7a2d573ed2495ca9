/*
 * Hyper-V guest interface: what TCG's x86 helpers call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_HYPERV_TCG_H
#define TARGET_I386_HYPERV_TCG_H

#include "cpu.h"
#include "exec/memattrs.h"
#include "hw/hyperv/tlfs.h"
#include "hyperv-i386.h"
#ifndef CONFIG_USER_ONLY
#include "hw/hyperv/partition.h"
#endif

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

#ifndef CONFIG_USER_ONLY
static inline bool hv_tcg_access(CPUX86State *env, hwaddr paddr, int *prot,
                                 MMUAccessType access_type, int mmu_idx,
                                 bool probe)
{
    HvVp *vp = env_archcpu(env)->hv_vp;

    return likely(!vp ||
                  !hv_partition_protected(vp->partition, vp->active_vtl)) ||
           hv_tcg_check_access(env, paddr, prot, access_type, mmu_idx, probe);
}

/**
 * hv_tcg_access_denied: has hv_tcg_access() denied something, of which
 * hv_tcg_intercept_access() does not know yet?
 */
static inline bool hv_tcg_access_denied(CPUX86State *env)
{
    HvVp *vp = env_archcpu(env)->hv_vp;

    return unlikely(vp && vp->denied.set);
}

/**
 * hv_tcg_intercept_access: have a higher trust level run, if it is because of
 * hv_tcg_access() that the access to @addr cannot be made
 * @ra: return address of the access
 *
 * Returns only if it is not.
 */
G_NORETURN void hv_tcg_raise_intercept(CPUX86State *env, vaddr addr,
                                       int mmu_idx, uintptr_t ra);

static inline void hv_tcg_intercept_access(CPUX86State *env, vaddr addr,
                                           int mmu_idx, uintptr_t ra)
{
    if (hv_tcg_access_denied(env)) {
        hv_tcg_raise_intercept(env, addr, mmu_idx, ra);
    }
}

/**
 * hv_tcg_probed: nobody makes the access that hv_tcg_access() has denied, unless
 * it is that of a page walk, whose end knows what to do
 */
static inline void hv_tcg_probed(CPUX86State *env, int mmu_idx)
{
    if (hv_tcg_access_denied(env) && !is_mmu_index_phys(mmu_idx) &&
        !is_mmu_index_nested(mmu_idx)) {
        env_archcpu(env)->hv_vp->denied.set = false;
    }
}
#endif

/*
 * What follows is called when an instruction is about to do something.  If a
 * higher trust level wants to be told first, it runs, and the function does
 * not return; otherwise nothing happens.  @ra: the helper's return address.
 */

#ifdef CONFIG_USER_ONLY
#define HV_TCG_INTERCEPTS(ENV, WHAT) false
#else
#define HV_TCG_INTERCEPTS(ENV, WHAT) \
    unlikely(env_archcpu(ENV)->hv_intercepts & (WHAT))
#endif

void hv_tcg_intercept_reg(CPUX86State *env, uint32_t name, uint64_t val,
                          uintptr_t ra);
void hv_tcg_intercept_msr(CPUX86State *env, bool write, uintptr_t ra);
void hv_tcg_intercept_unknown_msr(CPUX86State *env, bool write, uintptr_t ra);
void hv_tcg_intercept_io(CPUX86State *env, uint16_t port, unsigned size,
                         bool write, uintptr_t ra);
void hv_tcg_intercept_cpuid(CPUX86State *env, uint32_t *result, uintptr_t ra);
void hv_tcg_intercept_exception(CPUX86State *env, int vector, int int_len,
                                int error_code, uint64_t cr2, uintptr_t ra);

/**
 * hv_tcg_write_reg: the register @name, a HV_REGISTER_NAME, becomes @val; of a
 * segment register, its selector
 */
static inline void hv_tcg_write_reg(CPUX86State *env, uint32_t name,
                                    uint64_t val, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_REGISTER)) {
        hv_tcg_intercept_reg(env, name, val, ra);
    }
}

/**
 * hv_tcg_write_cr: the control register @reg becomes @val
 */
static inline void hv_tcg_write_cr(CPUX86State *env, int reg, uint64_t val,
                                   uintptr_t ra)
{
    if (reg == 0 || reg == 4) {
        hv_tcg_write_reg(env, reg ? HV_X64_REGISTER_CR4 : HV_X64_REGISTER_CR0,
                         val, ra);
    }
}

/**
 * hv_tcg_msr: the MSR that ECX names is read or written
 */
static inline void hv_tcg_msr(CPUX86State *env, bool write, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_REGISTER)) {
        hv_tcg_intercept_msr(env, write, ra);
    }
}

/**
 * hv_tcg_unknown_msr: nobody implements the MSR that ECX names
 */
static inline void hv_tcg_unknown_msr(CPUX86State *env, bool write,
                                      uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_MSR)) {
        hv_tcg_intercept_unknown_msr(env, write, ra);
    }
}

/**
 * hv_tcg_io: @size ports from @port on are read or written
 */
static inline void hv_tcg_io(CPUX86State *env, uint32_t port, unsigned size,
                             bool write, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_IO)) {
        hv_tcg_intercept_io(env, port, size, write, ra);
    }
}

/**
 * hv_tcg_cpuid: CPUID returns these.  A trust level may have other values
 * returned, too.
 */
static inline void hv_tcg_cpuid(CPUX86State *env, uint32_t *eax, uint32_t *ebx,
                                uint32_t *ecx, uint32_t *edx, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_CPUID)) {
        uint32_t result[] = { *eax, *ecx, *edx, *ebx };

        hv_tcg_intercept_cpuid(env, result, ra);
        *eax = result[R_EAX];
        *ecx = result[R_ECX];
        *edx = result[R_EDX];
        *ebx = result[R_EBX];
    }
}

/**
 * hv_tcg_exception: an exception is raised
 * @int_len: length of the instruction that is made for it, or 0
 * @cr2: address of a page fault
 */
static inline void hv_tcg_exception(CPUX86State *env, int vector, int int_len,
                                    int error_code, uint64_t cr2, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_EXCEPTION)) {
        hv_tcg_intercept_exception(env, vector, int_len, error_code, cr2,
                                   ra);
    }
}

/**
 * hv_tcg_check_svm: raise #UD if a higher trust level guards registers that
 * VMRUN or VMLOAD would load from memory
 */
#ifdef CONFIG_USER_ONLY
static inline void hv_tcg_check_svm(CPUX86State *env, uintptr_t ra)
{
}
#else
void hv_tcg_check_svm(CPUX86State *env, uintptr_t ra);
#endif

/**
 * hv_tcg_deliver: an event is about to be delivered; remember it, so that it is
 * not lost if a higher trust level runs instead
 *
 * Returns: @is_hw, or what it was when the same event was delivered before
 */
#ifdef CONFIG_USER_ONLY
static inline int hv_tcg_deliver(CPUX86State *env, int vector, int is_int,
                                 int error_code, uint64_t next_eip, int is_hw)
{
    return is_hw;
}
#else
int hv_tcg_deliver(CPUX86State *env, int vector, int is_int, int error_code,
                   uint64_t next_eip, int is_hw);
#endif

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
