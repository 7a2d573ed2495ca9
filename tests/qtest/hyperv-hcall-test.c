/*
 * Hyper-V hypercalls: the interface's checks for every call, and what single
 * calls make of their parameters; both from the tables in tests/conformance/
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"
#include "hyperv-tables.h.inc"

#define CPUS 3

/* In the guest's address space, but neither RAM nor a device */
#define NOWHERE 0x800000000ull

#define SELF UINT64_MAX

static QTestState *start(void)
{
    QTestState *s = qhv_start(CPUS, QHV_ALL, "-device hyperv-testdev");
    unsigned i;

    qhv_set_guest_os_id(s);
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 1);
    for (i = 0; i < CPUS; i++) {
        qhv_synic_on(s, i);
        qhv_set(s, i, MSR_SINT(2), SINT_AUTO_EOI | 0x40);
    }
    /* a message port 5 and an event port 6, on SINT2 of VP 1 */
    qtest_outl(s, 0x3000, 5 << 24 | 4 << 16 | 1 << 8 | 2);
    qtest_outl(s, 0x3000, 6 << 24 | 6 << 16 | 1 << 8 | 2);
    return s;
}

/* The machine of all rows of the tables: their calls leave nothing behind */
static QTestState *rows_qtest;

static QTestState *start_for_row(void)
{
    if (!rows_qtest) {
        rows_qtest = start();
    }
    return rows_qtest;
}

/* Bit 16 of EBX of leaf 0x40000003 */
#define ACCESS_VSM (0x8000 | 3 << 8 | 1 << 5 | 16)

static unsigned in_size(const ConfCall *c)
{
    return c->in + c->rep_in;
}

static unsigned out_size(const ConfCall *c)
{
    return c->out + c->rep_out;
}

static uint64_t control(const ConfCall *c)
{
    return c->code | (c->rep_in ? HC_REPS(1) : 0);
}

static void write_words(uint64_t *input, const uint64_t *words)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_calls[0].input); i++) {
        input[i] = cpu_to_le64(words[i]);
    }
}

/* Execute it with its valid input at @in_gpa, except for what is changed */
static uint16_t run(QTestState *s, const ConfCall *c, uint64_t ctl,
                    uint64_t in_gpa, uint64_t out_gpa)
{
    uint64_t input[32] = { 0 };

    write_words(input, c->input);
    if (in_size(c) && in_gpa + in_size(c) < QHV_RAM_SIZE) {
        qtest_memwrite(s, in_gpa, input, in_size(c));
    }
    /* the last message is read */
    qhv_message_done(s, 1, 2);
    return qhv_hcall(s, 0, ctl, in_gpa, out_gpa, NULL);
}

/* Does it fit the registers? */
static bool fits(const ConfCall *c)
{
    return ROUND_UP(in_size(c), 16) + out_size(c) <= 112;
}

static const ConfCall *call_row(uint16_t code)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_calls); i++) {
        if (conf_calls[i].code == code) {
            return &conf_calls[i];
        }
    }
    return NULL;
}

#define assert_status(s, c, ctl, in, out, status) \
    g_assert_cmphex(run(s, c, ctl, in, out), ==, status)

/* HC-001, HC-002, HC-004 to HC-007, HC-065: the control word */
static void test_control(const void *data)
{
    const ConfCall *c = data;
    QTestState *s = start_for_row();
    uint64_t ctl = control(c);
    unsigned bit, i;

    assert_status(s, c, ctl, QHV_IN, QHV_OUT, c->status);
    for (bit = 27; bit < 64; bit++) {
        if (bit <= 30 || (bit >= 44 && bit <= 47) || bit >= 60) {
            assert_status(s, c, ctl | 1ull << bit, QHV_IN, QHV_OUT,
                          ST_INVALID_HYPERCALL_INPUT);
        }
    }
    g_assert_cmphex(run(s, c, ctl | HC_NESTED, QHV_IN, QHV_OUT), !=,
                    ST_SUCCESS);
    if (c->rep_in) {
        assert_status(s, c, c->code, QHV_IN, QHV_OUT,
                      ST_INVALID_HYPERCALL_INPUT);
        for (i = 1; i <= 0xfff; i = i * 2 + 1) {
            assert_status(s, c, c->code | HC_REPS(1) | HC_START(i), QHV_IN,
                          QHV_OUT, ST_INVALID_HYPERCALL_INPUT);
            assert_status(s, c, c->code | HC_REPS(i) | HC_START(i), QHV_IN,
                          QHV_OUT, ST_INVALID_HYPERCALL_INPUT);
        }
        assert_status(s, c, c->code | HC_START(1), QHV_IN, QHV_OUT,
                      ST_INVALID_HYPERCALL_INPUT);
        /* HC-011: more elements than a page holds */
        assert_status(s, c, c->code | HC_REPS(0xfff), QHV_IN, QHV_OUT,
                      ST_INVALID_ALIGNMENT);
    } else {
        for (i = 1; i <= 0xfff; i = i * 2 + 1) {
            assert_status(s, c, ctl | HC_REPS(i), QHV_IN, QHV_OUT,
                          ST_INVALID_HYPERCALL_INPUT);
            assert_status(s, c, ctl | HC_START(i), QHV_IN, QHV_OUT,
                          ST_INVALID_HYPERCALL_INPUT);
        }
    }
    if (!c->var) {
        for (i = 1; i <= 0x3ff; i = i * 2 + 1) {
            assert_status(s, c, ctl | HC_VAR(i), QHV_IN, QHV_OUT,
                          ST_INVALID_HYPERCALL_INPUT);
        }
    } else {
        assert_status(s, c, ctl | HC_VAR(0x3ff), QHV_IN, QHV_OUT,
                      ST_INVALID_ALIGNMENT);
    }
}

/* HC-010 to HC-017: where parameters may be */
static void test_gpa(const void *data)
{
    static const uint64_t beyond[] = {
        1ull << QHV_PHYS_BITS, 1ull << 51, 1ull << 52, 1ull << 63,
        0xfffffffffffff000,
    };
    const ConfCall *c = data;
    QTestState *s = start();
    uint64_t ctl = control(c);
    uint8_t before[QHV_PAGE], after[QHV_PAGE];
    unsigned i;

    if (in_size(c)) {
        unsigned last = QHV_PAGE - ROUND_UP(in_size(c), 8);

        for (i = 1; i < 8; i++) {
            assert_status(s, c, ctl, QHV_IN + i, QHV_OUT,
                          ST_INVALID_ALIGNMENT);
        }
        assert_status(s, c, ctl, QHV_IN + last, QHV_OUT, c->status);
        if (in_size(c) > 8) {
            assert_status(s, c, ctl, QHV_IN + last + 8, QHV_OUT,
                          ST_INVALID_ALIGNMENT);
        }
        for (i = 0; i < ARRAY_SIZE(beyond); i++) {
            assert_status(s, c, ctl, beyond[i], QHV_OUT, ST_INVALID_ALIGNMENT);
        }
        g_assert_cmphex(run(s, c, ctl, NOWHERE, QHV_OUT), !=, ST_SUCCESS);
        /* in an overlay: anything but a failure of the host */
        run(s, c, ctl, QHV_SIMP, QHV_OUT);
        run(s, c, ctl, QHV_HCALL, QHV_OUT);
    } else {
        /* HC-013: not looked at */
        for (i = 0; i < ARRAY_SIZE(beyond); i++) {
            assert_status(s, c, ctl, beyond[i] | 3, QHV_OUT, c->status);
        }
    }

    if (out_size(c)) {
        unsigned last = QHV_PAGE - ROUND_UP(out_size(c), 8);

        for (i = 1; i < 8; i++) {
            assert_status(s, c, ctl, QHV_IN, QHV_OUT + i,
                          ST_INVALID_ALIGNMENT);
        }
        assert_status(s, c, ctl, QHV_IN, QHV_OUT + last, c->status);
        if (out_size(c) > 8) {
            assert_status(s, c, ctl, QHV_IN, QHV_OUT + last + 8,
                          ST_INVALID_ALIGNMENT);
        }
        for (i = 0; i < ARRAY_SIZE(beyond); i++) {
            assert_status(s, c, ctl, QHV_IN, beyond[i], ST_INVALID_ALIGNMENT);
        }
        g_assert_cmphex(run(s, c, ctl, QHV_IN, NOWHERE), !=, ST_SUCCESS);
        /* HC-052: not even the hypervisor writes there for the guest */
        qtest_memread(s, QHV_HCALL, before, QHV_PAGE);
        g_assert_cmphex(run(s, c, ctl, QHV_IN, QHV_HCALL), !=, ST_SUCCESS);
        qtest_memread(s, QHV_HCALL, after, QHV_PAGE);
        g_assert_cmpmem(before, QHV_PAGE, after, QHV_PAGE);
        /* HC-016: on top of the input */
        run(s, c, ctl, QHV_IN, QHV_IN);
    } else {
        for (i = 0; i < ARRAY_SIZE(beyond); i++) {
            assert_status(s, c, ctl, QHV_IN, beyond[i] | 3, c->status);
        }
    }
    qtest_quit(s);
}

static void write_input(QTestState *s, const ConfCall *c)
{
    uint64_t input[32] = { 0 };

    write_words(input, c->input);
    qtest_memwrite(s, QHV_IN, input, sizeof(input));
    qhv_message_done(s, 1, 2);
}

/* HC-018 to HC-020, HC-027, HC-028, HC-038: modes and registers */
static void test_mode(const void *data)
{
    static const char *good[] = { "64", "32", "compat" };
    static const char *bad[] = { "user", "real", "vm86" };
    const ConfCall *c = data;
    QTestState *s = start_for_row();
    unsigned i, vp;

    for (i = 0; i < ARRAY_SIZE(good); i++) {
        for (vp = 0; vp < CPUS; vp++) {
            QhvCall call = {
                .mode = good[i],
                .control = control(c),
                .in = QHV_IN,
                .out = QHV_OUT,
                .xmm = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 },
            };
            unsigned j;

            write_input(s, c);
            g_assert_cmphex(qhv_call(s, vp, &call), ==, c->status);
            g_assert_cmphex(call.result >> 32, ==, c->rep_in && !c->status);
            g_assert_cmphex(call.changed, ==, 0);
            g_assert_cmphex(call.in, ==, QHV_IN);
            g_assert_cmphex(call.out, ==, QHV_OUT);
            for (j = 0; j < 12; j++) {
                g_assert_cmphex(call.xmm[j], ==, j + 1);
            }
        }
    }
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        QhvCall call = {
            .mode = bad[i],
            .control = control(c),
            .in = QHV_IN,
            .out = QHV_OUT,
        };

        write_input(s, c);
        g_assert_cmphex(qhv_call(s, 0, &call), ==, QHV_UD);
    }
}

/* HC-021 to HC-026, HC-039: input and output in registers */
static void test_fast(const void *data)
{
    static const char *modes[] = { "64", "32", "compat" };
    const ConfCall *c = data;
    QTestState *s = start_for_row();
    unsigned in = in_size(c), out = out_size(c), i, j;
    unsigned pos = ROUND_UP(in, 16) / 8;

    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        QhvCall call = {
            .mode = modes[i],
            .control = control(c) | HC_FAST,
            .in = c->input[0],
            .out = c->input[1],
        };
        uint16_t status;

        qhv_message_done(s, 1, 2);
        /* what is beyond the input is ignored, HC-023 */
        memset(call.xmm, 0x99, sizeof(call.xmm));
        call.xmm[0] = c->input[2];
        call.xmm[1] = c->input[3];
        status = qhv_call(s, 0, &call);

        if (out && i) {
            /* HC-025: there is no such output for 32-bit callers */
            g_assert_cmphex(status, !=, ST_SUCCESS);
        } else if (!fits(c)) {
            /* HC-026 */
            g_assert_cmphex(status, ==, ST_INVALID_HYPERCALL_INPUT);
        } else {
            g_assert_cmphex(status, ==, c->status);
        }
        for (j = 0; j < 12; j++) {
            bool is_output = out && !status && j + 2 >= pos &&
                             j + 2 < pos + (out + 7) / 8;

            if (!is_output) {
                uint64_t was = j < 2 ? c->input[2 + j] : 0x9999999999999999;

                g_assert_cmphex(call.xmm[j], ==, was);
            }
        }
        if (!out && status == ST_SUCCESS) {
            g_assert_cmphex(call.in, ==, c->input[0]);
            g_assert_cmphex(call.out, ==, c->input[1]);
            g_assert_cmphex(call.changed, ==, 0);
        }
    }
}

/* HC-043, HC-058, HC-066: no right to call, whatever the rest is like */
static void test_denied(const void *data)
{
    static const char *const flags[] = { "hv-time", "hv-vpindex" };
    const ConfCall *c = data;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(flags); i++) {
        QTestState *s = qhv_start(1, flags[i], NULL);

        if (!qhv_has(s, c->needs)) {
            qhv_set_guest_os_id(s);
            g_assert_cmphex(qhv_hcall(s, 0, control(c), QHV_IN, QHV_OUT, NULL),
                            ==, ST_ACCESS_DENIED);
            g_assert_cmphex(qhv_hcall(s, 0, control(c), QHV_IN + 1, UINT64_MAX,
                                      NULL), ==, ST_ACCESS_DENIED);
            g_assert_cmphex(qhv_hcall(s, 0, c->code | 0xfull << 60, 0, 0,
                                      NULL), ==, ST_ACCESS_DENIED);
        }
        qtest_quit(s);
    }
}

/* What single words of the input make of the answer */
static void test_input(const void *data)
{
    const ConfCase *t = data;
    QTestState *s = start_for_row();
    unsigned i, j;

    for (i = 0; i < t->nr_inputs && qhv_has(s, t->when) != t->when_clear; i++) {
        uint64_t input[QHV_PAGE / 8] = { 0 };
        uint16_t status;

        write_words(input, t->inputs[i].word);
        qhv_message_done(s, 1, 2);
        status = qhv_hcall_mem(s, 0, control(t->call) |
                               HC_VAR(t->inputs[i].var), input, sizeof(input),
                               NULL);
        for (j = 0; j < t->nr_status && status != t->status[j]; j++) {
            continue;
        }
        if (j == t->nr_status) {
            g_test_message("input 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64
                           ": status 0x%x, not 0x%x",
                           t->inputs[i].word[0], t->inputs[i].word[1],
                           t->inputs[i].word[2], status, t->status[0]);
            g_test_fail();
        }
    }
}

/* hv-enforce-cpuid: what leaf 4 does not recommend is refused */
static void test_enforce(void)
{
    QTestState *s = qhv_start(1, "hv-vpindex,hv-enforce-cpuid", NULL);
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < ARRAY_SIZE(conf_calls); i++) {
        if (conf_calls[i].hint) {
            g_assert_cmphex(qhv_hcall(s, 0, control(&conf_calls[i]), QHV_IN,
                                      QHV_OUT, NULL), ==, ST_ACCESS_DENIED);
        }
    }
    qtest_quit(s);
}

/* CP-021, CP-022: XMM input and output are features of their own */
static void test_no_xmm(void)
{
    QTestState *s = qhv_start(1, "hv-vpindex,hv-tlbflush,hv-ipi,"
                              "hv-partition-id", NULL);

    qhv_set_guest_os_id(s);
    g_assert_cmphex(qhv_fast(s, 0, HC_FLUSH_SPACE, 0, 3), ==, QHV_UD);
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI_EX, 0x80, 1), ==, QHV_UD);
    g_assert_cmphex(qhv_fast(s, 0, HC_GET_PARTITION_ID, 0, 0), ==, QHV_UD);
    /* IP-012: 16 bytes need none */
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x80, 1), ==, ST_SUCCESS);
    g_assert_cmphex(qhv_fast(s, 0, HC_LONG_SPIN_WAIT, 1, 0), ==, ST_SUCCESS);
    qtest_quit(s);

    s = qhv_start(1, "hv-vpindex,hv-tlbflush,hv-xmm-input,hv-partition-id",
                  NULL);
    qhv_set_guest_os_id(s);
    g_assert_cmphex(qhv_fast(s, 0, HC_FLUSH_SPACE, 0, 3), ==, ST_SUCCESS);
    g_assert_cmphex(qhv_fast(s, 0, HC_GET_PARTITION_ID, 0, 0), ==, QHV_UD);
    qtest_quit(s);
}

/* HC-003, HC-076: every code that is nobody's, or not a guest's */
static void test_unknown(void)
{
    QTestState *s = start();
    uint32_t code;

    for (code = 0; code < 0x10000; code++) {
        uint16_t status;

        /* debug calls have a test of their own */
        if (call_row(code) || (code >= HC_POST_DEBUG &&
                               code <= HC_RESET_DEBUG)) {
            continue;
        }
        /* VTL call and return have no status */
        if (code == HC_VTL_CALL || code == HC_VTL_RETURN) {
            continue;
        }
        /* the rest is empty: take samples */
        if (code > 0x200 && code < 0x8000 && code % 97) {
            continue;
        }
        if (code > 0x8010 && code < 0xfff0 && code % 97) {
            continue;
        }
        status = qhv_hcall(s, 0, code, QHV_IN, QHV_OUT, NULL);
        if (status != ST_INVALID_HYPERCALL_CODE && status != ST_ACCESS_DENIED) {
            g_test_message("hypercall 0x%x: status 0x%x", code, status);
            g_test_fail();
        }
    }
    /* reserved ones, of which the specification says so */
    for (code = 5; code <= 7; code++) {
        g_assert_cmphex(qhv_hcall(s, 0, code, 0, 0, NULL), ==,
                        ST_INVALID_HYPERCALL_CODE);
    }
    for (code = 0x16; code <= 0x3f; code++) {
        g_assert_cmphex(qhv_hcall(s, 0, code, 0, 0, NULL), ==,
                        ST_INVALID_HYPERCALL_CODE);
    }
    g_assert_cmphex(qhv_hcall(s, 0, 0x3f00, 0, 0, NULL), ==,
                    ST_INVALID_HYPERCALL_CODE);
    /* of a partition with CpuManagement */
    g_assert_cmphex(qhv_hcall(s, 0, 0x0004, 0, QHV_OUT, NULL), ==,
                    ST_ACCESS_DENIED);
    g_assert_cmphex(qhv_hcall(s, 0, 0x0009, QHV_IN, 0, NULL), ==,
                    ST_ACCESS_DENIED);
    qtest_quit(s);
}

static uint16_t flush_space(QTestState *s, uint64_t as, uint64_t flags,
                            uint64_t mask)
{
    QhvCall c = {
        .control = HC_FLUSH_SPACE | HC_FAST,
        .in = as,
        .out = flags,
        .xmm = { mask },
    };

    return qhv_call(s, 0, &c);
}

static uint16_t flush_list(QTestState *s, uint64_t as, uint64_t flags,
                           uint64_t mask)
{
    QhvCall c = {
        .control = HC_FLUSH_LIST | HC_FAST | HC_REPS(3),
        .in = as,
        .out = flags,
        .xmm = { mask, 0x1000, 0x7ffffffff000 | 0xfff, 0x8000000000000000 },
    };
    uint16_t status = qhv_call(s, 0, &c);

    /* FL-016 */
    g_assert_cmphex(c.result >> 32, ==, status ? 0 : 3);
    return status;
}

/* FL-002 to FL-018: flags, address spaces and masks */
static void test_flush(void)
{
    QTestState *s = start();
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        uint64_t flag = 1ull << bit;

        g_assert_cmphex(flush_space(s, 0, flag, 1), ==,
                        bit <= 2 ? ST_SUCCESS : ST_INVALID_PARAMETER);
        /* FL-014, FL-017 */
        g_assert_cmphex(flush_list(s, 0, flag, 1), ==, bit <= 1 || bit == 3 ?
                        ST_SUCCESS : ST_INVALID_PARAMETER);
        /* FL-008, FL-004 */
        g_assert_cmphex(flush_space(s, flag, 0, 1), ==, bit < QHV_PHYS_BITS ?
                        ST_SUCCESS : ST_INVALID_PARAMETER);
        g_assert_cmphex(flush_space(s, flag, 2, 1), ==, ST_SUCCESS);
        g_assert_cmphex(flush_list(s, flag, 0, 1), ==, bit < QHV_PHYS_BITS ?
                        ST_SUCCESS : ST_INVALID_PARAMETER);
        /* FL-010: VPs that do not exist */
        g_assert_cmphex(flush_space(s, 0, 2, 1 | flag), ==, ST_SUCCESS);
        g_assert_cmphex(flush_space(s, 0, 2, flag), ==, ST_SUCCESS);
    }
    /* FL-003 */
    g_assert_cmphex(flush_space(s, 0, 3, 0), ==, ST_SUCCESS);
    g_assert_cmphex(flush_list(s, 0, 3, 0), ==, ST_SUCCESS);
    qtest_quit(s);

    /* FL-018 */
    s = qhv_start(1, "hv-vpindex,hv-tlbflush,hv-xmm-input", NULL);
    qhv_set_guest_os_id(s);
    g_assert_cmphex(flush_list(s, 0, 8, 1), ==, ST_INVALID_PARAMETER);
    qtest_quit(s);
}

/* FL-011, FL-013, FL-016, HC-033: lists, also if started in the middle */
static void test_flush_list(void)
{
    QTestState *s = start();
    uint64_t input[512] = { 0, cpu_to_le64(3) };
    uint64_t result;
    unsigned i, n;

    for (i = 3; i < 512; i++) {
        input[i] = cpu_to_le64((uint64_t)i << 36 | (i * 7 & 0xfff));
    }
    for (n = 1; n <= 509; n += 127) {
        g_assert_cmphex(qhv_hcall_mem(s, 0, HC_FLUSH_LIST | HC_REPS(n), input,
                                      sizeof(input), &result), ==, ST_SUCCESS);
        g_assert_cmpuint(result >> 32, ==, n);
        g_assert_cmphex(qhv_hcall(s, 0, HC_FLUSH_LIST | HC_REPS(n) |
                                  HC_START(n / 2), QHV_IN, 0, &result), ==,
                        ST_SUCCESS);
        g_assert_cmpuint(result >> 32, ==, n);
    }
    g_assert_cmphex(qhv_hcall(s, 0, HC_FLUSH_LIST | HC_REPS(510), QHV_IN, 0,
                              &result), ==, ST_INVALID_ALIGNMENT);
    qtest_quit(s);
}

/* NE-019, NE-020: for a hypervisor that runs guests of its own */
static void test_flush_gpa(void)
{
    QTestState *s = start();
    QhvCall c = { .mode = "svm", .control = HC_FLUSH_GPA_SPACE | HC_FAST };
    unsigned bit;

    g_assert_cmphex(qhv_call(s, 0, &c), ==, ST_SUCCESS);
    for (bit = 0; bit < 64; bit++) {
        c.in = 0;
        c.out = 1ull << bit;
        c.control = HC_FLUSH_GPA_SPACE | HC_FAST;
        g_assert_cmphex(qhv_call(s, 0, &c), ==, ST_INVALID_PARAMETER);
        c.in = 1ull << bit;
        c.out = 0;
        g_assert_cmphex(qhv_call(s, 0, &c), ==, bit < QHV_PHYS_BITS ?
                        ST_SUCCESS : ST_INVALID_PARAMETER);
        c.control = HC_FLUSH_GPA_LIST | HC_FAST | HC_REPS(5);
        g_assert_cmphex(qhv_call(s, 0, &c), ==, bit < QHV_PHYS_BITS ?
                        ST_SUCCESS : ST_INVALID_PARAMETER);
        g_assert_cmphex(c.result >> 32, ==, bit < QHV_PHYS_BITS ? 5 : 0);
    }
    c.mode = "64";
    c.in = 0;
    g_assert_cmphex(qhv_call(s, 0, &c), ==, ST_INVALID_VP_STATE);
    qtest_quit(s);
}

/* FL-019 to FL-021, HC-008, HC-009: sets of VPs, the same for all calls */
static void test_vp_set(void)
{
    /* offset of the set in the input of the call, and what precedes it */
    static const struct {
        uint64_t control;
        unsigned set;
        uint64_t head[2];
    } tests[] = {
        { HC_FLUSH_SPACE_EX, 2, { 0, 2 } },
        { HC_FLUSH_LIST_EX | HC_REPS(1), 2, { 0, 2 } },
        { HC_IPI_EX, 1, { 0x90 } },
    };
    static const struct {
        uint64_t format;
        uint64_t valid;
        unsigned banks;
        bool ok;
    } sets[] = {
        { 0, 1, 1, true },
        { 0, 0, 0, true },
        { 0, 1ull << 63, 1, true },
        { 0, 0x8000000000000021, 3, true },
        { 0, UINT64_MAX, 64, true },
        { 1, 0, 0, true },
        { 0, 5, 1, false },
        { 0, 1, 0, false },
        { 0, 1, 2, false },
        { 0, 0, 1, false },
        { 0, UINT64_MAX, 63, false },
        { 0, 1, 65, false },
        { 2, 1, 1, false },
        { 1ull << 63, 1, 1, false },
    };
    QTestState *s = start();
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        for (j = 0; j < ARRAY_SIZE(sets); j++) {
            uint64_t in[80] = {
                cpu_to_le64(tests[i].head[0]), cpu_to_le64(tests[i].head[1]),
            };
            uint16_t status;

            in[tests[i].set] = cpu_to_le64(sets[j].format);
            in[tests[i].set + 1] = cpu_to_le64(sets[j].valid);
            /* VPs 1 and 70 and so on, which need not exist */
            in[tests[i].set + 2] = cpu_to_le64(2);
            status = qhv_hcall_mem(s, 0, tests[i].control |
                                   HC_VAR(sets[j].banks), in, sizeof(in), NULL);
            if (sets[j].ok) {
                g_assert_cmphex(status, ==, ST_SUCCESS);
            } else {
                /* which one, the editions and hypervisors disagree about */
                g_assert_true(status == ST_INVALID_PARAMETER ||
                              status == ST_INVALID_HYPERCALL_INPUT);
            }
        }
    }
    qtest_quit(s);
}

static unsigned interrupted(QTestState *s, uint8_t vector)
{
    unsigned vp, mask = 0;

    for (vp = 0; vp < CPUS; vp++) {
        if (qhv_irr(s, vp, vector)) {
            g_assert_cmpint(qhv_take_irq(s, vp), ==, vector);
            qhv_eoi(s, vp);
            mask |= 1u << vp;
        }
    }
    return mask;
}

/* IP-001 to IP-013 */
static void test_ipi(void)
{
    QTestState *s = start();
    unsigned i;

    /* HC-020: from a 32-bit kernel, in registers */
    QhvCall c32 = {
        .mode = "32", .control = HC_IPI | HC_FAST, .in = 0x71, .out = 6,
    };

    for (i = 0; i < 8; i++) {
        g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x71, i), ==, ST_SUCCESS);
        g_assert_cmphex(interrupted(s, 0x71), ==, i);
    }
    g_assert_cmphex(qhv_call(s, 0, &c32), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x71), ==, 6);
    /* IP-010: absent VPs */
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x71, UINT64_MAX), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x71), ==, 7);

    /* IP-002, IP-003 */
    for (i = 0; i < 0x120; i++) {
        g_assert_cmphex(qhv_fast(s, 0, HC_IPI, i, 4), ==,
                        i >= 0x10 && i <= 0xff ? ST_SUCCESS :
                        ST_INVALID_PARAMETER);
        if (i >= 0x10 && i <= 0xff) {
            g_assert_cmphex(interrupted(s, i), ==, 4);
        }
    }
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x80000080, 4), ==,
                    ST_INVALID_PARAMETER);
    /* IP-005: its own VTL, which is 0, and none above */
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x10ull << 32 | 0x72, 1), ==,
                    ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x72), ==, 1);
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x11ull << 32 | 0x72, 1), ==,
                    ST_ACCESS_DENIED);
    /* IP-006 */
    for (i = 5; i < 8; i++) {
        g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 1ull << (37 + i) | 0x72, 1), ==,
                        ST_INVALID_PARAMETER);
    }
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 1ull << 40 | 0x72, 1), ==,
                    ST_INVALID_PARAMETER);
    g_assert_cmphex(interrupted(s, 0x72), ==, 0);

    /* IP-013 */
    qhv_wrapic(s, 1, APIC_SVR, 0xff);
    g_assert_cmphex(qhv_fast(s, 0, HC_IPI, 0x73, 7), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x73), ==, 5);
    qhv_wrapic(s, 1, APIC_SVR, 0x1ff);
    g_assert_cmphex(interrupted(s, 0x73), ==, 0);
    qtest_quit(s);
}

/* IP-008, FL-021: the same with sets, in memory and in registers */
static void test_ipi_ex(void)
{
    QTestState *s = start();
    QhvCall fast = {
        .control = HC_IPI_EX | HC_FAST | HC_VAR(2),
        .in = 0x75,
        .out = 0,
        /* banks 0 and 3 */
        .xmm = { 9, 6, UINT64_MAX },
    };
    uint64_t in[] = {
        cpu_to_le64(0x74), 0, cpu_to_le64(3), cpu_to_le64(5), 0,
    };

    g_assert_cmphex(qhv_hcall_mem(s, 2, HC_IPI_EX | HC_VAR(2), in, sizeof(in),
                                  NULL), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x74), ==, 5);
    /* the bank that has words is not the one of the VPs that exist */
    in[2] = cpu_to_le64(6);
    g_assert_cmphex(qhv_hcall_mem(s, 2, HC_IPI_EX | HC_VAR(2), in, sizeof(in),
                                  NULL), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x74), ==, 0);
    in[1] = cpu_to_le64(1);
    g_assert_cmphex(qhv_hcall_mem(s, 1, HC_IPI_EX, in, sizeof(in), NULL), ==,
                    ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x74), ==, 7);
    g_assert_cmphex(qhv_call(s, 0, &fast), ==, ST_SUCCESS);
    g_assert_cmphex(interrupted(s, 0x75), ==, 6);
    qtest_quit(s);
}

/* HC-063, HC-064 */
static void test_spin_wait(void)
{
    static const uint64_t counts[] = { 0, 1, UINT32_MAX, UINT64_MAX };
    QTestState *s = start();
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(counts); i++) {
        uint64_t in = cpu_to_le64(counts[i]);

        g_assert_cmphex(qhv_fast(s, i % CPUS, HC_LONG_SPIN_WAIT, counts[i], 0),
                        ==, ST_SUCCESS);
        g_assert_cmphex(qhv_hcall_mem(s, i % CPUS, HC_LONG_SPIN_WAIT, &in, 8,
                                      NULL), ==, ST_SUCCESS);
    }
    qtest_quit(s);
}

/* HC-024, HC-030, HC-032, HC-033: a list in, a list out */
static void test_vp_index_from_apic_id(void)
{
    QTestState *s = start();
    uint32_t in[7] = {
        UINT32_MAX, UINT32_MAX, 0, 0,
        cpu_to_le32(2), cpu_to_le32(0), cpu_to_le32(1),
    };
    QhvCall fast = {
        .control = HC_VP_INDEX_FROM_APIC_ID | HC_FAST | HC_REPS(2),
        .in = SELF,
        .xmm = { 2 | 1ull << 32, 0x77, 0x77, 0x77, 0x77 },
    };
    uint64_t result;

    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(3),
                                  in, sizeof(in), &result), ==, ST_SUCCESS);
    g_assert_cmpuint(result >> 32, ==, 3);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT), ==, 2);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT + 4), ==, 0);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT + 8), ==, 1);

    /* started in the middle */
    g_assert_cmphex(qhv_hcall(s, 1, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(3) |
                              HC_START(2), QHV_IN, QHV_OUT, &result), ==,
                    ST_SUCCESS);
    g_assert_cmpuint(result >> 32, ==, 3);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT + 8), ==, 1);

    /* nobody's id: those before it are done */
    in[6] = cpu_to_le32(200);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(3),
                                  in, sizeof(in), &result), ==,
                    ST_INVALID_PARAMETER);
    g_assert_cmpuint(result >> 32, ==, 2);
    g_assert_cmphex(qhv_hcall(s, 0, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(3) |
                              HC_START(2), QHV_IN, QHV_OUT, NULL), ==,
                    ST_INVALID_PARAMETER);

    /* no partition but the own one, no VTL but 0 and 1 */
    in[0] = cpu_to_le32(0x1234);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(1),
                                  in, sizeof(in), NULL), ==,
                    ST_INVALID_PARTITION_ID);
    in[0] = UINT32_MAX;
    in[2] = cpu_to_le32(2);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_VP_INDEX_FROM_APIC_ID | HC_REPS(1),
                                  in, sizeof(in), NULL), ==,
                    ST_INVALID_PARAMETER);

    /* in registers: 24 bytes in, so that the output begins in XMM1 */
    g_assert_cmphex(qhv_call(s, 0, &fast), ==, ST_SUCCESS);
    g_assert_cmphex(fast.xmm[0], ==, 2 | 1ull << 32);
    g_assert_cmphex(fast.xmm[1], ==, 0x77);
    g_assert_cmphex(fast.xmm[2], ==, 2 | 1ull << 32);
    g_assert_cmphex(fast.xmm[3], ==, 0x77);
    /* HC-026: 16 + 13 * 4 and 13 * 4 do not fit */
    fast.control = HC_VP_INDEX_FROM_APIC_ID | HC_FAST | HC_REPS(13);
    g_assert_cmphex(qhv_call(s, 0, &fast), ==, ST_INVALID_HYPERCALL_INPUT);
    qtest_quit(s);
}

/* HC-066: an id that is none of the special ones */
static void test_partition_id(void)
{
    QTestState *s = start();
    QhvCall fast = { .control = HC_GET_PARTITION_ID | HC_FAST };
    uint64_t id;

    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_GET_PARTITION_ID, NULL, 0, NULL),
                    ==, ST_SUCCESS);
    id = qtest_readq(s, QHV_OUT);
    g_assert_cmphex(id, !=, 0);
    g_assert_cmphex(id, !=, SELF);
    g_assert_cmphex(qhv_call(s, 0, &fast), ==, ST_SUCCESS);
    g_assert_cmphex(fast.in, ==, id);
    qtest_quit(s);
}

/* HC-059 to HC-062 */
static void test_extended(void)
{
    QTestState *s = start();
    uint64_t caps, n, i, last = UINT64_MAX;
    uint8_t page[QHV_PAGE];
    static const uint8_t zero[QHV_PAGE];
    unsigned code;

    g_assert_cmphex(qhv_hcall(s, 0, HC_EXT_QUERY_CAPABILITIES, 0, QHV_OUT,
                              NULL), ==, ST_SUCCESS);
    caps = qtest_readq(s, QHV_OUT);
    g_assert_cmphex(caps & ~0x1full, ==, 0);
    for (code = 0; code < 5; code++) {
        uint16_t status = qhv_hcall(s, 0, 0x8002 + code, QHV_IN, QHV_OUT, NULL);

        if (!(caps & (1u << code))) {
            g_assert_cmphex(status, !=, ST_SUCCESS);
        }
    }

    g_assert_cmphex(caps & 1, ==, 1);
    /* three ranges: this test's own pages are in the first 2 MB */
    qtest_memset(s, 0x1200000, 1, 1);
    qtest_memset(s, 0x1800000, 1, 1);
    qtest_memset(s, QHV_OUT, 0xee, QHV_PAGE);
    g_assert_cmphex(qhv_hcall(s, 0, HC_EXT_BOOT_ZEROED_MEMORY, 0, QHV_OUT,
                              NULL), ==, ST_SUCCESS);
    /* 0xff8 bytes are the output, and no more */
    g_assert_cmphex(qtest_readq(s, QHV_OUT + 0xff8), ==, 0xeeeeeeeeeeeeeeee);
    n = qtest_readq(s, QHV_OUT);
    g_assert_cmpuint(n, ==, 3);
    for (i = 8 + n * 16; i < 0xff8; i += 8) {
        g_assert_cmphex(qtest_readq(s, QHV_OUT + i), ==, 0);
    }
    for (i = 0; i < n; i++) {
        uint64_t pfn = qtest_readq(s, QHV_OUT + 8 + 16 * i);
        uint64_t pages = qtest_readq(s, QHV_OUT + 16 + 16 * i);
        uint64_t j;

        g_assert_cmpuint(pages, >, 0);
        g_assert_cmpuint(pages, <=, last);
        last = pages;
        g_assert_cmpuint(pfn + pages, <=, QHV_RAM_SIZE / QHV_PAGE);
        g_assert_false(pfn <= 0x1200 && 0x1200 < pfn + pages);
        for (j = 0; j < pages; j += 64) {
            qtest_memread(s, (pfn + j) * QHV_PAGE, page, QHV_PAGE);
            g_assert_cmpmem(page, QHV_PAGE, zero, QHV_PAGE);
        }
    }
    qtest_quit(s);
}

/* HC-077 to HC-080: the debugger's calls, with a device and without one */
static void test_debug(void)
{
    static const struct {
        uint16_t code;
        uint8_t in, out;
    } calls[] = {
        { HC_POST_DEBUG, 8, 8 },
        { HC_RETRIEVE_DEBUG, 16, 8 },
        { HC_RESET_DEBUG, 8, 24 },
    };
    static const char flags[] =
        "hv-syndbg,hv-synic,hv-vpindex,hv-relaxed,hv-vapic,hv-time,hv-stimer,"
        "hv-runtime";
    QTestState *s = qhv_start(1, "hv-vpindex,hv-synic", NULL);
    uint32_t in[4] = { cpu_to_le32(4089) };
    uint64_t in_gpa, out_gpa;
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, QHV_IN, QHV_OUT, NULL), ==,
                        ST_ACCESS_DENIED);
    }
    qtest_quit(s);

    s = qhv_start(1, flags, NULL);
    qhv_set_guest_os_id(s);
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        qtest_writel(s, QHV_IN, 1);
        g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, QHV_IN, QHV_OUT, NULL), !=,
                        ST_SUCCESS);
        g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, QHV_IN + 4, QHV_OUT, NULL),
                        ==, ST_INVALID_ALIGNMENT);
        /* both at the end of a page, and then behind it */
        in_gpa = QHV_IN + QHV_PAGE - calls[i].in;
        out_gpa = QHV_OUT + QHV_PAGE - calls[i].out;
        g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, in_gpa, out_gpa, NULL),
                        !=, ST_INVALID_ALIGNMENT);
        if (calls[i].in > 8) {
            g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, in_gpa + 8, out_gpa,
                                      NULL), ==, ST_INVALID_ALIGNMENT);
        }
        if (calls[i].out > 8) {
            g_assert_cmphex(qhv_hcall(s, 0, calls[i].code, in_gpa, out_gpa + 8,
                                      NULL), ==, ST_INVALID_ALIGNMENT);
        }
    }
    qtest_quit(s);

    s = qhv_start(1, flags, "-device vmbus-bridge -device hv-syndbg,"
                  "host_ip=127.0.0.1,host_port=50000,use_hcalls=on");
    qhv_set_guest_os_id(s);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_POST_DEBUG, in, sizeof(in), NULL),
                    ==, ST_INVALID_PARAMETER);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RETRIEVE_DEBUG, in, sizeof(in),
                                  NULL), ==, ST_INVALID_PARAMETER);
    in[0] = cpu_to_le32(64);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RETRIEVE_DEBUG, in, sizeof(in),
                                  NULL), ==, 0x1b);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT), ==, 0);
    in[0] = 0;
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RESET_DEBUG, in, sizeof(in), NULL),
                    ==, ST_INVALID_PARAMETER);
    in[0] = cpu_to_le32(3);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RESET_DEBUG, in, sizeof(in), NULL),
                    ==, ST_SUCCESS);
    qtest_quit(s);
}

/* Nobody calls who has not said who he is (TLFS 3.13) */
static void test_no_guest_os(void)
{
    QTestState *s = qhv_start(1, QHV_ALL, NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(conf_calls); i++) {
        g_assert_cmphex(qhv_hcall(s, 0, control(&conf_calls[i]), QHV_IN, QHV_OUT,
                                  NULL), ==, QHV_UD);
    }
    qhv_set_guest_os_id(s);
    g_assert_cmphex(qhv_fast(s, 0, HC_LONG_SPIN_WAIT, 1, 0), ==, ST_SUCCESS);
    qhv_set(s, 0, MSR_GUEST_OS_ID, 0);
    g_assert_cmphex(qhv_fast(s, 0, HC_LONG_SPIN_WAIT, 1, 0), ==, QHV_UD);
    qtest_quit(s);
}

/* Whatever is called with whatever, QEMU lives */
static void test_fuzz(void)
{
    QTestState *s = start();
    g_autoptr(GRand) rand = g_rand_new_with_seed(1889);
    static const char *modes[] = { "64", "64", "64", "32", "compat" };
    unsigned i, j;

    for (i = 0; i < 8000; i++) {
        unsigned n = g_rand_int_range(rand, 0, ARRAY_SIZE(conf_calls));
        const ConfCall *row = &conf_calls[n];
        QhvCall c = {
            .mode = modes[g_rand_int_range(rand, 0, ARRAY_SIZE(modes))],
            .control = row->code,
        };
        uint64_t gpa[2], in[12];

        for (j = 0; j < 2; j++) {
            gpa[j] = (uint64_t)g_rand_int_range(rand, 0, 64) << 60 |
                     (uint64_t)g_rand_int(rand) << g_rand_int_range(rand, 0, 9);
            switch (g_rand_int_range(rand, 0, 4)) {
            case 0:
                gpa[j] &= 0x3fffff8;
                break;
            case 1:
                gpa[j] = QHV_IN + (gpa[j] & 0xff8);
                break;
            case 2:
                gpa[j] = (gpa[j] & 0xff8) + (j ? QHV_HCALL : QHV_SIMP);
                break;
            }
        }
        c.in = gpa[0];
        c.out = gpa[1];
        for (j = 0; j < 12; j++) {
            c.xmm[j] = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
            c.xmm[j] &= -(uint64_t)g_rand_int_range(rand, 0, 2);
            in[j] = cpu_to_le64(c.xmm[j] & 0xf0000000000000ff);
        }
        qtest_memwrite(s, QHV_IN, in, sizeof(in));
        if (g_rand_int_range(rand, 0, 3) == 0) {
            c.control |= HC_FAST;
        }
        if (g_rand_int_range(rand, 0, 2) == 0) {
            c.control |= HC_REPS(g_rand_int_range(rand, 0, 520));
        }
        if (g_rand_int_range(rand, 0, 4) == 0) {
            c.control |= HC_START(g_rand_int_range(rand, 0, 520));
        }
        if (g_rand_int_range(rand, 0, 3) == 0) {
            c.control |= HC_VAR(g_rand_int_range(rand, 0, 70));
        }
        /* the test device is not up to every message that a port takes */
        if (row->code == HC_POST_MESSAGE || row->code == HC_SIGNAL_EVENT) {
            c.in = c.control & HC_FAST ? c.in | 0xff : 0x200000;
        }
        qhv_call(s, g_rand_int_range(rand, 0, CPUS), &c);
        if (i % 256 == 0) {
            qtest_writel(s, QHV_HCALL, 0);
            while (qhv_take_irq(s, i / 256 % CPUS) >= 0) {
                qhv_eoi(s, i / 256 % CPUS);
            }
        }
    }
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    unsigned i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(conf_calls); i++) {
        const ConfCall *c = &conf_calls[i];

        if (c->needs) {
            qhv_add_row("hcall/denied", c->name, "HC-043,HC-058,HC-066,PC-011,PC-021",
                        c, test_denied);
        }
        if (c->needs == ACCESS_VSM) {
            /* No VP has trust levels without a CPU */
            continue;
        }
        qhv_add_row("hcall/control", c->name,
                    "HC-001,HC-002,HC-004,HC-005,HC-006,HC-007,HC-065",
                    c, test_control);
        qhv_add_row("hcall/gpa", c->name,
                    "HC-010,HC-011,HC-012,HC-013,HC-014,HC-015,HC-016,HC-017",
                    c, test_gpa);
        qhv_add_row("hcall/mode", c->name,
                    "HC-018,HC-019,HC-020,HC-027,HC-028,HC-038,HC-040",
                    c, test_mode);
        qhv_add_row("hcall/fast", c->name,
                    "HC-021,HC-022,HC-023,HC-025,HC-026,HC-039", c, test_fast);
    }
    for (i = 0; i < ARRAY_SIZE(conf_cases); i++) {
        const ConfCase *t = &conf_cases[i];
        g_autofree char *row = g_strdup_printf("%s:%s", t->call->name,
                                               t->what);

        qhv_add_row("hcall/input", row, t->rules, t, test_input);
    }
    qhv_add("hcall/enforce-cpuid", "FL-022,IP-009,CP-034", test_enforce);
    qhv_add("hcall/no-xmm", "CP-021,CP-022,IP-012", test_no_xmm);
    qhv_add("hcall/unknown", "HC-003,HC-076,VM-001,VM-007", test_unknown);
    qhv_add("hcall/flush",
            "FL-003,FL-004,FL-007,FL-008,FL-010,FL-014,FL-017,FL-018,CP-027",
            test_flush);
    qhv_add("hcall/flush-list", "FL-011,FL-013,FL-016,HC-033", test_flush_list);
    qhv_add("hcall/flush-gpa", "NE-019,NE-020", test_flush_gpa);
    qhv_add("hcall/vp-set", "FL-019,FL-020,FL-021,HC-008,HC-009", test_vp_set);
    qhv_add("hcall/ipi",
            "IP-001,IP-002,IP-003,IP-004,IP-005,IP-006,IP-007,IP-010,IP-011,"
            "IP-012,IP-013", test_ipi);
    qhv_add("hcall/ipi-ex", "IP-008,IP-010,FL-021", test_ipi_ex);
    qhv_add("hcall/long-spin-wait", "HC-063,HC-064", test_spin_wait);
    qhv_add("hcall/vp-index-from-apic-id",
            "HC-024,HC-026,HC-030,HC-031,HC-032,HC-033,HC-041",
            test_vp_index_from_apic_id);
    qhv_add("hcall/partition-id", "HC-066", test_partition_id);
    qhv_add("hcall/extended", "HC-058,HC-059,HC-060,HC-061,HC-062",
            test_extended);
    qhv_add("hcall/debug", "HC-077,HC-078,HC-079,HC-080", test_debug);
    qhv_add("hcall/no-guest-os", "HC-045", test_no_guest_os);
    qhv_add("hcall/fuzz", "", test_fuzz);
    ret = g_test_run();
    if (rows_qtest) {
        qtest_quit(rows_qtest);
    }
    return ret;
}
