/*
 * Hyper-V guest interface: TCG's helpers in QEMU without CONFIG_HYPERV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "hyperv-tcg.h"
#include "tcg/helper-tcg.h"

void helper_hypercall(CPUX86State *env, int next_eip_addend)
{
    raise_exception(env, EXCP06_ILLOP);
}

uint64_t hv_tcg_rdmsr(CPUX86State *env, uintptr_t ra)
{
    g_assert_not_reached();
}

void hv_tcg_wrmsr(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    g_assert_not_reached();
}

void hv_tcg_transaction_failed(CPUState *cs, hwaddr physaddr, vaddr addr,
                               unsigned size, MMUAccessType access_type,
                               int mmu_idx, MemTxAttrs attrs,
                               MemTxResult response, uintptr_t ra)
{
}

bool hv_tcg_nested_hypercall(CPUX86State *env, int next_eip_addend)
{
    return false;
}

bool hv_tcg_check_access(CPUX86State *env, hwaddr paddr, int *prot,
                         MMUAccessType access_type, int mmu_idx, bool probe)
{
    g_assert_not_reached();
}

void hv_tcg_raise_intercept(CPUX86State *env, vaddr addr, int mmu_idx,
                            uintptr_t ra)
{
    g_assert_not_reached();
}

bool hv_tcg_poll(X86CPU *cpu)
{
    return false;
}

void helper_hv_load_table(CPUX86State *env, uint32_t name, target_ulong addr)
{
}

void hv_tcg_intercept_reg(CPUX86State *env, uint32_t name, uint64_t val,
                          uintptr_t ra)
{
}

void hv_tcg_intercept_msr(CPUX86State *env, bool write, uintptr_t ra)
{
}

void hv_tcg_intercept_unknown_msr(CPUX86State *env, bool write, uintptr_t ra)
{
}

void hv_tcg_intercept_io(CPUX86State *env, uint16_t port, unsigned size,
                         bool write, uintptr_t ra)
{
}

void hv_tcg_intercept_cpuid(CPUX86State *env, uint32_t *result, uintptr_t ra)
{
}

void hv_tcg_intercept_exception(CPUX86State *env, int vector, int int_len,
                                int error_code, uint64_t cr2, uintptr_t ra)
{
}

void hv_tcg_check_svm(CPUX86State *env, uintptr_t ra)
{
}

int hv_tcg_deliver(CPUX86State *env, int vector, int is_int, int error_code,
                   uint64_t next_eip, int is_hw)
{
    return is_hw;
}
