/*
 * A guest that is saved and loaded elsewhere while it works.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whoever moves it is told the time ("# at TIME", in units of 100 ns), may
 * then move it, and types a character: 'm' if it will move it again, else 'e';
 * 'M' or 'E' if periodic timers were to begin their period anew.
 */

#include "guest.h"

#define VECTOR      0x6C
#define IPI_VECTOR  0x6D
#define MS          10000ull    /* in units of reference time */
#define PERIOD      ((uint64_t)(20 * MS))

/* Who uses which timer, and which SINT */
enum { TICK, PENDING, FIRST, SECOND };
#define SINT_TICK       2
#define SINT_PENDING    3
#define SINT_FULL       4       /* the slot is full, another message waits */
#define SINT_POST       5

#define CONN 0x5A

static SHARED struct hv_ref_tsc *page;
static SHARED bool stop;

/* No reader, by counter or by page, sees a time before what another has seen */
static uint64_t latest;

static void look_at_clock(void)
{
    uint64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
    uint64_t now = ref_now(), by_page, old = seen;

    CHECK(now >= seen, "CPU %d reads %lu after %lu", this_cpu()->id, now, seen);
    /* One unit either way for rounding */
    if (page && ref_page_time(page, &by_page)) {
        CHECK(by_page + 1 >= now, "CPU %d: page %lu after %lu", this_cpu()->id,
              by_page, now);
    }
    while (old < now &&
           !__atomic_compare_exchange_n(&latest, &old, now, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        cpu_relax();
    }
}

static void watch_clock(void *unused)
{
    while (!stop) {
        look_at_clock();
    }
}

static void take(int sint)
{
    __atomic_store_n(&msg_slot(sint)->type, HV_MSG_NONE, __ATOMIC_SEQ_CST);
    hv_wr(HV_MSR_EOM, 0);
}

static bool arrives(int sint)
{
    return WAIT_FOR(__atomic_load_n(&msg_slot(sint)->type, __ATOMIC_ACQUIRE));
}

static void arm(int timer, int sint, uint64_t count, uint64_t flags)
{
    hv_wr(HV_MSR_STIMER_CONFIG(timer), 0);
    hv_wr(HV_MSR_STIMER_COUNT(timer), count);
    hv_wr(HV_MSR_STIMER_CONFIG(timer),
          HV_STIMER_ENABLE | HV_STIMER_SINT(sint) | flags);
}

static void check_expired(int sint, int timer, uint64_t due)
{
    struct hv_timer_payload *p = timer_payload(sint);

    CHECK(arrives(sint), "message of timer %d", timer);
    CHECK_EQ(p->index, timer, "timer index");
    CHECK_EQ(p->expiration, due, "expiration of timer %d", timer);
    CHECK(p->delivery >= due, "timer %d: delivered at %lu, due at %lu", timer,
          p->delivery, due);
    take(sint);
}

static SHARED uint64_t ticks, last_tick, new_phases;

/* The VP assist page: half of it is anybody's (TLFS 10.3) */
#define ASSIST_OWN  2048
#define ASSIST_FILL 0x5A

static SHARED uint32_t *assist;

static void end_of_interrupt(void)
{
    bool was_set = false;

    if (assist) {
        asm volatile("lock btrl $0, %0" : "+m" (*assist), "=@ccc" (was_set));
    }
    if (!was_set) {
        apic_eoi();
    }
}

static void tick(struct trap *t)
{
    struct hv_timer_payload *p = timer_payload(SINT_TICK);

    if (msg_slot(SINT_TICK)->type == HV_MSG_TIMER_EXPIRED) {
        CHECK_EQ(p->index, TICK, "tick's timer");
        CHECK(p->expiration > last_tick, "tick of %lu after that of %lu",
              p->expiration, last_tick);
        if (ticks && (p->expiration - last_tick) % PERIOD) {
            new_phases++;
        }
        last_tick = p->expiration;
        ticks++;
        take(SINT_TICK);
    }
    end_of_interrupt();
}

/* A message through the hypercall page, and back by the test device */
static void check_post(void)
{
    static struct hv_post_message *in;

    if (!in) {
        in = page_alloc();
        in->connection = CONN;
        in->type = 0x77;
        in->size = 240;
        memset(in->payload, 0xA5, sizeof(in->payload));
    }
    /* the test device itself is not moved */
    testdev(TESTDEV_MSG_CREATE, this_cpu()->vp, SINT_POST, CONN);
    CHECK_EQ(hv_call(HVCALL_POST_MESSAGE, in, NULL), HV_SUCCESS, "post");
    CHECK(arrives(SINT_POST), "posted message");
    CHECK(is_filled(msg_slot(SINT_POST)->payload, 0xA5, 240), "its payload");
    take(SINT_POST);
    testdev(TESTDEV_MSG_DESTROY, 0, 0, CONN);
}

static void check_ipi(void)
{
    struct cpu *other = cpus[ncpus - 1];
    uint32_t before = other->irqs[IPI_VECTOR];

    if (has(F_HINT_CLUSTER_IPI)) {
        CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, IPI_VECTOR, 1ull << other->vp),
                 HV_SUCCESS, "IPI");
        CHECK(WAIT_FOR(other->irqs[IPI_VECTOR] == before + 1), "its arrival");
    }
}

static bool moved(void)
{
    uint64_t due, full, before;
    char c = 0;

    full = ref_now();
    arm(FIRST, SINT_FULL, full, 0);
    CHECK(arrives(SINT_FULL), "message that is not taken");
    arm(SECOND, SINT_FULL, full + 1, 0);
    due = ref_now() + 1000 * MS;
    arm(PENDING, SINT_PENDING, due, 0);

    note("at %lu", ref_now());
    while (!console_read(&c)) {
        look_at_clock();
    }
    note("at %lu", ref_now());

    before = ticks;
    CHECK(WAIT_FOR(ticks > before + 3), "the ticks have stopped");
    CHECK(new_phases <= (c == 'M' || c == 'E'), "the period of %lu began "
          "anew %lu times, last at %lu", PERIOD, new_phases, last_tick);
    new_phases = 0;
    if (assist) {
        CHECK(is_filled((char *)assist + ASSIST_OWN, ASSIST_FILL, ASSIST_OWN),
              "the VP assist page has other contents");
    }
    check_expired(SINT_FULL, FIRST, full);
    check_expired(SINT_FULL, SECOND, full + 1);
    check_expired(SINT_PENDING, PENDING, due);
    check_post();
    check_ipi();
    return (c == 'm' || c == 'M') && !test_failed();
}

TEST(move, "RT-005,ST-028", .need = { F_STIMER, F_SYNIC, F_POST_MESSAGES },
     .testdev = true, .min_cpus = 2, .explicit = true)
{
    if (has(F_REF_TSC)) {
        page = ref_page_on();
    }
    if (has(F_INTR_CTRL)) {
        assist = page_alloc();
        hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)assist | HV_PAGE_ENABLE);
        memset((char *)assist + ASSIST_OWN, ASSIST_FILL, ASSIST_OWN);
    }
    synic_on();
    irq_set(VECTOR, tick);
    sint_set(SINT_TICK, VECTOR);
    sint_set(SINT_PENDING, VECTOR + 2);
    sint_set(SINT_FULL, VECTOR + 2);
    sint_set(SINT_POST, VECTOR + 2);
    arm(TICK, SINT_TICK, PERIOD, HV_STIMER_PERIODIC);
    on_cpu_start(cpus[ncpus - 1], watch_clock, NULL);
    while (moved()) {
    }
    stop = true;
    on_cpu_wait(cpus[ncpus - 1]);
}
