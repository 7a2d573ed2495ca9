/*
 * Numbers of the Hyper-V guest interface, written down from the TLFS alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This file deliberately shares nothing with the implementation under test:
 * a number that is wrong on one side shows against the other.
 */

#ifndef HV_H
#define HV_H

#include <stdint.h>

/* CPUID leaves (TLFS 2.4) */
#define HV_LEAF_BASE            0x40000000u
#define HV_LEAF_INTERFACE       0x40000001u
#define HV_LEAF_VERSION         0x40000002u
#define HV_LEAF_FEATURES        0x40000003u
#define HV_LEAF_HINTS           0x40000004u
#define HV_LEAF_LIMITS          0x40000005u
#define HV_LEAF_HARDWARE        0x40000006u
#define HV_LEAF_NESTED_FEAT     0x4000000Au
#define HV_LEAF_VIRT_STACK      0x40000080u

#define HV_SIGNATURE            0x31237648u     /* "Hv#1" */

/*
 * A feature bit: which leaf (last digit), which register, which bit.  Zero
 * is no feature.
 */
#define FEAT(leaf, reg, bit)    (0x8000u | (leaf) << 8 | (reg) << 5 | (bit))
#define R_EAX 0
#define R_EBX 1
#define R_ECX 2
#define R_EDX 3

#define F_VP_RUNTIME            FEAT(3, R_EAX, 0)
#define F_REF_COUNTER           FEAT(3, R_EAX, 1)
#define F_SYNIC                 FEAT(3, R_EAX, 2)
#define F_STIMER                FEAT(3, R_EAX, 3)
#define F_INTR_CTRL             FEAT(3, R_EAX, 4)
#define F_HYPERCALL             FEAT(3, R_EAX, 5)
#define F_VP_INDEX              FEAT(3, R_EAX, 6)
#define F_RESET                 FEAT(3, R_EAX, 7)
#define F_STATS                 FEAT(3, R_EAX, 8)
#define F_REF_TSC               FEAT(3, R_EAX, 9)
#define F_GUEST_IDLE_PRIV       FEAT(3, R_EAX, 10)
#define F_FREQUENCIES_PRIV      FEAT(3, R_EAX, 11)
#define F_DEBUG_PRIV            FEAT(3, R_EAX, 12)
#define F_REENLIGHTENMENT       FEAT(3, R_EAX, 13)
#define F_TSC_INVARIANT         FEAT(3, R_EAX, 15)
#define F_PARTITION_ID          FEAT(3, R_EBX, 1)
#define F_POST_MESSAGES         FEAT(3, R_EBX, 4)
#define F_SIGNAL_EVENTS         FEAT(3, R_EBX, 5)
#define F_DEBUGGING             FEAT(3, R_EBX, 11)
#define F_CPU_MANAGEMENT        FEAT(3, R_EBX, 12)
#define F_VSM                   FEAT(3, R_EBX, 16)
#define F_VP_REGISTERS          FEAT(3, R_EBX, 17)
#define F_EXT_HYPERCALLS        FEAT(3, R_EBX, 20)
#define F_START_VP              FEAT(3, R_EBX, 21)
#define F_XMM_INPUT             FEAT(3, R_EDX, 4)
#define F_GUEST_IDLE            FEAT(3, R_EDX, 5)
#define F_FREQUENCIES           FEAT(3, R_EDX, 8)
#define F_CRASH                 FEAT(3, R_EDX, 10)
#define F_DEBUG_REGS            FEAT(3, R_EDX, 11)
#define F_NPIEP                 FEAT(3, R_EDX, 12)
#define F_EXT_GVA_RANGES        FEAT(3, R_EDX, 14)
#define F_XMM_OUTPUT            FEAT(3, R_EDX, 15)
#define F_SINT_POLLING          FEAT(3, R_EDX, 17)
#define F_HYPERCALL_LOCK        FEAT(3, R_EDX, 18)
#define F_DIRECT_TIMERS         FEAT(3, R_EDX, 19)
#define F_UNHALTED_TIMER        FEAT(3, R_EDX, 23)
#define F_HINT_LOCAL_FLUSH      FEAT(4, R_EAX, 1)
#define F_HINT_REMOTE_FLUSH     FEAT(4, R_EAX, 2)
#define F_HINT_APIC_MSRS        FEAT(4, R_EAX, 3)
#define F_HINT_NO_AUTO_EOI      FEAT(4, R_EAX, 9)
#define F_HINT_CLUSTER_IPI      FEAT(4, R_EAX, 10)
#define F_HINT_EX_MASKS         FEAT(4, R_EAX, 11)
#define F_HINT_EVMCS            FEAT(4, R_EAX, 14)
#define F_NESTED_DIRECT         FEAT(10, R_EAX, 17)
#define F_NESTED_GPA_FLUSH      FEAT(10, R_EAX, 18)

/* Synthetic MSRs */
#define HV_MSR_GUEST_OS_ID          0x40000000u
#define HV_MSR_HYPERCALL            0x40000001u
#define HV_MSR_VP_INDEX             0x40000002u
#define HV_MSR_RESET                0x40000003u
#define HV_MSR_VP_RUNTIME           0x40000010u
#define HV_MSR_TIME_REF_COUNT       0x40000020u
#define HV_MSR_REFERENCE_TSC        0x40000021u
#define HV_MSR_TSC_FREQUENCY        0x40000022u
#define HV_MSR_APIC_FREQUENCY       0x40000023u
#define HV_MSR_NPIEP_CONFIG         0x40000040u
#define HV_MSR_EOI                  0x40000070u
#define HV_MSR_ICR                  0x40000071u
#define HV_MSR_TPR                  0x40000072u
#define HV_MSR_VP_ASSIST_PAGE       0x40000073u
#define HV_MSR_SCONTROL             0x40000080u
#define HV_MSR_SVERSION             0x40000081u
#define HV_MSR_SIEFP                0x40000082u
#define HV_MSR_SIMP                 0x40000083u
#define HV_MSR_EOM                  0x40000084u
#define HV_MSR_SIRBP                0x40000085u
#define HV_MSR_SINT(n)              (0x40000090u + (n))
#define HV_MSR_STIMER_CONFIG(n)     (0x400000B0u + 2 * (n))
#define HV_MSR_STIMER_COUNT(n)      (0x400000B1u + 2 * (n))
#define HV_MSR_GUEST_IDLE           0x400000F0u
#define HV_MSR_SYNDBG_CONTROL       0x400000F1u
#define HV_MSR_SYNDBG_STATUS        0x400000F2u
#define HV_MSR_SYNDBG_SEND          0x400000F3u
#define HV_MSR_SYNDBG_RECEIVE       0x400000F4u
#define HV_MSR_SYNDBG_PENDING       0x400000F5u
#define HV_MSR_DEBUG_OPTIONS        0x400000FFu
#define HV_MSR_CRASH_P(n)           (0x40000100u + (n))
#define HV_MSR_CRASH_CTL            0x40000105u
#define HV_MSR_REENLIGHTENMENT      0x40000106u
#define HV_MSR_TSC_EMULATION_CTL    0x40000107u
#define HV_MSR_TSC_EMULATION_STATUS 0x40000108u
#define HV_MSR_TSC_INVARIANT        0x40000118u

#define HV_PAGE_ENABLE              (1ull << 0)
#define HV_HYPERCALL_LOCKED         (1ull << 1)

#define HV_SINT_COUNT               16
#define HV_SINT_MASKED              (1ull << 16)
#define HV_SINT_AUTO_EOI            (1ull << 17)
#define HV_SINT_POLLING             (1ull << 18)
#define HV_SINT_RESET               HV_SINT_MASKED

#define HV_STIMER_COUNT             4
#define HV_STIMER_ENABLE            (1ull << 0)
#define HV_STIMER_PERIODIC          (1ull << 1)
#define HV_STIMER_LAZY              (1ull << 2)
#define HV_STIMER_AUTO              (1ull << 3)
#define HV_STIMER_VECTOR(v)         ((uint64_t)(v) << 4)
#define HV_STIMER_DIRECT            (1ull << 12)
#define HV_STIMER_SINT(n)           ((uint64_t)(n) << 16)

#define HV_CRASH_NOTIFY             (1ull << 63)
#define HV_CRASH_MESSAGE            (1ull << 62)

#define HV_REENLIGHTEN_ENABLE       (1ull << 16)

/* Hypercall input value (TLFS 3.7) */
#define HV_FAST                     (1ull << 16)
#define HV_VARHEAD(n)               ((uint64_t)(n) << 17)
#define HV_NESTED                   (1ull << 31)
#define HV_REPS(n)                  ((uint64_t)(n) << 32)
#define HV_START(n)                 ((uint64_t)(n) << 48)

/*
 * Hypercall result value (TLFS 3.8).  Bit 63, reserved there, is how our
 * callers mark an exception, which must not look like a status.
 */
#define HV_STATUS(r)                ((r) & (1ull << 63 | 0xFFFF))
#define HV_REPS_DONE(r)             (((r) >> 32) & 0xFFF)

/* Call codes */
#define HVCALL_FLUSH_SPACE          0x0002
#define HVCALL_FLUSH_LIST           0x0003
#define HVCALL_LP_RUN_TIME          0x0004
#define HVCALL_LONG_SPIN_WAIT       0x0008
#define HVCALL_SEND_IPI             0x000B
#define HVCALL_MODIFY_PROTECTION    0x000C
#define HVCALL_ENABLE_PARTITION_VTL 0x000D
#define HVCALL_DISABLE_PARTITION_VTL 0x000E
#define HVCALL_ENABLE_VP_VTL        0x000F
#define HVCALL_DISABLE_VP_VTL       0x0010
#define HVCALL_FLUSH_SPACE_EX       0x0013
#define HVCALL_FLUSH_LIST_EX        0x0014
#define HVCALL_SEND_IPI_EX          0x0015
#define HVCALL_GET_PARTITION_ID     0x0046
#define HVCALL_INSTALL_INTERCEPT    0x004D
#define HVCALL_GET_REGISTERS        0x0050
#define HVCALL_SET_REGISTERS        0x0051
#define HVCALL_TRANSLATE            0x0052
#define HVCALL_CLEAR_INTERRUPT      0x0056
#define HVCALL_POST_MESSAGE         0x005C
#define HVCALL_SIGNAL_EVENT         0x005D
#define HVCALL_POST_DEBUG           0x0069
#define HVCALL_RETRIEVE_DEBUG       0x006A
#define HVCALL_RESET_DEBUG          0x006B
#define HVCALL_REGISTER_RESULT      0x0091
#define HVCALL_UNREGISTER_RESULT    0x0092
#define HVCALL_ASSERT_INTERRUPT     0x0094
#define HVCALL_START_VP             0x0099
#define HVCALL_VP_INDEX_FROM_APIC   0x009A
#define HVCALL_TRANSLATE_EX         0x00AC
#define HVCALL_FLUSH_GPA_SPACE      0x00AF
#define HVCALL_FLUSH_GPA_LIST       0x00B0
#define HVCALL_PIN                  0x0112
#define HVCALL_UNPIN                0x0113
#define HVCALL_EXT_QUERY            0x8001
#define HVCALL_EXT_ZEROED           0x8002

/* Status codes */
#define HV_SUCCESS                  0x00
#define HV_INVALID_CODE             0x02
#define HV_INVALID_INPUT            0x03
#define HV_INVALID_ALIGNMENT        0x04
#define HV_INVALID_PARAMETER        0x05
#define HV_ACCESS_DENIED            0x06
#define HV_OPERATION_DENIED         0x08
#define HV_INVALID_PARTITION_ID     0x0D
#define HV_INVALID_VP_INDEX         0x0E
#define HV_INVALID_PORT_ID          0x11
#define HV_INVALID_CONNECTION_ID    0x12
#define HV_INSUFFICIENT_BUFFERS     0x13
#define HV_NOT_ACKNOWLEDGED         0x14
#define HV_INVALID_VP_STATE         0x15
#define HV_ACKNOWLEDGED             0x16
#define HV_INVALID_SYNIC_STATE      0x18
#define HV_NO_DATA                  0x1B
#define HV_INACTIVE                 0x1C
#define HV_FEATURE_UNAVAILABLE      0x1E
#define HV_INVALID_REGISTER_VALUE   0x50
#define HV_INVALID_VTL_STATE        0x51
#define HV_VTL_ALREADY_ENABLED      0x86

#define HV_PARTITION_SELF           (~0ull)
#define HV_VP_SELF                  0xFFFFFFFEu

/* HV_REGISTER_NAME (TLFS 7.3), and a value */
#define HV_REG_ACTIVITY             0x00000004
#define HV_REG_VERSION              0x00000100
#define HV_REG_PRIVILEGES           0x00000200
#define HV_REG_FEATURES             0x00000201
#define HV_REG_LIMITS               0x00000202
#define HV_REG_HARDWARE             0x00000203
#define HV_REG_CRASH_P0             0x00000210
#define HV_REG_PENDING_INTERRUPTION 0x00010002
#define HV_REG_INTERRUPT_STATE      0x00010003
#define HV_REG_RAX                  0x00020000
#define HV_REG_RSP                  0x00020004
#define HV_REG_RIP                  0x00020010
#define HV_REG_RFLAGS               0x00020011
#define HV_REG_XMM0                 0x00030000
#define HV_REG_FP0                  0x00030010
#define HV_REG_FP_CONTROL           0x00030018
#define HV_REG_XMM_CONTROL          0x00030019
#define HV_REG_CR0                  0x00040000
#define HV_REG_CR2                  0x00040001
#define HV_REG_CR3                  0x00040002
#define HV_REG_CR4                  0x00040003
#define HV_REG_CR8                  0x00040004
#define HV_REG_XFEM                 0x00040005
#define HV_REG_DR0                  0x00050000
#define HV_REG_DR6                  0x00050004
#define HV_REG_DR7                  0x00050005
#define HV_REG_ES                   0x00060000
#define HV_REG_CS                   0x00060001
#define HV_REG_SS                   0x00060002
#define HV_REG_DS                   0x00060003
#define HV_REG_FS                   0x00060004
#define HV_REG_GS                   0x00060005
#define HV_REG_LDTR                 0x00060006
#define HV_REG_TR                   0x00060007
#define HV_REG_IDTR                 0x00070000
#define HV_REG_GDTR                 0x00070001
#define HV_REG_TSC                  0x00080000
#define HV_REG_EFER                 0x00080001
#define HV_REG_SYSENTER_CS          0x00080005
#define HV_REG_STAR                 0x00080008
#define HV_REG_KERNEL_GS            0x00080002
#define HV_REG_APIC_BASE            0x00080003
#define HV_REG_PAT                  0x00080004
#define HV_REG_LSTAR                0x00080009
#define HV_REG_INITIAL_APIC_ID      0x0008000C
#define HV_REG_APIC_ID              0x00084802
#define HV_REG_APIC_TPR             0x00084808
#define HV_REG_HYPERCALL            0x00090001
#define HV_REG_GUEST_OS_ID          0x00090002
#define HV_REG_VP_INDEX             0x00090003
#define HV_REG_SINT0                0x000A0000
#define HV_REG_SCONTROL             0x000A0010
#define HV_REG_SVERSION             0x000A0011
#define HV_REG_SIEFP                0x000A0012
#define HV_REG_SIMP                 0x000A0013
#define HV_REG_STIMER0              0x000B0000
#define HV_REG_VSM_CODE_OFFSETS     0x000D0002
#define HV_REG_VSM_VP_STATUS        0x000D0003
#define HV_REG_VSM_PARTITION        0x000D0004
#define HV_REG_VSM_VINA             0x000D0005
#define HV_REG_VSM_CAPABILITIES     0x000D0006
#define HV_REG_VSM_CONFIG           0x000D0007
#define HV_REG_VSM_SECURE_CONFIG    0x000D0010
#define HV_REG_CR_INTERCEPT         0x000E0000  /* then three masks */
#define HV_REG_NONE                 0x000F0000  /* nobody's */

struct hv_register {
    uint64_t low, high;
};

/* Flags and results of a translation (TLFS 9.4) */
#define HV_TR_READ                  (1ull << 0)
#define HV_TR_WRITE                 (1ull << 1)
#define HV_TR_EXECUTE               (1ull << 2)
#define HV_TR_EXEMPT                (1ull << 3)
#define HV_TR_SET_BITS              (1ull << 4)
#define HV_TR_FLUSH_INHIBIT         (1ull << 5)
#define HV_TR_SUPERVISOR            (1ull << 6)
#define HV_TR_USER                  (1ull << 7)
#define HV_TR_ENFORCE_SMAP          (1ull << 8)
#define HV_TR_OVERRIDE_SMAP         (1ull << 9)

#define HV_TR_SUCCESS               0
#define HV_TR_NOT_PRESENT           1
#define HV_TR_PRIVILEGE             2
#define HV_TR_INVALID_FLAGS         3
#define HV_TR_UNMAPPED              4
#define HV_TR_NO_WRITE              6
#define HV_TR_ILLEGAL_OVERLAY       7

#define HV_TR_CACHE_TYPE(r)         ((r) >> 32 & 0xFF)
#define HV_TR_OVERLAY               (1ull << 40)

/* Flush flags (TLFS 9.4) */
#define HV_FLUSH_ALL_VPS            (1ull << 0)
#define HV_FLUSH_ALL_SPACES         (1ull << 1)
#define HV_FLUSH_NON_GLOBAL         (1ull << 2)
#define HV_FLUSH_EXT_RANGES         (1ull << 3)

#define HV_SET_SPARSE               0ull
#define HV_SET_ALL                  1ull

/* A message slot of the SIM page (TLFS 11.3) */
struct hv_message {
    uint32_t type;
    uint8_t size;
    uint8_t flags;
    uint16_t reserved;
    uint64_t origin;
    uint8_t payload[240];
};
_Static_assert(sizeof(struct hv_message) == 256, "HV_MESSAGE");

#define HV_MSG_NONE                 0u
#define HV_MSG_TIMER_EXPIRED        0x80000010u
#define HV_MSG_PENDING              1

struct hv_timer_payload {
    uint32_t index;
    uint32_t reserved;
    uint64_t expiration;
    uint64_t delivery;
};

struct hv_post_message {
    uint32_t connection;
    uint32_t reserved;
    uint32_t type;
    uint32_t size;
    uint8_t payload[240];
};

/* The reference TSC page (TLFS 12.7) */
struct hv_ref_tsc {
    uint32_t sequence;
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
};

#endif
