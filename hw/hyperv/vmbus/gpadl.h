/*
 * VMBus: GPA descriptor lists, as the guest's messages describe them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_GPADL_H
#define HW_HYPERV_VMBUS_GPADL_H

#include "hw/hyperv/vmbus.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "mem.h"

/*
 * The length of the ranges in a GPADL_HEADER is a 16-bit number of bytes, of
 * which eight are not page numbers.
 */
#define VMBUS_GPADL_PAGES_MAX (UINT16_MAX / 8 - 1)

/* Limits for all GPADLs of a guest: Hyper-V's, of Windows Server 2019 */
#define VMBUS_GPADLS_PAGES_MAX (1280u << (20 - HV_PAGE_SHIFT))
#define VMBUS_GPADLS_MAX 4096

typedef struct VMBusGpadls VMBusGpadls;

/**
 * VMBusGpadl: one range of guest memory
 * @id: of the guest's choice; unique for a channel
 * @offset: of the first byte in the first page
 * @len: number of bytes
 * @pfn: page numbers, of which @seen have arrived out of @nr_pages
 * @ref: the list's reference, as long as the guest has not torn it down, and
 *       those of users
 * @mem: host addresses, once somebody uses it
 */
struct VMBusGpadl {
    VMBusGpadls *owner;
    uint32_t id;
    uint32_t relid;
    uint32_t offset;
    uint32_t len;
    uint32_t nr_pages;
    uint32_t seen;
    uint64_t *pfn;
    unsigned ref;
    VMBusMem *mem;
    QTAILQ_ENTRY(VMBusGpadl) link;
};

/**
 * VMBusGpadls: those of a guest
 * @lock: protects the list, @ref and @mem; a leaf lock
 * @nr_pages: sum over the list
 */
struct VMBusGpadls {
    QemuMutex lock;
    QTAILQ_HEAD(, VMBusGpadl) list;
    uint32_t nr_pages;
    unsigned nr;
};

void vmbus_gpadls_init(VMBusGpadls *l);
void vmbus_gpadls_destroy(VMBusGpadls *l);

/**
 * vmbus_gpadls_header, vmbus_gpadls_body: a GPADL_HEADER or GPADL_BODY
 * @msg, @len: the message, at least as long as its fixed part
 *
 * Returns: the GPADL, which is complete if @seen is @nr_pages; NULL if the
 * message is wrong, and then there is no such GPADL any more
 */
VMBusGpadl *vmbus_gpadls_header(VMBusGpadls *l,
                                const vmbus_message_gpadl_header *msg,
                                uint32_t len);
VMBusGpadl *vmbus_gpadls_body(VMBusGpadls *l,
                              const vmbus_message_gpadl_body *msg,
                              uint32_t len, uint32_t *relid);

/**
 * vmbus_gpadls_ref: find and reference a complete GPADL
 */
VMBusGpadl *vmbus_gpadls_ref(VMBusGpadls *l, uint32_t relid, uint32_t id);
void vmbus_gpadl_unref(VMBusGpadl *gpadl);

/**
 * vmbus_gpadls_remove: forget a complete GPADL, when its users are gone
 *
 * Returns: false if there is none
 */
bool vmbus_gpadls_remove(VMBusGpadls *l, uint32_t relid, uint32_t id);

/**
 * vmbus_gpadls_remove_channel: forget all of a channel
 */
void vmbus_gpadls_remove_channel(VMBusGpadls *l, uint32_t relid);

/**
 * vmbus_gpadls_check: are these GPADLs, from a migration stream, possible?
 *
 * Recomputes what is not in the stream.
 */
bool vmbus_gpadls_check(VMBusGpadls *l);

/**
 * vmbus_mem_free: undo the mapping of a GPADL; supplied by who maps them
 */
void vmbus_mem_free(VMBusMem *mem);

#endif
