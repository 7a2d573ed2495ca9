/*
 * Hyper-V reference time, and the reference TSC page (TLFS 12.7)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/hyperv/partition.h"

/* Reference time units per millisecond */
#define HV_REFTIME_KHZ 10000

/*
 * Scale such that (tsc * scale) >> 64 is reference time, in 64.64 fixed
 * point.  Rounded up: the page then never lags behind the MSR, and runs ahead
 * of it by less than a unit for years.
 */
static uint64_t hv_reftime_scale(uint32_t khz)
{
    uint64_t lo = 0, hi = HV_REFTIME_KHZ;
    uint64_t rem = divu128(&lo, &hi, khz);

    return lo + (rem != 0);
}

static uint64_t hv_reftime_scaled(uint64_t tsc, uint64_t scale)
{
    uint64_t low, high;

    mulu64(&low, &high, tsc, scale);
    return high;
}

static uint64_t hv_reftime_now(const HvClock *c)
{
    if (c->by_tsc) {
        return c->origin + hv_reftime_scaled(cpu_get_host_ticks() +
                                             c->tsc_delta, c->scale);
    }
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / HV_REF_TIME_NS + c->offset;
}

uint64_t hv_reftime(HvPartition *p)
{
    uint64_t now;
    unsigned seq;

    do {
        seq = seqlock_read_begin(&p->clock.lock);
        now = hv_reftime_now(&p->clock);
    } while (seqlock_read_retry(&p->clock.lock, seq));
    return now;
}

int64_t hv_reftime_deadline(HvPartition *p, uint64_t when)
{
    int64_t clock;

    if (!p->clock.by_tsc) {
        return (when - p->clock.offset) * HV_REF_TIME_NS;
    }
    clock = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    return (clock / HV_REF_TIME_NS + (when - hv_reftime(p))) * HV_REF_TIME_NS;
}

/* Make reference time of the TSC from now on, or of the clock */
static void hv_reftime_switch(HvClock *c, bool by_tsc, uint64_t delta,
                              uint64_t scale)
{
    uint64_t now;

    seqlock_write_begin(&c->lock);
    now = hv_reftime_now(c);
    if (by_tsc) {
        c->tsc_delta = delta;
        c->scale = scale;
        c->origin = now - hv_reftime_scaled(cpu_get_host_ticks() + delta,
                                            scale);
    } else {
        c->offset = now -
                    qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / HV_REF_TIME_NS;
    }
    c->by_tsc = by_tsc;
    seqlock_write_end(&c->lock);
}

void hv_reftime_load(HvPartition *p, uint64_t now)
{
    p->clock.offset = now - qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) /
                            HV_REF_TIME_NS;
}

void hv_reftime_stop(HvPartition *p)
{
    if (p->clock.by_tsc) {
        hv_reftime_switch(&p->clock, false, 0, 0);
    }
}

/* Returns: whether (tsc * scale) >> 64 + *origin is reference time */
static bool hv_reftime_follow_tsc(HvPartition *p, uint64_t scale,
                                  uint64_t *origin)
{
    HvClock *c = &p->clock;
    uint64_t delta;

    if (p->ops->caps & HV_PORT_TSC) {
        *origin = c->offset - (p->tsc_offset < 0 ?
                               -hv_reftime_scaled(-p->tsc_offset, scale) :
                               hv_reftime_scaled(p->tsc_offset, scale));
        return true;
    }
    if (!p->ops->tsc_delta || !p->ops->tsc_delta(&delta)) {
        hv_reftime_stop(p);
        return false;
    }
    if (!c->by_tsc || c->tsc_delta != delta) {
        hv_reftime_switch(c, true, delta, scale);
    }
    *origin = c->origin;
    return true;
}

static uint32_t hv_reftime_next_sequence(HvClock *c)
{
    /* 1 is what a kernel begins with, to which the guest may be moved */
    do {
        c->sequence++;
    } while (c->sequence == HV_REFERENCE_TSC_SEQUENCE_INVALID ||
             c->sequence == 1 ||
             c->sequence == UINT32_MAX);
    return c->sequence;
}

void hv_reftime_fill_page(HvPartition *p, void *page)
{
    struct hv_reference_tsc_page *ref = page;
    uint32_t old = ldl_le_p(&ref->tsc_sequence);
    uint64_t scale = 0, origin = 0;
    bool valid;

    /* With a slower TSC the scale would not fit; the guest uses the MSR */
    valid = p->tsc_khz > HV_REFTIME_KHZ;
    if (valid) {
        scale = hv_reftime_scale(p->tsc_khz);
        valid = hv_reftime_follow_tsc(p, scale, &origin);
    }
    if (old != HV_REFERENCE_TSC_SEQUENCE_INVALID) {
        if (valid && ldq_le_p(&ref->tsc_scale) == scale &&
            ldq_le_p(&ref->tsc_offset) == origin) {
            return;
        }
        /* The page, and what it says, may have come from elsewhere */
        p->clock.sequence = old;
    }
    /* The guest reads nothing while the sequence says that it is invalid */
    stl_le_p(&ref->tsc_sequence, HV_REFERENCE_TSC_SEQUENCE_INVALID);
    if (!valid) {
        return;
    }
    /* ...and sees that before any of the new values... */
    smp_wmb();
    stl_le_p(&ref->reserved, 0);
    stq_le_p(&ref->tsc_scale, scale);
    stq_le_p(&ref->tsc_offset, origin);
    /* ...and these before the sequence that makes them valid */
    smp_wmb();
    stl_le_p(&ref->tsc_sequence, hv_reftime_next_sequence(&p->clock));
}
