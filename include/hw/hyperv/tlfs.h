/*
 * Hyper-V guest interface: numbers and layouts of Microsoft's Hypervisor
 * Top-Level Functional Specification (TLFS) that the accelerator-independent
 * implementation needs beyond QEMU's own hyperv-proto.h
 *
 * Everything here is data: no function, no QEMU type, nothing of a target.
 * All structures in guest memory are little-endian.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_TLFS_H
#define HW_HYPERV_TLFS_H

#include "hw/hyperv/hyperv-proto.h"

#define HV_PAGE_SHIFT                           12
#define HV_PAGE_SIZE                            (1u << HV_PAGE_SHIFT)

/* Architectural limit of x86-64 and Arm guest physical addresses */
#define HV_GPA_BITS_MAX                         52

/* Reference time runs at 10 MHz (TLFS 12.1) */
#define HV_REF_TIME_NS                          100

/* Status codes that hyperv-proto.h lacks (TLFS appendix B) */
#define HV_STATUS_ACCESS_DENIED                 6
#define HV_STATUS_OPERATION_DENIED              8
#define HV_STATUS_INVALID_PARTITION_ID          13
#define HV_STATUS_INVALID_VP_INDEX              14
#define HV_STATUS_NOT_ACKNOWLEDGED              20
#define HV_STATUS_INVALID_VP_STATE              21
#define HV_STATUS_ACKNOWLEDGED                  22
#define HV_STATUS_INVALID_SYNIC_STATE           24
#define HV_STATUS_FEATURE_UNAVAILABLE           30
#define HV_STATUS_INVALID_REGISTER_VALUE        80
#define HV_STATUS_INVALID_VTL_STATE             81
#define HV_STATUS_VTL_ALREADY_ENABLED           134

/*
 * Hypercall control word (TLFS 3.7; bit positions of the web edition, which
 * guests use)
 */
#define HV_HYPERCALL_CODE_MASK                  0xffff
#define HV_HYPERCALL_VARHEAD_SHIFT              17
#define HV_HYPERCALL_VARHEAD_MASK               0x3ff
#define HV_HYPERCALL_NESTED                     (1ull << 31)
#define HV_HYPERCALL_REP_COUNT_SHIFT            32
#define HV_HYPERCALL_REP_START_SHIFT            48
#define HV_HYPERCALL_REP_MASK                   0xfff
#define HV_HYPERCALL_RSVD_MASK \
    ((0xfull << 27) | (0xfull << 44) | (0xfull << 60))
#define HV_HYPERCALL_RSVD_MASK_NO_NESTED \
    (HV_HYPERCALL_RSVD_MASK & ~HV_HYPERCALL_NESTED)

/* Fast input is RDX, R8 and XMM0 to XMM5 */
#define HV_HYPERCALL_GPR_INPUT_SIZE             16
#define HV_HYPERCALL_XMM_REGS                   6
#define HV_HYPERCALL_FAST_SIZE \
    (HV_HYPERCALL_GPR_INPUT_SIZE + 16 * HV_HYPERCALL_XMM_REGS)

/* Call codes (TLFS appendix A) */
#define HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE      0x0002
#define HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST       0x0003
#define HVCALL_GET_LOGICAL_PROCESSOR_RUN_TIME   0x0004
#define HVCALL_NOTIFY_LONG_SPIN_WAIT            0x0008
#define HVCALL_PARKED_VIRTUAL_PROCESSORS        0x0009
#define HVCALL_SEND_SYNTHETIC_CLUSTER_IPI       0x000b
#define HVCALL_MODIFY_VTL_PROTECTION_MASK       0x000c
#define HVCALL_ENABLE_PARTITION_VTL             0x000d
#define HVCALL_DISABLE_PARTITION_VTL            0x000e
#define HVCALL_ENABLE_VP_VTL                    0x000f
#define HVCALL_DISABLE_VP_VTL                   0x0010
#define HVCALL_VTL_CALL                         0x0011
#define HVCALL_VTL_RETURN                       0x0012
#define HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX   0x0013
#define HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX    0x0014
#define HVCALL_SEND_SYNTHETIC_CLUSTER_IPI_EX    0x0015
#define HVCALL_GET_PARTITION_ID                 0x0046
#define HVCALL_INSTALL_INTERCEPT                0x004d
#define HVCALL_GET_VP_REGISTERS                 0x0050
#define HVCALL_SET_VP_REGISTERS                 0x0051
#define HVCALL_TRANSLATE_VIRTUAL_ADDRESS        0x0052
#define HVCALL_CLEAR_VIRTUAL_INTERRUPT          0x0056
#define HVCALL_POST_MESSAGE                     0x005c
#define HVCALL_SIGNAL_EVENT                     0x005d
#define HVCALL_POST_DEBUG_DATA                  0x0069
#define HVCALL_RETRIEVE_DEBUG_DATA              0x006a
#define HVCALL_RESET_DEBUG_SESSION              0x006b
#define HVCALL_REGISTER_INTERCEPT_RESULT        0x0091
#define HVCALL_UNREGISTER_INTERCEPT_RESULT      0x0092
#define HVCALL_ASSERT_VIRTUAL_INTERRUPT         0x0094
#define HVCALL_START_VIRTUAL_PROCESSOR          0x0099
#define HVCALL_GET_VP_INDEX_FROM_APIC_ID        0x009a
#define HVCALL_TRANSLATE_VIRTUAL_ADDRESS_EX     0x00ac
#define HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE 0x00af
#define HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_LIST  0x00b0
#define HVCALL_CHECK_SPARSE_GPA_PAGE_VTL_ACCESS 0x00d4
#define HVCALL_PIN_GPA_PAGE_RANGES              0x0112
#define HVCALL_UNPIN_GPA_PAGE_RANGES            0x0113
#define HVCALL_EXT_QUERY_CAPABILITIES           0x8001
#define HVCALL_EXT_GET_BOOT_ZEROED_MEMORY       0x8002

/* Bit n of HvExtCallQueryCapabilities stands for call 0x8002 + n */
#define HV_EXT_CAPABILITY_BOOT_ZEROED_MEMORY    (1ull << 0)
#define HV_BOOT_ZEROED_MAX_RANGES               255

/* Flags of the TLB flush calls (TLFS 9.4) */
#define HV_FLUSH_ALL_PROCESSORS                 (1ull << 0)
#define HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES     (1ull << 1)
#define HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY       (1ull << 2)
#define HV_FLUSH_USE_EXTENDED_RANGE_FORMAT      (1ull << 3)

/* GVA range element, extended format */
#define HV_GVA_RANGE_EX_COUNT_MASK              0x7ff
#define HV_GVA_RANGE_EX_LARGE                   (1ull << 11)
#define HV_GVA_RANGE_EX_1GB                     (1ull << 12)

/* HV_VP_SET (TLFS 7.8.7) */
#define HV_GENERIC_SET_SPARSE_4K                0
#define HV_GENERIC_SET_ALL                      1
#define HV_VP_SET_BANK_VPS                      64
#define HV_VP_SET_BANKS                         64
#define HV_VP_SET_VPS                           (HV_VP_SET_BANK_VPS * \
                                                 HV_VP_SET_BANKS)

/* Vectors below this one are exceptions */
#define HV_VECTOR_MIN                           0x10

/* HV_INPUT_VTL */
#define HV_INPUT_VTL_TARGET_MASK                0xf
#define HV_INPUT_VTL_USE_TARGET                 (1u << 4)
#define HV_INPUT_VTL_RSVD_MASK                  0xe0

/* HV_MAP_GPA_FLAGS: what may be done to a page; all other bits are reserved */
#define HV_MAP_GPA_READABLE                     (1u << 0)
#define HV_MAP_GPA_WRITABLE                     (1u << 1)
#define HV_MAP_GPA_KERNEL_EXECUTABLE            (1u << 2)
#define HV_MAP_GPA_USER_EXECUTABLE              (1u << 3)
#define HV_MAP_GPA_RW                           0x3
#define HV_MAP_GPA_ALL                          0xf

/* Header of the messages of intercepts (TLFS 13.2) */
struct hv_x64_intercept_header {
    uint32_t vp_index;
    uint8_t instruction_length;     /* 3:0; 0 if not known.  7:4 is CR8 */
    uint8_t access_type;
    uint16_t execution_state;
    uint64_t cs_base;
    uint64_t cs_rest;               /* limit, selector, attributes */
    uint64_t rip;
    uint64_t rflags;
} __attribute__ ((__packed__));

#define HV_INTERCEPT_ACCESS_READ                0
#define HV_INTERCEPT_ACCESS_WRITE               1
#define HV_INTERCEPT_ACCESS_EXECUTE             2

#define HV_EXECUTION_STATE_PE                   (1u << 2)
#define HV_EXECUTION_STATE_AM                   (1u << 3)
#define HV_EXECUTION_STATE_LMA                  (1u << 4)
#define HV_EXECUTION_STATE_DEBUG                (1u << 5)
#define HV_EXECUTION_STATE_PENDING              (1u << 6)
#define HV_EXECUTION_STATE_VTL_SHIFT            7
#define HV_EXECUTION_STATE_SHADOW               (1u << 12)

/* Payload of HvMessageTypeGpaIntercept */
struct hv_x64_memory_intercept {
    struct hv_x64_intercept_header header;
    uint32_t cache_type;
    uint8_t instruction_byte_count;
    uint8_t memory_access_info;
    uint8_t tpr_priority;
    uint8_t reserved;
    uint64_t gva;
    uint64_t gpa;
    uint8_t instruction_bytes[16];
} __attribute__ ((__packed__));

#define HV_MEMORY_ACCESS_GVA_VALID              (1u << 0)
#define HV_MEMORY_ACCESS_GVA_GPA_VALID          (1u << 1)

/* Segment registers as HV_X64_SEGMENT_REGISTER: base; limit, selector, ... */
struct hv_x64_segment {
    uint64_t base;
    uint64_t rest;
} __attribute__ ((__packed__));

/* Payload of HvMessageTypeX64IoPortIntercept */
struct hv_x64_io_port_intercept {
    struct hv_x64_intercept_header header;
    uint16_t port;
    uint8_t access_info;            /* size in 2:0 */
    uint8_t instruction_byte_count; /* of string instructions only */
    uint32_t reserved;
    uint64_t rax;
    uint8_t instruction_bytes[16];
    struct hv_x64_segment ds;
    struct hv_x64_segment es;
    uint64_t rcx;
    uint64_t rsi;
    uint64_t rdi;
} __attribute__ ((__packed__));

#define HV_IO_ACCESS_STRING                     (1u << 3)
#define HV_IO_ACCESS_REP                        (1u << 4)

/* Payload of HvMessageTypeMsrIntercept */
struct hv_x64_msr_intercept {
    struct hv_x64_intercept_header header;
    uint32_t msr;
    uint32_t reserved;
    uint64_t rdx;
    uint64_t rax;
} __attribute__ ((__packed__));

/* Payload of HvMessageTypeX64CpuidIntercept; registers RAX, RCX, RDX, RBX */
struct hv_x64_cpuid_intercept {
    struct hv_x64_intercept_header header;
    uint64_t regs[4];
    uint64_t default_result[4];
} __attribute__ ((__packed__));

/* Payload of HvMessageTypeX64ExceptionIntercept; RAX, RCX, RDX, RBX, RSP, ... */
struct hv_x64_exception_intercept {
    struct hv_x64_intercept_header header;
    uint16_t vector;
    uint8_t info;
    uint8_t instruction_byte_count;
    uint32_t error_code;
    uint64_t parameter;             /* address of #PF, DR6 of #DB */
    uint64_t reserved;
    uint8_t instruction_bytes[16];
    struct hv_x64_segment ds;
    struct hv_x64_segment ss;
    uint64_t regs[16];
} __attribute__ ((__packed__));

#define HV_EXCEPTION_ERROR_CODE_VALID           (1u << 0)
#define HV_EXCEPTION_SOFTWARE                   (1u << 1)

/* Payload of HvMessageTypeRegisterIntercept */
struct hv_x64_register_intercept {
    struct hv_x64_intercept_header header;
    uint8_t flags;
    uint8_t reserved[3];
    uint32_t name;
    uint64_t access_info[2];        /* the value, or the address that has it */
} __attribute__ ((__packed__));

#define HV_REGISTER_ACCESS_MEMORY_OP            (1u << 0)

#define HV_MESSAGE_X64_REGISTER_INTERCEPT       0x80010006

/* HvCallInstallIntercept: types, and what of them */
#define HV_INTERCEPT_TYPE_X64_IO_PORT           0x00
#define HV_INTERCEPT_TYPE_X64_MSR               0x01
#define HV_INTERCEPT_TYPE_X64_CPUID             0x02
#define HV_INTERCEPT_TYPE_EXCEPTION             0x03
#define HV_INTERCEPT_TYPE_X64_IO_PORT_RANGE     0x11
#define HV_INTERCEPT_MASK_READ                  (1u << 0)
#define HV_INTERCEPT_MASK_WRITE                 (1u << 1)
#define HV_INTERCEPT_MASK_EXECUTE               (1u << 2)

/* HV_INTERRUPT_CONTROL of HvCallAssertVirtualInterrupt */
#define HV_INTERRUPT_TYPE_MASK                  0xffffffffull
#define HV_INTERRUPT_TYPE_FIXED                 0
#define HV_INTERRUPT_TYPE_LOWEST_PRIORITY       1
#define HV_INTERRUPT_TYPE_NMI                   4
#define HV_INTERRUPT_TYPE_INIT                  5
#define HV_INTERRUPT_TYPE_EXTINT                7
#define HV_INTERRUPT_LEVEL_TRIGGERED            (1ull << 32)
#define HV_INTERRUPT_LOGICAL_DESTINATION        (1ull << 33)
#define HV_INTERRUPT_VECTOR_NONE                0xffffffffu

/* HV_GPA_PAGE_RANGE */
#define HV_GPA_RANGE_COUNT_MASK                 0x7ff
#define HV_GPA_RANGE_LARGE                      (1ull << 11)
#define HV_GPA_RANGE_1GB                        (1ull << 12)
#define HV_GPA_RANGE_LARGE_RSVD                 (0xffull << 13)
#define HV_GPA_RANGE_LARGE_SHIFT                21

/* HvCallCheckSparseGpaPageVtlAccess: an element of the output */
#define HV_CHECK_ACCESS_MEMORY_INTERCEPT        1
#define HV_CHECK_ACCESS_DENIED_SHIFT            8
#define HV_CHECK_ACCESS_VTL_SHIFT               16

/* HvCallTranslateVirtualAddress (TLFS 9.4): flags, result codes, cache types */
#define HV_TRANSLATE_VALIDATE_READ              (1ull << 0)
#define HV_TRANSLATE_VALIDATE_WRITE             (1ull << 1)
#define HV_TRANSLATE_VALIDATE_EXECUTE           (1ull << 2)
#define HV_TRANSLATE_PRIVILEGE_EXEMPT           (1ull << 3)
#define HV_TRANSLATE_SET_PAGE_TABLE_BITS        (1ull << 4)
#define HV_TRANSLATE_SUPERVISOR_ACCESS          (1ull << 6)
#define HV_TRANSLATE_USER_ACCESS                (1ull << 7)
#define HV_TRANSLATE_ENFORCE_SMAP               (1ull << 8)
#define HV_TRANSLATE_OVERRIDE_SMAP              (1ull << 9)
#define HV_TRANSLATE_INPUT_VTL_SHIFT            56

#define HV_TRANSLATE_SUCCESS                    0
#define HV_TRANSLATE_PAGE_NOT_PRESENT           1
#define HV_TRANSLATE_PRIVILEGE_VIOLATION        2
#define HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS   3
#define HV_TRANSLATE_GPA_UNMAPPED               4
#define HV_TRANSLATE_GPA_NO_READ_ACCESS         5
#define HV_TRANSLATE_GPA_NO_WRITE_ACCESS        6
#define HV_TRANSLATE_GPA_ILLEGAL_OVERLAY        7

#define HV_TRANSLATE_CACHE_TYPE_SHIFT           32
#define HV_TRANSLATE_OVERLAY_PAGE               (1ull << 40)

#define HV_CACHE_TYPE_UNCACHED                  0
#define HV_CACHE_TYPE_WRITE_BACK                6

/* HV_X64_PENDING_EXCEPTION_EVENT */
#define HV_PENDING_EVENT                        (1ull << 0)
#define HV_PENDING_EVENT_ERROR_CODE             (1ull << 8)
#define HV_PENDING_EVENT_VECTOR_SHIFT           16
#define HV_PENDING_EVENT_ERROR_SHIFT            32

#define HV_PARTITION_ID_SELF                    UINT64_MAX
#define HV_VP_INDEX_SELF                        0xfffffffeu
#define HV_ANY_VP                               0xffffffffu

/* Overlay page MSRs: HYPERCALL, REFERENCE_TSC, SIMP, SIEFP, VP_ASSIST_PAGE */
#define HV_OVERLAY_ENABLE                       (1ull << 0)
#define HV_OVERLAY_GPA_MASK                     (~0xfffull)
#define HV_HYPERCALL_PAGE_LOCKED                (1ull << 1)

/* SynIC registers (TLFS 11.8); some are in QEMU's x86 header as well */
#define HV_SYNIC_VERSION                      1
#define HV_SYNIC_ENABLE                       (1u << 0)
#define HV_SIMP_ENABLE                        (1u << 0)
#define HV_SIEFP_ENABLE                       (1u << 0)
#define HV_SINT_VECTOR_MASK                   0xff
#define HV_SINT_MASKED                        (1u << 16)
#define HV_SINT_AUTO_EOI                      (1u << 17)
#define HV_SINT_POLLING                         (1u << 18)
#define HV_SINT_PROXY                           (1u << 20)

/* STIMERx_CONFIG (TLFS 12.5) */
#define HV_STIMER_ENABLE                        (1ull << 0)
#define HV_STIMER_PERIODIC                      (1ull << 1)
#define HV_STIMER_LAZY                          (1ull << 2)
#define HV_STIMER_AUTO_ENABLE                   (1ull << 3)
#define HV_STIMER_VECTOR_SHIFT                  4
#define HV_STIMER_VECTOR_MASK                   0xff
#define HV_STIMER_DIRECT                        (1ull << 12)
#define HV_STIMER_SINT_SHIFT                    16
#define HV_STIMER_SINT_MASK                     0xf
#define HV_STIMER_RSVD_MASK                     ((0x7ull << 13) | \
                                                 (~0ull << 20))

/* Payload of HvMessageTypeTimerExpired */
struct hv_timer_message_payload {
    uint32_t timer_index;
    uint32_t reserved;
    uint64_t expiration_time;   /* when the timer was due */
    uint64_t delivery_time;     /* when the message entered its slot */
} __attribute__ ((__packed__));

/* Reference TSC page (TLFS 12.7) */
#define HV_REFERENCE_TSC_SEQUENCE_INVALID       0
struct hv_reference_tsc_page {
    uint32_t tsc_sequence;
    uint32_t reserved;
    uint64_t tsc_scale;         /* 64.64 fixed point */
    int64_t tsc_offset;
} __attribute__ ((__packed__));

/* VP assist page (TLFS 7.8.7) */
#define HV_VP_ASSIST_APIC_ASSIST                0
#define HV_APIC_ASSIST_NO_EOI_REQUIRED          (1u << 0)
#define HV_VP_ASSIST_NESTED_FEATURES            32
#define HV_NESTED_DIRECT_HYPERCALL              (1u << 0)

/* HV_VP_VTL_CONTROL, a part of the VP assist page (TLFS 15.8) */
#define HV_VP_ASSIST_VTL_CONTROL                8
#define HV_VTL_CONTROL_ENTRY_REASON             0
#define HV_VTL_CONTROL_VINA                     4
#define HV_VTL_CONTROL_VINA_ASSERTED            (1u << 0)
#define HV_VTL_CONTROL_RETURN                   8

/* Input of HvCallVtlReturn (TLFS 15.7) */
#define HV_VTL_RETURN_FAST                      (1ull << 0)

/* Flags of HvCallEnablePartitionVtl */
#define HV_ENABLE_PARTITION_VTL_MBEC            (1u << 0)

/* HV_REGISTER_NAME (TLFS 7.3) of HV_INITIAL_VP_CONTEXT */
#define HV_X64_REGISTER_RSP                     0x00020004
#define HV_X64_REGISTER_RIP                     0x00020010
#define HV_X64_REGISTER_RFLAGS                  0x00020011
#define HV_X64_REGISTER_CR0                     0x00040000
#define HV_X64_REGISTER_CR3                     0x00040002
#define HV_X64_REGISTER_CR4                     0x00040003
#define HV_X64_REGISTER_XFEM                    0x00040005
#define HV_X64_REGISTER_ES                      0x00060000
#define HV_X64_REGISTER_CS                      0x00060001
#define HV_X64_REGISTER_SS                      0x00060002
#define HV_X64_REGISTER_DS                      0x00060003
#define HV_X64_REGISTER_FS                      0x00060004
#define HV_X64_REGISTER_GS                      0x00060005
#define HV_X64_REGISTER_LDTR                    0x00060006
#define HV_X64_REGISTER_TR                      0x00060007
#define HV_X64_REGISTER_IDTR                    0x00070000
#define HV_X64_REGISTER_GDTR                    0x00070001
#define HV_X64_REGISTER_EFER                    0x00080001
#define HV_X64_REGISTER_PAT                     0x00080004

/* ...and of virtual secure mode */
#define HV_REGISTER_VSM_CODE_PAGE_OFFSETS       0x000d0002
#define HV_REGISTER_VSM_VP_STATUS               0x000d0003
#define HV_REGISTER_VSM_PARTITION_STATUS        0x000d0004
#define HV_REGISTER_VSM_VINA                    0x000d0005
#define HV_REGISTER_VSM_CAPABILITIES            0x000d0006
#define HV_REGISTER_VSM_PARTITION_CONFIG        0x000d0007
#define HV_REGISTER_VSM_VP_SECURE_CONFIG_VTL0   0x000d0010

/* Secure register intercepts (TLFS 15.13.4): control, then three masks */
#define HV_X64_REGISTER_CR_INTERCEPT_CONTROL    0x000e0000
#define HV_CR_INTERCEPT_CONTROL                 0
#define HV_CR_INTERCEPT_CR0_MASK                1
#define HV_CR_INTERCEPT_CR4_MASK                2
#define HV_CR_INTERCEPT_MISC_ENABLE_MASK        3
#define HV_CR_INTERCEPT_REGS                    4
#define HV_CR_INTERCEPT_CONTROL_RSVD            (~0ull << 29)

/* HvRegisterVsmVina (TLFS 15.12) */
#define HV_VINA_VECTOR_MASK                     0xff
#define HV_VINA_ENABLED                         (1ull << 8)
#define HV_VINA_AUTO_RESET                      (1ull << 9)
#define HV_VINA_AUTO_EOI                        (1ull << 10)
#define HV_VINA_RSVD_MASK                       (~0ull << 11)

/* HvRegisterVsmCapabilities (TLFS 15.3) */
#define HV_VSM_CAP_MBEC_VTLS_SHIFT              1
#define HV_VSM_CAP_DENY_LOWER_VTL_STARTUP       (1ull << 17)

/* HvRegisterVsmPartitionConfig (TLFS 15.5) */
#define HV_VSM_ENABLE_VTL_PROTECTION            (1ull << 0)
#define HV_VSM_DEFAULT_PROTECTION_SHIFT         1
#define HV_VSM_DEFAULT_PROTECTION_MASK          (0xfull << 1)
#define HV_VSM_ZERO_MEMORY_ON_RESET             (1ull << 5)
#define HV_VSM_DENY_LOWER_VTL_STARTUP           (1ull << 6)

/* HvRegisterVsmVpSecureConfigVtlX (TLFS 15.5) */
#define HV_VSM_MBEC_ENABLED                     (1ull << 0)
#define HV_VSM_TLB_LOCKED                       (1ull << 1)

/* HvRegisterVsmPartitionStatus and VpStatus: where their fields begin */
#define HV_VSM_PARTITION_MAXIMUM_VTL_SHIFT      16
#define HV_VSM_PARTITION_MBEC_VTLS_SHIFT        20
#define HV_VSM_VP_ACTIVE_MBEC                   (1ull << 4)
#define HV_VSM_VP_ENABLED_VTLS_SHIFT            16

/* HvRegisterVsmCodePageOffsets */
#define HV_VSM_VTL_RETURN_OFFSET_SHIFT          12

/* CRASH_CTL (TLFS 4.3) */
#define HV_CRASH_CTL_CRASH_NOTIFY               (1ull << 63)
#define HV_CRASH_CTL_CRASH_MESSAGE              (1ull << 62)
#define HV_CRASH_MESSAGE_MAX                    4096

#define HV_RESET_REBOOT                         (1ull << 0)

#define HV_REENLIGHTENMENT_VECTOR_MASK          0xff
#define HV_REENLIGHTENMENT_ENABLE               (1ull << 16)
#define HV_REENLIGHTENMENT_TARGET_SHIFT         32
#define HV_REENLIGHTENMENT_RSVD_MASK            ((0xffull << 8) | \
                                                 (0x7fffull << 17))
#define HV_TSC_EMULATION_ENABLE                 (1ull << 0)
#define HV_TSC_INVARIANT_EXPOSE                 (1ull << 0)

/* MSRs that QEMU's headers lack */
#define HV_X64_MSR_VP_ASSIST_PAGE               0x40000073
#define HV_X64_MSR_SIRBP                        0x40000085
#define HV_X64_MSR_GUEST_IDLE                   0x400000F0
#define HV_X64_MSR_TSC_INVARIANT_CONTROL        0x40000118

/* Size of the range of synthetic MSR numbers, without the nested mirrors */
#define HV_X64_MSR_FIRST                        0x40000000
#define HV_X64_MSR_COUNT                        0x2000
#define HV_X64_MSR_LAST                         0x400001FF
#define HV_X64_MSR_NESTED_FIRST                 0x40001000
#define HV_X64_MSR_NESTED_LAST                  0x400010FF

/*
 * Enlightened fields of a VMCB, in its software-reserved area (TLFS 16.11;
 * used by HvCallFlush* of an L2 guest that L0 handles directly)
 */
#define HV_VMCB_ENLIGHTENMENTS                  0x3e0
#define HV_VMCB_ENL_NESTED_FLUSH_HYPERCALL      (1u << 0)
#define HV_VMCB_PARTITION_ASSIST_PAGE           (HV_VMCB_ENLIGHTENMENTS + 16)
#define HV_PARTITION_ASSIST_TLB_LOCK_COUNT      0

/* Exit to the nested guest's hypervisor that no instruction caused */
#define HV_SVM_EXITCODE_ENL                     0xf0000000u
#define HV_SVM_ENL_EXITCODE_TRAP_AFTER_FLUSH    1

#endif
