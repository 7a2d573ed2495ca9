/*
 * Hyper-V synthetic interrupt controller (TLFS 11): SINTs, message queues,
 * event flags.  One per virtual processor and VTL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_SYNIC_H
#define HW_HYPERV_SYNIC_H

#include "qemu/bitmap.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "hw/hyperv/overlay.h"
#include "hw/hyperv/tlfs.h"

typedef struct HvVp HvVp;
typedef struct HvVtl HvVtl;
typedef struct HvMsgSource HvMsgSource;

#define HV_VECTORS 256

/**
 * HvMsgSource: somebody with one message for a SINT: a timer, a SINT route
 * @deliver: the slot is free: fill in @msg, in guest byte order.  Called
 *           once per hv_synic_post(), with the VP's lock held.  @msg is NULL
 *           if the message can never be delivered.
 * @queued: on the queue of @sint; protected by the VP's lock
 *
 * A source owns the memory of its message, so that no queue can overflow
 * (TLFS 11.3: a message buffer for every port and every timer).
 */
struct HvMsgSource {
    void (*deliver)(HvMsgSource *src, struct hyperv_message *msg);
    bool queued;
    uint8_t sint;
    QTAILQ_ENTRY(HvMsgSource) link;
};

/**
 * HvSynic: state of one SynIC
 *
 * The registers and queues are protected by the VP's lock.  @auto_eoi is
 * derived from @sint and is read without a lock by the VP's own thread.
 * @retry runs while messages wait for a full slot, @retry_ns after the last
 * look at it.
 */
typedef struct HvSynic {
    uint64_t scontrol;
    uint64_t siefp;
    uint64_t simp;
    uint64_t sirbp;
    uint64_t sint[HV_SINT_COUNT];
    DECLARE_BITMAP(auto_eoi, HV_VECTORS);
    HvOverlay simp_page;
    HvOverlay siefp_page;
    QTAILQ_HEAD(, HvMsgSource) queue[HV_SINT_COUNT];
    unsigned nr_queued;
    QEMUTimer retry;
    int64_t retry_ns;
} HvSynic;

/**
 * hv_synic_init: allocate pages and queues of the SynIC of @vtl
 */
void hv_synic_init(HvVtl *vtl, Error **errp);

/**
 * hv_synic_reset: bring registers and pages to their reset state (TLFS 11.8)
 *
 * Messages that wait are dropped.  Context: big QEMU lock held.
 */
void hv_synic_reset(HvVtl *vtl);

/**
 * hv_synic_unrealize: stop the SynIC for good, before the VP is freed
 */
void hv_synic_unrealize(HvVtl *vtl);

/**
 * hv_synic_set_sint: write a SINTx register
 *
 * Returns: false if the guest is to get #GP (an unmasked vector below 16)
 */
bool hv_synic_set_sint(HvVtl *vtl, unsigned sint, uint64_t val);

/**
 * hv_synic_set_simp, hv_synic_set_siefp: write SIMP or SIEFP and move the
 * page.  Context: big QEMU lock held.
 */
void hv_synic_set_simp(HvVtl *vtl, uint64_t val);
void hv_synic_set_siefp(HvVtl *vtl, uint64_t val);

/**
 * hv_synic_set_scontrol: write SCONTROL
 */
void hv_synic_set_scontrol(HvVtl *vtl, uint64_t val);

/**
 * hv_synic_load: recompute what derives from the registers, after they were
 * loaded from a migration stream.  Context: big QEMU lock held.
 */
void hv_synic_load(HvVtl *vtl);

/**
 * hv_synic_post: queue the message of @src and deliver it if the slot is free
 *
 * Context: VP's lock held.
 */
void hv_synic_post(HvVtl *vtl, HvMsgSource *src, unsigned sint);

/**
 * hv_synic_cancel: take @src off its queue, if it is on one
 *
 * Context: VP's lock held.
 */
void hv_synic_cancel(HvVtl *vtl, HvMsgSource *src);

/**
 * hv_synic_scan: try to deliver what waits; the guest wrote EOM or EOI
 * (TLFS 11.4).  Cheap if nothing waits.
 */
void hv_synic_scan(HvVtl *vtl);

/**
 * hv_synic_can_post: would the SynIC take messages at all?
 */
bool hv_synic_can_post(HvVtl *vtl);

/**
 * hv_synic_signal: raise the interrupt of a SINT
 *
 * Returns: 0, or -ENXIO if the SynIC is disabled or the SINT masked
 */
int hv_synic_signal(HvVtl *vtl, unsigned sint);

/**
 * hv_synic_set_event_flag: set a flag, raise the interrupt if it was clear
 *
 * Returns: 0, -EINVAL if there is no such flag, -ENXIO if the SynIC or its
 * event flags page is disabled or the SINT masked (TLFS 11.5)
 */
int hv_synic_set_event_flag(HvVtl *vtl, unsigned sint, unsigned flag);

#endif
