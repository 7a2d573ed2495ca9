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

static bool hv_msr_of_vp(const HvMsr *row)
{
    return row->per_vp;
}

static bool hv_msr_of_partition(const HvMsr *row)
{
    return !row->per_vp;
}

static bool hv_msr_of_partition_vtl(const HvMsr *row)
{
    return row->per_vtl;
}

static HypervMsrList *hv_query_msrs(HvVtl *vtl, bool (*wanted)(const HvMsr *))
{
    HypervMsrList *list = NULL, **tail = &list;
    unsigned i;

    for (i = 0; i < hv_nr_msrs; i++) {
        const HvMsr *row = &hv_msrs[i];
        uint64_t val;

        if (wanted(row) && row->read && !row->no_dump &&
            hv_msr_allowed(vtl->vp->partition, row) &&
            row->read(vtl, row->index, &val)) {
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

static HypervSintList *hv_query_sints(HvVtl *vtl)
{
    static const HvRight synic = HV_RIGHT(FEATURES, EAX, 2);
    HypervSintList *list = NULL, **tail = &list;
    unsigned i;

    if (hv_has_right(vtl->vp->partition, &synic)) {
        hv_vp_lock(vtl->vp);
        for (i = 0; i < HV_SINT_COUNT; i++) {
            QAPI_LIST_APPEND(tail, hv_query_sint(&vtl->synic, i));
        }
        hv_vp_unlock(vtl->vp);
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

static HypervTimerList *hv_query_timers(HvVtl *vtl)
{
    static const HvRight stimer = HV_RIGHT(FEATURES, EAX, 3);
    HypervTimerList *list = NULL, **tail = &list;
    unsigned i;

    if (hv_has_right(vtl->vp->partition, &stimer)) {
        hv_vp_lock(vtl->vp);
        for (i = 0; i < HV_STIMERS; i++) {
            QAPI_LIST_APPEND(tail, hv_query_timer(&vtl->stimer[i]));
        }
        hv_vp_unlock(vtl->vp);
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

static HypervVtlEntries *hv_query_entries(HvVtl *vtl)
{
    HypervVtlEntries *entries = g_new0(HypervVtlEntries, 1);

    entries->calls = hv_count(&vtl->entries[HV_VTL_ENTRY_CALL]);
    entries->interrupts = hv_count(&vtl->entries[HV_VTL_ENTRY_INTERRUPT]);
    entries->intercepts = hv_count(&vtl->entries[HV_VTL_ENTRY_INTERCEPT]);
    entries->returns = hv_count(&vtl->returns);
    return entries;
}

static HypervCpuidResultList *hv_query_cpuid_results(const HvCpuidResults *all)
{
    HypervCpuidResultList *list = NULL, **tail = &list;
    unsigned i, j;

    for (i = 0; i < all->nr; i++) {
        const HvCpuidResult *r = &all->result[i];
        HypervCpuidResult *info = g_new0(HypervCpuidResult, 1);
        uint32List **values = &info->values, **masks = &info->masks;

        info->leaf = r->eax;
        info->has_subleaf = r->subleaf;
        info->subleaf = r->ecx;
        info->always = r->always;
        for (j = 0; j < ARRAY_SIZE(r->val); j++) {
            QAPI_LIST_APPEND(values, r->val[j]);
            QAPI_LIST_APPEND(masks, r->mask[j]);
        }
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static HypervVtl *hv_query_vtl(HvVtl *vtl)
{
    HypervVtl *info = g_new0(HypervVtl, 1);
    uint64List **tail = &info->secure_config, **regs = &info->cr_intercept;
    unsigned i;

    info->index = hv_vtl_index(vtl);
    if (vtl->vp->partition->ops->caps & HV_PORT_REGISTERS) {
        info->registers = hv_vtl_look(vtl->vp, info->index);
    }
    info->msrs = hv_query_msrs(vtl, hv_msr_of_vp);
    info->sints = hv_query_sints(vtl);
    info->timers = hv_query_timers(vtl);
    if (info->index) {
        info->has_vina = true;
        info->vina = vtl->vina;
        info->has_secure_config = true;
        for (i = 0; i < info->index; i++) {
            QAPI_LIST_APPEND(tail, vtl->secure_config[i]);
        }
        info->has_cr_intercept = true;
        for (i = 0; i < HV_CR_INTERCEPT_REGS; i++) {
            QAPI_LIST_APPEND(regs, vtl->cr_intercept[i]);
        }
        info->has_cpuid_results = true;
        info->cpuid_results = hv_query_cpuid_results(&vtl->cpuid_results);
        info->entries = hv_query_entries(vtl);
    }
    return info;
}

static HypervVp *hv_query_vp(HvVp *vp)
{
    HypervVp *info = g_new0(HypervVp, 1);
    HypervVtlList **tail = &info->vtls;
    unsigned i;

    info->index = vp->index;
    info->active_vtl = vp->active_vtl;
    for (i = 0; i < vp->partition->nr_vtls; i++) {
        if (hv_vtl_enabled(vp, i)) {
            QAPI_LIST_APPEND(tail, hv_query_vtl(&vp->vtl[i]));
        }
    }
    info->stats = hv_query_stats(vp);
    return info;
}

/* HV_MAP_GPA_*, or the same of HV_INTERCEPT_MASK_* */
static strList *hv_query_mask(uint8_t mask)
{
    static const char *const names[] = {
        "read", "write", "kernel-execute", "user-execute",
    };
    strList *list = NULL, **tail = &list;
    unsigned i;

    QEMU_BUILD_BUG_ON(HV_MAP_GPA_READABLE != 1 || HV_MAP_GPA_WRITABLE != 2 ||
                      HV_MAP_GPA_KERNEL_EXECUTABLE != 4 ||
                      HV_MAP_GPA_USER_EXECUTABLE != 8 ||
                      HV_INTERCEPT_MASK_READ != 1 ||
                      HV_INTERCEPT_MASK_WRITE != 2);
    for (i = 0; i < ARRAY_SIZE(names); i++) {
        if (mask & (1u << i)) {
            QAPI_LIST_APPEND(tail, g_strdup(names[i]));
        }
    }
    return list;
}

static HypervPortRangeList *hv_query_ports(const uint8_t *map)
{
    HypervPortRangeList *list = NULL, **tail = &list;
    HypervPortRange *range = NULL;
    unsigned i;

    for (i = 0; i < HV_IO_PORTS; i++) {
        if (!(map[i / 8] & (1u << (i % 8)))) {
            range = NULL;
            continue;
        }
        if (!range) {
            range = g_new0(HypervPortRange, 1);
            range->first = i;
            QAPI_LIST_APPEND(tail, range);
        }
        range->last = i;
    }
    return list;
}

static HypervIntercepts *hv_query_intercepts(const HvInstalled *in)
{
    HypervIntercepts *info = g_new0(HypervIntercepts, 1);
    uint32List **leaves = &info->cpuid_leaves;
    uint8List **exceptions = &info->exceptions;
    unsigned i;

    info->io_reads = hv_query_ports(in->io[0]);
    info->io_writes = hv_query_ports(in->io[1]);
    info->unknown_msrs = hv_query_mask(in->msr);
    for (i = 0; i < in->nr_cpuid; i++) {
        QAPI_LIST_APPEND(leaves, in->cpuid[i]);
    }
    for (i = 0; i < 32; i++) {
        if (in->exceptions & (1u << i)) {
            QAPI_LIST_APPEND(exceptions, i);
        }
    }
    return info;
}

/* @vp: any, because what is shown is the same on all of them */
static HypervPartitionVtl *hv_query_partition_vtl(HvVp *vp, unsigned vtl)
{
    HvPartition *p = vp->partition;
    HvProtection *pr = &p->vtl[vtl].protection;
    HypervPartitionVtl *info = g_new0(HypervPartitionVtl, 1);

    info->index = vtl;
    info->msrs = hv_query_msrs(&vp->vtl[vtl], hv_msr_of_partition_vtl);
    info->config = p->vtl[vtl].vsm_config;
    info->mbec = hv_mbec_enabled(p, vtl);
    info->deny_lower_vtl_startup = info->config & HV_VSM_DENY_LOWER_VTL_STARTUP;
    info->zero_memory_on_reset = info->config & HV_VSM_ZERO_MEMORY_ON_RESET;
    info->protections = pr->enabled;
    info->default_access = hv_query_mask(pr->default_mask);
    info->protected_pages = pr->count;
    info->intercepts = hv_query_intercepts(&p->vtl[vtl].installed);
    return info;
}

static HypervVsm *hv_query_vsm(HvVp *vp)
{
    HvPartition *p = vp->partition;
    HypervVsm *info = g_new0(HypervVsm, 1);
    HypervPartitionVtlList **tail = &info->vtls;
    unsigned i;

    info->maximum_vtl = p->nr_vtls - 1;
    for (i = 1; i < p->nr_vtls; i++) {
        if (p->enabled_vtls & (1u << i)) {
            QAPI_LIST_APPEND(tail, hv_query_partition_vtl(vp, i));
        }
    }
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
            info->msrs = hv_query_msrs(&vp->vtl[0], hv_msr_of_partition);
            if (p->nr_vtls > 1) {
                info->vsm = hv_query_vsm(vp);
            }
        }
        QAPI_LIST_APPEND(vps, hv_query_vp(vp));
    }
    return info;
}
