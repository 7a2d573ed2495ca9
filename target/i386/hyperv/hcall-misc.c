/*
 * Hyper-V hypercalls that are not about TLBs or interrupts: messages, events,
 * debugging, queries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/ramblock.h"
#include "hw/boards.h"
#include "internal.h"

uint16_t hv_hc_long_spin_wait(HvHypercall *hc)
{
    hc->vp->partition->ops->spin_wait(hc->vp->cs);
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_post_message(HvHypercall *hc)
{
    struct hyperv_post_message_input msg;

    msg.connection_id = ldl_le_p(hc->in);
    msg._reserved = 0;
    msg.message_type = ldl_le_p(hc->in + 8);
    msg.payload_size = ldl_le_p(hc->in + 12);
    memcpy(msg.payload, hc->in + 16, sizeof(msg.payload));
    return hv_port_post_message(hc->vp->partition, &msg);
}

uint16_t hv_hc_signal_event(HvHypercall *hc)
{
    return hv_port_signal_event(hc->vp->partition, ldl_le_p(hc->in),
                                lduw_le_p(hc->in + 4));
}

/* What a page holds beside the header of a debug data call */
#define HV_DEBUG_MAX_DATA (HV_PAGE_SIZE - 8)

/* Count or Options, which each of the debug calls begins with */
static uint32_t hv_debug_word(HvHypercall *hc)
{
    return address_space_ldl_le(&address_space_memory, hc->in_gpa,
                                MEMTXATTRS_UNSPECIFIED, NULL);
}

uint16_t hv_hc_post_debug_data(HvHypercall *hc)
{
    return hyperv_hcall_post_dbg_data(hc->in_gpa, hc->out_gpa, false);
}

uint16_t hv_hc_retrieve_debug_data(HvHypercall *hc)
{
    if (hv_debug_word(hc) > HV_DEBUG_MAX_DATA) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return hyperv_hcall_retreive_dbg_data(hc->in_gpa, hc->out_gpa, false);
}

uint16_t hv_hc_reset_debug_session(HvHypercall *hc)
{
    if (!(hv_debug_word(hc) & (HV_DEBUG_PURGE_INCOMING_DATA |
                               HV_DEBUG_PURGE_OUTGOING_DATA))) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return hyperv_hcall_reset_dbg_session(hc->out_gpa);
}

uint16_t hv_hc_get_partition_id(HvHypercall *hc)
{
    stq_le_p(hc->out, HV_PARTITION_ID);
    return HV_STATUS_SUCCESS;
}

static HvVp *hv_vp_by_apic_id(HvPartition *p, uint32_t apic_id)
{
    unsigned i;

    for (i = 0; i < p->nr_vps; i++) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp && X86_CPU(vp->cs)->apic_id == apic_id) {
            return vp;
        }
    }
    return NULL;
}

/* List elements are packed, as Linux has them, not padded to 8 bytes */
uint16_t hv_hc_get_vp_index_from_apic_id(HvHypercall *hc)
{
    uint8_t vtl = hc->in[8];

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if ((vtl & HV_INPUT_VTL_RSVD_MASK) ||
        (vtl & HV_INPUT_VTL_TARGET_MASK) >= hc->vp->partition->nr_vtls) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    for (; hc->reps_done < hc->rep_count; hc->reps_done++) {
        unsigned off = hc->reps_done * 4;
        HvVp *vp = hv_vp_by_apic_id(hc->vp->partition,
                                    ldl_le_p(hc->in + 16 + off));

        if (!vp) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        stl_le_p(hc->out + off, vp->index);
    }
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_ext_query_capabilities(HvHypercall *hc)
{
    stq_le_p(hc->out, HV_EXT_CAPABILITY_BOOT_ZEROED_MEMORY);
    return HV_STATUS_SUCCESS;
}

/* Granule in which memory is looked at: what a guest clears large pages by */
#define HV_ZEROED_GRANULE (2 * MiB)

/* The call is to cost less than the guest's own clearing of its memory */
#define HV_ZEROED_MAX_SCAN (4 * GiB)

typedef struct HvZeroedRange {
    uint64_t pfn;
    uint64_t pages;
} HvZeroedRange;

typedef struct HvZeroedScan {
    uint64_t left;
    GArray *ranges;
} HvZeroedScan;

static bool hv_zeroed_scan(Int128 start, Int128 len, const MemoryRegion *mr,
                           hwaddr offset, void *opaque)
{
    HvZeroedScan *scan = opaque;
    MemoryRegion *ram = (MemoryRegion *)mr;
    hwaddr gpa = int128_get64(start);
    hwaddr end = gpa + int128_get64(len);
    hwaddr pos = ROUND_UP(gpa, HV_ZEROED_GRANULE);
    HvZeroedRange *last = NULL, range;
    char *host;

    /* RAM proper, that nobody else writes: no ROM, no device memory */
    if (!memory_region_is_ram(ram) || memory_region_is_rom(ram) ||
        memory_region_is_ram_device(ram) || int128_gethi(len)) {
        return false;
    }
    host = (char *)memory_region_get_ram_ptr(ram) + offset - gpa;
    for (; pos < end && end - pos >= HV_ZEROED_GRANULE;
         pos += HV_ZEROED_GRANULE) {
        if (scan->left < HV_ZEROED_GRANULE) {
            return true;
        }
        scan->left -= HV_ZEROED_GRANULE;
        if (!buffer_is_zero(host + pos, HV_ZEROED_GRANULE)) {
            last = NULL;
            continue;
        }
        if (!last) {
            range.pfn = pos >> HV_PAGE_SHIFT;
            range.pages = 0;
            g_array_append_val(scan->ranges, range);
            last = &g_array_index(scan->ranges, HvZeroedRange,
                                  scan->ranges->len - 1);
        }
        last->pages += HV_ZEROED_GRANULE >> HV_PAGE_SHIFT;
    }
    return false;
}

static int hv_zeroed_larger(const void *a, const void *b)
{
    const HvZeroedRange *ra = a, *rb = b;

    return ra->pages < rb->pages ? 1 : ra->pages > rb->pages ? -1 : 0;
}

uint16_t hv_hc_ext_get_boot_zeroed_memory(HvHypercall *hc)
{
    g_autoptr(GArray) ranges = g_array_new(false, false,
                                           sizeof(HvZeroedRange));
    HvZeroedScan scan = { .left = HV_ZEROED_MAX_SCAN, .ranges = ranges };
    unsigned i, nr;

    WITH_RCU_READ_LOCK_GUARD() {
        FlatView *fv = address_space_to_flatview(&address_space_memory);

        flatview_for_each_range(fv, hv_zeroed_scan, &scan);
    }
    /* The largest first, for a guest that takes only some of them */
    g_array_sort(ranges, hv_zeroed_larger);
    nr = MIN(ranges->len, HV_BOOT_ZEROED_MAX_RANGES);
    stq_le_p(hc->out, nr);
    for (i = 0; i < nr; i++) {
        HvZeroedRange *r = &g_array_index(ranges, HvZeroedRange, i);

        stq_le_p(hc->out + 8 + i * 16, r->pfn);
        stq_le_p(hc->out + 16 + i * 16, r->pages);
    }
    return HV_STATUS_SUCCESS;
}
