/*
 * VMBus: channels, as devices see them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "hw/qdev-core.h"
#include "migration/qemu-file-types.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "internal.h"
#include "../trace.h"

VMBusDevice *vmbus_channel_device(VMBusChannel *chan)
{
    return chan->dev;
}

VMBusChannel *vmbus_device_channel(VMBusDevice *dev, uint32_t chan_idx)
{
    return chan_idx < dev->num_channels ? &dev->channels[chan_idx] : NULL;
}

uint32_t vmbus_channel_idx(VMBusChannel *chan)
{
    return chan - chan->dev->channels;
}

bool vmbus_channel_is_open(VMBusChannel *chan)
{
    return chan->is_open;
}

bool vmbus_channel_restored(VMBusChannel *chan)
{
    return chan->restored;
}

uint32_t vmbus_channel_vp(VMBusChannel *chan)
{
    return chan->offer.open.target_vp;
}

const uint8_t *vmbus_channel_user_data(VMBusChannel *chan)
{
    return chan->offer.open.user_data;
}

uint32_t vmbus_device_version(VMBusDevice *vdev)
{
    return vdev->channels[0].vmbus->server.version;
}

void vmbus_channel_notify_host(VMBusChannel *chan)
{
    event_notifier_set(&chan->notifier);
}

/*
 * Guests before 2.4 share one interrupt, and look at a bit in a page of their
 * own for each channel.
 */
static void vmbus_channel_notify_by_page(VMBusChannel *chan)
{
    VMBusMem *mem = chan->vmbus->int_page;
    uint32_t word = chan->offer.open.event_flag / 32;
    uint32_t mask = cpu_to_le32(1u << (chan->offer.open.event_flag % 32));

    if (!(qatomic_fetch_or((uint32_t *)mem->page[0] + word, mask) & mask)) {
        vmbus_mem_dirty(mem, word * 4, 4);
        hyperv_sint_route_set_sint(chan->route);
    }
}

void vmbus_channel_notify_guest(VMBusChannel *chan)
{
    trace_vmbus_channel_notify_guest(chan->offer.relid);
    if (!chan->route) {
        return;
    }
    if (chan->vmbus->int_page) {
        vmbus_channel_notify_by_page(chan);
    } else {
        hyperv_set_event_flag(chan->route, chan->offer.open.event_flag);
    }
}

static void vmbus_channel_broken(VMBusChannel *chan, const char *what)
{
    if (!chan->broken_logged) {
        chan->broken_logged = true;
        qemu_log_mask(LOG_GUEST_ERROR, "vmbus: channel %u: %s\n",
                      chan->offer.relid, what);
    }
}

/* Sending */

void vmbus_channel_commit(VMBusChannel *chan)
{
    if (chan->gpadl && vmbus_send_ring_commit(&chan->send)) {
        vmbus_channel_notify_guest(chan);
    }
}

int vmbus_channel_reserve(VMBusChannel *chan,
                          uint32_t desclen, uint32_t msglen)
{
    int ret = vmbus_send_ring_reserve(&chan->send, desclen, msglen);

    if (ret == -ENOSPC) {
        /* the guest makes room by reading what is there */
        vmbus_channel_commit(chan);
    }
    if (chan->send.ring.broken) {
        vmbus_channel_broken(chan, "read index out of range");
    }
    return ret;
}

ssize_t vmbus_channel_write(VMBusChannel *chan, uint16_t pkt_type,
                            const void *desc, uint32_t desclen,
                            const struct iovec *iov, unsigned iov_cnt,
                            bool need_comp, uint64_t transaction_id)
{
    uint16_t flags = need_comp ? VMBUS_PACKET_FLAG_REQUEST_COMPLETION : 0;

    if (!chan->gpadl) {
        return -EINVAL;
    }
    return vmbus_send_ring_write(&chan->send, pkt_type, flags, transaction_id,
                                 desc, desclen, iov, iov_cnt);
}

ssize_t vmbus_channel_sendv(VMBusChannel *chan, uint16_t pkt_type,
                            const void *desc, uint32_t desclen,
                            const struct iovec *iov, unsigned iov_cnt,
                            bool need_comp, uint64_t transaction_id)
{
    ssize_t size = vmbus_channel_write(chan, pkt_type, desc, desclen, iov,
                                       iov_cnt, need_comp, transaction_id);

    vmbus_channel_commit(chan);
    return size;
}

ssize_t vmbus_channel_send(VMBusChannel *chan, uint16_t pkt_type,
                           void *desc, uint32_t desclen,
                           void *msg, uint32_t msglen,
                           bool need_comp, uint64_t transaction_id)
{
    struct iovec iov = { .iov_base = msg, .iov_len = msglen };

    return vmbus_channel_sendv(chan, pkt_type, desc, desclen, &iov, 1,
                               need_comp, transaction_id);
}

ssize_t vmbus_channel_send_completion(VMBusChanReq *req,
                                      void *msg, uint32_t msglen)
{
    assert(req->need_comp);
    return vmbus_channel_send(req->chan, VMBUS_PACKET_COMP, NULL, 0,
                              msg, msglen, false, req->transaction_id);
}

/* Receiving */

int vmbus_channel_recv_start(VMBusChannel *chan)
{
    if (!chan->gpadl) {
        return -EINVAL;
    }
    if (!vmbus_recv_ring_start(&chan->recv)) {
        vmbus_channel_broken(chan, "write index out of range");
        return -EINVAL;
    }
    return 0;
}

bool vmbus_channel_recv_packet(VMBusChannel *chan, VMBusPacket *pkt)
{
    if (vmbus_recv_ring_packet(&chan->recv, pkt)) {
        return true;
    }
    if (chan->recv.ring.broken) {
        vmbus_channel_broken(chan, "malformed packet");
    }
    return false;
}

bool vmbus_packet_read(VMBusChannel *chan, const VMBusPacket *pkt,
                       uint32_t off, void *buf, uint32_t len)
{
    if (off > pkt->msglen || len > pkt->msglen - off) {
        return false;
    }
    vmbus_ring_read(&chan->recv.ring, pkt->msg_off + off, buf, len);
    return true;
}

bool vmbus_packet_read_desc(VMBusChannel *chan, const VMBusPacket *pkt,
                            uint32_t off, void *buf, uint32_t len)
{
    if (off > pkt->desclen || len > pkt->desclen - off) {
        return false;
    }
    vmbus_ring_read(&chan->recv.ring, pkt->desc_off + off, buf, len);
    return true;
}

const void *vmbus_packet_ptr(VMBusChannel *chan, const VMBusPacket *pkt,
                             uint32_t off, uint32_t len)
{
    if (off > pkt->msglen || len > pkt->msglen - off) {
        return NULL;
    }
    return vmbus_ring_ptr(&chan->recv.ring, pkt->msg_off + off, len);
}

/* Page numbers that are copied from a descriptor at a time */
#define PFN_BATCH 64

/* Memory under construction: adjacent pages become one entry */
typedef struct SglBuilder {
    QEMUSGList *sgl;
    uint64_t base;
    uint64_t len;
} SglBuilder;

static void sgl_add(SglBuilder *b, uint64_t addr, uint32_t len)
{
    if (b->len && b->base + b->len == addr) {
        b->len += len;
        return;
    }
    if (b->len) {
        qemu_sglist_add(b->sgl, b->base, b->len);
    }
    b->base = addr;
    b->len = len;
}

/* One range of a descriptor; moves *@off behind it */
static bool sgl_add_range(SglBuilder *b, VMBusChannel *chan,
                          const VMBusPacket *pkt, uint32_t *off)
{
    vmbus_gpa_range range;
    uint64_t pfn[PFN_BATCH];
    uint32_t bytes, page_off;
    uint64_t pages, i;

    if (!vmbus_packet_read_desc(chan, pkt, *off, &range, sizeof(range))) {
        return false;
    }
    *off += sizeof(range);
    bytes = le32_to_cpu(range.byte_count);
    page_off = le32_to_cpu(range.byte_offset);
    if (page_off >= HV_PAGE_SIZE) {
        return false;
    }
    pages = DIV_ROUND_UP((uint64_t)page_off + bytes, HV_PAGE_SIZE);
    for (i = 0; i < pages; i++) {
        uint32_t n = MIN(bytes, HV_PAGE_SIZE - page_off);

        if (i % PFN_BATCH == 0) {
            uint32_t len = MIN(pages - i, PFN_BATCH) * sizeof(pfn[0]);

            if (!vmbus_packet_read_desc(chan, pkt, *off, pfn, len)) {
                return false;
            }
            *off += len;
        }
        if (le64_to_cpu(pfn[i % PFN_BATCH]) >>
            (HV_GPA_BITS_MAX - HV_PAGE_SHIFT)) {
            return false;
        }
        sgl_add(b, (le64_to_cpu(pfn[i % PFN_BATCH]) << HV_PAGE_SHIFT) +
                page_off, n);
        bytes -= n;
        page_off = 0;
    }
    return true;
}

int vmbus_packet_sgl(VMBusChannel *chan, const VMBusPacket *pkt,
                     QEMUSGList *sgl)
{
    SglBuilder b = { .sgl = sgl };
    vmbus_pkt_gpa_direct hdr;
    uint32_t off = sizeof(hdr);
    uint32_t ranges, i;

    if (pkt->type != VMBUS_PACKET_DATA_USING_GPA_DIRECT ||
        !vmbus_packet_read_desc(chan, pkt, 0, &hdr, sizeof(hdr))) {
        return -EINVAL;
    }
    ranges = le32_to_cpu(hdr.rangecount);
    qemu_sglist_init(sgl, DEVICE(chan->dev), pkt->desclen / sizeof(uint64_t),
                     chan->dev->dma_as);
    for (i = 0; i < ranges; i++) {
        if (!sgl_add_range(&b, chan, pkt, &off)) {
            qemu_sglist_destroy(sgl);
            vmbus_channel_broken(chan, "malformed list of pages");
            return -EINVAL;
        }
    }
    if (b.len) {
        qemu_sglist_add(sgl, b.base, b.len);
    }
    return 0;
}

static VMBusChanReq *vmbus_req_new(VMBusChannel *chan, uint32_t size,
                                   uint32_t msglen)
{
    uint32_t msgoff = ROUND_UP(size, sizeof(uint64_t));
    VMBusChanReq *req = g_malloc(msgoff + msglen);

    memset(req, 0, size);
    req->chan = chan;
    req->msg = (char *)req + msgoff;
    req->msglen = msglen;
    return req;
}

void *vmbus_channel_recv_peek(VMBusChannel *chan, uint32_t size)
{
    VMBusPacket pkt;
    VMBusChanReq *req;

    assert(size >= sizeof(*req));
    if (!vmbus_channel_recv_packet(chan, &pkt)) {
        return NULL;
    }
    req = vmbus_req_new(chan, size, pkt.msglen);
    req->pkt_type = pkt.type;
    req->transaction_id = pkt.transaction_id;
    req->need_comp = pkt.need_comp;

    switch (pkt.type) {
    case VMBUS_PACKET_DATA_USING_GPA_DIRECT:
        if (vmbus_packet_sgl(chan, &pkt, &req->sgl) < 0) {
            memset(&req->sgl, 0, sizeof(req->sgl));
            goto broken;
        }
        break;
    case VMBUS_PACKET_DATA_INBAND:
    case VMBUS_PACKET_COMP:
        break;
    default:
        goto broken;
    }
    vmbus_packet_read(chan, &pkt, 0, req->msg, req->msglen);
    return req;

broken:
    /* Whatever it is, it would be the next packet for ever */
    chan->recv.ring.broken = true;
    vmbus_channel_broken(chan, "malformed packet");
    vmbus_free_req(req);
    return NULL;
}

void vmbus_channel_recv_pop(VMBusChannel *chan)
{
    vmbus_recv_ring_pop(&chan->recv);
}

ssize_t vmbus_channel_recv_done(VMBusChannel *chan)
{
    bool signal, more;
    ssize_t n;

    if (!chan->gpadl) {
        return -EINVAL;
    }
    n = vmbus_recv_ring_done(&chan->recv, &signal, &more);
    if (signal) {
        vmbus_channel_notify_guest(chan);
    }
    if (more) {
        vmbus_channel_notify_host(chan);
    }
    return n;
}

void vmbus_free_req(void *req)
{
    VMBusChanReq *r = req;

    if (r && r->sgl.dev) {
        qemu_sglist_destroy(&r->sgl);
    }
    g_free(req);
}

void vmbus_save_req(QEMUFile *f, VMBusChanReq *req)
{
    int i;

    qemu_put_be32(f, vmbus_channel_idx(req->chan));
    qemu_put_be32(f, req->pkt_type);
    qemu_put_be64(f, req->transaction_id);
    qemu_put_byte(f, req->need_comp);
    qemu_put_be32(f, req->msglen);
    qemu_put_buffer(f, req->msg, req->msglen);
    qemu_put_be32(f, req->sgl.nsg);
    for (i = 0; i < req->sgl.nsg; i++) {
        qemu_put_be64(f, req->sgl.sg[i].base);
        qemu_put_be64(f, req->sgl.sg[i].len);
    }
}

void *vmbus_load_req(QEMUFile *f, VMBusDevice *vdev, uint32_t size)
{
    VMBusChannel *chan = vmbus_device_channel(vdev, qemu_get_be32(f));
    uint16_t pkt_type = qemu_get_be32(f);
    uint64_t transaction_id = qemu_get_be64(f);
    bool need_comp = qemu_get_byte(f);
    uint32_t msglen = qemu_get_be32(f);
    VMBusChanReq *req;
    uint32_t nsg;

    /* What one packet can hold */
    if (!chan || msglen > UINT16_MAX * 8) {
        return NULL;
    }
    req = vmbus_req_new(chan, size, msglen);
    req->pkt_type = pkt_type;
    req->transaction_id = transaction_id;
    req->need_comp = need_comp;
    qemu_get_buffer(f, req->msg, msglen);
    nsg = qemu_get_be32(f);
    if (nsg > UINT16_MAX) {
        vmbus_free_req(req);
        return NULL;
    }
    if (nsg) {
        qemu_sglist_init(&req->sgl, DEVICE(vdev), nsg, vdev->dma_as);
    }
    while (nsg--) {
        uint64_t base = qemu_get_be64(f);
        uint64_t len = qemu_get_be64(f);

        qemu_sglist_add(&req->sgl, base, len);
    }
    return req;
}

/* Other guest memory */

VMBusGpadl *vmbus_get_gpadl(VMBusChannel *chan, uint32_t gpadl_id)
{
    VMBusGpadls *l = &chan->vmbus->server.gpadls;
    VMBusGpadl *gpadl = vmbus_gpadls_ref(l, chan->offer.relid, gpadl_id);
    bool ok;

    if (!gpadl) {
        return NULL;
    }
    WITH_QEMU_LOCK_GUARD(&l->lock) {
        if (!gpadl->mem) {
            gpadl->mem = vmbus_mem_map(chan->dev->dma_as, gpadl->pfn,
                                       gpadl->nr_pages);
        }
        ok = gpadl->mem;
    }
    if (!ok) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "vmbus: channel %u: GPADL 0x%x is not all RAM\n",
                      chan->offer.relid, gpadl_id);
        vmbus_gpadl_unref(gpadl);
        return NULL;
    }
    return gpadl;
}

void vmbus_put_gpadl(VMBusGpadl *gpadl)
{
    if (gpadl) {
        vmbus_gpadl_unref(gpadl);
    }
}

uint32_t vmbus_gpadl_len(VMBusGpadl *gpadl)
{
    return gpadl->len;
}

static bool vmbus_gpadl_range_ok(VMBusGpadl *gpadl, uint32_t off, size_t len)
{
    return off <= gpadl->len && len <= gpadl->len - off;
}

ssize_t vmbus_iov_to_gpadl(VMBusChannel *chan, VMBusGpadl *gpadl, uint32_t off,
                           const struct iovec *iov, size_t iov_cnt)
{
    size_t len = iov_size(iov, iov_cnt);
    uint32_t at = off;
    size_t i;

    if (!vmbus_gpadl_range_ok(gpadl, off, len)) {
        return -EINVAL;
    }
    for (i = 0; i < iov_cnt; i++) {
        vmbus_mem_write(gpadl->mem, gpadl->offset + at, iov[i].iov_base,
                        iov[i].iov_len);
        at += iov[i].iov_len;
    }
    vmbus_gpadl_dirty(gpadl, off, len);
    return len;
}

ssize_t vmbus_gpadl_to_iov(VMBusGpadl *gpadl, uint32_t off,
                           const struct iovec *iov, size_t iov_cnt)
{
    size_t len = iov_size(iov, iov_cnt);
    size_t i;

    if (!vmbus_gpadl_range_ok(gpadl, off, len)) {
        return -EINVAL;
    }
    for (i = 0; i < iov_cnt; i++) {
        vmbus_mem_read(gpadl->mem, gpadl->offset + off, iov[i].iov_base,
                       iov[i].iov_len);
        off += iov[i].iov_len;
    }
    return len;
}

int vmbus_gpadl_iov(VMBusGpadl *gpadl, uint32_t off, uint32_t len,
                    struct iovec *iov, unsigned iov_cnt)
{
    unsigned i;

    if (!vmbus_gpadl_range_ok(gpadl, off, len)) {
        return -EINVAL;
    }
    for (i = 0; len; i++) {
        uint32_t run;

        if (i == iov_cnt) {
            return -EINVAL;
        }
        iov[i].iov_base = vmbus_mem_run(gpadl->mem, gpadl->offset + off, len,
                                        &run);
        iov[i].iov_len = run;
        off += run;
        len -= run;
    }
    return i;
}

void vmbus_gpadl_dirty(VMBusGpadl *gpadl, uint32_t off, uint32_t len)
{
    vmbus_mem_dirty(gpadl->mem, gpadl->offset + off, len);
}

int vmbus_map_sgl(VMBusChanReq *req, DMADirection dir, struct iovec *iov,
                  unsigned iov_cnt, size_t len, size_t off)
{
    QEMUSGList *sgl = &req->sgl;
    unsigned n = 0;
    int i, ret;

    for (i = 0; i < sgl->nsg && len; i++) {
        dma_addr_t addr = sgl->sg[i].base + off;
        dma_addr_t left;

        if (off >= sgl->sg[i].len) {
            off -= sgl->sg[i].len;
            continue;
        }
        left = MIN(sgl->sg[i].len - off, len);
        len -= left;
        off = 0;
        while (left) {
            dma_addr_t got = left;

            if (n == iov_cnt) {
                ret = -ENOBUFS;
                goto unmap;
            }
            iov[n].iov_base = dma_memory_map(sgl->as, addr, &got, dir,
                                             MEMTXATTRS_UNSPECIFIED);
            if (!iov[n].iov_base) {
                ret = -EFAULT;
                goto unmap;
            }
            iov[n++].iov_len = got;
            addr += got;
            left -= got;
        }
    }
    return n;

unmap:
    vmbus_unmap_sgl(req, dir, iov, n, 0);
    return ret;
}

void vmbus_unmap_sgl(VMBusChanReq *req, DMADirection dir, struct iovec *iov,
                     unsigned iov_cnt, size_t accessed)
{
    unsigned i;

    for (i = 0; i < iov_cnt; i++) {
        size_t n = MIN(accessed, iov[i].iov_len);

        dma_memory_unmap(req->sgl.as, iov[i].iov_base, iov[i].iov_len, dir, n);
        accessed -= n;
    }
}

/* Opening and closing; main loop */

static VMBusDeviceClass *vmbus_channel_class(VMBusChannel *chan)
{
    return VMBUS_DEVICE_GET_CLASS(chan->dev);
}

static void vmbus_channel_event(EventNotifier *e)
{
    VMBusChannel *chan = container_of(e, VMBusChannel, notifier);

    if (event_notifier_test_and_clear(e)) {
        vmbus_channel_class(chan)->chan_notify_cb(chan);
    }
}

/* An iothread looks at the ring for a while before it sleeps */
static bool vmbus_channel_poll(void *opaque)
{
    EventNotifier *e = opaque;
    VMBusChannel *chan = container_of(e, VMBusChannel, notifier);

    return vmbus_recv_ring_pending(&chan->recv);
}

static void vmbus_channel_poll_ready(EventNotifier *e)
{
    VMBusChannel *chan = container_of(e, VMBusChannel, notifier);

    vmbus_channel_class(chan)->chan_notify_cb(chan);
}

static void vmbus_channel_detach_bh(void *opaque)
{
    VMBusChannel *chan = opaque;

    aio_set_event_notifier(chan->ctx, &chan->notifier, NULL, NULL, NULL);
}

void vmbus_channel_listen(VMBusChannel *chan, bool on)
{
    if (chan->listening == on) {
        return;
    }
    chan->listening = on;
    if (!chan->ctx) {
        event_notifier_set_handler(&chan->notifier,
                                   on ? vmbus_channel_event : NULL);
    } else if (on) {
        aio_set_event_notifier(chan->ctx, &chan->notifier,
                               vmbus_channel_event, vmbus_channel_poll,
                               vmbus_channel_poll_ready);
    } else {
        aio_wait_bh_oneshot(chan->ctx, vmbus_channel_detach_bh, chan);
    }
}

void vmbus_channel_set_aio_context(VMBusChannel *chan, AioContext *ctx)
{
    bool listening = chan->listening;

    if (ctx == qemu_get_aio_context()) {
        /* Not in nested event loops */
        ctx = NULL;
    }
    if (listening) {
        vmbus_channel_listen(chan, false);
    }
    chan->ctx = ctx;
    if (listening) {
        vmbus_channel_listen(chan, true);
        /* What came while nobody listened */
        vmbus_channel_notify_host(chan);
    }
}

AioContext *vmbus_channel_aio_context(VMBusChannel *chan)
{
    return chan->ctx ? chan->ctx : qemu_get_aio_context();
}

/*
 * One route for each VP, so that a machine with many channels does not run out
 * of KVM's interrupt routes.
 */
static HvSintRoute *vmbus_route_get(VMBus *vmbus, uint32_t vp)
{
    VMBusOffer *o;

    QTAILQ_FOREACH(o, &vmbus->server.offers, link) {
        VMBusChannel *chan = container_of(o, VMBusChannel, offer);

        if (chan->route && o->open.target_vp == vp) {
            hyperv_sint_route_ref(chan->route);
            return chan->route;
        }
    }
    return hyperv_sint_route_new(vp, VMBUS_SINT, NULL, NULL);
}

static void vmbus_channel_swap_route_bh(void *opaque)
{
    VMBusChannel *chan = opaque;
    HvSintRoute *old = chan->route;

    chan->route = chan->spare_route;
    chan->spare_route = old;
}

bool vmbus_channel_set_vp(VMBusChannel *chan, uint32_t vp)
{
    chan->spare_route = vmbus_route_get(chan->vmbus, vp);
    if (!chan->spare_route) {
        return false;
    }
    /* Where the route is used */
    if (chan->ctx) {
        aio_wait_bh_oneshot(chan->ctx, vmbus_channel_swap_route_bh, chan);
    } else {
        vmbus_channel_swap_route_bh(chan);
    }
    hyperv_sint_route_unref(chan->spare_route);
    chan->spare_route = NULL;
    return true;
}

bool vmbus_channel_open(VMBusChannel *chan)
{
    VMBusDeviceClass *vdc = vmbus_channel_class(chan);
    VMBusOpenParams *open = &chan->offer.open;
    VMBusGpadl *gpadl;

    trace_vmbus_channel_open(chan->offer.relid, open->gpadl_id,
                             open->target_vp);
    gpadl = vmbus_get_gpadl(chan, open->gpadl_id);
    if (!gpadl) {
        return false;
    }
    if (gpadl->offset || gpadl->len % HV_PAGE_SIZE ||
        open->ring_offset >= gpadl->nr_pages ||
        !vmbus_recv_ring_init(&chan->recv, gpadl->mem, 0, open->ring_offset) ||
        !vmbus_send_ring_init(&chan->send, gpadl->mem, open->ring_offset,
                              gpadl->nr_pages - open->ring_offset)) {
        goto put_gpadl;
    }
    if (hyperv_set_event_flag_handler(open->connection_id, &chan->notifier)) {
        goto put_gpadl;
    }
    if (open->target_vp != VMBUS_VP_NONE) {
        chan->route = vmbus_route_get(chan->vmbus, open->target_vp);
        if (!chan->route) {
            goto clear_handler;
        }
    }
    chan->gpadl = gpadl;
    chan->broken_logged = false;
    if (vdc->open_channel && vdc->open_channel(chan)) {
        goto unref_route;
    }
    chan->is_open = true;
    vmbus_channel_listen(chan, true);
    return true;

unref_route:
    chan->gpadl = NULL;
    hyperv_sint_route_unref(chan->route);
    chan->route = NULL;
clear_handler:
    hyperv_set_event_flag_handler(open->connection_id, NULL);
put_gpadl:
    vmbus_put_gpadl(gpadl);
    return false;
}

/* A device whose last channel was closed starts anew with the next one */
static void vmbus_device_reset_if_closed(VMBusDevice *vdev)
{
    uint16_t i;

    for (i = 0; i < vdev->num_channels; i++) {
        if (vdev->channels[i].is_open) {
            return;
        }
    }
    device_cold_reset(DEVICE(vdev));
}

void vmbus_channel_shut(VMBusChannel *chan)
{
    VMBusDeviceClass *vdc = vmbus_channel_class(chan);

    trace_vmbus_channel_close(chan->offer.relid);
    chan->restored = false;
    if (!chan->is_open) {
        return;
    }
    vmbus_channel_listen(chan, false);
    if (vdc->close_channel) {
        vdc->close_channel(chan);
    }
    chan->is_open = false;
    hyperv_set_event_flag_handler(chan->offer.open.connection_id, NULL);
    hyperv_sint_route_unref(chan->route);
    chan->route = NULL;
    vmbus_put_gpadl(chan->gpadl);
    chan->gpadl = NULL;
}

void vmbus_channel_close(VMBusChannel *chan)
{
    if (chan->is_open) {
        vmbus_channel_shut(chan);
        vmbus_device_reset_if_closed(chan->dev);
    }
}
