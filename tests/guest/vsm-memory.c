/*
 * Protections of memory by VTL 1 (TLFS 15.9): what VTL 0's instructions may
 * still do, and what VTL 1 is told if they try more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define R               1
#define W               2
#define KX              4
#define UX              8
#define ALL             15

#define PTE_A           0x020ull
#define PTE_D           0x040ull

#define CR4_SMEP        (1ull << 20)
#define CPUID_7_SMEP    (1u << 7)

#define CACHE_WRITE_BACK    6

#define GVA_VALID       1
#define GVA_GPA_VALID   2

struct memory_intercept {
    struct intercept_header h;
    uint32_t cache_type;
    uint8_t byte_count, info, tpr, reserved;
    uint64_t gva, gpa;
    uint8_t bytes[16];
};
_Static_assert(sizeof(struct memory_intercept) == 80, "memory intercept");

/* What VTL 1 of a CPU was told last, and what it is to do about it */
static struct told {
    SHARED uint32_t count;
    struct hv_message msg;
    uint64_t give_up_at;        /* go on there, or 0: allow it, and again */
    bool insist;                /* again, without */
} told[MAX_CPUS];

static bool protecting;
static uint32_t secret_word = 0x5EC2E7;

/* In VTL 1 */

void protect_page(uint64_t gpa, uint32_t mask)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = mask;
    in[2] = gpa / PAGE_SIZE;
    CHECK_EQ(hv_call(HVCALL_MODIFY_PROTECTION | HV_REPS(1), in, NULL),
             HV_REPS(1), "protection 0x%x of 0x%lx", mask, gpa);
}

static void intercepted(void)
{
    struct cpu *me = this_cpu();
    struct told *t = &told[me->id];
    struct hv_message *slot = me->simp;
    const struct memory_intercept *m = (void *)slot->payload;

    if (slot->type != TYPE_GPA_INTERCEPT) {
        note("intercept without a message");
        return;
    }
    t->msg = *slot;
    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    if (t->give_up_at) {
        vtl_set_reg(0, HV_REG_RIP, t->give_up_at);
    } else if (!t->insist) {
        protect_page(m->gpa, ALL);
    }
    t->count++;
}

static void start_protecting(void *unused)
{
    vtl_set_reg(1, HV_REG_VSM_CONFIG, 1 | ALL << 1);
}

struct protection {
    uint64_t gpa;
    uint32_t mask;
};

static void protect_in_vtl1(void *p)
{
    protect_page(((struct protection *)p)->gpa, ((struct protection *)p)->mask);
}

/* In VTL 0 */

static void be_protecting(void)
{
    if (!protecting) {
        in_vtl1(start_protecting, NULL);
        protecting = true;
    }
}

void protect(uint64_t gpa, uint32_t mask)
{
    struct protection p = { gpa, mask };

    be_protecting();
    in_vtl1(protect_in_vtl1, &p);
}

static void begin_here(void *unused)
{
    in_vtl1(secure_synic_on, NULL);
    told[this_cpu()->id].give_up_at = 0;
    told[this_cpu()->id].insist = false;
}

void protection_on(int n)
{
    secure_on(n);
    secure_intercept = intercepted;
    begin_here(NULL);
    for (int i = 1; i < n; i++) {
        on_cpu(cpus[i], begin_here, NULL);
    }
    be_protecting();
}

static const struct memory_intercept *last(void)
{
    return (void *)told[this_cpu()->id].msg.payload;
}

/* Instructions to be copied where they run */
asm(".pushsection .rodata\n"
    "code_read:  movq (%rdi), %rax\n"
    "            ret\n"
    "code_write: movq %rsi, (%rdi)\n"
    "            ret\n"
    "code_add:   lock addq %rsi, (%rdi)\n"
    "            ret\n"
    "code_run:   ret\n"
    "            .fill 32, 1, 0xcc\n"
    ".popsection\n");
extern const char code_read[], code_write[], code_add[], code_run[];

static const struct kind {
    const char *name;
    const char *code;
    uint32_t needs;             /* of data accesses */
} kinds[] = {
    { "read", code_read, R },
    { "write", code_write, R | W },
    { "add", code_add, R | W },
    { "execute", code_run, 0 },
};

/* As the identity map does not say that a page may be executed or not */
static uint32_t execute_bit(bool user, bool mbec)
{
    bool smep = cpuid(7).reg[R_EBX] & CPUID_7_SMEP;

    return user && mbec && (!smep || (read_cr4() & CR4_SMEP)) ? UX : KX;
}

/*
 * One access to @page under each mask: whether it is intercepted, what is told
 * about it, and that it succeeds when it is allowed after that
 */
static void try_access(const struct kind *k, uint32_t mask, bool user,
                       bool mbec, uint64_t *page, uint8_t *code)
{
    struct told *t = &told[this_cpu()->id];
    bool run = k->code == code_run;
    uint64_t needs = run ? execute_bit(user, mbec) : k->needs;
    bool denied = (mask & needs) != needs;
    uint8_t *at = run ? (uint8_t *)page : code;
    uint32_t before = t->count;
    const struct memory_intercept *m = last();
    struct call c = {
        .target = (uintptr_t)at, .rdi = (uintptr_t)(page + 3), .rsi = 7,
    };

    memcpy(at, k->code, 32);
    page[3] = run ? page[3] : 100;
    protect((uintptr_t)page, mask);
    call_safe(user ? call_user : call_kernel64, &c);
    CHECK_EQ(c.vector, NO_FAULT, "%s, mask %d, user %d", k->name, mask, user);
    CHECK_EQ(t->count - before, denied, "%s, mask %d, user %d: intercepts",
             k->name, mask, user);
    if (k->code == code_read) {
        CHECK_EQ(c.rax, 100, "what was read");
    } else if (!run) {
        CHECK_EQ(page[3], k->code == code_add ? 107 : 7, "what was written");
    }
    if (denied && t->count != before) {
        /* An addition reads and writes at once; either is missing */
        uint8_t access = run ? ACCESS_EXECUTE : k->code == code_read ?
                         ACCESS_READ : ACCESS_WRITE;

        CHECK_EQ(t->msg.size, sizeof(*m), "size");
        CHECK_EQ(m->h.vp_index, this_cpu()->vp, "VP");
        CHECK_EQ(m->h.length_cr8, 0, "length is not known");
        CHECK(m->h.access == access ||
              (k->code == code_add && m->h.access == ACCESS_READ),
              "%s: access %d", k->name, m->h.access);
        CHECK_EQ(m->h.state, STATE_PE | STATE_LMA | (user ? 3 : 0), "state");
        CHECK_EQ(m->h.cs.selector & 3, user ? 3 : 0, "CS");
        CHECK_EQ(m->h.cs.attributes & 0x20FF, user ? 0x20FB : 0x209B,
                 "attributes of CS");
        CHECK_EQ(m->h.rip, (uintptr_t)at, "RIP");
        CHECK_EQ(m->h.rflags & 2, 2, "RFLAGS");
        CHECK_EQ(m->h.rflags >> 22, 0, "RFLAGS");
        CHECK_EQ(m->cache_type, CACHE_WRITE_BACK, "cache type");
        CHECK_EQ(m->info, GVA_VALID | GVA_GPA_VALID, "info");
        CHECK_EQ(m->tpr, 0, "TPR");
        CHECK_EQ(m->reserved, 0, "reserved");
        CHECK_EQ(m->gva, run ? (uintptr_t)at : (uintptr_t)(page + 3), "GVA");
        CHECK_EQ(m->gpa, m->gva, "GPA");
        CHECK_EQ(m->byte_count, run ? 0 : 16, "instruction bytes");
        CHECK(run || !memcmp(m->bytes, k->code, 16), "instruction bytes");
    }
    protect((uintptr_t)page, ALL);
}

static bool mask_valid(uint32_t mask, bool mbec)
{
    return !mask || ((mask & R) && !(mbec && (mask & KX) && !(mask & UX)));
}

static void matrix(bool mbec)
{
    uint64_t *page = page_alloc();
    uint8_t *code = page_alloc();

    for (uint32_t mask = 0; mask <= ALL; mask++) {
        for (int user = 0; mask_valid(mask, true) && user < 2; user++) {
            for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
                try_access(&kinds[i], mask, user, mbec, page, code);
            }
        }
    }
}

struct attempt {
    uint32_t mask;
    uint64_t page, status;
};

static void attempt_mask(void *v)
{
    struct attempt *a = v;
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = a->mask;
    in[2] = a->page;
    a->status = hv_call(HVCALL_MODIFY_PROTECTION | HV_REPS(1), in, NULL);
}

TEST(vsm_memory_masks, "VS-032,VS-033,VS-034,VS-035", .need = NEED)
{
    struct attempt a = { ALL, (uintptr_t)page_alloc() / PAGE_SIZE };

    secure_on(1);
    if (!protecting) {
        in_vtl1(attempt_mask, &a);
        CHECK_EQ(a.status, HV_ACCESS_DENIED, "before it is enabled");
    }
    protection_on(1);
    for (a.mask = 0; a.mask <= ALL; a.mask++) {
        in_vtl1(attempt_mask, &a);
        CHECK_EQ(a.status, mask_valid(a.mask, true) ? HV_REPS(1) :
                 HV_INVALID_PARAMETER, "mask %d", a.mask);
    }
    a = (struct attempt) { ALL, 0xFEE00 };
    in_vtl1(attempt_mask, &a);
    CHECK_EQ(a.status, HV_INVALID_PARAMETER, "the APIC's page");
    attempt_mask(&a);
    CHECK_EQ(a.status, HV_INVALID_PARAMETER, "from VTL 0");
}

TEST(vsm_memory_matrix, "VS-036,VS-037,VS-059,VM-021", .need = NEED)
{
    protection_on(1);
    matrix(false);
}

static void set_mbec(void *on)
{
    vtl_set_reg(1, HV_REG_VSM_SECURE_CONFIG, !!on);
}

TEST(vsm_memory_mbec, "VS-060,VS-061", .need = NEED)
{
    protection_on(1);
    in_vtl1(set_mbec, &protecting);
    matrix(true);
    in_vtl1(set_mbec, NULL);
    matrix(false);
}

TEST(vsm_memory_give_up, "VA-012,VM-021", .need = NEED)
{
    uint64_t *page = page_alloc();
    uint8_t *code = page_alloc();
    struct told *t;
    struct call c = {
        .target = (uintptr_t)code, .rdi = (uintptr_t)page, .rax = 1,
    };

    protection_on(1);
    t = &told[this_cpu()->id];
    *page = secret_word;
    memcpy(code, code_read, 32);
    protect((uintptr_t)page, 0);
    /* Behind the load */
    t->give_up_at = (uintptr_t)code + 3;
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.rax, 1, "nothing was read");
    c.target = (uintptr_t)code;
    memcpy(code, code_write, 32);
    call_safe(call_kernel64, &c);
    t->give_up_at = 0;
    protect((uintptr_t)page, ALL);
    CHECK_EQ(*page, secret_word, "nothing was written");
}

/* The bits of the execution state, and the priority, one after the other */
TEST(vsm_memory_state, "VM-021,VM-049", .need = NEED)
{
    /* sti; movq (%rdi), %rax; cli; ret */
    static const uint8_t shadow[] = { 0xFB, 0x48, 0x8B, 0x07, 0xFA, 0xC3 };
    uint64_t *page = page_alloc(), cr0;
    uint8_t *code = page_alloc();
    const struct memory_intercept *m = last();
    struct call c = { .rdi = (uintptr_t)page };
    uint32_t before;

    protection_on(1);
    before = told[this_cpu()->id].count;
    asm volatile("movq %%cr0, %0" : "=r" (cr0));

    memcpy(code, code_read, 32);
    for (int i = 0; i < 16; i++) {
        protect((uintptr_t)page, 0);
        write_cr8(i);
        c.target = (uintptr_t)code;
        call_safe(call_kernel64, &c);
        CHECK_EQ(m->h.length_cr8, i << 4, "CR8");
        CHECK_EQ(m->tpr, i, "priority");
        CHECK_EQ(m->h.state, STATE_PE | STATE_LMA, "state");
    }
    write_cr8(0);

    protect((uintptr_t)page, 0);
    asm volatile("movq %0, %%cr0" :: "r" (cr0 | 1 << 18));
    call_safe(call_kernel64, &c);
    CHECK_EQ(m->h.state, STATE_PE | STATE_LMA | 1 << 3, "with CR0.AM");
    asm volatile("movq %0, %%cr0" :: "r" (cr0));

    protect((uintptr_t)page, 0);
    asm volatile("movq %0, %%dr7" :: "r" (0x402ull));
    call_safe(call_kernel64, &c);
    CHECK_EQ(m->h.state, STATE_PE | STATE_LMA | STATE_DEBUG, "with DR7");
    asm volatile("movq %0, %%dr7" :: "r" (0x400ull));

    protect((uintptr_t)page, 0);
    memcpy(code, shadow, sizeof(shadow));
    irq_disable();
    call_safe(call_kernel64, &c);
    CHECK_EQ(m->h.state, STATE_PE | STATE_LMA | STATE_SHADOW, "behind STI");
    CHECK_EQ(m->h.rip, (uintptr_t)code + 1, "RIP behind STI");
    CHECK_EQ(m->h.rflags & 0x200, 0x200, "IF");
    irq_enable();
    CHECK_EQ(told[this_cpu()->id].count, before + 19, "intercepts");
}

/* 32-bit code: movl %eax, (%edi); movl (%edi), %ecx; ret */
TEST(vsm_memory_compat, "VM-021", .need = NEED)
{
    static const uint8_t insns[] = { 0x89, 0x07, 0x8B, 0x0F, 0xC3 };
    uint32_t *page = page_alloc();
    uint8_t *code = page_alloc();
    const struct memory_intercept *m = last();
    struct call c = {
        .target = (uintptr_t)code, .rdi = (uintptr_t)page + 8, .rax = 0x1234,
    };
    uint32_t before;

    protection_on(1);
    before = told[this_cpu()->id].count;
    memcpy(code, insns, sizeof(insns));
    for (int write = 0; write < 2; write++) {
        memset(page, 0, 16);
        protect((uintptr_t)page, write ? R : 0);
        /* The first of the two that is denied; then both are allowed */
        call_safe(call_kernel32, &c);
        CHECK_EQ(c.rcx, 0x1234, "what was read");
        CHECK_EQ(m->h.access, ACCESS_WRITE, "access");
        CHECK_EQ(m->h.state, STATE_PE | STATE_LMA, "state");
        CHECK_EQ(m->h.cs.attributes & 0x60FF, 0x409B, "attributes of CS");
        CHECK_EQ(m->h.cs.base, 0, "base of CS");
        CHECK_EQ(m->h.cs.limit, 0xFFFFFFFF, "limit of CS");
        CHECK_EQ(m->h.rip, (uintptr_t)code, "RIP");
        CHECK_EQ(m->gva, (uintptr_t)page + 8, "GVA");
        CHECK_EQ(m->gpa, (uintptr_t)page + 8, "GPA");
        CHECK_EQ(m->info, GVA_VALID | GVA_GPA_VALID, "info");
        CHECK_EQ(m->byte_count, 16, "instruction bytes");
        CHECK(!memcmp(m->bytes, insns, sizeof(insns)), "instruction bytes");
    }
    CHECK_EQ(told[this_cpu()->id].count, before + 2, "intercepts");
}

/* An instruction at the end of what is mapped, and in front of what is */
TEST(vsm_memory_page_end, "VM-049", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE);
    uint64_t *page = page_alloc();
    uint8_t *code = pages_alloc(2, PAGE_SIZE);
    const struct memory_intercept *m = last();
    struct call c = {
        .target = va + PAGE_SIZE - 4, .rdi = (uintptr_t)page,
    };

    protection_on(1);
    map_page(va, (uintptr_t)code, PTE_P | PTE_W);
    memcpy(code + PAGE_SIZE - 4, code_read, 4);
    memset(code + PAGE_SIZE, 0xA5, 16);
    for (int mapped = 0; mapped < 2; mapped++) {
        if (mapped) {
            map_page(va + PAGE_SIZE, (uintptr_t)code + PAGE_SIZE, PTE_P);
        }
        protect((uintptr_t)page, 0);
        call_safe(call_kernel64, &c);
        CHECK_EQ(c.vector, NO_FAULT, "fault");
        CHECK_EQ(m->h.rip, va + PAGE_SIZE - 4, "RIP");
        CHECK_EQ(m->byte_count, mapped ? 16 : 4, "instruction bytes");
        CHECK(!memcmp(m->bytes, code + PAGE_SIZE - 4, mapped ? 16 : 4),
              "instruction bytes");
        CHECK(mapped || is_filled(m->bytes + 4, 0, 12), "the others");
    }
}

/* The page that an address is looked up in */
TEST(vsm_memory_page_walk, "VM-023", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    const struct memory_intercept *m = last();
    struct told *t;
    uint64_t *pte = pte_of(va), table = (uintptr_t)pte & ~(PAGE_SIZE - 1), v;
    uint32_t before;

    protection_on(1);
    t = &told[this_cpu()->id];
    *(uint64_t *)page = 0x77;
    *pte = page | PTE_P | PTE_W | PTE_A | PTE_D;

    protect(table, R);
    before = t->count;
    CHECK_EQ(load64_safe(va, &v), NO_FAULT, "load");
    CHECK_EQ(store64_safe(va, 0x78), NO_FAULT, "store");
    CHECK_EQ(t->count, before, "with A and D set");

    protect(table, ALL);
    *pte = page | PTE_P | PTE_W;
    protect(table, R);
    invlpg(va);
    CHECK_EQ(load64_safe(va, &v), NO_FAULT, "load");
    CHECK_EQ(v, 0x78, "what was loaded");
    CHECK_EQ(t->count, before + 1, "A has to be set");
    CHECK_EQ(m->h.access, ACCESS_WRITE, "access");
    CHECK_EQ(m->gpa & ~7ull, (uintptr_t)pte, "GPA");
    CHECK(!(m->info & GVA_GPA_VALID), "info 0x%x", m->info);

    protect(table, 0);
    CHECK_EQ(load64_safe(va, &v), NO_FAULT, "load");
    CHECK_EQ(t->count, before + 2, "no right to read");
    CHECK_EQ(m->h.access, ACCESS_READ, "access");
    CHECK_EQ(m->gpa & ~7ull, (uintptr_t)pte, "GPA");
    CHECK_EQ(m->info, GVA_VALID, "info");
    CHECK_EQ(m->gva, va, "GVA");
    protect(table, ALL);
}

TEST(vsm_memory_cross_page, "VM-022", .need = NEED)
{
    uint64_t *pages = pages_alloc(2, PAGE_SIZE);
    struct told *t;
    uint64_t edge = (uintptr_t)pages + PAGE_SIZE - 4;
    uint32_t before;
    uint8_t *code = page_alloc();
    struct call c = {
        .target = (uintptr_t)code, .rdi = edge, .rsi = ~0ull,
    };

    protection_on(1);
    t = &told[this_cpu()->id];
    memcpy(code, code_write, 32);
    protect((uintptr_t)pages + PAGE_SIZE, R);
    before = t->count;
    t->give_up_at = (uintptr_t)code + 3;
    call_safe(call_kernel64, &c);
    t->give_up_at = 0;
    CHECK_EQ(t->count, before + 1, "intercepts");
    CHECK_EQ(*(uint32_t *)edge, 0, "the first half was not written");
    CHECK_EQ(last()->gpa & ~(PAGE_SIZE - 1), (uintptr_t)pages + PAGE_SIZE,
             "GPA");
    protect((uintptr_t)pages + PAGE_SIZE, ALL);
}

/* Code that VTL 0 executes and changes, until it must not */
TEST(vsm_memory_self_modifying, "", .need = NEED)
{
    uint8_t *code = page_alloc();
    struct told *t;
    uint32_t before;
    struct call c;

    protection_on(1);
    t = &told[this_cpu()->id];
    before = t->count;
    for (int i = 0; i < 4; i++) {
        /* mov $i, %eax; ret */
        const uint8_t insns[] = { 0xB8, i, 0, 0, 0, 0xC3 };

        if (i == 2) {
            protect((uintptr_t)code, R | KX | UX);
        }
        memcpy(code, insns, sizeof(insns));
        c = (struct call) { .target = (uintptr_t)code };
        call_safe(call_kernel64, &c);
        CHECK_EQ(c.rax, i, "what ran");
    }
    CHECK_EQ(t->count, before + 1, "intercepts");
    protect((uintptr_t)code, R | W);
    c = (struct call) { .target = (uintptr_t)code };
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.rax, 3, "what ran");
    CHECK_EQ(t->count, before + 2, "not to be executed");
    CHECK_EQ(last()->h.access, ACCESS_EXECUTE, "access");
}

/* Another CPU reads without a pause while the page becomes a secret */
struct reader {
    SHARED uint64_t *page;
    SHARED uint32_t reads;
    SHARED bool stop, leaked;
};

static void read_on(void *v)
{
    struct reader *r = v;

    while (!r->stop) {
        if (*r->page == secret_word) {
            r->leaked = true;
        }
        r->reads++;
    }
}

static void keep_secret(void *v)
{
    struct reader *r = v;

    protect_page((uintptr_t)r->page, 0);
    *r->page = secret_word;
    *r->page = 0;
    protect_page((uintptr_t)r->page, ALL);
}

TEST(vsm_memory_other_cpus, "VS-037", .need = NEED, .min_cpus = 2)
{
    struct reader r = { page_alloc() };

    protection_on(ncpus);
    for (int i = 1; i < ncpus; i++) {
        told[i].insist = true;
        on_cpu_start(cpus[i], read_on, &r);
    }
    for (int i = 0; i < 100; i++) {
        uint32_t seen = r.reads;

        in_vtl1(keep_secret, &r);
        CHECK(WAIT_FOR(r.reads != seen), "they go on");
    }
    r.stop = true;
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
    CHECK(!r.leaked, "nobody has seen it");
}

#define FW_CFG_DMA          0x514
#define FW_CFG_READ_SIGN    0x0A        /* select item 0, and read */

/* A device that VTL 0 has write to memory */
TEST(vsm_memory_dma, "VS-058", .need = NEED)
{
    uint32_t *page = page_alloc(), *command = page_alloc();

    protection_on(1);
    for (int mask = 0; mask <= (R | W); mask++) {
        if (!mask_valid(mask, true)) {
            continue;
        }
        protect((uintptr_t)page, ALL);
        *page = secret_word;
        protect((uintptr_t)page, mask);
        command[0] = __builtin_bswap32(FW_CFG_READ_SIGN);
        command[1] = __builtin_bswap32(4);
        command[2] = 0;
        command[3] = __builtin_bswap32((uintptr_t)page);
        outl(FW_CFG_DMA, 0);
        outl(FW_CFG_DMA + 4, __builtin_bswap32((uintptr_t)command));
        protect((uintptr_t)page, ALL);
        CHECK_EQ(*page, mask & W ? 0x554D4551 : secret_word, "mask %d", mask);
    }
}
