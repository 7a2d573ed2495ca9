/*
 * Hyper-V guest interface: KVM's hooks in QEMU without CONFIG_HYPERV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hyperv-kvm.h"

void hv_kvm_accel_class_init(ObjectClass *oc)
{
}

bool hv_feature_by_default(X86CPU *cpu, unsigned feat)
{
    return false;
}

bool hv_feature_switched_off(X86CPU *cpu, unsigned feat)
{
    return false;
}

unsigned hv_kvm_added(void)
{
    return 0;
}

bool hv_kvm_adds(unsigned feat)
{
    return false;
}

int hv_kvm_init_added(X86CPU *cpu)
{
    return 0;
}

bool hv_kvm_emulated(void)
{
    return false;
}

bool hv_kvm_emulated_msr(uint32_t msr)
{
    return false;
}

unsigned hv_kvm_init_vcpu(X86CPU *cpu, struct kvm_cpuid_entry2 *entries)
{
    return 0;
}

void hv_kvm_clock_loaded(uint64_t ns)
{
}

uint64_t hv_kvm_clock(uint64_t ns)
{
    return ns;
}

void hv_kvm_kernel_cpuid(X86CPU *cpu, const struct kvm_cpuid_entry2 *entries,
                         unsigned nr)
{
}
