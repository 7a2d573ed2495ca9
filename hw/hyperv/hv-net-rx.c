/*
 * The Hyper-V synthetic network card: frames to the guest
 *
 * A frame is copied into sections of the receive buffer at once.  The guest is
 * told of many frames in one packet: of all that came in the same round of the
 * main loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "standard-headers/linux/virtio_net.h"
#include "system/runstate.h"
#include "hv-net-internal.h"
#include "trace.h"

/* Pieces that a frame of the backend's may be in */
#define HV_NET_RX_IOV       64

typedef struct HvNetRxFrame {
    /* without a vnet header, and with the tag cut out */
    const struct iovec *iov;
    unsigned iovcnt;
    uint32_t len;
    struct virtio_net_hdr vhdr;
    bool ip4, ip6;
    size_t l3, l4, l5;
    eth_ip4_hdr_info ip4_info;
    eth_ip6_hdr_info ip6_info;
    eth_l4_hdr_info l4_info;
    uint32_t csum;              /* RNDIS_RXCSUM_ */
    bool has_vlan;
    uint16_t tci;
    bool has_hash;
    uint32_t hash;
} HvNetRxFrame;

typedef struct HvNetRxHeader {
    RndisPacket pkt;
    struct {
        RndisPpi ppi;
        uint32_t value;
    } QEMU_PACKED ppi[4];
} QEMU_PACKED HvNetRxHeader;

QEMU_BUILD_BUG_ON(sizeof(HvNetRxHeader) > HV_NET_RX_HEADER);

static bool hv_net_wanted(HvNet *s, const uint8_t *dst)
{
    if (s->filter & NDIS_FILTER_PROMISCUOUS) {
        return true;
    }
    if (is_broadcast_ether_addr(dst)) {
        return s->filter & NDIS_FILTER_BROADCAST;
    }
    if (!is_multicast_ether_addr(dst)) {
        return s->filter & NDIS_FILTER_DIRECTED &&
               !memcmp(dst, s->mac.a, ETH_ALEN);
    }
    if (s->filter & NDIS_FILTER_ALL_MULTICAST) {
        return true;
    }
    for (unsigned i = 0; i < s->num_multicast; i++) {
        if (s->filter & NDIS_FILTER_MULTICAST &&
            !memcmp(dst, s->multicast[i].a, ETH_ALEN)) {
            return true;
        }
    }
    return false;
}

/* --- Checksums and hash ------------------------------------------------- */

/* The sum over TCP or UDP with the pseudo header, 0 if it is right */
static uint16_t hv_net_l4_sum(HvNetRxFrame *f, uint32_t *len)
{
    uint32_t sum, cso;

    if (f->ip4) {
        uint16_t total = be16_to_cpu(f->ip4_info.ip4_hdr.ip_len);

        *len = total - (f->l4 - f->l3);
        sum = eth_calc_ip4_pseudo_hdr_csum(&f->ip4_info.ip4_hdr, *len, &cso);
    } else {
        *len = be16_to_cpu(f->ip6_info.ip6_hdr.ip6_plen) -
               (f->l4 - f->l3 - sizeof(struct ip6_header));
        sum = eth_calc_ip6_pseudo_hdr_csum(&f->ip6_info.ip6_hdr, *len,
                                           f->ip6_info.l4proto, &cso);
    }
    if (*len > f->len - f->l4) {
        return 1;
    }
    sum += net_checksum_add_iov(f->iov, f->iovcnt, f->l4, *len, cso);
    return net_checksum_finish(sum);
}

/*
 * A frame whose sender left its checksum to the card: it comes from this host,
 * or from another guest on it
 */
static void hv_net_complete_csum(HvNetRxFrame *f)
{
    size_t start = f->vhdr.csum_start;
    size_t at = start + f->vhdr.csum_offset;
    uint16_t sum;

    if (start >= f->len || at + sizeof(sum) > f->len) {
        return;
    }
    /* the field has the pseudo header's sum */
    sum = net_checksum_finish_nozero(
        net_checksum_add_iov(f->iov, f->iovcnt, start, f->len - start, 0));
    sum = cpu_to_be16(sum);
    iov_from_buf(f->iov, f->iovcnt, at, &sum, sizeof(sum));
}

static void hv_net_rx_csum(HvNet *s, HvNetRxFrame *f)
{
    bool tcp = f->l4_info.proto == ETH_L4_HDR_PROTO_TCP;
    bool udp = f->l4_info.proto == ETH_L4_HDR_PROTO_UDP;
    uint32_t on;

    if (f->ip4 && s->offload & HV_NET_IP4_RX) {
        uint8_t ip[60];
        size_t len = MIN(f->l4 - f->l3, sizeof(ip));

        if (len >= sizeof(struct ip_header) &&
            iov_to_buf(f->iov, f->iovcnt, f->l3, ip, len) == len) {
            f->csum |= net_raw_checksum(ip, len) ? 0 : RNDIS_RXCSUM_IP_GOOD;
        }
    }
    if (f->vhdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        if (f->vhdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
            hv_net_complete_csum(f);
        } else {
            f->csum |= RNDIS_RXCSUM_TCP_NO_VALUE;
        }
    }
    if (!tcp && !udp) {
        return;
    }
    on = f->ip4 ? (tcp ? HV_NET_TCP4_RX : HV_NET_UDP4_RX) :
                  (tcp ? HV_NET_TCP6_RX : HV_NET_UDP6_RX);
    if (!(s->offload & on)) {
        return;
    }
    if (!(f->vhdr.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM |
                           VIRTIO_NET_HDR_F_DATA_VALID))) {
        uint32_t len;

        /* UDP over IPv4 may do without */
        if (udp && !f->l4_info.hdr.udp.uh_sum) {
            return;
        }
        /* the guest shall look at a bad one itself */
        if (hv_net_l4_sum(f, &len)) {
            return;
        }
    }
    f->csum |= tcp ? RNDIS_RXCSUM_TCP_GOOD : RNDIS_RXCSUM_UDP_GOOD;
}

/* The queue of a frame, by the hash that the guest asked for */
static HvNetQueue *hv_net_rx_queue(HvNet *s, HvNetRxFrame *f)
{
    bool tcp = f->l4_info.proto == ETH_L4_HDR_PROTO_TCP;
    uint8_t input[2 * sizeof(struct in6_address) + 2 * sizeof(uint16_t)];
    size_t len = 0;
    net_toeplitz_key key;
    HvNetQueue *q;

    if (!s->rss) {
        return s->queues;
    }
    if (f->ip4 && s->rss_hash & (NDIS_HASH_IPV4 |
                                 (tcp ? NDIS_HASH_TCP_IPV4 : 0))) {
        len = 2 * sizeof(uint32_t);
        memcpy(input, &f->ip4_info.ip4_hdr.ip_src, len);
        tcp = tcp && s->rss_hash & NDIS_HASH_TCP_IPV4;
    } else if (f->ip6 && s->rss_hash & (NDIS_HASH_IPV6 |
                                        (tcp ? NDIS_HASH_TCP_IPV6 : 0))) {
        len = 2 * sizeof(struct in6_address);
        memcpy(input, &f->ip6_info.ip6_hdr.ip6_src, len);
        tcp = tcp && s->rss_hash & NDIS_HASH_TCP_IPV6;
    } else {
        return s->queues;
    }
    if (tcp) {
        /* the two ports */
        memcpy(input + len, &f->l4_info.hdr.tcp, 2 * sizeof(uint16_t));
        len += 2 * sizeof(uint16_t);
    }
    f->hash = 0;
    net_toeplitz_key_init(&key, s->rss_key);
    net_toeplitz_add(&f->hash, input, len, &key);
    f->has_hash = true;
    q = &s->queues[s->rss_table[f->hash % NDIS_RSS_TABLE_ENTRIES]];
    return vmbus_channel_is_open(q->chan) ? q : s->queues;
}

/* --- Sections ----------------------------------------------------------- */

static void hv_net_rx_ppi(HvNetRxHeader *h, uint32_t *n, uint32_t type,
                          uint32_t value)
{
    h->ppi[*n].ppi = (RndisPpi) {
        .size = cpu_to_le32(sizeof(h->ppi[0])),
        .type = cpu_to_le32(type),
        .offset = cpu_to_le32(sizeof(RndisPpi)),
    };
    h->ppi[*n].value = cpu_to_le32(value);
    ++*n;
}

/* Put a part of a frame into a free section */
static void hv_net_rx_section(HvNetQueue *q, const HvNetRxFrame *f,
                              uint32_t off, uint32_t len, uint32_t fragment)
{
    HvNet *s = q->net;
    uint32_t id = s->free[--s->num_free];
    const uint32_t prefix = sizeof(RndisHeader);
    struct iovec iov[HV_NET_RX_IOV + 1];
    uint8_t buf[HV_NET_RX_HEADER] = { 0 };
    HvNetRxHeader *h = (void *)buf;
    uint32_t ppis = 0;
    int n;

    if (fragment) {
        hv_net_rx_ppi(h, &ppis, RNDIS_PPI_PACKET_ID, fragment);
    }
    if (!fragment || fragment & RNDIS_PACKET_ID_FIRST) {
        if (f->csum) {
            hv_net_rx_ppi(h, &ppis, RNDIS_PPI_CHECKSUM, f->csum);
        }
        if (f->has_vlan) {
            hv_net_rx_ppi(h, &ppis, RNDIS_PPI_8021Q,
                          RNDIS_8021Q_FROM_TCI(f->tci));
        }
        if (f->has_hash) {
            hv_net_rx_ppi(h, &ppis, RNDIS_PPI_HASH, f->hash);
        }
    }
    h->pkt = (RndisPacket) {
        .header.type = cpu_to_le32(RNDIS_MSG_PACKET),
        .header.length = cpu_to_le32(HV_NET_RX_HEADER + len),
        .data_offset = cpu_to_le32(HV_NET_RX_HEADER - prefix),
        .data_length = cpu_to_le32(len),
        .ppi_offset = cpu_to_le32(ppis ? sizeof(h->pkt) - prefix : 0),
        .ppi_length = cpu_to_le32(ppis * sizeof(h->ppi[0])),
    };
    iov[0].iov_base = buf;
    iov[0].iov_len = HV_NET_RX_HEADER;
    n = iov_copy(iov + 1, HV_NET_RX_IOV, f->iov, f->iovcnt, off, len);
    vmbus_iov_to_gpadl(s->queues[0].chan, s->recv_buf, id * s->section_size,
                       iov, n + 1);
    s->next[id] = HV_NET_BATCHED;
    q->rx_ranges[q->rx_count++] = (vmbus_xferpg_range) {
        .byte_count = HV_NET_RX_HEADER + len,
        .byte_offset = id * s->section_size,
    };
}

static uint32_t hv_net_max_ranges(HvNet *s)
{
    return s->ndis_version >> 16 >= 6 ? NVSP_MAX_RANGES :
                                        NVSP_MAX_RANGES_NDIS5;
}

void hv_net_rx_flush(HvNetQueue *q)
{
    if (q->rx_count && hv_net_send_ranges(q, NVSP_CHANNEL_DATA, q->rx_ranges,
                                          q->rx_count)) {
        q->rx_count = 0;
    }
}

void hv_net_rx_bh(void *opaque)
{
    HvNet *s = opaque;

    /* guest memory does not change while the VM is stopped */
    for (unsigned i = 0; i < s->max_queues && runstate_is_running(); i++) {
        hv_net_rx_flush(&s->queues[i]);
    }
}

void hv_net_rx_unblock(HvNet *s)
{
    if (s->rx_blocked && s->num_free > HV_NET_CONTROL_SECTIONS) {
        s->rx_blocked = false;
        for (int i = 0; i < MAX(1, s->conf.peers.queues); i++) {
            qemu_flush_queued_packets(qemu_get_subqueue(s->nic, i));
        }
    }
}

ssize_t hv_net_receive_iov(NetClientState *nc, const struct iovec *iov,
                           int iovcnt)
{
    HvNet *s = qemu_get_nic_opaque(nc);
    size_t size = iov_size(iov, iovcnt);
    size_t vnet = s->vnet_hdr_len;
    struct iovec frame[HV_NET_RX_IOV + 1];
    uint8_t head[sizeof(struct eth_header) + sizeof(struct vlan_header)];
    HvNetRxFrame f = { .iov = frame };
    uint32_t room, count;
    HvNetQueue *q;

    if (!s->recv_buf || !s->filter || size < vnet + sizeof(struct eth_header)) {
        return size;
    }
    if (vnet) {
        iov_to_buf(iov, iovcnt, 0, &f.vhdr, sizeof(f.vhdr));
    }
    f.len = size - vnet;
    memset(head, 0, sizeof(head));
    iov_to_buf(iov, iovcnt, vnet, head, MIN(sizeof(head), f.len));
    if (!hv_net_wanted(s, head)) {
        return size;
    }
    if (s->capabilities & NVSP_CAP_8021Q && f.len >= sizeof(head) &&
        lduw_be_p(head + offsetof(struct eth_header, h_proto)) == ETH_P_VLAN) {
        f.has_vlan = true;
        f.tci = lduw_be_p(head + sizeof(struct eth_header));
        /* the addresses, then what follows the tag */
        frame[0].iov_base = head;
        frame[0].iov_len = 2 * ETH_ALEN;
        f.len -= sizeof(struct vlan_header);
        f.vhdr.csum_start -= sizeof(struct vlan_header);
        f.iovcnt = 1 + iov_copy(frame + 1, HV_NET_RX_IOV, iov, iovcnt,
                                vnet + 2 * ETH_ALEN +
                                sizeof(struct vlan_header),
                                f.len - 2 * ETH_ALEN);
    } else {
        f.iovcnt = iov_copy(frame, HV_NET_RX_IOV, iov, iovcnt, vnet, f.len);
    }
    room = s->section_size - HV_NET_RX_HEADER - NVSP_SECTION_TAIL;
    count = DIV_ROUND_UP(f.len, room);
    if (iov_size(frame, f.iovcnt) != f.len ||
        (f.len > s->mtu + sizeof(struct vlan_header) &&
         f.vhdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) ||
        count > hv_net_max_ranges(s)) {
        s->rx.discards++;
        return size;
    }

    eth_get_protocols(frame, f.iovcnt, 0, &f.ip4, &f.ip6, &f.l3, &f.l4, &f.l5,
                      &f.ip6_info, &f.ip4_info, &f.l4_info);
    q = hv_net_rx_queue(s, &f);
    if (q->rx_count + count > hv_net_max_ranges(s)) {
        hv_net_rx_flush(q);
    }
    if (s->num_free < count + HV_NET_CONTROL_SECTIONS ||
        q->rx_count + count > hv_net_max_ranges(s)) {
        s->rx_blocked = true;
        return 0;
    }
    hv_net_rx_csum(s, &f);
    trace_hv_net_rx(q->index, f.len, f.csum, count);
    for (uint32_t i = 0; i < count; i++) {
        hv_net_rx_section(q, &f, i * room, MIN(room, f.len - i * room),
                          count == 1 ? 0 :
                          RNDIS_PACKET_ID_VERSION | RNDIS_PACKET_ID_FRAGMENT |
                          (i ? 0 : RNDIS_PACKET_ID_FIRST) |
                          (i < count - 1 ? 0 : RNDIS_PACKET_ID_LAST));
    }
    hv_net_count(&s->rx, head, f.len);
    qemu_bh_schedule(s->rx_bh);
    return size;
}
