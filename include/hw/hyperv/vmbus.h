/*
 * VMBus: what a synthetic device is made of
 *
 * A device has one or more channels, each of which is a pair of ring buffers
 * in guest memory.  All functions on a channel are called in its AioContext
 * (the main loop's, if vmbus_channel_set_aio_context() was not called), or
 * from the device class' callbacks.  Unless said otherwise they need no lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_H
#define HW_HYPERV_VMBUS_H

#include "block/aio.h"
#include "hw/hyperv/vmbus-proto.h"
#include "hw/qdev-core.h"
#include "migration/vmstate.h"
#include "qemu/uuid.h"
#include "qom/object.h"
#include "system/dma.h"
#include "system/system.h"

#define TYPE_VMBUS_DEVICE "vmbus-dev"

OBJECT_DECLARE_TYPE(VMBusDevice, VMBusDeviceClass,
                    VMBUS_DEVICE)

#define TYPE_VMBUS "vmbus"
OBJECT_DECLARE_SIMPLE_TYPE(VMBus, VMBUS)

/* GPA descriptor list: guest pages that the guest lent for a purpose */
typedef struct VMBusGpadl VMBusGpadl;
/* A pair of ring buffers in one GPADL, and how either side is notified */
typedef struct VMBusChannel VMBusChannel;

typedef void(*VMBusChannelNotifyCb)(struct VMBusChannel *chan);

/**
 * VMBusDeviceClass:
 * @classid: interface type
 * @instanceid: of devices of which there can be only one
 * @channel_flags: VMBUS_CHANNEL_* flags of the offer
 * @mmio_size_mb: MMIO space that the guest shall set aside, in MiB
 * @vmdev_realize, @vmdev_unrealize: of the device
 * @vmdev_reset: reset of the machine, and last channel closed.  Context: big
 *               QEMU lock held.
 * @num_channels: the most channels that the device will ever have, 1 if there
 *                is no such function.  Those after the first are sub-channels:
 *                see vmbus_device_offer_subchannels().  Called when realized.
 * @open_channel: complete the opening of a channel.  The rings can be used
 *                already, but vmbus_channel_is_open() is false yet.  Called
 *                as well when a channel of a loaded machine starts again; then
 *                vmbus_channel_restored() is true.  Context: main loop, big
 *                QEMU lock held.  Returns: 0, or -errno to refuse.
 * @close_channel: the channel is about to go.  @chan_notify_cb will not be
 *                 called any more and is not running.  The rings are valid
 *                 until this returns; afterwards the channel must not be used
 *                 before the next @open_channel.  Context: as @open_channel.
 * @chan_notify_cb: the guest wrote packets, or read some while one of ours did
 *                  not fit.  Context: the channel's AioContext.
 * @prepare_unplug: optional; have the guest stop to use the device, which is to
 *                  be unplugged.  Called again and again until that is done:
 *                  when this has returned true, that nothing of the guest's is
 *                  under way, and the guest has sent nothing for a while.
 *                  Context: main loop, big QEMU lock held.
 *
 * A class that has a DeviceClass.vmsd, which includes vmstate_vmbus_dev, finds
 * its channels open after a migration.  For any other one the guest sees its
 * device removed and added again.
 */
struct VMBusDeviceClass {
    DeviceClass parent;

    QemuUUID classid;
    QemuUUID instanceid;
    uint16_t channel_flags;
    uint16_t mmio_size_mb;

    void (*vmdev_realize)(VMBusDevice *vdev, Error **errp);
    void (*vmdev_unrealize)(VMBusDevice *vdev);
    void (*vmdev_reset)(VMBusDevice *vdev);
    uint16_t (*num_channels)(VMBusDevice *vdev);
    int (*open_channel)(VMBusChannel *chan);
    void (*close_channel)(VMBusChannel *chan);
    VMBusChannelNotifyCb chan_notify_cb;
    bool (*prepare_unplug)(VMBusDevice *vdev);
};

/**
 * VMBusDevice:
 * @user_data: of the offer; zero for most, set before the device is realized
 */
struct VMBusDevice {
    DeviceState parent;
    QemuUUID instanceid;
    uint8_t user_data[VMBUS_CHANNEL_USER_DATA_SIZE];
    uint16_t num_channels;
    VMBusChannel *channels;
    AddressSpace *dma_as;

    /* private: */
    unsigned subchannels_asked;
    QEMUTimer *unplug_timer;
    unsigned unplug_periods;
    unsigned unplug_quiet;
    uint32_t unplug_read;
    QemuUUID loaded_instanceid;
};

extern const VMStateDescription vmstate_vmbus_dev;

/**
 * VMBusChanReq: a packet of the guest's, to be embedded in a device's request
 * @pkt_type: VMBUS_PACKET_*
 * @msg, @msglen: the packet's payload, a copy
 * @transaction_id: of the guest's choice, to be returned with the completion
 * @need_comp: the guest waits for a completion
 * @sgl: guest memory of a VMBUS_PACKET_DATA_USING_GPA_DIRECT
 */
typedef struct VMBusChanReq {
    VMBusChannel *chan;
    uint16_t pkt_type;
    uint32_t msglen;
    void *msg;
    uint64_t transaction_id;
    bool need_comp;
    QEMUSGList sgl;
} VMBusChanReq;

VMBusDevice *vmbus_channel_device(VMBusChannel *chan);
/* Returns: NULL if there is no such channel */
VMBusChannel *vmbus_device_channel(VMBusDevice *dev, uint32_t chan_idx);
uint32_t vmbus_channel_idx(VMBusChannel *chan);
bool vmbus_channel_is_open(VMBusChannel *chan);

/**
 * vmbus_channel_restored: is open_channel() called because the machine was
 * loaded with this channel open, rather than because the guest opens it?
 */
bool vmbus_channel_restored(VMBusChannel *chan);

/**
 * vmbus_channel_vp: VP that the guest wants interrupts of this channel on
 *
 * Returns: the VP index, or VMBUS_VP_NONE
 */
uint32_t vmbus_channel_vp(VMBusChannel *chan);

/**
 * vmbus_channel_user_data: the VMBUS_CHANNEL_USER_DATA_SIZE bytes that the
 * guest opened the channel with
 */
const uint8_t *vmbus_channel_user_data(VMBusChannel *chan);

/**
 * vmbus_device_version: negotiated version of the channel protocol
 *
 * Returns: a VMBUS_VERSION_*, or 0 if the guest is not connected
 */
uint32_t vmbus_device_version(VMBusDevice *vdev);

/**
 * vmbus_channel_set_aio_context: run @chan_notify_cb in @ctx
 * @ctx: NULL for the main loop
 *
 * Context: main loop, big QEMU lock held: when the device is realized, in
 * @open_channel, or on an open channel.  In the last case @chan_notify_cb does
 * not run in the old context any more when this returns.
 */
void vmbus_channel_set_aio_context(VMBusChannel *chan, AioContext *ctx);

/**
 * vmbus_channel_aio_context: where @chan_notify_cb runs
 */
AioContext *vmbus_channel_aio_context(VMBusChannel *chan);

/**
 * vmbus_device_offer_subchannels: offer the guest channels 1 to @n
 * @n: at most num_channels() - 1; those that are offered already stay
 *
 * They go when the first channel is closed, and have to be offered again then.
 * May be called from any thread.
 *
 * Returns: 0, or -EINVAL if @n is too large
 */
int vmbus_device_offer_subchannels(VMBusDevice *vdev, unsigned n);

/**
 * vmbus_channel_notify_host: have @chan_notify_cb called as if the guest had
 * signalled.  May be called from any thread while the channel is open.
 */
void vmbus_channel_notify_host(VMBusChannel *chan);

/**
 * vmbus_channel_reserve: make sure that a packet fits into the ring to the
 * guest
 * @desclen: length of the descriptor between header and payload
 * @msglen: length of the payload
 *
 * Reservations add up until the packets are sent.
 *
 * Returns: 0; -ENOSPC if there is no room now: @chan_notify_cb is called when
 * there is; -EINVAL if the ring is too small or the guest has broken it
 */
int vmbus_channel_reserve(VMBusChannel *chan,
                          uint32_t desclen, uint32_t msglen);

/**
 * vmbus_channel_write: put a packet, for which room was reserved, into the ring
 *
 * The guest does not see it before vmbus_channel_commit() or the next packet
 * that is sent; a ring that is full is committed by vmbus_channel_reserve().
 * What is not committed when the VM stops is lost.
 *
 * Returns: as vmbus_channel_send()
 */
ssize_t vmbus_channel_write(VMBusChannel *chan, uint16_t pkt_type,
                            const void *desc, uint32_t desclen,
                            const struct iovec *iov, unsigned iov_cnt,
                            bool need_comp, uint64_t transaction_id);

/**
 * vmbus_channel_commit: show the guest what was written, and interrupt it if it
 * waits for a packet.  Nothing happens if the channel is not open.
 */
void vmbus_channel_commit(VMBusChannel *chan);

/**
 * vmbus_channel_send: send a packet for which room was reserved
 *
 * The guest sees it at once and is interrupted if it waits for one.
 *
 * Returns: the number of bytes taken from the ring, or -EINVAL if the channel
 * is not open
 */
ssize_t vmbus_channel_send(VMBusChannel *chan, uint16_t pkt_type,
                           void *desc, uint32_t desclen,
                           void *msg, uint32_t msglen,
                           bool need_comp, uint64_t transaction_id);

/**
 * vmbus_channel_sendv: vmbus_channel_send() with a payload from several places
 */
ssize_t vmbus_channel_sendv(VMBusChannel *chan, uint16_t pkt_type,
                            const void *desc, uint32_t desclen,
                            const struct iovec *iov, unsigned iov_cnt,
                            bool need_comp, uint64_t transaction_id);

/**
 * vmbus_channel_send_completion: answer a request that has need_comp
 */
ssize_t vmbus_channel_send_completion(VMBusChanReq *req,
                                      void *msg, uint32_t msglen);

/**
 * vmbus_channel_recv_start: begin to read packets
 *
 * The guest does not signal the host until vmbus_channel_recv_done(), which
 * must follow.
 *
 * Returns: 0, or -EINVAL if the guest has broken the ring
 */
int vmbus_channel_recv_start(VMBusChannel *chan);

/**
 * vmbus_channel_recv_peek: read the next packet as a request
 * @size: of the request, which begins with a VMBusChanReq
 *
 * Returns: the request, zero apart from the VMBusChanReq, to be freed with
 * vmbus_free_req(); NULL if there is no packet
 */
void *vmbus_channel_recv_peek(VMBusChannel *chan, uint32_t size);

/**
 * VMBusPacket: a packet as it lies in the ring
 * @type: VMBUS_PACKET_*
 * @transaction_id, @need_comp: as in VMBusChanReq
 * @desclen: length of the descriptor between header and payload
 * @msglen: length of the payload, a multiple of 8
 */
typedef struct VMBusPacket {
    uint16_t type;
    bool need_comp;
    uint64_t transaction_id;
    uint32_t desclen;
    uint32_t msglen;
    /* private: offsets into the ring */
    uint32_t desc_off;
    uint32_t msg_off;
} VMBusPacket;

/**
 * vmbus_channel_recv_packet: look at the next packet, without allocating or
 * copying anything but its header
 *
 * Read it with vmbus_packet_*() and then call vmbus_channel_recv_pop(); the
 * guest can change it any time until vmbus_channel_recv_done(), so that what
 * is checked must be a copy.
 *
 * Returns: false if there is no packet
 */
bool vmbus_channel_recv_packet(VMBusChannel *chan, VMBusPacket *pkt);

/**
 * vmbus_packet_read: copy from the payload
 *
 * Returns: false if that is beyond its end
 */
bool vmbus_packet_read(VMBusChannel *chan, const VMBusPacket *pkt,
                       uint32_t off, void *buf, uint32_t len);

/**
 * vmbus_packet_read_desc: copy from the descriptor
 */
bool vmbus_packet_read_desc(VMBusChannel *chan, const VMBusPacket *pkt,
                            uint32_t off, void *buf, uint32_t len);

/**
 * vmbus_packet_ptr: where a part of the payload lies in host memory
 *
 * Returns: NULL if it is not in one piece, because the ring wraps or its pages
 * are not adjacent: copy it then
 */
const void *vmbus_packet_ptr(VMBusChannel *chan, const VMBusPacket *pkt,
                             uint32_t off, uint32_t len);

/**
 * vmbus_packet_sgl: guest memory of a VMBUS_PACKET_DATA_USING_GPA_DIRECT
 * @sgl: initialized by this; the caller destroys it
 *
 * Returns: 0, or -EINVAL (and no @sgl) if the guest's ranges are malformed
 */
int vmbus_packet_sgl(VMBusChannel *chan, const VMBusPacket *pkt,
                     QEMUSGList *sgl);

/**
 * vmbus_channel_recv_pop: go on to the packet after the one that was peeked
 */
void vmbus_channel_recv_pop(VMBusChannel *chan);

/**
 * vmbus_channel_recv_done: give the packets that were popped back to the guest
 *
 * The guest is interrupted if it waited for the room.  @chan_notify_cb is
 * called again if packets came after vmbus_channel_recv_start(), but not for
 * those that were left in the ring.
 *
 * Returns: the number of bytes of the packets popped
 */
ssize_t vmbus_channel_recv_done(VMBusChannel *chan);

/**
 * vmbus_free_req: free what vmbus_channel_recv_peek() returned; may be NULL
 */
void vmbus_free_req(void *req);

/**
 * vmbus_save_req, vmbus_load_req: a request that is under way, in a migration
 * stream
 * @size: as for vmbus_channel_recv_peek()
 *
 * Returns: the request, or NULL if the stream is not for this device
 */
void vmbus_save_req(QEMUFile *f, VMBusChanReq *req);
void *vmbus_load_req(QEMUFile *f, VMBusDevice *vdev, uint32_t size);

/**
 * vmbus_get_gpadl: find and reference a GPADL of the device's channels.  May be
 * called from any thread.
 *
 * Returns: NULL if there is none, or if it is not all RAM
 */
VMBusGpadl *vmbus_get_gpadl(VMBusChannel *chan, uint32_t gpadl_id);

/**
 * vmbus_put_gpadl: drop the reference; @gpadl may be NULL
 */
void vmbus_put_gpadl(VMBusGpadl *gpadl);

/**
 * vmbus_gpadl_len: length in bytes
 */
uint32_t vmbus_gpadl_len(VMBusGpadl *gpadl);

/**
 * vmbus_iov_to_gpadl: copy @iov to @gpadl at offset @off
 *
 * Returns: the number of bytes copied, or -EINVAL if they do not fit
 */
ssize_t vmbus_iov_to_gpadl(VMBusChannel *chan, VMBusGpadl *gpadl, uint32_t off,
                           const struct iovec *iov, size_t iov_cnt);

/**
 * vmbus_gpadl_to_iov: copy from @gpadl at offset @off to @iov
 *
 * Returns: as vmbus_iov_to_gpadl()
 */
ssize_t vmbus_gpadl_to_iov(VMBusGpadl *gpadl, uint32_t off,
                           const struct iovec *iov, size_t iov_cnt);

/**
 * vmbus_gpadl_iov: where a part of a GPADL lies in host memory
 * @iov: filled with up to @iov_cnt pieces
 *
 * Valid while the GPADL is referenced.  Who writes there calls
 * vmbus_gpadl_dirty() then.
 *
 * Returns: the number of pieces, or -EINVAL if that is beyond the end of the
 * GPADL or more pieces than fit
 */
int vmbus_gpadl_iov(VMBusGpadl *gpadl, uint32_t off, uint32_t len,
                    struct iovec *iov, unsigned iov_cnt);
void vmbus_gpadl_dirty(VMBusGpadl *gpadl, uint32_t off, uint32_t len);

/**
 * vmbus_map_sgl: map up to @len bytes at offset @off of the request's memory
 *
 * Returns: the number of pieces in @iov, or -errno
 */
int vmbus_map_sgl(VMBusChanReq *req, DMADirection dir, struct iovec *iov,
                  unsigned iov_cnt, size_t len, size_t off);

/**
 * vmbus_unmap_sgl: undo that; @accessed bytes were read or written
 */
void vmbus_unmap_sgl(VMBusChanReq *req, DMADirection dir, struct iovec *iov,
                     unsigned iov_cnt, size_t accessed);

#endif
