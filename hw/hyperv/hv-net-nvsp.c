/*
 * The Hyper-V synthetic network card: NVSP, the protocol on its channels
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "system/runstate.h"
#include "hv-net-internal.h"
#include "trace.h"

/* Packets that a channel handles before others get their turn */
#define HV_NET_BURST        256

/* Newest first */
static const uint32_t nvsp_versions[] = {
    NVSP_VERSION_61, NVSP_VERSION_6, NVSP_VERSION_5, NVSP_VERSION_4,
    NVSP_VERSION_2, NVSP_VERSION_1,
};

/* Whether version @a is at least @b; version 1 has the least number */
static bool nvsp_at_least(uint32_t a, uint32_t b)
{
    return a && a >= b;
}

/* --- Buffers ------------------------------------------------------------ */

static void hv_net_drop_recv_buf(HvNet *s)
{
    vmbus_put_gpadl(s->recv_buf);
    s->recv_buf = NULL;
    s->recv_gpadl = 0;
    s->num_sections = s->num_free = 0;
    g_free(s->next);
    s->next = NULL;
    g_free(s->free);
    s->free = NULL;
    for (unsigned i = 0; i < s->max_queues; i++) {
        s->queues[i].rx_count = 0;
    }
}

static void hv_net_drop_send_buf(HvNet *s)
{
    vmbus_put_gpadl(s->send_buf);
    s->send_buf = NULL;
    s->send_gpadl = 0;
}

static void hv_net_use_sections(HvNet *s, uint32_t num)
{
    s->num_sections = num;
    s->next = g_renew(uint32_t, s->next, num);
    s->free = g_renew(uint32_t, s->free, num);
    s->num_free = 0;
    /* the first sections on top */
    while (num--) {
        s->next[num] = HV_NET_FREE;
        s->free[s->num_free++] = num;
    }
}

void hv_net_forget(HvNet *s)
{
    hv_net_drop_recv_buf(s);
    hv_net_drop_send_buf(s);
    s->version = 0;
    s->ndis_version = 0;
    s->mtu = HV_NET_MIN_MTU;
    s->capabilities = 0;
    s->num_subchannels = 0;
    s->table_pending = false;
    hv_net_rndis_reset(s);
}

/* The guest is done with a packet of ours: its sections are free again */
static void hv_net_recv_complete(HvNet *s, uint64_t id)
{
    uint32_t next;

    if (id >= s->num_sections || s->next[id] >= HV_NET_BATCHED ||
        !(s->next[id] & HV_NET_FIRST)) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "hv-net: completion of packet %" PRIu64
                      ", which the guest does not have\n", id);
        return;
    }
    do {
        next = s->next[id] & HV_NET_NEXT;
        s->next[id] = HV_NET_FREE;
        s->free[s->num_free++] = id;
        id = next;
    } while (id != HV_NET_END);
}

/* --- To the guest ------------------------------------------------------- */

/* The guest sees what is in a queue's ring */
static void hv_net_seen(HvNetQueue *q)
{
    if (q->late) {
        q->late = 0;
        timer_del(&q->late_timer);
    }
}

static uint32_t nvsp_msg_size(HvNet *s)
{
    return s->version == NVSP_VERSION_61 ? NVSP_MSG_SIZE_61 : NVSP_MSG_SIZE;
}

bool hv_net_send_ranges(HvNetQueue *q, uint32_t channel_type,
                        const vmbus_xferpg_range *ranges, uint32_t count)
{
    HvNet *s = q->net;
    struct {
        vmbus_pkt_xferpg head;
        vmbus_xferpg_range range[NVSP_MAX_RANGES];
    } desc;
    uint32_t desclen = sizeof(desc.head) + count * sizeof(desc.range[0]);
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT),
        .rndis_pkt.channel_type = cpu_to_le32(channel_type),
        .rndis_pkt.section_index = cpu_to_le32(NVSP_NO_SECTION),
    };
    uint32_t first, id;

    if (!vmbus_channel_is_open(q->chan) ||
        vmbus_channel_reserve(q->chan, desclen, nvsp_msg_size(s))) {
        return false;
    }
    desc.head = (vmbus_pkt_xferpg) {
        .buffer_id = cpu_to_le16(s->recv_id),
        .rangecount = cpu_to_le32(count),
    };
    first = id = ranges[0].byte_offset / s->section_size;
    for (uint32_t i = 0; i < count; i++) {
        desc.range[i].byte_count = cpu_to_le32(ranges[i].byte_count);
        desc.range[i].byte_offset = cpu_to_le32(ranges[i].byte_offset);
        if (i) {
            s->next[id] = ranges[i].byte_offset / s->section_size;
            id = s->next[id];
        }
    }
    s->next[id] = HV_NET_END;
    s->next[first] |= HV_NET_FIRST;
    trace_hv_net_send(q->index, channel_type, first, count);
    vmbus_channel_send(q->chan, VMBUS_PACKET_DATA_USING_XFER_PAGES, &desc,
                       desclen, &msg, nvsp_msg_size(s), true, first);
    hv_net_seen(q);
    return true;
}

/* Which channel to send on: all of them in turn */
static void hv_net_send_table(HvNet *s)
{
    VMBusChannel *chan = s->queues[0].chan;
    struct {
        NvspMessage head;
        uint32_t entry[NVSP_INDIRECTION_ENTRIES];
    } QEMU_PACKED msg = {
        .head.type = cpu_to_le32(NVSP_MSG5_INDIRECTION_TABLE),
        .head.indirection_table.count = cpu_to_le32(NVSP_INDIRECTION_ENTRIES),
        .head.indirection_table.offset = cpu_to_le32(sizeof(NvspMessage)),
    };

    for (unsigned i = 1; i <= s->num_subchannels; i++) {
        if (!vmbus_channel_is_open(s->queues[i].chan)) {
            return;
        }
    }
    if (vmbus_channel_reserve(chan, 0, sizeof(msg))) {
        return;
    }
    for (unsigned i = 0; i < NVSP_INDIRECTION_ENTRIES; i++) {
        msg.entry[i] = cpu_to_le32(i % (s->num_subchannels + 1));
    }
    vmbus_channel_send(chan, VMBUS_PACKET_DATA_INBAND, NULL, 0, &msg,
                       sizeof(msg), false, 0);
    s->table_pending = false;
}

/* --- Messages of the guest ---------------------------------------------- */

/* A handler turns a message, of at least its row's length, into the answer */
typedef void NvspHandler(HvNet *s, NvspMessage *msg);

static void nvsp_init(HvNet *s, NvspMessage *msg)
{
    uint32_t min = le32_to_cpu(msg->init.min_version);
    uint32_t max = le32_to_cpu(msg->init.max_version);
    uint32_t version = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(nvsp_versions); i++) {
        if (nvsp_versions[i] >= min && nvsp_versions[i] <= max) {
            version = nvsp_versions[i];
            break;
        }
    }
    trace_hv_net_version(min, max, version);
    if (version) {
        hv_net_forget(s);
        s->version = version;
    }
    *msg = (NvspMessage) {
        .type = cpu_to_le32(NVSP_MSG_INIT_COMPLETE),
        /* as Hyper-V has it: the field means something in version 1 only */
        .init_complete.version = cpu_to_le32(version == NVSP_VERSION_1 ?
                                             version : NVSP_VERSION_NONE),
        .init_complete.max_mdl_chain_len = cpu_to_le32(NVSP_MAX_MDL_CHAIN),
        .init_complete.status = cpu_to_le32(
            version ? NVSP_STAT_SUCCESS : NVSP_STAT_PROTOCOL_UNSUPPORTED),
    };
}

static void nvsp_ndis_version(HvNet *s, NvspMessage *msg)
{
    s->ndis_version = le32_to_cpu(msg->ndis_version.major) << 16 |
                      (le32_to_cpu(msg->ndis_version.minor) & 0xffff);
}

static void nvsp_ndis_config(HvNet *s, NvspMessage *msg)
{
    if (s->recv_buf) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "hv-net: NDIS configuration after the receive buffer\n");
        return;
    }
    s->mtu = MIN(MAX(le32_to_cpu(msg->ndis_config.mtu), HV_NET_MIN_MTU),
                 HV_NET_MAX_MTU);
    s->capabilities = le64_to_cpu(msg->ndis_config.capabilities);
}

/* How long the sections of a receive buffer of @len bytes are */
static uint32_t hv_net_section_size(HvNet *s, uint32_t len)
{
    uint32_t frame = QEMU_ALIGN_UP(HV_NET_RX_HEADER + s->mtu +
                                   NVSP_SECTION_TAIL, 64);

    return MAX(frame, len / HV_NET_GOOD_SECTION < HV_NET_GOOD_SECTIONS ?
                      HV_NET_MIN_SECTION : HV_NET_GOOD_SECTION);
}

static void nvsp_recv_buf(HvNet *s, NvspMessage *msg)
{
    uint32_t id = le32_to_cpu(msg->buffer.gpadl);
    uint16_t buffer_id = le16_to_cpu(msg->buffer.id);
    VMBusGpadl *gpadl = NULL;
    uint32_t len, size, num;

    *msg = (NvspMessage) {
        .type = cpu_to_le32(NVSP_MSG1_RECV_BUF_COMPLETE),
        .recv_buf_complete.status = cpu_to_le32(NVSP_STAT_FAIL),
    };
    if (!s->recv_buf) {
        gpadl = vmbus_get_gpadl(s->queues[0].chan, id);
    }
    len = gpadl ? vmbus_gpadl_len(gpadl) : 0;
    size = hv_net_section_size(s, len);
    num = MIN(len / size, HV_NET_MAX_SECTIONS);
    if (num <= HV_NET_CONTROL_SECTIONS) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-net: receive buffer of GPADL %u "
                      "is %s\n", id,
                      s->recv_buf ? "the second" :
                      gpadl ? "too small" : "unknown");
        vmbus_put_gpadl(gpadl);
        return;
    }
    s->recv_buf = gpadl;
    s->recv_gpadl = id;
    s->recv_id = buffer_id;
    s->section_size = size;
    hv_net_use_sections(s, num);
    trace_hv_net_recv_buf(id, size, num);
    msg->recv_buf_complete = (NvspRecvBufComplete) {
        .status = cpu_to_le32(NVSP_STAT_SUCCESS),
        .num_sections = cpu_to_le32(1),
        .sub_alloc_size = cpu_to_le32(size),
        .num_sub_allocs = cpu_to_le32(num),
        .end_offset = cpu_to_le32(size * num),
    };
}

static void nvsp_revoke_recv_buf(HvNet *s, NvspMessage *msg)
{
    hv_net_drop_recv_buf(s);
}

static void nvsp_send_buf(HvNet *s, NvspMessage *msg)
{
    uint32_t id = le32_to_cpu(msg->buffer.gpadl);
    uint16_t buffer_id = le16_to_cpu(msg->buffer.id);
    VMBusGpadl *gpadl = NULL;

    *msg = (NvspMessage) {
        .type = cpu_to_le32(NVSP_MSG1_SEND_BUF_COMPLETE),
        .send_buf_complete.status = cpu_to_le32(NVSP_STAT_FAIL),
    };
    if (!s->send_buf) {
        gpadl = vmbus_get_gpadl(s->queues[0].chan, id);
    }
    if (!gpadl) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-net: send buffer of GPADL %u "
                      "is %s\n", id, s->send_buf ? "the second" : "unknown");
        return;
    }
    s->send_buf = gpadl;
    s->send_gpadl = id;
    s->send_id = buffer_id;
    msg->send_buf_complete = (NvspSendBufComplete) {
        .status = cpu_to_le32(NVSP_STAT_SUCCESS),
        .section_size = cpu_to_le32(HV_NET_SEND_SECTION),
    };
}

static void nvsp_revoke_send_buf(HvNet *s, NvspMessage *msg)
{
    hv_net_drop_send_buf(s);
}

static void nvsp_switch_data_path(HvNet *s, NvspMessage *msg)
{
    if (le32_to_cpu(msg->switch_data_path.active) !=
        NVSP_DATA_PATH_SYNTHETIC) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "hv-net: there is no virtual function to switch to\n");
    }
}

static void nvsp_subchannel(HvNet *s, NvspMessage *msg)
{
    uint32_t op = le32_to_cpu(msg->subchannel.op);
    uint32_t num = MIN(le32_to_cpu(msg->subchannel.num_subchannels),
                       s->max_queues - 1);
    bool ok = op == NVSP_SUBCHANNEL_ALLOCATE && !s->num_subchannels &&
              !vmbus_device_offer_subchannels(&s->parent_obj, num);

    if (ok) {
        s->num_subchannels = num;
        s->table_pending = true;
    }
    *msg = (NvspMessage) {
        .type = cpu_to_le32(NVSP_MSG5_SUBCHANNEL),
        .subchannel.op = cpu_to_le32(ok ? NVSP_STAT_SUCCESS : NVSP_STAT_FAIL),
        .subchannel.num_subchannels = cpu_to_le32(ok ? num : 0),
    };
}

#define NVSP_LEN(field) \
    (offsetof(NvspMessage, field) + sizeof_field(NvspMessage, field))

/* An @answer is as long as the version's messages; otherwise it is empty */
static const struct NvspRow {
    uint32_t type;
    uint32_t version;       /* that has it; 0: it makes one */
    uint32_t length;
    bool answer;
    NvspHandler *handler;
} nvsp_messages[] = {
    { NVSP_MSG_INIT, 0, NVSP_LEN(init), true, nvsp_init },
    { NVSP_MSG1_NDIS_VERSION, NVSP_VERSION_1, NVSP_LEN(ndis_version), false,
      nvsp_ndis_version },
    { NVSP_MSG1_RECV_BUF, NVSP_VERSION_1, NVSP_LEN(buffer), true,
      nvsp_recv_buf },
    { NVSP_MSG1_REVOKE_RECV_BUF, NVSP_VERSION_1, NVSP_LEN(revoke), false,
      nvsp_revoke_recv_buf },
    { NVSP_MSG1_SEND_BUF, NVSP_VERSION_1, NVSP_LEN(buffer), true,
      nvsp_send_buf },
    { NVSP_MSG1_REVOKE_SEND_BUF, NVSP_VERSION_1, NVSP_LEN(revoke), false,
      nvsp_revoke_send_buf },
    { NVSP_MSG2_NDIS_CONFIG, NVSP_VERSION_2, NVSP_LEN(ndis_config), false,
      nvsp_ndis_config },
    { NVSP_MSG4_SWITCH_DATA_PATH, NVSP_VERSION_4, NVSP_LEN(switch_data_path),
      false, nvsp_switch_data_path },
    { NVSP_MSG5_SUBCHANNEL, NVSP_VERSION_5, NVSP_LEN(subchannel), true,
      nvsp_subchannel },
};

/*
 * Where the RNDIS messages of a packet are: in a section of the send buffer,
 * then in the memory of @req. Returns the number of pieces, of which *@section
 * are in the send buffer, or -errno.
 */
static int hv_net_map(HvNet *s, VMBusChanReq *req, const NvspRndisPkt *rndis,
                      struct iovec *iov, int *section)
{
    uint64_t index = le32_to_cpu(rndis->section_index);
    uint32_t len = le32_to_cpu(rndis->section_size);
    int n = 0, m = 0;

    if (index != NVSP_NO_SECTION && len) {
        uint64_t off = index * HV_NET_SEND_SECTION;

        if (!s->send_buf || len > HV_NET_SEND_SECTION ||
            off + len > vmbus_gpadl_len(s->send_buf)) {
            return -EINVAL;
        }
        n = vmbus_gpadl_iov(s->send_buf, off, len, iov, HV_NET_MAX_IOV);
        if (n < 0) {
            return n;
        }
    }
    if (req->sgl.nsg) {
        m = vmbus_map_sgl(req, DMA_DIRECTION_TO_DEVICE, iov + n,
                          HV_NET_MAX_IOV - n, req->sgl.size, 0);
        if (m < 0) {
            return m;
        }
    }
    *section = n;
    return n + m;
}

/* A control packet has one message: false if there is no room for an answer */
static bool hv_net_control_packet(HvNet *s, const struct iovec *iov,
                                  unsigned iovcnt, uint32_t *status)
{
    uint64_t buf[HV_NET_MAX_CONTROL / sizeof(uint64_t)];
    RndisHeader *header = (void *)buf;
    size_t n = iov_to_buf(iov, iovcnt, 0, buf, sizeof(buf));

    if (n < sizeof(*header) || le32_to_cpu(header->length) > n) {
        *status = NVSP_STAT_INVALID_RNDIS_PKT;
        return true;
    }
    return hv_net_control(s, buf, le32_to_cpu(header->length), status);
}

/* Returns whether the packet is done, its status and if it is a small one */
static bool hv_net_rndis_packet(HvNetQueue *q, const VMBusPacket *pkt,
                                const NvspRndisPkt *rndis, uint32_t *status,
                                bool *small)
{
    HvNet *s = q->net;
    uint32_t type = le32_to_cpu(rndis->channel_type);
    VMBusChanReq req = { .chan = q->chan };
    int section = 0;
    int n = -EINVAL;
    bool done = true;

    *status = NVSP_STAT_INVALID_RNDIS_PKT;
    if (pkt->type == VMBUS_PACKET_DATA_USING_GPA_DIRECT &&
        vmbus_packet_sgl(q->chan, pkt, &req.sgl)) {
        return true;
    }
    if (type == NVSP_CHANNEL_DATA ||
        (type == NVSP_CHANNEL_CONTROL && !q->index)) {
        n = hv_net_map(s, &req, rndis, s->iov, &section);
    }
    if (n >= 0) {
        *status = NVSP_STAT_SUCCESS;
        if (type == NVSP_CHANNEL_DATA) {
            *small = iov_size(s->iov, n) <= HV_NET_SMALL;
            *status = hv_net_tx_messages(q, s->iov, n);
        } else {
            done = hv_net_control_packet(s, s->iov, n, status);
        }
        vmbus_unmap_sgl(&req, DMA_DIRECTION_TO_DEVICE, s->iov + section,
                        n - section, req.sgl.size);
    }
    if (*status != NVSP_STAT_SUCCESS) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-net: RNDIS packet for channel type "
                      "%u, section %u: status %u\n", type,
                      le32_to_cpu(rndis->section_index), *status);
        s->tx.errors++;
    }
    if (req.sgl.dev) {
        qemu_sglist_destroy(&req.sgl);
    }
    return done;
}

void hv_net_complete(HvNetQueue *q, uint64_t transaction_id, uint32_t status,
                     uint32_t reserved, bool late)
{
    NvspMessage msg = {
        .type = cpu_to_le32(NVSP_MSG1_RNDIS_PKT_COMPLETE),
        .rndis_pkt_complete.status = cpu_to_le32(status),
    };
    struct iovec iov = { .iov_base = &msg, .iov_len = reserved - 1 };

    vmbus_channel_write(q->chan, VMBUS_PACKET_COMP, NULL, 0, &iov, 1, false,
                        transaction_id);
    if (late && ++q->late < HV_NET_MAX_LATE) {
        if (q->late == 1) {
            timer_mod(&q->late_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                      HV_NET_LATE_NS);
        }
    } else {
        hv_net_show_late(q);
    }
}

void hv_net_show_late(void *opaque)
{
    HvNetQueue *q = opaque;

    vmbus_channel_commit(q->chan);
    hv_net_seen(q);
}

/* The row of a message on channel @q, or NULL */
static const struct NvspRow *nvsp_row(HvNetQueue *q, uint32_t type,
                                      uint32_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(nvsp_messages) && !q->index; i++) {
        if (nvsp_messages[i].type == type && nvsp_messages[i].length <= len &&
            (!nvsp_messages[i].version ||
             nvsp_at_least(q->net->version, nvsp_messages[i].version))) {
            return &nvsp_messages[i];
        }
    }
    return NULL;
}

/* Handle a packet of the guest's: returns whether it is done */
static bool hv_net_packet(HvNetQueue *q, const VMBusPacket *pkt)
{
    HvNet *s = q->net;
    uint32_t len = MIN(pkt->msglen, sizeof(NvspMessage));
    NvspMessage msg = { 0 };
    const struct NvspRow *row;
    uint32_t type, answer;
    bool rndis;

    if (pkt->type == VMBUS_PACKET_COMP) {
        /* what the guest made of the frames does not matter to us */
        hv_net_recv_complete(s, pkt->transaction_id);
        return true;
    }
    vmbus_packet_read(q->chan, pkt, 0, &msg, len);
    type = le32_to_cpu(msg.type);
    row = nvsp_row(q, type, len);
    rndis = type == NVSP_MSG1_RNDIS_PKT && s->recv_buf &&
            len >= NVSP_LEN(rndis_pkt);

    if (pkt->need_comp && !q->reserved) {
        answer = rndis || (row && row->answer) ? nvsp_msg_size(s) : 0;
        if (vmbus_channel_reserve(q->chan, 0, answer)) {
            return false;
        }
        /* an empty one needs room, too */
        q->reserved = answer + 1;
    }
    if (rndis) {
        uint32_t status;
        bool small = false;

        if (!hv_net_rndis_packet(q, pkt, &msg.rndis_pkt, &status, &small)) {
            return false;
        }
        if (!hv_net_tx_park(s, pkt->need_comp ? q : NULL, pkt->transaction_id,
                            status, q->reserved) && pkt->need_comp) {
            hv_net_complete(q, pkt->transaction_id, status, q->reserved, small);
        }
    } else {
        if (row) {
            trace_hv_net_message(type);
            row->handler(s, &msg);
        } else {
            qemu_log_mask(LOG_GUEST_ERROR, "hv-net: message %u of %u bytes, "
                          "which is unknown, too short or too early\n", type,
                          pkt->msglen);
        }
        if (pkt->need_comp) {
            vmbus_channel_send(q->chan, VMBUS_PACKET_COMP, NULL, 0, &msg,
                               q->reserved - 1, false, pkt->transaction_id);
        }
    }
    if (pkt->need_comp) {
        q->reserved = 0;
    }
    return true;
}

/* Handle the packet at the head of the ring, which leaves it if that is done */
static bool hv_net_next_packet(HvNetQueue *q)
{
    VMBusPacket pkt;

    if (!vmbus_channel_recv_packet(q->chan, &pkt) &&
        /* what came meanwhile, of which the guest does not signal */
        (vmbus_channel_recv_start(q->chan) ||
         !vmbus_channel_recv_packet(q->chan, &pkt))) {
        return false;
    }
    if (!hv_net_packet(q, &pkt)) {
        return false;
    }
    vmbus_channel_recv_pop(q->chan);
    return true;
}

void hv_net_process(HvNetQueue *q)
{
    HvNet *s = q->net;
    unsigned burst = HV_NET_BURST;

    if (!runstate_is_running() || vmbus_channel_recv_start(q->chan)) {
        return;
    }
    while (burst && s->num_parked < HV_NET_MAX_PARKED &&
           hv_net_next_packet(q)) {
        burst--;
    }
    vmbus_channel_recv_done(q->chan);
    if (!burst) {
        vmbus_channel_notify_host(q->chan);
    }
    if (s->table_pending) {
        hv_net_send_table(s);
    }
    hv_net_indicate_link(s);
    hv_net_rx_flush(q);
    hv_net_rx_unblock(s);
}
