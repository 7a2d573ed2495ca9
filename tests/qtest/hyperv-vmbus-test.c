/*
 * VMBus: the channel protocol, rings, hot plug and migration, as a guest sees
 * them; and what a hostile guest can do
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/vmbus.h"
#include "qobject/qdict.h"

#define TESTDEV "7d5e6c3a-9b41-4f0e-8a57-0d6b1f3c2e91"

#define DEVICE  "-device vmbus-testdev,id=t"

/* What vmbus-testdev does */
enum {
    ECHO,
    SUBCHANNELS,
    INVERT,
    SUM,
    FLOOD,
};

#define FEATURE_SIGNAL_PARAMS       (1u << 0)
#define FEATURE_MODIFY_CONNECTION   (1u << 2)
#define FEATURE_CLIENT_ID           (1u << 3)
#define FEATURE_PAUSE_RESUME        (1u << 5)
#define FEATURES (FEATURE_SIGNAL_PARAMS | FEATURE_MODIFY_CONNECTION | \
                  FEATURE_CLIENT_ID | FEATURE_PAUSE_RESUME)

static const uint32_t versions[] = {
    QVMBUS_V(0, 13), QVMBUS_V(1, 1), QVMBUS_V(2, 4), QVMBUS_V(3, 0),
    QVMBUS_V(4, 0), QVMBUS_V(4, 1), QVMBUS_V(5, 0), QVMBUS_V(5, 1),
    QVMBUS_V(5, 2), QVMBUS_V(5, 3), QVMBUS_V(6, 0),
};

static QVmbus *start_version(unsigned cpus, const char *extra,
                             uint32_t version)
{
    QTestState *s = qvmbus_start(cpus, extra);
    QVmbus *b = qvmbus_new(s, cpus);

    qvmbus_connect(b, version);
    qvmbus_request_offers(b);
    return b;
}

static QVmbus *start(const char *extra)
{
    return start_version(1, extra, QVMBUS_V(5, 3));
}

static void stop(QVmbus *b)
{
    QTestState *s = b->qts;

    qvmbus_free(b);
    qtest_quit(s);
}

static QVmbusOffer *testdev(QVmbus *b)
{
    QVmbusOffer *o = qvmbus_find(b, TESTDEV, 0);

    g_assert_nonnull(o);
    return o;
}

/* Ask the test device for something; returns the second word of its answer */
static uint32_t ask(QVmbusChan *c, uint32_t op, uint32_t arg)
{
    static uint64_t id;
    uint8_t msg[8];
    QVmbusPacket *p;
    uint32_t val;

    stl_le_p(msg, op);
    stl_le_p(msg + 4, arg);
    qvmbus_send(c, QVP_INBAND, NULL, 0, msg, sizeof(msg), true, ++id);
    p = qvmbus_recv(c);
    g_assert_cmpuint(p->type, ==, QVP_COMPLETION);
    g_assert_cmpuint(p->transaction_id, ==, id);
    g_assert_cmpuint(p->len, ==, 8);
    g_assert_cmpuint(ldl_le_p(p->data), ==, op);
    val = ldl_le_p(p->data + 4);
    qvmbus_packet_free(p);
    return val;
}

static void assert_works(QVmbusChan *c)
{
    g_assert_cmphex(ask(c, ECHO, 0x12345678), ==, 0x12345678);
}

static void test_versions(void)
{
    QTestState *s = qvmbus_start(1, DEVICE);
    QVmbus *b = qvmbus_new(s, 1);
    unsigned i;

    b->contact_features = FEATURES | 2 | 0x10 | 0x40;
    for (i = 0; i < ARRAY_SIZE(versions); i++) {
        QVmbusChan *c;

        /* One that does not exist, before and between the others */
        g_assert_false(qvmbus_contact(b, versions[i] + 0x70000));
        qvmbus_connect(b, versions[i]);
        g_assert_cmpuint(b->conn_id, ==, versions[i] >= QVMBUS_V(5, 0) ?
                         QVMBUS_CONN_MESSAGE_4 : QVMBUS_CONN_MESSAGE);
        g_assert_cmphex(b->features, ==, versions[i] >= QVMBUS_V(6, 0) ?
                        FEATURES : 0);
        qvmbus_request_offers(b);
        g_assert_cmpuint(b->offers->len, ==, 1);
        g_assert_cmpuint(testdev(b)->dedicated, ==, 1);
        g_assert_cmpuint(testdev(b)->monitor_allocated, ==, 0);
        c = qvmbus_open(testdev(b), 2, 2, 0);
        assert_works(c);
        qvmbus_wait_event(c);
        qvmbus_close(c);
        qvmbus_unload(b);
    }
    stop(b);
}

/* The connection can be begun anew at any time, and knows no old state then */
static void test_contact_resets(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
    uint64_t page = qvmbus_alloc(b, 1);
    uint32_t conn = c->offer->connection_id;

    g_assert_cmphex(qvmbus_gpadl(b, c->offer->relid, page, 1), !=, 0);
    assert_works(c);
    qvmbus_connect(b, QVMBUS_V(4, 0));
    g_free(c);
    /* The channel's connection is gone with it */
    g_assert_cmphex(qhv_fast(b->qts, 0, HC_SIGNAL_EVENT, conn, 0), ==,
                    ST_INVALID_CONNECTION_ID);
    /* The ids of the GPADLs are free again */
    b->next_gpadl = 0x1000;
    qvmbus_request_offers(b);
    c = qvmbus_open(testdev(b), 4, 4, 0);
    assert_works(c);
    qvmbus_close(c);
    stop(b);
}

static void test_open_close(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusOffer *o = testdev(b);
    uint64_t gpa = qvmbus_alloc(b, 8);
    QVmbusChan c = {
        .bus = b, .offer = o,
        .out = { gpa, 3 * QHV_PAGE }, .in = { gpa + 4 * QHV_PAGE,
                                              3 * QHV_PAGE },
    };
    unsigned n = g_test_slow() ? 10000 : 300;
    unsigned i;

    for (i = 0; i < n; i++) {
        c.gpadl = qvmbus_gpadl(b, o->relid, gpa, 8);
        g_assert_cmphex(c.gpadl, !=, 0);
        g_assert_cmphex(qvmbus_open_gpadl(o, c.gpadl, 4, 0), ==, 0);
        if (i % 64 == 0) {
            assert_works(&c);
        }
        qvmbus_post_words(b, QVM_CLOSE, 1, &o->relid);
        qvmbus_gpadl_teardown(b, o->relid, c.gpadl);
    }
    stop(b);
}

static void test_open_errors(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusOffer *o = testdev(b);
    uint64_t gpa = qvmbus_alloc(b, 8);
    uint32_t gpadl = qvmbus_gpadl(b, o->relid, gpa, 8);
    uint32_t one = qvmbus_gpadl(b, o->relid, gpa, 1);
    uint64_t hole[8] = { 0, 1, 2, 0xfffffff, 4, 5, 6, 7 };
    uint64_t high[8] = { 0, 1, 2, 1ull << 40, 4, 5, 6, 7 };
    uint32_t holes = qvmbus_gpadl_pfns(b, o->relid, hole, 8, 0, 8 * QHV_PAGE);
    uint32_t odd = qvmbus_gpadl_pfns(b, o->relid, hole, 3, 8, 2 * QHV_PAGE);
    QVmbusOffer unknown = *o;
    QVmbusMsg m;

    g_assert_cmphex(gpadl, !=, 0);
    g_assert_cmphex(one, !=, 0);
    /* A hole is found when the memory is used, a wrong number at once */
    g_assert_cmphex(holes, !=, 0);
    g_assert_cmphex(odd, !=, 0);
    g_assert_cmphex(qvmbus_gpadl_pfns(b, o->relid, high, 8, 0, 8 * QHV_PAGE),
                    ==, 0);
    /* More or less pages than the length says */
    g_assert_cmphex(qvmbus_gpadl_pfns(b, o->relid, hole, 8, 0, 7 * QHV_PAGE),
                    ==, 0);
    g_assert_cmphex(qvmbus_gpadl_pfns(b, o->relid, hole, 3, QHV_PAGE,
                                      QHV_PAGE), ==, 0);
    g_assert_cmphex(qvmbus_gpadl_pfns(b, o->relid, hole, 1, 0, 0), ==, 0);

    g_assert_cmphex(qvmbus_open_gpadl(o, 0x9999, 4, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, holes, 4, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, odd, 1, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, one, 0, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 0, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 1, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 7, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 8, 0), !=, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 0xffffffff, 0), !=, 0);
    /* No such VP */
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 7), !=, 0);
    /* Indices out of range, and not those of packets */
    qtest_writel(b->qts, gpa + QVR_READ, 3 * QHV_PAGE);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 0), !=, 0);
    qtest_writel(b->qts, gpa + QVR_READ, 4);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 0), !=, 0);
    qtest_writel(b->qts, gpa + QVR_READ, 0);
    qtest_writel(b->qts, gpa + 4 * QHV_PAGE + QVR_WRITE, 0xfffffff8);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 0), !=, 0);
    qtest_writel(b->qts, gpa + 4 * QHV_PAGE + QVR_WRITE, 0);

    unknown.relid = 2000;
    g_assert_cmphex(qvmbus_open_gpadl(&unknown, gpadl, 4, 0), !=, 0);

    /* And nothing of that has done any harm */
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 0), ==, 0);
    g_assert_cmphex(qvmbus_open_gpadl(o, gpadl, 4, 0), !=, 0);
    /* An open channel is not released */
    qvmbus_post_words(b, QVM_RELEASED, 1, &o->relid);
    qvmbus_post_words(b, QVM_CLOSE, 1, &o->relid);
    qvmbus_post_words(b, QVM_CLOSE, 1, &o->relid);
    /* A GPADL goes once */
    qvmbus_gpadl_teardown(b, o->relid, gpadl);
    qvmbus_post_words(b, QVM_GPADL_TEARDOWN, 2,
                      (uint32_t[]) { o->relid, gpadl });
    qvmbus_sync(b);
    /* The channel was offered once, and released: it is offered again */
    qvmbus_release(o);
    qvmbus_expect(b, QVM_OFFER, &m);
    stop(b);
}

/* The largest GPADL has 8190 pages; they need not be adjacent */
static void test_gpadl(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusOffer *o = testdev(b);
    QVmbusChan *c = qvmbus_open(o, 4, 4, 0);
    g_autofree uint64_t *pfn = g_new(uint64_t, 8191);
    uint64_t gpa = qvmbus_alloc(b, 3);
    uint32_t id;
    unsigned i;

    /* The same page over and over */
    qtest_memset(b->qts, gpa, 3, QHV_PAGE);
    for (i = 0; i < 8191; i++) {
        pfn[i] = gpa / QHV_PAGE;
    }
    id = qvmbus_gpadl_pfns(b, o->relid, pfn, 8190, 0, 8190 * QHV_PAGE);
    g_assert_cmphex(id, !=, 0);
    g_assert_cmpuint(ask(c, SUM, id), ==, 8190u * QHV_PAGE * 3);
    qvmbus_gpadl_teardown(b, o->relid, id);
    g_assert_cmphex(ask(c, SUM, id), ==, UINT32_MAX);

    /* From the middle of the last page to the middle of the first */
    qtest_memset(b->qts, gpa, 1, QHV_PAGE);
    qtest_memset(b->qts, gpa + QHV_PAGE, 2, QHV_PAGE);
    qtest_memset(b->qts, gpa + 2 * QHV_PAGE, 4, QHV_PAGE);
    for (i = 0; i < 3; i++) {
        pfn[i] = gpa / QHV_PAGE + 2 - i;
    }
    id = qvmbus_gpadl_pfns(b, o->relid, pfn, 3, 0xff0, 16 + QHV_PAGE + 5);
    g_assert_cmpuint(ask(c, SUM, id), ==, 16 * 4 + QHV_PAGE * 2 + 5);
    qvmbus_gpadl_teardown(b, o->relid, id);
    qvmbus_close(c);
    stop(b);
}

/* Hyper-V's limit: 1280 MiB, here made of 40 times the same 32 MiB */
static void test_gpadl_limit(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusOffer *o = testdev(b);
    uint32_t first = b->next_gpadl;
    uint8_t msg[240] = {};
    QVmbusMsg m;
    unsigned i;

    /* What counts is the promise in the header */
    for (i = 0; i < 41; i++) {
        stl_le_p(msg, QVM_GPADL_HEADER);
        stl_le_p(msg + 8, o->relid);
        stl_le_p(msg + 12, first + i);
        stw_le_p(msg + 16, 0xfff8);
        stw_le_p(msg + 18, 1);
        stl_le_p(msg + 20, 8190 * QHV_PAGE);
        qvmbus_post(b, msg, sizeof(msg));
    }
    qvmbus_expect(b, QVM_GPADL_CREATED, &m);
    g_assert_cmphex(ldl_le_p(m.data + 12), ==, first + 40);
    g_assert_cmphex(ldl_le_p(m.data + 16), !=, 0);
    qvmbus_sync(b);
    /* They go with the channel that they belong to */
    qvmbus_release(o);
    qvmbus_wait_offer(b, TESTDEV, 0);
    g_assert_cmphex(qvmbus_gpadl(b, testdev(b)->relid, QVMBUS_MEM, 8), !=, 0);
    stop(b);
}

static bool poll_any(QVmbus *b, void *msg)
{
    return qvmbus_poll(b, 0, QVMBUS_SINT, msg);
}

/* Messages that are too short, unknown, or not for the host */
static void test_hostile_messages(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
    uint8_t msg[240];
    unsigned type, len, fill;
    QVmbusMsg m;

    for (type = 0; type < 40; type++) {
        if (type == QVM_UNLOAD || type == QVM_CONTACT) {
            continue;
        }
        for (fill = 0; fill < 256; fill += 255) {
            for (len = 8; len <= 240; len += 29) {
                memset(msg, fill, sizeof(msg));
                stl_le_p(msg, type);
                qvmbus_post(b, msg, len);
                while (qvmbus_poll(b, 0, QVMBUS_SINT, &m)) {
                    g_assert_cmpuint(m.type, !=, QVM_VERSION);
                }
            }
        }
    }
    /* Shorter than the header; longer than a message */
    g_assert_cmphex(qvmbus_try_post(b, b->conn_id, msg, 4), ==,
                    ST_INVALID_HYPERCALL_INPUT);
    /* A contact that is too short changes nothing */
    memset(msg, 0, sizeof(msg));
    stl_le_p(msg, QVM_CONTACT);
    qvmbus_post(b, msg, 39);
    /* Whatever the above was answered with, then the answer to this */
    memset(msg, 0, sizeof(msg));
    stl_le_p(msg, QVM_OPEN);
    stl_le_p(msg + 8, 0xfffe);
    stl_le_p(msg + 12, 0x7777);
    qvmbus_post(b, msg, 148);
    do {
        qvmbus_wait(b, poll_any, &m);
    } while (m.type != QVM_OPEN_RESULT || ldl_le_p(m.data + 12) != 0x7777);
    assert_works(c);
    qvmbus_close(c);
    stop(b);
}

/* Messages of a version that was not negotiated */
static void test_not_negotiated(void)
{
    QVmbus *b = start_version(1, DEVICE, QVMBUS_V(3, 0));
    QVmbusOffer *o = testdev(b);
    QVmbusChan *c = qvmbus_open(o, 4, 4, 0);
    uint32_t modify[] = { o->relid, 0 };
    uint32_t tl[8] = {};

    qvmbus_post_words(b, QVM_MODIFY, 2, modify);
    qvmbus_post_words(b, QVM_TL_CONNECT, 8, tl);
    qvmbus_post_words(b, QVM_PAUSE, 0, NULL);
    qvmbus_post_words(b, QVM_MODIFY_CONNECTION, 4, tl);
    /* Offers can be requested once */
    qvmbus_post_words(b, QVM_REQUEST_OFFERS, 0, NULL);
    qvmbus_sync(b);
    assert_works(c);
    qvmbus_close(c);
    qvmbus_unload(b);
    /* And nothing at all without a connection, but another farewell */
    qvmbus_post_words(b, QVM_REQUEST_OFFERS, 0, NULL);
    qvmbus_unload(b);
    stop(b);
}

static void fill(uint8_t *buf, unsigned len, unsigned seed)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        buf[i] = seed * 7 + i * 13;
    }
}

/* Packets of all sizes, so that they wrap at all places */
static void test_ring(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 2, 3, 0);
    uint8_t msg[2048];
    unsigned i;

    for (i = 0; i < 200; i++) {
        unsigned len = 8 + (i * 56) % 2000 / 8 * 8;
        QVmbusPacket *p;

        fill(msg, len, i);
        stl_le_p(msg, ECHO);
        qvmbus_send(c, QVP_INBAND, NULL, 0, msg, len, i % 2, i);
        p = qvmbus_recv(c);
        g_assert_cmpuint(p->type, ==, i % 2 ? QVP_COMPLETION : QVP_INBAND);
        g_assert_cmpuint(p->transaction_id, ==, i);
        g_assert_cmpmem(p->data, p->len, msg, len);
        qvmbus_packet_free(p);
    }
    qvmbus_close(c);
    stop(b);
}

/* The host interrupts when the ring was empty, and not otherwise */
static void test_interrupts(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
    unsigned i;

    while (qvmbus_take_event(c)) {
        continue;
    }
    assert_works(c);
    g_assert_true(qvmbus_take_event(c));
    g_assert_false(qvmbus_take_event(c));

    /* Three answers in one ring: one interrupt */
    qvmbus_ring_set(c, &c->in, QVR_MASK, 0);
    for (i = 0; i < 3; i++) {
        uint8_t msg[8] = {};
        uint32_t was = qvmbus_ring_get(c, &c->in, QVR_WRITE);

        qvmbus_send(c, QVP_INBAND, NULL, 0, msg, 8, true, i);
        while (qvmbus_ring_get(c, &c->in, QVR_WRITE) == was) {
            continue;
        }
        g_assert_cmpint(qvmbus_take_event(c), ==, i == 0);
    }
    for (i = 0; i < 3; i++) {
        qvmbus_packet_free(qvmbus_recv(c));
    }

    /* Masked: none */
    qvmbus_ring_set(c, &c->in, QVR_MASK, 1);
    assert_works(c);
    qvmbus_sync(b);
    g_assert_false(qvmbus_take_event(c));
    /* The host has unmasked its own ring when it has nothing to do */
    g_assert_cmpuint(qvmbus_ring_get(c, &c->out, QVR_MASK), ==, 0);
    qvmbus_close(c);
    stop(b);
}

/* Either side waits for room and is told when there is some */
static void test_full(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 2, 2, 0);
    uint8_t msg[1000] = {};
    unsigned sent = 0, got = 0;
    QVmbusPacket *p;

    /* Until the host, whose answers nobody reads, does not read any more */
    while (!qvmbus_ring_get(c, &c->in, QVR_PENDING)) {
        if (qvmbus_try_send(c, QVP_INBAND, NULL, 0, msg, sizeof(msg), true,
                            sent)) {
            sent++;
            qvmbus_signal(c);
        }
        qvmbus_sync(b);
    }
    while (qvmbus_try_send(c, QVP_INBAND, NULL, 0, msg, sizeof(msg), true,
                           sent)) {
        sent++;
    }
    while (qvmbus_take_event(c)) {
        continue;
    }
    /* The guest wants to know when half of its ring is free */
    qvmbus_ring_set(c, &c->out, QVR_PENDING, 2048);
    while (got < sent) {
        p = qvmbus_recv(c);
        g_assert_cmpuint(p->transaction_id, ==, got);
        g_assert_cmpuint(p->len, ==, sizeof(msg));
        qvmbus_packet_free(p);
        got++;
    }
    qvmbus_wait_event(c);
    g_assert_cmpuint(qvmbus_ring_get(c, &c->in, QVR_PENDING), ==, 0);
    qvmbus_ring_set(c, &c->out, QVR_PENDING, 0);
    assert_works(c);

    /* A packet that never fits breaks nothing but itself */
    memset(msg, 0, sizeof(msg));
    stl_le_p(msg, FLOOD);
    stl_le_p(msg + 4, 1000);
    qvmbus_send(c, QVP_INBAND, NULL, 0, msg, sizeof(msg), true, 1);
    qvmbus_sync(b);
    qvmbus_close(c);
    c = qvmbus_open(testdev(b), 2, 2, 0);
    assert_works(c);
    qvmbus_close(c);
    stop(b);
}

/* What a guest can write into a ring; only that channel suffers */
static void test_hostile_ring(void)
{
    static const struct {
        uint16_t type, offset, len;
        uint32_t write;
    } bad[] = {
        { QVP_INBAND, 2, 2, 16 },           /* no trailer */
        { QVP_INBAND, 2, 2, 8 },            /* shorter than a header */
        { QVP_INBAND, 1, 3, 32 },           /* payload in the header */
        { QVP_INBAND, 4, 3, 32 },           /* payload behind the end */
        { QVP_INBAND, 2, 0xffff, 32 },      /* longer than the ring */
        { QVP_INBAND, 0xffff, 0xffff, 32 },
        { 0x77, 2, 3, 32 },                 /* no such type */
        { QVP_GPA_DIRECT, 2, 3, 32 },       /* no descriptor */
        { QVP_INBAND, 2, 3, 3 * 4096 },     /* index behind the end */
        { QVP_INBAND, 2, 3, 0xffffffff },
        { QVP_INBAND, 2, 3, 33 },           /* index between words */
    };
    QVmbus *b = start(DEVICE " -device vmbus-testdev,id=other");
    QVmbusOffer *o = g_ptr_array_index(b->offers, 0);
    QVmbusChan *other = qvmbus_open(g_ptr_array_index(b->offers, 1), 4, 4, 0);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        QVmbusChan *c = qvmbus_open(o, 4, 4, 0);
        uint64_t data = c->out.ctl + QHV_PAGE;

        qtest_writew(b->qts, data, bad[i].type);
        qtest_writew(b->qts, data + 2, bad[i].offset);
        qtest_writew(b->qts, data + 4, bad[i].len);
        qvmbus_ring_set(c, &c->out, QVR_WRITE, bad[i].write);
        qvmbus_signal(c);
        qvmbus_sync(b);
        g_assert_null(qvmbus_try_recv(c));
        assert_works(other);
        qvmbus_close(c);
    }
    /* A read index out of range, when the host sends */
    for (i = 0; i < 2; i++) {
        QVmbusChan *c = qvmbus_open(o, 4, 4, 0);
        uint8_t msg[8] = {};

        qvmbus_ring_set(c, &c->in, QVR_READ, i ? 12345 : 0xfffffff8);
        stl_le_p(msg, FLOOD);
        stl_le_p(msg + 4, 500);
        qvmbus_send(c, QVP_INBAND, NULL, 0, msg, 8, false, 0);
        qvmbus_sync(b);
        assert_works(other);
        qvmbus_close(c);
    }
    /* What the host owns is not looked at */
    {
        QVmbusChan *c = qvmbus_open(o, 4, 4, 0);

        qvmbus_ring_set(c, &c->out, QVR_READ, 0x77777777);
        qvmbus_ring_set(c, &c->in, QVR_WRITE, 0x77777777);
        qvmbus_signal(c);
        qvmbus_sync(b);
        qvmbus_ring_set(c, &c->out, QVR_READ, 0);
        qvmbus_ring_set(c, &c->in, QVR_WRITE, 0);
        assert_works(c);
        qvmbus_close(c);
    }
    qvmbus_close(other);
    stop(b);
}

static void test_gpa_direct(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
    uint64_t gpa = qvmbus_alloc(b, 8);
    QVmbusRange ranges[] = {
        { gpa + 100, 50 }, { gpa + 2 * QHV_PAGE - 8, QHV_PAGE + 16 },
        { gpa + 7 * QHV_PAGE, QHV_PAGE },
    };
    QVmbusRange hole = { 0xfffff0000000, 64 };
    uint8_t msg[8] = {};
    QVmbusPacket *p;
    unsigned i;

    stl_le_p(msg, INVERT);
    for (i = 0; i < 2; i++) {
        unsigned r;

        qvmbus_send_gpa(c, ranges, ARRAY_SIZE(ranges), msg, 8, i);
        p = qvmbus_recv(c);
        g_assert_cmpuint(ldl_le_p(p->data + 4), ==, 1);
        qvmbus_packet_free(p);
        for (r = 0; r < ARRAY_SIZE(ranges); r++) {
            uint64_t end = ranges[r].gpa + ranges[r].len;

            g_assert_cmphex(qtest_readb(b->qts, ranges[r].gpa), ==,
                            i ? 0 : 0xff);
            g_assert_cmphex(qtest_readb(b->qts, end - 1), ==, i ? 0 : 0xff);
            g_assert_cmphex(qtest_readb(b->qts, ranges[r].gpa - 1), ==, 0);
            if (r < 2) {
                g_assert_cmphex(qtest_readb(b->qts, end), ==, 0);
            }
        }
    }
    /* Where there is no memory the request fails, and only that */
    qvmbus_send_gpa(c, &hole, 1, msg, 8, 9);
    qvmbus_packet_free(qvmbus_recv(c));
    assert_works(c);
    qvmbus_close(c);
    stop(b);
}

static void test_subchannels(void)
{
    QVmbus *b = start_version(4, "-device vmbus-testdev,id=t,channels=4",
                              QVMBUS_V(5, 3));
    QVmbusChan *c[4];
    unsigned i, round;

    for (round = 0; round < 2; round++) {
        c[0] = qvmbus_open(testdev(b), 4, 4, 0);
        g_assert_cmpint((int32_t)ask(c[0], SUBCHANNELS, 4), ==, -EINVAL);
        g_assert_cmpuint(ask(c[0], SUBCHANNELS, 3), ==, 0);
        for (i = 1; i < 4; i++) {
            QVmbusOffer *o = qvmbus_wait_offer(b, TESTDEV, i);

            g_assert_cmpmem(o->instanceid, 16, c[0]->offer->instanceid, 16);
            /* Each interrupts a VP of its own */
            c[i] = qvmbus_open(o, 2, 2, i);
            assert_works(c[i]);
            qvmbus_wait_event(c[i]);
        }
        /* The first one's end is that of all, in any order */
        if (round) {
            qvmbus_close(c[2]);
        }
        qvmbus_close(c[0]);
        for (i = 1; i < 4; i++) {
            QVmbusOffer *o = round && i == 2 ? NULL : c[i]->offer;

            if (o) {
                qvmbus_wait_rescind(o);
                qvmbus_close(c[i]);
                qvmbus_release(o);
            }
        }
        qvmbus_sync(b);
    }
    stop(b);
}

/* Interrupts follow MODIFY_CHANNEL, from 4.1 on */
static void test_modify(void)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        uint32_t version = i ? QVMBUS_V(5, 3) : QVMBUS_V(4, 1);
        QVmbus *b = start_version(2, DEVICE, version);
        QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
        uint32_t words[] = { c->offer->relid, 1 };
        uint32_t bad[] = { c->offer->relid, 9 };
        QVmbusMsg m;

        assert_works(c);
        qvmbus_wait_event(c);
        qvmbus_post_words(b, QVM_MODIFY, 2, words);
        if (i) {
            qvmbus_expect(b, QVM_MODIFIED, &m);
            g_assert_cmphex(ldl_le_p(m.data + 12), ==, 0);
        }
        qvmbus_sync(b);
        c->vp = 1;
        assert_works(c);
        qvmbus_wait_event(c);
        /* There is no such VP: all stays as it was */
        qvmbus_post_words(b, QVM_MODIFY, 2, bad);
        if (i) {
            qvmbus_expect(b, QVM_MODIFIED, &m);
            g_assert_cmphex(ldl_le_p(m.data + 12), !=, 0);
        }
        assert_works(c);
        qvmbus_wait_event(c);
        qvmbus_close(c);
        stop(b);
    }
}

/* A reserved channel outlives the connection, and answers elsewhere */
static void test_reserved(void)
{
    QVmbus *b = start_version(2, DEVICE, QVMBUS_V(4, 0));
    QVmbusOffer o = *testdev(b);
    uint64_t gpa = qvmbus_alloc(b, 8);
    QVmbusChan c = {
        .bus = b, .offer = &o,
        .out = { gpa, 3 * QHV_PAGE }, .in = { gpa + 4 * QHV_PAGE,
                                              3 * QHV_PAGE },
    };
    uint32_t gpadl = qvmbus_gpadl(b, o.relid, gpa, 8);
    uint32_t open[] = { o.relid, 1, 5, gpadl, 4 };
    uint32_t close[] = { o.relid, 1, 5 };
    QVmbusMsg m;

    qhv_set(b->qts, 1, MSR_SINT(5), 0x61);
    qvmbus_post_words(b, QVM_OPEN_RESERVED, 5, open);
    while (!qvmbus_poll(b, 1, 5, &m)) {
        qtest_readl(b->qts, 0);
    }
    g_assert_cmpuint(m.type, ==, QVM_OPEN_RESULT);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, o.relid);
    g_assert_cmphex(ldl_le_p(m.data + 16), ==, 0);
    assert_works(&c);
    /* CLOSE is for other channels */
    qvmbus_post_words(b, QVM_CLOSE, 1, &o.relid);
    qvmbus_unload(b);
    assert_works(&c);
    qvmbus_connect(b, QVMBUS_V(4, 0));
    qvmbus_request_offers(b);
    g_assert_cmpuint(b->offers->len, ==, 0);
    assert_works(&c);

    qvmbus_post_words(b, QVM_CLOSE_RESERVED, 3, close);
    while (!qvmbus_poll(b, 1, 5, &m)) {
        qtest_readl(b->qts, 0);
    }
    g_assert_cmpuint(m.type, ==, QVM_CLOSED_RESERVED);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, o.relid);
    qvmbus_wait_offer(b, TESTDEV, 0);
    stop(b);
}

static void test_pause(void)
{
    QTestState *s = qvmbus_start(1, DEVICE);
    QVmbus *b = qvmbus_new(s, 1);
    QVmbusMsg m;
    unsigned i;

    b->contact_features = FEATURES;
    qvmbus_connect(b, QVMBUS_V(6, 0));
    qvmbus_post_words(b, QVM_PAUSE, 0, NULL);
    qvmbus_expect(b, QVM_PAUSED, NULL);
    /* Not allowed now */
    qvmbus_post_words(b, QVM_REQUEST_OFFERS, 0, NULL);
    for (i = 0; i < 20; i++) {
        qtest_readl(s, 0);
        g_assert_false(qvmbus_poll(b, 0, QVMBUS_SINT, &m));
    }
    qvmbus_post_words(b, QVM_RESUME, 0, NULL);
    qvmbus_request_offers(b);

    /* What happens in the meantime is told later */
    qvmbus_post_words(b, QVM_PAUSE, 0, NULL);
    qvmbus_expect(b, QVM_PAUSED, NULL);
    qtest_qmp_device_add(s, "vmbus-testdev", "u", "{}");
    for (i = 0; i < 20; i++) {
        qtest_readl(s, 0);
        g_assert_false(qvmbus_poll(b, 0, QVMBUS_SINT, &m));
    }
    qvmbus_post_words(b, QVM_RESUME, 0, NULL);
    qvmbus_expect(b, QVM_OFFER, NULL);

    /* A new connection is not paused */
    qvmbus_post_words(b, QVM_PAUSE, 0, NULL);
    qvmbus_expect(b, QVM_PAUSED, NULL);
    qvmbus_connect(b, QVMBUS_V(6, 0));
    qvmbus_request_offers(b);
    g_assert_cmpuint(b->offers->len, ==, 2);
    stop(b);
}

/* Sockets: refused, with a reason where the protocol has one */
static void test_tl_connect(void)
{
    QVmbus *b = start_version(1, DEVICE, QVMBUS_V(4, 0));
    uint32_t words[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    QVmbusMsg m;

    qvmbus_post_words(b, QVM_TL_CONNECT, 8, words);
    qvmbus_sync(b);
    qvmbus_connect(b, QVMBUS_V(5, 3));
    qvmbus_post_words(b, QVM_TL_CONNECT, 12, words);
    qvmbus_expect(b, QVM_TL_RESULT, &m);
    g_assert_cmpuint(ldl_le_p(m.data + 8), ==, 1);
    g_assert_cmpuint(ldl_le_p(m.data + 24), ==, 5);
    g_assert_cmphex((uint32_t)ldl_le_p(m.data + 40), ==, 0xc0000236);
    stop(b);
}

/* Signals of the guest's own choice, and no interrupts at all */
static void test_signal_params(void)
{
    QTestState *s = qvmbus_start(1, DEVICE);
    QVmbus *b = qvmbus_new(s, 1);
    QVmbusOffer choice;
    QVmbusChan *c;
    uint64_t gpa;
    uint32_t gpadl;

    b->contact_features = FEATURES;
    qvmbus_connect(b, QVMBUS_V(6, 0));
    qvmbus_request_offers(b);
    c = qvmbus_open(testdev(b), 4, 4, 0);
    assert_works(c);
    qvmbus_close(c);

    choice = *testdev(b);
    choice.connection_id = 0x4321;
    c = qvmbus_open(&choice, 4, 4, 0);
    g_assert_cmphex(qhv_fast(s, 0, HC_SIGNAL_EVENT,
                             testdev(b)->connection_id, 0), ==,
                    ST_INVALID_CONNECTION_ID);
    assert_works(c);
    qvmbus_close(c);
    /* One that somebody else has */
    choice.connection_id = QVMBUS_CONN_EVENT;
    g_assert_null(qvmbus_try_open(&choice, 4, 4, 0));

    c = qvmbus_open(testdev(b), 4, 4, UINT32_MAX);
    c->vp = 0;
    while (qvmbus_take_event(c)) {
        continue;
    }
    assert_works(c);
    qvmbus_sync(b);
    g_assert_false(qvmbus_take_event(c));
    qvmbus_close(c);

    /* An open message without them */
    gpa = qvmbus_alloc(b, 4);
    gpadl = qvmbus_gpadl(b, testdev(b)->relid, gpa, 4);
    b->features = 0;
    g_assert_cmphex(qvmbus_open_gpadl(testdev(b), gpadl, 2, 0), !=, 0);
    stop(b);
}

static void del(QVmbus *b, const char *id)
{
    qtest_qmp_assert_success(b->qts, "{'execute': 'device_del',"
                             " 'arguments': {'id': %s}}", id);
}

static void wait_deleted(QVmbus *b)
{
    qtest_qmp_eventwait(b->qts, "DEVICE_DELETED");
}

static void test_hotplug(void)
{
    QVmbus *b = start(DEVICE);
    QVmbusOffer *first = testdev(b), *o;
    QVmbusChan *c, *sub;
    unsigned i;

    for (i = 0; i < 3; i++) {
        qtest_qmp_device_add(b->qts, "vmbus-testdev", "plug",
                             "{'channels': 2}");
        qvmbus_expect(b, QVM_OFFER, NULL);
        o = g_ptr_array_index(b->offers, 1);
        g_assert_cmpuint(o->relid, !=, first->relid);
        c = qvmbus_open(o, 4, 4, 0);
        g_assert_cmpuint(ask(c, SUBCHANNELS, 1), ==, 0);
        sub = qvmbus_open(qvmbus_wait_offer(b, TESTDEV, 1), 2, 2, 0);
        assert_works(sub);

        del(b, "plug");
        /* Sub-channels go first */
        qvmbus_wait_rescind(sub->offer);
        g_assert_false(c->offer->rescinded);
        qvmbus_wait_rescind(c->offer);
        /* Until the guest has let go, all works as before */
        assert_works(c);
        assert_works(sub);
        g_assert_null(qtest_qmp_event_ref(b->qts, "DEVICE_DELETED"));
        o = sub->offer;
        qvmbus_close(sub);
        qvmbus_release(o);
        o = c->offer;
        if (i == 1) {
            /* Without closing it */
            g_free(c);
        } else {
            qvmbus_close(c);
        }
        qvmbus_release(o);
        wait_deleted(b);
    }
    g_assert_cmpuint(b->offers->len, ==, 1);
    c = qvmbus_open(first, 4, 4, 0);
    assert_works(c);
    qvmbus_close(c);

    /* A guest that has no connection is not asked */
    qvmbus_unload(b);
    del(b, "t");
    wait_deleted(b);
    qvmbus_connect(b, QVMBUS_V(5, 3));
    qvmbus_request_offers(b);
    g_assert_cmpuint(b->offers->len, ==, 0);
    stop(b);
}

/* A guest that disconnects or is reset lets go of everything */
static void test_unplug_reset(void)
{
    QVmbus *b = start(DEVICE " -device vmbus-testdev,id=u");
    QTestState *s = b->qts;
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);

    assert_works(c);
    g_free(c);
    del(b, "t");
    qvmbus_connect(b, QVMBUS_V(5, 3));
    wait_deleted(b);
    qvmbus_request_offers(b);
    g_assert_cmpuint(b->offers->len, ==, 1);

    del(b, "u");
    qvmbus_expect(b, QVM_RESCIND, NULL);
    qtest_system_reset(s);
    wait_deleted(b);
    stop(b);
}

static void test_reset(void)
{
    QVmbus *b = start(DEVICE);
    QTestState *s = b->qts;
    QVmbusChan *c = qvmbus_open(testdev(b), 4, 4, 0);
    unsigned i;

    for (i = 0; i < 3; i++) {
        assert_works(c);
        g_free(c);
        qtest_system_reset(s);
        qhv_setup_apic(s, 1);
        qvmbus_free(b);
        b = qvmbus_new(s, 1);
        qvmbus_connect(b, versions[i * 5]);
        qvmbus_request_offers(b);
        c = qvmbus_open(testdev(b), 4, 4, 0);
    }
    assert_works(c);
    qvmbus_close(c);
    stop(b);
}

/* A device's class that only one can have, and ids that only one can have */
static void test_instances(void)
{
    QVmbus *b = start("-device vmbus-testdev,id=t,"
                      "instanceid=11111111-2222-3333-4444-555555555555");
    static const uint8_t id[16] = {
        0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33,
        0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
    };
    QDict *rsp;

    g_assert_cmpmem(testdev(b)->instanceid, 16, id, 16);
    rsp = qtest_qmp(b->qts, "{'execute': 'device_add', 'arguments': {"
                    "'driver': 'vmbus-testdev', 'instanceid': "
                    "'11111111-2222-3333-4444-555555555555'}}");
    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    rsp = qtest_qmp(b->qts, "{'execute': 'device_add', 'arguments': {"
                    "'driver': 'vmbus-testdev', 'channels': 0}}");
    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    rsp = qtest_qmp(b->qts, "{'execute': 'device_add', 'arguments': {"
                    "'driver': 'vmbus-testdev', 'channels': 3000}}");
    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    qvmbus_sync(b);
    g_assert_cmpuint(b->offers->len, ==, 1);
    stop(b);
}

static void test_iothread(void)
{
    QVmbus *b = start_version(2, "-object iothread,id=io -device "
                              "vmbus-testdev,id=t,iothread=io,channels=2",
                              QVMBUS_V(5, 3));
    QVmbusChan *c, *sub;
    uint32_t words[2];
    unsigned i;

    for (i = 0; i < 10; i++) {
        QVmbusOffer *o;

        c = qvmbus_open(testdev(b), 4, 4, 0);
        assert_works(c);
        qvmbus_wait_event(c);
        g_assert_cmpuint(ask(c, SUBCHANNELS, 1), ==, 0);
        o = qvmbus_wait_offer(b, TESTDEV, 1);
        sub = qvmbus_open(o, 4, 4, 1);
        assert_works(sub);
        qvmbus_wait_event(sub);
        words[0] = o->relid;
        words[1] = 0;
        qvmbus_post_words(b, QVM_MODIFY, 2, words);
        qvmbus_expect(b, QVM_MODIFIED, NULL);
        sub->vp = 0;
        assert_works(sub);
        qvmbus_wait_event(sub);
        qvmbus_close(c);
        qvmbus_wait_rescind(o);
        qvmbus_close(sub);
        qvmbus_release(o);
        qvmbus_sync(b);
    }
    stop(b);
}

/* --- save and restore --- */

static QVmbus *move(QVmbus *b, unsigned cpus, const char *extra, char *file)
{
    QTestState *s = b->qts;
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *args = g_strdup_printf("%s -incoming defer", extra);

    qtest_qmp_assert_success(s, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    qtest_qmp_eventwait(s, "STOP");
    for (;;) {
        QDict *rsp = qtest_qmp_assert_success_ref(
            s, "{'execute': 'query-migrate'}");
        g_autofree char *status = g_strdup(qdict_get_str(rsp, "status"));

        qobject_unref(rsp);
        if (g_str_equal(status, "completed")) {
            break;
        }
        g_assert_cmpstr(status, !=, "failed");
    }
    qhv_assert_stream(file);
    qtest_quit(s);

    s = qvmbus_start(cpus, args);
    qtest_qmp_assert_success(s, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    qtest_qmp_eventwait(s, "RESUME");
    b->qts = s;
    return b;
}

static void test_migrate(void)
{
    const char *extra = "-device vmbus-testdev,id=t,channels=2 "
                        "-device vmbus-testdev,id=u";
    g_autofree char *file = NULL;
    QVmbus *b = start_version(2, extra, QVMBUS_V(5, 3));
    QVmbusOffer *o = testdev(b);
    QVmbusChan *c = qvmbus_open(o, 4, 4, 1), *sub;
    uint64_t gpa = qvmbus_alloc(b, 64);
    uint8_t msg[240] = {};
    uint32_t id = 0x8888;
    QVmbusPacket *p;
    QVmbusMsg m;
    unsigned i;
    int fd = g_file_open_tmp("vmbus-XXXXXX", &file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpuint(ask(c, SUBCHANNELS, 1), ==, 0);
    sub = qvmbus_open(qvmbus_wait_offer(b, TESTDEV, 1), 2, 2, 0);
    assert_works(sub);
    qvmbus_wait_event(c);

    /* Half of a GPADL, a packet nobody was told of, and an unread message */
    stl_le_p(msg, QVM_GPADL_HEADER);
    stl_le_p(msg + 8, o->relid);
    stl_le_p(msg + 12, id);
    stw_le_p(msg + 16, 8 + 50 * 8);
    stw_le_p(msg + 18, 1);
    stl_le_p(msg + 20, 50 * QHV_PAGE);
    for (i = 0; i < 26; i++) {
        stq_le_p(msg + 28 + i * 8, gpa / QHV_PAGE + i);
    }
    qvmbus_post(b, msg, 28 + 26 * 8);
    qvmbus_sync(b);
    memset(msg, 0, sizeof(msg));
    g_assert_true(qvmbus_try_send(c, QVP_INBAND, NULL, 0, msg, 8, true, 77));
    for (i = 0; i < 3; i++) {
        stl_le_p(msg, QVM_OPEN);
        stl_le_p(msg + 8, 0xfff0 + i);
        qvmbus_post(b, msg, 148);
    }

    b = move(b, 2, extra, file);

    for (i = 0; i < 3; i++) {
        qvmbus_expect(b, QVM_OPEN_RESULT, &m);
        g_assert_cmphex(ldl_le_p(m.data + 8), ==, 0xfff0 + i);
    }
    p = qvmbus_recv(c);
    g_assert_cmpuint(p->transaction_id, ==, 77);
    qvmbus_packet_free(p);
    qvmbus_wait_event(c);
    assert_works(c);
    qvmbus_wait_event(c);
    assert_works(sub);

    qtest_memset(b->qts, gpa, 1, 50 * QHV_PAGE);
    memset(msg, 0, sizeof(msg));
    stl_le_p(msg, QVM_GPADL_BODY);
    stl_le_p(msg + 12, id);
    for (i = 26; i < 50; i++) {
        stq_le_p(msg + 16 + (i - 26) * 8, gpa / QHV_PAGE + i);
    }
    qvmbus_post(b, msg, 16 + 24 * 8);
    qvmbus_expect(b, QVM_GPADL_CREATED, &m);
    g_assert_cmphex(ldl_le_p(m.data + 12), ==, id);
    g_assert_cmphex(ldl_le_p(m.data + 16), ==, 0);
    g_assert_cmpuint(ask(c, SUM, id), ==, 50 * QHV_PAGE);

    /* The devices are still those that the guest knows */
    qvmbus_close(c);
    qvmbus_wait_rescind(sub->offer);
    qvmbus_release(sub->offer);
    g_free(sub);
    del(b, "t");
    qvmbus_wait_rescind(o);
    qvmbus_release(o);
    wait_deleted(b);
    unlink(file);
    stop(b);
}

/*
 * A device whose state does not travel: to the guest, it goes and comes back.
 * The balloon's is such a one.
 */
static void test_migrate_reoffer(void)
{
    const char *extra = "-device hv-balloon,id=hvb";
    g_autofree char *file = NULL;
    QVmbus *b = start(extra);
    QVmbusOffer *o = g_ptr_array_index(b->offers, 0);
    QVmbusChan *c = qvmbus_open(o, 4, 4, 0);
    int fd = g_file_open_tmp("vmbus-XXXXXX", &file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    b = move(b, 1, extra, file);
    qvmbus_wait_rescind(o);
    qvmbus_close(c);
    qvmbus_release(o);
    qvmbus_expect(b, QVM_OFFER, NULL);
    c = qvmbus_open(g_ptr_array_index(b->offers, 0), 4, 4, 0);
    qvmbus_close(c);
    unlink(file);
    stop(b);
}

/* The first device makes the bridge; there is no second one */
static void test_bridge(void)
{
    QTestState *s = qvmbus_start(1, "-device vmbus-bridge -device "
                                 "vmbus-testdev");
    QVmbus *b = qvmbus_new(s, 1);

    qvmbus_connect(b, QVMBUS_V(5, 3));
    qvmbus_request_offers(b);
    g_assert_cmpuint(b->offers->len, ==, 1);
    stop(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("hyperv/vmbus/bridge", test_bridge);
    qtest_add_func("hyperv/vmbus/versions", test_versions);
    qtest_add_func("hyperv/vmbus/contact-resets", test_contact_resets);
    qtest_add_func("hyperv/vmbus/open-close", test_open_close);
    qtest_add_func("hyperv/vmbus/open-errors", test_open_errors);
    qtest_add_func("hyperv/vmbus/gpadl", test_gpadl);
    qtest_add_func("hyperv/vmbus/gpadl-limit", test_gpadl_limit);
    qtest_add_func("hyperv/vmbus/hostile-messages", test_hostile_messages);
    qtest_add_func("hyperv/vmbus/not-negotiated", test_not_negotiated);
    qtest_add_func("hyperv/vmbus/ring", test_ring);
    qtest_add_func("hyperv/vmbus/interrupts", test_interrupts);
    qtest_add_func("hyperv/vmbus/full", test_full);
    qtest_add_func("hyperv/vmbus/hostile-ring", test_hostile_ring);
    qtest_add_func("hyperv/vmbus/gpa-direct", test_gpa_direct);
    qtest_add_func("hyperv/vmbus/subchannels", test_subchannels);
    qtest_add_func("hyperv/vmbus/modify", test_modify);
    qtest_add_func("hyperv/vmbus/reserved", test_reserved);
    qtest_add_func("hyperv/vmbus/pause", test_pause);
    qtest_add_func("hyperv/vmbus/tl-connect", test_tl_connect);
    qtest_add_func("hyperv/vmbus/signal-params", test_signal_params);
    qtest_add_func("hyperv/vmbus/hotplug", test_hotplug);
    qtest_add_func("hyperv/vmbus/unplug-reset", test_unplug_reset);
    qtest_add_func("hyperv/vmbus/reset", test_reset);
    qtest_add_func("hyperv/vmbus/instances", test_instances);
    qtest_add_func("hyperv/vmbus/iothread", test_iothread);
    qtest_add_func("hyperv/vmbus/migrate", test_migrate);
    qtest_add_func("hyperv/vmbus/migrate-reoffer", test_migrate_reoffer);
    return g_test_run();
}
