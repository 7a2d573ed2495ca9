/*
 * The hypercall interface: control word, conventions, checks and the small
 * calls (TLFS chapter 3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define UNUSED_CODE 0x3F00
#define TIMER_VECTOR 0x51

/* Calls for which a bit of the control word matters, ready to succeed */
static uint64_t *flush_input(void)
{
    uint64_t *in = page_alloc();

    in[0] = 0;
    in[1] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    in[2] = 0;
    return in;
}

static uint64_t spin_wait(uint64_t control_bits)
{
    return hv_call_fast(HVCALL_LONG_SPIN_WAIT | control_bits, 100, 0);
}

/* The page */

TEST(hypercall_needs_os_id, "HC-045,HC-046", .need = { F_HYPERCALL })
{
    hv_wr(HV_MSR_HYPERCALL, 0);
    hv_wr(HV_MSR_GUEST_OS_ID, 0);
    hv_wr(HV_MSR_HYPERCALL, (uintptr_t)hv_page | HV_PAGE_ENABLE);
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL) & HV_PAGE_ENABLE, 0,
             "enabled without a guest OS id");

    hv_page_on();
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), (uintptr_t)hv_page | HV_PAGE_ENABLE,
             "HYPERCALL");
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "call");

    hv_wr(HV_MSR_GUEST_OS_ID, 0);
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL) & HV_PAGE_ENABLE, 0,
             "still enabled after the guest OS id was cleared");
    CHECK(is_filled(hv_page, 0, PAGE_SIZE), "the page still covers our RAM");
}

TEST(hypercall_page_is_a_function, "HC-048,HC-056", .need = { F_HYPERCALL })
{
    struct call c = { .rdx = 1 };

    CHECK(!is_filled(hv_page, 0, 16), "no code in the page");
    CHECK_EQ(hv_call_with(&c, HVCALL_LONG_SPIN_WAIT | HV_FAST, call_kernel64),
             HV_SUCCESS, "call");
    CHECK_EQ(c.rsp_delta, 0, "RSP after the call");
}

TEST(hypercall_page_is_constant, "HC-055", .need = { F_HYPERCALL })
{
    uint8_t *copy = page_alloc();

    memcpy(copy, hv_page, PAGE_SIZE);
    for (int i = 0; i < 50; i++) {
        spin_wait(0);
        hv_call_fast(UNUSED_CODE, 0, 0);
        CHECK(!memcmp(copy, hv_page, PAGE_SIZE), "content changed");
    }
}

TEST(hypercall_page_is_read_only, "HC-052,HC-055", .need = { F_HYPERCALL })
{
    uint8_t *copy = page_alloc();
    uint64_t where[] = { 0, 8, 2048, PAGE_SIZE - 8 };

    memcpy(copy, hv_page, PAGE_SIZE);
    for (int i = 0; i < ARRAY_SIZE(where); i++) {
        CHECK_IN(store64_safe((uintptr_t)hv_page + where[i], 0x1122),
                 ANY(EXC_GP, EXC_MC), "store at offset %lu", where[i]);
        CHECK(!memcmp(copy, hv_page, PAGE_SIZE), "content changed");
    }
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "call afterwards");
}

/* A rule of this project: nothing executable behind the code */
TEST(hypercall_page_is_filled, "-", .need = { F_HYPERCALL })
{
    int used = PAGE_SIZE;

    while (used && hv_page[used - 1] == 0xCC) {
        used--;
    }
    CHECK(used < 256, "%d bytes before the filling of int3", used);
}

TEST(hypercall_page_out_of_range, "HC-049", .need = { F_HYPERCALL })
{
    uint64_t before = hv_rd(HV_MSR_HYPERCALL);

    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, gpa_beyond() | HV_PAGE_ENABLE),
             EXC_GP, "first address past the GPA space");
    CHECK_EQ(wrmsr_safe(HV_MSR_HYPERCALL, ~0xFFFull | HV_PAGE_ENABLE), EXC_GP,
             "last page number");
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), before, "HYPERCALL after #GP");
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "call afterwards");
}

TEST(hypercall_copied_instruction, "HC-029", .need = { F_HYPERCALL })
{
    uint8_t *copy = page_alloc();
    struct call c = { .rcx = HVCALL_LONG_SPIN_WAIT | HV_FAST,
                      .target = (uintptr_t)copy };

    memcpy(copy, hv_page, PAGE_SIZE);
    call_safe(call_kernel64, &c);
    if (c.vector == NO_FAULT) {
        CHECK_EQ(c.rax, HV_SUCCESS, "result");
    } else {
        CHECK_EQ(c.vector, EXC_UD, "exception");
    }
}

/* Who may call */

TEST(hypercall_from_user_mode, "HC-027", .need = { F_HYPERCALL })
{
    struct call c = { .rdx = 1 };
    uint64_t fault = hv_user_fault();

    CHECK_EQ(hv_call_with(&c, HVCALL_LONG_SPIN_WAIT | HV_FAST, call_user),
             fault, "known code");
    CHECK_EQ(hv_call_with(&c, UNUSED_CODE | HV_FAST, call_user), fault,
             "unknown code");
    CHECK_EQ(hv_call_with(&c, ~0ull, call_user), fault, "reserved bits");
}

TEST(hypercall_from_real_mode, "HC-028,VM-070", .need = { F_HYPERCALL },
     .min_cpus = 2)
{
    hv_wr(HV_MSR_HYPERCALL, LOW_PAGE | HV_PAGE_ENABLE);
    CHECK_EQ(in_real_mode(cpus[ncpus - 1], LOW_PAGE,
                          HVCALL_LONG_SPIN_WAIT | HV_FAST, 0),
             EXC_UD, "exception in real mode");
}

static void call_here(void *result)
{
    *(uint64_t *)result = spin_wait(0);
}

TEST(hypercall_from_any_vp, "HC-019,MS-031", .need = { F_HYPERCALL })
{
    for (int i = 0; i < ncpus; i++) {
        uint64_t result = ~0ull;

        on_cpu(cpus[i], call_here, &result);
        CHECK_EQ(result, HV_SUCCESS, "on CPU %d", i);
    }
}

/* The control word */

TEST(hypercall_unknown_code, "HC-003,HC-040", .need = { F_HYPERCALL })
{
    static const uint16_t codes[] = {
        0x0000, 0x0005, 0x0006, 0x0007, 0x0016, 0x003F, 0x0072, 0x0075, 0x0093,
        0x0098, 0x009B, 0x00AB, 0x00AE, UNUSED_CODE, 0x4000, 0x7FFF,
    };
    uint64_t *page = page_alloc();

    for (int i = 0; i < ARRAY_SIZE(codes); i++) {
        CHECK_EQ(hv_call(codes[i], page, page), HV_INVALID_CODE,
                 "code 0x%x", codes[i]);
        CHECK_EQ(hv_call_fast(codes[i], 0, 0), HV_INVALID_CODE,
                 "fast code 0x%x", codes[i]);
    }
    CHECK(is_filled(page, 0, PAGE_SIZE), "memory written");
}

TEST(hypercall_reserved_bits, "HC-001,HC-002", .need = { F_HYPERCALL })
{
    for (int bit = 27; bit < 64; bit++) {
        bool reserved = bit <= 30 || (bit >= 44 && bit <= 47) || bit >= 60;

        if (reserved) {
            CHECK_EQ(spin_wait(1ull << bit), HV_INVALID_INPUT, "bit %d", bit);
        }
    }
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "no bit");
}

TEST(hypercall_nested_bit, "HC-065", .need = { F_HYPERCALL })
{
    CHECK(HV_STATUS(spin_wait(HV_NESTED)) != HV_SUCCESS,
          "a call for the outer hypervisor was served here");
}

TEST(hypercall_simple_with_reps, "HC-004", .need = { F_HYPERCALL })
{
    CHECK_EQ(spin_wait(HV_REPS(1)), HV_INVALID_INPUT, "count 1");
    CHECK_EQ(spin_wait(HV_START(1)), HV_INVALID_INPUT, "start 1");
    CHECK_EQ(spin_wait(HV_REPS(4095)), HV_INVALID_INPUT, "count 4095");
    CHECK_EQ(spin_wait(HV_REPS(2) | HV_START(1)), HV_INVALID_INPUT, "both");
    if (has(F_HINT_REMOTE_FLUSH)) {
        CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE | HV_REPS(1), flush_input(), NULL),
                 HV_INVALID_INPUT, "flush");
    }
}

TEST(hypercall_rep_counts, "HC-005,HC-006",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH })
{
    uint64_t *in = flush_input();
    static const struct {
        int count, start;
    } bad[] = { { 0, 0 }, { 0, 1 }, { 1, 1 }, { 5, 5 }, { 5, 6 }, { 5, 4095 } };

    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(bad[i].count) |
                         HV_START(bad[i].start), in, NULL),
                 HV_INVALID_INPUT, "count %d start %d", bad[i].count,
                 bad[i].start);
    }
}

TEST(hypercall_reps_completed, "HC-031,HC-033,FL-016",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH })
{
    uint64_t *in = flush_input();
    static const struct {
        int count, start;
    } good[] = { { 1, 0 }, { 2, 0 }, { 2, 1 }, { 10, 5 }, { 509, 0 },
                 { 509, 508 } };

    for (int i = 0; i < 509; i++) {
        in[3 + i] = 0x10000000 + i * PAGE_SIZE;
    }
    for (int i = 0; i < ARRAY_SIZE(good); i++) {
        uint64_t r = hv_call(HVCALL_FLUSH_LIST | HV_REPS(good[i].count) |
                             HV_START(good[i].start), in, NULL);

        CHECK_EQ(r, HV_REPS(good[i].count), "count %d start %d",
                 good[i].count, good[i].start);
    }
}

TEST(hypercall_variable_header, "HC-007", .need = { F_HYPERCALL })
{
    CHECK_EQ(spin_wait(HV_VARHEAD(1)), HV_INVALID_INPUT, "spin wait, 1");
    CHECK_EQ(spin_wait(HV_VARHEAD(511)), HV_INVALID_INPUT, "spin wait, 511");
    if (has(F_HINT_REMOTE_FLUSH)) {
        uint64_t *in = flush_input();

        CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE | HV_VARHEAD(1), in, NULL),
                 HV_INVALID_INPUT, "flush space");
        CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_VARHEAD(1) | HV_REPS(1), in,
                         NULL), HV_INVALID_INPUT, "flush list");
    }
    if (has(F_SIGNAL_EVENTS)) {
        CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT | HV_VARHEAD(1), 0, 0),
                 HV_INVALID_INPUT, "signal event");
    }
}

/* Memory operands */

TEST(hypercall_alignment, "HC-010", .need = { F_HYPERCALL })
{
    uint64_t in = (uintptr_t)page_alloc(), out = (uintptr_t)page_alloc();

    for (int i = 1; i < 8; i++) {
        CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, in + i, 0),
                 HV_INVALID_ALIGNMENT, "input at +%d", i);
        if (has(F_PARTITION_ID)) {
            CHECK_EQ(hv_call_gpa(HVCALL_GET_PARTITION_ID, 0, out + i),
                     HV_INVALID_ALIGNMENT, "output at +%d", i);
        }
        if (has(F_EXT_HYPERCALLS)) {
            CHECK_EQ(hv_call_gpa(HVCALL_EXT_QUERY, 0, out + i),
                     HV_INVALID_ALIGNMENT, "extended, output at +%d", i);
        }
    }
    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, in + 8, 0), HV_SUCCESS,
             "input at +8");
    CHECK(is_filled((void *)out, 0, PAGE_SIZE), "output written");
}

TEST(hypercall_page_crossing, "HC-011",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH })
{
    uint8_t *two = pages_alloc(2, PAGE_SIZE);
    uint64_t *at;

    at = (uint64_t *)(two + PAGE_SIZE - 24);
    memcpy(at, flush_input(), 24);
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, at, NULL), HV_SUCCESS,
             "ends with the page");
    for (int back = 8; back <= 16; back += 8) {
        at = (uint64_t *)(two + PAGE_SIZE - back);
        memcpy(at, flush_input(), 24);
        CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, at, NULL), HV_INVALID_ALIGNMENT,
                 "header crosses after %d bytes", back);
    }
    at = (uint64_t *)two;
    memcpy(at, flush_input(), 24);
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(510), at, NULL),
             HV_INVALID_ALIGNMENT, "list of 510 elements");
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(4095), at, NULL),
             HV_INVALID_ALIGNMENT, "list of 4095 elements");
}

TEST(hypercall_output_page_crossing, "HC-011",
     .need = { F_HYPERCALL, F_VP_INDEX })
{
    uint64_t *in = page_alloc();
    uint8_t *two = pages_alloc(2, PAGE_SIZE);
    uint32_t *ids = (uint32_t *)(in + 2);

    in[0] = HV_PARTITION_SELF;
    for (int i = 0; i < 8; i++) {
        ids[i] = cpus[0]->apic_id;
    }
    CHECK_EQ(hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(8), in,
                     two + PAGE_SIZE - 8),
             HV_INVALID_ALIGNMENT, "output crosses");
    CHECK(is_filled(two, 0, 2 * PAGE_SIZE), "output written");
}

TEST(hypercall_bad_gpa, "HC-012,HC-014,HC-015", .need = { F_HYPERCALL })
{
    uint64_t *in = page_alloc();

    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, gpa_beyond(), 0),
             HV_INVALID_ALIGNMENT, "input past the GPA space");
    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, ~7ull, 0),
             HV_INVALID_ALIGNMENT, "input at the end of 64 bits");
    /* Inside the GPA space but no RAM: an intercept, so any error will do */
    CHECK(HV_STATUS(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, gpa_beyond() / 2, 0)) !=
          HV_SUCCESS, "input at a hole");
    if (has(F_VP_INDEX)) {
        in[0] = HV_PARTITION_SELF;
        in[2] = cpus[0]->apic_id;
        CHECK_EQ(hv_call_gpa(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1),
                             (uintptr_t)in, gpa_beyond()),
                 HV_INVALID_ALIGNMENT, "output past the GPA space");
        CHECK(HV_STATUS(hv_call_gpa(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1),
                                    (uintptr_t)in, gpa_beyond() / 2)) !=
              HV_SUCCESS, "output at a hole");
        CHECK(HV_STATUS(hv_call_gpa(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1),
                                    (uintptr_t)in, (uintptr_t)hv_page)) !=
              HV_SUCCESS, "output at the read-only hypercall page");
    }
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "call afterwards");
}

TEST(hypercall_unused_operands, "HC-013", .need = { F_HYPERCALL })
{
    uint64_t in = (uintptr_t)page_alloc();

    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT, in, ~0ull), HV_SUCCESS,
             "output operand of a call without output");
    if (has(F_PARTITION_ID)) {
        CHECK_EQ(hv_call_gpa(HVCALL_GET_PARTITION_ID, 0xDEAD000000000003, in),
                 HV_SUCCESS, "input operand of a call without input");
    }
}

TEST(hypercall_overlay_operands, "HC-016,HC-017",
     .need = { F_HYPERCALL, F_SYNIC, F_VP_INDEX })
{
    uint64_t *in;

    /* Undefined results, but we and the hypervisor go on */
    synic_on();
    in = (uint64_t *)msg_slot(4);
    in[0] = HV_PARTITION_SELF;
    in[2] = cpus[0]->apic_id;
    hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), in, in);
    hv_call(HVCALL_LONG_SPIN_WAIT, in, NULL);
    hv_call(HVCALL_LONG_SPIN_WAIT, hv_page, NULL);
    CHECK_EQ(spin_wait(0), HV_SUCCESS, "call afterwards");
}

/* Conventions */

static void fill(struct call *c)
{
    uint64_t *r = &c->rax;

    for (int i = 0; i < 15; i++) {
        r[i] = 0x1111111111111111ull * (i + 1);
    }
    for (int i = 0; i < 12; i++) {
        c->xmm[i] = 0x0123456789ABCDEFull * (i + 3);
    }
}

/* Everything but RAX, and RCX when @but_rcx, is as it was */
static void check_kept(const struct call *before, const struct call *after,
                       bool but_rcx, const char *what)
{
    static const char *const names[] = {
        "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R8", "R9", "R10",
        "R11", "R12", "R13", "R14", "R15",
    };
    const uint64_t *b = &before->rax, *a = &after->rax;

    for (int i = 1; i < 15; i++) {
        if (i != 2 || !but_rcx) {
            CHECK_EQ(a[i], b[i], "%s: %s", what, names[i]);
        }
    }
    for (int i = 0; i < 12; i++) {
        CHECK_EQ(after->xmm[i], before->xmm[i], "%s: half %d of XMM%d", what,
                 i % 2, i / 2);
    }
}

TEST(hypercall_registers_kept, "HC-038,HC-039", .need = { F_HYPERCALL })
{
    struct call before, after;

    fill(&before);
    before.rcx = HVCALL_LONG_SPIN_WAIT | HV_FAST;
    after = before;
    CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64), HV_SUCCESS,
             "fast");
    check_kept(&before, &after, false, "fast");

    before.rcx = UNUSED_CODE;
    after = before;
    CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64), HV_INVALID_CODE,
             "failing");
    check_kept(&before, &after, false, "failing");

    if (has(F_HINT_REMOTE_FLUSH)) {
        before.rcx = HVCALL_FLUSH_LIST | HV_REPS(3);
        before.rdx = (uintptr_t)flush_input();
        after = before;
        CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64), HV_REPS(3),
                 "rep");
        check_kept(&before, &after, true, "rep");
        CHECK_EQ(after.rcx & 0x0000FFFFFFFFFFFF, before.rcx,
                 "RCX below the rep start");
    }
}

TEST(hypercall_fast, "HC-021,HC-023,HC-063,HC-064", .need = { F_HYPERCALL })
{
    uint64_t *in = page_alloc();
    static const uint32_t spins[] = { 0, 1, 0x1FFF, 0xFFFFFFFF };
    /* Where leaf 4 says "never notify", a refusal is known practice */
    bool never = cpuid(HV_LEAF_HINTS).reg[R_EBX] + 1 <= 1;
    uint64_t denied = never ? HV_ACCESS_DENIED : HV_SUCCESS;

    for (int i = 0; i < ARRAY_SIZE(spins); i++) {
        in[0] = spins[i];
        CHECK_IN(hv_call(HVCALL_LONG_SPIN_WAIT, in, NULL),
                 ANY(HV_SUCCESS, denied), "memory, %u", spins[i]);
        CHECK_IN(hv_call_fast(HVCALL_LONG_SPIN_WAIT, spins[i], ~0ull),
                 ANY(HV_SUCCESS, denied), "fast, %u", spins[i]);
    }
}

TEST(hypercall_xmm_input, "HC-022,HC-023,HC-039",
     .need = { F_HYPERCALL, F_XMM_INPUT, F_HINT_REMOTE_FLUSH })
{
    struct call before, after;

    fill(&before);
    before.rcx = HVCALL_FLUSH_SPACE | HV_FAST;
    before.rdx = 0;
    before.r8 = HV_FLUSH_ALL_SPACES;
    before.xmm[0] = 1ull << cpus[0]->vp;
    after = before;
    CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64), HV_SUCCESS,
             "flush of 24 bytes");
    check_kept(&before, &after, false, "flush of 24 bytes");

    /* 24 bytes of header and 11 elements fill all 112 bytes */
    before.rcx = HVCALL_FLUSH_LIST | HV_FAST | HV_REPS(11);
    after = before;
    CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64), HV_REPS(11),
             "list of 11");
    check_kept(&before, &after, true, "list of 11");

    after = before;
    CHECK_IN(hv_call_with(&after, HVCALL_FLUSH_LIST | HV_FAST | HV_REPS(12),
                          call_kernel64),
             ANY(HV_INVALID_INPUT, HV_FAULT(EXC_UD)),
             "list of 12 does not fit");
    /* The flags really come from R8 */
    after = before;
    after.r8 = 1ull << 31;
    CHECK_EQ(hv_call_with(&after, HVCALL_FLUSH_SPACE | HV_FAST, call_kernel64),
             HV_INVALID_PARAMETER, "reserved flag");
}

TEST(hypercall_xmm_input_absent, "CP-021",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH }, .absent = F_XMM_INPUT)
{
    struct call c = { .r8 = HV_FLUSH_ALL_SPACES | HV_FLUSH_ALL_VPS };

    CHECK_IN(hv_call_with(&c, HVCALL_FLUSH_SPACE | HV_FAST, call_kernel64),
             ANY(HV_FAULT(EXC_UD), HV_INVALID_INPUT), "24 bytes");
}

TEST(hypercall_xmm_output, "HC-024,CP-022",
     .need = { F_HYPERCALL, F_XMM_INPUT, F_XMM_OUTPUT, F_VP_INDEX })
{
    struct call before, c;
    uint64_t *out = page_alloc();

    /* 16 + 4 bytes of input: the output begins in XMM1 */
    fill(&before);
    before.rdx = HV_PARTITION_SELF;
    before.r8 = 0;
    before.xmm[0] = cpus[ncpus - 1]->apic_id;
    c = before;
    CHECK_EQ(hv_call_with(&c, HVCALL_VP_INDEX_FROM_APIC | HV_FAST | HV_REPS(1),
                          call_kernel64), HV_REPS(1), "VP index");
    CHECK_EQ((uint32_t)c.xmm[2], cpus[ncpus - 1]->vp, "low word of XMM1");
    CHECK_EQ(c.xmm[0], before.xmm[0], "XMM0");
    CHECK_EQ(c.rdx, before.rdx, "RDX");
    CHECK_EQ(c.r8, before.r8, "R8");
    for (int i = 4; i < 12; i++) {
        CHECK_EQ(c.xmm[i], before.xmm[i], "half %d of XMM%d", i % 2, i / 2);
    }

    /* Without input it begins in RDX */
    if (has(F_EXT_HYPERCALLS)) {
        CHECK_EQ(hv_call(HVCALL_EXT_QUERY, NULL, out), HV_SUCCESS, "memory");
        fill(&c);
        CHECK_EQ(hv_call_with(&c, HVCALL_EXT_QUERY | HV_FAST, call_kernel64),
                 HV_SUCCESS, "query");
        CHECK_EQ(c.rdx, out[0], "RDX");
    }
    if (has(F_PARTITION_ID)) {
        CHECK_EQ(hv_call(HVCALL_GET_PARTITION_ID, NULL, out), HV_SUCCESS,
                 "memory");
        fill(&c);
        CHECK_EQ(hv_call_with(&c, HVCALL_GET_PARTITION_ID | HV_FAST,
                              call_kernel64), HV_SUCCESS, "partition id");
        CHECK_EQ(c.rdx, out[0], "RDX");
    }
}

TEST(hypercall_xmm_output_absent, "CP-022",
     .need = { F_HYPERCALL, F_XMM_INPUT, F_VP_INDEX }, .absent = F_XMM_OUTPUT)
{
    struct call c = { .rdx = HV_PARTITION_SELF,
                      .xmm = { cpus[0]->apic_id } };

    CHECK_IN(hv_call_with(&c, HVCALL_VP_INDEX_FROM_APIC | HV_FAST | HV_REPS(1),
                          call_kernel64),
             ANY(HV_FAULT(EXC_UD), HV_INVALID_INPUT, HV_INVALID_CODE),
             "fast call with output");
}

TEST(hypercall_fast_too_large, "HC-026",
     .need = { F_HYPERCALL, F_POST_MESSAGES })
{
    struct call c;

    fill(&c);
    CHECK_IN(hv_call_with(&c, HVCALL_POST_MESSAGE | HV_FAST, call_kernel64),
             ANY(HV_INVALID_INPUT, HV_FAULT(EXC_UD)), "256 bytes of input");
}

/* 32-bit callers */

TEST(hypercall_x86, "HC-018,HC-020,HC-038", .need = { F_HYPERCALL })
{
    struct call c = { 0 };
    uint64_t in = (uintptr_t)page_alloc();

    CHECK_EQ(hv_call32(&c, UNUSED_CODE, in, 0), HV_INVALID_CODE, "unknown code");
    CHECK_EQ(hv_call32(&c, HVCALL_LONG_SPIN_WAIT, in, 0), HV_SUCCESS, "memory");
    CHECK_EQ(hv_call32(&c, HVCALL_LONG_SPIN_WAIT | HV_FAST, 5, ~0ull), HV_SUCCESS,
             "fast");
    CHECK_EQ(hv_call32(&c, HVCALL_LONG_SPIN_WAIT, in + 4, 0),
             HV_INVALID_ALIGNMENT, "alignment");
    CHECK_EQ(hv_call32(&c, HVCALL_LONG_SPIN_WAIT, in | 1ull << 63, 0),
             HV_INVALID_ALIGNMENT, "EBX is the upper half of the input");
    CHECK_EQ(hv_call32(&c, HVCALL_LONG_SPIN_WAIT | HV_START(1), in, 0),
             HV_INVALID_INPUT, "EDX is the upper half of the control word");
}

TEST(hypercall_x86_reps, "HC-020,HC-033",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH })
{
    struct call c = { 0 };

    CHECK_EQ(hv_call32(&c, HVCALL_FLUSH_LIST | HV_REPS(3),
                    (uintptr_t)flush_input(), 0), HV_REPS(3), "list of 3");
    CHECK_EQ(hv_call32(&c, HVCALL_FLUSH_LIST | HV_REPS(7) | HV_START(2),
                    (uintptr_t)flush_input(), 0), HV_REPS(7), "list 2 to 6");
}

TEST(hypercall_x86_output, "HC-020", .need = { F_HYPERCALL, F_VP_INDEX })
{
    struct call c = { 0 };
    uint64_t *in = page_alloc(), *out = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[2] = cpus[ncpus - 1]->apic_id;
    CHECK_EQ(hv_call32(&c, HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), (uintptr_t)in,
                    (uintptr_t)out), HV_REPS(1), "VP index");
    CHECK_EQ((uint32_t)out[0], cpus[ncpus - 1]->vp, "VP index");
    CHECK_EQ(hv_call32(&c, HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), (uintptr_t)in,
                    (uintptr_t)out | 1ull << 62), HV_INVALID_ALIGNMENT,
             "EDI is the upper half of the output");
}

TEST(hypercall_x86_xmm, "HC-022,HC-025,HC-026",
     .need = { F_HYPERCALL, F_XMM_INPUT, F_HINT_REMOTE_FLUSH })
{
    struct call before, c;

    fill(&before);
    before.xmm[0] = 1ull << cpus[0]->vp;
    c = before;
    CHECK_EQ(hv_call32(&c, HVCALL_FLUSH_SPACE | HV_FAST, 0, HV_FLUSH_ALL_SPACES),
             HV_SUCCESS, "flush of 24 bytes");
    CHECK(!memcmp(c.xmm, before.xmm, sizeof(c.xmm)), "XMM changed");
    CHECK_EQ(hv_call32(&c, HVCALL_FLUSH_SPACE | HV_FAST, 0, 1ull << 31),
             HV_INVALID_PARAMETER, "EDI:ESI is the second word");

    c = before;
    CHECK_IN(hv_call32(&c, HVCALL_VP_INDEX_FROM_APIC | HV_FAST | HV_REPS(1),
                    HV_PARTITION_SELF, 0),
             ANY(HV_INVALID_INPUT, HV_FAULT(EXC_UD)), "fast output");
    CHECK(!memcmp(c.xmm, before.xmm, sizeof(c.xmm)), "fast output in XMM");
}

/* Interrupts while a call is under way */

TEST(hypercall_interrupted, "HC-034,HC-035",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH })
{
    struct cpu *me = this_cpu();
    struct call before, after;
    uint32_t first = me->irqs[TIMER_VECTOR];

    fill(&before);
    before.rcx = HVCALL_FLUSH_LIST | HV_REPS(509);
    before.rdx = (uintptr_t)flush_input();
    apic_write(APIC_TDCR, 0x3);
    apic_write(APIC_LVTT, TIMER_VECTOR | LVT_PERIODIC);
    apic_write(APIC_TMICT, 1000);
    /* Wherever the call is left for the interrupt, it is done in the end */
    CHECK(WAIT_FOR(({
        after = before;
        CHECK_EQ(hv_call_with(&after, before.rcx, call_kernel64),
                 HV_REPS(509), "list of 509");
        check_kept(&before, &after, true, "list of 509");
        test_failed() || me->irqs[TIMER_VECTOR] - first > 50;
    })), "too few interrupts");
    apic_write(APIC_LVTT, LVT_MASKED);
}

/* Order of checks */

TEST(hypercall_least_revealing, "HC-043", .need = { F_HYPERCALL })
{
    static const struct {
        uint16_t code, need;
    } calls[] = {
        { HVCALL_GET_PARTITION_ID, F_PARTITION_ID },
        { HVCALL_POST_MESSAGE, F_POST_MESSAGES },
        { HVCALL_SIGNAL_EVENT, F_SIGNAL_EVENTS },
        { HVCALL_RETRIEVE_DEBUG, F_DEBUGGING },
    };
    static const uint64_t bad[] = {
        0, 1ull << 27, HV_REPS(1), HV_VARHEAD(1), HV_NESTED,
    };
    uint64_t page = (uintptr_t)page_alloc();

    for (int i = 0; i < ARRAY_SIZE(calls); i++) {
        for (int j = 0; j < ARRAY_SIZE(bad) && !has(calls[i].need); j++) {
            CHECK_EQ(hv_call_gpa(calls[i].code | bad[j], page + j, page + j),
                     HV_ACCESS_DENIED, "call 0x%x, control bits 0x%lx",
                     calls[i].code, bad[j]);
        }
    }
}

TEST(hypercall_order_of_checks, "HC-003,HC-004,HC-010",
     .need = { F_HYPERCALL })
{
    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT | HV_REPS(1), 3, 0),
             HV_INVALID_INPUT, "shape before pointer");
    CHECK_EQ(hv_call_gpa(HVCALL_LONG_SPIN_WAIT | 1ull << 27, 3, 0),
             HV_INVALID_INPUT, "reserved bits before pointer");
    CHECK_EQ(hv_call_gpa(UNUSED_CODE, 3, 3), HV_INVALID_CODE,
             "code before pointer");
    CHECK_EQ(hv_call_gpa(UNUSED_CODE | HV_REPS(1), 3, 3), HV_INVALID_CODE,
             "code before shape");
    CHECK_IN(hv_call_gpa(UNUSED_CODE | 1ull << 27, 3, 3),
             ANY(HV_INVALID_CODE, HV_INVALID_INPUT), "code and reserved bits");
}

TEST(hypercall_cpu_management, "HC-076", .need = { F_HYPERCALL },
     .absent = F_CPU_MANAGEMENT)
{
    uint64_t *out = page_alloc();

    CHECK_EQ(hv_call(HVCALL_LP_RUN_TIME, NULL, out), HV_ACCESS_DENIED,
             "run time");
    CHECK_EQ(hv_call_fast(0x0009, 1, 0), HV_ACCESS_DENIED, "parked VPs");
    CHECK(is_filled(out, 0, PAGE_SIZE), "output written");
}

TEST(hypercall_root_calls, "HC-076,VM-001,VM-007",
     .need = { F_HYPERCALL })
{
    /* Calls of a root or parent partition, as listed by the TLFS */
    static const uint16_t codes[] = {
        0x0040, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0047, 0x0048, 0x0049,
        0x004A, 0x004B, 0x004C, 0x004D, 0x004E, 0x004F, 0x0053, 0x0054, 0x0055,
        0x0056, 0x0057, 0x0058, 0x0059, 0x005A, 0x005B, 0x005E, 0x005F, 0x0060,
        0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067, 0x0068, 0x0070,
        0x0076, 0x0077, 0x0089, 0x008D, 0x008F, 0x0090, 0x0095, 0x0096, 0x0097,
    };
    uint64_t *in = page_alloc(), *out = page_alloc();

    for (int i = 0; i < ARRAY_SIZE(codes); i++) {
        CHECK_IN(HV_STATUS(hv_call(codes[i], in, out)),
                 ANY(HV_ACCESS_DENIED, HV_INVALID_CODE), "call 0x%x", codes[i]);
    }
    CHECK(is_filled(out, 0, PAGE_SIZE), "output written");
}

/* Small calls */

TEST(hypercall_partition_id, "HC-066", .need = { F_HYPERCALL, F_PARTITION_ID })
{
    uint64_t *out = page_alloc(), first;

    CHECK_EQ(hv_call(HVCALL_GET_PARTITION_ID, NULL, out), HV_SUCCESS, "call");
    first = out[0];
    CHECK(first && first != HV_PARTITION_SELF, "partition id 0x%lx", first);
    CHECK_EQ(hv_call(HVCALL_GET_PARTITION_ID, NULL, out), HV_SUCCESS, "call");
    CHECK_EQ(out[0], first, "second time");
    CHECK(is_filled(out + 1, 0, PAGE_SIZE - 8), "wrote more than 8 bytes");
}

TEST(hypercall_partition_id_denied, "HC-066", .need = { F_HYPERCALL },
     .absent = F_PARTITION_ID)
{
    uint64_t *out = page_alloc();

    CHECK_EQ(hv_call(HVCALL_GET_PARTITION_ID, NULL, out), HV_ACCESS_DENIED,
             "call");
    CHECK(is_filled(out, 0, PAGE_SIZE), "output written");
}

TEST(hypercall_vp_index_from_apic_id, "VS-014",
     .need = { F_HYPERCALL, F_VP_INDEX })
{
    uint64_t *in = page_alloc();
    uint32_t *ids = (uint32_t *)(in + 2), *out = page_alloc();

    in[0] = HV_PARTITION_SELF;
    for (int i = 0; i < ncpus; i++) {
        ids[0] = cpus[i]->apic_id;
        out[0] = ~0u;
        CHECK_EQ(hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), in, out),
                 HV_REPS(1), "CPU %d", i);
        CHECK_EQ(out[0], cpus[i]->vp, "VP index of CPU %d", i);
    }

    /* Elements of four bytes, as real guests and hypervisors have them */
    memset(out, 0xFF, PAGE_SIZE);
    for (int i = 0; i < ncpus; i++) {
        ids[i] = cpus[ncpus - 1 - i]->apic_id;
    }
    CHECK_EQ(hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(ncpus), in, out),
             HV_REPS(ncpus), "all CPUs");
    for (int i = 0; i < ncpus; i++) {
        CHECK_EQ(out[i], cpus[ncpus - 1 - i]->vp, "element %d", i);
    }
    CHECK_EQ(out[ncpus], ~0u, "element behind the last");
}

TEST(hypercall_vp_index_partial, "HC-030,HC-032,HC-041",
     .need = { F_HYPERCALL, F_VP_INDEX })
{
    uint64_t *in = page_alloc(), r;
    uint32_t *ids = (uint32_t *)(in + 2), *out = page_alloc();

    in[0] = HV_PARTITION_SELF;
    ids[0] = cpus[0]->apic_id;
    ids[1] = cpus[ncpus - 1]->apic_id;
    ids[2] = 0xFFFFFF00;        /* nobody's */
    ids[3] = cpus[0]->apic_id;
    r = hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(4), in, out);
    CHECK_IN(HV_STATUS(r), ANY(HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "status");
    CHECK_EQ(HV_REPS_DONE(r), 2, "reps completed");
    CHECK_EQ(out[0], cpus[0]->vp, "element 0");
    CHECK_EQ(out[1], cpus[ncpus - 1]->vp, "element 1");
}

TEST(hypercall_vp_index_errors, "VS-014,VS-065",
     .need = { F_HYPERCALL, F_VP_INDEX })
{
    uint64_t *in = page_alloc(), *out = page_alloc(), r;

    in[0] = 0x12345678;
    in[2] = cpus[0]->apic_id;
    r = hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), in, out);
    CHECK_IN(HV_STATUS(r), ANY(HV_INVALID_PARTITION_ID, HV_ACCESS_DENIED),
             "partition of somebody else");
    CHECK_EQ(HV_REPS_DONE(r), 0, "reps completed");
    in[0] = HV_PARTITION_SELF;
    in[1] = 0x12;               /* explicitly VTL 2 */
    r = hv_call(HVCALL_VP_INDEX_FROM_APIC | HV_REPS(1), in, out);
    CHECK(HV_STATUS(r) != HV_SUCCESS, "a VTL that is not there");
}

TEST(hypercall_extended_query, "HC-058,HC-059",
     .need = { F_HYPERCALL, F_EXT_HYPERCALLS })
{
    uint64_t *out = page_alloc();

    memset(out, 0xFF, 16);
    CHECK_EQ(hv_call(HVCALL_EXT_QUERY, NULL, out), HV_SUCCESS, "call");
    CHECK_EQ(out[0] >> 5, 0, "reserved capabilities");
    CHECK_EQ(out[1], ~0ull, "wrote more than 8 bytes");
}

TEST(hypercall_extended_calls, "HC-059,HC-060",
     .need = { F_HYPERCALL, F_EXT_HYPERCALLS })
{
    uint64_t *in = page_alloc(), *out = page_alloc(), caps;

    CHECK_EQ(hv_call(HVCALL_EXT_QUERY, NULL, out), HV_SUCCESS, "query");
    caps = out[0];
    for (int i = 0; i < 16; i++) {
        if (!(caps >> i & 1)) {
            CHECK_IN(HV_STATUS(hv_call(HVCALL_EXT_ZEROED + i, in, out)),
                     ANY(HV_INVALID_CODE, HV_ACCESS_DENIED),
                     "call 0x%x is no capability", HVCALL_EXT_ZEROED + i);
        }
    }
    CHECK_EQ(HV_STATUS(hv_call(0x8000, in, out)), HV_INVALID_CODE,
             "call 0x8000");
}

TEST(hypercall_extended_absent, "HC-058", .need = { F_HYPERCALL },
     .absent = F_EXT_HYPERCALLS)
{
    uint64_t *out = page_alloc();

    CHECK_IN(hv_call(HVCALL_EXT_QUERY, NULL, out),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE), "query");
    CHECK_IN(hv_call(HVCALL_EXT_ZEROED, NULL, out),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE), "boot zeroed memory");
    CHECK(is_filled(out, 0, PAGE_SIZE), "output written");
}

TEST(hypercall_boot_zeroed_memory, "HC-061,HC-062",
     .need = { F_HYPERCALL, F_EXT_HYPERCALLS })
{
    uint64_t *out = page_alloc();

    CHECK_EQ(hv_call(HVCALL_EXT_QUERY, NULL, out), HV_SUCCESS, "query");
    if (!(out[0] & 1)) {
        SKIP("no capability 0");
    }
    CHECK_EQ(hv_call(HVCALL_EXT_ZEROED, NULL, out), HV_SUCCESS, "call");
    CHECK(out[0] <= 255, "%lu ranges", out[0]);
    for (uint64_t i = 0; i < out[0] && i < 255; i++) {
        uint64_t page = out[1 + 2 * i], count = out[2 + 2 * i];

        CHECK(count && page < gpa_beyond() / PAGE_SIZE, "range %lu: %lu at "
              "0x%lx", i, count, page);
        /* A sample of what we did not touch ourselves since */
        for (uint64_t p = page; p < page + count && p * PAGE_SIZE < ram_end();
             p += 1 + count / 64) {
            uint64_t gpa = p * PAGE_SIZE;

            if (gpa >= ram_end() / 2 && gpa < ram_end() - (2 << 20)) {
                CHECK(is_filled((void *)gpa, 0, PAGE_SIZE),
                      "page 0x%lx is not zero", gpa);
            }
        }
    }
}

/* The debugger's calls */

TEST(hypercall_debug_denied, "HC-077", .need = { F_HYPERCALL },
     .absent = F_DEBUGGING)
{
    uint64_t *in = page_alloc(), *out = page_alloc();

    for (int code = HVCALL_POST_DEBUG; code <= HVCALL_RESET_DEBUG; code++) {
        CHECK_IN(hv_call(code, in, out),
                 ANY(HV_ACCESS_DENIED, HV_INVALID_CODE,
                     HV_FEATURE_UNAVAILABLE), "call 0x%x", code);
    }
}

/* What any of them may answer when there is no debugger, or no session */
#define NO_DEBUGGER HV_FEATURE_UNAVAILABLE
#define NO_SESSION  HV_OPERATION_DENIED

TEST(hypercall_debug, "HC-077,HC-078,HC-079,HC-080",
     .need = { F_HYPERCALL, F_DEBUGGING })
{
    uint64_t *in = page_alloc(), *out = page_alloc();

    in[0] = 4089;               /* one byte more than a page holds */
    CHECK_IN(HV_STATUS(hv_call(HVCALL_POST_DEBUG, in, out)),
             ANY(HV_INVALID_PARAMETER, NO_DEBUGGER, NO_SESSION),
             "post 4089 bytes");
    CHECK_IN(HV_STATUS(hv_call(HVCALL_RETRIEVE_DEBUG, in, out)),
             ANY(HV_INVALID_PARAMETER, HV_NO_DATA, HV_INACTIVE, NO_DEBUGGER,
                 NO_SESSION),
             "retrieve 4089 bytes");
    in[0] = 0;
    CHECK_IN(HV_STATUS(hv_call(HVCALL_RETRIEVE_DEBUG, in, out)),
             ANY(HV_SUCCESS, HV_NO_DATA, HV_INACTIVE, NO_DEBUGGER, NO_SESSION),
             "test for data");
    /* Known practice returns the addresses of the session as output */
    CHECK_IN(HV_STATUS(hv_call(HVCALL_RESET_DEBUG, in, out)),
             ANY(HV_INVALID_PARAMETER, NO_DEBUGGER, NO_SESSION),
             "reset of nothing");
    in[0] = 3;
    CHECK_IN(HV_STATUS(hv_call(HVCALL_RESET_DEBUG, in, out)),
             ANY(HV_SUCCESS, HV_NO_DATA, NO_DEBUGGER, NO_SESSION),
             "reset of both ways");
}
