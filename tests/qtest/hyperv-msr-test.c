/*
 * Hyper-V synthetic MSRs: which exist, who may access them, what they hold
 *
 * The table is a transcript of the specification's (TLFS appendix C), not of
 * the implementation's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqos/hyperv.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "hyperv-tables.h.inc"
#include "../conformance/walk.h"

/* Bits of CPUID leaf 0x40000003; those of EDX are features, not privileges */
#define EAX(bit)    (1ull << (bit))
#define EDX(bit)    (1ull << (32 + (bit)))

static const ConfMsr *msr_row(uint32_t msr)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
        if (msr == conf_msrs[i].msr) {
            return &conf_msrs[i];
        }
    }
    return NULL;
}

static uint64_t granted(QTestState *s)
{
    uint32_t r[4];

    qhv_cpuid(s, 0, 0x40000003, r);
    return r[0] | (uint64_t)r[3] << 32;
}

static bool is_there(QTestState *s, const ConfMsr *r)
{
    return r && qhv_has(s, r->needs[0]) && qhv_has(s, r->needs[1]);
}

/* Every MSR number of the range: is it there exactly if it should be? */
static void check_presence(QTestState *s)
{
    uint32_t msr;

    for (msr = 0x40000000; msr < 0x40001100; msr++) {
        const ConfMsr *row = msr_row(msr);
        bool there = is_there(s, row);
        bool readable = there && row->readable;
        bool writable = there && row->writable;
        uint64_t val = 0;
        bool ok;

        /* The space between the two ranges is empty: take samples */
        if (msr == 0x40000200) {
            msr = 0x40000ff0;
        }
        ok = qhv_rdmsr(s, 0, msr, &val);
        if (ok != readable) {
            g_test_message("RDMSR 0x%x: %s #GP", msr, ok ? "no" : "a");
            g_test_fail();
        }
        /* Writing it back must be harmless */
        if (writable && (row->skip == UINT64_MAX || (val & row->skip))) {
            continue;
        }
        ok = qhv_wrmsr(s, 0, msr, val);
        if (ok != writable) {
            g_test_message("WRMSR 0x%x: %s #GP", msr, ok ? "no" : "a");
            g_test_fail();
        }
    }
}

static bool walk_read(void *s, uint32_t msr, uint64_t *val)
{
    return qhv_rdmsr(s, 0, msr, val);
}

static bool walk_write(void *s, uint32_t msr, uint64_t val)
{
    return qhv_wrmsr(s, 0, msr, val);
}

static void walk_wrong(void *s, const ConfMsr *r, const char *what,
                       uint64_t val)
{
    g_test_message("%s: %s 0x%" PRIx64, r->name, what, val);
    g_test_fail();
}

/* Every bit of every MSR: kept, refused or ignored */
static void test_bits(void)
{
    QTestState *s = qhv_start(1, QHV_ALL, NULL);
    const ConfAccess access = {
        walk_read, walk_write, walk_wrong, s, QHV_PHYS_BITS,
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
        if (is_there(s, &conf_msrs[i])) {
            conf_walk_msr(&access, &conf_msrs[i]);
        }
    }
    qtest_quit(s);
}

/*
 * Flags, and what they grant beyond AccessHypercallMsrs and the feature
 * CpuDynamicPartitioning that every partition has.
 */
static const struct {
    const char *name;
    const char *flags;
    uint64_t grants;
} sets[] = {
    { "relaxed", "hv-relaxed", 0 },
    { "vapic", "hv-vapic", EAX(4) },
    { "time", "hv-time", EAX(1) | EAX(9) },
    { "crash", "hv-crash", EDX(10) },
    { "reset", "hv-reset", EAX(7) },
    { "vpindex", "hv-vpindex", EAX(6) },
    { "runtime", "hv-runtime", EAX(0) },
    { "synic", "hv-synic,hv-vpindex", EAX(6) | EAX(2) },
    { "stimer", "hv-stimer,hv-synic,hv-vpindex,hv-time",
      EAX(6) | EAX(2) | EAX(3) | EAX(1) | EAX(9) },
    { "stimer-direct", "hv-stimer-direct,hv-stimer,hv-synic,hv-vpindex,hv-time",
      EAX(6) | EAX(2) | EAX(3) | EAX(1) | EAX(9) | EDX(19) },
    { "frequencies", "hv-frequencies", EAX(11) | EDX(8) },
    { "reenlightenment", "hv-reenlightenment", EAX(13) },
    { "xmm-input", "hv-xmm-input", EDX(4) },
    { "xmm-output", "hv-xmm-input,hv-xmm-output", EDX(4) | EDX(15) },
    { "guest-idle", "hv-guest-idle", EAX(10) | EDX(5) },
    { "tsc-invariant", "hv-tsc-invariant,hv-time", EAX(1) | EAX(9) | EAX(15) },
    { "syndbg", "hv-syndbg,hv-synic,hv-vpindex,hv-relaxed",
      EAX(6) | EAX(2) | EAX(12) | EDX(1) | EDX(11) },
    { "sint-polling", "hv-sint-polling,hv-synic,hv-vpindex",
      EAX(6) | EAX(2) | EDX(17) },
    { "hypercall-lock", "hv-hypercall-lock", EDX(18) },
    { "tlbflush-ext", "hv-tlbflush-ext,hv-tlbflush,hv-vpindex",
      EAX(6) | EDX(14) },
};

/* MS-001 and friends: what a flag grants is there, nothing else is */
static void test_privilege(const void *data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    QTestState *s = qhv_start(1, sets[i].flags, NULL);
    uint64_t have = granted(s);

    g_assert_cmphex(have, ==, sets[i].grants | EAX(5) | EDX(3));
    check_presence(s);
    qtest_quit(s);
}

static void test_all(void)
{
    QTestState *s = qhv_start(1, QHV_ALL, NULL);

    check_presence(s);
    qtest_quit(s);
}

/* No flag: no partition, so that the tests' commands are not there either */
static void test_none(void)
{
    QTestState *s = qtest_init("-machine q35 -nodefaults -cpu qemu64");
    QDict *rsp = qtest_qmp(s, "{ 'execute': 'qom-get', 'arguments': { 'path':"
                           " '/machine/hv-partition', 'property': 'type' } }");

    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    qtest_quit(s);
}

static void check_reset_values(QTestState *s, unsigned vp)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
        const ConfMsr *r = &conf_msrs[i];
        uint64_t val;

        if (is_there(s, r) && r->readable && !r->any_reset) {
            val = qhv_get(s, vp, r->msr);
            if (val != r->reset) {
                g_test_message("VP %u: %s is 0x%" PRIx64 " after reset", vp,
                               r->name, val);
                g_test_fail();
            }
        }
    }
    g_assert_cmpuint(qhv_get(s, vp, MSR_VP_INDEX), ==, vp);
}

/* All registers have their reset values, and take them again at a reset */
static void test_reset(void)
{
    QTestState *s = qhv_start(2, QHV_ALL, NULL);
    unsigned vp, i;

    for (vp = 0; vp < 2; vp++) {
        check_reset_values(s, vp);
    }
    g_assert_cmpuint(qhv_get(s, 0, MSR_TIME_REF_COUNT), ==, 0);

    qhv_set(s, 0, MSR_GUEST_OS_ID, 1);
    for (vp = 0; vp < 2; vp++) {
        for (i = 0; i < ARRAY_SIZE(conf_msrs); i++) {
            const ConfMsr *r = &conf_msrs[i];

            if (r->keep && is_there(s, r)) {
                qhv_set(s, vp, r->msr,
                        r->base | (r->keep & 0x1234567890abcde0));
            }
        }
        for (i = 0; i < 16; i++) {
            qhv_set(s, vp, MSR_SINT(i), 0x20 + i);
        }
        for (i = 0; i < 4; i++) {
            qhv_set(s, vp, MSR_STIMER_CONFIG(i), STIMER_SINT(2));
            qhv_set(s, vp, MSR_STIMER_COUNT(i), 1ull << 50);
            qhv_set(s, vp, MSR_STIMER_CONFIG(i),
                    STIMER_SINT(2) | STIMER_PERIODIC | STIMER_ENABLE);
        }
        qhv_set(s, vp, MSR_SIMP, (QHV_SIMP + vp * QHV_PAGE) | 1);
        qhv_set(s, vp, MSR_SIEFP, (QHV_SIEFP + vp * QHV_PAGE) | 1);
        qhv_set(s, vp, MSR_VP_ASSIST_PAGE, (QHV_ASSIST + vp * QHV_PAGE) | 1);
    }
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 3);
    qhv_set(s, 0, MSR_REFERENCE_TSC, QHV_TSC | 1);
    qhv_set(s, 0, MSR_TSC_INVARIANT_CONTROL, 1);

    qtest_system_reset(s);

    for (vp = 0; vp < 2; vp++) {
        check_reset_values(s, vp);
    }
    /* RAM is seen again where the pages were */
    g_assert_cmphex(qtest_readq(s, QHV_HCALL), ==, 0);
    g_assert_cmphex(qtest_readq(s, QHV_TSC), ==, 0);
    qtest_quit(s);
}

/* MS-031, HC-050, RT-015, CR-003: partition-wide or per VP */
static void test_scope(void)
{
    static const uint32_t partition[] = {
        MSR_GUEST_OS_ID, MSR_REFERENCE_TSC, MSR_CRASH_P(0), MSR_CRASH_P(4),
        MSR_REENLIGHTENMENT,
    };
    static const uint32_t per_vp[] = {
        MSR_TPR, MSR_VP_ASSIST_PAGE, MSR_SCONTROL, MSR_SIEFP, MSR_SIMP,
        MSR_STIMER_COUNT(0), MSR_STIMER_COUNT(3), MSR_SINT(15),
    };
    QTestState *s = qhv_start(2, QHV_ALL, NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(partition); i++) {
        qhv_set(s, 1, partition[i], 0x40);
        g_assert_cmphex(qhv_get(s, 0, partition[i]), ==, 0x40);
        qhv_set(s, 0, partition[i], 0x80);
        g_assert_cmphex(qhv_get(s, 1, partition[i]), ==, 0x80);
    }
    for (i = 0; i < ARRAY_SIZE(per_vp); i++) {
        uint64_t before = qhv_get(s, 0, per_vp[i]);

        qhv_set(s, 1, per_vp[i], 0x40);
        g_assert_cmphex(qhv_get(s, 0, per_vp[i]), ==, before);
        g_assert_cmphex(qhv_get(s, 1, per_vp[i]), ==, 0x40);
    }
    for (i = 0; i < 2; i++) {
        g_assert_cmpuint(qhv_get(s, i, MSR_VP_INDEX), ==, i);
        /* VM-026 */
        g_assert_cmpuint(qhv_rdapic(s, i, APIC_ID) >> 24, ==, i);
    }
    qtest_quit(s);
}

/* MS-021: vectors of exceptions; the reset value is not one of them */
static void test_sint_vector(void)
{
    QTestState *s = qhv_start(1, QHV_ALL, NULL);
    unsigned sint, vector;

    for (sint = 0; sint < 16; sint++) {
        for (vector = 0; vector < 256; vector++) {
            g_assert_cmpint(qhv_wrmsr(s, 0, MSR_SINT(sint), vector), ==,
                            vector >= 16);
        }
        g_assert_cmphex(qhv_get(s, 0, MSR_SINT(sint)), ==, 0xff);
        qhv_set(s, 0, MSR_SINT(sint), 0x10000);
        g_assert_cmphex(qhv_get(s, 0, MSR_SINT(sint)), ==, 0x10000);
    }
    qtest_quit(s);
}

/* ST-015, ST-013: reserved bits and vectors of STIMERx_CONFIG */
static void test_stimer_config(void)
{
    QTestState *s = qhv_start(1, QHV_ALL, NULL);
    unsigned i, bit;

    for (i = 0; i < 4; i++) {
        for (bit = 0; bit < 64; bit++) {
            bool reserved = (bit >= 13 && bit <= 15) || bit >= 20;

            g_assert_cmpint(qhv_wrmsr(s, 0, MSR_STIMER_CONFIG(i), 1ull << bit),
                            ==, !reserved);
        }
        g_assert_false(qhv_wrmsr(s, 0, MSR_STIMER_CONFIG(i), STIMER_ENABLE |
                                 STIMER_DIRECT | STIMER_VECTOR(15)));
        qhv_set(s, 0, MSR_STIMER_CONFIG(i), STIMER_ENABLE | STIMER_DIRECT |
                STIMER_VECTOR(16));
        qhv_set(s, 0, MSR_STIMER_CONFIG(i), 0);
    }
    qtest_quit(s);

    s = qhv_start(1, "hv-stimer,hv-synic,hv-vpindex,hv-time", NULL);
    g_assert_false(qhv_wrmsr(s, 0, MSR_STIMER_CONFIG(0), STIMER_DIRECT |
                             STIMER_VECTOR(0x40)));
    qtest_quit(s);
}

/* CP-024: without the feature, the polling bit is not there */
static void test_no_polling(void)
{
    QTestState *s = qhv_start(1, "hv-synic,hv-vpindex", NULL);

    qhv_set(s, 0, MSR_SINT(2), SINT_POLLING | 0x40);
    g_assert_cmphex(qhv_get(s, 0, MSR_SINT(2)), ==, 0x40);
    qtest_quit(s);
}

/* MS-015: one write of ICR sends the IPI */
static void test_icr(void)
{
    QTestState *s = qhv_start(2, "hv-vapic", NULL);

    qhv_set(s, 0, MSR_ICR, (1ull << 56) | 0x4051);
    g_assert_true(qhv_irr(s, 1, 0x51));
    g_assert_false(qhv_irr(s, 0, 0x51));
    g_assert_cmphex(qhv_get(s, 0, MSR_ICR) & 0xff000000000000ffull, ==,
                    (1ull << 56) | 0x51);
    /* to itself */
    qhv_set(s, 1, MSR_ICR, 0x44052);
    g_assert_true(qhv_irr(s, 1, 0x52));
    g_assert_false(qhv_irr(s, 0, 0x52));
    /* to all */
    qhv_set(s, 1, MSR_ICR, 0x84053);
    g_assert_true(qhv_irr(s, 1, 0x53));
    g_assert_true(qhv_irr(s, 0, 0x53));
    qtest_quit(s);
}

/* MS-014, MS-016: EOI and TPR are those of the APIC */
static void test_eoi_tpr(void)
{
    QTestState *s = qhv_start(1, "hv-vapic", NULL);

    qhv_set(s, 0, MSR_ICR, 0x44051);
    qhv_set(s, 0, MSR_TPR, 0x50);
    g_assert_cmphex(qhv_rdapic(s, 0, APIC_TPR), ==, 0x50);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, -1);
    qhv_set(s, 0, MSR_TPR, 0x40);
    g_assert_cmpint(qhv_take_irq(s, 0), ==, 0x51);
    g_assert_true(qhv_isr(s, 0, 0x51));
    qhv_set(s, 0, MSR_EOI, 0xffffffff00000000ull);
    g_assert_false(qhv_isr(s, 0, 0x51));
    /* nothing in service: no effect */
    qhv_set(s, 0, MSR_EOI, 0);
    qhv_wrapic(s, 0, APIC_TPR, 0x70);
    g_assert_cmphex(qhv_get(s, 0, MSR_TPR), ==, 0x70);
    qtest_quit(s);
}

/* MS-008: bit 0 resets the machine, no other does */
static void test_reset_msr(void)
{
    QTestState *s = qhv_start(1, "hv-reset", NULL);

    qhv_set(s, 0, MSR_GUEST_OS_ID, 0x1234);
    qhv_set(s, 0, MSR_RESET, 0);
    qhv_set(s, 0, MSR_RESET, 0xfffffffffffffffe);
    g_assert_cmphex(qhv_get(s, 0, MSR_RESET), ==, 0);
    g_assert_cmphex(qhv_get(s, 0, MSR_GUEST_OS_ID), ==, 0x1234);
    qhv_set(s, 0, MSR_RESET, 1);
    qtest_qmp_eventwait(s, "RESET");
    g_assert_cmphex(qhv_get(s, 0, MSR_GUEST_OS_ID), ==, 0);
    g_assert_cmphex(qhv_get(s, 0, MSR_RESET), ==, 0);
    qtest_quit(s);
}

/* The same values in query-hyperv, each under the VP or partition it is of */
static void test_query(void)
{
    QTestState *s = qhv_start(2, QHV_ALL, NULL);
    QDict *answer, *info;
    const QListEntry *vp, *msr;
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < 2; i++) {
        qhv_set(s, i, MSR_SINT(2), SINT_MASKED | (0x40 + i));
        qhv_set(s, i, MSR_STIMER_COUNT(1), 0x1000 + i);
    }
    answer = qtest_qmp(s, "{ 'execute': 'query-hyperv' }");
    info = qdict_get_qdict(answer, "return");
    vp = qlist_first(qdict_get_qlist(info, "vps"));
    for (i = 0; i < 3; i++) {
        QDict *of = i < 2 ? qobject_to(QDict, qlist_entry_obj(vp)) : info;
        QDict *vtl = i < 2 ? qobject_to(QDict,
                         qlist_peek(qdict_get_qlist(of, "vtls"))) : info;
        unsigned n = 0;

        QLIST_FOREACH_ENTRY(qdict_get_qlist(vtl, "msrs"), msr) {
            QDict *d = qobject_to(QDict, qlist_entry_obj(msr));
            uint32_t num = qdict_get_int(d, "number");
            uint64_t val = qnum_get_uint(qobject_to(QNum,
                                                    qdict_get(d, "value")));

            /* of a VP are index, run time, APIC, SynIC and timers */
            g_assert_cmpuint(num == MSR_VP_INDEX || num == MSR_VP_RUNTIME ||
                             (num >= MSR_EOI && num <= MSR_STIMER_COUNT(3)),
                             ==, i < 2);
            if (num != MSR_VP_RUNTIME && num != MSR_TIME_REF_COUNT) {
                g_assert_cmphex(val, ==, qhv_get(s, i % 2, num));
            }
            n++;
        }
        g_assert_cmpuint(n, >, 10);
        if (i < 2) {
            g_assert_cmpuint(qdict_get_int(of, "index"), ==, i);
            vp = qlist_next(vp);
        }
    }
    qobject_unref(answer);
    qtest_quit(s);
}

/* The debugger's registers, with no debugger: plain values, until a reset */
static void test_syndbg(void)
{
    static const uint32_t regs[] = {
        0x400000f1, 0x400000f2, 0x400000f3, 0x400000f4, 0x400000f5, 0x400000ff,
    };
    QTestState *s = qhv_start(1, "hv-syndbg,hv-synic,hv-vpindex,hv-relaxed",
                              NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        g_assert_cmphex(qhv_get(s, 0, regs[i]), ==, 0);
        qhv_set(s, 0, regs[i], 0x10000 * (i + 1));
    }
    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        g_assert_cmphex(qhv_get(s, 0, regs[i]), ==, 0x10000 * (i + 1));
    }
    qtest_system_reset(s);
    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        g_assert_cmphex(qhv_get(s, 0, regs[i]), ==, 0);
    }
    qtest_quit(s);
}

static uint64_t crash_arg(QDict *info, unsigned n)
{
    g_autofree char *name = g_strdup_printf("arg%u", n);

    return qdict_get_int(info, name);
}

/* CR-002, CR-004, CR-007, CR-008, CR-010 to CR-012: the crash report */
static void test_crash(void)
{
    QTestState *s = qhv_start(2, "hv-crash", "-action panic=none");
    QDict *event, *data, *info;
    unsigned i, round;

    g_assert_cmphex(qhv_get(s, 0, MSR_CRASH_CTL), ==, 3ull << 62);
    for (i = 0; i < 5; i++) {
        qhv_set(s, i % 2, MSR_CRASH_P(i), 0x1111111111111111ull * (i + 1));
    }
    /* no CrashNotify, no crash; the first event is that of the next write */
    qhv_set(s, 0, MSR_CRASH_CTL, (1ull << 62) - 1);

    for (round = 0; round < 3; round++) {
        /* plain; with a message nowhere; with what a loader reports */
        static const uint64_t ctl[] = { 0, 1ull << 62, 7ull << 58 };

        if (round == 1) {
            qhv_set(s, 0, MSR_CRASH_P(3), 0x7ffffffff000ull);
        }
        qhv_set(s, 1, MSR_CRASH_CTL, (1ull << 63) | ctl[round]);
        event = qtest_qmp_eventwait_ref(s, "GUEST_PANICKED");
        data = qdict_get_qdict(event, "data");
        g_assert_cmpstr(qdict_get_str(data, "action"), ==, "run");
        info = qdict_get_qdict(data, "info");
        g_assert_cmpstr(qdict_get_str(info, "type"), ==, "hyper-v");
        g_assert_cmphex(crash_arg(info, 1), ==, 0x1111111111111111);
        g_assert_cmphex(crash_arg(info, 2), ==, 0x2222222222222222);
        g_assert_cmphex(crash_arg(info, 5), ==, 0x5555555555555555);
        qobject_unref(event);
        /* life goes on; so it does with the read, which is not what was said */
        g_assert_cmphex(qhv_get(s, 0, MSR_CRASH_CTL), ==, 3ull << 62);
    }
    qtest_quit(s);
}

/* CR-005, CR-006: the guest's last words, of which 4096 bytes are read */
static void test_crash_message(void)
{
    QTestState *s = qhv_start(1, "hv-crash", "-action panic=none");

    qtest_memset(s, 0x200000, 'x', 3 * 4096);
    qhv_set(s, 0, MSR_CRASH_P(3), 0x200000);
    qhv_set(s, 0, MSR_CRASH_P(4), 2 * 4096);
    qhv_set(s, 0, MSR_CRASH_CTL, 3ull << 62);
    qtest_qmp_eventwait(s, "GUEST_PANICKED");
    qhv_set(s, 0, MSR_CRASH_P(4), UINT64_MAX);
    qhv_set(s, 0, MSR_CRASH_CTL, 3ull << 62);
    qtest_qmp_eventwait(s, "GUEST_PANICKED");
    qtest_quit(s);
}

/* MS-030: the invariant TSC is shown when the guest asks, and for good */
static void test_tsc_invariant(void)
{
    QTestState *s = qhv_start(1, "hv-tsc-invariant,hv-time", NULL);
    uint32_t r[4];

    qhv_cpuid(s, 0, 0x80000007, r);
    g_assert_cmphex(r[3] & (1 << 8), ==, 0);
    g_assert_false(qhv_wrmsr(s, 0, MSR_TSC_INVARIANT_CONTROL, 2));
    qhv_set(s, 0, MSR_TSC_INVARIANT_CONTROL, 0);
    qhv_set(s, 0, MSR_TSC_INVARIANT_CONTROL, 1);
    qhv_cpuid(s, 0, 0x80000007, r);
    g_assert_cmphex(r[3] & (1 << 8), ==, 1 << 8);
    g_assert_false(qhv_wrmsr(s, 0, MSR_TSC_INVARIANT_CONTROL, 0));
    qtest_system_reset(s);
    qhv_cpuid(s, 0, 0x80000007, r);
    g_assert_cmphex(r[3] & (1 << 8), ==, 0);
    qtest_quit(s);
}

/* MS-029 and TLFS 16.6: reserved bits */
static void test_reenlightenment(void)
{
    QTestState *s = qhv_start(1, "hv-reenlightenment", NULL);
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        bool reserved = (bit >= 8 && bit <= 15) || (bit >= 17 && bit <= 31);
        uint64_t val = 1ull << bit;

        g_assert_cmpint(qhv_wrmsr(s, 0, MSR_REENLIGHTENMENT, val), ==,
                        !reserved);
        g_assert_cmpint(qhv_wrmsr(s, 0, MSR_TSC_EMULATION_CONTROL, val), ==,
                        bit == 0);
        g_assert_false(qhv_wrmsr(s, 0, MSR_TSC_EMULATION_STATUS, val));
    }
    qhv_set(s, 0, MSR_TSC_EMULATION_STATUS, 0);
    qtest_quit(s);
}

/* MS-013: both in Hz */
static void test_frequencies(void)
{
    QTestState *s = qhv_start(1, "hv-frequencies,hv-time,"
                              "tsc-frequency=2400000000", NULL);

    g_assert_cmpuint(qhv_get(s, 0, MSR_TSC_FREQUENCY), ==, 2400000000);
    g_assert_cmpuint(qhv_get(s, 0, MSR_APIC_FREQUENCY), ==, 1000000000);
    qtest_quit(s);
}

/* MS-009: never goes back */
static void test_runtime(void)
{
    QTestState *s = qhv_start(2, "hv-runtime", NULL);
    uint64_t last[2] = { 0 }, now;
    unsigned i;

    for (i = 0; i < 200; i++) {
        now = qhv_get(s, i % 2, MSR_VP_RUNTIME);
        g_assert_cmpuint(now, >=, last[i % 2]);
        last[i % 2] = now;
    }
    qtest_quit(s);
}

/* MS-035, and numbers that are nobody's */
static void test_no_msr(void)
{
    static const uint32_t none[] = {
        0x000d0006, 0x40000004, 0x4000000f, 0x40000024, 0x40000086,
        0x400000a0, 0x400000b8, 0x400000fe, 0x40000109, 0x400001ff,
        0x40000200, 0x40000fff, 0x40001000, 0x40001fff,
    };
    QTestState *s = qhv_start(1, QHV_ALL, NULL);
    uint64_t val;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(none); i++) {
        g_assert_false(qhv_rdmsr(s, 0, none[i], &val));
        g_assert_false(qhv_wrmsr(s, 0, none[i], 0));
        g_assert_false(qhv_wrmsr(s, 0, none[i], UINT64_MAX));
    }
    qtest_quit(s);
}

/* Whatever is written anywhere, QEMU lives, and reads what it lets pass */
static void test_fuzz(void)
{
    QTestState *s = qhv_start(2, QHV_ALL, "-action panic=none");
    g_autoptr(GRand) rand = g_rand_new_with_seed(20231115);
    unsigned i;

    for (i = 0; i < 15000; i++) {
        uint32_t msr = 0x40000000 + g_rand_int_range(rand, 0, 0x120);
        unsigned vp = g_rand_int_range(rand, 0, 2);
        uint64_t val = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);

        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            val &= 0x3ffffff;
            break;
        case 1:
            val = (val & 0x3fff000) | 1;
            break;
        case 2:
            val &= 0xffffffff | -(val & 1);
            break;
        }
        /* no reset in between, no IPI that would start another CPU */
        if (msr == MSR_RESET || msr == MSR_ICR || msr == MSR_CRASH_CTL) {
            continue;
        }
        qhv_wrmsr(s, vp, msr, val);
        qhv_rdmsr(s, vp, msr, &val);
        if (i % 100 == 0) {
            qhv_step(s, g_rand_int_range(rand, 1, 100000));
        }
    }
    qtest_system_reset(s);
    check_reset_values(s, 0);
    check_reset_values(s, 1);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(sets); i++) {
        qhv_add_row("msr/privilege", sets[i].name,
                    "MS-001,MS-002,MS-028,MS-029,MS-033,MS-034,NE-029,CP-015,"
                    "CP-018,CP-020,CP-023,CP-028,CR-001,RT-017,ST-021",
                    GUINT_TO_POINTER(i), test_privilege);
    }
    qhv_add("msr/present", "MS-002,MS-010,MS-026,MS-028,MS-033,CP-006",
            test_all);
    qhv_add("msr/no-flag", "", test_none);
    qhv_add("msr/reset", "MS-018,MS-019,MS-020,MS-022,ST-001", test_reset);
    qhv_add("msr/bits",
            "MS-005,MS-010,MS-011,MS-012,MS-014,MS-016,MS-020,MS-023,MS-026,"
            "MS-030,HC-049,ST-015,CR-002,CR-003", test_bits);
    qhv_add("msr/scope", "MS-006,MS-007,MS-031,SY-033,RT-015,VM-026",
            test_scope);
    qhv_add("msr/sint-vector", "MS-021", test_sint_vector);
    qhv_add("msr/stimer-config", "ST-013,ST-014,ST-015,CP-026",
            test_stimer_config);
    qhv_add("msr/no-polling", "CP-024", test_no_polling);
    qhv_add("msr/icr", "MS-015", test_icr);
    qhv_add("msr/eoi-tpr", "MS-014,MS-016,SY-030", test_eoi_tpr);
    qhv_add("msr/reset-msr", "MS-008", test_reset_msr);
    qhv_add("msr/query", "MS-006", test_query);
    qhv_add("msr/syndbg", "MS-001", test_syndbg);
    qhv_add("msr/crash",
            "CR-002,CR-004,CR-007,CR-008,CR-009,CR-010,CR-011,CR-012",
            test_crash);
    qhv_add("msr/crash-message", "CR-005,CR-006", test_crash_message);
    qhv_add("msr/tsc-invariant", "MS-030", test_tsc_invariant);
    qhv_add("msr/reenlightenment", "MS-029", test_reenlightenment);
    qhv_add("msr/frequencies", "MS-013", test_frequencies);
    qhv_add("msr/runtime", "MS-009", test_runtime);
    qhv_add("msr/none", "MS-002,MS-035", test_no_msr);
    qhv_add("msr/fuzz", "", test_fuzz);
    return g_test_run();
}
