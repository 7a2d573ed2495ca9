/*
 * Hyper-V guest interface: the KVM port, for a kernel that does not implement
 * the interface itself, or is not to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPUID leaves are given to the kernel, accesses to synthetic MSRs leave it by
 * a filter, and the hypercall page holds an I/O instruction (ioport.c).
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "qapi/qapi-types-common.h"
#include "qemu/units.h"
#include "cpu.h"
#include "hw/pci/msi.h"
#include "hw/i386/apic-msidef.h"
#include "hyperv-kvm.h"
#include "internal.h"
#include "kvm/kvm_i386.h"
#include "system/kvm_int.h"

/* Bits of an APIC ID that do not fit into the address's lower half */
#define HV_MSI_DEST_HIGH 0xffffff00u

/* APICs, the kernel's TSS and page tables, firmware: from here to 4 GiB */
#define HV_KVM_PLATFORM_START 0xfec00000

static HvKvmHost hv_kvm_host(void)
{
    return (HvKvmHost) {
        .kernel_hyperv = kvm_state->kernel_hyperv,
        .hyperv = kvm_check_extension(kvm_state, KVM_CAP_HYPERV) > 0,
        .apic = kvm_irqchip_in_kernel(),
        .msr_exits =
            kvm_check_extension(kvm_state, KVM_CAP_X86_USER_SPACE_MSR) > 0 &&
            kvm_check_extension(kvm_state, KVM_CAP_X86_MSR_FILTER) > 0,
    };
}

static bool hv_kvm_init(HvPartition *p, Error **errp)
{
    HvKvmHost host = hv_kvm_host();
    int ret;

    if (!hv_kvm_check(&host, errp)) {
        return false;
    }
    ret = kvm_filter_msrs(kvm_state, HV_X64_MSR_FIRST, HV_X64_MSR_COUNT,
                          hv_msr_read, hv_msr_write);
    if (ret) {
        error_setg_errno(errp, -ret, "The kernel takes no filter for the "
                         "synthetic MSRs of Hyper-V");
        return false;
    }
    hv_ioport_init(p);
    return true;
}

static void hv_kvm_assert_vector(HvVtl *vtl, uint8_t vector)
{
    uint32_t dest = X86_CPU(vtl->vp->cs)->apic_id;
    MSIMessage msg = {
        .address = APIC_DEFAULT_ADDRESS |
                   (uint64_t)(dest & HV_MSI_DEST_HIGH) << 32 |
                   (dest & ~HV_MSI_DEST_HIGH) << MSI_ADDR_DEST_ID_SHIFT,
        .data = vector,
    };

    kvm_irqchip_send_msi(kvm_state, msg);
}

static void hv_kvm_spin_wait(CPUState *cs)
{
    g_thread_yield();
}

/* Whether a nested guest runs is part of a state that takes long to fetch */
static bool hv_kvm_get_call_regs(CPUState *cs)
{
    X86CPU *cpu = X86_CPU(cs);

    return !cpu->env.nested_state && !kvm_get_call_registers(cpu);
}

static void hv_kvm_put_call_regs(CPUState *cs)
{
    int ret = kvm_put_call_registers(X86_CPU(cs));

    if (ret < 0) {
        error_report("hyperv: cannot set a vCPU's registers: %s",
                     strerror(-ret));
        vm_stop(RUN_STATE_INTERNAL_ERROR);
    }
}

static void hv_kvm_inject(CPUX86State *env, int vector, bool has_error_code)
{
    env->exception_nr = vector;
    env->exception_injected = 1;
    env->has_error_code = has_error_code;
    env->error_code = 0;
}

/*
 * KVM may or may not have moved RIP behind the I/O instruction: that depends on
 * how it came to execute it.  So let it finish first.  It then leaves at once,
 * and so does the next KVM_RUN, which clears immediate_exit and the signal that
 * may have been sent meanwhile.
 */
static void hv_kvm_inject_ud(CPUState *cs, unsigned insn_len)
{
    CPUX86State *env = &X86_CPU(cs)->env;

    qatomic_set(&cs->kvm_run->immediate_exit, 1);
    kvm_vcpu_ioctl(cs, KVM_RUN, 0);

    cs->vcpu_dirty = false;
    kvm_cpu_synchronize_state(cs);
    env->eip -= insn_len;
    hv_kvm_inject(env, EXCP06_ILLOP, false);
}

/*
 * RIP is behind the store by now, whose other effects cannot be undone: a trap
 * rather than a fault.
 */
static void hv_kvm_write_denied(CPUState *cs, hwaddr gpa)
{
    struct kvm_run *run = cs->kvm_run;

    if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
        run->mmio.phys_addr - gpa < HV_PAGE_SIZE) {
        kvm_cpu_synchronize_state(cs);
        hv_kvm_inject(&X86_CPU(cs)->env, EXCP0D_GPF, true);
    }
}

/*
 * The kernel knows whether its host's TSCs, and its vCPUs', run alike.  A TSC
 * that it scales is not the host's and a number: then it is not between the two
 * readings of that.
 */
static bool hv_kvm_tsc_delta(uint64_t *delta)
{
    CPUState *cs = current_cpu ?: first_cpu;
    struct kvm_clock_data clock = {};
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)delta,
    };
    struct {
        struct kvm_msrs info;
        struct kvm_msr_entry entry;
    } tsc = { .info.nmsrs = 1, .entry.index = MSR_IA32_TSC };
    uint64_t before, after;

    if (kvm_vm_ioctl(kvm_state, KVM_GET_CLOCK, &clock) ||
        !(clock.flags & KVM_CLOCK_TSC_STABLE) ||
        kvm_vcpu_ioctl(cs, KVM_GET_DEVICE_ATTR, &attr)) {
        return false;
    }
    before = cpu_get_host_ticks();
    if (kvm_vcpu_ioctl(cs, KVM_GET_MSRS, &tsc) != 1) {
        return false;
    }
    after = cpu_get_host_ticks();
    return tsc.entry.data - *delta - before <= after - before;
}

bool hv_kvm_tsc_khz_ok(CPUState *cs, uint32_t khz)
{
    return kvm_vcpu_ioctl(cs, KVM_GET_TSC_KHZ) == khz ||
           kvm_check_extension(kvm_state, KVM_CAP_TSC_CONTROL);
}

/*
 * The kernel refuses memory where it has some of its own, or beyond its host's
 * addresses, and QEMU does not survive that.
 */
static bool hv_kvm_can_map(hwaddr gpa)
{
    return !(gpa >= HV_KVM_PLATFORM_START && gpa < 4 * GiB) &&
           !(gpa >> X86_CPU(first_cpu)->phys_bits);
}

static const HvPortOps hv_port_kvm = {
    .name = "kvm",
    .init = hv_kvm_init,
    .assert_vector = hv_kvm_assert_vector,
    .spin_wait = hv_kvm_spin_wait,
    .get_call_regs = hv_kvm_get_call_regs,
    .put_call_regs = hv_kvm_put_call_regs,
    .inject_ud = hv_kvm_inject_ud,
    .write_denied = hv_kvm_write_denied,
    .tsc_delta = hv_kvm_tsc_delta,
    .tsc_khz_ok = hv_kvm_tsc_khz_ok,
    .can_map = hv_kvm_can_map,
};

static int hv_kvm_get_kernel_hyperv(Object *obj, Error **errp)
{
    return KVM_STATE(obj)->kernel_hyperv;
}

static void hv_kvm_set_kernel_hyperv(Object *obj, int value, Error **errp)
{
    KVMState *s = KVM_STATE(obj);

    if (s->fd != -1) {
        error_setg(errp, "kernel-hyperv cannot be set after the accelerator "
                   "has been initialized");
        return;
    }
    s->kernel_hyperv = value;
}

void hv_kvm_accel_class_init(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "kernel-hyperv", "OnOffAuto",
                                   &OnOffAuto_lookup, hv_kvm_get_kernel_hyperv,
                                   hv_kvm_set_kernel_hyperv);
    object_class_property_set_description(oc, "kernel-hyperv",
                                          "Let the kernel implement Hyper-V "
                                          "(default: if it can)");
}

const HvPortOps *hv_kvm_port(void)
{
    HvKvmHost host = hv_kvm_host();

    return hv_kvm_kernel_serves(&host) ? NULL : &hv_port_kvm;
}

unsigned hv_kvm_added(void)
{
    HvKvmHost host = hv_kvm_host();

    return hv_kvm_caps_added(&host);
}

bool hv_kvm_adds(unsigned feat)
{
    return hv_feature_added(feat, hv_kvm_added());
}

int hv_kvm_init_added(X86CPU *cpu)
{
    int ret;

    /* The filter is the VM's */
    if (CPU(cpu) != first_cpu ||
        !hyperv_feat_enabled(cpu, HYPERV_FEAT_GUEST_IDLE)) {
        return 0;
    }
    ret = kvm_filter_msrs(kvm_state, HV_X64_MSR_GUEST_IDLE, 1, hv_kvm_idle,
                          NULL);
    if (ret) {
        error_report("The kernel takes no filter for the MSR of hv-guest-idle: "
                     "%s", strerror(-ret));
    }
    return ret;
}

bool hv_kvm_emulated(void)
{
    return hv_kvm_port();
}

bool hv_kvm_emulated_msr(uint32_t msr)
{
    return msr - HV_X64_MSR_FIRST < HV_X64_MSR_COUNT && hv_kvm_emulated();
}

static unsigned hv_kvm_cpuid(X86CPU *cpu, struct kvm_cpuid_entry2 *entries,
                             uint32_t first, unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        struct kvm_cpuid_entry2 *e = &entries[i];

        e->function = first + i;
        hv_cpuid(cpu, e->function, &e->eax, &e->ebx, &e->ecx, &e->edx);
    }
    return nr;
}

unsigned hv_kvm_init_vcpu(X86CPU *cpu, struct kvm_cpuid_entry2 *entries)
{
    unsigned nr;

    if (!cpu->hv_vp) {
        return 0;
    }
    cpu->hv_vp->partition->tsc_khz = cpu->env.tsc_khz;

    nr = hv_kvm_cpuid(cpu, entries, HV_CPUID_VENDOR_AND_MAX_FUNCTIONS,
                      HV_CPUID_LEAVES);
    return nr + hv_kvm_cpuid(cpu, entries + nr,
                             HV_CPUID_SYNDBG_VENDOR_AND_MAX_FUNCTIONS,
                             HV_CPUID_VS_LEAVES);
}
