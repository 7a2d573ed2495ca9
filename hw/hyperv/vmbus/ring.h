/*
 * VMBus: ring buffers
 *
 * A ring is a control page and the data pages after it.  The indices in the
 * control page are offsets of packets in the data; equal indices mean that the
 * ring is empty.  Either side owns one index and keeps its own copy of that:
 * what the guest writes there does not matter.  The other index is read once,
 * and checked, before it is used.
 *
 * A ring that the guest has broken stays so until it is initialized again.
 * Nothing here blocks, allocates or asserts because of what a guest wrote.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_RING_H
#define HW_HYPERV_VMBUS_RING_H

#include "hw/hyperv/vmbus.h"
#include "mem.h"

typedef struct VMBusRing {
    VMBusMem *mem;
    uint32_t ctl_off;           /* of the control page in @mem */
    uint32_t data_off;
    uint32_t size;              /* of the data, in bytes */
    vmbus_ring_buffer *ctl;
    bool broken;
} VMBusRing;

/**
 * VMBusRecvRing: from the guest
 * @read: next packet; the guest knows of @published
 * @write: what the guest has written, when last looked at
 * @next: the packet after the one that was looked at
 */
typedef struct VMBusRecvRing {
    VMBusRing ring;
    uint32_t read;
    uint32_t published;
    uint32_t write;
    uint32_t next;
} VMBusRecvRing;

/**
 * VMBusSendRing: to the guest
 * @write: where the next packet goes; the guest knows of those up to @committed
 * @read: what the guest has read, when last looked at
 * @reserved: bytes promised to packets that are not written yet
 * @pending: what the guest was told to signal for, 0 if nothing
 */
typedef struct VMBusSendRing {
    VMBusRing ring;
    uint32_t write;
    uint32_t committed;
    uint32_t read;
    uint32_t reserved;
    uint32_t pending;
} VMBusSendRing;

/**
 * vmbus_recv_ring_init, vmbus_send_ring_init: begin to use pages @first to
 * @first + @nr_pages - 1 of @mem
 *
 * Returns: false if that is no ring: too small, or an index out of range
 */
bool vmbus_recv_ring_init(VMBusRecvRing *r, VMBusMem *mem, uint32_t first,
                          uint32_t nr_pages);
bool vmbus_send_ring_init(VMBusSendRing *r, VMBusMem *mem, uint32_t first,
                          uint32_t nr_pages);

/**
 * vmbus_recv_ring_start: look at how much there is, and ask the guest not to
 * signal
 *
 * Returns: false if the ring is broken
 */
bool vmbus_recv_ring_start(VMBusRecvRing *r);

/**
 * vmbus_recv_ring_packet: the next packet
 *
 * Returns: false if there is none, or if the ring is broken
 */
bool vmbus_recv_ring_packet(VMBusRecvRing *r, VMBusPacket *pkt);

/**
 * vmbus_recv_ring_pop: done with the packet
 */
void vmbus_recv_ring_pop(VMBusRecvRing *r);

/**
 * vmbus_recv_ring_done: give back the room of the packets that were popped
 * @signal: whether the guest waits for it
 * @more: whether the guest has written since vmbus_recv_ring_start(), perhaps
 *        without a signal
 *
 * Returns: number of bytes given back
 */
uint32_t vmbus_recv_ring_done(VMBusRecvRing *r, bool *signal, bool *more);

/**
 * vmbus_recv_ring_pending: is there a packet?  May be called any time.
 */
bool vmbus_recv_ring_pending(VMBusRecvRing *r);

/**
 * vmbus_ring_read, vmbus_ring_ptr: read data, or find it in host memory
 * @off: offset into the data, which may be up to twice the ring's size
 *
 * vmbus_ring_ptr() returns NULL if it is not in one piece.
 */
void vmbus_ring_read(VMBusRing *r, uint32_t off, void *buf, uint32_t len);
const void *vmbus_ring_ptr(VMBusRing *r, uint32_t off, uint32_t len);

/**
 * vmbus_send_ring_reserve: make sure that a packet fits
 *
 * Returns: 0; -ENOSPC if it does not now, and the guest was told to signal
 * when it does; -EINVAL if it never will
 */
int vmbus_send_ring_reserve(VMBusSendRing *r, uint32_t desclen,
                            uint32_t msglen);

/**
 * vmbus_send_ring_write: write a packet for which there is a reservation
 * @type, @flags, @transaction_id: in host byte order
 *
 * The guest sees nothing of it until vmbus_send_ring_commit().
 *
 * Returns: number of bytes
 */
uint32_t vmbus_send_ring_write(VMBusSendRing *r, uint16_t type, uint16_t flags,
                               uint64_t transaction_id,
                               const void *desc, uint32_t desclen,
                               const struct iovec *iov, unsigned iov_cnt);

/**
 * vmbus_send_ring_commit: show the guest all that was written
 *
 * Returns: whether it is to be interrupted
 */
bool vmbus_send_ring_commit(VMBusSendRing *r);

#endif
