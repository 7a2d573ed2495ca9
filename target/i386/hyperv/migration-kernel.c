/*
 * Hyper-V guest interface: migration of a guest whose Hyper-V is the kernel's,
 * and what that makes of a guest whose Hyper-V was QEMU's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What such a machine writes is what QEMU always wrote: the values of MSRs, with
 * each CPU, and the pages of the SynIC.  It reads the sections of QEMU's own
 * Hyper-V besides, for what the MSRs do not tell: what the guest saw in CPUID,
 * the clock, and pages that the kernel has in the guest's RAM.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hyperv-kvm.h"
#include "internal.h"
#include "migration/vmstate.h"
#include "system/kvm.h"
#include "system/reset.h"
#include "system/runstate.h"

/**
 * HvKernelVp: a CPU's part of the stream
 * @assist: of the VP assist page
 */
typedef struct HvKernelVp {
    X86CPU *cpu;
    uint8_t assist[HV_PAGE_SIZE];
    QLIST_ENTRY(HvKernelVp) link;
} HvKernelVp;

/**
 * HvKernel: the machine's part
 * @send: streams say what @own is.  With hv-default only, which is what the
 *        kernel makes of it, and which a QEMU that knows nothing of this does
 *        not have.
 * @from_qemu: the stream comes from a Hyper-V of QEMU's, and the VM has not run
 *             since
 * @clock_offset: its reference time less QEMU_CLOCK_VIRTUAL, in 100 ns units
 */
typedef struct HvKernel {
    bool registered;
    bool send;
    HvView own;
    HvView stream;
    bool from_qemu;
    int64_t clock_offset;
    QLIST_HEAD(, HvKernelVp) vps;
} HvKernel;

static HvKernel hv_kernel;

static bool hv_kernel_cpuid_needed(void *opaque)
{
    HvKernel *k = opaque;

    return k->send;
}

/* What to send, or that of which the stream says nothing */
static int hv_kernel_cpuid_own(void *opaque)
{
    HvKernel *k = opaque;

    k->stream = k->own;
    return 0;
}

static int hv_kernel_cpuid_post_load(void *opaque, int version_id)
{
    HvKernel *k = opaque;

    return hv_cpuid_verdict(hv_view_difference(&k->stream, &k->own));
}

static const VMStateDescription vmstate_hv_kernel_cpuid = {
    .name = "hv-kernel-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_MAX,
    .needed = hv_kernel_cpuid_needed,
    .pre_save = hv_kernel_cpuid_own,
    .pre_load = hv_kernel_cpuid_own,
    .post_load = hv_kernel_cpuid_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(stream.cpuid, HvKernel, HV_CPUID_LEAVES, 4),
        VMSTATE_END_OF_LIST()
    }
};

/* The kernel's state of the debugger is in no stream */
static bool hv_kernel_has_syndbg(const HvKernel *k)
{
    return !buffer_is_zero(k->own.cpuid_vs, sizeof(k->own.cpuid_vs));
}

static int hv_kernel_from_qemu(void *opaque, int version_id)
{
    HvKernel *k = opaque;
    int ret = hv_cpuid_verdict(hv_view_difference(&k->stream, &k->own));

    if (ret) {
        return ret;
    }
    if (hv_kernel_has_syndbg(k)) {
        error_report("The migrated guest cannot go on here. hv-syndbg: the "
                     "kernel does not take its state");
        return -EINVAL;
    }
    k->from_qemu = true;
    k->clock_offset = 0;
    return 0;
}

static const VMStateDescription vmstate_hv_cpuid = {
    .name = "hv-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    /* before the CPUs, which look at from_qemu */
    .priority = MIG_PRI_MAX,
    .needed = hv_never_needed,
    .post_load = hv_kernel_from_qemu,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(stream.cpuid, HvKernel, HV_CPUID_LEAVES, 4),
        VMSTATE_UINT32_2DARRAY(stream.cpuid_vs, HvKernel,
                               HV_CPUID_VS_LEAVES, 4),
        VMSTATE_BOOL(stream.enforce, HvKernel),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_partition_clock = {
    .name = "hv-partition/clock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_INT64(clock_offset, HvKernel),
        VMSTATE_END_OF_LIST()
    }
};

/* The kernel makes it anew */
static const VMStateDescription vmstate_hv_partition_tsc_page = {
    .name = "hv-partition/tsc-page",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UNUSED(sizeof(struct hv_reference_tsc_page)),
        VMSTATE_END_OF_LIST()
    }
};

/* Of flags that are refused; but for crash_ctl, which the kernel has set */
static const VMStateDescription vmstate_hv_partition = {
    .name = TYPE_HV_PARTITION,
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UNUSED(8 * sizeof(uint64_t)),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_partition_clock,
        &vmstate_hv_partition_tsc_page,
        NULL
    }
};

/* But for the word that the kernel clears when it is given the MSR */
static int hv_kernel_assist_post_load(void *opaque, int version_id)
{
    const unsigned skip = HV_VP_ASSIST_APIC_ASSIST + sizeof(uint32_t);
    HvKernelVp *vp = opaque;
    uint64_t msr = vp->cpu->env.msr_hv_vapic;

    if (msr & HV_OVERLAY_ENABLE) {
        address_space_write(&address_space_memory,
                            (msr & HV_OVERLAY_GPA_MASK) + skip,
                            MEMTXATTRS_UNSPECIFIED, vp->assist + skip,
                            HV_PAGE_SIZE - skip);
    }
    return 0;
}

static const VMStateDescription vmstate_hv_vp_assist_page = {
    .name = "hv-vp/assist-page",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .post_load = hv_kernel_assist_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(assist, HvKernelVp),
        VMSTATE_END_OF_LIST()
    }
};

/*
 * The kernel tries all that again: it needs no list of messages that wait, and
 * has no way to be told when a periodic timer is due next.
 */
static const VMStateDescription vmstate_hv_vp = {
    .name = TYPE_HV_VP,
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        /* exp_time and msg_exp_time of each timer */
        VMSTATE_UNUSED(HV_STIMERS * 2 * sizeof(uint64_t)),
        /* nr_saved, saved */
        VMSTATE_UNUSED(sizeof(uint8_t) + HV_STIMERS * sizeof(uint8_t)),
        /* sirbp, eoi_assist_armed, idle */
        VMSTATE_UNUSED(sizeof(uint64_t) + 2 * sizeof(bool)),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_vp_assist_page,
        NULL
    }
};

static void hv_kernel_reset(void *opaque)
{
    HvKernel *k = opaque;

    k->from_qemu = false;
}

static void hv_kernel_add_vp(HvKernel *k, X86CPU *cpu)
{
    HvKernelVp *vp = g_new0(HvKernelVp, 1);

    vp->cpu = cpu;
    QLIST_INSERT_HEAD(&k->vps, vp, link);
    vmstate_register(NULL, CPU(cpu)->cpu_index, &vmstate_hv_vp, vp);
}

void hv_kvm_kernel_unrealize(X86CPU *cpu)
{
    HvKernelVp *vp;

    QLIST_FOREACH(vp, &hv_kernel.vps, link) {
        if (vp->cpu == cpu) {
            QLIST_REMOVE(vp, link);
            vmstate_unregister(NULL, &vmstate_hv_vp, vp);
            g_free(vp);
            return;
        }
    }
}

static uint32_t *hv_kernel_leaf(HvView *v, uint32_t function)
{
    uint32_t leaf = function - HV_CPUID_VENDOR_AND_MAX_FUNCTIONS;

    if (leaf < HV_CPUID_LEAVES) {
        return v->cpuid[leaf];
    }
    leaf = function - HV_CPUID_SYNDBG_VENDOR_AND_MAX_FUNCTIONS;
    return leaf < HV_CPUID_VS_LEAVES ? v->cpuid_vs[leaf] : NULL;
}

void hv_kvm_kernel_cpuid(X86CPU *cpu, const struct kvm_cpuid_entry2 *entries,
                         unsigned nr)
{
    HvKernel *k = &hv_kernel;
    unsigned i;

    for (i = 0; i < nr; i++) {
        const struct kvm_cpuid_entry2 *e = &entries[i];
        uint32_t *leaf = hv_kernel_leaf(&k->own, e->function);

        if (leaf) {
            leaf[R_EAX] = e->eax;
            leaf[R_EBX] = e->ebx;
            leaf[R_ECX] = e->ecx;
            leaf[R_EDX] = e->edx;
        }
    }
    k->own.enforce = cpu->hyperv_enforce_cpuid;
    k->send = cpu->hyperv_default;
    if (!k->registered) {
        k->registered = true;
        vmstate_register(NULL, 0, &vmstate_hv_kernel_cpuid, k);
        vmstate_register(NULL, 0, &vmstate_hv_cpuid, k);
        vmstate_register(NULL, 0, &vmstate_hv_partition, k);
        qemu_register_reset(hv_kernel_reset, k);
    }
    hv_kernel_add_vp(k, cpu);
}

/* QEMU does not survive it if the kernel cannot write to such a page */
static bool hv_kernel_can_write(uint64_t msr)
{
    hwaddr addr, len = HV_PAGE_SIZE;
    MemoryRegion *mr;

    if (!(msr & HV_OVERLAY_ENABLE)) {
        return true;
    }
    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory,
                                 msr & HV_OVERLAY_GPA_MASK, &addr, &len, true,
                                 MEMTXATTRS_UNSPECIFIED);
    return memory_access_is_direct(mr, true, MEMTXATTRS_UNSPECIFIED);
}

static const char *hv_kernel_cannot_load(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;

    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_TIME)) {
        if (!hv_kvm_tsc_khz_ok(CPU(cpu), env->tsc_khz)) {
            return "hv-time: the host's TSC has another frequency and cannot "
                   "be scaled";
        }
        if (env->system_time_msr & 1) {
            return "hv-time: the guest uses KVM's clock, too, which is its "
                   "reference time here and was not there; use kvm=off";
        }
    }
    if (!hv_kernel_can_write(env->msr_hv_hypercall)) {
        return "Its hypercall page is where the kernel has no memory";
    }
    if (!hv_kernel_can_write(env->msr_hv_vapic)) {
        return "hv-vapic: its VP assist page is where the kernel has no memory";
    }
    return NULL;
}

bool hv_kvm_kernel_post_load(X86CPU *cpu)
{
    uint64_t tsc_page = cpu->env.msr_hv_tsc;
    const char *why;

    if (!hv_kernel.from_qemu) {
        return true;
    }
    why = hv_kernel_cannot_load(cpu);
    if (why) {
        error_report("The migrated guest cannot go on here. %s", why);
        return false;
    }
    if (tsc_page & HV_OVERLAY_ENABLE) {
        /* Until the kernel has filled it, the guest is to read the MSR */
        address_space_stl_le(&address_space_memory,
                             tsc_page & HV_OVERLAY_GPA_MASK,
                             HV_REFERENCE_TSC_SEQUENCE_INVALID,
                             MEMTXATTRS_UNSPECIFIED, NULL);
    }
    return true;
}

void hv_kvm_clock_loaded(uint64_t ns)
{
    HvPartition *p = hv_partition_get();

    if (p) {
        hv_migration_clock(p, ns);
    }
}

uint64_t hv_kvm_clock(uint64_t ns)
{
    HvKernel *k = &hv_kernel;

    if (k->from_qemu) {
        ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
             k->clock_offset * HV_REF_TIME_NS;
        /* From now on it is the kernel's */
        k->from_qemu = !runstate_is_running();
    }
    return ns;
}
