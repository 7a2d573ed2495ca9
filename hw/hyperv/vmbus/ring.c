/*
 * VMBus: ring buffers
 *
 * What has to be ordered, for a ring with writer W and reader R:
 *
 *   W: data, then write_index, then look at read_index and interrupt_mask
 *   R: read_index, interrupt_mask = 0, then look at write_index again
 *   W: pending_send_sz, then look at read_index again
 *   R: read_index, then look at pending_send_sz
 *
 * The second look of either side needs a full barrier before it: without one
 * both sides could miss what the other has just stored, and sleep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "ring.h"

/* A packet without descriptor or payload */
#define PACKET_MIN (sizeof(vmbus_packet_hdr) + VMBUS_PACKET_TRAILER)
/* What len_qwords can say */
#define PACKET_MAX (UINT16_MAX * 8 + VMBUS_PACKET_TRAILER)

static uint32_t ring_load(const uint32_t *field)
{
    return le32_to_cpu(qatomic_read(field));
}

static void ring_store(VMBusRing *r, uint32_t *field, uint32_t val)
{
    qatomic_set(field, cpu_to_le32(val));
    vmbus_mem_dirty(r->mem, r->ctl_off + ((char *)field - (char *)r->ctl),
                    sizeof(*field));
}

static bool ring_index_ok(const VMBusRing *r, uint32_t index)
{
    return index < r->size && index % 8 == 0;
}

/* @off is less than twice the size */
static uint32_t ring_wrap(const VMBusRing *r, uint32_t off)
{
    return off >= r->size ? off - r->size : off;
}

/* Bytes from index @from up to index @to */
static uint32_t ring_dist(const VMBusRing *r, uint32_t from, uint32_t to)
{
    return ring_wrap(r, to + r->size - from);
}

/* A full ring would look like an empty one, so eight bytes stay free */
static uint32_t ring_free(const VMBusRing *r, uint32_t read, uint32_t write)
{
    return r->size - ring_dist(r, read, write) - 8;
}

static bool ring_init(VMBusRing *r, VMBusMem *mem, uint32_t first,
                      uint32_t nr_pages)
{
    if (nr_pages < 2 || first > mem->nr_pages ||
        nr_pages > mem->nr_pages - first) {
        return false;
    }
    *r = (VMBusRing) {
        .mem = mem,
        .ctl_off = first * HV_PAGE_SIZE,
        .data_off = (first + 1) * HV_PAGE_SIZE,
        .size = (nr_pages - 1) * HV_PAGE_SIZE,
        .ctl = (vmbus_ring_buffer *)mem->page[first],
    };
    return true;
}

void vmbus_ring_read(VMBusRing *r, uint32_t off, void *buf, uint32_t len)
{
    uint32_t n;

    off = ring_wrap(r, off);
    n = MIN(len, r->size - off);
    vmbus_mem_read(r->mem, r->data_off + off, buf, n);
    vmbus_mem_read(r->mem, r->data_off, (char *)buf + n, len - n);
}

const void *vmbus_ring_ptr(VMBusRing *r, uint32_t off, uint32_t len)
{
    uint32_t run;
    void *p;

    off = ring_wrap(r, off);
    if (!len || len > r->size - off) {
        return NULL;
    }
    p = vmbus_mem_run(r->mem, r->data_off + off, len, &run);
    return run == len ? p : NULL;
}

bool vmbus_recv_ring_init(VMBusRecvRing *r, VMBusMem *mem, uint32_t first,
                          uint32_t nr_pages)
{
    uint32_t read;

    if (!ring_init(&r->ring, mem, first, nr_pages)) {
        return false;
    }
    read = ring_load(&r->ring.ctl->read_index);
    r->read = r->published = r->write = r->next = read;
    return ring_index_ok(&r->ring, read);
}

bool vmbus_recv_ring_pending(VMBusRecvRing *r)
{
    return !r->ring.broken &&
           ring_load(&r->ring.ctl->write_index) != r->published;
}

bool vmbus_recv_ring_start(VMBusRecvRing *r)
{
    if (r->ring.broken) {
        return false;
    }
    ring_store(&r->ring, &r->ring.ctl->interrupt_mask, 1);
    r->write = ring_load(&r->ring.ctl->write_index);
    r->ring.broken = !ring_index_ok(&r->ring, r->write);
    /* The packets are read after the index */
    smp_rmb();
    return !r->ring.broken;
}

bool vmbus_recv_ring_packet(VMBusRecvRing *r, VMBusPacket *pkt)
{
    uint32_t avail = ring_dist(&r->ring, r->read, r->write);
    vmbus_packet_hdr hdr;
    uint32_t off, len;

    if (r->ring.broken || !avail) {
        return false;
    }
    if (avail < PACKET_MIN) {
        goto broken;
    }
    vmbus_ring_read(&r->ring, r->read, &hdr, sizeof(hdr));
    off = le16_to_cpu(hdr.offset_qwords) * 8;
    len = le16_to_cpu(hdr.len_qwords) * 8;
    if (off < sizeof(hdr) || len < off ||
        len > avail - VMBUS_PACKET_TRAILER) {
        goto broken;
    }

    *pkt = (VMBusPacket) {
        .type = le16_to_cpu(hdr.type),
        .need_comp = le16_to_cpu(hdr.flags) &
                     VMBUS_PACKET_FLAG_REQUEST_COMPLETION,
        .transaction_id = le64_to_cpu(hdr.transaction_id),
        .desclen = off - sizeof(hdr),
        .msglen = len - off,
        .desc_off = ring_wrap(&r->ring, r->read + sizeof(hdr)),
        .msg_off = ring_wrap(&r->ring, r->read + off),
    };
    r->next = ring_wrap(&r->ring, r->read + len + VMBUS_PACKET_TRAILER);
    return true;

broken:
    r->ring.broken = true;
    return false;
}

void vmbus_recv_ring_pop(VMBusRecvRing *r)
{
    r->read = r->next;
}

uint32_t vmbus_recv_ring_done(VMBusRecvRing *r, bool *signal, bool *more)
{
    vmbus_ring_buffer *ctl = r->ring.ctl;
    uint32_t n = ring_dist(&r->ring, r->published, r->read);
    uint32_t write, pending, room;

    *signal = *more = false;
    if (r->ring.broken) {
        return 0;
    }
    if (n) {
        /* The packets have been read before the guest overwrites them */
        smp_mb();
        ring_store(&r->ring, &ctl->read_index, r->read);
        r->published = r->read;
    }
    ring_store(&r->ring, &ctl->interrupt_mask, 0);

    /* Or else neither side would notice what the guest writes now */
    smp_mb();
    write = ring_load(&ctl->write_index);
    *more = write != r->write;
    if (!n || !ring_index_ok(&r->ring, write)) {
        /* A broken index is noticed when it is used */
        return n;
    }
    if (!(ring_load(&ctl->feature_bits) & VMBUS_RING_BUFFER_FEAT_PENDING_SZ)) {
        /* Guests that know no better look at every interrupt */
        *signal = true;
        return n;
    }
    pending = ring_load(&ctl->pending_send_sz) & ~7u;
    room = ring_free(&r->ring, r->read, write);
    *signal = pending && room >= pending && room - MIN(room, n) < pending;
    return n;
}

bool vmbus_send_ring_init(VMBusSendRing *r, VMBusMem *mem, uint32_t first,
                          uint32_t nr_pages)
{
    vmbus_ring_buffer *ctl;

    if (!ring_init(&r->ring, mem, first, nr_pages)) {
        return false;
    }
    ctl = r->ring.ctl;
    r->write = r->committed = ring_load(&ctl->write_index);
    r->read = ring_load(&ctl->read_index);
    r->reserved = 0;
    r->pending = 0;
    ring_store(&r->ring, &ctl->pending_send_sz, 0);
    ring_store(&r->ring, &ctl->feature_bits, ring_load(&ctl->feature_bits) |
               VMBUS_RING_BUFFER_FEAT_PENDING_SZ);
    return ring_index_ok(&r->ring, r->write) &&
           ring_index_ok(&r->ring, r->read);
}

/* Does @need fit, after another look at how far the guest has read? */
static bool send_ring_fits(VMBusSendRing *r, uint32_t need)
{
    uint32_t read = ring_load(&r->ring.ctl->read_index);

    if (!ring_index_ok(&r->ring, read)) {
        r->ring.broken = true;
        return false;
    }
    r->read = read;
    return need <= ring_free(&r->ring, read, r->write);
}

static uint32_t packet_size(uint32_t desclen, uint32_t msglen)
{
    return PACKET_MIN + ROUND_UP(desclen, 8) + ROUND_UP(msglen, 8);
}

int vmbus_send_ring_reserve(VMBusSendRing *r, uint32_t desclen,
                            uint32_t msglen)
{
    vmbus_ring_buffer *ctl = r->ring.ctl;
    uint32_t need;

    if (r->ring.broken || desclen > r->ring.size || msglen > r->ring.size) {
        return -EINVAL;
    }
    need = packet_size(desclen, msglen);
    if (need > r->ring.size - 8 || need > PACKET_MAX) {
        return -EINVAL;
    }
    need += r->reserved;
    if (need > ring_free(&r->ring, r->read, r->write) &&
        !send_ring_fits(r, need)) {
        if (r->ring.broken) {
            return -EINVAL;
        }
        r->pending = MIN(need, r->ring.size - 8);
        ring_store(&r->ring, &ctl->pending_send_sz, r->pending);
        /* The guest may have made room without having seen that */
        smp_mb();
        if (!send_ring_fits(r, need)) {
            return r->ring.broken ? -EINVAL : -ENOSPC;
        }
    }
    if (r->pending && need >= r->pending) {
        r->pending = 0;
        ring_store(&r->ring, &ctl->pending_send_sz, 0);
    }
    r->reserved = need;
    /* The guest has read what is overwritten now */
    smp_mb();
    return 0;
}

static uint32_t send_ring_put(VMBusSendRing *r, uint32_t at, const void *buf,
                              uint32_t len)
{
    VMBusRing *ring = &r->ring;
    uint32_t n = MIN(len, ring->size - at);

    vmbus_mem_write(ring->mem, ring->data_off + at, buf, n);
    vmbus_mem_write(ring->mem, ring->data_off, (const char *)buf + n, len - n);
    return ring_wrap(ring, at + len);
}

static uint32_t send_ring_pad(VMBusSendRing *r, uint32_t at)
{
    static const uint8_t zero[8];

    return send_ring_put(r, at, zero, -at % 8);
}

uint32_t vmbus_send_ring_write(VMBusSendRing *r, uint16_t type, uint16_t flags,
                               uint64_t transaction_id,
                               const void *desc, uint32_t desclen,
                               const struct iovec *iov, unsigned iov_cnt)
{
    uint32_t msglen = iov_size(iov, iov_cnt);
    uint32_t size = packet_size(desclen, msglen);
    uint32_t offset = sizeof(vmbus_packet_hdr) + ROUND_UP(desclen, 8);
    vmbus_packet_hdr hdr = {
        .type = cpu_to_le16(type),
        .offset_qwords = cpu_to_le16(offset / 8),
        .len_qwords = cpu_to_le16((size - VMBUS_PACKET_TRAILER) / 8),
        .flags = cpu_to_le16(flags),
        .transaction_id = cpu_to_le64(transaction_id),
    };
    uint64_t trailer = cpu_to_le64((uint64_t)r->write << 32);
    uint32_t at = r->write;
    uint32_t n;
    unsigned i;

    g_assert(size <= r->reserved);
    at = send_ring_put(r, at, &hdr, sizeof(hdr));
    at = send_ring_put(r, at, desc, desclen);
    at = send_ring_pad(r, at);
    for (i = 0; i < iov_cnt; i++) {
        at = send_ring_put(r, at, iov[i].iov_base, iov[i].iov_len);
    }
    at = send_ring_pad(r, at);
    at = send_ring_put(r, at, &trailer, sizeof(trailer));

    n = MIN(size, r->ring.size - r->write);
    vmbus_mem_dirty(r->ring.mem, r->ring.data_off + r->write, n);
    vmbus_mem_dirty(r->ring.mem, r->ring.data_off, size - n);
    r->write = at;
    r->reserved -= size;
    return size;
}

bool vmbus_send_ring_commit(VMBusSendRing *r)
{
    vmbus_ring_buffer *ctl = r->ring.ctl;
    uint32_t old = r->committed;

    if (old == r->write) {
        return false;
    }
    /* The guest sees the packets before the index */
    smp_wmb();
    ring_store(&r->ring, &ctl->write_index, r->write);
    r->committed = r->write;

    /*
     * A guest that has not read everything up to the old index yet will find
     * the new packets without being told: it looks once more after that.
     */
    smp_mb();
    return !ring_load(&ctl->interrupt_mask) &&
           ring_load(&ctl->read_index) == old;
}
