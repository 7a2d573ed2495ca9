/*
 * Hyper-V: devices see guest memory as VTL 0 does (TLFS 15.14)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_DMA_H
#define HW_HYPERV_DMA_H

#include "exec/memory.h"
#include "qemu/thread.h"

typedef struct HvPartition HvPartition;

/**
 * HvDma: the machine's memory twice
 * @memory: as it is, for CPUs
 * @root: of address_space_memory, which devices use
 * @all: shows all memory in @root
 * @filter: hides it again, and lets pass what VTL 0 may do.  Enabled when a
 *          higher trust level sets protections.
 * @smm: what VTL 0's CPUs use in system management mode: as @root, but for the
 *       memory of that mode.  Valid once the machine is complete.
 * @lock: protects @locked, and that nobody sets what it is in the way of
 * @locked: page numbers, by how often they were locked
 */
typedef struct HvDma {
    HvPartition *partition;
    AddressSpace memory;
    MemoryRegion root;
    MemoryRegion all;
    IOMMUMemoryRegion filter;
    AddressSpace smm;
    MemoryRegion smm_root;
    MemoryRegion smm_memory;
    MemoryRegion smram;
    Notifier machine_done;
    QemuMutex lock;
    GHashTable *locked;
} HvDma;

/**
 * hv_dma_init: have address_space_memory filtered from now on
 *
 * To be called before there are devices, because they look up the root of their
 * address space.  Context: big QEMU lock held.
 */
HvDma *hv_dma_init(HvPartition *p);

/**
 * hv_dma_set_filter: have the filter look at VTL protections
 *
 * Returns: false if there are devices that it does not reach.  Context: big
 * QEMU lock held.
 */
bool hv_dma_set_filter(HvDma *dma, bool on);

/**
 * hv_dma_lock_page: have a page remain one that VTL 0 may read and write, for a
 * device that keeps it mapped
 * @page: number of the page
 *
 * Returns: false if VTL 0 may not.  Context: any thread.
 */
bool hv_dma_lock_page(uint64_t page);
void hv_dma_unlock_page(uint64_t page);

/**
 * hv_dma_locked_memory: the address space by which locked pages are mapped
 * @as: the device's
 */
AddressSpace *hv_dma_locked_memory(AddressSpace *as);

/**
 * hv_dma_page_locked: is the page locked?  Context: @dma's lock held.
 */
bool hv_dma_page_locked(HvDma *dma, uint64_t page);

#endif
