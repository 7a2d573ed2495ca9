/*
 * Hyper-V guest interface: what QEMU without CONFIG_HYPERV has instead
 *
 * No CPU has a virtual processor then, so that of all these only the two that
 * look at the user's flags are reached with something to do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hyperv-target.h"
#include "hyperv-i386.h"
#include "system/kvm.h"

bool hv_expand_features(X86CPU *cpu, Error **errp)
{
    if (kvm_enabled() ||
        (!cpu->hyperv_features && !cpu->hyperv_default &&
         !cpu->hyperv_passthrough &&
         cpu->hyperv_spinlock_attempts == HYPERV_SPINLOCK_NEVER_NOTIFY)) {
        return true;
    }
    error_setg(errp, "Hyper-V enlightenments (hv-*) are not compiled into this "
               "QEMU; build it with CONFIG_HYPERV=y");
    return false;
}

bool hv_cpu_check(X86CPU *cpu, Error **errp)
{
    return true;
}

bool hv_cpu_realize(X86CPU *cpu, Error **errp)
{
    return true;
}

void hv_cpu_unrealize(X86CPU *cpu)
{
}

void hv_cpu_class_init(CPUClass *cc)
{
}

bool hv_cpuid(X86CPU *cpu, uint32_t index, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx)
{
    return false;
}

void hv_cpuid_features(X86CPU *cpu, uint32_t index, uint32_t *edx)
{
}

void hv_cpu_pre_save(X86CPU *cpu)
{
}

bool hv_cpu_post_load(X86CPU *cpu)
{
    return true;
}

bool hv_idle_has_work(X86CPU *cpu)
{
    return false;
}

void hv_idle_done(X86CPU *cpu)
{
}

void hv_apic_sync(struct APICCommonState *s)
{
}

void hv_apic_ack(struct APICCommonState *s, int vector)
{
}

void hv_apic_eoi(struct APICCommonState *s)
{
}

bool hv_apic_inactive(struct APICCommonState *s)
{
    return false;
}

bool hv_apic_interrupt(struct APICCommonState *s, int mask)
{
    return false;
}

DeviceState *hv_apic_vtl0(X86CPU *cpu)
{
    return cpu->apic_state;
}

void hv_apic_deassert(struct APICCommonState *s)
{
}

bool hv_extint_waits(X86CPU *cpu)
{
    return false;
}

bool hv_extint_take(X86CPU *cpu, int *vector)
{
    return false;
}

int hv_blocked_interrupts(X86CPU *cpu)
{
    return 0;
}

AddressSpace *hv_cpu_memory(CPUState *cs, AddressSpace *as)
{
    return as;
}

bool hv_tsc(X86CPU *cpu, uint64_t *tsc)
{
    return false;
}

HypervInfo *qmp_query_hyperv(Error **errp)
{
    error_setg(errp, "The Hyper-V guest interface is not compiled into this "
               "QEMU");
    return NULL;
}
