/*
 * Hyper-V virtual processor registers (TLFS 7.3, 7.9): the table of
 * HV_REGISTER_NAMEs, and how each is read and written
 *
 * What a name means for a synthetic register is in the table of MSRs; a row
 * here only says which MSR it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "system/tcg.h"
#include "trace.h"

/* Attributes of a segment, as bits 23:8 of a descriptor's upper half */
#define HV_SEGMENT_ATTR_SHIFT   8
#define HV_SEGMENT_ATTR_MASK    0xf0ff

#define HV_RFLAGS_FIXED (1u << 1)
#define HV_RFLAGS_CC    (CC_C | CC_P | CC_A | CC_Z | CC_S | CC_O)
#define HV_RFLAGS_MASK \
    (HV_RFLAGS_CC | HV_RFLAGS_FIXED | TF_MASK | IF_MASK | DF_MASK | \
     IOPL_MASK | NT_MASK | RF_MASK | VM_MASK | AC_MASK | VIF_MASK | \
     VIP_MASK | ID_MASK)
#define HV_CR0_MASK \
    (CR0_PE_MASK | CR0_MP_MASK | CR0_EM_MASK | CR0_TS_MASK | CR0_ET_MASK | \
     CR0_NE_MASK | CR0_WP_MASK | CR0_AM_MASK | CR0_NW_MASK | CR0_CD_MASK | \
     CR0_PG_MASK)
#define HV_CR8_MASK             0xf
#define HV_DR6_MASK             (DR6_FIXED_1 | 0xe00f)
#define HV_DR7_MASK             0xffff27ffull
#define HV_MXCSR_MASK           0xffff
#define HV_FP_MAX_HIGH          0xffff
#define HV_MTRR_TYPE_MASK       0xff
#define HV_MTRR_DEF_TYPE_MASK   0xcff
#define HV_MTRR_MASK_VALID      (1ull << 11)
#define HV_PAGE_FRAME           (~(uint64_t)(HV_PAGE_SIZE - 1))

/* HV_X64_INTERRUPT_STATE_REGISTER */
#define HV_INTERRUPT_SHADOW     (1u << 0)
#define HV_NMI_MASKED           (1u << 1)

/* HV_INTERNAL_ACTIVITY_REGISTER */
#define HV_STARTUP_SUSPEND      (1u << 0)
#define HV_HALT_SUSPEND         (1u << 1)
#define HV_IDLE_SUSPEND         (1u << 2)

typedef struct HvReg HvReg;

/**
 * HvReg: a row of the table, for @count names from @name on
 * @set: NULL for a read-only register
 * @size: of the value in bytes: 4, 16, or any other for 8
 * @offset, @stride: the field in CPUX86State; of the second name it is @stride
 *                   further on
 * @rsvd, @ones: bits of the value that must be 0, or 1
 * @phys: it is a physical address, whose bits beyond the CPU's must be 0
 * @canonical: it is a virtual address
 * @arg: for @get and @set: the first MSR, CPUID leaf or APIC register
 * @word, @feature: the CPU's feature without which there is no such register
 */
struct HvReg {
    uint32_t name;
    uint16_t count;
    uint16_t stride;
    uint8_t size;
    bool phys;
    bool canonical;
    const char *label;
    size_t offset;
    uint64_t rsvd;
    uint64_t ones;
    uint32_t arg;
    FeatureWord word;
    uint32_t feature;
    uint16_t (*get)(HvVp *vp, const HvReg *r, unsigned i, HvRegValue *val);
    uint16_t (*set)(HvVp *vp, const HvReg *r, unsigned i, HvRegValue val);
};

static DeviceState *hv_apic(HvVp *vp)
{
    return X86_CPU(vp->cs)->apic_state;
}

bool hv_vp_waits_for_startup(HvVp *vp)
{
    /* QEMU leaves INIT pending while the CPU is halted, until SIPI comes */
    return hv_apic(vp) && !cpu_is_bsp(X86_CPU(vp->cs)) &&
           (APIC_COMMON(hv_apic(vp))->wait_for_sipi ||
            (vp->cs->interrupt_request & CPU_INTERRUPT_INIT));
}

static void *hv_reg_field(HvVp *vp, const HvReg *r, unsigned i)
{
    return (char *)hv_env(vp) + r->offset + i * r->stride;
}

/* What is the same for every register of up to 64 bits (TLFS 7.10) */
static uint16_t hv_check_value(HvVp *vp, const HvReg *r, HvRegValue val)
{
    uint64_t rsvd = r->rsvd;

    if (r->size == 4) {
        rsvd |= ~(uint64_t)UINT32_MAX;
    }
    if (r->phys) {
        rsvd |= ~MAKE_64BIT_MASK(0, X86_CPU(vp->cs)->phys_bits);
    }
    if (val.high || (val.low & rsvd) || (val.low & r->ones) != r->ones) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (r->canonical && !hv_canonical(hv_env(vp), val.low)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_field(HvVp *vp, const HvReg *r, unsigned i,
                             HvRegValue *val)
{
    const void *field = hv_reg_field(vp, r, i);

    val->low = r->size == 4 ? *(const uint32_t *)field :
                              *(const uint64_t *)field;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_field(HvVp *vp, const HvReg *r, unsigned i,
                             HvRegValue val)
{
    void *field = hv_reg_field(vp, r, i);

    if (r->size == 4) {
        *(uint32_t *)field = val.low;
    } else {
        *(uint64_t *)field = val.low;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_rip(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    if (vp->regs_vtl == vp->active_vtl) {
        vp->rip_changed = true;
    }
    return hv_set_field(vp, r, i, val);
}

/*
 * Combinations that no instruction can make.  A list is to be in an order in
 * which each of its registers makes a valid one, as code would be.  LMA is not
 * among them: it follows from LME and PG.
 */
static bool hv_mode_valid(uint64_t cr0, uint64_t cr4, uint64_t efer,
                          uint64_t rflags)
{
    bool long_mode = (cr0 & CR0_PG_MASK) && (efer & MSR_EFER_LME);

    return !((cr0 & CR0_PG_MASK) && !(cr0 & CR0_PE_MASK)) &&
           !((cr0 & CR0_NW_MASK) && !(cr0 & CR0_CD_MASK)) &&
           !(long_mode && !(cr4 & CR4_PAE_MASK)) &&
           !(long_mode && (rflags & VM_MASK));
}

static void hv_load_efer(CPUX86State *env, uint64_t efer)
{
    efer &= ~(uint64_t)MSR_EFER_LMA;
    if ((env->cr[0] & CR0_PG_MASK) && (efer & MSR_EFER_LME)) {
        efer |= MSR_EFER_LMA;
    }
    cpu_load_efer(env, efer);
}

static uint16_t hv_get_rflags(HvVp *vp, const HvReg *r, unsigned i,
                              HvRegValue *val)
{
    val->low = cpu_compute_eflags(hv_env(vp));
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_rflags(HvVp *vp, const HvReg *r, unsigned i,
                              HvRegValue val)
{
    CPUX86State *env = hv_env(vp);

    if (!hv_mode_valid(env->cr[0], env->cr[4], env->efer, val.low)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    env->eflags = val.low;
    env->df = val.low & DF_MASK ? -1 : 1;
    env->cc_src = val.low & HV_RFLAGS_CC;
    env->cc_op = CC_OP_EFLAGS;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_cr0(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    CPUX86State *env = hv_env(vp);

    if (!hv_mode_valid(val.low, env->cr[4], env->efer, env->eflags)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    env->cr[0] = val.low;
    hv_load_efer(env, env->efer);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_cr4(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    CPUX86State *env = hv_env(vp);

    if (val.low & cr4_reserved_bits(env)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!hv_mode_valid(env->cr[0], val.low, env->efer, env->eflags)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    cpu_x86_update_cr4(env, val.low);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_efer(HvVp *vp, const HvReg *r, unsigned i,
                            HvRegValue val)
{
    static const struct {
        FeatureWord word;
        uint32_t feature;
        uint64_t bits;
    } needs[] = {
        { FEAT_8000_0001_EDX, CPUID_EXT2_SYSCALL, MSR_EFER_SCE },
        { FEAT_8000_0001_EDX, CPUID_EXT2_LM, MSR_EFER_LME | MSR_EFER_LMA },
        { FEAT_8000_0001_EDX, CPUID_EXT2_NX, MSR_EFER_NXE },
        { FEAT_8000_0001_EDX, CPUID_EXT2_FFXSR, MSR_EFER_FFXSR },
        { FEAT_8000_0001_ECX, CPUID_EXT3_SVM, MSR_EFER_SVME },
    };
    CPUX86State *env = hv_env(vp);
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(needs); n++) {
        if ((val.low & needs[n].bits) &&
            !(env->features[needs[n].word] & needs[n].feature)) {
            return HV_STATUS_INVALID_PARAMETER;
        }
    }
    if (!hv_mode_valid(env->cr[0], env->cr[4], val.low, env->eflags)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    hv_load_efer(env, val.low);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_cr8(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue *val)
{
    val->low = cpu_get_apic_tpr(hv_apic(vp));
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_cr8(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    cpu_set_apic_tpr(hv_apic(vp), val.low);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_xfem(HvVp *vp, const HvReg *r, unsigned i,
                            HvRegValue val)
{
    CPUX86State *env = hv_env(vp);
    uint64_t supported =
        env->features[FEAT_XSAVE_XCR0_LO] |
        (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32;
    bool bndregs = val.low & XSTATE_BNDREGS_MASK;
    bool bndcsr = val.low & XSTATE_BNDCSR_MASK;

    if (val.low & ~supported) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (((val.low & XSTATE_YMM_MASK) && !(val.low & XSTATE_SSE_MASK)) ||
        bndregs != bndcsr) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    env->xcr0 = val.low;
    cpu_sync_bndcs_hflags(env);
    cpu_sync_avx_hflag(env);
    return HV_STATUS_SUCCESS;
}

/* The rows of XMM and of both halves of YMM: @arg is the first quadword */
static uint16_t hv_get_vector(HvVp *vp, const HvReg *r, unsigned i,
                              HvRegValue *val)
{
    const ZMMReg *reg = &hv_env(vp)->xmm_regs[i];

    val->low = reg->ZMM_Q(r->arg);
    val->high = reg->ZMM_Q(r->arg + 1);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_vector(HvVp *vp, const HvReg *r, unsigned i,
                              HvRegValue val)
{
    ZMMReg *reg = &hv_env(vp)->xmm_regs[i];

    reg->ZMM_Q(r->arg) = val.low;
    reg->ZMM_Q(r->arg + 1) = val.high;
    return HV_STATUS_SUCCESS;
}

/* Relative to the top of the stack, as in the image of FXSAVE */
static floatx80 *hv_st(HvVp *vp, unsigned i)
{
    CPUX86State *env = hv_env(vp);

    return &env->fpregs[(env->fpstt + i) & 7].d;
}

static uint16_t hv_get_fp(HvVp *vp, const HvReg *r, unsigned i,
                          HvRegValue *val)
{
    val->low = hv_st(vp, i)->low;
    val->high = hv_st(vp, i)->high;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_fp(HvVp *vp, const HvReg *r, unsigned i, HvRegValue val)
{
    if (val.high > HV_FP_MAX_HIGH) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    hv_st(vp, i)->low = val.low;
    hv_st(vp, i)->high = val.high;
    return HV_STATUS_SUCCESS;
}

/*
 * HV_X64_FP_CONTROL_STATUS_REGISTER: control, status, tag (a bit for each
 * register in use), last opcode; last RIP
 */
static uint16_t hv_get_fp_control(HvVp *vp, const HvReg *r, unsigned i,
                                  HvRegValue *val)
{
    CPUX86State *env = hv_env(vp);
    uint64_t status = (env->fpus & ~0x3800) | (env->fpstt & 7) << 11;
    unsigned n;

    val->low = env->fpuc | status << 16 | (uint64_t)env->fpop << 48;
    for (n = 0; n < 8; n++) {
        if (!env->fptags[n]) {
            val->low |= 1ull << (32 + n);
        }
    }
    val->high = env->fpip;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_fp_control(HvVp *vp, const HvReg *r, unsigned i,
                                  HvRegValue val)
{
    CPUX86State *env = hv_env(vp);
    uint16_t status = val.low >> 16;
    unsigned n;

    if (extract64(val.low, 40, 8)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    env->fpuc = val.low;
    env->fpus = status & ~0x3800;
    env->fpstt = (status >> 11) & 7;
    for (n = 0; n < 8; n++) {
        env->fptags[n] = !extract64(val.low, 32 + n, 1);
    }
    env->fpop = val.low >> 48;
    env->fpip = val.high;
    return HV_STATUS_SUCCESS;
}

/* HV_X64_XMM_CONTROL_STATUS_REGISTER: last data pointer; MXCSR and its mask */
static uint16_t hv_get_xmm_control(HvVp *vp, const HvReg *r, unsigned i,
                                   HvRegValue *val)
{
    CPUX86State *env = hv_env(vp);

    if (tcg_enabled()) {
        update_mxcsr_from_sse_status(env);
    }
    val->low = env->fpdp;
    val->high = env->mxcsr | (uint64_t)HV_MXCSR_MASK << 32;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_xmm_control(HvVp *vp, const HvReg *r, unsigned i,
                                   HvRegValue val)
{
    CPUX86State *env = hv_env(vp);
    uint32_t mask = val.high >> 32;

    if ((uint32_t)val.high & ~HV_MXCSR_MASK || (mask & ~HV_MXCSR_MASK)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    env->fpdp = val.low;
    env->mxcsr = val.high;
    return HV_STATUS_SUCCESS;
}

/* HV_X64_SEGMENT_REGISTER: base; limit, selector, attributes */
static uint16_t hv_get_segment(HvVp *vp, const HvReg *r, unsigned i,
                               HvRegValue *val)
{
    const SegmentCache *sc = hv_reg_field(vp, r, i);
    uint64_t attr = (sc->flags >> HV_SEGMENT_ATTR_SHIFT) &
                    HV_SEGMENT_ATTR_MASK;

    val->low = sc->base;
    val->high = sc->limit | (uint64_t)(sc->selector & 0xffff) << 32 |
                attr << 48;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_segment(HvVp *vp, const HvReg *r, unsigned i,
                               HvRegValue val)
{
    SegmentCache *sc = hv_reg_field(vp, r, i);
    uint16_t attr = val.high >> 48;

    if (attr & ~HV_SEGMENT_ATTR_MASK) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (r->canonical ? !hv_canonical(hv_env(vp), val.low) :
                       val.low > UINT32_MAX) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    sc->base = val.low;
    sc->limit = val.high;
    sc->selector = extract64(val.high, 32, 16);
    sc->flags = (uint32_t)attr << HV_SEGMENT_ATTR_SHIFT;
    return HV_STATUS_SUCCESS;
}

/* HV_X64_TABLE_REGISTER: limit in the upper 16 bits; base */
static uint16_t hv_get_table(HvVp *vp, const HvReg *r, unsigned i,
                             HvRegValue *val)
{
    const SegmentCache *sc = hv_reg_field(vp, r, i);

    val->low = (uint64_t)sc->limit << 48;
    val->high = sc->base;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_table(HvVp *vp, const HvReg *r, unsigned i,
                             HvRegValue val)
{
    SegmentCache *sc = hv_reg_field(vp, r, i);

    if (val.low & MAKE_64BIT_MASK(0, 48)) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (!hv_canonical(hv_env(vp), val.high)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    sc->limit = val.low >> 48;
    sc->base = val.high;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_tsc(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue *val)
{
    CPUX86State *env = hv_env(vp);

    val->low = cpu_get_tsc(env) + env->tsc_offset;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_apic_base(HvVp *vp, const HvReg *r, unsigned i,
                                 HvRegValue *val)
{
    val->low = cpu_get_apic_base(hv_apic(vp));
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_apic_base(HvVp *vp, const HvReg *r, unsigned i,
                                 HvRegValue val)
{
    if (!hv_apic(vp) || cpu_set_apic_base(hv_apic(vp), val.low) < 0) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_pat(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    unsigned n;

    for (n = 0; n < 8; n++) {
        uint8_t type = extract64(val.low, n * 8, 8);

        if (type > 7 || type == 2 || type == 3) {
            return HV_STATUS_INVALID_REGISTER_VALUE;
        }
    }
    return hv_set_field(vp, r, i, val);
}

static uint16_t hv_get_initial_apic_id(HvVp *vp, const HvReg *r, unsigned i,
                                       HvRegValue *val)
{
    val->low = X86_CPU(vp->cs)->apic_id;
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_mtrr_cap(HvVp *vp, const HvReg *r, unsigned i,
                                HvRegValue *val)
{
    if (hv_env(vp)->features[FEAT_1_EDX] & CPUID_MTRR) {
        val->low = MSR_MTRRcap_VCNT | MSR_MTRRcap_FIXRANGE_SUPPORT |
                   MSR_MTRRcap_WC_SUPPORTED;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_microcode(HvVp *vp, const HvReg *r, unsigned i,
                                 HvRegValue *val)
{
    val->low = X86_CPU(vp->cs)->ucode_rev;
    return HV_STATUS_SUCCESS;
}

/* Numbered as in the x2APIC's range of MSRs, in whatever mode the APIC is */
static uint16_t hv_get_apic(HvVp *vp, const HvReg *r, unsigned i,
                            HvRegValue *val)
{
    return apic_register_read(r->arg + i, &val->low) ?
           HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

static uint16_t hv_set_apic_tpr(HvVp *vp, const HvReg *r, unsigned i,
                                HvRegValue val)
{
    return apic_register_write(r->arg, val.low) ?
           HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

/* Is there such an event, of @type with @vector? */
static bool hv_event_valid(uint64_t event, unsigned type, unsigned vector)
{
    bool error = event & HV_INTERRUPTION_ERROR_CODE;

    switch (type) {
    case HV_INTERRUPTION_EXTERNAL:
        return vector >= 32 && vector < HV_VECTORS && !error;
    case HV_INTERRUPTION_NMI:
        return vector == EXCP02_NMI && !error;
    case HV_INTERRUPTION_EXCEPTION:
        return vector < 32 && vector != EXCP02_NMI &&
               error == !!(HV_ERROR_CODE_VECTORS & (1u << vector));
    case HV_INTERRUPTION_SOFTWARE:
        return vector < HV_VECTORS && !error;
    case HV_INTERRUPTION_SOFTWARE_PRIVILEGED:
        return vector == EXCP01_DB && !error;
    case HV_INTERRUPTION_SOFTWARE_EXCEPTION:
        return (vector == EXCP03_INT3 || vector == EXCP04_INTO) && !error;
    default:
        return false;
    }
}

static uint16_t hv_get_pending_interruption(HvVp *vp, const HvReg *r,
                                            unsigned i, HvRegValue *val)
{
    if (hv_vp_event_pending(vp)) {
        val->low = vp->pending_event;
    }
    return HV_STATUS_SUCCESS;
}

/* QEMU delivers the exception that it finds in exception_index first of all */
static uint16_t hv_set_pending_interruption(HvVp *vp, const HvReg *r,
                                            unsigned i, HvRegValue val)
{
    CPUX86State *env = hv_env(vp);
    unsigned type = extract64(val.low, HV_INTERRUPTION_TYPE_SHIFT,
                              HV_INTERRUPTION_TYPE_LEN);
    unsigned vector = extract64(val.low, HV_INTERRUPTION_VECTOR_SHIFT,
                                HV_INTERRUPTION_VECTOR_LEN);

    if (!(val.low & HV_INTERRUPTION_PENDING)) {
        if (hv_vp_event_pending(vp)) {
            vp->cs->exception_index = -1;
        }
        vp->pending_event = 0;
        return HV_STATUS_SUCCESS;
    }
    if (!hv_event_valid(val.low, type, vector)) {
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    vp->pending_event = val.low;
    vp->cs->exception_index = vector;
    env->error_code = val.low >> HV_INTERRUPTION_ERROR_SHIFT;
    env->exception_is_int = type >= HV_INTERRUPTION_SOFTWARE;
    if (type == HV_INTERRUPTION_NMI) {
        env->hflags2 |= HF2_NMI_MASK;
    }
    if (vp->cs->halted && !hv_vp_waits_for_startup(vp)) {
        /* As any other interrupt, it ends HLT */
        vp->cs->halted = 0;
        hv_idle_done(X86_CPU(vp->cs));
        qemu_cpu_kick(vp->cs);
    }
    return HV_STATUS_SUCCESS;
}

/*
 * What KVM had taken from the APIC, or had accepted, and was about to deliver.
 * An exception is not lost: its instruction is executed again.
 */
static uint64_t hv_injected_event(CPUX86State *env)
{
    uint64_t event = 0;

    if (env->interrupt_injected >= 0) {
        event = HV_INTERRUPTION_PENDING |
                HV_INTERRUPTION_EXTERNAL << HV_INTERRUPTION_TYPE_SHIFT |
                (uint64_t)env->interrupt_injected <<
                HV_INTERRUPTION_VECTOR_SHIFT;
    } else if (env->nmi_injected) {
        event = HV_INTERRUPTION_PENDING |
                HV_INTERRUPTION_NMI << HV_INTERRUPTION_TYPE_SHIFT |
                EXCP02_NMI << HV_INTERRUPTION_VECTOR_SHIFT;
    }
    env->interrupt_injected = -1;
    env->nmi_injected = 0;
    return event;
}

void hv_load_pending_event(HvVp *vp)
{
    uint64_t injected = hv_injected_event(hv_env(vp));

    /*
     * TCG's own note that the APIC has an interrupt travels through KVM, which
     * delivers that interrupt and leaves the note.
     */
    cpu_interrupt(vp->cs, CPU_INTERRUPT_POLL);
    if (injected) {
        vp->pending_event = injected;
    }
    if (!vp->pending_event) {
        return;
    }
    hv_set_pending_interruption(vp, NULL, 0, (HvRegValue) {
                                    .low = vp->pending_event });
    hv_regs_changed(vp);
}

static uint16_t hv_get_interrupt_state(HvVp *vp, const HvReg *r, unsigned i,
                                       HvRegValue *val)
{
    CPUX86State *env = hv_env(vp);

    if (env->hflags & HF_INHIBIT_IRQ_MASK) {
        val->low |= HV_INTERRUPT_SHADOW;
    }
    if (env->hflags2 & HF2_NMI_MASK) {
        val->low |= HV_NMI_MASKED;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_set_interrupt_state(HvVp *vp, const HvReg *r, unsigned i,
                                       HvRegValue val)
{
    CPUX86State *env = hv_env(vp);

    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    env->hflags2 &= ~HF2_NMI_MASK;
    if (val.low & HV_INTERRUPT_SHADOW) {
        env->hflags |= HF_INHIBIT_IRQ_MASK;
    }
    if (val.low & HV_NMI_MASKED) {
        env->hflags2 |= HF2_NMI_MASK;
    }
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_activity(HvVp *vp, const HvReg *r, unsigned i,
                                HvRegValue *val)
{
    if (hv_vp_waits_for_startup(vp)) {
        val->low = HV_STARTUP_SUSPEND;
    } else if (vp->cs->halted) {
        val->low = vp->idle ? HV_IDLE_SUSPEND : HV_HALT_SUSPEND;
    }
    return HV_STATUS_SUCCESS;
}

/* All four registers of a leaf, EAX lowest */
static uint16_t hv_get_cpuid(HvVp *vp, const HvReg *r, unsigned i,
                             HvRegValue *val)
{
    uint32_t eax, ebx, ecx, edx;

    hv_cpuid(X86_CPU(vp->cs), HV_CPUID_VENDOR_AND_MAX_FUNCTIONS + r->arg + i,
             &eax, &ebx, &ecx, &edx);
    val->low = deposit64(eax, 32, 32, ebx);
    val->high = deposit64(ecx, 32, 32, edx);
    return HV_STATUS_SUCCESS;
}

static uint16_t hv_get_msr(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue *val)
{
    const HvMsr *msr = hv_msr_find(vp->partition, r->arg + i);

    if (!msr) {
        return HV_STATUS_ACCESS_DENIED;
    }
    return msr->read && msr->read(&vp->vtl[vp->regs_vtl], msr->index,
                                  &val->low) ?
           HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

static uint16_t hv_set_msr(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    const HvMsr *msr = hv_msr_find(vp->partition, r->arg + i);

    if (!msr) {
        return HV_STATUS_ACCESS_DENIED;
    }
    if (!msr->write) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return msr->write(&vp->vtl[vp->regs_vtl], msr->index, val.low) ?
           HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}

static uint16_t hv_get_vsm(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue *val)
{
    static const HvRight vsm = HV_RIGHT(FEATURES, EBX, 16);

    return hv_has_right(vp->partition, &vsm) ?
           hv_vsm_reg_get(vp, r->name + i, &val->low) :
           HV_STATUS_ACCESS_DENIED;
}

static uint16_t hv_set_vsm(HvVp *vp, const HvReg *r, unsigned i,
                           HvRegValue val)
{
    static const HvRight vsm = HV_RIGHT(FEATURES, EBX, 16);

    return hv_has_right(vp->partition, &vsm) ?
           hv_vsm_reg_set(vp, r->name + i, val.low) :
           HV_STATUS_ACCESS_DENIED;
}

#define NEEDS(WORD, FEATURE)    .word = WORD, .feature = FEATURE
#define RO(FN)      .get = hv_get_##FN
#define RW(FN)      .get = hv_get_##FN, .set = hv_set_##FN

/* A field of CPUX86State */
#define AT(FIELD) \
    .offset = offsetof(CPUX86State, FIELD), \
    .size = sizeof_field(CPUX86State, FIELD)
#define ENV_FIELD(NAME, LABEL, F, ...) \
    { .name = NAME, .count = 1, .label = LABEL, RW(field), AT(F), \
      __VA_ARGS__ }
#define ENV_FIELDS(NAME, COUNT, LABEL, F, STRIDE, ...) \
    { .name = NAME, .count = COUNT, .label = LABEL, .stride = STRIDE, \
      RW(field), AT(F), __VA_ARGS__ }
#define REG(NAME, LABEL, ...) \
    { .name = NAME, .count = 1, .label = LABEL, __VA_ARGS__ }
#define REGS(NAME, COUNT, LABEL, ...) \
    { .name = NAME, .count = COUNT, .label = LABEL, __VA_ARGS__ }
#define SEGMENTS(NAME, COUNT, LABEL, F, ...) \
    { .name = NAME, .count = COUNT, .label = LABEL, RW(segment), .size = 16, \
      .offset = offsetof(CPUX86State, F), .stride = sizeof(SegmentCache), \
      __VA_ARGS__ }
#define TABLE(NAME, LABEL, F) \
    { .name = NAME, .count = 1, .label = LABEL, RW(table), \
      .offset = offsetof(CPUX86State, F), .size = 16 }
#define MSRS(NAME, COUNT, LABEL, NUM) \
    { .name = NAME, .count = COUNT, .label = LABEL, RW(msr), .arg = NUM }

/*
 * Ascending.  Left out are the registers of a parent partition (suspension,
 * intercepts, statistics), and of features that no CPU of ours has; GUEST_IDLE,
 * whose reading is an action; and the commands to the APIC other than those
 * that have an MSR.
 */
static const HvReg hv_regs[] = {
    REG(0x00000004, "InternalActivityState", RO(activity)),
    REG(0x00000100, "HypervisorVersion", RO(cpuid), .arg = 2),
    /* PrivilegesAndFeatures, Features, ImplementationLimits, ... */
    REGS(0x00000200, 8, "FeaturesInfo", RO(cpuid), .arg = HV_LEAF_FEATURES),
    MSRS(0x00000210, 6, "GuestCrash", 0x40000100),
    MSRS(0x00000230, 1, "SystemReset", 0x40000003),
    MSRS(0x00000240, 2, "ClockFrequency", 0x40000022),
    MSRS(0x00000260, 1, "DebugDeviceOptions", 0x400000ff),
    REG(0x00010002, "PendingInterruption", RW(pending_interruption),
        .rsvd = HV_INTERRUPTION_RSVD),
    REG(0x00010003, "InterruptState", RW(interrupt_state),
        .rsvd = ~(uint64_t)(HV_INTERRUPT_SHADOW | HV_NMI_MASKED)),
    ENV_FIELDS(0x00020000, CPU_NB_REGS, "Gpr", regs[0], sizeof(target_ulong)),
    REG(HV_X64_REGISTER_RIP, "Rip", .get = hv_get_field, .set = hv_set_rip,
        AT(eip), .canonical = true),
    REG(HV_X64_REGISTER_RFLAGS, "Rflags", RW(rflags),
        .rsvd = ~(uint64_t)HV_RFLAGS_MASK, .ones = HV_RFLAGS_FIXED),
    REGS(0x00030000, CPU_NB_REGS, "Xmm", RW(vector), .size = 16),
    REGS(0x00030010, 8, "FpMmx", RW(fp), .size = 16),
    REG(0x00030018, "FpControlStatus", RW(fp_control), .size = 16),
    REG(0x00030019, "XmmControlStatus", RW(xmm_control), .size = 16),
    REG(HV_X64_REGISTER_CR0, "Cr0", .get = hv_get_field, .set = hv_set_cr0,
        AT(cr[0]), .rsvd = ~(uint64_t)HV_CR0_MASK, .ones = CR0_ET_MASK),
    ENV_FIELD(0x00040001, "Cr2", cr[2]),
    ENV_FIELD(HV_X64_REGISTER_CR3, "Cr3", cr[3], .phys = true),
    REG(HV_X64_REGISTER_CR4, "Cr4", .get = hv_get_field, .set = hv_set_cr4,
        AT(cr[4])),
    REG(0x00040004, "Cr8", RW(cr8), .rsvd = ~(uint64_t)HV_CR8_MASK),
    REG(HV_X64_REGISTER_XFEM, "Xfem", .get = hv_get_field, .set = hv_set_xfem,
        AT(xcr0), .ones = XSTATE_FP_MASK,
        NEEDS(FEAT_1_ECX, CPUID_EXT_XSAVE)),
    ENV_FIELDS(0x00050000, 4, "Dr", dr[0], sizeof(target_ulong)),
    ENV_FIELD(0x00050004, "Dr6", dr[6], .rsvd = ~(uint64_t)HV_DR6_MASK,
              .ones = DR6_FIXED_1),
    ENV_FIELD(0x00050005, "Dr7", dr[7], .rsvd = ~(uint64_t)HV_DR7_MASK,
              .ones = DR7_FIXED_1),
    SEGMENTS(HV_X64_REGISTER_ES, 4, "Segment", segs[R_ES]),
    SEGMENTS(HV_X64_REGISTER_FS, 2, "Segment", segs[R_FS], .canonical = true),
    SEGMENTS(HV_X64_REGISTER_LDTR, 1, "Ldtr", ldt, .canonical = true),
    SEGMENTS(HV_X64_REGISTER_TR, 1, "Tr", tr, .canonical = true),
    TABLE(HV_X64_REGISTER_IDTR, "Idtr", idt),
    TABLE(HV_X64_REGISTER_GDTR, "Gdtr", gdt),
    REG(0x00080000, "Tsc", RO(tsc)),
    REG(HV_X64_REGISTER_EFER, "Efer", .get = hv_get_field, .set = hv_set_efer,
        AT(efer), .rsvd = MSR_EFER_RESERVED),
#ifdef TARGET_X86_64
    ENV_FIELD(0x00080002, "KernelGsBase", kernelgsbase, .canonical = true),
#endif
    REG(0x00080003, "ApicBase", RW(apic_base), .phys = true,
        .rsvd = MSR_IA32_APICBASE_RESERVED),
    REG(HV_X64_REGISTER_PAT, "Pat", .get = hv_get_field, .set = hv_set_pat,
        AT(pat)),
    ENV_FIELD(0x00080005, "SysenterCs", sysenter_cs),
    ENV_FIELD(0x00080006, "SysenterEip", sysenter_eip, .canonical = true),
    ENV_FIELD(0x00080007, "SysenterEsp", sysenter_esp, .canonical = true),
    ENV_FIELD(0x00080008, "Star", star),
#ifdef TARGET_X86_64
    ENV_FIELD(0x00080009, "Lstar", lstar, .canonical = true),
    ENV_FIELD(0x0008000a, "Cstar", cstar, .canonical = true),
    ENV_FIELD(0x0008000b, "Sfmask", fmask, .rsvd = ~(uint64_t)UINT32_MAX),
#endif
    REG(0x0008000c, "InitialApicId", RO(initial_apic_id)),
    REG(0x0008000d, "MsrMtrrCap", RO(mtrr_cap)),
    ENV_FIELD(0x0008000e, "MsrMtrrDefType", mtrr_deftype,
              .rsvd = ~(uint64_t)HV_MTRR_DEF_TYPE_MASK),
    ENV_FIELDS(0x00080010, MSR_MTRRcap_VCNT, "MsrMtrrPhysBase",
               mtrr_var[0].base, sizeof(MTRRVar), .phys = true,
               .rsvd = ~(HV_PAGE_FRAME | HV_MTRR_TYPE_MASK)),
    ENV_FIELDS(0x00080040, MSR_MTRRcap_VCNT, "MsrMtrrPhysMask",
               mtrr_var[0].mask, sizeof(MTRRVar), .phys = true,
               .rsvd = ~(HV_PAGE_FRAME | HV_MTRR_MASK_VALID)),
    ENV_FIELDS(0x00080070, 11, "MsrMtrrFix", mtrr_fixed[0], sizeof(uint64_t)),
    ENV_FIELD(0x0008007b, "TscAux", tsc_aux, .rsvd = ~(uint64_t)UINT32_MAX),
    REG(0x00080089, "MsrMcUpdatePatchLevel", RO(microcode)),
    ENV_FIELD(0x000800a0, "MsrIa32MiscEnable", msr_ia32_misc_enable),
    ENV_FIELD(0x000800b3, "AmdVmHsavePa", vm_hsave, .phys = true,
              .rsvd = ~HV_PAGE_FRAME,
              NEEDS(FEAT_8000_0001_ECX, CPUID_EXT3_SVM)),
    REGS(0x00084802, 2, "Apic", RO(apic), .arg = 0x02),
    REG(0x00084808, "ApicTpr", .get = hv_get_apic, .set = hv_set_apic_tpr,
        .arg = 0x08, .rsvd = ~0xffull),
    REG(0x0008480a, "ApicPpr", RO(apic), .arg = 0x0a),
    REG(0x0008480d, "ApicLdr", RO(apic), .arg = 0x0d),
    REG(0x0008480f, "ApicSpurious", RO(apic), .arg = 0x0f),
    /* ISR, TMR, IRR and the error status */
    REGS(0x00084810, 25, "Apic", RO(apic), .arg = 0x10),
    REGS(0x00084832, 8, "Apic", RO(apic), .arg = 0x32),
    REG(0x0008483e, "ApicDivide", RO(apic), .arg = 0x3e),
    MSRS(0x00090000, 1, "VpRuntime", 0x40000010),
    MSRS(0x00090001, 1, "Hypercall", 0x40000001),
    MSRS(0x00090002, 1, "GuestOsId", 0x40000000),
    MSRS(0x00090003, 1, "VpIndex", 0x40000002),
    MSRS(0x00090004, 1, "TimeRefCount", 0x40000020),
    /* EOI, ICR, TPR and the VP assist page */
    MSRS(0x00090010, 4, "Synthetic", 0x40000070),
    MSRS(0x00090017, 1, "ReferenceTsc", 0x40000021),
    MSRS(0x000a0000, HV_SINT_COUNT, "Sint", 0x40000090),
    MSRS(0x000a0010, 6, "Synic", 0x40000080),
    MSRS(0x000b0000, 2 * HV_STIMERS, "Stimer", 0x400000b0),
    REGS(0x000c0000, CPU_NB_REGS, "YmmLow", RW(vector), .size = 16,
         NEEDS(FEAT_1_ECX, CPUID_EXT_AVX)),
    REGS(0x000c0010, CPU_NB_REGS, "YmmHigh", RW(vector), .size = 16,
         .arg = 2, NEEDS(FEAT_1_ECX, CPUID_EXT_AVX)),
    REG(HV_REGISTER_VSM_CODE_PAGE_OFFSETS, "VsmCodePageOffsets", RO(vsm)),
    REG(HV_REGISTER_VSM_VP_STATUS, "VsmVpStatus", RO(vsm)),
    REG(HV_REGISTER_VSM_PARTITION_STATUS, "VsmPartitionStatus", RO(vsm)),
    REG(HV_REGISTER_VSM_VINA, "VsmVina", RW(vsm),
        .rsvd = HV_VINA_RSVD_MASK),
    REG(HV_REGISTER_VSM_CAPABILITIES, "VsmCapabilities", RO(vsm)),
    REG(HV_REGISTER_VSM_PARTITION_CONFIG, "VsmPartitionConfig", RW(vsm),
        .rsvd = ~(HV_VSM_ENABLE_VTL_PROTECTION |
                  HV_VSM_DEFAULT_PROTECTION_MASK |
                  HV_VSM_ZERO_MEMORY_ON_RESET |
                  HV_VSM_DENY_LOWER_VTL_STARTUP)),
    REGS(HV_REGISTER_VSM_VP_SECURE_CONFIG_VTL0, HV_NUM_VTLS - 1,
         "VsmVpSecureConfigVtl", RW(vsm),
         .rsvd = ~(HV_VSM_MBEC_ENABLED | HV_VSM_TLB_LOCKED)),
    REG(HV_X64_REGISTER_CR_INTERCEPT_CONTROL, "CrInterceptControl", RW(vsm),
        .rsvd = HV_CR_INTERCEPT_CONTROL_RSVD),
    /* Cr0Mask, Cr4Mask and Ia32MiscEnableMask */
    REGS(HV_X64_REGISTER_CR_INTERCEPT_CONTROL + HV_CR_INTERCEPT_CR0_MASK, 3,
         "CrInterceptMask", RW(vsm)),
};

static const HvReg *hv_reg_find(HvVp *vp, uint32_t name)
{
    CPUX86State *env = hv_env(vp);
    unsigned lo = 0, hi = ARRAY_SIZE(hv_regs);

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        const HvReg *r = &hv_regs[mid];

        if (name < r->name) {
            hi = mid;
        } else if (name >= r->name + r->count) {
            lo = mid + 1;
        } else {
            return !r->feature || (env->features[r->word] & r->feature) ?
                   r : NULL;
        }
    }
    return NULL;
}

uint16_t hv_reg_get(HvVp *vp, uint32_t name, HvRegValue *val)
{
    const HvReg *r = hv_reg_find(vp, name);
    uint16_t status = HV_STATUS_INVALID_PARAMETER;

    *val = (HvRegValue) { 0 };
    if (r) {
        status = r->get(vp, r, name - r->name, val);
    }
    trace_hv_reg_get(vp->index, r ? r->label : "?", name, val->high, val->low,
                     status);
    return status;
}

uint16_t hv_reg_set(HvVp *vp, uint32_t name, HvRegValue val)
{
    const HvReg *r = hv_reg_find(vp, name);
    uint16_t status = HV_STATUS_INVALID_PARAMETER;

    if (r && r->set) {
        /* Registers of 128 bits have checks of their own */
        status = r->size == 16 ? HV_STATUS_SUCCESS :
                                 hv_check_value(vp, r, val);
        if (status == HV_STATUS_SUCCESS) {
            status = r->set(vp, r, name - r->name, val);
        }
    }
    trace_hv_reg_set(vp->index, r ? r->label : "?", name, val.high, val.low,
                     status);
    return status;
}

void hv_regs_changed(HvVp *vp)
{
    CPUX86State *env = hv_env(vp);

    x86_update_hflags(env);
    /* Of these TCG wants to know from EFLAGS alone, which the guest changes */
    env->hflags &= ~(HF_TF_MASK | HF_VM_MASK | HF_IOPL_MASK);
    if (hv_vp_event_pending(vp) && env->exception_is_int) {
        /* Behind the instruction that the event is said to be of */
        env->exception_next_eip =
            env->eip + extract64(vp->pending_event,
                                 HV_INTERRUPTION_LENGTH_SHIFT,
                                 HV_INTERRUPTION_LENGTH_LEN);
    }
    if (vp->regs_vtl == vp->active_vtl) {
        vp->partition->ops->regs_changed(vp);
    } else {
        vp->regs_written = true;
    }
}
