/*
 * The Hyper-V synthetic network card: frames from the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "system/dma.h"
#include "hw/net/net_tx_pkt.h"
#include "net/eth.h"
#include "standard-headers/linux/virtio_net.h"
#include "hv-net-internal.h"
#include "trace.h"

/* The start of a frame, of which we have our own copy to check and change */
#define HV_NET_HEAD         256

/* PPIs beyond this many bytes are not looked at */
#define HV_NET_MAX_PPI      256

/* The least segment that a guest may have its data cut into */
#define HV_NET_MIN_MSS      64

struct HvNetFrame {
    uint32_t csum;              /* RNDIS_TXCSUM_ */
    uint32_t mss;               /* if it is to be segmented */
    uint32_t vlan;              /* RNDIS_PPI_8021Q */
    bool has_vlan;
    uint32_t head_len;
    uint8_t head[HV_NET_HEAD];
    /* [0] is for a vnet header, [1] is the head */
    struct iovec iov[HV_NET_MAX_IOV + 2];
    unsigned iovcnt;
    uint32_t len;
};

/* --- Packets that wait -------------------------------------------------- */

/* All frames of the first packet have gone: the guest may have it back */
static void hv_net_tx_unpark(HvNet *s)
{
    HvNetParked *p = QSIMPLEQ_FIRST(&s->parked);

    QSIMPLEQ_REMOVE_HEAD(&s->parked, link);
    if (p->q) {
        hv_net_complete(p->q, p->transaction_id, p->status, p->reserved,
                        false);
    }
    g_free(p);
    s->num_parked--;
}

bool hv_net_tx_park(HvNet *s, HvNetQueue *q, uint64_t transaction_id,
                    uint32_t status, uint32_t reserved)
{
    HvNetParked *p = s->parking;

    if (!p) {
        return false;
    }
    s->parking = NULL;
    p->q = q;
    p->transaction_id = transaction_id;
    p->status = status;
    p->reserved = reserved;
    p->whole = true;
    if (!p->frames) {
        /* then they went while the packet was looked at, as did all before */
        hv_net_tx_unpark(s);
    }
    return true;
}

void hv_net_tx_orphan(HvNetQueue *q)
{
    HvNetParked *p;

    QSIMPLEQ_FOREACH(p, &q->net->parked, link) {
        if (p->q == q) {
            p->q = NULL;
        }
    }
}

/* The backend has a frame that had to wait in its queue */
static void hv_net_tx_sent(NetClientState *nc, ssize_t len)
{
    HvNet *s = qemu_get_nic_opaque(nc);
    HvNetParked *p = QSIMPLEQ_FIRST(&s->parked);

    if (--p->frames || !p->whole) {
        return;
    }
    hv_net_tx_unpark(s);
    if (s->num_parked == HV_NET_MAX_PARKED - 1) {
        hv_net_kick(s);
    }
}

static void hv_net_tx_iov(HvNetQueue *q, const struct iovec *iov, int iovcnt)
{
    HvNet *s = q->net;

    if (qemu_sendv_packet_async(qemu_get_queue(s->nic), iov, iovcnt,
                                hv_net_tx_sent) != 0) {
        return;
    }
    if (!s->parking) {
        s->parking = g_new0(HvNetParked, 1);
        QSIMPLEQ_INSERT_TAIL(&s->parked, s->parking, link);
        s->num_parked++;
    }
    s->parking->frames++;
}

/* --- Frames ------------------------------------------------------------- */

/* NetTxPktSend */
static void hv_net_tx_segment(void *opaque, const struct iovec *iov,
                              int iovcnt, const struct iovec *vnet_iov,
                              int vnet_iovcnt)
{
    HvNetQueue *q = opaque;

    if (q->net->vnet_hdr_len) {
        hv_net_tx_iov(q, vnet_iov, vnet_iovcnt);
    } else {
        hv_net_tx_iov(q, iov, iovcnt);
    }
}

static void hv_net_nothing_to_free(void *context, void *base, size_t len)
{
}

/* Have the backend, or QEMU instead, segment the frame and checksum it */
static bool hv_net_tx_offload(HvNetQueue *q, struct HvNetFrame *f)
{
    HvNet *s = q->net;
    struct NetTxPkt *pkt = s->tx_pkt;
    struct virtio_net_hdr *vhdr = net_tx_pkt_get_vhdr(pkt);
    bool csum = f->mss || f->csum & (RNDIS_TXCSUM_TCP | RNDIS_TXCSUM_UDP);
    bool good = true;

    for (unsigned i = 1; i < f->iovcnt && good; i++) {
        good = net_tx_pkt_add_raw_fragment(pkt, f->iov[i].iov_base,
                                           f->iov[i].iov_len);
    }
    good = good && net_tx_pkt_parse(pkt) &&
           net_tx_pkt_build_vheader(pkt, f->mss, csum, f->mss);
    /* what was asked for must be what this frame is */
    if (good && f->mss && (vhdr->gso_type == VIRTIO_NET_HDR_GSO_NONE ||
                           vhdr->gso_type == VIRTIO_NET_HDR_GSO_UDP)) {
        good = false;
    }
    if (good && f->mss) {
        net_tx_pkt_update_ip_checksums(pkt);
    } else if (good && f->csum & RNDIS_TXCSUM_IP_HEADER) {
        net_tx_pkt_update_ip_hdr_checksum(pkt);
    }
    good = good && net_tx_pkt_send_custom(pkt, s->vnet_hdr_len,
                                          hv_net_tx_segment, q);
    net_tx_pkt_reset(pkt, hv_net_nothing_to_free, NULL);
    return good;
}

static bool hv_net_tx_ppi(struct HvNetFrame *f, const uint8_t *buf,
                          uint32_t len)
{
    while (len >= sizeof(RndisPpi)) {
        const RndisPpi *ppi = (const void *)buf;
        uint32_t size = ldl_le_p(&ppi->size);
        uint32_t offset = ldl_le_p(&ppi->offset);
        uint32_t value;

        if (size < sizeof(*ppi) || size > len || offset > size ||
            size - offset < sizeof(value)) {
            return false;
        }
        value = ldl_le_p(buf + offset);
        switch (ldl_le_p(&ppi->type)) {
        case RNDIS_PPI_CHECKSUM:
            if (value & (RNDIS_TXCSUM_IPV4 | RNDIS_TXCSUM_IPV6)) {
                f->csum = value;
            }
            break;
        case RNDIS_PPI_LSO:
            f->mss = RNDIS_LSO_MSS(value);
            if (f->mss < HV_NET_MIN_MSS || f->mss > HV_NET_MAX_MTU) {
                return false;
            }
            break;
        case RNDIS_PPI_8021Q:
            f->vlan = value;
            f->has_vlan = true;
            break;
        }
        buf += size;
        len -= size;
    }
    return true;
}

/* Take what a RNDIS packet of @len bytes at @off says of its frame */
static bool hv_net_tx_parse(struct HvNetFrame *f, const struct iovec *iov,
                            unsigned iovcnt, uint32_t off, uint32_t len)
{
    RndisPacket pkt;
    uint8_t ppi[HV_NET_MAX_PPI];
    uint64_t data, ppi_offset;
    uint32_t ppi_len;
    int n;

    if (len < sizeof(pkt) ||
        iov_to_buf(iov, iovcnt, off, &pkt, sizeof(pkt)) < sizeof(pkt)) {
        return false;
    }
    /* the offsets are from after the header */
    off += sizeof(pkt.header);
    len -= sizeof(pkt.header);
    data = le32_to_cpu(pkt.data_offset);
    f->len = le32_to_cpu(pkt.data_length);
    ppi_offset = le32_to_cpu(pkt.ppi_offset);
    ppi_len = le32_to_cpu(pkt.ppi_length);
    if (data + f->len > len || f->len < sizeof(struct eth_header) ||
        f->len > HV_NET_MAX_FRAME || ppi_offset + ppi_len > len ||
        ppi_len > sizeof(ppi)) {
        return false;
    }
    if (iov_to_buf(iov, iovcnt, off + ppi_offset, ppi, ppi_len) < ppi_len ||
        !hv_net_tx_ppi(f, ppi, ppi_len)) {
        return false;
    }
    /* our own head, with room for a tag */
    f->head_len = MIN(f->len, HV_NET_HEAD - sizeof(struct vlan_header));
    iov_to_buf(iov, iovcnt, off + data, f->head, f->head_len);
    n = iov_copy(f->iov + 2, HV_NET_MAX_IOV, iov, iovcnt,
                 off + data + f->head_len, f->len - f->head_len);
    if (iov_size(f->iov + 2, n) != f->len - f->head_len) {
        return false;
    }
    if (f->has_vlan) {
        struct vlan_header tag = {
            .h_tci = cpu_to_be16(RNDIS_8021Q_TO_TCI(f->vlan)),
        };
        const unsigned at = offsetof(struct eth_header, h_proto);

        memmove(f->head + at + sizeof(tag), f->head + at, f->head_len - at);
        stw_be_p(f->head + at, ETH_P_VLAN);
        memcpy(f->head + at + sizeof(uint16_t), &tag.h_tci,
               sizeof(tag.h_tci));
        f->head_len += sizeof(tag);
        f->len += sizeof(tag);
    }
    f->iov[1].iov_base = f->head;
    f->iov[1].iov_len = f->head_len;
    f->iovcnt = n + 2;
    return true;
}

static bool hv_net_tx_frame(HvNetQueue *q, const struct iovec *iov,
                            unsigned iovcnt, uint32_t off, uint32_t len)
{
    static const struct virtio_net_hdr none;
    HvNet *s = q->net;
    struct HvNetFrame *f = s->tx_frame;

    f->csum = f->mss = 0;
    f->has_vlan = false;
    if (!hv_net_tx_parse(f, iov, iovcnt, off, len)) {
        return false;
    }
    hv_net_count(&s->tx, f->head, f->len);
    trace_hv_net_tx(q->index, f->len, f->csum, f->mss);
    if (f->mss || f->csum) {
        return hv_net_tx_offload(q, f);
    }
    f->iov[0].iov_base = (void *)&none;
    f->iov[0].iov_len = sizeof(none);
    hv_net_tx_iov(q, s->vnet_hdr_len ? f->iov : f->iov + 1,
                  s->vnet_hdr_len ? f->iovcnt : f->iovcnt - 1);
    return true;
}

void hv_net_tx_init(HvNet *s)
{
    QSIMPLEQ_INIT(&s->parked);
    s->tx_frame = g_new(struct HvNetFrame, 1);
    net_tx_pkt_init(&s->tx_pkt, ARRAY_SIZE(s->tx_frame->iov));
}

void hv_net_tx_uninit(HvNet *s)
{
    net_tx_pkt_uninit(s->tx_pkt);
    g_free(s->tx_frame);
}

uint32_t hv_net_tx_messages(HvNetQueue *q, const struct iovec *iov,
                            unsigned iovcnt)
{
    uint32_t total = iov_size(iov, iovcnt);
    uint32_t off = 0, len;
    RndisHeader header;

    /* there may be padding after the last message */
    for (; total - off >= sizeof(header); off += len) {
        iov_to_buf(iov, iovcnt, off, &header, sizeof(header));
        len = le32_to_cpu(header.length);
        if (le32_to_cpu(header.type) != RNDIS_MSG_PACKET ||
            len < sizeof(header) || len > total - off || !q->net->ready ||
            !hv_net_tx_frame(q, iov, iovcnt, off, len)) {
            return NVSP_STAT_INVALID_RNDIS_PKT;
        }
    }
    return NVSP_STAT_SUCCESS;
}
