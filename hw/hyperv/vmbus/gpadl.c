/*
 * VMBus: GPA descriptor lists
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "gpadl.h"

void vmbus_gpadls_init(VMBusGpadls *l)
{
    qemu_mutex_init(&l->lock);
    QTAILQ_INIT(&l->list);
    l->nr_pages = 0;
    l->nr = 0;
}

/* The page numbers that have arrived; false if one is no page number */
static bool gpadl_append(VMBusGpadl *g, const uint8_t *data, uint32_t len)
{
    /* Some guests always send messages of the largest size */
    uint32_t n = MIN(len / 8, g->nr_pages - g->seen);
    uint32_t i;

    for (i = 0; i < n; i++) {
        uint64_t pfn = ldq_le_p(data + i * 8);

        if (pfn >> (HV_GPA_BITS_MAX - HV_PAGE_SHIFT)) {
            return false;
        }
        g->pfn[g->seen++] = pfn;
    }
    return true;
}

static bool gpadl_complete(const VMBusGpadl *g)
{
    return g->seen == g->nr_pages;
}

/* Are offset and length what so many pages hold? */
static bool gpadl_shape_ok(uint32_t offset, uint32_t len, uint32_t nr_pages)
{
    return nr_pages && nr_pages <= VMBUS_GPADL_PAGES_MAX && len &&
           offset < HV_PAGE_SIZE &&
           DIV_ROUND_UP((uint64_t)offset + len, HV_PAGE_SIZE) == nr_pages;
}

/* Called with the lock held */
static void gpadl_unref(VMBusGpadl *g)
{
    if (--g->ref) {
        return;
    }
    if (g->mem) {
        vmbus_mem_free(g->mem);
    }
    g_free(g->pfn);
    g_free(g);
}

/* Called with the lock held */
static void gpadls_unlink(VMBusGpadls *l, VMBusGpadl *g)
{
    QTAILQ_REMOVE(&l->list, g, link);
    l->nr--;
    l->nr_pages -= g->nr_pages;
    gpadl_unref(g);
}

void vmbus_gpadls_destroy(VMBusGpadls *l)
{
    VMBusGpadl *g, *next;

    WITH_QEMU_LOCK_GUARD(&l->lock) {
        QTAILQ_FOREACH_SAFE(g, &l->list, link, next) {
            gpadls_unlink(l, g);
        }
    }
    qemu_mutex_destroy(&l->lock);
}

/* Called with the lock held */
static VMBusGpadl *gpadls_find(VMBusGpadls *l, uint32_t relid, uint32_t id)
{
    VMBusGpadl *g;

    QTAILQ_FOREACH(g, &l->list, link) {
        if (g->id == id && g->relid == relid) {
            return g;
        }
    }
    return NULL;
}

VMBusGpadl *vmbus_gpadls_header(VMBusGpadls *l,
                                const vmbus_message_gpadl_header *msg,
                                uint32_t len)
{
    uint32_t relid = le32_to_cpu(msg->child_relid);
    uint32_t id = le32_to_cpu(msg->gpadl_id);
    uint32_t buflen = le16_to_cpu(msg->range_buflen);
    uint32_t nr_pages, offset, bytes;
    VMBusGpadl *g;

    /*
     * The protocol has room for several ranges, but no guest is known that
     * makes a GPADL of more than one.
     */
    if (le16_to_cpu(msg->rangecount) != 1 || buflen % 8 ||
        buflen < sizeof(vmbus_gpa_range) + 8 ||
        len < sizeof(*msg) + sizeof(vmbus_gpa_range)) {
        return NULL;
    }
    nr_pages = (buflen - sizeof(vmbus_gpa_range)) / 8;
    offset = le32_to_cpu(msg->range[0].byte_offset);
    bytes = le32_to_cpu(msg->range[0].byte_count);
    if (!gpadl_shape_ok(offset, bytes, nr_pages)) {
        return NULL;
    }

    QEMU_LOCK_GUARD(&l->lock);
    if (gpadls_find(l, relid, id) || l->nr == VMBUS_GPADLS_MAX ||
        nr_pages > VMBUS_GPADLS_PAGES_MAX - l->nr_pages) {
        return NULL;
    }
    g = g_new0(VMBusGpadl, 1);
    g->owner = l;
    g->id = id;
    g->relid = relid;
    g->offset = offset;
    g->len = bytes;
    g->nr_pages = nr_pages;
    g->pfn = g_new0(uint64_t, nr_pages);
    g->ref = 1;
    QTAILQ_INSERT_TAIL(&l->list, g, link);
    l->nr++;
    l->nr_pages += nr_pages;

    if (!gpadl_append(g, (const uint8_t *)msg->range[0].pfn_array,
                      len - sizeof(*msg) - sizeof(vmbus_gpa_range))) {
        gpadls_unlink(l, g);
        return NULL;
    }
    return g;
}

VMBusGpadl *vmbus_gpadls_body(VMBusGpadls *l,
                              const vmbus_message_gpadl_body *msg,
                              uint32_t len, uint32_t *relid)
{
    uint32_t id = le32_to_cpu(msg->gpadl_id);
    VMBusGpadl *g;

    *relid = 0;
    QEMU_LOCK_GUARD(&l->lock);
    /* The message does not say which channel */
    QTAILQ_FOREACH(g, &l->list, link) {
        if (g->id == id && !gpadl_complete(g)) {
            break;
        }
    }
    if (!g) {
        return NULL;
    }
    *relid = g->relid;
    if (!gpadl_append(g, (const uint8_t *)msg->pfn_array,
                      len - sizeof(*msg))) {
        gpadls_unlink(l, g);
        return NULL;
    }
    return g;
}

VMBusGpadl *vmbus_gpadls_ref(VMBusGpadls *l, uint32_t relid, uint32_t id)
{
    VMBusGpadl *g;

    QEMU_LOCK_GUARD(&l->lock);
    g = gpadls_find(l, relid, id);
    if (!g || !gpadl_complete(g)) {
        return NULL;
    }
    g->ref++;
    return g;
}

void vmbus_gpadl_unref(VMBusGpadl *gpadl)
{
    VMBusGpadls *l = gpadl->owner;

    QEMU_LOCK_GUARD(&l->lock);
    gpadl_unref(gpadl);
}

bool vmbus_gpadls_remove(VMBusGpadls *l, uint32_t relid, uint32_t id)
{
    VMBusGpadl *g;

    QEMU_LOCK_GUARD(&l->lock);
    g = gpadls_find(l, relid, id);
    if (!g || !gpadl_complete(g)) {
        return false;
    }
    gpadls_unlink(l, g);
    return true;
}

void vmbus_gpadls_remove_channel(VMBusGpadls *l, uint32_t relid)
{
    VMBusGpadl *g, *next;

    QEMU_LOCK_GUARD(&l->lock);
    QTAILQ_FOREACH_SAFE(g, &l->list, link, next) {
        if (g->relid == relid) {
            gpadls_unlink(l, g);
        }
    }
}

bool vmbus_gpadls_check(VMBusGpadls *l)
{
    VMBusGpadl *g;
    uint32_t i;

    QEMU_LOCK_GUARD(&l->lock);
    l->nr = 0;
    l->nr_pages = 0;
    QTAILQ_FOREACH(g, &l->list, link) {
        g->owner = l;
        g->ref = 1;
        g->mem = NULL;
        l->nr++;
        l->nr_pages += g->nr_pages;
        if (!gpadl_shape_ok(g->offset, g->len, g->nr_pages) ||
            g->seen > g->nr_pages || l->nr > VMBUS_GPADLS_MAX ||
            l->nr_pages > VMBUS_GPADLS_PAGES_MAX) {
            return false;
        }
        for (i = 0; i < g->seen; i++) {
            if (g->pfn[i] >> (HV_GPA_BITS_MAX - HV_PAGE_SHIFT)) {
                return false;
            }
        }
    }
    return true;
}
