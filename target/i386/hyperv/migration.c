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
    HvView view;
} HvCpuidStream;

static void hv_partition_view(const HvPartition *p, HvView *v)
{
    memcpy(v->cpuid, p->cpuid, sizeof(v->cpuid));
    memcpy(v->cpuid_vs, p->cpuid_vs, sizeof(v->cpuid_vs));
    v->enforce = p->enforce_cpuid;
}

static int hv_cpuid_pre_save(void *opaque)
{
    HvCpuidStream *s = opaque;

    hv_partition_view(s->parent, &s->view);
    return 0;
}

const char *hv_view_difference(const HvView *a, const HvView *b)
{
    unsigned leaf, reg, n;

    /*
     * The first leaf last: how many there are follows from flags.  And a flag
     * that grants features may change later leaves, too.
     */
    for (n = 1; n <= HV_CPUID_LEAVES; n++) {
        leaf = n % HV_CPUID_LEAVES;
        for (reg = 0; reg < 4; reg++) {
            uint32_t bits = a->cpuid[leaf][reg] ^ b->cpuid[leaf][reg];

            if (bits) {
                return hv_cpuid_flag(leaf, reg, bits);
            }
        }
    }
    if (memcmp(a->cpuid_vs, b->cpuid_vs, sizeof(a->cpuid_vs))) {
        return "hv-syndbg";
    }
    return a->enforce != b->enforce ? "hv-enforce-cpuid" : NULL;
}

int hv_cpuid_verdict(const char *flag)
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
    HvPartition *p = s->parent;
    HvView own;
    const char *flag;

    hv_partition_view(p, &own);
    flag = hv_view_difference(&s->view, &own);
    p->cpuid_loaded = !flag;
    /* If it is not, hv-partition says so */
    p->clock.offset = 0;
    return hv_cpuid_verdict(flag);
}

static const VMStateDescription vmstate_hv_cpuid_stream = {
    .name = "hv-cpuid-stream",
    .pre_save = hv_cpuid_pre_save,
    .post_load = hv_cpuid_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(view.cpuid, HvCpuidStream, HV_CPUID_LEAVES, 4),
        VMSTATE_UINT32_2DARRAY(view.cpuid_vs, HvCpuidStream,
                               HV_CPUID_VS_LEAVES, 4),
        VMSTATE_BOOL(view.enforce, HvCpuidStream),
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

bool hv_never_needed(void *opaque)
{
    return false;
}

/* The same of a kernel's own Hyper-V; see migration-kernel.c */
static int hv_kernel_cpuid_post_load(void *opaque, int version_id)
{
    HvCpuidStream *s = opaque;
    HvPartition *p = s->parent;
    HvView own;
    const char *flag;

    hv_partition_view(p, &own);
    /* of which the stream says nothing */
    memcpy(s->view.cpuid_vs, own.cpuid_vs, sizeof(own.cpuid_vs));
    s->view.enforce = own.enforce;
    flag = hv_view_difference(&s->view, &own);
    p->kernel_cpuid_loaded = !flag;
    return hv_cpuid_verdict(flag);
}

static const VMStateDescription vmstate_hv_kernel_cpuid_stream = {
    .name = "hv-kernel-cpuid-stream",
    .post_load = hv_kernel_cpuid_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_2DARRAY(view.cpuid, HvCpuidStream, HV_CPUID_LEAVES, 4),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_kernel_cpuid = {
    .name = "hv-kernel-cpuid",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_MAX,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_WITH_TMP(HvPartition, HvCpuidStream,
                         vmstate_hv_kernel_cpuid_stream),
        VMSTATE_END_OF_LIST()
    }
};

void hv_migration_clock(HvPartition *p, uint64_t ns)
{
    if (!p->cpuid_loaded) {
        hv_reftime_load(p, ns / HV_REF_TIME_NS);
    }
}

typedef struct HvClockStream {
    HvPartition *parent;
    uint64_t ns;
} HvClockStream;

static int hv_kvmclock_post_load(void *opaque, int version_id)
{
    HvClockStream *s = opaque;

    hv_migration_clock(s->parent, s->ns);
    return 0;
}

static const VMStateDescription vmstate_hv_kvmclock_stream = {
    .name = "hv-kvmclock-stream",
    .post_load = hv_kvmclock_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(ns, HvClockStream),
        VMSTATE_END_OF_LIST()
    }
};

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

/* KVM's clock is in each of its streams */
static const VMStateDescription vmstate_hv_kvmclock = {
    .name = "kvmclock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_never_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_WITH_TMP(HvPartition, HvClockStream,
                         vmstate_hv_kvmclock_stream),
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
    vmstate_register(NULL, 0, &vmstate_hv_kernel_cpuid, p);
    if (!kvm_enabled()) {
        vmstate_register(NULL, 0, &vmstate_hv_kvmclock, p);
    }
}
