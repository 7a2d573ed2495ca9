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

/* Bytes of the longest instruction */
#define HV_INSN_MAX     15

/* An event of the active trust level is being delivered, not an instruction */
static bool hv_delivering(HvVp *vp)
{
    return vp->cs->exception_index >= 0 &&
           vp->cs->exception_index < HV_VECTORS;
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
    if (hv_delivering(vp)) {
        state |= HV_EXECUTION_STATE_PENDING;
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

static void hv_intercept_segment(HvVp *vp, struct hv_x64_segment *s,
                                 uint32_t name)
{
    HvRegValue val = {};

    hv_reg_get(vp, name, &val);
    stq_le_p(&s->base, val.low);
    stq_le_p(&s->rest, val.high);
}

/*
 * Of the instruction at RIP, as far as it is mapped; it may be shorter.  None
 * if it is not an instruction that is intercepted.
 */
static unsigned hv_instruction_bytes(HvVp *vp, uint8_t *buf, unsigned max)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    vaddr pc = env->segs[R_CS].base + env->eip;
    unsigned here = MIN(max, HV_PAGE_SIZE - pc % HV_PAGE_SIZE);

    if (hv_delivering(vp)) {
        return 0;
    }

    if (cpu_memory_rw_debug(vp->cs, pc, buf, here, false)) {
        return 0;
    }
    if (here < max && !cpu_memory_rw_debug(vp->cs, pc + here, buf + here,
                                           max - here, false)) {
        return max;
    }
    return here;
}

typedef struct HvInsn {
    bool string;
    bool rep;
} HvInsn;

/* What follows a ModRM byte's opcode, and itself, by size of an address */
static unsigned hv_modrm_length(const uint8_t *b, unsigned address_size)
{
    unsigned mod = b[0] >> 6, rm = b[0] & 7;

    if (mod == 3) {
        return 1;
    }
    if (address_size == 2) {
        return mod == 0 ? (rm == 6 ? 3 : 1) : 1 + mod;
    }
    switch (mod) {
    case 0:
        if (rm == 4) {
            return (b[1] & 7) == 5 ? 6 : 2;
        }
        return rm == 5 ? 5 : 1;
    case 1:
        return rm == 4 ? 3 : 2;
    default:
        return rm == 4 ? 6 : 5;
    }
}

static bool hv_is_prefix(uint8_t b, bool code64)
{
    switch (b) {
    case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64 ... 0x67:
    case 0xf0: case 0xf2: case 0xf3:
        return true;
    default:
        return code64 && (b & 0xf0) == 0x40;
    }
}

/* Behind its prefixes; of instructions that can be intercepted only */
static unsigned hv_opcode_length(const uint8_t *b, unsigned address_size)
{
    switch (b[0]) {
    case 0x0f:
        break;
    case 0x6c ... 0x6f:         /* INS, OUTS */
    case 0xec ... 0xef:         /* IN, OUT with DX */
        return 1;
    case 0xe4 ... 0xe7:         /* IN, OUT */
        return 2;
    default:
        return 0;
    }
    switch (b[1]) {
    case 0x00:                  /* LLDT, LTR */
    case 0x01:                  /* LGDT, LIDT, LMSW, XSETBV */
        return 2 + hv_modrm_length(b + 2, address_size);
    case 0x06:                  /* CLTS */
    case 0x30:                  /* WRMSR */
    case 0x32:                  /* RDMSR */
    case 0xa2:                  /* CPUID */
        return 2;
    case 0x20:                  /* MOV from and to CRn: no memory operand */
    case 0x22:
        return 3;
    default:
        return 0;
    }
}

/* Returns: the length of the instruction at RIP, or 0 if it is not known */
static unsigned hv_instruction_length(HvVp *vp, HvInsn *insn)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    bool code64 = hv_caller_is_64bit(env);
    unsigned size = code64 ? 8 : env->hflags & HF_CS32_MASK ? 4 : 2;
    /* Longer than any instruction, so that looking ahead is harmless */
    uint8_t b[HV_INSN_MAX + 4] = {};
    unsigned n = hv_instruction_bytes(vp, b, HV_INSN_MAX);
    unsigned i, len;

    for (i = 0; i < n && hv_is_prefix(b[i], code64); i++) {
        if (b[i] == 0x67) {
            size = size == 4 ? 2 : 4;
        } else if (insn && (b[i] == 0xf2 || b[i] == 0xf3)) {
            insn->rep = true;
        }
    }
    if (insn) {
        insn->string = (b[i] & 0xfc) == 0x6c;
    }
    len = hv_opcode_length(b + i, size);
    return len && i + len <= n ? i + len : 0;
}

static bool hv_intercept(HvVp *vp, unsigned vtl, uint32_t type,
                         const void *payload, uint8_t size)
{
    if (!hv_vtl_enabled(vp, vtl)) {
        return false;
    }
    /* What was being delivered is delivered when it runs again */
    vp->pending_event = hv_delivering(vp) ? vp->delivery : 0;
    hv_vp_post_intercept(&vp->vtl[vtl], type, payload, size);
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

bool hv_intercept_register(HvVp *vp, unsigned vtl, uint32_t name, uint64_t val,
                           bool memory_op)
{
    struct hv_x64_register_intercept m = {};

    hv_intercept_header(vp, &m.header, hv_instruction_length(vp, NULL),
                        HV_INTERCEPT_ACCESS_WRITE);
    m.flags = memory_op ? HV_REGISTER_ACCESS_MEMORY_OP : 0;
    stl_le_p(&m.name, name);
    stq_le_p(&m.access_info[0], val);
    trace_hv_intercept_register(vp->index, vtl, name, val,
                                X86_CPU(vp->cs)->env.eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_X64_REGISTER_INTERCEPT, &m,
                        sizeof(m));
}

bool hv_intercept_msr(HvVp *vp, unsigned vtl, bool write)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    struct hv_x64_msr_intercept m = {};

    hv_intercept_header(vp, &m.header, hv_instruction_length(vp, NULL),
                        write ? HV_INTERCEPT_ACCESS_WRITE :
                                HV_INTERCEPT_ACCESS_READ);
    stl_le_p(&m.msr, env->regs[R_ECX]);
    stq_le_p(&m.rdx, env->regs[R_EDX]);
    stq_le_p(&m.rax, env->regs[R_EAX]);
    trace_hv_intercept_msr(vp->index, vtl, write, env->regs[R_ECX], env->eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_X64_MSR_INTERCEPT, &m, sizeof(m));
}

bool hv_intercept_io(HvVp *vp, unsigned vtl, uint16_t port, unsigned size,
                     bool write)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    struct hv_x64_io_port_intercept m = {};
    HvInsn insn = {};

    hv_intercept_header(vp, &m.header, hv_instruction_length(vp, &insn),
                        write ? HV_INTERCEPT_ACCESS_WRITE :
                                HV_INTERCEPT_ACCESS_READ);
    stw_le_p(&m.port, port);
    m.access_info = size;
    if (insn.string) {
        m.access_info |= HV_IO_ACCESS_STRING |
                         (insn.rep ? HV_IO_ACCESS_REP : 0);
        m.instruction_byte_count =
            hv_instruction_bytes(vp, m.instruction_bytes,
                                 sizeof(m.instruction_bytes));
    }
    stq_le_p(&m.rax, env->regs[R_EAX]);
    hv_intercept_segment(vp, &m.ds, HV_X64_REGISTER_DS);
    hv_intercept_segment(vp, &m.es, HV_X64_REGISTER_ES);
    stq_le_p(&m.rcx, env->regs[R_ECX]);
    stq_le_p(&m.rsi, env->regs[R_ESI]);
    stq_le_p(&m.rdi, env->regs[R_EDI]);
    trace_hv_intercept_io(vp->index, vtl, write, port, size, env->eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_X64_IOPORT_INTERCEPT, &m,
                        sizeof(m));
}

bool hv_intercept_cpuid(HvVp *vp, unsigned vtl, const uint32_t *result)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    struct hv_x64_cpuid_intercept m = {};
    unsigned i;

    hv_intercept_header(vp, &m.header, hv_instruction_length(vp, NULL),
                        HV_INTERCEPT_ACCESS_EXECUTE);
    /* RAX, RCX, RDX, RBX, as R_EAX and so on count them */
    for (i = 0; i < ARRAY_SIZE(m.regs); i++) {
        stq_le_p(&m.regs[i], env->regs[i]);
        stq_le_p(&m.default_result[i], result[i]);
    }
    trace_hv_intercept_cpuid(vp->index, vtl, env->regs[R_EAX],
                             env->regs[R_ECX], env->eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_X64_CPUID_INTERCEPT, &m, sizeof(m));
}

bool hv_intercept_exception(HvVp *vp, unsigned vtl, const HvException *e)
{
    CPUX86State *env = &X86_CPU(vp->cs)->env;
    struct hv_x64_exception_intercept m = {};
    unsigned i;

    hv_intercept_header(vp, &m.header, 0, HV_INTERCEPT_ACCESS_EXECUTE);
    stw_le_p(&m.vector, e->vector);
    if (HV_ERROR_CODE_VECTORS & (1u << e->vector)) {
        m.info |= HV_EXCEPTION_ERROR_CODE_VALID;
        stl_le_p(&m.error_code, e->error_code);
    }
    if (e->software) {
        m.info |= HV_EXCEPTION_SOFTWARE;
    }
    stq_le_p(&m.parameter, e->parameter);
    m.instruction_byte_count =
        hv_instruction_bytes(vp, m.instruction_bytes,
                             sizeof(m.instruction_bytes));
    hv_intercept_segment(vp, &m.ds, HV_X64_REGISTER_DS);
    hv_intercept_segment(vp, &m.ss, HV_X64_REGISTER_SS);
    for (i = 0; i < CPU_NB_REGS; i++) {
        stq_le_p(&m.regs[i], env->regs[i]);
    }
    trace_hv_intercept_exception(vp->index, vtl, e->vector, e->error_code,
                                 e->parameter, env->eip);
    return hv_intercept(vp, vtl, HV_MESSAGE_X64_EXCEPTION_INTERCEPT, &m,
                        sizeof(m));
}
