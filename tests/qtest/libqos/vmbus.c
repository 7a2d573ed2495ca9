/*
 * The guest's side of VMBus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "vmbus.h"

#define FLAGS "hv-vpindex,hv-synic,hv-time,hv-stimer,hv-vapic,hv-runtime"

#define TIMEOUT_US (60 * G_USEC_PER_SEC)

QTestState *qvmbus_start(unsigned cpus, const char *extra)
{
    return qhv_start(cpus, FLAGS, extra);
}

void qvmbus_synic_on(QTestState *s, unsigned vp)
{
    qhv_synic_on(s, vp);
    qhv_set(s, vp, MSR_SINT(QVMBUS_SINT), QVMBUS_VECTOR);
}

QVmbus *qvmbus_new(QTestState *s, unsigned cpus)
{
    QVmbus *b = g_new0(QVmbus, 1);
    unsigned i;

    b->qts = s;
    b->next_mem = QVMBUS_MEM;
    b->next_gpadl = 0x1000;
    b->offers = g_ptr_array_new_with_free_func(g_free);
    b->conn_id = QVMBUS_CONN_MESSAGE;
    qhv_set_guest_os_id(s);
    for (i = 0; i < cpus; i++) {
        qvmbus_synic_on(s, i);
    }
    b->int_page = qvmbus_alloc(b, 1);
    return b;
}

void qvmbus_free(QVmbus *b)
{
    g_ptr_array_free(b->offers, true);
    g_free(b);
}

uint64_t qvmbus_alloc(QVmbus *b, unsigned pages)
{
    uint64_t gpa = b->next_mem;

    b->next_mem += pages * QHV_PAGE;
    g_assert_cmpuint(b->next_mem, <=, QHV_RAM_SIZE);
    qtest_memset(b->qts, gpa, 0, pages * QHV_PAGE);
    return gpa;
}

void qvmbus_wait(QVmbus *b, bool (*done)(QVmbus *b, void *opaque),
                 void *opaque)
{
    gint64 end = g_get_monotonic_time() + TIMEOUT_US;

    while (!done(b, opaque)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        /* Each command lets QEMU's main loop run once, and time passes */
        qtest_clock_step(b->qts, 10 * 1000);
    }
}

uint16_t qvmbus_try_post(QVmbus *b, uint32_t conn_id, const void *data,
                         uint32_t len)
{
    uint8_t in[256] = {};

    g_assert_cmpuint(len, <=, 240);
    stl_le_p(in, conn_id);
    stl_le_p(in + 8, 1);
    stl_le_p(in + 12, len);
    memcpy(in + 16, data, len);
    return qhv_hcall_mem(b->qts, 0, HC_POST_MESSAGE, in, sizeof(in), NULL);
}

typedef struct Post {
    const void *data;
    uint32_t len;
} Post;

static bool post_done(QVmbus *b, void *opaque)
{
    Post *p = opaque;
    uint16_t status = qvmbus_try_post(b, b->conn_id, p->data, p->len);

    if (status == ST_INSUFFICIENT_BUFFERS) {
        return false;
    }
    g_assert_cmphex(status, ==, ST_SUCCESS);
    return true;
}

void qvmbus_post(QVmbus *b, const void *data, uint32_t len)
{
    Post p = { data, len };

    qvmbus_wait(b, post_done, &p);
}

void qvmbus_post_words(QVmbus *b, uint32_t type, unsigned n,
                       const uint32_t *words)
{
    uint8_t msg[240] = {};
    unsigned i;

    stl_le_p(msg, type);
    for (i = 0; i < n; i++) {
        stl_le_p(msg + 8 + i * 4, words[i]);
    }
    qvmbus_post(b, msg, 8 + n * 4);
}

/* Interrupts say nothing that the slot and the flags do not */
static void take_irqs(QVmbus *b, unsigned vp)
{
    while (qhv_take_irq(b->qts, vp) >= 0) {
        qhv_eoi(b->qts, vp);
    }
}

bool qvmbus_poll(QVmbus *b, unsigned vp, unsigned sint, QVmbusMsg *msg)
{
    QhvMessage m;

    if (!qhv_message_type(b->qts, vp, sint)) {
        return false;
    }
    m = qhv_message(b->qts, vp, sint);
    g_assert_cmphex(m.type, ==, 1);
    g_assert_cmpuint(m.size, >=, 8);
    g_assert_cmpuint(m.size, <=, sizeof(msg->data));
    qhv_message_done(b->qts, vp, sint);
    take_irqs(b, vp);
    /* The host may have set it just before the slot was free */
    if (qtest_readb(b->qts, qhv_slot(vp, sint) + 5) & MESSAGE_PENDING) {
        qhv_set(b->qts, vp, MSR_EOM, 0);
    }
    msg->len = m.size;
    msg->type = ldl_le_p(m.payload);
    memset(msg->data, 0, sizeof(msg->data));
    memcpy(msg->data, m.payload, m.size);
    return true;
}

static QVmbusOffer *find_relid(QVmbus *b, uint32_t relid)
{
    unsigned i;

    for (i = 0; i < b->offers->len; i++) {
        QVmbusOffer *o = g_ptr_array_index(b->offers, i);

        if (o->relid == relid) {
            return o;
        }
    }
    return NULL;
}

static void note_offer(QVmbus *b, const QVmbusMsg *msg)
{
    QVmbusOffer *o = g_new0(QVmbusOffer, 1);
    const uint8_t *p = msg->data;

    g_assert_cmpuint(msg->len, >=, 196);
    o->bus = b;
    memcpy(o->classid, p + 8, 16);
    memcpy(o->instanceid, p + 24, 16);
    o->flags = lduw_le_p(p + 56);
    o->mmio_mb = lduw_le_p(p + 58);
    memcpy(o->user_data, p + 60, sizeof(o->user_data));
    o->index = lduw_le_p(p + 180);
    o->relid = ldl_le_p(p + 184);
    o->monitor_allocated = p[189];
    o->dedicated = lduw_le_p(p + 190);
    o->connection_id = ldl_le_p(p + 192);
    g_assert_null(find_relid(b, o->relid));
    g_ptr_array_add(b->offers, o);
}

static void note_rescind(QVmbus *b, const QVmbusMsg *msg)
{
    QVmbusOffer *o = find_relid(b, ldl_le_p(msg->data + 8));

    g_assert_nonnull(o);
    g_assert_false(o->rescinded);
    o->rescinded = true;
}

/* Offers and rescinds come at any time */
static bool note(QVmbus *b, const QVmbusMsg *msg)
{
    switch (msg->type) {
    case QVM_OFFER:
        note_offer(b, msg);
        return true;
    case QVM_RESCIND:
        note_rescind(b, msg);
        return true;
    }
    return false;
}

static bool next_done(QVmbus *b, void *opaque)
{
    return qvmbus_poll(b, b->contact_vp, QVMBUS_SINT, opaque);
}

void qvmbus_expect(QVmbus *b, uint32_t type, QVmbusMsg *msg)
{
    QVmbusMsg m;
    bool noted;

    do {
        qvmbus_wait(b, next_done, &m);
        noted = note(b, &m);
    } while (m.type != type && noted);
    g_assert_cmpuint(m.type, ==, type);
    if (msg) {
        *msg = m;
    }
}

void qvmbus_sync(QVmbus *b)
{
    uint32_t bogus[5] = { 0xffff, 0x5151 };
    uint8_t msg[28 + 8] = {};
    QVmbusMsg m;
    unsigned i;

    g_assert_cmphex(b->version, !=, 0);
    /* A GPADL of a channel that does not exist is refused in any version */
    stl_le_p(msg, QVM_GPADL_HEADER);
    for (i = 0; i < ARRAY_SIZE(bogus); i++) {
        stl_le_p(msg + 8 + i * 4, bogus[i]);
    }
    qvmbus_post(b, msg, sizeof(msg));
    qvmbus_expect(b, QVM_GPADL_CREATED, &m);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, 0xffff);
    g_assert_cmphex(ldl_le_p(m.data + 16), !=, 0);
}

bool qvmbus_contact(QVmbus *b, uint32_t version)
{
    uint8_t msg[56] = {};
    bool copper = version >= QVMBUS_V(6, 0);
    QVmbusMsg m;

    b->version = 0;
    b->features = 0;
    g_ptr_array_set_size(b->offers, 0);
    stl_le_p(msg, QVM_CONTACT);
    stl_le_p(msg + 8, version);
    stl_le_p(msg + 12, b->contact_vp);
    if (version >= QVMBUS_V(5, 0)) {
        msg[16] = QVMBUS_SINT;
        if (copper) {
            stl_le_p(msg + 20, b->contact_features);
        }
        b->conn_id = QVMBUS_CONN_MESSAGE_4;
    } else {
        stq_le_p(msg + 16, b->int_page);
        b->conn_id = QVMBUS_CONN_MESSAGE;
    }
    qvmbus_post(b, msg, copper ? 56 : 40);
    do {
        qvmbus_wait(b, next_done, &m);
        /* What was on its way to the former connection */
    } while (m.type != QVM_VERSION);
    if (!m.data[8]) {
        return false;
    }
    b->version = version;
    g_assert_cmpuint(m.data[9], ==, 0);
    if (version >= QVMBUS_V(5, 0)) {
        b->conn_id = ldl_le_p(m.data + 12);
    }
    if (copper) {
        g_assert_cmpuint(m.len, >=, 20);
        b->features = ldl_le_p(m.data + 16);
    }
    return true;
}

void qvmbus_connect(QVmbus *b, uint32_t version)
{
    g_assert_true(qvmbus_contact(b, version));
}

void qvmbus_request_offers(QVmbus *b)
{
    qvmbus_post_words(b, QVM_REQUEST_OFFERS, 0, NULL);
    qvmbus_expect(b, QVM_ALL_OFFERS, NULL);
}

void qvmbus_unload(QVmbus *b)
{
    qvmbus_post_words(b, QVM_UNLOAD, 0, NULL);
    qvmbus_expect(b, QVM_UNLOADED, NULL);
    b->version = 0;
    g_ptr_array_set_size(b->offers, 0);
}

/* The usual notation has the first three fields in big-endian order */
static void parse_guid(const char *text, uint8_t guid[16])
{
    static const uint8_t order[16] = {
        3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
    };
    unsigned i;

    for (i = 0; i < 16; i++) {
        if (*text == '-') {
            text++;
        }
        guid[order[i]] = g_ascii_xdigit_value(text[0]) << 4 |
                         g_ascii_xdigit_value(text[1]);
        text += 2;
    }
}

QVmbusOffer *qvmbus_find(QVmbus *b, const char *classid, unsigned index)
{
    uint8_t guid[16];
    unsigned i;

    parse_guid(classid, guid);
    for (i = 0; i < b->offers->len; i++) {
        QVmbusOffer *o = g_ptr_array_index(b->offers, i);

        if (o->index == index && !o->rescinded &&
            !memcmp(o->classid, guid, sizeof(guid))) {
            return o;
        }
    }
    return NULL;
}

QVmbusOffer *qvmbus_wait_offer(QVmbus *b, const char *classid,
                               unsigned index)
{
    QVmbusOffer *o;
    QVmbusMsg m;

    while (!(o = qvmbus_find(b, classid, index))) {
        qvmbus_wait(b, next_done, &m);
        g_assert_true(note(b, &m));
    }
    return o;
}

void qvmbus_wait_rescind(QVmbusOffer *offer)
{
    QVmbusMsg m;

    while (!offer->rescinded) {
        qvmbus_wait(offer->bus, next_done, &m);
        g_assert_true(note(offer->bus, &m));
    }
}

void qvmbus_release(QVmbusOffer *offer)
{
    QVmbus *b = offer->bus;

    qvmbus_post_words(b, QVM_RELEASED, 1, &offer->relid);
    g_ptr_array_remove(b->offers, offer);
}

uint32_t qvmbus_gpadl_pfns(QVmbus *b, uint32_t relid, const uint64_t *pfn,
                           unsigned nr, uint32_t offset, uint32_t len)
{
    uint32_t id = b->next_gpadl++;
    uint8_t msg[240] = {};
    unsigned room = (sizeof(msg) - 28) / 8;
    unsigned i, at = 28;
    QVmbusMsg m;

    stl_le_p(msg, QVM_GPADL_HEADER);
    stl_le_p(msg + 8, relid);
    stl_le_p(msg + 12, id);
    stw_le_p(msg + 16, 8 + nr * 8);
    stw_le_p(msg + 18, 1);
    stl_le_p(msg + 20, len);
    stl_le_p(msg + 24, offset);
    for (i = 0; i < nr; i++) {
        if (!room) {
            qvmbus_post(b, msg, at);
            memset(msg, 0, sizeof(msg));
            stl_le_p(msg, QVM_GPADL_BODY);
            stl_le_p(msg + 12, id);
            at = 16;
            room = (sizeof(msg) - 16) / 8;
        }
        stq_le_p(msg + at, pfn[i]);
        at += 8;
        room--;
    }
    qvmbus_post(b, msg, at);
    qvmbus_expect(b, QVM_GPADL_CREATED, &m);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, relid);
    g_assert_cmphex(ldl_le_p(m.data + 12), ==, id);
    return ldl_le_p(m.data + 16) ? 0 : id;
}

uint32_t qvmbus_gpadl(QVmbus *b, uint32_t relid, uint64_t gpa,
                      unsigned pages)
{
    g_autofree uint64_t *pfn = g_new(uint64_t, pages);
    unsigned i;

    for (i = 0; i < pages; i++) {
        pfn[i] = gpa / QHV_PAGE + i;
    }
    return qvmbus_gpadl_pfns(b, relid, pfn, pages, 0, pages * QHV_PAGE);
}

void qvmbus_gpadl_teardown(QVmbus *b, uint32_t relid, uint32_t gpadl)
{
    uint32_t words[] = { relid, gpadl };
    QVmbusMsg m;

    qvmbus_post_words(b, QVM_GPADL_TEARDOWN, 2, words);
    qvmbus_expect(b, QVM_GPADL_TORNDOWN, &m);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, gpadl);
}

uint32_t qvmbus_open_gpadl(QVmbusOffer *offer, uint32_t gpadl,
                           uint32_t in_offset, uint32_t vp)
{
    QVmbus *b = offer->bus;
    uint8_t msg[156] = {};
    uint32_t open_id = 0x77000000 | offer->relid;
    bool params = b->features & 1;
    QVmbusMsg m;

    stl_le_p(msg, QVM_OPEN);
    stl_le_p(msg + 8, offer->relid);
    stl_le_p(msg + 12, open_id);
    stl_le_p(msg + 16, gpadl);
    stl_le_p(msg + 20, vp);
    stl_le_p(msg + 24, in_offset);
    if (params) {
        stl_le_p(msg + 148, offer->connection_id);
        stw_le_p(msg + 152, offer->relid);
    }
    qvmbus_post(b, msg, params ? 156 : 148);
    qvmbus_expect(b, QVM_OPEN_RESULT, &m);
    g_assert_cmphex(ldl_le_p(m.data + 8), ==, offer->relid);
    g_assert_cmphex(ldl_le_p(m.data + 12), ==, open_id);
    return ldl_le_p(m.data + 16);
}

QVmbusChan *qvmbus_try_open(QVmbusOffer *offer, unsigned out_pages,
                            unsigned in_pages, unsigned vp)
{
    QVmbus *b = offer->bus;
    uint64_t gpa = qvmbus_alloc(b, out_pages + in_pages);
    QVmbusChan *c = g_new0(QVmbusChan, 1);

    c->bus = b;
    c->offer = offer;
    c->vp = vp;
    c->out.ctl = gpa;
    c->out.size = (out_pages - 1) * QHV_PAGE;
    c->in.ctl = gpa + out_pages * QHV_PAGE;
    c->in.size = (in_pages - 1) * QHV_PAGE;
    qvmbus_ring_set(c, &c->out, QVR_FEATURES, 1);
    qvmbus_ring_set(c, &c->in, QVR_FEATURES, 1);
    c->gpadl = qvmbus_gpadl(b, offer->relid, gpa, out_pages + in_pages);
    g_assert_cmphex(c->gpadl, !=, 0);
    if (qvmbus_open_gpadl(offer, c->gpadl, out_pages, vp)) {
        qvmbus_gpadl_teardown(b, offer->relid, c->gpadl);
        g_free(c);
        return NULL;
    }
    return c;
}

QVmbusChan *qvmbus_open(QVmbusOffer *offer, unsigned out_pages,
                        unsigned in_pages, unsigned vp)
{
    QVmbusChan *c;

    g_assert_nonnull(offer);
    c = qvmbus_try_open(offer, out_pages, in_pages, vp);
    g_assert_nonnull(c);
    return c;
}

void qvmbus_close(QVmbusChan *c)
{
    qvmbus_post_words(c->bus, QVM_CLOSE, 1, &c->offer->relid);
    qvmbus_gpadl_teardown(c->bus, c->offer->relid, c->gpadl);
    g_free(c);
}

uint32_t qvmbus_ring_get(QVmbusChan *c, const QVmbusRing *r, unsigned field)
{
    return qtest_readl(c->bus->qts, r->ctl + field);
}

void qvmbus_ring_set(QVmbusChan *c, const QVmbusRing *r, unsigned field,
                     uint32_t val)
{
    qtest_writel(c->bus->qts, r->ctl + field, val);
}

static uint32_t ring_used(QVmbusChan *c, const QVmbusRing *r)
{
    uint32_t write = qvmbus_ring_get(c, r, QVR_WRITE);
    uint32_t read = qvmbus_ring_get(c, r, QVR_READ);

    g_assert_cmpuint(write, <, r->size);
    g_assert_cmpuint(read, <, r->size);
    return (write + r->size - read) % r->size;
}

static void ring_write(QVmbusChan *c, uint32_t at, const void *buf,
                       uint32_t len)
{
    uint64_t data = c->out.ctl + QHV_PAGE;
    uint32_t n = MIN(len, c->out.size - at);

    qtest_memwrite(c->bus->qts, data + at, buf, n);
    if (len > n) {
        qtest_memwrite(c->bus->qts, data, (const char *)buf + n, len - n);
    }
}

static void ring_read(QVmbusChan *c, uint32_t at, void *buf, uint32_t len)
{
    uint64_t data = c->in.ctl + QHV_PAGE;
    uint32_t n = MIN(len, c->in.size - at);

    qtest_memread(c->bus->qts, data + at, buf, n);
    if (len > n) {
        qtest_memread(c->bus->qts, data, (char *)buf + n, len - n);
    }
}

bool qvmbus_try_send(QVmbusChan *c, uint16_t type,
                     const void *desc, uint32_t desclen,
                     const void *data, uint32_t len,
                     bool completion, uint64_t transaction_id)
{
    uint32_t msg_off = 16 + ROUND_UP(desclen, 8);
    uint32_t size = msg_off + ROUND_UP(len, 8) + 8;
    uint32_t write = qvmbus_ring_get(c, &c->out, QVR_WRITE);
    g_autofree uint8_t *pkt = g_malloc0(size);

    if (size >= c->out.size - ring_used(c, &c->out)) {
        return false;
    }
    stw_le_p(pkt, type);
    stw_le_p(pkt + 2, msg_off / 8);
    stw_le_p(pkt + 4, (size - 8) / 8);
    stw_le_p(pkt + 6, completion);
    stq_le_p(pkt + 8, transaction_id);
    if (desclen) {
        memcpy(pkt + 16, desc, desclen);
    }
    memcpy(pkt + msg_off, data, len);
    stl_le_p(pkt + size - 4, write);
    ring_write(c, write, pkt, size);
    qvmbus_ring_set(c, &c->out, QVR_WRITE, (write + size) % c->out.size);
    return true;
}

void qvmbus_signal(QVmbusChan *c)
{
    QVmbus *b = c->bus;
    uint32_t conn = c->offer->connection_id;

    if (b->version == QVMBUS_V(0, 13)) {
        uint64_t at = b->int_page + QHV_PAGE / 2 + c->offer->relid / 32 * 4;

        qtest_writel(b->qts, at, qtest_readl(b->qts, at) |
                     1u << (c->offer->relid % 32));
        conn = QVMBUS_CONN_EVENT;
    }
    g_assert_cmphex(qhv_fast(b->qts, 0, HC_SIGNAL_EVENT, conn, 0), ==,
                    ST_SUCCESS);
}

void qvmbus_send(QVmbusChan *c, uint16_t type,
                 const void *desc, uint32_t desclen,
                 const void *data, uint32_t len,
                 bool completion, uint64_t transaction_id)
{
    g_assert_true(qvmbus_try_send(c, type, desc, desclen, data, len,
                                  completion, transaction_id));
    qvmbus_signal(c);
}

void qvmbus_send_gpa(QVmbusChan *c, const QVmbusRange *range,
                     unsigned ranges, const void *data, uint32_t len,
                     uint64_t transaction_id)
{
    g_autoptr(GByteArray) desc = g_byte_array_new();
    uint8_t buf[8] = {};
    unsigned i;

    stl_le_p(buf + 4, ranges);
    g_byte_array_append(desc, buf, 8);
    for (i = 0; i < ranges; i++) {
        uint64_t pfn = range[i].gpa / QHV_PAGE;
        uint64_t end = range[i].gpa + range[i].len;

        stl_le_p(buf, range[i].len);
        stl_le_p(buf + 4, range[i].gpa % QHV_PAGE);
        g_byte_array_append(desc, buf, 8);
        for (; pfn * QHV_PAGE < end; pfn++) {
            stq_le_p(buf, pfn);
            g_byte_array_append(desc, buf, 8);
        }
    }
    qvmbus_send(c, QVP_GPA_DIRECT, desc->data, desc->len, data, len, true,
                transaction_id);
}

QVmbusPacket *qvmbus_try_recv(QVmbusChan *c)
{
    uint32_t used = ring_used(c, &c->in);
    uint32_t read = qvmbus_ring_get(c, &c->in, QVR_READ);
    uint32_t msg_off, len, pending, room;
    uint8_t hdr[16];
    QVmbusPacket *p;

    if (!used) {
        return NULL;
    }
    g_assert_cmpuint(used, >=, sizeof(hdr) + 8);
    ring_read(c, read, hdr, sizeof(hdr));
    msg_off = lduw_le_p(hdr + 2) * 8;
    len = lduw_le_p(hdr + 4) * 8;
    g_assert_cmpuint(msg_off, >=, sizeof(hdr));
    g_assert_cmpuint(len, >=, msg_off);
    g_assert_cmpuint(len + 8, <=, used);

    p = g_new0(QVmbusPacket, 1);
    p->type = lduw_le_p(hdr);
    p->flags = lduw_le_p(hdr + 6);
    p->transaction_id = ldq_le_p(hdr + 8);
    p->desclen = msg_off - sizeof(hdr);
    p->len = len - msg_off;
    p->desc = g_malloc0(p->desclen + p->len + 1);
    p->data = p->desc + p->desclen;
    ring_read(c, (read + sizeof(hdr)) % c->in.size, p->desc,
              p->desclen + p->len);

    qvmbus_ring_set(c, &c->in, QVR_READ, (read + len + 8) % c->in.size);
    pending = qvmbus_ring_get(c, &c->in, QVR_PENDING);
    room = c->in.size - ring_used(c, &c->in);
    if (pending && room > pending && room - (len + 8) <= pending) {
        qvmbus_signal(c);
    }
    return p;
}

typedef struct Recv {
    QVmbusChan *chan;
    QVmbusPacket *packet;
} Recv;

static bool recv_done(QVmbus *b, void *opaque)
{
    Recv *r = opaque;

    r->packet = qvmbus_try_recv(r->chan);
    return r->packet;
}

QVmbusPacket *qvmbus_recv(QVmbusChan *c)
{
    Recv r = { .chan = c };

    qvmbus_wait(c->bus, recv_done, &r);
    return r.packet;
}

void qvmbus_packet_free(QVmbusPacket *p)
{
    g_free(p->desc);
    g_free(p);
}

bool qvmbus_take_event(QVmbusChan *c)
{
    QVmbus *b = c->bus;
    uint32_t flag = c->offer->relid;
    uint64_t base = b->version && b->version < QVMBUS_V(2, 4) ? b->int_page :
                    QHV_SIEFP + c->vp * QHV_PAGE + QVMBUS_SINT * 256;
    uint64_t at = base + flag / 32 * 4;
    uint32_t word = qtest_readl(b->qts, at);

    if (!(word & (1u << (flag % 32)))) {
        return false;
    }
    qtest_writel(b->qts, at, word & ~(1u << (flag % 32)));
    take_irqs(b, c->vp);
    return true;
}

static bool event_done(QVmbus *b, void *opaque)
{
    return qvmbus_take_event(opaque);
}

void qvmbus_wait_event(QVmbusChan *c)
{
    qvmbus_wait(c->bus, event_done, c);
}
