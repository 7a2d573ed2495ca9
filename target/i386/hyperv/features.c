/*
 * Hyper-V enlightenments: the hv-* properties, what each grants in CPUID, and
 * what each needs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "hw/qdev-properties.h"
#include "hyperv-kvm.h"
#include "internal.h"
#include "system/kvm.h"

#define FEAT_BIT(name) BIT_ULL(HYPERV_FEAT_##name)

typedef struct HvFeature {
    const char *prop;
    const char *desc;
    HvRight grants[4];
    uint64_t requires;
    uint8_t needs;              /* HV_PORT_* */
    bool recommended;           /* part of hv-default, unless the port lacks */
    uint8_t recommended_needs;  /* any of these HV_PORT_*: then it is slow */
    bool not_passthrough;       /* a tool for debugging, not an enlightenment */
    const char *refused;        /* why the emulation has none */
    /*
     * Beside a kernel's own Hyper-V: QEMU adds it, or why there is none.
     * Without either, QEMU's KVM code asks what that kernel has.
     */
    bool added;
    const char *not_beside;
} HvFeature;

#define HV_WHY_NESTED   "the kernel runs nested guests by itself"
#define HV_WHY_TCG      "it is implemented on TCG only"
#define HV_WHY_CPUID    "the kernel takes no change of CPUID from a running " \
                        "guest"

/* Names and dependencies are those of QEMU's KVM code */
static const HvFeature hv_features[] = {
    [HYPERV_FEAT_RELAXED] = {
        .prop = "hv-relaxed",
        .desc = "relaxed timing",
        .grants = { HV_RIGHT(RECOMMENDATIONS, EAX, 5) },
        .recommended = true,
    },
    [HYPERV_FEAT_VAPIC] = {
        .prop = "hv-vapic",
        .desc = "virtual APIC",
        .grants = { HV_RIGHT(FEATURES, EAX, 4) },
        .needs = HV_PORT_APIC,
        .recommended = true,
    },
    [HYPERV_FEAT_TIME] = {
        .prop = "hv-time",
        .desc = "clocksources",
        .grants = { HV_RIGHT(FEATURES, EAX, 1), HV_RIGHT(FEATURES, EAX, 9) },
        .recommended = true,
    },
    [HYPERV_FEAT_CRASH] = {
        .prop = "hv-crash",
        .desc = "crash MSRs",
        .grants = { HV_RIGHT(FEATURES, EDX, 10) },
        .recommended = true,
    },
    [HYPERV_FEAT_RESET] = {
        .prop = "hv-reset",
        .desc = "reset MSR",
        .grants = { HV_RIGHT(FEATURES, EAX, 7) },
        .recommended = true,
    },
    [HYPERV_FEAT_VPINDEX] = {
        .prop = "hv-vpindex",
        .desc = "VP_INDEX MSR",
        .grants = { HV_RIGHT(FEATURES, EAX, 6) },
        .recommended = true,
    },
    [HYPERV_FEAT_RUNTIME] = {
        .prop = "hv-runtime",
        .desc = "VP_RUNTIME MSR",
        .grants = { HV_RIGHT(FEATURES, EAX, 0) },
        .recommended = true,
    },
    [HYPERV_FEAT_SYNIC] = {
        .prop = "hv-synic",
        .desc = "synthetic interrupt controller",
        .grants = { HV_RIGHT(FEATURES, EAX, 2), HV_RIGHT(FEATURES, EBX, 4),
                    HV_RIGHT(FEATURES, EBX, 5) },
        .requires = FEAT_BIT(VPINDEX),
        .recommended = true,
    },
    [HYPERV_FEAT_STIMER] = {
        .prop = "hv-stimer",
        .desc = "synthetic timers",
        .grants = { HV_RIGHT(FEATURES, EAX, 3) },
        .requires = FEAT_BIT(SYNIC) | FEAT_BIT(TIME),
        .recommended = true,
    },
    [HYPERV_FEAT_FREQUENCIES] = {
        .prop = "hv-frequencies",
        .desc = "frequency MSRs",
        .grants = { HV_RIGHT(FEATURES, EAX, 11), HV_RIGHT(FEATURES, EDX, 8) },
        .recommended = true,
    },
    [HYPERV_FEAT_REENLIGHTENMENT] = {
        .prop = "hv-reenlightenment",
        .desc = "reenlightenment MSRs",
        .grants = { HV_RIGHT(FEATURES, EAX, 13) },
        .recommended = true,
    },
    [HYPERV_FEAT_TLBFLUSH] = {
        .prop = "hv-tlbflush",
        .desc = "paravirtualized TLB flush",
        .grants = { HV_RIGHT(RECOMMENDATIONS, EAX, 2),
                    HV_RIGHT(RECOMMENDATIONS, EAX, 11) },
        .requires = FEAT_BIT(VPINDEX),
        .needs = HV_PORT_FLUSH,
        .recommended = true,
    },
    [HYPERV_FEAT_EVMCS] = {
        .prop = "hv-evmcs",
        .desc = "enlightened VMCS",
        .not_passthrough = true,
        .refused = "it needs nested VMX",
    },
    [HYPERV_FEAT_IPI] = {
        .prop = "hv-ipi",
        .desc = "paravirtualized IPI",
        .grants = { HV_RIGHT(RECOMMENDATIONS, EAX, 10),
                    HV_RIGHT(RECOMMENDATIONS, EAX, 11) },
        .requires = FEAT_BIT(VPINDEX),
        .recommended = true,
    },
    [HYPERV_FEAT_STIMER_DIRECT] = {
        .prop = "hv-stimer-direct",
        .desc = "direct mode synthetic timers",
        .grants = { HV_RIGHT(FEATURES, EDX, 19) },
        .requires = FEAT_BIT(STIMER),
        .recommended = true,
    },
    [HYPERV_FEAT_AVIC] = {
        .prop = "hv-avic",
        .desc = "AVIC/APICv support",
        .grants = { HV_RIGHT(RECOMMENDATIONS, EAX, 9) },
        /* advice against what is fast here: AutoEOI and the APIC MSRs */
        .not_passthrough = true,
    },
    [HYPERV_FEAT_SYNDBG] = {
        .prop = "hv-syndbg",
        .desc = "Enable synthetic kernel debugger channel",
        .grants = { HV_RIGHT(FEATURES, EAX, 12), HV_RIGHT(FEATURES, EBX, 11),
                    HV_RIGHT(FEATURES, EDX, 1), HV_RIGHT(FEATURES, EDX, 11) },
        .requires = FEAT_BIT(SYNIC) | FEAT_BIT(RELAXED),
        .not_passthrough = true,
    },
    [HYPERV_FEAT_MSR_BITMAP] = {
        .prop = "hv-emsr-bitmap",
        .desc = "enlightened MSR-Bitmap",
        .grants = { HV_RIGHT(NESTED, EAX, 19) },
        .needs = HV_PORT_NESTED,
    },
    [HYPERV_FEAT_XMM_INPUT] = {
        .prop = "hv-xmm-input",
        .desc = "XMM fast hypercall input",
        .grants = { HV_RIGHT(FEATURES, EDX, 4) },
        .recommended = true,
    },
    [HYPERV_FEAT_TLBFLUSH_EXT] = {
        .prop = "hv-tlbflush-ext",
        .desc = "Extended gva ranges for TLB flush hypercalls",
        .grants = { HV_RIGHT(FEATURES, EDX, 14) },
        .requires = FEAT_BIT(TLBFLUSH),
        .needs = HV_PORT_FLUSH,
        .recommended = true,
    },
    [HYPERV_FEAT_TLBFLUSH_DIRECT] = {
        .prop = "hv-tlbflush-direct",
        .desc = "direct TLB flush",
        .grants = { HV_RIGHT(NESTED, EAX, 17) },
        .needs = HV_PORT_NESTED,
        .requires = FEAT_BIT(VAPIC),
    },
    [HYPERV_FEAT_NESTED_GPA_FLUSH] = {
        .prop = "hv-nested-gpa-flush",
        .desc = "nested guest physical address flush",
        .grants = { HV_RIGHT(NESTED, EAX, 18) },
        .needs = HV_PORT_NESTED,
        .not_beside = HV_WHY_NESTED,
    },
    [HYPERV_FEAT_XMM_OUTPUT] = {
        .prop = "hv-xmm-output",
        .desc = "XMM fast hypercall output",
        .grants = { HV_RIGHT(FEATURES, EDX, 15) },
        .requires = FEAT_BIT(XMM_INPUT),
        .recommended = true,
        .not_beside = "the kernel returns no output in registers",
    },
    [HYPERV_FEAT_GUEST_IDLE] = {
        .prop = "hv-guest-idle",
        .desc = "guest idle MSR",
        .grants = { HV_RIGHT(FEATURES, EAX, 10), HV_RIGHT(FEATURES, EDX, 5) },
        .needs = HV_PORT_IDLE,
        .recommended = true,
        /* a few calls of the kernel each time, for what seldom happens there */
        .recommended_needs = HV_PORT_APIC,
        .added = true,
    },
    [HYPERV_FEAT_TSC_INVARIANT] = {
        .prop = "hv-tsc-invariant",
        .desc = "invariant TSC control",
        .grants = { HV_RIGHT(FEATURES, EAX, 15) },
        .requires = FEAT_BIT(TIME),
        .needs = HV_PORT_TSC,
        /* a Linux guest that has it leaves the reference TSC page for its own
         * tsc clocksource; as fast, but not what hv-default is to show */
        .not_beside = HV_WHY_CPUID,
    },
    [HYPERV_FEAT_EXT_HYPERCALLS] = {
        .prop = "hv-ext-hypercalls",
        .desc = "extended hypercalls",
        .grants = { HV_RIGHT(FEATURES, EBX, 20) },
        .recommended = true,
    },
    [HYPERV_FEAT_PARTITION_ID] = {
        .prop = "hv-partition-id",
        .desc = "partition id",
        .grants = { HV_RIGHT(FEATURES, EBX, 1) },
        /*
         * The Requirements document wants it clear in an ordinary guest, and
         * Linux crashes with it unless it is the root partition.
         */
        .not_passthrough = true,
        .not_beside = "the kernel answers this hypercall by itself",
    },
    [HYPERV_FEAT_SINT_POLLING] = {
        .prop = "hv-sint-polling",
        .desc = "SINT polling mode",
        .grants = { HV_RIGHT(FEATURES, EDX, 17) },
        .requires = FEAT_BIT(SYNIC),
        .recommended = true,
        .not_beside = "the kernel interrupts for every SINT",
    },
    [HYPERV_FEAT_HYPERCALL_LOCK] = {
        .prop = "hv-hypercall-lock",
        .desc = "lockable hypercall page",
        .grants = { HV_RIGHT(FEATURES, EDX, 18) },
        .recommended = true,
        .not_beside = "the kernel makes the hypercall page",
    },
    [HYPERV_FEAT_VP_REGISTERS] = {
        .prop = "hv-vp-registers",
        .desc = "VP register and VP start hypercalls",
        .grants = { HV_RIGHT(FEATURES, EBX, 17), HV_RIGHT(FEATURES, EBX, 21) },
        .needs = HV_PORT_REGISTERS,
        .requires = FEAT_BIT(VPINDEX),
        .not_beside = HV_WHY_TCG,
    },
    [HYPERV_FEAT_VSM] = {
        .prop = "hv-vsm",
        .desc = "virtual secure mode",
        .grants = { HV_RIGHT(FEATURES, EBX, 16) },
        .needs = HV_PORT_VSM,
        .requires = FEAT_BIT(VP_REGISTERS) | FEAT_BIT(SYNIC) | FEAT_BIT(VAPIC),
        .not_beside = HV_WHY_TCG,
    },
};

/* What Hyper-V itself says; more than a machine on TCG has */
#define HV_MAX_VPS 2048

/* Retries that suit a spinlock whose holder may not be running */
#define HV_DEFAULT_SPINLOCKS 0x1fff

/* What to say of a flag that needs what the port lacks */
static const char *hv_lacking(unsigned caps)
{
    if (caps & HV_PORT_IDLE) {
        return "the kernel cannot park a vCPU that masks interrupts";
    }
    if (caps & HV_PORT_APIC) {
        return "the kernel's APIC tells nobody of its interrupts";
    }
    if (caps & HV_PORT_FLUSH) {
        return "the kernel has no call to flush the TLB of a vCPU";
    }
    if (caps & HV_PORT_NESTED) {
        return HV_WHY_NESTED;
    }
    if (caps & (HV_PORT_REGISTERS | HV_PORT_VSM)) {
        return HV_WHY_TCG;
    }
    return HV_WHY_CPUID;
}

bool hv_wanted(X86CPU *cpu)
{
    return cpu->hyperv_features || cpu->hyperv_passthrough ||
           cpu->hyperv_default ||
           cpu->hyperv_spinlock_attempts != HYPERV_SPINLOCK_NEVER_NOTIFY;
}

static bool hv_check_dependencies(uint64_t features, Error **errp)
{
    unsigned i, dep;

    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        uint64_t missing = hv_features[i].requires & ~features;

        if (!(features & BIT_ULL(i)) || !missing) {
            continue;
        }
        dep = ctz64(missing);
        error_setg(errp, "Hyper-V %s (%s) requires Hyper-V %s (%s)",
                   hv_features[i].desc, hv_features[i].prop,
                   hv_features[dep].desc, hv_features[dep].prop);
        return false;
    }
    return true;
}

/* Why it cannot be had; NULL if it can, as far as is known here */
static char *hv_feature_denied(const HvFeature *f, bool emulated, unsigned caps)
{
    if (!emulated && f->not_beside) {
        return g_strconcat(f->not_beside, f->needs ? NULL :
                           "; with -accel kvm,kernel-hyperv=off QEMU has it",
                           NULL);
    }
    if (!emulated && !f->added) {
        return NULL;
    }
    if (f->refused) {
        return g_strdup(f->refused);
    }
    return f->needs & ~caps ? g_strdup(hv_lacking(f->needs & ~caps)) : NULL;
}

bool hv_feature_added(unsigned feat, unsigned caps)
{
    const HvFeature *f = &hv_features[feat];

    return f->added && !(f->needs & ~caps);
}

unsigned hv_kvm_caps_added(const HvKvmHost *h)
{
    return hv_kvm_kernel_serves(h) && h->apic && h->msr_exits ? HV_PORT_IDLE :
                                                                0;
}

int hv_feature_by_name(const char *prop)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        if (g_str_equal(prop, hv_features[i].prop)) {
            return i;
        }
    }
    return -1;
}

const char *hv_feature_name(unsigned feat)
{
    return feat < ARRAY_SIZE(hv_features) ? hv_features[feat].prop : NULL;
}

bool hv_kvm_check(const HvKvmHost *h, Error **errp)
{
    if (h->kernel_hyperv == ON_OFF_AUTO_ON) {
        error_setg(errp, "kernel-hyperv=on: the kernel does not implement "
                   "Hyper-V; without it, QEMU does");
        return false;
    }
    if (!h->apic) {
        error_setg(errp, "Hyper-V enlightenments that QEMU implements need "
                   "kernel-irqchip=on or kernel-irqchip=split");
        return false;
    }
    if (!h->msr_exits) {
        error_setg(errp, "The kernel does not hand the synthetic MSRs of "
                   "Hyper-V to QEMU; Linux 5.10 and later do");
        return false;
    }
    return true;
}

bool hv_features_plan(const HvFeatureWish *w, bool emulated, unsigned caps,
                      uint64_t *features, Error **errp)
{
    unsigned i;

    *features = w->on;
    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        const HvFeature *f = &hv_features[i];
        g_autofree char *why = hv_feature_denied(f, emulated, caps);

        if (why) {
            if (w->on & BIT_ULL(i)) {
                error_setg(errp, "Hyper-V %s (%s) is not available with this "
                           "accelerator: %s", f->desc, f->prop, why);
                return false;
            }
        } else if (((w->by_default && f->recommended &&
                     !(f->recommended_needs & ~caps)) ||
                    /* of a kernel, its KVM code passes all through */
                    (w->passthrough && emulated && !f->not_passthrough)) &&
                   !(w->off & BIT_ULL(i))) {
            *features |= BIT_ULL(i);
        }
    }
    /* KVM has a table of its own, and knows what its kernel lacks */
    return !emulated || hv_check_dependencies(*features, errp);
}

/* Does -cpu have FLAG=off, before or after hv-default=on? */
bool hv_feature_switched_off(X86CPU *cpu, unsigned feat)
{
    const char *prop = hv_features[feat].prop;
    const GlobalProperty *gp = qdev_find_global_prop(OBJECT(cpu), prop);
    bool on = true;

    return gp && qapi_bool_parse(prop, gp->value, &on, NULL) && !on;
}

bool hv_feature_by_default(X86CPU *cpu, unsigned feat)
{
    const HvFeature *f = &hv_features[feat];

    return cpu->hyperv_default && f->recommended &&
           !qdev_find_global_prop(OBJECT(cpu), f->prop);
}

bool hv_expand_features(X86CPU *cpu, Error **errp)
{
    const HvPortOps *port = hv_port();
    HvFeatureWish wish = {
        .on = cpu->hyperv_features,
        .by_default = cpu->hyperv_default,
        .passthrough = cpu->hyperv_passthrough,
    };
    unsigned i;

    if (!hv_wanted(cpu)) {
        return true;
    }
    if (!port && !kvm_enabled()) {
        error_setg(errp, "Hyper-V enlightenments (hv-*) are available with "
                   "the tcg and kvm accelerators only");
        return false;
    }
    if (port && cpu->hyperv_synic_kvm_only) {
        error_setg(errp, "x-hv-synic-kvm-only needs the kvm accelerator");
        return false;
    }

    if (cpu->hyperv_default &&
        cpu->hyperv_spinlock_attempts == HYPERV_SPINLOCK_NEVER_NOTIFY) {
        cpu->hyperv_spinlock_attempts = HV_DEFAULT_SPINLOCKS;
    }
    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        if (hv_feature_switched_off(cpu, i)) {
            wish.off |= BIT_ULL(i);
        }
    }
    if (!hv_features_plan(&wish, port, port ? port->caps :
                          kvm_enabled() ? hv_kvm_added() : 0,
                          &cpu->hyperv_features, errp)) {
        return false;
    }
    /* The number that QEMU's own Hyper-V says; see hv_cpuid_fill() */
    if (!port && cpu->hyperv_default && cpu->hv_max_vps == -1 &&
        hyperv_feat_enabled(cpu, HYPERV_FEAT_TLBFLUSH)) {
        cpu->hv_max_vps = HV_MAX_VPS;
    }
    return true;
}

static void hv_grant(uint32_t cpuid[][4], const HvRight *r)
{
    cpuid[r->leaf][r->reg] |= r->bits;
}

static void hv_cpuid_fill(X86CPU *cpu, uint32_t cpuid[HV_CPUID_LEAVES][4],
                          uint32_t vs[HV_CPUID_VS_LEAVES][4])
{
    static const HvRight always[] = {
        HV_RIGHT(FEATURES, EAX, 5),     /* AccessHypercallMsrs */
        /* Windows takes a hot-plugged CPU only with it */
        HV_RIGHT(FEATURES, EDX, 3),     /* CpuDynamicPartitioning */
    };
    bool syndbg = hyperv_feat_enabled(cpu, HYPERV_FEAT_SYNDBG);
    unsigned i, j;

    memset(cpuid, 0, HV_CPUID_LEAVES * sizeof(*cpuid));
    memset(vs, 0, HV_CPUID_VS_LEAVES * sizeof(*vs));

    /* a string, in the order of its bytes */
    cpuid[0][R_EBX] = ldl_le_p(&cpu->hyperv_vendor_id[0]);
    cpuid[0][R_ECX] = ldl_le_p(&cpu->hyperv_vendor_id[1]);
    cpuid[0][R_EDX] = ldl_le_p(&cpu->hyperv_vendor_id[2]);

    cpuid[1][R_EAX] = cpu->hyperv_interface_id[0];
    cpuid[1][R_EBX] = cpu->hyperv_interface_id[1];
    cpuid[1][R_ECX] = cpu->hyperv_interface_id[2];
    cpuid[1][R_EDX] = cpu->hyperv_interface_id[3];

    cpuid[2][R_EAX] = cpu->hyperv_ver_id_build;
    cpuid[2][R_EBX] = (uint32_t)cpu->hyperv_ver_id_major << 16 |
                      cpu->hyperv_ver_id_minor;
    cpuid[2][R_ECX] = cpu->hyperv_ver_id_sp;
    cpuid[2][R_EDX] = (uint32_t)cpu->hyperv_ver_id_sb << 24 |
                      (cpu->hyperv_ver_id_sn & 0xffffff);

    for (i = 0; i < ARRAY_SIZE(always); i++) {
        hv_grant(cpuid, &always[i]);
    }
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_SYNIC) &&
        !(hv_port()->caps & HV_PORT_APIC)) {
        cpuid[4][R_EAX] |= HV_DEPRECATING_AEOI_RECOMMENDED;
    }
    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        if (cpu->hyperv_features & BIT_ULL(i)) {
            for (j = 0; j < ARRAY_SIZE(hv_features[i].grants); j++) {
                hv_grant(cpuid, &hv_features[i].grants[j]);
            }
        }
    }

    cpuid[4][R_EBX] = cpu->hyperv_spinlock_attempts;
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_VAPIC) &&
        !hyperv_feat_enabled(cpu, HYPERV_FEAT_AVIC)) {
        cpuid[4][R_EAX] |= HV_APIC_ACCESS_RECOMMENDED;
    }
    /* "auto" is what the host promises: QEMU's vCPU threads share any core */
    if (cpu->hyperv_no_nonarch_cs == ON_OFF_AUTO_ON) {
        cpuid[4][R_EAX] |= HV_NO_NONARCH_CORESHARING;
    }

    /* The last one that there is, as beside a kernel's Hyper-V */
    cpuid[0][R_EAX] = syndbg ? HV_CPUID_SYNDBG_PLATFORM_CAPABILITIES :
                      cpuid[HV_LEAF_NESTED][R_EAX] ? HV_CPUID_NESTED_FEATURES :
                      HV_CPUID_IMPLEMENT_LIMITS;

    /*
     * -1 means to Windows that masks of 64 VPs will not do, so that the flush
     * that takes one must not be recommended beside it ("Requirements for
     * Implementing the Microsoft Hypervisor Interface").  Linux uses no flush
     * at all without that bit; so say a number, as Hyper-V does.
     */
    cpuid[5][R_EAX] = cpu->hv_max_vps;
    if (cpu->hv_max_vps == -1 &&
        (cpuid[4][R_EAX] & HV_REMOTE_TLB_FLUSH_RECOMMENDED)) {
        cpuid[5][R_EAX] = HV_MAX_VPS;
    }
    cpuid[5][R_EBX] = cpu->hyperv_limits[0];
    cpuid[5][R_ECX] = cpu->hyperv_limits[1];
    cpuid[5][R_EDX] = cpu->hyperv_limits[2];

    if (syndbg) {
        vs[0][R_EAX] = HV_CPUID_SYNDBG_PLATFORM_CAPABILITIES;
        vs[0][R_EBX] = 0x7263694d;      /* "Micr" */
        vs[0][R_ECX] = 0x666f736f;      /* "osof" */
        vs[0][R_EDX] = 0x53562074;      /* "t VS" */
        vs[1][R_EAX] = 0x31235356;      /* "VS#1" */
        vs[2][R_EAX] = HV_SYNDBG_CAP_ALLOW_KERNEL_DEBUGGING;
    }
}

void hv_cpuid_init(HvPartition *p, X86CPU *cpu)
{
    hv_cpuid_fill(cpu, p->cpuid, p->cpuid_vs);
    p->enforce_cpuid = cpu->hyperv_enforce_cpuid;
}

bool hv_cpuid_check(HvPartition *p, X86CPU *cpu, Error **errp)
{
    uint32_t cpuid[HV_CPUID_LEAVES][4];
    uint32_t vs[HV_CPUID_VS_LEAVES][4];

    hv_cpuid_fill(cpu, cpuid, vs);
    if (!hv_wanted(cpu) || memcmp(cpuid, p->cpuid, sizeof(cpuid)) ||
        memcmp(vs, p->cpuid_vs, sizeof(vs)) ||
        p->enforce_cpuid != cpu->hyperv_enforce_cpuid) {
        error_setg(errp, "CPU %d has other hv-* flags than the first CPU; "
                   "give all CPUs the same", CPU(cpu)->cpu_index);
        return false;
    }
    return true;
}

const char *hv_cpuid_not_beside_kernel(X86CPU *cpu)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        if ((cpu->hyperv_features & BIT_ULL(i)) &&
            hv_features[i].not_beside) {
            return hv_features[i].prop;
        }
    }
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_SYNIC) &&
        !hyperv_feat_enabled(cpu, HYPERV_FEAT_AVIC) &&
        !(hv_port()->caps & HV_PORT_APIC)) {
        return "hv-avic";
    }
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_TLBFLUSH) &&
        cpu->hv_max_vps == -1) {
        return "x-hv-max-vps";
    }
    return NULL;
}

const char *hv_cpuid_flag(unsigned leaf, unsigned reg, uint32_t bits)
{
    static const struct {
        uint8_t leaf;
        uint8_t reg;
        const char *prop;
    } others[] = {
        { 0, R_EAX, "hv-syndbg" },
        { 0, R_EBX, "hv-vendor-id" },
        { 0, R_ECX, "hv-vendor-id" },
        { 0, R_EDX, "hv-vendor-id" },
        { 2, R_EAX, "hv-version-id-build" },
        { 2, R_EBX, "hv-version-id-major or hv-version-id-minor" },
        { 2, R_ECX, "hv-version-id-spack" },
        { 2, R_EDX, "hv-version-id-sbranch or hv-version-id-snumber" },
        { HV_LEAF_RECOMMENDATIONS, R_EAX, "hv-no-nonarch-coresharing" },
        { HV_LEAF_RECOMMENDATIONS, R_EBX, "hv-spinlocks" },
        { 5, R_EAX, "x-hv-max-vps" },
    };
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(hv_features); i++) {
        for (j = 0; j < ARRAY_SIZE(hv_features[i].grants); j++) {
            const HvRight *r = &hv_features[i].grants[j];

            if (r->leaf == leaf && r->reg == reg && (r->bits & bits)) {
                return hv_features[i].prop;
            }
        }
    }
    for (i = 0; i < ARRAY_SIZE(others); i++) {
        if (others[i].leaf == leaf && others[i].reg == reg) {
            return others[i].prop;
        }
    }
    return "an hv-* flag";
}

bool hv_cpuid(X86CPU *cpu, uint32_t index, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx)
{
    static const uint32_t none[4];
    HvPartition *p;
    const uint32_t *regs = none;

    if (likely(!cpu->hv_vp) || index < HV_CPUID_VENDOR_AND_MAX_FUNCTIONS ||
        index > HV_CPUID_MAX) {
        return false;
    }
    p = cpu->hv_vp->partition;
    if (index < HV_CPUID_VENDOR_AND_MAX_FUNCTIONS + HV_CPUID_LEAVES) {
        regs = p->cpuid[index - HV_CPUID_VENDOR_AND_MAX_FUNCTIONS];
    } else if (index >= HV_CPUID_SYNDBG_VENDOR_AND_MAX_FUNCTIONS &&
               index < HV_CPUID_SYNDBG_VENDOR_AND_MAX_FUNCTIONS +
                       HV_CPUID_VS_LEAVES) {
        regs = p->cpuid_vs[index - HV_CPUID_SYNDBG_VENDOR_AND_MAX_FUNCTIONS];
    }
    *eax = regs[R_EAX];
    *ebx = regs[R_EBX];
    *ecx = regs[R_ECX];
    *edx = regs[R_EDX];
    return true;
}

void hv_cpuid_features(X86CPU *cpu, uint32_t index, uint32_t *edx)
{
    HvPartition *p;

    if (likely(!cpu->hv_vp) || index != 0x80000007) {
        return;
    }
    /* The guest's TSC is as constant as the clock that it is made from */
    p = cpu->hv_vp->partition;
    if (hyperv_feat_enabled(cpu, HYPERV_FEAT_TSC_INVARIANT)) {
        *edx &= ~CPUID_APM_INVTSC;
        if (p->tsc_invariant_control & HV_TSC_INVARIANT_EXPOSE) {
            *edx |= CPUID_APM_INVTSC;
        }
    }
}
