/*
 * Hyper-V hypercall interface (TLFS 3): the table, the decoding of the
 * caller's registers and every check that is the same for all calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "internal.h"
#include "system/hw_accel.h"
#include "trace.h"

#define PRIV_EAX(BIT)   .right = HV_RIGHT(FEATURES, EAX, BIT)
#define PRIV(BIT)       .right = HV_RIGHT(FEATURES, EBX, BIT)
#define RECOMMENDED(BIT) .recommended = HV_RIGHT(RECOMMENDATIONS, EAX, BIT)

/* Ascending by code */
const HvHypercallRow hv_hypercalls[] = {
    { .code = HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE,
      .name = "HvCallFlushVirtualAddressSpace", .l2 = true,
      .needs = HV_PORT_FLUSH,
      .in_size = 24, RECOMMENDED(2), .handler = hv_hc_flush_space },
    { .code = HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST,
      .name = "HvCallFlushVirtualAddressList", .l2 = true,
      .needs = HV_PORT_FLUSH,
      .in_size = 24, .rep_in = 8, RECOMMENDED(2),
      .handler = hv_hc_flush_list },
    /* Root partition only: no flag grants CpuManagement */
    { .code = HVCALL_GET_LOGICAL_PROCESSOR_RUN_TIME,
      .name = "HvCallGetLogicalProcessorRunTime", PRIV(12) },
    { .code = HVCALL_NOTIFY_LONG_SPIN_WAIT,
      .name = "HvCallNotifyLongSpinWait",
      .in_size = 8, .handler = hv_hc_long_spin_wait },
    { .code = HVCALL_PARKED_VIRTUAL_PROCESSORS,
      .name = "HvCallParkedVirtualProcessors", PRIV(12) },
    { .code = HVCALL_SEND_SYNTHETIC_CLUSTER_IPI,
      .name = "HvCallSendSyntheticClusterIpi",
      .in_size = 16, RECOMMENDED(10), .bql = true, .handler = hv_hc_ipi },
    { .code = HVCALL_MODIFY_VTL_PROTECTION_MASK,
      .name = "HvCallModifyVtlProtectionMask",
      .in_size = 16, .rep_in = 8, PRIV(16),
      .handler = hv_hc_modify_vtl_protection_mask },
    { .code = HVCALL_ENABLE_PARTITION_VTL,
      .name = "HvCallEnablePartitionVtl",
      .in_size = 16, PRIV(16), .bql = true,
      .handler = hv_hc_enable_partition_vtl },
    { .code = HVCALL_DISABLE_PARTITION_VTL,
      .name = "HvCallDisablePartitionVtl",
      .in_size = 16, PRIV(16), .handler = hv_hc_disable_partition_vtl },
    { .code = HVCALL_ENABLE_VP_VTL,
      .name = "HvCallEnableVpVtl",
      .in_size = 240, PRIV(16), .handler = hv_hc_enable_vp_vtl },
    { .code = HVCALL_DISABLE_VP_VTL,
      .name = "HvCallDisableVpVtl",
      .in_size = 16, PRIV(16), .handler = hv_hc_disable_vp_vtl },
    { .code = HVCALL_VTL_CALL,
      .name = "HvCallVtlCall",
      PRIV(16), .switch_vtl = hv_hc_vtl_call },
    { .code = HVCALL_VTL_RETURN,
      .name = "HvCallVtlReturn",
      PRIV(16), .switch_vtl = hv_hc_vtl_return },
    { .code = HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX,
      .name = "HvCallFlushVirtualAddressSpaceEx", .l2 = true,
      .needs = HV_PORT_FLUSH,
      .in_size = 32, .var = true, RECOMMENDED(11),
      .handler = hv_hc_flush_space_ex },
    { .code = HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX,
      .name = "HvCallFlushVirtualAddressListEx", .l2 = true,
      .needs = HV_PORT_FLUSH,
      .in_size = 32, .rep_in = 8, .var = true, RECOMMENDED(11),
      .handler = hv_hc_flush_list_ex },
    { .code = HVCALL_SEND_SYNTHETIC_CLUSTER_IPI_EX,
      .name = "HvCallSendSyntheticClusterIpiEx",
      .in_size = 24, .var = true, RECOMMENDED(11), .bql = true,
      .handler = hv_hc_ipi_ex },
    { .code = HVCALL_GET_PARTITION_ID,
      .name = "HvCallGetPartitionId",
      .out_size = 8, PRIV(1), .handler = hv_hc_get_partition_id },
    { .code = HVCALL_INSTALL_INTERCEPT,
      .name = "HvCallInstallIntercept",
      .in_size = 24, PRIV(16), .handler = hv_hc_install_intercept },
    { .code = HVCALL_GET_VP_REGISTERS,
      .name = "HvCallGetVpRegisters",
      .in_size = 16, .rep_in = 4, .rep_out = 16, PRIV(17),
      .handler = hv_hc_get_vp_registers },
    { .code = HVCALL_SET_VP_REGISTERS,
      .name = "HvCallSetVpRegisters",
      .in_size = 16, .rep_in = 32, PRIV(17),
      .handler = hv_hc_set_vp_registers },
    { .code = HVCALL_TRANSLATE_VIRTUAL_ADDRESS,
      .name = "HvCallTranslateVirtualAddress",
      .in_size = 32, .out_size = 16, PRIV(17), .handler = hv_hc_translate },
    { .code = HVCALL_CLEAR_VIRTUAL_INTERRUPT,
      .name = "HvCallClearVirtualInterrupt",
      .in_size = 8, PRIV(16), .bql = true,
      .handler = hv_hc_clear_virtual_interrupt },
    { .code = HVCALL_POST_MESSAGE,
      .name = "HvCallPostMessage",
      .in_size = 256, PRIV(4), .bql = true, .handler = hv_hc_post_message },
    { .code = HVCALL_SIGNAL_EVENT,
      .name = "HvCallSignalEvent",
      .in_size = 8, PRIV(5), .handler = hv_hc_signal_event },
    { .code = HVCALL_POST_DEBUG_DATA,
      .name = "HvCallPostDebugData",
      .in_size = 8, .out_size = 8, PRIV(11), .bql = true, .raw = true,
      .handler = hv_hc_post_debug_data },
    { .code = HVCALL_RETRIEVE_DEBUG_DATA,
      .name = "HvCallRetrieveDebugData",
      .in_size = 16, .out_size = 8, PRIV(11), .bql = true, .raw = true,
      .handler = hv_hc_retrieve_debug_data },
    { .code = HVCALL_RESET_DEBUG_SESSION,
      .name = "HvCallResetDebugSession",
      .in_size = 8, .out_size = 24, PRIV(11), .bql = true, .raw = true,
      .handler = hv_hc_reset_debug_session },
    { .code = HVCALL_REGISTER_INTERCEPT_RESULT,
      .name = "HvCallRegisterInterceptResult",
      .in_size = 64, PRIV(16),
      .handler = hv_hc_register_intercept_result },
    { .code = HVCALL_UNREGISTER_INTERCEPT_RESULT,
      .name = "HvCallUnregisterInterceptResult",
      .in_size = 32, PRIV(16),
      .handler = hv_hc_register_intercept_result },
    { .code = HVCALL_ASSERT_VIRTUAL_INTERRUPT,
      .name = "HvCallAssertVirtualInterrupt",
      .in_size = 32, PRIV(16), .bql = true,
      .handler = hv_hc_assert_virtual_interrupt },
    { .code = HVCALL_START_VIRTUAL_PROCESSOR,
      .name = "HvCallStartVirtualProcessor",
      .in_size = 240, PRIV(21), .handler = hv_hc_start_vp },
    { .code = HVCALL_GET_VP_INDEX_FROM_APIC_ID,
      .name = "HvCallGetVpIndexFromApicId",
      .in_size = 16, .rep_in = 4, .rep_out = 4, PRIV_EAX(6),
      .handler = hv_hc_get_vp_index_from_apic_id },
    { .code = HVCALL_TRANSLATE_VIRTUAL_ADDRESS_EX,
      .name = "HvCallTranslateVirtualAddressEx",
      .in_size = 32, .out_size = 64, PRIV(17), .handler = hv_hc_translate_ex },
    { .code = HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE,
      .name = "HvCallFlushGuestPhysicalAddressSpace",
      .in_size = 16, .right = HV_RIGHT(NESTED, EAX, 18),
      .handler = hv_hc_flush_gpa },
    { .code = HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_LIST,
      .name = "HvCallFlushGuestPhysicalAddressList",
      .in_size = 16, .rep_in = 8, .right = HV_RIGHT(NESTED, EAX, 18),
      .handler = hv_hc_flush_gpa },
    { .code = HVCALL_CHECK_SPARSE_GPA_PAGE_VTL_ACCESS,
      .name = "HvCallCheckSparseGpaPageVtlAccess",
      .in_size = 16, .rep_in = 8, .rep_out = 8, PRIV(16),
      .handler = hv_hc_check_sparse_gpa_page_vtl_access },
    { .code = HVCALL_PIN_GPA_PAGE_RANGES,
      .name = "HvCallPinGpaPageRanges",
      .in_size = 8, .rep_in = 8, PRIV(16),
      .handler = hv_hc_pin_gpa_page_ranges },
    { .code = HVCALL_UNPIN_GPA_PAGE_RANGES,
      .name = "HvCallUnpinGpaPageRanges",
      .in_size = 8, .rep_in = 8, PRIV(16),
      .handler = hv_hc_pin_gpa_page_ranges },
    { .code = HVCALL_EXT_QUERY_CAPABILITIES,
      .name = "HvExtCallQueryCapabilities", .kernel = true,
      .out_size = 8, PRIV(20), .handler = hv_hc_ext_query_capabilities },
    { .code = HVCALL_EXT_GET_BOOT_ZEROED_MEMORY,
      .name = "HvExtCallGetBootZeroedMemory", .kernel = true,
      .out_size = 8 + HV_BOOT_ZEROED_MAX_RANGES * 16, PRIV(20),
      .handler = hv_hc_ext_get_boot_zeroed_memory },
};

const unsigned hv_nr_hypercalls = ARRAY_SIZE(hv_hypercalls);

static const HvHypercallRow *hv_hypercall_find(unsigned caps, uint16_t code)
{
    unsigned lo = 0, hi = ARRAY_SIZE(hv_hypercalls);

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (hv_hypercalls[mid].code == code) {
            return hv_hypercalls[mid].needs & ~caps ?
                   NULL : &hv_hypercalls[mid];
        } else if (hv_hypercalls[mid].code < code) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* A parameter list: aligned, in one page, in the guest's address space */
static bool hv_gpa_ok(X86CPU *cpu, uint64_t gpa, unsigned size)
{
    return !(gpa & 7) && (gpa & (HV_PAGE_SIZE - 1)) + size <= HV_PAGE_SIZE &&
           !(gpa >> cpu->phys_bits);
}

static void hv_fast_read(CPUX86State *env, HvHypercall *hc)
{
    uint8_t regs[HV_HYPERCALL_FAST_SIZE];
    unsigned i;

    stq_le_p(regs, hc->in_gpa);
    stq_le_p(regs + 8, hc->out_gpa);
    for (i = 0; i < HV_HYPERCALL_XMM_REGS; i++) {
        stq_le_p(regs + 16 + i * 16, env->xmm_regs[i].ZMM_Q(0));
        stq_le_p(regs + 24 + i * 16, env->xmm_regs[i].ZMM_Q(1));
    }
    memcpy(hc->in, regs, hc->in_size);
}

/*
 * Output follows the input, from the next register on (TLFS 3.8).  Elements
 * are not always whole registers: the rest of theirs is zeroed.
 */
static void hv_fast_write(CPUX86State *env, HvHypercall *hc, unsigned from,
                          unsigned to)
{
    unsigned pos = ROUND_UP(hc->in_size, 16);
    unsigned i;

    for (i = from & ~7u; i < to; i += 8) {
        uint64_t val = ldq_le_p(hc->out + i);
        unsigned reg = (pos + i) / 8;

        if (reg == 0) {
            env->regs[R_EDX] = val;
        } else if (reg == 1) {
            env->regs[R_R8] = val;
        } else {
            env->xmm_regs[reg / 2 - 1].ZMM_Q(reg % 2) = val;
        }
    }
}

typedef enum HvDispatch {
    HV_DISPATCH_DONE,
    HV_DISPATCH_UD,
} HvDispatch;

/* Rights and shape of a call; sets *status if the answer is known already */
static HvDispatch hv_hypercall_check(X86CPU *cpu, HvHypercall *hc,
                                     const HvHypercallRow *row, bool is64,
                                     uint16_t *status)
{
    static const HvRight xmm_in = HV_RIGHT(FEATURES, EDX, 4);
    static const HvRight xmm_out = HV_RIGHT(FEATURES, EDX, 15);
    HvPartition *p = hc->vp->partition;
    unsigned fast_size;

    if (!hc->l2 &&
        (!hv_has_right(p, &row->right) ||
         (p->enforce_cpuid && !hv_has_right(p, &row->recommended)))) {
        *status = HV_STATUS_ACCESS_DENIED;
        return HV_DISPATCH_DONE;
    }
    *status = HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (hc->control & (HV_HYPERCALL_RSVD_MASK | HV_HYPERCALL_NESTED)) {
        return HV_DISPATCH_DONE;
    }
    if (row->rep_in ? hc->rep_start >= hc->rep_count :
                      hc->rep_start || hc->rep_count) {
        return HV_DISPATCH_DONE;
    }
    if (hc->var_words && !row->var) {
        return HV_DISPATCH_DONE;
    }

    hc->in_size = row->in_size + hc->var_words * 8 +
                  hc->rep_count * row->rep_in;
    hc->out_size = row->out_size + hc->rep_count * row->rep_out;

    if (hc->fast) {
        fast_size = hc->in_size;
        if (hc->out_size) {
            /* TLFS 3.8: x64 only, and a feature of its own */
            if (!is64 || !hv_has_right(p, &xmm_out)) {
                return HV_DISPATCH_UD;
            }
            fast_size = ROUND_UP(fast_size, 16) + hc->out_size;
        }
        if (fast_size > HV_HYPERCALL_FAST_SIZE || row->raw) {
            return HV_DISPATCH_DONE;
        }
        if (fast_size > HV_HYPERCALL_GPR_INPUT_SIZE &&
            !hv_has_right(p, &xmm_in)) {
            return HV_DISPATCH_UD;
        }
        if (fast_size > HV_HYPERCALL_GPR_INPUT_SIZE) {
            cpu_synchronize_state(CPU(cpu));
        }
    } else {
        if ((hc->in_size && !hv_gpa_ok(cpu, hc->in_gpa, hc->in_size)) ||
            (hc->out_size && !hv_gpa_ok(cpu, hc->out_gpa, hc->out_size))) {
            *status = HV_STATUS_INVALID_ALIGNMENT;
            return HV_DISPATCH_DONE;
        }
    }
    *status = HV_STATUS_SUCCESS;
    return HV_DISPATCH_DONE;
}

static bool hv_read_input(X86CPU *cpu, uint64_t gpa, void *buf, unsigned size)
{
    HvVp *vp = cpu->hv_vp;

    return address_space_read(hv_partition_memory(vp->partition,
                                                  vp->active_vtl), gpa,
                              MEMTXATTRS_UNSPECIFIED, buf, size) == MEMTX_OK;
}

static uint16_t hv_hypercall_run(X86CPU *cpu, HvHypercall *hc,
                                 const HvHypercallRow *row,
                                 HvReadInput read_input)
{
    AddressSpace *as = hv_partition_memory(hc->vp->partition,
                                           hc->vp->active_vtl);
    unsigned from, to;
    uint16_t status;

    if (hc->fast) {
        hv_fast_read(&cpu->env, hc);
    } else if (hc->in_size && !row->raw &&
               !read_input(cpu, hc->in_gpa, hc->in, hc->in_size)) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    memset(hc->out, 0, hc->out_size);
    hc->reps_done = hc->rep_start;

    if (row->bql) {
        BQL_LOCK_GUARD();
        status = row->handler(hc);
    } else {
        status = row->handler(hc);
    }

    if (!hc->out_size || row->raw ||
        (status != HV_STATUS_SUCCESS && hc->reps_done == hc->rep_start)) {
        return status;
    }
    /* Of a list, what this execution of the call has made (TLFS 3.8) */
    from = hc->rep_start * row->rep_out;
    to = row->rep_in ? hc->reps_done * row->rep_out : hc->out_size;
    if (hc->fast) {
        hv_fast_write(&cpu->env, hc, from, to);
    } else if (address_space_write(as, hc->out_gpa + from,
                                   MEMTXATTRS_UNSPECIFIED, hc->out + from,
                                   to - from) != MEMTX_OK) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return status;
}

static void hv_log_failed(unsigned vp, uint64_t control,
                          const HvHypercallRow *row, uint16_t status)
{
    qemu_log_mask(LOG_GUEST_ERROR, "hyperv: VP %u: hypercall 0x%" PRIx64
                  " (%s): status %u\n", vp, control,
                  row ? row->name : "unknown", status);
}

/* Returns: false if the guest is to get #UD */
static bool hv_hypercall_do(X86CPU *cpu, const HvHypercallRow *row,
                            uint64_t control, bool l2, HvReadInput read_input)
{
    CPUX86State *env = &cpu->env;
    HvVp *vp = cpu->hv_vp;
    bool is64 = hv_caller_is_64bit(env);
    HvHypercall hc;
    uint16_t status;
    uint64_t result;

    hc.vp = vp;
    hc.l2 = l2;
    hc.in = vp->hcall_in;
    hc.out = vp->hcall_out;
    hc.reps_done = 0;
    hc.again = false;
    hc.left = false;
    hc.control = control;
    if (is64) {
        hc.in_gpa = env->regs[R_EDX];
        hc.out_gpa = env->regs[R_R8];
    } else {
        hc.in_gpa = deposit64(env->regs[R_ECX], 32, 32, env->regs[R_EBX]);
        hc.out_gpa = deposit64(env->regs[R_ESI], 32, 32, env->regs[R_EDI]);
    }
    hc.fast = hc.control & HV_HYPERCALL_FAST;
    hc.var_words = (hc.control >> HV_HYPERCALL_VARHEAD_SHIFT) &
                   HV_HYPERCALL_VARHEAD_MASK;
    hc.rep_count = (hc.control >> HV_HYPERCALL_REP_COUNT_SHIFT) &
                   HV_HYPERCALL_REP_MASK;
    hc.rep_start = (hc.control >> HV_HYPERCALL_REP_START_SHIFT) &
                   HV_HYPERCALL_REP_MASK;

    if (!row) {
        status = HV_STATUS_INVALID_HYPERCALL_CODE;
    } else {
        if (hv_hypercall_check(cpu, &hc, row, is64,
                               &status) == HV_DISPATCH_UD) {
            return false;
        }
        vp->stats.hypercalls[row - hv_hypercalls]++;
        if (status == HV_STATUS_SUCCESS) {
            status = hv_hypercall_run(cpu, &hc, row, read_input);
        }
        if (hc.again) {
            vp->hcall_again = true;
            return true;
        }
    }

    trace_hv_hypercall(vp->index, row ? row->name : "?", hc.control,
                       hc.in_gpa, hc.out_gpa, status, hc.reps_done);
    if (status != HV_STATUS_SUCCESS) {
        vp->stats.hypercalls_failed++;
        hv_log_failed(vp->index, hc.control, row, status);
    }
    if (row && hc.left) {
        return true;
    }

    result = status | (uint64_t)hc.reps_done << HV_HYPERCALL_REP_COUNT_SHIFT;
    if (is64) {
        env->regs[R_EAX] = result;
    } else {
        env->regs[R_EAX] = (uint32_t)result;
        env->regs[R_EDX] = result >> 32;
    }
    return true;
}

static uint64_t hv_control(CPUX86State *env)
{
    return hv_caller_is_64bit(env) ? env->regs[R_ECX] :
           deposit64(env->regs[R_EAX], 32, 32, env->regs[R_EDX]);
}

bool hv_hypercall(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    HvVp *vp = cpu->hv_vp;
    HvPartition *p = vp->partition;
    uint64_t control = hv_control(env);
    const HvHypercallRow *row;

    /* TLFS 3.5: kernel mode, protected mode; and a guest that said who it is */
    if (!(env->cr[0] & CR0_PE_MASK) || (env->eflags & VM_MASK) ||
        (env->hflags & HF_CPL_MASK) ||
        !qatomic_read(&p->vtl[vp->active_vtl].guest_os_id)) {
        return false;
    }
    row = hv_hypercall_find(p->ops->caps, control & HV_HYPERCALL_CODE_MASK);
    if (row && row->switch_vtl && hv_has_right(p, &row->right)) {
        vp->stats.hypercalls[row - hv_hypercalls]++;
        return row->switch_vtl(vp, control);
    }
    return hv_hypercall_do(cpu, row, control, false, hv_read_input);
}

bool hv_hypercall_l2(X86CPU *cpu, HvReadInput read_input)
{
    uint64_t control = hv_control(&cpu->env);
    const HvHypercallRow *row =
        hv_hypercall_find(cpu->hv_vp->partition->ops->caps,
                          control & HV_HYPERCALL_CODE_MASK);

    return row && row->l2 && hv_hypercall_do(cpu, row, control, true,
                                             read_input);
}

static uint16_t hv_kernel_run(X86CPU *cpu, const HvHypercallRow *row,
                              uint64_t control, uint64_t out_gpa)
{
    g_autofree uint8_t *out = NULL;
    HvHypercall hc = {};
    uint16_t status;

    if (!row || !row->kernel) {
        return HV_STATUS_INVALID_HYPERCALL_CODE;
    }
    if (!hyperv_feat_enabled(cpu, HYPERV_FEAT_EXT_HYPERCALLS)) {
        return HV_STATUS_ACCESS_DENIED;
    }
    if (control & ~(uint64_t)HV_HYPERCALL_CODE_MASK) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    if (!hv_gpa_ok(cpu, out_gpa, row->out_size)) {
        return HV_STATUS_INVALID_ALIGNMENT;
    }
    out = g_malloc0(row->out_size);
    hc.out = out;
    status = row->handler(&hc);
    if (status == HV_STATUS_SUCCESS &&
        address_space_write(&address_space_memory, out_gpa,
                            MEMTXATTRS_UNSPECIFIED, out,
                            row->out_size) != MEMTX_OK) {
        status = HV_STATUS_INVALID_PARAMETER;
    }
    return status;
}

uint16_t hv_hypercall_from_kernel(X86CPU *cpu, uint64_t control,
                                  uint64_t out_gpa)
{
    const HvHypercallRow *row = hv_hypercall_find(0, control &
                                                  HV_HYPERCALL_CODE_MASK);
    uint16_t status = hv_kernel_run(cpu, row, control, out_gpa);

    if (status != HV_STATUS_SUCCESS) {
        hv_log_failed(CPU(cpu)->cpu_index, control, row, status);
    }
    return status;
}
