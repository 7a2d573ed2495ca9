/*
 * Hyper-V partition reference time (TLFS 12.4, 12.7) and the guest TSC that
 * is derived from the same clock
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_REFTIME_H
#define HW_HYPERV_REFTIME_H

#include "qemu/timer.h"
#include "qemu/host-utils.h"
#include "qemu/seqlock.h"
#include "hw/hyperv/tlfs.h"

typedef struct HvPartition HvPartition;

/**
 * HvClock: what reference time is made of
 * @offset: reference time less QEMU_CLOCK_VIRTUAL, in 100 ns units
 * @by_tsc: it is made of the host's TSC for the time being, instead
 * @tsc_delta: the guest's TSC less the host's
 * @scale, @origin: reference time is the upper half of the guest's TSC times
 *                  @scale, plus @origin
 * @sequence: of the reference TSC page, when it was filled last
 *
 * A guest with a TSC of its own is not to see the two drift apart, as the
 * host's clocks do.  Written under the big QEMU lock, read without.
 */
typedef struct HvClock {
    QemuSeqLock lock;
    int64_t offset;
    bool by_tsc;
    uint64_t tsc_delta;
    uint64_t scale;
    uint64_t origin;
    uint32_t sequence;
} HvClock;

/**
 * hv_reftime: now, in 100 ns units
 *
 * Starts at 0 with the machine, stops with the VM, continues after migration.
 */
uint64_t hv_reftime(HvPartition *p);

/**
 * hv_reftime_deadline: the time of QEMU_CLOCK_VIRTUAL at which it is @when
 *
 * An estimate if reference time is made of the TSC: look again when it is due.
 */
int64_t hv_reftime_deadline(HvPartition *p, uint64_t when);

/**
 * hv_reftime_tsc: a guest TSC of @khz that runs from QEMU_CLOCK_VIRTUAL
 */
static inline uint64_t hv_reftime_tsc(uint32_t khz)
{
    uint64_t ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    return khz == 1000000 ? ns : muldiv64(ns, khz, 1000000);
}

/**
 * hv_reftime_fill_page: write the reference TSC page
 * @page: the page, in guest byte order
 *
 * Context: big QEMU lock held.
 */
void hv_reftime_fill_page(HvPartition *p, void *page);

/**
 * hv_reftime_load: set the clock.  Context: VM stopped.
 * @now: in 100 ns units
 */
void hv_reftime_load(HvPartition *p, uint64_t now);

/**
 * hv_reftime_stop: the VM stops, and with it reference time
 */
void hv_reftime_stop(HvPartition *p);

#endif
