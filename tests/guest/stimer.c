/*
 * Synthetic timers (TLFS 12.1-12.3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED_TIMERS { F_STIMER, F_SYNIC, F_REF_COUNTER }
#define NEED_DIRECT { F_STIMER, F_REF_COUNTER, F_DIRECT_TIMERS }
#define VECTOR  0x68
#define SINT    2
#define MS      10000ull        /* in units of reference time */

static void config(int timer, uint64_t v)
{
    hv_wr(HV_MSR_STIMER_CONFIG(timer), v);
}

static void count(int timer, uint64_t v)
{
    hv_wr(HV_MSR_STIMER_COUNT(timer), v);
}

static bool enabled(int timer)
{
    return hv_rd(HV_MSR_STIMER_CONFIG(timer)) & HV_STIMER_ENABLE;
}

static uint32_t slot_type(int sint)
{
    return __atomic_load_n(&msg_slot(sint)->type, __ATOMIC_ACQUIRE);
}

static void take(int sint)
{
    __atomic_store_n(&msg_slot(sint)->type, HV_MSG_NONE, __ATOMIC_SEQ_CST);
    hv_wr(HV_MSR_EOM, 0);
}

static bool arrives(int sint)
{
    return WAIT_FOR(slot_type(sint) != HV_MSG_NONE);
}

static const char *timer_name(int row)
{
    static const char *const names[] = {
        "timer0", "timer1", "timer2", "timer3",
    };

    return names[row];
}

static void check_message(int timer, uint64_t not_before)
{
    struct hv_timer_payload *p = timer_payload(SINT);
    uint64_t now = ref_now();

    CHECK_EQ(msg_slot(SINT)->type, HV_MSG_TIMER_EXPIRED, "type");
    CHECK_EQ(msg_slot(SINT)->size, sizeof(*p), "payload size");
    CHECK_EQ(p->index, timer, "timer index");
    CHECK_EQ(p->reserved, 0, "reserved");
    CHECK(p->expiration >= not_before, "expired at %lu, before %lu",
          p->expiration, not_before);
    CHECK(p->delivery >= p->expiration, "delivered at %lu, expired at %lu",
          p->delivery, p->expiration);
    CHECK(now >= p->delivery, "delivered at %lu, now %lu", p->delivery, now);
}

TEST_ROWS(stimer_one_shot, "ST-004,ST-005,ST-007,ST-009,ST-010",
          HV_STIMER_COUNT, timer_name, .need = NEED_TIMERS)
{
    uint64_t due;

    synic_on();
    sint_set(SINT, VECTOR);
    due = ref_now() + 20 * MS;
    count(row, due);
    CHECK_EQ(slot_type(SINT), HV_MSG_NONE, "message before enabling");
    config(row, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "message");
    check_message(row, due);
    CHECK_EQ(timer_payload(SINT)->expiration, due, "expiration");
    CHECK(WAIT_FOR(!enabled(row)), "still enabled after it expired");
    CHECK_EQ(hv_rd(HV_MSR_STIMER_CONFIG(row)), HV_STIMER_SINT(SINT), "CONFIG");
    take(SINT);
}

TEST_ROWS(stimer_already_past, "ST-006", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    synic_on();
    sint_set(SINT, VECTOR);
    count(row, 1);
    config(row, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "message");
    check_message(row, 1);
    take(SINT);
    count(row, ref_now());
    config(row, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "message for just now");
    take(SINT);
}

TEST_ROWS(stimer_auto_enable, "ST-002,ST-005,ST-007", HV_STIMER_COUNT,
          timer_name, .need = NEED_TIMERS)
{
    uint64_t far = ref_now() + 3600 * 1000 * MS;

    synic_on();
    sint_set(SINT, VECTOR);
    config(row, HV_STIMER_AUTO | HV_STIMER_SINT(SINT));
    CHECK(!enabled(row), "enabled without a count");
    count(row, far);
    CHECK(enabled(row), "not enabled by a count");
    CHECK_EQ(hv_rd(HV_MSR_STIMER_COUNT(row)), far, "COUNT");
    for (int i = 0; i < 3; i++) {
        uint64_t due = ref_now() + MS;

        count(row, due);
        if (!arrives(SINT)) {
            CHECK(false, "message %d", i);
            break;
        }
        CHECK_EQ(timer_payload(SINT)->expiration, due, "expiration");
        CHECK(WAIT_FOR(!enabled(row)), "enabled after it expired");
        take(SINT);
    }
}

TEST_ROWS(stimer_count_zero, "ST-003", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    uint64_t far = ref_now() + 3600 * 1000 * MS;

    synic_on();
    sint_set(SINT, VECTOR);
    count(row, far);
    config(row, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(enabled(row), "armed");
    count(row, 0);
    CHECK(!enabled(row), "enabled with count 0");
    config(row, HV_STIMER_AUTO | HV_STIMER_SINT(SINT));
    count(row, far);
    CHECK(enabled(row), "armed by auto-enable");
    count(row, 0);
    CHECK(!enabled(row), "enabled with count 0 and auto-enable");
    CHECK_EQ(slot_type(SINT), HV_MSG_NONE, "message");
}

static void periodic(int timer, uint64_t extra)
{
    uint64_t period = 2 * MS, last = 0, start;

    synic_on();
    sint_set(SINT, VECTOR);
    count(timer, period);
    start = ref_now();
    config(timer, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | extra |
           HV_STIMER_SINT(SINT));
    for (int i = 0; i < 8; i++) {
        if (!arrives(SINT)) {
            CHECK(false, "message %d", i);
            break;
        }
        check_message(timer, start + period);
        CHECK(timer_payload(SINT)->expiration > last,
              "message %d expired at %lu, the one before at %lu", i,
              timer_payload(SINT)->expiration, last);
        last = timer_payload(SINT)->expiration;
        CHECK(enabled(timer), "not enabled after a period");
        take(SINT);
    }
    CHECK_EQ(hv_rd(HV_MSR_STIMER_COUNT(timer)), period, "COUNT");
    config(timer, 0);
}

TEST_ROWS(stimer_periodic, "ST-008,ST-009,ST-017", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    periodic(row, 0);
}

TEST_ROWS(stimer_lazy, "ST-017", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    periodic(row, HV_STIMER_LAZY);
}

TEST(stimer_auto_enabled_period, "ST-002,ST-008", .need = NEED_TIMERS)
{
    synic_on();
    sint_set(SINT, VECTOR);
    config(1, HV_STIMER_AUTO | HV_STIMER_PERIODIC | HV_STIMER_SINT(SINT));
    count(1, 2 * MS);
    for (int i = 0; i < 3; i++) {
        CHECK(arrives(SINT), "message %d", i);
        CHECK(enabled(1), "not enabled");
        take(SINT);
    }
    count(1, 0);
    CHECK(!enabled(1), "enabled with count 0");
}

TEST_ROWS(stimer_sint_zero, "ST-012", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    synic_on();
    count(row, ref_now() + 3600 * 1000 * MS);
    config(row, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(enabled(row), "with a SINT");
    config(row, HV_STIMER_ENABLE);
    CHECK(!enabled(row), "with SINT 0");
}

TEST_ROWS(stimer_reserved_bits, "ST-015", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    for (int bit = 13; bit < 64; bit++) {
        if (bit < 16 || bit >= 20) {
            CHECK_EQ(wrmsr_safe(HV_MSR_STIMER_CONFIG(row),
                                HV_STIMER_SINT(SINT) | 1ull << bit),
                     EXC_GP, "bit %d", bit);
            CHECK_EQ(hv_rd(HV_MSR_STIMER_CONFIG(row)), 0, "CONFIG after #GP");
        }
    }
}

TEST_ROWS(stimer_config_read_back, "ST-001", HV_STIMER_COUNT, timer_name,
          .need = NEED_TIMERS)
{
    static const uint64_t values[] = {
        HV_STIMER_PERIODIC, HV_STIMER_LAZY | HV_STIMER_PERIODIC, HV_STIMER_AUTO,
        HV_STIMER_SINT(15), HV_STIMER_SINT(1) | HV_STIMER_AUTO,
    };

    for (int i = 0; i < ARRAY_SIZE(values); i++) {
        config(row, values[i]);
        CHECK_EQ(hv_rd(HV_MSR_STIMER_CONFIG(row)), values[i], "CONFIG");
    }
    config(row, 0);
    count(row, 0x123456789ABCDEF0);
    CHECK_EQ(hv_rd(HV_MSR_STIMER_COUNT(row)), 0x123456789ABCDEF0, "COUNT");
    CHECK(!enabled(row), "enabled by a count alone");
}

TEST(stimer_all_at_once, "ST-010,ST-022", .need = NEED_TIMERS)
{
    unsigned seen = 0;
    uint64_t due;

    synic_on();
    sint_set(SINT, VECTOR);
    due = ref_now() + 5 * MS;
    for (int i = 0; i < HV_STIMER_COUNT; i++) {
        count(i, due);
        config(i, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    }
    for (int i = 0; i < HV_STIMER_COUNT; i++) {
        if (!arrives(SINT)) {
            CHECK(false, "message %d", i);
            break;
        }
        seen |= 1 << timer_payload(SINT)->index;
        CHECK_EQ(timer_payload(SINT)->expiration, due, "expiration");
        take(SINT);
    }
    CHECK_EQ(seen, 15, "timers that were heard of");
}

/* A message that waits for its slot says when it got there */
TEST(stimer_blocked_slot, "ST-011,ST-018,ST-020", .need = NEED_TIMERS)
{
    uint64_t due, freed;

    synic_on();
    sint_set(SINT, VECTOR);
    count(0, 1);
    config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "first message");
    due = ref_now() + MS;
    count(1, due);
    config(1, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(WAIT_FOR(ref_now() > due + 5 * MS), "time passes");
    CHECK_EQ(timer_payload(SINT)->index, 0, "slot overwritten");
    freed = ref_now();
    take(SINT);
    CHECK(arrives(SINT), "second message");
    check_message(1, due);
    CHECK_EQ(timer_payload(SINT)->expiration, due, "expiration");
    CHECK(timer_payload(SINT)->delivery >= freed,
          "delivery at %lu, slot free since %lu", timer_payload(SINT)->delivery,
          freed);
    take(SINT);
}

/* However often it expires, one message of a timer waits */
TEST(stimer_one_message_each, "ST-018", .need = NEED_TIMERS)
{
    int got = 0;

    synic_on();
    sint_set(SINT, VECTOR);
    count(0, 1);
    config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "first message");
    for (int i = 0; i < 5; i++) {
        count(1, 1);
        config(1, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    }
    while (slot_type(SINT)) {
        got++;
        take(SINT);
    }
    CHECK(got <= 2, "%d messages of two timers", got);
}

TEST(stimer_stopped_in_time, "ST-003,ST-009", .need = NEED_TIMERS)
{
    synic_on();
    sint_set(SINT, VECTOR);
    for (int i = 0; i < 20; i++) {
        count(0, ref_now() + 3600 * 1000 * MS);
        config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
        config(0, 0);
    }
    /* Another one that comes later shows that the first did not */
    count(1, ref_now() + 2 * MS);
    config(1, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "message");
    CHECK_EQ(timer_payload(SINT)->index, 1, "timer index");
}

/* The end of the 64 bits: no message at once, and no harm */
TEST(stimer_far_future, "ST-016", .need = NEED_TIMERS)
{
    static const uint64_t far[] = {
        ~0ull, ~0ull / 2, ~0ull / 2 + 1, ~0ull / 100,
    };

    synic_on();
    sint_set(SINT, VECTOR);
    for (int i = 0; i < ARRAY_SIZE(far); i++) {
        count(0, far[i]);
        config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
        CHECK(enabled(0), "count 0x%lx is not armed", far[i]);
        config(0, 0);
        count(0, far[i]);
        config(0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | HV_STIMER_SINT(SINT));
        config(0, 0);
    }
    count(1, ref_now() + MS);
    config(1, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(arrives(SINT), "a near one afterwards");
}

TEST(stimer_tiny_period, "ST-016,ST-017", .need = NEED_TIMERS)
{
    synic_on();
    sint_set(SINT, VECTOR);
    count(0, 1);                /* 100 ns: nobody can keep up with that */
    config(0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | HV_STIMER_SINT(SINT));
    for (int i = 0; i < 5; i++) {
        CHECK(arrives(SINT), "message %d", i);
        take(SINT);
    }
    config(0, 0);
}

TEST(stimer_changed_while_armed, "ST-023", .need = NEED_TIMERS)
{
    synic_on();
    sint_set(SINT, VECTOR);
    for (int i = 0; i < 50; i++) {
        count(0, i % 2 ? 1 : ref_now() + MS);
        config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT) |
               (i & 2 ? HV_STIMER_PERIODIC : 0) |
               (i & 4 ? HV_STIMER_LAZY : 0) | (i & 8 ? HV_STIMER_AUTO : 0));
        config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(1 + i % 15));
        count(0, i % 3);
    }
    config(0, 0);
    for (int i = 1; i < HV_SINT_COUNT; i++) {
        take(i);
    }
    count(1, ref_now() + MS);
    config(1, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
    CHECK(WAIT_FOR(slot_type(SINT) && timer_payload(SINT)->index == 1),
          "another timer afterwards");
}

/* Direct mode */

TEST_ROWS(stimer_direct, "ST-013,ST-014,CP-026", HV_STIMER_COUNT, timer_name,
          .need = NEED_DIRECT)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];
    uint64_t due = ref_now() + 5 * MS;

    /* SINTx is 0, and the SynIC may even be off */
    count(row, due);
    config(row, HV_STIMER_ENABLE | HV_STIMER_DIRECT | HV_STIMER_VECTOR(VECTOR));
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
    CHECK(ref_now() >= due, "too early");
    CHECK(WAIT_FOR(!enabled(row)), "enabled after it expired");

    if (has(F_SYNIC)) {
        synic_on();
        sint_set(SINT, 0x58);
        count(row, 1);
        config(row, HV_STIMER_ENABLE | HV_STIMER_DIRECT |
               HV_STIMER_VECTOR(VECTOR) | HV_STIMER_SINT(SINT));
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "second interrupt");
        CHECK(is_filled(me->simp, 0, PAGE_SIZE), "a message as well");
    }
}

TEST_ROWS(stimer_direct_enabled, "ST-014", HV_STIMER_COUNT, timer_name,
          .need = NEED_DIRECT)
{
    uint64_t v = HV_STIMER_ENABLE | HV_STIMER_DIRECT | HV_STIMER_VECTOR(VECTOR);

    count(row, ref_now() + 3600 * 1000 * MS);
    config(row, v);
    CHECK_EQ(hv_rd(HV_MSR_STIMER_CONFIG(row)), v, "CONFIG");
    count(row, 0);
    CHECK(!enabled(row), "enabled with count 0");
}

TEST_ROWS(stimer_direct_periodic, "ST-008,ST-013", HV_STIMER_COUNT, timer_name,
          .need = NEED_DIRECT)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    count(row, 2 * MS);
    config(row, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | HV_STIMER_DIRECT |
           HV_STIMER_VECTOR(VECTOR));
    CHECK(WAIT_FOR(me->irqs[VECTOR] - before >= 5), "five interrupts, got %u",
          me->irqs[VECTOR] - before);
    CHECK(enabled(row), "not enabled after a period");
    config(row, 0);
}

TEST(stimer_direct_auto_enable, "ST-002,ST-013", .need = NEED_DIRECT)
{
    struct cpu *me = this_cpu();

    config(0, HV_STIMER_AUTO | HV_STIMER_DIRECT | HV_STIMER_VECTOR(VECTOR));
    for (int i = 0; i < 5; i++) {
        uint32_t before = me->irqs[VECTOR];

        count(0, ref_now() + MS);
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt %d", i);
    }
}

TEST(stimer_direct_bad_vector, "ST-013", .need = NEED_DIRECT)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    /* Effect unspecified: refused, or nothing that looks like an exception */
    count(0, 1);
    wrmsr_safe(HV_MSR_STIMER_CONFIG(0), HV_STIMER_ENABLE | HV_STIMER_DIRECT |
               HV_STIMER_VECTOR(5));
    count(1, 1);
    config(1, HV_STIMER_ENABLE | HV_STIMER_DIRECT | HV_STIMER_VECTOR(VECTOR));
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "another one afterwards");
}

TEST(stimer_direct_absent, "ST-013,CP-026", .need = NEED_TIMERS,
     .absent = F_DIRECT_TIMERS)
{
    CHECK_EQ(wrmsr_safe(HV_MSR_STIMER_CONFIG(0), HV_STIMER_DIRECT |
                        HV_STIMER_VECTOR(VECTOR)), EXC_GP, "direct mode bit");
}

/* Timers wake a halted VP, and belong to it */
static void halt_until_message(void *unused)
{
    synic_on();
    sint_set(SINT, VECTOR);
    for (int i = 0; i < 20; i++) {
        count(0, ref_now() + 2 * MS);
        config(0, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
        irq_disable();
        while (!slot_type(SINT)) {
            asm volatile("sti; hlt; cli" : : : "memory");
        }
        irq_enable();
        check_message(0, 0);
        take(SINT);
    }
}

TEST(stimer_wakes_halted_vp, "ST-005,ST-019", .need = NEED_TIMERS)
{
    for (int i = 0; i < ncpus && i < 4; i++) {
        on_cpu(cpus[i], halt_until_message, NULL);
    }
}

static void halt_until_direct(void *unused)
{
    struct cpu *me = this_cpu();

    for (int i = 0; i < 20; i++) {
        uint32_t before = me->irqs[VECTOR];

        irq_disable();
        count(0, ref_now() + 2 * MS);
        config(0, HV_STIMER_ENABLE | HV_STIMER_DIRECT |
               HV_STIMER_VECTOR(VECTOR));
        while (me->irqs[VECTOR] == before) {
            asm volatile("sti; hlt; cli" : : : "memory");
        }
        irq_enable();
    }
}

TEST(stimer_direct_wakes_halted_vp, "ST-013,ST-019", .need = NEED_DIRECT)
{
    for (int i = 0; i < ncpus && i < 4; i++) {
        on_cpu(cpus[i], halt_until_direct, NULL);
    }
}

/* All VPs at once, each with timers of its own */
static void several_here(void *unused)
{
    synic_on();
    sint_set(SINT, VECTOR);
    for (int i = 0; i < 20; i++) {
        uint64_t due = ref_now() + MS;

        count(i % HV_STIMER_COUNT, due);
        config(i % HV_STIMER_COUNT, HV_STIMER_ENABLE | HV_STIMER_SINT(SINT));
        if (!arrives(SINT)) {
            CHECK(false, "message %d on CPU %d", i, this_cpu()->id);
            return;
        }
        check_message(i % HV_STIMER_COUNT, due);
        take(SINT);
    }
}

TEST(stimer_on_all_vps, "ST-019", .need = NEED_TIMERS, .min_cpus = 2)
{
    int n = ncpus < 8 ? ncpus : 8;

    for (int i = 1; i < n; i++) {
        on_cpu_start(cpus[i], several_here, NULL);
    }
    several_here(NULL);
    for (int i = 1; i < n; i++) {
        on_cpu_wait(cpus[i]);
    }
}
