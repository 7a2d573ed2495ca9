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
#include "hw/hyperv/tlfs.h"

/**
 * hv_reftime: now, in 100 ns units
 *
 * Starts at 0 with the machine, stops with the VM, continues after migration.
 */
static inline uint64_t hv_reftime(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / HV_REF_TIME_NS;
}

/**
 * hv_reftime_tsc: a guest TSC of @khz that runs from the same clock
 */
static inline uint64_t hv_reftime_tsc(uint32_t khz)
{
    uint64_t ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    return khz == 1000000 ? ns : muldiv64(ns, khz, 1000000);
}

/**
 * hv_reftime_fill_page: write the reference TSC page for a TSC of @khz
 * @page: the page, in guest byte order
 */
void hv_reftime_fill_page(void *page, uint32_t khz);

#endif
