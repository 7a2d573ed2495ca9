/*
 * Hyper-V virtual processors of x86 CPUs: creation with the CPU, migration in
 * QEMU's own cpu/msr_hyperv_* sections, the idle state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "hw/hyperv/hyperv.h"
#include "hyperv-kvm.h"
#include "internal.h"
#include "migration/blocker.h"
#include "system/kvm.h"
#include "system/qtest.h"
#include "system/tcg.h"

/*
 * TSC frequency if the user gives none.  Reference time is then the TSC
 * divided by 100, and reading the TSC is reading the clock.
 */
#define HV_DEFAULT_TSC_KHZ 1000000

static Error *hv_passthrough_blocker;

const HvPortOps *hv_port(void)
{
    if (kvm_enabled()) {
        return hv_kvm_port();
    }
    return tcg_enabled() ? &hv_port_tcg :
           qtest_enabled() ? &hv_port_qtest : NULL;
}

/*
 * What stands in front of the hypercall instruction and RET.  The control input
 * of a VTL switch is in RCX or EDX:EAX (TLFS 15.6), the hypercall's goes there.
 */
static const struct {
    uint8_t len;
    uint8_t code[8];
} hv_page_entries[HV_PAGE_ENTRIES] = {
    /* mov rax, rcx; mov ecx, HvCallVtlCall */
    [HV_PAGE_VTL_CALL_64] = {
        8, { 0x48, 0x89, 0xc8, 0xb9, HVCALL_VTL_CALL } },
    [HV_PAGE_VTL_RETURN_64] = {
        8, { 0x48, 0x89, 0xc8, 0xb9, HVCALL_VTL_RETURN } },
    /* mov ecx, eax; mov eax, HvCallVtlCall */
    [HV_PAGE_VTL_CALL_32] = {
        7, { 0x89, 0xc1, 0xb8, HVCALL_VTL_CALL } },
    [HV_PAGE_VTL_RETURN_32] = {
        7, { 0x89, 0xc1, 0xb8, HVCALL_VTL_RETURN } },
};

bool hv_vmcall_init(HvPartition *p, Error **errp)
{
    static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1, 0xc3 };
    static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9, 0xc3 };
    static uint8_t page[HV_PAGE_ENTRIES * HV_PAGE_ENTRY_SIZE];
    unsigned i, entries = p->nr_vtls > 1 ? HV_PAGE_ENTRIES : 1;

    memset(page, HV_HYPERCALL_PAGE_FILL, sizeof(page));
    for (i = 0; i < entries; i++) {
        uint8_t *entry = page + i * HV_PAGE_ENTRY_SIZE;

        memcpy(entry, hv_page_entries[i].code, hv_page_entries[i].len);
        memcpy(entry + hv_page_entries[i].len,
               IS_INTEL_CPU(&X86_CPU(first_cpu)->env) ? vmcall : vmmcall,
               sizeof(vmcall));
    }
    hv_partition_set_hypercall_code(p, page, entries * HV_PAGE_ENTRY_SIZE);
    return true;
}

static HvPartition *hv_make_partition(X86CPU *cpu, const HvPortOps *port,
                                      Error **errp)
{
    CPUX86State *env = &cpu->env;
    HvPartition *p;

    if (cpu->hyperv_passthrough) {
        error_setg(&hv_passthrough_blocker,
                   "'hv-passthrough' CPU flag prevents migration, use explicit"
                   " set of hv-* flags instead");
        if (migrate_add_blocker(&hv_passthrough_blocker, errp) < 0) {
            return NULL;
        }
    }
    p = hv_partition_create(port,
                            hyperv_feat_enabled(cpu, HYPERV_FEAT_VSM) ? 2 : 1,
                            errp);
    if (!p) {
        return NULL;
    }
    hv_cpuid_init(p, cpu);
    hv_msr_init();
    hv_migration_init(p);
    hv_debug_init(p);
    p->tsc_khz = env->tsc_khz;
    if (!port->init(p, errp)) {
        return NULL;
    }

    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_SYNIC)) {
        hyperv_set_synic_enabled();
        if (hyperv_feat_enabled(cpu, HYPERV_FEAT_STIMER) &&
            hyperv_feat_enabled(cpu, HYPERV_FEAT_VAPIC) &&
            hyperv_feat_enabled(cpu, HYPERV_FEAT_RUNTIME)) {
            hyperv_set_vmbus_recommended_features_enabled();
        }
    }
    return p;
}

bool hv_cpu_check(X86CPU *cpu, Error **errp)
{
    HvPartition *p = hv_partition_get();

    return !p || hv_cpuid_check(p, cpu, errp);
}

bool hv_cpu_realize(X86CPU *cpu, Error **errp)
{
    const HvPortOps *port = hv_port();
    CPUX86State *env = &cpu->env;
    HvPartition *p;

    if (!port || !hv_wanted(cpu)) {
        return true;
    }

    if (port->caps & HV_PORT_TSC) {
        if (!env->tsc_khz) {
            env->tsc_khz = HV_DEFAULT_TSC_KHZ;
        }
        if (!env->user_tsc_khz) {
            /* What the guest is told is what a migration has to keep */
            env->user_tsc_khz = env->tsc_khz;
        }
    }

    p = hv_partition_get();
    if (!p) {
        p = hv_make_partition(cpu, port, errp);
        if (!p) {
            return false;
        }
    }
    cpu->hv_vp = hv_vp_create(p, CPU(cpu), errp);
    if (!cpu->hv_vp) {
        return false;
    }
    cpu->hv_vp->stats.hypercalls = g_new0(uint64_t, hv_nr_hypercalls);
    return hv_vtl_realize(cpu->hv_vp, errp);
}

void hv_cpu_unrealize(X86CPU *cpu)
{
    if (kvm_enabled()) {
        hv_kvm_kernel_unrealize(cpu);
    }
    if (cpu->hv_vp) {
        hv_vtl_unrealize(cpu->hv_vp);
        hv_vp_destroy(cpu->hv_vp);
        cpu->hv_vp = NULL;
    }
}

/*
 * As KVM has it: enabled until the message is delivered.  Between loading and
 * running that is how it was loaded.
 */
static uint64_t hv_stimer_saved_config(const HvStimer *t)
{
    return t->config | (t->src.queued ? HV_STIMER_ENABLE : 0);
}

void hv_cpu_pre_save(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    HvVp *vp = cpu->hv_vp;
    uint64_t tsc;
    HvPartition *p;
    HvVtl *vtl;
    unsigned i;

    if (!vp) {
        return;
    }
    p = vp->partition;
    vtl = &vp->vtl[0];

    hv_apic_settle(cpu);
    if (hv_tsc(cpu, &tsc)) {
        /* Where the TSC is the processor's, it has to be set */
        env->tsc = tsc + env->tsc_offset;
    }
    env->msr_hv_guest_os_id = p->vtl[0].guest_os_id;
    env->msr_hv_hypercall = p->vtl[0].hypercall;
    env->msr_hv_tsc = p->vtl[0].reference_tsc;
    memcpy(env->msr_hv_crash_params, p->crash_param, sizeof(p->crash_param));
    env->msr_hv_reenlightenment_control = p->reenlightenment_control;
    env->msr_hv_tsc_emulation_control = p->tsc_emulation_control;
    env->msr_hv_tsc_emulation_status = p->tsc_emulation_status;

    env->msr_hv_vapic = vtl->vp_assist;
    env->msr_hv_runtime = hv_vp_runtime(vp);
    env->msr_hv_synic_control = vtl->synic.scontrol;
    env->msr_hv_synic_evt_page = vtl->synic.siefp;
    env->msr_hv_synic_msg_page = vtl->synic.simp;
    memcpy(env->msr_hv_synic_sint, vtl->synic.sint, sizeof(vtl->synic.sint));
    for (i = 0; i < HV_STIMERS; i++) {
        env->msr_hv_stimer_config[i] = hv_stimer_saved_config(&vtl->stimer[i]);
        env->msr_hv_stimer_count[i] = vtl->stimer[i].count;
    }
}

/* A kernel's Hyper-V says nothing of itself but by what is in its MSRs */
static bool hv_cpu_from_kernel(const CPUX86State *env)
{
    unsigned i;

    for (i = 0; i < HV_SINT_COUNT; i++) {
        if (env->msr_hv_synic_sint[i]) {
            return true;
        }
    }
    return env->msr_hv_guest_os_id || env->msr_hv_hypercall ||
           env->msr_hv_tsc || env->msr_hv_vapic || env->msr_hv_runtime;
}

/* Returns: why this machine cannot go on with what was loaded, or NULL */
static const char *hv_cpu_cannot_load(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    const HvPartition *p = cpu->hv_vp->partition;
    const HvPortOps *ops = p->ops;
    unsigned i;

    if (!p->cpuid_loaded && CPU(cpu) == first_cpu) {
        if (!p->kernel_cpuid_loaded && !hv_cpu_from_kernel(env)) {
            return "Where it comes from it has no hv-* flags, or made no use "
                   "of them yet";
        }
        if (hyperv_feat_enabled(cpu, HYPERV_FEAT_SYNDBG)) {
            return "hv-syndbg: its state is left behind by a kernel's Hyper-V";
        }
        if (!p->kernel_cpuid_loaded &&
            hv_cpuid_verdict(hv_cpuid_not_beside_kernel(cpu))) {
            return "Where it comes from, Hyper-V is the kernel's";
        }
    }
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_TIME) && ops->tsc_khz_ok &&
        !ops->tsc_khz_ok(CPU(cpu), env->tsc_khz)) {
        return "hv-time: the host's TSC has another frequency and cannot be "
               "scaled";
    }
    for (i = 0; i < HV_SINT_COUNT; i++) {
        uint64_t sint = env->msr_hv_synic_sint[i];

        if ((sint & HV_SINT_AUTO_EOI) && !(sint & HV_SINT_MASKED) &&
            !(ops->caps & HV_PORT_APIC)) {
            return "hv-synic: the guest uses AutoEOI, which needs QEMU's APIC; "
                   "start it with hv-avic=on";
        }
    }
    return NULL;
}

/*
 * A kernel's Hyper-V has no pages of its own, but writes to the guest's RAM,
 * whose contents are therefore those of ours.
 */
static void hv_cpu_take_pages(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    HvVtl *vtl = &cpu->hv_vp->vtl[0];

    hv_overlay_take(&vtl->vp_assist_page, env->msr_hv_vapic);
    if (CPU(cpu) == first_cpu) {
        hv_overlay_take(&cpu->hv_vp->partition->vtl[0].reference_tsc_page,
                        env->msr_hv_tsc);
    }
}

/*
 * KVM reads the TSCs of its vCPUs one after the other.  Make them equal again,
 * as its kernel does if they are less than a second apart.
 */
static void hv_load_tsc(X86CPU *cpu, int64_t offset)
{
    HvPartition *p = cpu->hv_vp->partition;
    int64_t second = p->tsc_khz * 1000ll;

    if (CPU(cpu) == first_cpu) {
        p->tsc_offset = offset;
    } else if (offset - p->tsc_offset < second &&
               p->tsc_offset - offset < second) {
        offset = p->tsc_offset;
    }
    cpu->env.tsc_offset = offset;
}

bool hv_cpu_post_load(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    HvVp *vp = cpu->hv_vp;
    uint64_t tsc;
    HvPartition *p;
    HvVtl *vtl;
    const char *why;
    unsigned i;

    if (!vp) {
        return !kvm_enabled() || hv_kvm_kernel_post_load(cpu);
    }
    why = hv_cpu_cannot_load(cpu);
    if (why) {
        error_report("The migrated guest cannot go on here. %s", why);
        return false;
    }
    p = vp->partition;
    vtl = &vp->vtl[0];

    hv_vtl_loaded(vp);
    if (!p->cpuid_loaded) {
        hv_cpu_take_pages(cpu);
    }
    p->tsc_khz = env->tsc_khz;
    if (hv_tsc(cpu, &tsc)) {
        hv_load_tsc(cpu, env->tsc - tsc);
    }
    memcpy(p->crash_param, env->msr_hv_crash_params, sizeof(p->crash_param));
    p->reenlightenment_control = env->msr_hv_reenlightenment_control;
    p->tsc_emulation_control = env->msr_hv_tsc_emulation_control;
    p->tsc_emulation_status = env->msr_hv_tsc_emulation_status;
    hv_partition_set_guest_os_id(p, 0, env->msr_hv_guest_os_id);
    hv_partition_set_hypercall(p, 0, env->msr_hv_hypercall);
    hv_partition_set_reference_tsc(p, 0, env->msr_hv_tsc);

    hv_vp_set_assist(vtl, env->msr_hv_vapic);
    vp->runtime = env->msr_hv_runtime;
    vp->runtime_valid = false;
    vtl->synic.scontrol = env->msr_hv_synic_control;
    vtl->synic.siefp = env->msr_hv_synic_evt_page;
    vtl->synic.simp = env->msr_hv_synic_msg_page;
    memcpy(vtl->synic.sint, env->msr_hv_synic_sint, sizeof(vtl->synic.sint));
    hv_synic_load(vtl);
    for (i = 0; i < HV_STIMERS; i++) {
        vtl->stimer[i].config = env->msr_hv_stimer_config[i];
        vtl->stimer[i].count = env->msr_hv_stimer_count[i];
    }
    vp->loaded = true;
    vp->loaded_timers = false;
    return true;
}

AddressSpace *hv_cpu_memory(CPUState *cs, AddressSpace *as)
{
    HvVp *vp = env_archcpu(cpu_env(cs))->hv_vp;

    if (likely(!vp) || vp->partition->nr_vtls == 1) {
        return as;
    }
    /* A debugger, whose thread stands for no CPU, may look at everything */
    if (!current_cpu) {
        return as;
    }
    /* There is another one in system management mode, which is VTL 0's */
    return as == cs->as ? hv_partition_memory(vp->partition, vp->active_vtl) :
                          &vp->partition->dma->smm;
}

bool hv_idle_has_work(X86CPU *cpu)
{
    return unlikely(cpu->hv_vp) && cpu->hv_vp->idle &&
           ((CPU(cpu)->interrupt_request & (CPU_INTERRUPT_HARD |
                                            CPU_INTERRUPT_VIRQ)) ||
            hv_apic_requested(cpu));
}

void hv_idle_done(X86CPU *cpu)
{
    if (cpu->hv_vp) {
        cpu->hv_vp->idle = false;
    }
}

bool hv_tsc(X86CPU *cpu, uint64_t *tsc)
{
    if (likely(!cpu->hv_vp) ||
        !(cpu->hv_vp->partition->ops->caps & HV_PORT_TSC) ||
        !hyperv_feat_enabled(cpu, HYPERV_FEAT_TIME)) {
        return false;
    }
    *tsc = hv_reftime_tsc(cpu->hv_vp->partition->tsc_khz);
    return true;
}
