/*
 * Hyper-V VTL protections (TLFS 15.9): what a virtual trust level lets the
 * lower ones do to each page of guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_PROTECTION_H
#define HW_HYPERV_PROTECTION_H

#include "exec/hwaddr.h"
#include "migration/vmstate.h"
#include "qemu/qht.h"

/**
 * HvProtection: protections that one VTL has set
 * @enabled: it may set some: HvRegisterVsmPartitionConfig.EnableVtlProtection
 * @default_mask: HV_MAP_GPA_* of pages that it has not named
 * @chunks: pages that it has, HV_PROTECTION_CHUNK of them together
 * @count: pages that have not the default protection
 *
 * Written under the big QEMU lock, read at any time.  A reader sees a change
 * when it looks again: who keeps what he has read, in a TLB say, is to be told.
 */
typedef struct HvProtection {
    bool enabled;
    uint8_t default_mask;
    struct qht chunks;
    uint64_t count;
} HvProtection;

extern const VMStateDescription vmstate_hv_protection;

void hv_protection_init(HvProtection *pr);

/**
 * hv_protection_cleanup: free the memory.  Nobody may be reading.
 */
void hv_protection_cleanup(HvProtection *pr);

/**
 * hv_protection_reset: everything is allowed again.  Context: big QEMU lock
 * held.
 */
void hv_protection_reset(HvProtection *pr);

/**
 * hv_protection_enable: allow hv_protection_set()
 * @default_mask: HV_MAP_GPA_* of all pages that it is not called for
 *
 * Context: big QEMU lock held.
 */
void hv_protection_enable(HvProtection *pr, uint8_t default_mask);

/**
 * hv_protection_set: set the protection of a page
 * @gpa: has memory behind it, which bounds what is allocated
 * @mask: HV_MAP_GPA_*
 *
 * Context: big QEMU lock held.
 */
void hv_protection_set(HvProtection *pr, hwaddr gpa, uint8_t mask);

/**
 * hv_protection_get: what is allowed to do to the page at @gpa
 * @chunk: the answer holds for all pages of the same HV_PROTECTION_CHUNK.
 *         May be NULL.
 *
 * Returns: HV_MAP_GPA_*
 */
uint8_t hv_protection_get(HvProtection *pr, hwaddr gpa, bool *chunk);

/* Bytes of guest memory whose protections are allocated together */
#define HV_PROTECTION_CHUNK (2u << 20)

#endif
