/*
 * Which flags a guest gets on which host, and what is said of one that it does
 * not get: of hosts that lack what this one has, too
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqos/hyperv.h"

/* A kernel with a Hyper-V of its own, which serves, or is not to */
#define KERNEL      "kvm,hyperv,apic,msr-exits"
#define ASIDE       KERNEL ",kernel-hyperv=off"
/* A kernel without */
#define OURS        "kvm,apic,msr-exits"

#define INSTEAD     "; with -accel kvm,kernel-hyperv=off QEMU has it"
#define NESTED      "the kernel runs nested guests by itself"
#define ONLY_TCG    "it is implemented on TCG only"
#define CPUID       "the kernel takes no change of CPUID from a running guest"
#define NO_IRQCHIP  "need kernel-irqchip=on or kernel-irqchip=split"
#define NO_IDLE     "the kernel cannot park a vCPU that masks interrupts"
#define NO_MSRS     "The kernel does not hand the synthetic MSRs of Hyper-V " \
                    "to QEMU; Linux 5.10 and later do"

/* Who serves, and who cannot */
static const struct {
    const char *host;
    const char *message;        /* NULL: it can be had */
} hosts[] = {
    { "tcg" },
    { KERNEL },
    { KERNEL ",kernel-hyperv=on" },
    { ASIDE },
    { OURS },
    { OURS ",kernel-hyperv=off" },
    { OURS ",kernel-hyperv=on", "kernel-hyperv=on: the kernel does not "
      "implement Hyper-V; without it, QEMU does" },
    { "kvm,kernel-hyperv=on", "kernel-hyperv=on: the kernel does not" },
    /* what QEMU needs of a kernel, a kernel's own Hyper-V does not */
    { "kvm,hyperv" },
    { "kvm,apic", NO_MSRS },
    { "kvm,hyperv,apic,kernel-hyperv=off", NO_MSRS },
    { "kvm,msr-exits", NO_IRQCHIP },
    { "kvm,hyperv,msr-exits,kernel-hyperv=off", NO_IRQCHIP },
    { "kvm", NO_IRQCHIP },
};

/*
 * Each flag: what is said of it beside a kernel's own Hyper-V, and by QEMU on
 * KVM; NULL if it can be had.  And in which sets it is, if it can be had.
 */
enum {
    DEFAULT = 1,
    PASSTHROUGH = 2,
    ADDED = 4,                  /* by QEMU to what a kernel has */
};

static const struct {
    const char *flag, *needs, *kernel, *ours;
    unsigned sets;
} flags[] = {
    { "hv-relaxed", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-vapic", "", NULL, "the kernel's APIC tells nobody of its interrupts",
      DEFAULT | PASSTHROUGH },
    { "hv-vpindex", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-runtime", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-crash", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-time", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-synic", " hv-vpindex", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-stimer", " hv-vpindex hv-synic hv-time", NULL, NULL,
      DEFAULT | PASSTHROUGH },
    { "hv-stimer-direct", " hv-vpindex hv-synic hv-time hv-stimer", NULL, NULL,
      DEFAULT | PASSTHROUGH },
    { "hv-tlbflush", " hv-vpindex", NULL,
      "the kernel has no call to flush the TLB of a vCPU",
      DEFAULT | PASSTHROUGH },
    { "hv-tlbflush-ext", " hv-vpindex hv-tlbflush", NULL,
      "the kernel has no call to flush the TLB of a vCPU",
      DEFAULT | PASSTHROUGH },
    { "hv-tlbflush-direct", " hv-vapic", NULL, "(hv-vapic)", PASSTHROUGH },
    { "hv-ipi", " hv-vpindex", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-reset", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-frequencies", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-reenlightenment", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-avic", "", NULL, NULL, 0 },
    { "hv-emsr-bitmap", "", NULL, NESTED, PASSTHROUGH },
    { "hv-xmm-input", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-ext-hypercalls", "", NULL, NULL, DEFAULT | PASSTHROUGH },
    { "hv-syndbg", " hv-vpindex hv-synic hv-relaxed", NULL, NULL, 0 },
    { "hv-nested-gpa-flush", "", NESTED, NESTED, PASSTHROUGH },
    { "hv-xmm-output", " hv-xmm-input",
      "the kernel returns no output in registers" INSTEAD, NULL,
      DEFAULT | PASSTHROUGH },
    { "hv-guest-idle", "", NULL, NO_IDLE, DEFAULT | PASSTHROUGH | ADDED },
    { "hv-tsc-invariant", " hv-time", CPUID, CPUID, PASSTHROUGH },
    { "hv-partition-id", "",
      "the kernel answers this hypercall by itself" INSTEAD, NULL, 0 },
    { "hv-sint-polling", " hv-vpindex hv-synic",
      "the kernel interrupts for every SINT" INSTEAD, NULL,
      DEFAULT | PASSTHROUGH },
    { "hv-hypercall-lock", "",
      "the kernel makes the hypercall page" INSTEAD, NULL,
      DEFAULT | PASSTHROUGH },
    { "hv-vp-registers", " hv-vpindex", ONLY_TCG, ONLY_TCG, PASSTHROUGH },
    { "hv-vsm", " hv-vpindex hv-synic hv-vp-registers", ONLY_TCG, ONLY_TCG,
      PASSTHROUGH },
};

/* Returns: the flags that the guest gets, or "no" and a sentence */
static char *plan(QTestState *s, const char *host, const char *wish)
{
    g_auto(GStrv) words = qtest_command(s, "hv_plan %s %s", host, wish);

    return g_strjoinv(" ", words + 1);
}

static void assert_plan(QTestState *s, const char *host, const char *wish,
                        const char *message)
{
    g_autofree char *answer = plan(s, host, wish);
    bool refused = g_str_has_prefix(answer, "no ");

    if (refused != !!message || (message && !strstr(answer, message))) {
        g_error("%s on %s: expected '%s', got '%s'", wish, host,
                message ?: "no objection", answer);
    }
}

static bool in_plan(QTestState *s, const char *host, const char *wish,
                    const char *flag)
{
    g_autofree char *answer = plan(s, host, wish);
    g_auto(GStrv) words = g_strsplit(answer, " ", 0);

    g_assert_cmpstr(words[0], !=, "no");
    return g_strv_contains((const char *const *)words, flag);
}

static void test_hosts(void)
{
    QTestState *s = qhv_start(1, "hv-relaxed", NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hosts); i++) {
        assert_plan(s, hosts[i].host, "hv-relaxed", hosts[i].message);
        assert_plan(s, hosts[i].host, "hv-default", hosts[i].message);
        assert_plan(s, hosts[i].host, "hv-passthrough", hosts[i].message);
    }
    qtest_quit(s);
}

static void test_by_name(void)
{
    QTestState *s = qhv_start(1, "hv-relaxed", NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(flags); i++) {
        g_autofree char *wish = g_strdup_printf("%s%s", flags[i].flag,
                                                flags[i].needs);
        /* a set of flags does not take the sting out of a name */
        g_autofree char *more = g_strdup_printf("hv-default hv-passthrough %s",
                                                flags[i].flag);
        g_autofree char *name = g_strdup_printf("(%s)", flags[i].flag);

        assert_plan(s, KERNEL, wish, flags[i].kernel);
        assert_plan(s, OURS, wish, flags[i].ours);
        assert_plan(s, ASIDE, wish, flags[i].ours);
        if (flags[i].kernel) {
            assert_plan(s, KERNEL, more, name);
        }
        if (flags[i].ours) {
            assert_plan(s, OURS, more, name);
        }
    }
    qtest_quit(s);
}

/* What QEMU adds needs more of a kernel than that has a Hyper-V */
static void test_added(void)
{
    static const char *const lacking[] = {
        "kvm,hyperv,apic", "kvm,hyperv,msr-exits", "kvm,apic,msr-exits",
    };
    QTestState *s = qhv_start(1, "hv-relaxed", NULL);
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(flags); i++) {
        if (!(flags[i].sets & ADDED)) {
            continue;
        }
        for (j = 0; j < ARRAY_SIZE(lacking); j++) {
            g_autofree char *name = g_strdup_printf("(%s)", flags[i].flag);

            assert_plan(s, lacking[j], flags[i].flag, name);
            assert_plan(s, lacking[j], flags[i].flag, NO_IDLE);
            g_assert_false(in_plan(s, lacking[j], "hv-passthrough",
                                   flags[i].flag));
        }
    }
    qtest_quit(s);
}

static void test_sets(void)
{
    static const char *const sets[] = { "hv-default", "hv-passthrough" };
    QTestState *s = qhv_start(1, "hv-relaxed", NULL);
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(flags); i++) {
        const char *flag = flags[i].flag;

        for (j = 0; j < ARRAY_SIZE(sets); j++) {
            bool in = flags[i].sets & (1u << j);

            g_assert_cmpint(in_plan(s, "tcg", sets[j], flag), ==, in);
            g_assert_cmpint(in_plan(s, OURS, sets[j], flag), ==,
                            in && !flags[i].ours);
            /*
             * A kernel's hv-passthrough is made by QEMU's KVM code; and what
             * QEMU adds takes long
             */
            g_assert_cmpint(in_plan(s, KERNEL, sets[j], flag), ==,
                            in && !flags[i].kernel && j == 0 &&
                            !(flags[i].sets & ADDED));
        }
    }
    /* off stays off */
    g_assert_false(in_plan(s, KERNEL, "hv-default hv-crash=off", "hv-crash"));
    g_assert_false(in_plan(s, OURS, "hv-crash=off hv-default", "hv-crash"));
    assert_plan(s, OURS, "hv-default hv-time=off",
                "(hv-stimer) requires Hyper-V clocksources (hv-time)");
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qhv_add("plan/hosts", "", test_hosts);
    qhv_add("plan/by-name", "", test_by_name);
    qhv_add("plan/added", "", test_added);
    qhv_add("plan/sets", "", test_sets);
    return g_test_run();
}
