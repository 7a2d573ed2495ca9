/*
 * Hyper-V hypercalls that look at a virtual processor, be it another one
 * (TLFS 7.10): its registers, and starting it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "trace.h"

/* Where the lists of HvCallGet and SetVpRegisters begin */
#define HV_VP_REGISTERS_LIST    16

typedef struct HvVpCall {
    HvHypercall *hc;
    HvVpFn *fn;
    unsigned vtl;
    uint16_t status;
} HvVpCall;

static void hv_vp_call_vtl(HvVp *vp, void *opaque)
{
    HvVpCall *c = opaque;

    if (X86_CPU(vp->cs)->env.hflags & (HF_GUEST_MASK | HF_SMM_MASK)) {
        /* What it has are the registers of its own guest, or the firmware's */
        c->status = HV_STATUS_INVALID_VP_STATE;
    } else {
        c->status = c->fn(c->hc, vp);
    }
}

static void hv_vp_call(HvVp *vp, void *opaque)
{
    HvVpCall *c = opaque;
    unsigned vtl;

    if (!vp) {
        c->status = HV_STATUS_INVALID_VP_INDEX;
        return;
    }
    vtl = c->vtl == HV_VTL_ACTIVE ? vp->active_vtl : c->vtl;
    if (!hv_vtl_enabled(vp, vtl)) {
        c->status = HV_STATUS_INVALID_VTL_STATE;
    } else {
        hv_vtl_with_regs(vp, vtl, hv_vp_call_vtl, c);
    }
}

uint16_t hv_hc_on_vp(HvHypercall *hc, unsigned vtl, bool alone, HvVpFn *fn)
{
    HvVp *self = hc->vp;
    uint32_t index = ldl_le_p(hc->in + 8);
    HvVpCall c = { .hc = hc, .fn = fn, .vtl = vtl };

    if (!hv_is_own_partition(ldq_le_p(hc->in))) {
        return HV_STATUS_INVALID_PARTITION_ID;
    }
    if (index == HV_VP_INDEX_SELF) {
        index = self->index;
    }
    if (!hv_partition_vp(self->partition, index)) {
        /* Stops nobody */
        return HV_STATUS_INVALID_VP_INDEX;
    }
    if (index == self->index && !alone) {
        BQL_LOCK_GUARD();
        hv_vp_call(self, &c);
    } else {
        self->partition->ops->run_on_vp(self, index, hv_vp_call, &c);
    }
    return c.status;
}

static void hv_alone_call(HvVp *vp, void *opaque)
{
    HvVpCall *c = opaque;

    c->status = c->fn(c->hc, vp);
}

uint16_t hv_hc_alone(HvHypercall *hc, HvVpFn *fn)
{
    HvVpCall c = { .hc = hc, .fn = fn };

    hc->vp->partition->ops->run_on_vp(hc->vp, hc->vp->index, hv_alone_call, &c);
    return c.status;
}

/* InputVtl, and the padding behind it */
static uint16_t hv_vp_registers_vtl(HvHypercall *hc, unsigned *vtl)
{
    return hc->in[13] || hc->in[14] || hc->in[15] ?
           HV_STATUS_INVALID_PARAMETER :
           hv_input_vtl(hc->vp, hc->in[12], vtl);
}

static uint16_t hv_get_vp_registers(HvHypercall *hc, HvVp *vp)
{
    const uint8_t *names = hc->in + HV_VP_REGISTERS_LIST;

    for (; hc->reps_done < hc->rep_count; hc->reps_done++) {
        uint8_t *out = hc->out + hc->reps_done * 16;
        HvRegValue val;
        uint16_t status = hv_reg_get(vp, ldl_le_p(names + hc->reps_done * 4),
                                     &val);

        if (status != HV_STATUS_SUCCESS) {
            return status;
        }
        stq_le_p(out, val.low);
        stq_le_p(out + 8, val.high);
    }
    return HV_STATUS_SUCCESS;
}

uint16_t hv_hc_get_vp_registers(HvHypercall *hc)
{
    unsigned vtl;
    uint16_t status = hv_vp_registers_vtl(hc, &vtl);

    return status == HV_STATUS_SUCCESS ?
           hv_hc_on_vp(hc, vtl, false, hv_get_vp_registers) : status;
}

/* An element is name, padding, value */
static uint16_t hv_set_vp_register(HvHypercall *hc, HvVp *vp,
                                   const uint8_t *element)
{
    uint32_t name = ldl_le_p(element);
    HvRegValue val = {
        .low = ldq_le_p(element + 16),
        .high = ldq_le_p(element + 24),
    };

    if (ldl_le_p(element + 4) || ldq_le_p(element + 8)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (hv_intercepts_reg(vp, hc->vp->active_vtl, name, val.low)) {
        /* Not this way either */
        return HV_STATUS_ACCESS_DENIED;
    }
    return hv_reg_set(vp, name, val);
}

static uint16_t hv_set_vp_registers(HvHypercall *hc, HvVp *vp)
{
    const uint8_t *list = hc->in + HV_VP_REGISTERS_LIST;
    uint16_t status = HV_STATUS_SUCCESS;

    while (hc->reps_done < hc->rep_count && status == HV_STATUS_SUCCESS) {
        status = hv_set_vp_register(hc, vp, list + hc->reps_done * 32);
        if (status == HV_STATUS_SUCCESS) {
            hc->reps_done++;
        }
    }
    hv_regs_changed(vp);
    return status;
}

uint16_t hv_hc_set_vp_registers(HvHypercall *hc)
{
    unsigned epoch = qatomic_read(&hc->vp->partition->protection_epoch);
    unsigned vtl;
    uint16_t status = hv_vp_registers_vtl(hc, &vtl);

    if (status == HV_STATUS_SUCCESS) {
        status = hv_hc_on_vp(hc, vtl, false, hv_set_vp_registers);
    }
    if (qatomic_read(&hc->vp->partition->protection_epoch) != epoch) {
        hv_flush_all_vps(hc->vp);
    }
    return status;
}

/*
 * HV_INITIAL_VP_CONTEXT.  In this order, each is valid together with what was
 * set before: paging after PAE and LME.
 */
static const struct {
    uint16_t offset;
    uint8_t size;
    uint32_t name;
} hv_initial_context[] = {
    { 208, 8, HV_X64_REGISTER_CR4 },
    { 184, 8, HV_X64_REGISTER_EFER },
    { 192, 8, HV_X64_REGISTER_CR0 },
    { 200, 8, HV_X64_REGISTER_CR3 },
    { 216, 8, HV_X64_REGISTER_PAT },
    { 0, 8, HV_X64_REGISTER_RIP },
    { 8, 8, HV_X64_REGISTER_RSP },
    { 16, 8, HV_X64_REGISTER_RFLAGS },
    { 24, 16, HV_X64_REGISTER_CS },
    { 40, 16, HV_X64_REGISTER_DS },
    { 56, 16, HV_X64_REGISTER_ES },
    { 72, 16, HV_X64_REGISTER_FS },
    { 88, 16, HV_X64_REGISTER_GS },
    { 104, 16, HV_X64_REGISTER_SS },
    { 120, 16, HV_X64_REGISTER_TR },
    { 136, 16, HV_X64_REGISTER_LDTR },
    { 152, 16, HV_X64_REGISTER_IDTR },
    { 168, 16, HV_X64_REGISTER_GDTR },
};

#define HV_START_VP_CONTEXT     16

uint16_t hv_vp_load_context(HvVp *vp, const uint8_t *context)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_initial_context); i++) {
        const uint8_t *field = context + hv_initial_context[i].offset;
        HvRegValue val = {
            .low = ldq_le_p(field),
            .high = hv_initial_context[i].size == 16 ? ldq_le_p(field + 8) : 0,
        };

        if (hv_reg_set(vp, hv_initial_context[i].name,
                       val) != HV_STATUS_SUCCESS) {
            return HV_STATUS_INVALID_REGISTER_VALUE;
        }
    }
    hv_regs_changed(vp);
    return HV_STATUS_SUCCESS;
}

/* Called with the registers of the trust level that is to be started */
static void hv_start_vtl(HvVp *vp, void *opaque)
{
    HvVpInit *start = opaque;

    if (!hv_vp_waits_for_startup(vp)) {
        start->status = HV_STATUS_INVALID_VP_STATE;
        return;
    }
    /* Nothing of what it was before, and no INIT or SIPI still on its way */
    hv_vtl_init_regs(vp);
    start->status = hv_vp_load_context(vp, start->context);
    if (start->status != HV_STATUS_SUCCESS) {
        hv_vtl_init_regs(vp);
        return;
    }
    vp->cs->halted = 0;
    trace_hv_vp_start(vp->index, vp->regs_vtl,
                      X86_CPU(vp->cs)->env.eip);
}

static uint16_t hv_start_vp(HvHypercall *hc, HvVp *vp)
{
    HvVpInit start = { .context = hc->in + HV_START_VP_CONTEXT };
    unsigned vtl = hc->in[12];

    if (!hv_vtl_enabled(vp, vtl)) {
        return HV_STATUS_INVALID_VTL_STATE;
    }
    if (vp == hc->vp && vtl == vp->active_vtl) {
        return HV_STATUS_INVALID_VP_STATE;
    }
    if (vtl > vp->active_vtl && hv_vp_waits_for_startup(vp)) {
        /* An INIT that QEMU has left pending is not to hit the higher one */
        hv_vtl_init_regs(vp);
    }
    hv_vtl_with_regs(vp, vtl, hv_start_vtl, &start);
    if (start.status == HV_STATUS_SUCCESS) {
        hv_vtl_start(vp, vtl);
        qemu_cpu_kick(vp->cs);
    }
    return start.status;
}

uint16_t hv_hc_start_vp(HvHypercall *hc)
{
    HvVp *self = hc->vp;

    /* TargetVtl is a HV_VTL, the padding is reserved */
    if (hc->in[12] >= self->partition->nr_vtls ||
        hc->in[13] || hc->in[14] || hc->in[15]) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (hc->in[12] > self->active_vtl ||
        hv_vsm_startup_denied(self->partition, self->active_vtl)) {
        return HV_STATUS_ACCESS_DENIED;
    }
    return hv_hc_on_vp(hc, HV_VTL_ACTIVE, false, hv_start_vp);
}
