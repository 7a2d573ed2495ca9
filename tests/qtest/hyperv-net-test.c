/*
 * The Hyper-V synthetic network card, between a guest's driver and a peer on
 * the network that are both here
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "qemu/sockets.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "hw/hyperv/net-proto.h"
#include "libqos/vmbus.h"

#define MAC             "52:54:00:12:34:56"
#define RECV_ID         0xcafe
#define RECV_PAGES      80      /* 40 sections, of which 16 are for control */
#define SEND_PAGES      8
#define DATA_SECTIONS   24
#define RING_PAGES      5

static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
static const uint8_t peer_mac[6] = { 0x52, 0x54, 0x00, 0x65, 0x43, 0x21 };
static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

typedef struct Net {
    QTestState *s;
    QVmbus *b;
    QVmbusChan *c;
    int fd;                     /* of the peer */
    uint64_t recv, send, page;
    uint32_t recv_gpadl, send_gpadl;
    uint32_t version, section_size, sections, send_section;
    uint32_t request;
    uint64_t tid;
    uint32_t table[NVSP_INDIRECTION_ENTRIES];
    unsigned tables;            /* of these that came */
} Net;

/* A frame that the guest got: the RNDIS packet, complete */
typedef struct Frame {
    uint64_t tid;
    uint32_t channel;
    uint32_t count;             /* of ranges */
    uint32_t len;
    uint8_t *data;
} Frame;

/* ldl_le_p() is signed */
static uint32_t get32(const void *p)
{
    return ldl_le_p(p);
}

/* --- the machine -------------------------------------------------------- */

static int peer(char **args, unsigned queues, const char *extra)
{
    int sv[2], size = 32 * KiB;

    g_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    /* a peer that does not read is soon noticed */
    g_assert(!setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
    *args = g_strdup_printf("-netdev socket,id=net,fd=%d -device "
                            "hv-net,id=nic,netdev=net,mac=" MAC ",queues=%u %s",
                            sv[1], queues, extra ? extra : "");
    return sv[0];
}

static Net *net_start(unsigned queues, const char *extra)
{
    Net *n = g_new0(Net, 1);
    g_autofree char *args = NULL;

    n->fd = peer(&args, queues, extra);
    n->s = qvmbus_start(1, args);
    n->b = qvmbus_new(n->s, 1);
    n->tid = 0x1000;
    return n;
}

static void net_connect(Net *n)
{
    qvmbus_connect(n->b, QVMBUS_V(5, 3));
    qvmbus_request_offers(n->b);
}

static void net_open(Net *n)
{
    QVmbusOffer *offer = qvmbus_find(n->b, HV_NET_CLASS_GUID, 0);

    g_assert(offer);
    g_free(n->c);
    n->c = qvmbus_open(offer, RING_PAGES, RING_PAGES, 0);
    if (!n->recv) {
        n->recv = qvmbus_alloc(n->b, RECV_PAGES);
        n->send = qvmbus_alloc(n->b, SEND_PAGES);
        n->page = qvmbus_alloc(n->b, 32);
    }
    n->recv_gpadl = qvmbus_gpadl(n->b, offer->relid, n->recv, RECV_PAGES);
    n->send_gpadl = qvmbus_gpadl(n->b, offer->relid, n->send, SEND_PAGES);
}

static void net_close(Net *n)
{
    uint32_t relid = n->c->offer->relid;

    qvmbus_close(n->c);
    n->c = NULL;
    qvmbus_gpadl_teardown(n->b, relid, n->recv_gpadl);
    qvmbus_gpadl_teardown(n->b, relid, n->send_gpadl);
}

static void net_stop(Net *n)
{
    g_free(n->c);
    qvmbus_free(n->b);
    qtest_quit(n->s);
    close(n->fd);
    g_free(n);
}

/* --- packets ------------------------------------------------------------ */

static void frame_free(Frame *f)
{
    g_free(f->data);
    g_free(f);
}

/* What the ranges of a packet hold */
static Frame *frame_of(Net *n, QVmbusPacket *p)
{
    Frame *f = g_new0(Frame, 1);

    f->tid = p->transaction_id;
    g_assert_cmpint(lduw_le_p(p->desc), ==, RECV_ID);
    f->count = get32(p->desc + 4);
    g_assert_cmpint(f->count, >=, 1);
    g_assert_cmpint(get32(p->data), ==, NVSP_MSG1_RNDIS_PKT);
    f->channel = get32(p->data + 4);
    for (unsigned i = 0; i < f->count; i++) {
        uint32_t len = get32(p->desc + 8 + 8 * i);
        uint32_t off = get32(p->desc + 12 + 8 * i);

        g_assert_cmpint(off + len, <=, RECV_PAGES * QHV_PAGE);
        g_assert_cmpint(len, <=, n->section_size - NVSP_SECTION_TAIL);
        f->data = g_realloc(f->data, f->len + len);
        qtest_memread(n->s, n->recv + off, f->data + f->len, len);
        f->len += len;
    }
    return f;
}

/* Give the sections of a packet back */
static void complete(Net *n, uint64_t tid)
{
    uint32_t msg[2] = {
        cpu_to_le32(NVSP_MSG1_RNDIS_PKT_COMPLETE),
        cpu_to_le32(NVSP_STAT_SUCCESS),
    };

    qvmbus_send(n->c, QVP_COMPLETION, NULL, 0, msg, sizeof(msg), false, tid);
}

/* Which channel the guest is to send by, for each hash */
static void got_table(Net *n, QVmbusPacket *p)
{
    NvspMessage msg;
    uint32_t offset;

    g_assert_cmpint(p->len, >=, sizeof(msg));
    memcpy(&msg, p->data, sizeof(msg));
    g_assert_cmpint(le32_to_cpu(msg.type), ==, NVSP_MSG5_INDIRECTION_TABLE);
    g_assert_cmpint(le32_to_cpu(msg.indirection_table.count), ==,
                    NVSP_INDIRECTION_ENTRIES);
    offset = le32_to_cpu(msg.indirection_table.offset);
    g_assert_cmpint(offset + sizeof(n->table), <=, p->len);
    memcpy(n->table, (uint8_t *)p->data + offset, sizeof(n->table));
    n->tables++;
}

/*
 * Send a message and wait for the completion, which goes to @reply; a control
 * message that comes meanwhile is returned.
 */
static Frame *message(Net *n, NvspMessage *msg, const QVmbusRange *range,
                      unsigned ranges, NvspMessage *reply, uint32_t *len)
{
    Frame *f = NULL;
    uint64_t tid = ++n->tid;

    if (ranges) {
        qvmbus_send_gpa(n->c, range, ranges, msg, sizeof(*msg), tid);
    } else {
        qvmbus_send(n->c, QVP_INBAND, NULL, 0, msg, sizeof(*msg), true, tid);
    }
    for (;;) {
        QVmbusPacket *p = qvmbus_recv(n->c);
        bool done = p->type == QVP_COMPLETION;

        if (done) {
            g_assert_cmpint(p->transaction_id, ==, tid);
            memset(reply, 0, sizeof(*reply));
            memcpy(reply, p->data, MIN(p->len, sizeof(*reply)));
            if (len) {
                *len = p->len;
            }
        } else if (p->type == QVP_XFER_PAGES) {
            g_assert(!f);
            f = frame_of(n, p);
        } else {
            g_assert_cmpint(p->type, ==, QVP_INBAND);
            got_table(n, p);
        }
        qvmbus_packet_free(p);
        if (done) {
            return f;
        }
    }
}

static uint32_t nvsp(Net *n, NvspMessage msg, NvspMessage *reply)
{
    uint32_t len;
    Frame *f = message(n, &msg, NULL, 0, reply, &len);

    g_assert(!f);
    return len;
}

/* A RNDIS message in the guest's own memory: the status of its completion */
static uint32_t rndis(Net *n, uint32_t channel, const void *data,
                      uint32_t len, Frame **answer)
{
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.channel_type = cpu_to_le32(channel),
        .rndis_pkt.section_index = cpu_to_le32(NVSP_NO_SECTION),
    };
    QVmbusRange range = { n->page + 8, len };
    NvspMessage reply;
    Frame *f;

    qtest_memwrite(n->s, n->page + 8, data, len);
    f = message(n, &msg, &range, 1, &reply, NULL);
    g_assert_cmpint(le32_to_cpu(reply.type), ==,
                    NVSP_MSG1_RNDIS_PKT_COMPLETE);
    if (answer) {
        *answer = f;
    } else {
        g_assert(!f);
    }
    return le32_to_cpu(reply.rndis_pkt_complete.status);
}

/* --- control ------------------------------------------------------------ */

static bool nvsp_init(Net *n, uint32_t version)
{
    NvspMessage reply;

    nvsp(n, (NvspMessage) {
             .type = cpu_to_le32(NVSP_MSG_INIT),
             .init.min_version = cpu_to_le32(version),
             .init.max_version = cpu_to_le32(version),
         }, &reply);
    g_assert_cmpint(le32_to_cpu(reply.type), ==, NVSP_MSG_INIT_COMPLETE);
    if (le32_to_cpu(reply.init_complete.status) != NVSP_STAT_SUCCESS) {
        return false;
    }
    n->version = version;
    return true;
}

static void nvsp_buffers(Net *n, uint64_t caps, uint32_t mtu)
{
    NvspMessage reply;
    uint32_t len;

    if (n->version >= NVSP_VERSION_2) {
        nvsp(n, (NvspMessage) {
                 .type = cpu_to_le32(NVSP_MSG2_NDIS_CONFIG),
                 .ndis_config.mtu = cpu_to_le32(mtu),
                 .ndis_config.capabilities = cpu_to_le64(caps),
             }, &reply);
    }
    nvsp(n, (NvspMessage) {
             .type = cpu_to_le32(NVSP_MSG1_NDIS_VERSION),
             .ndis_version.major = cpu_to_le32(6),
             .ndis_version.minor = cpu_to_le32(30),
         }, &reply);
    len = nvsp(n, (NvspMessage) {
                   .type = cpu_to_le32(NVSP_MSG1_RECV_BUF),
                   .buffer.gpadl = cpu_to_le32(n->recv_gpadl),
                   .buffer.id = cpu_to_le16(RECV_ID),
               }, &reply);
    g_assert_cmpint(len, ==, n->version == NVSP_VERSION_61 ? 40 : 32);
    g_assert_cmpint(le32_to_cpu(reply.type), ==, NVSP_MSG1_RECV_BUF_COMPLETE);
    g_assert_cmpint(le32_to_cpu(reply.recv_buf_complete.status), ==,
                    NVSP_STAT_SUCCESS);
    g_assert_cmpint(le32_to_cpu(reply.recv_buf_complete.num_sections), ==, 1);
    n->section_size = le32_to_cpu(reply.recv_buf_complete.sub_alloc_size);
    n->sections = le32_to_cpu(reply.recv_buf_complete.num_sub_allocs);
    g_assert_cmpint(n->section_size * n->sections, <=, RECV_PAGES * QHV_PAGE);
    nvsp(n, (NvspMessage) {
             .type = cpu_to_le32(NVSP_MSG1_SEND_BUF),
             .buffer.gpadl = cpu_to_le32(n->send_gpadl),
         }, &reply);
    g_assert_cmpint(le32_to_cpu(reply.send_buf_complete.status), ==,
                    NVSP_STAT_SUCCESS);
    n->send_section = le32_to_cpu(reply.send_buf_complete.section_size);
}

/* A request that has an answer: its status; its value to @info */
static uint32_t request(Net *n, uint32_t type, uint32_t oid, const void *in,
                        uint32_t in_len, void *info, uint32_t *info_len)
{
    uint8_t buf[4096] = { 0 };
    RndisRequest *r = (void *)buf;
    uint32_t len = type == RNDIS_MSG_INIT ? sizeof(RndisInit) : sizeof(*r);
    uint32_t status;
    Frame *f;

    r->header.type = cpu_to_le32(type);
    r->header.length = cpu_to_le32(len + in_len);
    r->request_id = cpu_to_le32(++n->request);
    if (type == RNDIS_MSG_QUERY || type == RNDIS_MSG_SET) {
        r->oid = cpu_to_le32(oid);
        r->info_length = cpu_to_le32(in_len);
        r->info_offset = cpu_to_le32(sizeof(*r) - sizeof(r->header));
        if (in_len) {
            memcpy(r + 1, in, in_len);
        }
    }
    g_assert_cmpint(rndis(n, NVSP_CHANNEL_CONTROL, buf, len + in_len, &f), ==,
                    NVSP_STAT_SUCCESS);
    g_assert(f);
    g_assert_cmpint(f->channel, ==, NVSP_CHANNEL_CONTROL);
    g_assert_cmpint(get32(f->data), ==, type | RNDIS_MSG_COMPLETE);
    g_assert_cmpint(get32(f->data + 4), ==, f->len);
    if (type == RNDIS_MSG_RESET) {
        status = get32(f->data + 8);
    } else {
        g_assert_cmpint(get32(f->data + 8), ==, n->request);
        status = get32(f->data + 12);
    }
    if (info) {
        RndisQueryComplete *q = (void *)f->data;

        *info_len = le32_to_cpu(q->info_length);
        g_assert_cmpint(8 + le32_to_cpu(q->info_offset) + *info_len, <=,
                        f->len);
        memcpy(info, f->data + 8 + le32_to_cpu(q->info_offset), *info_len);
    }
    complete(n, f->tid);
    frame_free(f);
    return status;
}

static uint32_t query(Net *n, uint32_t oid, void *info)
{
    uint32_t len;

    g_assert_cmpint(request(n, RNDIS_MSG_QUERY, oid, NULL, 0, info, &len), ==,
                    RNDIS_STATUS_SUCCESS);
    return len;
}

static uint32_t set(Net *n, uint32_t oid, const void *info, uint32_t len)
{
    return request(n, RNDIS_MSG_SET, oid, info, len, NULL, NULL);
}

static void set_filter(Net *n, uint32_t filter)
{
    filter = cpu_to_le32(filter);
    g_assert_cmpint(set(n, OID_GEN_CURRENT_PACKET_FILTER, &filter,
                        sizeof(filter)), ==, RNDIS_STATUS_SUCCESS);
}

/* The card still works, and is the one that it was */
static void sane(Net *n)
{
    uint8_t buf[2048];

    g_assert_cmpint(query(n, OID_802_3_PERMANENT_ADDRESS, buf), ==, 6);
    g_assert(!memcmp(buf, mac, 6));
}

static void net_up(Net *n, uint32_t version, uint64_t caps)
{
    g_assert(nvsp_init(n, version));
    nvsp_buffers(n, caps, 1514);
    g_assert_cmpint(request(n, RNDIS_MSG_INIT, 0, NULL, 0, NULL, NULL), ==,
                    RNDIS_STATUS_SUCCESS);
    sane(n);
    set_filter(n, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST);
}

/* A machine with a card that is ready for frames */
static Net *net_ready(uint64_t caps)
{
    Net *n = net_start(4, NULL);

    net_connect(n);
    net_open(n);
    net_up(n, NVSP_VERSION_61, caps);
    return n;
}

static void set_offloads(Net *n, uint8_t csum, uint8_t lso, uint8_t rsc)
{
    NdisOffloadParameters p = {
        .header.type = NDIS_OBJECT_DEFAULT,
        .header.revision = 3,
        .header.size = cpu_to_le16(sizeof(p)),
        .ip4_csum = csum,
        .tcp4_csum = csum,
        .udp4_csum = csum,
        .tcp6_csum = csum,
        .udp6_csum = csum,
        .lso_v2_ip4 = lso,
        .lso_v2_ip6 = lso,
        .rsc_ip4 = rsc,
        .rsc_ip6 = rsc,
    };

    g_assert_cmpint(set(n, OID_TCP_OFFLOAD_PARAMETERS, &p, sizeof(p)), ==,
                    RNDIS_STATUS_SUCCESS);
}

/* --- the peer ----------------------------------------------------------- */

static void peer_send(Net *n, const void *frame, uint32_t len)
{
    uint32_t size = htonl(len);
    struct iovec iov[] = {
        { &size, sizeof(size) }, { (void *)frame, len },
    };

    g_assert_cmpint(iov_send(n->fd, iov, 2, 0, sizeof(size) + len), ==,
                    sizeof(size) + len);
}

static uint32_t peer_recv(Net *n, uint8_t *frame, uint32_t room)
{
    uint32_t len;

    g_assert_cmpint(recv(n->fd, &len, sizeof(len), MSG_WAITALL), ==,
                    sizeof(len));
    len = ntohl(len);
    g_assert_cmpint(len, <=, room);
    g_assert_cmpint(recv(n->fd, frame, len, MSG_WAITALL), ==, len);
    return len;
}

/* A frame to @dst whose bytes tell it from others */
static uint32_t make_frame(uint8_t *buf, const uint8_t *dst,
                           const uint8_t *src, uint32_t len, uint8_t seed)
{
    memcpy(buf, dst, 6);
    memcpy(buf + 6, src, 6);
    stw_be_p(buf + 12, 0x88b5);
    for (uint32_t i = 14; i < len; i++) {
        buf[i] = seed + i * 7;
    }
    return len;
}

/* The next frame that the guest gets */
static Frame *guest_recv(Net *n)
{
    QVmbusPacket *p = qvmbus_recv(n->c);
    Frame *f;

    g_assert_cmpint(p->type, ==, QVP_XFER_PAGES);
    f = frame_of(n, p);
    qvmbus_packet_free(p);
    return f;
}

static const uint8_t *frame_data(Frame *f, uint32_t *len)
{
    RndisPacket *p = (void *)f->data;

    g_assert_cmpint(le32_to_cpu(p->header.type), ==, RNDIS_MSG_PACKET);
    *len = le32_to_cpu(p->data_length);
    g_assert_cmpint(8 + le32_to_cpu(p->data_offset) + *len, <=, f->len);
    return f->data + 8 + le32_to_cpu(p->data_offset);
}

/* A value of per-packet information */
static bool frame_ppi(Frame *f, uint32_t type, uint32_t *value)
{
    RndisPacket *p = (void *)f->data;
    uint32_t len = le32_to_cpu(p->ppi_length);
    uint8_t *at = f->data + 8 + le32_to_cpu(p->ppi_offset);

    while (len) {
        RndisPpi *ppi = (void *)at;

        if (le32_to_cpu(ppi->type) == type) {
            *value = get32(at + le32_to_cpu(ppi->offset));
            return true;
        }
        at += le32_to_cpu(ppi->size);
        len -= le32_to_cpu(ppi->size);
    }
    return false;
}

/* Have the guest get this frame, and no other before it */
static void assert_arrives(Net *n, const uint8_t *frame, uint32_t len)
{
    uint32_t got;
    Frame *f;

    peer_send(n, frame, len);
    f = guest_recv(n);
    g_assert(!memcmp(frame_data(f, &got), frame, len));
    g_assert_cmpint(got, ==, len);
    complete(n, f->tid);
    frame_free(f);
}

/* A RNDIS packet of a frame, with PPIs: its length */
static uint32_t make_packet(uint8_t *buf, const uint8_t *frame, uint32_t len,
                            const uint32_t (*ppi)[2], unsigned ppis)
{
    RndisPacket *p = (void *)buf;
    uint32_t ppi_len = ppis * 16;
    uint32_t total = ROUND_UP(sizeof(*p) + ppi_len + len, 8);

    memset(buf, 0, total);
    p->header.type = cpu_to_le32(RNDIS_MSG_PACKET);
    p->header.length = cpu_to_le32(total);
    p->data_offset = cpu_to_le32(sizeof(*p) - 8 + ppi_len);
    p->data_length = cpu_to_le32(len);
    if (ppis) {
        p->ppi_offset = cpu_to_le32(sizeof(*p) - 8);
        p->ppi_length = cpu_to_le32(ppi_len);
    }
    for (unsigned i = 0; i < ppis; i++) {
        uint8_t *at = buf + sizeof(*p) + 16 * i;

        stl_le_p(at, 16);
        stl_le_p(at + 4, ppi[i][0]);
        stl_le_p(at + 8, 12);
        stl_le_p(at + 12, ppi[i][1]);
    }
    memcpy(buf + sizeof(*p) + ppi_len, frame, len);
    return total;
}

static uint32_t guest_send(Net *n, const uint8_t *frame, uint32_t len,
                           const uint32_t (*ppi)[2], unsigned ppis)
{
    g_autofree uint8_t *buf = g_malloc(128 * KiB);

    len = make_packet(buf, frame, len, ppi, ppis);
    return rndis(n, NVSP_CHANNEL_DATA, buf, len, NULL);
}

/* --- checksums ---------------------------------------------------------- */

static uint16_t sum16(const uint8_t *p, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Over pseudo header and payload: 0xffff if the checksum is right */
static uint16_t l4_sum(const uint8_t *frame, uint32_t len)
{
    const uint8_t *ip = frame + 14;
    uint32_t hlen = (ip[0] & 15) * 4;
    uint32_t l4 = lduw_be_p(ip + 2) - hlen;

    return sum16(ip + hlen, l4, sum16(ip + 12, 8, ip[9] + l4));
}

/* An IPv4 frame with a TCP or UDP header of no options */
static uint32_t make_ip(uint8_t *buf, bool tcp, uint32_t payload)
{
    uint32_t l4 = (tcp ? 20 : 8) + payload;
    uint8_t *ip = buf + 14;

    make_frame(buf, peer_mac, mac, 14 + 20 + l4, 1);
    stw_be_p(buf + 12, 0x0800);
    memset(ip, 0, 20 + (tcp ? 20 : 8));
    ip[0] = 0x45;
    stw_be_p(ip + 2, MIN(20 + l4, 0xffff));
    ip[8] = 64;
    ip[9] = tcp ? 6 : 17;
    stl_be_p(ip + 12, 0xc0000201);
    stl_be_p(ip + 16, 0xc0000202);
    stw_be_p(ip + 10, ~sum16(ip, 20, 0));
    stw_be_p(ip + 20, 1000);
    stw_be_p(ip + 22, 2000);
    if (tcp) {
        stl_be_p(ip + 24, 5000);        /* sequence */
        ip[32] = 5 << 4;
        ip[33] = 0x18;                  /* ACK, PSH */
    } else {
        stw_be_p(ip + 24, l4);
    }
    return 14 + 20 + l4;
}

/* --- tests -------------------------------------------------------------- */

static void test_versions(void)
{
    static const uint32_t versions[] = {
        NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4, NVSP_VERSION_5,
        NVSP_VERSION_6, NVSP_VERSION_61,
    };
    static const uint32_t refused[] = { 0, 1, 0x20000, 0x60002, 0x70000 };
    Net *n = net_start(4, NULL);
    uint8_t frame[1514];

    net_connect(n);
    for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
        net_open(n);
        for (unsigned j = 0; j < ARRAY_SIZE(refused); j++) {
            g_assert(!nvsp_init(n, refused[j]));
        }
        net_up(n, versions[i], 0);
        assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 60, i));
        make_frame(frame, peer_mac, mac, 1514, i);
        g_assert_cmpint(guest_send(n, frame, 1514, NULL, 0), ==,
                        NVSP_STAT_SUCCESS);
        g_assert_cmpint(peer_recv(n, frame, sizeof(frame)), ==, 1514);
        net_close(n);
    }
    net_stop(n);
}

/* iPXE has a receive buffer of 64 KiB, and nothing but version 1 */
static void test_small_buffer(void)
{
    static const unsigned pages[] = { 16, 12, RECV_PAGES };
    Net *n = net_start(4, NULL);
    uint8_t frame[1514];

    net_connect(n);
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        net_open(n);
        qvmbus_gpadl_teardown(n->b, n->c->offer->relid, n->recv_gpadl);
        n->recv_gpadl = qvmbus_gpadl(n->b, n->c->offer->relid, n->recv,
                                     pages[i]);
        net_up(n, NVSP_VERSION_1, 0);
        g_assert_cmpint(n->section_size * n->sections, <=,
                        pages[i] * QHV_PAGE);
        for (unsigned j = 0; j < 100; j++) {
            assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 1514,
                                                j));
        }
        net_close(n);
    }
    net_stop(n);
}

static void test_control(void)
{
    Net *n = net_ready(0);
    uint8_t buf[2048];
    uint32_t len;

    g_assert_cmpint(query(n, OID_GEN_SUPPORTED_LIST, buf), >, 100);
    g_assert_cmpint(query(n, OID_GEN_MAXIMUM_FRAME_SIZE, buf), ==, 4);
    g_assert_cmpint(get32(buf), ==, 1500);
    g_assert_cmpint(query(n, OID_GEN_MEDIA_CONNECT_STATUS, buf), ==, 4);
    g_assert_cmpint(get32(buf), ==, RNDIS_MEDIA_CONNECTED);
    g_assert_cmpint(request(n, RNDIS_MSG_QUERY, 0x12345678, NULL, 0, buf,
                            &len), ==, RNDIS_STATUS_NOT_SUPPORTED);
    g_assert_cmpint(len, ==, 0);
    g_assert_cmpint(set(n, 0x12345678, buf, 4), ==,
                    RNDIS_STATUS_NOT_SUPPORTED);
    g_assert_cmpint(set(n, OID_GEN_CURRENT_PACKET_FILTER, buf, 3), ==,
                    RNDIS_STATUS_INVALID_LENGTH);
    g_assert_cmpint(request(n, RNDIS_MSG_KEEPALIVE, 0, NULL, 0, NULL, NULL),
                    ==, RNDIS_STATUS_SUCCESS);
    g_assert_cmpint(request(n, RNDIS_MSG_RESET, 0, NULL, 0, NULL, NULL), ==,
                    RNDIS_STATUS_SUCCESS);
    /* which has forgotten the filter */
    g_assert_cmpint(query(n, OID_GEN_CURRENT_PACKET_FILTER, buf), ==, 4);
    g_assert_cmpint(get32(buf), ==, 0);
    /* and so has a card that is initialized once more */
    set_filter(n, NDIS_FILTER_DIRECTED);
    g_assert_cmpint(request(n, RNDIS_MSG_INIT, 0, NULL, 0, NULL, NULL), ==,
                    RNDIS_STATUS_SUCCESS);
    g_assert_cmpint(query(n, OID_GEN_CURRENT_PACKET_FILTER, buf), ==, 4);
    g_assert_cmpint(get32(buf), ==, 0);
    net_stop(n);
}

/* Every value of the list, and what single ones say of a card of 10 Gbit/s */
static void test_oids(void)
{
    static const struct {
        uint32_t oid, len, value;
    } values[] = {
        { OID_GEN_HARDWARE_STATUS, 4, 0 },
        { OID_GEN_MEDIA_SUPPORTED, 4, RNDIS_MEDIUM_802_3 },
        { OID_GEN_MEDIA_IN_USE, 4, RNDIS_MEDIUM_802_3 },
        { OID_GEN_CURRENT_LOOKAHEAD, 4, 1500 },
        { OID_GEN_MAXIMUM_TOTAL_SIZE, 4, 1514 },
        { OID_GEN_TRANSMIT_BLOCK_SIZE, 4, 1514 },
        { OID_GEN_RECEIVE_BLOCK_SIZE, 4, 1514 },
        { OID_GEN_LINK_SPEED, 4, 100000000 },
        { OID_GEN_MAX_LINK_SPEED, 16, 10000000000ull & UINT32_MAX },
        { OID_802_3_MAXIMUM_LIST_SIZE, 4, 64 },
        { OID_GEN_XMIT_ERROR, 4, 0 },
    };
    static const uint8_t groups[12] = { 1, 0, 0x5e, 0, 0, 1, 1, 0, 0x5e, 0, 0,
                                        2 };
    Net *n = net_ready(0);
    uint8_t list[2048], buf[2048];
    uint32_t len, status, nr = query(n, OID_GEN_SUPPORTED_LIST, list) / 4;
    const NdisLinkState *link = (const void *)buf;
    const NdisRssCapabilities *rss = (const void *)buf;
    NdisOffloadEncapsulation *encap = (void *)buf;
    unsigned i;

    for (i = 0; i < nr; i++) {
        status = request(n, RNDIS_MSG_QUERY, get32(list + 4 * i), NULL, 0, buf,
                         &len);
        g_assert_cmpuint(len, <=, 4 * nr);
        /* or one that is only set */
        g_assert(status == RNDIS_STATUS_SUCCESS || !len);
    }
    for (i = 0; i < ARRAY_SIZE(values); i++) {
        g_assert_cmpuint(query(n, values[i].oid, buf), ==, values[i].len);
        g_assert_cmpuint(get32(buf), ==, values[i].value);
    }
    g_assert_cmpuint(query(n, OID_GEN_LINK_STATE, buf), ==, sizeof(*link));
    g_assert_cmpuint(le32_to_cpu(link->connect_state), ==, 1);
    g_assert_cmpuint(le64_to_cpu(link->rcv_speed), ==, 10000000000ull);
    g_assert_cmpuint(query(n, OID_GEN_RECEIVE_SCALE_CAPABILITIES, buf), ==,
                     sizeof(*rss));
    g_assert_cmpuint(le32_to_cpu(rss->num_queues), ==, 4);
    g_assert_cmpuint(le16_to_cpu(rss->num_entries), ==, 128);
    g_assert_cmpuint(query(n, OID_GEN_FRIENDLY_NAME, buf), ==, 32);
    g_assert_cmphex(get32(buf), ==, 'N' | 'e' << 16);
    len = query(n, OID_GEN_VENDOR_DESCRIPTION, buf);
    g_assert_cmpuint(strnlen((char *)buf, len), ==, len - 1);

    g_assert_cmpint(set(n, OID_802_3_MULTICAST_LIST, groups, 12), ==,
                    RNDIS_STATUS_SUCCESS);
    g_assert_cmpuint(query(n, OID_802_3_MULTICAST_LIST, buf), ==, 12);
    g_assert(!memcmp(buf, groups, 12));
    g_assert_cmpint(set(n, OID_802_3_MULTICAST_LIST, list, 65 * 6), ==,
                    RNDIS_STATUS_MULTICAST_FULL);
    g_assert_cmpint(set(n, OID_802_3_MULTICAST_LIST, groups, 11), ==,
                    RNDIS_STATUS_INVALID_LENGTH);
    g_assert_cmpint(set(n, OID_GEN_CURRENT_LOOKAHEAD, list, 4), ==,
                    RNDIS_STATUS_SUCCESS);

    len = query(n, OID_OFFLOAD_ENCAPSULATION, buf);
    g_assert_cmpuint(len, ==, sizeof(*encap));
    g_assert_cmpint(set(n, OID_OFFLOAD_ENCAPSULATION, buf, len), ==,
                    RNDIS_STATUS_SUCCESS);
    g_assert_cmpint(set(n, OID_OFFLOAD_ENCAPSULATION, buf, len - 1), ==,
                    RNDIS_STATUS_INVALID_LENGTH);
    encap->ip6_type ^= cpu_to_le32(0xff);
    g_assert_cmpint(set(n, OID_OFFLOAD_ENCAPSULATION, buf, len), ==,
                    RNDIS_STATUS_NOT_SUPPORTED);
    net_stop(n);
}

/* Set a parameter by name: both are zero-terminated ASCII */
static uint32_t set_config(Net *n, const char *name, const char *value)
{
    struct {
        RndisConfigParameter p;
        uint16_t text[160];
    } QEMU_PACKED in = {
        .p.name_offset = cpu_to_le32(sizeof(in.p)),
        .p.name_length = cpu_to_le32(2 * strlen(name)),
        .p.type = cpu_to_le32(RNDIS_CONFIG_STRING),
        .p.value_offset = cpu_to_le32(sizeof(in.p) + 2 * strlen(name)),
        .p.value_length = cpu_to_le32(2 * strlen(value)),
    };
    unsigned i, len = 0;

    for (i = 0; name[i]; i++) {
        stw_le_p((uint8_t *)&in + sizeof(in.p) + 2 * len++, name[i]);
    }
    for (i = 0; value[i]; i++) {
        stw_le_p((uint8_t *)&in + sizeof(in.p) + 2 * len++, value[i]);
    }
    return set(n, OID_GEN_RNDIS_CONFIG_PARAMETER, &in,
               sizeof(in.p) + 2 * len);
}

/* What is on of the offloads, and what can be; and the address, by name */
static void test_settings(void)
{
    static const struct {
        const char *name, *value;
    } bad[] = {
        { "NetworkAddress", "525400abcde" },
        { "NetworkAddress", "525400abcdeff" },
        { "NetworkAddress", "525400abcdeg" },
        { "NetworkAddress", "535400abcdef" },           /* of a group */
        { "*TCPChecksumOffloadIPv4", "4" },
        { "*TCPChecksumOffloadIPv4", "x" },
        { "NetworkAddress", "0123456789012345678901234567890123456789"
                            "012345678901234567890123" },
    };
    static const uint8_t other[6] = { 0x52, 0x54, 0x00, 0xab, 0xcd, 0xef };
    Net *n = net_ready(NVSP_CAP_RSC);
    NdisOffload caps, on, zero = { 0 };
    RndisConfigParameter p = { 0 };
    uint8_t buf[2048];
    unsigned i;

    g_assert_cmpuint(query(n, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &caps), ==,
                     sizeof(caps));
    g_assert(caps.rsc_ip4 && caps.rsc_ip6 && caps.lso_v2.ip4_max_size);
    set_offloads(n, NDIS_OFFLOAD_TX_RX, NDIS_OFFLOAD_ON, NDIS_OFFLOAD_ON);
    g_assert_cmpuint(query(n, OID_TCP_OFFLOAD_CURRENT_CONFIG, &on), ==,
                     sizeof(on));
    g_assert(!memcmp(&on, &caps, sizeof(on)));
    set_offloads(n, NDIS_OFFLOAD_TX, NDIS_OFFLOAD_OFF, NDIS_OFFLOAD_OFF);
    query(n, OID_TCP_OFFLOAD_CURRENT_CONFIG, &on);
    g_assert(on.csum.ip4_tx == caps.csum.ip4_tx && !on.csum.ip4_rx);
    g_assert(on.csum.ip6_tx == caps.csum.ip6_tx && !on.csum.ip6_rx);
    g_assert(!memcmp(&on.lso_v2, &zero.lso_v2, sizeof(on.lso_v2)));
    g_assert(!on.rsc_ip4 && !on.rsc_ip6);

    /* bit 0 of a value is for sending, bit 1 for receiving */
    g_assert_cmpint(set_config(n, "*TCPChecksumOffloadIPv4", "2"), ==,
                    RNDIS_STATUS_SUCCESS);
    g_assert_cmpint(set_config(n, "*LsoV2IPv6", "1"), ==,
                    RNDIS_STATUS_SUCCESS);
    g_assert_cmpint(set_config(n, "NobodyKnows", "1"), ==,
                    RNDIS_STATUS_SUCCESS);
    query(n, OID_TCP_OFFLOAD_CURRENT_CONFIG, &on);
    g_assert(on.csum.ip4_tx != caps.csum.ip4_tx && on.csum.ip4_tx);
    g_assert(on.csum.ip4_rx != caps.csum.ip4_rx && on.csum.ip4_rx);
    g_assert(!on.lso_v2.ip4_max_size && on.lso_v2.ip6_max_size);

    g_assert_cmpint(set_config(n, "NetworkAddress", "525400abCDEF"), ==,
                    RNDIS_STATUS_SUCCESS);
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmpint(set_config(n, bad[i].name, bad[i].value), ==,
                        RNDIS_STATUS_INVALID_DATA);
    }
    g_assert_cmpuint(query(n, OID_802_3_CURRENT_ADDRESS, buf), ==, 6);
    g_assert(!memcmp(buf, other, 6));
    sane(n);

    /* strings that are not there */
    g_assert_cmpint(set(n, OID_GEN_RNDIS_CONFIG_PARAMETER, &p, sizeof(p) - 1),
                    ==, RNDIS_STATUS_INVALID_LENGTH);
    p.type = cpu_to_le32(RNDIS_CONFIG_STRING);
    p.value_offset = cpu_to_le32(sizeof(p));
    p.value_length = cpu_to_le32(2);
    g_assert_cmpint(set(n, OID_GEN_RNDIS_CONFIG_PARAMETER, &p, sizeof(p)), ==,
                    RNDIS_STATUS_INVALID_DATA);
    p.value_offset = cpu_to_le32(sizeof(p) + 1);
    p.value_length = 0;
    g_assert_cmpint(set(n, OID_GEN_RNDIS_CONFIG_PARAMETER, &p, sizeof(p)), ==,
                    RNDIS_STATUS_INVALID_DATA);
    net_stop(n);
}

static void test_filters(void)
{
    static const uint8_t group[2][6] = {
        { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 },
        { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x02 },
    };
    Net *n = net_ready(0);
    uint8_t frame[60], other[60], buf[2048];

    /* what is dropped is not there before what arrives */
    make_frame(other, peer_mac, peer_mac, 60, 1);
    peer_send(n, other, 60);
    assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 60, 2));
    assert_arrives(n, frame, make_frame(frame, broadcast, peer_mac, 60, 3));
    make_frame(other, group[0], peer_mac, 60, 4);
    peer_send(n, other, 60);
    assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 60, 5));

    g_assert_cmpint(set(n, OID_802_3_MULTICAST_LIST, group[0], 6), ==,
                    RNDIS_STATUS_SUCCESS);
    set_filter(n, NDIS_FILTER_MULTICAST);
    assert_arrives(n, other, 60);
    make_frame(frame, group[1], peer_mac, 60, 6);
    peer_send(n, frame, 60);
    make_frame(frame, mac, peer_mac, 60, 7);
    peer_send(n, frame, 60);
    assert_arrives(n, other, 60);
    set_filter(n, NDIS_FILTER_ALL_MULTICAST);
    assert_arrives(n, frame, make_frame(frame, group[1], peer_mac, 60, 8));
    set_filter(n, NDIS_FILTER_PROMISCUOUS);
    assert_arrives(n, frame, make_frame(frame, peer_mac, peer_mac, 60, 9));

    g_assert_cmpint(query(n, OID_GEN_RCV_OK, buf), ==, 4);
    g_assert_cmpint(get32(buf), ==, 7);
    net_stop(n);
}

/* All ways that a frame can come from the guest */
static void test_send(void)
{
    Net *n = net_ready(0);
    g_autofree uint8_t *buf = g_malloc(16 * KiB);
    uint8_t frame[1514], got[1514];
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.section_index = cpu_to_le32(2),
    };
    NvspMessage reply;
    QVmbusRange range[2];
    uint32_t len = 0;

    /* three in a section of the send buffer */
    for (unsigned i = 0; i < 3; i++) {
        make_frame(frame, peer_mac, mac, 100 + i, i);
        len += make_packet(buf + len, frame, 100 + i, NULL, 0);
    }
    qtest_memwrite(n->s, n->send + 2 * n->send_section, buf, len);
    msg.rndis_pkt.section_size = cpu_to_le32(len);
    g_assert(!message(n, &msg, NULL, 0, &reply, NULL));
    g_assert_cmpint(le32_to_cpu(reply.rndis_pkt_complete.status), ==,
                    NVSP_STAT_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        make_frame(frame, peer_mac, mac, 100 + i, i);
        g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, 100 + i);
        g_assert(!memcmp(got, frame, 100 + i));
    }

    /* its head in a section, its data in two other places */
    make_frame(frame, peer_mac, mac, 1514, 9);
    make_packet(buf, frame, 1514, NULL, 0);
    qtest_memwrite(n->s, n->send + 2 * n->send_section, buf,
                   sizeof(RndisPacket));
    qtest_memwrite(n->s, n->page + 3000, frame, 1200);
    qtest_memwrite(n->s, n->page + 0x8ff0, frame + 1200, 314);
    msg.rndis_pkt.section_size = cpu_to_le32(sizeof(RndisPacket));
    range[0] = (QVmbusRange) { n->page + 3000, 1200 };
    range[1] = (QVmbusRange) { n->page + 0x8ff0, 320 };
    g_assert(!message(n, &msg, range, 2, &reply, NULL));
    g_assert_cmpint(le32_to_cpu(reply.rndis_pkt_complete.status), ==,
                    NVSP_STAT_SUCCESS);
    g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, 1514);
    g_assert(!memcmp(got, frame, 1514));
    net_stop(n);
}

static void test_checksum(void)
{
    Net *n = net_ready(0);
    g_autofree uint8_t *frame = g_malloc(4 * KiB);
    uint8_t got[2048];
    uint32_t len, value;

    set_offloads(n, NDIS_OFFLOAD_TX_RX, NDIS_OFFLOAD_ON, 0);
    for (unsigned tcp = 0; tcp < 2; tcp++) {
        uint32_t ppi[1][2] = { { RNDIS_PPI_CHECKSUM, RNDIS_TXCSUM_IPV4 |
                                 RNDIS_TXCSUM_IP_HEADER | 34 << 16 |
                                 (tcp ? RNDIS_TXCSUM_TCP :
                                        RNDIS_TXCSUM_UDP) } };
        Frame *f;

        len = make_ip(frame, tcp, 501);
        stw_be_p(frame + 24, 0);
        g_assert_cmpint(guest_send(n, frame, len, ppi, 1), ==,
                        NVSP_STAT_SUCCESS);
        g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, len);
        g_assert_cmpint(sum16(got + 14, 20, 0), ==, 0xffff);
        g_assert_cmpint(l4_sum(got, len), ==, 0xffff);

        /* and the other way */
        memcpy(got, mac, 6);
        peer_send(n, got, len);
        f = guest_recv(n);
        g_assert(frame_ppi(f, RNDIS_PPI_CHECKSUM, &value));
        g_assert_cmphex(value, ==, RNDIS_RXCSUM_IP_GOOD |
                        (tcp ? RNDIS_RXCSUM_TCP_GOOD :
                               RNDIS_RXCSUM_UDP_GOOD));
        complete(n, f->tid);
        frame_free(f);

        /* a bad one is not called good */
        got[60] ^= 1;
        peer_send(n, got, len);
        f = guest_recv(n);
        g_assert(frame_ppi(f, RNDIS_PPI_CHECKSUM, &value));
        g_assert_cmphex(value, ==, RNDIS_RXCSUM_IP_GOOD);
        complete(n, f->tid);
        frame_free(f);
    }
    net_stop(n);
}

static void test_segmentation(void)
{
    const uint32_t payload = 40000, mss = 1460;
    Net *n = net_ready(0);
    g_autofree uint8_t *frame = g_malloc(64 * KiB);
    uint32_t ppi[1][2] = { { RNDIS_PPI_LSO, mss | 34 << 20 | 1u << 30 } };
    uint32_t len = make_ip(frame, true, payload), done = 0;
    uint8_t got[2048];

    set_offloads(n, NDIS_OFFLOAD_TX_RX, NDIS_OFFLOAD_ON, 0);
    stw_be_p(frame + 16, 0);
    stw_be_p(frame + 24, 0);
    g_assert_cmpint(guest_send(n, frame, len, ppi, 1), ==, NVSP_STAT_SUCCESS);
    while (done < payload) {
        uint32_t part = MIN(mss, payload - done);

        g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, 54 + part);
        g_assert_cmpint(lduw_be_p(got + 16), ==, 40 + part);
        g_assert_cmpint(sum16(got + 14, 20, 0), ==, 0xffff);
        g_assert_cmpint(l4_sum(got, 54 + part), ==, 0xffff);
        g_assert_cmpint(ldl_be_p(got + 38), ==, 5000 + done);
        g_assert(!memcmp(got + 54, frame + 54 + done, part));
        done += part;
    }
    net_stop(n);
}

static void test_vlan(void)
{
    const uint32_t tci = 5 << 13 | 1 << 12 | 123;
    Net *n = net_ready(NVSP_CAP_8021Q);
    uint32_t ppi[1][2] = { { RNDIS_PPI_8021Q, RNDIS_8021Q_FROM_TCI(tci) } };
    uint8_t frame[100], got[200];
    uint32_t value, len;
    Frame *f;

    make_frame(frame, peer_mac, mac, 100, 3);
    g_assert_cmpint(guest_send(n, frame, 100, ppi, 1), ==, NVSP_STAT_SUCCESS);
    g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, 104);
    g_assert_cmphex(lduw_be_p(got + 12), ==, 0x8100);
    g_assert_cmphex(lduw_be_p(got + 14), ==, tci);
    g_assert(!memcmp(got + 16, frame + 12, 88));

    memcpy(got, mac, 6);
    peer_send(n, got, 104);
    f = guest_recv(n);
    g_assert(frame_ppi(f, RNDIS_PPI_8021Q, &value));
    g_assert_cmphex(RNDIS_8021Q_TO_TCI(value), ==, tci);
    g_assert(!memcmp(frame_data(f, &len) + 12, frame + 12, 88));
    g_assert_cmpint(len, ==, 100);
    frame_free(f);
    net_stop(n);
}

/* Frames wait for sections of the receive buffer, and none is lost */
static void test_recv_pressure(void)
{
    Net *n = net_ready(0);
    const unsigned total = 3 * DATA_SECTIONS;
    uint8_t frame[1000];
    unsigned count = 0, seen = 0;
    g_autofree uint64_t *tid = g_new0(uint64_t, total);

    for (unsigned i = 0; i < total; i++) {
        peer_send(n, frame, make_frame(frame, mac, peer_mac, 1000, i));
    }
    while (seen < total) {
        unsigned got = 0, packets = 0;

        /* all sections that there are, then none */
        while (got < MIN(DATA_SECTIONS, total - seen)) {
            Frame *f = guest_recv(n);

            for (unsigned i = 0; i < f->count; i++) {
                make_frame(frame, mac, peer_mac, 1000, seen + got + i);
                g_assert(!memcmp(f->data + (f->len / f->count) * (i + 1) -
                                 1000, frame, 1000));
            }
            got += f->count;
            tid[packets++] = f->tid;
            frame_free(f);
        }
        g_assert_cmpint(got, <=, DATA_SECTIONS);
        g_assert(!qvmbus_try_recv(n->c));
        /* control messages have their own */
        sane(n);
        seen += got;
        count++;
        while (packets) {
            complete(n, tid[--packets]);
        }
    }
    g_assert_cmpint(count, ==, 3);
    net_stop(n);
}

/* Completions that are there, in the order of their packets */
static void take_completions(Net *n, unsigned *done)
{
    QVmbusPacket *p;

    while ((p = qvmbus_try_recv(n->c))) {
        g_assert_cmpint(p->type, ==, QVP_COMPLETION);
        g_assert_cmpint(p->transaction_id, ==, *done);
        ++*done;
        qvmbus_packet_free(p);
    }
}

/* Frames wait for a peer that does not read, and none is lost */
static void test_send_pressure(void)
{
    Net *n = net_ready(0);
    uint8_t frame[1514], got[1514], buf[2048];
    unsigned sent = 0, done = 0, len;
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.section_index = cpu_to_le32(NVSP_NO_SECTION),
    };

    make_frame(frame, peer_mac, mac, 1514, 7);
    len = make_packet(buf, frame, 1514, NULL, 0);
    qtest_memwrite(n->s, n->page, buf, len);
    /* until neither the socket nor the ring takes more */
    for (;;) {
        /* one range of one page */
        uint64_t desc[3] = {
            cpu_to_le64(1ull << 32), cpu_to_le64(len),
            cpu_to_le64(n->page / QHV_PAGE),
        };

        if (!qvmbus_try_send(n->c, QVP_GPA_DIRECT, desc, sizeof(desc), &msg,
                             sizeof(msg), true, sent)) {
            break;
        }
        qvmbus_signal(n->c);
        sent++;
        take_completions(n, &done);
    }
    g_assert_cmpint(done, <, sent);
    for (unsigned i = 0; i < sent; i++) {
        g_assert_cmpint(peer_recv(n, got, sizeof(got)), ==, 1514);
        g_assert(!memcmp(got, frame, 1514));
        /* the host needs room for them */
        take_completions(n, &done);
    }
    while (done < sent) {
        take_completions(n, &done);
    }
    sane(n);
    net_stop(n);
}

/* A packet of one frame, which has gone to the peer when this returns */
static void send_one(Net *n, uint32_t size)
{
    uint8_t frame[1514], buf[2048];
    uint32_t len = make_packet(buf, frame,
                               make_frame(frame, peer_mac, mac, size, 0),
                               NULL, 0);
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.section_size = cpu_to_le32(len),
    };

    qtest_memwrite(n->s, n->send, buf, len);
    qvmbus_send(n->c, QVP_INBAND, NULL, 0, &msg, sizeof(msg), true, ++n->tid);
    g_assert_cmpint(peer_recv(n, frame, sizeof(frame)), ==, size);
}

static unsigned count_completions(Net *n)
{
    QVmbusPacket *p;
    unsigned count = 0;

    while ((p = qvmbus_try_recv(n->c))) {
        g_assert_cmpint(p->type, ==, QVP_COMPLETION);
        qvmbus_packet_free(p);
        count++;
    }
    return count;
}

/* Who sends small packets hears later that they have gone */
static void test_late(void)
{
    Net *n = net_ready(0);
    uint8_t frame[60];
    QVmbusPacket *p;

    /* a large one, and what was waiting for it */
    send_one(n, 60);
    g_assert_cmpint(count_completions(n), ==, 0);
    send_one(n, 1514);
    g_assert_cmpint(count_completions(n), ==, 2);
    /* many */
    for (unsigned i = 0; i < 15; i++) {
        send_one(n, 60);
        g_assert_cmpint(count_completions(n), ==, 0);
    }
    send_one(n, 60);
    g_assert_cmpint(count_completions(n), ==, 16);
    /* time */
    send_one(n, 60);
    qtest_clock_step(n->s, 199 * 1000);
    g_assert_cmpint(count_completions(n), ==, 0);
    qtest_clock_step(n->s, 1000);
    g_assert_cmpint(count_completions(n), ==, 1);
    /* a frame */
    send_one(n, 60);
    peer_send(n, frame, make_frame(frame, mac, peer_mac, 60, 1));
    p = qvmbus_recv(n->c);
    g_assert_cmpint(p->type, ==, QVP_COMPLETION);
    qvmbus_packet_free(p);
    frame_free(guest_recv(n));
    /* the end: nothing may wait in a machine that is stopped */
    send_one(n, 60);
    qtest_qmp_assert_success(n->s, "{'execute': 'stop'}");
    g_assert_cmpint(count_completions(n), ==, 1);
    net_stop(n);
}

static void assert_indicated(Net *n, uint32_t status)
{
    Frame *f = guest_recv(n);

    g_assert_cmpint(f->channel, ==, NVSP_CHANNEL_CONTROL);
    g_assert_cmpint(get32(f->data), ==, RNDIS_MSG_INDICATE);
    g_assert_cmphex(get32(f->data + 8), ==, status);
    complete(n, f->tid);
    frame_free(f);
}

static void test_link(void)
{
    Net *n = net_ready(0);

    for (unsigned up = 0; up < 2; up++) {
        qtest_qmp_assert_success(n->s, "{ 'execute': 'set_link', 'arguments':"
                                 " { 'name': 'nic', 'up': %i } }", up);
        assert_indicated(n, up ? RNDIS_STATUS_MEDIA_CONNECT :
                                 RNDIS_STATUS_MEDIA_DISCONNECT);
    }
    net_stop(n);
}

/* Frames go to the channel that the table has for their hash */
static void test_scaling(void)
{
    Net *n = net_ready(0);
    QVmbusChan *sub[4] = { n->c };
    struct {
        NdisRssParameters p;
        uint32_t table[128];
        uint8_t key[40];
    } QEMU_PACKED rss = {
        .p.header.type = NDIS_OBJECT_RSS_PARAMETERS,
        .p.header.revision = 2,
        .p.hash_info = cpu_to_le32(NDIS_HASH_TOEPLITZ | NDIS_HASH_TCP_IPV4),
        .p.table_size = cpu_to_le16(sizeof(rss.table)),
        .p.table_offset = cpu_to_le32(offsetof(typeof(rss), table)),
        .p.key_size = cpu_to_le16(sizeof(rss.key)),
        .p.key_offset = cpu_to_le32(offsetof(typeof(rss), key)),
    };
    NvspMessage reply;
    uint8_t frame[200];
    uint32_t len;

    nvsp(n, (NvspMessage) {
             .type = cpu_to_le32(NVSP_MSG5_SUBCHANNEL),
             .subchannel.op = cpu_to_le32(NVSP_SUBCHANNEL_ALLOCATE),
             .subchannel.num_subchannels = cpu_to_le32(100),
         }, &reply);
    g_assert_cmpint(le32_to_cpu(reply.subchannel.op), ==, NVSP_STAT_SUCCESS);
    g_assert_cmpint(le32_to_cpu(reply.subchannel.num_subchannels), ==, 3);
    for (unsigned i = 1; i < 4; i++) {
        /* it needs all channels, and comes once */
        sane(n);
        g_assert_cmpint(n->tables, ==, 0);
        sub[i] = qvmbus_open(qvmbus_wait_offer(n->b, HV_NET_CLASS_GUID, i),
                             RING_PAGES, RING_PAGES, 0);
    }
    sane(n);
    g_assert_cmpint(n->tables, ==, 1);
    for (unsigned i = 0; i < NVSP_INDIRECTION_ENTRIES; i++) {
        g_assert_cmpint(le32_to_cpu(n->table[i]), ==, i % 4);
    }
    len = make_ip(frame, true, 20);
    memcpy(frame, mac, 6);
    for (unsigned i = 0; i < sizeof(rss.key); i++) {
        rss.key[i] = 3 * i + 1;
    }
    for (unsigned q = 0; q < 4; q++) {
        uint32_t hash;
        QVmbusPacket *p;
        Frame *f;

        for (unsigned i = 0; i < 128; i++) {
            rss.table[i] = cpu_to_le32(q);
        }
        g_assert_cmpint(set(n, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss,
                            sizeof(rss)), ==, RNDIS_STATUS_SUCCESS);
        peer_send(n, frame, len);
        p = qvmbus_recv(sub[q]);
        f = frame_of(n, p);
        g_assert(frame_ppi(f, RNDIS_PPI_HASH, &hash));
        g_assert_cmphex(hash, !=, 0);
        complete(n, f->tid);
        frame_free(f);
        qvmbus_packet_free(p);
    }
    /* a channel that there is not */
    rss.table[5] = cpu_to_le32(4);
    g_assert_cmpint(set(n, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss,
                        sizeof(rss)), ==, RNDIS_STATUS_INVALID_DATA);
    for (unsigned i = 1; i < 4; i++) {
        qvmbus_close(sub[i]);
    }
    net_close(n);
    net_stop(n);
}

/* Whatever a guest sends, it gets an answer and the card goes on */
static void test_hostile(void)
{
    static const struct {
        uint32_t offset, value;
    } bad[] = {
        { offsetof(RndisPacket, header.length), 0 },
        { offsetof(RndisPacket, header.length), 7 },
        { offsetof(RndisPacket, header.length), 43 },
        { offsetof(RndisPacket, header.length), 5000 },
        { offsetof(RndisPacket, header.length), UINT32_MAX },
        { offsetof(RndisPacket, header.type), 0 },
        { offsetof(RndisPacket, header.type), RNDIS_MSG_QUERY },
        { offsetof(RndisPacket, data_offset), 200 },
        { offsetof(RndisPacket, data_offset), UINT32_MAX },
        { offsetof(RndisPacket, data_length), 0 },
        { offsetof(RndisPacket, data_length), 13 },
        { offsetof(RndisPacket, data_length), 200 },
        { offsetof(RndisPacket, data_length), UINT32_MAX },
        { offsetof(RndisPacket, ppi_offset), UINT32_MAX },
        { offsetof(RndisPacket, ppi_length), UINT32_MAX },
        { sizeof(RndisPacket) + offsetof(RndisPpi, size), 0 },
        { sizeof(RndisPacket) + offsetof(RndisPpi, size), 11 },
        { sizeof(RndisPacket) + offsetof(RndisPpi, size), UINT32_MAX },
        { sizeof(RndisPacket) + offsetof(RndisPpi, offset), 13 },
        { sizeof(RndisPacket) + offsetof(RndisPpi, offset), UINT32_MAX },
        /* segments of no size, or of UDP */
        { sizeof(RndisPacket) + 12, 0 },
        { sizeof(RndisPacket) + 12, 1 },
        { sizeof(RndisPacket) + 12, 0xfffff },
        { sizeof(RndisPacket) + 12, 1000 },
    };
    static const struct {
        uint32_t index, size;
    } section[] = {
        { 0, 6145 }, { 4, 6144 }, { 5, 6144 }, { 6, 1 }, { 0x7fffffff, 44 },
        { UINT32_MAX - 1, 44 }, { 0, UINT32_MAX },
    };
    uint32_t ppi[1][2] = { { RNDIS_PPI_LSO, 1000 } };
    Net *n = net_ready(0);
    uint8_t frame[114], buf[2048];
    NvspMessage reply;
    uint32_t len = make_ip(frame, false, 72);

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        uint32_t total = make_packet(buf, frame, len, ppi, 1);

        stl_le_p(buf + bad[i].offset, bad[i].value);
        g_assert_cmpint(rndis(n, NVSP_CHANNEL_DATA, buf, total, NULL), ==,
                        NVSP_STAT_INVALID_RNDIS_PKT);
    }
    sane(n);
    for (unsigned i = 0; i < ARRAY_SIZE(section); i++) {
        NvspMessage msg = {
            .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
            .rndis_pkt.section_index = cpu_to_le32(section[i].index),
            .rndis_pkt.section_size = cpu_to_le32(section[i].size),
        };

        g_assert(!message(n, &msg, NULL, 0, &reply, NULL));
        g_assert_cmpint(le32_to_cpu(reply.rndis_pkt_complete.status), ==,
                        NVSP_STAT_INVALID_RNDIS_PKT);
    }
    sane(n);
    /* control messages: too long, and all kinds of too short */
    memset(buf, 0, sizeof(buf));
    for (uint32_t type = 0; type < 12; type++) {
        for (len = 8; len < 28; len += 4) {
            Frame *f;

            stl_le_p(buf, type);
            stl_le_p(buf + 4, len);
            rndis(n, NVSP_CHANNEL_CONTROL, buf, len, &f);
            if (f) {
                complete(n, f->tid);
                frame_free(f);
            }
        }
    }
    g_assert_cmpint(request(n, RNDIS_MSG_INIT, 0, NULL, 0, NULL, NULL), ==,
                    RNDIS_STATUS_SUCCESS);
    sane(n);
    /* values that lie about where they are */
    for (unsigned i = 0; i < 4; i++) {
        static const uint32_t lie[][2] = {
            { 8, UINT32_MAX }, { UINT32_MAX, 20 }, { 8, 200 }, { 4, 20 },
        };
        RndisRequest *r = (void *)buf;
        Frame *f;

        memset(buf, 0, sizeof(buf));
        r->header.type = cpu_to_le32(RNDIS_MSG_SET);
        r->header.length = cpu_to_le32(sizeof(*r));
        r->oid = cpu_to_le32(OID_GEN_CURRENT_PACKET_FILTER);
        r->info_length = cpu_to_le32(lie[i][0]);
        r->info_offset = cpu_to_le32(lie[i][1]);
        rndis(n, NVSP_CHANNEL_CONTROL, buf, sizeof(*r), &f);
        g_assert(f);
        if (i < 3) {
            g_assert_cmphex(get32(f->data + 12), ==,
                            RNDIS_STATUS_INVALID_LENGTH);
        }
        complete(n, f->tid);
        frame_free(f);
    }
    /* completions of what the guest does not have */
    for (unsigned i = 0; i < 50; i++) {
        complete(n, i);
    }
    complete(n, UINT64_MAX);
    sane(n);
    /* a second pair of buffers, and buffers that do not exist */
    for (unsigned i = 0; i < 4; i++) {
        nvsp(n, (NvspMessage) {
                 .type = cpu_to_le32(i & 1 ? NVSP_MSG1_RECV_BUF :
                                             NVSP_MSG1_SEND_BUF),
                 .buffer.gpadl = cpu_to_le32(i & 2 ? 0x777 : n->recv_gpadl),
             }, &reply);
        g_assert_cmpint(le32_to_cpu(reply.recv_buf_complete.status), ==,
                        NVSP_STAT_FAIL);
    }
    /* messages that there are not */
    for (uint32_t type = 137; type < 140; type++) {
        g_assert_cmpint(nvsp(n, (NvspMessage) { .type = cpu_to_le32(type) },
                             &reply), ==, 0);
    }
    sane(n);
    net_stop(n);
}

/* Open and close, with frames under way, again and again */
static void test_cycles(void)
{
    Net *n = net_start(4, NULL);
    uint8_t frame[1514];

    net_connect(n);
    for (unsigned i = 0; i < 100; i++) {
        net_open(n);
        net_up(n, NVSP_VERSION_61, 0);
        peer_send(n, frame, make_frame(frame, mac, peer_mac, 1514, i));
        if (i & 1) {
            frame_free(guest_recv(n));
        }
        net_close(n);
    }
    net_open(n);
    net_up(n, NVSP_VERSION_61, 0);
    make_frame(frame, peer_mac, mac, 60, 0);
    g_assert_cmpint(guest_send(n, frame, 60, NULL, 0), ==, NVSP_STAT_SUCCESS);
    g_assert_cmpint(peer_recv(n, frame, sizeof(frame)), ==, 60);

    /* and the machine is reset in the middle */
    qtest_system_reset(n->s);
    qvmbus_synic_on(n->s, 0);
    qhv_set_guest_os_id(n->s);
    g_ptr_array_set_size(n->b->offers, 0);
    net_connect(n);
    net_open(n);
    net_up(n, NVSP_VERSION_61, 0);
    assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 60, 1));
    net_stop(n);
}

/* --- a day's work ------------------------------------------------------- */

/*
 * Frames have a number, and their length and bytes follow from that.  Those
 * that are under way when the channel is closed may be lost, no others; none
 * comes twice, or after a later one.
 */
typedef struct Flow {
    uint32_t sent, seen, may_be_lost;   /* numbers of the next frame */
} Flow;

/* Places in guest memory that packets of the guest are sent from */
#define SOAK_SECTIONS   5
#define SOAK_SLOTS      (SOAK_SECTIONS + 12)

typedef struct Soak {
    Net *n;
    GRand *random;
    Flow to_peer, to_guest;
    uint64_t slot[SOAK_SLOTS];  /* transaction whose packet is here, or 0 */
    GArray *held;               /* packets of the host's that the guest has */
    bool stalled;               /* the peer does not read */
    unsigned requests;
} Soak;

static uint32_t soak_frame(uint8_t *buf, const uint8_t *dst,
                           const uint8_t *src, uint32_t number)
{
    uint32_t len = 60 + number * 2654435761u % 1455;

    make_frame(buf, dst, src, len, number * 13);
    stl_le_p(buf + 14, number);
    return len;
}

static void soak_seen(Flow *flow, const uint8_t *frame, uint32_t len,
                      const uint8_t *dst, const uint8_t *src)
{
    uint8_t want[1514];
    uint32_t number = get32(frame + 14);

    g_assert_cmpint(number, >=, flow->seen);
    g_assert_cmpint(number, <, flow->sent);
    if (number > flow->seen) {
        g_assert_cmpint(number, <=, flow->may_be_lost);
    }
    g_assert_cmpint(soak_frame(want, dst, src, number), ==, len);
    g_assert(!memcmp(frame, want, len));
    flow->seen = number + 1;
}

/* A packet of the guest's with up to three frames */
static void soak_guest_send(Soak *k)
{
    Net *n = k->n;
    unsigned i = g_rand_int_range(k->random, 0, SOAK_SLOTS);
    unsigned frames = g_rand_int_range(k->random, 1, 4);
    bool section = i < SOAK_SECTIONS;
    uint64_t at = section ? n->send + i * n->send_section :
                            n->page + (i - SOAK_SECTIONS) * 2 * QHV_PAGE;
    uint8_t buf[8192], frame[1514];
    uint32_t len = 0;
    uint32_t head = section ? 0 : g_rand_int_range(k->random, 0, 400) * 8;
    uint64_t desc[4] = {
        cpu_to_le64(1ull << 32), 0,
        cpu_to_le64(at / QHV_PAGE), cpu_to_le64(at / QHV_PAGE + 1),
    };
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.section_index = cpu_to_le32(section ? i : NVSP_NO_SECTION),
    };

    if (k->slot[i]) {
        return;
    }
    for (unsigned f = 0; f < frames; f++) {
        len += make_packet(buf + len, frame,
                           soak_frame(frame, peer_mac, mac,
                                      k->to_peer.sent + f), NULL, 0);
    }
    if (section) {
        msg.rndis_pkt.section_size = cpu_to_le32(len);
    }
    desc[1] = cpu_to_le64((uint64_t)head << 32 | len);
    qtest_memwrite(n->s, at + head, buf, len);
    if (qvmbus_try_send(n->c, section ? QVP_INBAND : QVP_GPA_DIRECT,
                        section ? NULL : desc,
                        section ? 0 : head + len > QHV_PAGE ? 32 : 24,
                        &msg, sizeof(msg), true, n->tid + 1)) {
        k->slot[i] = ++n->tid;
        k->to_peer.sent += frames;
        k->requests++;
    }
    qvmbus_signal(n->c);
}

static void soak_peer_send(Soak *k)
{
    uint8_t frame[1514];
    uint32_t len = soak_frame(frame, mac, peer_mac, k->to_guest.sent);

    /* no more than the sockets hold: it may be that nobody reads */
    if (k->to_guest.sent - k->to_guest.seen < 40) {
        peer_send(k->n, frame, len);
        k->to_guest.sent++;
        k->requests++;
    }
}

/* What the guest has got */
static void soak_take(Soak *k)
{
    QVmbusPacket *p;

    while ((p = qvmbus_try_recv(k->n->c))) {
        if (p->type == QVP_COMPLETION) {
            unsigned i = 0;

            g_assert_cmpint(get32(p->data + 4), ==, NVSP_STAT_SUCCESS);
            /* of a packet that had none yet */
            while (i < SOAK_SLOTS && k->slot[i] != p->transaction_id) {
                i++;
            }
            g_assert_cmpint(i, <, SOAK_SLOTS);
            k->slot[i] = 0;
        } else {
            Frame *f = frame_of(k->n, p);

            g_assert_cmpint(f->channel, ==, NVSP_CHANNEL_DATA);
            for (uint32_t at = 0; at < f->len; ) {
                RndisPacket *r = (void *)(f->data + at);

                soak_seen(&k->to_guest,
                          f->data + at + 8 + le32_to_cpu(r->data_offset),
                          le32_to_cpu(r->data_length), mac, peer_mac);
                at += le32_to_cpu(r->header.length);
            }
            g_array_append_val(k->held, f->tid);
            frame_free(f);
        }
        qvmbus_packet_free(p);
    }
}

/* Give some of the host's packets back, in any order */
static void soak_complete(Soak *k, unsigned most)
{
    while (k->held->len && most--) {
        unsigned i = g_rand_int_range(k->random, 0, k->held->len);

        complete(k->n, g_array_index(k->held, uint64_t, i));
        g_array_remove_index_fast(k->held, i);
    }
}

static void soak_peer_take(Soak *k)
{
    uint8_t frame[1514];

    while (!k->stalled &&
           recv(k->n->fd, frame, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
        uint32_t len = peer_recv(k->n, frame, sizeof(frame));

        soak_seen(&k->to_peer, frame, len, peer_mac, mac);
    }
}

static bool flow_settled(const Flow *flow)
{
    return flow->seen == flow->sent || flow->sent == flow->may_be_lost;
}

static bool soak_settled(Soak *k)
{
    for (unsigned i = 0; i < SOAK_SLOTS; i++) {
        if (k->slot[i]) {
            return false;
        }
    }
    return flow_settled(&k->to_peer) && flow_settled(&k->to_guest);
}

/* Until all frames are where they belong, and nobody owes an answer */
static void soak_settle(Soak *k)
{
    int64_t end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    k->stalled = false;
    do {
        soak_take(k);
        soak_complete(k, UINT_MAX);
        soak_peer_take(k);
        qtest_clock_step(k->n->s, 10 * 1000);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (!soak_settled(k));
}

/* The guest starts anew, whatever is under way */
static void soak_restart(Soak *k, bool machine)
{
    Net *n = k->n;

    if (machine) {
        qtest_system_reset(n->s);
        qvmbus_synic_on(n->s, 0);
        qhv_set_guest_os_id(n->s);
        g_ptr_array_set_size(n->b->offers, 0);
        net_connect(n);
    } else {
        net_close(n);
    }
    memset(k->slot, 0, sizeof(k->slot));
    g_array_set_size(k->held, 0);
    k->to_peer.may_be_lost = k->to_peer.sent;
    k->to_guest.may_be_lost = k->to_guest.sent;
    net_open(n);
    net_up(n, NVSP_VERSION_61, 0);
}

/*
 * Requests of all kinds in random order, with a peer that stalls and a guest
 * that starts anew in the middle: each frame arrives once and as it was, and
 * each packet is completed once.  SOAK is how many, SEED their order.
 */
static void test_soak(void)
{
    const char *env_requests = getenv("SOAK"), *env_seed = getenv("SEED");
    unsigned requests = env_requests ? atoi(env_requests) : 20000;
    unsigned seed = env_seed ? atoi(env_seed) : 1, restarts = 0;
    Soak k = {
        .n = net_ready(0),
        .random = g_rand_new_with_seed(seed),
        .held = g_array_new(false, false, sizeof(uint64_t)),
    };

    while (k.requests < requests) {
        unsigned what = g_rand_int_range(k.random, 0, 1000);

        if (what < 400) {
            soak_guest_send(&k);
        } else if (what < 700) {
            soak_peer_send(&k);
        } else if (what < 850) {
            soak_take(&k);
        } else if (what < 930) {
            soak_peer_take(&k);
        } else if (what < 970) {
            soak_complete(&k, 5);
        } else if (what < 993) {
            k.stalled = !k.stalled;
        } else if (what < 996) {
            soak_settle(&k);
            sane(k.n);
        } else if (what < 998) {
            soak_settle(&k);
            g_assert_cmpint(request(k.n, RNDIS_MSG_RESET, 0, NULL, 0, NULL,
                                    NULL), ==, RNDIS_STATUS_SUCCESS);
            set_filter(k.n, NDIS_FILTER_DIRECTED);
        } else {
            soak_restart(&k, restarts++ % 8 == 7);
        }
    }
    soak_settle(&k);
    g_assert_cmpint(restarts, >, 8);
    g_test_message("%u requests, %u restarts, %u and %u frames", k.requests,
                   restarts, k.to_peer.sent, k.to_guest.sent);
    g_rand_free(k.random);
    g_array_free(k.held, true);
    net_stop(k.n);
}

/* --- memory ------------------------------------------------------------- */

/* Bytes that QEMU has allocated itself; the guest's memory is shared */
static int64_t anonymous_memory(Net *n)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            qtest_pid(n->s));
    g_autofree char *status = NULL;
    uint64_t kib = 0;

    if (g_file_get_contents(path, &status, NULL, NULL)) {
        const char *line = strstr(status, "RssAnon:");

        if (line) {
            sscanf(line, "RssAnon: %" SCNu64, &kib);
        }
    }
    return kib * KiB;
}

/* An open channel costs little more than its rings, however they are laid */
static void test_memory(void)
{
    const unsigned queues = 64, pages = 256;
    Net *n = net_start(queues, "-machine memory-backend=ram -object "
                               "memory-backend-memfd,id=ram,size=64M");
    uint64_t pfn[256];
    int64_t before, after;
    NvspMessage reply;

    net_connect(n);
    net_open(n);
    net_up(n, NVSP_VERSION_61, 0);
    if (!anonymous_memory(n)) {
        g_test_skip("the host does not tell how much memory a process has");
        net_stop(n);
        return;
    }
    nvsp(n, (NvspMessage) {
             .type = cpu_to_le32(NVSP_MSG5_SUBCHANNEL),
             .subchannel.op = cpu_to_le32(NVSP_SUBCHANNEL_ALLOCATE),
             .subchannel.num_subchannels = cpu_to_le32(queues - 1),
         }, &reply);
    g_assert_cmpint(le32_to_cpu(reply.subchannel.op), ==, NVSP_STAT_SUCCESS);
    qvmbus_wait_offer(n->b, HV_NET_CLASS_GUID, queues - 1);
    /* no two next to each other, and the same for all: nobody uses them */
    for (unsigned i = 0; i < pages; i++) {
        pfn[i] = 32 * MiB / QHV_PAGE + 2 * i;
    }
    before = anonymous_memory(n);
    for (unsigned i = 1; i < queues; i++) {
        QVmbusOffer *offer = qvmbus_find(n->b, HV_NET_CLASS_GUID, i);
        uint32_t gpadl;

        gpadl = qvmbus_gpadl_pfns(n->b, offer->relid, pfn, pages, 0,
                                  pages * QHV_PAGE);
        g_assert_cmpint(qvmbus_open_gpadl(offer, gpadl, pages / 2, 0), ==, 0);
    }
    after = anonymous_memory(n);
    g_test_message("%" PRId64 " bytes for each channel",
                   (after - before) / (queues - 1));
    g_assert_cmpint(after - before, <, (queues - 1) * 64 * KiB);
    net_stop(n);
}

/* The card goes when the guest has sent nothing for a while */
static void test_hotplug(void)
{
    Net *n = net_ready(0);
    QVmbusOffer *offer = n->c->offer;
    QVmbusMsg m;
    uint8_t frame[60];

    for (unsigned i = 0; i < 3; i++) {
        qtest_qmp_device_del_send(n->s, "nic");
        assert_indicated(n, RNDIS_STATUS_MEDIA_DISCONNECT);
        qtest_clock_step(n->s, 150 * 1000000);
        guest_send(n, frame, make_frame(frame, peer_mac, mac, 60, i), NULL, 0);
        qtest_clock_step(n->s, 150 * 1000000);
        g_assert_false(qvmbus_poll(n->b, n->b->contact_vp, QVMBUS_SINT, &m));
        qtest_clock_step(n->s, 200 * 1000000);
        qvmbus_wait_rescind(offer);
        net_close(n);
        qvmbus_release(offer);
        qtest_qmp_eventwait(n->s, "DEVICE_DELETED");
        qtest_qmp_device_add(n->s, "hv-net", "nic",
                             "{ 'netdev': 'net', 'mac': %s, 'queues': 4 }",
                             MAC);
        offer = qvmbus_wait_offer(n->b, HV_NET_CLASS_GUID, 0);
        net_open(n);
        net_up(n, NVSP_VERSION_61, 0);
        assert_arrives(n, frame, make_frame(frame, mac, peer_mac, 60, i));
    }
    net_stop(n);
}

/* The guest has frames, more wait for sections, and the card moves */
static void test_migration(void)
{
    Net *n = net_ready(0);
    g_autofree char *path = g_strdup_printf("%s/hyperv-net-%d",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autofree char *args = NULL;
    uint64_t tid[DATA_SECTIONS];
    unsigned packets = 0, got = 0;
    uint8_t frame[1000];
    QVmbusChan *c = n->c;

    set_offloads(n, NDIS_OFFLOAD_TX_RX, NDIS_OFFLOAD_ON, 0);
    for (unsigned i = 0; i < DATA_SECTIONS + 10; i++) {
        peer_send(n, frame, make_frame(frame, mac, peer_mac, 1000, i));
    }
    while (got < DATA_SECTIONS) {
        Frame *f = guest_recv(n);

        got += f->count;
        tid[packets++] = f->tid;
        frame_free(f);
    }
    qtest_qmp_assert_success(n->s, "{ 'execute': 'migrate', 'arguments':"
                             " { 'uri': %s } }", uri);
    for (;;) {
        QDict *rsp = qtest_qmp_assert_success_ref(
            n->s, "{ 'execute': 'query-migrate' }");
        g_autofree char *status = g_strdup(qdict_get_str(rsp, "status"));

        qobject_unref(rsp);
        g_assert_cmpstr(status, !=, "failed");
        if (!strcmp(status, "completed")) {
            break;
        }
        g_usleep(1000);
    }
    qhv_assert_stream(path);
    qtest_quit(n->s);
    close(n->fd);

    n->fd = peer(&args, 4, "-incoming defer");
    n->s = qvmbus_start(1, args);
    n->b->qts = n->s;
    c->bus = n->b;
    qtest_qmp_assert_success(n->s, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_eventwait(n->s, "RESUME");
    unlink(path);

    /* what the guest had is still its own, and is given back */
    sane(n);
    for (unsigned i = 0; i < DATA_SECTIONS; i++) {
        peer_send(n, frame, make_frame(frame, mac, peer_mac, 1000, i));
    }
    sane(n);
    while (packets) {
        complete(n, tid[--packets]);
    }
    for (got = 0; got < DATA_SECTIONS; ) {
        Frame *f = guest_recv(n);

        got += f->count;
        complete(n, f->tid);
        frame_free(f);
    }
    make_frame(frame, peer_mac, mac, 60, 0);
    g_assert_cmpint(guest_send(n, frame, 60, NULL, 0), ==, NVSP_STAT_SUCCESS);
    g_assert_cmpint(peer_recv(n, frame, sizeof(frame)), ==, 60);
    net_stop(n);
}

/* The bridge comes with the card */
static void test_nic(void)
{
    Net *n = g_new0(Net, 1);
    g_autofree char *args = NULL;
    int sv[2];

    g_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    args = g_strdup_printf("-nic socket,fd=%d,model=hv-net,mac=" MAC, sv[1]);
    n->fd = sv[0];
    n->s = qvmbus_start(1, args);
    n->b = qvmbus_new(n->s, 1);
    net_connect(n);
    net_open(n);
    net_up(n, NVSP_VERSION_61, 0);
    net_stop(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/hyperv/net/versions", test_versions);
    qtest_add_func("/hyperv/net/nic", test_nic);
    qtest_add_func("/hyperv/net/small-buffer", test_small_buffer);
    qtest_add_func("/hyperv/net/control", test_control);
    qtest_add_func("/hyperv/net/oids", test_oids);
    qtest_add_func("/hyperv/net/settings", test_settings);
    qtest_add_func("/hyperv/net/filters", test_filters);
    qtest_add_func("/hyperv/net/send", test_send);
    qtest_add_func("/hyperv/net/checksum", test_checksum);
    qtest_add_func("/hyperv/net/segmentation", test_segmentation);
    qtest_add_func("/hyperv/net/vlan", test_vlan);
    qtest_add_func("/hyperv/net/recv-pressure", test_recv_pressure);
    qtest_add_func("/hyperv/net/send-pressure", test_send_pressure);
    qtest_add_func("/hyperv/net/late", test_late);
    qtest_add_func("/hyperv/net/link", test_link);
    qtest_add_func("/hyperv/net/scaling", test_scaling);
    qtest_add_func("/hyperv/net/hostile", test_hostile);
    qtest_add_func("/hyperv/net/cycles", test_cycles);
    qtest_add_func("/hyperv/net/soak", test_soak);
    qtest_add_func("/hyperv/net/memory", test_memory);
    qtest_add_func("/hyperv/net/hotplug", test_hotplug);
    qtest_add_func("/hyperv/net/migration", test_migration);
    return g_test_run();
}
