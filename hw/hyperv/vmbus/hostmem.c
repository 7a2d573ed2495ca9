/*
 * VMBus: mapping of guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "hw/hyperv/dma.h"
#include "internal.h"

/* Adjacent pages of guest memory */
typedef struct VMBusMemRun {
    uint32_t off;
    MemoryRegionCache cache;
} VMBusMemRun;

typedef struct VMBusHostMem {
    VMBusMem mem;
    uint64_t *pfn;
    unsigned nr_locked;
    unsigned nr_runs;
    VMBusMemRun *runs;
} VMBusHostMem;

static void vmbus_host_mem_dirty(VMBusMem *mem, uint32_t off, uint32_t len)
{
    VMBusHostMem *h = container_of(mem, VMBusHostMem, mem);
    unsigned lo = 0, hi = h->nr_runs;

    while (hi - lo > 1) {
        unsigned mid = lo + (hi - lo) / 2;

        if (h->runs[mid].off <= off) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    for (; len; lo++) {
        VMBusMemRun *run = &h->runs[lo];
        uint32_t n = MIN(len, run->off + run->cache.len - off);

        address_space_cache_invalidate(&run->cache, off - run->off, n);
        off += n;
        len -= n;
    }
}

void vmbus_mem_free(VMBusMem *mem)
{
    VMBusHostMem *h = container_of(mem, VMBusHostMem, mem);
    unsigned i;

    for (i = 0; i < h->nr_runs; i++) {
        address_space_cache_destroy(&h->runs[i].cache);
    }
    while (h->nr_locked) {
        hv_dma_unlock_page(h->pfn[--h->nr_locked]);
    }
    g_free(h->pfn);
    g_free(h->runs);
    g_free(h->mem.page);
    g_free(h);
}

VMBusMem *vmbus_mem_map(AddressSpace *as, const uint64_t *pfn,
                        uint32_t nr_pages)
{
    VMBusHostMem *h = g_new0(VMBusHostMem, 1);
    uint32_t i = 0, j, n;

    h->mem.nr_pages = nr_pages;
    h->mem.page = g_new(uint8_t *, nr_pages);
    h->mem.dirty = vmbus_host_mem_dirty;
    h->pfn = g_memdup2(pfn, nr_pages * sizeof(*pfn));
    h->runs = g_new(VMBusMemRun, nr_pages);

    while (h->nr_locked < nr_pages && hv_dma_lock_page(pfn[h->nr_locked])) {
        h->nr_locked++;
    }
    if (h->nr_locked < nr_pages) {
        vmbus_mem_free(&h->mem);
        return NULL;
    }
    as = hv_dma_locked_memory(as);
    while (i < nr_pages) {
        VMBusMemRun *run = &h->runs[h->nr_runs];
        int64_t len;

        for (n = 1; i + n < nr_pages && pfn[i + n] == pfn[i] + n; n++) {
            continue;
        }
        run->off = i * HV_PAGE_SIZE;
        len = address_space_cache_init(&run->cache, as,
                                       pfn[i] << HV_PAGE_SHIFT,
                                       (hwaddr)n * HV_PAGE_SIZE, true);
        h->nr_runs++;
        if (!run->cache.ptr || len < HV_PAGE_SIZE) {
            vmbus_mem_free(&h->mem);
            return NULL;
        }
        /* RAM may end, or go on elsewhere, before the pages do */
        n = len / HV_PAGE_SIZE;
        run->cache.len = n * HV_PAGE_SIZE;
        for (j = 0; j < n; j++) {
            h->mem.page[i + j] = (uint8_t *)run->cache.ptr + j * HV_PAGE_SIZE;
        }
        i += n;
    }
    h->runs = g_renew(VMBusMemRun, h->runs, h->nr_runs);
    return &h->mem;
}
