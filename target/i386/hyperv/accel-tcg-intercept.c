/*
 * Hyper-V guest interface: intercepts of instructions and exceptions (TLFS
 * 15.13) on TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "hyperv-tcg.h"
#include "internal.h"
#include "tcg/helper-tcg.h"

static HvVp *hv_tcg_vp(CPUX86State *env)
{
    return env_archcpu(env)->hv_vp;
}

/*
 * What a nested guest has in these is not what its hypervisor has, and gets it
 * back when the nested guest is left.
 */
static bool hv_tcg_nested_own(CPUX86State *env, uint32_t name)
{
    return (env->hflags & HF_GUEST_MASK) && name != HV_X64_REGISTER_XFEM;
}

static void hv_tcg_intercept_write(CPUX86State *env, uint32_t name,
                                   uint64_t val, bool memory_op, uintptr_t ra)
{
    HvVp *vp = hv_tcg_vp(env);
    unsigned vtl = hv_tcg_nested_own(env, name) ? 0 :
                   hv_intercepts_reg(vp, vp->active_vtl, name, val);

    if (vtl) {
        cpu_restore_state(env_cpu(env), ra);
        if (hv_intercept_register(vp, vtl, name, val, memory_op)) {
            hv_tcg_run_vtl(env);
        }
    }
}

void hv_tcg_intercept_reg(CPUX86State *env, uint32_t name, uint64_t val,
                          uintptr_t ra)
{
    hv_tcg_intercept_write(env, name, val, false, ra);
}

/* LGDT and LIDT, in front of the load */
void helper_hv_load_table(CPUX86State *env, uint32_t name, target_ulong addr)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_REGISTER)) {
        hv_tcg_intercept_write(env, name, addr, true, GETPC());
    }
}

void hv_tcg_check_svm(CPUX86State *env, uintptr_t ra)
{
    if (HV_TCG_INTERCEPTS(env, HV_INTERCEPTS_REGISTER)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
}

static void hv_tcg_msr_intercept(CPUX86State *env, unsigned vtl, bool write,
                                 uintptr_t ra)
{
    if (vtl) {
        cpu_restore_state(env_cpu(env), ra);
        if (hv_intercept_msr(hv_tcg_vp(env), vtl, write)) {
            hv_tcg_run_vtl(env);
        }
    }
}

void hv_tcg_intercept_msr(CPUX86State *env, bool write, uintptr_t ra)
{
    hv_tcg_msr_intercept(env, hv_intercepts_msr(hv_tcg_vp(env), write), write,
                         ra);
}

void hv_tcg_intercept_unknown_msr(CPUX86State *env, bool write, uintptr_t ra)
{
    hv_tcg_msr_intercept(env, hv_intercepts_unknown_msr(hv_tcg_vp(env), write),
                         write, ra);
}

void hv_tcg_intercept_io(CPUX86State *env, uint16_t port, unsigned size,
                         bool write, uintptr_t ra)
{
    HvVp *vp = hv_tcg_vp(env);
    unsigned vtl = hv_intercepts_io(vp, port, size, write);

    if (vtl) {
        cpu_restore_state(env_cpu(env), ra);
        if (hv_intercept_io(vp, vtl, port, size, write)) {
            hv_tcg_run_vtl(env);
        }
    }
}

void hv_tcg_intercept_cpuid(CPUX86State *env, uint32_t *result, uintptr_t ra)
{
    HvVp *vp = hv_tcg_vp(env);
    unsigned vtl;

    if (env->hflags & HF_GUEST_MASK) {
        return;
    }
    vtl = hv_intercepts_cpuid(vp, result);
    if (vtl) {
        cpu_restore_state(env_cpu(env), ra);
        if (hv_intercept_cpuid(vp, vtl, result)) {
            hv_tcg_run_vtl(env);
        }
    }
}

/*
 * INT3 and INTO, but not INT, of which the last byte is the vector.  RIP is the
 * instruction's, which may have prefixes.
 */
static bool hv_tcg_software_exception(CPUX86State *env, int vector, int len)
{
    uint8_t last;

    if (vector != EXCP03_INT3 && vector != EXCP04_INTO) {
        return false;
    }
    return cpu_memory_rw_debug(env_cpu(env),
                               env->segs[R_CS].base + env->eip + len - 1,
                               &last, 1, false) || last != vector;
}

void hv_tcg_intercept_exception(CPUX86State *env, int vector, int int_len,
                                int error_code, uint64_t cr2, uintptr_t ra)
{
    HvVp *vp = hv_tcg_vp(env);
    HvException e = {
        .vector = vector,
        .software = int_len,
        .error_code = error_code,
        .parameter = vector == EXCP0E_PAGE ? cr2 :
                     vector == EXCP01_DB ? env->dr[6] : 0,
    };
    unsigned vtl;

    if (vector >= 32 || (env->hflags & HF_GUEST_MASK)) {
        return;
    }
    vtl = hv_intercepts_exception(vp, vector);
    if (!vtl ||
        (int_len && !hv_tcg_software_exception(env, vector, int_len))) {
        return;
    }
    cpu_restore_state(env_cpu(env), ra);
    if (hv_intercept_exception(vp, vtl, &e)) {
        hv_tcg_run_vtl(env);
    }
}

static uint64_t hv_tcg_event(CPUX86State *env, int vector, int is_int,
                             int error_code, uint64_t next_eip, int is_hw)
{
    HvInterruptionType type;
    uint64_t event = HV_INTERRUPTION_PENDING |
                     (uint64_t)vector << HV_INTERRUPTION_VECTOR_SHIFT;

    if (is_hw) {
        type = vector == EXCP02_NMI ? HV_INTERRUPTION_NMI :
                                      HV_INTERRUPTION_EXTERNAL;
    } else if (is_int) {
        type = vector == EXCP03_INT3 || vector == EXCP04_INTO ?
               HV_INTERRUPTION_SOFTWARE_EXCEPTION : HV_INTERRUPTION_SOFTWARE;
        event |= ((next_eip - env->eip) &
                  MAKE_64BIT_MASK(0, HV_INTERRUPTION_LENGTH_LEN)) <<
                 HV_INTERRUPTION_LENGTH_SHIFT;
    } else {
        type = HV_INTERRUPTION_EXCEPTION;
        if (vector < 32 && (HV_ERROR_CODE_VECTORS & (1u << vector))) {
            event |= HV_INTERRUPTION_ERROR_CODE |
                     (uint64_t)(uint32_t)error_code <<
                     HV_INTERRUPTION_ERROR_SHIFT;
        }
    }
    return event | type << HV_INTERRUPTION_TYPE_SHIFT;
}

/*
 * Of an exception, QEMU has everything in the CPU's state until it is
 * delivered.  An interrupt has left the APIC by now: it is kept in the same way.
 */
int hv_tcg_deliver(CPUX86State *env, int vector, int is_int, int error_code,
                   uint64_t next_eip, int is_hw)
{
    CPUState *cs = env_cpu(env);
    HvVp *vp = hv_tcg_vp(env);
    unsigned type;

    if (likely(!vp)) {
        return is_hw;
    }
    if (hv_vp_event_pending(vp) && cs->exception_index == vector) {
        vp->delivery = vp->pending_event;
        type = extract64(vp->delivery, HV_INTERRUPTION_TYPE_SHIFT,
                         HV_INTERRUPTION_TYPE_LEN);
        is_hw = type == HV_INTERRUPTION_EXTERNAL || type == HV_INTERRUPTION_NMI;
    } else {
        vp->delivery = hv_tcg_event(env, vector, is_int, error_code, next_eip,
                                    is_hw);
    }
    vp->pending_event = 0;
    /* A nested guest's virtual interrupt is pending until it is delivered */
    if ((is_hw && (vector == EXCP02_NMI ||
                   !(cs->interrupt_request & CPU_INTERRUPT_VIRQ))) ||
        vector == EXCP12_MCHK) {
        cs->exception_index = vector;
        env->exception_is_int = 0;
        env->error_code = 0;
    }
    return is_hw;
}
