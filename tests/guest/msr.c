/*
 * Every synthetic MSR: who may read and write it, and the simple registers
 * (TLFS appendix "Hypervisor Synthetic MSRs").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "tables.h"
#include "../conformance/walk.h"

static const char *row_name(int i)
{
    return conf_msrs[i].name;
}

static const char *row_rules(int i)
{
    return conf_msrs[i].rules;
}

static bool granted(const ConfMsr *r)
{
    return (!r->needs[0] || has(r->needs[0])) &&
           (!r->needs[1] || has(r->needs[1]));
}

/* The numbers of a nested root partition have a test of their own */
static bool row_here(int i)
{
    return conf_msrs[i].msr < 0x40001000;
}

static bool walk_read(void *unused, uint32_t msr, uint64_t *v)
{
    return rdmsr_safe(msr, v) == NO_FAULT;
}

static bool walk_write(void *unused, uint32_t msr, uint64_t v)
{
    return wrmsr_safe(msr, v) == NO_FAULT;
}

static void walk_wrong(void *unused, const ConfMsr *r, const char *what,
                       uint64_t v)
{
    CHECK(false, "%s: %s 0x%lx", r->name, what, v);
}

TEST_ROWS(msr_access, "-", ARRAY_SIZE(conf_msrs), row_name,
          .row_rules = row_rules, .row_here = row_here)
{
    const ConfMsr *r = &conf_msrs[row];
    uint64_t v = 0;
    int vector;

    if (!granted(r)) {
        CHECK_EQ(rdmsr_safe(r->msr, &v), EXC_GP, "read without privilege");
        CHECK_EQ(wrmsr_safe(r->msr, 0), EXC_GP, "write without privilege");
        return;
    }
    if (r->waits) {
        irq_disable();
        apic_self_ipi(0x50);
    }
    vector = rdmsr_safe(r->msr, &v);
    irq_enable();
    CHECK_EQ(vector, r->readable ? NO_FAULT : EXC_GP, "read");
    if (r->reads_zero) {
        CHECK_EQ(v, 0, "value");
    }
    /* Writing it back must be harmless */
    if (r->skip != ~0ull && !(v & r->skip)) {
        CHECK_EQ(wrmsr_safe(r->msr, v), r->writable ? NO_FAULT : EXC_GP,
                 "write");
    }
}

static bool row_granted(int i)
{
    return granted(&conf_msrs[i]);
}

TEST_ROWS(msr_bits, "-", ARRAY_SIZE(conf_msrs), row_name,
          .row_rules = row_rules, .row_here = row_granted)
{
    const ConfAccess access = {
        walk_read, walk_write, walk_wrong, NULL,
        __builtin_ctzll(gpa_beyond()),
    };

    conf_walk_msr(&access, &conf_msrs[row]);
}

/* Instructions and a return, for callers in other modes */
static uint64_t code(const char *bytes, size_t n)
{
    return (uintptr_t)memcpy(page_alloc(), bytes, n);
}

TEST(msr_in_other_modes, "MS-001")
{
    uint64_t rdmsr = code("\x0f\x32\xc3", 3), wrmsr = code("\x0f\x30\xc3", 3);

    for (int i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
        const ConfMsr *r = &conf_msrs[i];
        struct call user = { .rcx = r->msr, .target = rdmsr };
        struct call x86 = { .rcx = r->msr, .target = rdmsr };
        uint64_t v = 0;

        call_safe(call_user, &user);
        CHECK_EQ(user.vector, EXC_GP, "%s: read in user mode", r->name);
        user = (struct call) { .rcx = r->msr, .target = wrmsr };
        call_safe(call_user, &user);
        CHECK_EQ(user.vector, EXC_GP, "%s: write in user mode", r->name);

        if (r->waits && granted(r)) {
            continue;
        }
        call_safe(call_kernel32, &x86);
        CHECK_EQ(x86.vector, rdmsr_safe(r->msr, &v), "%s: read in 32-bit mode",
                 r->name);
        if (x86.vector == NO_FAULT && !r->any_reset) {
            CHECK_EQ((uint32_t)x86.rax | x86.rdx << 32, v,
                     "%s: value in 32-bit mode", r->name);
        }
    }
}

static bool known(uint32_t msr)
{
    for (int i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
        if (conf_msrs[i].msr == msr) {
            return true;
        }
    }
    return false;
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
