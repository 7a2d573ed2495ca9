/*
 * Hyper-V synthetic SCSI controller (storvsp): VMBus packets on one side,
 * QEMU's SCSI layer on the other
 *
 * A channel is served in its AioContext: that is where packets are taken
 * from its ring, and where the commands in them run and complete.  All that
 * is not a SCSI command (initialization, resets) waits for the main loop,
 * under the big QEMU lock.
 *
 * A packet is taken out of the ring only when there is room for its answer in
 * the other one.  So an answer never has to wait, and a guest has no more
 * commands in flight than its own ring has room for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/defer-call.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "block/aio-wait.h"
#include "hv-scsi-internal.h"
#include "hw/boards.h"
#include "hw/hyperv/scsi-proto.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/iothread-vq-mapping.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "scsi/constants.h"
#include "system/block-backend.h"
#include "system/dma.h"
#include "system/iothread.h"
#include "system/runstate.h"
#include "trace.h"

#define TYPE_HV_SCSI "hv-scsi"

/* As Hyper-V has it, and all that Linux looks for */
#define HV_SCSI_MAX_TARGET  1
#define HV_SCSI_MAX_LUN     63

#define HV_SCSI_PAGE_SIZE           4096
#define HV_SCSI_MAX_TRANSFER        (16 * MiB)

/* As Hyper-V has it, and Linux makes its queues for */
#define HV_SCSI_AUTO_SUB_CHANNELS   UINT16_MAX
#define HV_SCSI_CPUS_PER_CHANNEL    4

/* How far the initialization has come; saved in snapshots */
typedef enum HvScsiState {
    HV_SCSI_BEGIN,
    HV_SCSI_VERSION,
    HV_SCSI_PROPERTIES,
    HV_SCSI_END,
    HV_SCSI_READY,
} HvScsiState;

/**
 * HvScsiChannel: what this device has for each channel
 * @ctx: where packets are taken from it
 * @lock: protects the guest's ring for us to write in, and all below
 * @open: answers can be sent
 * @reqs: packets taken from the ring that have not been answered yet
 */
struct HvScsiChannel {
    VMBusChannel *chan;
    AioContext *ctx;
    QemuMutex lock;
    bool open;
    QTAILQ_HEAD(, HvScsiReq) reqs;
};

/**
 * HvScsiReq: a packet of the guest
 * @base: with the packet, which the answer is built in; must be first
 * @sreq: the SCSI command, if it is one that a device executes
 * @reserved: there is room for the answer
 */
struct HvScsiReq {
    VMBusChanReq base;
    HvScsiChannel *hc;
    SCSIRequest *sreq;
    bool reserved;
    QTAILQ_ENTRY(HvScsiReq) next;
    QTAILQ_ENTRY(HvScsiReq) ctrl_next;
};

static HvScsi *hv_scsi_of(HvScsiChannel *hc)
{
    return HV_SCSI_BASE(vmbus_channel_device(hc->chan));
}

static HvStorPacket *hv_scsi_packet(HvScsiReq *req)
{
    return req->base.msg;
}

/* --- Answers --- */

/* As long as the guest's packet: Windows insists */
static uint32_t hv_scsi_answer_len(HvScsiReq *req)
{
    return MIN(req->base.msglen, sizeof(HvStorPacket));
}

/* Makes room for the answer, or asks the guest to tell when there is some. */
static bool hv_scsi_reserve(HvScsiReq *req)
{
    if (!req->reserved && req->base.need_comp) {
        req->reserved = !vmbus_channel_reserve(req->base.chan, 0,
                                               hv_scsi_answer_len(req));
        return req->reserved;
    }
    return true;
}

/* Answers with the packet as it now is, and frees the request. Any thread. */
static void hv_scsi_answer(HvScsiReq *req, uint32_t status)
{
    HvScsiChannel *hc = req->hc;
    HvStorPacket *pkt = hv_scsi_packet(req);

    /* A packet that expects none may be too short for one */
    if (req->base.need_comp) {
        pkt->header.operation = cpu_to_le32(HV_STOR_COMPLETE_IO);
        pkt->header.flags = 0;
        pkt->header.status = cpu_to_le32(status);
    }

    WITH_QEMU_LOCK_GUARD(&hc->lock) {
        QTAILQ_REMOVE(&hc->reqs, req, next);
        if (hc->open && req->base.need_comp && hv_scsi_reserve(req)) {
            vmbus_channel_send_completion(&req->base, pkt,
                                          hv_scsi_answer_len(req));
        }
    }
    if (req->sreq) {
        scsi_req_unref_detach_hba(req->sreq);
        /* hv_scsi_close_channel() may be waiting for it */
        aio_wait_kick();
    }
    vmbus_free_req(req);
}

static uint32_t hv_scsi_nt_status(uint8_t srb_status)
{
    switch (srb_status & ~HV_SRB_STATUS_AUTOSENSE_VALID) {
    case HV_SRB_STATUS_SUCCESS:
        return HV_STOR_STATUS_SUCCESS;
    case HV_SRB_STATUS_ABORTED:
        return HV_STOR_STATUS_CANCELLED;
    case HV_SRB_STATUS_BUSY:
        return HV_STOR_STATUS_DEVICE_BUSY;
    case HV_SRB_STATUS_TIMEOUT:
        return HV_STOR_STATUS_IO_TIMEOUT;
    case HV_SRB_STATUS_DATA_OVERRUN:
        return HV_STOR_STATUS_BUFFER_OVERFLOW;
    case HV_SRB_STATUS_INVALID_LUN:
        return HV_STOR_STATUS_DEVICE_DOES_NOT_EXIST;
    default:
        return HV_STOR_STATUS_IO_DEVICE_ERROR;
    }
}

/* Answers EXECUTE_SRB; sense data, if any, is in the packet already. */
static void hv_scsi_answer_srb(HvScsiReq *req, uint8_t srb_status,
                               uint8_t scsi_status, uint32_t transferred)
{
    HvStorSrb *srb = &hv_scsi_packet(req)->srb;

    trace_hv_scsi_answer(req->base.transaction_id, srb_status, scsi_status,
                         transferred);
    srb->srb_status = srb_status;
    srb->scsi_status = scsi_status;
    srb->data_transfer_length = cpu_to_le32(transferred);
    hv_scsi_answer(req, hv_scsi_nt_status(srb_status));
}

/* --- The SCSI layer's callbacks, in the request's AioContext --- */

static void hv_scsi_complete(SCSIRequest *sreq, size_t residual)
{
    HvScsiReq *req = sreq->hba_private;
    HvStorSrb *srb = &hv_scsi_packet(req)->srb;
    uint8_t srb_status;

    if (sreq->io_canceled) {
        return;
    }
    srb->sense_length = 0;
    switch (sreq->status) {
    case GOOD:
        srb_status = HV_SRB_STATUS_SUCCESS;
        break;
    case BUSY:
    case TASK_SET_FULL:
        srb_status = HV_SRB_STATUS_BUSY;
        break;
    default:
        srb_status = HV_SRB_STATUS_ERROR;
        srb->sense_length = scsi_req_get_sense(sreq, srb->sense,
                                               HV_SRB_SENSE_MAX);
        if (srb->sense_length) {
            srb_status |= HV_SRB_STATUS_AUTOSENSE_VALID;
        }
    }
    hv_scsi_answer_srb(req, srb_status, sreq->status,
                       req->base.sgl.size - residual);
}

static void hv_scsi_fail(SCSIRequest *sreq)
{
    uint8_t srb_status;

    if (sreq->io_canceled) {
        return;
    }
    switch (sreq->host_status) {
    case SCSI_HOST_NO_LUN:
        srb_status = HV_SRB_STATUS_INVALID_LUN;
        break;
    case SCSI_HOST_BUSY:
        srb_status = HV_SRB_STATUS_BUSY;
        break;
    case SCSI_HOST_TIME_OUT:
        srb_status = HV_SRB_STATUS_TIMEOUT;
        break;
    case SCSI_HOST_ABORTED:
        srb_status = HV_SRB_STATUS_ABORTED;
        break;
    case SCSI_HOST_RESET:
        srb_status = HV_SRB_STATUS_BUS_RESET;
        break;
    default:
        srb_status = HV_SRB_STATUS_ERROR;
    }
    hv_scsi_answer_srb(sreq->hba_private, srb_status, GOOD, 0);
}

static void hv_scsi_cancelled(SCSIRequest *sreq)
{
    HvScsiReq *req = sreq->hba_private;

    if (req) {
        hv_scsi_answer_srb(req, qatomic_read(&hv_scsi_of(req->hc)->resetting) ?
                           HV_SRB_STATUS_BUS_RESET : HV_SRB_STATUS_ABORTED,
                           GOOD, 0);
    }
}

static QEMUSGList *hv_scsi_get_sg_list(SCSIRequest *sreq)
{
    HvScsiReq *req = sreq->hba_private;

    return &req->base.sgl;
}

/* For devices of the host, which take commands that QEMU does not know */
static int hv_scsi_parse_cdb(SCSIDevice *dev, SCSICommand *cmd, uint8_t *buf,
                             size_t buf_len, void *hba_private)
{
    HvScsiReq *req = hba_private;

    if (!cmd->len) {
        cmd->len = buf_len;
        memcpy(cmd->buf, buf, buf_len);
    }
    if (req) {
        cmd->xfer = req->base.sgl.size;
        cmd->mode = !cmd->xfer ? SCSI_XFER_NONE :
                    hv_scsi_packet(req)->srb.data_in == HV_SRB_DATA_OUT ?
                    SCSI_XFER_TO_DEV : SCSI_XFER_FROM_DEV;
    }
    return 0;
}

/* --- Commands --- */

static void hv_scsi_sglist_trim(QEMUSGList *sgl, size_t size)
{
    while (sgl->size > size) {
        ScatterGatherEntry *last = &sgl->sg[sgl->nsg - 1];
        dma_addr_t cut = MIN(last->len, sgl->size - size);

        last->len -= cut;
        sgl->size -= cut;
        if (!last->len) {
            sgl->nsg--;
        }
    }
}

/*
 * A command to a logical unit that there is not, and no other one with the
 * same target that would tell.  Linux takes any answer to INQUIRY for a
 * success, so it has to be one.
 */
static void hv_scsi_execute_absent(HvScsiReq *req)
{
    HvStorSrb *srb = &hv_scsi_packet(req)->srb;
    uint8_t buf[SCSI_INQUIRY_LEN] = {};
    uint32_t len = 0;

    if (srb->cdb[0] == INQUIRY && !(srb->cdb[1] & 1)) {
        buf[0] = TYPE_NO_LUN;
        buf[4] = sizeof(buf) - 5;
        len = MIN(lduw_be_p(&srb->cdb[3]), sizeof(buf));
    } else if (srb->cdb[0] == REPORT_LUNS) {
        /* an empty list */
        len = MIN(ldl_be_p(&srb->cdb[6]), 8);
    } else {
        hv_scsi_answer_srb(req, HV_SRB_STATUS_INVALID_LUN, GOOD, 0);
        return;
    }
    len = MIN(len, req->base.sgl.size);
    dma_buf_read(buf, len, NULL, &req->base.sgl, MEMTXATTRS_UNSPECIFIED);
    hv_scsi_answer_srb(req, HV_SRB_STATUS_SUCCESS, GOOD, len);
}

static SCSIDevice *hv_scsi_get_device(HvScsi *s, const HvStorSrb *srb)
{
    return qatomic_read(&s->unplugged) ? NULL :
           scsi_device_get(&s->bus, s->any_path ? 0 : srb->path, srb->target,
                           srb->lun);
}

static void hv_scsi_execute(HvScsi *s, HvScsiReq *req)
{
    HvStorSrb *srb = &hv_scsi_packet(req)->srb;
    uint32_t len = le32_to_cpu(srb->data_transfer_length);
    SCSIDevice *d;
    SCSIRequest *sreq;

    trace_hv_scsi_execute(req->base.transaction_id, srb->path, srb->target,
                          srb->lun, srb->cdb[0], len);
    if (!srb->cdb_length || srb->cdb_length > HV_SRB_CDB_MAX ||
        len > req->base.sgl.size) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: command of %u bytes, data of "
                      "%u bytes in a buffer of %zu\n",
                      srb->cdb_length, len, (size_t)req->base.sgl.size);
        hv_scsi_answer_srb(req, HV_SRB_STATUS_INVALID_REQUEST, GOOD, 0);
        return;
    }
    hv_scsi_sglist_trim(&req->base.sgl, len);

    d = hv_scsi_get_device(s, srb);
    if (!d || (d->lun != srb->lun && srb->cdb[0] != INQUIRY &&
               srb->cdb[0] != REPORT_LUNS)) {
        hv_scsi_execute_absent(req);
        object_unref(d);
        return;
    }
    sreq = req->sreq = scsi_req_new(d, req->base.transaction_id, srb->lun,
                                    srb->cdb, srb->cdb_length, req);
    object_unref(d);
    if (sreq->cmd.mode != SCSI_XFER_NONE &&
        (sreq->cmd.xfer > len || srb->data_in ==
         (sreq->cmd.mode == SCSI_XFER_TO_DEV ? HV_SRB_DATA_IN :
                                               HV_SRB_DATA_OUT))) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: command 0x%x moves %zu bytes, "
                      "the buffer has %u\n", srb->cdb[0], sreq->cmd.xfer, len);
        hv_scsi_answer_srb(req, HV_SRB_STATUS_DATA_OVERRUN, GOOD, 0);
        return;
    }
    /* a disk moves all that the list has room for */
    hv_scsi_sglist_trim(&req->base.sgl, sreq->cmd.xfer);

    scsi_req_ref(sreq);
    if (scsi_req_enqueue(sreq)) {
        scsi_req_continue(sreq);
    }
    scsi_req_unref(sreq);
}

/* --- What is no command; in the main loop, under the big lock --- */

static uint32_t hv_scsi_query_version(HvScsi *s, HvStorPacket *pkt)
{
    uint16_t version = le16_to_cpu(pkt->version);

    trace_hv_scsi_version(version);
    switch (version) {
    case HV_STOR_VERSION_WIN6:
    case HV_STOR_VERSION_WIN7:
    case HV_STOR_VERSION_WIN8:
    case HV_STOR_VERSION_WIN8_1:
    case HV_STOR_VERSION_WIN10:
        s->version = version;
        return HV_STOR_STATUS_SUCCESS;
    default:
        /* the guest tries an older one */
        return HV_STOR_STATUS_REVISION_MISMATCH;
    }
}

/* How many channels the guest may ask for besides the first */
static uint16_t hv_scsi_max_sub_channels(HvScsi *s)
{
    return s->version >= HV_STOR_VERSION_WIN8 ?
           VMBUS_DEVICE(s)->num_channels - 1 : 0;
}

static uint32_t hv_scsi_query_properties(HvScsi *s, HvStorPacket *pkt)
{
    uint16_t sub_channels = hv_scsi_max_sub_channels(s);

    memset(&pkt->properties, 0, sizeof(pkt->properties));
    pkt->properties.max_sub_channels = cpu_to_le16(sub_channels);
    pkt->properties.flags =
        cpu_to_le32(sub_channels ? HV_STOR_PROPERTIES_MULTI_CHANNEL : 0);
    pkt->properties.max_transfer_bytes = cpu_to_le32(s->max_transfer);
    return HV_STOR_STATUS_SUCCESS;
}

static uint32_t hv_scsi_create_sub_channels(HvScsi *s, HvStorPacket *pkt)
{
    uint16_t n = le16_to_cpu(pkt->sub_channels);

    if (n > hv_scsi_max_sub_channels(s) ||
        vmbus_device_offer_subchannels(VMBUS_DEVICE(s), n)) {
        return HV_STOR_STATUS_INVALID_PARAMETER;
    }
    return HV_STOR_STATUS_SUCCESS;
}

static void hv_scsi_cold_reset(HvScsi *s, Object *obj)
{
    qatomic_set(&s->resetting, true);
    resettable_reset(obj, RESET_TYPE_COLD);
    qatomic_set(&s->resetting, false);
}

static uint32_t hv_scsi_reset_lun(HvScsi *s, HvStorPacket *pkt)
{
    SCSIDevice *d = hv_scsi_get_device(s, &pkt->srb);
    uint32_t status = HV_STOR_STATUS_DEVICE_DOES_NOT_EXIST;

    if (d && d->lun == pkt->srb.lun) {
        hv_scsi_cold_reset(s, OBJECT(d));
        status = HV_STOR_STATUS_SUCCESS;
    }
    object_unref(d);
    return status;
}

static uint32_t hv_scsi_reset_bus(HvScsi *s, HvStorPacket *pkt)
{
    hv_scsi_cold_reset(s, OBJECT(&s->bus));
    return HV_STOR_STATUS_SUCCESS;
}

/**
 * HvScsiOp: an operation of the guest's that is no command
 * @name: NULL if there is no such operation
 * @states: those in which it is allowed, a mask
 * @next: the state that follows if it succeeds, if that is a later one
 * @len: of the shortest packet
 * @handle: makes the answer, returns its status; NULL: nothing is to be done
 */
static const struct HvScsiOp {
    const char *name;
    uint32_t states;
    HvScsiState next;
    size_t len;
    uint32_t (*handle)(HvScsi *s, HvStorPacket *pkt);
} hv_scsi_ops[] = {
    [HV_STOR_BEGIN_INITIALIZATION] = {
        "BEGIN_INITIALIZATION", BIT(HV_SCSI_BEGIN), HV_SCSI_VERSION,
        sizeof(HvStorHeader),
    },
    [HV_STOR_QUERY_PROTOCOL_VERSION] = {
        "QUERY_PROTOCOL_VERSION", BIT(HV_SCSI_VERSION), HV_SCSI_PROPERTIES,
        endof(HvStorPacket, version), hv_scsi_query_version,
    },
    [HV_STOR_QUERY_PROPERTIES] = {
        "QUERY_PROPERTIES", BIT(HV_SCSI_PROPERTIES), HV_SCSI_END,
        endof(HvStorPacket, properties), hv_scsi_query_properties,
    },
    [HV_STOR_END_INITIALIZATION] = {
        "END_INITIALIZATION", BIT(HV_SCSI_END), HV_SCSI_READY,
        sizeof(HvStorHeader),
    },
    [HV_STOR_CREATE_SUB_CHANNELS] = {
        /* Windows asks before the end, Linux afterwards */
        "CREATE_SUB_CHANNELS", BIT(HV_SCSI_END) | BIT(HV_SCSI_READY),
        HV_SCSI_END, endof(HvStorPacket, sub_channels),
        hv_scsi_create_sub_channels,
    },
    [HV_STOR_RESET_LUN] = {
        "RESET_LUN", BIT(HV_SCSI_READY), HV_SCSI_READY,
        HV_STOR_PACKET_V1_SIZE, hv_scsi_reset_lun,
    },
    [HV_STOR_RESET_ADAPTER] = {
        "RESET_ADAPTER", BIT(HV_SCSI_READY), HV_SCSI_READY,
        sizeof(HvStorHeader), hv_scsi_reset_bus,
    },
    [HV_STOR_RESET_BUS] = {
        "RESET_BUS", BIT(HV_SCSI_READY), HV_SCSI_READY,
        sizeof(HvStorHeader), hv_scsi_reset_bus,
    },
};

static uint32_t hv_scsi_control(HvScsi *s, HvScsiReq *req)
{
    HvStorPacket *pkt = hv_scsi_packet(req);
    uint32_t operation = le32_to_cpu(pkt->header.operation);
    const struct HvScsiOp *op;
    uint32_t status;

    if (operation >= ARRAY_SIZE(hv_scsi_ops) || !hv_scsi_ops[operation].name) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: operation %u\n", operation);
        return HV_STOR_STATUS_INVALID_DEVICE_REQUEST;
    }
    op = &hv_scsi_ops[operation];
    if (vmbus_channel_idx(req->base.chan) || !(op->states & BIT(s->state))) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: %s on channel %u in state "
                      "%d\n", op->name, vmbus_channel_idx(req->base.chan),
                      s->state);
        return HV_STOR_STATUS_INVALID_DEVICE_STATE;
    }
    if (req->base.msglen < op->len) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: %s of %u bytes\n",
                      op->name, req->base.msglen);
        return HV_STOR_STATUS_INVALID_PARAMETER;
    }
    status = op->handle ? op->handle(s, pkt) : HV_STOR_STATUS_SUCCESS;
    trace_hv_scsi_control(op->name, status);
    if (status == HV_STOR_STATUS_SUCCESS && op->next > s->state) {
        qatomic_set(&s->state, op->next);
    }
    return status;
}

static void hv_scsi_ctrl_bh(void *opaque)
{
    HvScsi *s = opaque;
    HvScsiReq *req;

    /* a reset waits for requests in an event loop of its own */
    if (s->ctrl_busy) {
        return;
    }
    s->ctrl_busy = true;
    for (;;) {
        WITH_QEMU_LOCK_GUARD(&s->ctrl_lock) {
            req = QTAILQ_FIRST(&s->ctrl);
            if (req) {
                QTAILQ_REMOVE(&s->ctrl, req, ctrl_next);
            }
        }
        if (!req) {
            break;
        }
        hv_scsi_answer(req, hv_scsi_control(s, req));
    }
    s->ctrl_busy = false;
}

/* --- Channels --- */

/* Tells the guest to scan the bus, once there is room for it in the ring. */
static void hv_scsi_send_rescan(HvScsi *s)
{
    HvScsiChannel *hc = &s->channels[0];
    uint32_t len = s->version < HV_STOR_VERSION_WIN8 ? HV_STOR_PACKET_V1_SIZE :
                                                       sizeof(HvStorPacket);
    HvStorPacket pkt = {
        .header.operation = cpu_to_le32(HV_STOR_ENUMERATE_BUS),
    };

    QEMU_LOCK_GUARD(&hc->lock);
    if (hc->open && s->rescan && !vmbus_channel_reserve(hc->chan, 0, len)) {
        vmbus_channel_send(hc->chan, VMBUS_PACKET_DATA_INBAND, NULL, 0,
                           &pkt, len, false, 0);
        s->rescan = false;
    }
}

/* Takes a packet from the ring; false if there is none to be taken now. */
static bool hv_scsi_take(HvScsi *s, HvScsiChannel *hc)
{
    HvScsiReq *req;
    uint32_t operation;

    if (qatomic_read(&s->drained)) {
        return false;
    }
    req = vmbus_channel_recv_peek(hc->chan, sizeof(*req));
    if (!req) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&hc->lock) {
        if (!hv_scsi_reserve(req)) {
            vmbus_free_req(req);
            return false;
        }
        req->hc = hc;
        QTAILQ_INSERT_TAIL(&hc->reqs, req, next);
    }
    vmbus_channel_recv_pop(hc->chan);

    if (req->base.msglen < sizeof(HvStorHeader) || !req->base.need_comp) {
        qemu_log_mask(LOG_GUEST_ERROR, "hv-scsi: packet of %u bytes, type %u, "
                      "%s answer\n", req->base.msglen, req->base.pkt_type,
                      req->base.need_comp ? "no room for an" : "without");
        req->base.need_comp = false;
        hv_scsi_answer(req, HV_STOR_STATUS_INVALID_PARAMETER);
        return true;
    }
    operation = le32_to_cpu(hv_scsi_packet(req)->header.operation);
    if (operation == HV_STOR_EXECUTE_SRB &&
        qatomic_read(&s->state) == HV_SCSI_READY &&
        req->base.msglen >= HV_STOR_PACKET_V1_SIZE) {
        hv_scsi_execute(s, req);
    } else {
        WITH_QEMU_LOCK_GUARD(&s->ctrl_lock) {
            QTAILQ_INSERT_TAIL(&s->ctrl, req, ctrl_next);
        }
        qemu_bh_schedule(s->ctrl_bh);
    }
    return true;
}

static void hv_scsi_notify(VMBusChannel *chan)
{
    HvScsi *s = HV_SCSI_BASE(vmbus_channel_device(chan));
    HvScsiChannel *hc = &s->channels[vmbus_channel_idx(chan)];

    if (hc == &s->channels[0]) {
        hv_scsi_send_rescan(s);
    }
    if (vmbus_channel_recv_start(chan)) {
        return;
    }
    defer_call_begin();
    while (hv_scsi_take(s, hc)) {
        ;
    }
    defer_call_end();
    vmbus_channel_recv_done(chan);
}

/* No request that is left belongs to the channel that is opened next. */
static void hv_scsi_orphan(HvScsiChannel *hc)
{
    HvScsiReq *req;

    QTAILQ_FOREACH(req, &hc->reqs, next) {
        req->base.need_comp = false;
    }
}

static int hv_scsi_open_channel(VMBusChannel *chan)
{
    HvScsi *s = HV_SCSI_BASE(vmbus_channel_device(chan));
    HvScsiChannel *hc = &s->channels[vmbus_channel_idx(chan)];
    HvScsiReq *req;

    QEMU_LOCK_GUARD(&hc->lock);
    hc->open = true;
    if (!vmbus_channel_restored(chan)) {
        hv_scsi_orphan(hc);
        if (hc == &s->channels[0]) {
            qatomic_set(&s->state, HV_SCSI_BEGIN);
        }
    }
    QTAILQ_FOREACH(req, &hc->reqs, next) {
        hv_scsi_reserve(req);
    }
    return 0;
}

static void hv_scsi_cancel_bh(void *opaque)
{
    AioContext *ctx = qemu_get_current_aio_context();
    HvScsiChannel *hc = opaque;
    g_autoptr(GList) sreqs = NULL;
    HvScsiReq *req;

    WITH_QEMU_LOCK_GUARD(&hc->lock) {
        QTAILQ_FOREACH(req, &hc->reqs, next) {
            if (req->sreq && req->sreq->ctx == ctx) {
                sreqs = g_list_prepend(sreqs, scsi_req_ref(req->sreq));
            }
        }
    }
    for (GList *l = sreqs; l; l = l->next) {
        scsi_req_cancel_async(l->data, NULL);
        scsi_req_unref(l->data);
    }
}

/* Whether devices are at work for a channel */
static bool hv_scsi_channel_busy(HvScsiChannel *hc)
{
    HvScsiReq *req;

    QEMU_LOCK_GUARD(&hc->lock);
    QTAILQ_FOREACH(req, &hc->reqs, next) {
        if (req->sreq) {
            return true;
        }
    }
    return false;
}

/*
 * The guest may use the memory for something else after this: no request can
 * be left that would read or write it.
 */
static void hv_scsi_close_channel(VMBusChannel *chan)
{
    HvScsi *s = HV_SCSI_BASE(vmbus_channel_device(chan));
    HvScsiChannel *hc = &s->channels[vmbus_channel_idx(chan)];
    HvScsiReq *req, *next;

    WITH_QEMU_LOCK_GUARD(&hc->lock) {
        hc->open = false;
    }
    WITH_QEMU_LOCK_GUARD(&s->ctrl_lock) {
        QTAILQ_FOREACH_SAFE(req, &s->ctrl, ctrl_next, next) {
            if (req->hc == hc) {
                QTAILQ_REMOVE(&s->ctrl, req, ctrl_next);
                hv_scsi_answer(req, HV_STOR_STATUS_CANCELLED);
            }
        }
    }
    hv_scsi_cancel_bh(hc);
    if (hc->ctx != qemu_get_aio_context()) {
        aio_wait_bh_oneshot(hc->ctx, hv_scsi_cancel_bh, hc);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, hv_scsi_channel_busy(hc));

    WITH_QEMU_LOCK_GUARD(&hc->lock) {
        /* at most a reset is left, which waits for requests as we did */
        hv_scsi_orphan(hc);
    }
    if (hc == &s->channels[0]) {
        qatomic_set(&s->state, HV_SCSI_BEGIN);
    }
}

/* --- Pauses --- */

static void hv_scsi_drained_begin(SCSIBus *bus)
{
    HvScsi *s = container_of(bus, HvScsi, bus);

    qatomic_set(&s->drained, true);
}

static void hv_scsi_drained_end(SCSIBus *bus)
{
    HvScsi *s = container_of(bus, HvScsi, bus);
    uint16_t i;

    qatomic_set(&s->drained, false);
    for (i = 0; i < VMBUS_DEVICE(s)->num_channels; i++) {
        if (s->channels[i].open) {
            vmbus_channel_notify_host(s->channels[i].chan);
        }
    }
}

static void hv_scsi_vm_change_state(void *opaque, bool running, RunState state)
{
    if (!running) {
        /* nothing of these travels */
        hv_scsi_ctrl_bh(opaque);
    }
}

static void hv_scsi_save_request(QEMUFile *f, SCSIRequest *sreq)
{
    HvScsiReq *req = sreq->hba_private;

    vmbus_save_req(f, &req->base);
}

static void *hv_scsi_load_request(QEMUFile *f, SCSIRequest *sreq)
{
    HvScsi *s = container_of(sreq->bus, HvScsi, bus);
    HvScsiReq *req = vmbus_load_req(f, VMBUS_DEVICE(s), sizeof(*req));

    if (!req || req->base.msglen < HV_STOR_PACKET_V1_SIZE ||
        req->base.sgl.size != sreq->cmd.xfer) {
        /* this callback cannot fail */
        error_report("hv-scsi: the stream has a request that is none");
        exit(1);
    }
    req->hc = &s->channels[vmbus_channel_idx(req->base.chan)];
    req->sreq = scsi_req_ref(sreq);
    QTAILQ_INSERT_TAIL(&req->hc->reqs, req, next);
    return req;
}

/* --- Devices that come and go --- */

static void hv_scsi_rescan(HvScsi *s)
{
    if (s->state == HV_SCSI_READY && s->version >= HV_STOR_VERSION_WIN7) {
        WITH_QEMU_LOCK_GUARD(&s->channels[0].lock) {
            s->rescan = true;
        }
        hv_scsi_send_rescan(s);
    }
}

/* Linux flushes the caches of its disks when it loses them: take them before */
static bool hv_scsi_prepare_unplug(VMBusDevice *vdev)
{
    HvScsi *s = HV_SCSI_BASE(vdev);
    unsigned i;

    if (!s->unplugged) {
        qatomic_set(&s->unplugged, true);
        hv_scsi_rescan(s);
    }
    for (i = 0; i < vdev->num_channels; i++) {
        QEMU_LOCK_GUARD(&s->channels[i].lock);
        if (!QTAILQ_EMPTY(&s->channels[i].reqs)) {
            return false;
        }
    }
    return true;
}

static void hv_scsi_change(SCSIBus *bus, SCSIDevice *dev, SCSISense sense)
{
    /* the scan finds the unit attention condition */
    hv_scsi_rescan(container_of(bus, HvScsi, bus));
}

static void hv_scsi_pre_plug(HotplugHandler *hotplug_dev, DeviceState *dev,
                             Error **errp)
{
    SCSIDevice *sd = SCSI_DEVICE(dev);

    /* each channel completes its requests where it submits them */
    sd->hba_supports_iothread = true;
    if (sd->id == -1 && sd->lun == -1) {
        /* disks are logical units of one target, as with Hyper-V */
        sd->id = 0;
    }
}

static void hv_scsi_plug(HotplugHandler *hotplug_dev, DeviceState *dev,
                         Error **errp)
{
    HvScsi *s = HV_SCSI_BASE(hotplug_dev);

    if (s->channels[0].ctx != qemu_get_aio_context()) {
        /* if others keep it elsewhere, that is only slower */
        blk_set_aio_context(SCSI_DEVICE(dev)->conf.blk, s->channels[0].ctx,
                            NULL);
    }
    if (dev->hotplugged) {
        scsi_bus_set_ua(&s->bus, SENSE_CODE(REPORTED_LUNS_CHANGED));
    }
    hv_scsi_rescan(s);
}

static void hv_scsi_unplug(HotplugHandler *hotplug_dev, DeviceState *dev,
                           Error **errp)
{
    HvScsi *s = HV_SCSI_BASE(hotplug_dev);

    qdev_simple_device_unplug_cb(hotplug_dev, dev, errp);
    if (s->channels[0].ctx != qemu_get_aio_context()) {
        blk_set_aio_context(SCSI_DEVICE(dev)->conf.blk, qemu_get_aio_context(),
                            NULL);
    }
    scsi_bus_set_ua(&s->bus, SENSE_CODE(REPORTED_LUNS_CHANGED));
    hv_scsi_rescan(s);
}

/* --- The device --- */

static const SCSIBusInfo hv_scsi_bus_info = {
    .tcq = true,
    .max_channel = 0,
    .max_target = HV_SCSI_MAX_TARGET,
    .max_lun = HV_SCSI_MAX_LUN,
    .parse_cdb = hv_scsi_parse_cdb,
    .get_sg_list = hv_scsi_get_sg_list,
    .complete = hv_scsi_complete,
    .fail = hv_scsi_fail,
    .cancel = hv_scsi_cancelled,
    .change = hv_scsi_change,
    .save_request = hv_scsi_save_request,
    .load_request = hv_scsi_load_request,
    .drained_begin = hv_scsi_drained_begin,
    .drained_end = hv_scsi_drained_end,
};

static uint16_t hv_scsi_num_channels(VMBusDevice *vdev)
{
    HvScsi *s = HV_SCSI_BASE(vdev);

    if (s->sub_channels == HV_SCSI_AUTO_SUB_CHANNELS) {
        s->sub_channels = (current_machine->smp.max_cpus - 1) /
                          HV_SCSI_CPUS_PER_CHANNEL;
    }
    return s->sub_channels + 1;
}

/* Where each channel runs */
static bool hv_scsi_init_contexts(HvScsi *s, Error **errp)
{
    uint16_t i, n = VMBUS_DEVICE(s)->num_channels;
    g_autofree AioContext **ctx = g_new(AioContext *, n);

    if (s->iothread && s->iothread_vq_mapping) {
        error_setg(errp, "iothread and iothread-vq-mapping exclude each other");
        return false;
    }
    if (s->iothread_vq_mapping &&
        !iothread_vq_mapping_apply(s->iothread_vq_mapping, ctx, n, errp)) {
        return false;
    }
    if (s->iothread) {
        object_ref(s->iothread);
    }
    for (i = 0; i < n; i++) {
        s->channels[i].ctx = s->iothread_vq_mapping ? ctx[i] :
                             s->iothread ? iothread_get_aio_context(s->iothread)
                                         : qemu_get_aio_context();
        vmbus_channel_set_aio_context(s->channels[i].chan, s->channels[i].ctx);
    }
    return true;
}

void hv_scsi_realize(VMBusDevice *vdev, Error **errp)
{
    HvScsi *s = HV_SCSI_BASE(vdev);
    uint16_t i;

    if (!s->max_transfer || s->max_transfer % HV_SCSI_PAGE_SIZE ||
        s->max_transfer > HV_SCSI_MAX_TRANSFER) {
        error_setg(errp, "max-transfer must be a multiple of %d bytes, and at "
                   "most %" PRIu64, HV_SCSI_PAGE_SIZE, HV_SCSI_MAX_TRANSFER);
        return;
    }
    s->channels = g_new0(HvScsiChannel, vdev->num_channels);
    for (i = 0; i < vdev->num_channels; i++) {
        s->channels[i].chan = vmbus_device_channel(vdev, i);
        QTAILQ_INIT(&s->channels[i].reqs);
    }
    if (!hv_scsi_init_contexts(s, errp)) {
        g_free(s->channels);
        return;
    }
    for (i = 0; i < vdev->num_channels; i++) {
        qemu_mutex_init(&s->channels[i].lock);
    }
    qemu_mutex_init(&s->ctrl_lock);
    QTAILQ_INIT(&s->ctrl);
    s->ctrl_bh = qemu_bh_new_guarded(hv_scsi_ctrl_bh, s,
                                     &DEVICE(s)->mem_reentrancy_guard);
    /* when the VM stops, after the bus: no packet is taken any more */
    s->vm_change_state =
        qemu_add_vm_change_state_handler_prio(hv_scsi_vm_change_state, s, -1);
    scsi_bus_init(&s->bus, sizeof(s->bus), DEVICE(s), &hv_scsi_bus_info);
    qbus_set_hotplug_handler(BUS(&s->bus), OBJECT(s));
}

void hv_scsi_unrealize(VMBusDevice *vdev)
{
    HvScsi *s = HV_SCSI_BASE(vdev);
    uint16_t i;

    qbus_set_hotplug_handler(BUS(&s->bus), NULL);
    qemu_del_vm_change_state_handler(s->vm_change_state);
    qemu_bh_delete(s->ctrl_bh);
    qemu_mutex_destroy(&s->ctrl_lock);
    for (i = 0; i < vdev->num_channels; i++) {
        qemu_mutex_destroy(&s->channels[i].lock);
    }
    g_free(s->channels);
    if (s->iothread_vq_mapping) {
        iothread_vq_mapping_cleanup(s->iothread_vq_mapping);
    }
    if (s->iothread) {
        object_unref(s->iothread);
    }
}

static void hv_scsi_reset(VMBusDevice *vdev)
{
    HvScsi *s = HV_SCSI_BASE(vdev);

    qatomic_set(&s->state, HV_SCSI_BEGIN);
    s->version = 0;
    s->rescan = false;
}

static const Property hv_scsi_base_properties[] = {
    DEFINE_PROP_UINT32("max-transfer", HvScsi, max_transfer, 1 * MiB),
};

static const Property hv_scsi_properties[] = {
    DEFINE_PROP_UINT16("sub-channels", HvScsi, sub_channels,
                       HV_SCSI_AUTO_SUB_CHANNELS),
    DEFINE_PROP_LINK("iothread", HvScsi, iothread, TYPE_IOTHREAD, IOThread *),
    DEFINE_PROP_IOTHREAD_VQ_MAPPING_LIST("iothread-vq-mapping", HvScsi,
                                         iothread_vq_mapping),
};

static const VMStateDescription vmstate_hv_scsi = {
    .name = TYPE_HV_SCSI,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(parent_obj, HvScsi, 0, vmstate_vmbus_dev, VMBusDevice),
        VMSTATE_INT32(state, HvScsi),
        VMSTATE_UINT16(version, HvScsi),
        VMSTATE_BOOL(rescan, HvScsi),
        VMSTATE_END_OF_LIST()
    }
};

static void hv_scsi_base_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(klass);

    dc->vmsd = &vmstate_hv_scsi;
    device_class_set_props(dc, hv_scsi_base_properties);
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    vdc->vmdev_realize = hv_scsi_realize;
    vdc->vmdev_unrealize = hv_scsi_unrealize;
    vdc->vmdev_reset = hv_scsi_reset;
    vdc->open_channel = hv_scsi_open_channel;
    vdc->close_channel = hv_scsi_close_channel;
    vdc->chan_notify_cb = hv_scsi_notify;
    vdc->prepare_unplug = hv_scsi_prepare_unplug;
    hc->pre_plug = hv_scsi_pre_plug;
    hc->plug = hv_scsi_plug;
    hc->unplug = hv_scsi_unplug;
}

static void hv_scsi_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);

    dc->desc = "Hyper-V synthetic SCSI controller";
    device_class_set_props(dc, hv_scsi_properties);
    qemu_uuid_parse(HV_STOR_SCSI_CLASS_GUID, &vdc->classid);
    vdc->num_channels = hv_scsi_num_channels;
}

static const TypeInfo hv_scsi_types[] = {
    {
        .name = TYPE_HV_SCSI_BASE,
        .parent = TYPE_VMBUS_DEVICE,
        .abstract = true,
        .instance_size = sizeof(HvScsi),
        .class_init = hv_scsi_base_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_HOTPLUG_HANDLER },
            { }
        },
    }, {
        .name = TYPE_HV_SCSI,
        .parent = TYPE_HV_SCSI_BASE,
        .class_init = hv_scsi_class_init,
    },
};

DEFINE_TYPES(hv_scsi_types)
