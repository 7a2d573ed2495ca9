/*
 * Hyper-V overlay pages (TLFS 5.2): a page of the hypervisor's own that hides
 * the guest's RAM at a guest-chosen address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_OVERLAY_H
#define HW_HYPERV_OVERLAY_H

#include "exec/memory.h"

/**
 * HvOverlay: one overlay page
 * @mr: the page; it has the same RAM behind it wherever it is mapped
 * @host: the page's contents, valid from hv_overlay_init() on, mapped or not
 * @gpa: where it is mapped, if @mapped
 * @vtl: the trust level that maps it
 *
 * Mapping and contents are changed under the big QEMU lock, except that the
 * owner of a guest-writable page may access @host with atomics at any time.
 */
typedef struct HvOverlay {
    MemoryRegion mr;
    void *host;
    hwaddr gpa;
    unsigned vtl;
    bool mapped;
    bool readonly;
} HvOverlay;

/**
 * hv_overlay_init: allocate the page, zeroed and not mapped
 * @owner: QOM owner
 * @name: unique in the machine, since it names the migrated RAM block
 * @vtl: the trust level that maps it
 * @readonly: the guest may read and execute, but not write the page; a write
 *            is answered with MEMTX_ACCESS_ERROR
 * @migrate: a RAM block of migration streams.  A machine that has none of that
 *           name takes no such stream: false for what a kernel's own Hyper-V,
 *           and QEMU with it, has no page of its own for.
 */
void hv_overlay_init(HvOverlay *ov, Object *owner, const char *name,
                     unsigned vtl, bool readonly, bool migrate, Error **errp);

/**
 * hv_overlay_set: map, move or unmap the page
 * @msr: value of the MSR that controls it, in the format that all overlay
 *       MSRs share (bit 0 enables, bits 63:12 are the guest page number)
 *
 * An address that the guest's address space does not reach leaves the page
 * unmapped, as the TLFS asks (11.8, 12.7), and so does one that a higher trust
 * level does not let this one read and write.  Context: big QEMU lock held.
 */
void hv_overlay_set(HvOverlay *ov, uint64_t msr);

/**
 * hv_overlay_take: fill the page, which is not mapped, with the RAM that @msr
 * would hide: to a kernel's own Hyper-V, where the guest comes from, this was
 * the page.  Context: big QEMU lock held.
 */
void hv_overlay_take(HvOverlay *ov, uint64_t msr);

/**
 * hv_overlay_unrealize: give the page's name back, which another VP may need
 * before the memory is freed
 */
void hv_overlay_unrealize(HvOverlay *ov, DeviceState *owner);

/**
 * hv_overlay_dirty: tell migration that the host changed the page
 */
void hv_overlay_dirty(HvOverlay *ov);

/**
 * hv_overlay_clear: zero the contents, for creation and reset (TLFS 11.9)
 */
void hv_overlay_clear(HvOverlay *ov);

/**
 * hv_overlay_covers: is the page mapped at @gpa?
 */
static inline bool hv_overlay_covers(const HvOverlay *ov, hwaddr gpa)
{
    return ov->mapped && (gpa & ~(hwaddr)0xfff) == ov->gpa;
}

/**
 * hv_overlay_write_denied: is @gpa inside a mapped page that the guest must
 * not write?
 */
static inline bool hv_overlay_write_denied(const HvOverlay *ov, hwaddr gpa)
{
    return ov->readonly && hv_overlay_covers(ov, gpa);
}

#endif
