/*
 * Hyper-V synthetic timers (TLFS 12)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/hyperv/partition.h"
#include "trace.h"

/*
 * A guest may ask for a period of 100 ns.  It gets what a timer can do
 * without keeping the main loop from everything else.
 */
#define HV_STIMER_MIN_PERIOD (200 * 10)             /* 200 us */

/*
 * A timer in the main loop is late by what it takes the host to wake that
 * thread and then the VP's, which is a lot for a guest that sleeps a
 * millisecond.  A halted VP is therefore woken ahead of time, and spins for
 * the rest.  By how much is learnt: so that it spins about this long.
 */
#define HV_STIMER_SPIN      (20 * 1000)             /* ns */
#define HV_STIMER_LEAD_MIN  (10 * 1000)
#define HV_STIMER_LEAD_INIT (50 * 1000)
#define HV_STIMER_LEAD_MAX  (200 * 1000)

/* A periodic timer that is later than this skips what it missed */
#define HV_STIMER_MAX_CATCH_UP 8

static unsigned hv_stimer_sint(const HvStimer *t)
{
    return (t->config >> HV_STIMER_SINT_SHIFT) & HV_STIMER_SINT_MASK;
}

/* Called with the VP's lock held */
static void hv_stimer_arm(HvStimer *t, uint64_t when)
{
    int64_t lead = t->vtl->vp->timer_lead;
    int64_t ns;

    /* Half of the int64_t nanoseconds: as far as a QEMUTimer can be set */
    if (when > INT64_MAX / HV_REF_TIME_NS / 2) {
        timer_del(&t->timer);
        return;
    }
    ns = hv_reftime_deadline(t->vtl->vp->partition, when);
    if (lead && ns - qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) > 2 * lead) {
        ns -= lead;
    }
    timer_mod(&t->timer, ns);
}

/*
 * Set the next expiration of a periodic timer that was due at exp_time.
 *
 * One that is lazy, or that is hopelessly late, leaves out what it missed and
 * keeps its phase.  Any other catches up by shorter periods (TLFS 12.1).
 */
static void hv_stimer_next_period(HvStimer *t, uint64_t now)
{
    uint64_t period = t->count;
    uint64_t next = t->exp_time + period;
    uint64_t when;

    if (next <= now &&
        ((t->config & HV_STIMER_LAZY) || period < HV_STIMER_MIN_PERIOD ||
         (now - next) / period >= HV_STIMER_MAX_CATCH_UP)) {
        next = now + period - (now - next) % period;
    }
    t->exp_time = next;
    when = next <= now ? now + period / 2 : next;
    hv_stimer_arm(t, MAX(when, now + MIN(period, HV_STIMER_MIN_PERIOD)));
}

/* Called with the VP's lock held */
static void hv_stimer_expire(HvStimer *t)
{
    HvVp *vp = t->vtl->vp;
    uint64_t now = hv_reftime(vp->partition);

    trace_hv_stimer_expire(vp->index, t->index, t->exp_time, now);
    vp->synic_stats.timer_expirations++;

    if (t->config & HV_STIMER_DIRECT) {
        hv_vp_raise(t->vtl, (t->config >> HV_STIMER_VECTOR_SHIFT) &
                            HV_STIMER_VECTOR_MASK);
    } else if (!t->src.queued) {
        t->msg_exp_time = t->exp_time;
        hv_synic_post(t->vtl, &t->src, hv_stimer_sint(t));
    }

    if (t->config & HV_STIMER_PERIODIC) {
        hv_stimer_next_period(t, now);
    } else {
        t->config &= ~HV_STIMER_ENABLE;
    }
}

/*
 * The timer is about to be due: have the VP wait for it.
 * Called with the VP's lock held.
 */
static bool hv_stimer_await(HvStimer *t)
{
    HvVp *vp = t->vtl->vp;

    if (!vp->timer_lead || !vp->cs->halted || vp->timer_awaited) {
        return false;
    }
    vp->timer_awaited = hv_reftime_deadline(vp->partition, t->exp_time);
    if (!vp->partition->ops->await_timer(vp)) {
        vp->timer_awaited = 0;
        vp->timer_lead = 0;
        return false;
    }
    return true;
}

/* Called with the VP's lock held */
static void hv_stimer_run(HvStimer *t, bool may_await)
{
    /* The guest may have stopped or moved it since the timer fired */
    if (!(t->config & HV_STIMER_ENABLE) || timer_pending(&t->timer)) {
        return;
    }
    if (hv_reftime(t->vtl->vp->partition) >= t->exp_time) {
        hv_stimer_expire(t);
    } else if (!may_await || !hv_stimer_await(t)) {
        hv_stimer_arm(t, t->exp_time);
    }
}

static void hv_stimer_cb(void *opaque)
{
    HvStimer *t = opaque;

    hv_vp_lock(t->vtl->vp);
    hv_stimer_run(t, true);
    hv_vp_unlock(t->vtl->vp);
}

int64_t hv_stimer_await_begins(HvVp *vp)
{
    int64_t left;

    hv_vp_lock(vp);
    left = vp->timer_awaited - qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    left = MAX(left, -HV_STIMER_LEAD_MAX);
    vp->timer_lead = MIN(MAX(vp->timer_lead + (HV_STIMER_SPIN - left) / 8,
                             HV_STIMER_LEAD_MIN), HV_STIMER_LEAD_MAX);
    hv_vp_unlock(vp);
    return left;
}

void hv_stimer_check(HvVp *vp)
{
    unsigned vtl, i;

    hv_vp_lock(vp);
    vp->timer_awaited = 0;
    for (vtl = 0; vtl < vp->partition->nr_vtls; vtl++) {
        for (i = 0; i < HV_STIMERS; i++) {
            hv_stimer_run(&vp->vtl[vtl].stimer[i], false);
        }
    }
    hv_vp_unlock(vp);
}

/* The message slot is free: called with the VP's lock held */
static void hv_stimer_deliver(HvMsgSource *src, struct hyperv_message *msg)
{
    HvStimer *t = container_of(src, HvStimer, src);
    struct hv_timer_message_payload *payload;

    if (!msg) {
        return;
    }
    payload = (struct hv_timer_message_payload *)msg->payload;
    msg->header.message_type = cpu_to_le32(HV_MESSAGE_TIMER_EXPIRED);
    msg->header.payload_size = sizeof(*payload);
    stl_le_p(&payload->timer_index, t->index);
    stq_le_p(&payload->expiration_time, t->msg_exp_time);
    stq_le_p(&payload->delivery_time, hv_reftime(t->vtl->vp->partition));
}

/*
 * Start a timer that the guest has just enabled or changed.
 * Called with the VP's lock held.
 */
static void hv_stimer_start(HvStimer *t)
{
    uint64_t now = hv_reftime(t->vtl->vp->partition);

    if (t->config & HV_STIMER_PERIODIC) {
        t->exp_time = now + t->count < now ? UINT64_MAX : now + t->count;
        hv_stimer_arm(t, t->exp_time);
        return;
    }
    t->exp_time = t->count;
    if (t->exp_time <= now) {
        /* TLFS 12.5: one in the past expires at once */
        hv_stimer_expire(t);
    } else {
        hv_stimer_arm(t, t->exp_time);
    }
}

/* Called with the VP's lock held */
static void hv_stimer_restart(HvStimer *t)
{
    timer_del(&t->timer);
    hv_synic_cancel(t->vtl, &t->src);
    if ((t->config & HV_STIMER_ENABLE) && t->count) {
        hv_stimer_start(t);
    }
}

bool hv_stimer_set_config(HvVtl *vtl, unsigned index, uint64_t val,
                          bool direct_ok)
{
    HvStimer *t = &vtl->stimer[index];
    unsigned vector = (val >> HV_STIMER_VECTOR_SHIFT) & HV_STIMER_VECTOR_MASK;

    if (val & HV_STIMER_RSVD_MASK) {
        return false;
    }
    if (val & HV_STIMER_DIRECT) {
        if (!direct_ok ||
            ((val & HV_STIMER_ENABLE) && vector < HV_VECTOR_MIN)) {
            return false;
        }
    }

    trace_hv_stimer_config(vtl->vp->index, index, val);
    hv_vp_lock(vtl->vp);
    t->config = val;
    /* SINT0 is the hypervisor's: such a timer disables itself (TLFS 12.5) */
    if (!(val & HV_STIMER_DIRECT) && hv_stimer_sint(t) == 0) {
        t->config &= ~HV_STIMER_ENABLE;
    }
    hv_stimer_restart(t);
    hv_vp_unlock(vtl->vp);
    return true;
}

void hv_stimer_set_count(HvVtl *vtl, unsigned index, uint64_t val)
{
    HvStimer *t = &vtl->stimer[index];

    trace_hv_stimer_count(vtl->vp->index, index, val);
    hv_vp_lock(vtl->vp);
    t->count = val;
    if (!val) {
        t->config &= ~HV_STIMER_ENABLE;
    } else if ((t->config & HV_STIMER_AUTO_ENABLE) &&
               ((t->config & HV_STIMER_DIRECT) || hv_stimer_sint(t))) {
        t->config |= HV_STIMER_ENABLE;
    }
    hv_stimer_restart(t);
    hv_vp_unlock(vtl->vp);
}

void hv_stimer_init(HvVtl *vtl)
{
    unsigned i;

    if (vtl->vp->partition->ops->await_timer) {
        vtl->vp->timer_lead = HV_STIMER_LEAD_INIT;
    }
    for (i = 0; i < HV_STIMERS; i++) {
        HvStimer *t = &vtl->stimer[i];

        t->vtl = vtl;
        t->index = i;
        t->src.deliver = hv_stimer_deliver;
        timer_init_ns(&t->timer, QEMU_CLOCK_VIRTUAL, hv_stimer_cb, t);
    }
}

void hv_stimer_reset(HvVtl *vtl)
{
    unsigned i;

    hv_vp_lock(vtl->vp);
    for (i = 0; i < HV_STIMERS; i++) {
        HvStimer *t = &vtl->stimer[i];

        t->config = 0;
        t->count = 0;
        t->exp_time = 0;
        t->msg_exp_time = 0;
        hv_stimer_restart(t);
    }
    hv_vp_unlock(vtl->vp);
}

void hv_stimer_unrealize(HvVtl *vtl)
{
    unsigned i;

    for (i = 0; i < HV_STIMERS; i++) {
        timer_del(&vtl->stimer[i].timer);
    }
}

void hv_stimer_load(HvVtl *vtl, bool have_exp)
{
    unsigned i;

    hv_vp_lock(vtl->vp);
    for (i = 0; i < HV_STIMERS; i++) {
        HvStimer *t = &vtl->stimer[i];

        timer_del(&t->timer);
        if (!(t->config & HV_STIMER_ENABLE) || !t->count) {
            continue;
        }
        if (!have_exp) {
            hv_stimer_start(t);
        } else if (t->exp_time <= INT64_MAX / HV_REF_TIME_NS / 2) {
            hv_stimer_arm(t, t->exp_time);
        }
    }
    hv_vp_unlock(vtl->vp);
}
