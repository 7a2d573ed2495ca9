/*
 * Hyper-V synthetic timers in all modes, the reference counter and the
 * reference TSC page, under a clock that stands still between two steps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "libqos/hyperv.h"

#define FLAGS "hv-stimer,hv-stimer-direct,hv-synic,hv-vpindex,hv-vapic,hv-time"

#define SINT    2
#define VECTOR  0x40
#define MSG     STIMER_SINT(SINT)
#define DIRECT  (STIMER_DIRECT | STIMER_VECTOR(0x60))

/* 1 ms, in units of the reference counter */
#define MS      10000

static QTestState *start(unsigned cpus)
{
    QTestState *s = qhv_start(cpus, FLAGS, NULL);
    unsigned i;

    for (i = 0; i < cpus; i++) {
        qhv_synic_on(s, i);
        qhv_set(s, i, MSR_SINT(SINT), VECTOR + i);
    }
    /* not at 0, where absolute and relative times are the same */
    qhv_step(s, 12345);
    return s;
}

static uint64_t now(QTestState *s)
{
    return qhv_get(s, 0, MSR_TIME_REF_COUNT);
}

static bool enabled(QTestState *s, unsigned vp, unsigned timer)
{
    return qhv_get(s, vp, MSR_STIMER_CONFIG(timer)) & STIMER_ENABLE;
}

static void set_timer(QTestState *s, unsigned vp, unsigned timer,
                      uint64_t config, uint64_t count)
{
    qhv_set(s, vp, MSR_STIMER_CONFIG(timer), config & ~STIMER_ENABLE);
    qhv_set(s, vp, MSR_STIMER_COUNT(timer), count);
    qhv_set(s, vp, MSR_STIMER_CONFIG(timer), config | STIMER_ENABLE);
}

/* ST-010: exactly this message is there, and its interrupt */
static void assert_expired(QTestState *s, unsigned vp, unsigned timer,
                           uint64_t due, uint64_t delivered)
{
    QhvMessage m = qhv_message(s, vp, SINT);

    g_assert_cmphex(m.type, ==, MESSAGE_TIMER);
    g_assert_cmpuint(m.size, ==, 24);
    g_assert_cmpuint(m.sender, ==, 0);
    g_assert_cmpuint(ldl_le_p(m.payload), ==, timer);
    g_assert_cmpuint(ldl_le_p(m.payload + 4), ==, 0);
    g_assert_cmpuint(ldq_le_p(m.payload + 8), ==, due);
    g_assert_cmpuint(ldq_le_p(m.payload + 16), ==, delivered);
    g_assert_cmpint(qhv_take_irq(s, vp), ==, VECTOR + vp);
}

/* Give the slot back, as a guest's handler does */
static void done(QTestState *s, unsigned vp)
{
    qhv_message_done(s, vp, SINT);
    qhv_eoi(s, vp);
    if (qhv_message(s, vp, SINT).flags & MESSAGE_PENDING) {
        qhv_set(s, vp, MSR_EOM, 0);
    }
}

static void assert_quiet(QTestState *s, unsigned vp)
{
    g_assert_cmphex(qhv_message_type(s, vp, SINT), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, vp), ==, -1);
}

/* ST-005, ST-007, ST-009, ST-010, for each timer of two VPs, ST-019 */
static void test_one_shot(void)
{
    QTestState *s = start(2);
    unsigned vp, timer;

    for (vp = 0; vp < 2; vp++) {
        for (timer = 0; timer < 4; timer++) {
            uint64_t due = now(s) + MS;

            set_timer(s, vp, timer, MSG, due);
            g_assert_true(enabled(s, vp, timer));
            qhv_step(s, MS - 1);
            assert_quiet(s, vp);
            g_assert_true(enabled(s, vp, timer));
            qhv_step(s, 1);
            assert_expired(s, vp, timer, due, due);
            g_assert_false(enabled(s, vp, timer));
            g_assert_cmpuint(qhv_get(s, vp, MSR_STIMER_COUNT(timer)), ==, due);
            assert_quiet(s, !vp);
            done(s, vp);
            /* once is enough */
            qhv_step(s, 10 * MS);
            assert_quiet(s, vp);
        }
    }
    qtest_quit(s);
}

/* ST-002: a write of COUNT starts a timer with auto-enable, again and again */
static void test_auto_enable(void)
{
    QTestState *s = start(1);
    unsigned i;

    qhv_set(s, 0, MSR_STIMER_CONFIG(0), MSG | STIMER_AUTO);
    g_assert_false(enabled(s, 0, 0));
    for (i = 0; i < 5; i++) {
        uint64_t due = now(s) + MS;

        qhv_set(s, 0, MSR_STIMER_COUNT(0), due);
        g_assert_true(enabled(s, 0, 0));
        qhv_step(s, MS);
        assert_expired(s, 0, 0, due, due);
        g_assert_cmphex(qhv_get(s, 0, MSR_STIMER_CONFIG(0)), ==,
                        MSG | STIMER_AUTO);
        done(s, 0);
    }
    /* moved before it is due */
    qhv_set(s, 0, MSR_STIMER_COUNT(0), now(s) + MS);
    qhv_set(s, 0, MSR_STIMER_COUNT(0), now(s) + 3 * MS);
    qhv_step(s, 2 * MS);
    assert_quiet(s, 0);
    qhv_step(s, MS);
    assert_expired(s, 0, 0, now(s), now(s));
    qtest_quit(s);
}

/* ST-003: COUNT zero stops a timer, whatever else it is */
static void test_zero(void)
{
    static const uint64_t configs[] = {
        MSG, MSG | STIMER_AUTO, MSG | STIMER_PERIODIC,
        MSG | STIMER_PERIODIC | STIMER_AUTO | STIMER_LAZY,
    };
    QTestState *s = start(1);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(configs); i++) {
        set_timer(s, 0, 1, configs[i], now(s) + MS);
        qhv_set(s, 0, MSR_STIMER_COUNT(1), 0);
        g_assert_false(enabled(s, 0, 1));
        qhv_step(s, 1000 * MS);
        assert_quiet(s, 0);
    }
    qtest_quit(s);
}

/* ST-004: no Enable, no expiration; and Enable cleared ends it */
static void test_enable(void)
{
    QTestState *s = start(1);
    uint64_t due = now(s) + MS;

    qhv_set(s, 0, MSR_STIMER_CONFIG(0), MSG);
    qhv_set(s, 0, MSR_STIMER_COUNT(0), due);
    g_assert_false(enabled(s, 0, 0));
    qhv_step(s, 2 * MS);
    assert_quiet(s, 0);
    /* ST-006: it is due since long, so at once */
    qhv_set(s, 0, MSR_STIMER_CONFIG(0), MSG | STIMER_ENABLE);
    assert_expired(s, 0, 0, due, now(s));
    g_assert_false(enabled(s, 0, 0));
    done(s, 0);

    set_timer(s, 0, 0, MSG, now(s) + MS);
    qhv_set(s, 0, MSR_STIMER_CONFIG(0), MSG);
    qhv_step(s, 2 * MS);
    assert_quiet(s, 0);
    qtest_quit(s);
}

/* ST-006: in the past, or just now */
static void test_past(void)
{
    QTestState *s = start(1);

    set_timer(s, 0, 0, MSG, 1);
    assert_expired(s, 0, 0, 1, now(s));
    done(s, 0);
    set_timer(s, 0, 0, MSG, now(s));
    assert_expired(s, 0, 0, now(s), now(s));
    done(s, 0);
    qhv_set(s, 0, MSR_STIMER_CONFIG(0), DIRECT | STIMER_AUTO);
    qhv_set(s, 0, MSR_STIMER_COUNT(0), 1);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x60);
    g_assert_false(enabled(s, 0, 0));
    qtest_quit(s);
}

/* ST-008: period after period, to the unit */
static void test_periodic(void)
{
    static const uint64_t periods[] = { MS, 10 * MS, 2000, 2345, 500, 100 };
    QTestState *s = start(1);
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(periods); i++) {
        uint64_t t0 = now(s);

        set_timer(s, 0, 3, MSG | STIMER_PERIODIC, periods[i]);
        for (j = 1; j <= 20; j++) {
            qhv_step(s, periods[i] - 1);
            assert_quiet(s, 0);
            qhv_step(s, 1);
            assert_expired(s, 0, 3, t0 + j * periods[i], t0 + j * periods[i]);
            g_assert_true(enabled(s, 0, 3));
            done(s, 0);
        }
        g_assert_cmpuint(qhv_get(s, 0, MSR_STIMER_COUNT(3)), ==, periods[i]);
        qhv_set(s, 0, MSR_STIMER_CONFIG(3), MSG);
        qhv_step(s, 100 * MS);
        assert_quiet(s, 0);
    }

    /* auto-enable starts it as well, and Enable starts its first period */
    qhv_set(s, 0, MSR_STIMER_CONFIG(3), MSG | STIMER_PERIODIC | STIMER_AUTO);
    qhv_set(s, 0, MSR_STIMER_COUNT(3), MS);
    qhv_step(s, MS);
    assert_expired(s, 0, 3, now(s), now(s));
    done(s, 0);
    /* a new period begins now */
    qhv_step(s, MS / 2);
    qhv_set(s, 0, MSR_STIMER_COUNT(3), 3 * MS);
    qhv_step(s, 3 * MS - 1);
    assert_quiet(s, 0);
    qhv_step(s, 1);
    assert_expired(s, 0, 3, now(s), now(s));
    qtest_quit(s);
}

/* ST-013, ST-014: the vector, no message; SINTx may be 0 */
static void test_direct(void)
{
    static const uint8_t vectors[] = { 0x10, 0x31, 0x60, 0xff };
    QTestState *s = start(1);
    unsigned i, sint;

    for (sint = 0; sint < 16; sint++) {
        for (i = 0; i < ARRAY_SIZE(vectors); i++) {
            set_timer(s, 0, i, STIMER_DIRECT | STIMER_VECTOR(vectors[i]) |
                      STIMER_SINT(sint), now(s) + MS);
            g_assert_true(enabled(s, 0, i));
            qhv_step(s, MS - 1);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
            qhv_step(s, 1);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, vectors[i]);
            g_assert_false(enabled(s, 0, i));
            g_assert_cmphex(qhv_message_type(s, 0, sint), ==, 0);
            qhv_eoi(s, 0);
        }
    }
    /* it needs no SynIC */
    qhv_set(s, 0, MSR_SCONTROL, 0);
    set_timer(s, 0, 0, DIRECT | STIMER_PERIODIC, MS);
    for (i = 0; i < 5; i++) {
        qhv_step(s, MS - 1);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
        qhv_step(s, 1);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x60);
        qhv_eoi(s, 0);
    }
    qtest_quit(s);
}

/* ST-012: SINT0 is not for timers */
static void test_sint0(void)
{
    QTestState *s = start(1);

    qhv_set(s, 0, MSR_SINT(0), 0x70);
    qhv_set(s, 0, MSR_STIMER_COUNT(0), now(s) + MS);
    qhv_set(s, 0, MSR_STIMER_CONFIG(0), STIMER_ENABLE);
    g_assert_false(enabled(s, 0, 0));
    set_timer(s, 0, 1, MSG, now(s) + MS);
    qhv_set(s, 0, MSR_STIMER_CONFIG(1), STIMER_ENABLE);
    g_assert_false(enabled(s, 0, 1));
    qhv_set(s, 0, MSR_STIMER_CONFIG(2), STIMER_AUTO);
    qhv_set(s, 0, MSR_STIMER_COUNT(2), now(s) + MS);
    qhv_step(s, 10 * MS);
    g_assert_cmphex(qhv_message_type(s, 0, 0), ==, 0);
    assert_quiet(s, 0);
    qtest_quit(s);
}

/* ST-016: counts that no clock reaches */
static void test_wrap(void)
{
    static const uint64_t counts[] = {
        UINT64_MAX, UINT64_MAX - 1, 1ull << 63, INT64_MAX, 1ull << 62,
        UINT64_MAX / 100, INT64_MAX / 100, INT64_MAX / 100 + 1,
    };
    QTestState *s = start(1);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(counts); i++) {
        set_timer(s, 0, 0, MSG, counts[i]);
        set_timer(s, 0, 1, MSG | STIMER_PERIODIC, counts[i]);
        set_timer(s, 0, 2, DIRECT | STIMER_PERIODIC | STIMER_LAZY, counts[i]);
        qhv_step(s, 1000 * MS);
        assert_quiet(s, 0);
        g_assert_true(enabled(s, 0, 0));
        g_assert_true(enabled(s, 0, 1));
        g_assert_true(enabled(s, 0, 2));
    }
    qtest_quit(s);
}

/* ST-011, ST-018, ST-020: a slot that is full when timers expire */
static void test_blocked(void)
{
    QTestState *s = start(1);
    uint64_t t0 = now(s);
    bool seen[4] = { true };
    unsigned i;

    qtest_writel(s, qhv_slot(0, SINT), 1);
    set_timer(s, 0, 0, MSG | STIMER_PERIODIC, MS);
    for (i = 1; i < 4; i++) {
        set_timer(s, 0, i, MSG, t0 + MS);
    }
    /* each has a message, and only one, however often it is due */
    qhv_step(s, 20 * MS + MS / 2);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    g_assert_cmphex(qtest_readb(s, qhv_slot(0, SINT) + 5), ==, MESSAGE_PENDING);
    qhv_set(s, 0, MSR_STIMER_CONFIG(0), MSG | STIMER_PERIODIC);

    qhv_message_done(s, 0, SINT);
    qhv_set(s, 0, MSR_EOM, 0);
    for (i = 1; i < 4; i++) {
        uint32_t timer = ldl_le_p(qhv_message(s, 0, SINT).payload);

        /* ST-022: in any order; timer 0 was stopped, and its message with it */
        g_assert_cmpuint(timer, <, 4);
        g_assert_false(seen[timer]);
        seen[timer] = true;
        assert_expired(s, 0, timer, t0 + MS, now(s));
        g_assert_cmpuint(qhv_message(s, 0, SINT).flags, ==,
                         i < 3 ? MESSAGE_PENDING : 0);
        qhv_step(s, 7);
        qhv_message_done(s, 0, SINT);
        qhv_eoi(s, 0);
    }
    assert_quiet(s, 0);

    /* a periodic one goes on as if nothing had been */
    qtest_writel(s, qhv_slot(0, SINT), 1);
    t0 = now(s);
    set_timer(s, 0, 0, MSG | STIMER_PERIODIC, MS);
    qhv_step(s, 3 * MS + 5);
    qhv_message_done(s, 0, SINT);
    qhv_set(s, 0, MSR_EOM, 0);
    assert_expired(s, 0, 0, t0 + MS, t0 + 3 * MS + 5);
    done(s, 0);
    qhv_step(s, MS - 6);
    assert_quiet(s, 0);
    qhv_step(s, 1);
    assert_expired(s, 0, 0, t0 + 4 * MS, t0 + 4 * MS);
    qtest_quit(s);
}

/* A SINT that is masked takes the message, and loses the interrupt */
static void test_masked(void)
{
    QTestState *s = start(1);
    uint64_t due = now(s) + MS;

    qhv_set(s, 0, MSR_SINT(SINT), SINT_MASKED | VECTOR);
    set_timer(s, 0, 0, MSG, due);
    qhv_step(s, MS);
    g_assert_cmphex(qhv_message_type(s, 0, SINT), ==, MESSAGE_TIMER);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    qhv_message_done(s, 0, SINT);
    qhv_set(s, 0, MSR_SINT(SINT), VECTOR);
    qhv_set(s, 0, MSR_EOM, 0);
    assert_quiet(s, 0);

    /* SynIC off: the message waits for it */
    due = now(s) + MS;
    qhv_set(s, 0, MSR_SCONTROL, 0);
    set_timer(s, 0, 0, MSG, due);
    qhv_step(s, 2 * MS);
    assert_quiet(s, 0);
    qhv_set(s, 0, MSR_SCONTROL, 1);
    assert_expired(s, 0, 0, due, due + MS);
    qtest_quit(s);
}

/* How often it expires until @until, looked at every @grain units */
static unsigned count_irqs(QTestState *s, uint64_t until, uint64_t grain,
                           uint64_t t0, uint64_t period, uint64_t *last)
{
    unsigned n = 0;

    while (true) {
        if (qhv_take_irq(s, 0) == 0x60) {
            n++;
            *last = now(s);
            qhv_eoi(s, 0);
            /* ST-009: never before its time */
            g_assert_cmpuint(n, <=, (now(s) - t0) / period);
        }
        if (now(s) >= until) {
            return n;
        }
        qhv_step(s, grain);
    }
}

/* ST-017: a host that is late by a few periods catches up, in short periods */
static void test_catch_up(void)
{
    QTestState *s = start(1);
    uint64_t t0 = now(s), last = 0;

    set_timer(s, 0, 0, DIRECT | STIMER_PERIODIC, MS);
    qhv_clock_set(s, (t0 + 5 * MS + MS / 2) * 100);
    g_assert_cmpuint(count_irqs(s, t0 + 20 * MS, 100, t0, MS, &last), ==, 20);
    g_assert_cmpuint(last, ==, t0 + 20 * MS);
    qtest_quit(s);
}

/* One that is lazy leaves them out, and stays in step */
static void test_lazy(void)
{
    QTestState *s = start(1);
    uint64_t t0 = now(s), last = 0;

    set_timer(s, 0, 0, DIRECT | STIMER_PERIODIC | STIMER_LAZY, MS);
    qhv_clock_set(s, (t0 + 5 * MS + MS / 2) * 100);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x60);
    qhv_eoi(s, 0);
    g_assert_cmpuint(count_irqs(s, t0 + 20 * MS, 100, t0, MS, &last), ==, 15);
    g_assert_cmpuint(last, ==, t0 + 20 * MS);
    qtest_quit(s);
}

/* An hour late: nobody wants 3,600,000 interrupts */
static void test_hopeless(void)
{
    QTestState *s = start(1);
    uint64_t t0 = now(s), t1 = t0 + 3600000ull * MS + MS / 4, last = 0;

    set_timer(s, 0, 0, DIRECT | STIMER_PERIODIC, MS);
    qhv_clock_set(s, t1 * 100);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x60);
    qhv_eoi(s, 0);
    g_assert_cmpuint(count_irqs(s, t0 + 3600010ull * MS, 100, t0, MS, &last),
                     ==, 10);
    g_assert_cmpuint(last, ==, t0 + 3600010ull * MS);
    qtest_quit(s);
}

/* A one-shot timer is late, not lost; ST-011 */
static void test_one_shot_late(void)
{
    QTestState *s = start(1);
    uint64_t due = now(s) + MS;

    set_timer(s, 0, 0, MSG, due);
    qhv_clock_set(s, (due + 77) * 100);
    assert_expired(s, 0, 0, due, due + 77);
    qtest_quit(s);
}

/* ST-023: changed while it runs; RT-002: and a clock that never goes back */
static void test_fuzz(void)
{
    QTestState *s = start(2);
    g_autoptr(GRand) rand = g_rand_new_with_seed(12);
    uint64_t last = 0;
    unsigned i;

    for (i = 0; i < 6000; i++) {
        unsigned vp = g_rand_int_range(rand, 0, 2);
        unsigned timer = g_rand_int_range(rand, 0, 4);
        uint64_t config = g_rand_int_range(rand, 0, 32) |
                          STIMER_VECTOR(g_rand_int_range(rand, 16, 256)) |
                          (uint64_t)g_rand_int_range(rand, 0, 2) << 12 |
                          STIMER_SINT(g_rand_int_range(rand, 0, 4));
        uint64_t t = now(s);

        g_assert_cmpuint(t, >=, last);
        last = t;
        switch (g_rand_int_range(rand, 0, 5)) {
        case 0:
            qhv_wrmsr(s, vp, MSR_STIMER_CONFIG(timer), config);
            break;
        case 1:
            qhv_wrmsr(s, vp, MSR_STIMER_COUNT(timer),
                      g_rand_int_range(rand, 500, 50000));
            break;
        case 2:
            qhv_wrmsr(s, vp, MSR_STIMER_COUNT(timer),
                      t + g_rand_int_range(rand, 0, 50000));
            break;
        case 3:
            qhv_step(s, g_rand_int_range(rand, 1, 20000));
            break;
        case 4:
            while (qhv_take_irq(s, vp) >= 0) {
                qhv_message_done(s, vp, g_rand_int_range(rand, 1, 4));
                qhv_eoi(s, vp);
            }
            break;
        }
    }
    qtest_system_reset(s);
    qhv_setup_apic(s, 2);
    qhv_step(s, 100 * MS);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    g_assert_cmpint(qhv_take_irq(s, 1), ==, -1);
    qtest_quit(s);
}

/* A period of 100 ns: QEMU stays responsive, and nothing comes too early */
static void test_short_period(void)
{
    QTestState *s = start(1);
    uint64_t last, t0 = now(s);

    set_timer(s, 0, 0, DIRECT | STIMER_PERIODIC, 1);
    g_assert_cmpuint(count_irqs(s, t0 + 200, 10, t0, 1, &last), >=, 1);
    qhv_clock_set(s, (t0 + 1000 * MS) * 100);
    qhv_set(s, 0, MSR_STIMER_COUNT(0), 0);
    qtest_quit(s);
}

/* RT-001, RT-002, RT-003, RT-004: the counter */
static void test_reference_count(void)
{
    QTestState *s = qhv_start(2, "hv-time", NULL);
    uint64_t t = 0;
    unsigned i;

    g_assert_cmpuint(now(s), ==, 0);
    for (i = 1; i < 100; i++) {
        qtest_clock_step(s, 33 * i);
        t += 33 * i;
        g_assert_cmpuint(qhv_get(s, i % 2, MSR_TIME_REF_COUNT), ==, t / 100);
    }
    /* it stands still with the machine */
    qtest_qmp_assert_success(s, "{ 'execute': 'stop' }");
    g_assert_cmpuint(now(s), ==, t / 100);
    qtest_qmp_assert_success(s, "{ 'execute': 'cont' }");
    g_assert_cmpuint(now(s), ==, t / 100);
    /* a reset is none of its beginnings */
    qtest_system_reset(s);
    g_assert_cmpuint(now(s), ==, t / 100);
    qtest_quit(s);
}

static uint64_t page_time(QTestState *s, unsigned vp)
{
    uint64_t scale = qtest_readq(s, QHV_TSC + 8);
    uint64_t offset = qtest_readq(s, QHV_TSC + 16);
    uint64_t lo, hi;

    g_assert_cmphex(qtest_readl(s, QHV_TSC), !=, 0);
    mulu64(&lo, &hi, qhv_rdtsc(s, vp), scale);
    return hi + offset;
}

/* RT-007, RT-008, RT-014, RT-016: the page gives what the MSR gives */
static void test_tsc_page(const void *data)
{
    uint64_t hz = GPOINTER_TO_UINT(data) * 1000ull;
    g_autofree char *flags = hz ?
        g_strdup_printf("hv-time,hv-frequencies,tsc-frequency=%" PRIu64, hz) :
        g_strdup("hv-time,hv-frequencies");
    QTestState *s = qhv_start(2, flags, NULL);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    uint64_t last = 0, t = 0;
    unsigned i;

    if (hz) {
        g_assert_cmpuint(qhv_get(s, 0, MSR_TSC_FREQUENCY), ==, hz);
    } else {
        hz = qhv_get(s, 0, MSR_TSC_FREQUENCY);
    }
    qhv_set(s, 0, MSR_REFERENCE_TSC, QHV_TSC | 1);
    g_assert_cmphex(qtest_readl(s, QHV_TSC + 4), ==, 0);
    if (hz == 16384000) {
        /* 10 MHz divided by it, to the last bit */
        g_assert_cmphex(qtest_readq(s, QHV_TSC + 8), ==, 10000ull << 50);
    }
    /* the machine's own timers would make the days to come long ones */
    qtest_qmp_assert_success(s, "{ 'execute': 'stop' }");
    for (i = 0; i < 300; i++) {
        uint64_t page = page_time(s, i % 2);
        uint64_t msr = qhv_get(s, i % 2, MSR_TIME_REF_COUNT);
        uint64_t step;

        g_assert_cmpuint(msr, ==, t / 100);
        if (hz % 10000000 == 0) {
            /* the TSC has whole ticks in a unit: no rounding */
            g_assert_cmpuint(page, ==, msr);
        } else {
            g_assert_cmpuint(page, >=, msr ? msr - 1 : 0);
            g_assert_cmpuint(page, <=, msr + 1);
        }
        g_assert_cmpuint(page, >=, last);
        last = page;
        /* from a nanosecond to days */
        step = 1 + (g_rand_int(rand) >> g_rand_int_range(rand, 0, 32)) *
                   (i > 200 ? 100000ull : 1);
        t += step;
        qhv_clock_set(s, t);
    }
    qtest_quit(s);
}

/* RT-009: a TSC that is too slow for the format makes no valid page */
static void test_tsc_slow(void)
{
    QTestState *s = qhv_start(1, "hv-time,tsc-frequency=10000000", NULL);

    qhv_set(s, 0, MSR_REFERENCE_TSC, QHV_TSC | 1);
    g_assert_cmphex(qtest_readl(s, QHV_TSC), ==, 0);
    qtest_quit(s);
}

/* RT-012, RT-013, MS-011: the page as an overlay */
static void test_tsc_overlay(void)
{
    QTestState *s = qhv_start(2, "hv-time", NULL);
    uint8_t before[QHV_PAGE], page[QHV_PAGE];

    qtest_memset(s, QHV_TSC, 0x3c, QHV_PAGE);
    qhv_set(s, 1, MSR_REFERENCE_TSC, QHV_TSC | 1);
    qtest_memread(s, QHV_TSC, before, QHV_PAGE);
    g_assert_cmphex(ldl_le_p(before), !=, 0);
    /* the guest cannot write there */
    qtest_memset(s, QHV_TSC, 0xff, QHV_PAGE);
    qtest_memread(s, QHV_TSC, page, QHV_PAGE);
    g_assert_cmpmem(page, QHV_PAGE, before, QHV_PAGE);
    /* it moves, as a whole, and RAM is back where it was */
    qhv_set(s, 0, MSR_REFERENCE_TSC, (QHV_TSC + QHV_PAGE) | 1);
    g_assert_cmphex(qtest_readq(s, QHV_TSC), ==, 0x3c3c3c3c3c3c3c3c);
    g_assert_cmphex(qtest_readq(s, QHV_TSC + 4088), ==, 0x3c3c3c3c3c3c3c3c);
    g_assert_cmphex(qtest_readq(s, QHV_TSC + QHV_PAGE + 8), ==,
                    ldq_le_p(before + 8));
    qhv_set(s, 0, MSR_REFERENCE_TSC, QHV_TSC + QHV_PAGE);
    g_assert_cmphex(qtest_readq(s, QHV_TSC + QHV_PAGE), ==, 0);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    static const unsigned khz[] = {
        0, 1000000, 2000000, 2400000, 3300000, 1999999, 2893202, 3333333,
        10001, 16384, 4294967,
    };
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    qhv_add("stimer/one-shot", "ST-005,ST-007,ST-009,ST-010,ST-019",
            test_one_shot);
    qhv_add("stimer/auto-enable", "ST-002", test_auto_enable);
    qhv_add("stimer/zero", "ST-003", test_zero);
    qhv_add("stimer/enable", "ST-004,ST-006", test_enable);
    qhv_add("stimer/past", "ST-006", test_past);
    qhv_add("stimer/periodic", "ST-008", test_periodic);
    qhv_add("stimer/direct", "ST-013,ST-014", test_direct);
    qhv_add("stimer/sint0", "ST-012", test_sint0);
    qhv_add("stimer/wrap", "ST-016", test_wrap);
    qhv_add("stimer/blocked", "ST-011,ST-018,ST-020,ST-022", test_blocked);
    qhv_add("stimer/masked", "SY-010,ST-020", test_masked);
    qhv_add("stimer/catch-up", "ST-009,ST-017", test_catch_up);
    qhv_add("stimer/lazy", "ST-017", test_lazy);
    qhv_add("stimer/hopeless", "ST-017", test_hopeless);
    qhv_add("stimer/one-shot-late", "ST-011", test_one_shot_late);
    qhv_add("stimer/short-period", "", test_short_period);
    qhv_add("stimer/fuzz", "ST-023,RT-002", test_fuzz);
    qhv_add("reftime/count", "RT-001,RT-002,RT-003,RT-004",
            test_reference_count);
    for (i = 0; i < ARRAY_SIZE(khz); i++) {
        g_autofree char *row = g_strdup_printf("%u-khz", khz[i]);

        qhv_add_row("reftime/tsc-page", row, "RT-007,RT-008,RT-014,RT-016,RT-018",
                    GUINT_TO_POINTER(khz[i]), test_tsc_page);
    }
    qhv_add("reftime/tsc-slow", "RT-009", test_tsc_slow);
    qhv_add("reftime/overlay", "RT-012,RT-013,MS-011", test_tsc_overlay);
    return g_test_run();
}
