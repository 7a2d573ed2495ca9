/*
 * VMBus: migration
 *
 * The channels travel with the bus, not with their devices.  They are opened
 * again when the VM runs: by then the devices have been loaded too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "migration/vmstate.h"
#include "internal.h"

static int vmbus_pre_load(void *opaque)
{
    VMBus *vmbus = opaque;

    vmbus_server_reset(&vmbus->server);
    return 0;
}

static int vmbus_pre_save(void *opaque)
{
    VMBus *vmbus = opaque;
    VMBusSavedOffer *saved;
    VMBusOffer *o;

    g_free(vmbus->saved);
    vmbus->nr_saved = 0;
    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        vmbus->nr_saved++;
    }
    vmbus->saved = saved = g_new0(VMBusSavedOffer, vmbus->nr_saved);
    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        memcpy(saved->classid, o->classid, sizeof(saved->classid));
        memcpy(saved->instanceid, o->instanceid, sizeof(saved->instanceid));
        saved->index = o->index;
        saved->relid = o->relid;
        saved->state = o->state;
        saved->wanted = o->wanted;
        saved->rescinded = o->rescinded;
        saved->orphan = o->orphan;
        saved->open = o->open;
        saved++;
    }
    return 0;
}

static int vmbus_post_save(void *opaque)
{
    VMBus *vmbus = opaque;

    g_clear_pointer(&vmbus->saved, g_free);
    vmbus->nr_saved = 0;
    return 0;
}

static VMBusOffer *vmbus_find_instance(VMBus *vmbus, const uint8_t *instanceid,
                                       uint16_t index)
{
    VMBusOffer *o;

    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        if (o->index == index &&
            !memcmp(o->instanceid, instanceid, sizeof(o->instanceid))) {
            return o;
        }
    }
    return NULL;
}

static bool vmbus_instance_saved(VMBus *vmbus, const uint8_t *instanceid)
{
    int32_t i;

    for (i = 0; i < vmbus->nr_saved; i++) {
        if (!memcmp(vmbus->saved[i].instanceid, instanceid, 16)) {
            return true;
        }
    }
    return false;
}

/*
 * Instance ids are random unless they are given.  The guest knows a device by
 * that of the stream, so the first one that is of the right class, and that
 * the stream does not have, becomes it.
 */
static void vmbus_adopt_instance(VMBus *vmbus, const VMBusSavedOffer *saved)
{
    VMBusOffer *o;
    uint16_t i;

    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        VMBusDevice *vdev = container_of(o, VMBusChannel, offer)->dev;

        if (memcmp(o->classid, saved->classid, sizeof(o->classid)) ||
            vmbus_instance_saved(vmbus, o->instanceid)) {
            continue;
        }
        for (i = 0; i < vdev->num_channels; i++) {
            memcpy(vdev->channels[i].offer.instanceid, saved->instanceid,
                   sizeof(saved->instanceid));
        }
        memcpy(vdev->instanceid.data, saved->instanceid,
               sizeof(saved->instanceid));
        vdev->instanceid = qemu_uuid_bswap(vdev->instanceid);
        return;
    }
}

/* Every channel gets the number that the guest knows it by */
static bool vmbus_load_offers(VMBus *vmbus)
{
    VMBusServer *s = &vmbus->server;
    VMBusOffer *o;
    uint32_t relid = 1;
    int32_t i;

    memset(s->by_relid, 0, sizeof(s->by_relid));
    QTAILQ_FOREACH(o, &s->offers, link) {
        o->relid = 0;
    }
    for (i = 0; i < vmbus->nr_saved; i++) {
        VMBusSavedOffer *saved = &vmbus->saved[i];

        if (!vmbus_find_instance(vmbus, saved->instanceid, 0)) {
            vmbus_adopt_instance(vmbus, saved);
        }
        o = vmbus_find_instance(vmbus, saved->instanceid, saved->index);
        if (!o) {
            error_report("the VMBus of the stream has a device or channel "
                         "that is not here");
            return false;
        }
        if (o->relid || !vmbus_server_set_relid(s, o, saved->relid) ||
            saved->state > VMBUS_OFFER_OPEN ||
            saved->open.event_flag >= VMBUS_CHANNEL_IDS) {
            return false;
        }
        o->state = saved->state;
        o->wanted = saved->wanted;
        o->rescinded = saved->rescinded;
        o->orphan = saved->orphan;
        o->open = saved->open;
        container_of(o, VMBusChannel, offer)->restored =
            o->state == VMBUS_OFFER_OPEN;
    }
    /* Those that the stream does not have */
    QTAILQ_FOREACH(o, &s->offers, link) {
        while (!o->relid && relid < VMBUS_CHANNEL_IDS) {
            vmbus_server_set_relid(s, o, relid++);
        }
        if (!o->relid) {
            return false;
        }
    }
    return true;
}

static int vmbus_post_load(void *opaque, int version_id)
{
    VMBus *vmbus = opaque;
    VMBusServer *s = &vmbus->server;
    VMBusOutMsg *msg;
    uint32_t i;
    bool ok;

    s->nr_out = 0;
    QTAILQ_FOREACH(msg, &s->out, link) {
        s->nr_out++;
        if (msg->len < sizeof(vmbus_message_header) ||
            msg->len > VMBUS_MSG_MAX_SIZE) {
            return -EINVAL;
        }
    }
    for (i = 0; i < VMBUS_RX_MAX; i++) {
        if (vmbus->rx[i].len > VMBUS_MSG_MAX_SIZE) {
            return -EINVAL;
        }
    }
    if (vmbus->rx_head >= VMBUS_RX_MAX || vmbus->rx_nr > VMBUS_RX_MAX ||
        vmbus->tx.len > VMBUS_MSG_MAX_SIZE ||
        vmbus->reserved_tx.len > VMBUS_MSG_MAX_SIZE ||
        s->unpaused > s->nr_out || !vmbus_gpadls_check(&s->gpadls)) {
        return -EINVAL;
    }
    ok = vmbus_load_offers(vmbus);
    g_clear_pointer(&vmbus->saved, g_free);
    vmbus->nr_saved = 0;
    vmbus->loaded = true;
    return ok ? 0 : -EINVAL;
}

static void vmbus_restart_channel(VMBusChannel *chan)
{
    VMBusServer *s = &chan->vmbus->server;

    /* A device that keeps no state has forgotten what it was about */
    if (!DEVICE_GET_CLASS(chan->dev)->vmsd) {
        vmbus_server_reoffer(s, &chan->offer);
        return;
    }
    if (!chan->restored) {
        return;
    }
    if (vmbus_channel_open(chan)) {
        vmbus_channel_notify_guest(chan);
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "vmbus: channel %u cannot be opened "
                      "again\n", chan->offer.relid);
        vmbus_server_reoffer(s, &chan->offer);
    }
    chan->restored = false;
}

void vmbus_restart(VMBus *vmbus)
{
    VMBusServer *s = &vmbus->server;
    VMBusOffer *o;
    bool sending = vmbus->sending;

    vmbus->sending = false;
    if (s->target_vp != VMBUS_VP_NONE && !vmbus_connect(vmbus)) {
        vmbus_server_disconnect(s);
        return;
    }
    if (sending) {
        /* What was under way is lost with the SynIC that had it */
        vmbus_server_unsend(s, &vmbus->tx);
    }
    if (vmbus->reserved_sending) {
        vmbus_post_reserved(vmbus);
    }
    QTAILQ_FOREACH(o, &s->offers, link) {
        if (o->state == VMBUS_OFFER_OPEN) {
            vmbus_restart_channel(container_of(o, VMBusChannel, offer));
        }
    }
}

/* Elements of lists are allocated without being cleared */
static int gpadl_pre_load(void *opaque)
{
    memset(opaque, 0, sizeof(VMBusGpadl));
    return 0;
}

static const VMStateDescription vmstate_gpadl = {
    .name = "vmbus/gpadl",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = gpadl_pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(id, VMBusGpadl),
        VMSTATE_UINT32(relid, VMBusGpadl),
        VMSTATE_UINT32(offset, VMBusGpadl),
        VMSTATE_UINT32(len, VMBusGpadl),
        VMSTATE_UINT32(nr_pages, VMBusGpadl),
        VMSTATE_UINT32(seen, VMBusGpadl),
        VMSTATE_VARRAY_UINT32_ALLOC(pfn, VMBusGpadl, nr_pages, 0,
                                    vmstate_info_uint64, uint64_t),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_out_msg = {
    .name = "vmbus/message-out",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(vp, VMBusOutMsg),
        VMSTATE_UINT32(sint, VMBusOutMsg),
        VMSTATE_UINT32(len, VMBusOutMsg),
        VMSTATE_UINT8_ARRAY(data, VMBusOutMsg, VMBUS_MSG_MAX_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_in_msg = {
    .name = "vmbus/message-in",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(len, VMBusInMsg),
        VMSTATE_UINT8_ARRAY(data, VMBusInMsg, VMBUS_MSG_MAX_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_open = {
    .name = "vmbus/open",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(open_id, VMBusOpenParams),
        VMSTATE_UINT32(gpadl_id, VMBusOpenParams),
        VMSTATE_UINT32(ring_offset, VMBusOpenParams),
        VMSTATE_UINT32(target_vp, VMBusOpenParams),
        VMSTATE_UINT32(connection_id, VMBusOpenParams),
        VMSTATE_UINT32(event_flag, VMBusOpenParams),
        VMSTATE_BOOL(reserved, VMBusOpenParams),
        VMSTATE_UINT8_ARRAY(user_data, VMBusOpenParams,
                            VMBUS_CHANNEL_USER_DATA_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_offer = {
    .name = "vmbus/offer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_ARRAY(classid, VMBusSavedOffer, 16),
        VMSTATE_UINT8_ARRAY(instanceid, VMBusSavedOffer, 16),
        VMSTATE_UINT16(index, VMBusSavedOffer),
        VMSTATE_UINT32(relid, VMBusSavedOffer),
        VMSTATE_UINT8(state, VMBusSavedOffer),
        VMSTATE_BOOL(wanted, VMBusSavedOffer),
        VMSTATE_BOOL(rescinded, VMBusSavedOffer),
        VMSTATE_BOOL(orphan, VMBusSavedOffer),
        VMSTATE_STRUCT(open, VMBusSavedOffer, 1, vmstate_open,
                       VMBusOpenParams),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_vmbus = {
    .name = TYPE_VMBUS,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = vmbus_pre_load,
    .post_load = vmbus_post_load,
    .pre_save = vmbus_pre_save,
    .post_save = vmbus_post_save,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(server.version, VMBus),
        VMSTATE_UINT32(server.features, VMBus),
        VMSTATE_UINT32(server.target_vp, VMBus),
        VMSTATE_UINT64(server.int_page, VMBus),
        VMSTATE_UINT8_ARRAY(server.client_id, VMBus, 16),
        VMSTATE_BOOL(server.offers_sent, VMBus),
        VMSTATE_BOOL(server.paused, VMBus),
        VMSTATE_UINT32(server.unpaused, VMBus),
        VMSTATE_QTAILQ_V(server.gpadls.list, VMBus, 1, vmstate_gpadl,
                         VMBusGpadl, link),
        VMSTATE_QTAILQ_V(server.out, VMBus, 1, vmstate_out_msg, VMBusOutMsg,
                         link),
        VMSTATE_BOOL(sending, VMBus),
        VMSTATE_STRUCT(tx, VMBus, 1, vmstate_out_msg, VMBusOutMsg),
        VMSTATE_BOOL(reserved_sending, VMBus),
        VMSTATE_STRUCT(reserved_tx, VMBus, 1, vmstate_out_msg, VMBusOutMsg),
        VMSTATE_UINT32(rx_head, VMBus),
        VMSTATE_UINT32(rx_nr, VMBus),
        VMSTATE_STRUCT_ARRAY(rx, VMBus, VMBUS_RX_MAX, 1, vmstate_in_msg,
                             VMBusInMsg),
        VMSTATE_INT32(nr_saved, VMBus),
        VMSTATE_STRUCT_VARRAY_ALLOC(saved, VMBus, nr_saved, 1, vmstate_offer,
                                    VMBusSavedOffer),
        VMSTATE_END_OF_LIST()
    }
};

static int vmbus_dev_post_load(void *opaque, int version_id)
{
    VMBusDevice *vdev = opaque;

    return qemu_uuid_is_equal(&vdev->loaded_instanceid, &vdev->instanceid) ?
           0 : -EINVAL;
}

static int vmbus_dev_pre_save(void *opaque)
{
    VMBusDevice *vdev = opaque;

    vdev->loaded_instanceid = vdev->instanceid;
    return 0;
}

const VMStateDescription vmstate_vmbus_dev = {
    .name = TYPE_VMBUS_DEVICE,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = vmbus_dev_pre_save,
    .post_load = vmbus_dev_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_ARRAY(loaded_instanceid.data, VMBusDevice, 16),
        VMSTATE_END_OF_LIST()
    }
};
