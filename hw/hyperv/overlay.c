/*
 * Hyper-V overlay pages (TLFS 5.2)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/hyperv/partition.h"
#include "hw/hyperv/tlfs.h"
#include "migration/vmstate.h"
#include "trace.h"

/*
 * Above everything that a machine maps, and RAM in particular.  Two overlays
 * at one address have the same priority: one is seen, the other appears when
 * the first moves away (TLFS 5.2 leaves the order open).
 */
#define HV_OVERLAY_PRIORITY 1000

static MemTxResult hv_overlay_write(void *opaque, hwaddr addr, uint64_t data,
                                    unsigned size, MemTxAttrs attrs)
{
    HvOverlay *ov = opaque;
    const HvPortOps *ops = hv_partition_get()->ops;

    qemu_log_mask(LOG_GUEST_ERROR,
                  "hyperv: write to read-only overlay %s at 0x%" HWADDR_PRIx
                  "\n", memory_region_name(&ov->mr), ov->gpa + addr);
    if (ops->write_denied && current_cpu) {
        ops->write_denied(current_cpu, ov->gpa);
    }
    return MEMTX_ACCESS_ERROR;
}

/*
 * A ROM device rather than plain ROM: plain ROM drops writes in silence,
 * while the guest is to see #GP (TLFS 3.13).
 */
static const MemoryRegionOps hv_overlay_readonly_ops = {
    .write_with_attrs = hv_overlay_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 1,
    .valid.max_access_size = 8,
    .impl.min_access_size = 1,
    .impl.max_access_size = 8,
};

void hv_overlay_init(HvOverlay *ov, Object *owner, const char *name,
                     unsigned vtl, bool readonly, bool migrate, Error **errp)
{
    ERRP_GUARD();

    ov->vtl = vtl;
    ov->readonly = readonly;
    if (readonly) {
        memory_region_init_rom_device_nomigrate(&ov->mr, owner,
                                                &hv_overlay_readonly_ops, ov,
                                                name, HV_PAGE_SIZE, errp);
    } else {
        memory_region_init_ram_nomigrate(&ov->mr, owner, name, HV_PAGE_SIZE,
                                         errp);
    }
    if (*errp) {
        return;
    }
    if (migrate) {
        vmstate_register_ram(&ov->mr, DEVICE(owner));
    }
    ov->host = memory_region_get_ram_ptr(&ov->mr);
}

void hv_overlay_unrealize(HvOverlay *ov, DeviceState *owner)
{
    vmstate_unregister_ram(&ov->mr, owner);
}

static bool hv_overlay_can_map(HvOverlay *ov, hwaddr gpa)
{
    HvPartition *p = hv_partition_get();

    return !(gpa >> HV_GPA_BITS_MAX) &&
           (hv_partition_vtl_access(p, ov->vtl, gpa, NULL, NULL) &
            HV_MAP_GPA_RW) == HV_MAP_GPA_RW &&
           (!p->ops->can_map || p->ops->can_map(gpa));
}

void hv_overlay_set(HvOverlay *ov, uint64_t msr)
{
    hwaddr gpa = msr & HV_OVERLAY_GPA_MASK;
    bool map = msr & HV_OVERLAY_ENABLE;

    if (map && !hv_overlay_can_map(ov, gpa)) {
        map = false;
    }
    if (map == ov->mapped && (!map || gpa == ov->gpa)) {
        return;
    }

    trace_hv_overlay_set(memory_region_name(&ov->mr), map, gpa);
    memory_region_transaction_begin();
    if (ov->mapped) {
        memory_region_del_subregion(get_system_memory(), &ov->mr);
    }
    ov->mapped = map;
    ov->gpa = gpa;
    if (map) {
        memory_region_add_subregion_overlap(get_system_memory(), gpa, &ov->mr,
                                            HV_OVERLAY_PRIORITY);
    }
    memory_region_transaction_commit();
}

void hv_overlay_take(HvOverlay *ov, uint64_t msr)
{
    if (msr & HV_OVERLAY_ENABLE) {
        address_space_read(&address_space_memory, msr & HV_OVERLAY_GPA_MASK,
                           MEMTXATTRS_UNSPECIFIED, ov->host, HV_PAGE_SIZE);
    }
}

void hv_overlay_dirty(HvOverlay *ov)
{
    memory_region_set_dirty(&ov->mr, 0, HV_PAGE_SIZE);
}

void hv_overlay_clear(HvOverlay *ov)
{
    memset(ov->host, 0, HV_PAGE_SIZE);
    hv_overlay_dirty(ov);
}
