/*
 * VMBus: the protocol code alone
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../fuzz/vmbus-fuzz.c"

/* --- rings --- */

#define PAGES 9

typedef struct Pair {
    uint8_t *mem;
    uint8_t *page[PAGES];
    VMBusMem m;
    VMBusSendRing send;
    VMBusRecvRing recv;
} Pair;

/* Both ends of one ring, in pages that are adjacent here and there */
static void pair_init(Pair *p)
{
    static const unsigned order[PAGES] = { 0, 4, 5, 6, 1, 3, 2, 8, 7 };
    unsigned i;

    p->mem = g_malloc0(PAGES * HV_PAGE_SIZE);
    for (i = 0; i < PAGES; i++) {
        p->page[i] = p->mem + order[i] * HV_PAGE_SIZE;
    }
    p->m = (VMBusMem) { .nr_pages = PAGES, .page = p->page };
    g_assert_true(vmbus_send_ring_init(&p->send, &p->m, 0, PAGES));
    g_assert_true(vmbus_recv_ring_init(&p->recv, &p->m, 0, PAGES));
}

static void fill(uint8_t *buf, unsigned len, uint32_t seed)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        seed = seed * 1103515245 + 12345;
        buf[i] = seed >> 16;
    }
}

static void test_ring_content(void)
{
    static uint8_t buf[8192], got[8192];
    Pair p = {};
    uint32_t i;

    pair_init(&p);
    for (i = 0; i < 5000; i++) {
        unsigned desclen = i % 5 * 8, len = i * 37 % 5000;
        struct iovec iov[2] = { { buf + 40, len / 3 },
                                { buf + 40 + len / 3, len - len / 3 } };
        VMBusPacket pkt;
        bool signal, more;
        const uint8_t *ptr;

        fill(buf, 40 + len, i);
        g_assert_cmpint(vmbus_send_ring_reserve(&p.send, desclen, len), ==, 0);
        vmbus_send_ring_write(&p.send, VMBUS_PACKET_DATA_INBAND, i & 1, i, buf,
                              desclen, iov, 2);
        /* Not visible yet */
        g_assert_true(vmbus_recv_ring_start(&p.recv));
        g_assert_false(vmbus_recv_ring_packet(&p.recv, &pkt));
        vmbus_recv_ring_done(&p.recv, &signal, &more);
        g_assert_true(vmbus_send_ring_commit(&p.send));
        g_assert_true(vmbus_recv_ring_pending(&p.recv));

        g_assert_true(vmbus_recv_ring_start(&p.recv));
        g_assert_true(vmbus_recv_ring_packet(&p.recv, &pkt));
        g_assert_cmpuint(pkt.transaction_id, ==, i);
        g_assert_cmpint(pkt.need_comp, ==, i & 1);
        g_assert_cmpuint(pkt.desclen, ==, desclen);
        g_assert_cmpuint(pkt.msglen, ==, ROUND_UP(len, 8));
        vmbus_ring_read(&p.recv.ring, pkt.desc_off, got, desclen);
        g_assert_cmpmem(got, desclen, buf, desclen);
        vmbus_ring_read(&p.recv.ring, pkt.msg_off, got, len);
        g_assert_cmpmem(got, len, buf + 40, len);
        ptr = vmbus_ring_ptr(&p.recv.ring, pkt.msg_off, len);
        if (ptr) {
            g_assert_cmpmem(ptr, len, buf + 40, len);
        }
        vmbus_recv_ring_pop(&p.recv);
        g_assert_cmpuint(vmbus_recv_ring_done(&p.recv, &signal, &more), >, 0);
        g_assert_false(signal);
        g_assert_false(more);
    }
    g_free(p.mem);
}

static void test_ring_limits(void)
{
    uint32_t size = (PAGES - 1) * HV_PAGE_SIZE;
    Pair p = {};

    pair_init(&p);
    g_assert_false(vmbus_send_ring_init(&p.send, &p.m, 0, 1));
    g_assert_false(vmbus_send_ring_init(&p.send, &p.m, PAGES, 2));
    g_assert_false(vmbus_send_ring_init(&p.send, &p.m, 1, PAGES));
    g_assert_false(vmbus_send_ring_init(&p.send, &p.m, UINT32_MAX, 2));
    g_assert_true(vmbus_send_ring_init(&p.send, &p.m, 0, PAGES));
    /* Header and trailer, and eight bytes that stay free */
    g_assert_cmpint(vmbus_send_ring_reserve(&p.send, 0, size - 24), ==,
                    -EINVAL);
    g_assert_cmpint(vmbus_send_ring_reserve(&p.send, 0, UINT32_MAX), ==,
                    -EINVAL);
    g_assert_cmpint(vmbus_send_ring_reserve(&p.send, UINT32_MAX, 8), ==,
                    -EINVAL);
    g_assert_cmpint(vmbus_send_ring_reserve(&p.send, 0, size - 32), ==, 0);
    g_assert_cmpint(vmbus_send_ring_reserve(&p.send, 0, 0), ==, -ENOSPC);
    g_free(p.mem);
}

/*
 * Two threads that sleep whenever the ring lets them: it deadlocks if one ever
 * misses the other.
 */
#define PACKETS 200000

typedef struct Threads {
    Pair p;
    QemuSemaphore data;
    QemuSemaphore room;
} Threads;

static void *producer(void *opaque)
{
    Threads *t = opaque;
    uint64_t buf[64] = {};
    uint32_t i;

    for (i = 0; i < PACKETS; i++) {
        struct iovec iov = { buf, (i * 7 % 64) * 8 };

        while (vmbus_send_ring_reserve(&t->p.send, 0, iov.iov_len)) {
            qemu_sem_wait(&t->room);
        }
        vmbus_send_ring_write(&t->p.send, VMBUS_PACKET_DATA_INBAND, 0, i, NULL,
                              0, &iov, 1);
        if (vmbus_send_ring_commit(&t->p.send)) {
            qemu_sem_post(&t->data);
        }
    }
    return NULL;
}

static void test_ring_threads(void)
{
    static Threads t;
    QemuThread thread;
    uint32_t i = 0;

    pair_init(&t.p);
    qemu_sem_init(&t.data, 0);
    qemu_sem_init(&t.room, 0);
    qemu_thread_create(&thread, "producer", producer, &t,
                       QEMU_THREAD_JOINABLE);
    while (i < PACKETS) {
        VMBusPacket pkt;
        bool signal, more;

        g_assert_true(vmbus_recv_ring_start(&t.p.recv));
        while (vmbus_recv_ring_packet(&t.p.recv, &pkt)) {
            g_assert_cmpuint(pkt.transaction_id, ==, i);
            g_assert_cmpuint(pkt.msglen, ==, (i * 7 % 64) * 8);
            i++;
            vmbus_recv_ring_pop(&t.p.recv);
        }
        vmbus_recv_ring_done(&t.p.recv, &signal, &more);
        if (signal) {
            qemu_sem_post(&t.room);
        }
        if (!more && i < PACKETS) {
            qemu_sem_wait(&t.data);
        }
    }
    qemu_thread_join(&thread);
    qemu_sem_destroy(&t.data);
    qemu_sem_destroy(&t.room);
    g_free(t.p.mem);
}

/* --- GPADLs --- */

static void test_gpadl_parts(void)
{
    VMBusGpadls l;
    uint8_t buf[240] = {};
    vmbus_message_gpadl_header *h = (void *)buf;
    vmbus_message_gpadl_body *body = (void *)buf;
    VMBusGpadl *g, *h2;
    uint32_t relid;

    vmbus_gpadls_init(&l);
    h->child_relid = cpu_to_le32(3);
    h->gpadl_id = cpu_to_le32(7);
    h->range_buflen = cpu_to_le16(8 + 3 * 8);
    h->rangecount = cpu_to_le16(1);
    h->range[0].byte_count = cpu_to_le32(3 * HV_PAGE_SIZE);
    stq_le_p(buf + 28, 0x10);
    /* Half a page number does not count */
    g = vmbus_gpadls_header(&l, h, 28 + 12);
    g_assert_nonnull(g);
    g_assert_cmpuint(g->seen, ==, 1);
    g_assert_null(vmbus_gpadls_ref(&l, 3, 7));
    g_assert_false(vmbus_gpadls_remove(&l, 3, 7));
    g_assert_null(vmbus_gpadls_header(&l, h, 36));

    stq_le_p(buf + 16, 0x20);
    stq_le_p(buf + 24, 0x30);
    stq_le_p(buf + 32, 0x40);
    body->gpadl_id = cpu_to_le32(8);
    g_assert_null(vmbus_gpadls_body(&l, body, 16, &relid));
    g_assert_cmpuint(relid, ==, 0);
    body->gpadl_id = cpu_to_le32(7);
    /* What is too much is ignored */
    g_assert_true(vmbus_gpadls_body(&l, body, 40, &relid) == g);
    g_assert_cmpuint(relid, ==, 3);
    g_assert_cmphex(g->pfn[2], ==, 0x30);
    g_assert_cmpuint(g->seen, ==, 3);

    /* A user's reference outlives the guest's */
    h2 = vmbus_gpadls_ref(&l, 3, 7);
    g_assert_true(h2 == g);
    g_assert_true(vmbus_gpadls_remove(&l, 3, 7));
    g_assert_null(vmbus_gpadls_ref(&l, 3, 7));
    g_assert_cmphex(g->pfn[0], ==, 0x10);
    vmbus_gpadl_unref(g);
    g_assert_cmpuint(l.nr_pages, ==, 0);
    vmbus_gpadls_destroy(&l);
}

/* --- fuzz targets, with what a test can afford --- */

/* Random bytes are seldom a message, so most of these are shaped like one */
static void random_messages(GRand *r, GByteArray *a)
{
    static const uint8_t contact[] = {
        40, 14, 0, 0, 0, 0, 0, 0, 0, 3, 0, 5, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        8, 3, 0, 0, 0, 0, 0, 0, 0,
    };
    unsigned n = g_rand_int_range(r, 1, 60);

    g_byte_array_append(a, contact, sizeof(contact));
    if (g_rand_boolean(r)) {
        /* Version 6.0, with all features */
        a->data[a->len - sizeof(contact) + 9] = 0;
        a->data[a->len - sizeof(contact) + 11] = 6;
        memset(a->data + a->len - sizeof(contact) + 21, 0x27, 4);
    }
    while (n--) {
        uint8_t msg[241] = {};
        unsigned len = g_rand_int_range(r, 8, 241), i;

        if (g_rand_int_range(r, 0, 10) == 0) {
            msg[0] = g_rand_int_range(r, 241, 256);
            g_byte_array_append(a, msg, 1);
            continue;
        }
        msg[0] = len;
        msg[1] = g_rand_int_range(r, 0, 31);
        for (i = 9; i <= len; i++) {
            /* Small numbers: channels, GPADLs and offsets that exist */
            msg[i] = i % 4 == 1 ? g_rand_int_range(r, 0, 6) :
                     g_rand_int_range(r, 0, 40) ? 0 : g_rand_int(r);
        }
        if (msg[1] == VMBUS_MSG_GPADL_HEADER) {
            unsigned pages = g_rand_int_range(r, 1, 40);

            stw_le_p(msg + 17, 8 + pages * 8);
            stw_le_p(msg + 19, 1);
            stl_le_p(msg + 21, pages * HV_PAGE_SIZE);
            stl_le_p(msg + 25, 0);
        }
        g_byte_array_append(a, msg, len + 1);
    }
}

static void test_fuzz_server(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(1);
    unsigned i;

    for (i = 0; i < 3000; i++) {
        g_autoptr(GByteArray) a = g_byte_array_new();
        uint8_t target = 0;

        g_byte_array_append(a, &target, 1);
        random_messages(r, a);
        LLVMFuzzerTestOneInput(a->data, a->len);
    }
}

static void test_fuzz_ring(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(2);
    uint8_t buf[2000];
    unsigned i, j;

    for (i = 0; i < 3000; i++) {
        buf[0] = 1;
        for (j = 1; j < sizeof(buf); j++) {
            buf[j] = g_rand_int_range(r, 0, 3) ? g_rand_int_range(r, 0, 9) :
                     g_rand_int(r);
        }
        LLVMFuzzerTestOneInput(buf, sizeof(buf));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmbus/ring/content", test_ring_content);
    g_test_add_func("/vmbus/ring/limits", test_ring_limits);
    g_test_add_func("/vmbus/ring/threads", test_ring_threads);
    g_test_add_func("/vmbus/gpadl/parts", test_gpadl_parts);
    g_test_add_func("/vmbus/fuzz/server", test_fuzz_server);
    g_test_add_func("/vmbus/fuzz/ring", test_fuzz_ring);
    return g_test_run();
}
