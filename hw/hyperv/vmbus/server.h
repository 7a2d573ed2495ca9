/*
 * VMBus: the channel protocol, without any input or output
 *
 * The guest's messages go in by vmbus_server_message(); messages to the guest
 * come out of vmbus_server_next(), and what is to happen to the channels comes
 * out as calls of VMBusServerOps, which take effect at once.  All that the
 * protocol has to remember is in VMBusServer and VMBusOffer.
 *
 * A message that is malformed, that its sender has not negotiated or that comes
 * at the wrong time is logged and otherwise without effect, except that the
 * guest is told of a failure where the protocol has a way to tell it.
 *
 * Nothing here is thread-safe but the list of GPADLs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_SERVER_H
#define HW_HYPERV_VMBUS_SERVER_H

#include "gpadl.h"

typedef struct VMBusServer VMBusServer;
typedef struct VMBusOffer VMBusOffer;

/**
 * VMBusOfferState: what the guest knows of a channel
 * @VMBUS_OFFER_HIDDEN: nothing
 * @VMBUS_OFFER_CLOSED: it was offered
 * @VMBUS_OFFER_OPEN: and the guest has opened it
 */
typedef enum VMBusOfferState {
    VMBUS_OFFER_HIDDEN,
    VMBUS_OFFER_CLOSED,
    VMBUS_OFFER_OPEN,
} VMBusOfferState;

/**
 * VMBusOpenParams: what the guest opened a channel with
 * @target_vp: for interrupts, or VMBUS_VP_NONE
 * @reserved: opened by OPEN_RESERVED: stays open when the guest disconnects
 */
typedef struct VMBusOpenParams {
    uint32_t open_id;
    uint32_t gpadl_id;
    uint32_t ring_offset;
    uint32_t target_vp;
    uint32_t connection_id;
    uint32_t event_flag;
    bool reserved;
    uint8_t user_data[VMBUS_CHANNEL_USER_DATA_SIZE];
} VMBusOpenParams;

/**
 * VMBusOffer: one channel
 * @device: channels of the same device have the same one
 * @classid, @instanceid: in wire format
 * @relid: its number, from vmbus_server_add() on
 * @wanted: it is to be offered to a guest that asks
 * @rescinded: the guest was told that it is gone, and has not let go of it yet
 * @orphan: it is reserved, and the guest that opened it has disconnected
 */
struct VMBusOffer {
    void *device;
    uint8_t classid[16];
    uint8_t instanceid[16];
    uint16_t index;
    uint16_t flags;
    uint16_t mmio_size_mb;
    const uint8_t *user_data;

    uint32_t relid;
    VMBusOfferState state;
    bool wanted;
    bool rescinded;
    bool orphan;
    VMBusOpenParams open;
    QTAILQ_ENTRY(VMBusOffer) link;
};

/**
 * VMBusServerOps: actions
 * @connect: messages go to @server->target_vp from now on.  Returns: false if
 *           that cannot be, and then there is no connection
 * @open: open the channel with @offer->open.  Returns: false to refuse
 * @close: close it
 * @modify: send interrupts to another VP.  Returns: false if there is none
 * @released: the guest knows no more of a channel that is not wanted
 */
typedef struct VMBusServerOps {
    bool (*connect)(VMBusServer *server);
    bool (*open)(VMBusServer *server, VMBusOffer *offer);
    void (*close)(VMBusServer *server, VMBusOffer *offer);
    bool (*modify)(VMBusServer *server, VMBusOffer *offer, uint32_t vp);
    void (*released)(VMBusServer *server, VMBusOffer *offer);
} VMBusServerOps;

/**
 * VMBusOutMsg: a message to the guest
 * @vp, @sint: where it goes; VMBUS_VP_NONE for where the guest's messages go
 *             in general
 */
typedef struct VMBusOutMsg {
    uint32_t vp;
    uint32_t sint;
    uint32_t len;
    uint8_t data[VMBUS_MSG_MAX_SIZE];
    QTAILQ_ENTRY(VMBusOutMsg) link;
} VMBusOutMsg;

/**
 * VMBusServer:
 * @version: negotiated version, 0 if the guest is not connected
 * @features: negotiated VMBUS_FEATURE_*
 * @target_vp: VP for messages; stays when the guest disconnects
 * @int_page: GPA of the interrupt page of guests before 2.4, or 0
 * @client_id: who the guest said it is
 * @offers_sent: the guest has asked for the offers
 * @paused: the guest wants no messages but the first @unpaused of @out
 * @guest_errors: number of messages that were wrong
 */
struct VMBusServer {
    const VMBusServerOps *ops;

    uint32_t version;
    uint32_t features;
    uint32_t target_vp;
    uint64_t int_page;
    uint8_t client_id[16];
    bool offers_sent;
    bool paused;
    uint32_t unpaused;

    VMBusGpadls gpadls;
    VMBusOffer *by_relid[VMBUS_CHANNEL_IDS];
    QTAILQ_HEAD(, VMBusOffer) offers;
    QTAILQ_HEAD(, VMBusOutMsg) out;
    unsigned nr_out;
    uint64_t guest_errors;
};

void vmbus_server_init(VMBusServer *s, const VMBusServerOps *ops);
void vmbus_server_destroy(VMBusServer *s);

/**
 * vmbus_server_reset: as if there had never been a guest; it is told nothing
 */
void vmbus_server_reset(VMBusServer *s);

/**
 * vmbus_server_add: a channel that may be offered, its constant fields filled
 * in.  Those of a device are added in the order of their indexes.
 *
 * Returns: false if there are no numbers left
 */
bool vmbus_server_add(VMBusServer *s, VMBusOffer *offer);

/**
 * vmbus_server_remove: forget a channel, whatever its state
 */
void vmbus_server_remove(VMBusServer *s, VMBusOffer *offer);

/**
 * vmbus_server_offer: offer a channel, now or when the guest asks
 */
void vmbus_server_offer(VMBusServer *s, VMBusOffer *offer);

/**
 * vmbus_server_withdraw: offer it no longer
 *
 * Returns: true if the guest knows nothing of it; otherwise @released is
 * called when it has let go
 */
bool vmbus_server_withdraw(VMBusServer *s, VMBusOffer *offer);

/**
 * vmbus_server_reoffer: have the guest let go of a channel and find it anew
 */
void vmbus_server_reoffer(VMBusServer *s, VMBusOffer *offer);

/**
 * vmbus_server_message: a message of the guest's
 */
void vmbus_server_message(VMBusServer *s, const void *data, uint32_t len);

/**
 * vmbus_server_disconnect: the guest cannot be reached any more
 */
void vmbus_server_disconnect(VMBusServer *s);

/**
 * vmbus_server_next: the message that is to be sent next
 *
 * Returns: NULL if there is none; valid until vmbus_server_sent() or any of
 * the functions above
 */
const VMBusOutMsg *vmbus_server_next(VMBusServer *s);
void vmbus_server_sent(VMBusServer *s);

/**
 * vmbus_server_unsend: @msg was not sent after all, and is the next one again
 */
void vmbus_server_unsend(VMBusServer *s, const VMBusOutMsg *msg);

/**
 * vmbus_server_set_relid: give a channel its number from a migration stream
 *
 * Returns: false if another one has it
 */
bool vmbus_server_set_relid(VMBusServer *s, VMBusOffer *offer, uint32_t relid);

#endif
