/*
 * Hyper-V hypercalls on VTL protections (TLFS 15.9, 15.15)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "block/block.h"
#include "cpu.h"
#include "exec/memory.h"
#include "internal.h"
#include "trace.h"

/* Where the lists of pages begin */
#define HV_PAGE_LIST            16

#define HV_MAP_GPA_EXECUTABLE \
    (HV_MAP_GPA_KERNEL_EXECUTABLE | HV_MAP_GPA_USER_EXECUTABLE)

bool hv_protection_mask_valid(HvPartition *p, unsigned vtl, uint32_t mask)
{
    if ((mask & ~HV_MAP_GPA_ALL) ||
        (mask && !(mask & HV_MAP_GPA_READABLE))) {
        return false;
    }
    /* What TLFS 15.9.4 leaves undefined; without MBEC the latter is ignored */
    return !hv_mbec_enabled(p, vtl) ||
           (mask & HV_MAP_GPA_EXECUTABLE) != HV_MAP_GPA_KERNEL_EXECUTABLE;
}

/* Memory, be there an overlay over it */
static bool hv_gpa_is_memory(AddressSpace *as, uint64_t page)
{
    hwaddr xlat, len = 1;
    MemoryRegion *mr;

    if (page >> (HV_GPA_BITS_MAX - HV_PAGE_SHIFT)) {
        return false;
    }
    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(as, page << HV_PAGE_SHIFT, &xlat, &len, false,
                                 MEMTXATTRS_UNSPECIFIED);
    return memory_region_is_ram(mr) || memory_region_is_romd(mr);
}

void hv_flush_all_vps(HvVp *self)
{
    DECLARE_BITMAP(vps, HV_VP_SET_VPS);

    hv_vp_set_all(self->partition, vps);
    self->partition->ops->flush_tlb(self, vps, NULL, 0);
}

static uint16_t hv_protect_pages(HvHypercall *hc, uint8_t mask)
{
    HvPartition *p = hc->vp->partition;
    AddressSpace *as = hv_partition_memory(p, hc->vp->active_vtl);
    const uint8_t *list = hc->in + HV_PAGE_LIST;

    for (; hc->reps_done < hc->rep_count; hc->reps_done++) {
        uint64_t page = ldq_le_p(list + hc->reps_done * 8);

        if (!hv_gpa_is_memory(as, page)) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        if (!hv_partition_protect(p, hc->vp->active_vtl,
                                  page << HV_PAGE_SHIFT, mask)) {
            return HV_STATUS_OPERATION_DENIED;
        }
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_modify_protections(HvHypercall *hc, uint8_t mask)
{
    uint16_t status;
    BQL_LOCK_GUARD();

    status = hv_protect_pages(hc, mask);
    if ((mask & HV_MAP_GPA_RW) != HV_MAP_GPA_RW) {
        /* What disks are about to access, they have looked up before */
        bdrv_drain_all();
    }
    return status;
}

/*
 * TargetVtl is the one that is protected from, or not named: everyone below
 * the caller is.  There is one set of protections for each VTL that sets some.
 */
uint16_t hv_hc_modify_vtl_protection_mask(HvHypercall *hc)
{
    HvVp *vp = hc->vp;
    uint32_t mask = ldl_le_p(hc->in + 8);
    uint8_t target = hc->in[12];
    uint16_t status;

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if ((target & HV_INPUT_VTL_RSVD_MASK) ||
        hc->in[13] || hc->in[14] || hc->in[15] || !vp->active_vtl ||
        ((target & HV_INPUT_VTL_USE_TARGET) &&
         (target & HV_INPUT_VTL_TARGET_MASK) >= vp->active_vtl)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!vp->partition->vtl[vp->active_vtl].protection.enabled) {
        return HV_STATUS_ACCESS_DENIED;
    }
    if (!hv_protection_mask_valid(vp->partition, vp->active_vtl, mask)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    status = hv_modify_protections(hc, mask);
    trace_hv_modify_protections(vp->index, vp->active_vtl, mask,
                                hc->rep_start, hc->reps_done);
    hv_flush_all_vps(vp);
    return status;
}

uint16_t hv_hc_check_sparse_gpa_page_vtl_access(HvHypercall *hc)
{
    HvVp *vp = hc->vp;
    uint8_t target = hc->in[8], desired = hc->in[9];
    const uint8_t *list = hc->in + HV_PAGE_LIST;

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if ((target & HV_INPUT_VTL_RSVD_MASK) || (desired & ~HV_MAP_GPA_ALL) ||
        hc->in[10] || hc->in[11] || ldl_le_p(hc->in + 12)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!(target & HV_INPUT_VTL_USE_TARGET)) {
        target = vp->active_vtl;
    }
    target &= HV_INPUT_VTL_TARGET_MASK;
    if (target > vp->active_vtl) {
        return HV_STATUS_ACCESS_DENIED;
    }
    for (; hc->reps_done < hc->rep_count; hc->reps_done++) {
        uint64_t page = ldq_le_p(list + hc->reps_done * 8);
        uint64_t result = 0;
        unsigned by = 0;
        uint8_t denied;

        if (page >> (HV_GPA_BITS_MAX - HV_PAGE_SHIFT)) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        denied = desired & ~hv_partition_vtl_access(vp->partition, target,
                                                    page << HV_PAGE_SHIFT, &by,
                                                    NULL);
        if (denied) {
            result = HV_CHECK_ACCESS_MEMORY_INTERCEPT |
                     denied << HV_CHECK_ACCESS_DENIED_SHIFT |
                     by << HV_CHECK_ACCESS_VTL_SHIFT;
        }
        stq_le_p(hc->out + hc->reps_done * 8, result);
    }
    return HV_STATUS_SUCCESS;
}
