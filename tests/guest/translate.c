/*
 * Translation of virtual addresses by hypercall (TLFS 9.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VP_REGISTERS }
#define NEED_OTHER      .need = NEED, .min_cpus = 2

#define MSR_EFER        0xC0000080u
#define EFER_LME        (1ull << 8)
#define EFER_NXE        (1ull << 11)
#define CR0_WP          (1ull << 16)
#define CR0_PG          (1ull << 31)
#define CR4_PSE         (1ull << 4)
#define CR4_PAE         (1ull << 5)
#define CR4_SMEP        (1ull << 20)
#define CR4_SMAP        (1ull << 21)

#define PTE_PWT         0x008ull
#define PTE_PCD         0x010ull
#define PTE_A           0x020ull
#define PTE_D           0x040ull
#define PTE_PAT         0x080ull
#define PTE_NX          (1ull << 63)

struct result {
    uint64_t code;              /* and the rest of the word */
    uint64_t gpa;
};

static uint64_t *in, *out;

static void pages(void)
{
    if (!in) {
        in = page_alloc();
        out = page_alloc();
    }
}

static uint64_t raw(uint16_t call, uint32_t vp, uint64_t flags, uint64_t va)
{
    pages();
    in[0] = HV_PARTITION_SELF;
    in[1] = vp;
    in[2] = flags;
    in[3] = va / PAGE_SIZE;
    memset(out, 0xFF, 64);
    return hv_call(call, in, out);
}

static struct result translate(uint32_t vp, uint64_t flags, uint64_t va)
{
    CHECK_EQ(raw(HVCALL_TRANSLATE, vp, flags, va), HV_SUCCESS,
             "flags 0x%lx, address 0x%lx", flags, va);
    return (struct result) { out[0], out[1] * PAGE_SIZE };
}

static void check_code(uint32_t vp, uint64_t flags, uint64_t va,
                       uint32_t code, const char *what)
{
    struct result r = translate(vp, flags, va);

    CHECK_EQ((uint32_t)r.code, code, "%s, flags 0x%lx", what, flags);
}

static void check_gpa(uint32_t vp, uint64_t flags, uint64_t va, uint64_t gpa,
                      const char *what)
{
    struct result r = translate(vp, flags, va);

    CHECK_EQ((uint32_t)r.code, HV_TR_SUCCESS, "%s, flags 0x%lx", what, flags);
    CHECK_EQ(r.gpa, gpa, "%s, flags 0x%lx", what, flags);
}

TEST(translate_flags, "VM-037,VS-066", .need = NEED)
{
    CHECK_EQ(raw(HVCALL_TRANSLATE, HV_VP_SELF, HV_TR_SUPERVISOR, 0),
             HV_INVALID_PARAMETER, "no access");
    for (int bit = 10; bit < 64; bit++) {
        bool same_vtl = bit >= 56 && bit <= 60;

        CHECK_EQ(raw(HVCALL_TRANSLATE, HV_VP_SELF, HV_TR_READ | 1ull << bit, 0),
                 same_vtl ? HV_SUCCESS : HV_INVALID_PARAMETER, "bit %d", bit);
    }
    CHECK(HV_STATUS(raw(HVCALL_TRANSLATE, HV_VP_SELF,
                        HV_TR_READ | 0x11ull << 56, 0)) != HV_SUCCESS, "VTL 1");
    CHECK_EQ(raw(HVCALL_TRANSLATE, 0x1234, HV_TR_READ, 0), HV_INVALID_VP_INDEX,
             "no such VP");
    /* Nobody above VTL 0 could let go of a TLB */
    CHECK_EQ(raw(HVCALL_TRANSLATE, HV_VP_SELF, HV_TR_READ | HV_TR_FLUSH_INHIBIT,
                 0), HV_INVALID_PARAMETER, "TLB flush inhibit");
}

TEST(translate_success, "VM-039,VM-042", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), large = va_alloc(LARGE_PAGE);
    uint64_t page = (uintptr_t)page_alloc();

    map_page(va, page, PTE_P | PTE_W);
    for (int i = 0; i < ncpus; i++) {
        check_gpa(cpus[i]->vp, HV_TR_READ, va, page, "4 KiB");
        check_gpa(cpus[i]->vp, HV_TR_READ | HV_TR_WRITE | HV_TR_EXECUTE, va,
                  page, "4 KiB");
    }
    *pde_of(large) = (page & ~(LARGE_PAGE - 1)) | PTE_P | PTE_W | PTE_PS;
    check_gpa(HV_VP_SELF, HV_TR_READ, large + 5 * PAGE_SIZE,
              (page & ~(LARGE_PAGE - 1)) + 5 * PAGE_SIZE, "2 MiB");
    *pde_of(large) = 0;
}

TEST(translate_codes, "VM-039", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    uint64_t *pte = pte_of(va), *pde = pde_of(va), table = *pde;

    *pte = 0;
    check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_NOT_PRESENT, "empty entry");
    check_code(HV_VP_SELF, HV_TR_READ, va_alloc(LARGE_PAGE), HV_TR_NOT_PRESENT,
               "empty directory");
    CHECK_EQ(translate(HV_VP_SELF, HV_TR_READ, va).gpa, 0, "page of a failure");

    /* Supervisor's pages */
    *pte = page | PTE_P | PTE_W;
    check_gpa(HV_VP_SELF, HV_TR_WRITE, va, page, "as who it is");
    check_gpa(HV_VP_SELF, HV_TR_WRITE | HV_TR_SUPERVISOR, va, page,
              "supervisor");
    check_code(HV_VP_SELF, HV_TR_READ | HV_TR_USER, va, HV_TR_PRIVILEGE,
               "user");
    check_code(HV_VP_SELF, HV_TR_READ | HV_TR_USER | HV_TR_SUPERVISOR, va,
               HV_TR_PRIVILEGE, "both");
    check_gpa(HV_VP_SELF, HV_TR_READ | HV_TR_USER | HV_TR_EXEMPT, va, page,
              "exempt");

    /* Read-only; the processor obeys CR0.WP */
    *pte = page | PTE_P | PTE_U;
    check_gpa(HV_VP_SELF, HV_TR_READ, va, page, "read of a read-only page");
    check_code(HV_VP_SELF, HV_TR_WRITE, va, HV_TR_PRIVILEGE,
               "write to a read-only page");
    check_code(HV_VP_SELF, HV_TR_READ | HV_TR_WRITE | HV_TR_USER, va,
               HV_TR_PRIVILEGE, "user's write to a read-only page");
    check_gpa(HV_VP_SELF, HV_TR_READ | HV_TR_USER, va, page,
              "user's read of a read-only page");

    /* Reserved bits */
    *pte = page | PTE_P | PTE_W | gpa_beyond();
    if (gpa_beyond() < 1ull << 52) {
        check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_INVALID_FLAGS,
                   "address beyond the GPA space");
    }
    *pde = page | PTE_P | PTE_W | PTE_PS;
    if (page & (LARGE_PAGE - 1) & ~PAGE_SIZE) {
        check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_INVALID_FLAGS,
                   "large page that is not aligned");
    }
    *pde = table;
    *pte = page | PTE_P | PTE_W | PTE_NX;
    check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_INVALID_FLAGS,
               "NX that is not enabled");
    hv_wr(MSR_EFER, hv_rd(MSR_EFER) | EFER_NXE);
    check_gpa(HV_VP_SELF, HV_TR_READ, va, page, "read of an NX page");
    check_code(HV_VP_SELF, HV_TR_EXECUTE, va, HV_TR_PRIVILEGE,
               "execution of an NX page");
    *pte = 0;
    hv_wr(MSR_EFER, hv_rd(MSR_EFER) & ~EFER_NXE);
    check_code(HV_VP_SELF, HV_TR_READ, 1ull << 63, HV_TR_INVALID_FLAGS,
               "address that is not canonical");

    /* What is behind the page, and behind a table */
    *pte = gpa_beyond() / 2 | PTE_P | PTE_W;
    check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_UNMAPPED, "hole");
    *pte = (uintptr_t)hv_page | PTE_P | PTE_W;
    check_gpa(HV_VP_SELF, HV_TR_READ | HV_TR_EXECUTE, va, (uintptr_t)hv_page,
              "the hypercall page");
    check_code(HV_VP_SELF, HV_TR_WRITE, va, HV_TR_NO_WRITE,
               "write to the hypercall page");
    *pde = gpa_beyond() / 2 | PTE_P | PTE_W | PTE_U;
    check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_UNMAPPED, "table in a hole");
    *pde = (uintptr_t)hv_page | PTE_P | PTE_W | PTE_U;
    check_code(HV_VP_SELF, HV_TR_READ, va, HV_TR_ILLEGAL_OVERLAY,
               "table in an overlay");
    *pde = table;
    *pte = 0;
}

TEST(translate_page_table_bits, "VM-040", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    uint64_t *pte = pte_of(va), *pde = pde_of(va), table = *pde & ~PTE_A;

    *pde = table;
    *pte = page | PTE_P | PTE_W;
    check_gpa(HV_VP_SELF, HV_TR_WRITE, va, page, "without bits");
    CHECK_EQ(*pte, page | PTE_P | PTE_W, "entry");
    CHECK_EQ(*pde, table, "directory entry");
    check_gpa(HV_VP_SELF, HV_TR_READ | HV_TR_SET_BITS, va, page, "read");
    CHECK_EQ(*pte, page | PTE_P | PTE_W | PTE_A, "entry after a read");
    CHECK_EQ(*pde, table | PTE_A, "directory entry after a read");
    for (int i = 0; i < ncpus; i++) {
        *pte = page | PTE_P | PTE_W;
        check_gpa(cpus[i]->vp, HV_TR_WRITE | HV_TR_SET_BITS, va, page, "write");
        CHECK_EQ(*pte, page | PTE_P | PTE_W | PTE_A | PTE_D,
                 "entry after a write");
    }
    CHECK_EQ(*pde, table | PTE_A, "directory entry after a write");

    /* A walk that fails leaves what it has set */
    *pde = table;
    *pte = 0;
    check_code(HV_VP_SELF, HV_TR_WRITE | HV_TR_SET_BITS, va, HV_TR_NOT_PRESENT,
               "empty entry");
    CHECK_EQ(*pde, table | PTE_A, "directory entry after a failure");
    CHECK_EQ(*pte, 0, "entry after a failure");
    *pte = page | PTE_P;
    check_code(HV_VP_SELF, HV_TR_WRITE | HV_TR_SET_BITS, va, HV_TR_PRIVILEGE,
               "read-only entry");
    CHECK_EQ(*pte, page | PTE_P, "entry after a violation");
    *pte = 0;
}

TEST(translate_page_kinds, "VM-042", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    uint64_t *pte = pte_of(va), pat = hv_rd(0x277);

    for (int i = 0; i < 8; i++) {
        uint64_t flags = (i & 1 ? PTE_PWT : 0) | (i & 2 ? PTE_PCD : 0) |
                         (i & 4 ? PTE_PAT : 0);
        uint64_t type = pat >> 8 * i & 0xFF;
        struct result r;

        *pte = page | PTE_P | PTE_W | flags;
        r = translate(HV_VP_SELF, HV_TR_READ, va);
        /* UC-, which only MTRRs can tell from UC */
        CHECK_EQ(HV_TR_CACHE_TYPE(r.code), type == 7 ? 0 : type,
                 "cache type of PAT entry %d", i);
        CHECK_EQ(r.code & HV_TR_OVERLAY, 0, "overlay");
    }
    *pte = (uintptr_t)hv_page | PTE_P;
    CHECK_EQ(translate(HV_VP_SELF, HV_TR_READ, va).code & HV_TR_OVERLAY,
             HV_TR_OVERLAY, "hypercall page");
    if (has(F_SYNIC)) {
        synic_on();
        *pte = (uintptr_t)this_cpu()->simp | PTE_P | PTE_W;
        CHECK_EQ(translate(HV_VP_SELF, HV_TR_WRITE, va).code & HV_TR_OVERLAY,
                 HV_TR_OVERLAY, "SIM page");
        hv_wr(HV_MSR_SIMP, 0);
        CHECK_EQ(translate(HV_VP_SELF, HV_TR_WRITE, va).code & HV_TR_OVERLAY,
                 0, "where the SIM page was");
    }
    *pte = 0;
}

TEST(translate_ex, "VM-039,VM-042", .need = NEED)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    uint64_t *pte = pte_of(va);

    *pte = page | PTE_P;
    CHECK_EQ(raw(HVCALL_TRANSLATE_EX, HV_VP_SELF, HV_TR_READ, va), HV_SUCCESS,
             "success");
    CHECK_EQ((uint32_t)out[0], HV_TR_SUCCESS, "code");
    CHECK_EQ(HV_TR_CACHE_TYPE(out[0]), 6, "cache type");
    CHECK(is_filled(out + 1, 0, 40), "event");
    CHECK_EQ(out[6], page / PAGE_SIZE, "page");
    CHECK_EQ(out[7], 0, "reserved");

    /* The #PF that the access would raise, with its error code and address */
    CHECK_EQ(raw(HVCALL_TRANSLATE_EX, HV_VP_SELF, HV_TR_WRITE, va), HV_SUCCESS,
             "violation");
    CHECK_EQ((uint32_t)out[0], HV_TR_PRIVILEGE, "code");
    CHECK_EQ(out[2], 0x1 | 1 << 8 | EXC_PF << 16 | 3ull << 32, "event");
    CHECK_EQ(out[3], va, "its parameter");
    *pte = 0;
    CHECK_EQ(raw(HVCALL_TRANSLATE_EX, HV_VP_SELF, HV_TR_READ | HV_TR_USER, va),
             HV_SUCCESS, "user's read");
    CHECK_EQ(out[2], 0x1 | 1 << 8 | EXC_PF << 16 | 4ull << 32, "event");
    CHECK_EQ(raw(HVCALL_TRANSLATE_EX, HV_VP_SELF, HV_TR_READ, 1ull << 63),
             HV_SUCCESS, "not canonical");
    CHECK_EQ(out[2], 0x1 | 1 << 8 | EXC_GP << 16, "event");
}

/* The mode of a VP that sleeps, changed while it does */

static uint64_t register_of(struct cpu *c, uint32_t name)
{
    uint64_t *i = page_alloc();
    struct hv_register *o = page_alloc();

    i[0] = HV_PARTITION_SELF;
    i[1] = c->vp;
    i[2] = name;
    CHECK_EQ(hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), i, o), HV_REPS(1),
             "get of 0x%x", name);
    return o->low;
}

struct mode {
    uint64_t cr0, cr3, cr4, efer;
};

static struct mode mode_of(struct cpu *c)
{
    return (struct mode) {
        .cr0 = register_of(c, HV_REG_CR0),
        .cr3 = register_of(c, HV_REG_CR3),
        .cr4 = register_of(c, HV_REG_CR4),
        .efer = register_of(c, HV_REG_EFER),
    };
}

/* All of it in one call, in the order in which code would do it */
static void set_mode(struct cpu *c, const struct mode *m)
{
    bool to_long = m->efer & EFER_LME;
    const uint64_t regs[][2] = {
        { HV_REG_CR3, m->cr3 },
        { to_long ? HV_REG_CR4 : HV_REG_EFER, to_long ? m->cr4 : m->efer },
        { to_long ? HV_REG_EFER : HV_REG_CR4, to_long ? m->efer : m->cr4 },
        { HV_REG_CR0, m->cr0 },
    };
    uint64_t *i = page_alloc();

    i[0] = HV_PARTITION_SELF;
    i[1] = c->vp;
    for (int n = 0; n < ARRAY_SIZE(regs); n++) {
        i[2 + 4 * n] = regs[n][0];
        i[4 + 4 * n] = regs[n][1];
    }
    CHECK_EQ(hv_call(HVCALL_SET_REGISTERS | HV_REPS(ARRAY_SIZE(regs)), i, NULL),
             HV_REPS(ARRAY_SIZE(regs)), "mode with CR0 0x%lx CR4 0x%lx EFER "
             "0x%lx", m->cr0, m->cr4, m->efer);
}

static struct cpu *sleeper(void)
{
    struct cpu *c = cpus[ncpus - 1];

    CHECK(WAIT_FOR(register_of(c, HV_REG_ACTIVITY) == 2), "it sleeps");
    return c;
}

TEST(translate_smap, "VM-038,VM-039", NEED_OTHER)
{
    uint64_t va = va_alloc(LARGE_PAGE), page = (uintptr_t)page_alloc();
    struct cpu *c = sleeper();
    struct mode good = mode_of(c), m = good;
    uint32_t features;

    asm volatile("cpuid" : "=b" (features) : "a" (7), "c" (0) : "edx");
    if (~features & (1 << 7 | 1 << 20)) {
        SKIP("no SMEP and SMAP");
    }
    map_page(va, page, PTE_P | PTE_W | PTE_U);
    m.cr4 |= CR4_SMEP | CR4_SMAP;
    set_mode(c, &m);
    check_code(c->vp, HV_TR_READ | HV_TR_SUPERVISOR, va, HV_TR_PRIVILEGE,
               "supervisor's read");
    check_code(c->vp, HV_TR_EXECUTE | HV_TR_SUPERVISOR, va, HV_TR_PRIVILEGE,
               "supervisor's execution");
    check_gpa(c->vp, HV_TR_READ | HV_TR_SUPERVISOR | HV_TR_OVERRIDE_SMAP, va,
              page, "with SMAP overridden");
    check_gpa(c->vp, HV_TR_READ | HV_TR_EXECUTE | HV_TR_USER, va, page, "user");
    check_gpa(c->vp, HV_TR_READ | HV_TR_EXECUTE | HV_TR_EXEMPT, va, page,
              "exempt");
    map_page(va, page, PTE_P | PTE_W);
    check_gpa(c->vp, HV_TR_READ | HV_TR_EXECUTE | HV_TR_ENFORCE_SMAP, va, page,
              "a page of the supervisor's");
    set_mode(c, &good);
}

TEST(translate_paging_off, "VM-038", NEED_OTHER)
{
    struct cpu *c = sleeper();
    struct mode good = mode_of(c), m = good;
    struct result r;

    m.cr0 &= ~CR0_PG;
    m.efer &= ~EFER_LME;
    set_mode(c, &m);
    r = translate(c->vp, HV_TR_READ | HV_TR_WRITE | HV_TR_USER, 0x5555000);
    CHECK_EQ((uint32_t)r.code, HV_TR_SUCCESS, "code");
    CHECK_EQ(HV_TR_CACHE_TYPE(r.code), 6, "cache type");
    CHECK_EQ(r.gpa, 0x5555000, "page");
    /* Addresses are of 32 bits */
    check_gpa(c->vp, HV_TR_READ, 0x100005555000, 0x5555000, "above 4 GiB");
    set_mode(c, &good);
}

TEST(translate_32_bit_paging, "VM-038,VM-039", NEED_OTHER)
{
    struct cpu *c = sleeper();
    struct mode good = mode_of(c), m = good;
    uint32_t *dir = page_alloc(), *table = page_alloc();
    uint64_t page = (uintptr_t)page_alloc();

    dir[1] = (uintptr_t)table | PTE_P | PTE_W;
    table[2] = page | PTE_P;
    dir[2] = 0x400000 | PTE_P | PTE_W | PTE_PS;
    dir[3] = 0x600000 | PTE_P | PTE_W | PTE_PS;
    m.efer &= ~EFER_LME;
    m.cr3 = (uintptr_t)dir;
    m.cr4 = (m.cr4 & ~CR4_PAE) | CR4_PSE;
    set_mode(c, &m);
    check_gpa(c->vp, HV_TR_READ, 0x402000, page, "4 KiB");
    check_code(c->vp, HV_TR_WRITE, 0x402000, HV_TR_PRIVILEGE, "read-only");
    check_code(c->vp, HV_TR_READ, 0x403000, HV_TR_NOT_PRESENT, "empty");
    check_gpa(c->vp, HV_TR_WRITE, 0x805000, 0x405000, "4 MiB");
    check_code(c->vp, HV_TR_READ, 0xC00000, HV_TR_INVALID_FLAGS,
               "reserved bit of a large page");
    check_gpa(c->vp, HV_TR_READ | HV_TR_SET_BITS, 0x402000, page, "4 KiB");
    CHECK_EQ(dir[1], (uintptr_t)table | PTE_P | PTE_W | PTE_A, "directory");
    CHECK_EQ(table[2], page | PTE_P | PTE_A, "table");
    m.cr0 &= ~CR0_WP;
    set_mode(c, &m);
    check_gpa(c->vp, HV_TR_WRITE | HV_TR_SUPERVISOR, 0x402000, page,
              "read-only without WP");
    check_code(c->vp, HV_TR_WRITE | HV_TR_USER, 0x402000, HV_TR_PRIVILEGE,
               "user without WP");
    set_mode(c, &good);
    CHECK_EQ(register_of(c, HV_REG_EFER), good.efer, "EFER as it was");
}

TEST(translate_pae_paging, "VM-038,VM-039", NEED_OTHER)
{
    struct cpu *c = sleeper();
    struct mode good = mode_of(c), m = good;
    uint64_t *top = page_alloc(), *dir = page_alloc(), *table = page_alloc();
    uint64_t page = (uintptr_t)page_alloc();

    top[4 + 1] = (uintptr_t)dir | PTE_P;
    top[4 + 2] = (uintptr_t)dir | PTE_P | PTE_W;
    dir[0] = (uintptr_t)table | PTE_P | PTE_W | PTE_U;
    dir[1] = 0x200000 | PTE_P | PTE_PS;
    table[3] = page | PTE_P | PTE_W | PTE_U;
    m.efer &= ~EFER_LME;
    /* The first table has four entries and is aligned to their size */
    m.cr3 = (uintptr_t)(top + 4);
    set_mode(c, &m);
    check_gpa(c->vp, HV_TR_WRITE | HV_TR_USER, 0x40003000, page, "4 KiB");
    check_gpa(c->vp, HV_TR_READ, 0x40201000, 0x201000, "2 MiB");
    check_code(c->vp, HV_TR_READ, 0x1000, HV_TR_NOT_PRESENT, "empty");
    check_code(c->vp, HV_TR_READ, 0x80003000, HV_TR_INVALID_FLAGS,
               "reserved bit of the first table");
    check_gpa(c->vp, HV_TR_READ | HV_TR_SET_BITS, 0x40003000, page, "4 KiB");
    CHECK_EQ(top[4 + 1], (uintptr_t)dir | PTE_P, "first table");
    CHECK_EQ(table[3], page | PTE_P | PTE_W | PTE_U | PTE_A, "table");
    set_mode(c, &good);
}
