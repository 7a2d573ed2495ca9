/*
 * Hyper-V synthetic MSRs: the table, and the handlers that only move a value
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "system/runstate.h"
#include "trace.h"

/* QEMU's APIC timer counts nanoseconds, before its divider */
#define HV_APIC_FREQUENCY NANOSECONDS_PER_SECOND

static HvPartition *hv_part(HvVtl *vtl)
{
    return vtl->vp->partition;
}

static HvPartitionVtl *hv_part_vtl(HvVtl *vtl)
{
    return &hv_part(vtl)->vtl[hv_vtl_index(vtl)];
}

/* A 64-bit value that another VP may be writing */
static bool hv_read_locked(HvVtl *vtl, const uint64_t *src, uint64_t *val)
{
    HvPartition *p = hv_part(vtl);

    qemu_mutex_lock(&p->lock);
    *val = *src;
    qemu_mutex_unlock(&p->lock);
    return true;
}

static bool hv_write_locked(HvVtl *vtl, uint64_t *dst, uint64_t val)
{
    HvPartition *p = hv_part(vtl);

    qemu_mutex_lock(&p->lock);
    *dst = val;
    qemu_mutex_unlock(&p->lock);
    return true;
}

/* The same for a register of the VP's SynIC or timers; the monitor reads it */
static bool hv_read_vp_locked(HvVtl *vtl, const uint64_t *src, uint64_t *val)
{
    qemu_mutex_lock(&vtl->vp->lock);
    *val = *src;
    qemu_mutex_unlock(&vtl->vp->lock);
    return true;
}

static bool hv_rd_guest_os_id(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_locked(vtl, &hv_part_vtl(vtl)->guest_os_id, val);
}

static bool hv_wr_guest_os_id(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_partition_set_guest_os_id(hv_part(vtl), hv_vtl_index(vtl), val);
    return true;
}

static bool hv_rd_hypercall(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_locked(vtl, &hv_part_vtl(vtl)->hypercall, val);
}

static bool hv_wr_hypercall(HvVtl *vtl, unsigned i, uint64_t val)
{
    static const HvRight lockable = HV_RIGHT(FEATURES, EDX, 18);
    HvPartition *p = hv_part(vtl);
    uint64_t old = hv_part_vtl(vtl)->hypercall;

    if (old & HV_HYPERCALL_PAGE_LOCKED) {
        return val == old;
    }
    if (!hv_has_right(p, &lockable)) {
        val &= ~HV_HYPERCALL_PAGE_LOCKED;
    }
    /* TLFS 3.13: outside the guest physical address space */
    if (val >> X86_CPU(vtl->vp->cs)->phys_bits) {
        return false;
    }
    hv_partition_set_hypercall(p, hv_vtl_index(vtl), val);
    return true;
}

static bool hv_rd_vp_index(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = vtl->vp->index;
    return true;
}

static bool hv_rd_zero(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = 0;
    return true;
}

static bool hv_wr_reset(HvVtl *vtl, unsigned i, uint64_t val)
{
    if (val & HV_RESET_REBOOT) {
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
    return true;
}

static bool hv_rd_vp_runtime(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = hv_vp_runtime(vtl->vp);
    return true;
}

static bool hv_rd_time_ref_count(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = hv_reftime(hv_part(vtl));
    return true;
}

static bool hv_rd_reference_tsc(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_locked(vtl, &hv_part_vtl(vtl)->reference_tsc, val);
}

static bool hv_wr_reference_tsc(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_partition_set_reference_tsc(hv_part(vtl), hv_vtl_index(vtl), val);
    return true;
}

static bool hv_rd_tsc_frequency(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = hv_part(vtl)->tsc_khz * 1000ull;
    return true;
}

static bool hv_rd_apic_frequency(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = HV_APIC_FREQUENCY;
    return true;
}

static bool hv_rd_vp_assist(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = vtl->vp_assist;
    return true;
}

static bool hv_wr_vp_assist(HvVtl *vtl, unsigned i, uint64_t val)
{
    X86CPU *cpu = X86_CPU(vtl->vp->cs);

    /* What the guest has said on the old page still counts */
    if (cpu->apic_state) {
        hv_apic_sync(APIC_COMMON(cpu->apic_state));
    }
    if (!(val & HV_OVERLAY_ENABLE)) {
        vtl->eoi_assist_armed = false;
    } else if (!(vtl->vp_assist & HV_OVERLAY_ENABLE)) {
        hv_overlay_clear(&vtl->vp_assist_page);
    }
    hv_vp_set_assist(vtl, val);
    return true;
}

static bool hv_rd_scontrol(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_vp_locked(vtl, &vtl->synic.scontrol, val);
}

static bool hv_wr_scontrol(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_synic_set_scontrol(vtl, val);
    return true;
}

static bool hv_rd_sversion(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = HV_SYNIC_VERSION;
    return true;
}

static bool hv_rd_siefp(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_vp_locked(vtl, &vtl->synic.siefp, val);
}

static bool hv_wr_siefp(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_synic_set_siefp(vtl, val);
    return true;
}

static bool hv_rd_simp(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_vp_locked(vtl, &vtl->synic.simp, val);
}

static bool hv_wr_simp(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_synic_set_simp(vtl, val);
    return true;
}

static bool hv_wr_eom(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_synic_scan(vtl);
    return true;
}

static bool hv_rd_sirbp(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_vp_locked(vtl, &vtl->synic.sirbp, val);
}

static bool hv_wr_sirbp(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_vp_lock(vtl->vp);
    vtl->synic.sirbp = val;
    hv_vp_unlock(vtl->vp);
    return true;
}

static bool hv_rd_sint(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_vp_locked(vtl, &vtl->synic.sint[i], val);
}

static bool hv_wr_sint(HvVtl *vtl, unsigned i, uint64_t val)
{
    static const HvRight polling = HV_RIGHT(FEATURES, EDX, 17);

    if ((val & HV_SINT_POLLING) && !hv_has_right(hv_part(vtl), &polling)) {
        val &= ~(uint64_t)HV_SINT_POLLING;
    }
    /* The guest was told not to; ignored, its next interrupt would not come */
    if ((val & HV_SINT_AUTO_EOI) && !(val & HV_SINT_MASKED) &&
        !(hv_part(vtl)->ops->caps & HV_PORT_APIC)) {
        return false;
    }
    return hv_synic_set_sint(vtl, i, val);
}

/* CONFIG and COUNT alternate: the expiry changes CONFIG on another thread */
static bool hv_rd_stimer(HvVtl *vtl, unsigned i, uint64_t *val)
{
    HvStimer *t = &vtl->stimer[i / 2];

    return hv_read_vp_locked(vtl, i % 2 ? &t->count : &t->config, val);
}

static bool hv_wr_stimer(HvVtl *vtl, unsigned i, uint64_t val)
{
    static const HvRight direct = HV_RIGHT(FEATURES, EDX, 19);

    if (i % 2) {
        hv_stimer_set_count(vtl, i / 2, val);
        return true;
    }
    return hv_stimer_set_config(vtl, i / 2, val,
                                hv_has_right(hv_part(vtl), &direct));
}

static bool hv_rd_guest_idle(HvVtl *vtl, unsigned i, uint64_t *val)
{
    vtl->vp->idle = true;
    *val = 0;
    return true;
}

static bool hv_rd_crash_param(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_locked(vtl, &hv_part(vtl)->crash_param[i], val);
}

static bool hv_wr_crash_param(HvVtl *vtl, unsigned i, uint64_t val)
{
    return hv_write_locked(vtl, &hv_part(vtl)->crash_param[i], val);
}

static bool hv_rd_crash_ctl(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = HV_CRASH_CTL_CRASH_NOTIFY | HV_CRASH_CTL_CRASH_MESSAGE;
    return true;
}

/* The guest's last words: P3 is their address, P4 their length */
static void hv_read_crash_message(HvPartition *p)
{
    uint64_t len = MIN(p->crash_param[4], HV_CRASH_MESSAGE_MAX);
    g_autofree char *text = g_malloc0(len + 1);

    if (address_space_read(&address_space_memory, p->crash_param[3],
                           MEMTXATTRS_UNSPECIFIED, text, len) != MEMTX_OK) {
        qemu_log_mask(LOG_GUEST_ERROR, "hyperv: crash message at 0x%" PRIx64
                      " is not in memory\n", p->crash_param[3]);
        return;
    }
    g_free(p->crash_message);
    p->crash_message = g_utf8_make_valid(text, strlen(text));
}

static bool hv_wr_crash_ctl(HvVtl *vtl, unsigned i, uint64_t val)
{
    HvPartition *p = hv_part(vtl);
    CPUState *cs = vtl->vp->cs;

    p->crash_ctl = val;
    if (!(val & HV_CRASH_CTL_CRASH_NOTIFY)) {
        return true;
    }
    if (val & HV_CRASH_CTL_CRASH_MESSAGE) {
        hv_read_crash_message(p);
    }
    /* x86_cpu_get_crash_info() looks there */
    memcpy(X86_CPU(cs)->env.msr_hv_crash_params, p->crash_param,
           sizeof(p->crash_param));
    qemu_system_guest_panicked(cpu_get_crash_info(cs));
    return true;
}

static bool hv_rd_reenlightenment(HvVtl *vtl, unsigned i, uint64_t *val)
{
    HvPartition *p = hv_part(vtl);
    const uint64_t *const reg[] = {
        &p->reenlightenment_control,
        &p->tsc_emulation_control,
        &p->tsc_emulation_status,
    };

    return hv_read_locked(vtl, reg[i], val);
}

/*
 * The TSC keeps its frequency across migration here, so that there is never a
 * TSC to emulate; hw/hyperv/vp.c notifies the guest all the same.
 */
static bool hv_wr_reenlightenment(HvVtl *vtl, unsigned i, uint64_t val)
{
    HvPartition *p = hv_part(vtl);

    switch (i) {
    case 0:
        return !(val & HV_REENLIGHTENMENT_RSVD_MASK) &&
               hv_write_locked(vtl, &p->reenlightenment_control, val);
    case 1:
        return !(val & ~HV_TSC_EMULATION_ENABLE) &&
               hv_write_locked(vtl, &p->tsc_emulation_control, val);
    default:
        return !val && hv_write_locked(vtl, &p->tsc_emulation_status, 0);
    }
}

static bool hv_rd_tsc_invariant(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_read_locked(vtl, &hv_part(vtl)->tsc_invariant_control, val);
}

static bool hv_wr_tsc_invariant(HvVtl *vtl, unsigned i, uint64_t val)
{
    HvPartition *p = hv_part(vtl);

    /* Once exposed it stays, as on KVM */
    if ((val & ~HV_TSC_INVARIANT_EXPOSE) ||
        (p->tsc_invariant_control & ~val)) {
        return false;
    }
    return hv_write_locked(vtl, &p->tsc_invariant_control, val);
}

static bool hv_rd_syndbg(HvVtl *vtl, unsigned i, uint64_t *val)
{
    HvPartition *p = hv_part(vtl);
    const uint64_t regs[] = {
        p->syndbg_control, p->syndbg_status, p->syndbg_send_page,
        p->syndbg_recv_page, p->syndbg_pending_page,
    };

    *val = regs[i];
    return true;
}

static bool hv_wr_syndbg(HvVtl *vtl, unsigned i, uint64_t val)
{
    HvPartition *p = hv_part(vtl);

    switch (HV_X64_MSR_SYNDBG_CONTROL + i) {
    case HV_X64_MSR_SYNDBG_CONTROL:
        p->syndbg_control = val;
        if (val & HV_SYNDBG_CONTROL_SEND) {
            p->syndbg_status =
                hyperv_syndbg_send(p->syndbg_send_page,
                                   HV_SYNDBG_CONTROL_SEND_SIZE(val));
        } else if (val & HV_SYNDBG_CONTROL_RECV) {
            p->syndbg_status = hyperv_syndbg_recv(p->syndbg_recv_page,
                                                  HV_PAGE_SIZE);
        }
        break;
    case HV_X64_MSR_SYNDBG_STATUS:
        p->syndbg_status = val;
        break;
    case HV_X64_MSR_SYNDBG_SEND_BUFFER:
        p->syndbg_send_page = val;
        break;
    case HV_X64_MSR_SYNDBG_RECV_BUFFER:
        p->syndbg_recv_page = val;
        break;
    case HV_X64_MSR_SYNDBG_PENDING_BUFFER:
        p->syndbg_pending_page = val;
        hyperv_syndbg_set_pending_page(val);
        break;
    }
    return true;
}

static bool hv_rd_syndbg_options(HvVtl *vtl, unsigned i, uint64_t *val)
{
    *val = hv_part(vtl)->syndbg_options | hyperv_syndbg_query_options();
    return true;
}

static bool hv_wr_syndbg_options(HvVtl *vtl, unsigned i, uint64_t val)
{
    hv_part(vtl)->syndbg_options = val;
    return true;
}

#define MSR(NUM, NAME, ...) { .num = NUM, .name = NAME, __VA_ARGS__ }
#define PRIV(BIT)   .right = HV_RIGHT(FEATURES, EAX, BIT)
#define FEATURE(BIT) .right = HV_RIGHT(FEATURES, EDX, BIT)
#define ALSO(BIT)   .right2 = HV_RIGHT(FEATURES, EDX, BIT)

#define SINT(I) \
    MSR(0x40000090 + I, "SINT" #I, PRIV(2), .index = I, .per_vp = true, \
        .read = hv_rd_sint, .write = hv_wr_sint)
#define STIMER(I, NAME) \
    MSR(0x400000b0 + I, "STIMER" NAME, PRIV(3), .index = I, .per_vp = true, \
        .read = hv_rd_stimer, .write = hv_wr_stimer)
#define SYNDBG(I, NAME) \
    MSR(0x400000f1 + I, "SYNTH_DEBUG_" NAME, PRIV(12), ALSO(11), .index = I, \
        .bql = true, .read = hv_rd_syndbg, .write = hv_wr_syndbg)
#define CRASH_PARAM(I) \
    MSR(0x40000100 + I, "CRASH_P" #I, FEATURE(10), .index = I, \
        .read = hv_rd_crash_param, .write = hv_wr_crash_param)
#define REENLIGHTENMENT(I, NAME) \
    MSR(0x40000106 + I, NAME, PRIV(13), .index = I, \
        .read = hv_rd_reenlightenment, .write = hv_wr_reenlightenment)

/* Ascending; names without their prefix HV_X64_MSR_ */
const HvMsr hv_msrs[] = {
    MSR(0x40000000, "GUEST_OS_ID", PRIV(5), .bql = true, .per_vtl = true,
        .read = hv_rd_guest_os_id, .write = hv_wr_guest_os_id),
    MSR(0x40000001, "HYPERCALL", PRIV(5), .bql = true, .per_vtl = true,
        .read = hv_rd_hypercall, .write = hv_wr_hypercall),
    MSR(0x40000002, "VP_INDEX", PRIV(6), .per_vp = true,
        .read = hv_rd_vp_index),
    MSR(0x40000003, "RESET", PRIV(7), .bql = true, .no_dump = true,
        .read = hv_rd_zero, .write = hv_wr_reset),
    MSR(0x40000010, "VP_RUNTIME", PRIV(0), .per_vp = true,
        .read = hv_rd_vp_runtime),
    MSR(0x40000020, "TIME_REF_COUNT", PRIV(1),
        .read = hv_rd_time_ref_count),
    MSR(0x40000021, "REFERENCE_TSC", PRIV(9), .bql = true, .per_vtl = true,
        .read = hv_rd_reference_tsc, .write = hv_wr_reference_tsc),
    MSR(0x40000022, "TSC_FREQUENCY", PRIV(11), ALSO(8),
        .read = hv_rd_tsc_frequency),
    MSR(0x40000023, "APIC_FREQUENCY", PRIV(11), ALSO(8),
        .read = hv_rd_apic_frequency),
    MSR(0x40000070, "EOI", PRIV(4), .bql = true, .per_vp = true,
        .write = hv_apic_eoi_write),
    MSR(0x40000071, "ICR", PRIV(4), .bql = true, .bql_read = true,
        .per_vp = true, .no_dump = true,
        .read = hv_apic_icr_read, .write = hv_apic_icr_write),
    MSR(0x40000072, "TPR", PRIV(4), .bql = true, .bql_read = true,
        .per_vp = true, .no_dump = true,
        .read = hv_apic_tpr_read, .write = hv_apic_tpr_write),
    MSR(0x40000073, "VP_ASSIST_PAGE", PRIV(4), .bql = true, .per_vp = true,
        .read = hv_rd_vp_assist, .write = hv_wr_vp_assist),
    MSR(0x40000080, "SCONTROL", PRIV(2), .per_vp = true,
        .read = hv_rd_scontrol, .write = hv_wr_scontrol),
    MSR(0x40000081, "SVERSION", PRIV(2), .per_vp = true,
        .read = hv_rd_sversion),
    MSR(0x40000082, "SIEFP", PRIV(2), .bql = true, .per_vp = true,
        .read = hv_rd_siefp, .write = hv_wr_siefp),
    MSR(0x40000083, "SIMP", PRIV(2), .bql = true, .per_vp = true,
        .read = hv_rd_simp, .write = hv_wr_simp),
    MSR(0x40000084, "EOM", PRIV(2), .per_vp = true, .no_dump = true,
        .read = hv_rd_zero, .write = hv_wr_eom),
    MSR(0x40000085, "SIRBP", PRIV(2), .per_vp = true,
        .read = hv_rd_sirbp, .write = hv_wr_sirbp),
    SINT(0), SINT(1), SINT(2), SINT(3), SINT(4), SINT(5), SINT(6), SINT(7),
    SINT(8), SINT(9), SINT(10), SINT(11), SINT(12), SINT(13), SINT(14),
    SINT(15),
    STIMER(0, "0_CONFIG"), STIMER(1, "0_COUNT"),
    STIMER(2, "1_CONFIG"), STIMER(3, "1_COUNT"),
    STIMER(4, "2_CONFIG"), STIMER(5, "2_COUNT"),
    STIMER(6, "3_CONFIG"), STIMER(7, "3_COUNT"),
    MSR(0x400000f0, "GUEST_IDLE", PRIV(10), ALSO(5), .per_vp = true,
        .no_dump = true, .read = hv_rd_guest_idle),
    SYNDBG(0, "CONTROL"), SYNDBG(1, "STATUS"), SYNDBG(2, "SEND_BUFFER"),
    SYNDBG(3, "RECEIVE_BUFFER"), SYNDBG(4, "PENDING_BUFFER"),
    MSR(0x400000ff, "DEBUG_DEVICE_OPTIONS", PRIV(12), ALSO(11), .bql = true,
        .bql_read = true,
        .read = hv_rd_syndbg_options, .write = hv_wr_syndbg_options),
    CRASH_PARAM(0), CRASH_PARAM(1), CRASH_PARAM(2), CRASH_PARAM(3),
    CRASH_PARAM(4),
    MSR(0x40000105, "CRASH_CTL", FEATURE(10), .bql = true,
        .read = hv_rd_crash_ctl, .write = hv_wr_crash_ctl),
    REENLIGHTENMENT(0, "REENLIGHTENMENT_CONTROL"),
    REENLIGHTENMENT(1, "TSC_EMULATION_CONTROL"),
    REENLIGHTENMENT(2, "TSC_EMULATION_STATUS"),
    MSR(0x40000118, "TSC_INVARIANT_CONTROL", PRIV(15),
        .read = hv_rd_tsc_invariant, .write = hv_wr_tsc_invariant),
};

const unsigned hv_nr_msrs = ARRAY_SIZE(hv_msrs);

#define HV_MSR_INDEX_SIZE 0x120

/* Row + 1 by MSR number; 0 where there is none */
static uint8_t hv_msr_index[HV_MSR_INDEX_SIZE];

void hv_msr_init(void)
{
    unsigned row;

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(hv_msrs) >= UINT8_MAX);
    for (row = 0; row < ARRAY_SIZE(hv_msrs); row++) {
        hv_msr_index[hv_msrs[row].num - HV_X64_MSR_FIRST] = row + 1;
    }
}

const HvMsr *hv_msr_find(HvPartition *p, uint32_t num)
{
    const HvMsr *msr;
    uint32_t i = num - HV_X64_MSR_FIRST;

    if (i >= HV_MSR_INDEX_SIZE || !hv_msr_index[i]) {
        return NULL;
    }
    msr = &hv_msrs[hv_msr_index[i] - 1];
    return hv_msr_allowed(p, msr) ? msr : NULL;
}

bool hv_msr_read(X86CPU *cpu, uint32_t num, uint64_t *val)
{
    HvVp *vp = cpu->hv_vp;
    HvVtl *vtl = &vp->vtl[vp->active_vtl];
    const HvMsr *msr = hv_msr_find(vp->partition, num);
    bool ok = false;

    if (msr && msr->read) {
        if (msr->bql_read) {
            BQL_LOCK_GUARD();
            ok = msr->read(vtl, msr->index, val);
        } else {
            ok = msr->read(vtl, msr->index, val);
        }
    }
    vp->stats.msr_reads++;
    if (!ok) {
        qemu_log_mask(LOG_GUEST_ERROR, "hyperv: VP %u: bad rdmsr 0x%x\n",
                      vp->index, num);
        *val = 0;
    }
    trace_hv_msr_read(vp->index, msr ? msr->name : "?", num, *val, ok);
    return ok;
}

bool hv_msr_write(X86CPU *cpu, uint32_t num, uint64_t val)
{
    HvVp *vp = cpu->hv_vp;
    HvVtl *vtl = &vp->vtl[vp->active_vtl];
    const HvMsr *msr = hv_msr_find(vp->partition, num);
    bool ok = false;

    trace_hv_msr_write(vp->index, msr ? msr->name : "?", num, val);
    vp->stats.msr_writes++;
    if (msr && msr->write) {
        if (msr->bql) {
            BQL_LOCK_GUARD();
            ok = msr->write(vtl, msr->index, val);
        } else {
            ok = msr->write(vtl, msr->index, val);
        }
    }
    if (!ok) {
        qemu_log_mask(LOG_GUEST_ERROR, "hyperv: VP %u: bad wrmsr 0x%x, value "
                      "0x%" PRIx64 "\n", vp->index, num, val);
    }
    return ok;
}
