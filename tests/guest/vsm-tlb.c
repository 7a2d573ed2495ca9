/*
 * Trust levels and the processor's memory of translations: an address that is
 * one page to VTL 0 and another to VTL 1, as data and as code.  A switch is no
 * flush, and must need none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define PTE_A           0x020ull
#define PTE_D           0x040ull
#define MAPPED          (PTE_P | PTE_W | PTE_A | PTE_D)
#define ADDRESS         0x000FFFFFFFFFF000ull

#define CR4_PGE         (1ull << 7)
#define EXC_DB          1
#define DR7_WRITE_0     0x00D0402ull    /* DR0: 4 bytes written, globally */

#define ROUNDS          50

/* An address, and what both trust levels have there */
struct both {
    uint64_t va;
    uint64_t *pte0, *pte1;
    uint8_t *page0, *page1;     /* where they are in the identity map */
    uint64_t cr3;               /* VTL 0's */
    uint64_t cr3_before;        /* VTL 1's */
    uint64_t flags;             /* of both PTEs */
    uint64_t arg, result;
};

/* Tables like VTL 0's, but for @va, all the way from the PML4 on */
static uint64_t own_tables(const struct both *b, uint64_t **pte)
{
    uint64_t root = (uintptr_t)page_alloc();
    uint64_t *from = (uint64_t *)(b->cr3 & ADDRESS);
    uint64_t *to = (uint64_t *)root;

    for (int shift = 39; ; shift -= 9) {
        unsigned i = b->va >> shift & 511;

        memcpy(to, from, PAGE_SIZE);
        if (shift == 12) {
            *pte = &to[i];
            return root;
        }
        from = (uint64_t *)(to[i] & ADDRESS);
        to[i] = (uintptr_t)page_alloc() | (to[i] & ~ADDRESS);
        to = (uint64_t *)(to[i] & ADDRESS);
    }
}

static void write_cr3(uint64_t v)
{
    asm volatile("movq %0, %%cr3" :: "r" (v) : "memory");
}

static void vtl1_maps(void *v)
{
    struct both *b = v;
    uint64_t root = own_tables(b, &b->pte1);

    *b->pte1 = (uintptr_t)b->page1 | b->flags;
    b->cr3_before = read_cr3();
    write_cr3(root);
}

static void vtl1_unmaps(void *v)
{
    write_cr3(((struct both *)v)->cr3_before);
}

static void begin(struct both *b, uint64_t more_flags)
{
    secure_on(1);
    b->va = va_alloc(LARGE_PAGE);
    b->page0 = page_alloc();
    b->page1 = page_alloc();
    b->cr3 = read_cr3();
    b->flags = MAPPED | more_flags;
    b->pte0 = pte_of(b->va);
    map_page(b->va, (uintptr_t)b->page0, b->flags);
    in_vtl1(vtl1_maps, b);
}

static void end(struct both *b)
{
    in_vtl1(vtl1_unmaps, b);
}

static SHARED uint64_t *word(const struct both *b)
{
    return (SHARED uint64_t *)b->va;
}

/* Data: each writes where it reads, and finds in the other's page what that
 * has written */
static void vtl1_adds(void *v)
{
    struct both *b = v;

    b->result = *word(b);
    *word(b) = b->result + b->arg;
}

static void data(uint64_t more_flags)
{
    struct both b;

    begin(&b, more_flags);
    *(SHARED uint64_t *)b.page1 = 1000000;
    for (int i = 0; i < ROUNDS; i++) {
        *word(&b) = i;
        b.arg = 3;
        in_vtl1(vtl1_adds, &b);
        CHECK_EQ(b.result, 1000000 + 3 * i, "what VTL 1 reads");
        CHECK_EQ(*word(&b), i, "what VTL 0 reads");
        CHECK_EQ(*(SHARED uint64_t *)b.page0, i, "VTL 0's page");
        CHECK_EQ(*(SHARED uint64_t *)b.page1, 1000003 + 3 * i, "VTL 1's page");
    }
    end(&b);
}

TEST(vsm_tlb_data, "VS-017", .need = NEED)
{
    data(0);
}

static void vtl1_global(void *on)
{
    write_cr4(on ? read_cr4() | CR4_PGE : read_cr4() & ~CR4_PGE);
}

TEST(vsm_tlb_global, "VS-017", .need = NEED)
{
    uint64_t cr4 = read_cr4();

    secure_on(1);
    write_cr4(cr4 | CR4_PGE);
    in_vtl1(vtl1_global, &cr4);
    data(PTE_G);
    in_vtl1(vtl1_global, NULL);
    write_cr4(cr4);
}

/* mov $n, %eax; ret */
static void put_code(void *at, uint32_t n)
{
    uint8_t code[] = { 0xB8, n, n >> 8, n >> 16, n >> 24, 0xC3 };

    memcpy(at, code, sizeof(code));
}

static uint32_t run_at(uint64_t va)
{
    return ((uint32_t (*)(void))va)();
}

static void vtl1_runs(void *v)
{
    struct both *b = v;

    b->result = run_at(b->va);
}

TEST(vsm_tlb_code, "VS-017", .need = NEED)
{
    struct both b;

    begin(&b, 0);
    put_code(b.page0, 0x10);
    put_code(b.page1, 0x21);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(run_at(b.va), 0x10, "VTL 0");
        in_vtl1(vtl1_runs, &b);
        CHECK_EQ(b.result, 0x21, "VTL 1");
    }
    end(&b);
}

/* What is written over code by that address is what runs from then on */
static void vtl1_rewrites(void *v)
{
    struct both *b = v;

    b->result = run_at(b->va);
    put_code((void *)b->va, b->arg);
    CHECK_EQ(run_at(b->va), b->arg, "VTL 1's new code");
}

TEST(vsm_tlb_rewritten_code, "VS-017", .need = NEED)
{
    struct both b;
    uint64_t sum = 0;

    begin(&b, 0);
    put_code(b.page0, 1);
    put_code(b.page1, 2);
    b.arg = 2;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t before = b.arg;

        CHECK_EQ(run_at(b.va), i + 1, "VTL 0");
        /* Its translation is there, not yet one that was written by */
        sum += *word(&b);
        b.arg = 1000 + i;
        in_vtl1(vtl1_rewrites, &b);
        CHECK_EQ(b.result, before, "VTL 1");
        CHECK_EQ(run_at(b.va), i + 1, "VTL 0 again");
        put_code((void *)b.va, i + 2);
        CHECK_EQ(run_at(b.va), i + 2, "VTL 0's new code");
        in_vtl1(vtl1_runs, &b);
        CHECK_EQ(b.result, b.arg, "VTL 1's code is as it was");
    }
    CHECK(sum, "it was read");
    end(&b);
}

/* One page of code to both, which either of them changes */
static void vtl1_shares(void *v)
{
    struct both *b = v;

    *b->pte1 = *b->pte0;
    invlpg(b->va);
}

TEST(vsm_tlb_shared_code, "VS-017", .need = NEED)
{
    struct both b;

    begin(&b, 0);
    put_code(b.page0, 0);
    b.arg = 0;
    in_vtl1(vtl1_shares, &b);
    for (int i = 1; i < ROUNDS; i++) {
        uint64_t before = b.arg;

        CHECK_EQ(run_at(b.va), before, "VTL 0");
        b.arg = 1000 + i;
        in_vtl1(vtl1_rewrites, &b);
        CHECK_EQ(b.result, before, "VTL 1");
        CHECK_EQ(run_at(b.va), b.arg, "what VTL 1 has written");
        b.arg = i;
        put_code((void *)b.va, i);
        in_vtl1(vtl1_runs, &b);
        CHECK_EQ(b.result, i, "what VTL 0 has written");
    }
    end(&b);
}

/* A flush by one of them, be it of the other's doing, is no half */
static void vtl1_moves_vtl0(void *v)
{
    struct both *b = v;
    uint64_t *in = page_alloc();

    CHECK_EQ(*word(b), 0x11, "VTL 1's word");
    *b->pte0 = (uintptr_t)b->page1 | b->flags;
    in[1] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, in, NULL), HV_SUCCESS, "flush");
}

static void vtl1_reads(void *v)
{
    struct both *b = v;

    b->result = *word(b);
}

TEST(vsm_tlb_flushes, "VS-017,FL-001", .need = { F_HYPERCALL, F_VSM,
                                                 F_HINT_REMOTE_FLUSH })
{
    struct both b;

    begin(&b, 0);
    *(SHARED uint64_t *)b.page0 = 0x10;
    *(SHARED uint64_t *)b.page1 = 0x11;
    CHECK_EQ(*word(&b), 0x10, "VTL 0's word");
    in_vtl1(vtl1_moves_vtl0, &b);
    CHECK_EQ(*word(&b), 0x11, "VTL 0's, moved by VTL 1");

    *b.pte0 = (uintptr_t)b.page0 | b.flags;
    invlpg(b.va);
    CHECK_EQ(*word(&b), 0x10, "after INVLPG");
    in_vtl1(vtl1_reads, &b);
    CHECK_EQ(b.result, 0x11, "VTL 1's word");

    *b.pte0 = (uintptr_t)b.page1 | b.flags;
    in_vtl1(vtl1_reads, &b);
    write_cr3(read_cr3());
    CHECK_EQ(*word(&b), 0x11, "after a write to CR3");
    in_vtl1(vtl1_reads, &b);
    CHECK_EQ(b.result, 0x11, "VTL 1's word");
    end(&b);
}

/* VTL 1 has another page table for VTL 0 */
static void vtl1_sets_cr3(void *cr3)
{
    vtl_set_reg(0, HV_REG_CR3, (uintptr_t)cr3);
}

TEST(vsm_tlb_cr3_of_lower, "VS-052", .need = NEED)
{
    struct both b;
    uint64_t cr3 = read_cr3(), other, *pte;

    begin(&b, 0);
    *(SHARED uint64_t *)b.page0 = 0x10;
    *(SHARED uint64_t *)b.page1 = 0x11;
    other = own_tables(&b, &pte);
    *pte = (uintptr_t)b.page1 | b.flags;
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(*word(&b), 0x10, "VTL 0's word");
        in_vtl1(vtl1_sets_cr3, (void *)other);
        CHECK_EQ(*word(&b), 0x11, "with the other table");
        in_vtl1(vtl1_sets_cr3, (void *)cr3);
    }
    end(&b);
}

/* A breakpoint is one of the trust level whose DR7 has it */
static void vtl1_writes(void *v)
{
    struct both *b = v;

    b->result = store64_safe((uintptr_t)b->page0, b->arg);
}

static void vtl1_sets_dr7(void *v)
{
    asm volatile("movq %0, %%dr7" :: "r" (v));
}

TEST(vsm_breakpoints, "VS-017,VS-054", .need = NEED)
{
    struct both b;
    uint64_t none = 0x400, at;

    begin(&b, 0);
    at = (uintptr_t)b.page0;
    asm volatile("movq %0, %%dr0" :: "r" (at));
    for (int i = 0; i < 4; i++) {
        asm volatile("movq %0, %%dr7" :: "r" (DR7_WRITE_0));
        in_vtl1(vtl1_writes, &b);
        CHECK_EQ((int)b.result, NO_FAULT, "VTL 1 has none");
        CHECK_EQ(store64_safe(at, i), EXC_DB, "VTL 0 has one");
        asm volatile("movq %0, %%dr7" :: "r" (none));

        in_vtl1(vtl1_sets_dr7, (void *)DR7_WRITE_0);
        CHECK_EQ(store64_safe(at, i), NO_FAULT, "VTL 0 has none");
        in_vtl1(vtl1_writes, &b);
        CHECK_EQ((int)b.result, EXC_DB, "VTL 1 has one");
        in_vtl1(vtl1_sets_dr7, (void *)none);
    }
    asm volatile("movq %0, %%dr0" :: "r" (0ull));
    end(&b);
}

/* Several VPs switch without a pause, each with a page of its own there */
static SHARED bool mixed_up;

static void vtl1_checks(void *v)
{
    struct both *b = v;

    if (run_at(b->va) != b->arg || *word(b) != *(SHARED uint64_t *)b->page1) {
        mixed_up = true;
    }
}

static void switch_on(void *v)
{
    struct both *b = v;

    in_vtl1(vtl1_maps, b);
    for (int i = 0; i < 500; i++) {
        in_vtl1(vtl1_checks, b);
        if (run_at(b->va) != 0x10 || *word(b) != *(SHARED uint64_t *)b->page0) {
            mixed_up = true;
        }
    }
    in_vtl1(vtl1_unmaps, b);
}

TEST(vsm_tlb_all_vps, "VS-017", .need = NEED, .min_cpus = 2)
{
    struct both *bs = page_alloc();
    struct both *first = bs;

    secure_on(ncpus);
    begin(first, 0);
    end(first);
    put_code(first->page0, 0x10);
    for (int i = 0; i < ncpus; i++) {
        bs[i] = *first;
        bs[i].page1 = page_alloc();
        bs[i].arg = 0x2000 + i;
        put_code(bs[i].page1, bs[i].arg);
    }
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], switch_on, &bs[i]);
    }
    switch_on(&bs[0]);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
    CHECK(!mixed_up, "each has its own");
}

/* Locks */

#define TLB_LOCKED      2

static struct flush {
    SHARED bool locked, begun, done;
    bool by_return;
    uint64_t status;
} flush;

static uint64_t flush_all(void)
{
    uint64_t *in = page_alloc();

    in[1] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    return hv_call(HVCALL_FLUSH_SPACE, in, NULL);
}

static void vtl0_flushes(void *unused)
{
    CHECK(WAIT_FOR(flush.locked), "VTL 1 of the other VP locks");
    flush.begun = true;
    flush.status = flush_all();
    flush.done = true;
}

static void vtl1_locks(void *unused)
{
    vtl_set_reg(1, HV_REG_VSM_SECURE_CONFIG, TLB_LOCKED);
    CHECK_EQ(flush_all(), HV_SUCCESS, "VTL 1's own flush");
    flush.locked = true;
    CHECK(WAIT_FOR(flush.begun), "VTL 0 of the other VP flushes");
    for (int i = 0; i < 10000; i++) {
        outb(0x80, 0);
    }
    CHECK(!flush.done, "it waits");
    if (!flush.by_return) {
        vtl_set_reg(1, HV_REG_VSM_SECURE_CONFIG, 0);
        CHECK(WAIT_FOR(flush.done), "it goes on");
    }
}

static void lock(bool by_return)
{
    secure_on(2);
    flush = (struct flush) { .by_return = by_return };
    on_cpu_start(cpus[1], vtl0_flushes, NULL);
    in_vtl1(vtl1_locks, NULL);
    CHECK(WAIT_FOR(flush.done), "it goes on");
    on_cpu_wait(cpus[1]);
    CHECK_EQ(flush.status, HV_SUCCESS, "flush");
}

TEST(vsm_tlb_lock, "FL-026", .need = { F_HYPERCALL, F_VSM,
                                       F_HINT_REMOTE_FLUSH }, .min_cpus = 2)
{
    lock(false);
}

TEST(vsm_tlb_lock_return, "FL-026,VS-021",
     .need = { F_HYPERCALL, F_VSM, F_HINT_REMOTE_FLUSH }, .min_cpus = 2)
{
    for (int i = 0; i < 3; i++) {
        lock(true);
    }
}

/* A lock of one's own is nothing to wait for, and gone after the return */
static void vtl1_locks_itself(void *seen)
{
    *(uint64_t *)seen = vtl_get_reg(1, HV_REG_VSM_SECURE_CONFIG);
    vtl_set_reg(1, HV_REG_VSM_SECURE_CONFIG, TLB_LOCKED);
    CHECK_EQ(vtl_get_reg(1, HV_REG_VSM_SECURE_CONFIG), TLB_LOCKED, "locked");
}

TEST(vsm_tlb_lock_own, "VS-021", .need = { F_HYPERCALL, F_VSM,
                                           F_HINT_REMOTE_FLUSH })
{
    uint64_t seen;

    secure_on(1);
    for (int i = 0; i < 2; i++) {
        in_vtl1(vtl1_locks_itself, &seen);
        CHECK_EQ(seen, 0, "no lock");
        CHECK_EQ(flush_all(), HV_SUCCESS, "flush by VTL 0");
    }
}
