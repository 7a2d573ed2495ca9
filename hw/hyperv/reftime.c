/*
 * Hyper-V reference TSC page (TLFS 12.7)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/hyperv/reftime.h"

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

void hv_reftime_fill_page(void *page, uint32_t khz)
{
    struct hv_reference_tsc_page *p = page;

    /* The guest reads nothing while the sequence says that it is invalid */
    stl_le_p(&p->tsc_sequence, HV_REFERENCE_TSC_SEQUENCE_INVALID);
    /* ...and sees that before any of the new values... */
    smp_wmb();
    stl_le_p(&p->reserved, 0);
    if (khz <= HV_REFTIME_KHZ) {
        /* The scale would not fit; the guest uses the MSR */
        return;
    }
    stq_le_p(&p->tsc_scale, hv_reftime_scale(khz));
    stq_le_p(&p->tsc_offset, 0);
    /* ...and these before the sequence that makes them valid */
    smp_wmb();
    stl_le_p(&p->tsc_sequence, 1);
}
