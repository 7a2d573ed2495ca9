/*
 * Hyper-V secure intercepts (TLFS 15.13): what a trust level must not do is
 * told to a higher one, which runs next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "internal.h"
#include "trace.h"

/* The SINT that is the hypervisor's own (TLFS 11.6) */
#define HV_INTERCEPT_SINT       0

/* The slot is free: called with the VP's lock held */
static void hv_intercept_deliver(HvMsgSource *src, struct hyperv_message *msg)
{
    HvIntercept *ic = container_of(src, HvIntercept, src);

    if (!msg) {
        return;
    }
    msg->header.message_type = cpu_to_le32(ic->type);
    msg->header.payload_size = ic->size;
    msg->header.sender = cpu_to_le64(HV_PARTITION_ID);
    memcpy(msg->payload, ic->payload, ic->size);
}

static uint16_t hv_execution_state(HvVp *vp)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    uint16_t state = env->hflags & HF_CPL_MASK;

    if (env->cr[0] & CR0_PE_MASK) {
        state |= HV_EXECUTION_STATE_PE;
    }
    if (env->cr[0] & CR0_AM_MASK) {
        state |= HV_EXECUTION_STATE_AM;
    }
    if (env->efer & MSR_EFER_LMA) {
        state |= HV_EXECUTION_STATE_LMA;
    }
    if (env->dr[7] & (DR7_GLOBAL_BP_MASK | DR7_LOCAL_BP_MASK)) {
        state |= HV_EXECUTION_STATE_DEBUG;
    }
    if (env->hflags & HF_INHIBIT_IRQ_MASK) {
        state |= HV_EXECUTION_STATE_SHADOW;
    }
    return state | vp->active_vtl << HV_EXECUTION_STATE_VTL_SHIFT;
}

static uint8_t hv_tpr(HvVp *vp)
{
    return cpu_get_apic_tpr(X86_CPU(vp->cs)->apic_state);
}

static void hv_intercept_header(HvVp *vp, struct hv_x64_intercept_header *h,
                                unsigned insn_len, uint8_t access)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    HvRegValue cs = {};

    hv_reg_get(vp, HV_X64_REGISTER_CS, &cs);
    stl_le_p(&h->vp_index, vp->index);
    h->instruction_length = insn_len | hv_tpr(vp) << 4;
    h->access_type = access;
    stw_le_p(&h->execution_state, hv_execution_state(vp));
    stq_le_p(&h->cs_base, cs.low);
    stq_le_p(&h->cs_rest, cs.high);
    stq_le_p(&h->rip, env->eip);
    stq_le_p(&h->rflags, cpu_compute_eflags(env));
}

/* Of the instruction at RIP, as far as it is mapped; it may be shorter */
static unsigned hv_instruction_bytes(HvVp *vp, uint8_t *buf, unsigned max)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    vaddr pc = env->segs[R_CS].base + env->eip;
    unsigned here = MIN(max, HV_PAGE_SIZE - pc % HV_PAGE_SIZE);

    if (cpu_memory_rw_debug(vp->cs, pc, buf, here, false)) {
        return 0;
    }
    if (here < max && !cpu_memory_rw_debug(vp->cs, pc + here, buf + here,
                                           max - here, false)) {
        return max;
    }
    return here;
}

/*
 * There is one message for each VP and trust level: the VP does not go on
 * before the last one has been seen to (TLFS 11.4).
 */
static bool hv_intercept(HvVp *vp, unsigned vtl, uint32_t type,
                         const void *payload, uint8_t size)
{
    HvIntercept *ic = &vp->vtl[vtl].intercept;

    hv_vp_lock(vp);
    hv_synic_cancel(&vp->vtl[vtl], &ic->src);
    ic->src.deliver = hv_intercept_deliver;
    ic->type = type;
    ic->size = size;
    memcpy(ic->payload, payload, size);
    hv_synic_post(&vp->vtl[vtl], &ic->src, HV_INTERCEPT_SINT);
    hv_vp_unlock(vp);
    return hv_vtl_enter(X86_CPU(vp->cs), vtl, HV_VTL_ENTRY_INTERCEPT);
}

bool hv_intercept_memory(HvVp *vp, const HvMemoryAccess *a)
{
    struct hv_x64_memory_intercept m = {};
    uint8_t info = 0;
    unsigned vtl = 0;

    hv_partition_vtl_access(vp->partition, vp->active_vtl, a->gpa, &vtl, NULL);
    if (!vtl) {
        /* Allowed meanwhile, by another VP: done again, it will succeed */
        return true;
    }
    hv_intercept_header(vp, &m.header, 0, a->access);
    stl_le_p(&m.cache_type, HV_CACHE_TYPE_WRITE_BACK);
    if (a->access != HV_INTERCEPT_ACCESS_EXECUTE) {
        m.instruction_byte_count =
            hv_instruction_bytes(vp, m.instruction_bytes,
                                 sizeof(m.instruction_bytes));
    }
    if (a->gva_valid) {
        info |= HV_MEMORY_ACCESS_GVA_VALID;
        stq_le_p(&m.gva, a->gva);
        if (!a->page_walk) {
            info |= HV_MEMORY_ACCESS_GVA_GPA_VALID;
        }
    }
    m.memory_access_info = info;
    m.tpr_priority = hv_tpr(vp);
    stq_le_p(&m.gpa, a->gpa);
    trace_hv_intercept_memory(vp->index, vtl, a->access, a->gva, a->gpa,
                              X86_CPU(vp->cs)->env.eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_GPA_INTERCEPT, &m, sizeof(m));
}
