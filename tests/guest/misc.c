/*
 * Values after reset, guest idle, and what ends or restarts the partition.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define UNUSED_PORT 0x1F00         /* of no device of a PC */

#define VECTOR 0x6A

/* Values after reset, taken by hv_init() before anything is written */

static const struct {
    uint32_t msr;
    uint16_t need;
    uint64_t want;
} reset_values[] = {
    { HV_MSR_GUEST_OS_ID, F_HYPERCALL, 0 },
    { HV_MSR_HYPERCALL, F_HYPERCALL, 0 },
    { HV_MSR_RESET, F_RESET, 0 },
    { HV_MSR_REFERENCE_TSC, F_REF_TSC, 0 },
    { HV_MSR_VP_ASSIST_PAGE, F_INTR_CTRL, 0 },
    { HV_MSR_SCONTROL, F_SYNIC, 0 },
    { HV_MSR_SVERSION, F_SYNIC, 1 },
    { HV_MSR_SIEFP, F_SYNIC, 0 },
    { HV_MSR_SIMP, F_SYNIC, 0 },
    { HV_MSR_EOM, F_SYNIC, 0 },
    { HV_MSR_SINT(0), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(1), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(2), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(3), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(4), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(5), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(6), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(7), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(8), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(9), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(10), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(11), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(12), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(13), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(14), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_SINT(15), F_SYNIC, HV_SINT_RESET },
    { HV_MSR_STIMER_CONFIG(0), F_STIMER, 0 },
    { HV_MSR_STIMER_COUNT(0), F_STIMER, 0 },
    { HV_MSR_STIMER_CONFIG(1), F_STIMER, 0 },
    { HV_MSR_STIMER_COUNT(1), F_STIMER, 0 },
    { HV_MSR_STIMER_CONFIG(2), F_STIMER, 0 },
    { HV_MSR_STIMER_COUNT(2), F_STIMER, 0 },
    { HV_MSR_STIMER_CONFIG(3), F_STIMER, 0 },
    { HV_MSR_STIMER_COUNT(3), F_STIMER, 0 },
    { HV_MSR_CRASH_P(0), F_CRASH, 0 },
    { HV_MSR_CRASH_P(1), F_CRASH, 0 },
    { HV_MSR_CRASH_P(2), F_CRASH, 0 },
    { HV_MSR_CRASH_P(3), F_CRASH, 0 },
    { HV_MSR_CRASH_P(4), F_CRASH, 0 },
    { HV_MSR_REENLIGHTENMENT, F_REENLIGHTENMENT, 0 },
    { HV_MSR_TSC_EMULATION_CTL, F_REENLIGHTENMENT, 0 },
    { HV_MSR_TSC_EMULATION_STATUS, F_REENLIGHTENMENT, 0 },
    { HV_MSR_TSC_INVARIANT, F_TSC_INVARIANT, 0 },
};

static struct deviation {
    int cpu;
    uint32_t msr;
    int vector;
    uint64_t got, want;
} deviations[20];
static unsigned ndeviations;

static void compare_here(void *unused)
{
    for (int i = 0; i < ARRAY_SIZE(reset_values); i++) {
        uint64_t v = 0;
        int vector;

        if (!has(reset_values[i].need)) {
            continue;
        }
        vector = rdmsr_safe(reset_values[i].msr, &v);
        if ((vector != NO_FAULT || v != reset_values[i].want) &&
            ndeviations < ARRAY_SIZE(deviations)) {
            deviations[ndeviations++] = (struct deviation) {
                this_cpu()->id, reset_values[i].msr, vector, v,
                reset_values[i].want,
            };
        }
    }
}

void record_reset_values(void)
{
    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], compare_here, NULL);
    }
}

static void check_reset_values(void)
{
    for (int i = 0; i < ndeviations; i++) {
        struct deviation *d = &deviations[i];

        CHECK(false, "MSR 0x%x on CPU %d after reset: exception %d, 0x%lx "
              "instead of 0x%lx", d->msr, d->cpu, d->vector, d->got, d->want);
    }
}

TEST(initial_values, "MS-005,MS-008,MS-011,MS-018,MS-020,MS-022,SY-001,ST-001")
{
    check_reset_values();
}

/* The machine around */

TEST(machine_apic_ids, "VM-026", .need = { F_VP_INDEX })
{
    for (int i = 0; i < ncpus; i++) {
        CHECK_EQ(cpus[i]->apic_id, cpus[i]->vp, "APIC id of CPU %d", i);
    }
}

TEST(machine_unused_port, "VM-050")
{
    outb(UNUSED_PORT, 0x12);
    CHECK_EQ(inb(UNUSED_PORT), 0xFF, "byte");
    CHECK_EQ(inl(UNUSED_PORT), 0xFFFFFFFF, "4 bytes");
}

TEST(machine_invd, "VM-068")
{
    volatile uint64_t *page = page_alloc();

    for (int i = 0; i < 512; i++) {
        page[i] = i + 1;
    }
    asm volatile("invd" ::: "memory");
    for (int i = 0; i < 512; i++) {
        CHECK_EQ(page[i], i + 1, "word %d", i);
    }
}

/* The debugger's machine has a bus, to which its device belongs */
TEST(machine_no_vmbus, "PC-036", .absent = F_DEBUG_PRIV)
{
    CHECK(acpi_dsdt_names("_SB_"), "no DSDT");
    CHECK(!acpi_dsdt_names("VMBUS") && !acpi_dsdt_names("VMBus"),
          "a VMBus in ACPI");
}

/* Guest idle */

static void apic_timer_in(uint32_t counts)
{
    apic_write(APIC_TDCR, 0x3);         /* divide by 16 */
    apic_write(APIC_LVTT, VECTOR);
    apic_write(APIC_TMICT, counts);
}

static void idle_until_timer(void *unused)
{
    struct cpu *me = this_cpu();

    for (int i = 0; i < 5; i++) {
        uint32_t before = me->irqs[VECTOR];

        irq_disable();
        apic_timer_in(100000);
        do {
            hv_rd(HV_MSR_GUEST_IDLE);
        } while (!apic_bit(APIC_IRR, VECTOR));
        CHECK_EQ(me->irqs[VECTOR], before, "taken with interrupts off");
        irq_enable();
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
    }
}

TEST(idle_wakes_with_interrupts_off, "MS-025",
     .need = { F_GUEST_IDLE, F_GUEST_IDLE_PRIV })
{
    for (int i = 0; i < ncpus && i < 4; i++) {
        on_cpu(cpus[i], idle_until_timer, NULL);
    }
}

/* Rather than to return at once, over and over; now and then it may */
TEST(idle_sleeps, "MS-025", .need = { F_GUEST_IDLE, F_GUEST_IDLE_PRIV })
{
    struct cpu *me = this_cpu();
    unsigned reads = 0;

    for (int i = 0; i < 3; i++) {
        uint32_t before = me->irqs[VECTOR];

        irq_disable();
        apic_timer_in(10000000);
        do {
            hv_rd(HV_MSR_GUEST_IDLE);
            reads++;
        } while (!apic_bit(APIC_IRR, VECTOR));
        irq_enable();
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
    }
    CHECK(reads <= 12, "%u reads for 3 interrupts", reads);
}

TEST(idle_with_pending_interrupt, "MS-025,MS-026",
     .need = { F_GUEST_IDLE, F_GUEST_IDLE_PRIV })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    irq_disable();
    apic_self_ipi(VECTOR);
    hv_rd(HV_MSR_GUEST_IDLE);
    CHECK_EQ(me->irqs[VECTOR], before, "taken with interrupts off");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
    CHECK_EQ(wrmsr_safe(HV_MSR_GUEST_IDLE, 0), EXC_GP, "write");
}

static SHARED int idle_rounds;

static void idle_until_ipi(void *tpr)
{
    struct cpu *me = this_cpu();

    for (int i = 0; i < 20; i++) {
        uint32_t before = me->irqs[VECTOR];

        irq_disable();
        apic_write(APIC_TPR, (uintptr_t)tpr);
        idle_rounds++;
        while (!apic_bit(APIC_IRR, VECTOR)) {
            hv_rd(HV_MSR_GUEST_IDLE);
        }
        apic_write(APIC_TPR, 0);
        irq_enable();
        while (me->irqs[VECTOR] == before) {
            cpu_relax();
        }
    }
}

static void idle_wakes_by_ipi_at(uintptr_t tpr)
{
    idle_rounds = 0;
    on_cpu_start(cpus[1], idle_until_ipi, (void *)tpr);
    for (int i = 1; i <= 20; i++) {
        if (!WAIT_FOR(idle_rounds == i)) {
            CHECK(false, "CPU 1 sleeps for ever, round %d", i);
            break;
        }
        for (int d = 0; d < 2000 * (i % 3); d++) {
            cpu_relax();        /* now and then it is asleep already */
        }
        apic_icr(cpus[1]->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR);
    }
    on_cpu_wait(cpus[1]);
}

TEST(idle_wakes_by_ipi, "MS-025", .need = { F_GUEST_IDLE, F_GUEST_IDLE_PRIV },
     .min_cpus = 2)
{
    idle_wakes_by_ipi_at(0);
}

/* As in Linux' spinlocks, in an interrupt of higher priority */
TEST(idle_wakes_by_low_priority, "MS-025",
     .need = { F_GUEST_IDLE, F_GUEST_IDLE_PRIV }, .min_cpus = 2)
{
    idle_wakes_by_ipi_at(0xf0);
}

/*
 * Restart.  The battery-backed RAM of the clock tells the second boot that
 * it is one, and who asked for it.
 */
#define NVRAM_MARK      0x52
#define MARK            0xA7

static uint8_t nvram_read(uint8_t where)
{
    outb(0x70, where);
    return inb(0x71);
}

static void nvram_write(uint8_t where, uint8_t v)
{
    outb(0x70, where);
    outb(0x71, v);
}

/* Everything that a reset must undo */
static void make_state(void *unused)
{
    if (has(F_SYNIC)) {
        synic_on();
        for (int i = 1; i < HV_SINT_COUNT; i++) {
            sint_set(i, 0x40 + i);
        }
    }
    if (has(F_STIMER) && has(F_REF_COUNTER)) {
        for (int i = 0; i < HV_STIMER_COUNT; i++) {
            hv_wr(HV_MSR_STIMER_COUNT(i), i == 0 ? 10000 : ref_now() * 2 + i);
            hv_wr(HV_MSR_STIMER_CONFIG(i), HV_STIMER_ENABLE |
                  (i == 0 ? HV_STIMER_PERIODIC : 0) | HV_STIMER_SINT(1 + i));
        }
    }
    if (has(F_INTR_CTRL)) {
        hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)page_alloc() | HV_PAGE_ENABLE);
    }
}

static void lock_page(void)
{
    uint64_t locked = hv_rd(HV_MSR_HYPERCALL) | HV_HYPERCALL_LOCKED;
    uint64_t elsewhere = (uintptr_t)page_alloc() | HV_PAGE_ENABLE;

    hv_wr(HV_MSR_HYPERCALL, locked);
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), locked, "HYPERCALL once locked");
    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, elsewhere), EXC_GP, "moved");
    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, elsewhere | HV_HYPERCALL_LOCKED),
             EXC_GP, "moved, still locked");
    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, locked & ~HV_HYPERCALL_LOCKED),
             EXC_GP, "unlocked");
    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, 0), EXC_GP, "disabled");
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), locked, "HYPERCALL in the end");
    CHECK_EQ(hv_call_fast(HVCALL_LONG_SPIN_WAIT, 1, 0), HV_SUCCESS,
             "call through the locked page");
}

static void restart(void *unused)
{
    hv_wr(HV_MSR_RESET, 1);
    for (;;) {
        asm volatile("sti; hlt");
    }
}

bool second_boot(void)
{
    if (nvram_read(NVRAM_MARK) != MARK) {
        return false;
    }
    nvram_write(NVRAM_MARK, 0);
    note("second boot");
    return true;
}

void boot_again(struct cpu *c)
{
    note("first boot, restarting");
    nvram_write(NVRAM_MARK, MARK);
    if (c == this_cpu()) {
        hv_wr(HV_MSR_RESET, 1);
    } else {
        on_cpu_start(c, restart, NULL);
    }
    WAIT_FOR(false);
    nvram_write(NVRAM_MARK, 0);
    CHECK(false, "no reset");
}

static void reset_by(struct cpu *c)
{
    if (second_boot()) {
        check_reset_values();
        hv_page_on();
        CHECK_EQ(hv_call_fast(HVCALL_LONG_SPIN_WAIT, 1, 0), HV_SUCCESS,
                 "hypercall page after reset");
        return;
    }

    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], make_state, NULL);
    }
    if (has(F_REF_TSC)) {
        hv_wr(HV_MSR_REFERENCE_TSC, (uintptr_t)page_alloc() | HV_PAGE_ENABLE);
    }
    if (has(F_CRASH)) {
        hv_wr(HV_MSR_CRASH_P(0), 0x1234);
    }
    if (has(F_HYPERCALL_LOCK)) {
        lock_page();
    }
    if (test_failed()) {
        return;
    }
    boot_again(c);
}

TEST(reset, "MS-008,HC-051,CP-025,MS-022,SY-001,ST-001",
     .need = { F_RESET }, .explicit = true)
{
    reset_by(this_cpu());
}

TEST(reset_from_ap, "MS-008,MS-031", .need = { F_RESET }, .explicit = true,
     .min_cpus = 2)
{
    reset_by(cpus[ncpus - 1]);
}

TEST(hypercall_lock_absent, "HC-051,CP-025", .need = { F_HYPERCALL },
     .absent = F_HYPERCALL_LOCK)
{
    uint64_t v = hv_rd(HV_MSR_HYPERCALL);

    /* Reserved here: it may be refused, kept or dropped, but not obeyed */
    wrmsr_safe(HV_MSR_HYPERCALL, v | HV_HYPERCALL_LOCKED);
    hv_wr(HV_MSR_HYPERCALL, 0);
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), 0, "HYPERCALL");
}

/*
 * Crash reports.  The runner is told what to find in them by lines of this
 * form, and compares once the machine has ended.
 */
static void crash_with(const uint64_t *p, uint64_t control)
{
    for (int i = 0; i < 5; i++) {
        hv_wr(HV_MSR_CRASH_P(i), p[i]);
    }
    note("expect crash 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx", p[0], p[1], p[2], p[3],
         p[4]);
    hv_wr(HV_MSR_CRASH_CTL, control);
}

static void crash_here(void *unused)
{
    static const uint64_t p[] = { 0xA1, 0xA2, 0xA3, 0xA4, 0xA5 };

    crash_with(p, HV_CRASH_NOTIFY);
}

TEST(crash, "CR-004,CR-006,CR-007,CR-008,CR-009,CR-010,CR-011,CR-012",
     .need = { F_CRASH }, .explicit = true)
{
    static const char text[] = "conformance guest: this is a drill\n";
    uint64_t p[5] = { 0x11, 0x2222, 0x333333, 0x4444444444444444, ~0ull };
    char *message = page_alloc();

    /* Parameters alone, and messages alone, are no crash */
    hv_wr(HV_MSR_CRASH_P(0), 0xDEAD);
    hv_wr(HV_MSR_CRASH_CTL, HV_CRASH_MESSAGE);
    hv_wr(HV_MSR_CRASH_CTL, 0);

    crash_with(p, HV_CRASH_NOTIFY);
    memcpy(message, text, sizeof(text));
    p[3] = (uintptr_t)message;
    p[4] = sizeof(text) - 1;
    crash_with(p, HV_CRASH_NOTIFY | HV_CRASH_MESSAGE);
    p[4] = 8192;
    crash_with(p, HV_CRASH_NOTIFY | HV_CRASH_MESSAGE);
    p[3] = gpa_beyond() - 8;
    crash_with(p, HV_CRASH_NOTIFY | HV_CRASH_MESSAGE);
    p[3] = 0;
    p[4] = 0;
    crash_with(p, HV_CRASH_NOTIFY | 3ull << 60);
    if (ncpus > 1) {
        on_cpu(cpus[ncpus - 1], crash_here, NULL);
    }
    CHECK_EQ(hv_rd(HV_MSR_CRASH_CTL), HV_CRASH_NOTIFY | HV_CRASH_MESSAGE,
             "CRASH_CTL afterwards");
}
