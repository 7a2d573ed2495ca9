/*
 * Hyper-V guest interface of x86 CPUs: what its own files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_HYPERV_INTERNAL_H
#define TARGET_I386_HYPERV_INTERNAL_H

#include "qemu/bswap.h"
#include "hw/hyperv/partition.h"
#include "hyperv-i386.h"
#include "qapi/qapi-types-hyperv-target.h"

/* Without the checks of a cast, which take longer than what it is used for */
static inline CPUX86State *hv_env(HvVp *vp)
{
    return cpu_env(vp->cs);
}

/* Registers as indexes of HvPartition.cpuid[]: R_EAX is 0, as in cpu.h */
#define HV_LEAF_FEATURES        3
#define HV_LEAF_RECOMMENDATIONS 4
#define HV_LEAF_NESTED          10

/**
 * HvRight: what a partition must have been granted: @bits of a register of
 * CPUID leaf 3 or 4 (TLFS 2.4).  No bits: nothing.
 */
typedef struct HvRight {
    uint8_t leaf;
    uint8_t reg;
    uint32_t bits;
} HvRight;

#define HV_RIGHT(LEAF, REG, BIT) \
    { .leaf = HV_LEAF_##LEAF, .reg = R_##REG, .bits = 1u << (BIT) }

static inline bool hv_has_right(const HvPartition *p, const HvRight *r)
{
    return (p->cpuid[r->leaf][r->reg] & r->bits) == r->bits;
}

/**
 * hv_wanted: has the user given any hv-* flag?
 */
bool hv_wanted(X86CPU *cpu);

/**
 * HvFeatureWish: what the user wants, as masks of HYPERV_FEAT_*
 * @on, @off: flags by name
 * @by_default, @passthrough: hv-default, hv-passthrough
 */
typedef struct HvFeatureWish {
    uint64_t on;
    uint64_t off;
    bool by_default;
    bool passthrough;
} HvFeatureWish;

/**
 * hv_features_plan: decide which flags a guest gets; depends on nothing but
 * its arguments
 * @emulated: QEMU serves them; otherwise a kernel's own Hyper-V, which QEMU's
 *            KVM code then asks for what it has
 * @caps: HV_PORT_*, of QEMU or of what it adds
 * @features: result
 *
 * Returns: false, with @errp set, if one cannot be had that is asked for by name
 */
bool hv_features_plan(const HvFeatureWish *w, bool emulated, unsigned caps,
                      uint64_t *features, Error **errp);

/**
 * hv_feature_added: does QEMU add @feat to a kernel's own Hyper-V?
 * @caps: HV_PORT_*
 */
bool hv_feature_added(unsigned feat, unsigned caps);

/**
 * hv_feature_by_name: the HYPERV_FEAT_* of a property
 *
 * Returns: -1 if there is none
 */
int hv_feature_by_name(const char *prop);

/**
 * hv_feature_name: the property of a HYPERV_FEAT_*; NULL if there is none
 */
const char *hv_feature_name(unsigned feat);

/**
 * HvKvmHost: what decides on KVM who serves the interface
 * @kernel_hyperv: the user's wish
 * @hyperv: the kernel implements it (KVM_CAP_HYPERV)
 * @apic: the APICs are in the kernel
 * @msr_exits: it hands accesses to MSRs over (KVM_CAP_X86_USER_SPACE_MSR and
 *             KVM_CAP_X86_MSR_FILTER)
 */
typedef struct HvKvmHost {
    OnOffAuto kernel_hyperv;
    bool hyperv;
    bool apic;
    bool msr_exits;
} HvKvmHost;

/**
 * hv_kvm_caps_added: the HV_PORT_* of what QEMU can add to a kernel's own
 * Hyper-V
 */
unsigned hv_kvm_caps_added(const HvKvmHost *h);

/**
 * hv_kvm_kernel_serves: is it the kernel that does?
 */
static inline bool hv_kvm_kernel_serves(const HvKvmHost *h)
{
    return h->hyperv && h->kernel_hyperv != ON_OFF_AUTO_OFF;
}

/**
 * hv_kvm_check: if the kernel does not, can QEMU?  Depends on nothing but its
 * argument.
 *
 * Returns: false, with @errp set, if not
 */
bool hv_kvm_check(const HvKvmHost *h, Error **errp);

/**
 * hv_cpuid_init: compute the partition's leaves from the properties
 * of its first CPU
 */
void hv_cpuid_init(HvPartition *p, X86CPU *cpu);

/**
 * hv_cpuid_check: does @cpu ask for the partition that there is?
 */
bool hv_cpuid_check(HvPartition *p, X86CPU *cpu, Error **errp);

/**
 * hv_cpuid_flag: which flag is it that changes any of @bits of a leaf?
 *
 * Returns: the name of the property, never NULL
 */
const char *hv_cpuid_flag(unsigned leaf, unsigned reg, uint32_t bits);

/**
 * hv_cpuid_not_beside_kernel: a flag of @cpu that a kernel's own Hyper-V does
 * not have, or shows in another way
 *
 * Returns: NULL if there is none: with these flags the guest sees the same
 */
const char *hv_cpuid_not_beside_kernel(X86CPU *cpu);

/* migration.c */

/* What the guest sees of the hypervisor in CPUID, and what it shows in doing */
typedef struct HvView {
    uint32_t cpuid[HV_CPUID_LEAVES][4];
    uint32_t cpuid_vs[HV_CPUID_VS_LEAVES][4];
    bool enforce;
} HvView;

/**
 * hv_view_difference: how the views of two machines differ
 *
 * Returns: a flag that makes the difference, or NULL if there is none
 */
const char *hv_view_difference(const HvView *a, const HvView *b);

/**
 * hv_cpuid_verdict: refuse a stream, saying why, if @flag is the difference
 *
 * Returns: an errno, or 0 if it is NULL
 */
int hv_cpuid_verdict(const char *flag);

/* For VMStateDescription.needed of what is only ever read */
bool hv_never_needed(void *opaque);

/**
 * hv_migration_clock: the stream is that of a kernel's Hyper-V whose reference
 * time is @ns, in nanoseconds
 */
void hv_migration_clock(HvPartition *p, uint64_t ns);

/**
 * hv_migration_init: have the partition's streams say what the guest sees,
 * and compare it with what it would see here
 */
void hv_migration_init(HvPartition *p);

/* cpuid-names.c */

/**
 * hv_cpuid_bit_name: the TLFS's name of a bit of a hypervisor leaf
 *
 * Returns: NULL if it has none
 */
const char *hv_cpuid_bit_name(unsigned leaf, unsigned reg, unsigned bit);

/**
 * HvMsr: a row of the MSR table
 * @index: tells apart the registers that share a handler
 * @read, @write: NULL if that access gives #GP.  They return false for #GP.
 * @bql: the write handler needs the big QEMU lock
 */
typedef struct HvMsr {
    uint32_t num;
    uint8_t index;
    const char *name;
    HvRight right;
    HvRight right2;
    bool (*read)(HvVtl *vtl, unsigned i, uint64_t *val);
    bool (*write)(HvVtl *vtl, unsigned i, uint64_t val);
    bool bql;
    bool bql_read;
    bool per_vp;        /* a register of the VP, not of the partition */
    bool per_vtl;       /* of the partition, which has one for each VTL */
    bool no_dump;       /* nothing to show, or reading has side effects */
} HvMsr;

extern const HvMsr hv_msrs[];
extern const unsigned hv_nr_msrs;

static inline bool hv_msr_allowed(const HvPartition *p, const HvMsr *msr)
{
    return hv_has_right(p, &msr->right) && hv_has_right(p, &msr->right2);
}

/**
 * hv_msr_init: index the MSR table; called once
 */
void hv_msr_init(void);

/**
 * hv_msr_find: the row of a synthetic MSR
 *
 * Returns: NULL if there is none, or if the partition has no right to it
 */
const HvMsr *hv_msr_find(HvPartition *p, uint32_t num);

/**
 * HvHypercall: a hypercall under way
 * @in, @in_size: the hypervisor's copy of header, variable header and list
 * @out: output, zeroed; its size is that of the row
 * @rep_start, @rep_count, @reps_done: element indexes from the list's start
 * @again: set by a handler that has done nothing, because it has to wait for
 *         another VP: the hypercall has no result, and is executed again
 * @left: set by a handler that has taken the caller's trust level away: a lower
 *        one runs, and there is nobody to have the result
 */
typedef struct HvHypercall {
    HvVp *vp;
    uint64_t control;
    uint64_t in_gpa;
    uint64_t out_gpa;
    bool fast;
    bool l2;            /* a nested guest's, left to us by its hypervisor */
    bool again;
    bool left;
    unsigned var_words;
    unsigned rep_count;
    unsigned rep_start;
    unsigned reps_done;
    unsigned in_size;
    unsigned out_size;
    uint8_t *in;
    uint8_t *out;
} HvHypercall;

/**
 * HvHypercallRow: a row of the hypercall table
 * @in_size, @out_size: fixed part of input and output
 * @rep_in, @rep_out: size of a list element; @rep_in is 0 for a simple call
 * @var: takes a variable header
 * @right: privilege, checked always (HV_STATUS_ACCESS_DENIED)
 * @recommended: bit of leaf 4, checked with hv-enforce-cpuid
 * @bql: the handler needs the big QEMU lock
 * @raw: the handler reads and writes guest memory itself
 * @l2: a nested guest's call may be handled here (TLFS 16.8)
 * @kernel: needs no VP: it is served beside a kernel's own hypervisor, too
 * @needs: HV_PORT_* without which the call does not exist
 * @switch_vtl: instead of @handler, for a call that has no result because
 *              another trust level runs behind it.  Returns false for #UD.
 */
typedef struct HvHypercallRow {
    uint16_t code;
    const char *name;
    uint16_t in_size;
    uint16_t out_size;
    uint8_t rep_in;
    uint8_t rep_out;
    bool var;
    HvRight right;
    HvRight recommended;
    bool bql;
    bool raw;
    bool l2;
    bool kernel;
    uint8_t needs;
    uint16_t (*handler)(HvHypercall *hc);
    bool (*switch_vtl)(HvVp *vp, uint64_t control);
} HvHypercallRow;

extern const HvHypercallRow hv_hypercalls[];
extern const unsigned hv_nr_hypercalls;

/**
 * HvReadInput: read a hypercall's input list at @gpa of the caller
 */
typedef bool (*HvReadInput)(X86CPU *cpu, uint64_t gpa, void *buf,
                            unsigned size);

/**
 * hv_hypercall_l2: execute the hypercall of a nested guest
 *
 * Its processors are not known to us, so that the call applies to all of ours.
 *
 * Returns: false if the call is for the nested guest's own hypervisor
 */
bool hv_hypercall_l2(X86CPU *cpu, HvReadInput read_input);

/* hcall-vpset.c */

/**
 * hv_vp_set_parse: read a HV_VP_SET (TLFS 7.8.7)
 * @set: where it starts in the input; its banks are the variable header
 * @vps: bitmap of HV_VP_SET_VPS bits, of the VPs that exist
 *
 * Returns: a HV_STATUS
 */
uint16_t hv_vp_set_parse(HvHypercall *hc, const uint8_t *set,
                         unsigned long *vps);

/**
 * hv_vp_set_from_mask: the VPs of a 64-bit mask that exist
 */
void hv_vp_set_from_mask(HvPartition *p, uint64_t mask, unsigned long *vps);
void hv_vp_set_all(HvPartition *p, unsigned long *vps);

/* registers.c */

/* HV_X64_PENDING_INTERRUPTION_REGISTER */
#define HV_INTERRUPTION_PENDING         (1u << 0)
#define HV_INTERRUPTION_TYPE_SHIFT      1
#define HV_INTERRUPTION_TYPE_LEN        3
#define HV_INTERRUPTION_ERROR_CODE      (1u << 4)
#define HV_INTERRUPTION_LENGTH_SHIFT    5
#define HV_INTERRUPTION_LENGTH_LEN      4
#define HV_INTERRUPTION_RSVD            0xfe00
#define HV_INTERRUPTION_VECTOR_SHIFT    16
#define HV_INTERRUPTION_VECTOR_LEN      16
#define HV_INTERRUPTION_ERROR_SHIFT     32

typedef enum HvInterruptionType {
    HV_INTERRUPTION_EXTERNAL = 0,
    HV_INTERRUPTION_NMI = 2,
    HV_INTERRUPTION_EXCEPTION = 3,
    HV_INTERRUPTION_SOFTWARE = 4,
    HV_INTERRUPTION_SOFTWARE_PRIVILEGED = 5,
    HV_INTERRUPTION_SOFTWARE_EXCEPTION = 6,
} HvInterruptionType;

/* Exceptions that push an error code */
#define HV_ERROR_CODE_VECTORS \
    (1u << EXCP08_DBLE | 1u << EXCP0A_TSS | 1u << EXCP0B_NOSEG | \
     1u << EXCP0C_STACK | 1u << EXCP0D_GPF | 1u << EXCP0E_PAGE | \
     1u << EXCP11_ALGN)

/* HV_REGISTER_VALUE (TLFS 7.3), in host byte order */
typedef struct HvRegValue {
    uint64_t low;
    uint64_t high;
} HvRegValue;

/**
 * hv_reg_get, hv_reg_set: access a register of @vp by its HV_REGISTER_NAME
 *
 * hv_regs_changed() is to be called after hv_reg_set(), before the VP runs.
 *
 * Returns: a HV_STATUS.  Context: as HvPortOps.run_on_vp, with the big QEMU
 * lock.
 */
uint16_t hv_reg_get(HvVp *vp, uint32_t name, HvRegValue *val);
uint16_t hv_reg_set(HvVp *vp, uint32_t name, HvRegValue val);

/**
 * hv_regs_changed: bring the rest of the CPU's state in line with its registers
 */
void hv_regs_changed(HvVp *vp);

/**
 * hv_vp_waits_for_startup: is @vp as reset or INIT has left it, before SIPI?
 */
bool hv_vp_waits_for_startup(HvVp *vp);

/**
 * hv_load_pending_event: HvPortOps.load_pending_event
 */
void hv_load_pending_event(HvVp *vp);

static inline bool hv_canonical(CPUX86State *env, uint64_t addr)
{
    unsigned shift = env->features[FEAT_7_0_ECX] & CPUID_7_0_ECX_LA57 ? 56 :
                                                                        47;
    int64_t sext = (int64_t)addr >> shift;

    return sext == 0 || sext == -1;
}

/* apic.c */

/**
 * hv_apic_any: is any bit set in IRR, ISR or TMR?  Context: big QEMU lock held.
 */
bool hv_apic_any(const uint32_t *reg);

/**
 * hv_apic_settle: hv_apic_sync() of VTL 0's APIC, before it is saved
 */
void hv_apic_settle(X86CPU *cpu);

/**
 * hv_extint_pending: is an external interrupt asserted that @vp has not
 * acknowledged?  It is VTL 0's.  Context: big QEMU lock held.
 */
static inline bool hv_extint_pending(const HvVp *vp)
{
    return !vp->index &&
           vp->partition->extint_vector != HV_INTERRUPT_VECTOR_NONE;
}

/**
 * hv_extint_changed: have @vp, which is VP 0, look anew at the external
 * interrupt of the partition.  Context: big QEMU lock held.
 */
void hv_extint_changed(HvVp *vp);

/* vtl.c */

/* HV_VP_VTL_CONTROL.EntryReason (TLFS 15.12) */
typedef enum HvVtlEntry {
    HV_VTL_ENTRY_CALL = 1,
    HV_VTL_ENTRY_INTERRUPT = 2,
    HV_VTL_ENTRY_INTERCEPT = 3,
} HvVtlEntry;

/**
 * hv_vtl_enter: have a higher trust level of a VP run from its next
 * instruction on
 * @vtl: is above the active one, and enabled on this VP
 *
 * Switches the private state.  What the active trust level has is kept as it
 * is: its RIP is where it goes on.
 *
 * Returns: false if that trust level is not enabled.  Context: the VP's own
 * thread, between two instructions as far as @cpu's state says.  The caller
 * goes back to the CPU loop.
 */
bool hv_vtl_enter(X86CPU *cpu, unsigned vtl, HvVtlEntry reason);

/**
 * hv_vtl_call, hv_vtl_return: switch to the next trust level above or below
 * @fast: leave the caller's RAX and RCX, rather than take them from the VP
 *        assist page
 *
 * The one that asks for it goes on behind its instruction.
 *
 * Returns: false if there is none.  Context: as hv_vtl_enter().
 */
bool hv_vtl_call(HvVp *vp);
bool hv_vtl_return(HvVp *vp, bool fast);

/**
 * hv_vtl_poll: switch to a higher trust level that has an interrupt; else tell
 * the one that runs if it holds one up (TLFS 15.12)
 *
 * Returns: true if another one runs now.  Context: as hv_vtl_enter(), big QEMU
 * lock held.
 */
bool hv_vtl_poll(HvVp *vp);

/**
 * hv_vtl_with_regs: call @fn with the private registers of @vtl in the CPU's
 * state; it has to be enabled
 *
 * Context: as HvPortOps.run_on_vp, with the big QEMU lock.
 */
void hv_vtl_with_regs(HvVp *vp, unsigned vtl,
                      void (*fn)(HvVp *vp, void *opaque), void *opaque);

/**
 * hv_vtl_look: what registers has a trust level of @vp?
 *
 * Unless the VM is stopped, they are roughly so: the VP runs, and switches.
 * Context: big QEMU lock held.
 */
HypervVtlRegisters *hv_vtl_look(HvVp *vp, unsigned vtl);

/**
 * hv_vtl_runs_guest: is the trust level, which need not be the one that runs,
 * inside of a nested guest?  Context: as HvVpFn.
 */
bool hv_vtl_runs_guest(HvVp *vp, unsigned vtl);

/**
 * hv_vtl_init_regs: bring private registers and APIC of the trust level in the
 * CPU's state to what INIT leaves.  Context: as HvVpFn.
 */
void hv_vtl_init_regs(HvVp *vp);

/**
 * hv_vtl_enable, hv_vtl_disable: add a trust level to a VP, or take it away,
 * which does not run
 *
 * It has nothing from before.  Context: as HvVpFn.
 */
void hv_vtl_enable(HvVp *vp, unsigned vtl);
void hv_vtl_disable(HvVp *vp, unsigned vtl);

/**
 * hv_vtl_leave: hv_vtl_return(), never to come back: the trust level that runs
 * is disabled.  It is not VTL 0.  Context: as HvVpFn.
 */
void hv_vtl_leave(HvVp *vp);

/**
 * hv_vtl_start: have a VP that waits for its start begin in @vtl.  Context: as
 * HvVpFn.
 */
void hv_vtl_start(HvVp *vp, unsigned vtl);

/**
 * hv_vtl_reset: HvPortOps.vtl_reset
 */
void hv_vtl_reset(HvVp *vp);

/**
 * hv_vtl_loaded: the CPU's state or the VP's active_vtl is that of a migration
 * stream; to be called for the last of them
 */
void hv_vtl_loaded(HvVp *vp);

/**
 * hv_vtl_realize: make the contexts and APICs of a VP's trust levels
 */
bool hv_vtl_realize(HvVp *vp, Error **errp);
void hv_vtl_unrealize(HvVp *vp);

/**
 * hv_vtl_apic: the local APIC of a trust level; NULL if the CPU has none
 */
DeviceState *hv_vtl_apic(HvVp *vp, unsigned vtl);

/* debug.c */

/**
 * hv_debug_init: give the partition the properties debug-vtl and
 * debug-vtl-switch, if it may have several trust levels
 */
void hv_debug_init(HvPartition *p);

/**
 * hv_debug_vtl_switched: another trust level of @vp runs now: stop the VM if
 * somebody has asked for it.  Context: as hv_vtl_enter().
 */
void hv_debug_vtl_switched(HvVp *vp);

/* vsm.c */

/* Entries of the hypercall page, HV_PAGE_ENTRY_SIZE bytes each */
typedef enum HvPageEntry {
    HV_PAGE_HYPERCALL,
    HV_PAGE_VTL_CALL_64,
    HV_PAGE_VTL_RETURN_64,
    HV_PAGE_VTL_CALL_32,
    HV_PAGE_VTL_RETURN_32,
    HV_PAGE_ENTRIES,
} HvPageEntry;

#define HV_PAGE_ENTRY_SIZE 16

/**
 * hv_vsm_reg_get, hv_vsm_reg_set: access a register HvRegisterVsm*, of the
 * trust level vp->regs_vtl
 *
 * Returns: a HV_STATUS.  Context: as hv_reg_get().
 */
uint16_t hv_vsm_reg_get(HvVp *vp, uint32_t name, uint64_t *val);
uint16_t hv_vsm_reg_set(HvVp *vp, uint32_t name, uint64_t val);

/**
 * hv_vsm_startup_denied: has a trust level above @vtl forbidden it to start
 * VPs (TLFS 15.5)?
 */
bool hv_vsm_startup_denied(HvPartition *p, unsigned vtl);

/**
 * hv_mbec_enabled: may @vtl give user and kernel mode different rights to
 * execute (mode based execute control, TLFS 15.9.4)?
 */
bool hv_mbec_enabled(HvPartition *p, unsigned vtl);

/**
 * hv_execute_mask: the HV_MAP_GPA_* that the trust level vp->regs_vtl needs to
 * execute a page
 * @user: in user mode
 */
uint8_t hv_execute_mask(HvVp *vp, bool user);

/**
 * hv_tlb_locked: does another VP hold a lock on TLBs of the trust level that
 * @vp runs (TLFS 15.5)?  It must not flush any then.
 *
 * Context: thread of @vp.
 */
bool hv_tlb_locked(HvVp *vp);

/**
 * hv_tlb_unlock: release the locks of a trust level of @vp, which returns to a
 * lower one or begins anew.  Context: thread of @vp, or as HvVpFn.
 */
void hv_tlb_unlock(HvVp *vp, unsigned vtl);

/* intercept.c */

/**
 * hv_intercept_memory: have the trust level that does not allow @a run next,
 * with a message about it
 *
 * Returns: false if it is not enabled on this VP.  Context: as hv_vtl_enter(),
 * RIP is the instruction's.
 */
bool hv_intercept_memory(HvVp *vp, const HvMemoryAccess *a);

/**
 * hv_intercept_register, hv_intercept_msr, hv_intercept_io,
 * hv_intercept_cpuid: have @vtl run next, with a message about the instruction
 * at RIP
 * @name: HV_REGISTER_NAME of what it writes
 * @val: the value, or with @memory_op where it is
 * @result: EAX, ECX, EDX and EBX, as they would be without an intercept
 *
 * Returns: as hv_vtl_enter().  Context: as hv_intercept_memory().
 */
bool hv_intercept_register(HvVp *vp, unsigned vtl, uint32_t name, uint64_t val,
                           bool memory_op);
bool hv_intercept_msr(HvVp *vp, unsigned vtl, bool write);
bool hv_intercept_io(HvVp *vp, unsigned vtl, uint16_t port, unsigned size,
                     bool write);
bool hv_intercept_cpuid(HvVp *vp, unsigned vtl, const uint32_t *result);

/**
 * HvException: one that is about to be delivered
 * @software: of an instruction that is made for it
 * @parameter: address of a page fault, DR6 of a debug exception, else 0
 */
typedef struct HvException {
    uint8_t vector;
    bool software;
    uint32_t error_code;
    uint64_t parameter;
} HvException;

/**
 * hv_intercept_exception: have @vtl run instead of the active one's handler
 *
 * Returns, context: as hv_intercept_register().
 */
bool hv_intercept_exception(HvVp *vp, unsigned vtl, const HvException *e);

/* intercept-table.c: the trust level that is to be told, or 0 */

/**
 * hv_intercepts_changed: look anew at what the active trust level must not do
 * unnoticed
 *
 * Context: the VP's own thread, or no VP runs.
 */
void hv_intercepts_changed(HvVp *vp);

/**
 * hv_intercepts_reg: of a write of @val to the register @name by trust level
 * @vtl of @vp, the CPU's state having its registers
 */
unsigned hv_intercepts_reg(HvVp *vp, unsigned vtl, uint32_t name, uint64_t val);

/**
 * hv_intercepts_msr: of an access to the MSR that ECX names, by the active
 * trust level; hv_intercepts_unknown_msr(), if there is no such MSR
 */
unsigned hv_intercepts_msr(HvVp *vp, bool write);
unsigned hv_intercepts_unknown_msr(HvVp *vp, bool write);

/**
 * hv_intercepts_io: of an access to @size ports from @port on
 */
unsigned hv_intercepts_io(HvVp *vp, uint16_t port, unsigned size, bool write);

/**
 * hv_intercepts_cpuid: of CPUID with what EAX and ECX hold
 * @result: EAX, ECX, EDX and EBX; changed by results that were registered
 */
unsigned hv_intercepts_cpuid(HvVp *vp, uint32_t *result);

/**
 * hv_intercepts_exception: of an exception of the active trust level
 */
unsigned hv_intercepts_exception(HvVp *vp, uint8_t vector);

/* hcall-protect.c */

/**
 * hv_protection_mask_valid: may @vtl make @mask the protection of a page?
 */
bool hv_protection_mask_valid(HvPartition *p, unsigned vtl, uint32_t mask);

/**
 * hv_flush_all_vps: have all VPs drop their translations
 *
 * May not return: the hypercall is then executed again.  Context: thread of
 * @self, without the big QEMU lock.
 */
void hv_flush_all_vps(HvVp *self);

/* hcall-vp.c */

static inline bool hv_is_own_partition(uint64_t id)
{
    return id == HV_PARTITION_ID_SELF || id == HV_PARTITION_ID;
}

/**
 * hv_check_higher: is the caller a trust level that has another one below, and
 * is PartitionId, with which the input begins, its own?
 *
 * Returns: a HV_STATUS
 */
static inline uint16_t hv_check_higher(HvHypercall *hc)
{
    if (!hc->vp->active_vtl) {
        return HV_STATUS_ACCESS_DENIED;
    }
    return hv_is_own_partition(ldq_le_p(hc->in)) ?
           HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARTITION_ID;
}

/**
 * hv_input_vtl: read a HV_INPUT_VTL (TLFS 15.15)
 * @vtl: the trust level that it names, not above the one that runs
 *
 * Returns: a HV_STATUS
 */
static inline uint16_t hv_input_vtl(HvVp *self, uint8_t input, unsigned *vtl)
{
    unsigned target = input & HV_INPUT_VTL_TARGET_MASK;

    if (!(input & HV_INPUT_VTL_USE_TARGET)) {
        target = self->active_vtl;
    }
    *vtl = target;
    if ((input & HV_INPUT_VTL_RSVD_MASK) ||
        target >= self->partition->nr_vtls) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    return target > self->active_vtl ? HV_STATUS_ACCESS_DENIED :
                                       HV_STATUS_SUCCESS;
}

/**
 * HvVpFn: the part of a hypercall that looks at the state of @vp
 *
 * Returns: a HV_STATUS.  Context: as HvPortOps.run_on_vp, with the big QEMU
 * lock.
 */
typedef uint16_t HvVpFn(HvHypercall *hc, HvVp *vp);

/* For hv_hc_on_vp(): whichever trust level the VP runs in */
#define HV_VTL_ACTIVE UINT_MAX

/**
 * hv_hc_on_vp: check the PartitionId and VpIndex that the input of @hc begins
 * with, and call @fn for that VP
 * @vtl: the trust level whose private registers @fn finds in the CPU's state
 * @alone: stop all other VPs, even if it is the caller's own
 *
 * May not return: the hypercall is then executed again.
 */
uint16_t hv_hc_on_vp(HvHypercall *hc, unsigned vtl, bool alone, HvVpFn *fn);

/**
 * hv_hc_alone: call @fn for the caller's VP while no VP executes an instruction
 *
 * May not return: the hypercall is then executed again.
 */
uint16_t hv_hc_alone(HvHypercall *hc, HvVpFn *fn);

/**
 * HvVpInit: for a function of hv_vtl_with_regs() that starts a trust level
 * @context: HV_INITIAL_VP_CONTEXT
 * @status: result
 */
typedef struct HvVpInit {
    const uint8_t *context;
    uint16_t status;
} HvVpInit;

/**
 * hv_vp_load_context: set the registers of a HV_INITIAL_VP_CONTEXT
 *
 * Returns: a HV_STATUS.  Context: as HvVpFn.
 */
uint16_t hv_vp_load_context(HvVp *vp, const uint8_t *context);

/* Handlers: hcall-*.c, translate.c */
uint16_t hv_hc_flush_space(HvHypercall *hc);
uint16_t hv_hc_flush_space_ex(HvHypercall *hc);
uint16_t hv_hc_flush_list(HvHypercall *hc);
uint16_t hv_hc_flush_list_ex(HvHypercall *hc);
uint16_t hv_hc_flush_gpa(HvHypercall *hc);
uint16_t hv_hc_ipi(HvHypercall *hc);
uint16_t hv_hc_ipi_ex(HvHypercall *hc);
uint16_t hv_hc_long_spin_wait(HvHypercall *hc);
uint16_t hv_hc_post_message(HvHypercall *hc);
uint16_t hv_hc_signal_event(HvHypercall *hc);
uint16_t hv_hc_post_debug_data(HvHypercall *hc);
uint16_t hv_hc_retrieve_debug_data(HvHypercall *hc);
uint16_t hv_hc_reset_debug_session(HvHypercall *hc);
uint16_t hv_hc_get_partition_id(HvHypercall *hc);
uint16_t hv_hc_get_vp_index_from_apic_id(HvHypercall *hc);
uint16_t hv_hc_get_vp_registers(HvHypercall *hc);
uint16_t hv_hc_set_vp_registers(HvHypercall *hc);
uint16_t hv_hc_translate(HvHypercall *hc);
uint16_t hv_hc_translate_ex(HvHypercall *hc);
uint16_t hv_hc_start_vp(HvHypercall *hc);
uint16_t hv_hc_modify_vtl_protection_mask(HvHypercall *hc);
uint16_t hv_hc_check_sparse_gpa_page_vtl_access(HvHypercall *hc);
uint16_t hv_hc_enable_partition_vtl(HvHypercall *hc);
uint16_t hv_hc_disable_partition_vtl(HvHypercall *hc);
uint16_t hv_hc_enable_vp_vtl(HvHypercall *hc);
uint16_t hv_hc_disable_vp_vtl(HvHypercall *hc);
uint16_t hv_hc_install_intercept(HvHypercall *hc);
uint16_t hv_hc_register_intercept_result(HvHypercall *hc);
uint16_t hv_hc_assert_virtual_interrupt(HvHypercall *hc);
uint16_t hv_hc_clear_virtual_interrupt(HvHypercall *hc);
uint16_t hv_hc_pin_gpa_page_ranges(HvHypercall *hc);
bool hv_hc_vtl_call(HvVp *vp, uint64_t control);
bool hv_hc_vtl_return(HvVp *vp, uint64_t control);
uint16_t hv_hc_ext_query_capabilities(HvHypercall *hc);
uint16_t hv_hc_ext_get_boot_zeroed_memory(HvHypercall *hc);

/* Ports: accel-tcg.c, accel-qtest.c, accel-kvm.c */
extern const HvPortOps hv_port_tcg;
extern const HvPortOps hv_port_qtest;

/**
 * hv_kvm_port: the port for the KVM that there is
 *
 * Returns: NULL if its kernel implements the interface
 */
const HvPortOps *hv_kvm_port(void);

/**
 * hv_kvm_idle: park the vCPU that has read GUEST_IDLE
 *
 * A handler of kvm_filter_msrs().
 */
bool hv_kvm_idle(X86CPU *cpu, uint32_t msr, uint64_t *val);

/**
 * hv_port: the port of the accelerator in use
 *
 * Returns: NULL if QEMU does not emulate the interface on it
 */
const HvPortOps *hv_port(void);

/**
 * hv_vmcall_init: make the hypercall page leave the guest by the instruction
 * that its CPU has for that
 */
bool hv_vmcall_init(HvPartition *p, Error **errp);

/**
 * hv_ioport_init: make the hypercall page leave the guest by an I/O port, and
 * add that port to the machine; for HvPortOps.init
 */
void hv_ioport_init(HvPartition *p);

/**
 * hv_hypercall_is_64bit: is the caller in 64-bit mode (TLFS 3.7)?
 */
static inline bool hv_caller_is_64bit(CPUX86State *env)
{
    return (env->efer & MSR_EFER_LMA) && (env->hflags & HF_CS64_MASK);
}

/* apic.c */
bool hv_apic_eoi_write(HvVtl *vtl, unsigned i, uint64_t val);
bool hv_apic_icr_read(HvVtl *vtl, unsigned i, uint64_t *val);
bool hv_apic_icr_write(HvVtl *vtl, unsigned i, uint64_t val);
bool hv_apic_tpr_read(HvVtl *vtl, unsigned i, uint64_t *val);
bool hv_apic_tpr_write(HvVtl *vtl, unsigned i, uint64_t val);
void hv_assert_vector(HvVtl *vtl, uint8_t vector);
bool hv_apic_requested(X86CPU *cpu);

#endif
