/*
 * Virtual secure mode (TLFS 15), with a small secure kernel in VTL 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }
#define NEED_TIMER      { F_HYPERCALL, F_VSM, F_STIMER, F_DIRECT_TIMERS }

#define MSR_PAT         0x277u
#define MSR_STAR        0xC0000081u
#define MSR_LSTAR       0xC0000082u
#define MSR_SFMASK      0xC0000084u
#define MSR_FS_BASE     0xC0000100u
#define MSR_KERNEL_GS   0xC0000102u
#define MSR_TSC_AUX     0xC0000103u
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_SP 0x175u
#define MSR_SYSENTER_IP 0x176u

#define ENTRY_CALL      1
#define ENTRY_INTERRUPT 2
#define ENTRY_INTERCEPT 3

#define MBEC            (1ull << 8)     /* of HvCallEnablePartitionVtl */
#define TARGET_VTL(n)   (0x10ull | (n))
#define VECTOR          0x70
#define IOPL_3          0x3000ull
#define VECTOR_VINA     0x71

/* HV_VP_VTL_CONTROL, 8 bytes into the VP assist page */
struct vtl_control {
    uint32_t reason;
    uint8_t vina_asserted, reserved[3];
    uint64_t rax, rcx;
};

/* VTL 1 of one CPU */
struct secure {
    struct cpu *cpu;            /* this_cpu() there */
    SHARED struct vtl_control *control;
    uint64_t return_offset;
    struct call regs;           /* VTL 0's, while VTL 1 runs */
    SHARED bool ready;
    bool slow;                  /* return with registers restored */
    void (*SHARED fn)(void *);
    void *arg;
    SHARED uint32_t entries[4]; /* by reason */
    bool stay_pending;          /* leave what has come for the next entry */
};

static struct secure *secure[MAX_CPUS];
static uint8_t *secure_page;            /* VTL 1's hypercall page */
void (*SHARED secure_intercept)(void);
static uint64_t call_offset, return_offset;
extern char secure_start[];

/* The first entry: registers are the caller's, but RSP */
asm(".pushsection .text\n"
    "secure_start:\n"
    "    popq %rdi\n"
    "    andq $-16, %rsp\n"
    "    call secure_main\n"
    "    ud2\n"
    ".popsection\n");

void secure_main(struct secure *s);

static struct secure *self(void)
{
    return secure[this_cpu()->id];
}

uint64_t get_reg_vtl(uint32_t vp, uint64_t vtl, uint32_t name,
                     struct hv_register *r)
{
    uint64_t *in = page_alloc();
    struct hv_register *out = page_alloc();
    uint64_t result;

    in[0] = HV_PARTITION_SELF;
    in[1] = vp | vtl << 32;
    in[2] = name;
    result = hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), in, out);
    *r = *out;
    return HV_STATUS(result);
}

static uint64_t set_reg_vtl(uint32_t vp, uint64_t vtl, uint32_t name,
                            struct hv_register r)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = vp | vtl << 32;
    in[2] = name;
    memcpy(in + 4, &r, sizeof(r));
    return HV_STATUS(hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), in, NULL));
}

static uint64_t get_reg(uint32_t name)
{
    struct hv_register r;

    CHECK_EQ(get_reg_vtl(HV_VP_SELF, 0, name, &r), HV_SUCCESS, "get of 0x%x",
             name);
    return r.low;
}

uint64_t vtl_get_reg(unsigned vtl, uint32_t name)
{
    struct hv_register r;

    CHECK_EQ(get_reg_vtl(HV_VP_SELF, TARGET_VTL(vtl), name, &r), HV_SUCCESS,
             "get of VTL %u's 0x%x", vtl, name);
    return r.low;
}

uint64_t vtl_try_reg(unsigned vtl, uint32_t name, uint64_t v)
{
    struct hv_register r = { .low = v };

    return set_reg_vtl(HV_VP_SELF, TARGET_VTL(vtl), name, r);
}

void vtl_set_reg(unsigned vtl, uint32_t name, uint64_t v)
{
    CHECK_EQ(vtl_try_reg(vtl, name, v), HV_SUCCESS,
             "set of VTL %u's 0x%x to 0x%lx", vtl, name, v);
}

static void set_reg(uint32_t name, uint64_t v)
{
    struct hv_register r = { .low = v };

    CHECK_EQ(set_reg_vtl(HV_VP_SELF, 0, name, r), HV_SUCCESS,
             "set of 0x%x to 0x%lx", name, v);
}

/* What ends at @offset of the hypercall page; which exception it raised */
static int vtl_switch(struct call *c, uint64_t offset)
{
    c->target = (uintptr_t)hv_page_here() + offset;
    call_safe(call_kernel64, c);
    return c->vector;
}

/* To VTL 1 and back */
static void vtl_call(void)
{
    struct call c = { 0 };

    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "VTL call");
}

/* In VTL 1: VTL 0's registers that both share, to be changed */
struct call *secure_regs(void)
{
    return &self()->regs;
}

/* In VTL 1: have messages come */
void secure_synic_on(void *unused)
{
    struct cpu *me = this_cpu();

    if (!me->simp) {
        me->simp = page_alloc();
        hv_wr(HV_MSR_SIMP, (uintptr_t)me->simp | HV_PAGE_ENABLE);
        hv_wr(HV_MSR_SCONTROL, 1);
    }
}

/* Have @fn called in VTL 1 of this CPU */
void in_vtl1(void (*fn)(void *), void *arg)
{
    struct secure *s = self();

    s->arg = arg;
    s->fn = fn;
    vtl_call();
    CHECK(!s->fn, "VTL 1 has done it");
}

/* In VTL 1: RAX and RCX that VTL 0 is to have if it is returned to for good */
void secure_last_words(uint64_t rax, uint64_t rcx)
{
    self()->control->rax = rax;
    self()->control->rcx = rcx;
}

/* The same as in_vtl1(), but @fn takes VTL 1 of this CPU away */
void in_vtl1_at_last(void (*fn)(void *), void *arg, struct call *c)
{
    struct secure *s = self();

    s->arg = arg;
    s->fn = fn;
    CHECK_EQ(vtl_switch(c, call_offset), NO_FAULT, "VTL call");
    secure_gone(this_cpu());
}

/* Somebody has taken VTL 1 of @c away */
void secure_gone(struct cpu *c)
{
    secure[c->id] = NULL;
}

/* A VTL call where there is no VTL 1 */
int lone_vtl_call(void)
{
    struct call c = { 0 };

    return vtl_switch(&c, call_offset);
}

void secure_main(struct secure *s)
{
    uint8_t *assist = page_alloc();

    trap_init_cpu(s->cpu);
    apic_init_cpu(s->cpu->x2apic);
    if (s->cpu->id == 0) {
        secure_page = page_alloc();
        hv_wr(HV_MSR_GUEST_OS_ID, OUR_OS_ID + 1);
        hv_wr(HV_MSR_HYPERCALL, (uintptr_t)secure_page | HV_PAGE_ENABLE);
    }
    s->cpu->hv_page = secure_page;
    hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)assist | HV_PAGE_ENABLE);
    s->control = (struct vtl_control *)(assist + 8);
    s->return_offset = get_reg(HV_REG_VSM_CODE_OFFSETS) >> 12 & 0xFFF;
    s->ready = true;
    for (;;) {
        s->control->rax = s->regs.rax;
        s->control->rcx = s->regs.rcx;
        s->regs.rcx = !s->slow;
        CHECK_EQ(vtl_switch(&s->regs, s->return_offset), NO_FAULT,
                 "VTL return");
        s->entries[s->control->reason & 3]++;
        s->slow = s->control->reason != ENTRY_CALL;
        if (s->control->reason == ENTRY_CALL && s->fn) {
            s->fn(s->arg);
            s->fn = NULL;
        } else if (s->control->reason == ENTRY_INTERCEPT && secure_intercept) {
            secure_intercept();
        }
        if (!s->stay_pending) {
            irq_enable();
            irq_disable();
        }
        s->stay_pending = false;
    }
}

static void enable_header(uint64_t *in, uint32_t vp, unsigned vtl)
{
    in[0] = HV_PARTITION_SELF;
    in[1] = vp | (uint64_t)vtl << 32;
}

/* Input of EnableVpVtl for a VTL 1 of @c that is not in use yet */
static uint64_t *enable_input(struct cpu *c, struct secure **new)
{
    uint64_t *in = page_alloc();
    struct secure *s = page_alloc();
    uint64_t *top = (uint64_t *)pages_alloc(4, PAGE_SIZE) + 4 * 512;

    _Static_assert(sizeof(struct secure) <= PAGE_SIZE, "struct secure");
    s->cpu = page_alloc();
    s->cpu->id = c->id;
    s->cpu->vp = c->vp;
    s->cpu->apic_id = c->apic_id;
    s->cpu->x2apic = c->x2apic;
    *--top = (uintptr_t)s;
    enable_header(in, c->vp, 1);
    vp_context(in + 2, (uintptr_t)secure_start, (uintptr_t)top);
    *new = s;
    return in;
}

static uint64_t enable_partition(uint64_t vtl, uint64_t partition)
{
    return HV_STATUS(hv_call_fast(HVCALL_ENABLE_PARTITION_VTL, partition, vtl));
}

static void enable_another(void *in)
{
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_SUCCESS,
             "another VP's VTL 1");
}

/* VTL 1 on the first @n CPUs, if that is not so yet */
void secure_on(int n)
{
    if (!call_offset) {
        call_offset = get_reg(HV_REG_VSM_CODE_OFFSETS) & 0xFFF;
        return_offset = get_reg(HV_REG_VSM_CODE_OFFSETS) >> 12 & 0xFFF;
    }
    if (!(get_reg(HV_REG_VSM_PARTITION) & 2)) {
        CHECK_EQ(enable_partition(1 | MBEC, HV_PARTITION_SELF), HV_SUCCESS,
                 "partition's VTL 1");
    }
    if (!secure[0]) {
        CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, enable_input(cpus[0], &secure[0]),
                         NULL), HV_SUCCESS, "VP's VTL 1");
        vtl_call();
        CHECK(secure[0]->ready, "VTL 1 has run");
    }
    for (int i = 1; i < n; i++) {
        if (!secure[i]) {
            in_vtl1(enable_another, enable_input(cpus[i], &secure[i]));
            on_cpu(cpus[i], (void (*)(void *))vtl_call, NULL);
            CHECK(secure[i]->ready, "VTL 1 has run on CPU %d", i);
        }
    }
}

/* These come first: there is no way back but a reset */

TEST(vsm_reset_state, "VS-001,VS-002,VS-026,VS-027,VS-028,VS-029,VS-062",
     .need = NEED)
{
    struct hv_register r;

    CHECK(has(F_VP_REGISTERS), "AccessVpRegisters");
    CHECK(has(F_SYNIC), "AccessSynicRegs");

    CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 1 << 16, "VP status");
    CHECK_EQ(get_reg(HV_REG_VSM_PARTITION), 1 | 1 << 16, "partition status");
    CHECK_EQ(get_reg(HV_REG_VSM_CAPABILITIES) >> 17 & 1, 1,
             "lower VTLs' startup can be denied");
    CHECK_EQ(get_reg_vtl(HV_VP_SELF, TARGET_VTL(1), HV_REG_RIP, &r),
             HV_ACCESS_DENIED, "registers of a VTL that is not enabled");
}

TEST(vsm_code_offsets, "VS-024,VS-025", .need = NEED)
{
    struct hv_register r = { 0 };
    uint64_t v = get_reg(HV_REG_VSM_CODE_OFFSETS);

    CHECK(v & 0xFFF, "call");
    CHECK(v >> 12 & 0xFFF, "return");
    CHECK_EQ(v >> 24, 0, "the rest");
    CHECK_EQ(set_reg_vtl(HV_VP_SELF, 0, HV_REG_VSM_CODE_OFFSETS, r),
             HV_INVALID_PARAMETER, "it is read-only");
}

TEST(vsm_not_enabled, "VS-005,VS-016,VS-019", .need = NEED)
{
    uint64_t v = get_reg(HV_REG_VSM_CODE_OFFSETS);
    struct secure *unused;
    struct call c = { 0 };

    CHECK_EQ(vtl_switch(&c, v & 0xFFF), EXC_UD, "call");
    c = (struct call) { 0 };
    CHECK_EQ(vtl_switch(&c, v >> 12 & 0xFFF), EXC_UD, "return");
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, enable_input(cpus[0], &unused), NULL),
             HV_INVALID_VTL_STATE, "VP before partition");
}

TEST(vsm_enable_partition, "VS-003,VS-028,VS-064,VS-065", .need = NEED)
{
    CHECK_EQ(enable_partition(1, 5), HV_INVALID_PARTITION_ID, "another one");
    for (int bit = 11; bit < 64; bit++) {
        CHECK_EQ(enable_partition(1 | 1ull << bit, HV_PARTITION_SELF),
                 HV_INVALID_PARAMETER, "bit %d", bit);
    }
    CHECK_EQ(enable_partition(0, HV_PARTITION_SELF), HV_INVALID_VTL_STATE,
             "VTL 0");
    for (int vtl = 2; vtl < 256; vtl++) {
        CHECK_EQ(enable_partition(vtl, HV_PARTITION_SELF), HV_ACCESS_DENIED,
                 "VTL %d", vtl);
    }
    CHECK_EQ(get_reg(HV_REG_VSM_PARTITION), 1 | 1 << 16, "status");
    CHECK_EQ(enable_partition(1 | MBEC, HV_PARTITION_SELF), HV_SUCCESS,
             "VTL 1");
    CHECK_EQ(get_reg(HV_REG_VSM_PARTITION), 3 | 1 << 16 | 2 << 20,
             "status after");
    CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 1 << 16, "VP status after");
    CHECK_EQ(enable_partition(1, HV_PARTITION_SELF), HV_INVALID_VTL_STATE,
             "twice");
}

TEST(vsm_enable_vp, "VS-004,VS-006,VS-007,VS-008,VS-009,VS-010,VS-027,VS-065",
     .need = NEED)
{
    static const struct {
        uint16_t at;
        uint64_t v;
    } bad[] = {
        { 192, 0x10 }, { 192, 0x80000010 }, { 184, 2 }, { 208, 1ull << 63 },
        { 216, 2 }, { 16, 0 }, { 0, 1ull << 63 },
    };
    struct cpu *me = cpus[0];
    struct secure *unused;
    uint64_t *in;

    if (!(get_reg(HV_REG_VSM_PARTITION) & 2)) {
        CHECK_EQ(enable_partition(1 | MBEC, HV_PARTITION_SELF), HV_SUCCESS,
                 "VTL 1");
    }
    in = enable_input(me, &unused);
    in[0] = 5;
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_INVALID_PARTITION_ID,
             "another partition");
    enable_header(in, 0x1234, 1);
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_INVALID_VP_INDEX,
             "no such VP");
    enable_header(in, me->vp, 2);
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_INVALID_PARAMETER,
             "VTL 2");
    enable_header(in, me->vp, 0);
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_VTL_ALREADY_ENABLED,
             "VTL 0");
    for (int i = 40; i < 64; i++) {
        enable_header(in, me->vp, 1);
        in[1] |= 1ull << i;
        CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL), HV_INVALID_PARAMETER,
                 "padding %d", i);
    }
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        in = enable_input(me, &unused);
        memcpy((uint8_t *)in + 16 + bad[i].at, &bad[i].v, 8);
        CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, in, NULL),
                 HV_INVALID_REGISTER_VALUE, "0x%lx at %d", bad[i].v, bad[i].at);
        CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 1 << 16, "status");
    }
    secure_on(0);
    CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 3 << 16, "status after");
    CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, enable_input(me, &unused), NULL),
             HV_VTL_ALREADY_ENABLED, "twice");
    if (ncpus > 1) {
        CHECK_EQ(hv_call(HVCALL_ENABLE_VP_VTL, enable_input(cpus[1], &unused),
                         NULL), HV_ACCESS_DENIED, "another VP's, from VTL 0");
    }
}

static void look_at_status(void *v)
{
    *(uint64_t *)v = get_reg(HV_REG_VSM_VP_STATUS);
}

static void count_calls(void *n)
{
    ++*(SHARED uint32_t *)n;
}

TEST(vsm_call, "VA-012,VS-015,VS-018,VS-024,VS-027", .need = NEED)
{
    SHARED uint32_t calls = 0;
    uint64_t status;
    uint32_t before;

    secure_on(1);
    before = self()->entries[ENTRY_CALL];
    in_vtl1(look_at_status, &status);
    CHECK_EQ(status, 1 | 3 << 16, "VP status in VTL 1");
    CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 3 << 16, "VP status in VTL 0");
    for (int i = 0; i < 1000; i++) {
        in_vtl1(count_calls, (void *)&calls);
    }
    CHECK_EQ(calls, 1000, "calls");
    CHECK_EQ(self()->entries[ENTRY_CALL] - before, 1001, "entries by calls");
}

/* Shared registers */

static void fill_call(struct call *c, uint64_t pattern)
{
    uint64_t *r = &c->rax;

    for (int i = 0; i < 15; i++) {
        r[i] = pattern + i;
    }
    for (int i = 0; i < ARRAY_SIZE(c->xmm); i++) {
        c->xmm[i] = ~pattern + i;
    }
}

static void check_call(const struct call *c, uint64_t pattern, const char *what)
{
    const uint64_t *r = &c->rax;

    for (int i = 0; i < 15; i++) {
        /* RAX and RCX are part of the sequence */
        if (i != 0 && i != 2) {
            CHECK_EQ(r[i], pattern + i, "%s: register %d", what, i);
        }
    }
    for (int i = 0; i < ARRAY_SIZE(c->xmm); i++) {
        CHECK_EQ(c->xmm[i], ~pattern + i, "%s: XMM %d", what, i);
    }
}

static void change_shared(void *seen)
{
    *(struct call *)seen = self()->regs;
    fill_call(&self()->regs, 0x2200000000);
}

TEST(vsm_shared_registers, "VS-017,VS-020,VS-023,VS-053", .need = NEED)
{
    struct call c, seen;

    secure_on(1);
    fill_call(&c, 0x1100000000);
    c.rcx = 0;
    self()->arg = &seen;
    self()->fn = change_shared;
    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "call");
    check_call(&seen, 0x1100000000, "VTL 1");
    check_call(&c, 0x2200000000, "VTL 0");
    CHECK_EQ(c.rsp_delta, 0, "RSP");
}

static void return_slowly(void *unused)
{
    self()->regs.rax = 0xAAAA5555AAAA;
    self()->regs.rcx = 0xCCCC3333CCCC;
    self()->slow = true;
}

static void return_fast(void *unused)
{
    return_slowly(unused);
    self()->slow = false;
}

TEST(vsm_return_restores, "VA-014,VS-020", .need = NEED)
{
    struct call c = { 0 };

    secure_on(1);
    self()->fn = return_slowly;
    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "call");
    CHECK_EQ(c.rax, 0xAAAA5555AAAA, "RAX");
    CHECK_EQ(c.rcx, 0xCCCC3333CCCC, "RCX");

    c = (struct call) { 0 };
    self()->fn = return_fast;
    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "call");
    CHECK(c.rax != 0xAAAA5555AAAA && c.rcx != 0xCCCC3333CCCC, "restored");
}

static void bad_returns(void *unused)
{
    struct secure *s = self();

    for (int bit = 1; bit < 64; bit++) {
        struct call c = { .rcx = 1ull << bit };

        CHECK_EQ(vtl_switch(&c, s->return_offset), EXC_UD, "return, bit %d",
                 bit);
    }
    /* The highest one that there is */
    struct call c = { 0 };

    CHECK_EQ(vtl_switch(&c, call_offset), EXC_UD, "call from VTL 1");
}

TEST(vsm_undefined, "VS-016,VS-019,VS-022", .need = NEED)
{
    struct call c;
    uint32_t before;

    secure_on(1);
    before = self()->entries[ENTRY_CALL];
    for (int bit = 0; bit < 64; bit++) {
        c = (struct call) { .rcx = 1ull << bit };
        CHECK_EQ(vtl_switch(&c, call_offset), EXC_UD, "call, bit %d", bit);
    }
    for (int bit = 16; bit < 64; bit++) {
        /* The instruction itself, with more than the code */
        CHECK_EQ(hv_call(0x11 | 1ull << bit, NULL, NULL), HV_FAULT(EXC_UD),
                 "code with bit %d", bit);
    }
    c = (struct call) { .target = (uintptr_t)hv_page + call_offset };
    call_safe(call_user, &c);
    CHECK_EQ(c.vector, EXC_UD, "from user mode");
    c = (struct call) { 0 };
    CHECK_EQ(vtl_switch(&c, return_offset), EXC_UD, "return from VTL 0");
    CHECK_EQ(self()->entries[ENTRY_CALL], before, "entries");
    in_vtl1(bad_returns, NULL);
}

/* Private registers: by instruction in VTL 1, seen from VTL 0 */

static const struct {
    uint32_t num;
    uint64_t v;
} private_msrs[] = {
    { MSR_PAT, 0x0007040600070401 }, { MSR_STAR, 0x1111222233334444 },
    { MSR_LSTAR, 0x7FFF12345000 }, { MSR_SFMASK, 0x1234 },
    { MSR_FS_BASE, 0x5555000 }, { MSR_KERNEL_GS, 0x6666000 },
    { MSR_TSC_AUX, 0x77 }, { MSR_SYSENTER_CS, 0x88 },
    { MSR_SYSENTER_SP, 0x99000 }, { MSR_SYSENTER_IP, 0xAA000 },
};

static void change_private(void *unused)
{
    static uint64_t pml4[512] __attribute__((aligned(4096)));

    for (int i = 0; i < ARRAY_SIZE(private_msrs); i++) {
        hv_wr(private_msrs[i].num, private_msrs[i].v);
    }
    memcpy(pml4, (void *)read_cr3(), sizeof(pml4));
    asm volatile("movq %0, %%cr3" :: "r" (pml4) : "memory");
    write_cr4(read_cr4() ^ 4);          /* TSD */
    write_cr8(9);
    asm volatile("movq %0, %%dr7" :: "r" (0x455ull));
    asm volatile("movq %0, %%dr6" :: "r" (0xFFFF0FF5ull));
    asm volatile("movq %0, %%dr0" :: "r" (0xD0D0ull));
    asm volatile("movq %0, %%cr2" :: "r" (0xC2C2ull));
}

static void check_private(void *unused)
{
    uint64_t v;

    for (int i = 0; i < ARRAY_SIZE(private_msrs); i++) {
        CHECK_EQ(hv_rd(private_msrs[i].num), private_msrs[i].v, "MSR 0x%x",
                 private_msrs[i].num);
        hv_wr(private_msrs[i].num, i ? 0 : 0x0007040600070406);
    }
    CHECK(read_cr4() & 4, "CR4 in VTL 1");
    write_cr4(read_cr4() ^ 4);
    CHECK_EQ(read_cr8(), 9, "CR8 in VTL 1");
    write_cr8(0);
    asm volatile("movq %%dr7, %0" : "=r" (v));
    CHECK_EQ(v, 0x455, "DR7 in VTL 1");
    asm volatile("movq %%dr6, %0" : "=r" (v));
    CHECK_EQ(v, 0xFFFF0FF5, "DR6 in VTL 1");
    asm volatile("movq %0, %%dr6" :: "r" (0xFFFF0FF0ull));
    asm volatile("movq %0, %%dr7" :: "r" (0x400ull));
}

TEST(vsm_private_registers, "VS-017,VS-054,VS-055", .need = NEED)
{
    uint64_t msrs[ARRAY_SIZE(private_msrs)], cr3 = read_cr3(), cr4 = read_cr4();
    uint64_t v;

    secure_on(1);
    for (int i = 0; i < ARRAY_SIZE(private_msrs); i++) {
        msrs[i] = hv_rd(private_msrs[i].num);
    }
    write_cr8(3);
    in_vtl1(change_private, NULL);
    for (int i = 0; i < ARRAY_SIZE(private_msrs); i++) {
        CHECK_EQ(hv_rd(private_msrs[i].num), msrs[i], "MSR 0x%x",
                 private_msrs[i].num);
    }
    CHECK_EQ(read_cr3(), cr3, "CR3");
    CHECK_EQ(read_cr4(), cr4, "CR4");
    CHECK_EQ(read_cr8(), 3, "CR8");
    asm volatile("movq %%dr7, %0" : "=r" (v));
    CHECK_EQ(v, 0x400, "DR7");
    asm volatile("movq %%dr6, %0" : "=r" (v));
    CHECK_EQ(get_reg(HV_REG_VSM_CAPABILITIES) & 1 ? 0xFFFF0FF0 : v, 0xFFFF0FF0,
             "DR6, unless it is shared");
    asm volatile("movq %%dr0, %0" : "=r" (v));
    CHECK_EQ(v, 0xD0D0, "DR0, which is shared");
    asm volatile("movq %0, %%dr0" :: "r" (0ull));
    asm volatile("movq %%cr2, %0" : "=r" (v));
    CHECK_EQ(v, 0xC2C2, "CR2, which is shared");
    in_vtl1(check_private, NULL);
}

static void vtl1_msrs(void *tsc_frequency)
{
    CHECK_EQ(hv_rd(HV_MSR_TSC_FREQUENCY), *(uint64_t *)tsc_frequency,
             "TSC frequency, shared");
    CHECK_EQ(hv_rd(HV_MSR_GUEST_OS_ID), OUR_OS_ID + 1, "OS id");
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), (uintptr_t)this_cpu()->hv_page | 1,
             "hypercall page");
    CHECK_EQ(hv_rd(HV_MSR_VP_INDEX), this_cpu()->vp, "VP index, shared");
    CHECK_EQ(hv_rd(HV_MSR_SCONTROL), 0, "SCONTROL");
    hv_wr(HV_MSR_SINT(3), 0x77);
    hv_wr(HV_MSR_SIRBP, 0x77000);
}

TEST(vsm_private_msrs, "MS-032,VS-017,VS-056", .need = { F_HYPERCALL, F_VSM,
                                                  F_FREQUENCIES })
{
    uint64_t tsc_frequency = hv_rd(HV_MSR_TSC_FREQUENCY);

    secure_on(1);
    hv_wr(HV_MSR_SCONTROL, 1);
    in_vtl1(vtl1_msrs, &tsc_frequency);
    CHECK_EQ(hv_rd(HV_MSR_GUEST_OS_ID), OUR_OS_ID, "OS id");
    CHECK_EQ(hv_rd(HV_MSR_HYPERCALL), (uintptr_t)hv_page | 1, "page");
    CHECK_EQ(hv_rd(HV_MSR_SINT(3)), HV_SINT_RESET, "SINT3");
    CHECK_EQ(hv_rd(HV_MSR_SIRBP), 0, "SIRBP");
}

/* By hypercall */

struct access {
    uint64_t lstar, kernel_gs, status;
};

static void vtl1_reaches_down(void *opaque)
{
    struct access *a = opaque;
    struct hv_register r;

    a->status = get_reg_vtl(HV_VP_SELF, TARGET_VTL(0), HV_REG_LSTAR, &r);
    a->lstar = r.low;
    r = (struct hv_register) { .low = 0x123000 };
    CHECK_EQ(set_reg_vtl(HV_VP_SELF, TARGET_VTL(0), HV_REG_KERNEL_GS, r),
             HV_SUCCESS, "set");
    CHECK_EQ(get_reg_vtl(HV_VP_SELF, TARGET_VTL(0), HV_REG_CR3, &r), HV_SUCCESS,
             "CR3");
    CHECK_EQ(get_reg_vtl(HV_VP_SELF, TARGET_VTL(0), HV_REG_GUEST_OS_ID, &r),
             HV_SUCCESS, "OS id");
    CHECK_EQ(r.low, OUR_OS_ID, "VTL 0's OS id");
    a->kernel_gs = hv_rd(MSR_KERNEL_GS);
}

/* Behind its call, VTL 0 goes on where VTL 1 says */
static void vtl1_moves_rip(void *to)
{
    struct hv_register r = { .low = (uintptr_t)to };

    CHECK_EQ(set_reg_vtl(HV_VP_SELF, TARGET_VTL(0), HV_REG_RIP, r), HV_SUCCESS,
             "RIP");
}

extern char moved_here[];
asm(".pushsection .text\n"
    "moved_here:\n"
    "    movl $0x1234, %eax\n"
    "    ret\n"
    ".popsection\n");

TEST(vsm_registers_of_lower, "VS-052,VS-066", .need = NEED)
{
    struct access a;
    struct hv_register r;
    struct call c = { 0 };
    static const uint32_t names[] = {
        HV_REG_RIP, HV_REG_CR3, HV_REG_LSTAR, HV_REG_GUEST_OS_ID,
        HV_REG_VSM_VINA, HV_REG_VSM_CONFIG,
    };

    secure_on(1);
    hv_wr(MSR_LSTAR, 0x7FFF00001000);
    in_vtl1(vtl1_reaches_down, &a);
    CHECK_EQ(a.status, HV_SUCCESS, "get");
    CHECK_EQ(a.lstar, 0x7FFF00001000, "VTL 0's LSTAR");
    CHECK_EQ(hv_rd(MSR_KERNEL_GS), 0x123000, "VTL 0's KERNEL_GS_BASE");
    CHECK(a.kernel_gs != 0x123000, "VTL 1's");
    hv_wr(MSR_KERNEL_GS, 0);

    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        CHECK_EQ(get_reg_vtl(HV_VP_SELF, TARGET_VTL(1), names[i], &r),
                 HV_ACCESS_DENIED, "get of VTL 1's 0x%x", names[i]);
        r = (struct hv_register) { 0 };
        CHECK_EQ(set_reg_vtl(HV_VP_SELF, TARGET_VTL(1), names[i], r),
                 HV_ACCESS_DENIED, "set of VTL 1's 0x%x", names[i]);
    }
    CHECK_EQ(get_reg_vtl(HV_VP_SELF, 0, HV_REG_VSM_CONFIG, &r),
             HV_INVALID_PARAMETER, "VTL 0 has no configuration");

    self()->arg = moved_here;
    self()->fn = vtl1_moves_rip;
    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "call");
    CHECK_EQ(c.rax, 0x1234, "RAX of the code that VTL 1 sent VTL 0 to");
}

/* VTL 1 writes VTL 0's RFLAGS; what VTL 0 makes of them later on counts */
static void vtl1_sets_iopl(void *unused)
{
    vtl_set_reg(0, HV_REG_RFLAGS, vtl_get_reg(0, HV_REG_RFLAGS) | IOPL_3);
}

asm(".pushsection .rodata\n"
    "code_cli:   cli\n"
    "            ret\n"
    ".popsection\n");
extern const char code_cli[];

TEST(vsm_flags_of_lower, "VS-052", .need = NEED)
{
    uint8_t *code = page_alloc();
    struct call c = { .target = (uintptr_t)code };
    uint64_t flags;

    secure_on(1);
    memcpy(code, code_cli, 2);
    in_vtl1(vtl1_sets_iopl, NULL);
    asm volatile("pushfq; popq %0" : "=r" (flags) : : "memory");
    CHECK_EQ(flags & IOPL_3, IOPL_3, "IOPL");
    asm volatile("pushq %0; popfq" : : "r" (flags & ~IOPL_3) : "memory", "cc");
    call_safe(call_user, &c);
    CHECK_EQ(c.vector, EXC_GP, "CLI in user mode");
}

/* Interrupts */

/* VTL 1's first timer, direct, due now or @delay hundreds of ns from now */
static void vtl1_arms_timer(void *delay)
{
    irq_set(VECTOR, NULL);
    hv_wr(HV_MSR_STIMER_CONFIG(0), 0);
    hv_wr(HV_MSR_STIMER_COUNT(0), ref_now() + (uintptr_t)delay);
    hv_wr(HV_MSR_STIMER_CONFIG(0), HV_STIMER_ENABLE | HV_STIMER_DIRECT |
                                   HV_STIMER_VECTOR(VECTOR));
    /* Even if it has come by now, VTL 1 is to be entered for it */
    self()->stay_pending = true;
}

TEST(vsm_interrupt_enters, "VA-012,VS-040,VS-041,VS-046", .need = NEED_TIMER)
{
    struct secure *s;
    uint32_t entries, irqs;

    secure_on(1);
    s = self();
    entries = s->entries[ENTRY_INTERRUPT];
    irqs = s->cpu->irqs[VECTOR];
    irq_disable();
    in_vtl1(vtl1_arms_timer, (void *)100000);
    CHECK(WAIT_FOR(s->entries[ENTRY_INTERRUPT] == entries + 1),
          "VTL 1 is entered although VTL 0 has interrupts off");
    irq_enable();
    CHECK_EQ(s->cpu->irqs[VECTOR] - irqs, 1, "interrupts of VTL 1");
    CHECK_EQ(this_cpu()->irqs[VECTOR], 0, "interrupts of VTL 0");
}

TEST(vsm_interrupt_ends_halt, "VS-040", .need = NEED_TIMER)
{
    struct secure *s;
    uint32_t entries;
    SHARED uint32_t *irqs = this_cpu()->irqs + VECTOR_VINA;
    uint32_t before = *irqs, sleeps = 0;

    secure_on(1);
    s = self();
    entries = s->entries[ENTRY_INTERRUPT];
    irq_set(VECTOR_VINA, NULL);
    irq_disable();
    in_vtl1(vtl1_arms_timer, (void *)100000);
    hv_wr(HV_MSR_STIMER_COUNT(1), ref_now() + 2000000);
    hv_wr(HV_MSR_STIMER_CONFIG(1), HV_STIMER_ENABLE | HV_STIMER_DIRECT |
                                   HV_STIMER_VECTOR(VECTOR_VINA));
    while (*irqs == before) {
        asm volatile("sti; hlt; cli" : : : "memory");
        sleeps++;
    }
    irq_enable();
    CHECK_EQ(sleeps, 1, "only its own interrupt ends VTL 0's HLT");
    CHECK_EQ(s->entries[ENTRY_INTERRUPT] - entries, 1, "entries");
}

/* With RAX to R15 and XMM watched while VTL 1 is entered */
TEST(vsm_interrupt_keeps_registers, "VS-020,VS-053", .need = NEED_TIMER)
{
    struct secure *s;
    uint32_t entries;

    secure_on(1);
    s = self();
    for (int i = 0; i < 20; i++) {
        uint64_t rax = 0x1234567812345678, rcx = 0x8765432187654321;

        entries = s->entries[ENTRY_INTERRUPT];
        in_vtl1(vtl1_arms_timer, (void *)20000);
        asm volatile("1: cmpl %[old], (%[count])\n\t"
                     "je 1b\n\t"
                     : "+a" (rax), "+c" (rcx)
                     : [count] "r" (&s->entries[ENTRY_INTERRUPT]),
                       [old] "r" (entries) : "memory", "cc");
        CHECK_EQ(rax, 0x1234567812345678, "RAX");
        CHECK_EQ(rcx, 0x8765432187654321, "RCX");
    }
}

/* VTL 0's interrupt is pending: it is not VTL 1's business */
static void vtl1_lets_interrupts_in(void *seen)
{
    irq_enable();
    for (int i = 0; i < 1000; i++) {
        outb(0x80, 0);
    }
    irq_disable();
    *(uint32_t *)seen = this_cpu()->irqs[VECTOR];
}

TEST(vsm_lower_waits, "VS-042,VS-045,VS-046", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint32_t before, vtl1_before, seen;

    secure_on(1);
    irq_set(VECTOR, NULL);
    before = me->irqs[VECTOR];
    vtl1_before = self()->cpu->irqs[VECTOR];
    irq_disable();
    apic_self_ipi(VECTOR);
    CHECK(apic_bit(APIC_IRR, VECTOR), "it is pending");
    in_vtl1(vtl1_lets_interrupts_in, &seen);
    CHECK_EQ(me->irqs[VECTOR], before, "VTL 0 has it off");
    CHECK(apic_bit(APIC_IRR, VECTOR), "it is pending still");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "VTL 0 gets it");
    CHECK_EQ(seen, vtl1_before, "VTL 1 does not");
}

/* A timer of VTL 0 that is due while VTL 1 runs */
static void vtl1_waits_for_due(void *when)
{
    CHECK(WAIT_FOR(ref_now() > *(uint64_t *)when), "time passes");
}

TEST(vsm_lower_timer_waits, "VS-042,VS-045", .need = NEED_TIMER)
{
    struct cpu *me = this_cpu();
    uint32_t before;
    uint64_t when;

    secure_on(1);
    irq_set(VECTOR, NULL);
    before = me->irqs[VECTOR];
    irq_disable();
    when = ref_now() + 50000;
    hv_wr(HV_MSR_STIMER_COUNT(0), when);
    hv_wr(HV_MSR_STIMER_CONFIG(0), HV_STIMER_ENABLE | HV_STIMER_DIRECT |
                                   HV_STIMER_VECTOR(VECTOR));
    in_vtl1(vtl1_waits_for_due, &when);
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "VTL 0's timer");
}

static void vtl1_leaves_one_pending(void *unused)
{
    irq_set(VECTOR, NULL);
    apic_self_ipi(VECTOR);
    CHECK(apic_bit(APIC_IRR, VECTOR), "it is pending");
    self()->stay_pending = true;
}

TEST(vsm_return_with_pending, "VS-043", .need = NEED)
{
    struct secure *s;
    uint32_t entries, irqs;
    struct call c = { 0 };

    secure_on(1);
    s = self();
    entries = s->entries[ENTRY_INTERRUPT];
    irqs = s->cpu->irqs[VECTOR];
    s->fn = vtl1_leaves_one_pending;
    /* VTL 1 returns, and is entered again before VTL 0 has done anything */
    CHECK_EQ(vtl_switch(&c, call_offset), NO_FAULT, "call");
    CHECK(s->entries[ENTRY_INTERRUPT] > entries, "entered again at once");
    CHECK_EQ(s->cpu->irqs[VECTOR] - irqs, 1, "interrupts");
}

static void vtl1_blocks(void *unused)
{
    write_cr8(0xF);
    vtl1_arms_timer(0);
}

static void vtl1_unblocks(void *unused)
{
    CHECK(apic_bit(APIC_IRR, VECTOR), "it is pending");
    write_cr8(0);
}

TEST(vsm_priority_blocks, "VS-040,VS-055", .need = NEED_TIMER)
{
    struct secure *s;
    uint32_t entries, irqs;

    secure_on(1);
    s = self();
    entries = s->entries[ENTRY_INTERRUPT];
    irqs = s->cpu->irqs[VECTOR];
    in_vtl1(vtl1_blocks, NULL);
    for (int i = 0; i < 10000; i++) {
        outb(0x80, 0);
    }
    CHECK_EQ(s->entries[ENTRY_INTERRUPT], entries, "its priority is too low");
    in_vtl1(vtl1_unblocks, NULL);
    CHECK_EQ(s->cpu->irqs[VECTOR] - irqs, 1, "interrupts");
}

/* VINA */

static uint64_t send_ipi(uint64_t vtl, uint64_t mask)
{
    return HV_STATUS(hv_call_fast(HVCALL_SEND_IPI, VECTOR | vtl << 32, mask));
}

static void vtl1_vina_on(void *flags)
{
    irq_set(VECTOR_VINA, NULL);
    set_reg(HV_REG_VSM_VINA, VECTOR_VINA | 1 << 8 | (uintptr_t)flags);
    self()->control->vina_asserted = 0;
}

static void vtl1_vina_off(void *unused)
{
    set_reg(HV_REG_VSM_VINA, 0);
    self()->control->vina_asserted = 0;
}

static void vtl1_holds_up(void *unused)
{
    SHARED uint32_t *irqs = this_cpu()->irqs + VECTOR_VINA;
    uint64_t mask = 1ull << this_cpu()->vp;
    uint32_t before = *irqs;

    irq_enable();
    CHECK_EQ(send_ipi(TARGET_VTL(0), mask), HV_SUCCESS, "to VTL 0");
    CHECK(WAIT_FOR(*irqs == before + 1), "notification");
    CHECK_EQ(self()->control->vina_asserted, 1, "VinaAsserted");
    /* Its EOI has been written, and this does not let another one in */
    CHECK_EQ(send_ipi(TARGET_VTL(0), mask), HV_SUCCESS, "to VTL 0");
    for (int i = 0; i < 1000; i++) {
        outb(0x80, 0);
    }
    CHECK_EQ(*irqs, before + 1, "notifications");
    self()->control->vina_asserted = 0;
    CHECK_EQ(send_ipi(TARGET_VTL(0), mask), HV_SUCCESS, "to VTL 0");
    CHECK(WAIT_FOR(*irqs == before + 2), "notification");
    irq_disable();
}

TEST(vsm_vina, "VA-013,VS-038,VS-039", .need = { F_HYPERCALL, F_VSM,
                                          F_HINT_CLUSTER_IPI })
{
    struct cpu *me = this_cpu();
    uint32_t before, vina;

    secure_on(1);
    irq_set(VECTOR, NULL);
    in_vtl1(vtl1_vina_on, NULL);
    before = me->irqs[VECTOR];
    in_vtl1(vtl1_holds_up, NULL);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "VTL 0 gets it then");

    /* Of one that VTL 0 does not let in itself there is nothing to tell */
    vina = self()->cpu->irqs[VECTOR_VINA];
    irq_disable();
    apic_self_ipi(VECTOR);
    in_vtl1(vtl1_vina_on, NULL);
    CHECK_EQ(self()->cpu->irqs[VECTOR_VINA], vina, "no notification");
    irq_enable();
    in_vtl1(vtl1_vina_off, NULL);
}

static void vtl1_auto_reset(void *unused)
{
    CHECK_EQ(self()->control->vina_asserted, 0, "reset on entry");
    self()->control->vina_asserted = 1;
}

TEST(vsm_vina_auto_reset, "VS-038", .need = NEED)
{
    secure_on(1);
    in_vtl1(vtl1_vina_on, (void *)(1 << 9));
    in_vtl1(vtl1_auto_reset, NULL);
    in_vtl1(vtl1_auto_reset, NULL);
    in_vtl1(vtl1_vina_off, NULL);
}

/* Cluster IPIs */

static void vtl1_sends(void *unused)
{
    uint64_t mask = 1ull << this_cpu()->vp;
    uint32_t before = this_cpu()->irqs[VECTOR];

    CHECK_EQ(send_ipi(0, mask), HV_SUCCESS, "to itself");
    irq_enable();
    CHECK(WAIT_FOR(this_cpu()->irqs[VECTOR] == before + 1), "VTL 1 gets it");
    irq_disable();
    CHECK_EQ(send_ipi(TARGET_VTL(0), mask), HV_SUCCESS, "to VTL 0");
    CHECK_EQ(send_ipi(TARGET_VTL(2), mask), HV_INVALID_PARAMETER, "to VTL 2");
}

TEST(vsm_ipi, "IP-005,VS-042", .need = { F_HYPERCALL, F_VSM,
                                         F_HINT_CLUSTER_IPI })
{
    struct cpu *me = this_cpu();
    uint32_t before;

    secure_on(1);
    irq_set(VECTOR, NULL);
    before = me->irqs[VECTOR];
    CHECK_EQ(send_ipi(TARGET_VTL(1), 1), HV_ACCESS_DENIED, "VTL 0 to VTL 1");
    CHECK_EQ(send_ipi(TARGET_VTL(0), 1), HV_SUCCESS, "VTL 0 to VTL 0");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "VTL 0 gets it");
    in_vtl1(vtl1_sends, NULL);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "VTL 0 gets VTL 1's");
}

/* Starting a VP in VTL 1: the first that is tried, as INIT reaches VTL 0 only */

static void vtl1_starts(void *in)
{
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_SUCCESS, "start in VTL 1");
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_VP_STATE, "again");
}

static void vtl1_denies(void *deny)
{
    set_reg(HV_REG_VSM_CONFIG, 1 << 5 | (deny ? 1 << 6 : 0));
}

static uint64_t activity(struct cpu *c)
{
    struct hv_register r;

    CHECK_EQ(get_reg_vtl(c->vp, 0, HV_REG_ACTIVITY, &r), HV_SUCCESS,
             "activity");
    return r.low;
}

TEST(vsm_start_vp, "VS-011,VS-047", .need = { F_HYPERCALL, F_VSM, F_START_VP },
     .min_cpus = 3)
{
    struct cpu *c = cpus[ncpus - 1];
    struct secure *s;
    uint64_t *in;

    secure_on(1);
    in = enable_input(c, &s);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_ACCESS_DENIED,
             "VTL 0 starts VTL 1");
    apic_icr(c->apic_id, ICR_INIT | ICR_ASSERT);
    CHECK(WAIT_FOR(activity(c) == 1), "INIT has come");
    secure[c->id] = s;
    in_vtl1(enable_another, in);
    in_vtl1(vtl1_starts, in);
    CHECK(WAIT_FOR(s->ready), "VTL 1 has run");
    CHECK(WAIT_FOR(activity(c) == 1), "VTL 0 waits still");

    in[1] = c->vp;
    in_vtl1(vtl1_denies, (void *)1);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_ACCESS_DENIED, "denied");
    in_vtl1(vtl1_denies, NULL);
    c->online = false;
    vp_start_input(in, c);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_SUCCESS, "start of VTL 0");
    CHECK(WAIT_FOR(c->online), "VTL 0 runs");
    on_cpu(c, (void (*)(void *))vtl_call, NULL);
    CHECK_EQ(s->entries[ENTRY_CALL], 1, "VTL 1 is called");
}

/* More than one VP */

/* Fixed, to all others of VTL 1, by the APIC */
static void vtl1_apic_ipi(void *unused)
{
    apic_icr(0, ICR_ALL_BUT_ME | ICR_FIXED | ICR_ASSERT | VECTOR);
}

static void call_many(void *unused)
{
    SHARED uint32_t calls = 0;

    for (int i = 0; i < 300; i++) {
        in_vtl1(count_calls, (void *)&calls);
    }
    CHECK_EQ(calls, 300, "calls");
}

static void vtl0_idle(void *stop)
{
    CHECK(WAIT_FOR(*(SHARED bool *)stop), "it is told to stop");
}

TEST(vsm_all_vps, "VS-008,VS-013,VS-040,VS-046", .need = NEED, .min_cpus = 2)
{
    struct cpu *c = cpus[1];
    SHARED bool stop = false;
    uint32_t before, vtl0 = c->irqs[VECTOR];

    irq_set(VECTOR, NULL);
    secure_on(ncpus);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], call_many, NULL);
    }
    call_many(NULL);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }

    /* VTL 1 there is entered from VTL 0, for an IPI of VTL 1 here */
    before = secure[1]->entries[ENTRY_INTERRUPT];
    on_cpu_start(c, vtl0_idle, (void *)&stop);
    in_vtl1(vtl1_apic_ipi, NULL);
    CHECK(WAIT_FOR(secure[1]->entries[ENTRY_INTERRUPT] == before + 1),
          "VTL 1 of CPU 1 is entered");
    stop = true;
    on_cpu_wait(c);
    CHECK_EQ(c->irqs[VECTOR], vtl0, "interrupts of its VTL 0");

    /* INIT and SIPI are dropped */
    apic_icr(c->apic_id, ICR_INIT | ICR_ASSERT);
    apic_icr(c->apic_id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE >> 12);
    on_cpu(c, call_many, NULL);
}

/* The partition's memory is zeroed when it is reset with VTL 1 */

#define SECRET_AT 0x6000000

static void keep_secret(void *unused)
{
    memset((void *)SECRET_AT, 0x5E, PAGE_SIZE);
    CHECK_EQ(get_reg(HV_REG_VSM_CONFIG), 1 << 5, "zero memory on reset");
}

TEST(vsm_secret_gone_after_reset, "VS-002,VS-057",
     .need = { F_HYPERCALL, F_VSM, F_RESET }, .explicit = true)
{
    if (second_boot()) {
        const uint64_t *p = (uint64_t *)SECRET_AT;

        for (int i = 0; i < 512; i++) {
            CHECK_EQ(p[i], 0, "word %d", i);
        }
        CHECK_EQ(get_reg(HV_REG_VSM_VP_STATUS), 1 << 16, "VP status");
        CHECK_EQ(get_reg(HV_REG_VSM_PARTITION), 1 | 1 << 16, "partition");
        secure_on(1);
        return;
    }
    secure_on(ncpus);
    in_vtl1(keep_secret, NULL);
    boot_again(this_cpu());
}
