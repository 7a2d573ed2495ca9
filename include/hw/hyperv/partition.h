/*
 * Hyper-V partition and virtual processors: the objects that hold the state
 * of the hypervisor interface, whatever accelerator runs the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_PARTITION_H
#define HW_HYPERV_PARTITION_H

#include "qemu/rcu_queue.h"
#include "qemu/thread.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "system/runstate.h"
#include "hw/hyperv/dma.h"
#include "hw/hyperv/overlay.h"
#include "hw/hyperv/port.h"
#include "hw/hyperv/protection.h"
#include "hw/hyperv/reftime.h"
#include "hw/hyperv/stimer.h"
#include "hw/hyperv/synic.h"
#include "hw/hyperv/tlfs.h"
#include "qom/object.h"

/*
 * Virtual trust levels that there is room for.  A partition has the first
 * HvPartition.nr_vtls of them.
 */
#define HV_NUM_VTLS 3

/* int3: what a jump into the hypercall page beside its code runs into */
#define HV_HYPERCALL_PAGE_FILL 0xcc

#define TYPE_HV_PARTITION "hv-partition"
OBJECT_DECLARE_SIMPLE_TYPE(HvPartition, HV_PARTITION)

#define TYPE_HV_VP "hv-vp"
OBJECT_DECLARE_SIMPLE_TYPE(HvVp, HV_VP)

/* A guest virtual address range whose translations are to go */
typedef struct HvGvaRange {
    uint64_t gva;
    uint64_t len;
} HvGvaRange;

/*
 * What not every port can do.  A flag that needs what a port lacks cannot be
 * had there.
 *
 * APIC: interrupts pass through an APIC of QEMU's, which sees each EOI
 * FLUSH: other VPs' translations can be dropped
 * NESTED: QEMU itself runs the guests of a guest
 * TSC: the guest's TSC runs from reference time
 * REGISTERS: all VPs can be stopped between two instructions, and have their
 *            registers read and written
 * VSM: a VP can have more than one virtual trust level
 * IDLE: a VP can be parked until an interrupt arrives, be it masked
 */
#define HV_PORT_APIC    (1u << 0)
#define HV_PORT_FLUSH   (1u << 1)
#define HV_PORT_NESTED  (1u << 2)
#define HV_PORT_TSC     (1u << 3)
#define HV_PORT_REGISTERS (1u << 4)
#define HV_PORT_VSM     (1u << 5)
#define HV_PORT_IDLE    (1u << 6)
#define HV_PORT_ALL     (HV_PORT_APIC | HV_PORT_FLUSH | HV_PORT_NESTED | \
                         HV_PORT_TSC | HV_PORT_REGISTERS | HV_PORT_VSM | \
                         HV_PORT_IDLE)

/**
 * HvPortOps: what an accelerator supplies
 * @name: for messages
 * @caps: HV_PORT_*
 * @init: prepare the accelerator, and fill the hypercall page of @p.  Called
 *        once, when there is no vCPU yet.
 * @assert_vector: assert a fixed, edge-triggered interrupt in the APIC of one
 *                 trust level of a VP.  Context: big QEMU lock held.
 * @flush_tlb: drop translations on the VPs in @vps (bitmap of VP indexes),
 *             all of them if @nr is 0.  All have done so when it returns.
 *             May not return at all: the hypercall is then executed again
 *             (TLFS 3.3).  Context: thread of @self, without the big QEMU lock.
 *             NULL without HV_PORT_FLUSH.
 * @spin_wait: the VP waits for another one to release a lock
 * @await_timer: have the halted VP's own thread call hv_stimer_check() when
 *               its timer_awaited, which is a moment away, has come, or
 *               before, if it has other work.  Returns false if it never can;
 *               NULL is the same.  Context: big QEMU lock and VP's lock held.
 * @get_call_regs: fetch no more of the registers of @cs than a hypercall looks at:
 *                 general registers, segments, control registers, EFER.
 *                 Returns false if all have to be fetched after all.  For ports
 *                 that use hv_ioport_init(); NULL is the same as false.
 * @put_call_regs: give general registers back after @get_call_regs
 * @inject_ud: raise #UD at the instruction of @insn_len bytes that the CPU is
 *             executing or has just executed, whichever it is.  For ports that
 *             use hv_ioport_init() only.
 * @write_denied: a store to the read-only overlay at @gpa was dropped, raise
 *                #GP if @cs made it.  NULL if the accelerator knows by itself.
 * @tsc_delta: the guest's TSC less the host's.  Returns false if that is not
 *             the same on all VPs, or not constant.  NULL with HV_PORT_TSC.
 *             Context: thread of a VP, or VM stopped.
 * @tsc_khz_ok: can the TSC of @cs have that frequency?  NULL with HV_PORT_TSC.
 * @can_map: may a page be laid over @gpa?  NULL if it may be anywhere.
 * @run_on_vp: call @fn as the thread of VP @index would, while no VP executes
 *             an instruction.  @fn runs with the big QEMU lock; its @vp is NULL
 *             if there is no such VP any more.  May neither call it nor return:
 *             the hypercall of @self is then executed again.  Context: as
 *             @flush_tlb.
 * @regs_changed: registers of @vp were written other than by its own
 *                instructions.  Context: as @fn of @run_on_vp.
 * @load_pending_event: have pending_event of @vp, if it came from a migration
 *                      stream, delivered, or what another accelerator was about
 *                      to deliver.  Context: big QEMU lock held, VM stopped.
 * @vtl_changed: the CPU has the private registers of another trust level.
 *               @running: it was executing instructions, not halted.  Context:
 *               as @fn of @run_on_vp, or the VP's own thread.
 * @vtl_reset: take @vp back to VTL 0, the only one that it has.  Context: big
 *             QEMU lock held, VM stopped, nothing has been reset yet.
 *
 * Three of these are there with HV_PORT_REGISTERS, the last two with
 * HV_PORT_VSM.
 */
typedef struct HvPortOps {
    const char *name;
    unsigned caps;
    bool (*init)(HvPartition *p, Error **errp);
    void (*assert_vector)(HvVtl *vtl, uint8_t vector);
    void (*flush_tlb)(HvVp *self, const unsigned long *vps,
                      const HvGvaRange *ranges, unsigned nr);
    void (*spin_wait)(CPUState *cs);
    bool (*await_timer)(HvVp *vp);
    bool (*get_call_regs)(CPUState *cs);
    void (*put_call_regs)(CPUState *cs);
    void (*inject_ud)(CPUState *cs, unsigned insn_len);
    void (*write_denied)(CPUState *cs, hwaddr gpa);
    bool (*tsc_delta)(uint64_t *delta);
    bool (*tsc_khz_ok)(CPUState *cs, uint32_t khz);
    bool (*can_map)(hwaddr gpa);
    void (*run_on_vp)(HvVp *self, uint32_t index,
                      void (*fn)(HvVp *vp, void *opaque), void *opaque);
    void (*regs_changed)(HvVp *vp);
    void (*load_pending_event)(HvVp *vp);
    void (*vtl_changed)(HvVp *vp, bool running);
    void (*vtl_reset)(HvVp *vp);
} HvPortOps;

/* Counters of a VP, for 'info hyperv'; only its own thread writes them */
typedef struct HvVpStats {
    uint64_t msr_reads;
    uint64_t msr_writes;
    uint64_t flushes;
    uint64_t ipis;
    uint64_t eois_elided;
    uint64_t auto_eois;
    uint64_t hypercalls_failed;
    uint64_t *hypercalls;       /* by row of the hypercall table */
} HvVpStats;

/* Counters that any thread may bump, under the VP's lock */
typedef struct HvSynicStats {
    uint64_t messages;
    uint64_t messages_deferred;
    uint64_t event_flags;
    uint64_t timer_expirations;
} HvSynicStats;

/* There is one partition, so any number that is neither 0 nor SELF will do */
#define HV_PARTITION_ID 1

/**
 * HvIntercept: the message about what a lower trust level of the VP has tried
 * @saved: it waited for its slot when the stream was written
 *
 * Protected by the VP's lock.
 */
typedef struct HvIntercept {
    HvMsgSource src;
    bool saved;
    uint32_t type;
    uint8_t size;
    uint8_t payload[HV_MESSAGE_PAYLOAD_SIZE];
} HvIntercept;

/* Room for what guests name one by one */
#define HV_CPUID_INTERCEPTS 256
#define HV_CPUID_RESULTS    64

#define HV_IO_PORTS         65536

/**
 * HvInstalled: what a trust level has asked to be told of by
 * HvCallInstallIntercept
 * @io: bitmaps of ports, those that are read and those that are written;
 *      bit n%8 of byte n/8
 * @msr: HV_INTERCEPT_MASK_*, of MSRs that nobody implements
 * @exceptions: bitmap of vectors
 * @cpuid: leaves
 * @types: bitmap of HV_INTERCEPT_TYPE_* that there are any of
 *
 * Changed while no VP runs.
 */
typedef struct HvInstalled {
    uint8_t io[2][HV_IO_PORTS / 8];
    uint8_t msr;
    uint32_t exceptions;
    uint32_t nr_cpuid;
    uint32_t cpuid[HV_CPUID_INTERCEPTS];
    uint32_t types;
} HvInstalled;

/**
 * HvCpuidResult: what lower trust levels of a VP are to see of CPUID
 * @ecx: matters if @subleaf
 * @always: also if no intercept of the leaf is installed
 * @val, @mask: EAX, EBX, ECX, EDX, and which bits of them
 */
typedef struct HvCpuidResult {
    uint32_t eax;
    uint32_t ecx;
    bool subleaf;
    bool always;
    uint32_t val[4];
    uint32_t mask[4];
} HvCpuidResult;

/* Results that were registered together; HvCpuidResult.eax and so on differ */
typedef struct HvCpuidResults {
    uint32_t nr;
    HvCpuidResult result[HV_CPUID_RESULTS];
} HvCpuidResults;

/**
 * HvMemoryAccess: an access that a higher trust level does not allow
 * @set: there was one, and it is about to be an intercept
 * @access: HV_INTERCEPT_ACCESS_*
 * @page_walk: @gpa is not what @gva translates to, but on the way there
 */
typedef struct HvMemoryAccess {
    bool set;
    bool gva_valid;
    bool page_walk;
    uint8_t access;
    uint64_t gva;
    uint64_t gpa;
} HvMemoryAccess;

/**
 * HvVtl: what a virtual trust level of a VP has for itself
 */
struct HvVtl {
    HvVp *vp;
    HvSynic synic;
    HvStimer stimer[HV_STIMERS];
    uint64_t vp_assist;
    HvOverlay vp_assist_page;
    /* NoEoiRequired was set for the highest vector in service */
    bool eoi_assist_armed;
    HvIntercept intercept;

    /* To be asserted when the VP's lock is released */
    DECLARE_BITMAP(vectors, HV_VECTORS);

    /* For 'info hyperv': by HvVtlEntry; only the VP's own thread writes them */
    uint64_t entries[4];
    uint64_t returns;

    /* Asserted by level, by HvCallAssertVirtualInterrupt, and waiting still */
    uint32_t level[HV_VECTORS / 32];

    /* HvRegisterVsmVina, and HvRegisterVsmVpSecureConfigVtlX by X */
    uint64_t vina;
    uint64_t secure_config[HV_NUM_VTLS];

    /* HvX64RegisterCrIntercept*: what lower ones must not do unnoticed */
    uint64_t cr_intercept[HV_CR_INTERCEPT_REGS];

    /* By HvCallRegisterInterceptResult; changed while no VP runs */
    HvCpuidResults cpuid_results;

    /* Timers with a waiting message, while a stream is written or read */
    uint8_t nr_saved;
    uint8_t saved[HV_STIMERS];
};

/* Of a VP's trust level, or of the partition's */
extern const VMStateDescription vmstate_hv_cpuid_results;

/* Of a trust level above 0; VTL 0's parts travel in several sections */
extern const VMStateDescription vmstate_hv_vtl;

/* Private state of a trust level that does not run; target/i386/hyperv/vtl.c */
typedef struct HvVtlContext HvVtlContext;

#define HV_TLB_PENDING_MAX 32

/**
 * HvVp: a virtual processor
 * @index: VP index, equal to the CPU's index
 * @lock: protects SynICs and timers of all VTLs, and their vectors.  The big
 *        QEMU lock may be held when it is taken, but is not taken while it is
 *        held.
 * @vectors_pending: there are vectors to be asserted when @lock is released
 * @assert_queued: the VP's own thread will do so
 * @active_vtl: the trust level that runs.  Changed by the VP's own thread, or
 *              as in HvPortOps.run_on_vp
 * @irq_raised: an APIC of the VP may have an interrupt, or the PIC one for it.
 *              Written with the big QEMU lock held.
 * @regs_vtl: the one whose private registers the CPU's state has at the
 *            moment: @active_vtl, unless a hypercall looks at those of another
 * @enabled_vtls: bitmap; changed with the big QEMU lock held
 * @context: what the CPU's state does not have at the moment
 * @regs_written: hv_regs_changed() was called for registers of another trust
 *                level than the one that runs
 * @insn_len: length of the instruction that makes the hypercall
 */
struct HvVp {
    DeviceState parent_obj;
    struct rcu_head rcu;

    HvPartition *partition;
    CPUState *cs;
    uint32_t index;

    QemuMutex lock;
    bool vectors_pending;
    bool assert_queued;

    HvVtl vtl[HV_NUM_VTLS];
    unsigned active_vtl;
    unsigned regs_vtl;
    uint16_t enabled_vtls;
    bool irq_raised;
    HvVtlContext *context[HV_NUM_VTLS];
    bool regs_written;
    unsigned insn_len;

    /*
     * How long before a timer is due a halted VP is woken for it, in
     * nanoseconds, and when it is due that the VP is being woken for, or 0
     */
    int64_t timer_lead;
    int64_t timer_awaited;

    /* Read of GUEST_IDLE: wake up even for a masked interrupt */
    bool idle;
    /* A migration stream was loaded; it had the timers' expiration times */
    bool loaded;
    bool loaded_timers;
    VMChangeStateEntry *vmstate_change;

    /* Time run, and the thread's clock when it was last looked at */
    uint64_t runtime;
    uint64_t runtime_thread;
    bool runtime_valid;

    /* Translations to drop, asked for by other VPs; see accel-tcg.c */
    struct {
        QemuMutex lock;
        bool full;
        bool work_queued;
        unsigned nr;
        HvGvaRange range[HV_TLB_PENDING_MAX];
        uint64_t asked;
        uint64_t done;
    } tlb;

    /*
     * Since the hypercall began: registers were written, RIP among them, or
     * all VPs were stopped for it, or the trust level was switched, or it was
     * found that it has to wait; see accel-tcg.c
     */
    bool must_leave;
    bool rip_changed;
    bool vtl_switched;
    bool hcall_again;

    /*
     * HvRegisterPendingInterruption, while hv_vp_event_pending(), and the same
     * for the event that is being delivered
     */
    uint64_t pending_event;
    uint64_t delivery;

    /* Only its own thread touches it; see accel-tcg-mmu.c */
    HvMemoryAccess denied;

    /* Input and output of the hypercall under way, a page each */
    uint8_t *hcall_in;
    uint8_t *hcall_out;

    HvVpStats stats;
    HvSynicStats synic_stats;
};

typedef struct HvConnection HvConnection;

/* What a VTL of the partition has for itself */
typedef struct HvPartitionVtl {
    uint64_t guest_os_id;
    uint64_t hypercall;
    uint64_t reference_tsc;
    HvOverlay hypercall_page;
    HvOverlay reference_tsc_page;
    HvProtection protection;
    uint64_t vsm_config;        /* HvRegisterVsmPartitionConfig */
    HvInstalled installed;
    HvCpuidResults cpuid_results;   /* those for all VPs, also for new ones */
} HvPartitionVtl;

/* CPUID leaves 0x40000000 to 0x4000000A and 0x40000080 to 0x40000082 */
#define HV_CPUID_LEAVES     11
#define HV_CPUID_VS_LEAVES  3

/**
 * HvPartition: the machine as the hypervisor sees it
 * @lock: protects the MSRs of the partition; a leaf lock
 * @cpuid, @cpuid_vs: registers EAX, EBX, ECX, EDX of the hypervisor's leaves;
 *                    constant once the first VP exists (TLFS 4.2)
 * @enforce_cpuid: refuse what leaf 4 does not recommend
 * @cpuid_loaded: a migration stream of QEMU's Hyper-V began with the same leaves
 * @kernel_cpuid_loaded: one of a kernel's did
 * @nr_vtls: virtual trust levels that each VP may have: 1, or 2 with hv-vsm
 * @mbec_vtls: bitmap of those that have MBEC
 * @dma: what devices see of memory; NULL if there is one VTL only
 * @protection_epoch: how often all protections have changed together
 * @enabled_vtls: bitmap of those that HvCallEnablePartitionVtl has enabled;
 *                changed with the big QEMU lock held
 * @extint_vector: external interrupt that VP 0 is to take, or
 *                 HV_INTERRUPT_VECTOR_NONE.  With the big QEMU lock held.
 * @extint_acknowledged: it has taken one, and nobody has cleared that
 * @debug_vtl: the one that a debugger sees, or -1 for the one that runs
 * @debug_vtl_switch: the VM is to stop when a VP switches to another one
 * @tsc_offset: with HV_PORT_TSC, the guest's TSC less hv_reftime_tsc(), if it
 *              came from elsewhere
 * @hypercall_io: the I/O port of hypercalls, see ioport.c
 */
struct HvPartition {
    DeviceState parent_obj;

    const HvPortOps *ops;
    QemuMutex lock;
    unsigned nr_vtls;
    uint16_t enabled_vtls;
    uint16_t mbec_vtls;
    uint32_t extint_vector;
    bool extint_acknowledged;
    int debug_vtl;
    bool debug_vtl_switch;

    uint32_t cpuid[HV_CPUID_LEAVES][4];
    uint32_t cpuid_vs[HV_CPUID_VS_LEAVES][4];
    bool enforce_cpuid;
    bool cpuid_loaded;
    bool kernel_cpuid_loaded;
    uint32_t tsc_khz;
    int64_t tsc_offset;
    HvClock clock;
    MemoryRegion hypercall_io;
    const uint8_t *hypercall_code;
    size_t hypercall_code_len;

    HvPartitionVtl vtl[HV_NUM_VTLS];
    HvDma *dma;
    unsigned protection_epoch;
    uint64_t crash_param[5];
    uint64_t crash_ctl;
    char *crash_message;
    uint64_t reenlightenment_control;
    uint64_t tsc_emulation_control;
    uint64_t tsc_emulation_status;
    uint64_t tsc_invariant_control;
    uint64_t syndbg_control;
    uint64_t syndbg_status;
    uint64_t syndbg_send_page;
    uint64_t syndbg_recv_page;
    uint64_t syndbg_pending_page;
    uint64_t syndbg_options;

    unsigned nr_vps;            /* size of @vps, not their number */
    HvVp **vps;

    /* VPs that sleep until others have dropped translations; accel-tcg.c */
    QemuMutex tlb_lock;
    QemuCond tlb_cond;
    unsigned tlb_waiters;

    QemuMutex connections_lock;
    QLIST_HEAD(, HvConnection) connections;
};

/**
 * hv_partition_get: the machine's partition
 *
 * Returns: NULL if there is none, i.e. if no hv-* flag was given or if the
 * accelerator's kernel implements the interface
 */
HvPartition *hv_partition_get(void);

/**
 * hv_partition_create: make the partition, a child of the machine
 * @nr_vtls: virtual trust levels that it may have, at most HV_NUM_VTLS
 */
HvPartition *hv_partition_create(const HvPortOps *ops, unsigned nr_vtls,
                                 Error **errp);

/**
 * hv_partition_vp: find a VP
 *
 * It may be unplugged at any time, but does not go away before the caller lets
 * go of the big QEMU lock or leaves its RCU critical section.
 *
 * Returns: NULL if there is none with that index.  Context: as just said; a
 * VP's thread is in such a section while it executes instructions.
 */
static inline HvVp *hv_partition_vp(HvPartition *p, uint32_t index)
{
    return index < p->nr_vps ? qatomic_rcu_read(&p->vps[index]) : NULL;
}

/**
 * hv_partition_set_hypercall_code: what the hypercall page holds
 * @code: instructions, which stay where they are; the rest of the page is
 *        filled with int3
 */
void hv_partition_set_hypercall_code(HvPartition *p, const uint8_t *code,
                                     size_t len);

/**
 * hv_partition_set_hypercall: write GUEST_OS_ID or HYPERCALL
 *
 * Context: big QEMU lock held.
 */
void hv_partition_set_guest_os_id(HvPartition *p, unsigned vtl, uint64_t val);
void hv_partition_set_hypercall(HvPartition *p, unsigned vtl, uint64_t val);

/**
 * hv_partition_set_reference_tsc: write REFERENCE_TSC
 *
 * Context: big QEMU lock held.
 */
void hv_partition_set_reference_tsc(HvPartition *p, unsigned vtl,
                                    uint64_t val);

/**
 * hv_partition_write_denied: may the guest not write at @gpa, because one of
 * the partition's read-only overlays is there?
 */
bool hv_partition_write_denied(HvPartition *p, hwaddr gpa);

/**
 * hv_partition_is_overlay: is an overlay page, of any VP, mapped at @gpa?
 *
 * Context: big QEMU lock held.
 */
bool hv_partition_is_overlay(HvPartition *p, hwaddr gpa);

/**
 * hv_partition_protected: does a higher trust level set protections at all that
 * @vtl is to obey?  Context: any.
 */
static inline bool hv_partition_protected(const HvPartition *p, unsigned vtl)
{
    while (++vtl < p->nr_vtls) {
        if (qatomic_read(&p->vtl[vtl].protection.enabled)) {
            return true;
        }
    }
    return false;
}

/**
 * hv_partition_vtl_access: what the higher trust levels let @vtl do at @gpa
 * @by: set to the one that is asked if it wants more (TLFS 15.13.2: the lowest
 *      that denies something).  May be NULL.
 * @chunk: the answer holds for all pages of the same HV_PROTECTION_CHUNK.
 *         May be NULL.
 *
 * Returns: HV_MAP_GPA_*.  Context: any.
 */
uint8_t hv_partition_vtl_access(HvPartition *p, unsigned vtl, hwaddr gpa,
                                unsigned *by, bool *chunk);

/**
 * hv_partition_enable_protection: let a trust level set protections, from now
 * until reset
 * @mask: HV_MAP_GPA_* of all pages that it sets none for.  They may be read and
 *        written.
 *
 * VPs have to drop their translations.
 *
 * Returns: false if the machine has a device that it cannot protect memory
 * from.  Context: big QEMU lock held.
 */
bool hv_partition_enable_protection(HvPartition *p, unsigned vtl, uint8_t mask);

/**
 * hv_partition_disable_vtl: take a trust level above 0 away from the partition,
 * with its protections
 *
 * No VP has it any more.  Context: big QEMU lock held.
 */
void hv_partition_disable_vtl(HvPartition *p, unsigned vtl);

/**
 * hv_partition_protect: have @vtl protect a page from those below
 * @gpa: of memory
 * @mask: HV_MAP_GPA_*
 *
 * Returns: false if something that a lower trust level has set up needs the
 * page as it is: an overlay page, whose contents it can take elsewhere, or a
 * device that has it mapped.  Context: big QEMU lock held.
 */
bool hv_partition_protect(HvPartition *p, unsigned vtl, hwaddr gpa,
                          uint8_t mask);

/**
 * hv_partition_memory: guest memory as a trust level has it
 */
AddressSpace *hv_partition_memory(HvPartition *p, unsigned vtl);

/**
 * hv_vp_create: make the VP of a CPU, a child of the CPU
 */
HvVp *hv_vp_create(HvPartition *p, CPUState *cs, Error **errp);
void hv_vp_destroy(HvVp *vp);

/**
 * hv_vp_event_pending: has somebody given the VP an event that it has not
 * delivered yet?
 *
 * While a VP executes no instruction, it has no exception of its own.
 */
static inline bool hv_vp_event_pending(const HvVp *vp)
{
    return vp->pending_event && vp->cs->exception_index >= 0 &&
           vp->cs->exception_index < HV_VECTORS;
}

/**
 * hv_vp_lock, hv_vp_unlock: the VP's lock
 *
 * hv_vp_unlock() then asserts the interrupts that were raised under the lock,
 * taking the big QEMU lock for that if it is not held.  In an iothread it leaves
 * that to the VP's own thread.
 */
void hv_vp_lock(HvVp *vp);
void hv_vp_unlock(HvVp *vp);

/**
 * hv_vp_raise: remember @vector for hv_vp_unlock()
 */
void hv_vp_raise(HvVtl *vtl, uint8_t vector);

/**
 * hv_vp_runtime: time the VP has run, in 100 ns units (TLFS 7.9)
 *
 * Context: the VP's own thread, or any thread if the VM is stopped.
 */
uint64_t hv_vp_runtime(HvVp *vp);

/**
 * hv_vp_post_intercept: tell @vtl what a lower trust level of its VP has tried
 * @size: of @payload; at most HV_MESSAGE_PAYLOAD_SIZE
 *
 * There is one message for each VP and trust level: the VP does not go on
 * before the last one has been seen to (TLFS 11.4).
 */
void hv_vp_post_intercept(HvVtl *vtl, uint32_t type, const void *payload,
                          uint8_t size);

/**
 * hv_vtl_index: the number of a trust level is where it stands in the VP
 */
static inline unsigned hv_vtl_index(const HvVtl *vtl)
{
    return vtl - vtl->vp->vtl;
}

/**
 * hv_vtl_enabled: does the VP have that trust level?
 */
static inline bool hv_vtl_enabled(const HvVp *vp, unsigned vtl)
{
    return vp->enabled_vtls & (1u << vtl);
}

/**
 * hv_vtl_clear: take a trust level of a VP back to what a reset leaves, but for
 * its registers and APIC.  Context: big QEMU lock held.
 */
void hv_vtl_clear(HvVtl *vtl);

/**
 * hv_vp_set_assist: write VP_ASSIST_PAGE.  Context: big QEMU lock held.
 */
void hv_vp_set_assist(HvVtl *vtl, uint64_t val);

#endif
