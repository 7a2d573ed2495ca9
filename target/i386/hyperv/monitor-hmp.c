/*
 * Hyper-V guest interface: info hyperv, which prints what query-hyperv says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hyperv-target.h"
#include "monitor/hmp.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "qobject/qdict.h"

#define HV_HMP_WIDTH 79

/* Of reference time in a second */
#define HV_HMP_SECOND 10000000

/* Words after a title, in as many lines as they take */
static void hv_print_words(Monitor *mon, const char *title,
                           const strList *words)
{
    int column = monitor_printf(mon, "%s:", title);

    for (; words; words = words->next) {
        if (column + 1 + strlen(words->value) > HV_HMP_WIDTH) {
            column = monitor_printf(mon, "\n   ") - 1;
        }
        column += monitor_printf(mon, " %s", words->value);
    }
    monitor_printf(mon, "\n");
}

static void hv_print_guest_os(Monitor *mon, const HypervGuestOs *os)
{
    if (!os) {
        monitor_printf(mon, "guest OS: has not identified itself\n");
        return;
    }
    monitor_printf(mon, "guest OS: %s%s%s %s", os->vendor ?: "",
                   os->vendor ? " " : "", os->os, os->version);
    if (os->has_service && os->service) {
        monitor_printf(mon, " service pack %u", os->service);
    }
    if (os->build) {
        monitor_printf(mon, " build %u", os->build);
    }
    monitor_printf(mon, "%s\n", os->open_source ? " (open source)" : "");
}

/* The text is the guest's: it may be anything but a command to a terminal */
static void hv_print_crash_message(Monitor *mon, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    char **line, *c;

    monitor_printf(mon, "crash message:\n");
    for (line = lines; *line; line++) {
        for (c = *line; *c; c++) {
            if (!g_ascii_isprint(*c)) {
                *c = '.';
            }
        }
        if (**line) {
            monitor_printf(mon, "    %s\n", *line);
        }
    }
}

/* SINTs and timers have lines of their own, with their MSRs */
static bool hv_msr_printed_elsewhere(const char *name)
{
    return g_str_has_prefix(name, "HV_X64_MSR_SINT") ||
           g_str_has_prefix(name, "HV_X64_MSR_STIMER");
}

static void hv_print_msrs(Monitor *mon, const HypervMsrList *msrs)
{
    for (; msrs; msrs = msrs->next) {
        const HypervMsr *msr = msrs->value;

        if (!hv_msr_printed_elsewhere(msr->name)) {
            monitor_printf(mon, "  %-34s 0x%08x  0x%016" PRIx64 "\n",
                           msr->name, msr->number, msr->value);
        }
    }
}

static void hv_print_sints(Monitor *mon, const HypervSintList *sints)
{
    unsigned unused = 0;

    for (; sints; sints = sints->next) {
        const HypervSint *s = sints->value;

        if (s->masked && !s->polling && !s->queued_messages && !s->slot_full) {
            unused++;
            continue;
        }
        monitor_printf(mon, "  SINT%u 0x%" PRIx64 ": vector 0x%02x%s%s%s, "
                       "slot %s, %u queued\n", s->index, s->value, s->vector,
                       s->masked ? ", masked" : "",
                       s->auto_eoi ? ", auto-EOI" : "",
                       s->polling ? ", polling" : "",
                       s->slot_full ? "full" : "free", s->queued_messages);
    }
    if (unused) {
        monitor_printf(mon, "  %u SINTs masked\n", unused);
    }
}

static void hv_print_timers(Monitor *mon, const HypervTimerList *timers)
{
    unsigned unused = 0;

    for (; timers; timers = timers->next) {
        const HypervTimer *t = timers->value;

        if (!t->config && !t->count) {
            unused++;
            continue;
        }
        monitor_printf(mon, "  STIMER%u config 0x%" PRIx64 " count %" PRIu64
                       ": %s, %s%s%s", t->index, t->config, t->count,
                       t->enabled ? "enabled" : "disabled",
                       t->periodic ? "periodic" : "one-shot",
                       t->lazy ? ", lazy" : "",
                       t->auto_enable ? ", auto-enable" : "");
        if (t->direct) {
            monitor_printf(mon, ",\n    direct, vector 0x%02x", t->vector);
        } else {
            monitor_printf(mon, ",\n    messages to SINT%u", t->sint);
        }
        if (t->has_expiration) {
            monitor_printf(mon, ", due at %" PRIu64 ".%07" PRIu64 " s",
                           t->expiration / HV_HMP_SECOND,
                           t->expiration % HV_HMP_SECOND);
        }
        monitor_printf(mon, "%s\n",
                       t->message_waiting ? ", a message waits" : "");
    }
    if (unused) {
        monitor_printf(mon, "  %u timers not set up\n", unused);
    }
}

static void hv_print_count(Monitor *mon, const char *name, uint64_t count)
{
    monitor_printf(mon, "  %-40s %12" PRIu64 "\n", name, count);
}

static void hv_print_stats(Monitor *mon, const HypervVpStats *stats)
{
    const HypervHypercallList *call;

    for (call = stats->hypercalls; call; call = call->next) {
        hv_print_count(mon, call->value->name, call->value->count);
    }
    hv_print_count(mon, "hypercalls that failed", stats->hypercalls_failed);
    hv_print_count(mon, "MSR reads", stats->msr_reads);
    hv_print_count(mon, "MSR writes", stats->msr_writes);
    hv_print_count(mon, "TLB flushes asked for", stats->tlb_flushes);
    hv_print_count(mon, "IPIs asked for", stats->ipis);
    hv_print_count(mon, "messages delivered", stats->messages_delivered);
    hv_print_count(mon, "messages deferred", stats->messages_deferred);
    hv_print_count(mon, "event flags set", stats->event_flags);
    hv_print_count(mon, "timer expirations", stats->timer_expirations);
    hv_print_count(mon, "EOIs elided", stats->eois_elided);
    hv_print_count(mon, "auto-EOIs", stats->auto_eois);
}

static void hv_print_registers(Monitor *mon, const HypervVtlRegisters *r)
{
    monitor_printf(mon, "  RIP %016" PRIx64 " RSP %016" PRIx64
                   " RFLAGS %08" PRIx64 "%s\n", r->rip, r->rsp, r->rflags,
                   r->halted ? " (halted)" : "");
    monitor_printf(mon, "  CR0 %08" PRIx64 " CR3 %016" PRIx64 " CR4 %08" PRIx64
                   " EFER %04" PRIx64 "\n", r->cr0, r->cr3, r->cr4, r->efer);
}

static void hv_print_entries(Monitor *mon, const HypervVtlEntries *entries)
{
    hv_print_count(mon, "entries by VTL calls", entries->calls);
    hv_print_count(mon, "entries by interrupts", entries->interrupts);
    hv_print_count(mon, "entries by intercepts", entries->intercepts);
    hv_print_count(mon, "VTL returns", entries->returns);
}

static void hv_print_cr_intercept(Monitor *mon, const uint64List *regs)
{
    static const char *const names[] = {
        "Control", "Cr0Mask", "Cr4Mask", "Ia32MiscEnableMask",
    };
    unsigned i;

    for (i = 0; regs && i < ARRAY_SIZE(names); i++, regs = regs->next) {
        g_autofree char *name = g_strconcat("HvX64RegisterCrIntercept",
                                            names[i], NULL);

        monitor_printf(mon, "  %-46s 0x%016" PRIx64 "\n", name, regs->value);
    }
}

static void hv_print_cpuid_results(Monitor *mon,
                                   const HypervCpuidResultList *results)
{
    static const char *const names[] = { "EAX", "EBX", "ECX", "EDX" };

    for (; results; results = results->next) {
        const HypervCpuidResult *r = results->value;
        const uint32List *val = r->values, *mask = r->masks;
        unsigned i;

        monitor_printf(mon, "  CPUID result: leaf 0x%x", r->leaf);
        if (r->has_subleaf) {
            monitor_printf(mon, " subleaf 0x%x", r->subleaf);
        }
        monitor_printf(mon, "%s:\n   ", r->always ? ", always" : "");
        for (i = 0; i < ARRAY_SIZE(names); i++) {
            if (mask->value) {
                monitor_printf(mon, " %s 0x%x of 0x%x", names[i], val->value,
                               mask->value);
            }
            val = val->next;
            mask = mask->next;
        }
        monitor_printf(mon, "\n");
    }
}

static void hv_print_vtl(Monitor *mon, const HypervVtl *vtl)
{
    const uint64List *config;
    unsigned lower = 0;

    if (vtl->registers) {
        hv_print_registers(mon, vtl->registers);
    }
    hv_print_msrs(mon, vtl->msrs);
    hv_print_sints(mon, vtl->sints);
    hv_print_timers(mon, vtl->timers);
    if (vtl->has_vina) {
        monitor_printf(mon, "  %-46s 0x%016" PRIx64 "\n", "HvRegisterVsmVina",
                       vtl->vina);
    }
    for (config = vtl->secure_config; config; config = config->next) {
        g_autofree char *name =
            g_strdup_printf("HvRegisterVsmVpSecureConfigVtl%u", lower++);

        monitor_printf(mon, "  %-46s 0x%016" PRIx64 "\n", name, config->value);
    }
    hv_print_cr_intercept(mon, vtl->cr_intercept);
    hv_print_cpuid_results(mon, vtl->cpuid_results);
    if (vtl->entries) {
        hv_print_entries(mon, vtl->entries);
    }
}

static void hv_print_vp(Monitor *mon, const HypervVp *vp)
{
    const HypervVtlList *vtl;

    for (vtl = vp->vtls; vtl; vtl = vtl->next) {
        monitor_printf(mon, "VP %u", vp->index);
        if (vp->vtls->next) {
            monitor_printf(mon, " VTL %u%s", vtl->value->index,
                           vtl->value->index == vp->active_vtl ? ", which runs"
                                                               : "");
        }
        monitor_printf(mon, "\n");
        hv_print_vtl(mon, vtl->value);
    }
    if (vp->vtls->next) {
        monitor_printf(mon, "VP %u in any VTL\n", vp->index);
    }
    hv_print_stats(mon, vp->stats);
}

static void hv_print_ports(Monitor *mon, const char *title,
                           const HypervPortRangeList *ports)
{
    strList *words = NULL, **tail = &words;

    for (; ports; ports = ports->next) {
        const HypervPortRange *r = ports->value;

        QAPI_LIST_APPEND(tail, r->first == r->last ?
                               g_strdup_printf("0x%x", r->first) :
                               g_strdup_printf("0x%x-0x%x", r->first, r->last));
    }
    if (words) {
        hv_print_words(mon, title, words);
    }
    qapi_free_strList(words);
}

/* Titles of what there is none of are left out */
static void hv_print_intercepts(Monitor *mon, const HypervIntercepts *in)
{
    strList *words = NULL, **tail = &words;
    const uint32List *leaf;
    const uint8List *vector;

    hv_print_ports(mon, "  intercepted reads of I/O ports", in->io_reads);
    hv_print_ports(mon, "  intercepted writes of I/O ports", in->io_writes);
    if (in->unknown_msrs) {
        hv_print_words(mon, "  intercepted accesses to unknown MSRs",
                       in->unknown_msrs);
    }
    for (leaf = in->cpuid_leaves; leaf; leaf = leaf->next) {
        QAPI_LIST_APPEND(tail, g_strdup_printf("0x%x", leaf->value));
    }
    if (words) {
        hv_print_words(mon, "  intercepted leaves of CPUID", words);
    }
    qapi_free_strList(words);
    words = NULL;
    tail = &words;
    for (vector = in->exceptions; vector; vector = vector->next) {
        QAPI_LIST_APPEND(tail, g_strdup_printf("%u", vector->value));
    }
    if (words) {
        hv_print_words(mon, "  intercepted exceptions", words);
    }
    qapi_free_strList(words);
}

static void hv_print_vsm(Monitor *mon, const HypervVsm *vsm)
{
    const HypervPartitionVtlList *vtl;

    monitor_printf(mon, "virtual secure mode: highest VTL %u, %s\n",
                   vsm->maximum_vtl, vsm->vtls ? "in use" : "not in use");
    for (vtl = vsm->vtls; vtl; vtl = vtl->next) {
        const HypervPartitionVtl *v = vtl->value;

        monitor_printf(mon, "VTL %u\n", v->index);
        hv_print_msrs(mon, v->msrs);
        monitor_printf(mon, "  %-46s 0x%016" PRIx64 "%s%s%s\n",
                       "HvRegisterVsmPartitionConfig", v->config,
                       v->mbec ? " MBEC" : "",
                       v->deny_lower_vtl_startup ? " DenyLowerVtlStartup" : "",
                       v->zero_memory_on_reset ? " ZeroMemoryOnReset" : "");
        if (v->protections) {
            monitor_printf(mon, "  protected pages: %" PRIu64 "\n",
                           v->protected_pages);
            hv_print_words(mon, "  access to all others", v->default_access);
        } else {
            monitor_printf(mon, "  protects no memory\n");
        }
        hv_print_intercepts(mon, v->intercepts);
    }
}

static void hv_print_partition(Monitor *mon, const HypervInfo *info)
{
    size_t nr_vps = QAPI_LIST_LENGTH(info->vps);

    monitor_printf(mon, "Hyper-V partition on %s, %zu virtual processor%s\n",
                   info->port, nr_vps, nr_vps == 1 ? "" : "s");
    hv_print_guest_os(mon, info->guest_os);
    if (info->crash_message) {
        hv_print_crash_message(mon, info->crash_message);
    }
    hv_print_words(mon, "privileges", info->privileges);
    hv_print_words(mon, "features", info->features);
    hv_print_words(mon, info->enforce_cpuid ? "recommendations (enforced)"
                                            : "recommendations",
                   info->recommendations);
    if (info->nested_features) {
        hv_print_words(mon, "nested features", info->nested_features);
    }
    if (info->spin_wait_limit != UINT32_MAX) {
        monitor_printf(mon, "spinlock attempts before a notification: %u\n",
                       info->spin_wait_limit);
    }
    hv_print_msrs(mon, info->msrs);
    if (info->vsm) {
        hv_print_vsm(mon, info->vsm);
    }
}

void hmp_info_hyperv(Monitor *mon, const QDict *qdict)
{
    int64_t index = qdict_get_try_int(qdict, "vp", -1);
    Error *err = NULL;
    g_autoptr(HypervInfo) info = qmp_query_hyperv(&err);
    const HypervVpList *vp;
    bool found = false;

    if (hmp_handle_error(mon, err)) {
        return;
    }
    if (index < 0) {
        hv_print_partition(mon, info);
    }
    for (vp = info->vps; vp; vp = vp->next) {
        if (index < 0 || vp->value->index == index) {
            hv_print_vp(mon, vp->value);
            found = true;
        }
    }
    if (!found) {
        monitor_printf(mon, "There is no virtual processor %" PRId64 "\n",
                       index);
    }
}
