/*
 * Hyper-V guest interface: GUEST_IDLE (TLFS 7.5) beside a kernel's own Hyper-V
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest wants to sleep until an interrupt arrives, be it masked.  A kernel
 * that has the APIC wakes a halted vCPU for an interrupt that it would take.  So
 * RFLAGS.IF is set while it sleeps.  For it to take none before IF is as it was,
 * it is asked for a reset, as by the MSR: that wakes nobody, but is what a vCPU
 * leaves the kernel for when it wakes, before it takes an interrupt.  A kernel
 * without Hyper-V has nothing of that kind.
 *
 * Priorities cannot be lifted like this.  While an interrupt is in service, or
 * the TPR is not 0, there may be interrupts that wake nobody, and so the guest
 * does not sleep: it returns at once, and looks itself for what it waits for.
 * It does the same if somebody in QEMU wants its thread.
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "hyperv-kvm.h"
#include "internal.h"
#include "kvm/kvm_i386.h"
#include "system/kvm_int.h"
#include "trace.h"

/* Offsets of APIC registers */
#define APIC_TPR    0x80
#define APIC_ISR    0x100
#define APIC_IRR    0x200

/*
 * Returns: has it left the kernel for the reset, or will it never?  If not, the
 * reset is still to come.
 */
static bool hv_kvm_run(CPUState *cs)
{
    int ret = kvm_vcpu_ioctl(cs, KVM_RUN, 0);

    return ret < 0 ? ret != -EINTR :
                     cs->kvm_run->exit_reason == KVM_EXIT_SYSTEM_EVENT;
}

/*
 * Is any of 256 bits set, which are in every fourth of eight words?  Those of the
 * first 16 vectors stay so for ever, and interrupt nobody.
 */
static bool hv_kvm_apic_any(const struct kvm_lapic_state *apic, unsigned reg)
{
    unsigned i;

    for (i = 0; i < 8; i++) {
        if (ldl_le_p(apic->regs + reg + i * 16) & (i ? ~0u : ~0xffffu)) {
            return true;
        }
    }
    return false;
}

/* Would every interrupt wake it that arrives from now on? */
static bool hv_kvm_all_wake(CPUState *cs)
{
    struct kvm_nested_state *nested = cpu_env(cs)->nested_state;
    struct kvm_lapic_state apic;

    if (kvm_vcpu_ioctl(cs, KVM_GET_LAPIC, &apic) ||
        hv_kvm_apic_any(&apic, APIC_IRR) || hv_kvm_apic_any(&apic, APIC_ISR) ||
        (ldl_le_p(apic.regs + APIC_TPR) & 0xf0)) {
        return false;
    }
    if (!nested) {
        return true;
    }
    /* A nested guest's interrupts are its hypervisor's */
    nested->size = kvm_max_nested_state_length();
    return !kvm_vcpu_ioctl(cs, KVM_GET_NESTED_STATE, nested) &&
           !(nested->flags & KVM_STATE_NESTED_GUEST_MODE) &&
           (nested->format != KVM_STATE_NESTED_FORMAT_SVM ||
            (nested->flags & KVM_STATE_NESTED_GIF_SET));
}

static bool hv_kvm_ask_for_reset(CPUState *cs)
{
    struct {
        struct kvm_msrs info;
        struct kvm_msr_entry entry;
    } reset = {
        .info.nmsrs = 1,
        .entry = { .index = HV_X64_MSR_RESET, .data = HV_RESET_REBOOT },
    };

    return kvm_vcpu_ioctl(cs, KVM_SET_MSRS, &reset) == 1;
}

static void hv_kvm_set_if(CPUState *cs, bool on)
{
    struct kvm_regs regs;

    kvm_vcpu_ioctl(cs, KVM_GET_REGS, &regs);
    if (on != !!(regs.rflags & IF_MASK)) {
        regs.rflags ^= IF_MASK;
        kvm_vcpu_ioctl(cs, KVM_SET_REGS, &regs);
    }
}

static bool hv_kvm_set_state(CPUState *cs, uint32_t mp_state)
{
    struct kvm_mp_state state = { .mp_state = mp_state };

    return !kvm_vcpu_ioctl(cs, KVM_SET_MP_STATE, &state);
}

/* Have it leave for the reset, if it was woken by something else than that */
static void hv_kvm_take_reset(CPUState *cs)
{
    struct kvm_mp_state state;

    kvm_vcpu_ioctl(cs, KVM_GET_MP_STATE, &state);
    /* It would not even try to run */
    hv_kvm_set_state(cs, KVM_MP_STATE_RUNNABLE);
    do {
        qatomic_set_mb(&cs->kvm_run->immediate_exit, 0);
    } while (!hv_kvm_run(cs));
    if (state.mp_state != KVM_MP_STATE_HALTED) {
        /* That of INIT */
        hv_kvm_set_state(cs, state.mp_state);
    }
}

static bool hv_kvm_wanted(CPUState *cs)
{
    return qatomic_read(&cs->exit_request) || qatomic_read(&cs->thread_kicked);
}

static void hv_kvm_sleep(CPUState *cs)
{
    struct kvm_regs regs;
    bool masked;

    if (kvm_vcpu_ioctl(cs, KVM_GET_REGS, &regs) || (regs.rflags & TF_MASK) ||
        !hv_kvm_all_wake(cs) || !hv_kvm_ask_for_reset(cs)) {
        return;
    }
    masked = !(regs.rflags & IF_MASK);
    if (masked) {
        hv_kvm_set_if(cs, true);
    }
    trace_hv_kvm_sleep(cs->cpu_index);
    if (!hv_kvm_set_state(cs, KVM_MP_STATE_HALTED) || !hv_kvm_run(cs)) {
        hv_kvm_take_reset(cs);
    }
    if (masked) {
        /* After INIT it is 0 anyway */
        hv_kvm_set_if(cs, false);
    }
}

bool hv_kvm_idle(X86CPU *cpu, uint32_t msr, uint64_t *val)
{
    CPUState *cs = CPU(cpu);
    struct kvm_run *run = cs->kvm_run;

    *val = 0;
    if (cs->singlestep_enabled) {
        return true;
    }
    /* The instruction ends when the kernel is entered, which leaves at once */
    run->msr.error = 0;
    qatomic_set(&run->immediate_exit, 1);
    kvm_vcpu_ioctl(cs, KVM_RUN, 0);

    /* Who kicks it says so first, and then has immediate_exit set */
    qatomic_set_mb(&run->immediate_exit, 0);
    if (!hv_kvm_wanted(cs)) {
        hv_kvm_sleep(cs);
    }
    if (hv_kvm_wanted(cs)) {
        qatomic_set(&run->immediate_exit, 1);
    }
    return true;
}
