/*
 * Hyper-V ports and connections (TLFS 11.3), and the SINT routes by which
 * QEMU's devices post to a guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/event_notifier.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/rcu_queue.h"
#include "hw/hyperv/partition.h"
#include "trace.h"

/* A connection of the guest to a port of the host: message or event */
struct HvConnection {
    struct rcu_head rcu;
    QLIST_ENTRY(HvConnection) link;
    uint32_t id;
    HvMsgHandler handler;
    void *data;
    EventNotifier *notifier;
};

static HvConnection *hv_connection_find(HvPartition *p, uint32_t id,
                                        bool event)
{
    HvConnection *c;

    QLIST_FOREACH_RCU(c, &p->connections, link) {
        if (c->id == id && event == !!c->notifier) {
            return c;
        }
    }
    return NULL;
}

static int hv_connection_set(HvPartition *p, uint32_t id, bool event,
                             const HvConnection *tmpl)
{
    HvConnection *c;

    QEMU_LOCK_GUARD(&p->connections_lock);
    c = hv_connection_find(p, id, event);
    if (!tmpl) {
        if (!c) {
            return -ENOENT;
        }
        QLIST_REMOVE_RCU(c, link);
        g_free_rcu(c, rcu);
        return 0;
    }
    if (c) {
        return -EEXIST;
    }
    c = g_memdup2(tmpl, sizeof(*tmpl));
    QLIST_INSERT_HEAD_RCU(&p->connections, c, link);
    return 0;
}

int hv_port_set_msg_handler(HvPartition *p, uint32_t conn_id,
                            HvMsgHandler handler, void *data)
{
    HvConnection tmpl = { .id = conn_id, .handler = handler, .data = data };

    return hv_connection_set(p, conn_id, false, handler ? &tmpl : NULL);
}

int hv_port_set_event_handler(HvPartition *p, uint32_t conn_id,
                              EventNotifier *notifier)
{
    HvConnection tmpl = { .id = conn_id, .notifier = notifier };

    return hv_connection_set(p, conn_id, true, notifier ? &tmpl : NULL);
}

uint16_t hv_port_post_message(HvPartition *p,
                              const struct hyperv_post_message_input *msg)
{
    HvConnection *c;

    if (msg->payload_size > sizeof(msg->payload) ||
        msg->message_type == HV_MESSAGE_NONE ||
        (msg->message_type & 0x80000000)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    RCU_READ_LOCK_GUARD();
    c = hv_connection_find(p, msg->connection_id, false);
    return c ? c->handler(msg, c->data) : HV_STATUS_INVALID_CONNECTION_ID;
}

uint16_t hv_port_signal_event(HvPartition *p, uint32_t conn_id, uint16_t flag)
{
    HvConnection *c;

    RCU_READ_LOCK_GUARD();
    c = hv_connection_find(p, conn_id, true);
    if (!c) {
        return HV_STATUS_INVALID_CONNECTION_ID;
    }
    /* QEMU's ports have one flag each */
    if (flag) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    event_notifier_set(c->notifier);
    return HV_STATUS_SUCCESS;
}

/*
 * @staged is taken from hv_synic_route_post_msg() until the callback has run,
 * in the main loop.  The route lives until both its user has freed it and no
 * callback is under way.
 */
struct HvSynicRoute {
    HvVtl *vtl;
    uint32_t sint;
    HvSintMsgCb cb;
    void *cb_data;
    HvMsgSource src;
    struct hyperv_message msg;
    bool staged;
    bool freed;
    int status;
};

static void hv_synic_route_bh(void *opaque)
{
    HvSynicRoute *route = opaque;

    if (route->freed) {
        object_unref(OBJECT(route->vtl->vp));
        g_free(route);
        return;
    }
    route->staged = false;
    route->cb(route->cb_data, route->status);
}

static void hv_synic_route_done(HvSynicRoute *route, int status)
{
    route->status = status;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), hv_synic_route_bh, route);
}

/* Called with the VP's lock held */
static void hv_synic_route_deliver(HvMsgSource *src,
                                   struct hyperv_message *msg)
{
    HvSynicRoute *route = container_of(src, HvSynicRoute, src);

    if (msg) {
        memcpy(msg, &route->msg, sizeof(*msg));
        msg->header.message_type = cpu_to_le32(route->msg.header.message_type);
        msg->header.sender = cpu_to_le64(route->msg.header.sender);
    }
    hv_synic_route_done(route, msg ? 0 : -ENXIO);
}

HvSynicRoute *hv_synic_route_new(uint32_t vp_index, uint32_t sint,
                                 HvSintMsgCb cb, void *cb_data)
{
    HvPartition *p = hv_partition_get();
    HvVp *vp = p ? hv_partition_vp(p, vp_index) : NULL;
    HvSynicRoute *route;

    if (!vp || sint >= HV_SINT_COUNT) {
        return NULL;
    }
    route = g_new0(HvSynicRoute, 1);
    route->vtl = &vp->vtl[0];
    route->sint = sint;
    route->cb = cb;
    route->cb_data = cb_data;
    route->src.deliver = hv_synic_route_deliver;
    object_ref(OBJECT(vp));
    return route;
}

void hv_synic_route_free(HvSynicRoute *route)
{
    HvVp *vp = route->vtl->vp;
    bool queued;

    hv_vp_lock(vp);
    queued = route->src.queued;
    hv_synic_cancel(route->vtl, &route->src);
    hv_vp_unlock(vp);

    if (route->staged && !queued) {
        /* the bottom half is scheduled and frees it */
        route->freed = true;
        return;
    }
    object_unref(OBJECT(vp));
    g_free(route);
}

int hv_synic_route_set_sint(HvSynicRoute *route)
{
    return hv_synic_signal(route->vtl, route->sint);
}

int hv_synic_route_post_msg(HvSynicRoute *route, struct hyperv_message *msg)
{
    HvVp *vp = route->vtl->vp;

    g_assert(route->cb);
    if (route->staged) {
        return -EAGAIN;
    }
    route->staged = true;
    memcpy(&route->msg, msg, sizeof(*msg));

    hv_vp_lock(vp);
    if (hv_synic_can_post(route->vtl)) {
        hv_synic_post(route->vtl, &route->src, route->sint);
    } else {
        hv_synic_route_done(route, -ENXIO);
    }
    hv_vp_unlock(vp);
    return 0;
}

int hv_synic_route_set_event_flag(HvSynicRoute *route, unsigned eventno)
{
    return hv_synic_set_event_flag(route->vtl, route->sint, eventno);
}
