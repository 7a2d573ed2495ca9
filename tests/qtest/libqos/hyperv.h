/*
 * What a CPU and the devices of a Hyper-V guest do, for tests that have
 * neither: wrappers of the commands of target/i386/hyperv/accel-qtest.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LIBQOS_HYPERV_H
#define LIBQOS_HYPERV_H

#include "../libqtest.h"

/* Enough RAM for every test, and its scratch pages */
#define QHV_RAM_SIZE        (64 * 1024 * 1024)
#define QHV_PAGE            4096
#define QHV_IN              0x100000
#define QHV_OUT             0x101000
#define QHV_SIMP            0x110000
#define QHV_SIEFP           0x120000
#define QHV_ASSIST          0x130000
#define QHV_HCALL           0x140000
#define QHV_TSC             0x150000

/* Physical address bits of the CPUs that qhv_start() makes */
#define QHV_PHYS_BITS       40

/* All of hv-* that the accelerator has */
#define QHV_ALL "hv-passthrough=on,hv-syndbg=on,hv-partition-id=on"

/*
 * Numbers of the TLFS that tests need.  They are written down here from the
 * specification rather than taken from the headers of what is tested.
 */
#define MSR_GUEST_OS_ID             0x40000000
#define MSR_HYPERCALL               0x40000001
#define MSR_VP_INDEX                0x40000002
#define MSR_RESET                   0x40000003
#define MSR_VP_RUNTIME              0x40000010
#define MSR_TIME_REF_COUNT          0x40000020
#define MSR_REFERENCE_TSC           0x40000021
#define MSR_TSC_FREQUENCY           0x40000022
#define MSR_APIC_FREQUENCY          0x40000023
#define MSR_EOI                     0x40000070
#define MSR_ICR                     0x40000071
#define MSR_TPR                     0x40000072
#define MSR_VP_ASSIST_PAGE          0x40000073
#define MSR_SCONTROL                0x40000080
#define MSR_SVERSION                0x40000081
#define MSR_SIEFP                   0x40000082
#define MSR_SIMP                    0x40000083
#define MSR_EOM                     0x40000084
#define MSR_SIRBP                   0x40000085
#define MSR_SINT(n)                 (0x40000090 + (n))
#define MSR_STIMER_CONFIG(n)        (0x400000b0 + 2 * (n))
#define MSR_STIMER_COUNT(n)         (0x400000b1 + 2 * (n))
#define MSR_GUEST_IDLE              0x400000f0
#define MSR_DEBUG_STATUS            0x400000f2
#define MSR_CRASH_P(n)              (0x40000100 + (n))
#define MSR_CRASH_CTL               0x40000105
#define MSR_REENLIGHTENMENT         0x40000106
#define MSR_TSC_EMULATION_CONTROL   0x40000107
#define MSR_TSC_EMULATION_STATUS    0x40000108
#define MSR_TSC_INVARIANT_CONTROL   0x40000118

#define SINT_MASKED                 (1ull << 16)
#define SINT_AUTO_EOI               (1ull << 17)
#define SINT_POLLING                (1ull << 18)

#define STIMER_ENABLE               (1ull << 0)
#define STIMER_PERIODIC             (1ull << 1)
#define STIMER_LAZY                 (1ull << 2)
#define STIMER_AUTO                 (1ull << 3)
#define STIMER_VECTOR(v)            ((uint64_t)(v) << 4)
#define STIMER_DIRECT               (1ull << 12)
#define STIMER_SINT(n)              ((uint64_t)(n) << 16)

#define HC_FLUSH_SPACE              0x0002
#define HC_FLUSH_LIST               0x0003
#define HC_LONG_SPIN_WAIT           0x0008
#define HC_IPI                      0x000b
#define HC_MODIFY_VTL_PROTECTION_MASK 0x000c
#define HC_ENABLE_PARTITION_VTL     0x000d
#define HC_ENABLE_VP_VTL            0x000f
#define HC_VTL_CALL                 0x0011
#define HC_VTL_RETURN               0x0012
#define HC_FLUSH_SPACE_EX           0x0013
#define HC_FLUSH_LIST_EX            0x0014
#define HC_IPI_EX                   0x0015
#define HC_GET_PARTITION_ID         0x0046
#define HC_GET_VP_REGISTERS         0x0050
#define HC_SET_VP_REGISTERS         0x0051
#define HC_POST_MESSAGE             0x005c
#define HC_SIGNAL_EVENT             0x005d
#define HC_POST_DEBUG               0x0069
#define HC_RETRIEVE_DEBUG           0x006a
#define HC_RESET_DEBUG              0x006b
#define HC_REGISTER_RESULT          0x0091
#define HC_UNREGISTER_RESULT        0x0092
#define HC_START_VP                 0x0099
#define HC_VP_INDEX_FROM_APIC_ID    0x009a
#define HC_FLUSH_GPA_SPACE          0x00af
#define HC_FLUSH_GPA_LIST           0x00b0
#define HC_CHECK_VTL_ACCESS         0x00d4
#define HC_EXT_QUERY_CAPABILITIES   0x8001
#define HC_EXT_BOOT_ZEROED_MEMORY   0x8002

#define HC_FAST                     (1ull << 16)
#define HC_VAR(words)               ((uint64_t)(words) << 17)
#define HC_NESTED                   (1ull << 31)
#define HC_REPS(n)                  ((uint64_t)(n) << 32)
#define HC_START(n)                 ((uint64_t)(n) << 48)

#define ST_SUCCESS                  0x00
#define ST_INVALID_HYPERCALL_CODE   0x02
#define ST_INVALID_HYPERCALL_INPUT  0x03
#define ST_INVALID_ALIGNMENT        0x04
#define ST_INVALID_PARAMETER        0x05
#define ST_ACCESS_DENIED            0x06
#define ST_OPERATION_DENIED         0x08
#define ST_INVALID_PARTITION_ID     0x0d
#define ST_INVALID_VP_INDEX         0x0e
#define ST_INVALID_PORT_ID          0x11
#define ST_INVALID_CONNECTION_ID    0x12
#define ST_INSUFFICIENT_BUFFERS     0x13
#define ST_INVALID_VP_STATE         0x15
#define ST_INVALID_SYNIC_STATE      0x18
#define ST_INVALID_REGISTER_VALUE   0x50

/* A hypercall that raised #UD rather than return a status */
#define QHV_UD                      0xffff

#define REG_VSM_PARTITION_CONFIG    0x000d0007

#define QHV_SELF                    0xfffffffe

#define MESSAGE_TIMER               0x80000010
#define MESSAGE_PENDING             1

#define APIC_ID                     0x02
#define APIC_TPR                    0x08
#define APIC_EOI                    0x0b
#define APIC_SVR                    0x0f
#define APIC_ISR                    0x10
#define APIC_IRR                    0x20
#define APIC_LINT0                  0x35

/* A message slot; the header's order is SY-008 */
typedef struct QhvMessage {
    uint32_t type;
    uint8_t size;
    uint8_t flags;
    uint64_t sender;
    uint8_t payload[240];
} QhvMessage;

/* Registers of a hypercall: before, and then after it */
typedef struct QhvCall {
    const char *mode;
    uint64_t control;
    uint64_t in;
    uint64_t out;
    uint64_t xmm[12];
    uint64_t result;
    unsigned changed;
} QhvCall;

/**
 * qhv_add, qhv_add_row: add a test, or one of those for the rows of a table
 * @name: "GROUP/NAME"
 * @row: what tells it from the others of this name
 * @rules: ids of tests/conformance/rules.tsv that it checks, separated by
 *         commas, or ""; they are reported with its name
 */
void qhv_add(const char *name, const char *rules, void (*fn)(void));
void qhv_add_row(const char *name, const char *row, const char *rules,
                 const void *data, void (*fn)(const void *data));

/**
 * qhv_start: start QEMU with the hv-* properties @flags
 * @cpus: number of VPs; their APICs are enabled, and deaf to the legacy PIC
 * @extra: more arguments, or NULL
 */
QTestState *qhv_start(unsigned cpus, const char *flags, const char *extra);

/**
 * qhv_setup_apic: what qhv_start() does to the APICs, again after a reset
 */
void qhv_setup_apic(QTestState *s, unsigned cpus);

/**
 * qhv_rdmsr, qhv_wrmsr: access an MSR
 *
 * Returns: false if it raised #GP
 */
bool qhv_rdmsr(QTestState *s, unsigned vp, uint32_t msr, uint64_t *val);
bool qhv_wrmsr(QTestState *s, unsigned vp, uint32_t msr, uint64_t val);

/**
 * qhv_get, qhv_set: the same, and #GP is a failure of the test
 */
uint64_t qhv_get(QTestState *s, unsigned vp, uint32_t msr);
void qhv_set(QTestState *s, unsigned vp, uint32_t msr, uint64_t val);

void qhv_cpuid(QTestState *s, unsigned vp, uint32_t leaf, uint32_t regs[4]);

/**
 * qhv_has: whether a bit of a CPUID leaf is set, a ConfFeature of the tables
 * of tests/conformance/mktables; 0 is always granted
 */
bool qhv_has(QTestState *s, uint16_t feature);
uint64_t qhv_rdtsc(QTestState *s, unsigned vp);

/**
 * qhv_call: execute a hypercall with all its registers
 *
 * Returns: the status, or QHV_UD
 */
uint16_t qhv_call(QTestState *s, unsigned vp, QhvCall *c);

/**
 * qhv_hcall, qhv_fast: execute one as a 64-bit kernel
 * @result: all of RAX, or NULL
 */
uint16_t qhv_hcall(QTestState *s, unsigned vp, uint64_t control, uint64_t in,
                   uint64_t out, uint64_t *result);
uint16_t qhv_fast(QTestState *s, unsigned vp, uint64_t control, uint64_t rdx,
                  uint64_t r8);

/**
 * qhv_hcall_mem: the same with @size bytes of input at QHV_IN and output at
 * QHV_OUT
 */
uint16_t qhv_hcall_mem(QTestState *s, unsigned vp, uint64_t control,
                       const void *input, size_t size, uint64_t *result);

/**
 * qhv_set_guest_os_id: make hypercalls possible
 */
void qhv_set_guest_os_id(QTestState *s);

/**
 * qhv_enable_vtl1: enable VTL 1 for the partition, if @vp is VP 0, and for the
 * VP
 */
void qhv_enable_vtl1(QTestState *s, unsigned vp);

/**
 * qhv_vtl: have the VP run in another trust level, as VTL call and return do
 */
void qhv_vtl(QTestState *s, unsigned vp, unsigned vtl);

/**
 * qhv_set_vp_reg: set a register of VP @target, or QHV_SELF, by
 * HvCallSetVpRegisters
 *
 * Returns: the status
 */
uint16_t qhv_set_vp_reg(QTestState *s, unsigned vp, uint32_t target,
                        uint32_t name, uint64_t low, uint64_t high);

/**
 * qhv_protect: set the protection of a page.  The VP runs in VTL 1.
 * qhv_allowed: what VTL 0 may do to a page
 */
void qhv_protect(QTestState *s, unsigned vp, uint64_t gpa, uint8_t mask);
uint8_t qhv_allowed(QTestState *s, unsigned vp, uint64_t gpa);

uint64_t qhv_rdapic(QTestState *s, unsigned vp, unsigned reg);
void qhv_wrapic(QTestState *s, unsigned vp, unsigned reg, uint64_t val);
bool qhv_irr(QTestState *s, unsigned vp, uint8_t vector);
bool qhv_isr(QTestState *s, unsigned vp, uint8_t vector);

/**
 * qhv_take_irq: take an interrupt, as a CPU does that accepts them
 *
 * Returns: the vector, or -1
 */
int qhv_take_irq(QTestState *s, unsigned vp);
void qhv_eoi(QTestState *s, unsigned vp);

/**
 * qhv_step: let @units of 100 ns pass
 */
void qhv_step(QTestState *s, uint64_t units);

/**
 * qhv_clock_set: jump to @ns; what was due until then is late
 */
void qhv_clock_set(QTestState *s, uint64_t ns);

/**
 * qhv_synic_on: enable SynIC, message and event flags page of VP @vp, at
 * QHV_SIMP and QHV_SIEFP plus one page for each VP
 */
void qhv_synic_on(QTestState *s, unsigned vp);
uint64_t qhv_slot(unsigned vp, unsigned sint);
QhvMessage qhv_message(QTestState *s, unsigned vp, unsigned sint);
uint32_t qhv_message_type(QTestState *s, unsigned vp, unsigned sint);
void qhv_message_done(QTestState *s, unsigned vp, unsigned sint);

/**
 * qhv_route_new: a SINT route of a device's, which tests number
 *
 * Returns: false if there is no such SINT
 */
bool qhv_route_new(QTestState *s, unsigned id, unsigned vp, unsigned sint);
void qhv_route_free(QTestState *s, unsigned id);

/**
 * qhv_route_post: post a message of @size bytes @byte; its sender is @id
 *
 * Returns: as hyperv_post_msg()
 */
int qhv_route_post(QTestState *s, unsigned id, uint32_t type, unsigned size,
                   uint8_t byte);
int qhv_route_flag(QTestState *s, unsigned id, unsigned flag);
int qhv_route_signal(QTestState *s, unsigned id);

/**
 * qhv_route_status: how many messages were delivered or given up
 * @status: of the last one, or NULL
 */
unsigned qhv_route_status(QTestState *s, unsigned id, int *status);

/**
 * qhv_assert_stream: our sections of a migration stream, in file @path, have the
 * form that they are known to have
 *
 * One that changes needs a new version or a subsection, or moves between builds
 * of QEMU fail; one that is new needs its line in qhv_sections[].
 */
void qhv_assert_stream(const char *path);

#endif
