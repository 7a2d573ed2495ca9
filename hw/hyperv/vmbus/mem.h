/*
 * VMBus: pages of guest memory that are mapped for as long as a channel uses
 * them, seen as one stretch of bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_MEM_H
#define HW_HYPERV_VMBUS_MEM_H

#include "hw/hyperv/tlfs.h"

/**
 * VMBusMem:
 * @page: host address of each page
 * @dirty: tell the rest of QEMU that bytes were written; NULL if nobody cares
 *
 * Offsets and lengths are the caller's to check; guest errors have been dealt
 * with before.
 */
typedef struct VMBusMem VMBusMem;
struct VMBusMem {
    uint32_t nr_pages;
    uint8_t **page;
    void (*dirty)(VMBusMem *mem, uint32_t off, uint32_t len);
};

/**
 * vmbus_mem_run: host address of @off, and how many bytes are adjacent there
 * @len: how many are wanted; at least one
 */
void *vmbus_mem_run(VMBusMem *mem, uint32_t off, uint32_t len, uint32_t *run);

void vmbus_mem_read(VMBusMem *mem, uint32_t off, void *buf, uint32_t len);

/**
 * vmbus_mem_write: without marking the memory dirty
 */
void vmbus_mem_write(VMBusMem *mem, uint32_t off, const void *buf,
                     uint32_t len);

static inline void vmbus_mem_dirty(VMBusMem *mem, uint32_t off, uint32_t len)
{
    if (mem->dirty && len) {
        mem->dirty(mem, off, len);
    }
}

#endif
