/*
 * Hyper-V guest interface: the TCG port
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "qemu/processor.h"
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "exec/tb-flush.h"
#include "hyperv-tcg.h"
#include "internal.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/cpus.h"
#include "tcg/helper-tcg.h"
#include "trace.h"

/*
 * Turns of the waiting loop before it sleeps, and for how long at most: what
 * is waited for takes microseconds, unless the host runs something else.
 */
#define HV_FLUSH_SPINS 500
#define HV_FLUSH_SLEEP_MS 1

#define HV_ALL_MMU_INDEXES ((1u << NB_MMU_MODES) - 1)

static void hv_tcg_flush_ranges(CPUState *cs, const HvGvaRange *ranges,
                                unsigned nr)
{
    unsigned i;

    if (!nr) {
        tlb_flush(cs);
        return;
    }
    for (i = 0; i < nr; i++) {
        tlb_flush_range_by_mmuidx(cs, ranges[i].gva, ranges[i].len,
                                  HV_ALL_MMU_INDEXES, TARGET_LONG_BITS);
    }
}

static void hv_tcg_flush_wake(HvPartition *p)
{
    /* Pairs with hv_tcg_flush_sleep() */
    smp_mb();
    if (qatomic_read(&p->tlb_waiters)) {
        QEMU_LOCK_GUARD(&p->tlb_lock);
        qemu_cond_broadcast(&p->tlb_cond);
    }
}

/* Do what other VPs asked for.  Called on the VP's own thread. */
static void hv_tcg_flush_pending(HvVp *vp)
{
    HvGvaRange ranges[HV_TLB_PENDING_MAX];
    uint64_t asked;
    unsigned nr;

    qemu_mutex_lock(&vp->tlb.lock);
    asked = vp->tlb.asked;
    nr = vp->tlb.full ? 0 : vp->tlb.nr;
    memcpy(ranges, vp->tlb.range, nr * sizeof(*ranges));
    vp->tlb.full = false;
    vp->tlb.nr = 0;
    qemu_mutex_unlock(&vp->tlb.lock);

    if (asked != vp->tlb.done) {
        hv_tcg_flush_ranges(vp->cs, ranges, nr);
        qatomic_store_release(&vp->tlb.done, asked);
        hv_tcg_flush_wake(vp->partition);
    }
}

static void hv_tcg_flush_work(CPUState *cs, run_on_cpu_data data)
{
    HvVp *vp = data.host_ptr;

    qatomic_set_mb(&vp->tlb.work_queued, false);
    hv_tcg_flush_pending(vp);
}

/* Ask @vp; returns the number that its tlb.done is to reach */
static uint64_t hv_tcg_flush_ask(HvVp *vp, const HvGvaRange *ranges,
                                 unsigned nr)
{
    uint64_t asked;

    WITH_QEMU_LOCK_GUARD(&vp->tlb.lock) {
        if (!nr || vp->tlb.nr + nr > HV_TLB_PENDING_MAX) {
            vp->tlb.full = true;
        } else {
            memcpy(&vp->tlb.range[vp->tlb.nr], ranges, nr * sizeof(*ranges));
            vp->tlb.nr += nr;
        }
        asked = ++vp->tlb.asked;
    }
    if (!qatomic_xchg(&vp->tlb.work_queued, true)) {
        async_run_on_cpu(vp->cs, hv_tcg_flush_work, RUN_ON_CPU_HOST_PTR(vp));
        /* it may be asleep, waiting for us */
        hv_tcg_flush_wake(vp->partition);
    }
    return asked;
}

/*
 * Has @vp dropped its translations, as far as it can tell?  A CPU that is
 * halted looks at its work before it executes the next instruction.
 */
static bool hv_tcg_flush_done(HvVp *vp, uint64_t asked)
{
    CPUState *cs = vp->cs;

    if (qatomic_load_acquire(&vp->tlb.done) >= asked) {
        return true;
    }
    if (qatomic_read(&cs->running)) {
        return false;
    }
    /* With one thread for all, work comes before any CPU's next turn */
    return qatomic_read(&cs->halted) || !qemu_tcg_mttcg_enabled();
}

/*
 * Leave the host's CPU to those that are waited for: until one of them is
 * done, or somebody asks something of us.
 */
static void hv_tcg_flush_sleep(HvVp *self, const uint64_t *asked)
{
    HvPartition *p = self->partition;
    bool wait = true;
    unsigned i;

    QEMU_LOCK_GUARD(&p->tlb_lock);
    qatomic_set(&p->tlb_waiters, p->tlb_waiters + 1);
    /* Pairs with hv_tcg_flush_wake() */
    smp_mb();
    for (i = 0; i < p->nr_vps && wait; i++) {
        HvVp *vp = asked[i] ? hv_partition_vp(p, i) : NULL;

        wait = !vp || !hv_tcg_flush_done(vp, asked[i]);
    }
    if (wait && !qatomic_read(&self->tlb.work_queued)) {
        qemu_cond_timedwait(&p->tlb_cond, &p->tlb_lock, HV_FLUSH_SLEEP_MS);
    }
    qatomic_set(&p->tlb_waiters, p->tlb_waiters - 1);
}

/*
 * Nobody executes an instruction with a stale translation once this returns.
 *
 * A VP that waits here keeps doing what others ask of it, so that two of them
 * never wait for each other.  One thing cannot be waited for: a CPU that wants
 * to be alone (start_exclusive()) wants this one stopped first.  Then the
 * hypercall is left with the instruction pointer unchanged, as the TLFS has it
 * for calls that take long (3.3), and is executed again.
 */
static void hv_tcg_flush_tlb(HvVp *self, const unsigned long *vps,
                             const HvGvaRange *ranges, unsigned nr)
{
    HvPartition *p = self->partition;
    g_autofree uint64_t *asked = NULL;
    unsigned spins = 0;
    unsigned long i;
    bool flush_self = false, wait, all_stopped;

    asked = g_new0(uint64_t, p->nr_vps);
    for (i = find_first_bit(vps, p->nr_vps); i < p->nr_vps;
         i = find_next_bit(vps, p->nr_vps, i + 1)) {
        HvVp *vp = hv_partition_vp(p, i);

        if (vp == self) {
            flush_self = true;
        } else if (vp) {
            asked[i] = hv_tcg_flush_ask(vp, ranges, nr);
        }
    }
    if (flush_self) {
        hv_tcg_flush_ranges(self->cs, ranges, nr);
    }
    /* Pairs with cpu_exec_start(): it sets running, then looks for work */
    smp_mb();

    do {
        wait = false;
        all_stopped = true;
        for (i = 0; i < p->nr_vps; i++) {
            HvVp *vp = asked[i] ? hv_partition_vp(p, i) : NULL;

            if (!vp || hv_tcg_flush_done(vp, asked[i])) {
                asked[i] = 0;
                continue;
            }
            wait = true;
            all_stopped &= !qatomic_read(&vp->cs->running);
        }
        if (!wait) {
            return;
        }
        hv_tcg_flush_pending(self);
        if (all_stopped && qatomic_read(&self->cs->exit_request)) {
            trace_hv_tcg_flush_retry(self->index);
            g_free(g_steal_pointer(&asked));
            cpu_loop_exit_noexc(self->cs);
        }
        if (++spins < HV_FLUSH_SPINS) {
            cpu_relax();
        } else {
            hv_tcg_flush_sleep(self, asked);
        }
    } while (true);
}

/*
 * A VP that is halted waits for its timer.  It keeps the host's CPU for the few
 * microseconds, but not the big lock.
 */
static void hv_tcg_await_timer_work(CPUState *cs, run_on_cpu_data data)
{
    HvVp *vp = data.host_ptr;
    /* The host's clock, because the guest's stops with the VM */
    int64_t end = get_clock() + hv_stimer_await_begins(vp);

    bql_unlock();
    while (cpu_thread_is_idle(cs) && !cpu_is_stopped(cs) &&
           get_clock() < end) {
        cpu_relax();
    }
    bql_lock();
    hv_stimer_check(vp);
}

static bool hv_tcg_await_timer(HvVp *vp)
{
    if (!qemu_tcg_mttcg_enabled()) {
        return false;
    }
    async_run_on_cpu(vp->cs, hv_tcg_await_timer_work, RUN_ON_CPU_HOST_PTR(vp));
    return true;
}

static void hv_tcg_spin_wait(CPUState *cs)
{
    /* One thread for all VPs: let the next one run */
    if (!qemu_tcg_mttcg_enabled()) {
        cpu_exit(cs);
    }
    g_thread_yield();
}

/* Inside the CPU loop some flags are kept elsewhere, as x86_cpu_exec_enter() */
static void hv_tcg_mask_flags(CPUX86State *env)
{
    env->eflags &= ~(DF_MASK | CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C);
}

/*
 * Never goes back into the translated block that was left: it may have been
 * discarded meanwhile.
 */
static void hv_tcg_run_on_vp(HvVp *self, uint32_t index,
                             void (*fn)(HvVp *vp, void *opaque), void *opaque)
{
    bool changed;
    HvVp *vp;

    /* start_exclusive() is for those that are not running */
    cpu_exec_end(self->cs);
    start_exclusive();
    /* Another VP came first, and this one is not where it was */
    changed = self->must_leave;
    if (!changed) {
        bql_lock();
        vp = hv_partition_vp(self->partition, index);
        if (vp) {
            /* QEMU's APIC goes by it */
            current_cpu = vp->cs;
        }
        fn(vp, opaque);
        current_cpu = self->cs;
        bql_unlock();
    }
    end_exclusive();
    cpu_exec_start(self->cs);
    if (changed) {
        trace_hv_tcg_run_on_vp_retry(self->index, index);
        hv_tcg_mask_flags(cpu_env(self->cs));
        cpu_loop_exit(self->cs);
    }
    self->must_leave = true;
}

/* QEMU keeps a list of what DR7 enables */
static void hv_tcg_load_dr7(CPUState *cs)
{
    CPUX86State *env = cpu_env(cs);
    target_ulong dr7 = env->dr[7];

    cpu_breakpoint_remove_all(cs, BP_CPU);
    cpu_watchpoint_remove_all(cs, BP_CPU);
    env->dr[7] = dr7 & ~(target_ulong)(DR7_GLOBAL_BP_MASK |
                                       DR7_LOCAL_BP_MASK);
    cpu_x86_update_dr7(env, dr7);
}

/* As after loading a migration stream */
static void hv_tcg_regs_changed(HvVp *vp)
{
    CPUState *cs = vp->cs;
    CPUX86State *env = cpu_env(cs);

    update_fp_status(env);
    update_mxcsr_status(env);
    hv_tcg_load_dr7(cs);
    /* Its entries do not say which CR3 they are of */
    tlb_flush(cs);
    vp->must_leave = true;
}

static void hv_tcg_vtl_changed(HvVp *vp, bool running)
{
    CPUState *cs = vp->cs;
    CPUX86State *env = cpu_env(cs);

    if (running) {
        hv_tcg_mask_flags(env);
    }
    if ((env->dr[7] & (DR7_GLOBAL_BP_MASK | DR7_LOCAL_BP_MASK)) ||
        !QTAILQ_EMPTY(&cs->breakpoints) || !QTAILQ_EMPTY(&cs->watchpoints)) {
        hv_tcg_load_dr7(cs);
    }
}

bool hv_tcg_poll(X86CPU *cpu)
{
    return unlikely(cpu->hv_vp) && hv_vtl_poll(cpu->hv_vp);
}

static void hv_tcg_vtl_reset(HvVp *vp)
{
    hv_vtl_reset(vp);
    /* The memory that it was translated from may be zeroed */
    tb_flush(vp->cs);
}

const HvPortOps hv_port_tcg = {
    .name = "tcg",
    .caps = HV_PORT_ALL,
    .init = hv_vmcall_init,
    .assert_vector = hv_assert_vector,
    .flush_tlb = hv_tcg_flush_tlb,
    .spin_wait = hv_tcg_spin_wait,
    .await_timer = hv_tcg_await_timer,
    .run_on_vp = hv_tcg_run_on_vp,
    .regs_changed = hv_tcg_regs_changed,
    .load_pending_event = hv_load_pending_event,
    .vtl_changed = hv_tcg_vtl_changed,
    .vtl_reset = hv_tcg_vtl_reset,
};

static void hv_tcg_skip_insn(CPUX86State *env, int next_eip_addend)
{
    env->eip += next_eip_addend;
    if (!(env->hflags & HF_CS64_MASK)) {
        env->eip = (uint32_t)env->eip;
    }
}

/*
 * What the translator does behind an instruction
 * @flags: of the translated block that the instruction is in
 */
static G_NORETURN void hv_tcg_complete(CPUX86State *env, int next_eip_addend,
                                       uint32_t flags)
{
    bool moved = env_archcpu(env)->hv_vp->rip_changed;

    env->hflags &= ~(flags & HF_INHIBIT_IRQ_MASK);
    hv_tcg_mask_flags(env);
    if (!moved) {
        hv_tcg_skip_insn(env, next_eip_addend);
        env->exception_next_eip += next_eip_addend;
        if (flags & HF_TF_MASK) {
            helper_single_step(env);
        }
    }
    cpu_loop_exit(env_cpu(env));
}

/*
 * May another trust level run right behind the translated block, which ends
 * here?
 * @flags: of the block
 */
static bool hv_tcg_may_go_on(CPUState *cs, uint32_t flags)
{
    return !(flags & (HF_INHIBIT_IRQ_MASK | HF_TF_MASK | HF_RF_MASK)) &&
           !cs->halted && cs->exception_index < 0 &&
           !qatomic_read(&cs->interrupt_request);
}

void hv_tcg_run_vtl(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    if (cs->halted) {
        cs->exception_index = EXCP_HLT;
    }
    cpu_loop_exit(cs);
}

/* The hypercall waits for another VP, which gets a turn first */
static G_NORETURN void hv_tcg_again(HvVp *vp)
{
    vp->hcall_again = false;
    hv_tcg_spin_wait(vp->cs);
    cpu_loop_exit_noexc(vp->cs);
}

/*
 * VMCALL and VMMCALL.  EIP is that of the instruction when it begins, and of
 * the next one when it ends; the translator ends the block behind it, so that an
 * interrupt sent to itself is taken at once.
 */
void helper_hypercall(CPUX86State *env, int next_eip_addend)
{
    X86CPU *cpu = env_archcpu(env);
    HvVp *vp = cpu->hv_vp;
    uint32_t flags;

    if (!vp || (env->hflags & HF_GUEST_MASK)) {
        raise_exception(env, EXCP06_ILLOP);
    }
    vp->must_leave = false;
    vp->rip_changed = false;
    vp->vtl_switched = false;
    vp->insn_len = next_eip_addend;
    flags = env->hflags | (env->eflags & (TF_MASK | RF_MASK));
    if (!hv_hypercall(cpu)) {
        raise_exception(env, EXCP06_ILLOP);
    }
    if (vp->vtl_switched) {
        if (likely(!vp->must_leave && hv_tcg_may_go_on(env_cpu(env), flags))) {
            return;
        }
        hv_tcg_run_vtl(env);
    }
    if (vp->hcall_again) {
        hv_tcg_again(vp);
    }
    if (vp->must_leave) {
        hv_tcg_complete(env, next_eip_addend, flags);
    }
    hv_tcg_skip_insn(env, next_eip_addend);
}

static bool hv_tcg_read_l2(X86CPU *cpu, uint64_t gpa, void *buf, unsigned size)
{
    CPUX86State *env = &cpu->env;
    int mmu_idx = x86_mmu_index_vtl(env, env->hflags2 & HF2_NPT_MASK ?
                                         MMU_NESTED_IDX : MMU_PHYS_IDX);
    unsigned i;

    /* A page that is not there is the business of the L1 hypervisor */
    for (i = 0; i < size; i += 8) {
        stq_le_p((char *)buf + i, cpu_ldq_mmuidx_ra(env, gpa + i, mmu_idx, 0));
    }
    return true;
}

/*
 * A nested guest flushes its TLB: done here rather than by its hypervisor, if
 * that one has asked for it in the VP assist page and in the VMCB (TLFS 16.8).
 */
bool hv_tcg_nested_hypercall(CPUX86State *env, int next_eip_addend)
{
    X86CPU *cpu = env_archcpu(env);
    CPUState *cs = env_cpu(env);
    hwaddr lock_count;
    HvVtl *vtl;

    if (likely(!cpu->hv_vp) || !(env->hflags & HF_GUEST_MASK) ||
        (env->hflags & HF_CPL_MASK) ||
        !hyperv_feat_enabled(cpu, HYPERV_FEAT_TLBFLUSH_DIRECT)) {
        return false;
    }
    vtl = &cpu->hv_vp->vtl[0];
    if (!(vtl->vp_assist & HV_OVERLAY_ENABLE) ||
        !(ldl_le_p((char *)vtl->vp_assist_page.host +
                   HV_VP_ASSIST_NESTED_FEATURES) &
          HV_NESTED_DIRECT_HYPERCALL) ||
        !(x86_ldl_phys(cs, env->vm_vmcb + HV_VMCB_ENLIGHTENMENTS) &
          HV_VMCB_ENL_NESTED_FLUSH_HYPERCALL) ||
        !hv_hypercall_l2(cpu, hv_tcg_read_l2)) {
        return false;
    }
    if (cpu->hv_vp->hcall_again) {
        hv_tcg_again(cpu->hv_vp);
    }
    lock_count = x86_ldq_phys(cs, env->vm_vmcb + HV_VMCB_PARTITION_ASSIST_PAGE);
    if (x86_ldl_phys(cs, lock_count + HV_PARTITION_ASSIST_TLB_LOCK_COUNT)) {
        /* Its hypervisor holds the lock and wants to know, behind the call */
        hv_tcg_skip_insn(env, next_eip_addend);
        cpu_vmexit(env, HV_SVM_EXITCODE_ENL,
                   HV_SVM_ENL_EXITCODE_TRAP_AFTER_FLUSH, 0);
    }
    hv_tcg_skip_insn(env, next_eip_addend);
    return true;
}

/* Park the CPU behind the RDMSR that it is executing */
static G_NORETURN void hv_tcg_park(CPUX86State *env, uintptr_t ra)
{
    CPUState *cs = env_cpu(env);
    unsigned i;

    cpu_restore_state(cs, ra);
    /* Prefixes, then 0F 32; no prefix has the value 0F */
    for (i = 0; i < 14; i++) {
        if (cpu_ldub_code(env, env->segs[R_CS].base + env->eip + i) == 0x0f) {
            break;
        }
    }
    env->eip += i + 2;
    env->regs[R_EAX] = 0;
    env->regs[R_EDX] = 0;
    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    cs->halted = 1;
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit(cs);
}

uint64_t hv_tcg_rdmsr(CPUX86State *env, uintptr_t ra)
{
    X86CPU *cpu = env_archcpu(env);
    uint64_t val;

    if (!hv_msr_read(cpu, env->regs[R_ECX], &val)) {
        if (!hv_msr_find(cpu->hv_vp->partition, env->regs[R_ECX])) {
            hv_tcg_unknown_msr(env, false, ra);
        }
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    if (cpu->hv_vp->idle) {
        if (!hv_idle_has_work(cpu)) {
            hv_tcg_park(env, ra);
        }
        hv_idle_done(cpu);
    }
    return val;
}

void hv_tcg_wrmsr(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    X86CPU *cpu = env_archcpu(env);

    if (!hv_msr_write(cpu, env->regs[R_ECX], val)) {
        if (!hv_msr_find(cpu->hv_vp->partition, env->regs[R_ECX])) {
            hv_tcg_unknown_msr(env, true, ra);
        }
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

/*
 * The guest wrote to one of the hypervisor's read-only pages.  Any other
 * failed access is ignored, as it is without a hypervisor.
 */
void hv_tcg_transaction_failed(CPUState *cs, hwaddr physaddr, vaddr addr,
                               unsigned size, MMUAccessType access_type,
                               int mmu_idx, MemTxAttrs attrs,
                               MemTxResult response, uintptr_t ra)
{
    X86CPU *cpu = X86_CPU(cs);

    if (cpu->hv_vp && access_type == MMU_DATA_STORE &&
        (response & MEMTX_ACCESS_ERROR) &&
        hv_partition_write_denied(cpu->hv_vp->partition, physaddr)) {
        raise_exception_err_ra(&cpu->env, EXCP0D_GPF, 0, ra);
    }
}
