/*
 * VMBus: what ties protocol, rings and GPADLs to QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_INTERNAL_H
#define HW_HYPERV_VMBUS_INTERNAL_H

#include "hw/hyperv/hyperv.h"
#include "hw/hyperv/vmbus.h"
#include "hw/hyperv/vmbus-bridge.h"
#include "qemu/event_notifier.h"
#include "ring.h"
#include "server.h"

/*
 * TLFS 11.3: a port of the guest's has a buffer for so many messages, which the
 * guest can post without waiting.
 */
#define VMBUS_RX_MAX 16

/* A guest that does not read its messages is not listened to either */
#define VMBUS_OUT_MAX 64

/* How long a device is left quiet before it is unplugged, and how long at most */
#define VMBUS_UNPLUG_PERIOD_MS 50
#define VMBUS_UNPLUG_QUIET 4
#define VMBUS_UNPLUG_PERIODS 200

/**
 * VMBusChannel:
 * @is_open: rings, route and notifier are valid
 * @listening: @notifier is attached to @ctx
 * @restored: was open in the stream that was loaded, and is opened when the VM
 *            runs
 * @gpadl: of the rings; NULL if they are not valid
 * @ctx: where the class' chan_notify_cb is called; NULL for the main loop
 */
struct VMBusChannel {
    VMBusOffer offer;
    VMBusDevice *dev;
    VMBus *vmbus;

    bool is_open;
    bool listening;
    bool restored;
    bool broken_logged;
    AioContext *ctx;
    EventNotifier notifier;
    HvSintRoute *route;
    HvSintRoute *spare_route;
    VMBusGpadl *gpadl;
    VMBusRecvRing recv;
    VMBusSendRing send;
};

/* A message that the guest posted */
typedef struct VMBusInMsg {
    uint32_t len;
    uint8_t data[VMBUS_MSG_MAX_SIZE];
} VMBusInMsg;

/* What a migration stream has of a channel */
typedef struct VMBusSavedOffer {
    uint8_t classid[16];
    uint8_t instanceid[16];
    uint16_t index;
    uint32_t relid;
    uint8_t state;
    bool wanted;
    bool rescinded;
    bool orphan;
    VMBusOpenParams open;
} VMBusSavedOffer;

/**
 * VMBus:
 * @route: to VP @server.target_vp, or NULL
 * @tx: message under way by @route, if @sending
 * @reserved_tx: message under way by @reserved_route, if @reserved_sending: of a
 *               reserved channel, to a VP and SINT of its own
 * @running: in vmbus_run()
 * @rerun: vmbus_run() was called and has not looked at everything since
 * @loaded: from a migration stream, and the VM has not run since
 * @rx: the guest's messages, protected by @rx_lock
 * @notifier: signalled by guests that share an interrupt page
 */
struct VMBus {
    BusState parent;

    VMBusServer server;
    HvSintRoute *route;
    VMBusOutMsg tx;
    bool sending;
    HvSintRoute *reserved_route;
    VMBusOutMsg reserved_tx;
    bool reserved_sending;
    bool running;
    bool rerun;
    bool loaded;
    VMChangeStateEntry *vmstate_change;

    QemuMutex rx_lock;
    VMBusInMsg rx[VMBUS_RX_MAX];
    uint32_t rx_head;
    uint32_t rx_nr;

    EventNotifier notifier;
    VMBusMem *int_page;

    int32_t nr_saved;
    VMBusSavedOffer *saved;
};

extern const VMStateDescription vmstate_vmbus;

/**
 * vmbus_resched: look at everything that there is to do, from the main loop
 */
void vmbus_resched(VMBus *vmbus);

/**
 * vmbus_connect: send messages to server.target_vp, and use server.int_page
 *
 * Returns: false if that cannot be
 */
bool vmbus_connect(VMBus *vmbus);

/**
 * vmbus_post_reserved: post @reserved_tx
 */
void vmbus_post_reserved(VMBus *vmbus);

/**
 * vmbus_restart: go on with what was loaded from a migration stream
 */
void vmbus_restart(VMBus *vmbus);

/**
 * vmbus_mem_map: map pages of guest memory
 *
 * Returns: NULL if they are not all RAM
 */
VMBusMem *vmbus_mem_map(AddressSpace *as, const uint64_t *pfn,
                        uint32_t nr_pages);

/**
 * vmbus_channel_open, vmbus_channel_close, vmbus_channel_set_vp: the host's
 * side of what the protocol does to a channel
 *
 * Context: main loop, big QEMU lock held.
 */
bool vmbus_channel_open(VMBusChannel *chan);
void vmbus_channel_close(VMBusChannel *chan);

/**
 * vmbus_channel_shut: as vmbus_channel_close(), but a device whose last channel
 * this is will not be reset
 */
void vmbus_channel_shut(VMBusChannel *chan);

bool vmbus_channel_set_vp(VMBusChannel *chan, uint32_t vp);

/**
 * vmbus_channel_listen: begin or end to hear the guest's signals
 *
 * When it ends, the class' chan_notify_cb does not run any more.
 */
void vmbus_channel_listen(VMBusChannel *chan, bool on);

/**
 * vmbus_channel_notify_guest: interrupt the guest
 */
void vmbus_channel_notify_guest(VMBusChannel *chan);

#endif
