/*
 * The VMBus as a driver sees it: messages and events by the hypervisor's
 * ports and SynIC (TLFS chapter 11), packets by a ring in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the bus itself does is tested without a CPU (hyperv-vmbus-test.c); this
 * asks whether it gets through to the guest, whosever SynIC that is.
 */

#include "guest.h"

#define SINT    2
#define VECTOR  0x66

/* Channel messages */
enum {
    OFFER = 1,
    REQUEST_OFFERS = 3,
    ALL_OFFERS = 4,
    OPEN = 5,
    OPEN_RESULT = 6,
    CLOSE = 7,
    GPADL_HEADER = 8,
    GPADL_CREATED = 10,
    GPADL_TEARDOWN = 11,
    GPADL_TORNDOWN = 12,
    CONTACT = 14,
    VERSION = 15,
    UNLOAD = 16,
    UNLOADED = 17,
};

#define V(major, minor) ((major) << 16 | (minor))

static const struct {
    uint32_t number;
    const char *name;
} versions[] = {
    { V(2, 4), "2.4" }, { V(3, 0), "3.0" }, { V(4, 1), "4.1" },
    { V(5, 0), "5.0" }, { V(5, 3), "5.3" }, { V(6, 0), "6.0" },
};

static const char *version_name(int row)
{
    return versions[row].name;
}

/* vmbus-testdev: 7d5e6c3a-9b41-4f0e-8a57-0d6b1f3c2e91 */
static const uint8_t testdev_class[16] = {
    0x3a, 0x6c, 0x5e, 0x7d, 0x41, 0x9b, 0x0e, 0x4f,
    0x8a, 0x57, 0x0d, 0x6b, 0x1f, 0x3c, 0x2e, 0x91,
};

static uint32_t conn_id;        /* where messages are posted */

/* Sends a message of @n words, the first of which is its type */
static void send(const uint32_t *words, int n)
{
    struct {
        uint32_t connection, reserved, type, size;
        uint32_t payload[60];
    } *in = page_alloc();
    uint64_t r;

    in->connection = conn_id;
    in->type = 1;
    in->size = n * 4;
    memcpy(in->payload, words, n * 4);
    WAIT_FOR((r = hv_call(HVCALL_POST_MESSAGE, in, NULL)) !=
             HV_INSUFFICIENT_BUFFERS);
    CHECK_EQ(r, HV_SUCCESS, "post of message %u", words[0]);
}

/* Takes the message that is next, as a driver does */
static bool receive(uint32_t words[60])
{
    struct hv_message *m = msg_slot(SINT);

    if (!WAIT_FOR(__atomic_load_n(&m->type, __ATOMIC_ACQUIRE))) {
        return false;
    }
    CHECK_EQ(m->type, 1, "type of a message slot");
    memcpy(words, m->payload, sizeof(m->payload));
    __atomic_store_n(&m->type, HV_MSG_NONE, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&m->flags, __ATOMIC_SEQ_CST) & HV_MSG_PENDING) {
        hv_wr(HV_MSR_EOM, 0);
    }
    return true;
}

static bool expect(uint32_t type, uint32_t words[60])
{
    bool came = receive(words);

    CHECK(came, "message %u does not come", type);
    if (came) {
        CHECK_EQ(words[0], type, "type of a message");
    }
    return came && words[0] == type;
}

/* Who is called, and by which connection from then on */
static bool contact(uint32_t version)
{
    uint32_t msg[14] = { CONTACT, 0, version, this_cpu()->vp };
    uint32_t words[60];
    bool new = version >= V(5, 0);

    conn_id = new ? 4 : 1;
    if (new) {
        msg[4] = SINT;
    }
    send(msg, version >= V(6, 0) ? 14 : 10);
    if (!expect(VERSION, words)) {
        return false;
    }
    CHECK_EQ(words[2] & 0xFF, 1, "version is taken");
    if (new) {
        conn_id = words[3];
    }
    return words[2] & 1;
}

struct channel {
    uint32_t relid, connection;
    uint32_t *out, *in;         /* control pages, a page of data behind each */
};

/* Returns: false if the test device was not offered */
static bool find_device(struct channel *c)
{
    static const uint32_t request[2] = { REQUEST_OFFERS };
    uint32_t words[60];
    bool found = false;

    send(request, 2);
    while (receive(words) && words[0] == OFFER) {
        if (!memcmp(words + 2, testdev_class, sizeof(testdev_class))) {
            c->relid = words[46];
            c->connection = words[48];
            found = true;
        }
    }
    CHECK_EQ(words[0], ALL_OFFERS, "type of the message behind the offers");
    CHECK(found, "no test device");
    return found;
}

static bool open_channel(struct channel *c)
{
    uint32_t gpadl[15] = {
        GPADL_HEADER, 0, c->relid, 0x1000,
        1 << 16 | (8 + 4 * 8),          /* one range, and its length here */
        4 * PAGE_SIZE, 0,
    };
    uint32_t open[37] = {
        OPEN, 0, c->relid, 0x77, 0x1000, this_cpu()->vp, 2,
    };
    uint64_t ring = (uintptr_t)pages_alloc(4, PAGE_SIZE);
    uint32_t words[60];

    memset((void *)ring, 0, 4 * PAGE_SIZE);
    c->out = (void *)ring;
    c->in = (void *)(ring + 2 * PAGE_SIZE);
    for (uint64_t i = 0; i < 4; i++) {
        gpadl[7 + 2 * i] = ring / PAGE_SIZE + i;
    }
    send(gpadl, ARRAY_SIZE(gpadl));
    if (!expect(GPADL_CREATED, words)) {
        return false;
    }
    CHECK_EQ(words[4], 0, "status of the GPADL");
    send(open, ARRAY_SIZE(open));
    if (!expect(OPEN_RESULT, words)) {
        return false;
    }
    CHECK_EQ(words[4], 0, "status of the open channel");
    return !words[4];
}

/* One packet there and back, with an event each way */
static void echo(struct channel *c, uint32_t word)
{
    SHARED uint32_t *write = c->in;
    uint32_t at = c->out[0];
    uint32_t *pkt = c->out + (PAGE_SIZE + at) / 4;
    uint32_t *answer = c->in + (PAGE_SIZE + c->in[1]) / 4;

    /* In band, a header of 2 * 8 bytes, a payload of 8, and where it began */
    pkt[0] = 6 | 2 << 16;
    pkt[1] = 3;
    pkt[2] = word;
    pkt[4] = 0;
    pkt[5] = word;
    pkt[7] = at;
    __atomic_store_n(&c->out[0], at + 32, __ATOMIC_SEQ_CST);
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, c->connection, 0), HV_SUCCESS,
             "signal");
    CHECK(WAIT_FOR(*write != c->in[1]), "no answer");
    CHECK_EQ(*write, c->in[1] + 32, "size of the answer");
    CHECK_EQ(answer[5], word, "payload of the answer");
    CHECK(WAIT_FOR(event_flag(SINT, c->relid)), "event flag");
    event_flag_clear(SINT, c->relid);
    __atomic_store_n(&c->in[1], *write, __ATOMIC_SEQ_CST);
}

static void close_channel(struct channel *c)
{
    uint32_t close[] = { CLOSE, 0, c->relid };
    uint32_t teardown[] = { GPADL_TEARDOWN, 0, c->relid, 0x1000 };
    uint32_t words[60];

    send(close, ARRAY_SIZE(close));
    send(teardown, ARRAY_SIZE(teardown));
    expect(GPADL_TORNDOWN, words);
}

TEST_ROWS(vmbus_version, "PC-018,PC-024,SY-006,SY-012,SY-019,SY-023",
          ARRAY_SIZE(versions), version_name,
          .need = { F_HYPERCALL, F_SYNIC, F_POST_MESSAGES, F_SIGNAL_EVENTS })
{
    static const uint32_t unload[2] = { UNLOAD };
    struct cpu *me = this_cpu();
    struct channel c = { 0 };
    uint32_t words[60], before;

    if (!acpi_dsdt_names("VMBUS") && !acpi_dsdt_names("VMBus")) {
        SKIP("no VMBus");
    }
    synic_on();
    sint_set(SINT, VECTOR);
    before = me->irqs[VECTOR];
    if (!contact(versions[row].number)) {
        return;
    }
    CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "interrupt of a message");
    if (find_device(&c) && open_channel(&c)) {
        for (int i = 1; i <= 3; i++) {
            before = me->irqs[VECTOR];
            echo(&c, i << 16);
            CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "interrupt %d", i);
        }
        close_channel(&c);
    }
    send(unload, 2);
    expect(UNLOADED, words);
}
