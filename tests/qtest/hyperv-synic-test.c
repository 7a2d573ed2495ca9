/*
 * Hyper-V SynIC: message slots and queues, event flags, SINTs, and the ways in
 * which the APIC takes part: AutoEOI and EOI assist
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"

#define FLAGS "hv-synic,hv-vpindex,hv-vapic,hv-time,hv-stimer,hv-sint-polling"

/* QEMU's hyperv-testdev: a port that echoes messages and events */
#define TESTDEV         0x3000
#define TESTDEV_MSG     4
#define TESTDEV_MSG_END 5
#define TESTDEV_EVT     6
#define TESTDEV_EVT_END 7

static void testdev(QTestState *s, unsigned ctl, unsigned vp, unsigned sint,
                    unsigned conn)
{
    qtest_outl(s, TESTDEV, conn << 24 | ctl << 16 | vp << 8 | sint);
}

/* A VP with SynIC, and @sint delivering @vector */
static QTestState *start(unsigned cpus, unsigned sint, uint64_t vector)
{
    QTestState *s = qhv_start(cpus, FLAGS, NULL);
    unsigned i;

    for (i = 0; i < cpus; i++) {
        qhv_synic_on(s, i);
        qhv_set(s, i, MSR_SINT(sint), vector);
    }
    return s;
}

static void assert_message(QTestState *s, unsigned vp, unsigned sint,
                           unsigned route, uint32_t type, uint8_t size,
                           uint8_t byte, bool pending)
{
    QhvMessage m = qhv_message(s, vp, sint);
    unsigned i;

    g_assert_cmphex(m.type, ==, type);
    g_assert_cmpuint(m.size, ==, size);
    g_assert_cmphex(m.flags, ==, pending ? MESSAGE_PENDING : 0);
    g_assert_cmpuint(m.sender, ==, route);
    for (i = 0; i < size; i++) {
        g_assert_cmphex(m.payload[i], ==, byte);
    }
}

/* SY-001: nothing is delivered while SCONTROL, or SIMP, is off */
static void test_disabled(void)
{
    QTestState *s = qhv_start(1, FLAGS, NULL);
    int status;

    qhv_set(s, 0, MSR_SINT(2), 0x40);
    g_assert_true(qhv_route_new(s, 0, 0, 2));

    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpuint(qhv_route_status(s, 0, &status), ==, 1);
    g_assert_cmpint(status, ==, -ENXIO);
    g_assert_cmpint(qhv_route_flag(s, 0, 1), ==, -ENXIO);
    g_assert_cmpint(qhv_route_signal(s, 0), ==, -ENXIO);

    qhv_set(s, 0, MSR_SIMP, QHV_SIMP | 1);
    qhv_set(s, 0, MSR_SIEFP, QHV_SIEFP | 1);
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpuint(qhv_route_status(s, 0, &status), ==, 2);
    g_assert_cmpint(status, ==, -ENXIO);
    g_assert_cmpint(qhv_route_flag(s, 0, 1), ==, -ENXIO);

    /* what could not be delivered does not turn up later */
    qhv_set(s, 0, MSR_SCONTROL, 1);
    qhv_set(s, 0, MSR_EOM, 0);
    g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
    g_assert_false(qhv_irr(s, 0, 0x40));

    qhv_set(s, 0, MSR_SIMP, 0);
    qhv_set(s, 0, MSR_SIEFP, 0);
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    qhv_route_status(s, 0, &status);
    g_assert_cmpint(status, ==, -ENXIO);
    g_assert_cmpint(qhv_route_flag(s, 0, 1), ==, -ENXIO);
    qhv_route_free(s, 0);
    qtest_quit(s);
}

/* SY-002, SY-003, SY-004: the pages are RAM of their own, zero at first */
static void test_pages(void)
{
    static const uint32_t msr[] = { MSR_SIMP, MSR_SIEFP };
    QTestState *s = qhv_start(1, FLAGS, NULL);
    uint8_t page[QHV_PAGE];
    unsigned i, j;

    for (i = 0; i < 2; i++) {
        qtest_memset(s, QHV_SIMP, 0xa5, QHV_PAGE);
        qhv_set(s, 0, msr[i], QHV_SIMP | 1);
        qtest_memread(s, QHV_SIMP, page, sizeof(page));
        for (j = 0; j < sizeof(page); j++) {
            g_assert_cmphex(page[j], ==, 0);
        }
        qtest_memset(s, QHV_SIMP, 0x5a, QHV_PAGE);
        g_assert_cmphex(qtest_readb(s, QHV_SIMP + 4095), ==, 0x5a);
        /* the neighbours are RAM */
        qtest_writeb(s, QHV_SIMP - 1, 0x11);
        qtest_writeb(s, QHV_SIMP + QHV_PAGE, 0x22);
        g_assert_cmphex(qtest_readb(s, QHV_SIMP - 1), ==, 0x11);
        g_assert_cmphex(qtest_readb(s, QHV_SIMP + QHV_PAGE), ==, 0x22);

        qhv_set(s, 0, msr[i], QHV_SIMP);
        qtest_memread(s, QHV_SIMP, page, sizeof(page));
        for (j = 0; j < sizeof(page); j++) {
            g_assert_cmphex(page[j], ==, 0xa5);
        }
        /* at a reset the page is zeroed, SY-002 */
        qhv_set(s, 0, msr[i], QHV_SIMP | 1);
        qtest_system_reset(s);
        qhv_set(s, 0, msr[i], QHV_SIMP | 1);
        g_assert_cmphex(qtest_readq(s, QHV_SIMP), ==, 0);
        g_assert_cmphex(qtest_readq(s, QHV_SIMP + 4088), ==, 0);
        qhv_set(s, 0, msr[i], 0);
    }
    qtest_quit(s);
}

/* SY-005, SY-007, SY-008, SY-018 to SY-020: every slot, every size */
static void test_message(void)
{
    static const uint8_t size[] = { 0, 1, 8, 240 };
    QTestState *s = start(1, 0, 0x40);
    unsigned sint, i;
    int status;

    for (sint = 0; sint < 16; sint++) {
        qhv_set(s, 0, MSR_SINT(sint), 0x40 + sint);
        for (i = 0; i < ARRAY_SIZE(size); i++) {
            g_assert_true(qhv_route_new(s, i, 0, sint));
            g_assert_cmpint(qhv_route_post(s, i, 0x100 + i, size[i], 0xc3),
                            ==, 0);
            g_assert_cmpuint(qhv_route_status(s, i, &status), ==, 1);
            g_assert_cmpint(status, ==, 0);
            assert_message(s, 0, sint, i, 0x100 + i, size[i], 0xc3, false);
            g_assert_true(qhv_irr(s, 0, 0x40 + sint));
            g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40 + sint);
            qhv_message_done(s, 0, sint);
            qhv_eoi(s, 0);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
            qhv_route_free(s, i);
        }
    }
    g_assert_false(qhv_route_new(s, 0, 0, 16));
    g_assert_false(qhv_route_new(s, 0, 1, 2));
    qtest_quit(s);
}

/* How a guest says that it has emptied a slot, SY-012 */
typedef enum { BY_EOM, BY_EOI, BY_EOI_MSR, BY_POST } Retry;

/* SY-006, SY-011 to SY-013: a full slot, and a queue behind it */
static void test_queue(const void *data)
{
    Retry retry = GPOINTER_TO_UINT(data);
    QTestState *s = start(1, 2, 0x40);
    unsigned i;

    for (i = 0; i < 5; i++) {
        g_assert_true(qhv_route_new(s, i, 0, 2));
    }
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 0x10), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 0x10, false);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);

    for (i = 1; i < 3; i++) {
        g_assert_cmpint(qhv_route_post(s, i, 1 + i, 8, 0x10 + i), ==, 0);
        g_assert_cmpuint(qhv_route_status(s, i, NULL), ==, 0);
    }
    /* a route has room for one message */
    g_assert_cmpint(qhv_route_post(s, 1, 1, 8, 0x99), ==, -EAGAIN);
    /* the first one is told that others wait, but nobody is interrupted */
    assert_message(s, 0, 2, 0, 1, 8, 0x10, true);
    g_assert_false(qhv_irr(s, 0, 0x40));
    /* the slot is full: no write of EOM changes that */
    qhv_set(s, 0, MSR_EOM, 0);
    assert_message(s, 0, 2, 0, 1, 8, 0x10, true);

    for (i = 1; i < 3; i++) {
        qhv_message_done(s, 0, 2);
        switch (retry) {
        case BY_EOM:
            qhv_set(s, 0, MSR_EOM, 0);
            break;
        case BY_EOI:
            qhv_eoi(s, 0);
            break;
        case BY_EOI_MSR:
            qhv_set(s, 0, MSR_EOI, 0);
            break;
        case BY_POST:
            g_assert_cmpint(qhv_route_post(s, 2 + i, 9, 8, 0), ==, 0);
            break;
        }
        g_assert_cmpuint(qhv_route_status(s, i, NULL), ==, 1);
        assert_message(s, 0, 2, i, 1 + i, 8, 0x10 + i,
                       i == 1 || retry == BY_POST);
        /* the slot is full again: this one does no more than end the irq */
        qhv_eoi(s, 0);
        assert_message(s, 0, 2, i, 1 + i, 8, 0x10 + i,
                       i == 1 || retry == BY_POST);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    }
    qtest_quit(s);
}

/* SY-017: a guest that empties the slot and says nothing of it */
static void test_retry(void)
{
    QTestState *s = start(1, 2, SINT_AUTO_EOI | 0x40);
    unsigned round, i;

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 2; i++) {
            g_assert_cmpint(qhv_route_post(s, i, 1 + i, 8, i), ==, 0);
        }
        assert_message(s, 0, 2, 0, 1, 8, 0, true);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        /* not before it is empty, however long that takes */
        for (i = 0; i < round * 10; i++) {
            qtest_clock_step(s, 3 * 1000 * 1000);
            assert_message(s, 0, 2, 0, 1, 8, 0, true);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
        }
        qhv_message_done(s, 0, 2);
        qtest_clock_step_next(s);
        assert_message(s, 0, 2, 1, 2, 8, 1, false);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        qhv_message_done(s, 0, 2);
    }
    qtest_quit(s);
}

/* A full slot is looked at less and less often, but at least each second */
static void test_retry_backoff(void)
{
    static const unsigned looks_ms[] = { 1, 3, 7, 15, 31, 63, 127, 255, 511,
                                         1023, 2023, 3023, 4023 };
    QTestState *s = start(1, 2, SINT_AUTO_EOI | 0x40);
    unsigned i;

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    for (i = 0; i < ARRAY_SIZE(looks_ms); i++) {
        unsigned before = i ? looks_ms[i - 1] : 0;

        g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 0), ==, 0);
        g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 1), ==, 0);
        /* emptied behind one look, it is seen by the next and not before */
        qtest_clock_step(s, before * 1000000ull + 1);
        qhv_message_done(s, 0, 2);
        qtest_clock_step(s, (looks_ms[i] - before) * 1000000ull - 2);
        g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
        qtest_clock_step(s, 1);
        assert_message(s, 0, 2, 1, 2, 8, 1, false);
        qhv_message_done(s, 0, 2);
    }
    qtest_quit(s);
}

/* SY-014: no EOM is needed if nothing was pending */
static void test_no_eom(void)
{
    QTestState *s = start(1, 2, 0x40);
    unsigned i;

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    for (i = 1; i < 20; i++) {
        g_assert_cmpint(qhv_route_post(s, 0, i, 8, i), ==, 0);
        assert_message(s, 0, 2, 0, i, 8, i, false);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        qhv_message_done(s, 0, 2);
        qhv_eoi(s, 0);
    }
    /* SY-015: nor does one do any harm */
    qhv_set(s, 0, MSR_EOM, UINT64_MAX);
    g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    qtest_quit(s);
}

/* SY-013: EOM alone drains the queue, message by message, in order */
static void test_eom(void)
{
    QTestState *s = start(1, 2, SINT_AUTO_EOI | 0x40);
    unsigned i;

    for (i = 0; i < 8; i++) {
        g_assert_true(qhv_route_new(s, i, 0, 2));
        g_assert_cmpint(qhv_route_post(s, i, 1 + i, 240, i), ==, 0);
    }
    for (i = 0; i < 8; i++) {
        assert_message(s, 0, 2, i, 1 + i, 240, i, i < 7);
        g_assert_true(qhv_irr(s, 0, 0x40));
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        qhv_message_done(s, 0, 2);
        qhv_set(s, 0, MSR_EOM, 0);
    }
    g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
    g_assert_false(qhv_irr(s, 0, 0x40));
    qtest_quit(s);
}

/* SY-010, SY-016: a masked SINT takes messages, without an interrupt */
static void test_masked(void)
{
    QTestState *s = start(1, 2, SINT_MASKED | 0x40);

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 1, true);
    g_assert_false(qhv_irr(s, 0, 0x40));
    qhv_message_done(s, 0, 2);
    qhv_set(s, 0, MSR_EOM, 0);
    assert_message(s, 0, 2, 1, 2, 8, 2, false);
    g_assert_false(qhv_irr(s, 0, 0x40));
    /* the interrupt is lost, the message is not */
    qhv_set(s, 0, MSR_SINT(2), 0x40);
    g_assert_false(qhv_irr(s, 0, 0x40));
    assert_message(s, 0, 2, 1, 2, 8, 2, false);
    qtest_quit(s);
}

/* SY-010: so it is if software has disabled the APIC */
static void test_apic_disabled(void)
{
    QTestState *s = start(1, 2, 0x40);

    qhv_wrapic(s, 0, APIC_SVR, 0xff);
    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 1, false);
    qhv_wrapic(s, 0, APIC_SVR, 0x1ff);
    g_assert_false(qhv_irr(s, 0, 0x40));
    qtest_quit(s);
}

/* SY-029: polling gives messages and flags, and never an interrupt */
static void test_polling(void)
{
    QTestState *s = start(1, 2, SINT_POLLING | 0x40);

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 1, false);
    g_assert_cmpint(qhv_route_flag(s, 0, 5), ==, 0);
    g_assert_cmphex(qtest_readb(s, QHV_SIEFP + 2 * 256), ==, 1 << 5);
    /* as if it was not masked, even if it is */
    qhv_set(s, 0, MSR_SINT(2), SINT_MASKED | SINT_POLLING | 0x40);
    g_assert_cmpint(qhv_route_flag(s, 0, 6), ==, 0);
    g_assert_cmphex(qtest_readb(s, QHV_SIEFP + 2 * 256), ==, 3 << 5);
    g_assert_false(qhv_irr(s, 0, 0x40));
    qtest_quit(s);
}

/* SY-027: AutoEOI leaves nothing in service, and lets the queue move on */
static void test_auto_eoi(void)
{
    QTestState *s = start(1, 2, SINT_AUTO_EOI | 0x40);

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    g_assert_false(qhv_isr(s, 0, 0x40));
    g_assert_false(qhv_irr(s, 0, 0x40));

    /* another SINT with the same vector decides for both */
    qhv_set(s, 0, MSR_SINT(3), 0x40);
    g_assert_cmpint(qhv_route_signal(s, 0), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    g_assert_false(qhv_isr(s, 0, 0x40));

    /* and without it the guest ends its interrupts itself */
    qhv_set(s, 0, MSR_SINT(2), 0x40);
    g_assert_cmpint(qhv_route_signal(s, 0), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    g_assert_true(qhv_isr(s, 0, 0x40));
    qhv_eoi(s, 0);
    g_assert_false(qhv_isr(s, 0, 0x40));
    qtest_quit(s);
}

/* SY-032: SINTs that share a vector share an interrupt */
static void test_shared_vector(void)
{
    QTestState *s = start(1, 2, 0x40);

    qhv_set(s, 0, MSR_SINT(9), 0x40);
    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 9));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 1, false);
    assert_message(s, 0, 9, 1, 2, 8, 2, false);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    qhv_eoi(s, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    qtest_quit(s);
}

/* SY-005, SY-023, SY-024, SY-026: every event flag, once */
static void test_flags(void)
{
    QTestState *s = start(1, 0, 0x40);
    unsigned sint, flag;
    static const unsigned flags[] = { 0, 1, 7, 8, 9, 31, 32, 63, 1000, 2047 };

    for (sint = 0; sint < 16; sint++) {
        uint64_t block = QHV_SIEFP + sint * 256;
        unsigned i;

        qhv_set(s, 0, MSR_SINT(sint), 0x40 + sint);
        g_assert_true(qhv_route_new(s, 0, 0, sint));
        for (i = 0; i < ARRAY_SIZE(flags); i++) {
            flag = flags[i];
            g_assert_cmpint(qhv_route_flag(s, 0, flag), ==, 0);
            g_assert_cmphex(qtest_readb(s, block + flag / 8) &
                            (1 << (flag % 8)), ==, 1 << (flag % 8));
            g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40 + sint);
            qhv_eoi(s, 0);
            /* it is set already: no interrupt */
            g_assert_cmpint(qhv_route_flag(s, 0, flag), ==, 0);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
            /* the guest has taken it: a new one */
            qtest_writeb(s, block + flag / 8, 0);
            g_assert_cmpint(qhv_route_flag(s, 0, flag), ==, 0);
            g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40 + sint);
            qhv_eoi(s, 0);
        }
        g_assert_cmpint(qhv_route_flag(s, 0, 2048), ==, -EINVAL);
        g_assert_cmpint(qhv_route_flag(s, 0, UINT_MAX), ==, -EINVAL);
        qhv_route_free(s, 0);
    }
    qtest_quit(s);
}

/* SY-025: no event for a masked SINT */
static void test_flag_masked(void)
{
    QTestState *s = start(1, 2, SINT_MASKED | 0x40);

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_cmpint(qhv_route_flag(s, 0, 0), ==, -ENXIO);
    g_assert_cmphex(qtest_readb(s, QHV_SIEFP + 2 * 256), ==, 0);
    g_assert_false(qhv_irr(s, 0, 0x40));
    qtest_quit(s);
}

/* SY-033, SY-022: a VP's SynIC is its own */
static void test_per_vp(void)
{
    QTestState *s = start(3, 2, 0x40);
    unsigned vp, other;

    for (vp = 0; vp < 3; vp++) {
        qhv_set(s, vp, MSR_SINT(2), 0x40 + vp);
        g_assert_true(qhv_route_new(s, vp, vp, 2));
    }
    for (vp = 0; vp < 3; vp++) {
        g_assert_cmpint(qhv_route_post(s, vp, 7, 8, vp), ==, 0);
        g_assert_cmpint(qhv_route_flag(s, vp, vp), ==, 0);
        assert_message(s, vp, 2, vp, 7, 8, vp, false);
        for (other = vp + 1; other < 3; other++) {
            g_assert_cmphex(qhv_message_type(s, other, 2), ==, 0);
            g_assert_cmpint(qhv_take_irq(s, other), ==, -1);
        }
        g_assert_cmpint(qhv_take_irq(s, vp), ==, 0x40 + vp);
    }
    qtest_quit(s);
}

/* SY-011: what was queued waits until SIMP and SCONTROL are on again */
static void test_disable_while_queued(void)
{
    static const uint32_t msr[] = { MSR_SIMP, MSR_SCONTROL };
    static const uint64_t on[] = { QHV_SIMP | 1, 1 };
    QTestState *s = start(1, 2, 0x40);
    unsigned i;

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    for (i = 0; i < 2; i++) {
        g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
        g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
        assert_message(s, 0, 2, 0, 1, 8, 1, true);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        qhv_message_done(s, 0, 2);
        qhv_set(s, 0, msr[i], 0);
        qhv_set(s, 0, MSR_EOM, 0);
        qhv_eoi(s, 0);
        g_assert_cmpuint(qhv_route_status(s, 1, NULL), ==, i);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
        qhv_set(s, 0, msr[i], on[i]);
        g_assert_cmpuint(qhv_route_status(s, 1, NULL), ==, i + 1);
        assert_message(s, 0, 2, 1, 2, 8, 2, false);
        g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
        qhv_eoi(s, 0);
        qhv_message_done(s, 0, 2);
    }
    qtest_quit(s);
}

/* A route that is freed with its message in the queue, or on its way */
static void test_route_free(void)
{
    QTestState *s = start(1, 2, 0x40);

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    g_assert_true(qhv_route_new(s, 2, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
    g_assert_cmpint(qhv_route_post(s, 2, 3, 8, 3), ==, 0);
    qhv_route_free(s, 1);
    qhv_route_free(s, 0);
    qhv_message_done(s, 0, 2);
    qhv_set(s, 0, MSR_EOM, 0);
    assert_message(s, 0, 2, 2, 3, 8, 3, false);
    qtest_quit(s);
}

/* Messages that wait at a reset are gone, and their senders are told */
static void test_reset(void)
{
    QTestState *s = start(1, 2, 0x40);
    int status;

    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
    qtest_system_reset(s);
    g_assert_cmpuint(qhv_route_status(s, 1, &status), ==, 1);
    g_assert_cmpint(status, ==, -ENXIO);
    qhv_setup_apic(s, 1);
    qhv_synic_on(s, 0);
    qhv_set(s, 0, MSR_SINT(2), 0x40);
    g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
    qhv_set(s, 0, MSR_EOM, 0);
    g_assert_cmphex(qhv_message_type(s, 0, 2), ==, 0);
    g_assert_false(qhv_irr(s, 0, 0x40));
    g_assert_cmpint(qhv_route_post(s, 1, 3, 8, 3), ==, 0);
    assert_message(s, 0, 2, 1, 3, 8, 3, false);
    qtest_quit(s);
}

static uint16_t post_message(QTestState *s, uint32_t conn, uint32_t type,
                             uint32_t size)
{
    uint32_t input[64] = { cpu_to_le32(conn), 0, cpu_to_le32(type),
                           cpu_to_le32(size) };

    memset(&input[4], 0x77, 240);
    return qhv_hcall_mem(s, 0, HC_POST_MESSAGE, input, sizeof(input), NULL);
}

/* HvCallPostMessage through a port and back, TLFS 11.11 */
static void test_post_message(void)
{
    QTestState *s = qhv_start(2, FLAGS, "-device hyperv-testdev");
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < 2; i++) {
        qhv_synic_on(s, i);
        qhv_set(s, i, MSR_SINT(3), 0x50);
    }
    g_assert_cmphex(post_message(s, 7, 1, 8), ==, ST_INVALID_CONNECTION_ID);
    testdev(s, TESTDEV_MSG, 1, 3, 7);
    g_assert_cmphex(post_message(s, 7, 1, 8), ==, ST_SUCCESS);
    assert_message(s, 1, 3, 0, 1, 8, 0x77, false);
    g_assert_cmpint(qhv_take_irq(s, 1), ==, 0x50);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);

    /* bits 31:24 of a connection id are reserved */
    qhv_message_done(s, 1, 3);
    g_assert_cmphex(post_message(s, 8, 1, 8), ==, ST_INVALID_CONNECTION_ID);
    /* SY-018, SY-020: no message of the hypervisor's, none too long */
    g_assert_cmphex(post_message(s, 7, 0, 8), ==, ST_INVALID_PARAMETER);
    g_assert_cmphex(post_message(s, 7, 0x80000001, 8), ==,
                    ST_INVALID_PARAMETER);
    g_assert_cmphex(post_message(s, 7, 1, 241), ==, ST_INVALID_PARAMETER);
    g_assert_cmphex(post_message(s, 7, 1, UINT32_MAX), ==,
                    ST_INVALID_PARAMETER);
    g_assert_cmphex(qhv_message_type(s, 1, 3), ==, 0);

    /* a full slot, then a full queue: one message for a connection */
    g_assert_cmphex(post_message(s, 7, 1, 8), ==, ST_SUCCESS);
    g_assert_cmphex(post_message(s, 7, 2, 8), ==, ST_SUCCESS);
    g_assert_cmphex(post_message(s, 7, 3, 8), ==, ST_INSUFFICIENT_BUFFERS);
    /* PC-019: those that were accepted come in their order, and no other */
    for (i = 1; i <= 2; i++) {
        g_assert_cmphex(qhv_message_type(s, 1, 3), ==, i);
        qhv_message_done(s, 1, 3);
        qhv_set(s, 1, MSR_EOM, 0);
    }
    g_assert_cmphex(qhv_message_type(s, 1, 3), ==, 0);
    testdev(s, TESTDEV_MSG_END, 1, 3, 7);
    g_assert_cmphex(post_message(s, 7, 1, 8), ==, ST_INVALID_CONNECTION_ID);
    qtest_quit(s);
}

static uint16_t signal_event(QTestState *s, uint32_t conn, uint16_t flag)
{
    return qhv_fast(s, 0, HC_SIGNAL_EVENT, conn | (uint64_t)flag << 32, 0);
}

/* HvCallSignalEvent through a port and back; fast, HC-021, and slow */
static void test_signal_event(void)
{
    QTestState *s = qhv_start(2, FLAGS, "-device hyperv-testdev");
    uint64_t input = cpu_to_le64(9);
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < 2; i++) {
        qhv_synic_on(s, i);
        qhv_set(s, i, MSR_SINT(3), 0x50);
    }
    g_assert_cmphex(signal_event(s, 9, 0), ==, ST_INVALID_CONNECTION_ID);
    testdev(s, TESTDEV_EVT, 1, 3, 9);
    g_assert_cmphex(signal_event(s, 9, 0), ==, ST_SUCCESS);
    g_assert_cmpint(qhv_take_irq(s, 1), ==, 0x50);
    /* the device sets the flag of the connection's number */
    g_assert_cmphex(qtest_readb(s, QHV_SIEFP + QHV_PAGE + 3 * 256 + 1), ==, 2);
    qhv_eoi(s, 1);
    qtest_writeb(s, QHV_SIEFP + QHV_PAGE + 3 * 256 + 1, 0);

    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_SIGNAL_EVENT, &input, 8, NULL), ==,
                    ST_SUCCESS);
    g_assert_cmpint(qhv_take_irq(s, 1), ==, 0x50);

    /* PC-023: any number of times, whether somebody looks or not */
    for (i = 0; i < 1000; i++) {
        g_assert_cmphex(signal_event(s, 9, 0), ==, ST_SUCCESS);
    }

    /* a flag that the port has not */
    g_assert_cmphex(signal_event(s, 9, 1), ==, ST_INVALID_PARAMETER);
    g_assert_cmphex(signal_event(s, 9, 0xffff), ==, ST_INVALID_PARAMETER);
    /* a message is nothing that an event port takes */
    g_assert_cmphex(post_message(s, 9, 1, 8), ==, ST_INVALID_CONNECTION_ID);
    testdev(s, TESTDEV_EVT_END, 1, 3, 9);
    g_assert_cmphex(signal_event(s, 9, 0), ==, ST_INVALID_CONNECTION_ID);
    qtest_quit(s);
}

static uint32_t assist(QTestState *s)
{
    return qtest_readl(s, QHV_ASSIST);
}

/* TLFS 10.3: an EOI that is not needed, and all the ways in which it is */
static void test_eoi_assist(void)
{
    QTestState *s = qhv_start(1, FLAGS, NULL);
    unsigned i;

    qtest_writel(s, QHV_ASSIST, 0x12345678);
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    g_assert_cmphex(assist(s), ==, 0);
    for (i = 8; i < QHV_PAGE; i += 8) {
        g_assert_cmphex(qtest_readq(s, QHV_ASSIST + i), ==, 0);
    }

    /* VA-005: level-triggered, so that there has to be an EOI */
    qhv_set(s, 0, MSR_ICR, 0x4c050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    g_assert_cmphex(assist(s), ==, 0);
    qhv_eoi(s, 0);

    /* VA-004: alone, so the bit is set; the guest clears it instead of EOI */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    g_assert_cmphex(assist(s), ==, 1);
    qtest_writel(s, QHV_ASSIST, 0);
    g_assert_false(qhv_isr(s, 0, 0x50));

    /* and the next of the same priority is taken without anybody's asking */
    qhv_set(s, 0, MSR_ICR, 0x44051);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x51);
    qtest_writel(s, QHV_ASSIST, 0);
    qhv_set(s, 0, MSR_ICR, 0x44051);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x51);
    g_assert_cmphex(assist(s), ==, 1);

    /* the conventional EOI works, and clears the bit */
    qhv_eoi(s, 0);
    g_assert_cmphex(assist(s), ==, 0);
    g_assert_false(qhv_isr(s, 0, 0x51));

    /* something of lower priority waits: the bit must be clear */
    qhv_set(s, 0, MSR_ICR, 0x44060);
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x60);
    g_assert_cmphex(assist(s), ==, 0);
    qhv_eoi(s, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    g_assert_cmphex(assist(s), ==, 1);
    /* it comes when the bit is set already: the bit is taken back */
    qhv_set(s, 0, MSR_ICR, 0x44042);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    g_assert_cmphex(assist(s), ==, 0);
    g_assert_true(qhv_isr(s, 0, 0x50));
    qhv_eoi(s, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x42);
    qhv_eoi(s, 0);

    /* nested: the inner one ends without EOI, the outer one as usual */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    qtest_writel(s, QHV_ASSIST, 1);
    qhv_set(s, 0, MSR_ICR, 0x44070);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x70);
    g_assert_true(qhv_isr(s, 0, 0x50));
    g_assert_true(qhv_isr(s, 0, 0x70));
    if (assist(s)) {
        qtest_writel(s, QHV_ASSIST, 0);
    } else {
        qhv_eoi(s, 0);
    }
    g_assert_false(qhv_isr(s, 0, 0x70));
    g_assert_true(qhv_isr(s, 0, 0x50));
    qhv_eoi(s, 0);
    g_assert_false(qhv_isr(s, 0, 0x50));

    /* the page goes away while the bit is set */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, 0);
    g_assert_cmphex(qtest_readl(s, QHV_ASSIST), ==, 0x12345678);
    g_assert_true(qhv_isr(s, 0, 0x50));
    qhv_eoi(s, 0);
    g_assert_false(qhv_isr(s, 0, 0x50));
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    qhv_eoi(s, 0);

    /* it comes, or goes, while an interrupt is in service without the bit */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    g_assert_cmphex(assist(s), ==, 0);
    g_assert_true(qhv_isr(s, 0, 0x50));
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, 0);
    g_assert_true(qhv_isr(s, 0, 0x50));
    qhv_eoi(s, 0);
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);

    /* it moves while the bit is set, which counts at the new place */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_HCALL | 1);
    g_assert_cmphex(qtest_readl(s, QHV_HCALL), ==, 1);
    g_assert_true(qhv_isr(s, 0, 0x50));
    qtest_writel(s, QHV_HCALL, 0);
    g_assert_false(qhv_isr(s, 0, 0x50));

    /* a reset ends it all: nothing is owed to the interrupt that follows */
    qhv_set(s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x50);
    g_assert_cmphex(qtest_readl(s, QHV_HCALL), ==, 1);
    qtest_system_reset(s);
    qhv_setup_apic(s, 1);
    qhv_set(s, 0, MSR_ICR, 0x44051);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x51);
    g_assert_true(qhv_isr(s, 0, 0x51));
    qtest_quit(s);
}

/* An EOI that the guest left out frees the slot as one that it wrote */
static void test_eoi_assist_message(void)
{
    QTestState *s = start(1, 2, 0x40);

    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    g_assert_true(qhv_route_new(s, 0, 0, 2));
    g_assert_true(qhv_route_new(s, 1, 0, 2));
    g_assert_cmpint(qhv_route_post(s, 0, 1, 8, 1), ==, 0);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    g_assert_cmphex(assist(s), ==, 1);
    g_assert_cmpint(qhv_route_post(s, 1, 2, 8, 2), ==, 0);
    assert_message(s, 0, 2, 0, 1, 8, 1, true);
    qhv_message_done(s, 0, 2);
    qtest_writel(s, QHV_ASSIST, 0);
    /* the pending flag obliges the guest to this */
    qhv_set(s, 0, MSR_EOM, 0);
    assert_message(s, 0, 2, 1, 2, 8, 2, false);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x40);
    qtest_quit(s);
}

/* SY-034, HC-016, HC-017: random posts, pages on top of each other, resets */
static void test_fuzz(void)
{
    QTestState *s = start(2, 2, 0x40);
    g_autoptr(GRand) rand = g_rand_new_with_seed(421);
    unsigned i;

    for (i = 0; i < 8; i++) {
        g_assert_true(qhv_route_new(s, i, i % 2, i / 2));
    }
    for (i = 0; i < 6000; i++) {
        unsigned vp = g_rand_int_range(rand, 0, 2);
        unsigned n = g_rand_int_range(rand, 0, 8);
        uint64_t page = QHV_SIMP + g_rand_int_range(rand, 0, 4) * QHV_PAGE;

        switch (g_rand_int_range(rand, 0, 12)) {
        case 0:
            qhv_set(s, vp, MSR_SIMP, page | g_rand_int_range(rand, 0, 2));
            break;
        case 1:
            qhv_set(s, vp, MSR_SIEFP, page | g_rand_int_range(rand, 0, 2));
            break;
        case 2:
            qhv_set(s, vp, MSR_VP_ASSIST_PAGE,
                    page | g_rand_int_range(rand, 0, 2));
            break;
        case 3:
            qhv_set(s, vp, MSR_SINT(n % 4),
                    ((uint64_t)g_rand_int_range(rand, 0, 8) << 16) | 0x40 | n);
            break;
        case 4:
            qhv_set(s, vp, MSR_SCONTROL, g_rand_int_range(rand, 0, 8) != 0);
            break;
        case 5:
            qtest_writel(s, page + n / 2 * 256, g_rand_int_range(rand, 0, 2));
            break;
        case 6:
            qhv_set(s, vp, MSR_EOM, 0);
            break;
        case 7:
            if (qhv_take_irq(s, vp) >= 0) {
                qhv_eoi(s, vp);
            }
            break;
        case 8:
            qhv_route_flag(s, n, g_rand_int_range(rand, 0, 2100));
            break;
        case 9:
            qhv_route_signal(s, n);
            break;
        case 10:
            if (g_rand_int_range(rand, 0, 100) == 0) {
                qtest_system_reset(s);
                qhv_setup_apic(s, 2);
            }
            break;
        default:
            qhv_route_post(s, n, 1 + n, g_rand_int_range(rand, 0, 241), n);
            break;
        }
    }
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qhv_add("synic/disabled", "SY-001", test_disabled);
    qhv_add("synic/pages", "SY-002,SY-003,SY-004", test_pages);
    qhv_add("synic/message", "SY-005,SY-007,SY-008,SY-009,SY-018,SY-019,SY-020",
            test_message);
    qhv_add_row("synic/queue", "eom", "SY-006,SY-011,SY-012,SY-013",
                GUINT_TO_POINTER(BY_EOM), test_queue);
    qhv_add_row("synic/queue", "eoi", "SY-012",
                GUINT_TO_POINTER(BY_EOI), test_queue);
    qhv_add_row("synic/queue", "eoi-msr", "SY-012,MS-014",
                GUINT_TO_POINTER(BY_EOI_MSR), test_queue);
    qhv_add_row("synic/queue", "post", "SY-012",
                GUINT_TO_POINTER(BY_POST), test_queue);
    qhv_add("synic/retry", "SY-017", test_retry);
    qhv_add("synic/retry-backoff", "SY-017", test_retry_backoff);
    qhv_add("synic/no-eom", "SY-014,SY-015", test_no_eom);
    qhv_add("synic/eom", "SY-013,MS-020", test_eom);
    qhv_add("synic/masked", "SY-010,SY-016", test_masked);
    qhv_add("synic/apic-disabled", "SY-010,IP-013", test_apic_disabled);
    qhv_add("synic/polling", "SY-029,CP-024", test_polling);
    qhv_add("synic/auto-eoi", "SY-027", test_auto_eoi);
    qhv_add("synic/shared-vector", "SY-032", test_shared_vector);
    qhv_add("synic/flags", "SY-005,SY-023,SY-024,SY-026", test_flags);
    qhv_add("synic/flag-masked", "SY-025", test_flag_masked);
    qhv_add("synic/per-vp", "SY-033", test_per_vp);
    qhv_add("synic/disable-while-queued", "SY-011", test_disable_while_queued);
    qhv_add("synic/route-free", "", test_route_free);
    qhv_add("synic/reset", "SY-001,SY-002", test_reset);
    qhv_add("synic/post-message", "SY-018,SY-020,PC-012,PC-013,PC-015,PC-019",
            test_post_message);
    qhv_add("synic/signal-event", "HC-021,PC-022,PC-023,PC-024,PC-026",
            test_signal_event);
    qhv_add("synic/eoi-assist",
            "VA-001,VA-002,VA-003,VA-004,VA-005,VA-006,VA-010,VA-011,VA-017",
            test_eoi_assist);
    qhv_add("synic/eoi-assist-message", "VA-004", test_eoi_assist_message);
    qhv_add("synic/fuzz", "SY-034,HC-075", test_fuzz);
    return g_test_run();
}
