/*
 * Hyper-V guest interface: the machine that loads a migration stream has to
 * show the guest what the one that wrote it did
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "internal.h"
#include "migration/vmstate.h"
#include "system/kvm.h"

const char hv_from_kernel_message[] =
    "Where it comes from it has no hv-* flags, or its Hyper-V is the kernel's: "
    "there, use -accel kvm,kernel-hyperv=off";

typedef struct HvCpuidStream {
    HvPartition *parent;
    uint32_t cpuid[HV_CPUID_LEAVES][4];
    uint32_t cpuid_vs[HV_CPUID_VS_LEAVES][4];
    bool enforce;
} HvCpuidStream;

static int hv_cpuid_pre_save(void *opaque)
{
    HvCpuidStream *s = opaque;

    memcpy(s->cpuid, s->parent->cpuid, sizeof(s->cpuid));
    memcpy(s->cpuid_vs, s->parent->cpuid_vs, sizeof(s->cpuid_vs));
    s->enforce = s->parent->enforce_cpuid;
    return 0;
}

/* Returns: a flag that makes the difference, or NULL if there is none */
static const char *hv_leaves_difference(const uint32_t a[HV_CPUID_LEAVES][4],
                                        const uint32_t b[HV_CPUID_LEAVES][4])
{
    unsigned leaf, reg;

    /* A flag that grants features may change later leaves, too */
    for (leaf = 0; leaf < HV_CPUID_LEAVES; leaf++) {
        for (reg = 0; reg < 4; reg++) {
            uint32_t bits = a[leaf][reg] ^ b[leaf][reg];

            if (bits) {
                return hv_cpuid_flag(leaf, reg, bits);
            }
        }
    }
    return NULL;
}

static const char *hv_cpuid_difference(const HvCpuidStream *s)
{
    HvPartition *p = s->parent;
    const char *flag = hv_leaves_difference(s->cpuid, p->cpuid);

    if (flag) {
        return flag;
    }
    if (memcmp(s->cpuid_vs, p->cpuid_vs, sizeof(p->cpuid_vs))) {
        return "hv-syndbg";
    }
    return s->enforce != p->enforce_cpuid ? "hv-enforce-cpuid" : NULL;
}

/* Returns: an errno if @flag is the difference, 0 if it is NULL */
static int hv_cpuid_verdict(const char *flag)
{
    if (!flag) {
        return 0;
    }
    error_report("The migrated guest cannot go on here: %s is not as where "
                 "it comes from; give both machines the same hv-* flags", flag);
    return -EINVAL;
}

static int hv_cpuid_post_load(void *opaque, int version_id)
{
    HvCpuidStream *s = opaque;
    const char *flag = hv_cpuid_difference(s);

    s->parent->cpuid_loaded = !flag;
    return hv_cpuid_verdict(flag);
}

static const VMStateDescription vmstate_hv_cpuid_stream = {
    .name = "hv-cpuid-stream",
    .pre_save = hv_cpuid_pre_save,
    .post_load = hv_cpuid_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(cpuid, HvCpuidStream, HV_CPUID_LEAVES, 4),
        VMSTATE_UINT32_2DARRAY(cpuid_vs, HvCpuidStream, HV_CPUID_VS_LEAVES, 4),
        VMSTATE_BOOL(enforce, HvCpuidStream),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_cpuid = {
    .name = "hv-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    /* before the CPUs, which look at cpuid_loaded */
    .priority = MIG_PRI_MAX,
    .fields = (const VMStateField[]) {
        VMSTATE_WITH_TMP(HvPartition, HvCpuidStream, vmstate_hv_cpuid_stream),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_never_needed(void *opaque)
{
    return false;
}

static const VMStateDescription vmstate_hv_kvmclock_reliable = {
    .name = "kvmclock/clock_is_reliable",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UNUSED(sizeof(bool)),
        VMSTATE_END_OF_LIST()
    }
};

/* KVM's clock of its own is in each of its streams, used or not */
static const VMStateDescription vmstate_hv_kvmclock = {
    .name = "kvmclock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UNUSED(sizeof(uint64_t)),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_kvmclock_reliable,
        NULL
    }
};

/*
 * The same of a kernel's own Hyper-V.  It is sent for hv-default only, which
 * is what the kernel makes of it, and which a QEMU that knows nothing of this
 * does not have.
 */
typedef struct HvKernelCpuid {
    uint32_t own[HV_CPUID_LEAVES][4];
    uint32_t cpuid[HV_CPUID_LEAVES][4];     /* of the stream */
} HvKernelCpuid;

static HvKernelCpuid hv_kernel_cpuid;

static int hv_kernel_cpuid_pre_save(void *opaque)
{
    HvKernelCpuid *k = opaque;

    memcpy(k->cpuid, k->own, sizeof(k->cpuid));
    return 0;
}

static int hv_kernel_cpuid_post_load(void *opaque, int version_id)
{
    HvKernelCpuid *k = opaque;

    return hv_cpuid_verdict(hv_leaves_difference(k->cpuid, k->own));
}

static const VMStateDescription vmstate_hv_kernel_cpuid = {
    .name = "hv-kernel-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_MAX,
    .pre_save = hv_kernel_cpuid_pre_save,
    .post_load = hv_kernel_cpuid_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(cpuid, HvKernelCpuid, HV_CPUID_LEAVES, 4),
        VMSTATE_END_OF_LIST()
    }
};

void hv_migration_kernel_cpuid(const uint32_t cpuid[HV_CPUID_LEAVES][4])
{
    static bool registered;

    memcpy(hv_kernel_cpuid.own, cpuid, sizeof(hv_kernel_cpuid.own));
    if (!registered) {
        vmstate_register(NULL, 0, &vmstate_hv_kernel_cpuid, &hv_kernel_cpuid);
        registered = true;
    }
}

static int hv_kernel_cpuid_refuse(void *opaque)
{
    error_report("The migrated guest cannot go on here. %s",
                 hv_from_kernel_message);
    return -EINVAL;
}

static const VMStateDescription vmstate_hv_kernel_refused = {
    .name = "hv-kernel-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_MAX,
    .needed = hv_never_needed,
    .pre_load = hv_kernel_cpuid_refuse,
    .fields = (const VMStateField[]) {
        VMSTATE_END_OF_LIST()
    }
};

void hv_migration_init(HvPartition *p)
{
    vmstate_register(NULL, 0, &vmstate_hv_cpuid, p);
    vmstate_register(NULL, 0, &vmstate_hv_kernel_refused, p);
    if (!kvm_enabled()) {
        vmstate_register(NULL, 0, &vmstate_hv_kvmclock, p);
    }
}
