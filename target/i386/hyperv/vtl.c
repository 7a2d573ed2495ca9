/*
 * Hyper-V virtual trust levels of x86 CPUs (TLFS 15): the private state of
 * each, and switching from one to another
 *
 * The CPU's state in QEMU has what all trust levels share, and the private
 * registers of one of them.  Those of the others are in their contexts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "hw/intc/i8259.h"
#include "hw/qdev-properties.h"
#include "internal.h"
#include "migration/cpu.h"
#include "trace.h"

QEMU_BUILD_BUG_ON(APIC_VTLS != HV_NUM_VTLS);

/*
 * Fields of CPUX86State that are private (TLFS 15.11).  Those of SVM are among
 * them because a nested guest belongs to one trust level and may be interrupted
 * by another.
 */
#ifdef TARGET_X86_64
#define HV_PRIVATE_FIELDS_64(X) \
    X(lstar) X(cstar) X(fmask) X(kernelgsbase)
#define HV_LAST_OF_SYSCALL kernelgsbase
#else
#define HV_PRIVATE_FIELDS_64(X)
#define HV_LAST_OF_SYSCALL vm_hsave
#endif

#define HV_PRIVATE_FIELDS(X) \
    X(eip) X(hflags) X(hflags2) X(segs) X(ldt) X(tr) X(gdt) X(idt) \
    X(pdptrs_valid) X(pdptrs) X(efer) X(sysenter_cs) X(sysenter_esp) \
    X(sysenter_eip) X(star) X(vm_hsave) HV_PRIVATE_FIELDS_64(X) X(tsc_aux) \
    X(pat) X(error_code) X(exception_is_int) X(exception_next_eip) \
    X(old_exception) X(pkrs) X(vm_vmcb) X(tsc_offset) X(intercept) \
    X(intercept_cr_read) X(intercept_cr_write) X(intercept_dr_read) \
    X(intercept_dr_write) X(intercept_exceptions) X(nested_cr3) \
    X(nested_pg_mode) X(v_tpr) X(int_ctl)

/* The same in pieces, each from one field to another as CPUX86State has them */
#define HV_PRIVATE_PIECES(X) \
    X(eip, eip) X(hflags, segs) X(ldt, idt) X(pdptrs_valid, pdptrs) \
    X(efer, efer) X(sysenter_cs, sysenter_eip) X(star, HV_LAST_OF_SYSCALL) \
    X(tsc_aux, tsc_aux) X(pat, pat) X(pkrs, pkrs) \
    X(error_code, exception_next_eip) X(old_exception, old_exception) \
    X(vm_vmcb, nested_cr3) X(nested_pg_mode, int_ctl)

#define HV_FIELD_DECLARE(F) typeof_field(CPUX86State, F) F;

#define HV_PIECE_SIZE(T, FIRST, LAST) \
    (offsetof(T, LAST) + sizeof_field(T, LAST) - offsetof(T, FIRST))

/**
 * HvVtlContext: the private state of a trust level
 * @apic: its local APIC; the other fields are valid while it does not run
 * @rflags: all of them, wherever the CPU loop keeps some
 * @exception_index: an exception to be delivered first of all, or -1
 * @halted, @idle: it waits for an interrupt
 */
struct HvVtlContext {
    APICCommonState *apic;
    target_ulong rsp;
    target_ulong rflags;
    target_ulong cr0;
    target_ulong cr3;
    target_ulong cr4;
    target_ulong dr6;
    target_ulong dr7;
    HV_PRIVATE_FIELDS(HV_FIELD_DECLARE)
    int32_t exception_index;
    uint64_t pending_event;
    bool halted;
    bool idle;
};

/* Pieces have no gaps, in which other fields could be */
#define HV_PIECE_CHECK(FIRST, LAST) \
    QEMU_BUILD_BUG_ON(HV_PIECE_SIZE(HvVtlContext, FIRST, LAST) != \
                      HV_PIECE_SIZE(CPUX86State, FIRST, LAST));
HV_PRIVATE_PIECES(HV_PIECE_CHECK)

static void hv_context_save(HvVp *vp, HvVtlContext *c)
{
    CPUX86State *env = hv_env(vp);

#define HV_PIECE_SAVE(FIRST, LAST) \
    memcpy(&c->FIRST, &env->FIRST, HV_PIECE_SIZE(HvVtlContext, FIRST, LAST));
    HV_PRIVATE_PIECES(HV_PIECE_SAVE)
    c->rsp = env->regs[R_ESP];
    c->rflags = cpu_compute_eflags(env);
    c->cr0 = env->cr[0];
    c->cr3 = env->cr[3];
    c->cr4 = env->cr[4];
    c->dr6 = env->dr[6];
    c->dr7 = env->dr[7];
    c->exception_index = vp->cs->exception_index < EXCP_INTERRUPT ?
                         vp->cs->exception_index : -1;
    c->pending_event = vp->pending_event;
    c->halted = vp->cs->halted;
    c->idle = vp->idle;
}

/* What MMU indexes and translated blocks go by; see docs/internals.rst */
static void hv_vtl_mark(CPUX86State *env, unsigned vtl)
{
    env->hflags = deposit32(env->hflags, HF_VTL1_SHIFT, 1, !!vtl);
}

static void hv_context_load(HvVp *vp, unsigned vtl)
{
    const HvVtlContext *c = vp->context[vtl];
    CPUX86State *env = hv_env(vp);

#define HV_PIECE_LOAD(FIRST, LAST) \
    memcpy(&env->FIRST, &c->FIRST, HV_PIECE_SIZE(HvVtlContext, FIRST, LAST));
    HV_PRIVATE_PIECES(HV_PIECE_LOAD)
    hv_vtl_mark(env, vtl);
    env->regs[R_ESP] = c->rsp;
    env->eflags = c->rflags;
    env->df = c->rflags & DF_MASK ? -1 : 1;
    env->cc_src = c->rflags & (CC_C | CC_P | CC_A | CC_Z | CC_S | CC_O);
    env->cc_op = CC_OP_EFLAGS;
    env->cr[0] = c->cr0;
    env->cr[3] = c->cr3;
    env->cr[4] = c->cr4;
    env->dr[6] = c->dr6;
    env->dr[7] = c->dr7;
    if (c->cr4 & CR4_OSXSAVE_MASK) {
        /* These go by XCR0, too, which is shared */
        cpu_sync_bndcs_hflags(env);
        cpu_sync_avx_hflag(env);
    }
    vp->cs->exception_index = c->exception_index;
    vp->pending_event = c->pending_event;
    vp->cs->halted = c->halted;
    vp->idle = c->idle;
    env_archcpu(env)->apic_state = &c->apic->parent_obj;
}

/* The CPU's state has the private registers of @from, and gets those of @to */
static void hv_context_exchange(HvVp *vp, unsigned from, unsigned to)
{
    hv_context_save(vp, vp->context[from]);
    hv_context_load(vp, to);
    vp->regs_vtl = to;
}

/* As INIT leaves a CPU, as far as it is private */
static void hv_context_reset(HvVp *vp, HvVtlContext *c)
{
    CPUX86State *env = hv_env(vp);
    APICCommonState *apic = c->apic;

    memset(c, 0, sizeof(*c));
    c->apic = apic;
    c->rflags = 2;
    c->cr0 = CR0_ET_MASK;
    c->dr6 = DR6_FIXED_1;
    c->dr7 = DR7_FIXED_1;
    c->hflags2 = HF2_GIF_MASK;
    c->pat = 0x0007040600070406ULL;
    c->tsc_offset = env->tsc_offset;
    c->old_exception = -1;
    c->exception_index = -1;
}

/* Does the PIC wait for the APIC of VTL 0 to take its interrupt? */
static bool hv_vtl_pic_waits(HvVp *vp)
{
    return isa_pic && apic_accept_pic_intr(hv_vtl_apic(vp, 0)) &&
           pic_get_output(isa_pic);
}

/* Another thread that raises one leaves it at CPU_INTERRUPT_POLL */
static void hv_vtl_note_interrupts(HvVp *vp)
{
    bool raised = hv_vtl_pic_waits(vp) || hv_extint_pending(vp);
    unsigned vtl;

    for (vtl = 0; vtl < vp->partition->nr_vtls; vtl++) {
        raised |= hv_apic_any(vp->context[vtl]->apic->irr);
    }
    vp->irq_raised = raised;
}

/* The APIC of another trust level decides about interrupts from now on */
static void hv_vtl_update_interrupts(HvVp *vp)
{
    DeviceState *apic = env_archcpu(hv_env(vp))->apic_state;

    hv_vtl_note_interrupts(vp);
    cpu_reset_interrupt(vp->cs, CPU_INTERRUPT_HARD);
    apic_poll_irq(apic);
    if (!vp->active_vtl && hv_vtl_pic_waits(vp)) {
        apic_deliver_pic_intr(apic, 1);
    }
}

/*
 * Without the big QEMU lock.  To be followed by hv_vtl_switched(), when
 * everything else is done.
 */
static inline void hv_vtl_switch(HvVp *vp, unsigned vtl)
{
    bool running = !vp->cs->halted;

    trace_hv_vtl_switch(vp->index, vp->active_vtl, vtl);
    hv_context_exchange(vp, vp->active_vtl, vtl);
    vp->vtl_switched = true;
    qatomic_set(&vp->active_vtl, vtl);
    hv_intercepts_changed(vp);
    vp->partition->ops->vtl_changed(vp, running);
    hv_debug_vtl_switched(vp);
}

/*
 * As long as there is no interrupt, it makes no difference which of the APICs
 * decides.  Who raises one holds the big QEMU lock, and looks at active_vtl when
 * it is there to be seen here.
 */
static inline void hv_vtl_switched(HvVp *vp)
{
    /* Pairs with hv_apic_active_vtl() */
    smp_mb();
    if (unlikely(qatomic_read(&vp->cs->interrupt_request) ||
                 qatomic_read(&vp->irq_raised))) {
        BQL_LOCK_GUARD();

        hv_vtl_update_interrupts(vp);
        hv_vtl_poll(vp);
    }
}

/* Its HV_VP_VTL_CONTROL, or NULL if it has no VP assist page */
static inline uint8_t *hv_vtl_control(HvVtl *vtl)
{
    return vtl->vp_assist & HV_OVERLAY_ENABLE ?
           (uint8_t *)vtl->vp_assist_page.host + HV_VP_ASSIST_VTL_CONTROL :
           NULL;
}

static inline void hv_vtl_raise(HvVp *vp, unsigned vtl, HvVtlEntry reason)
{
    HvVtl *to = &vp->vtl[vtl];
    uint8_t *control = hv_vtl_control(to);
    bool reset_vina = control && (to->vina & HV_VINA_AUTO_RESET) &&
                      (control[HV_VTL_CONTROL_VINA] &
                       HV_VTL_CONTROL_VINA_ASSERTED);

    to->entries[reason]++;
    /* More often than not everything is there from last time */
    if (control &&
        (reset_vina ||
         ldl_le_p(control + HV_VTL_CONTROL_ENTRY_REASON) != reason)) {
        stl_le_p(control + HV_VTL_CONTROL_ENTRY_REASON, reason);
        if (reset_vina) {
            control[HV_VTL_CONTROL_VINA] &= ~HV_VTL_CONTROL_VINA_ASSERTED;
        }
        hv_overlay_dirty(&to->vp_assist_page);
    }
    hv_vtl_switch(vp, vtl);
}

/* The next one that is enabled, above or below; -1 if there is none */
static inline int hv_vtl_next(HvVp *vp, int step)
{
    int vtl;

    for (vtl = vp->active_vtl + step; vtl >= 0 && vtl < HV_NUM_VTLS;
         vtl += step) {
        if (hv_vtl_enabled(vp, vtl)) {
            return vtl;
        }
    }
    return -1;
}

/* Has the trust level an interrupt that its APIC would deliver now? */
static bool hv_vtl_interrupt_pending(HvVp *vp, unsigned vtl)
{
    APICCommonState *s = vp->context[vtl]->apic;

    hv_apic_sync(s);
    return apic_irq_pending(s) > 0 ||
           (!vtl && hv_extint_pending(vp));
}

/* TLFS 15.12: tell the trust level that runs what it holds up below */
static void hv_vtl_poll_vina(HvVp *vp)
{
    HvVtl *vtl = &vp->vtl[vp->active_vtl];
    uint8_t *control = hv_vtl_control(vtl);
    unsigned i;

    if (!(vtl->vina & HV_VINA_ENABLED) || !control ||
        (control[HV_VTL_CONTROL_VINA] & HV_VTL_CONTROL_VINA_ASSERTED)) {
        return;
    }
    for (i = 0; i < vp->active_vtl; i++) {
        HvVtlContext *c = vp->context[i];

        if (hv_vtl_enabled(vp, i) && (c->rflags & IF_MASK) &&
            !(c->hflags & HF_INHIBIT_IRQ_MASK) &&
            hv_vtl_interrupt_pending(vp, i)) {
            trace_hv_vtl_vina(vp->index, vp->active_vtl, i);
            control[HV_VTL_CONTROL_VINA] |= HV_VTL_CONTROL_VINA_ASSERTED;
            hv_overlay_dirty(&vtl->vp_assist_page);
            vp->partition->ops->assert_vector(vtl, vtl->vina &
                                                   HV_VINA_VECTOR_MASK);
            return;
        }
    }
}

/* May the trust level be entered for an interrupt? */
static bool hv_vtl_wants_entry(HvVp *vp, unsigned vtl)
{
    return hv_vtl_enabled(vp, vtl) &&
           !vp->context[vtl]->apic->wait_for_sipi &&
           hv_vtl_interrupt_pending(vp, vtl);
}

bool hv_vtl_poll(HvVp *vp)
{
    CPUX86State *env = hv_env(vp);
    bool entered = false;
    unsigned vtl;

    if (vp->enabled_vtls == 1) {
        return false;
    }
    hv_vtl_note_interrupts(vp);
    /* The firmware's handler is not interrupted */
    if (env->hflags & HF_SMM_MASK) {
        return false;
    }
    for (vtl = HV_NUM_VTLS - 1; vtl > vp->active_vtl; vtl--) {
        if (hv_vtl_wants_entry(vp, vtl)) {
            hv_vtl_raise(vp, vtl, HV_VTL_ENTRY_INTERRUPT);
            hv_vtl_update_interrupts(vp);
            entered = true;
            break;
        }
    }
    hv_vtl_poll_vina(vp);
    return entered;
}

bool hv_vtl_enter(X86CPU *cpu, unsigned vtl, HvVtlEntry reason)
{
    HvVp *vp = cpu->hv_vp;

    if (vtl <= vp->active_vtl || !hv_vtl_enabled(vp, vtl)) {
        return false;
    }
    hv_vtl_raise(vp, vtl, reason);
    hv_vtl_switched(vp);
    return true;
}

/* Behind the instruction that asks for the switch */
static inline void hv_vtl_skip_insn(HvVp *vp)
{
    CPUX86State *env = hv_env(vp);

    env->eip += vp->insn_len;
    /* A store in front of hv_context_save(), as part of a piece, is slow */
    if (unlikely(env->hflags & HF_INHIBIT_IRQ_MASK)) {
        env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    }
}

bool hv_vtl_call(HvVp *vp)
{
    int vtl = hv_vtl_next(vp, 1);

    if (vtl < 0) {
        return false;
    }
    hv_vtl_skip_insn(vp);
    hv_vtl_raise(vp, vtl, HV_VTL_ENTRY_CALL);
    hv_vtl_switched(vp);
    return true;
}

static void hv_vtl_restore_regs(HvVp *vp)
{
    CPUX86State *env = hv_env(vp);
    uint8_t *control = hv_vtl_control(&vp->vtl[vp->active_vtl]);

    if (!control) {
        return;
    }
    control += HV_VTL_CONTROL_RETURN;
    if (hv_caller_is_64bit(env)) {
        env->regs[R_EAX] = ldq_le_p(control);
        env->regs[R_ECX] = ldq_le_p(control + 8);
    } else {
        env->regs[R_EAX] = ldl_le_p(control);
        env->regs[R_ECX] = ldl_le_p(control + 4);
        env->regs[R_EDX] = ldl_le_p(control + 8);
    }
}

bool hv_vtl_return(HvVp *vp, bool fast)
{
    int vtl = hv_vtl_next(vp, -1);

    if (vtl < 0) {
        return false;
    }
    vp->vtl[vp->active_vtl].returns++;
    hv_vtl_skip_insn(vp);
    if (!fast) {
        hv_vtl_restore_regs(vp);
    }
    hv_tlb_unlock(vp, vp->active_vtl);
    hv_vtl_switch(vp, vtl);
    hv_vtl_switched(vp);
    return true;
}

void hv_vtl_leave(HvVp *vp)
{
    unsigned vtl = vp->active_vtl;

    vp->vtl[vtl].returns++;
    hv_vtl_restore_regs(vp);
    hv_vtl_switch(vp, hv_vtl_next(vp, -1));
    hv_vtl_disable(vp, vtl);
    /* It cannot be entered any more for an interrupt that waits */
    hv_vtl_switched(vp);
}

/*
 * While registers of another trust level are looked at, the CPU loop's own way
 * to keep the flags of the one that runs has to be left alone.
 */
typedef struct HvLoopFlags {
    target_ulong eflags;
    target_ulong cc_dst;
    target_ulong cc_src;
    target_ulong cc_src2;
    uint32_t cc_op;
    int32_t df;
} HvLoopFlags;

void hv_vtl_with_regs(HvVp *vp, unsigned vtl,
                      void (*fn)(HvVp *vp, void *opaque), void *opaque)
{
    CPUX86State *env = hv_env(vp);
    HvLoopFlags flags = {
        .eflags = env->eflags,
        .cc_dst = env->cc_dst,
        .cc_src = env->cc_src,
        .cc_src2 = env->cc_src2,
        .cc_op = env->cc_op,
        .df = env->df,
    };

    if (vtl == vp->active_vtl) {
        fn(vp, opaque);
        return;
    }
    hv_context_exchange(vp, vp->active_vtl, vtl);
    vp->regs_written = false;
    fn(vp, opaque);
    hv_context_exchange(vp, vtl, vp->active_vtl);

    env->eflags = flags.eflags;
    env->cc_dst = flags.cc_dst;
    env->cc_src = flags.cc_src;
    env->cc_src2 = flags.cc_src2;
    env->cc_op = flags.cc_op;
    env->df = flags.df;
    if (vp->regs_written) {
        vp->partition->ops->regs_changed(vp);
        cpu_interrupt(vp->cs, CPU_INTERRUPT_POLL);
    }
}

HypervVtlRegisters *hv_vtl_look(HvVp *vp, unsigned vtl)
{
    HypervVtlRegisters *regs = g_new0(HypervVtlRegisters, 1);
    const HvVtlContext *c = vp->context[vtl];
    HvVtlContext now;

    if (vtl == vp->active_vtl) {
        hv_context_save(vp, &now);
        c = &now;
    }
    *regs = (HypervVtlRegisters) {
        .rip = c->eip,
        .rsp = c->rsp,
        .rflags = c->rflags,
        .cr0 = c->cr0,
        .cr3 = c->cr3,
        .cr4 = c->cr4,
        .efer = c->efer,
        .halted = c->halted,
    };
    return regs;
}

void hv_vtl_init_regs(HvVp *vp)
{
    HvVtlContext *c = vp->context[vp->regs_vtl];

    hv_tlb_unlock(vp, vp->regs_vtl);
    if (vp->regs_vtl == vp->active_vtl) {
        do_cpu_init(X86_CPU(vp->cs));
        hv_vtl_mark(hv_env(vp), vp->active_vtl);
        cpu_reset_interrupt(vp->cs, CPU_INTERRUPT_SIPI);
        return;
    }
    hv_context_reset(vp, c);
    hv_context_load(vp, vp->regs_vtl);
    apic_init_reset(DEVICE(c->apic));
}

void hv_vtl_enable(HvVp *vp, unsigned vtl)
{
    HvVtlContext *c = vp->context[vtl];

    hv_context_reset(vp, c);
    device_cold_reset(DEVICE(c->apic));
    c->apic->wait_for_sipi = hv_vp_waits_for_startup(vp);
    vp->enabled_vtls |= 1u << vtl;
    hv_intercepts_changed(vp);
}

void hv_vtl_disable(HvVp *vp, unsigned vtl)
{
    hv_context_reset(vp, vp->context[vtl]);
    /* Also while the machine is being reset */
    apic_init_reset(DEVICE(vp->context[vtl]->apic));
    hv_vtl_clear(&vp->vtl[vtl]);
    vp->enabled_vtls &= ~(1u << vtl);
    hv_intercepts_changed(vp);
}

void hv_vtl_start(HvVp *vp, unsigned vtl)
{
    unsigned i;

    for (i = vtl; i < vp->partition->nr_vtls; i++) {
        APIC_COMMON(hv_vtl_apic(vp, i))->wait_for_sipi = 0;
    }
    if (vtl > vp->active_vtl) {
        hv_vtl_switch(vp, vtl);
        hv_vtl_switched(vp);
    }
}

void hv_vtl_reset(HvVp *vp)
{
    unsigned vtl;

    env_archcpu(hv_env(vp))->apic_state = DEVICE(vp->context[0]->apic);
    vp->active_vtl = 0;
    vp->regs_vtl = 0;
    hv_vtl_mark(hv_env(vp), 0);
    for (vtl = 1; vtl < vp->partition->nr_vtls; vtl++) {
        hv_vtl_disable(vp, vtl);
    }
}

static const VMStateDescription vmstate_hv_segment = {
    .name = "hv-vtl-context/segment",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(selector, SegmentCache),
        VMSTATE_UINTTL(base, SegmentCache),
        VMSTATE_UINT32(limit, SegmentCache),
        VMSTATE_UINT32(flags, SegmentCache),
        VMSTATE_END_OF_LIST()
    }
};

#define VMSTATE_HV_SEGMENT(F) \
    VMSTATE_STRUCT(F, HvVtlContext, 1, vmstate_hv_segment, SegmentCache)

/* The APIC of VTL 0 has a section of its own */
static bool hv_context_has_apic(void *opaque, int version_id)
{
    HvVtlContext *c = opaque;

    return c->apic->vtl;
}

static const VMStateDescription vmstate_hv_context = {
    .name = "hv-vtl-context",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINTTL(eip, HvVtlContext),
        VMSTATE_UINTTL(rsp, HvVtlContext),
        VMSTATE_UINTTL(rflags, HvVtlContext),
        VMSTATE_UINT32(hflags, HvVtlContext),
        VMSTATE_UINT32(hflags2, HvVtlContext),
        VMSTATE_STRUCT_ARRAY(segs, HvVtlContext, 6, 1, vmstate_hv_segment,
                             SegmentCache),
        VMSTATE_HV_SEGMENT(ldt),
        VMSTATE_HV_SEGMENT(tr),
        VMSTATE_HV_SEGMENT(gdt),
        VMSTATE_HV_SEGMENT(idt),
        VMSTATE_UINTTL(cr0, HvVtlContext),
        VMSTATE_UINTTL(cr3, HvVtlContext),
        VMSTATE_UINTTL(cr4, HvVtlContext),
        VMSTATE_UINTTL(dr6, HvVtlContext),
        VMSTATE_UINTTL(dr7, HvVtlContext),
        VMSTATE_BOOL(pdptrs_valid, HvVtlContext),
        VMSTATE_UINT64_ARRAY(pdptrs, HvVtlContext, 4),
        VMSTATE_UINT64(efer, HvVtlContext),
        VMSTATE_UINT32(sysenter_cs, HvVtlContext),
        VMSTATE_UINTTL(sysenter_esp, HvVtlContext),
        VMSTATE_UINTTL(sysenter_eip, HvVtlContext),
        VMSTATE_UINT64(star, HvVtlContext),
#ifdef TARGET_X86_64
        VMSTATE_UINTTL(lstar, HvVtlContext),
        VMSTATE_UINTTL(cstar, HvVtlContext),
        VMSTATE_UINTTL(fmask, HvVtlContext),
        VMSTATE_UINTTL(kernelgsbase, HvVtlContext),
#endif
        VMSTATE_UINT64(pat, HvVtlContext),
        VMSTATE_UINT64(tsc_aux, HvVtlContext),
        VMSTATE_UINT32(pkrs, HvVtlContext),
        VMSTATE_INT32(error_code, HvVtlContext),
        VMSTATE_INT32(exception_is_int, HvVtlContext),
        VMSTATE_UINTTL(exception_next_eip, HvVtlContext),
        VMSTATE_INT32(old_exception, HvVtlContext),
        VMSTATE_INT32(exception_index, HvVtlContext),
        VMSTATE_UINT64(pending_event, HvVtlContext),
        VMSTATE_BOOL(halted, HvVtlContext),
        VMSTATE_BOOL(idle, HvVtlContext),
        VMSTATE_UINT64(vm_hsave, HvVtlContext),
        VMSTATE_UINT64(vm_vmcb, HvVtlContext),
        VMSTATE_UINT64(tsc_offset, HvVtlContext),
        VMSTATE_UINT64(intercept, HvVtlContext),
        VMSTATE_UINT16(intercept_cr_read, HvVtlContext),
        VMSTATE_UINT16(intercept_cr_write, HvVtlContext),
        VMSTATE_UINT16(intercept_dr_read, HvVtlContext),
        VMSTATE_UINT16(intercept_dr_write, HvVtlContext),
        VMSTATE_UINT32(intercept_exceptions, HvVtlContext),
        VMSTATE_UINT64(nested_cr3, HvVtlContext),
        VMSTATE_UINT32(nested_pg_mode, HvVtlContext),
        VMSTATE_UINT8(v_tpr, HvVtlContext),
        VMSTATE_UINT32(int_ctl, HvVtlContext),
        VMSTATE_STRUCT_POINTER_TEST(apic, HvVtlContext, hv_context_has_apic,
                                    vmstate_apic_common, APICCommonState),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_vtls_needed(void *opaque)
{
    HvVp *vp = opaque;

    return vp->enabled_vtls != 1;
}

void hv_vtl_loaded(HvVp *vp)
{
    hv_vtl_mark(hv_env(vp), vp->active_vtl);
    /* Its APICs may have loaded some */
    vp->irq_raised = true;
}

static int hv_vtls_post_load(void *opaque, int version_id)
{
    HvVp *vp = opaque;

    if (!(vp->enabled_vtls & 1) ||
        vp->enabled_vtls >> vp->partition->nr_vtls ||
        vp->active_vtl >= HV_NUM_VTLS || !hv_vtl_enabled(vp, vp->active_vtl)) {
        return -EINVAL;
    }
    vp->regs_vtl = vp->active_vtl;
    env_archcpu(hv_env(vp))->apic_state = DEVICE(vp->context[vp->active_vtl]->apic);
    hv_vtl_loaded(vp);
    /* The partition, which was made before its VPs, is loaded already */
    hv_intercepts_changed(vp);
    return 0;
}

/* Private registers of the one that runs are in the CPU's section */
static const VMStateDescription vmstate_hv_vtls = {
    .name = "hv-vtls",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_vtls_needed,
    .post_load = hv_vtls_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(enabled_vtls, HvVp),
        VMSTATE_UINT32(active_vtl, HvVp),
        VMSTATE_STRUCT_POINTER(context[0], HvVp, vmstate_hv_context,
                               HvVtlContext),
        VMSTATE_STRUCT_POINTER(context[1], HvVp, vmstate_hv_context,
                               HvVtlContext),
        VMSTATE_STRUCT(vtl[1], HvVp, 1, vmstate_hv_vtl, HvVtl),
        VMSTATE_END_OF_LIST()
    }
};

bool hv_vtl_runs_guest(HvVp *vp, unsigned vtl)
{
    uint32_t hflags = vtl == vp->regs_vtl ? hv_env(vp)->hflags :
                                            vp->context[vtl]->hflags;

    return hflags & HF_GUEST_MASK;
}

/* The APIC of @cpu for a trust level above 0, in the same object tree */
static DeviceState *hv_vtl_apic_new(X86CPU *cpu, unsigned vtl, Error **errp)
{
    g_autofree char *name = g_strdup_printf("lapic-vtl%u", vtl);
    APICCommonClass *class = apic_get_class(errp);
    APICCommonState *s;
    DeviceState *dev;

    if (!class) {
        return NULL;
    }
    dev = DEVICE(object_new_with_class(OBJECT_CLASS(class)));
    object_property_add_child(OBJECT(cpu), name, OBJECT(dev));
    object_unref(OBJECT(dev));
    s = APIC_COMMON(dev);
    s->cpu = cpu;
    s->vtl = vtl;
    s->apicbase = APIC_DEFAULT_ADDRESS | MSR_IA32_APICBASE_ENABLE;
    qdev_prop_set_bit(dev, "vapic", false);
    qdev_prop_set_uint32(dev, "id", cpu->apic_id);
    if (!qdev_realize(dev, NULL, errp)) {
        object_unparent(OBJECT(dev));
        return NULL;
    }
    apic_designate_bsp(dev, CPU(cpu)->cpu_index == 0);
    return dev;
}

bool hv_vtl_realize(HvVp *vp, Error **errp)
{
    X86CPU *cpu = X86_CPU(vp->cs);
    unsigned vtl;

    if (vp->partition->nr_vtls == 1) {
        return true;
    }
    if (!cpu->apic_state) {
        error_setg(errp, "hv-vsm needs a CPU that has an APIC; leave out "
                   "apic=off");
        return false;
    }
    /* It patches the code of the guest, even where a VTL protects that */
    qdev_prop_set_bit(cpu->apic_state, "vapic", false);
    for (vtl = 0; vtl < vp->partition->nr_vtls; vtl++) {
        DeviceState *apic = vtl ? hv_vtl_apic_new(cpu, vtl, errp) :
                                  cpu->apic_state;

        if (!apic) {
            return false;
        }
        vp->context[vtl] = g_new0(HvVtlContext, 1);
        vp->context[vtl]->apic = APIC_COMMON(apic);
    }
    vmstate_register(VMSTATE_IF(vp), vp->index, &vmstate_hv_vtls, vp);
    return true;
}

void hv_vtl_unrealize(HvVp *vp)
{
    unsigned vtl;

    if (!vp->context[0]) {
        return;
    }
    vmstate_unregister(VMSTATE_IF(vp), &vmstate_hv_vtls, vp);
    if (vp->enabled_vtls != 1) {
        hv_vtl_reset(vp);
    }
    for (vtl = 0; vtl < vp->partition->nr_vtls; vtl++) {
        if (vtl && vp->context[vtl]) {
            object_unparent(OBJECT(vp->context[vtl]->apic));
        }
        g_clear_pointer(&vp->context[vtl], g_free);
    }
}

DeviceState *hv_vtl_apic(HvVp *vp, unsigned vtl)
{
    return vp->context[vtl] ? DEVICE(vp->context[vtl]->apic) :
                              env_archcpu(hv_env(vp))->apic_state;
}
