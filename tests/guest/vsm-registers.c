/*
 * Secure register intercepts (TLFS 15.13.4): VTL 1 is told before VTL 0 writes
 * the control registers and MSRs that it guards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define MSR_MISC_ENABLE 0x1A0u

#define CR0_MP          (1ull << 1)
#define CR0_TS          (1ull << 3)
#define CR0_WP          (1ull << 16)
#define CR0_AM          (1ull << 18)
#define CR4_TSD         (1ull << 2)
#define CR4_PCE         (1ull << 8)
#define CR4_OSXSAVE     (1ull << 18)

#define MASK_CR0        1
#define MASK_CR4        2
#define MASK_MISC       3

#define MEMORY_OP       1

struct register_intercept {
    struct intercept_header h;
    uint8_t flags, reserved[3];
    uint32_t name;
    uint64_t value[2];
};
_Static_assert(sizeof(struct register_intercept) == 64, "register intercept");

struct msr_intercept {
    struct intercept_header h;
    uint32_t msr, reserved;
    uint64_t rdx, rax;
};
_Static_assert(sizeof(struct msr_intercept) == 64, "MSR intercept");

/* What VTL 1 of the first CPU was told last; it skips the instruction */
static struct {
    SHARED uint32_t count;
    struct hv_message msg;
} told;

/* In VTL 1 */

static void skipped(void)
{
    struct hv_message *slot = this_cpu()->simp;
    const struct intercept_header *h = (void *)told.msg.payload;

    told.msg = *slot;
    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    vtl_set_reg(0, HV_REG_RIP, h->rip + (h->length_cr8 & 15));
    told.count++;
}

struct setting {
    uint32_t name;
    uint64_t value, status;
};

/* Of the VTL that runs */
static void set_register(void *v)
{
    struct setting *s = v;
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = HV_VP_SELF;
    in[2] = s->name;
    in[4] = s->value;
    s->status = HV_STATUS(hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), in, NULL));
}

/* VTL 0's, by VTL 1 */
static void set_register_below(void *v)
{
    struct setting *s = v;

    vtl_set_reg(0, s->name, s->value);
}

/* In VTL 0 */

static void guard(unsigned reg, uint64_t value)
{
    struct setting s = { HV_REG_CR_INTERCEPT + reg, value };

    in_vtl1(set_register, &s);
    CHECK_EQ(s.status, HV_SUCCESS, "register 0x%x = 0x%lx", s.name, value);
}

static void begin(void)
{
    secure_on(1);
    in_vtl1(secure_synic_on, NULL);
    secure_intercept = skipped;
}

/*
 * Executes @code with these registers, and returns how often VTL 1 was told.
 * A longer or shorter instruction than that which VTL 1 skips ends in int3.
 */
static uint32_t run(const uint8_t *code, unsigned len, struct call *c,
                    bool compat)
{
    static uint8_t *page;
    uint32_t before = told.count;

    if (!page) {
        page = page_alloc();
    }
    memset(page, 0xCC, 64);
    memcpy(page, code, len);
    page[len] = 0xC3;
    c->target = (uintptr_t)page;
    call_safe(compat ? call_kernel32 : call_kernel64, c);
    CHECK_EQ(c->vector, NO_FAULT, "%u bytes of 0x%x 0x%x", len, code[0],
             code[1]);
    if (told.count != before) {
        const struct intercept_header *h = (void *)told.msg.payload;

        CHECK_EQ(told.msg.size, 64, "size");
        CHECK_EQ(told.msg.flags, 0, "flags");
        CHECK_EQ(told.msg.reserved, 0, "reserved");
        CHECK(told.msg.origin, "origin");
        CHECK_EQ(h->vp_index, this_cpu()->vp, "VP");
        CHECK_EQ(h->length_cr8 & 15, len, "length of 0x%x 0x%x 0x%x", code[0],
                 code[1], code[2]);
        CHECK_EQ(h->length_cr8 >> 4, read_cr8(), "CR8");
        CHECK_EQ(h->rip, (uintptr_t)page, "RIP");
        CHECK_EQ(h->cs.attributes & 0x60FF, compat ? 0x409B : 0x209B, "CS");
        CHECK_EQ(h->state & 0x7D7, STATE_PE | STATE_LMA, "state");
    }
    return told.count - before;
}

struct insn {
    uint8_t len, bytes[10];
};

/* A register that instructions other than WRMSR write */
struct reg_row {
    const char *what;
    uint8_t bit, mask;
    struct insn insn;
    uint32_t name;
    bool memory_op;
};

static const struct reg_row regs[] = {
    { "mov cr0", 0, MASK_CR0, { 3, { 0x0F, 0x22, 0xC0 } }, HV_REG_CR0 },
    { "mov cr0, rex", 0, MASK_CR0, { 4, { 0x41, 0x0F, 0x22, 0xC0 } },
      HV_REG_CR0 },
    { "lmsw", 0, MASK_CR0, { 3, { 0x0F, 0x01, 0xF0 } }, HV_REG_CR0 },
    { "lmsw memory", 0, MASK_CR0, { 3, { 0x0F, 0x01, 0x33 } }, HV_REG_CR0 },
    { "mov cr4", 1, MASK_CR4, { 3, { 0x0F, 0x22, 0xE0 } }, HV_REG_CR4 },
    { "xsetbv", 2, 0, { 3, { 0x0F, 0x01, 0xD1 } }, HV_REG_XFEM },
    { "lgdt", 15, 0, { 3, { 0x0F, 0x01, 0x17 } }, HV_REG_GDTR, true },
    { "lgdt disp8", 15, 0, { 4, { 0x0F, 0x01, 0x57, 0x00 } }, HV_REG_GDTR,
      true },
    { "lgdt disp32", 15, 0, { 7, { 0x0F, 0x01, 0x97, 0, 0, 0, 0 } },
      HV_REG_GDTR, true },
    { "lgdt sib", 15, 0, { 4, { 0x0F, 0x01, 0x14, 0x0F } }, HV_REG_GDTR, true },
    { "lgdt sib disp8", 15, 0, { 5, { 0x0F, 0x01, 0x54, 0x0F, 0 } },
      HV_REG_GDTR, true },
    { "lgdt sib no base", 15, 0,
      { 8, { 0x0F, 0x01, 0x14, 0x3D, 0, 0, 0, 0 } }, HV_REG_GDTR, true },
    { "lgdt prefixes", 15, 0, { 5, { 0x66, 0x3E, 0x0F, 0x01, 0x17 } },
      HV_REG_GDTR, true },
    { "lgdt address size", 15, 0, { 4, { 0x67, 0x0F, 0x01, 0x17 } },
      HV_REG_GDTR, true },
    { "lidt", 16, 0, { 3, { 0x0F, 0x01, 0x1F } }, HV_REG_IDTR, true },
    { "lldt", 17, 0, { 3, { 0x0F, 0x00, 0xD0 } }, HV_REG_LDTR },
    { "ltr", 18, 0, { 3, { 0x0F, 0x00, 0xD8 } }, HV_REG_TR },
};

static uint64_t read_cr0(void)
{
    uint64_t v;

    asm volatile("movq %%cr0, %0" : "=r" (v));
    return v;
}

static void write_cr0(uint64_t v)
{
    asm volatile("movq %0, %%cr0" :: "r" (v) : "memory");
}

static const char *reg_name(int row)
{
    return regs[row].what;
}

TEST_ROWS(vsm_registers, "VS-049,VS-050,VS-051,VM-048", ARRAY_SIZE(regs),
          reg_name, .need = NEED)
{
    const struct reg_row *r = &regs[row];
    const struct register_intercept *m = (void *)told.msg.payload;
    uint8_t *table = page_alloc();
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), value = 0;
    struct call c = { .rdi = (uintptr_t)table, .rbx = (uintptr_t)table };

    begin();
    write_cr4(cr4 | CR4_OSXSAVE);
    /* What it would become; of the tables, what must not be read even */
    switch (r->name) {
    case HV_REG_CR0:
        value = cr0 ^ (r->insn.bytes[1] == 0x01 ? CR0_MP : CR0_AM);
        c.rax = value;
        c.r8 = value;
        *(uint64_t *)table = value;
        break;
    case HV_REG_CR4:
        value = c.rax = (cr4 | CR4_OSXSAVE) ^ CR4_TSD;
        break;
    case HV_REG_XFEM:
        value = c.rax = 1;
        break;
    default:
        c.rax = 0x1234;
        value = r->memory_op ? (uintptr_t)table : c.rax;
        break;
    }
    if (r->mask) {
        guard(r->mask, ~0ull);
    }
    guard(0, 1ull << r->bit);
    CHECK_EQ(run(r->insn.bytes, r->insn.len, &c, false), 1, "intercepts");
    CHECK_EQ(told.msg.type, TYPE_REGISTER_INTERCEPT, "type");
    CHECK_EQ(m->h.access, ACCESS_WRITE, "access");
    CHECK_EQ(m->flags, r->memory_op ? MEMORY_OP : 0, "flags");
    CHECK(is_filled(m->reserved, 0, 3), "reserved");
    CHECK_EQ(m->name, r->name, "register");
    CHECK_EQ(m->value[0], value, "value");
    CHECK_EQ(m->value[1], 0, "its upper half");
    if (r->name == HV_REG_CR0) {
        CHECK_EQ(read_cr0(), cr0, "CR0");
    }
    CHECK_EQ(read_cr4(), cr4 | CR4_OSXSAVE, "CR4");

    /* All others but this one */
    guard(0, (1ull << 29) - 1 - (1ull << r->bit));
    if (r->name == HV_REG_CR0 || r->name == HV_REG_CR4) {
        CHECK_EQ(run(r->insn.bytes, r->insn.len, &c, false), 0, "intercepts");
        CHECK_EQ(r->name == HV_REG_CR0 ? read_cr0() : read_cr4(), value,
                 "it is written");
    }
    guard(0, 0);
    write_cr0(cr0);
    write_cr4(cr4);
}

static const struct msr_row {
    const char *name;
    uint32_t msr;
    int8_t read, write;
    uint8_t mask;
    uint64_t flip;
} msrs[] = {
    { "MISC_ENABLE", MSR_MISC_ENABLE, 3, 4, MASK_MISC, 1 },
    { "LSTAR", 0xC0000082, 5, 6, 0, 0x1000 },
    { "STAR", 0xC0000081, 7, 8, 0, 1ull << 48 },
    { "CSTAR", 0xC0000083, 9, 10, 0, 0x1000 },
    { "APIC_BASE", 0x1B, 11, 12, 0, 1 << 11 },
    { "EFER", 0xC0000080, 13, 14, 0, 1 },
    { "SYSENTER_CS", 0x174, -1, 19, 0, 8 },
    { "SYSENTER_EIP", 0x176, -1, 20, 0, 0x1000 },
    { "SYSENTER_ESP", 0x175, -1, 21, 0, 0x1000 },
    { "SFMASK", 0xC0000084, -1, 22, 0, 0x200 },
    { "TSC_AUX", 0xC0000103, -1, 23, 0, 1 },
    { "SGXLEPUBKEYHASH0", 0x8C, -1, 24, 0, 0 },
    { "SGXLEPUBKEYHASH3", 0x8F, -1, 24, 0, 0 },
    { "XSS", 0xDA0, -1, 25, 0, 0 },
    { "S_CET", 0x6A2, -1, 26, 0, 0 },
    { "PL0_SSP", 0x6A4, -1, 27, 0, 0 },
    { "PL2_SSP", 0x6A6, -1, 27, 0, 0 },
    { "INTERRUPT_SSP_TABLE", 0x6A8, -1, 28, 0, 0 },
};

static const uint8_t wrmsr[] = { 0x0F, 0x30 }, rdmsr[] = { 0x0F, 0x32 };

static uint32_t run_msr(const struct msr_row *r, bool write, uint64_t value,
                        bool compat)
{
    struct call c = {
        .rcx = r->msr, .rax = (uint32_t)value, .rdx = value >> 32,
    };
    const struct msr_intercept *m = (void *)told.msg.payload;
    uint32_t n = run(write ? wrmsr : rdmsr, 2, &c, compat);

    if (n) {
        CHECK_EQ(told.msg.type, TYPE_MSR_INTERCEPT, "type");
        CHECK_EQ(m->h.access, write ? ACCESS_WRITE : ACCESS_READ, "access");
        CHECK_EQ(m->msr, r->msr, "MSR");
        CHECK_EQ(m->reserved, 0, "reserved");
        CHECK_EQ(m->rax, (uint32_t)value, "RAX");
        CHECK_EQ(m->rdx, value >> 32, "RDX");
        CHECK_EQ(c.rax, (uint32_t)value, "RAX is kept");
    }
    return n;
}

static const char *msr_name(int row)
{
    return msrs[row].name;
}

TEST_ROWS(vsm_register_msrs, "VS-049,VS-050,VM-048", ARRAY_SIZE(msrs), msr_name,
          .need = NEED)
{
    const struct msr_row *r = &msrs[row];
    uint64_t old, now, all = (1ull << 29) - 1;

    begin();
    CHECK_EQ(rdmsr_safe(r->msr, &old), NO_FAULT, "read");
    for (int compat = 0; compat < 2; compat++) {
        if (r->mask) {
            guard(r->mask, ~0ull);
        }
        guard(0, 1ull << r->write);
        CHECK_EQ(run_msr(r, true, old ^ r->flip, compat), 1, "writes");
        CHECK_EQ(run_msr(r, false, 0, compat), 0, "reads");
        guard(0, all & ~(1ull << r->write));
        CHECK_EQ(run_msr(r, true, old, compat), 0, "others: writes");
        if (r->read >= 0) {
            guard(0, 1ull << r->read);
            CHECK_EQ(run_msr(r, false, 0x55, compat), 1, "reads");
            CHECK_EQ(run_msr(r, true, old, compat), 0, "writes");
        }
        guard(0, 0);
    }
    CHECK_EQ(rdmsr_safe(r->msr, &now), NO_FAULT, "read");
    CHECK_EQ(now, old, "it is not written");
    if (r->mask) {
        guard(r->mask, 0);
    }
}

static uint32_t write_reg(uint8_t modrm, uint64_t value)
{
    const uint8_t code[] = { 0x0F, 0x22, modrm };
    struct call c = { .rax = value };

    return run(code, sizeof(code), &c, false);
}

TEST(vsm_register_masks, "VS-050", .need = NEED)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), misc = hv_rd(MSR_MISC_ENABLE);
    const struct msr_row *misc_row = &msrs[0];

    begin();
    guard(MASK_CR0, CR0_WP | CR0_AM);
    guard(MASK_CR4, CR4_TSD);
    guard(MASK_MISC, 1);
    guard(0, 1 << 0 | 1 << 1 | 1 << 4);
    CHECK_EQ(write_reg(0xC0, cr0), 0, "CR0 as it is");
    CHECK_EQ(write_reg(0xC0, cr0 ^ CR0_MP), 0, "CR0.MP");
    CHECK_EQ(read_cr0(), cr0 ^ CR0_MP, "CR0 is written");
    CHECK_EQ(write_reg(0xC0, cr0 ^ CR0_AM), 1, "CR0.AM");
    CHECK_EQ(write_reg(0xC0, cr0 ^ CR0_WP ^ CR0_MP), 1, "CR0.WP");
    CHECK_EQ(read_cr0(), cr0 ^ CR0_MP, "CR0 is not written");
    CHECK_EQ(write_reg(0xE0, cr4), 0, "CR4 as it is");
    CHECK_EQ(write_reg(0xE0, cr4 ^ CR4_PCE), 0, "CR4.PCE");
    CHECK_EQ(read_cr4(), cr4 ^ CR4_PCE, "CR4 is written");
    CHECK_EQ(write_reg(0xE0, cr4 ^ CR4_TSD), 1, "CR4.TSD");
    CHECK_EQ(read_cr4(), cr4 ^ CR4_PCE, "CR4 is not written");
    CHECK_EQ(run_msr(misc_row, true, misc ^ 1 << 3, false), 0, "MISC_ENABLE.3");
    CHECK_EQ(hv_rd(MSR_MISC_ENABLE), misc ^ 1 << 3, "it is written");
    CHECK_EQ(run_msr(misc_row, true, misc ^ 1, false), 1, "MISC_ENABLE.0");
    CHECK_EQ(hv_rd(MSR_MISC_ENABLE), misc ^ 1 << 3, "it is not written");
    guard(0, 0);
    for (int i = MASK_CR0; i <= MASK_MISC; i++) {
        guard(i, 0);
    }
    write_cr0(cr0);
    write_cr4(cr4);
    hv_wr(MSR_MISC_ENABLE, misc);
}

/* VTL 1 sets TS at the first intercept, and clears it at that of CLTS */
static uint64_t ts_told[2];

static void toggle_ts(void)
{
    const struct register_intercept *m = (void *)told.msg.payload;
    uint32_t n = told.count;

    skipped();
    if (n < ARRAY_SIZE(ts_told)) {
        ts_told[n] = m->value[0];
        vtl_set_reg(0, HV_REG_CR0, m->value[0] ^ (n ? 0 : CR0_TS | CR0_AM));
    }
}

TEST(vsm_register_clts, "VS-049,VS-050,VM-048", .need = NEED)
{
    static const uint8_t code[] = { 0x0F, 0x22, 0xC0, 0x0F, 0x06, 0xC3 };
    uint64_t cr0 = read_cr0();
    uint8_t *page = page_alloc();
    struct call c = { .target = (uintptr_t)page, .rax = cr0 ^ CR0_AM };

    begin();
    secure_intercept = toggle_ts;
    told.count = 0;
    memcpy(page, code, sizeof(code));
    guard(MASK_CR0, CR0_TS | CR0_AM);
    guard(0, 1);
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, NO_FAULT, "fault");
    CHECK_EQ(told.count, 2, "intercepts");
    CHECK_EQ(ts_told[0], cr0 ^ CR0_AM, "mov");
    CHECK_EQ(ts_told[1], cr0, "clts");
    CHECK_EQ(read_cr0(), cr0, "CR0");
    /* TS is clear: it changes nothing */
    asm volatile("clts");
    CHECK_EQ(told.count, 2, "intercepts");
    guard(0, 0);
    guard(MASK_CR0, 0);
}

/* VTL 1 is not told of what it does itself, nor of what VTL 1 does for VTL 0 */
static void touch_all(void *lstar)
{
    write_cr0(read_cr0() ^ CR0_AM);
    write_cr0(read_cr0() ^ CR0_AM);
    hv_wr(0xC0000082, *(uint64_t *)lstar);
    hv_wr(0xC0000082, 0);
}

TEST(vsm_register_access, "VS-049,VS-066", .need = NEED)
{
    uint64_t lstar = hv_rd(0xC0000082), old = told.count;
    struct setting s;

    begin();
    for (int i = 0; i < 4; i++) {
        s = (struct setting) { HV_REG_CR_INTERCEPT + i };
        set_register(&s);
        CHECK_EQ(s.status, HV_INVALID_PARAMETER, "register %d of VTL 0", i);
    }
    for (int bit = 29; bit < 64; bit++) {
        s = (struct setting) { HV_REG_CR_INTERCEPT, 1ull << bit };
        in_vtl1(set_register, &s);
        CHECK_EQ(s.status, HV_INVALID_PARAMETER, "bit %d", bit);
    }
    guard(MASK_CR0, ~0ull);
    guard(0, 1 << 0 | 1 << 6);
    in_vtl1(touch_all, &lstar);
    /* The hypercall is no way around it */
    s = (struct setting) { HV_REG_LSTAR, lstar ^ 0x1000 };
    set_register(&s);
    CHECK_EQ(s.status, HV_ACCESS_DENIED, "LSTAR by VTL 0");
    CHECK_EQ(hv_rd(0xC0000082), lstar, "LSTAR");
    s = (struct setting) { HV_REG_CR0, read_cr0() ^ CR0_AM };
    set_register(&s);
    CHECK_EQ(s.status, HV_ACCESS_DENIED, "CR0 by VTL 0");
    s = (struct setting) { HV_REG_LSTAR, lstar ^ 0x1000 };
    in_vtl1(set_register_below, &s);
    CHECK_EQ(hv_rd(0xC0000082), lstar ^ 0x1000, "LSTAR by VTL 1");
    guard(0, 0);
    guard(MASK_CR0, 0);
    hv_wr(0xC0000082, lstar);
    CHECK_EQ(told.count, old, "intercepts");
}

/* What loads registers from memory is no way around it either */
TEST(vsm_register_svm, "VS-049", .need = NEED)
{
    static const uint8_t vmload[] = { 0x0F, 0x01, 0xDA, 0xC3 };
    uint64_t efer = hv_rd(0xC0000080);
    uint8_t *code = page_alloc();
    struct call c = { .target = (uintptr_t)code };

    if (!(cpuid(0x80000001).reg[R_ECX] & 1 << 2)) {
        SKIP("no SVM");
    }
    begin();
    memcpy(code, vmload, sizeof(vmload));
    hv_wr(0xC0000080, efer | 1 << 12);
    guard(0, 1 << 6);
    c.rax = (uintptr_t)page_alloc();
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, EXC_UD, "VMLOAD");
    guard(0, 0);
    hv_wr(0xC0000080, efer);
}

/*
 * A nested guest that runs has registers of its hypervisor in memory, from where
 * they are loaded when it ends: none of them can be guarded then
 */
#define L2_PORT 0x9A
asm(".pushsection .text\n"
    "l2_writes_port: outb %al, $0x9A\n"
    "    hlt\n"
    ".popsection\n");
extern char l2_writes_port[];

static uint64_t l2_status[3];

static void install_l2_port(void *access)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = (uintptr_t)access;
    in[2] = L2_PORT;
    CHECK_EQ(hv_call(HVCALL_INSTALL_INTERCEPT, in, NULL), HV_SUCCESS, "port");
}

static void l2_intercepted(void)
{
    struct setting s[] = {
        { HV_REG_CR_INTERCEPT, 1 }, { HV_REG_CR_INTERCEPT, 0 },
        { HV_REG_CR_INTERCEPT + MASK_CR0, CR0_AM },
    };
    struct hv_message *slot = this_cpu()->simp;

    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    for (int i = 0; i < ARRAY_SIZE(s); i++) {
        set_register(&s[i]);
        l2_status[i] = s[i].status;
    }
    install_l2_port(NULL);
    told.count++;
}

TEST(vsm_register_nested, "VS-049", .need = NEED)
{
    uint32_t before;

    if (!svm_on()) {
        SKIP("no SVM");
    }
    begin();
    secure_intercept = l2_intercepted;
    l2_init();
    before = told.count;
    in_vtl1(install_l2_port, (void *)2);
    CHECK_EQ(l2_run((uintptr_t)l2_writes_port), EXIT_HLT, "exit");
    CHECK_EQ(told.count, before + 1, "intercepts");
    CHECK_EQ(l2_status[0], HV_INVALID_VP_STATE, "guard of CR0");
    CHECK_EQ(l2_status[1], HV_SUCCESS, "no guard");
    CHECK_EQ(l2_status[2], HV_SUCCESS, "mask of CR0");
    guard(0, 1);
    guard(0, 0);
    guard(MASK_CR0, 0);
    svm_off();
}
