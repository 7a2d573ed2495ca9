/*
 * TLB flushes by hypercall: that they work on other VPs, and their checks
 * (TLFS 9.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED_FLUSH      { F_HYPERCALL, F_HINT_REMOTE_FLUSH }
#define NEED_FLUSH_EX   { F_HYPERCALL, F_HINT_REMOTE_FLUSH, F_HINT_EX_MASKS }

#define MAX_READERS 3

/* Words of the input block */
enum { AS, FLAGS, MASK, FORMAT = MASK, BANKS, BANK0 };

/* All VPs below 64 that exist */
static uint64_t vp_mask(void)
{
    uint64_t mask = 0;

    for (int i = 0; i < ncpus; i++) {
        if (cpus[i]->vp < 64) {
            mask |= 1ull << cpus[i]->vp;
        }
    }
    return mask;
}

/* Writes a sparse set of all VPs at @p; the number of its bank words */
static int vp_banks(uint64_t *p)
{
    int n = 0;

    p[0] = HV_SET_SPARSE;
    p[1] = 0;
    for (int bank = 0; bank < 64; bank++) {
        uint64_t word = 0;

        for (int i = 0; i < ncpus; i++) {
            if (cpus[i]->vp / 64 == bank) {
                word |= 1ull << cpus[i]->vp % 64;
            }
        }
        if (word) {
            p[1] |= 1ull << bank;
            p[2 + n++] = word;
        }
    }
    return n;
}

/* One way to flush @va on all VPs; the result value of the call */
struct method {
    const char *name;
    uint64_t (*flush)(uint64_t va, uint64_t *in);
    bool ex, xmm;
    bool keeps_global;
    bool space;                 /* not only @va but the whole space */
};

static uint64_t space_mask(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[MASK] = vp_mask();
    return hv_call(HVCALL_FLUSH_SPACE, in, NULL);
}

static uint64_t space_all_vps(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[FLAGS] = HV_FLUSH_ALL_VPS;
    return hv_call(HVCALL_FLUSH_SPACE, in, NULL);
}

static uint64_t space_all_spaces(uint64_t va, uint64_t *in)
{
    in[AS] = 0xF00D000000000BAD;
    in[FLAGS] = HV_FLUSH_ALL_SPACES;
    in[MASK] = vp_mask();
    return hv_call(HVCALL_FLUSH_SPACE, in, NULL);
}

static uint64_t space_non_global(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_NON_GLOBAL;
    return hv_call(HVCALL_FLUSH_SPACE, in, NULL);
}

static uint64_t space_fast(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[MASK] = vp_mask();
    return hv_call_xmm(HVCALL_FLUSH_SPACE, in);
}

static uint64_t list_mask(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[MASK] = vp_mask();
    in[3] = va;
    return hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL);
}

static uint64_t list_last_of_many(uint64_t va, uint64_t *in)
{
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    for (int i = 0; i < 100; i++) {
        in[3 + i] = va + (99 - i) * PAGE_SIZE;
    }
    return hv_call(HVCALL_FLUSH_LIST | HV_REPS(100), in, NULL);
}

static uint64_t list_after_start(uint64_t va, uint64_t *in)
{
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    in[3] = in[4] = va + LARGE_PAGE;
    in[5] = va;
    return hv_call(HVCALL_FLUSH_LIST | HV_REPS(3) | HV_START(2), in, NULL);
}

static uint64_t list_fast(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[MASK] = vp_mask();
    in[3] = va + LARGE_PAGE;
    in[4] = va;
    return hv_call_xmm(HVCALL_FLUSH_LIST | HV_REPS(2), in);
}

static uint64_t space_ex_sparse(uint64_t va, uint64_t *in)
{
    int n;

    in[AS] = read_cr3();
    n = vp_banks(in + FORMAT);
    return hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(n), in, NULL);
}

static uint64_t space_ex_all(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[FORMAT] = HV_SET_ALL;
    return hv_call(HVCALL_FLUSH_SPACE_EX, in, NULL);
}

static uint64_t space_ex_fast(uint64_t va, uint64_t *in)
{
    int n;

    in[AS] = read_cr3();
    n = vp_banks(in + FORMAT);
    return hv_call_xmm(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(n), in);
}

static uint64_t list_ex_sparse(uint64_t va, uint64_t *in)
{
    int n;

    in[AS] = read_cr3();
    n = vp_banks(in + FORMAT);
    in[BANK0 + n] = va;
    return hv_call(HVCALL_FLUSH_LIST_EX | HV_VARHEAD(n) | HV_REPS(1), in, NULL);
}

static uint64_t list_ex_two_banks(uint64_t va, uint64_t *in)
{
    int n;

    in[AS] = read_cr3();
    n = vp_banks(in + FORMAT);
    in[BANKS] |= 1ull << 40;    /* nobody is there; its word is zero */
    in[BANK0 + n++] = 0;
    in[BANK0 + n] = va;
    return hv_call(HVCALL_FLUSH_LIST_EX | HV_VARHEAD(n) | HV_REPS(1), in, NULL);
}

static uint64_t list_ex_all(uint64_t va, uint64_t *in)
{
    in[AS] = read_cr3();
    in[FORMAT] = HV_SET_ALL;
    in[BANK0] = va;
    return hv_call(HVCALL_FLUSH_LIST_EX | HV_REPS(1), in, NULL);
}

static uint64_t list_ex_fast(uint64_t va, uint64_t *in)
{
    int n;

    in[AS] = read_cr3();
    n = vp_banks(in + FORMAT);
    in[BANK0 + n] = va;
    return hv_call_xmm(HVCALL_FLUSH_LIST_EX | HV_VARHEAD(n) | HV_REPS(1), in);
}

static const struct method methods[] = {
    { "space", space_mask, .space = true },
    { "space_all_vps", space_all_vps, .space = true },
    { "space_all_spaces", space_all_spaces, .space = true },
    { "space_non_global", space_non_global, .keeps_global = true,
      .space = true },
    { "space_fast", space_fast, .xmm = true, .space = true },
    { "list", list_mask },
    { "list_last_of_many", list_last_of_many },
    { "list_after_start", list_after_start },
    { "list_fast", list_fast, .xmm = true },
    { "space_ex_sparse", space_ex_sparse, .ex = true, .space = true },
    { "space_ex_all", space_ex_all, .ex = true, .space = true },
    { "space_ex_fast", space_ex_fast, .ex = true, .xmm = true, .space = true },
    { "list_ex_sparse", list_ex_sparse, .ex = true },
    { "list_ex_two_banks", list_ex_two_banks, .ex = true },
    { "list_ex_all", list_ex_all, .ex = true },
    { "list_ex_fast", list_ex_fast, .ex = true, .xmm = true },
};

static const char *method_name(int row)
{
    return methods[row].name;
}

static const char *unusable(const struct method *m)
{
    if (m->ex && !has(F_HINT_EX_MASKS)) {
        return "sparse sets";
    }
    if (m->xmm && !has(F_XMM_INPUT)) {
        return "XMM input";
    }
    if (!m->ex && ncpus > 64 && m->flush != space_all_vps) {
        return "masks beyond 64 VPs";
    }
    return NULL;
}

static uint64_t flush_by(const struct method *m, uint64_t va)
{
    static uint64_t *in;
    uint64_t r;

    if (!in) {
        in = page_alloc();
    }
    memset(in, 0, PAGE_SIZE);
    r = m->flush(va, in);
    CHECK_EQ(HV_STATUS(r), HV_SUCCESS, "%s: status", m->name);
    return r;
}

/*
 * A reader keeps reading a word through a mapping that another CPU changes.
 * Every page says in its first word which round it belongs to.  Once a flush
 * has returned, "expected" announces the new round: who sees it and still
 * reads the page of another round has kept a translation too long.
 */
static SHARED uint64_t *watched;
static SHARED uint64_t expected;      /* 0 while it is changing */
static SHARED bool stop;
static SHARED uint64_t reads[MAX_READERS];

static void reader(void *arg)
{
    uint64_t n = (uintptr_t)arg;

    while (!stop) {
        for (int i = 0; i < 64; i++) {
            uint64_t before = expected, value = *watched, after = expected;

            if (before && before == after && value != before) {
                CHECK_EQ(value, before, "stale translation, CPU %d",
                         this_cpu()->id);
                stop = true;
                return;
            }
            reads[n]++;
        }
        cpu_relax();
    }
}

static bool all_readers_advance(int readers)
{
    for (int i = 0; i < readers; i++) {
        uint64_t before = reads[i];

        if (!WAIT_FOR(reads[i] > before + 128 || stop)) {
            CHECK(false, "reader %d stands still", i);
            return false;
        }
    }
    return !stop;
}

struct writer {
    const struct method *m;
    uint64_t pte_flags;
    int rounds, readers;
    uint64_t *pages[2];
};

static void watch_init(struct writer *w)
{
    watched = (uint64_t *)va_alloc(PAGE_SIZE);
    stop = false;
    expected = 0;
    w->pages[0] = page_alloc();
    w->pages[1] = page_alloc();
    *pte_of((uintptr_t)watched) = (uintptr_t)w->pages[0] | w->pte_flags;
}

static void writer(void *arg)
{
    struct writer *w = arg;
    uint64_t va = (uintptr_t)watched, *pte = pte_of(va);

    for (uint64_t round = 1; round <= w->rounds && !stop; round++) {
        uint64_t entry = (uintptr_t)w->pages[round % 2] | w->pte_flags;

        w->pages[round % 2][0] = round;
        expected = 0;
        __atomic_store_n(pte, entry, __ATOMIC_SEQ_CST);
        flush_by(w->m, va);
        expected = round;
        CHECK_EQ(*watched, round, "stale translation on the caller");
        /* Software may find accessed and dirty set, by the readers only */
        CHECK_EQ(*pte & ~0x60ull, entry, "page table entry");
        if (!all_readers_advance(w->readers)) {
            break;
        }
    }
    stop = true;
}

static void watch_rounds(const struct method *m, int rounds, uint64_t pte_flags)
{
    struct writer w = {
        .m = m, .pte_flags = pte_flags, .rounds = rounds,
        .readers = ncpus - 1 < MAX_READERS ? ncpus - 1 : MAX_READERS,
    };

    watch_init(&w);
    for (int i = 0; i < w.readers; i++) {
        on_cpu_start(cpus[1 + i], reader, (void *)(uintptr_t)i);
    }
    writer(&w);
    for (int i = 0; i < w.readers; i++) {
        on_cpu_wait(cpus[1 + i]);
    }
}

TEST_ROWS(flush_spinning_vps,
          "FL-001,FL-002,FL-003,FL-004,FL-005,FL-009,FL-011,FL-019,FL-027,"
          "FL-029,FL-030,HC-008,HC-009,HC-022",
          ARRAY_SIZE(methods), method_name, .need = NEED_FLUSH)
{
    const struct method *m = &methods[row];
    const char *lacking = unusable(m);

    if (lacking) {
        SKIP("needs %s", lacking);
    }
    watch_rounds(m, 8, PTE_P | PTE_W);
}

/* The boot CPU is a target like any other */
TEST(flush_from_another_vp, "FL-001,FL-009", .need = NEED_FLUSH, .min_cpus = 2)
{
    struct writer w = {
        .m = methods, .pte_flags = PTE_P | PTE_W, .rounds = 100, .readers = 1,
    };

    watch_init(&w);
    on_cpu_start(cpus[1], writer, &w);
    reader(NULL);
    on_cpu_wait(cpus[1]);
}

TEST_ROWS(flush_global_mapping, "FL-015,FL-005", ARRAY_SIZE(methods),
          method_name, .need = NEED_FLUSH)
{
    const struct method *m = &methods[row];
    const char *lacking = unusable(m);

    if (lacking) {
        SKIP("needs %s", lacking);
    }
    if (m->keeps_global) {
        SKIP("may keep global mappings");
    }
    watch_rounds(m, 4, PTE_P | PTE_W | PTE_G);
}

/* VPs that sleep while the flush happens must not wake up with old entries */
TEST_ROWS(flush_sleeping_vps, "FL-001,FL-002,FL-009,FL-019",
          ARRAY_SIZE(methods), method_name, .need = NEED_FLUSH, .min_cpus = 2)
{
    const struct method *m = &methods[row];
    const char *lacking = unusable(m);
    uint64_t va = va_alloc(PAGE_SIZE);
    uint64_t *pages[2] = { page_alloc(), page_alloc() };
    struct touch t = { .p = (uint64_t *)va };

    if (lacking) {
        SKIP("needs %s", lacking);
    }
    pages[0][0] = 100;
    pages[1][0] = 101;
    *pte_of(va) = (uintptr_t)pages[0] | PTE_P | PTE_W;
    for (int round = 1; round < 4; round++) {
        for (int i = 1; i < ncpus; i++) {
            on_cpu(cpus[i], touch, &t);
        }
        *pte_of(va) = (uintptr_t)pages[round % 2] | PTE_P | PTE_W;
        flush_by(m, va);
        for (int i = 1; i < ncpus; i++) {
            on_cpu(cpus[i], touch, &t);
            CHECK_EQ(t.seen, 100 + round % 2, "round %d, CPU %d", round, i);
        }
    }
}

/* One element covers up to 4096 pages */
#define MANY 4096

TEST(flush_list_of_4096_pages, "FL-011", .need = NEED_FLUSH)
{
    uint64_t va = va_alloc(MANY * PAGE_SIZE), *in = page_alloc();
    uint64_t *old = page_alloc(), *new = page_alloc();
    struct cpu *c = cpus[ncpus - 1];

    old[0] = 1;
    new[0] = 2;
    for (int i = 0; i < MANY; i++) {
        struct touch t = { .p = (uint64_t *)(va + i * PAGE_SIZE) };

        *pte_of(va + i * PAGE_SIZE) = (uintptr_t)old | PTE_P | PTE_W;
        touch(&t);
        if (i % 512 == 511) {
            on_cpu(c, touch, &t);
        }
    }
    for (int i = 0; i < MANY; i++) {
        *pte_of(va + i * PAGE_SIZE) = (uintptr_t)new | PTE_P | PTE_W;
    }
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    in[3] = va | (MANY - 1);
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL), HV_REPS(1),
             "call");
    for (int i = 0; i < MANY; i++) {
        struct touch t = { .p = (uint64_t *)(va + i * PAGE_SIZE) };

        touch(&t);
        CHECK_EQ(t.seen, 2, "page %d", i);
        if (i % 512 == 511) {
            on_cpu(c, touch, &t);
            CHECK_EQ(t.seen, 2, "page %d on CPU %d", i, c->id);
        }
    }
}

/* A 2 MiB page goes as a whole, whichever part of it is named */
static void large_page(uint64_t element_flags, uint64_t element_low,
                       bool large_element)
{
    uint64_t va = va_alloc(LARGE_PAGE), *in = page_alloc();
    uint64_t *old = pages_alloc(512, LARGE_PAGE);
    uint64_t *new = pages_alloc(512, LARGE_PAGE);
    struct cpu *c = cpus[ncpus - 1];
    struct touch t = { .p = (uint64_t *)(va + LARGE_PAGE - 8) };

    old[LARGE_PAGE / 8 - 1] = 11;
    new[LARGE_PAGE / 8 - 1] = 22;
    *pde_of(va) = (uintptr_t)old | PTE_P | PTE_W | PTE_PS;
    on_cpu(c, touch, &t);
    touch(&t);
    CHECK_EQ(t.seen, 11, "first mapping");

    *pde_of(va) = (uintptr_t)new | PTE_P | PTE_W | PTE_PS;
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES | element_flags;
    in[3] = (large_element ? va : va + 7 * PAGE_SIZE) | element_low;
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL), HV_REPS(1),
             "call");
    touch(&t);
    CHECK_EQ(t.seen, 22, "caller");
    on_cpu(c, touch, &t);
    CHECK_EQ(t.seen, 22, "CPU %d", c->id);
}

TEST(flush_large_page_by_part, "FL-012", .need = NEED_FLUSH)
{
    large_page(0, 0, false);
}

TEST(flush_extended_small, "FL-017,CP-027",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH, F_EXT_GVA_RANGES })
{
    large_page(HV_FLUSH_EXT_RANGES, 3, false);
}

TEST(flush_extended_large, "FL-017,CP-027",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH, F_EXT_GVA_RANGES })
{
    large_page(HV_FLUSH_EXT_RANGES, 1 << 11, true);
}

TEST(flush_extended_1g, "FL-017,CP-027",
     .need = { F_HYPERCALL, F_HINT_REMOTE_FLUSH, F_EXT_GVA_RANGES })
{
    uint64_t va = va_alloc(PAGE_SIZE), *in = page_alloc();
    uint64_t *pages[2] = { page_alloc(), page_alloc() };
    struct touch t = { .p = (uint64_t *)va };

    pages[0][0] = 5;
    pages[1][0] = 6;
    *pte_of(va) = (uintptr_t)pages[0] | PTE_P;
    on_cpu(cpus[ncpus - 1], touch, &t);
    *pte_of(va) = (uintptr_t)pages[1] | PTE_P;
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES | HV_FLUSH_EXT_RANGES;
    in[3] = (va & ~((1ull << 30) - 1)) | 1 << 12 | 1 << 11;
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL), HV_REPS(1),
             "call");
    on_cpu(cpus[ncpus - 1], touch, &t);
    CHECK_EQ(t.seen, 6, "CPU %d", ncpus - 1);
}

TEST(flush_extended_absent, "FL-018,CP-027", .need = NEED_FLUSH,
     .absent = F_EXT_GVA_RANGES)
{
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES | HV_FLUSH_EXT_RANGES;
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL),
             HV_INVALID_PARAMETER, "call");
}

/* Checks */

/* All four calls with the same header, as far as they exist here */
static void check_each(uint64_t as, uint64_t flags, const uint64_t *want,
                       int n, const char *what)
{
    static const struct {
        uint16_t code;
        bool ex, rep;
    } calls[] = {
        { HVCALL_FLUSH_SPACE, false, false },
        { HVCALL_FLUSH_LIST, false, true },
        { HVCALL_FLUSH_SPACE_EX, true, false },
        { HVCALL_FLUSH_LIST_EX, true, true },
    };
    uint64_t *in = page_alloc();

    for (int i = 0; i < ARRAY_SIZE(calls); i++) {
        uint64_t control = calls[i].code | HV_REPS(calls[i].rep);

        if (calls[i].ex && !has(F_HINT_EX_MASKS)) {
            continue;
        }
        memset(in, 0, PAGE_SIZE);
        in[AS] = as;
        in[FLAGS] = flags;
        if (calls[i].ex) {
            in[FORMAT] = HV_SET_ALL;
        } else {
            in[MASK] = 1ull << cpus[0]->vp;
        }
        check_in(HV_STATUS(hv_call(control, in, NULL)), want, n,
                 __FILE_NAME__, __LINE__, "call 0x%x: %s", calls[i].code, what);
    }
}

#define CHECK_EACH(as, flags, want, what) \
    check_each(as, flags, want, ARRAY_SIZE(want), what)

TEST(flush_reserved_flags, "FL-007,HC-044", .need = NEED_FLUSH)
{
    bool target_vtl = has(FEAT(3, R_EDX, 28));

    for (int bit = 4; bit < 64; bit++) {
        if (target_vtl && (bit == 4 || bit == 8 || bit == 9)) {
            continue;
        }
        CHECK_EACH(0, HV_FLUSH_ALL_SPACES | 1ull << bit,
                   ANY(HV_INVALID_PARAMETER), "reserved flag");
    }
    CHECK_EACH(0, HV_FLUSH_ALL_SPACES, ANY(HV_SUCCESS), "no reserved flag");
}

TEST(flush_address_space, "FL-008,FL-004,HC-044", .need = NEED_FLUSH)
{
    CHECK_EACH(read_cr3(), 0, ANY(HV_SUCCESS), "own CR3");
    CHECK_EACH(read_cr3() | 1ull << 62, 0, ANY(HV_INVALID_PARAMETER),
               "CR3 with bit 62");
    CHECK_EACH(read_cr3() | 1ull << 62, HV_FLUSH_ALL_SPACES, ANY(HV_SUCCESS),
               "ignored CR3 with bit 62");
}

TEST(flush_list_non_global, "FL-014", .need = NEED_FLUSH)
{
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES | HV_FLUSH_NON_GLOBAL;
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL),
             HV_INVALID_PARAMETER, "list");
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, in, NULL), HV_SUCCESS, "space");
    if (has(F_HINT_EX_MASKS)) {
        in[FORMAT] = HV_SET_ALL;
        CHECK_EQ(hv_call(HVCALL_FLUSH_LIST_EX | HV_REPS(1), in, NULL),
                 HV_INVALID_PARAMETER, "list by sparse set");
    }
}

TEST(flush_strange_addresses, "FL-013", .need = NEED_FLUSH)
{
    uint64_t *in = page_alloc();
    static const uint64_t strange[] = {
        0x8000000000000000, 0x00FFFFFFFFFFF000, ~0ull, ~0xFFFull,
        0xFFFF800000000000, 0x00007FFFFFFFFFFF,
    };

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    memcpy(in + 3, strange, sizeof(strange));
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST | HV_REPS(ARRAY_SIZE(strange)), in,
                     NULL), HV_REPS(ARRAY_SIZE(strange)), "call");
}

TEST(flush_empty_mask, "FL-006", .need = NEED_FLUSH)
{
    uint64_t *in = page_alloc(), va = va_alloc(PAGE_SIZE), r;
    uint64_t *pages[2] = { page_alloc(), page_alloc() };
    struct touch t = { .p = (uint64_t *)va };

    /* Windows Server 2012 sends this and means all */
    pages[0][0] = 1;
    pages[1][0] = 2;
    *pte_of(va) = (uintptr_t)pages[0] | PTE_P;
    on_cpu(cpus[ncpus - 1], touch, &t);
    *pte_of(va) = (uintptr_t)pages[1] | PTE_P;
    in[AS] = read_cr3();
    r = hv_call(HVCALL_FLUSH_SPACE, in, NULL);
    CHECK_IN(r, ANY(HV_SUCCESS, HV_INVALID_PARAMETER), "space");
    if (r == HV_SUCCESS) {
        on_cpu(cpus[ncpus - 1], touch, &t);
        CHECK_EQ(t.seen, 2, "not flushed on CPU %d", ncpus - 1);
    }
    in[3] = va;
    CHECK_IN(HV_STATUS(hv_call(HVCALL_FLUSH_LIST | HV_REPS(1), in, NULL)),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER), "list");
}

TEST(flush_absent_vps, "FL-010", .need = NEED_FLUSH)
{
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_SPACES;
    in[MASK] = ~0ull;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE, in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "all 64 bits");
    in[MASK] = 1ull << 63;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE, in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "only VP 63");
    if (!has(F_HINT_EX_MASKS)) {
        return;
    }
    in[FORMAT] = HV_SET_SPARSE;
    in[BANKS] = ~0ull;
    for (int i = 0; i < 64; i++) {
        in[BANK0 + i] = ~0ull;
    }
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(64), in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "all 4096 VPs");
    in[BANKS] = 1ull << 63;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(1), in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "only the last 64 VPs");
}

TEST(flush_bank_count, "FL-020,FL-021,HC-001", .need = NEED_FLUSH_EX)
{
    static const struct {
        uint64_t banks;
        int words;
    } bad[] = {
        { 5, 0 }, { 5, 1 }, { 5, 3 }, { 1, 0 }, { 1, 2 }, { 0, 1 },
        { 0, 511 }, { ~0ull, 63 }, { 1, 511 }, { ~0ull, 0 },
    };
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_SPACES;
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        in[BANKS] = bad[i].banks;
        CHECK_IN(HV_STATUS(hv_call(HVCALL_FLUSH_SPACE_EX |
                                   HV_VARHEAD(bad[i].words), in, NULL)),
                 ANY(HV_INVALID_INPUT, HV_INVALID_PARAMETER,
                     bad[i].words == 511 ? HV_INVALID_ALIGNMENT :
                     HV_INVALID_INPUT),
                 "mask 0x%lx, %d words", bad[i].banks, bad[i].words);
    }
    in[BANKS] = 5;
    in[BANK0] = 1ull << cpus[0]->vp;
    in[BANK0 + 1] = 0;
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(2), in, NULL),
             HV_SUCCESS, "a bank with nobody in it");
    in[BANKS] = 0;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE_EX, in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER), "no bank at all");
    in[FORMAT] = 2;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE_EX, in, NULL),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_INPUT), "unknown format");
}

TEST(flush_ex_crosses_page, "HC-011,HC-009", .need = NEED_FLUSH_EX)
{
    uint64_t *two = pages_alloc(2, PAGE_SIZE);
    uint64_t *in = two + 512 - 5;

    in[FLAGS] = HV_FLUSH_ALL_SPACES;
    in[BANKS] = 1;
    in[BANK0] = 1ull << cpus[0]->vp;
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(1), in, NULL),
             HV_SUCCESS, "ends with the page");
    CHECK_EQ(hv_call(HVCALL_FLUSH_LIST_EX | HV_VARHEAD(1) | HV_REPS(1), in,
                     NULL), HV_INVALID_ALIGNMENT, "element behind the page");
    in[BANKS] = 3;
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE_EX | HV_VARHEAD(2), in, NULL),
             HV_INVALID_ALIGNMENT, "bank word behind the page");
}

TEST(flush_not_offered, "FL-022", .need = { F_HYPERCALL },
     .absent = F_HINT_REMOTE_FLUSH)
{
    static const uint16_t codes[] = {
        HVCALL_FLUSH_SPACE, HVCALL_FLUSH_SPACE_EX,
    };
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    for (int i = 0; i < ARRAY_SIZE(codes); i++) {
        in[FORMAT] = codes[i] == HVCALL_FLUSH_SPACE_EX;
        /* A recommendation is no privilege: serving it anyway is fine */
        CHECK_IN(hv_call(codes[i], in, NULL),
                 ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_SUCCESS),
                 "call 0x%x", codes[i]);
    }
}

TEST(flush_ex_not_offered, "FL-022,CP-034", .need = NEED_FLUSH,
     .absent = F_HINT_EX_MASKS)
{
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    in[FORMAT] = HV_SET_ALL;
    CHECK_IN(hv_call(HVCALL_FLUSH_SPACE_EX, in, NULL),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_SUCCESS), "call");
}

/* VPs that flush each other must not wait for each other */
static void flush_often(void *unused)
{
    uint64_t *in = page_alloc();

    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, in, NULL), HV_SUCCESS,
                 "call %d", i);
    }
}

TEST(flush_each_other, "FL-031,HC-037", .need = NEED_FLUSH, .min_cpus = 2)
{
    int n = ncpus < 4 ? ncpus : 4;

    for (int i = 1; i < n; i++) {
        on_cpu_start(cpus[i], flush_often, NULL);
    }
    flush_often(NULL);
    for (int i = 1; i < n; i++) {
        on_cpu_wait(cpus[i]);
    }
}

/* A flush with interrupts off on both sides still comes to an end */
static SHARED bool masked_go, masked_stop;

static void wait_with_irqs_off(void *unused)
{
    irq_disable();
    masked_go = true;
    while (!masked_stop) {
        cpu_relax();
    }
    irq_enable();
}

TEST(flush_vp_with_interrupts_off, "FL-009", .need = NEED_FLUSH, .min_cpus = 2)
{
    uint64_t *in = page_alloc();

    masked_go = masked_stop = false;
    on_cpu_start(cpus[1], wait_with_irqs_off, NULL);
    CHECK(WAIT_FOR(masked_go), "CPU 1 does not start");
    in[FLAGS] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    irq_disable();
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, in, NULL), HV_SUCCESS, "call");
    irq_enable();
    masked_stop = true;
    on_cpu_wait(cpus[1]);
}

/* Nested guest-physical flushes: there is no nested guest here */

TEST(flush_gpa_not_nested, "NE-019,NE-020,CP-039",
     .need = { F_HYPERCALL, F_NESTED_GPA_FLUSH })
{
    CHECK_EQ(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0x1000, 0),
             HV_INVALID_VP_STATE, "space");
    CHECK_IN(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0x1000, 1),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_VP_STATE), "space, flag 0");
}

TEST(flush_gpa_list_not_nested, "NE-021",
     .need = { F_HYPERCALL, F_NESTED_GPA_FLUSH })
{
    uint64_t *in = page_alloc();

    CHECK_EQ(HV_STATUS(hv_call(HVCALL_FLUSH_GPA_LIST | HV_REPS(1), in, NULL)),
             HV_INVALID_VP_STATE, "list");
    in[1] = 1;
    CHECK_IN(HV_STATUS(hv_call(HVCALL_FLUSH_GPA_LIST | HV_REPS(1), in, NULL)),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_VP_STATE), "list, flag 0");
    CHECK_EQ(hv_call(HVCALL_FLUSH_GPA_LIST, in, NULL), HV_INVALID_INPUT,
             "list of nothing");
}

TEST(flush_gpa_not_offered, "NE-019,CP-039", .need = { F_HYPERCALL },
     .absent = F_NESTED_GPA_FLUSH)
{
    uint64_t *in = page_alloc();

    CHECK_IN(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0, 0),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_INVALID_VP_STATE),
             "space");
    CHECK_IN(HV_STATUS(hv_call(HVCALL_FLUSH_GPA_LIST | HV_REPS(1), in, NULL)),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_INVALID_VP_STATE),
             "list");
}
