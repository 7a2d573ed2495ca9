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
static const char *hv_cpuid_difference(const HvCpuidStream *s)
{
    HvPartition *p = s->parent;
    unsigned leaf, reg;

    /* A flag that grants features may change later leaves, too */
    for (leaf = 0; leaf < HV_CPUID_LEAVES; leaf++) {
        for (reg = 0; reg < 4; reg++) {
            uint32_t bits = s->cpuid[leaf][reg] ^ p->cpuid[leaf][reg];

            if (bits) {
                return hv_cpuid_flag(leaf, reg, bits);
            }
        }
    }
    if (memcmp(s->cpuid_vs, p->cpuid_vs, sizeof(p->cpuid_vs))) {
        return "hv-syndbg";
    }
    return s->enforce != p->enforce_cpuid ? "hv-enforce-cpuid" : NULL;
}

static int hv_cpuid_post_load(void *opaque, int version_id)
{
    HvCpuidStream *s = opaque;
    const char *flag = hv_cpuid_difference(s);

    s->parent->cpuid_loaded = !flag;
    if (flag) {
        error_report("The migrated guest cannot go on here: %s is not as where "
                     "it comes from; give both machines the same hv-* flags",
                     flag);
        return -EINVAL;
    }
    return 0;
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

static bool hv_kvmclock_needed(void *opaque)
{
    return false;
}

static const VMStateDescription vmstate_hv_kvmclock_reliable = {
    .name = "kvmclock/clock_is_reliable",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_kvmclock_needed,
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
    .needed = hv_kvmclock_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UNUSED(sizeof(uint64_t)),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_kvmclock_reliable,
        NULL
    }
};

void hv_migration_init(HvPartition *p)
{
    vmstate_register(NULL, 0, &vmstate_hv_cpuid, p);
    if (!kvm_enabled()) {
        vmstate_register(NULL, 0, &vmstate_hv_kvmclock, p);
    }
}
