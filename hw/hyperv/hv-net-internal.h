/*
 * The Hyper-V synthetic network card: what its files share
 *
 * hv-net.c is the device, hv-net-nvsp.c the protocol on its channels,
 * hv-net-rndis.c the control messages inside, hv-net-tx.c and hv-net-rx.c the
 * frames.  All of it runs in the main loop under the big QEMU lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_HV_NET_INTERNAL_H
#define HW_HYPERV_HV_NET_INTERNAL_H

#include "qemu/iov.h"
#include "qemu/units.h"
#include "hw/hyperv/hv-net.h"
#include "hw/hyperv/net-proto.h"
#include "hw/hyperv/vmbus.h"
#include "net/net.h"

OBJECT_DECLARE_TYPE(HvNet, HvNetClass, HV_NET)

struct HvNetClass {
    VMBusDeviceClass parent_class;
    DeviceRealize parent_realize;
};

#define HV_NET_MAX_QUEUES       64
#define HV_NET_DEFAULT_QUEUES   8

/* Frames with their Ethernet header, as NVSP counts the MTU */
#define HV_NET_MIN_MTU          1514
#define HV_NET_MAX_MTU          (65521 + 14)

/* The largest frame that a guest may send, with a VLAN tag */
#define HV_NET_MAX_FRAME        (64 * KiB + 18)

/* In front of each frame in the receive buffer: RndisPacket and its PPIs */
#define HV_NET_RX_HEADER        128

/*
 * A section of the receive buffer is as large as a frame needs, but not below
 * this: a frame that was coalesced takes fewer of them.
 */
#define HV_NET_GOOD_SECTION     (8 * KiB)
/* A buffer of fewer is small (iPXE's has 64 KiB), and has smaller ones */
#define HV_NET_GOOD_SECTIONS    32
/* There is room for each control message */
#define HV_NET_MIN_SECTION      (HV_NET_MAX_CONTROL + 64)
#define HV_NET_MAX_SECTIONS     (32 * KiB)

/* What the guest cuts its send buffer into */
#define HV_NET_SEND_SECTION     6144

/* Pieces of host memory that a packet of the guest may be in */
#define HV_NET_MAX_IOV          256

/* Packets of the guest that may wait for the backend; then others wait, too */
#define HV_NET_MAX_PARKED       128

/*
 * A guest hears late that a small packet has gone: when there is something else
 * to tell it, after so many of them or this time.
 */
#define HV_NET_SMALL            1024
#define HV_NET_MAX_LATE         16
#define HV_NET_LATE_NS          (200 * SCALE_US)

/* Sections that only control messages may take */
#define HV_NET_CONTROL_SECTIONS 16

/* The longest control message, or answer to one */
#define HV_NET_MAX_CONTROL      2048

#define HV_NET_MAX_MULTICAST    64

/*
 * HvNet.next[]: a section is free, or in a queue's batch, or else in a packet
 * that the guest has: then this is the next section of the packet, and the
 * first one is marked.
 */
#define HV_NET_FREE             UINT32_MAX
#define HV_NET_BATCHED          (UINT32_MAX - 1)
#define HV_NET_NEXT             0xffff
#define HV_NET_END              HV_NET_NEXT
#define HV_NET_FIRST            0x10000

QEMU_BUILD_BUG_ON(HV_NET_MAX_SECTIONS >= HV_NET_END);
QEMU_BUILD_BUG_ON(HV_NET_MIN_SECTION < HV_NET_MAX_CONTROL + NVSP_SECTION_TAIL);

/* Offloads in HvNet.offload */
enum {
    HV_NET_IP4_TX   = 1 << 0,
    HV_NET_IP4_RX   = 1 << 1,
    HV_NET_TCP4_TX  = 1 << 2,
    HV_NET_TCP4_RX  = 1 << 3,
    HV_NET_UDP4_TX  = 1 << 4,
    HV_NET_UDP4_RX  = 1 << 5,
    HV_NET_TCP6_TX  = 1 << 6,
    HV_NET_TCP6_RX  = 1 << 7,
    HV_NET_UDP6_TX  = 1 << 8,
    HV_NET_UDP6_RX  = 1 << 9,
    HV_NET_LSO4     = 1 << 10,
    HV_NET_LSO6     = 1 << 11,
    HV_NET_RSC4     = 1 << 12,
    HV_NET_RSC6     = 1 << 13,
    HV_NET_OFFLOADS = (1 << 14) - 1,
};

/* What the statistics OIDs count, in one direction */
typedef struct HvNetStats {
    uint64_t frames;
    uint64_t bytes;
    uint64_t errors;
    uint64_t discards;
    uint64_t directed_frames;
    uint64_t directed_bytes;
    uint64_t multicast_frames;
    uint64_t multicast_bytes;
    uint64_t broadcast_frames;
    uint64_t broadcast_bytes;
} HvNetStats;

/**
 * HvNetQueue: one channel of the device
 *
 * @reserved: room in the ring for the completion of the packet at its head: its
 *            length and 1, or 0 if none is reserved
 * @late: completions in the ring that the guest does not see yet; there are
 *        none while the VM is stopped
 * @late_timer: when it will, if there is any
 * @rx_ranges: frames in sections of the receive buffer that the guest has not
 *             been told of yet, @rx_count of them
 */
typedef struct HvNetQueue {
    HvNet *net;
    VMBusChannel *chan;
    uint32_t index;
    uint32_t reserved;
    uint32_t late;
    QEMUTimer late_timer;
    uint32_t rx_count;
    vmbus_xferpg_range rx_ranges[NVSP_MAX_RANGES];
} HvNetQueue;

/**
 * HvNetParked: a packet of the guest's that waits for the backend
 *
 * @q: where to complete it, or NULL if it is not to be completed
 * @frames: how many of its frames are in the backend's queue
 * @whole: there will be no more of them
 */
typedef struct HvNetParked {
    QSIMPLEQ_ENTRY(HvNetParked) link;
    HvNetQueue *q;
    uint64_t transaction_id;
    uint32_t status;
    uint32_t reserved;
    uint32_t frames;
    bool whole;
} HvNetParked;

/**
 * HvNet: the device
 *
 * @version: the NVSP version that was negotiated, or 0
 * @ready: whether RNDIS has been initialized
 * @told_link_down: the link's state as the guest knows it
 * @table_pending: the guest is to get an indirection table
 * @next: of each section of the receive buffer, whose it is; num_sections of
 *        them
 * @free: a stack of num_free free sections
 * @parked: packets that wait for the backend, num_parked of them, in the order
 *          of their frames in its queue; not migrated, because stopping the VM
 *          empties that queue
 * @parking: the last of these, while its packet is looked at
 * @rx_blocked: the backend waits for sections or for room in a ring
 * @vnet_hdr_len: of the header that the backend has on each frame, or 0
 */
struct HvNet {
    VMBusDevice parent_obj;

    NICState *nic;
    NICConf conf;
    uint16_t max_queues;
    uint32_t speed;                     /* Mbit/s */

    HvNetQueue *queues;
    struct NetTxPkt *tx_pkt;
    struct HvNetFrame *tx_frame;
    struct iovec iov[HV_NET_MAX_IOV];   /* of the packet at hand */
    QEMUBH *rx_bh;
    VMChangeStateEntry *vmstate;
    uint32_t vnet_hdr_len;
    QSIMPLEQ_HEAD(, HvNetParked) parked;
    unsigned num_parked;
    HvNetParked *parking;
    bool rx_blocked;

    /* NVSP */
    uint32_t version;
    uint32_t ndis_version;
    uint32_t mtu;
    uint64_t capabilities;
    VMBusGpadl *recv_buf;
    uint32_t recv_gpadl;
    uint16_t recv_id;
    uint32_t section_size;
    uint32_t num_sections;
    uint32_t *next;
    uint32_t *free;
    uint32_t num_free;
    VMBusGpadl *send_buf;
    uint32_t send_gpadl;
    uint16_t send_id;
    uint32_t num_subchannels;
    bool table_pending;

    /* RNDIS */
    bool ready;
    bool told_link_down;
    uint32_t filter;
    uint32_t offload;
    MACAddr mac;
    uint32_t num_multicast;
    MACAddr multicast[HV_NET_MAX_MULTICAST];
    bool rss;
    uint32_t rss_hash;
    uint8_t rss_key[NDIS_RSS_KEY_SIZE];
    uint32_t rss_table[NDIS_RSS_TABLE_ENTRIES];

    HvNetStats rx, tx;
};

/* hv-net.c */

/** hv_net_count: a frame, of which @frame has the Ethernet header. */
void hv_net_count(HvNetStats *stats, const void *frame, uint32_t len);

/** hv_net_kick: have all channels look for packets. */
void hv_net_kick(HvNet *s);

/** hv_net_offload_changed: tell the backend what it may leave to the guest. */
void hv_net_offload_changed(HvNet *s);

/* hv-net-nvsp.c */

/** hv_net_process: do what the guest has asked for in a queue's ring. */
void hv_net_process(HvNetQueue *q);

/**
 * hv_net_complete: send the completion of a RNDIS packet.
 * @late: the guest need not see it at once
 */
void hv_net_complete(HvNetQueue *q, uint64_t transaction_id, uint32_t status,
                     uint32_t reserved, bool late);

/** hv_net_show_late: let the guest see all completions of a queue. */
void hv_net_show_late(void *opaque);

/** hv_net_forget: drop the buffers and all else that a guest has set up. */
void hv_net_forget(HvNet *s);

/**
 * hv_net_send_ranges: give filled sections of the receive buffer to the guest.
 *
 * Returns: whether there was room in the ring. If so, the sections belong to
 * the guest until it completes the packet.
 */
bool hv_net_send_ranges(HvNetQueue *q, uint32_t channel_type,
                        const vmbus_xferpg_range *ranges, uint32_t count);

/* hv-net-rndis.c */

/**
 * hv_net_control: handle a control message.
 *
 * Returns: whether there was room in the ring for the answer; if not, call it
 * again when there is. @status is changed to what the packet is to be completed
 * with if that is not NVSP_STAT_SUCCESS.
 */
bool hv_net_control(HvNet *s, const void *buf, uint32_t len,
                    uint32_t *status);

/** hv_net_indicate_link: tell the guest the link's state, if it is news. */
void hv_net_indicate_link(HvNet *s);

/** hv_net_rndis_reset: the state of a card that has not been initialized. */
void hv_net_rndis_reset(HvNet *s);

/* hv-net-tx.c */

void hv_net_tx_init(HvNet *s);
void hv_net_tx_uninit(HvNet *s);

/**
 * hv_net_tx_messages: send the frames of a packet.
 *
 * Returns: the NVSP_STAT_ to complete it with
 */
uint32_t hv_net_tx_messages(HvNetQueue *q, const struct iovec *iov,
                            unsigned iovcnt);

/**
 * hv_net_tx_park: the end of a packet, which may have to wait for the backend.
 * @q: where to complete it, or NULL
 *
 * Returns: whether it has to wait; it will be completed then.
 */
bool hv_net_tx_park(HvNet *s, HvNetQueue *q, uint64_t transaction_id,
                    uint32_t status, uint32_t reserved);

/** hv_net_tx_orphan: complete no packet of this queue, which is closed. */
void hv_net_tx_orphan(HvNetQueue *q);

/* hv-net-rx.c */

ssize_t hv_net_receive_iov(NetClientState *nc, const struct iovec *iov,
                           int iovcnt);

/** hv_net_rx_flush: tell the guest of the frames in a queue's batch. */
void hv_net_rx_flush(HvNetQueue *q);

/** hv_net_rx_unblock: let the backend go on if it had to wait. */
void hv_net_rx_unblock(HvNet *s);

/** hv_net_rx_bh: flushes all queues. */
void hv_net_rx_bh(void *opaque);

#endif
