/*
 * Hyper-V CPUID leaves, and the command lines that make them or are refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqos/fw_cfg.h"
#include "libqos/hyperv.h"
#include "qobject/qdict.h"
#ifdef CONFIG_LINUX
#include <linux/kvm.h>
#include <sys/ioctl.h>
#endif

enum { EAX, EBX, ECX, EDX };

/* What a flag, with those that it needs, adds to leaves 3, 4 and 0xA */
static const struct {
    const char *flags;
    struct {
        uint32_t leaf;
        unsigned reg;
        unsigned bit;
    } grants[6];
} grants[] = {
    { "hv-relaxed", { { 4, EAX, 5 } } },
    { "hv-vapic", { { 3, EAX, 4 }, { 4, EAX, 3 } } },
    { "hv-vapic,hv-avic", { { 3, EAX, 4 }, { 4, EAX, 9 } } },
    { "hv-avic", { { 4, EAX, 9 } } },
    { "hv-time", { { 3, EAX, 1 }, { 3, EAX, 9 } } },
    { "hv-crash", { { 3, EDX, 10 } } },
    { "hv-reset", { { 3, EAX, 7 } } },
    { "hv-vpindex", { { 3, EAX, 6 } } },
    { "hv-runtime", { { 3, EAX, 0 } } },
    { "hv-synic,hv-vpindex",
      { { 3, EAX, 6 }, { 3, EAX, 2 }, { 3, EBX, 4 }, { 3, EBX, 5 } } },
    { "hv-frequencies", { { 3, EAX, 11 }, { 3, EDX, 8 } } },
    { "hv-reenlightenment", { { 3, EAX, 13 } } },
    { "hv-tlbflush,hv-vpindex",
      { { 3, EAX, 6 }, { 4, EAX, 2 }, { 4, EAX, 11 } } },
    { "hv-tlbflush-ext,hv-tlbflush,hv-vpindex",
      { { 3, EAX, 6 }, { 4, EAX, 2 }, { 4, EAX, 11 }, { 3, EDX, 14 } } },
    { "hv-tlbflush-direct,hv-vapic",
      { { 3, EAX, 4 }, { 4, EAX, 3 }, { 10, EAX, 17 } } },
    { "hv-ipi,hv-vpindex", { { 3, EAX, 6 }, { 4, EAX, 10 }, { 4, EAX, 11 } } },
    { "hv-emsr-bitmap", { { 10, EAX, 19 } } },
    { "hv-nested-gpa-flush", { { 10, EAX, 18 } } },
    { "hv-xmm-input", { { 3, EDX, 4 } } },
    { "hv-xmm-output,hv-xmm-input", { { 3, EDX, 4 }, { 3, EDX, 15 } } },
    { "hv-guest-idle", { { 3, EAX, 10 }, { 3, EDX, 5 } } },
    { "hv-tsc-invariant,hv-time",
      { { 3, EAX, 1 }, { 3, EAX, 9 }, { 3, EAX, 15 } } },
    { "hv-ext-hypercalls", { { 3, EBX, 20 } } },
    { "hv-partition-id", { { 3, EBX, 1 } } },
    { "hv-hypercall-lock", { { 3, EDX, 18 } } },
    { "hv-vp-registers,hv-vpindex",
      { { 3, EAX, 6 }, { 3, EBX, 17 }, { 3, EBX, 21 } } },
    { "hv-relaxed,hv-no-nonarch-coresharing=on",
      { { 4, EAX, 5 }, { 4, EAX, 18 } } },
    { "hv-relaxed,hv-no-nonarch-coresharing=off", { { 4, EAX, 5 } } },
};

/* CP-012, CP-015, CP-017 and all the bits: exactly what was asked for */
static void test_grants(const void *data)
{
    unsigned i = GPOINTER_TO_UINT(data), j;
    QTestState *s = qhv_start(2, grants[i].flags, NULL);
    /* CP-012; and that processors may be added, which no flag controls */
    uint32_t leaves[11][4] = { [3][EAX] = 1 << 5, [3][EDX] = 1 << 3 };
    uint32_t r[4];
    unsigned vp;

    for (j = 0; j < ARRAY_SIZE(grants[i].grants); j++) {
        if (grants[i].grants[j].leaf) {
            leaves[grants[i].grants[j].leaf][grants[i].grants[j].reg] |=
                1u << grants[i].grants[j].bit;
        }
    }
    /* CP-030; CP-035: nothing in ECX, as beside a kernel's Hyper-V */
    leaves[4][EBX] = UINT32_MAX;
    for (vp = 0; vp < 2; vp++) {
        for (j = 3; j <= 10; j++) {
            if (j == 5) {
                continue;
            }
            /* CP-016, CP-036, CP-037, CP-040 */
            qhv_cpuid(s, vp, 0x40000000 + j, r);
            g_assert_cmphex(r[EAX], ==, leaves[j][EAX]);
            g_assert_cmphex(r[EBX], ==, leaves[j][EBX]);
            g_assert_cmphex(r[ECX], ==, leaves[j][ECX]);
            g_assert_cmphex(r[EDX], ==, leaves[j][EDX]);
        }
    }
    qtest_quit(s);
}

static void assert_zero(QTestState *s, uint32_t leaf)
{
    uint32_t r[4];

    qhv_cpuid(s, 0, leaf, r);
    g_assert_cmphex(r[EAX] | r[EBX] | r[ECX] | r[EDX], ==, 0);
}

/* CP-001 to CP-009, CP-032, CP-033 */
static void test_identity(void)
{
    QTestState *s = qhv_start(3, "hv-vpindex", NULL);
    uint32_t r[4];
    unsigned i, vp;

    for (vp = 0; vp < 3; vp++) {
        qhv_cpuid(s, vp, 1, r);
        g_assert_cmphex(r[ECX] >> 31, ==, 1);
        qhv_cpuid(s, vp, 0x40000000, r);
        /* as beside a kernel's Hyper-V, so that guests can be moved there */
        g_assert_cmphex(r[EAX], ==, 0x40000005);
        g_assert_cmphex(r[EBX], ==, 0x7263694d);
        g_assert_cmphex(r[ECX], ==, 0x666f736f);
        g_assert_cmphex(r[EDX], ==, 0x76482074);
        qhv_cpuid(s, vp, 0x40000001, r);
        g_assert_cmphex(r[EAX], ==, 0x31237648);
        g_assert_cmphex(r[EBX] | r[ECX] | r[EDX], ==, 0);
        qhv_cpuid(s, vp, 0x40000005, r);
        g_assert_cmpuint(r[EAX], >=, 3);
    }
    qhv_cpuid(s, 0, 0x40000000, r);
    for (i = r[EAX] + 1; i <= 0x40000100; i++) {
        assert_zero(s, i);
    }
    assert_zero(s, 0x40000006);
    qtest_quit(s);

    s = qhv_start(1, "hv-relaxed,hv-vendor-id=TestVendor,"
                  "hv-version-id-build=0x12345,hv-version-id-major=10,"
                  "hv-version-id-minor=3,hv-version-id-spack=7,"
                  "hv-version-id-sbranch=9,hv-version-id-snumber=0x123456",
                  NULL);
    qhv_cpuid(s, 0, 0x40000000, r);
    for (i = EBX; i <= EDX; i++) {
        r[i] = cpu_to_le32(r[i]);
    }
    g_assert_cmpmem(&r[EBX], 12, "TestVendor\0", 12);
    qhv_cpuid(s, 0, 0x40000002, r);
    g_assert_cmphex(r[EAX], ==, 0x12345);
    g_assert_cmphex(r[EBX], ==, 10 << 16 | 3);
    g_assert_cmphex(r[ECX], ==, 7);
    g_assert_cmphex(r[EDX], ==, 9 << 24 | 0x123456);
    qtest_quit(s);
}

/* CP-030: hv-spinlocks alone makes a partition too */
static void test_spinlocks(void)
{
    QTestState *s = qhv_start(1, "hv-spinlocks=0x1000", NULL);
    uint32_t r[4];

    qhv_cpuid(s, 0, 0x40000004, r);
    g_assert_cmphex(r[EBX], ==, 0x1000);
    qtest_quit(s);
}

/* hv-default: what docs/hyperv.rst promises; CP-014, CP-019, CP-020, CP-031 */
static void test_default(void)
{
    QTestState *s = qhv_start(1, "hv-default=on", NULL);
    uint32_t r[4], r4[4], r5[4];

    qhv_cpuid(s, 0, 0x40000003, r);
    g_assert_cmphex(r[EAX], ==, 0x2eff);
    g_assert_cmphex(r[EBX], ==, 1 << 4 | 1 << 5 | 1 << 20);
    g_assert_cmphex(r[EBX] & 0x314f, ==, 0);
    g_assert_cmphex(r[EDX], ==, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 10 |
                    1 << 14 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19);
    qhv_cpuid(s, 0, 0x40000004, r4);
    g_assert_cmphex(r4[EAX], ==, 1 << 2 | 1 << 3 | 1 << 5 | 1 << 10 | 1 << 11);
    g_assert_cmphex(r4[EBX], ==, 0x1fff);
    qhv_cpuid(s, 0, 0x40000005, r5);
    g_assert_false(r5[EAX] == UINT32_MAX && (r4[EAX] & 6));
    qtest_quit(s);

    /* a flag that is off stays off, on either side */
    s = qhv_start(1, "hv-crash=off,hv-default=on,hv-reset=off,"
                  "hv-spinlocks=0x2000", NULL);
    qhv_cpuid(s, 0, 0x40000003, r);
    g_assert_cmphex(r[EAX] & 1 << 7, ==, 0);
    g_assert_cmphex(r[EDX] & 1 << 10, ==, 0);
    g_assert_cmphex(r[EAX] & 1 << 6, ==, 1 << 6);
    qhv_cpuid(s, 0, 0x40000004, r4);
    g_assert_cmphex(r4[EBX], ==, 0x2000);
    qtest_quit(s);
}

/* hv-syndbg has leaves of its own, CP-047 */
static void test_syndbg(void)
{
    QTestState *s = qhv_start(1, "hv-syndbg,hv-synic,hv-vpindex,hv-relaxed",
                              NULL);
    uint32_t r[4];

    qhv_cpuid(s, 0, 0x40000000, r);
    g_assert_cmphex(r[EAX], >=, 0x40000082);
    qhv_cpuid(s, 0, 0x40000081, r);
    g_assert_cmphex(r[EAX], ==, 0x31235356);
    qhv_cpuid(s, 0, 0x40000082, r);
    g_assert_cmphex(r[EAX] & 2, ==, 2);
    qhv_cpuid(s, 0, 0x40000003, r);
    g_assert_cmphex(r[EAX] & 1 << 12, ==, 1 << 12);
    g_assert_cmphex(r[EBX] & 1 << 11, ==, 1 << 11);
    g_assert_cmphex(r[EDX] & (1 << 11 | 2), ==, 1 << 11 | 2);
    qtest_quit(s);
}

static bool acpi_names(QTestState *s, const char *word)
{
    static uint8_t tables[256 * KiB];
    QFWCFG *fw_cfg = pc_fw_cfg_init(s);
    size_t size = qfw_cfg_get_file(fw_cfg, "etc/acpi/tables", tables,
                                   sizeof(tables));
    size_t n = strlen(word), i;

    pc_fw_cfg_uninit(fw_cfg);
    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, sizeof(tables));
    for (i = 0; i + n <= size; i++) {
        if (!memcmp(tables + i, word, n)) {
            return true;
        }
    }
    return false;
}

/* PC-036: who has no bridge is not told of a bus */
static void test_vmbus_device(void)
{
    static const char *const extra[] = { NULL, "-device vmbus-bridge" };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(extra); i++) {
        QTestState *s = qhv_start(1, "hv-vpindex,hv-synic", extra[i]);

        g_assert_true(acpi_names(s, "_SB_"));
        g_assert_cmpint(acpi_names(s, "VMBus"), ==, i);
        qtest_quit(s);
    }
}

/*
 * Start a QEMU that comes to its end when its CPUs are made
 *
 * Returns: what it says about that; the name of a device that there is not is
 * its last word if it has nothing against the flags
 */
static char *start_to_fail(const char *accel, const char *cpu)
{
    g_autofree char *cmd = g_strdup_printf("%s -accel %s -machine q35 "
        "-nodefaults -display none -cpu qemu64%s -device no-such-device",
        g_getenv("QTEST_QEMU_BINARY"), accel, cpu);
    char *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(cmd, NULL, &err, &status, NULL));
    g_assert_cmpint(status, !=, 0);
    return err;
}

static const char *const accels[] = { "qtest", "tcg" };

static void assert_refused_by(const char *accel, const char *cpu,
                              const char *message)
{
    g_autofree char *err = start_to_fail(accel, cpu);

    if (!strstr(err, message) || strstr(err, "no-such-device'")) {
        g_error("%s,%s: expected '%s', got '%s'", accel, cpu, message, err);
    }
}

static void assert_refused(const char *cpu, const char *message)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(accels); i++) {
        assert_refused_by(accels[i], cpu, message);
    }
}

/* The texts are those of QEMU's KVM code, by which users look for help */
static void test_dependencies(void)
{
    static const char *const tests[][2] = {
        { "hv-synic", "Hyper-V synthetic interrupt controller (hv-synic) "
          "requires Hyper-V VP_INDEX MSR (hv-vpindex)" },
        { "hv-stimer,hv-time", "Hyper-V synthetic timers (hv-stimer) requires "
          "Hyper-V synthetic interrupt controller (hv-synic)" },
        { "hv-stimer,hv-synic,hv-vpindex", "Hyper-V synthetic timers "
          "(hv-stimer) requires Hyper-V clocksources (hv-time)" },
        { "hv-tlbflush", "Hyper-V paravirtualized TLB flush (hv-tlbflush) "
          "requires Hyper-V VP_INDEX MSR (hv-vpindex)" },
        { "hv-ipi", "Hyper-V paravirtualized IPI (hv-ipi) requires Hyper-V "
          "VP_INDEX MSR (hv-vpindex)" },
        { "hv-stimer-direct", "Hyper-V direct mode synthetic timers "
          "(hv-stimer-direct) requires Hyper-V synthetic timers (hv-stimer)" },
        { "hv-syndbg,hv-synic,hv-vpindex", "Hyper-V Enable synthetic kernel "
          "debugger channel (hv-syndbg) requires Hyper-V relaxed timing "
          "(hv-relaxed)" },
        { "hv-syndbg,hv-relaxed", "Hyper-V Enable synthetic kernel debugger "
          "channel (hv-syndbg) requires Hyper-V synthetic interrupt "
          "controller (hv-synic)" },
        { "hv-tlbflush-ext,hv-vpindex", "Hyper-V Extended gva ranges for TLB "
          "flush hypercalls (hv-tlbflush-ext) requires Hyper-V "
          "paravirtualized TLB flush (hv-tlbflush)" },
        { "hv-tlbflush-direct", "Hyper-V direct TLB flush "
          "(hv-tlbflush-direct) requires Hyper-V virtual APIC (hv-vapic)" },
        { "hv-xmm-output", "(hv-xmm-output) requires Hyper-V XMM fast "
          "hypercall input (hv-xmm-input)" },
        { "hv-vp-registers", "(hv-vp-registers) requires Hyper-V VP_INDEX MSR "
          "(hv-vpindex)" },
        { "hv-tsc-invariant", "(hv-tsc-invariant) requires Hyper-V "
          "clocksources (hv-time)" },
        { "hv-sint-polling", "(hv-sint-polling) requires Hyper-V synthetic "
          "interrupt controller (hv-synic)" },
        { "hv-default=on,hv-time=off", "requires Hyper-V clocksources "
          "(hv-time)" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *cpu = g_strdup_printf(",%s", tests[i][0]);

        assert_refused(cpu, tests[i][1]);
    }
}

/* What an emulator cannot do is said, not left out in silence */
static void test_refused(void)
{
    assert_refused(",hv-evmcs,hv-vapic", "hv-evmcs");
    assert_refused(",hv-synic,hv-vpindex,x-hv-synic-kvm-only=on",
                   "x-hv-synic-kvm-only");
    assert_refused(",hv-no-such-flag=on", "hv-no-such-flag");
    assert_refused(",hv-time=maybe", "hv-time");
}

#define NOT_APIC    "the kernel's APIC tells nobody"
#define NOT_FLUSH   "the kernel has no call to flush"
#define NOT_IDLE    "the kernel cannot park a vCPU"
#define NOT_NESTED  "the kernel runs nested guests"
#define NOT_TCG     "it is implemented on TCG only"

/*
 * Each flag on KVM, with what it needs: what QEMU says of it, or NULL if it can
 * be had
 */
static const struct {
    const char *flag, *needs, *message;
} kvm_flags[] = {
    { "hv-relaxed" },
    { "hv-vapic", "", NOT_APIC },
    { "hv-spinlocks=0xfff" },
    { "hv-vpindex" },
    { "hv-runtime" },
    { "hv-crash" },
    { "hv-time" },
    { "hv-synic", ",hv-vpindex" },
    { "hv-stimer", ",hv-vpindex,hv-synic,hv-time" },
    { "hv-stimer-direct", ",hv-vpindex,hv-synic,hv-time,hv-stimer" },
    { "hv-tlbflush", ",hv-vpindex", NOT_FLUSH },
    { "hv-tlbflush-ext", ",hv-vpindex", NOT_FLUSH },
    { "hv-tlbflush-direct", "", NOT_NESTED },
    { "hv-ipi", ",hv-vpindex" },
    { "hv-reset" },
    { "hv-frequencies" },
    { "hv-reenlightenment" },
    { "hv-avic" },
    { "hv-emsr-bitmap", "", NOT_NESTED },
    { "hv-nested-gpa-flush", "", NOT_NESTED },
    { "hv-evmcs", "", "it needs nested VMX" },
    { "hv-xmm-input" },
    { "hv-xmm-output", ",hv-xmm-input" },
    { "hv-guest-idle", "", NOT_IDLE },
    { "hv-tsc-invariant", ",hv-time", "no change of CPUID" },
    { "hv-ext-hypercalls" },
    { "hv-partition-id" },
    { "hv-sint-polling", ",hv-vpindex,hv-synic" },
    { "hv-hypercall-lock" },
    { "hv-vp-registers", ",hv-vpindex", NOT_TCG },
    { "hv-vsm", ",hv-vpindex,hv-synic,hv-vp-registers", NOT_TCG },
    { "hv-syndbg", ",hv-vpindex,hv-synic,hv-relaxed" },
    { "hv-no-nonarch-coresharing=on", ",hv-relaxed" },
    { "hv-enforce-cpuid", ",hv-relaxed" },
    { "hv-default=on" },
    { "hv-passthrough=on" },
    { "hv-default=on,hv-vapic=on", "", NOT_APIC },
};

#define OURS "kvm,kernel-hyperv=off"

/* NULL: the machine can be had */
static void assert_kvm(const char *accel, const char *cpu, const char *message)
{
    g_autofree char *err = start_to_fail(accel, cpu);

    message = message ?: "'no-such-device'";
    if (!strstr(err, message)) {
        g_error("%s,%s: expected '%s', got '%s'", accel, cpu, message, err);
    }
}

static bool no_kvm(void)
{
    if (access("/dev/kvm", R_OK | W_OK)) {
        g_test_skip("no access to /dev/kvm");
        return true;
    }
    return false;
}

/* Has the host's kernel a capability? */
static bool kernel_has(int cap)
{
#ifdef CONFIG_LINUX
    int fd = open("/dev/kvm", O_RDWR);
    int ret;

    g_assert_cmpint(fd, >=, 0);
    ret = ioctl(fd, KVM_CHECK_EXTENSION, cap);
    close(fd);
    return ret > 0;
#else
    return false;
#endif
}

static void test_kvm(void)
{
    unsigned i;

    if (no_kvm()) {
        return;
    }
    for (i = 0; i < ARRAY_SIZE(kvm_flags); i++) {
        g_autofree char *cpu = g_strdup_printf(",%s%s", kvm_flags[i].flag,
                                               kvm_flags[i].needs ?: "");

        assert_kvm(OURS, cpu, kvm_flags[i].message);
    }
}

static void test_kvm_accel(void)
{
    if (no_kvm()) {
        return;
    }
    assert_kvm(OURS ",kernel-irqchip=on", ",hv-synic,hv-vpindex", NULL);
    assert_kvm(OURS ",kernel-irqchip=split", ",hv-synic,hv-vpindex", NULL);
    /* QEMU's own words; it has no APIC for KVM, so that a CPU has none either */
    assert_kvm(OURS ",kernel-irqchip=off", ",hv-relaxed",
               "KVM does not support userspace APIC");
    assert_kvm(OURS ",kernel-irqchip=off", ",-apic,hv-relaxed",
               "need kernel-irqchip=on or kernel-irqchip=split");
    assert_kvm("kvm,kernel-hyperv=on", ",hv-relaxed",
               kernel_has(KVM_CAP_HYPERV) ? NULL :
               "kernel-hyperv=on: the kernel does not implement Hyper-V");
    assert_kvm("kvm,kernel-hyperv=auto", ",hv-relaxed", NULL);
    assert_kvm("kvm,kernel-hyperv=perhaps", "", "perhaps");
}

/* A set of flags is on KVM what it is on TCG, but for what cannot be had */
static void test_kvm_set(const void *set)
{
    const char *cpu0 = "/machine/unattached/device[0]";
    QTestState *tcg, *kvm;
    unsigned i, on = 0;

    if (no_kvm()) {
        return;
    }
    tcg = qtest_initf("-S -accel tcg -nodefaults -cpu qemu64,%s=on",
                      (const char *)set);
    kvm = qtest_initf("-S -accel " OURS " -nodefaults -cpu qemu64,%s=on",
                      (const char *)set);
    for (i = 0; i < ARRAY_SIZE(kvm_flags); i++) {
        const char *flag = kvm_flags[i].flag;
        bool expected;

        if (strchr(flag, '=')) {
            continue;
        }
        expected = !kvm_flags[i].message && qtest_qom_get_bool(tcg, cpu0, flag);
        on += expected;
        if (qtest_qom_get_bool(kvm, cpu0, flag) != expected) {
            g_error("%s: %s is expected to be %d", (const char *)set, flag,
                    expected);
        }
    }
    g_assert_cmpuint(on, >=, 15);
    qtest_quit(kvm);
    qtest_quit(tcg);
}

static void assert_not_added(QTestState *s, const char *command)
{
    QDict *rsp = qtest_qmp(s, command, NULL);

    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), "other hv-* flags"));
    qobject_unref(rsp);
}

static const char add[] =
    "{ 'execute': 'device_add', 'arguments': { 'driver': "
    "'qemu64-x86_64-cpu', 'id': 'cpu1', 'socket-id': 0, 'core-id': 1, "
    "'thread-id': 0 %s } }";

/* A CPU that is added has the flags of the first one */
static void test_hotplug(void)
{
    QTestState *s = qtest_init("-machine q35 -nodefaults -smp 1,maxcpus=2 "
                               "-cpu qemu64,hv-time,hv-vpindex,hv-vapic");
    g_autofree char *same = g_strdup_printf(add, "");
    g_autofree char *other = g_strdup_printf(add, ", 'hv-crash': true");
    g_autofree char *less = g_strdup_printf(add, ", 'hv-time': false");
    uint32_t r[2][4];

    assert_not_added(s, other);
    assert_not_added(s, less);
    qtest_qmp_assert_success(s, same, NULL);
    qhv_cpuid(s, 0, 0x40000003, r[0]);
    qhv_cpuid(s, 1, 0x40000003, r[1]);
    g_assert_cmpmem(r[0], 16, r[1], 16);
    g_assert_cmpuint(qhv_get(s, 1, MSR_VP_INDEX), ==, 1);
    qhv_set(s, 1, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    qtest_system_reset(s);
    g_assert_cmphex(qhv_get(s, 1, MSR_VP_ASSIST_PAGE), ==, 0);
    qtest_quit(s);
}

/* Ports of ACPI's CPU hot plug */
#define CPU_PLUG        0xcd8
#define CPU_PLUG_FLAGS  (CPU_PLUG + 4)
#define CPU_PLUG_EJECT  (1 << 3)

/* One that is removed leaves its index to the next, and nothing else */
static void test_unplug(void)
{
    QTestState *s = qtest_init("-machine q35 -nodefaults -smp 1,maxcpus=2 "
                               "-cpu qemu64,hv-passthrough=on");
    g_autofree char *plug = g_strdup_printf(add, "");
    unsigned i;

    /* Take away the old interface */
    qtest_outl(s, CPU_PLUG, 0);
    for (i = 0; i < 10; i++) {
        qtest_qmp_assert_success(s, plug, NULL);
        g_assert_cmphex(qhv_get(s, 1, MSR_VP_ASSIST_PAGE), ==, 0);
        g_assert_cmphex(qhv_get(s, 1, MSR_SIMP), ==, 0);
        qhv_set(s, 1, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
        qhv_set(s, 1, MSR_SIMP, QHV_SIMP | 1);
        qtest_qmp_assert_success(s, "{ 'execute': 'device_del', 'arguments': "
                                 "{ 'id': 'cpu1' } }");
        qtest_outl(s, CPU_PLUG, 1);
        qtest_outb(s, CPU_PLUG_FLAGS, CPU_PLUG_EJECT);
        qtest_qmp_eventwait(s, "DEVICE_DELETED");
    }
    qtest_quit(s);
}

/* How many results VTL 1 of a VP has registered, and EAX of the last one */
static size_t cpuid_results(QTestState *s, size_t vp, uint64_t *eax)
{
    QDict *rsp = qtest_qmp(s, "{ 'execute': 'query-hyperv' }");
    const char *const path[] = { "vps", "vtls" };
    const size_t index[] = { vp, 1 };
    QDict *dict = qdict_get_qdict(rsp, "return");
    const QListEntry *e;
    QList *list;
    size_t i, n;

    for (i = 0; i < ARRAY_SIZE(path); i++) {
        e = qlist_first(qdict_get_qlist(dict, path[i]));
        for (n = 0; n < index[i]; n++) {
            e = qlist_next(e);
        }
        g_assert_nonnull(e);
        dict = qobject_to(QDict, qlist_entry_obj(e));
    }
    list = qdict_get_qlist(dict, "cpuid-results");
    n = qlist_size(list);
    for (e = qlist_first(list); e; e = qlist_next(e)) {
        dict = qobject_to(QDict, qlist_entry_obj(e));
    }
    if (n) {
        list = qdict_get_qlist(dict, "values");
        *eax = qnum_get_uint(qobject_to(QNum, qlist_entry_obj(
                                                  qlist_first(list))));
    }
    qobject_unref(rsp);
    return n;
}

static void change_result(QTestState *s, uint16_t call, uint32_t vp,
                          uint32_t leaf, uint32_t eax)
{
    uint8_t in[64] = {};

    stq_le_p(in, UINT64_MAX);
    stl_le_p(in + 8, vp);
    stl_le_p(in + 12, 2);
    stl_le_p(in + 16, leaf);
    stl_le_p(in + 28, eax);
    stl_le_p(in + 32, UINT32_MAX);
    g_assert_cmphex(qhv_hcall_mem(s, 0, call, in,
                                  call == HC_REGISTER_RESULT ? 64 : 32, NULL),
                    ==, ST_SUCCESS);
}

/* What VTL 1 wants CPUID to return on all VPs is so on one that is added */
static void test_hotplug_results(void)
{
    QTestState *s = qtest_init("-machine q35 -nodefaults -smp 1,maxcpus=2 "
                               "-cpu qemu64,hv-passthrough=on");
    g_autofree char *plug = g_strdup_printf(add, "");
    uint64_t eax = 0;

    qhv_set_guest_os_id(s);
    qhv_enable_vtl1(s, 0);
    qhv_vtl(s, 0, 1);
    qhv_set_guest_os_id(s);
    change_result(s, HC_REGISTER_RESULT, UINT32_MAX, 7, 0x77);
    change_result(s, HC_REGISTER_RESULT, 0, 8, 0x88);
    qtest_qmp_assert_success(s, plug, NULL);
    qhv_enable_vtl1(s, 1);
    g_assert_cmpuint(cpuid_results(s, 0, &eax), ==, 2);
    g_assert_cmphex(eax, ==, 0x88);
    g_assert_cmpuint(cpuid_results(s, 1, &eax), ==, 1);
    g_assert_cmphex(eax, ==, 0x77);
    change_result(s, HC_UNREGISTER_RESULT, UINT32_MAX, 7, 0);
    g_assert_cmpuint(cpuid_results(s, 0, &eax), ==, 1);
    g_assert_cmpuint(cpuid_results(s, 1, &eax), ==, 0);
    qtest_quit(s);
}

/* Flags that have nothing to say against each other */
static void test_accepted(void)
{
    static const char *const cpus[] = {
        "", ",hv-default=on", ",hv-passthrough=on", ",hv-spinlocks=0xfff",
        ",hv-relaxed,hv-enforce-cpuid", ",hv-default=off",
        ",hv-stimer=off", ",hv-evmcs=off,hv-time",
        ",hv-default=on,hv-stimer=off,hv-stimer-direct=off,hv-time=off",
    };
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(accels); i++) {
        for (j = 0; j < ARRAY_SIZE(cpus); j++) {
            g_autofree char *err = start_to_fail(accels[i], cpus[j]);

            if (!strstr(err, "no-such-device")) {
                g_error("%s,%s: %s", accels[i], cpus[j], err);
            }
        }
    }
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(grants); i++) {
        qhv_add_row("cpuid/grants", grants[i].flags,
                    "CP-012,CP-016,CP-017,CP-029,CP-035,CP-036,CP-037,CP-038,"
                    "CP-039,CP-040",
                    GUINT_TO_POINTER(i), test_grants);
    }
    qhv_add("cpuid/identity",
            "CP-001,CP-002,CP-003,CP-004,CP-005,CP-007,CP-008,CP-009,CP-010,"
            "CP-032,CP-033,CP-041", test_identity);
    qhv_add("cpuid/spinlocks", "CP-030", test_spinlocks);
    qhv_add("cpuid/default", "CP-013,CP-014,CP-019,CP-020,CP-031",
            test_default);
    qhv_add("cpuid/syndbg", "CP-047", test_syndbg);
    qhv_add("cpuid/vmbus-device", "PC-036", test_vmbus_device);
    qhv_add("cmdline/dependencies", "", test_dependencies);
    qhv_add("cmdline/refused", "", test_refused);
    qhv_add("cmdline/kvm", "", test_kvm);
    qhv_add("cmdline/kvm-accel", "", test_kvm_accel);
    qhv_add_row("cmdline/kvm-set", "hv-default", "", "hv-default",
                test_kvm_set);
    qhv_add_row("cmdline/kvm-set", "hv-passthrough", "", "hv-passthrough",
                test_kvm_set);
    qhv_add("cmdline/accepted", "", test_accepted);
    qhv_add("cmdline/hotplug", "", test_hotplug);
    qhv_add("cmdline/unplug", "", test_unplug);
    qhv_add("cmdline/hotplug-results", "VM-052", test_hotplug_results);
    return g_test_run();
}
