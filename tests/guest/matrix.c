/*
 * What every hypercall has in common with all others, and what each answers to
 * single words of its input: the tables of tests/conformance/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "tables.h"

/* The ports of the calls' valid input */
#define MESSAGE_PORT    5
#define EVENT_PORT      6
#define PORT_SINT       2

static unsigned in_size(const ConfCall *c)
{
    return c->in + c->rep_in;
}

static unsigned out_size(const ConfCall *c)
{
    return c->out + c->rep_out;
}

/* Where the input ends in registers, the output has to begin anew */
static bool fits_registers(const ConfCall *c)
{
    return ((in_size(c) + 15) & ~15) + out_size(c) <= 112;
}

static uint64_t control(const ConfCall *c)
{
    return c->code | (c->rep_in ? HV_REPS(1) : 0);
}

/* What all is well is answered with */
static uint64_t good(const ConfCall *c)
{
    return c->status ? c->status : control(c) & HV_REPS(1);
}

static bool needs_port(const ConfCall *c)
{
    return c->code == HVCALL_POST_MESSAGE || c->code == HVCALL_SIGNAL_EVENT;
}

/* The hint of their sparse sets is the IPIs' as well */
static bool is_flush(const ConfCall *c)
{
    return c->code == HVCALL_FLUSH_SPACE_EX || c->code == HVCALL_FLUSH_LIST_EX;
}

static bool call_here(const ConfCall *c)
{
    return (!c->needs || has(c->needs)) && (!c->hint || has(c->hint)) &&
           (!is_flush(c) || has(F_HINT_REMOTE_FLUSH)) &&
           (!needs_port(c) || testdev_present());
}

static void ports_on(const ConfCall *c)
{
    if (needs_port(c)) {
        synic_on();
        sint_set(PORT_SINT, 0x40);
        testdev(TESTDEV_MSG_CREATE, cpus[0]->vp, PORT_SINT, MESSAGE_PORT);
        testdev(TESTDEV_EVT_CREATE, cpus[0]->vp, PORT_SINT, EVENT_PORT);
    }
}

static void ports_off(const ConfCall *c)
{
    if (needs_port(c)) {
        testdev(TESTDEV_EVT_DESTROY, 0, 0, EVENT_PORT);
        testdev(TESTDEV_MSG_DESTROY, 0, 0, MESSAGE_PORT);
    }
}

/* Make room for the message of the next call */
static void read_message(const ConfCall *c)
{
    if (needs_port(c)) {
        __atomic_store_n(&msg_slot(PORT_SINT)->type, 0, __ATOMIC_SEQ_CST);
        hv_wr(HV_MSR_EOM, 0);
    }
}

/* A page of the words @w */
static uint64_t *put(uint64_t *page, const uint64_t *w)
{
    memset(page, 0, PAGE_SIZE);
    memcpy(page, w, sizeof(((ConfInput *)NULL)->word));
    return page;
}

/* The port's buffer is given back by its device, which takes a while */
static uint64_t call_gpa(const ConfCall *c, uint64_t ctl, uint64_t in,
                         uint64_t out)
{
    uint64_t r;

    read_message(c);
    if (c->code != HVCALL_POST_MESSAGE) {
        return hv_call_gpa(ctl, in, out);
    }
    (void)WAIT_FOR((r = hv_call_gpa(ctl, in, out)) != HV_INSUFFICIENT_BUFFERS);
    return r;
}

#define EXPECT(want, ctl, in, out, ...) \
    CHECK_EQ(call_gpa(c, (ctl), (uintptr_t)(in), (uintptr_t)(out)), (want), \
             __VA_ARGS__)

static const char *call_name(int row)
{
    return conf_calls[row].name;
}

static bool here(int row)
{
    return call_here(&conf_calls[row]);
}

TEST_ROWS(matrix_control,
          "HC-001,HC-002,HC-004,HC-005,HC-006,HC-007,HC-065,CP-015,"
          "CP-029",
          ARRAY_SIZE(conf_calls), call_name, .row_here = here)
{
    const ConfCall *c = &conf_calls[row];
    uint64_t *in = put(page_alloc(), c->input), *out = page_alloc();
    uint64_t ctl = control(c), r;

    ports_on(c);
    EXPECT(good(c), ctl, in, out, "valid");
    for (int bit = 27; bit < 64; bit++) {
        if (bit <= 30 || (bit >= 44 && bit <= 47) || bit >= 60) {
            EXPECT(HV_INVALID_INPUT, ctl | 1ull << bit, in, out, "bit %d", bit);
        }
    }
    r = call_gpa(c, ctl | HV_NESTED, (uintptr_t)in, (uintptr_t)out);
    CHECK(HV_STATUS(r) != HV_SUCCESS, "nested bit");
    for (int n = 1; n <= 0xFFF; n = n * 2 + 1) {
        if (c->rep_in) {
            EXPECT(HV_INVALID_INPUT, c->code | HV_REPS(1) | HV_START(n), in,
                   out, "count 1, start %d", n);
            EXPECT(HV_INVALID_INPUT, c->code | HV_REPS(n) | HV_START(n), in,
                   out, "count and start %d", n);
        } else {
            EXPECT(HV_INVALID_INPUT, ctl | HV_REPS(n), in, out, "count %d", n);
            EXPECT(HV_INVALID_INPUT, ctl | HV_START(n), in, out, "start %d", n);
        }
        if (!c->var && n <= 0x3FF) {
            EXPECT(HV_INVALID_INPUT, ctl | HV_VARHEAD(n), in, out,
                   "variable header of %d words", n);
        }
    }
    if (c->rep_in) {
        EXPECT(HV_INVALID_INPUT, c->code, in, out, "count 0");
        EXPECT(HV_INVALID_INPUT, c->code | HV_START(1), in, out,
               "count 0, start 1");
        EXPECT(HV_INVALID_ALIGNMENT, c->code | HV_REPS(0xFFF), in, out,
               "more elements than a page holds");
    }
    if (c->var) {
        EXPECT(HV_INVALID_ALIGNMENT, ctl | HV_VARHEAD(0x3FF), in, out,
               "more header than a page holds");
    }
    ports_off(c);
}

/* The addresses that a list of @size bytes must not have */
static void check_pointers(const ConfCall *c, unsigned size, bool is_out,
                           uint64_t *page, uint64_t other)
{
    uint64_t at = (uintptr_t)page, last = PAGE_SIZE - ((size + 7) & ~7);
    uint64_t beyond[] = { gpa_beyond(), 1ull << 52, 1ull << 63, ~0xFFFull };

#define AT(gpa) \
    call_gpa(c, control(c), is_out ? other : (gpa), is_out ? (gpa) : other)
    for (int i = 1; i < 8 && size; i++) {
        CHECK_EQ(AT(at + i), HV_INVALID_ALIGNMENT, "at +%d", i);
    }
    for (int i = 0; i < ARRAY_SIZE(beyond); i++) {
        CHECK_EQ(AT(beyond[i] | (size ? 0 : 3)),
                 size ? HV_INVALID_ALIGNMENT : good(c), "at 0x%lx", beyond[i]);
    }
    if (!size) {
        return;
    }
    if (!is_out) {
        memcpy((void *)(at + last), c->input,
               size < sizeof(c->input) ? size : sizeof(c->input));
    }
    CHECK_EQ(AT(at + last), good(c), "up to the end of a page");
    if (size > 8) {
        CHECK_EQ(AT(at + last + 8), HV_INVALID_ALIGNMENT, "across a page");
    }
    CHECK(HV_STATUS(AT(gpa_beyond() / 2)) != HV_SUCCESS, "at a hole");
#undef AT
}

TEST_ROWS(matrix_pointers, "HC-010,HC-011,HC-012,HC-013,HC-014",
          ARRAY_SIZE(conf_calls), call_name, .row_here = here)
{
    const ConfCall *c = &conf_calls[row];
    uint64_t *in = put(page_alloc(), c->input);
    uint64_t *page = put(pages_alloc(2, PAGE_SIZE), c->input);
    uint64_t *out = page_alloc();

    ports_on(c);
    check_pointers(c, in_size(c), false, page, (uintptr_t)out);
    check_pointers(c, out_size(c), true, page, (uintptr_t)in);
    ports_off(c);
}

TEST_ROWS(matrix_modes, "HC-018,HC-019,HC-020,HC-027,HC-028",
          ARRAY_SIZE(conf_calls), call_name, .row_here = here)
{
    const ConfCall *c = &conf_calls[row];
    uint64_t *in = put(page_alloc(), c->input), *out = page_alloc();
    struct call user = { .rdx = (uintptr_t)in, .r8 = (uintptr_t)out };
    struct call x86 = { 0 };

    ports_on(c);
    read_message(c);
    CHECK_EQ(hv_call32(&x86, control(c), (uintptr_t)in, (uintptr_t)out),
             good(c), "32-bit kernel");
    CHECK_EQ(hv_call_with(&user, control(c), call_user), hv_user_fault(),
             "user mode");
    if (ncpus > 1) {
        hv_wr(HV_MSR_HYPERCALL, LOW_PAGE | HV_PAGE_ENABLE);
        CHECK_EQ(in_real_mode(cpus[ncpus - 1], LOW_PAGE, control(c),
                              control(c) >> 32), EXC_UD, "real mode");
    }
    ports_off(c);
}

/* How a call with its parameters in registers has to end */
static uint64_t fast_result(const ConfCall *c, bool x86)
{
    if (out_size(c) && (x86 || !has(F_XMM_OUTPUT))) {
        return HV_FAULT(EXC_UD);
    }
    if (!fits_registers(c)) {
        return HV_INVALID_INPUT;
    }
    return in_size(c) + out_size(c) <= 16 || has(F_XMM_INPUT) ? good(c) :
           HV_FAULT(EXC_UD);
}

TEST_ROWS(matrix_fast, "HC-021,HC-022,HC-024,HC-025,HC-026,CP-021,CP-022",
          ARRAY_SIZE(conf_calls), call_name, .row_here = here)
{
    const ConfCall *c = &conf_calls[row];

    ports_on(c);
    for (int x86 = 0; x86 < 2; x86++) {
        struct call r = { .rdx = c->input[0], .r8 = c->input[1] };
        uint64_t want = fast_result(c, x86), got;

        memcpy(r.xmm, c->input + 2, sizeof(c->input) - 16);
        read_message(c);
        got = x86 ? hv_call32(&r, control(c) | HV_FAST, c->input[0],
                              c->input[1]) :
                    hv_call_with(&r, control(c) | HV_FAST, call_kernel64);
        /* Known hypervisors have a status where the TLFS has #UD */
        CHECK_IN(got, ANY(want, want == HV_FAULT(EXC_UD) ? HV_INVALID_INPUT :
                                want),
                 "%d-bit kernel", x86 ? 32 : 64);
    }
    ports_off(c);
}

static bool denied(int row)
{
    return conf_calls[row].needs && !has(conf_calls[row].needs);
}

TEST_ROWS(matrix_denied, "HC-043,HC-058,HC-066,HC-077,PC-011,PC-021",
          ARRAY_SIZE(conf_calls), call_name, .need = { F_HYPERCALL },
          .row_here = denied)
{
    static const uint64_t bits[] = {
        0, 1ull << 27, 1ull << 63, HV_REPS(1), HV_START(1), HV_VARHEAD(1),
        HV_NESTED,
    };
    const ConfCall *c = &conf_calls[row];
    uint64_t page = (uintptr_t)page_alloc();

    for (int i = 0; i < ARRAY_SIZE(bits); i++) {
        CHECK_EQ(hv_call_gpa(c->code | bits[i], page + i, ~0ull),
                 HV_ACCESS_DENIED, "control bits 0x%lx", bits[i]);
    }
    CHECK(is_filled((void *)page, 0, PAGE_SIZE), "memory written");
}

/* Single words of the input */

static const char *case_name(int row)
{
    static char name[100];
    char *p = name;

    for (const char *s = conf_cases[row].call->name; *s; s++) {
        *p++ = *s;
    }
    *p++ = ':';
    for (const char *s = conf_cases[row].what; *s; s++) {
        *p++ = *s;
    }
    *p = 0;
    return name;
}

static const char *case_rules(int row)
{
    return conf_cases[row].rules;
}

static bool case_here(int row)
{
    const ConfCase *t = &conf_cases[row];

    return call_here(t->call) &&
           (!t->when || has(t->when) != t->when_clear);
}

TEST_ROWS(matrix_input, "-", ARRAY_SIZE(conf_cases), case_name,
          .row_rules = case_rules, .row_here = case_here)
{
    const ConfCase *t = &conf_cases[row];
    uint64_t *in = page_alloc(), *out = page_alloc();

    ports_on(t->call);
    for (int i = 0; i < t->nr_inputs; i++) {
        const ConfInput *input = &t->inputs[i];
        uint64_t want[ARRAY_SIZE(t->status)], status;

        put(in, input->word);
        status = HV_STATUS(call_gpa(t->call, control(t->call) |
                                    HV_VARHEAD(input->var),
                                    (uintptr_t)in, (uintptr_t)out));
        for (int j = 0; j < t->nr_status; j++) {
            want[j] = t->status[j];
        }
        check_in(status, want, t->nr_status, __FILE_NAME__, __LINE__,
                 "input 0x%lx 0x%lx 0x%lx 0x%lx", input->word[0],
                 input->word[1], input->word[2], input->word[3]);
    }
    ports_off(t->call);
}
