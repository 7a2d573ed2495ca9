/*
 * Hyper-V guest interface: query-hyperv
 *
 * Called with the big QEMU lock held, so that no virtual processor comes or
 * goes and no page moves.  The guest may run; every lock is held only while a
 * few values are copied, and no virtual processor is waited for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hyperv-target.h"
#include "cpu.h"
#include "internal.h"

#define HV_MSR_PREFIX "HV_X64_MSR_"

/* GUEST_OS_ID (TLFS 2.6) */
#define HV_OS_ID_OPEN_SOURCE    (1ull << 63)
#define HV_OS_ID_MICROSOFT      1
#define HV_OS_ID_FREEBSD        2

static const char *const hv_open_source_os[] = {
    [1] = "Linux",
    [HV_OS_ID_FREEBSD] = "FreeBSD",
    [3] = "Xen",
    [4] = "Illumos",
};

static const char *const hv_microsoft_os[] = {
    [1] = "MS-DOS",
    [2] = "Windows 3.x",
    [3] = "Windows 9x",
    [4] = "Windows NT",
    [5] = "Windows CE",
};

static char *hv_known(const char *const *names, size_t nr, unsigned number)
{
    return number < nr && names[number] ? g_strdup(names[number])
                                        : g_strdup_printf("0x%x", number);
}

static char *hv_vendor(unsigned vendor)
{
    switch (vendor) {
    case HV_OS_ID_MICROSOFT:
        return g_strdup("Microsoft");
    case 2:
        return g_strdup("HPE");
    case 3:
        return g_strdup("BlackBerry");
    case 0x200:
        return g_strdup("LANCOM");
    default:
        return g_strdup_printf("0x%x", vendor);
    }
}

static HypervGuestOs *hv_query_guest_os(uint64_t id)
{
    HypervGuestOs *os = g_new0(HypervGuestOs, 1);
    unsigned type, version, vendor;

    os->value = id;
    os->build = extract64(id, 0, 16);
    os->open_source = id & HV_OS_ID_OPEN_SOURCE;
    if (os->open_source) {
        type = extract64(id, 56, 7);
        version = extract64(id, 16, 32);
        os->os = hv_known(hv_open_source_os, ARRAY_SIZE(hv_open_source_os),
                          type);
        if (type == HV_OS_ID_FREEBSD) {
            /* __FreeBSD_version */
            os->version = g_strdup_printf("%u.%u", version / 100000,
                                          version / 1000 % 100);
        } else {
            os->version = g_strdup_printf("%u.%u.%u", version >> 16,
                                          (version >> 8) & 0xff,
                                          version & 0xff);
        }
        return os;
    }

    vendor = extract64(id, 48, 15);
    type = extract64(id, 40, 8);
    os->vendor = hv_vendor(vendor);
    if (vendor == HV_OS_ID_MICROSOFT) {
        os->os = hv_known(hv_microsoft_os, ARRAY_SIZE(hv_microsoft_os), type);
    } else {
        os->os = g_strdup_printf("0x%x", type);
    }
    os->version = g_strdup_printf("%u.%u", (unsigned)extract64(id, 32, 8),
                                  (unsigned)extract64(id, 24, 8));
    os->has_service = true;
    os->service = extract64(id, 16, 8);
    return os;
}

static strList **hv_query_bits(HvPartition *p, unsigned leaf, unsigned reg,
                               strList **tail)
{
    static const char *const regs[] = { "EAX", "ECX", "EDX", "EBX" };
    unsigned bit;

    QEMU_BUILD_BUG_ON(R_EAX != 0 || R_ECX != 1 || R_EDX != 2 || R_EBX != 3);
    for (bit = 0; bit < 32; bit++) {
        const char *name = hv_cpuid_bit_name(leaf, reg, bit);

        if (p->cpuid[leaf][reg] & (1u << bit)) {
            QAPI_LIST_APPEND(tail,
                             name ? g_strdup(name)
                                  : g_strdup_printf("%s.%u", regs[reg], bit));
        }
    }
    return tail;
}

static HypervMsrList *hv_query_msrs(HvVp *vp, bool per_vp)
{
    HypervMsrList *list = NULL, **tail = &list;
    unsigned i;

    for (i = 0; i < hv_nr_msrs; i++) {
        const HvMsr *row = &hv_msrs[i];
        uint64_t val;

        if (row->per_vp == per_vp && row->read && !row->no_dump &&
            hv_msr_allowed(vp->partition, row) &&
            row->read(&vp->vtl[0], row->index, &val)) {
            HypervMsr *msr = g_new0(HypervMsr, 1);

            msr->name = g_strconcat(HV_MSR_PREFIX, row->name, NULL);
            msr->number = row->num;
            msr->value = val;
            QAPI_LIST_APPEND(tail, msr);
        }
    }
    return list;
}

/* Called with the VP's lock held */
static HypervSint *hv_query_sint(HvSynic *s, unsigned i)
{
    struct hyperv_message_page *page = s->simp_page.host;
    HypervSint *sint = g_new0(HypervSint, 1);
    uint64_t val = s->sint[i];
    HvMsgSource *src;

    sint->index = i;
    sint->value = val;
    sint->vector = val & HV_SINT_VECTOR_MASK;
    sint->masked = val & HV_SINT_MASKED;
    sint->auto_eoi = val & HV_SINT_AUTO_EOI;
    sint->polling = val & HV_SINT_POLLING;
    QTAILQ_FOREACH(src, &s->queue[i], link) {
        sint->queued_messages++;
    }
    sint->slot_full = (s->simp & HV_SIMP_ENABLE) &&
                      qatomic_read(&page->slot[i].header.message_type);
    return sint;
}

static HypervSintList *hv_query_sints(HvVp *vp)
{
    static const HvRight synic = HV_RIGHT(FEATURES, EAX, 2);
    HypervSintList *list = NULL, **tail = &list;
    unsigned i;

    if (hv_has_right(vp->partition, &synic)) {
        hv_vp_lock(vp);
        for (i = 0; i < HV_SINT_COUNT; i++) {
            QAPI_LIST_APPEND(tail, hv_query_sint(&vp->vtl[0].synic, i));
        }
        hv_vp_unlock(vp);
    }
    return list;
}

/* Called with the VP's lock held */
static HypervTimer *hv_query_timer(HvStimer *t)
{
    HypervTimer *timer = g_new0(HypervTimer, 1);
    uint64_t val = t->config;

    timer->index = t->index;
    timer->config = val;
    timer->count = t->count;
    timer->enabled = val & HV_STIMER_ENABLE;
    timer->periodic = val & HV_STIMER_PERIODIC;
    timer->lazy = val & HV_STIMER_LAZY;
    timer->auto_enable = val & HV_STIMER_AUTO_ENABLE;
    timer->direct = val & HV_STIMER_DIRECT;
    if (timer->direct) {
        timer->has_vector = true;
        timer->vector = (val >> HV_STIMER_VECTOR_SHIFT) &
                        HV_STIMER_VECTOR_MASK;
    } else {
        timer->has_sint = true;
        timer->sint = (val >> HV_STIMER_SINT_SHIFT) & HV_STIMER_SINT_MASK;
    }
    if (timer->enabled && t->count) {
        timer->has_expiration = true;
        timer->expiration = t->exp_time;
    }
    timer->message_waiting = t->src.queued;
    return timer;
}

static HypervTimerList *hv_query_timers(HvVp *vp)
{
    static const HvRight stimer = HV_RIGHT(FEATURES, EAX, 3);
    HypervTimerList *list = NULL, **tail = &list;
    unsigned i;

    if (hv_has_right(vp->partition, &stimer)) {
        hv_vp_lock(vp);
        for (i = 0; i < HV_STIMERS; i++) {
            QAPI_LIST_APPEND(tail, hv_query_timer(&vp->vtl[0].stimer[i]));
        }
        hv_vp_unlock(vp);
    }
    return list;
}

/*
 * A counter that the VP's own thread may be bumping.  A 32-bit host may show
 * one in the middle of a carry.
 */
static uint64_t hv_count(const uint64_t *counter)
{
    return qatomic_read__nocheck(counter);
}

static HypervHypercallList *hv_query_hypercalls(HvVp *vp)
{
    HypervHypercallList *list = NULL, **tail = &list;
    unsigned i;

    for (i = 0; i < hv_nr_hypercalls; i++) {
        uint64_t count = hv_count(&vp->stats.hypercalls[i]);

        if (count) {
            HypervHypercall *call = g_new0(HypervHypercall, 1);

            call->name = g_strdup(hv_hypercalls[i].name);
            call->code = hv_hypercalls[i].code;
            call->count = count;
            QAPI_LIST_APPEND(tail, call);
        }
    }
    return list;
}

static HypervVpStats *hv_query_stats(HvVp *vp)
{
    HypervVpStats *stats = g_new0(HypervVpStats, 1);

    stats->hypercalls = hv_query_hypercalls(vp);
    stats->hypercalls_failed = hv_count(&vp->stats.hypercalls_failed);
    stats->msr_reads = hv_count(&vp->stats.msr_reads);
    stats->msr_writes = hv_count(&vp->stats.msr_writes);
    stats->tlb_flushes = hv_count(&vp->stats.flushes);
    stats->ipis = hv_count(&vp->stats.ipis);
    stats->eois_elided = hv_count(&vp->stats.eois_elided);
    stats->auto_eois = hv_count(&vp->stats.auto_eois);

    hv_vp_lock(vp);
    stats->messages_delivered = vp->synic_stats.messages;
    stats->messages_deferred = vp->synic_stats.messages_deferred;
    stats->event_flags = vp->synic_stats.event_flags;
    stats->timer_expirations = vp->synic_stats.timer_expirations;
    hv_vp_unlock(vp);
    return stats;
}

static HypervVp *hv_query_vp(HvVp *vp)
{
    HypervVp *info = g_new0(HypervVp, 1);

    info->index = vp->index;
    info->msrs = hv_query_msrs(vp, true);
    info->sints = hv_query_sints(vp);
    info->timers = hv_query_timers(vp);
    info->stats = hv_query_stats(vp);
    return info;
}

HypervInfo *qmp_query_hyperv(Error **errp)
{
    HvPartition *p = hv_partition_get();
    HypervInfo *info;
    HypervVpList **vps;
    strList **tail;
    uint64_t os_id;
    unsigned i;

    if (!p) {
        error_setg(errp, "This machine has no Hyper-V partition that QEMU "
                   "emulates: start it with hv-* CPU flags, on an "
                   "accelerator without Hyper-V of its own");
        return NULL;
    }

    info = g_new0(HypervInfo, 1);
    info->port = g_strdup(p->ops->name);

    qemu_mutex_lock(&p->lock);
    os_id = p->vtl[0].guest_os_id;
    qemu_mutex_unlock(&p->lock);
    if (os_id) {
        info->guest_os = hv_query_guest_os(os_id);
    }

    tail = hv_query_bits(p, HV_LEAF_FEATURES, R_EAX, &info->privileges);
    hv_query_bits(p, HV_LEAF_FEATURES, R_EBX, tail);
    hv_query_bits(p, HV_LEAF_FEATURES, R_EDX, &info->features);
    hv_query_bits(p, HV_LEAF_RECOMMENDATIONS, R_EAX, &info->recommendations);
    hv_query_bits(p, HV_LEAF_NESTED, R_EAX, &info->nested_features);
    info->enforce_cpuid = p->enforce_cpuid;
    info->spin_wait_limit = p->cpuid[HV_LEAF_RECOMMENDATIONS][R_EBX];
    info->crash_message = g_strdup(p->crash_message);

    vps = &info->vps;
    for (i = 0; i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (!vp) {
            continue;
        }
        if (!info->msrs) {
            /* The partition's are the same on all of them */
            info->msrs = hv_query_msrs(vp, false);
        }
        QAPI_LIST_APPEND(vps, hv_query_vp(vp));
    }
    return info;
}
