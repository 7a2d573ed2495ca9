/*
 * VMBus: the channel protocol
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "server.h"

#define FEATURES (VMBUS_FEATURE_GUEST_SIGNAL_PARAMS | \
                  VMBUS_FEATURE_MODIFY_CONNECTION | \
                  VMBUS_FEATURE_CLIENT_ID | \
                  VMBUS_FEATURE_PAUSE_RESUME)

static const uint32_t versions[] = {
    VMBUS_VERSION_WS2008,
    VMBUS_VERSION_WIN7,
    VMBUS_VERSION_WIN8,
    VMBUS_VERSION_WIN8_1,
    VMBUS_VERSION_WIN10,
    VMBUS_VERSION_WIN10_RS3_0,
    VMBUS_VERSION_WIN10_RS3_1,
    VMBUS_VERSION_WIN10_RS4,
    VMBUS_VERSION_WIN10_RS5,
    VMBUS_VERSION_IRON,
    VMBUS_VERSION_COPPER,
};

static void G_GNUC_PRINTF(2, 3) guest_error(VMBusServer *s,
                                            const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qemu_log_mask(LOG_GUEST_ERROR, "vmbus: %s\n", what);
    s->guest_errors++;
}

static void send_to(VMBusServer *s, uint32_t vp, uint32_t sint, uint32_t type,
                    void *msg, uint32_t len)
{
    VMBusOutMsg *out = g_new0(VMBusOutMsg, 1);

    stl_le_p(msg, type);
    out->vp = vp;
    out->sint = sint;
    out->len = len;
    memcpy(out->data, msg, len);
    QTAILQ_INSERT_TAIL(&s->out, out, link);
    s->nr_out++;
}

static void send_msg(VMBusServer *s, uint32_t type, void *msg, uint32_t len)
{
    send_to(s, VMBUS_VP_NONE, VMBUS_SINT, type, msg, len);
}

const VMBusOutMsg *vmbus_server_next(VMBusServer *s)
{
    return s->paused && !s->unpaused ? NULL : QTAILQ_FIRST(&s->out);
}

void vmbus_server_sent(VMBusServer *s)
{
    VMBusOutMsg *out = QTAILQ_FIRST(&s->out);

    QTAILQ_REMOVE(&s->out, out, link);
    g_free(out);
    s->nr_out--;
    if (s->unpaused) {
        s->unpaused--;
    }
}

void vmbus_server_unsend(VMBusServer *s, const VMBusOutMsg *msg)
{
    VMBusOutMsg *out = g_memdup2(msg, sizeof(*msg));

    QTAILQ_INSERT_HEAD(&s->out, out, link);
    s->nr_out++;
    if (s->paused) {
        s->unpaused++;
    }
}

static void drop_messages(VMBusServer *s)
{
    while (!QTAILQ_EMPTY(&s->out)) {
        vmbus_server_sent(s);
    }
    s->paused = false;
    s->unpaused = 0;
}

static void send_channel(VMBusServer *s, uint32_t type, uint32_t relid)
{
    vmbus_message_channel msg = { .child_relid = cpu_to_le32(relid) };

    send_msg(s, type, &msg, sizeof(msg));
}

static void send_offer(VMBusServer *s, VMBusOffer *o)
{
    vmbus_message_offer_channel msg = {
        .channel_flags = cpu_to_le16(o->flags),
        .mmio_size_mb = cpu_to_le16(o->mmio_size_mb),
        .sub_channel_index = cpu_to_le16(o->index),
        .child_relid = cpu_to_le32(o->relid),
        .monitor_id = VMBUS_OFFER_MONITOR_NONE,
        .interrupt_flags = cpu_to_le16(VMBUS_OFFER_INTERRUPT_DEDICATED),
        .connection_id = cpu_to_le32(VMBUS_CHANNEL_CONNECTION_ID(o->relid)),
    };

    memcpy(msg.type_uuid, o->classid, sizeof(msg.type_uuid));
    memcpy(msg.instance_uuid, o->instanceid, sizeof(msg.instance_uuid));
    memcpy(msg.user_data, o->user_data, sizeof(msg.user_data));
    o->state = VMBUS_OFFER_CLOSED;
    send_msg(s, VMBUS_MSG_OFFERCHANNEL, &msg, sizeof(msg));
}

static void offer_if_due(VMBusServer *s, VMBusOffer *o)
{
    if (s->offers_sent && o->wanted && o->state == VMBUS_OFFER_HIDDEN) {
        send_offer(s, o);
    }
}

void vmbus_server_offer(VMBusServer *s, VMBusOffer *o)
{
    o->wanted = true;
    offer_if_due(s, o);
}

static void rescind(VMBusServer *s, VMBusOffer *o)
{
    if (!o->rescinded && !o->orphan) {
        send_channel(s, VMBUS_MSG_RESCIND_CHANNELOFFER, o->relid);
        o->rescinded = true;
    }
}

bool vmbus_server_withdraw(VMBusServer *s, VMBusOffer *o)
{
    o->wanted = false;
    if (o->state == VMBUS_OFFER_HIDDEN) {
        return true;
    }
    rescind(s, o);
    return false;
}

void vmbus_server_reoffer(VMBusServer *s, VMBusOffer *o)
{
    if (o->state != VMBUS_OFFER_HIDDEN) {
        rescind(s, o);
    }
}

/* Sub-channels exist only while the first channel is open */
static void withdraw_subchannels(VMBusServer *s, VMBusOffer *primary)
{
    VMBusOffer *o;

    QTAILQ_FOREACH(o, &s->offers, link) {
        if (o->device == primary->device && o->index) {
            vmbus_server_withdraw(s, o);
        }
    }
}

static void close_channel(VMBusServer *s, VMBusOffer *o)
{
    o->state = VMBUS_OFFER_CLOSED;
    s->ops->close(s, o);
}

/* The guest has let go of a channel, in an orderly way or not */
static void release(VMBusServer *s, VMBusOffer *o)
{
    if (o->state == VMBUS_OFFER_OPEN) {
        close_channel(s, o);
    }
    vmbus_gpadls_remove_channel(&s->gpadls, o->relid);
    o->state = VMBUS_OFFER_HIDDEN;
    o->rescinded = false;
    o->orphan = false;
    memset(&o->open, 0, sizeof(o->open));
    if (!o->wanted) {
        s->ops->released(s, o);
    }
}

void vmbus_server_disconnect(VMBusServer *s)
{
    VMBusOffer *o;

    drop_messages(s);
    s->version = 0;
    s->features = 0;
    s->int_page = 0;
    s->offers_sent = false;
    memset(s->client_id, 0, sizeof(s->client_id));
    /* Sub-channels come after their primary, and have to go before it */
    QTAILQ_FOREACH_REVERSE(o, &s->offers, link) {
        if (o->index) {
            o->wanted = false;
        }
        if (o->state == VMBUS_OFFER_OPEN && o->open.reserved) {
            o->orphan = true;
        } else if (o->state != VMBUS_OFFER_HIDDEN) {
            release(s, o);
        }
    }
}

void vmbus_server_reset(VMBusServer *s)
{
    VMBusOffer *o;

    vmbus_server_disconnect(s);
    QTAILQ_FOREACH_REVERSE(o, &s->offers, link) {
        if (o->state != VMBUS_OFFER_HIDDEN) {
            release(s, o);
        }
    }
    s->target_vp = VMBUS_VP_NONE;
}

bool vmbus_server_set_relid(VMBusServer *s, VMBusOffer *o, uint32_t relid)
{
    if (!relid || relid >= VMBUS_CHANNEL_IDS || s->by_relid[relid]) {
        return false;
    }
    s->by_relid[relid] = o;
    o->relid = relid;
    return true;
}

bool vmbus_server_add(VMBusServer *s, VMBusOffer *o)
{
    uint32_t relid;

    for (relid = 1; relid < VMBUS_CHANNEL_IDS; relid++) {
        if (vmbus_server_set_relid(s, o, relid)) {
            o->state = VMBUS_OFFER_HIDDEN;
            QTAILQ_INSERT_TAIL(&s->offers, o, link);
            return true;
        }
    }
    return false;
}

void vmbus_server_remove(VMBusServer *s, VMBusOffer *o)
{
    o->wanted = true;
    if (o->state != VMBUS_OFFER_HIDDEN) {
        rescind(s, o);
        release(s, o);
    }
    s->by_relid[o->relid] = NULL;
    QTAILQ_REMOVE(&s->offers, o, link);
}

/* A channel that the guest may name */
static VMBusOffer *find(VMBusServer *s, uint32_t relid_le)
{
    uint32_t relid = le32_to_cpu(relid_le);
    VMBusOffer *o = relid < VMBUS_CHANNEL_IDS ? s->by_relid[relid] : NULL;

    if (!o || o->state == VMBUS_OFFER_HIDDEN) {
        guest_error(s, "no channel %u was offered", relid);
        return NULL;
    }
    return o;
}

static void initiate_contact(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_initiate_contact *msg = data;
    uint32_t version = le32_to_cpu(msg->version_requested);
    uint64_t target_info = le64_to_cpu(msg->target_info);
    uint32_t features = 0;
    vmbus_message_version_response resp = {};
    uint32_t resp_len = offsetof(vmbus_message_version_response, features);
    bool supported = false;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(versions); i++) {
        supported |= version == versions[i];
    }
    if (version >= VMBUS_VERSION_COPPER) {
        features = (target_info >> 32) & FEATURES;
    }
    if ((features & VMBUS_FEATURE_CLIENT_ID) && len < sizeof(*msg)) {
        guest_error(s, "no client id in a contact message of %u bytes", len);
        return;
    }
    /* From 5.0 on the guest chooses SINT and VTL, of which there is one each */
    if (version >= VMBUS_VERSION_WIN10_RS3_1 &&
        ((target_info & 0xff) != VMBUS_SINT || (target_info & 0xff00))) {
        guest_error(s, "messages wanted at SINT %u, VTL %u",
                    (unsigned)target_info & 0xff,
                    (unsigned)(target_info >> 8) & 0xff);
        supported = false;
    }

    /* Whatever the state was, it is of a guest that is gone */
    vmbus_server_disconnect(s);
    s->target_vp = version >= VMBUS_VERSION_WIN8_1 ?
                   le32_to_cpu(msg->target_vcpu) : 0;
    if (supported) {
        s->version = version;
        s->features = features;
        if (version < VMBUS_VERSION_WIN8) {
            s->int_page = target_info;
        }
        if (features & VMBUS_FEATURE_CLIENT_ID) {
            memcpy(s->client_id, msg->client_id, sizeof(s->client_id));
        }
    }
    if (!s->ops->connect(s)) {
        guest_error(s, "no messages possible to VP %u", s->target_vp);
        vmbus_server_disconnect(s);
        s->target_vp = VMBUS_VP_NONE;
        return;
    }

    if (supported) {
        resp.version_supported = 1;
        resp.connection_id =
            cpu_to_le32(version >= VMBUS_VERSION_WIN10_RS3_1 ?
                        VMBUS_MESSAGE_CONNECTION_ID_4 : version);
        if (version >= VMBUS_VERSION_COPPER) {
            resp.features = cpu_to_le32(features);
            resp_len = sizeof(resp);
        }
    }
    send_msg(s, VMBUS_MSG_VERSION_RESPONSE, &resp, resp_len);
}

static void request_offers(VMBusServer *s, const void *data, uint32_t len)
{
    vmbus_message_header end = {};
    VMBusOffer *o;

    if (s->offers_sent) {
        guest_error(s, "offers requested twice");
        return;
    }
    s->offers_sent = true;
    QTAILQ_FOREACH(o, &s->offers, link) {
        offer_if_due(s, o);
    }
    send_msg(s, VMBUS_MSG_ALLOFFERS_DELIVERED, &end, sizeof(end));
}

static void unload(VMBusServer *s, const void *data, uint32_t len)
{
    vmbus_message_header resp = {};

    vmbus_server_disconnect(s);
    send_msg(s, VMBUS_MSG_UNLOAD_RESPONSE, &resp, sizeof(resp));
}

static void send_gpadl_created(VMBusServer *s, uint32_t relid, uint32_t id_le,
                               bool ok)
{
    vmbus_message_gpadl_created msg = {
        .child_relid = cpu_to_le32(relid),
        .gpadl_id = id_le,
        .status = cpu_to_le32(ok ? VMBUS_STATUS_SUCCESS :
                                   VMBUS_STATUS_UNSUCCESSFUL),
    };

    if (!ok) {
        guest_error(s, "GPADL 0x%x of channel %u is malformed, exists "
                    "already or is one too many", le32_to_cpu(id_le), relid);
    }
    send_msg(s, VMBUS_MSG_GPADL_CREATED, &msg, sizeof(msg));
}

static void gpadl_header(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_gpadl_header *msg = data;
    VMBusOffer *o = find(s, msg->child_relid);
    VMBusGpadl *g = NULL;

    if (o && !o->orphan) {
        g = vmbus_gpadls_header(&s->gpadls, msg, len);
    }
    if (!g || g->seen == g->nr_pages) {
        send_gpadl_created(s, le32_to_cpu(msg->child_relid), msg->gpadl_id, g);
    }
}

static void gpadl_body(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_gpadl_body *msg = data;
    uint32_t relid;
    VMBusGpadl *g = vmbus_gpadls_body(&s->gpadls, msg, len, &relid);

    if (!relid) {
        guest_error(s, "GPADL 0x%x is not under construction",
                    le32_to_cpu(msg->gpadl_id));
    } else if (!g || g->seen == g->nr_pages) {
        send_gpadl_created(s, relid, msg->gpadl_id, g);
    }
}

static void gpadl_teardown(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_gpadl_teardown *msg = data;
    vmbus_message_gpadl_torndown resp = { .gpadl_id = msg->gpadl_id };
    VMBusOffer *o = find(s, msg->child_relid);

    if (!o) {
        return;
    }
    if (!vmbus_gpadls_remove(&s->gpadls, o->relid,
                             le32_to_cpu(msg->gpadl_id))) {
        guest_error(s, "channel %u has no GPADL 0x%x", o->relid,
                    le32_to_cpu(msg->gpadl_id));
        return;
    }
    send_msg(s, VMBUS_MSG_GPADL_TORNDOWN, &resp, sizeof(resp));
}

static bool open_channel(VMBusServer *s, VMBusOffer *o,
                         const VMBusOpenParams *open)
{
    if (o->state != VMBUS_OFFER_CLOSED) {
        guest_error(s, "channel %u is open already", o->relid);
        return false;
    }
    if (o->rescinded) {
        guest_error(s, "channel %u was rescinded", o->relid);
        return false;
    }
    o->open = *open;
    if (!s->ops->open(s, o)) {
        guest_error(s, "channel %u cannot be opened", o->relid);
        return false;
    }
    o->state = VMBUS_OFFER_OPEN;
    return true;
}

static void open_msg(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_open_channel *msg = data;
    vmbus_message_open_result resp = {
        .child_relid = msg->child_relid,
        .open_id = msg->open_id,
    };
    VMBusOffer *o = find(s, msg->child_relid);
    VMBusOpenParams open = {
        .open_id = le32_to_cpu(msg->open_id),
        .gpadl_id = le32_to_cpu(msg->ring_buffer_gpadl_id),
        .ring_offset = le32_to_cpu(msg->ring_buffer_offset),
        .target_vp = le32_to_cpu(msg->target_vp),
    };
    bool ok = false;

    memcpy(open.user_data, msg->user_data, sizeof(open.user_data));
    if (o && (s->features & VMBUS_FEATURE_GUEST_SIGNAL_PARAMS)) {
        if (len >= sizeof(*msg)) {
            open.connection_id = le32_to_cpu(msg->connection_id);
            open.event_flag = le16_to_cpu(msg->event_flag);
            ok = open.event_flag < VMBUS_CHANNEL_IDS;
        }
        if (!ok) {
            guest_error(s, "channel %u is to be opened without signals",
                        o->relid);
        }
    } else if (o) {
        open.connection_id = VMBUS_CHANNEL_CONNECTION_ID(o->relid);
        open.event_flag = o->relid;
        ok = true;
    }
    ok = ok && open_channel(s, o, &open);
    resp.status = cpu_to_le32(ok ? VMBUS_STATUS_SUCCESS :
                                   VMBUS_STATUS_UNSUCCESSFUL);
    send_msg(s, VMBUS_MSG_OPENCHANNEL_RESULT, &resp, sizeof(resp));
}

static void close_msg(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_channel *msg = data;
    VMBusOffer *o = find(s, msg->child_relid);

    if (!o) {
        return;
    }
    if (o->state != VMBUS_OFFER_OPEN || o->open.reserved) {
        guest_error(s, "channel %u is not open", o->relid);
        return;
    }
    close_channel(s, o);
    if (!o->index) {
        withdraw_subchannels(s, o);
    }
}

/* A reserved channel is polled; replies go to a VP and SINT of its own */
static void open_reserved(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_open_reserved *msg = data;
    vmbus_message_open_result resp = { .child_relid = msg->child_relid };
    VMBusOffer *o = find(s, msg->child_relid);
    VMBusOpenParams open = {
        .gpadl_id = le32_to_cpu(msg->ring_buffer_gpadl_id),
        .ring_offset = le32_to_cpu(msg->ring_buffer_offset),
        .target_vp = VMBUS_VP_NONE,
        .reserved = true,
    };
    bool ok = false;

    if (o) {
        open.connection_id = VMBUS_CHANNEL_CONNECTION_ID(o->relid);
        open.event_flag = o->relid;
        ok = open_channel(s, o, &open);
    }
    resp.status = cpu_to_le32(ok ? VMBUS_STATUS_SUCCESS :
                                   VMBUS_STATUS_UNSUCCESSFUL);
    send_to(s, le32_to_cpu(msg->target_vp), le32_to_cpu(msg->target_sint),
            VMBUS_MSG_OPENCHANNEL_RESULT, &resp, sizeof(resp));
}

static void close_reserved(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_close_reserved *msg = data;
    vmbus_message_channel resp = { .child_relid = msg->child_relid };
    VMBusOffer *o = find(s, msg->child_relid);

    if (!o) {
        return;
    }
    if (o->state != VMBUS_OFFER_OPEN || !o->open.reserved) {
        guest_error(s, "channel %u is not reserved", o->relid);
        return;
    }
    send_to(s, le32_to_cpu(msg->target_vp), le32_to_cpu(msg->target_sint),
            VMBUS_MSG_CLOSE_RESERVED_RESPONSE, &resp, sizeof(resp));
    if (o->orphan) {
        release(s, o);
        offer_if_due(s, o);
    } else {
        close_channel(s, o);
    }
}

static void relid_released(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_channel *msg = data;
    VMBusOffer *o = find(s, msg->child_relid);

    if (!o) {
        return;
    }
    if (o->orphan || (o->state == VMBUS_OFFER_OPEN && !o->rescinded)) {
        guest_error(s, "open channel %u is released", o->relid);
        return;
    }
    release(s, o);
    offer_if_due(s, o);
}

static void modify_channel(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_modify_channel *msg = data;
    vmbus_message_modify_channel_response resp = {
        .child_relid = msg->child_relid,
    };
    VMBusOffer *o = find(s, msg->child_relid);
    uint32_t vp = le32_to_cpu(msg->target_vp);
    bool ok = o && o->state == VMBUS_OFFER_OPEN &&
              o->open.target_vp != VMBUS_VP_NONE && vp != VMBUS_VP_NONE &&
              s->ops->modify(s, o, vp);

    if (ok) {
        o->open.target_vp = vp;
    } else {
        guest_error(s, "channel %u cannot be moved to VP %u",
                    le32_to_cpu(msg->child_relid), vp);
    }
    if (s->version >= VMBUS_VERSION_IRON) {
        resp.status = cpu_to_le32(ok ? VMBUS_STATUS_SUCCESS :
                                       VMBUS_STATUS_UNSUCCESSFUL);
        send_msg(s, VMBUS_MSG_MODIFY_CHANNEL_RESPONSE, &resp, sizeof(resp));
    }
}

/* There are no monitor pages that could move, so anything is all right */
static void modify_connection(VMBusServer *s, const void *data, uint32_t len)
{
    vmbus_message_modify_connection_response resp = {};

    send_msg(s, VMBUS_MSG_MODIFY_CONNECTION_RESPONSE, &resp, sizeof(resp));
}

/* Nobody listens to sockets yet */
static void tl_connect(VMBusServer *s, const void *data, uint32_t len)
{
    const vmbus_message_tl_connect *msg = data;
    vmbus_message_tl_connect_result resp = {
        .status = cpu_to_le32(VMBUS_STATUS_CONNECTION_REFUSED),
    };

    if (s->version >= VMBUS_VERSION_WIN10_RS3_0) {
        memcpy(resp.endpoint_id, msg->endpoint_id, sizeof(resp.endpoint_id));
        memcpy(resp.service_id, msg->service_id, sizeof(resp.service_id));
        send_msg(s, VMBUS_MSG_TL_CONNECT_RESULT, &resp, sizeof(resp));
    }
}

static void pause_msg(VMBusServer *s, const void *data, uint32_t len)
{
    vmbus_message_header resp = {};

    send_msg(s, VMBUS_MSG_PAUSE_RESPONSE, &resp, sizeof(resp));
    s->paused = true;
    s->unpaused = s->nr_out;
}

static void resume(VMBusServer *s, const void *data, uint32_t len)
{
    s->paused = false;
    s->unpaused = 0;
}

/**
 * VMBusMsgType: a message that guests send
 * @size: at least; more is ignored
 * @version: since when; 0 if no connection is needed
 * @feature: that must have been negotiated
 * @resumes: allowed, and takes effect, while the guest has paused us
 */
typedef struct VMBusMsgType {
    const char *name;
    void (*handle)(VMBusServer *s, const void *data, uint32_t len);
    uint32_t size;
    uint32_t version;
    uint32_t feature;
    bool resumes;
} VMBusMsgType;

static const VMBusMsgType msg_types[VMBUS_MSG_COUNT] = {
    [VMBUS_MSG_REQUESTOFFERS] = {
        "REQUESTOFFERS", request_offers,
        sizeof(vmbus_message_header), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_OPENCHANNEL] = {
        "OPENCHANNEL", open_msg,
        offsetof(vmbus_message_open_channel, connection_id),
        VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_CLOSECHANNEL] = {
        "CLOSECHANNEL", close_msg,
        sizeof(vmbus_message_channel), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_GPADL_HEADER] = {
        "GPADL_HEADER", gpadl_header,
        sizeof(vmbus_message_gpadl_header), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_GPADL_BODY] = {
        "GPADL_BODY", gpadl_body,
        sizeof(vmbus_message_gpadl_body), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_GPADL_TEARDOWN] = {
        "GPADL_TEARDOWN", gpadl_teardown,
        sizeof(vmbus_message_gpadl_teardown), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_RELID_RELEASED] = {
        "RELID_RELEASED", relid_released,
        sizeof(vmbus_message_channel), VMBUS_VERSION_WS2008,
    },
    [VMBUS_MSG_INITIATE_CONTACT] = {
        "INITIATE_CONTACT", initiate_contact,
        offsetof(vmbus_message_initiate_contact, client_id),
        .resumes = true,
    },
    [VMBUS_MSG_UNLOAD] = {
        "UNLOAD", unload, sizeof(vmbus_message_header),
        .resumes = true,
    },
    [VMBUS_MSG_OPEN_RESERVED] = {
        "OPEN_RESERVED", open_reserved,
        sizeof(vmbus_message_open_reserved), VMBUS_VERSION_WIN10,
    },
    [VMBUS_MSG_CLOSE_RESERVED] = {
        "CLOSE_RESERVED", close_reserved,
        sizeof(vmbus_message_close_reserved),
    },
    [VMBUS_MSG_TL_CONNECT] = {
        "TL_CONNECT", tl_connect,
        sizeof(vmbus_message_tl_connect), VMBUS_VERSION_WIN10,
    },
    [VMBUS_MSG_MODIFY_CHANNEL] = {
        "MODIFY_CHANNEL", modify_channel,
        sizeof(vmbus_message_modify_channel), VMBUS_VERSION_WIN10_RS3_0,
    },
    [VMBUS_MSG_MODIFY_CONNECTION] = {
        "MODIFY_CONNECTION", modify_connection,
        sizeof(vmbus_message_modify_connection), VMBUS_VERSION_COPPER,
        VMBUS_FEATURE_MODIFY_CONNECTION,
    },
    [VMBUS_MSG_PAUSE] = {
        "PAUSE", pause_msg, sizeof(vmbus_message_header),
        VMBUS_VERSION_COPPER, VMBUS_FEATURE_PAUSE_RESUME,
    },
    [VMBUS_MSG_RESUME] = {
        "RESUME", resume, sizeof(vmbus_message_header),
        VMBUS_VERSION_COPPER, VMBUS_FEATURE_PAUSE_RESUME, .resumes = true,
    },
};

void vmbus_server_message(VMBusServer *s, const void *data, uint32_t len)
{
    const VMBusMsgType *t;
    uint32_t type;

    if (len < sizeof(vmbus_message_header) || len > VMBUS_MSG_MAX_SIZE) {
        guest_error(s, "message of %u bytes", len);
        return;
    }
    type = ldl_le_p(data);
    t = type < VMBUS_MSG_COUNT ? &msg_types[type] : NULL;
    if (!t || !t->handle) {
        guest_error(s, "message of unknown type %u", type);
    } else if (len < t->size) {
        guest_error(s, "%s of %u bytes", t->name, len);
    } else if (t->version > s->version ||
               (t->feature && !(s->features & t->feature))) {
        guest_error(s, "%s, which was not negotiated", t->name);
    } else if (s->paused && !t->resumes) {
        guest_error(s, "%s while messages are paused", t->name);
    } else {
        t->handle(s, data, len);
    }
}

void vmbus_server_init(VMBusServer *s, const VMBusServerOps *ops)
{
    s->ops = ops;
    s->target_vp = VMBUS_VP_NONE;
    QTAILQ_INIT(&s->offers);
    QTAILQ_INIT(&s->out);
    vmbus_gpadls_init(&s->gpadls);
}

void vmbus_server_destroy(VMBusServer *s)
{
    drop_messages(s);
    vmbus_gpadls_destroy(&s->gpadls);
}
