/*
 * VMBus: fuzz targets for the channel protocol with its GPADLs, and for the
 * rings
 *
 * The first byte of an input chooses the target.  tests/unit/test-vmbus.c runs
 * both with inputs of its own; tests/fuzz/run builds them with libFuzzer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../../hw/hyperv/vmbus/gpadl.c"
#include "../../hw/hyperv/vmbus/mem.c"
#include "../../hw/hyperv/vmbus/ring.c"
#include "../../hw/hyperv/vmbus/server.c"
#include "vmbus-fuzz.h"

void vmbus_mem_free(VMBusMem *mem)
{
    g_assert_not_reached();
}

#define FUZZ_CHANNELS 4

typedef struct FuzzBus {
    VMBusServer server;
    VMBusOffer offer[FUZZ_CHANNELS];
    bool open[FUZZ_CHANNELS];
    uint8_t refuse;
} FuzzBus;

static bool fuzz_connect(VMBusServer *s)
{
    return s->target_vp < 64;
}

static bool fuzz_open(VMBusServer *s, VMBusOffer *o)
{
    FuzzBus *b = container_of(s, FuzzBus, server);

    g_assert_false(b->open[o - b->offer]);
    g_assert_cmpuint(o->open.event_flag, <, VMBUS_CHANNEL_IDS);
    b->open[o - b->offer] = !(b->refuse++ % 4 == 3);
    return b->open[o - b->offer];
}

static void fuzz_close(VMBusServer *s, VMBusOffer *o)
{
    FuzzBus *b = container_of(s, FuzzBus, server);

    g_assert_true(b->open[o - b->offer]);
    b->open[o - b->offer] = false;
}

static bool fuzz_modify(VMBusServer *s, VMBusOffer *o, uint32_t vp)
{
    return vp < 64;
}

static void fuzz_released(VMBusServer *s, VMBusOffer *o)
{
    g_assert_false(o->wanted);
}

static const VMBusServerOps fuzz_ops = {
    .connect = fuzz_connect,
    .open = fuzz_open,
    .close = fuzz_close,
    .modify = fuzz_modify,
    .released = fuzz_released,
};

static void fuzz_check(FuzzBus *b)
{
    VMBusGpadl *g;
    VMBusOutMsg *m;
    uint32_t pages = 0, n = 0;
    unsigned i;

    for (i = 0; i < FUZZ_CHANNELS; i++) {
        g_assert_cmpint(b->open[i], ==,
                        b->offer[i].state == VMBUS_OFFER_OPEN);
    }
    QTAILQ_FOREACH(g, &b->server.gpadls.list, link) {
        g_assert_cmpuint(g->seen, <=, g->nr_pages);
        pages += g->nr_pages;
    }
    g_assert_cmpuint(pages, ==, b->server.gpadls.nr_pages);
    g_assert_cmpuint(pages, <=, VMBUS_GPADLS_PAGES_MAX);
    QTAILQ_FOREACH(m, &b->server.out, link) {
        g_assert_cmpuint(m->len, <=, VMBUS_MSG_MAX_SIZE);
        n++;
    }
    g_assert_cmpuint(n, ==, b->server.nr_out);
}

/*
 * Messages: their length, and so many bytes.  A length of 241 and more stands
 * for something that the host does.
 */
static void fuzz_server(const uint8_t *data, size_t size)
{
    static const uint8_t user_data[VMBUS_CHANNEL_USER_DATA_SIZE];
    FuzzBus *b = g_new0(FuzzBus, 1);
    unsigned i;

    vmbus_server_init(&b->server, &fuzz_ops);
    for (i = 0; i < FUZZ_CHANNELS; i++) {
        /* Two devices of two channels each */
        b->offer[i].device = &b->offer[i / 2 * 2];
        b->offer[i].index = i % 2;
        b->offer[i].user_data = user_data;
        g_assert_true(vmbus_server_add(&b->server, &b->offer[i]));
        if (i % 2 == 0) {
            vmbus_server_offer(&b->server, &b->offer[i]);
        }
    }
    while (size) {
        uint8_t n = *data++;
        VMBusOffer *o = &b->offer[n % FUZZ_CHANNELS];

        size--;
        if (n <= VMBUS_MSG_MAX_SIZE) {
            uint8_t msg[VMBUS_MSG_MAX_SIZE];

            n = MIN(n, size);
            memcpy(msg, data, n);
            vmbus_server_message(&b->server, msg, n);
            data += n;
            size -= n;
        } else if (n < 245) {
            vmbus_server_offer(&b->server, o);
        } else if (n < 249) {
            vmbus_server_withdraw(&b->server, o);
        } else if (n < 252) {
            vmbus_server_reoffer(&b->server, o);
        } else if (n < 255) {
            while (vmbus_server_next(&b->server)) {
                vmbus_server_sent(&b->server);
            }
        } else {
            vmbus_server_reset(&b->server);
        }
        fuzz_check(b);
    }
    for (i = FUZZ_CHANNELS; i-- > 0;) {
        vmbus_server_remove(&b->server, &b->offer[i]);
    }
    for (i = 0; i < FUZZ_CHANNELS; i++) {
        g_assert_false(b->open[i]);
    }
    g_assert_true(QTAILQ_EMPTY(&b->server.gpadls.list));
    vmbus_server_destroy(&b->server);
    g_free(b);
}

#define FUZZ_PAGES 4

/*
 * Memory of rings, and what the host does with it in between: the guest writes
 * whatever it likes, wherever it likes.
 */
static void fuzz_ring(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *mem = g_malloc0(FUZZ_PAGES * HV_PAGE_SIZE);
    uint8_t *page[FUZZ_PAGES];
    VMBusMem m = { .nr_pages = FUZZ_PAGES, .page = page };
    VMBusRecvRing recv = {};
    VMBusSendRing send = {};
    unsigned i;

    for (i = 0; i < FUZZ_PAGES; i++) {
        page[i] = mem + (FUZZ_PAGES - 1 - i) * HV_PAGE_SIZE;
    }
    if (!vmbus_recv_ring_init(&recv, &m, 0, 2) ||
        !vmbus_send_ring_init(&send, &m, 2, 2)) {
        g_assert_not_reached();
    }
    while (size >= 4) {
        uint8_t op = data[0];
        uint8_t len = MIN(data[1], size - 4);
        uint16_t at = lduw_le_p(data + 2);
        VMBusPacket pkt;
        bool signal, more;

        data += 4;
        size -= 4;
        if (op < 128) {
            /* Near the start of a page, where it matters */
            uint32_t off = (op % FUZZ_PAGES) * HV_PAGE_SIZE +
                           (op & 64 ? at % HV_PAGE_SIZE : at % 96);

            len = MIN(len, FUZZ_PAGES * HV_PAGE_SIZE - off);
            vmbus_mem_write(&m, off, data, len);
            data += len;
            size -= len;
        } else if (op < 192) {
            if (vmbus_recv_ring_start(&recv)) {
                while (vmbus_recv_ring_packet(&recv, &pkt)) {
                    g_autofree uint8_t *buf = g_malloc(pkt.msglen);

                    g_assert_cmpuint(pkt.desclen + pkt.msglen, <,
                                     recv.ring.size);
                    vmbus_ring_read(&recv.ring, pkt.msg_off, buf, pkt.msglen);
                    vmbus_ring_ptr(&recv.ring, pkt.desc_off, pkt.desclen);
                    vmbus_recv_ring_pop(&recv);
                }
            }
            vmbus_recv_ring_done(&recv, &signal, &more);
        } else {
            uint8_t buf[256] = {};
            struct iovec iov = { buf, len };

            if (vmbus_send_ring_reserve(&send, op % 64, len) == 0) {
                vmbus_send_ring_write(&send, 6, 0, at, buf, op % 64, &iov, 1);
                vmbus_send_ring_commit(&send);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size) {
        (data[0] % 2 ? fuzz_ring : fuzz_server)(data + 1, size - 1);
    }
    return 0;
}
