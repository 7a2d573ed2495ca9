/*
 * Hyper-V synthetic timers (TLFS 12): four per virtual processor and VTL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_STIMER_H
#define HW_HYPERV_STIMER_H

#include "qemu/timer.h"
#include "hw/hyperv/synic.h"

#define HV_STIMERS 4

/**
 * HvStimer: one timer, protected by the VP's lock
 * @exp_time: reference time at which it is due next, if enabled
 * @msg_exp_time: expiration time that the waiting message reports
 * @src: the message, while it waits for its slot
 */
typedef struct HvStimer {
    HvVtl *vtl;
    unsigned index;
    uint64_t config;
    uint64_t count;
    uint64_t exp_time;
    uint64_t msg_exp_time;
    HvMsgSource src;
    QEMUTimer timer;
} HvStimer;

void hv_stimer_init(HvVtl *vtl);
void hv_stimer_reset(HvVtl *vtl);

/**
 * hv_stimer_unrealize: stop the timers for good, before the VP is freed
 */
void hv_stimer_unrealize(HvVtl *vtl);

/**
 * hv_stimer_set_config: write STIMERx_CONFIG
 * @direct_ok: whether the partition has direct mode (leaf 3 EDX.19)
 *
 * Returns: false if the guest is to get #GP
 */
bool hv_stimer_set_config(HvVtl *vtl, unsigned index, uint64_t val,
                          bool direct_ok);

/**
 * hv_stimer_set_count: write STIMERx_COUNT
 */
void hv_stimer_set_count(HvVtl *vtl, unsigned index, uint64_t val);

/**
 * hv_stimer_check: expire the timers of @vp that are due
 *
 * Ends what HvPortOps.await_timer began.  Context: the VP's own thread, big
 * QEMU lock held.
 */
void hv_stimer_check(HvVp *vp);

/**
 * hv_stimer_await_begins: the VP's thread is up and will wait for the timer
 * that is due next; adjusts how early it is woken for the ones to come
 *
 * Returns: how long it is to wait, in nanoseconds.  Context: as
 * hv_stimer_check().
 */
int64_t hv_stimer_await_begins(HvVp *vp);

/**
 * hv_stimer_load: arm the timers after their state came from a migration
 * stream
 * @have_exp: the stream had exp_time; one of KVM has not
 */
void hv_stimer_load(HvVtl *vtl, bool have_exp);

#endif
