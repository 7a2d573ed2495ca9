/*
 * VMBus: the bus and its bridge
 *
 * Messages and actions of the protocol happen in the main loop, one after the
 * other, in vmbus_run().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/hotplug.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/sysbus.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/runstate.h"
#include "internal.h"
#include "../trace.h"

static VMBus *server_bus(VMBusServer *server)
{
    return container_of(server, VMBus, server);
}

static VMBusChannel *offer_channel(VMBusOffer *offer)
{
    return container_of(offer, VMBusChannel, offer);
}

/* Messages */

static void vmbus_msg_cb(void *data, int status);

static void vmbus_disconnect(VMBus *vmbus, const char *why)
{
    qemu_log_mask(LOG_GUEST_ERROR, "vmbus: disconnected: %s\n", why);
    vmbus_server_disconnect(&vmbus->server);
}

static int vmbus_post(HvSintRoute *route, const VMBusOutMsg *out)
{
    struct hyperv_message msg = {
        .header.message_type = HV_MESSAGE_VMBUS,
        .header.payload_size = ROUND_UP(out->len, 8),
    };

    memcpy(msg.payload, out->data, out->len);
    trace_vmbus_post_message(ldl_le_p(out->data), out->len);
    return route ? hyperv_post_msg(route, &msg) : -ENXIO;
}

static void vmbus_reserved_cb(void *data, int status)
{
    VMBus *vmbus = data;

    if (status != -EAGAIN) {
        vmbus->reserved_sending = false;
    } else if (vmbus->reserved_sending) {
        vmbus_post(vmbus->reserved_route, &vmbus->reserved_tx);
    }
}

void vmbus_post_reserved(VMBus *vmbus)
{
    VMBusOutMsg *msg = &vmbus->reserved_tx;
    int ret;

    hyperv_sint_route_unref(vmbus->reserved_route);
    vmbus->reserved_route = hyperv_sint_route_new(msg->vp, msg->sint,
                                                  vmbus_reserved_cb, vmbus);
    ret = vmbus_post(vmbus->reserved_route, msg);
    vmbus->reserved_sending = !ret;
    if (ret) {
        qemu_log_mask(LOG_GUEST_ERROR, "vmbus: no VP %u or SINT %u for a "
                      "reserved channel\n", msg->vp, msg->sint);
    }
}

/* Hand @tx to the SynIC, which calls back when it is delivered */
static void vmbus_tx_post(VMBus *vmbus)
{
    int ret = vmbus_post(vmbus->route, &vmbus->tx);

    /* -EAGAIN: an older message has to get through first */
    if (ret && ret != -EAGAIN) {
        vmbus->sending = false;
        vmbus_disconnect(vmbus, "messages cannot be posted");
    }
}

static void vmbus_tx_next(VMBus *vmbus)
{
    const VMBusOutMsg *msg;

    while (!vmbus->sending && (msg = vmbus_server_next(&vmbus->server))) {
        if (msg->vp == VMBUS_VP_NONE) {
            vmbus->tx = *msg;
            vmbus->sending = true;
            vmbus_server_sent(&vmbus->server);
            vmbus_tx_post(vmbus);
        } else {
            /* An older one that was not read is of no use any more */
            vmbus->reserved_tx = *msg;
            vmbus_server_sent(&vmbus->server);
            vmbus_post_reserved(vmbus);
        }
    }
}

/*
 * A channel whose protocol the host begins: the guest expects nothing before it
 * knows that the channel is open.
 */
static void vmbus_opened(VMBus *vmbus)
{
    const vmbus_message_open_result *msg = (const void *)vmbus->tx.data;
    uint32_t relid = le32_to_cpu(msg->child_relid);
    VMBusOffer *o = relid < VMBUS_CHANNEL_IDS ?
                    vmbus->server.by_relid[relid] : NULL;

    if (o && offer_channel(o)->is_open) {
        vmbus_channel_notify_host(offer_channel(o));
    }
}

static void vmbus_msg_cb(void *data, int status)
{
    VMBus *vmbus = data;

    trace_vmbus_message_status(status);
    if (!vmbus->sending) {
        return;
    }
    if (status == -EAGAIN) {
        vmbus_tx_post(vmbus);
    } else {
        if (ldl_le_p(vmbus->tx.data) == VMBUS_MSG_OPENCHANNEL_RESULT) {
            vmbus_opened(vmbus);
        }
        vmbus->sending = false;
        if (status) {
            vmbus_disconnect(vmbus, "a message was not delivered");
        }
    }
    vmbus_resched(vmbus);
}

/* HvCallPostMessage, in the thread of the VP */
static uint16_t vmbus_recv_message(const struct hyperv_post_message_input *msg,
                                   void *data)
{
    VMBus *vmbus = data;
    VMBusInMsg *in;

    if (msg->message_type != HV_MESSAGE_VMBUS ||
        msg->payload_size < sizeof(vmbus_message_header) ||
        msg->payload_size > VMBUS_MSG_MAX_SIZE) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    trace_vmbus_recv_message(ldl_le_p(msg->payload), msg->payload_size);
    WITH_QEMU_LOCK_GUARD(&vmbus->rx_lock) {
        if (vmbus->rx_nr == VMBUS_RX_MAX) {
            return HV_STATUS_INSUFFICIENT_BUFFERS;
        }
        in = &vmbus->rx[(vmbus->rx_head + vmbus->rx_nr++) % VMBUS_RX_MAX];
        in->len = msg->payload_size;
        memcpy(in->data, msg->payload, in->len);
    }
    vmbus_resched(vmbus);
    return HV_STATUS_SUCCESS;
}

static bool vmbus_rx_pop(VMBus *vmbus, VMBusInMsg *msg)
{
    QEMU_LOCK_GUARD(&vmbus->rx_lock);
    if (!vmbus->rx_nr) {
        return false;
    }
    *msg = vmbus->rx[vmbus->rx_head];
    vmbus->rx_head = (vmbus->rx_head + 1) % VMBUS_RX_MAX;
    vmbus->rx_nr--;
    return true;
}

/* Devices */

static bool vmbus_device_known(VMBusDevice *vdev)
{
    uint16_t i;

    for (i = 0; i < vdev->num_channels; i++) {
        if (vdev->channels[i].offer.state != VMBUS_OFFER_HIDDEN) {
            return true;
        }
    }
    return false;
}

/* Devices that wait for the guest to let go of them */
static void vmbus_finish_unplug(VMBus *vmbus)
{
    BusChild *child, *next;

    QTAILQ_FOREACH_SAFE(child, &BUS(vmbus)->children, sibling, next) {
        DeviceState *dev = child->child;

        if (dev->pending_deleted_event &&
            !vmbus_device_known(VMBUS_DEVICE(dev))) {
            HotplugHandler *handler = qdev_get_hotplug_handler(dev);

            hotplug_handler_unplug(handler, dev, &error_abort);
            object_unparent(OBJECT(dev));
        }
    }
}

static void vmbus_device_withdraw(VMBusDevice *vdev)
{
    VMBus *vmbus = vdev->channels[0].vmbus;
    unsigned i;

    for (i = vdev->num_channels; i-- > 0;) {
        vmbus_server_withdraw(&vmbus->server, &vdev->channels[i].offer);
    }
    vmbus_finish_unplug(vmbus);
    vmbus_resched(vmbus);
}

/* Another value if the guest has sent something */
static uint32_t vmbus_device_read_position(VMBusDevice *vdev)
{
    uint32_t sum = 0;
    unsigned i;

    for (i = 0; i < vdev->num_channels; i++) {
        if (vdev->channels[i].is_open) {
            sum += qatomic_read(&vdev->channels[i].recv.read);
        }
    }
    return sum;
}

/*
 * Linux looks at no packet any more when a device is rescinded, and waits for
 * ever for answers that it has not had.  So a device is withdrawn only when it
 * has been quiet for VMBUS_UNPLUG_QUIET periods, if the guest leaves it alone.
 */
static void vmbus_device_unplug(void *opaque)
{
    VMBusDevice *vdev = opaque;
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    uint32_t read = vmbus_device_read_position(vdev);

    if (!vdc->prepare_unplug || !vdev->channels[0].is_open ||
        vdev->unplug_periods == VMBUS_UNPLUG_PERIODS) {
        vmbus_device_withdraw(vdev);
        return;
    }
    if (!vdc->prepare_unplug(vdev) || !vdev->unplug_periods ||
        read != vdev->unplug_read) {
        vdev->unplug_read = read;
        vdev->unplug_quiet = 0;
    } else if (++vdev->unplug_quiet == VMBUS_UNPLUG_QUIET) {
        vmbus_device_withdraw(vdev);
        return;
    }
    vdev->unplug_periods++;
    timer_mod(vdev->unplug_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) +
                                  VMBUS_UNPLUG_PERIOD_MS);
}

static void vmbus_offer_subchannels(VMBus *vmbus)
{
    BusChild *child;

    QTAILQ_FOREACH(child, &BUS(vmbus)->children, sibling) {
        VMBusDevice *vdev = VMBUS_DEVICE(child->child);
        unsigned n = qatomic_xchg(&vdev->subchannels_asked, 0);
        unsigned i;

        /* The guest may have closed the device in the meantime */
        if (!vdev->channels || !vdev->channels[0].is_open ||
            DEVICE(vdev)->pending_deleted_event) {
            continue;
        }
        for (i = 1; i <= n; i++) {
            vmbus_server_offer(&vmbus->server, &vdev->channels[i].offer);
        }
    }
}

int vmbus_device_offer_subchannels(VMBusDevice *vdev, unsigned n)
{
    if (n >= vdev->num_channels) {
        return -EINVAL;
    }
    qatomic_set(&vdev->subchannels_asked, n);
    vmbus_resched(vdev->channels[0].vmbus);
    return 0;
}

/* A message of the guest's, if there is one and the guest reads its own */
static bool vmbus_rx_next(VMBus *vmbus)
{
    VMBusInMsg msg;

    if ((vmbus->sending && vmbus->server.nr_out > VMBUS_OUT_MAX) ||
        !vmbus_rx_pop(vmbus, &msg)) {
        return false;
    }
    trace_vmbus_process_message(ldl_le_p(msg.data));
    vmbus_server_message(&vmbus->server, msg.data, msg.len);
    return true;
}

/* Only while the VM runs: what happens here changes guest memory */
static void vmbus_run(void *opaque)
{
    VMBus *vmbus = opaque;

    vmbus->rerun = true;
    if (vmbus->running || !runstate_is_running() || vmbus->loaded) {
        return;
    }
    vmbus->running = true;
    /* Closing a channel may run a nested event loop, and that this function */
    while (vmbus->rerun) {
        vmbus->rerun = false;
        do {
            vmbus_offer_subchannels(vmbus);
            vmbus_finish_unplug(vmbus);
            vmbus_tx_next(vmbus);
        } while (vmbus_rx_next(vmbus));
    }
    vmbus->running = false;
}

void vmbus_resched(VMBus *vmbus)
{
    aio_bh_schedule_oneshot(qemu_get_aio_context(), vmbus_run, vmbus);
}

/* Actions of the protocol */

bool vmbus_connect(VMBus *vmbus)
{
    VMBusServer *s = &vmbus->server;
    uint64_t pfn = s->int_page >> HV_PAGE_SHIFT;

    trace_vmbus_connect(s->version, s->target_vp, s->int_page);
    hyperv_sint_route_unref(vmbus->route);
    g_clear_pointer(&vmbus->int_page, vmbus_mem_free);
    /* A message on its way to the one who was connected before is void */
    vmbus->sending = false;

    vmbus->route = hyperv_sint_route_new(s->target_vp, VMBUS_SINT,
                                         vmbus_msg_cb, vmbus);
    if (!vmbus->route) {
        return false;
    }
    if (s->int_page) {
        vmbus->int_page = vmbus_mem_map(&address_space_memory, &pfn, 1);
        return vmbus->int_page;
    }
    return true;
}

static bool vmbus_op_connect(VMBusServer *server)
{
    return vmbus_connect(server_bus(server));
}

static bool vmbus_op_open(VMBusServer *server, VMBusOffer *offer)
{
    return vmbus_channel_open(offer_channel(offer));
}

static void vmbus_op_close(VMBusServer *server, VMBusOffer *offer)
{
    vmbus_channel_close(offer_channel(offer));
}

static bool vmbus_op_modify(VMBusServer *server, VMBusOffer *offer, uint32_t vp)
{
    return vmbus_channel_set_vp(offer_channel(offer), vp);
}

static void vmbus_op_released(VMBusServer *server, VMBusOffer *offer)
{
    vmbus_resched(server_bus(server));
}

static const VMBusServerOps vmbus_server_ops = {
    .connect = vmbus_op_connect,
    .open = vmbus_op_open,
    .close = vmbus_op_close,
    .modify = vmbus_op_modify,
    .released = vmbus_op_released,
};

/*
 * HvCallSignalEvent of a guest that shares an interrupt page: the second half
 * has a bit for each channel.
 */
static void vmbus_signal_event(EventNotifier *e)
{
    VMBus *vmbus = container_of(e, VMBus, notifier);
    uint32_t *words, word;
    unsigned i, bit;

    if (!event_notifier_test_and_clear(e) || !vmbus->int_page) {
        return;
    }
    trace_vmbus_signal_event();
    words = (uint32_t *)(vmbus->int_page->page[0] + HV_PAGE_SIZE / 2);
    for (i = 0; i < VMBUS_CHANNEL_IDS / 32; i++) {
        if (!qatomic_read(&words[i])) {
            continue;
        }
        word = le32_to_cpu(qatomic_xchg(&words[i], 0));
        vmbus_mem_dirty(vmbus->int_page, HV_PAGE_SIZE / 2 + i * 4, 4);
        for (bit = 0; bit < 32; bit++) {
            VMBusOffer *o = vmbus->server.by_relid[i * 32 + bit];

            if ((word & (1u << bit)) && o && offer_channel(o)->is_open) {
                vmbus_channel_notify_host(offer_channel(o));
            }
        }
    }
}

/* The device base class */

/* Channels as they are freed: a VP may be about to signal one */
typedef struct VMBusChannelArray {
    struct rcu_head rcu;
    unsigned nr;
    VMBusChannel *channels;
} VMBusChannelArray;

static void vmbus_channels_free(VMBusChannelArray *a)
{
    unsigned i;

    for (i = 0; i < a->nr; i++) {
        event_notifier_cleanup(&a->channels[i].notifier);
    }
    g_free(a->channels);
    g_free(a);
}

static void vmbus_dev_remove_channels(VMBusDevice *vdev)
{
    VMBus *vmbus = VMBUS(qdev_get_parent_bus(DEVICE(vdev)));
    VMBusChannelArray *a = g_new0(VMBusChannelArray, 1);
    unsigned i;

    for (i = vdev->num_channels; i-- > 0;) {
        vmbus_server_remove(&vmbus->server, &vdev->channels[i].offer);
    }
    a->nr = vdev->num_channels;
    a->channels = g_steal_pointer(&vdev->channels);
    vdev->num_channels = 0;
    call_rcu(a, vmbus_channels_free, rcu);
}

static bool vmbus_dev_add_channel(VMBusDevice *vdev, uint16_t index,
                                  Error **errp)
{
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    VMBusChannel *chan = &vdev->channels[index];
    /* The wire has little-endian GUIDs */
    QemuUUID classid = qemu_uuid_bswap(vdc->classid);
    QemuUUID instanceid = qemu_uuid_bswap(vdev->instanceid);
    int ret;

    chan->dev = vdev;
    chan->vmbus = VMBUS(qdev_get_parent_bus(DEVICE(vdev)));
    chan->offer.device = vdev;
    chan->offer.index = index;
    chan->offer.flags = vdc->channel_flags;
    chan->offer.mmio_size_mb = vdc->mmio_size_mb;
    chan->offer.user_data = vdev->user_data;
    memcpy(chan->offer.classid, &classid, sizeof(classid));
    memcpy(chan->offer.instanceid, &instanceid, sizeof(instanceid));

    ret = event_notifier_init(&chan->notifier, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "no event for a VMBus channel");
        return false;
    }
    if (!vmbus_server_add(&chan->vmbus->server, &chan->offer)) {
        event_notifier_cleanup(&chan->notifier);
        error_setg(errp, "the VMBus has no more than %u channels",
                   VMBUS_CHANNEL_IDS - 1);
        return false;
    }
    return true;
}

static bool vmbus_dev_check_instance(VMBusDevice *vdev, Error **errp)
{
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));
    char id[UUID_STR_LEN];
    BusChild *child;

    if (!qemu_uuid_is_null(&vdc->instanceid) &&
        !qemu_uuid_is_equal(&vdev->instanceid, &vdc->instanceid)) {
        error_setg(errp, "the instanceid of this device cannot be changed");
        return false;
    }
    if (qemu_uuid_is_null(&vdev->instanceid)) {
        error_setg(errp, "instanceid must not be zero");
        return false;
    }
    QTAILQ_FOREACH(child, &bus->children, sibling) {
        VMBusDevice *other = VMBUS_DEVICE(child->child);

        if (other != vdev &&
            qemu_uuid_is_equal(&other->instanceid, &vdev->instanceid)) {
            qemu_uuid_unparse(&vdev->instanceid, id);
            error_setg(errp, "there is a VMBus device with instanceid %s "
                       "already", id);
            return false;
        }
    }
    return true;
}

static void vmbus_dev_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    VMBusDevice *vdev = VMBUS_DEVICE(dev);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    VMBus *vmbus = VMBUS(qdev_get_parent_bus(dev));
    uint16_t nr = vdc->num_channels ? vdc->num_channels(vdev) : 1;

    if (!vmbus_dev_check_instance(vdev, errp)) {
        return;
    }
    if (!nr) {
        error_setg(errp, "a VMBus device needs a channel");
        return;
    }
    vdev->dma_as = &address_space_memory;
    vdev->channels = g_new0(VMBusChannel, nr);
    while (vdev->num_channels < nr) {
        if (!vmbus_dev_add_channel(vdev, vdev->num_channels, errp)) {
            goto fail;
        }
        vdev->num_channels++;
    }
    if (vdc->vmdev_realize) {
        vdc->vmdev_realize(vdev, errp);
        if (*errp) {
            goto fail;
        }
    }
    vdev->unplug_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, vmbus_device_unplug,
                                      vdev);
    vmbus_server_offer(&vmbus->server, &vdev->channels[0].offer);
    vmbus_resched(vmbus);
    return;

fail:
    vmbus_dev_remove_channels(vdev);
}

static void vmbus_dev_unrealize(DeviceState *dev)
{
    VMBusDevice *vdev = VMBUS_DEVICE(dev);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    unsigned i;

    timer_free(vdev->unplug_timer);
    for (i = vdev->num_channels; i-- > 0;) {
        vmbus_channel_shut(&vdev->channels[i]);
    }
    if (vdc->vmdev_unrealize) {
        vdc->vmdev_unrealize(vdev);
    }
    vmbus_dev_remove_channels(vdev);
}

static void vmbus_dev_reset_hold(Object *obj, ResetType type)
{
    VMBusDevice *vdev = VMBUS_DEVICE(obj);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);
    unsigned i;

    for (i = vdev->num_channels; i-- > 0;) {
        vmbus_channel_shut(&vdev->channels[i]);
    }
    if (vdc->vmdev_reset) {
        vdc->vmdev_reset(vdev);
    }
}

static const Property vmbus_dev_props[] = {
    DEFINE_PROP_UUID("instanceid", VMBusDevice, instanceid),
};

static void vmbus_dev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->bus_type = TYPE_VMBUS;
    dc->realize = vmbus_dev_realize;
    dc->unrealize = vmbus_dev_unrealize;
    device_class_set_props(dc, vmbus_dev_props);
    rc->phases.hold = vmbus_dev_reset_hold;
}

static void vmbus_dev_instance_init(Object *obj)
{
    VMBusDevice *vdev = VMBUS_DEVICE(obj);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_GET_CLASS(vdev);

    if (!qemu_uuid_is_null(&vdc->instanceid)) {
        vdev->instanceid = vdc->instanceid;
    }
}

static const TypeInfo vmbus_dev_type_info = {
    .name = TYPE_VMBUS_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(VMBusDevice),
    .class_size = sizeof(VMBusDeviceClass),
    .class_init = vmbus_dev_class_init,
    .instance_init = vmbus_dev_instance_init,
};

/* The bus */

/*
 * When the VM stops, the guest's signals wait: rings must not change after
 * their memory has been saved.
 */
static void vmbus_vm_state_change(void *opaque, bool running, RunState state)
{
    VMBus *vmbus = opaque;
    VMBusOffer *o;

    if (running && vmbus->loaded) {
        vmbus->loaded = false;
        vmbus_restart(vmbus);
    }
    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        VMBusChannel *chan = offer_channel(o);

        if (chan->is_open) {
            vmbus_channel_listen(chan, running);
            /* What came while nobody listened */
            vmbus_channel_notify_host(chan);
        }
    }
    if (running) {
        vmbus_resched(vmbus);
    }
}

static void vmbus_realize(BusState *bus, Error **errp)
{
    VMBus *vmbus = VMBUS(bus);
    int ret;

    vmbus_server_init(&vmbus->server, &vmbus_server_ops);
    qemu_mutex_init(&vmbus->rx_lock);
    ret = event_notifier_init(&vmbus->notifier, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "no event for the VMBus");
        return;
    }
    event_notifier_set_handler(&vmbus->notifier, vmbus_signal_event);
    ret = hyperv_set_event_flag_handler(VMBUS_EVENT_CONNECTION_ID,
                                        &vmbus->notifier);
    ret = ret ?: hyperv_set_msg_handler(VMBUS_MESSAGE_CONNECTION_ID,
                                        vmbus_recv_message, vmbus);
    ret = ret ?: hyperv_set_msg_handler(VMBUS_MESSAGE_CONNECTION_ID_4,
                                        vmbus_recv_message, vmbus);
    if (ret) {
        error_setg_errno(errp, -ret, "a connection of the VMBus is in use");
        return;
    }
    vmbus->vmstate_change =
        qdev_add_vm_change_state_handler(bus->parent, vmbus_vm_state_change,
                                         vmbus);
}

static void vmbus_unrealize(BusState *bus)
{
    VMBus *vmbus = VMBUS(bus);

    qemu_del_vm_change_state_handler(vmbus->vmstate_change);
    hyperv_set_msg_handler(VMBUS_MESSAGE_CONNECTION_ID, NULL, NULL);
    hyperv_set_msg_handler(VMBUS_MESSAGE_CONNECTION_ID_4, NULL, NULL);
    hyperv_set_event_flag_handler(VMBUS_EVENT_CONNECTION_ID, NULL);
    event_notifier_set_handler(&vmbus->notifier, NULL);
    event_notifier_cleanup(&vmbus->notifier);
    vmbus_server_destroy(&vmbus->server);
    qemu_mutex_destroy(&vmbus->rx_lock);
}

static void vmbus_reset_hold(Object *obj, ResetType type)
{
    VMBus *vmbus = VMBUS(obj);

    WITH_QEMU_LOCK_GUARD(&vmbus->rx_lock) {
        vmbus->rx_nr = 0;
    }
    vmbus_server_reset(&vmbus->server);
    vmbus->sending = false;
    vmbus->reserved_sending = false;
    hyperv_sint_route_unref(vmbus->route);
    vmbus->route = NULL;
    hyperv_sint_route_unref(vmbus->reserved_route);
    vmbus->reserved_route = NULL;
    g_clear_pointer(&vmbus->int_page, vmbus_mem_free);
    vmbus->loaded = false;
    vmbus_resched(vmbus);
}

static char *vmbus_get_dev_path(DeviceState *dev)
{
    BusState *bus = qdev_get_parent_bus(dev);

    return qdev_get_dev_path(bus->parent);
}

static char *vmbus_get_fw_dev_path(DeviceState *dev)
{
    VMBusDevice *vdev = VMBUS_DEVICE(dev);
    char uuid[UUID_STR_LEN];

    qemu_uuid_unparse(&vdev->instanceid, uuid);
    return g_strdup_printf("%s@%s", qdev_fw_name(dev), uuid);
}

static void vmbus_class_init(ObjectClass *klass, void *data)
{
    BusClass *k = BUS_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    k->get_dev_path = vmbus_get_dev_path;
    k->get_fw_dev_path = vmbus_get_fw_dev_path;
    k->realize = vmbus_realize;
    k->unrealize = vmbus_unrealize;
    rc->phases.hold = vmbus_reset_hold;
}

static const TypeInfo vmbus_type_info = {
    .name = TYPE_VMBUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(VMBus),
    .class_init = vmbus_class_init,
};

/* The bridge */

static void vmbus_bridge_unplug_request(HotplugHandler *handler,
                                        DeviceState *dev, Error **errp)
{
    VMBusDevice *vdev = VMBUS_DEVICE(dev);

    dev->pending_deleted_event = true;
    vdev->unplug_periods = 0;
    vmbus_device_unplug(vdev);
}

static void vmbus_bridge_unplug(HotplugHandler *handler, DeviceState *dev,
                                Error **errp)
{
    qdev_unrealize(dev);
}

static void vmbus_bridge_realize(DeviceState *dev, Error **errp)
{
    VMBusBridge *bridge = VMBUS_BRIDGE(dev);

    /* This one is in the tree already: none is found if there are two */
    if (!vmbus_bridge_find()) {
        error_setg(errp, "there can be only one " TYPE_VMBUS_BRIDGE
                   ", and the first VMBus device makes one if there is none "
                   "before it");
        return;
    }
    if (!hyperv_is_synic_enabled()) {
        error_setg(errp, "the VMBus needs CPUs with hv-synic and hv-vpindex, "
                   "or hv-default");
        return;
    }
    if (!hyperv_are_vmbus_recommended_features_enabled()) {
        warn_report("the VMBus of some Windows versions needs hv-stimer, "
                    "hv-vapic and hv-runtime");
    }
    bridge->bus = VMBUS(qbus_new(TYPE_VMBUS, dev, "vmbus"));
    qbus_set_hotplug_handler(BUS(bridge->bus), OBJECT(bridge));
}

static char *vmbus_bridge_ofw_unit_address(const SysBusDevice *dev)
{
    return g_strdup("0");
}

static const VMStateDescription vmstate_vmbus_bridge = {
    .name = TYPE_VMBUS_BRIDGE,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_POINTER(bus, VMBusBridge, vmstate_vmbus, VMBus),
        VMSTATE_END_OF_LIST()
    },
};

static const Property vmbus_bridge_props[] = {
    DEFINE_PROP_UINT8("irq", VMBusBridge, irq, 7),
};

static void vmbus_bridge_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    SysBusDeviceClass *sk = SYS_BUS_DEVICE_CLASS(klass);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(klass);

    dc->realize = vmbus_bridge_realize;
    dc->fw_name = "vmbus";
    dc->vmsd = &vmstate_vmbus_bridge;
    dc->user_creatable = true;
    device_class_set_props(dc, vmbus_bridge_props);
    set_bit(DEVICE_CATEGORY_BRIDGE, dc->categories);
    sk->explicit_ofw_unit_address = vmbus_bridge_ofw_unit_address;
    hc->unplug_request = vmbus_bridge_unplug_request;
    hc->unplug = vmbus_bridge_unplug;
}

static const TypeInfo vmbus_bridge_type_info = {
    .name = TYPE_VMBUS_BRIDGE,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(VMBusBridge),
    .class_init = vmbus_bridge_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_HOTPLUG_HANDLER },
        { }
    },
};

void vmbus_bridge_ensure(const char *bus_type)
{
    DeviceState *dev;

    if (g_strcmp0(bus_type, TYPE_VMBUS) || vmbus_bridge_find() ||
        phase_check(PHASE_MACHINE_READY) ||
        !device_type_is_dynamic_sysbus(MACHINE_GET_CLASS(current_machine),
                                       TYPE_VMBUS_BRIDGE)) {
        return;
    }
    dev = qdev_new(TYPE_VMBUS_BRIDGE);
    sysbus_realize_and_unref(SYS_BUS_DEVICE(dev), &error_fatal);
}

static void vmbus_register_types(void)
{
    type_register_static(&vmbus_bridge_type_info);
    type_register_static(&vmbus_dev_type_info);
    type_register_static(&vmbus_type_info);
}

type_init(vmbus_register_types)
