/*
 * The Hyper-V synthetic network card
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "qapi/qapi-types-net.h"
#include "hw/hyperv/vmbus-bridge.h"
#include "hw/qdev-properties.h"
#include "net/eth.h"
#include "standard-headers/linux/virtio_net.h"
#include "system/runstate.h"
#include "system/system.h"
#include "hv-net-internal.h"
#include "trace.h"

/* What becomes the instance id with the MAC address as its last six bytes */
#define HV_NET_INSTANCE     "8c1f2d40-5a0e-4b6b-9d3c-000000000000"

void hv_net_count(HvNetStats *stats, const void *frame, uint32_t len)
{
    stats->frames++;
    stats->bytes += len;
    switch (get_eth_packet_type(frame)) {
    case ETH_PKT_UCAST:
        stats->directed_frames++;
        stats->directed_bytes += len;
        break;
    case ETH_PKT_MCAST:
        stats->multicast_frames++;
        stats->multicast_bytes += len;
        break;
    case ETH_PKT_BCAST:
        stats->broadcast_frames++;
        stats->broadcast_bytes += len;
        break;
    }
}

/*
 * A guest that takes coalesced frames gets those that the host did not segment
 * in the first place, and their checksums as they are.
 */
void hv_net_offload_changed(HvNet *s)
{
    bool tso4 = s->offload & HV_NET_RSC4, tso6 = s->offload & HV_NET_RSC6;

    if (s->vnet_hdr_len) {
        for (int i = 0; i < MAX(1, s->conf.peers.queues); i++) {
            qemu_set_offload(qemu_get_subqueue(s->nic, i)->peer,
                             tso4 || tso6, tso4, tso6, tso4 || tso6,
                             0, 0, 0);
        }
    }
}

/* --- Channels ----------------------------------------------------------- */

static uint16_t hv_net_num_channels(VMBusDevice *vdev)
{
    return HV_NET(vdev)->max_queues;
}

static HvNetQueue *hv_net_queue(VMBusChannel *chan)
{
    HvNet *s = HV_NET(vmbus_channel_device(chan));

    return &s->queues[vmbus_channel_idx(chan)];
}

/* The buffers of a loaded guest */
static int hv_net_restore_buffers(HvNet *s)
{
    VMBusChannel *chan = s->queues[0].chan;

    if (s->recv_gpadl && !s->recv_buf) {
        s->recv_buf = vmbus_get_gpadl(chan, s->recv_gpadl);
        if (!s->recv_buf || s->num_sections > vmbus_gpadl_len(s->recv_buf) /
                                              s->section_size) {
            return -EINVAL;
        }
    }
    if (s->send_gpadl && !s->send_buf) {
        s->send_buf = vmbus_get_gpadl(chan, s->send_gpadl);
        if (!s->send_buf) {
            return -EINVAL;
        }
    }
    return 0;
}

static int hv_net_open_channel(VMBusChannel *chan)
{
    HvNetQueue *q = hv_net_queue(chan);

    /* the bus does not migrate what is reserved */
    q->reserved = 0;
    if (vmbus_channel_restored(chan)) {
        return q->index ? 0 : hv_net_restore_buffers(q->net);
    }
    q->rx_count = 0;
    if (!q->index) {
        hv_net_forget(q->net);
    }
    return 0;
}

static void hv_net_close_channel(VMBusChannel *chan)
{
    HvNetQueue *q = hv_net_queue(chan);
    HvNet *s = q->net;

    hv_net_tx_orphan(q);
    /* who closes a channel waits for no answer */
    q->late = 0;
    timer_del(&q->late_timer);
    if (!q->index) {
        hv_net_forget(s);
        return;
    }
    /* nobody will take the frames that wait in its batch */
    while (q->rx_count) {
        uint32_t id = q->rx_ranges[--q->rx_count].byte_offset /
                      s->section_size;

        s->next[id] = HV_NET_FREE;
        s->free[s->num_free++] = id;
    }
}

static void hv_net_notify(VMBusChannel *chan)
{
    hv_net_process(hv_net_queue(chan));
}

void hv_net_kick(HvNet *s)
{
    for (unsigned i = 0; i < s->max_queues; i++) {
        if (vmbus_channel_is_open(s->queues[i].chan)) {
            vmbus_channel_notify_host(s->queues[i].chan);
        }
    }
}

/* --- Backend ------------------------------------------------------------ */

static void hv_net_link_status_changed(NetClientState *nc)
{
    HvNet *s = qemu_get_nic_opaque(nc);

    if (nc->link_down) {
        /* the backend may be about to go, with our frames in its queue */
        qemu_purge_queued_packets(nc);
    }
    hv_net_indicate_link(s);
}

static RxFilterInfo *hv_net_query_rx_filter(NetClientState *nc)
{
    HvNet *s = qemu_get_nic_opaque(nc);
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);

    info->name = g_strdup(nc->name);
    info->promiscuous = s->filter & NDIS_FILTER_PROMISCUOUS;
    info->unicast = s->filter & NDIS_FILTER_DIRECTED ? RX_STATE_NORMAL :
                                                       RX_STATE_NONE;
    info->multicast = s->filter & NDIS_FILTER_ALL_MULTICAST ? RX_STATE_ALL :
                      s->filter & NDIS_FILTER_MULTICAST ? RX_STATE_NORMAL :
                                                          RX_STATE_NONE;
    info->broadcast_allowed = s->filter & NDIS_FILTER_BROADCAST;
    info->vlan = RX_STATE_ALL;
    info->main_mac = qemu_mac_strdup_printf(s->mac.a);
    for (unsigned i = 0; i < s->num_multicast; i++) {
        QAPI_LIST_PREPEND(info->multicast_table,
                          qemu_mac_strdup_printf(s->multicast[i].a));
    }
    return info;
}

static NetClientInfo hv_net_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive_iov = hv_net_receive_iov,
    .link_status_changed = hv_net_link_status_changed,
    .query_rx_filter = hv_net_query_rx_filter,
};

/* --- Device ------------------------------------------------------------- */

static void hv_net_vm_state_change(void *opaque, bool running, RunState state)
{
    HvNet *s = opaque;

    if (running) {
        hv_net_kick(s);
        qemu_bh_schedule(s->rx_bh);
        return;
    }
    for (unsigned i = 0; i < s->max_queues; i++) {
        hv_net_show_late(&s->queues[i]);
    }
}

static void hv_net_vmdev_realize(VMBusDevice *vdev, Error **errp)
{
    HvNet *s = HV_NET(vdev);
    DeviceState *dev = DEVICE(vdev);
    bool vnet = true;

    s->queues = g_new0(HvNetQueue, s->max_queues);
    for (unsigned i = 0; i < s->max_queues; i++) {
        s->queues[i].net = s;
        s->queues[i].index = i;
        s->queues[i].chan = vmbus_device_channel(vdev, i);
        timer_init_ns(&s->queues[i].late_timer, QEMU_CLOCK_VIRTUAL,
                      hv_net_show_late, &s->queues[i]);
    }
    s->nic = qemu_new_nic(&hv_net_info, &s->conf, TYPE_HV_NET, dev->id,
                          &dev->mem_reentrancy_guard, s);
    qemu_format_nic_info_str(qemu_get_queue(s->nic), s->conf.macaddr.a);

    for (int i = 0; i < MAX(1, s->conf.peers.queues); i++) {
        vnet &= qemu_has_vnet_hdr(qemu_get_subqueue(s->nic, i)->peer);
    }
    if (vnet) {
        s->vnet_hdr_len = sizeof(struct virtio_net_hdr);
        for (int i = 0; i < MAX(1, s->conf.peers.queues); i++) {
            qemu_set_vnet_hdr_len(qemu_get_subqueue(s->nic, i)->peer,
                                  s->vnet_hdr_len);
        }
    }
    hv_net_tx_init(s);
    s->rx_bh = qemu_bh_new_guarded(hv_net_rx_bh, s,
                                   &dev->mem_reentrancy_guard);
    s->vmstate = qdev_add_vm_change_state_handler(dev, hv_net_vm_state_change,
                                                  s);
    hv_net_forget(s);
}

static void hv_net_vmdev_unrealize(VMBusDevice *vdev)
{
    HvNet *s = HV_NET(vdev);

    qemu_del_vm_change_state_handler(s->vmstate);
    hv_net_forget(s);
    qemu_bh_delete(s->rx_bh);
    /* with what is in the backend's queue */
    for (int i = 0; i < MAX(1, s->conf.peers.queues); i++) {
        qemu_purge_queued_packets(qemu_get_subqueue(s->nic, i));
    }
    for (unsigned i = 0; i < s->max_queues; i++) {
        timer_del(&s->queues[i].late_timer);
    }
    qemu_del_nic(s->nic);
    hv_net_tx_uninit(s);
    g_free(s->queues);
}

static void hv_net_vmdev_reset(VMBusDevice *vdev)
{
    hv_net_forget(HV_NET(vdev));
}

/* Pulls the cable: then the guest sends nothing, for which it would wait */
static bool hv_net_prepare_unplug(VMBusDevice *vdev)
{
    HvNet *s = HV_NET(vdev);

    hv_net_indicate_link(s);
    return !s->num_parked;
}

/* Before the bus sees the instance id, by which a guest knows a card again */
static void hv_net_realize(DeviceState *dev, Error **errp)
{
    HvNet *s = HV_NET(dev);

    if (!s->max_queues || s->max_queues > HV_NET_MAX_QUEUES) {
        error_setg(errp, "'queues' of hv-net must be 1 to %d",
                   HV_NET_MAX_QUEUES);
        return;
    }
    if (!s->speed) {
        error_setg(errp, "'speed' of hv-net must not be 0");
        return;
    }
    qemu_macaddr_default_if_unset(&s->conf.macaddr);
    if (qemu_uuid_is_null(&s->parent_obj.instanceid)) {
        qemu_uuid_parse(HV_NET_INSTANCE, &s->parent_obj.instanceid);
        memcpy(s->parent_obj.instanceid.data + 10, s->conf.macaddr.a,
               ETH_ALEN);
    }
    HV_NET_GET_CLASS(s)->parent_realize(dev, errp);
}

/* --- Migration ---------------------------------------------------------- */

static const VMStateDescription vmstate_range = {
    .name = "hv-net/range",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(byte_count, vmbus_xferpg_range),
        VMSTATE_UINT32(byte_offset, vmbus_xferpg_range),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_net_batch_fits(void *opaque, int version_id)
{
    HvNetQueue *q = opaque;

    return q->rx_count <= NVSP_MAX_RANGES;
}

static const VMStateDescription vmstate_queue = {
    .name = "hv-net/queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(rx_count, HvNetQueue),
        VMSTATE_VALIDATE("frames that wait", hv_net_batch_fits),
        VMSTATE_STRUCT_VARRAY_UINT32(rx_ranges, HvNetQueue, rx_count, 1,
                                     vmstate_range, vmbus_xferpg_range),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_stats = {
    .name = "hv-net/stats",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(frames, HvNetStats),
        VMSTATE_UINT64(bytes, HvNetStats),
        VMSTATE_UINT64(errors, HvNetStats),
        VMSTATE_UINT64(discards, HvNetStats),
        VMSTATE_UINT64(directed_frames, HvNetStats),
        VMSTATE_UINT64(directed_bytes, HvNetStats),
        VMSTATE_UINT64(multicast_frames, HvNetStats),
        VMSTATE_UINT64(multicast_bytes, HvNetStats),
        VMSTATE_UINT64(broadcast_frames, HvNetStats),
        VMSTATE_UINT64(broadcast_bytes, HvNetStats),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_mac = {
    .name = "hv-net/mac",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_ARRAY(a, MACAddr, ETH_ALEN),
        VMSTATE_END_OF_LIST()
    }
};

static int hv_net_post_load(void *opaque, int version_id)
{
    HvNet *s = opaque;

    /* trust nothing that is an index */
    if (s->num_sections > HV_NET_MAX_SECTIONS ||
        s->num_multicast > HV_NET_MAX_MULTICAST ||
        s->num_subchannels >= s->max_queues ||
        (s->num_sections && (s->section_size < HV_NET_MIN_SECTION ||
                             s->mtu > HV_NET_MAX_MTU))) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++) {
        if (s->rss_table[i] >= s->max_queues) {
            return -EINVAL;
        }
    }
    s->num_free = 0;
    g_free(s->free);
    s->free = g_new(uint32_t, s->num_sections);
    for (uint32_t i = s->num_sections; i--; ) {
        if (s->next[i] == HV_NET_FREE) {
            s->free[s->num_free++] = i;
        } else if (s->next[i] != HV_NET_BATCHED &&
                   (s->next[i] & HV_NET_NEXT) != HV_NET_END &&
                   (s->next[i] & HV_NET_NEXT) >= s->num_sections) {
            return -EINVAL;
        }
    }
    for (unsigned i = 0; i < s->max_queues; i++) {
        HvNetQueue *q = &s->queues[i];

        for (uint32_t n = 0; n < q->rx_count; n++) {
            if (!s->num_sections || q->rx_ranges[n].byte_offset /
                                    s->section_size >= s->num_sections) {
                return -EINVAL;
            }
        }
    }
    hv_net_offload_changed(s);
    return 0;
}

static const VMStateDescription vmstate_hv_net = {
    .name = TYPE_HV_NET,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = hv_net_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(parent_obj, HvNet, 1, vmstate_vmbus_dev, VMBusDevice),
        VMSTATE_UINT16_EQUAL(max_queues, HvNet, "number of queues"),
        VMSTATE_UINT32(version, HvNet),
        VMSTATE_UINT32(ndis_version, HvNet),
        VMSTATE_UINT32(mtu, HvNet),
        VMSTATE_UINT64(capabilities, HvNet),
        VMSTATE_UINT32(recv_gpadl, HvNet),
        VMSTATE_UINT16(recv_id, HvNet),
        VMSTATE_UINT32(section_size, HvNet),
        VMSTATE_UINT32(num_sections, HvNet),
        VMSTATE_VARRAY_UINT32_ALLOC(next, HvNet, num_sections, 1,
                                    vmstate_info_uint32, uint32_t),
        VMSTATE_UINT32(send_gpadl, HvNet),
        VMSTATE_UINT16(send_id, HvNet),
        VMSTATE_UINT32(num_subchannels, HvNet),
        VMSTATE_BOOL(table_pending, HvNet),
        VMSTATE_STRUCT_VARRAY_POINTER_UINT16(queues, HvNet, max_queues,
                                             vmstate_queue, HvNetQueue),
        VMSTATE_BOOL(ready, HvNet),
        VMSTATE_BOOL(told_link_down, HvNet),
        VMSTATE_UINT32(filter, HvNet),
        VMSTATE_UINT32(offload, HvNet),
        VMSTATE_STRUCT(mac, HvNet, 1, vmstate_mac, MACAddr),
        VMSTATE_UINT32(num_multicast, HvNet),
        VMSTATE_STRUCT_ARRAY(multicast, HvNet, HV_NET_MAX_MULTICAST, 1,
                             vmstate_mac, MACAddr),
        VMSTATE_BOOL(rss, HvNet),
        VMSTATE_UINT32(rss_hash, HvNet),
        VMSTATE_UINT8_ARRAY(rss_key, HvNet, NDIS_RSS_KEY_SIZE),
        VMSTATE_UINT32_ARRAY(rss_table, HvNet, NDIS_RSS_TABLE_ENTRIES),
        VMSTATE_STRUCT(rx, HvNet, 1, vmstate_stats, HvNetStats),
        VMSTATE_STRUCT(tx, HvNet, 1, vmstate_stats, HvNetStats),
        VMSTATE_END_OF_LIST()
    }
};

void hv_net_init_nics(void)
{
    VMBusBridge *bridge;

    if (qemu_find_nic_info(TYPE_HV_NET, false, NULL)) {
        vmbus_bridge_ensure(TYPE_VMBUS);
    }
    bridge = vmbus_bridge_find();
    if (bridge) {
        qemu_create_nic_bus_devices(BUS(bridge->bus), TYPE_VMBUS_DEVICE, NULL,
                                    "hyperv", TYPE_HV_NET);
    }
}

static const Property hv_net_properties[] = {
    DEFINE_NIC_PROPERTIES(HvNet, conf),
    DEFINE_PROP_UINT16("queues", HvNet, max_queues, HV_NET_DEFAULT_QUEUES),
    DEFINE_PROP_UINT32("speed", HvNet, speed, 10000),
};

static void hv_net_instance_init(Object *obj)
{
    HvNet *s = HV_NET(obj);

    /* not a random one, but by the MAC address unless the user gives one */
    memset(&s->parent_obj.instanceid, 0, sizeof(s->parent_obj.instanceid));
    device_add_bootindex_property(obj, &s->conf.bootindex, "bootindex",
                                  "/ethernet-phy@0", DEVICE(obj));
}

static void hv_net_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);

    device_class_set_props(dc, hv_net_properties);
    device_class_set_parent_realize(dc, hv_net_realize,
                                    &HV_NET_CLASS(klass)->parent_realize);
    dc->desc = "Hyper-V synthetic network card";
    dc->vmsd = &vmstate_hv_net;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);

    qemu_uuid_parse(HV_NET_CLASS_GUID, &vdc->classid);
    vdc->vmdev_realize = hv_net_vmdev_realize;
    vdc->vmdev_unrealize = hv_net_vmdev_unrealize;
    vdc->vmdev_reset = hv_net_vmdev_reset;
    vdc->num_channels = hv_net_num_channels;
    vdc->open_channel = hv_net_open_channel;
    vdc->close_channel = hv_net_close_channel;
    vdc->chan_notify_cb = hv_net_notify;
    vdc->prepare_unplug = hv_net_prepare_unplug;
}

static const TypeInfo hv_net_types[] = {
    {
        .name = TYPE_HV_NET,
        .parent = TYPE_VMBUS_DEVICE,
        .instance_size = sizeof(HvNet),
        .instance_init = hv_net_instance_init,
        .class_size = sizeof(HvNetClass),
        .class_init = hv_net_class_init,
    },
};

DEFINE_TYPES(hv_net_types)
