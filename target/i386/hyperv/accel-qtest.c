/*
 * Hyper-V guest interface: the qtest port, for a machine that executes no
 * instruction, and its commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A test does with them what a CPU would do: access synthetic MSRs, execute
 * CPUID and hypercalls, take and end interrupts.  All of it happens on the
 * thread of the VP.  Numbers are answered in hexadecimal, an exception by its
 * name.
 *
 *   hv_rdmsr VP MSR                     OK VALUE | OK GP
 *   hv_wrmsr VP MSR VALUE               OK | OK GP
 *   hv_cpuid VP LEAF                    OK EAX EBX ECX EDX
 *   hv_rdtsc VP                         OK VALUE
 *   hv_hypercall VP MODE CONTROL INPUT OUTPUT [XMM...]
 *                                       OK RESULT INPUT OUTPUT CHANGED XMM...
 *                                       | OK UD | OK AGAIN
 *     MODE is 64 or 32 (kernel), svm (64, able to run guests of its own), real,
 *     vm86, user or compat (32-bit code in a 64-bit kernel); XMM are halves of
 *     registers, lower first; CHANGED is a mask of other registers that the
 *     call has changed; AGAIN is a call that has to wait for another VP
 *   hv_rdapic VP REG                    OK VALUE
 *   hv_wrapic VP REG VALUE              OK
 *     REG is the offset of an APIC register divided by 16
 *   hv_take_irq VP                      OK VECTOR | OK NONE
 *   hv_clock_set NS                     OK
 *     Jump there without stopping at any timer's deadline, as a host that is
 *     late, or one that receives a migration
 *
 * And what a device would do, with up to HV_QTEST_ROUTES SINT routes that the
 * test numbers:
 *
 *   hv_route_new ID VP SINT             OK 0 | OK -1
 *   hv_route_free ID                    OK
 *   hv_route_post ID TYPE SIZE BYTE     OK ERRNO
 *   hv_route_flag ID FLAG               OK ERRNO
 *   hv_route_signal ID                  OK ERRNO
 *   hv_route_status ID                  OK CALLBACKS ERRNO
 *
 * And what QEMU would decide on another host than this:
 *
 *   hv_plan HOST FLAG...                OK FLAG... | OK no WORD...
 *     HOST is tcg, or kvm with a list of what there is: "kvm,hyperv,apic,
 *     msr-exits", and as -accel has it "kernel-hyperv=on" or "off".  FLAG is one
 *     of hv-*, or with "=off".  The answer has the flags of the guest, or says
 *     why there is none.  A kernel's own Hyper-V may yet lack some.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/hyperv/hyperv.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "system/cpu-timers.h"
#include "system/qtest.h"

#define HV_QTEST_ROUTES 8
#define HV_QTEST_ARGS   20

typedef struct HvQtestRoute {
    HvSintRoute *route;
    unsigned callbacks;
    int status;
} HvQtestRoute;

static HvQtestRoute hv_qtest_routes[HV_QTEST_ROUTES];

/* A command under way: its numbers, and the answer */
typedef struct HvQtestCommand {
    X86CPU *cpu;
    char **words;
    uint64_t arg[HV_QTEST_ARGS];
    unsigned nr_args;
    GString *answer;
} HvQtestCommand;

static void hv_qtest_rdmsr(HvQtestCommand *c)
{
    uint64_t val;

    g_assert(c->nr_args == 1);
    if (!hv_msr_owned(c->cpu, c->arg[0]) ||
        !hv_msr_read(c->cpu, c->arg[0], &val)) {
        g_string_append(c->answer, " GP");
        return;
    }
    /* A parked CPU would not be back so soon, but there is none to park */
    hv_idle_done(c->cpu);
    g_string_append_printf(c->answer, " 0x%" PRIx64, val);
}

static void hv_qtest_wrmsr(HvQtestCommand *c)
{
    g_assert(c->nr_args == 2);
    if (!hv_msr_owned(c->cpu, c->arg[0]) ||
        !hv_msr_write(c->cpu, c->arg[0], c->arg[1])) {
        g_string_append(c->answer, " GP");
    }
}

static void hv_qtest_cpuid(HvQtestCommand *c)
{
    uint32_t r[4];

    g_assert(c->nr_args == 1);
    cpu_x86_cpuid(&c->cpu->env, c->arg[0], 0, &r[0], &r[1], &r[2], &r[3]);
    g_string_append_printf(c->answer, " 0x%x 0x%x 0x%x 0x%x",
                           r[0], r[1], r[2], r[3]);
}

static void hv_qtest_rdtsc(HvQtestCommand *c)
{
    g_string_append_printf(c->answer, " 0x%" PRIx64,
                           cpu_get_tsc(&c->cpu->env) + c->cpu->env.tsc_offset);
}

/* The processor's mode, as far as hypercalls look at it */
static void hv_qtest_set_mode(CPUX86State *env, const char *mode)
{
    bool svm = g_str_equal(mode, "svm");
    bool long_mode = svm || g_str_equal(mode, "64") ||
                     g_str_equal(mode, "user") || g_str_equal(mode, "compat");

    env->cr[0] |= CR0_PE_MASK;
    env->eflags &= ~VM_MASK;
    env->efer &= ~(MSR_EFER_LMA | MSR_EFER_SVME);
    env->hflags &= ~(HF_CPL_MASK | HF_CS64_MASK | HF_LMA_MASK);
    env->hflags |= HF_PE_MASK;
    if (long_mode) {
        env->efer |= MSR_EFER_LMA;
        env->hflags |= HF_LMA_MASK;
    }
    if (svm) {
        env->efer |= MSR_EFER_SVME;
    }
    if (svm || g_str_equal(mode, "64")) {
        env->hflags |= HF_CS64_MASK;
    } else if (g_str_equal(mode, "user")) {
        env->hflags |= HF_CS64_MASK | 3;
    } else if (g_str_equal(mode, "real")) {
        env->cr[0] &= ~CR0_PE_MASK;
        env->hflags &= ~HF_PE_MASK;
    } else if (g_str_equal(mode, "vm86")) {
        env->eflags |= VM_MASK;
        env->hflags |= 3;
    } else {
        g_assert(g_str_equal(mode, "32") || g_str_equal(mode, "compat"));
    }
}

static void hv_qtest_hypercall(HvQtestCommand *c)
{
    static const uint8_t regs64[] = { R_ECX, R_EDX, R_R8 };
    CPUX86State *env = &c->cpu->env;
    g_autofree CPUX86State *saved = g_memdup2(env, sizeof(*env));
    target_ulong before[CPU_NB_REGS];
    uint64_t result, in, out;
    unsigned changed = 0, i;
    bool is64, ok;

    /* The mode, which is no number, was counted as an argument */
    g_assert(c->nr_args >= 4 && c->nr_args <= 4 + 2 * HV_HYPERCALL_XMM_REGS);
    hv_qtest_set_mode(env, c->words[2]);
    is64 = hv_caller_is_64bit(env);

    for (i = 0; i < CPU_NB_REGS; i++) {
        env->regs[i] = 0x5a5a5a5a00000000ull | (i + 1) * 0x01010101u;
    }
    if (is64) {
        for (i = 0; i < ARRAY_SIZE(regs64); i++) {
            env->regs[regs64[i]] = c->arg[1 + i];
        }
    } else {
        env->regs[R_EDX] = c->arg[1] >> 32;
        env->regs[R_EAX] = (uint32_t)c->arg[1];
        env->regs[R_EBX] = c->arg[2] >> 32;
        env->regs[R_ECX] = (uint32_t)c->arg[2];
        env->regs[R_EDI] = c->arg[3] >> 32;
        env->regs[R_ESI] = (uint32_t)c->arg[3];
    }
    for (i = 0; i < c->nr_args - 4; i++) {
        env->xmm_regs[i / 2].ZMM_Q(i % 2) = c->arg[4 + i];
    }
    memcpy(before, env->regs, sizeof(before));

    ok = hv_hypercall(c->cpu);

    for (i = 0; i < CPU_NB_REGS; i++) {
        if (env->regs[i] != before[i] && i != R_EAX &&
            (is64 ? i != R_R8 && i != R_EDX : i != R_EDX)) {
            changed |= 1u << i;
        }
    }
    if (is64) {
        result = env->regs[R_EAX];
        in = env->regs[R_EDX];
        out = env->regs[R_R8];
    } else {
        result = deposit64(env->regs[R_EAX], 32, 32, env->regs[R_EDX]);
        in = deposit64(env->regs[R_ECX], 32, 32, env->regs[R_EBX]);
        out = deposit64(env->regs[R_ESI], 32, 32, env->regs[R_EDI]);
    }
    if (c->cpu->hv_vp->hcall_again) {
        c->cpu->hv_vp->hcall_again = false;
        g_string_append(c->answer, " AGAIN");
    } else if (ok) {
        g_string_append_printf(c->answer, " 0x%" PRIx64 " 0x%" PRIx64
                               " 0x%" PRIx64 " 0x%x", result, in, out,
                               changed);
        for (i = 0; i < 2 * HV_HYPERCALL_XMM_REGS; i++) {
            g_string_append_printf(c->answer, " 0x%" PRIx64,
                                   env->xmm_regs[i / 2].ZMM_Q(i % 2));
        }
    } else {
        g_string_append(c->answer, " UD");
    }

    /* Only what was changed here: interrupts may have come meanwhile */
    memcpy(env->regs, saved->regs, sizeof(env->regs));
    memcpy(env->xmm_regs, saved->xmm_regs, sizeof(env->xmm_regs));
    env->cr[0] = saved->cr[0];
    env->eflags = saved->eflags;
    env->efer = saved->efer;
    env->hflags = saved->hflags;
}

static void hv_qtest_vtl(HvQtestCommand *c)
{
    HvVp *vp = c->cpu->hv_vp;

    g_assert(c->nr_args == 1);
    if (c->arg[0] > vp->active_vtl) {
        g_assert(hv_vtl_enter(c->cpu, c->arg[0], HV_VTL_ENTRY_CALL));
    } else if (c->arg[0] < vp->active_vtl) {
        g_assert(hv_vtl_return(vp, true));
    }
    g_assert(vp->active_vtl == c->arg[0]);
}

static void hv_qtest_rdapic(HvQtestCommand *c)
{
    uint64_t val;

    g_assert(c->nr_args == 1 && !apic_register_read(c->arg[0], &val));
    g_string_append_printf(c->answer, " 0x%" PRIx64, val);
}

static void hv_qtest_wrapic(HvQtestCommand *c)
{
    g_assert(c->nr_args == 2 && !apic_register_write(c->arg[0], c->arg[1]));
}

static void hv_qtest_take_irq(HvQtestCommand *c)
{
    DeviceState *apic = c->cpu->apic_state;
    int vector = -1;

    apic_poll_irq(apic);
    if (CPU(c->cpu)->interrupt_request & CPU_INTERRUPT_HARD) {
        vector = apic_get_interrupt(apic);
    }
    if (vector >= 0) {
        g_string_append_printf(c->answer, " 0x%x", vector);
    } else {
        g_string_append(c->answer, " NONE");
    }
}

static void hv_qtest_clock_set(HvQtestCommand *c)
{
    g_assert(c->nr_args == 1);
    cpus_set_virtual_clock(c->arg[0]);
    qemu_clock_notify(QEMU_CLOCK_VIRTUAL);
    qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
}

static HvQtestRoute *hv_qtest_route(HvQtestCommand *c, unsigned nr_args)
{
    g_assert(c->nr_args == nr_args && c->arg[0] < HV_QTEST_ROUTES);
    return &hv_qtest_routes[c->arg[0]];
}

static void hv_qtest_route_cb(void *opaque, int status)
{
    HvQtestRoute *r = opaque;

    r->callbacks++;
    r->status = status;
}

static void hv_qtest_route_new(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 3);

    g_assert(!r->route);
    r->callbacks = 0;
    r->status = 0;
    r->route = hyperv_sint_route_new(c->arg[1], c->arg[2], hv_qtest_route_cb,
                                     r);
    g_string_append(c->answer, r->route ? " 0" : " -1");
}

static void hv_qtest_route_free(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 1);

    g_assert(r->route);
    hyperv_sint_route_unref(r->route);
    r->route = NULL;
}

static void hv_qtest_route_post(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 4);
    struct hyperv_message msg = {
        .header.message_type = c->arg[1],
        .header.payload_size = c->arg[2],
        /* the port's number */
        .header.sender = c->arg[0],
    };

    g_assert(r->route && c->arg[2] <= sizeof(msg.payload));
    memset(msg.payload, c->arg[3], c->arg[2]);
    g_string_append_printf(c->answer, " %d", hyperv_post_msg(r->route, &msg));
}

static void hv_qtest_route_flag(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 2);

    g_assert(r->route);
    g_string_append_printf(c->answer, " %d",
                           hyperv_set_event_flag(r->route, c->arg[1]));
}

static void hv_qtest_route_signal(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 1);

    g_assert(r->route);
    g_string_append_printf(c->answer, " %d",
                           hyperv_sint_route_set_sint(r->route));
}

static void hv_qtest_route_status(HvQtestCommand *c)
{
    HvQtestRoute *r = hv_qtest_route(c, 1);

    g_string_append_printf(c->answer, " %u %d", r->callbacks, r->status);
}

static HvKvmHost hv_qtest_kvm_host(char **has)
{
    HvKvmHost h = {
        .kernel_hyperv = ON_OFF_AUTO_AUTO,
    };

    for (; *has; has++) {
        if (g_str_equal(*has, "hyperv")) {
            h.hyperv = true;
        } else if (g_str_equal(*has, "apic")) {
            h.apic = true;
        } else if (g_str_equal(*has, "msr-exits")) {
            h.msr_exits = true;
        } else if (g_str_equal(*has, "kernel-hyperv=on")) {
            h.kernel_hyperv = ON_OFF_AUTO_ON;
        } else {
            g_assert(g_str_equal(*has, "kernel-hyperv=off"));
            h.kernel_hyperv = ON_OFF_AUTO_OFF;
        }
    }
    return h;
}

static void hv_qtest_wish(HvFeatureWish *w, const char *flag)
{
    g_auto(GStrv) parts = g_strsplit(flag, "=", 2);
    int feat = hv_feature_by_name(parts[0]);

    if (g_str_equal(flag, "hv-default")) {
        w->by_default = true;
    } else if (g_str_equal(flag, "hv-passthrough")) {
        w->passthrough = true;
    } else {
        g_assert(feat >= 0);
        *(parts[1] ? &w->off : &w->on) |= BIT_ULL(feat);
    }
}

static void hv_qtest_plan(HvQtestCommand *c)
{
    g_auto(GStrv) host = g_strsplit(c->words[1], ",", 0);
    bool emulated = true;
    unsigned caps = HV_PORT_ALL;
    Error *err = NULL;
    HvFeatureWish wish = {};
    uint64_t features = 0;
    unsigned i;

    for (i = 2; c->words[i]; i++) {
        hv_qtest_wish(&wish, c->words[i]);
    }
    if (g_str_equal(host[0], "kvm")) {
        HvKvmHost h = hv_qtest_kvm_host(host + 1);

        emulated = !hv_kvm_kernel_serves(&h);
        caps = hv_kvm_caps_added(&h);
        if (emulated) {
            hv_kvm_check(&h, &err);
        }
    }
    if (!err) {
        hv_features_plan(&wish, emulated, caps, &features, &err);
    }
    if (err) {
        g_string_append_printf(c->answer, " no %s", error_get_pretty(err));
        error_free(err);
        return;
    }
    for (i = 0; hv_feature_name(i); i++) {
        if (features & BIT_ULL(i)) {
            g_string_append_printf(c->answer, " %s", hv_feature_name(i));
        }
    }
}

static const struct {
    const char *name;
    void (*fn)(HvQtestCommand *c);
    bool on_vp;                 /* its first word is a VP */
} hv_qtest_commands[] = {
    { "hv_rdmsr", hv_qtest_rdmsr, true },
    { "hv_wrmsr", hv_qtest_wrmsr, true },
    { "hv_cpuid", hv_qtest_cpuid, true },
    { "hv_rdtsc", hv_qtest_rdtsc, true },
    { "hv_hypercall", hv_qtest_hypercall, true },
    { "hv_vtl", hv_qtest_vtl, true },
    { "hv_rdapic", hv_qtest_rdapic, true },
    { "hv_wrapic", hv_qtest_wrapic, true },
    { "hv_take_irq", hv_qtest_take_irq, true },
    { "hv_clock_set", hv_qtest_clock_set, false },
    { "hv_plan", hv_qtest_plan, false },
    { "hv_route_new", hv_qtest_route_new, false },
    { "hv_route_free", hv_qtest_route_free, false },
    { "hv_route_post", hv_qtest_route_post, false },
    { "hv_route_flag", hv_qtest_route_flag, false },
    { "hv_route_signal", hv_qtest_route_signal, false },
    { "hv_route_status", hv_qtest_route_status, false },
};

typedef struct HvQtestWork {
    HvQtestCommand *c;
    void (*fn)(HvQtestCommand *c);
} HvQtestWork;

static void hv_qtest_work(CPUState *cs, run_on_cpu_data data)
{
    HvQtestWork *work = data.host_ptr;

    work->fn(work->c);
}

static void hv_qtest_run(HvQtestCommand *c, void (*fn)(HvQtestCommand *c),
                         bool on_vp)
{
    HvPartition *p = hv_partition_get();
    HvQtestWork work = { c, fn };
    char **word = c->words + 1;
    uint64_t vp_index;

    if (on_vp) {
        HvVp *vp;

        g_assert(*word && !qemu_strtou64(*word++, NULL, 0, &vp_index));
        vp = hv_partition_vp(p, vp_index);
        g_assert(vp);
        c->cpu = X86_CPU(vp->cs);
    }
    /* hv_plan takes names, and no numbers */
    for (; *word && fn != hv_qtest_plan; word++) {
        uint64_t *arg = &c->arg[c->nr_args++];

        g_assert(c->nr_args <= HV_QTEST_ARGS);
        if (fn != hv_qtest_hypercall || c->nr_args > 1) {
            g_assert(!qemu_strtou64(*word, NULL, 0, arg));
        }
    }
    if (on_vp) {
        run_on_cpu(CPU(c->cpu), hv_qtest_work, RUN_ON_CPU_HOST_PTR(&work));
    } else {
        fn(c);
    }
    /* A test is to see what followed from it: event notifiers, callbacks */
    while (aio_poll(iohandler_get_aio_context(), false) ||
           aio_poll(qemu_get_aio_context(), false)) {
        continue;
    }
}

static bool hv_qtest_command(CharBackend *chr, char **words)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_qtest_commands); i++) {
        if (g_str_equal(words[0], hv_qtest_commands[i].name)) {
            HvQtestCommand c = {
                .words = words,
                .answer = g_string_new("OK"),
            };

            hv_qtest_run(&c, hv_qtest_commands[i].fn,
                         hv_qtest_commands[i].on_vp);
            qtest_sendf(chr, "%s\n", c.answer->str);
            g_string_free(c.answer, true);
            return true;
        }
    }
    return false;
}

static bool hv_qtest_init(HvPartition *p, Error **errp)
{
    qtest_set_command_cb(hv_qtest_command);
    return hv_vmcall_init(p, errp);
}

static void hv_qtest_flush_tlb(HvVp *self, const unsigned long *vps,
                               const HvGvaRange *ranges, unsigned nr)
{
    /* There is no TLB */
}

static void hv_qtest_spin_wait(CPUState *cs)
{
    /* Nobody else could run meanwhile */
}

/* Under the big QEMU lock, which all of them need for a command */
static void hv_qtest_run_on_vp(HvVp *self, uint32_t index,
                               void (*fn)(HvVp *vp, void *opaque),
                               void *opaque)
{
    HvVp *vp = hv_partition_vp(self->partition, index);
    CPUState *cs = current_cpu;

    if (vp) {
        current_cpu = vp->cs;
    }
    fn(vp, opaque);
    current_cpu = cs;
}

static void hv_qtest_regs_changed(HvVp *vp)
{
    /* Nothing else depends on them */
}

static void hv_qtest_vtl_changed(HvVp *vp, bool wait)
{
    /* Nor on these */
}

const HvPortOps hv_port_qtest = {
    .name = "qtest",
    .caps = HV_PORT_ALL,
    .init = hv_qtest_init,
    .assert_vector = hv_assert_vector,
    .flush_tlb = hv_qtest_flush_tlb,
    .spin_wait = hv_qtest_spin_wait,
    .run_on_vp = hv_qtest_run_on_vp,
    .regs_changed = hv_qtest_regs_changed,
    .load_pending_event = hv_load_pending_event,
    .vtl_changed = hv_qtest_vtl_changed,
    .vtl_reset = hv_vtl_reset,
};
