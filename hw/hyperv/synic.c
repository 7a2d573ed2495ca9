/*
 * Hyper-V synthetic interrupt controller (TLFS 11)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "hw/hyperv/hyperv.h"
#include "hw/hyperv/partition.h"
#include "trace.h"

QEMU_BUILD_BUG_ON(sizeof(struct hyperv_message) != 256);
QEMU_BUILD_BUG_ON(sizeof(struct hyperv_message_page) != HV_PAGE_SIZE);
QEMU_BUILD_BUG_ON(sizeof(struct hyperv_event_flags_page) != HV_PAGE_SIZE);

#define HV_SINT_RESET HV_SINT_MASKED

/*
 * How soon a full slot is looked at again without any sign from the guest
 * (TLFS 11.4).  Less and less often, for a guest that will never empty it.
 */
#define HV_SYNIC_RETRY_MIN_NS   (1 * SCALE_MS)
#define HV_SYNIC_RETRY_MAX_NS   (1000 * SCALE_MS)

static void hv_synic_page_init(HvVtl *vtl, HvOverlay *ov, const char *what,
                               Error **errp)
{
    unsigned level = hv_vtl_index(vtl);
    /* Those of VTL 0 are QEMU's for KVM's SynIC, so that streams are alike */
    g_autofree char *name = level ?
        g_strdup_printf("synic-%u.%u-%s-page", vtl->vp->index, level, what) :
        g_strdup_printf("synic-%u-%s-page", vtl->vp->index, what);

    /* ...which has them with hv-synic only */
    hv_overlay_init(ov, OBJECT(vtl->vp), name, level, false,
                    hyperv_is_synic_enabled(), errp);
}

static void hv_synic_retry_cb(void *opaque);

void hv_synic_init(HvVtl *vtl, Error **errp)
{
    ERRP_GUARD();
    HvSynic *s = &vtl->synic;
    unsigned i;

    for (i = 0; i < HV_SINT_COUNT; i++) {
        QTAILQ_INIT(&s->queue[i]);
    }
    timer_init_ns(&s->retry, QEMU_CLOCK_VIRTUAL, hv_synic_retry_cb, vtl);
    s->retry_ns = HV_SYNIC_RETRY_MIN_NS;
    hv_synic_page_init(vtl, &s->simp_page, "msg", errp);
    if (*errp) {
        return;
    }
    hv_synic_page_init(vtl, &s->siefp_page, "event", errp);
}

/* A SINT that takes part in anything: not masked, or polled (TLFS 11.8) */
static bool hv_sint_usable(uint64_t sint)
{
    return !(sint & HV_SINT_MASKED) || (sint & HV_SINT_POLLING);
}

/* Called with the VP's lock held */
static void hv_synic_raise(HvVtl *vtl, unsigned sint)
{
    uint64_t val = vtl->synic.sint[sint];

    if (val & (HV_SINT_MASKED | HV_SINT_POLLING)) {
        return;
    }
    trace_hv_synic_raise(vtl->vp->index, sint, val & HV_SINT_VECTOR_MASK);
    hv_vp_raise(vtl, val & HV_SINT_VECTOR_MASK);
}

static void hv_synic_update_auto_eoi(HvSynic *s)
{
    DECLARE_BITMAP(map, HV_VECTORS);
    unsigned i;

    bitmap_zero(map, HV_VECTORS);
    for (i = 0; i < HV_SINT_COUNT; i++) {
        if ((s->sint[i] & HV_SINT_AUTO_EOI) &&
            !(s->sint[i] & HV_SINT_MASKED)) {
            set_bit(s->sint[i] & HV_SINT_VECTOR_MASK, map);
        }
    }
    for (i = 0; i < BITS_TO_LONGS(HV_VECTORS); i++) {
        qatomic_set(&s->auto_eoi[i], map[i]);
    }
}

/* Called with the VP's lock held */
static void hv_synic_retry_later(HvSynic *s)
{
    if (!timer_pending(&s->retry)) {
        timer_mod(&s->retry,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + s->retry_ns);
    }
}

/*
 * Deliver the first message that waits for @sint, if its slot is free.
 * Called with the VP's lock held.
 */
static void hv_synic_deliver(HvVtl *vtl, unsigned sint)
{
    HvSynic *s = &vtl->synic;
    HvMsgSource *src = QTAILQ_FIRST(&s->queue[sint]);
    struct hyperv_message_page *page = s->simp_page.host;
    struct hyperv_message *slot = &page->slot[sint];
    struct hyperv_message msg = {};

    if (!src || !(s->scontrol & HV_SYNIC_ENABLE) ||
        !(s->simp & HV_SIMP_ENABLE)) {
        return;
    }
    if (qatomic_read(&slot->header.message_type) != 0) {
        /*
         * The guest frees the slot, then looks at the flag, then writes EOM;
         * we set the flag, then look at the slot: one of the two sees the
         * other's store.
         */
        qatomic_or(&slot->header.message_flags, HV_MESSAGE_FLAG_PENDING);
        hv_overlay_dirty(&s->simp_page);
        /* Pairs with whatever the guest has between its two accesses */
        smp_mb();
        if (qatomic_read(&slot->header.message_type) != 0) {
            vtl->vp->synic_stats.messages_deferred++;
            trace_hv_synic_deferred(vtl->vp->index, sint);
            hv_synic_retry_later(s);
            return;
        }
    }

    QTAILQ_REMOVE(&s->queue[sint], src, link);
    src->queued = false;
    qatomic_set(&s->nr_queued, s->nr_queued - 1);
    src->deliver(src, &msg);
    if (!QTAILQ_EMPTY(&s->queue[sint])) {
        msg.header.message_flags |= HV_MESSAGE_FLAG_PENDING;
    }

    trace_hv_synic_message(vtl->vp->index, sint,
                           le32_to_cpu(msg.header.message_type),
                           msg.header.payload_size);
    memcpy((char *)slot + sizeof(uint32_t), (char *)&msg + sizeof(uint32_t),
           sizeof(msg) - sizeof(uint32_t));
    /* The guest takes the slot for full when it sees the type */
    qatomic_store_release(&slot->header.message_type,
                          msg.header.message_type);
    hv_overlay_dirty(&s->simp_page);
    vtl->vp->synic_stats.messages++;
    s->retry_ns = HV_SYNIC_RETRY_MIN_NS;
    if (!QTAILQ_EMPTY(&s->queue[sint])) {
        /* Not every port sees the EOI */
        hv_synic_retry_later(s);
    }
    hv_synic_raise(vtl, sint);
}

void hv_synic_post(HvVtl *vtl, HvMsgSource *src, unsigned sint)
{
    HvSynic *s = &vtl->synic;

    g_assert(!src->queued);
    src->queued = true;
    src->sint = sint;
    QTAILQ_INSERT_TAIL(&s->queue[sint], src, link);
    qatomic_set(&s->nr_queued, s->nr_queued + 1);
    hv_synic_deliver(vtl, sint);
}

void hv_synic_cancel(HvVtl *vtl, HvMsgSource *src)
{
    HvSynic *s = &vtl->synic;

    if (src->queued) {
        QTAILQ_REMOVE(&s->queue[src->sint], src, link);
        src->queued = false;
        qatomic_set(&s->nr_queued, s->nr_queued - 1);
    }
}

/* Called with the VP's lock held */
static void hv_synic_scan_locked(HvVtl *vtl)
{
    unsigned i;

    for (i = 0; i < HV_SINT_COUNT && vtl->synic.nr_queued; i++) {
        hv_synic_deliver(vtl, i);
    }
}

static void hv_synic_retry_cb(void *opaque)
{
    HvVtl *vtl = opaque;
    HvSynic *s = &vtl->synic;

    hv_vp_lock(vtl->vp);
    s->retry_ns = MIN(2 * s->retry_ns, HV_SYNIC_RETRY_MAX_NS);
    hv_synic_scan_locked(vtl);
    hv_vp_unlock(vtl->vp);
}

void hv_synic_scan(HvVtl *vtl)
{
    /* Pairs with the barrier in hv_synic_deliver() */
    smp_mb();
    if (qatomic_read(&vtl->synic.nr_queued)) {
        hv_vp_lock(vtl->vp);
        hv_synic_scan_locked(vtl);
        hv_vp_unlock(vtl->vp);
    }
}

bool hv_synic_set_sint(HvVtl *vtl, unsigned sint, uint64_t val)
{
    HvSynic *s = &vtl->synic;

    /*
     * TLFS 11.8 wants #GP for every such vector, but nested Hyper-V writes
     * the reset value back, so a masked one is let through, as by KVM.
     */
    if ((val & HV_SINT_VECTOR_MASK) < HV_VECTOR_MIN &&
        !(val & HV_SINT_MASKED)) {
        return false;
    }
    hv_vp_lock(vtl->vp);
    s->sint[sint] = val;
    hv_synic_update_auto_eoi(s);
    hv_synic_deliver(vtl, sint);
    hv_vp_unlock(vtl->vp);
    return true;
}

void hv_synic_set_simp(HvVtl *vtl, uint64_t val)
{
    hv_vp_lock(vtl->vp);
    vtl->synic.simp = val;
    hv_overlay_set(&vtl->synic.simp_page, val);
    hv_synic_scan_locked(vtl);
    hv_vp_unlock(vtl->vp);
}

void hv_synic_set_siefp(HvVtl *vtl, uint64_t val)
{
    hv_vp_lock(vtl->vp);
    vtl->synic.siefp = val;
    hv_overlay_set(&vtl->synic.siefp_page, val);
    hv_vp_unlock(vtl->vp);
}

void hv_synic_set_scontrol(HvVtl *vtl, uint64_t val)
{
    hv_vp_lock(vtl->vp);
    vtl->synic.scontrol = val;
    hv_synic_scan_locked(vtl);
    hv_vp_unlock(vtl->vp);
}

bool hv_synic_can_post(HvVtl *vtl)
{
    return (vtl->synic.scontrol & HV_SYNIC_ENABLE) &&
           (vtl->synic.simp & HV_SIMP_ENABLE);
}

int hv_synic_signal(HvVtl *vtl, unsigned sint)
{
    int ret = -ENXIO;

    hv_vp_lock(vtl->vp);
    if ((vtl->synic.scontrol & HV_SYNIC_ENABLE) &&
        hv_sint_usable(vtl->synic.sint[sint])) {
        hv_synic_raise(vtl, sint);
        ret = 0;
    }
    hv_vp_unlock(vtl->vp);
    return ret;
}

int hv_synic_set_event_flag(HvVtl *vtl, unsigned sint, unsigned flag)
{
    HvSynic *s = &vtl->synic;
    uint32_t *word, mask;
    int ret = -ENXIO;

    if (flag >= HV_EVENT_FLAGS_COUNT) {
        return -EINVAL;
    }
    hv_vp_lock(vtl->vp);
    if ((s->scontrol & HV_SYNIC_ENABLE) && (s->siefp & HV_SIEFP_ENABLE) &&
        hv_sint_usable(s->sint[sint])) {
        /* 256 bytes of flags per SINT, bit n%8 of byte n/8 */
        word = (uint32_t *)s->siefp_page.host + sint * 64 + flag / 32;
        mask = cpu_to_le32(1u << (flag % 32));
        if (!(qatomic_fetch_or(word, mask) & mask)) {
            hv_overlay_dirty(&s->siefp_page);
            hv_synic_raise(vtl, sint);
        }
        vtl->vp->synic_stats.event_flags++;
        trace_hv_synic_event_flag(vtl->vp->index, sint, flag);
        ret = 0;
    }
    hv_vp_unlock(vtl->vp);
    return ret;
}

void hv_synic_reset(HvVtl *vtl)
{
    HvSynic *s = &vtl->synic;
    HvMsgSource *src;
    unsigned i;

    hv_vp_lock(vtl->vp);
    for (i = 0; i < HV_SINT_COUNT; i++) {
        while ((src = QTAILQ_FIRST(&s->queue[i]))) {
            hv_synic_cancel(vtl, src);
            src->deliver(src, NULL);
        }
        s->sint[i] = HV_SINT_RESET;
    }
    timer_del(&s->retry);
    s->retry_ns = HV_SYNIC_RETRY_MIN_NS;
    s->scontrol = 0;
    s->siefp = 0;
    s->simp = 0;
    s->sirbp = 0;
    hv_synic_update_auto_eoi(s);
    hv_overlay_set(&s->simp_page, 0);
    hv_overlay_set(&s->siefp_page, 0);
    hv_overlay_clear(&s->simp_page);
    hv_overlay_clear(&s->siefp_page);
    hv_vp_unlock(vtl->vp);
}

void hv_synic_unrealize(HvVtl *vtl)
{
    DeviceState *dev = DEVICE(vtl->vp);

    timer_del(&vtl->synic.retry);
    hv_overlay_unrealize(&vtl->synic.simp_page, dev);
    hv_overlay_unrealize(&vtl->synic.siefp_page, dev);
}

void hv_synic_load(HvVtl *vtl)
{
    HvSynic *s = &vtl->synic;

    hv_vp_lock(vtl->vp);
    hv_synic_update_auto_eoi(s);
    hv_overlay_set(&s->simp_page, s->simp);
    hv_overlay_set(&s->siefp_page, s->siefp);
    hv_vp_unlock(vtl->vp);
}
