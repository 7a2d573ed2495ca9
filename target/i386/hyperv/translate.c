/*
 * HvCallTranslateVirtualAddress (TLFS 9.4): a walk of a virtual processor's
 * page tables
 *
 * TCG has a walker of its own, but that one always sets the accessed bits,
 * fills the TLB, and ends with an exception where the hypercall has a result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "exec/memory.h"
#include "internal.h"
#include "trace.h"

#define HV_TRANSLATE_VALIDATE \
    (HV_TRANSLATE_VALIDATE_READ | HV_TRANSLATE_VALIDATE_WRITE | \
     HV_TRANSLATE_VALIDATE_EXECUTE)
/*
 * No CPU of ours has shadow stacks; and a TLB is locked by a higher trust level
 * than the one whose TLB it is.
 */
#define HV_TRANSLATE_FLAGS \
    (HV_TRANSLATE_VALIDATE | HV_TRANSLATE_PRIVILEGE_EXEMPT | \
     HV_TRANSLATE_SET_PAGE_TABLE_BITS | HV_TRANSLATE_SUPERVISOR_ACCESS | \
     HV_TRANSLATE_USER_ACCESS | HV_TRANSLATE_ENFORCE_SMAP | \
     HV_TRANSLATE_OVERRIDE_SMAP)

#define HV_PTE_LARGE_PAT    (1u << 12)
#define HV_PAE_CR3_MASK     0xffffffe0
/* R/W, U/S, A, D and G are reserved in the four entries that PAE begins with */
#define HV_PDPTE_RSVD       (PG_NX_MASK | 0x1e6)
#define HV_PAT_UNCACHED_MINUS 7

/**
 * HvWalk: a translation under way
 * @as: all memory; what the trust level may do there is looked up
 * @user, @supervisor: access as which it is checked; both or none are possible
 * @rights: PG_RW_MASK, PG_USER_MASK as they are set, PG_NX_MASK as it is clear,
 *          in all entries so far
 * @code: result, with @gpa and @pat_index of a success
 */
typedef struct HvWalk {
    HvVp *vp;
    CPUX86State *env;
    AddressSpace *as;
    uint64_t gva;
    uint64_t flags;
    bool user;
    bool supervisor;
    uint64_t rights;
    uint32_t code;
    uint64_t gpa;
    int pat_index;
} HvWalk;

static bool hv_walk_fail(HvWalk *w, uint32_t code)
{
    w->code = code;
    return false;
}

/*
 * What is mapped at @gpa: memory that the guest may read, write or execute, at
 * all
 */
static uint32_t hv_gpa_access(HvWalk *w, uint64_t gpa, uint64_t flags)
{
    bool write = flags & HV_TRANSLATE_VALIDATE_WRITE;
    uint8_t mask = hv_partition_vtl_access(w->vp->partition, w->vp->regs_vtl,
                                           gpa, NULL, NULL);
    hwaddr xlat, len = 1;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(w->as, gpa, &xlat, &len, write,
                                 MEMTXATTRS_UNSPECIFIED);
    if (!memory_region_is_ram(mr) && !memory_region_is_romd(mr)) {
        return HV_TRANSLATE_GPA_UNMAPPED;
    }
    if (((flags & HV_TRANSLATE_VALIDATE_READ) &&
         !(mask & HV_MAP_GPA_READABLE)) ||
        ((flags & HV_TRANSLATE_VALIDATE_EXECUTE) &&
         !(mask & hv_execute_mask(w->vp, w->user)))) {
        return HV_TRANSLATE_GPA_NO_READ_ACCESS;
    }
    if (write && (memory_region_is_rom(mr) || memory_region_is_romd(mr) ||
                  !(mask & HV_MAP_GPA_WRITABLE))) {
        return HV_TRANSLATE_GPA_NO_WRITE_ACCESS;
    }
    return HV_TRANSLATE_SUCCESS;
}

/* An entry's reserved bits, at any level but the first one of PAE */
static uint64_t hv_pte_rsvd(HvWalk *w, bool large, unsigned shift, bool pae)
{
    uint64_t rsvd = PG_ADDRESS_MASK &
                    ~MAKE_64BIT_MASK(0, X86_CPU(w->vp->cs)->phys_bits);

    if (!pae) {
        return large ? 1u << 21 : 0;
    }
    if (!(w->env->efer & MSR_EFER_NXE)) {
        rsvd |= PG_NX_MASK;
    }
    if (!(w->env->efer & MSR_EFER_LMA)) {
        rsvd |= PG_HI_USER_MASK;
    }
    if (large) {
        rsvd |= MAKE_64BIT_MASK(0, shift) & PG_ADDRESS_MASK & ~HV_PTE_LARGE_PAT;
    }
    return rsvd;
}

/* Protection keys; 0 if the CPU has none that apply to this page */
static uint32_t hv_pkey_bits(HvWalk *w, uint64_t pte)
{
    CPUX86State *env = w->env;
    uint32_t keys = 0;

    if (!(env->efer & MSR_EFER_LMA)) {
        return 0;
    }
    if (w->rights & PG_USER_MASK) {
        keys = env->cr[4] & CR4_PKE_MASK ? env->pkru : 0;
    } else {
        keys = env->cr[4] & CR4_PKS_MASK ? env->pkrs : 0;
    }
    return (keys >> ((pte & PG_PKRU_MASK) >> PG_PKRU_BIT) * 2) & 3;
}

static bool hv_walk_allowed(HvWalk *w, uint64_t pte)
{
    CPUX86State *env = w->env;
    bool exempt = !w->user && !w->supervisor;
    bool user_page = w->rights & PG_USER_MASK;
    bool read = w->flags & HV_TRANSLATE_VALIDATE_READ;
    bool write = w->flags & HV_TRANSLATE_VALIDATE_WRITE;
    bool execute = w->flags & HV_TRANSLATE_VALIDATE_EXECUTE;
    bool protect = w->user || (env->cr[0] & CR0_WP_MASK);
    uint32_t pkey;

    if ((write && protect && !(w->rights & PG_RW_MASK)) ||
        (execute && !(w->rights & PG_NX_MASK)) ||
        (w->user && !user_page)) {
        return false;
    }
    if (w->supervisor && user_page) {
        bool smap = (env->cr[4] & CR4_SMAP_MASK) &&
                    !(w->flags & HV_TRANSLATE_OVERRIDE_SMAP) &&
                    ((w->flags & HV_TRANSLATE_ENFORCE_SMAP) ||
                     !(env->eflags & AC_MASK));

        if ((execute && (env->cr[4] & CR4_SMEP_MASK)) ||
            ((read || write) && smap)) {
            return false;
        }
    }
    pkey = exempt ? 0 : hv_pkey_bits(w, pte);
    return !((pkey & 1) && (read || write)) &&
           !((pkey & 2) && write && protect);
}

/*
 * Set accessed and dirty bits.  All VPs are stopped, so that nobody else sets
 * any.
 */
static bool hv_walk_mark(HvWalk *w, uint64_t gpa, uint64_t pte, bool last)
{
    uint32_t set = PG_ACCESSED_MASK;

    if (last && (w->flags & HV_TRANSLATE_VALIDATE_WRITE)) {
        set |= PG_DIRTY_MASK;
    }
    if ((w->flags & HV_TRANSLATE_SET_PAGE_TABLE_BITS) && (set & ~pte)) {
        if (hv_gpa_access(w, gpa, HV_TRANSLATE_VALIDATE_WRITE) !=
            HV_TRANSLATE_SUCCESS) {
            return hv_walk_fail(w, HV_TRANSLATE_GPA_NO_WRITE_ACCESS);
        }
        /* They are in the lower half of an entry of either size */
        address_space_stl_le(w->as, gpa, pte | set, MEMTXATTRS_UNSPECIFIED,
                             NULL);
    }
    return true;
}

static bool hv_walk_load(HvWalk *w, uint64_t gpa, bool pae, uint64_t *pte)
{
    uint32_t code;

    if (hv_partition_is_overlay(w->vp->partition, gpa)) {
        return hv_walk_fail(w, HV_TRANSLATE_GPA_ILLEGAL_OVERLAY);
    }
    code = hv_gpa_access(w, gpa, HV_TRANSLATE_VALIDATE_READ);
    if (code != HV_TRANSLATE_SUCCESS) {
        return hv_walk_fail(w, code);
    }
    *pte = pae ? address_space_ldq_le(w->as, gpa, MEMTXATTRS_UNSPECIFIED,
                                      NULL) :
                 address_space_ldl_le(w->as, gpa, MEMTXATTRS_UNSPECIFIED, NULL);
    return true;
}

static bool hv_walk_tables(HvWalk *w)
{
    CPUX86State *env = w->env;
    bool lma = env->efer & MSR_EFER_LMA;
    bool pae = env->cr[4] & CR4_PAE_MASK;
    unsigned bits = pae ? 9 : 10;
    unsigned levels = !pae ? 2 : !lma ? 3 :
                      env->cr[4] & CR4_LA57_MASK ? 5 : 4;
    uint64_t table = pae && !lma ? env->cr[3] & HV_PAE_CR3_MASK :
                                   env->cr[3] & PG_ADDRESS_MASK;
    unsigned level, shift;

    w->rights = PG_RW_MASK | PG_USER_MASK | PG_NX_MASK;
    for (level = levels; ; level--) {
        bool pdpte = pae && !lma && level == 3;
        bool large, last;
        uint64_t pte, gpa, rsvd, address;

        shift = TARGET_PAGE_BITS + bits * (level - 1);
        gpa = table + ((w->gva >> shift) & MAKE_64BIT_MASK(0, bits)) *
                      (pae ? 8 : 4);
        if (!hv_walk_load(w, gpa, pae, &pte)) {
            return false;
        }
        if (!(pte & PG_PRESENT_MASK)) {
            return hv_walk_fail(w, HV_TRANSLATE_PAGE_NOT_PRESENT);
        }
        large = level > 1 && !pdpte && (pte & PG_PSE_MASK) &&
                (pae || (env->cr[4] & CR4_PSE_MASK));
        last = level == 1 || large;
        rsvd = hv_pte_rsvd(w, large, shift, pae);
        if (pdpte) {
            rsvd |= HV_PDPTE_RSVD;
        } else if (level > 3) {
            rsvd |= PG_PSE_MASK;
        }
        if (pte & rsvd) {
            return hv_walk_fail(w, HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS);
        }
        if (!pdpte) {
            w->rights &= pte ^ PG_NX_MASK;
            if (last && !hv_walk_allowed(w, pte)) {
                return hv_walk_fail(w, HV_TRANSLATE_PRIVILEGE_VIOLATION);
            }
            if (!hv_walk_mark(w, gpa, pte, last)) {
                return false;
            }
        }
        address = pte & PG_ADDRESS_MASK;
        if (large && !pae) {
            /* PSE-36 */
            address |= extract64(pte, 13, 8) << 32;
        }
        if (last) {
            w->gpa = (address & ~MAKE_64BIT_MASK(0, shift)) |
                     (w->gva & MAKE_64BIT_MASK(0, shift));
            w->pat_index = (pte & PG_PWT_MASK ? 1 : 0) |
                           (pte & PG_PCD_MASK ? 2 : 0);
            if (pte & (large ? HV_PTE_LARGE_PAT : PG_PSE_MASK)) {
                w->pat_index |= 4;
            }
            return true;
        }
        table = address;
    }
}

static bool hv_walk(HvWalk *w)
{
    CPUX86State *env = w->env;
    unsigned shift = env->cr[4] & CR4_LA57_MASK ? 56 : 47;
    int64_t sext;

    if (!(env->efer & MSR_EFER_LMA)) {
        w->gva = (uint32_t)w->gva;
    }
    if (!(env->cr[0] & CR0_PG_MASK)) {
        w->gpa = w->gva;
        return true;
    }
    sext = (int64_t)w->gva >> shift;
    if ((env->efer & MSR_EFER_LMA) && sext != 0 && sext != -1) {
        return hv_walk_fail(w, HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS);
    }
    if (!hv_walk_tables(w)) {
        return false;
    }
    w->code = hv_gpa_access(w, w->gpa, w->flags);
    return w->code == HV_TRANSLATE_SUCCESS;
}

/* HV_TRANSLATE_GVA_RESULT */
static uint64_t hv_walk_result(HvWalk *w)
{
    uint64_t type = HV_CACHE_TYPE_WRITE_BACK;
    uint64_t result = w->code;

    if (w->code != HV_TRANSLATE_SUCCESS) {
        return result;
    }
    if (w->pat_index >= 0) {
        type = extract64(w->env->pat, w->pat_index * 8, 8);
        if (type == HV_PAT_UNCACHED_MINUS) {
            type = HV_CACHE_TYPE_UNCACHED;
        }
    }
    result |= type << HV_TRANSLATE_CACHE_TYPE_SHIFT;
    if (hv_partition_is_overlay(w->vp->partition, w->gpa)) {
        result |= HV_TRANSLATE_OVERLAY_PAGE;
    }
    return result;
}

/* The exception that the access would raise, as HV_X64_PENDING_EVENT */
static void hv_walk_event(HvWalk *w, uint8_t *event)
{
    bool canonical = hv_canonical(w->env, w->gva);
    uint32_t vector = canonical ? EXCP0E_PAGE : EXCP0D_GPF;
    uint32_t error = 0;

    if (w->code == HV_TRANSLATE_SUCCESS ||
        w->code >= HV_TRANSLATE_GPA_UNMAPPED) {
        return;
    }
    if (canonical) {
        if (w->code != HV_TRANSLATE_PAGE_NOT_PRESENT) {
            error |= PG_ERROR_P_MASK;
        }
        if (w->code == HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS) {
            error |= PG_ERROR_RSVD_MASK;
        }
        if (w->flags & HV_TRANSLATE_VALIDATE_WRITE) {
            error |= PG_ERROR_W_MASK;
        } else if ((w->flags & HV_TRANSLATE_VALIDATE_EXECUTE) &&
                   !(w->flags & HV_TRANSLATE_VALIDATE_READ)) {
            error |= PG_ERROR_I_D_MASK;
        }
        if (w->user) {
            error |= PG_ERROR_U_MASK;
        }
    }
    stq_le_p(event, HV_PENDING_EVENT | HV_PENDING_EVENT_ERROR_CODE |
                    vector << HV_PENDING_EVENT_VECTOR_SHIFT |
                    (uint64_t)error << HV_PENDING_EVENT_ERROR_SHIFT);
    stq_le_p(event + 8, canonical ? w->gva : 0);
}

static void hv_translate(HvHypercall *hc, HvVp *vp, HvWalk *w)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    uint64_t flags = ldq_le_p(hc->in + 16);

    *w = (HvWalk) {
        .vp = vp,
        .env = env,
        .as = hv_partition_memory(vp->partition, vp->partition->nr_vtls - 1),
        .gva = ldq_le_p(hc->in + 24) << HV_PAGE_SHIFT,
        .flags = flags,
        .user = flags & HV_TRANSLATE_USER_ACCESS,
        .supervisor = flags & HV_TRANSLATE_SUPERVISOR_ACCESS,
        .pat_index = -1,
    };
    if (flags & HV_TRANSLATE_PRIVILEGE_EXEMPT) {
        w->user = false;
        w->supervisor = false;
    } else if (!w->user && !w->supervisor) {
        w->user = (env->hflags & HF_CPL_MASK) == 3;
        w->supervisor = !w->user;
    }
    if (!hv_walk(w)) {
        w->gpa = 0;
    }
    trace_hv_translate(vp->index, w->gva, flags, w->code, w->gpa);
}

static uint16_t hv_translate_vp(HvHypercall *hc, HvVp *vp)
{
    HvWalk w;

    hv_translate(hc, vp, &w);
    stq_le_p(hc->out, hv_walk_result(&w));
    stq_le_p(hc->out + 8, w.gpa >> HV_PAGE_SHIFT);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_translate_vp_ex(HvHypercall *hc, HvVp *vp)
{
    HvWalk w;

    hv_translate(hc, vp, &w);
    stq_le_p(hc->out, hv_walk_result(&w));
    hv_walk_event(&w, hc->out + 16);
    stq_le_p(hc->out + 48, w.gpa >> HV_PAGE_SHIFT);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_hc_translate_check(HvHypercall *hc, HvVpFn *fn)
{
    uint64_t flags = ldq_le_p(hc->in + 16);
    uint8_t input_vtl = flags >> HV_TRANSLATE_INPUT_VTL_SHIFT;
    unsigned vtl;
    uint16_t status;

    flags &= MAKE_64BIT_MASK(0, HV_TRANSLATE_INPUT_VTL_SHIFT);
    if (ldl_le_p(hc->in + 12) || (flags & ~HV_TRANSLATE_FLAGS) ||
        !(flags & HV_TRANSLATE_VALIDATE)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    status = hv_input_vtl(hc->vp, input_vtl, &vtl);
    return status == HV_STATUS_SUCCESS ?
           hv_hc_on_vp(hc, vtl, flags & HV_TRANSLATE_SET_PAGE_TABLE_BITS, fn) :
           status;
}

uint16_t hv_hc_translate(HvHypercall *hc)
{
    return hv_hc_translate_check(hc, hv_translate_vp);
}

uint16_t hv_hc_translate_ex(HvHypercall *hc)
{
    return hv_hc_translate_check(hc, hv_translate_vp_ex);
}
