/*
 * Hyper-V: devices see guest memory as VTL 0 does (TLFS 15.14)
 *
 * All devices reach memory through address_space_memory, be it by the address
 * space of their PCI bus.  An IOMMU region there asks for the protections of
 * each page at the time of each access; CPUs have address spaces of their own,
 * and their TLBs do the same for them.  What else accesses memory on behalf of
 * VTL 0 (the hypervisor itself, monitor commands) uses address_space_memory
 * too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/hyperv/dma.h"
#include "hw/hyperv/partition.h"
#include "hw/virtio/vhost.h"
#include "system/system.h"
#include "trace.h"

#define TYPE_HV_DMA_FILTER "hv-dma-filter"

static IOMMUTLBEntry hv_dma_translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                      IOMMUAccessFlags flag, int iommu_idx)
{
    HvDma *dma = container_of(iommu, HvDma, filter);
    bool chunk;
    uint8_t mask = hv_partition_vtl_access(dma->partition, 0, addr, NULL,
                                           &chunk);
    hwaddr page_mask = (chunk ? HV_PROTECTION_CHUNK : HV_PAGE_SIZE) - 1;
    IOMMUTLBEntry entry = {
        .target_as = &dma->memory,
        .iova = addr & ~page_mask,
        .translated_addr = addr & ~page_mask,
        .addr_mask = page_mask,
    };

    if (mask & HV_MAP_GPA_READABLE) {
        entry.perm |= IOMMU_RO;
    }
    if (mask & HV_MAP_GPA_WRITABLE) {
        entry.perm |= IOMMU_WO;
    }
    if (flag & ~entry.perm) {
        trace_hv_dma_denied(addr, flag);
        qemu_log_mask(LOG_GUEST_ERROR, "hyperv: a device may not %s 0x%"
                      HWADDR_PRIx "\n", flag & IOMMU_WO ? "write" : "read",
                      addr);
    }
    return entry;
}

/* VFIO that is plugged in later would keep translations, which change */
static int hv_dma_notify_flag_changed(IOMMUMemoryRegion *iommu,
                                      IOMMUNotifierFlag old,
                                      IOMMUNotifierFlag new, Error **errp)
{
    if (new != IOMMU_NOTIFIER_NONE) {
        error_setg(errp, "hv-vsm: VTL 1 of the guest protects its memory, which "
                   "the device would go around");
        return -EINVAL;
    }
    return 0;
}

static void hv_dma_filter_class_init(ObjectClass *klass, void *data)
{
    IOMMUMemoryRegionClass *imrc = IOMMU_MEMORY_REGION_CLASS(klass);

    imrc->translate = hv_dma_translate;
    imrc->notify_flag_changed = hv_dma_notify_flag_changed;
}

static const TypeInfo hv_dma_filter_type_info = {
    .name = TYPE_HV_DMA_FILTER,
    .parent = TYPE_IOMMU_MEMORY_REGION,
    .class_init = hv_dma_filter_class_init,
};

static void hv_dma_register_types(void)
{
    type_register_static(&hv_dma_filter_type_info);
}

type_init(hv_dma_register_types)

/* Devices that access memory by another way than address_space_memory */
static bool hv_dma_is_bypassed(void)
{
    static const char * const types[] = {
        "x86-iommu", "virtio-iommu-device", "vfio-pci",
    };
    unsigned i;

    if (vhost_get_max_memslots() != UINT_MAX) {
        warn_report_once("hv-vsm: the guest cannot protect memory from vhost, "
                         "and so does not get to use VTL 1's protections: use "
                         "vhost=off");
        return true;
    }
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        bool several = false;

        if (object_resolve_path_type("", types[i], &several) || several) {
            warn_report_once("hv-vsm: the guest cannot protect memory from its "
                             "devices, and so does not get to use VTL 1's "
                             "protections: remove %s devices", types[i]);
            return true;
        }
    }
    return false;
}

bool hv_dma_set_filter(HvDma *dma, bool on)
{
    MemoryRegion *mr = MEMORY_REGION(&dma->filter);

    if (on == mr->enabled) {
        return true;
    }
    /* A balloon would throw pages away that VTL 0 names */
    if (on && (hv_dma_is_bypassed() || ram_block_discard_disable(true) < 0)) {
        return false;
    }
    if (!on) {
        ram_block_discard_disable(false);
    }
    memory_region_set_enabled(mr, on);
    return true;
}

static HvDma *hv_dma(void)
{
    HvPartition *p = hv_partition_get();

    return p ? p->dma : NULL;
}

/* On a host of 32 bits some pages share a key, and are locked together */
static gpointer hv_dma_key(uint64_t page)
{
    return (gpointer)(uintptr_t)page;
}

bool hv_dma_page_locked(HvDma *dma, uint64_t page)
{
    return g_hash_table_contains(dma->locked, hv_dma_key(page));
}

bool hv_dma_lock_page(uint64_t page)
{
    HvDma *dma = hv_dma();
    gpointer key = hv_dma_key(page);
    uintptr_t n;

    if (!dma) {
        return true;
    }
    QEMU_LOCK_GUARD(&dma->lock);
    if ((hv_partition_vtl_access(dma->partition, 0, page << HV_PAGE_SHIFT,
                                 NULL, NULL) & HV_MAP_GPA_RW) !=
        HV_MAP_GPA_RW) {
        return false;
    }
    n = (uintptr_t)g_hash_table_lookup(dma->locked, key);
    g_hash_table_insert(dma->locked, key, (gpointer)(n + 1));
    return true;
}

void hv_dma_unlock_page(uint64_t page)
{
    HvDma *dma = hv_dma();
    gpointer key = hv_dma_key(page);
    uintptr_t n;

    if (!dma) {
        return;
    }
    QEMU_LOCK_GUARD(&dma->lock);
    n = (uintptr_t)g_hash_table_lookup(dma->locked, key);
    if (n > 1) {
        g_hash_table_insert(dma->locked, key, (gpointer)(n - 1));
    } else {
        g_hash_table_remove(dma->locked, key);
    }
}

AddressSpace *hv_dma_locked_memory(AddressSpace *as)
{
    HvDma *dma = hv_dma();

    return dma && as == &address_space_memory ? &dma->memory : as;
}

/* The chip set has made its memory of system management mode, if it has any */
static void hv_dma_machine_done(Notifier *n, void *data)
{
    HvDma *dma = container_of(n, HvDma, machine_done);
    Object *owner = OBJECT(dma->partition);
    Object *smram = object_resolve_path("/machine/smram", NULL);

    memory_region_init(&dma->smm_root, owner, "hv-smm", UINT64_MAX);
    memory_region_init_alias(&dma->smm_memory, owner, "hv-smm-memory",
                             &dma->root, 0, UINT64_MAX);
    memory_region_add_subregion_overlap(&dma->smm_root, 0, &dma->smm_memory, 0);
    if (smram) {
        memory_region_init_alias(&dma->smram, owner, "hv-smram",
                                 MEMORY_REGION(smram), 0, 4 * GiB);
        memory_region_add_subregion_overlap(&dma->smm_root, 0, &dma->smram, 1);
    }
    address_space_init(&dma->smm, &dma->smm_root, "hv-smm");
}

HvDma *hv_dma_init(HvPartition *p)
{
    HvDma *dma = g_new0(HvDma, 1);
    MemoryRegion *system = get_system_memory();

    dma->partition = p;
    qemu_mutex_init(&dma->lock);
    dma->locked = g_hash_table_new(NULL, NULL);
    address_space_init(&dma->memory, system, "hv-memory");
    memory_region_init(&dma->root, OBJECT(p), "hv-dma", UINT64_MAX);
    memory_region_init_alias(&dma->all, OBJECT(p), "hv-dma-memory", system, 0,
                             UINT64_MAX);
    memory_region_init_iommu(&dma->filter, sizeof(dma->filter),
                             TYPE_HV_DMA_FILTER, OBJECT(p), "hv-dma-filter",
                             1ull << HV_GPA_BITS_MAX);
    memory_region_set_enabled(MEMORY_REGION(&dma->filter), false);

    memory_region_transaction_begin();
    memory_region_add_subregion_overlap(&dma->root, 0, &dma->all, 0);
    memory_region_add_subregion_overlap(&dma->root, 0,
                                        MEMORY_REGION(&dma->filter), 1);
    memory_region_ref(&dma->root);
    address_space_memory.root = &dma->root;
    memory_region_unref(system);
    memory_region_transaction_commit();
    dma->machine_done.notify = hv_dma_machine_done;
    qemu_add_machine_init_done_notifier(&dma->machine_done);
    return dma;
}
