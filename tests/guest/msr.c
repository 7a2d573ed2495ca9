/*
 * Every synthetic MSR: who may read and write it, and the simple registers
 * (TLFS appendix "Hypervisor Synthetic MSRs").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

enum access {
    RW, RO, WO,
    WO_ZERO,                    /* reads as zero without a fault */
    RW_NO_WRITE,                /* writing what was read has an effect */
    IDLE,                       /* a read waits for an interrupt */
};

struct row {
    uint32_t msr;
    const char *name;
    enum access access;
    uint16_t need[2];
};

#define SINT_ROW(n) \
    { HV_MSR_SINT(n), "SINT" #n, RW, { F_SYNIC } }
#define CONFIG_ROW(n) \
    { HV_MSR_STIMER_CONFIG(n), "STIMER" #n "_CONFIG", RW, { F_STIMER } }
#define COUNT_ROW(n) \
    { HV_MSR_STIMER_COUNT(n), "STIMER" #n "_COUNT", RW, { F_STIMER } }

static const struct row rows[] = {
    { HV_MSR_GUEST_OS_ID, "GUEST_OS_ID", RW, { F_HYPERCALL } },
    { HV_MSR_HYPERCALL, "HYPERCALL", RW, { F_HYPERCALL } },
    { HV_MSR_VP_INDEX, "VP_INDEX", RO, { F_VP_INDEX } },
    { HV_MSR_RESET, "RESET", RW, { F_RESET } },
    { HV_MSR_VP_RUNTIME, "VP_RUNTIME", RO, { F_VP_RUNTIME } },
    { HV_MSR_TIME_REF_COUNT, "TIME_REF_COUNT", RO, { F_REF_COUNTER } },
    { HV_MSR_REFERENCE_TSC, "REFERENCE_TSC", RW, { F_REF_TSC } },
    { HV_MSR_TSC_FREQUENCY, "TSC_FREQUENCY", RO,
      { F_FREQUENCIES_PRIV, F_FREQUENCIES } },
    { HV_MSR_APIC_FREQUENCY, "APIC_FREQUENCY", RO,
      { F_FREQUENCIES_PRIV, F_FREQUENCIES } },
    { HV_MSR_NPIEP_CONFIG, "NPIEP_CONFIG", RW, { F_NPIEP } },
    { HV_MSR_EOI, "EOI", WO, { F_INTR_CTRL } },
    { HV_MSR_ICR, "ICR", RW_NO_WRITE, { F_INTR_CTRL } },
    { HV_MSR_TPR, "TPR", RW, { F_INTR_CTRL } },
    { HV_MSR_VP_ASSIST_PAGE, "VP_ASSIST_PAGE", RW, { F_INTR_CTRL } },
    { HV_MSR_SCONTROL, "SCONTROL", RW, { F_SYNIC } },
    { HV_MSR_SVERSION, "SVERSION", RO, { F_SYNIC } },
    { HV_MSR_SIEFP, "SIEFP", RW, { F_SYNIC } },
    { HV_MSR_SIMP, "SIMP", RW, { F_SYNIC } },
    { HV_MSR_EOM, "EOM", WO_ZERO, { F_SYNIC } },
    SINT_ROW(0), SINT_ROW(1), SINT_ROW(2), SINT_ROW(3),
    SINT_ROW(4), SINT_ROW(5), SINT_ROW(6), SINT_ROW(7),
    SINT_ROW(8), SINT_ROW(9), SINT_ROW(10), SINT_ROW(11),
    SINT_ROW(12), SINT_ROW(13), SINT_ROW(14), SINT_ROW(15),
    CONFIG_ROW(0), CONFIG_ROW(1), CONFIG_ROW(2), CONFIG_ROW(3),
    COUNT_ROW(0), COUNT_ROW(1), COUNT_ROW(2), COUNT_ROW(3),
    { 0x400000C1, "POWER_STATE_TRIGGER_C1", RO, { F_CPU_MANAGEMENT } },
    { 0x400000C2, "POWER_STATE_TRIGGER_C2", RO, { F_CPU_MANAGEMENT } },
    { 0x400000C3, "POWER_STATE_TRIGGER_C3", RO, { F_CPU_MANAGEMENT } },
    { 0x400000D1, "POWER_STATE_CONFIG_C1", RW, { F_CPU_MANAGEMENT } },
    { 0x400000D2, "POWER_STATE_CONFIG_C2", RW, { F_CPU_MANAGEMENT } },
    { 0x400000D3, "POWER_STATE_CONFIG_C3", RW, { F_CPU_MANAGEMENT } },
    { 0x400000E0, "STATS_PARTITION_RETAIL_PAGE", RW, { F_STATS } },
    { 0x400000E1, "STATS_PARTITION_INTERNAL_PAGE", RW, { F_STATS } },
    { 0x400000E2, "STATS_VP_RETAIL_PAGE", RW, { F_STATS } },
    { 0x400000E3, "STATS_VP_INTERNAL_PAGE", RW, { F_STATS } },
    { HV_MSR_GUEST_IDLE, "GUEST_IDLE", IDLE, { F_GUEST_IDLE_PRIV } },
    { HV_MSR_SYNDBG_CONTROL, "SYNTH_DEBUG_CONTROL", RW, { F_DEBUG_PRIV } },
    { HV_MSR_SYNDBG_STATUS, "SYNTH_DEBUG_STATUS", RW, { F_DEBUG_PRIV } },
    { HV_MSR_SYNDBG_SEND, "SYNTH_DEBUG_SEND_BUFFER", RW, { F_DEBUG_PRIV } },
    { HV_MSR_SYNDBG_RECEIVE, "SYNTH_DEBUG_RECEIVE_BUFFER", RW,
      { F_DEBUG_PRIV } },
    { HV_MSR_SYNDBG_PENDING, "SYNTH_DEBUG_PENDING_BUFFER", RW,
      { F_DEBUG_PRIV } },
    { HV_MSR_DEBUG_OPTIONS, "DEBUG_DEVICE_OPTIONS", RW, { F_DEBUG_PRIV } },
    { HV_MSR_CRASH_P(0), "CRASH_P0", RW, { F_CRASH } },
    { HV_MSR_CRASH_P(1), "CRASH_P1", RW, { F_CRASH } },
    { HV_MSR_CRASH_P(2), "CRASH_P2", RW, { F_CRASH } },
    { HV_MSR_CRASH_P(3), "CRASH_P3", RW, { F_CRASH } },
    { HV_MSR_CRASH_P(4), "CRASH_P4", RW, { F_CRASH } },
    { HV_MSR_CRASH_CTL, "CRASH_CTL", RW_NO_WRITE, { F_CRASH } },
    { HV_MSR_REENLIGHTENMENT, "REENLIGHTENMENT_CONTROL", RW,
      { F_REENLIGHTENMENT } },
    { HV_MSR_TSC_EMULATION_CTL, "TSC_EMULATION_CONTROL", RW,
      { F_REENLIGHTENMENT } },
    { HV_MSR_TSC_EMULATION_STATUS, "TSC_EMULATION_STATUS", RW,
      { F_REENLIGHTENMENT } },
    { 0x40000114, "STIME_UNHALTED_TIMER_CONFIG", RW,
      { F_STIMER, F_UNHALTED_TIMER } },
    { 0x40000115, "STIME_UNHALTED_TIMER_COUNT", RW,
      { F_STIMER, F_UNHALTED_TIMER } },
    { HV_MSR_TSC_INVARIANT, "TSC_INVARIANT_CONTROL", RW, { F_TSC_INVARIANT } },
};

static const char *row_name(int i)
{
    return rows[i].name;
}

static bool granted(const struct row *r)
{
    return has(r->need[0]) && (!r->need[1] || has(r->need[1]));
}

TEST_ROWS(msr_access, "MS-001,CP-015,CP-018,CR-001,RT-017,ST-021,MS-028,MS-029",
          ARRAY_SIZE(rows), row_name)
{
    const struct row *r = &rows[row];
    uint64_t v = 0;
    int vector;

    if (!granted(r)) {
        CHECK_EQ(rdmsr_safe(r->msr, &v), EXC_GP, "read without privilege");
        CHECK_EQ(wrmsr_safe(r->msr, 0), EXC_GP, "write without privilege");
        return;
    }
    if (r->access == IDLE) {
        irq_disable();
        apic_self_ipi(0x50);
    }
    vector = rdmsr_safe(r->msr, &v);
    irq_enable();
    CHECK_EQ(vector, r->access == WO ? EXC_GP : NO_FAULT, "read");
    if (r->access == WO_ZERO) {
        CHECK_EQ(v, 0, "value");
    }
    if (r->access == RW_NO_WRITE) {
        return;
    }
    CHECK_EQ(wrmsr_safe(r->msr, v),
             r->access == RO || r->access == IDLE ? EXC_GP : NO_FAULT,
             "write");
}

static bool known(uint32_t msr)
{
    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].msr == msr) {
            return true;
        }
    }
    /* Named without being described: the synthetic ring buffer page */
    return msr == 0x40000085;
}

TEST(msr_unknown, "MS-002")
{
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++) {
        if (!known(msr)) {
            CHECK_EQ(rdmsr_safe(msr, NULL), EXC_GP, "read of MSR 0x%x", msr);
            CHECK_EQ(wrmsr_safe(msr, 0), EXC_GP, "write of MSR 0x%x", msr);
        }
    }
}

TEST(msr_nested_absent, "MS-033,MS-034,NE-029", .absent = F_CPU_MANAGEMENT)
{
    for (uint32_t msr = 0x40001000; msr < 0x400010A0; msr++) {
        CHECK_EQ(rdmsr_safe(msr, NULL), EXC_GP, "read of MSR 0x%x", msr);
        CHECK_EQ(wrmsr_safe(msr, 0), EXC_GP, "write of MSR 0x%x", msr);
    }
}

TEST(msr_vsm_register_is_none, "MS-035")
{
    CHECK_EQ(rdmsr_safe(0x000D0006, NULL), EXC_GP, "MSR 0xD0006");
}

/* Reads one MSR on another CPU */
struct remote_read {
    uint32_t msr;
    uint64_t v;
};

static void do_remote_read(void *arg)
{
    struct remote_read *r = arg;

    r->v = hv_rd(r->msr);
}

static uint64_t rd_on(struct cpu *c, uint32_t msr)
{
    struct remote_read r = { .msr = msr };

    on_cpu(c, do_remote_read, &r);
    return r.v;
}

TEST(msr_guest_os_id, "MS-005,MS-031", .need = { F_HYPERCALL })
{
    static const uint64_t values[] = {
        1, OUR_OS_ID, 0x0001040A00000000, ~0ull, 0x8000000000000000,
    };

    for (int i = 0; i < ARRAY_SIZE(values); i++) {
        hv_wr(HV_MSR_GUEST_OS_ID, values[i]);
        CHECK_EQ(hv_rd(HV_MSR_GUEST_OS_ID), values[i], "read back");
        if (ncpus > 1) {
            CHECK_EQ(rd_on(cpus[1], HV_MSR_GUEST_OS_ID), values[i], "on CPU 1");
        }
    }
}

TEST(msr_hypercall_is_partition_wide, "HC-050,MS-031",
     .need = { F_HYPERCALL }, .min_cpus = 2)
{
    CHECK_EQ(rd_on(cpus[1], HV_MSR_HYPERCALL), hv_rd(HV_MSR_HYPERCALL),
             "HYPERCALL on CPU 1");
}

TEST(msr_reference_tsc_is_partition_wide, "RT-015,MS-031",
     .need = { F_REF_TSC }, .min_cpus = 2)
{
    uint64_t v = (uintptr_t)page_alloc() | HV_PAGE_ENABLE;

    hv_wr(HV_MSR_REFERENCE_TSC, v);
    CHECK_EQ(rd_on(cpus[1], HV_MSR_REFERENCE_TSC), v, "on CPU 1");
}

TEST(msr_vp_index, "MS-006,MS-007", .need = { F_VP_INDEX })
{
    CHECK_EQ(wrmsr_safe(HV_MSR_VP_INDEX, cpus[0]->vp), EXC_GP, "write");
    for (int i = 0; i < ncpus; i++) {
        CHECK_EQ(rd_on(cpus[i], HV_MSR_VP_INDEX), cpus[i]->vp,
                 "VP index of CPU %d changed", i);
        for (int j = 0; j < i; j++) {
            CHECK(cpus[i]->vp != cpus[j]->vp, "CPUs %d and %d share VP %u", i,
                  j, cpus[i]->vp);
        }
    }
}

TEST(msr_boot_cpu, "VM-027")
{
    CHECK(rd_on(cpus[0], 0x1B) >> 8 & 1, "BSP bit of the boot CPU");
    for (int i = 1; i < ncpus; i++) {
        CHECK_EQ(rd_on(cpus[i], 0x1B) >> 8 & 1, 0, "BSP bit of CPU %d", i);
    }
    CHECK_EQ(cpus[0]->vp, 0, "VP index of the boot CPU");
}

TEST(msr_reset_reads_zero, "MS-008", .need = { F_RESET })
{
    CHECK_EQ(hv_rd(HV_MSR_RESET), 0, "RESET");
    hv_wr(HV_MSR_RESET, 0);     /* still here: only bit 0 restarts */
    CHECK_EQ(hv_rd(HV_MSR_RESET), 0, "RESET");
}

static void check_runtime(void *unused)
{
    uint64_t first = hv_rd(HV_MSR_VP_RUNTIME), last = first, now;

    CHECK(WAIT_FOR(hv_rd(HV_MSR_VP_RUNTIME) > first), "VP run time stands");
    for (int i = 0; i < 1000; i++) {
        now = hv_rd(HV_MSR_VP_RUNTIME);
        CHECK(now >= last, "VP run time went back: %lu to %lu", last, now);
        last = now;
    }
}

TEST(msr_vp_runtime, "MS-009,CP-018", .need = { F_VP_RUNTIME })
{
    check_runtime(NULL);
    if (ncpus > 1) {
        on_cpu(cpus[1], check_runtime, NULL);
    }
    CHECK_EQ(wrmsr_safe(HV_MSR_VP_RUNTIME, 0), EXC_GP, "write");
}

TEST(msr_frequencies, "MS-013,CP-020",
     .need = { F_FREQUENCIES, F_FREQUENCIES_PRIV })
{
    uint64_t tsc = hv_rd(HV_MSR_TSC_FREQUENCY);
    uint64_t apic = hv_rd(HV_MSR_APIC_FREQUENCY);

    /* In Hz: anything below 1 MHz would be another unit */
    CHECK(tsc >= 1000000 && tsc < 100000000000, "TSC frequency %lu", tsc);
    CHECK(apic >= 1000000 && apic < 100000000000, "APIC frequency %lu", apic);
    CHECK_EQ(wrmsr_safe(HV_MSR_TSC_FREQUENCY, tsc), EXC_GP, "write");
    CHECK_EQ(wrmsr_safe(HV_MSR_APIC_FREQUENCY, apic), EXC_GP, "write");
    if (ncpus > 1) {
        CHECK_EQ(rd_on(cpus[1], HV_MSR_TSC_FREQUENCY), tsc, "TSC, CPU 1");
        CHECK_EQ(rd_on(cpus[1], HV_MSR_APIC_FREQUENCY), apic, "APIC, CPU 1");
    }
}

TEST(msr_synic_version, "MS-019", .need = { F_SYNIC })
{
    CHECK_EQ((uint32_t)hv_rd(HV_MSR_SVERSION), 1, "SVERSION");
    CHECK_EQ(wrmsr_safe(HV_MSR_SVERSION, 1), EXC_GP, "write");
}

TEST(msr_eom, "MS-020,SY-015", .need = { F_SYNIC })
{
    hv_wr(HV_MSR_EOM, 0);
    hv_wr(HV_MSR_EOM, ~0ull);
    CHECK_EQ(hv_rd(HV_MSR_EOM), 0, "EOM");
}

TEST(msr_sint_vectors, "MS-021", .need = { F_SYNIC })
{
    for (int i = 0; i < HV_SINT_COUNT; i++) {
        uint64_t good = HV_SINT_MASKED | 0x40;

        hv_wr(HV_MSR_SINT(i), good);
        for (int vector = 0; vector < 16; vector++) {
            CHECK_EQ(wrmsr_safe(HV_MSR_SINT(i), vector), EXC_GP,
                     "SINT%d unmasked with vector %d", i, vector);
            CHECK_EQ(hv_rd(HV_MSR_SINT(i)), good, "SINT%d after #GP", i);
        }
        for (int vector = 16; vector < 256; vector += 60) {
            hv_wr(HV_MSR_SINT(i), vector);
            CHECK_EQ(hv_rd(HV_MSR_SINT(i)), vector, "SINT%d", i);
        }
        /* Nested Hyper-V writes the reset value back */
        hv_wr(HV_MSR_SINT(i), HV_SINT_RESET);
        CHECK_EQ(hv_rd(HV_MSR_SINT(i)), HV_SINT_RESET, "SINT%d", i);
    }
}

TEST(msr_synic_reserved_bits, "MS-023,MS-011", .need = { F_SYNIC })
{
    uint64_t page = (uintptr_t)page_alloc();

    hv_wr(HV_MSR_SIMP, page | 0xAAA);
    CHECK_EQ(hv_rd(HV_MSR_SIMP), page | 0xAAA, "SIMP");
    hv_wr(HV_MSR_SIEFP, page | 0x554);
    CHECK_EQ(hv_rd(HV_MSR_SIEFP), page | 0x554, "SIEFP");
    if (has(F_REF_TSC)) {
        hv_wr(HV_MSR_REFERENCE_TSC, page | 0xAAA);
        CHECK_EQ(hv_rd(HV_MSR_REFERENCE_TSC), page | 0xAAA, "REFERENCE_TSC");
    }
    if (has(F_INTR_CTRL)) {
        hv_wr(HV_MSR_VP_ASSIST_PAGE, page | 0xAAA);
        CHECK_EQ(hv_rd(HV_MSR_VP_ASSIST_PAGE), page | 0xAAA, "VP_ASSIST_PAGE");
    }
}

static void set_synic_of_vp1(void *page)
{
    hv_wr(HV_MSR_SINT(3), 0x77);
    hv_wr(HV_MSR_SIMP, (uintptr_t)page);
    hv_wr(HV_MSR_SCONTROL, 1);
}

TEST(msr_synic_is_per_vp, "SY-033,MS-031", .need = { F_SYNIC }, .min_cpus = 2)
{
    void *page = page_alloc();

    on_cpu(cpus[1], set_synic_of_vp1, page);
    CHECK_EQ(rd_on(cpus[1], HV_MSR_SINT(3)), 0x77, "SINT3 of CPU 1");
    CHECK_EQ(rd_on(cpus[1], HV_MSR_SIMP), (uintptr_t)page, "SIMP of CPU 1");
    CHECK_EQ(hv_rd(HV_MSR_SINT(3)), HV_SINT_RESET, "SINT3 of CPU 0");
    CHECK_EQ(hv_rd(HV_MSR_SIMP), 0, "SIMP of CPU 0");
    CHECK_EQ(hv_rd(HV_MSR_SCONTROL) & 1, 0, "SCONTROL of CPU 0");
}

/* The message is a newer action than the notification, and optional */
static void check_crash_actions(const char *when)
{
    CHECK_IN(hv_rd(HV_MSR_CRASH_CTL),
             ANY(HV_CRASH_NOTIFY | HV_CRASH_MESSAGE, HV_CRASH_NOTIFY),
             "CRASH_CTL %s", when);
}

TEST(msr_crash_parameters, "CR-002,CR-003,CR-007", .need = { F_CRASH })
{
    check_crash_actions("at first");
    for (int i = 0; i < 5; i++) {
        hv_wr(HV_MSR_CRASH_P(i), 0x1122334455667700 + i);
    }
    for (int i = 0; i < 5; i++) {
        struct cpu *c = cpus[ncpus - 1];

        CHECK_EQ(hv_rd(HV_MSR_CRASH_P(i)), 0x1122334455667700 + i, "P%d", i);
        CHECK_EQ(rd_on(c, HV_MSR_CRASH_P(i)), 0x1122334455667700 + i,
                 "P%d on CPU %d", i, c->id);
        hv_wr(HV_MSR_CRASH_P(i), 0);
    }
    hv_wr(HV_MSR_CRASH_CTL, 0);
    check_crash_actions("after writing 0");
}

TEST(msr_reenlightenment, "MS-029", .need = { F_REENLIGHTENMENT })
{
    uint64_t v = 0x40 | HV_REENLIGHTEN_ENABLE | (uint64_t)cpus[0]->vp << 32;

    hv_wr(HV_MSR_REENLIGHTENMENT, v);
    CHECK_EQ(hv_rd(HV_MSR_REENLIGHTENMENT), v, "REENLIGHTENMENT_CONTROL");
    hv_wr(HV_MSR_REENLIGHTENMENT, 0);
    CHECK_EQ(hv_rd(HV_MSR_REENLIGHTENMENT), 0, "REENLIGHTENMENT_CONTROL");
    hv_wr(HV_MSR_TSC_EMULATION_CTL, 1);
    CHECK_EQ(hv_rd(HV_MSR_TSC_EMULATION_CTL), 1, "TSC_EMULATION_CONTROL");
    hv_wr(HV_MSR_TSC_EMULATION_CTL, 0);
    hv_wr(HV_MSR_TSC_EMULATION_STATUS, 0);
    CHECK_EQ(hv_rd(HV_MSR_TSC_EMULATION_STATUS), 0, "TSC_EMULATION_STATUS");
}

TEST(msr_tsc_invariant, "MS-030", .need = { F_TSC_INVARIANT })
{
    if (!hv_rd(HV_MSR_TSC_INVARIANT)) {
        CHECK_EQ(cpuid(0x80000007).reg[R_EDX] >> 8 & 1, 0,
                 "invariant TSC before it is asked for");
    }
    CHECK_EQ(wrmsr_safe(HV_MSR_TSC_INVARIANT, 2), EXC_GP, "reserved bit");
    hv_wr(HV_MSR_TSC_INVARIANT, 1);
    CHECK_EQ(hv_rd(HV_MSR_TSC_INVARIANT), 1, "TSC_INVARIANT_CONTROL");
    CHECK_EQ(cpuid(0x80000007).reg[R_EDX] >> 8 & 1, 1, "invariant TSC");
    CHECK_EQ(wrmsr_safe(HV_MSR_TSC_INVARIANT, 0), EXC_GP, "taken back");
}
