/*
 * Hyper-V guest interface: what KVM's x86 code calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_HYPERV_KVM_H
#define TARGET_I386_HYPERV_KVM_H

#include "cpu.h"

struct kvm_cpuid_entry2;

/**
 * hv_kvm_accel_class_init: add the properties of "-accel kvm"
 */
void hv_kvm_accel_class_init(ObjectClass *oc);

/**
 * hv_kvm_emulated: does QEMU implement the interface, because the kernel
 * does not, or is not to?
 */
bool hv_kvm_emulated(void);

/**
 * hv_kvm_added: HV_PORT_* that QEMU can add to a kernel's own Hyper-V
 */
unsigned hv_kvm_added(void);

/**
 * hv_kvm_adds: does QEMU add @feat to a kernel's own Hyper-V?
 */
bool hv_kvm_adds(unsigned feat);

/**
 * hv_kvm_init_added: prepare what QEMU adds for @cpu
 *
 * Returns: 0, or a negative errno, having said why
 */
int hv_kvm_init_added(X86CPU *cpu);

/**
 * hv_kvm_emulated_msr: is it an MSR of the interface, and QEMU implements that?
 */
bool hv_kvm_emulated_msr(uint32_t msr);

/**
 * hv_kvm_init_vcpu: the vCPU exists and its TSC frequency is known
 * @entries: where the hypervisor's CPUID leaves are to go
 *
 * Returns: how many there are; 0 for a CPU without a virtual processor
 */
unsigned hv_kvm_init_vcpu(X86CPU *cpu, struct kvm_cpuid_entry2 *entries);

/**
 * hv_kvm_kernel_cpuid: @entries is what the kernel's own Hyper-V will say
 */
void hv_kvm_kernel_cpuid(X86CPU *cpu, const struct kvm_cpuid_entry2 *entries,
                         unsigned nr);

/**
 * hv_kvm_tsc_khz_ok: can the TSC of @cs have that frequency?
 */
bool hv_kvm_tsc_khz_ok(CPUState *cs, uint32_t khz);

/**
 * hv_kvm_kernel_post_load: the state of a CPU whose Hyper-V is the kernel's was
 * loaded, perhaps from a stream of QEMU's
 *
 * Returns: false, having said why, if the kernel cannot go on with it
 */
bool hv_kvm_kernel_post_load(X86CPU *cpu);

/**
 * hv_kvm_kernel_unrealize: the CPU goes away
 */
void hv_kvm_kernel_unrealize(X86CPU *cpu);

/**
 * hv_kvm_clock_loaded: a stream said that KVM's clock is @ns
 *
 * Reference time, if Hyper-V was the kernel's.
 */
void hv_kvm_clock_loaded(uint64_t ns);

/**
 * hv_kvm_clock: KVM's clock is about to be set to @ns, or to be saved
 *
 * Returns: what it has to be, to go on as reference time of a guest that comes
 * from a Hyper-V of QEMU's
 */
uint64_t hv_kvm_clock(uint64_t ns);

/**
 * hv_feature_by_default: is it hv-default alone that asks for @feat, so that it
 * may be left out?
 */
bool hv_feature_by_default(X86CPU *cpu, unsigned feat);

/**
 * hv_feature_switched_off: does the user want @feat off, whatever set of flags
 * it is in?
 */
bool hv_feature_switched_off(X86CPU *cpu, unsigned feat);

#endif
