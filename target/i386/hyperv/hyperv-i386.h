/*
 * Hyper-V guest interface of x86 CPUs: what QEMU's CPU, APIC, migration and
 * TCG code call
 *
 * Each function does nothing for a CPU without a virtual processor (a CPU
 * whose hv_vp is NULL), i.e. if no hv-* flag was given or if the accelerator's
 * kernel implements the interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_HYPERV_I386_H
#define TARGET_I386_HYPERV_I386_H

#include "cpu.h"
#include "hw/hyperv/tlfs.h"

struct APICCommonState;

/**
 * hv_expand_features: check the hv-* properties of @cpu against each other
 * and against the accelerator, and expand hv-default and hv-passthrough
 *
 * Returns: false, with @errp set, if what was asked for cannot be had
 */
bool hv_expand_features(X86CPU *cpu, Error **errp);

/**
 * hv_cpu_check: does @cpu have the hv-* flags of the CPUs that there are?
 *
 * To be called before realizing @cpu has begun: QEMU cannot undo that.
 */
bool hv_cpu_check(X86CPU *cpu, Error **errp);

/**
 * hv_cpu_realize: make the virtual processor of @cpu, and the partition with
 * the first one
 */
bool hv_cpu_realize(X86CPU *cpu, Error **errp);
void hv_cpu_unrealize(X86CPU *cpu);

/**
 * hv_cpu_class_init: let a debugger see any trust level of the CPUs
 */
void hv_cpu_class_init(CPUClass *cc);

/**
 * hv_cpuid: fill in a leaf that the hypervisor defines or changes
 *
 * Returns: true if @index was one of the hypervisor's leaves
 */
bool hv_cpuid(X86CPU *cpu, uint32_t index, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx);

/**
 * hv_cpuid_features: let the hypervisor change what an architectural leaf says
 */
void hv_cpuid_features(X86CPU *cpu, uint32_t index, uint32_t *edx);

/**
 * hv_msr_owned: is @msr one that hv_msr_read() and hv_msr_write() decide on?
 *
 * The synthetic range, and the number that some editions of the TLFS print as
 * an MSR although it is a register for hypercalls (HvRegisterVsmCapabilities).
 */
static inline bool hv_msr_owned(X86CPU *cpu, uint32_t msr)
{
    return unlikely(cpu->hv_vp) &&
           (msr - HV_X64_MSR_FIRST < HV_X64_MSR_COUNT || msr == 0x000d0006);
}

/**
 * hv_msr_read, hv_msr_write: access a synthetic MSR
 *
 * Returns: false if the guest is to get #GP.  Context: the CPU's own thread,
 * without the big QEMU lock (it may be held if the VM is stopped).
 */
bool hv_msr_read(X86CPU *cpu, uint32_t msr, uint64_t *val);
bool hv_msr_write(X86CPU *cpu, uint32_t msr, uint64_t val);

/**
 * hv_hypercall: execute the hypercall that the CPU's registers describe
 *
 * Returns: false if the guest is to get #UD.  May leave the CPU loop instead
 * of returning.  Context: as hv_msr_read().
 */
bool hv_hypercall(X86CPU *cpu);

/**
 * hv_hypercall_from_kernel: execute a hypercall that the kernel's own
 * hypervisor leaves to QEMU
 * @control: hypercall input value (TLFS 3.7)
 * @out_gpa: where the output goes
 *
 * Of those that QEMU has not always had: calls that need no virtual processor
 * (HvHypercallRow.kernel).
 *
 * Returns: its HV_STATUS.  Context: as hv_msr_read().
 */
uint16_t hv_hypercall_from_kernel(X86CPU *cpu, uint64_t control,
                                  uint64_t out_gpa);

/**
 * hv_cpu_pre_save, hv_cpu_post_load: move the MSR values between the VP and
 * the fields that QEMU's cpu/msr_hyperv_* sections carry
 *
 * hv_cpu_post_load() returns false, having said why, if this machine cannot go
 * on with them.
 */
void hv_cpu_pre_save(X86CPU *cpu);
bool hv_cpu_post_load(X86CPU *cpu);

/**
 * hv_idle_has_work: is the CPU parked by a read of GUEST_IDLE, and is there an
 * interrupt, be it masked, that ends this (TLFS 7.5)?
 */
bool hv_idle_has_work(X86CPU *cpu);

/**
 * hv_idle_done: the CPU runs again
 */
void hv_idle_done(X86CPU *cpu);

/*
 * The APIC's hooks.  Context: big QEMU lock held; all but hv_apic_eoi() also
 * on the CPU's own thread.
 */

/**
 * hv_apic_sync: settle whether the guest has ended its interrupt by the VP
 * assist page (TLFS 10.3), before anyone looks at what is in service
 */
void hv_apic_sync(struct APICCommonState *s);

/**
 * hv_apic_ack: @vector was moved from IRR to ISR
 */
void hv_apic_ack(struct APICCommonState *s, int vector);

/**
 * hv_apic_eoi: an interrupt was ended
 */
void hv_apic_eoi(struct APICCommonState *s);

/**
 * hv_apic_inactive: does another trust level run than that of @s?
 *
 * If so, has the CPU look at what @s has for it.
 */
bool hv_apic_inactive(struct APICCommonState *s);

/**
 * hv_apic_interrupt: decide about a CPU_INTERRUPT_* that @s is about to raise
 *
 * Returns: true if it is not to be raised
 */
bool hv_apic_interrupt(struct APICCommonState *s, int mask);

/**
 * hv_apic_vtl0: the APIC that the machine's devices reach
 *
 * The CPU's apic_state is that of the trust level that runs.
 */
DeviceState *hv_apic_vtl0(X86CPU *cpu);

/**
 * hv_apic_deassert: take back what HvCallAssertVirtualInterrupt has asserted by
 * level in @s and is not in service yet.  Context: big QEMU lock held.
 */
void hv_apic_deassert(struct APICCommonState *s);

/**
 * hv_extint_waits: has @cpu an external interrupt of the hypervisor's to take?
 * hv_extint_take: acknowledge it
 *
 * Only VTL 0 has.  Context: thread of @cpu, with the big QEMU lock.
 */
bool hv_extint_waits(X86CPU *cpu);
bool hv_extint_take(X86CPU *cpu, int *vector);

/**
 * hv_blocked_interrupts: CPU_INTERRUPT_* that wait until VTL 0 runs again, or
 * until it may write where they save state
 */
int hv_blocked_interrupts(X86CPU *cpu);

/*
 * Bits of X86CPU.hv_intercepts, by HV_INTERCEPT_TYPE_*, and one for
 * HvX64RegisterCrInterceptControl
 */
#define HV_INTERCEPTS_IO        (1u << HV_INTERCEPT_TYPE_X64_IO_PORT)
#define HV_INTERCEPTS_MSR       (1u << HV_INTERCEPT_TYPE_X64_MSR)
#define HV_INTERCEPTS_CPUID     (1u << HV_INTERCEPT_TYPE_X64_CPUID)
#define HV_INTERCEPTS_EXCEPTION (1u << HV_INTERCEPT_TYPE_EXCEPTION)
#define HV_INTERCEPTS_REGISTER  (1u << 31)

/**
 * hv_tsc: the guest's TSC without its offset
 *
 * Returns: false if the CPU's TSC is not the hypervisor's business
 */
bool hv_tsc(X86CPU *cpu, uint64_t *tsc);

#endif
