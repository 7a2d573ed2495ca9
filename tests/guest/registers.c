/*
 * Registers of virtual processors by hypercall, the caller's and others'
 * (TLFS 7.3, 7.10).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VP_REGISTERS }

#define MSR_EFER        0xC0000080u
#define MSR_LSTAR       0xC0000082u
#define MSR_FS_BASE     0xC0000100u
#define MSR_KERNEL_GS   0xC0000102u
#define MSR_PAT         0x277u
#define MSR_APIC_BASE   0x1Bu

/* Input and output pages of one VP */
struct pages {
    uint64_t *in;
    struct hv_register *out;
};

static struct pages pages_new(void)
{
    return (struct pages) { page_alloc(), page_alloc() };
}

static void header(uint64_t *in, uint32_t vp)
{
    in[0] = HV_PARTITION_SELF;
    in[1] = vp;
}

static uint64_t get_in(struct pages *p, uint32_t vp, const uint32_t *names,
                       int count, uint64_t control)
{
    header(p->in, vp);
    memcpy(p->in + 2, names, count * sizeof(*names));
    return hv_call(HVCALL_GET_REGISTERS | HV_REPS(count) | control, p->in,
                   p->out);
}

static uint64_t set_in(struct pages *p, uint32_t vp, uint32_t name,
                       uint64_t low, uint64_t high)
{
    header(p->in, vp);
    p->in[2] = name;
    p->in[3] = 0;
    p->in[4] = low;
    p->in[5] = high;
    return hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), p->in, NULL);
}

static struct hv_register get_of(struct pages *p, uint32_t vp, uint32_t name)
{
    CHECK_EQ(get_in(p, vp, &name, 1, 0), HV_REPS(1), "get of 0x%x", name);
    return p->out[0];
}

static void set_of(struct pages *p, uint32_t vp, uint32_t name, uint64_t low,
                   uint64_t high)
{
    CHECK_EQ(set_in(p, vp, name, low, high), HV_REPS(1), "set of 0x%x to "
             "0x%lx", name, low);
}

static uint64_t msr(uint32_t num)
{
    return hv_rd(num);
}

TEST(regs_get_processor, "VM-029,VM-032,VM-034,VM-035", .need = NEED)
{
    struct pages p = pages_new();
    struct hv_register r;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt, idt;
    uint64_t cr0, tsc;

    asm volatile("movq %%cr0, %0" : "=r" (cr0));
    asm volatile("sgdt %0" : "=m" (gdt));
    asm volatile("sidt %0" : "=m" (idt));
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_CR0).low, cr0, "CR0");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_CR3).low, read_cr3(), "CR3");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_CR4).low, read_cr4(), "CR4");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_EFER).low, msr(MSR_EFER), "EFER");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_LSTAR).low, msr(MSR_LSTAR),
             "LSTAR");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_PAT).low, msr(MSR_PAT), "PAT");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_APIC_BASE).low, msr(MSR_APIC_BASE),
             "APIC_BASE");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_INITIAL_APIC_ID).low,
             this_cpu()->apic_id, "initial APIC id");
    write_cr8(5);
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_CR8).low, 5, "CR8");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_APIC_TPR).low, 0x50, "TPR");
    write_cr8(0);

    r = get_of(&p, HV_VP_SELF, HV_REG_GS);
    CHECK_EQ(r.low, (uintptr_t)this_cpu(), "base of GS");
    r = get_of(&p, HV_VP_SELF, HV_REG_CS);
    CHECK_EQ(r.high >> 32 & 0xFFFF, SEL_CODE64, "selector of CS");
    CHECK_EQ(r.high >> 48 & 0x20FE, 0x209A, "attributes of CS");
    r = get_of(&p, HV_VP_SELF, HV_REG_TR);
    CHECK_EQ(r.low, (uintptr_t)&this_cpu()->tss_at_48, "base of TR");
    CHECK_EQ((uint32_t)r.high, sizeof(struct tss) - 1, "limit of TR");
    r = get_of(&p, HV_VP_SELF, HV_REG_GDTR);
    CHECK_EQ(r.low, (uint64_t)gdt.limit << 48, "limit of GDTR");
    CHECK_EQ(r.high, gdt.base, "base of GDTR");
    r = get_of(&p, HV_VP_SELF, HV_REG_IDTR);
    CHECK_EQ(r.low, (uint64_t)idt.limit << 48, "limit of IDTR");
    CHECK_EQ(r.high, idt.base, "base of IDTR");

    irq_disable();
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_RFLAGS).low & 0x202, 0x002,
             "RFLAGS with interrupts off");
    irq_enable();
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_RFLAGS).low & 0x202, 0x202,
             "RFLAGS with interrupts on");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_RIP).low & ~0xFFFull,
             (uintptr_t)hv_page, "page of RIP");

    tsc = rdtsc();
    r = get_of(&p, this_cpu()->vp, HV_REG_TSC);
    CHECK(r.low >= tsc && r.low <= rdtsc(), "TSC");
}

TEST(regs_get_hypervisor, "CP-011,VM-029,VM-032", .need = NEED)
{
    static const uint32_t leaves[][2] = {
        { HV_REG_VERSION, HV_LEAF_VERSION },
        { HV_REG_PRIVILEGES, HV_LEAF_FEATURES },
        { HV_REG_FEATURES, HV_LEAF_HINTS },
        { HV_REG_LIMITS, HV_LEAF_LIMITS },
        { HV_REG_HARDWARE, HV_LEAF_HARDWARE },
    };
    struct pages p = pages_new();

    for (int i = 0; i < ARRAY_SIZE(leaves); i++) {
        struct hv_register r = get_of(&p, HV_VP_SELF, leaves[i][0]);
        struct cpuid c = cpuid(leaves[i][1]);

        CHECK_EQ(r.low, c.reg[R_EAX] | (uint64_t)c.reg[R_EBX] << 32,
                 "EAX and EBX of leaf 0x%x", leaves[i][1]);
        CHECK_EQ(r.high, c.reg[R_ECX] | (uint64_t)c.reg[R_EDX] << 32,
                 "ECX and EDX of leaf 0x%x", leaves[i][1]);
    }
    for (int i = 0; i < ncpus; i++) {
        CHECK_EQ(get_of(&p, cpus[i]->vp, HV_REG_VP_INDEX).low, cpus[i]->vp,
                 "VP index of CPU %d", i);
    }
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_GUEST_OS_ID).low, OUR_OS_ID,
             "guest OS id");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_HYPERCALL).low,
             (uintptr_t)hv_page | HV_PAGE_ENABLE, "HYPERCALL");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_ACTIVITY).low, 0, "activity");
}

TEST(regs_partial, "VM-029,HC-030,HC-032", .need = NEED)
{
    static const uint32_t names[] = {
        HV_REG_CR3, HV_REG_VP_INDEX, HV_REG_NONE, HV_REG_CR3,
    };
    struct pages p = pages_new();
    uint64_t r;

    memset(p.out, 0xFF, PAGE_SIZE);
    r = get_in(&p, HV_VP_SELF, names, 4, 0);
    CHECK_EQ(HV_STATUS(r), HV_INVALID_PARAMETER, "status");
    CHECK_EQ(HV_REPS_DONE(r), 2, "reps completed");
    CHECK_EQ(p.out[0].low, read_cr3(), "element 0");
    CHECK_EQ(p.out[1].low, this_cpu()->vp, "element 1");
    CHECK_EQ(p.out[1].high, 0, "upper half of element 1");
    CHECK(is_filled(&p.out[2], 0xFF, PAGE_SIZE - 32), "beyond element 1");

    memset(p.out, 0xFF, PAGE_SIZE);
    r = get_in(&p, HV_VP_SELF, names, 2, HV_START(1));
    CHECK_EQ(r, HV_REPS(2), "from the second on");
    CHECK(is_filled(&p.out[0], 0xFF, 16), "element in front of the first");
    CHECK_EQ(p.out[1].low, this_cpu()->vp, "element 1");

    /* The same for writing */
    header(p.in, HV_VP_SELF);
    memset(p.in + 2, 0, 96);
    p.in[2] = HV_REG_KERNEL_GS;
    p.in[4] = 0x1000;
    p.in[6] = HV_REG_VP_INDEX;
    p.in[10] = HV_REG_KERNEL_GS;
    p.in[12] = 0x2000;
    r = hv_call(HVCALL_SET_REGISTERS | HV_REPS(3), p.in, NULL);
    CHECK_EQ(HV_STATUS(r), HV_INVALID_PARAMETER, "status");
    CHECK_EQ(HV_REPS_DONE(r), 1, "reps completed");
    CHECK_EQ(msr(MSR_KERNEL_GS), 0x1000, "KERNEL_GS_BASE");
}

TEST(regs_target, "VM-029,VS-066", .need = NEED)
{
    static const uint32_t indexes[] = { 0x1234, 0xFFFFFFFF, 0xFFFFFFFD };
    struct pages p = pages_new();
    uint32_t name = HV_REG_CR3;

    for (int i = 0; i < ARRAY_SIZE(indexes); i++) {
        CHECK_EQ(get_in(&p, indexes[i], &name, 1, 0), HV_INVALID_VP_INDEX,
                 "get, VP 0x%x", indexes[i]);
        CHECK_EQ(set_in(&p, indexes[i], HV_REG_CR2, 0, 0), HV_INVALID_VP_INDEX,
                 "set, VP 0x%x", indexes[i]);
    }
    get_in(&p, HV_VP_SELF, &name, 1, 0);
    p.in[0] = 0x12345678;
    CHECK_EQ(hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), p.in, p.out),
             HV_INVALID_PARTITION_ID, "another partition");
    for (int bit = 0; bit < 32; bit++) {
        uint64_t r;

        header(p.in, HV_VP_SELF);
        p.in[1] |= 1ull << (32 + bit);
        r = hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), p.in, p.out);
        /* A VTL without the bit that it is to be used; that bit, with VTL 0 */
        CHECK_EQ(r, bit <= 4 ? HV_REPS(1) : HV_INVALID_PARAMETER,
                 "bit %d of InputVtl and padding", bit);
    }
    header(p.in, HV_VP_SELF);
    p.in[1] |= 0x11ull << 32;
    CHECK(HV_STATUS(hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), p.in, p.out)) !=
          HV_SUCCESS, "VTL 1");
}

TEST(regs_set_self, "VM-032,VM-033,VM-034", .need = NEED)
{
    struct pages p = pages_new();
    uint64_t v, fs = msr(MSR_FS_BASE);
    struct hv_register r;
    struct call c = { .rdx = (uintptr_t)p.in, .r15 = 1 };

    set_of(&p, HV_VP_SELF, HV_REG_CR2, 0xABCDEF, 0);
    asm volatile("movq %%cr2, %0" : "=r" (v));
    CHECK_EQ(v, 0xABCDEF, "CR2");
    set_of(&p, HV_VP_SELF, HV_REG_KERNEL_GS, 0x12345000, 0);
    CHECK_EQ(msr(MSR_KERNEL_GS), 0x12345000, "KERNEL_GS_BASE");
    r = get_of(&p, HV_VP_SELF, HV_REG_FS);
    set_of(&p, HV_VP_SELF, HV_REG_FS, 0x7000, r.high);
    CHECK_EQ(msr(MSR_FS_BASE), 0x7000, "FS_BASE");
    set_of(&p, HV_VP_SELF, HV_REG_FS, fs, r.high);
    set_of(&p, HV_VP_SELF, HV_REG_DR0 + 3, 0x5000, 0);
    asm volatile("movq %%dr3, %0" : "=r" (v));
    CHECK_EQ(v, 0x5000, "DR3");
    set_of(&p, HV_VP_SELF, HV_REG_CR8, 3, 0);
    CHECK_EQ(read_cr8(), 3, "CR8");
    write_cr8(0);

    header(p.in, HV_VP_SELF);
    memset(p.in + 2, 0, 64);
    p.in[2] = HV_REG_RAX + 15;
    p.in[4] = 0x1515151515151515;
    p.in[6] = HV_REG_XMM0 + 5;
    p.in[8] = 0x5555;
    p.in[9] = 0x6666;
    CHECK_EQ(hv_call_with(&c, HVCALL_SET_REGISTERS | HV_REPS(2),
                          call_kernel64), HV_REPS(2), "R15 and XMM5");
    CHECK_EQ(c.r15, 0x1515151515151515, "R15");
    CHECK_EQ(c.xmm[10], 0x5555, "lower half of XMM5");
    CHECK_EQ(c.xmm[11], 0x6666, "upper half of XMM5");
    CHECK_EQ(c.rsp_delta, 0, "RSP");

    /* What the call itself returns comes last */
    memset(p.in + 2, 0, 32);
    p.in[2] = HV_REG_RAX;
    p.in[4] = 0x7777;
    CHECK_EQ(hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), p.in, NULL),
             HV_REPS(1), "RAX");
    /* Carry and direction, which the call returns with */
    set_of(&p, HV_VP_SELF, HV_REG_RFLAGS, 0x202, 0);
}

TEST(regs_set_rip_self, "VM-032", .need = NEED)
{
    /* mov $0x77, %eax; ret */
    void *code = memcpy(page_alloc(), "\xB8\x77\x00\x00\x00\xC3", 6);
    struct pages p = pages_new();

    CHECK_EQ(set_in(&p, HV_VP_SELF, HV_REG_RIP, (uintptr_t)code, 0), 0x77,
             "what the code there returns");
}

static const struct bad_value {
    uint32_t name;
    uint64_t low, high;
    uint16_t status;
} bad_values[] = {
    /* Read-only, unknown */
    { HV_REG_SVERSION, 1, 0, HV_INVALID_PARAMETER },
    { HV_REG_VP_INDEX, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_VERSION, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_PRIVILEGES, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_TSC, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_INITIAL_APIC_ID, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_ACTIVITY, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_NONE, 0, 0, HV_INVALID_PARAMETER },
    /* Reserved bits, bits that are always one, bits beyond the register */
    { HV_REG_CR2, 0, 1, HV_INVALID_PARAMETER },
    { HV_REG_CR0, 0x80000011 | 1ull << 32, 0, HV_INVALID_PARAMETER },
    { HV_REG_CR0, 0x80000011 | 1 << 6, 0, HV_INVALID_PARAMETER },
    { HV_REG_CR0, 0x80000001, 0, HV_INVALID_PARAMETER },
    { HV_REG_CR3, 1ull << 62, 0, HV_INVALID_PARAMETER },
    { HV_REG_CR4, 1ull << 63, 0, HV_INVALID_PARAMETER },
    { HV_REG_CR8, 0x10, 0, HV_INVALID_PARAMETER },
    { HV_REG_EFER, 1 << 1, 0, HV_INVALID_PARAMETER },
    { HV_REG_RFLAGS, 0x200, 0, HV_INVALID_PARAMETER },
    { HV_REG_RFLAGS, 0x20A, 0, HV_INVALID_PARAMETER },
    { HV_REG_RFLAGS, 1ull << 32 | 2, 0, HV_INVALID_PARAMETER },
    { HV_REG_DR6, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_DR7, 0x400 | 1ull << 32, 0, HV_INVALID_PARAMETER },
    { HV_REG_DR7, 0, 0, HV_INVALID_PARAMETER },
    { HV_REG_DS, 0, 0x0F00ull << 48, HV_INVALID_PARAMETER },
    { HV_REG_GDTR, 1, 0, HV_INVALID_PARAMETER },
    { HV_REG_XMM_CONTROL, 0, 1 << 16, HV_INVALID_PARAMETER },
    { HV_REG_FP0, 0, 1 << 16, HV_INVALID_PARAMETER },
    { HV_REG_FP_CONTROL, 1ull << 40, 0, HV_INVALID_PARAMETER },
    { HV_REG_XFEM, 2, 0, HV_INVALID_PARAMETER },
    { HV_REG_INTERRUPT_STATE, 4, 0, HV_INVALID_PARAMETER },
    /* Values that are none */
    { HV_REG_LSTAR, 1ull << 63, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_KERNEL_GS, 1ull << 63, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_RIP, 1ull << 63, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_FS, 1ull << 63, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_DS, 1ull << 32, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_IDTR, 0, 1ull << 63, HV_INVALID_REGISTER_VALUE },
    { HV_REG_PAT, 2, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_CR0, 0x80000010, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_CR0, 0xA0000011, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_CR4, 0, 0, HV_INVALID_REGISTER_VALUE },
    { HV_REG_RFLAGS, 0x20002, 0, HV_INVALID_REGISTER_VALUE },
};

TEST(regs_bad_values, "VM-030", .need = NEED)
{
    struct pages p = pages_new();

    for (int i = 0; i < ARRAY_SIZE(bad_values); i++) {
        const struct bad_value *b = &bad_values[i];

        CHECK_EQ(set_in(&p, HV_VP_SELF, b->name, b->low, b->high), b->status,
                 "register 0x%x, value 0x%lx:0x%lx", b->name, b->high, b->low);
    }
    /* Padding of an element */
    for (int i = 1; i < 4; i++) {
        header(p.in, HV_VP_SELF);
        memset(p.in + 2, 0, 32);
        p.in[2] = HV_REG_CR2;
        ((uint32_t *)(p.in + 2))[i] = 1;
        CHECK_EQ(hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), p.in, NULL),
                 HV_INVALID_PARAMETER, "padding %d", i);
    }
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_CR3).low, read_cr3(), "CR3");
}

TEST(regs_synthetic, "VM-030,VM-032",
     .need = { F_HYPERCALL, F_VP_REGISTERS, F_SYNIC })
{
    struct pages p = pages_new();

    synic_on();
    for (int i = 1; i < HV_SINT_COUNT; i++) {
        set_of(&p, HV_VP_SELF, HV_REG_SINT0 + i, 0x40 + i, 0);
        CHECK_EQ(hv_rd(HV_MSR_SINT(i)), 0x40 + i, "SINT%d", i);
        CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_SINT0 + i).low, 0x40 + i,
                 "SINT%d", i);
    }
    CHECK_EQ(set_in(&p, HV_VP_SELF, HV_REG_SINT0, 3, 0),
             HV_INVALID_REGISTER_VALUE, "a vector below 16");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_SCONTROL).low, 1, "SCONTROL");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_SVERSION).low, 1, "SVERSION");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_SIMP).low, hv_rd(HV_MSR_SIMP),
             "SIMP");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_SIEFP).low, hv_rd(HV_MSR_SIEFP),
             "SIEFP");
    if (has(F_CRASH)) {
        set_of(&p, HV_VP_SELF, HV_REG_CRASH_P0 + 2, 0x2222, 0);
        CHECK_EQ(hv_rd(HV_MSR_CRASH_P(2)), 0x2222, "crash parameter");
    }
    if (has(F_STIMER)) {
        set_of(&p, HV_VP_SELF, HV_REG_STIMER0 + 2, HV_STIMER_SINT(3), 0);
        CHECK_EQ(hv_rd(HV_MSR_STIMER_CONFIG(1)), HV_STIMER_SINT(3), "timer");
    }
}

TEST(regs_privilege_of_msr, "VM-032", .need = NEED, .absent = F_SYNIC)
{
    struct pages p = pages_new();
    uint32_t name = HV_REG_SCONTROL;

    CHECK_EQ(get_in(&p, HV_VP_SELF, &name, 1, 0), HV_ACCESS_DENIED, "get");
    CHECK_EQ(set_in(&p, HV_VP_SELF, name, 0, 0), HV_ACCESS_DENIED, "set");
}

TEST(regs_fast, "HC-022,HC-024,VM-033",
     .need = { F_HYPERCALL, F_VP_REGISTERS, F_XMM_INPUT, F_XMM_OUTPUT })
{
    uint64_t b[14] = { HV_PARTITION_SELF, HV_VP_SELF, HV_REG_VP_INDEX };

    /* 20 bytes of input: the output begins in XMM1 */
    CHECK_EQ(hv_call_xmm(HVCALL_GET_REGISTERS | HV_REPS(1), b), HV_REPS(1),
             "get");
    CHECK_EQ(b[4], this_cpu()->vp, "VP index");
    CHECK_EQ(b[5], 0, "upper half");

    b[0] = HV_PARTITION_SELF;
    b[1] = HV_VP_SELF;
    for (int i = 0; i < 3; i++) {
        b[2 + 4 * i] = HV_REG_KERNEL_GS;
        b[3 + 4 * i] = 0;
        b[4 + 4 * i] = 0x1000 * (i + 1);
        b[5 + 4 * i] = 0;
    }
    CHECK_EQ(hv_call_xmm(HVCALL_SET_REGISTERS | HV_REPS(3), b), HV_REPS(3),
             "set");
    CHECK_EQ(msr(MSR_KERNEL_GS), 0x3000, "the last of three");
}

TEST(regs_x86, "HC-020,VM-029", .need = NEED)
{
    struct pages p = pages_new();
    struct call c = { 0 };

    header(p.in, HV_VP_SELF);
    p.in[2] = HV_REG_CS;
    CHECK_EQ(hv_call32(&c, HVCALL_GET_REGISTERS | HV_REPS(1), (uintptr_t)p.in,
                       (uintptr_t)p.out), HV_REPS(1), "get");
    CHECK_EQ(p.out[0].high >> 32 & 0xFFFF, SEL_CODE32, "selector of CS");
    p.in[2] = HV_REG_KERNEL_GS;
    p.in[3] = 0;
    p.in[4] = 0x6000;
    p.in[5] = 0;
    CHECK_EQ(hv_call32(&c, HVCALL_SET_REGISTERS | HV_REPS(1), (uintptr_t)p.in,
                       0), HV_REPS(1), "set");
    CHECK_EQ(msr(MSR_KERNEL_GS), 0x6000, "KERNEL_GS_BASE");
}

/* Other VPs */

static void read_kernel_gs(void *result)
{
    *(uint64_t *)result = msr(MSR_KERNEL_GS);
}

TEST(regs_other_halted, "VM-032", .need = NEED, .min_cpus = 2)
{
    struct pages p = pages_new();

    for (int i = 1; i < ncpus; i++) {
        uint64_t got = 0;

        CHECK(WAIT_FOR(get_of(&p, cpus[i]->vp, HV_REG_ACTIVITY).low == 2),
              "CPU %d sleeps", i);
        CHECK_EQ(get_of(&p, cpus[i]->vp, HV_REG_GS).low, (uintptr_t)cpus[i],
                 "base of GS of CPU %d", i);
        CHECK_EQ(get_of(&p, cpus[i]->vp, HV_REG_RFLAGS).low & 0x200, 0x200,
                 "IF of CPU %d", i);
        CHECK_EQ(get_of(&p, cpus[i]->vp, HV_REG_APIC_ID).low >>
                 (cpus[i]->x2apic ? 0 : 24), cpus[i]->apic_id, "APIC id");
        set_of(&p, cpus[i]->vp, HV_REG_KERNEL_GS, 0x1000 * i, 0);
        on_cpu(cpus[i], read_kernel_gs, &got);
        CHECK_EQ(got, 0x1000 * i, "KERNEL_GS_BASE of CPU %d", i);
    }
}

extern char spin_r15[], spin_on[], spin_off[];

/* Spins until somebody sets its R15, then until somebody sets its RIP */
asm(".pushsection .text\n"
    "spin_r15:\n"
    "    pushq %r15\n"
    "    xorl %r15d, %r15d\n"
    "    movl $1, (%rdi)\n"
    "1:  cmpq $0x1515, %r15\n"
    "    jne 1b\n"
    "    movl $2, (%rdi)\n"
    "spin_on:\n"
    "    jmp spin_on\n"
    "spin_off:\n"
    "    popq %r15\n"
    "    ret\n"
    ".popsection\n");

TEST(regs_other_running, "VM-031,VM-032", .need = NEED, .min_cpus = 2)
{
    struct pages p = pages_new();
    SHARED uint32_t *stage = page_alloc();
    struct cpu *c = cpus[1];
    uint64_t rip;

    on_cpu_start(c, (void (*)(void *))(uintptr_t)spin_r15, (void *)stage);
    CHECK(WAIT_FOR(*stage == 1), "it runs");
    rip = get_of(&p, c->vp, HV_REG_RIP).low;
    CHECK(rip > (uintptr_t)spin_r15 && rip < (uintptr_t)spin_on,
          "RIP 0x%lx", rip);
    CHECK_EQ(get_of(&p, c->vp, HV_REG_RAX + 7).low, (uintptr_t)stage, "RDI");
    CHECK_EQ(get_of(&p, c->vp, HV_REG_ACTIVITY).low, 0, "activity");
    set_of(&p, c->vp, HV_REG_RAX + 15, 0x1515, 0);
    CHECK(WAIT_FOR(*stage == 2), "it has seen R15");
    CHECK(WAIT_FOR(get_of(&p, c->vp, HV_REG_RIP).low == (uintptr_t)spin_on),
          "RIP in the second loop");
    /* With its own CR3 again, which has no effect */
    set_of(&p, c->vp, HV_REG_CR3, read_cr3(), 0);
    set_of(&p, c->vp, HV_REG_RIP, (uintptr_t)spin_off, 0);
    on_cpu_wait(c);
}

#define ROUNDS 100

static SHARED bool crossing;

/* Everybody asks and changes the next one, which does the same */
static void cross(void *arg)
{
    struct pages p = *(struct pages *)arg;
    struct cpu *me = this_cpu(), *next = cpus[(me->id + 1) % ncpus];

    while (!crossing) {
        cpu_relax();
    }
    for (int i = 1; i <= ROUNDS; i++) {
        struct hv_register r = get_of(&p, next->vp, HV_REG_GS);

        CHECK_EQ(r.low, (uintptr_t)next, "base of GS, round %d", i);
        set_of(&p, next->vp, HV_REG_DR0, i, 0);
        if (has(F_HINT_REMOTE_FLUSH)) {
            uint64_t flush[] = { 0, HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES, 0 };

            memcpy(p.in, flush, sizeof(flush));
            CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, p.in, NULL), HV_SUCCESS,
                     "flush, round %d", i);
        }
    }
    asm volatile("movq %0, %%dr0" :: "r" (0ull));
}

TEST(regs_each_other, "VM-032", .need = NEED, .min_cpus = 2)
{
    static struct pages p[MAX_CPUS];

    crossing = false;
    for (int i = 0; i < ncpus; i++) {
        p[i] = pages_new();
    }
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], cross, &p[i]);
    }
    crossing = true;
    cross(&p[0]);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
}

/* Events */

#define EVENT(type, vector) \
    (1 | (uint64_t)(type) << 1 | (uint64_t)(vector) << 16)
#define EVENT_INTERRUPT     0
#define EVENT_NMI           2
#define EVENT_EXCEPTION     3
#define EVENT_SOFTWARE      4
#define EVENT_ERROR_CODE(e) (1 << 4 | (uint64_t)(e) << 32)
#define VECTOR              0x61

TEST(regs_pending_exception, "VM-036", .need = NEED)
{
    struct pages p = pages_new();
    struct cpu *me = this_cpu();
    struct call c = { .rdx = (uintptr_t)p.in };

    header(p.in, HV_VP_SELF);
    p.in[2] = HV_REG_PENDING_INTERRUPTION;
    p.in[3] = 0;
    p.in[5] = 0;
    /* Delivered when the call is done, behind it */
    p.in[4] = EVENT(EVENT_EXCEPTION, EXC_UD);
    CHECK_EQ(hv_call_with(&c, HVCALL_SET_REGISTERS | HV_REPS(1),
                          call_kernel64), HV_FAULT(EXC_UD), "#UD");
    p.in[4] = EVENT(EVENT_EXCEPTION, EXC_GP) | EVENT_ERROR_CODE(0x1234);
    CHECK_EQ(hv_call_with(&c, HVCALL_SET_REGISTERS | HV_REPS(1),
                          call_kernel64), HV_FAULT(EXC_GP), "#GP");
    CHECK_EQ(me->fault_error, 0x1234, "error code");
    CHECK_EQ(get_of(&p, HV_VP_SELF, HV_REG_PENDING_INTERRUPTION).low, 0,
             "once delivered");
}

static uint64_t event_rip;

static void note_rip(struct trap *t)
{
    event_rip = t->rip;
}

TEST(regs_pending_interrupt, "VM-036", .need = NEED)
{
    struct pages p = pages_new();
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    irq_set(VECTOR, note_rip);
    set_of(&p, HV_VP_SELF, HV_REG_PENDING_INTERRUPTION,
           EVENT(EVENT_INTERRUPT, VECTOR), 0);
    CHECK_EQ(me->irqs[VECTOR], before + 1, "interrupts");
    CHECK_EQ(event_rip & ~0xFFFull, (uintptr_t)hv_page, "behind the call");
    /* INT n of no bytes */
    set_of(&p, HV_VP_SELF, HV_REG_PENDING_INTERRUPTION,
           EVENT(EVENT_SOFTWARE, VECTOR), 0);
    CHECK_EQ(me->irqs[VECTOR], before + 2, "interrupts");
    CHECK_EQ(event_rip & ~0xFFFull, (uintptr_t)hv_page, "behind the call");
    irq_set(VECTOR, NULL);
}

TEST(regs_pending_bad, "VM-030,VM-036", .need = NEED)
{
    static const struct {
        uint64_t v;
        uint16_t status;
    } bad[] = {
        { EVENT(1, VECTOR), HV_INVALID_REGISTER_VALUE },
        { EVENT(7, VECTOR), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_INTERRUPT, 31), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_INTERRUPT, 256), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_NMI, 3), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_EXCEPTION, 2), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_EXCEPTION, 32), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_EXCEPTION, EXC_GP), HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_EXCEPTION, EXC_UD) | EVENT_ERROR_CODE(0),
          HV_INVALID_REGISTER_VALUE },
        { EVENT(EVENT_EXCEPTION, EXC_UD) | 1 << 9, HV_INVALID_PARAMETER },
        { EVENT(EVENT_EXCEPTION, EXC_UD) | 1 << 15, HV_INVALID_PARAMETER },
    };
    struct pages p = pages_new();

    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_EQ(set_in(&p, HV_VP_SELF, HV_REG_PENDING_INTERRUPTION, bad[i].v,
                        0), bad[i].status, "event 0x%lx", bad[i].v);
    }
}

TEST(regs_pending_on_other, "VM-036", .need = NEED, .min_cpus = 2)
{
    struct pages p = pages_new();
    struct cpu *c = cpus[1];
    uint32_t before = c->irqs[VECTOR];

    /* One that sleeps is woken */
    CHECK(WAIT_FOR(get_of(&p, c->vp, HV_REG_ACTIVITY).low == 2), "it sleeps");
    irq_set(VECTOR, irq_no_eoi);
    set_of(&p, c->vp, HV_REG_PENDING_INTERRUPTION,
           EVENT(EVENT_INTERRUPT, VECTOR), 0);
    CHECK(WAIT_FOR(c->irqs[VECTOR] == before + 1), "interrupt");
    CHECK(WAIT_FOR(get_of(&p, c->vp, HV_REG_ACTIVITY).low == 2),
          "it sleeps again");
    before = c->irqs[2];
    set_of(&p, c->vp, HV_REG_PENDING_INTERRUPTION, EVENT(EVENT_NMI, 2), 0);
    CHECK(WAIT_FOR(c->irqs[2] == before + 1), "NMI");
    CHECK(WAIT_FOR(!(get_of(&p, c->vp, HV_REG_INTERRUPT_STATE).low & 2)),
          "NMIs are let in again");
    irq_set(VECTOR, NULL);
}

/* Starting a VP */

static SHARED int start_slot;
extern char started_here[];

/* With a stack, in 64-bit mode: what an AP does behind its trampoline */
asm(".pushsection .text\n"
    "started_here:\n"
    "    movl start_slot(%rip), %edi\n"
    "    call ap_main\n"
    ".popsection\n");

/* An area of 240 bytes: HV_INITIAL_VP_CONTEXT behind the header */
static void start_context(uint8_t *in, struct cpu *c, uint64_t rsp)
{
    memset(in, 0, 240);
    header((uint64_t *)in, c->vp);
    vp_context(in + 16, (uintptr_t)started_here, rsp);
    /* To tell it from what INIT and SIPI make */
    memcpy(in + 16 + 72, &(uint64_t) { 0xF5F5000 }, 8);
}

void vp_start_input(uint64_t *in, struct cpu *c)
{
    start_slot = c->slot;
    start_context((uint8_t *)in, c,
                  (uintptr_t)pages_alloc(4, PAGE_SIZE) + 4 * PAGE_SIZE);
}

static void read_fs_base(void *result)
{
    *(uint64_t *)result = msr(MSR_FS_BASE);
}

static void put_in_startup(struct cpu *c)
{
    struct pages p = pages_new();

    c->online = false;
    c->hv_dirty = true;
    apic_icr(c->apic_id, ICR_INIT | ICR_ASSERT);
    CHECK(WAIT_FOR(get_of(&p, c->vp, HV_REG_ACTIVITY).low == 1),
          "INIT has come");
}

TEST(start_vp, "VS-012", .need = { F_HYPERCALL, F_VP_REGISTERS,
                                          F_START_VP }, .min_cpus = 2)
{
    struct cpu *c = cpus[ncpus - 1];
    uint8_t *in = page_alloc();
    uint64_t rsp = (uintptr_t)pages_alloc(4, PAGE_SIZE) + 4 * PAGE_SIZE;
    uint64_t fs = 0;

    start_slot = c->slot;
    put_in_startup(c);
    start_context(in, c, rsp);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_SUCCESS, "call");
    if (!WAIT_FOR(c->online)) {
        panic("CPU %d does not start", c->id);
    }
    on_cpu(c, read_fs_base, &fs);
    CHECK_EQ(fs, 0xF5F5000, "FS_BASE as in the context");
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_VP_STATE,
             "second time");
}

TEST(start_vp_errors, "VS-012", .need = { F_HYPERCALL, F_VP_REGISTERS,
                                          F_START_VP }, .min_cpus = 2)
{
    static const struct {
        uint16_t at;
        uint64_t v;
    } bad[] = {
        { 192, 0x80000001 }, { 192, 0x80000010 }, { 184, 2 },
        { 208, 1ull << 63 }, { 216, 2 }, { 16, 0 }, { 0, 1ull << 63 },
    };
    struct cpu *c = cpus[ncpus - 1];
    uint8_t *in = page_alloc();
    uint64_t rsp = (uintptr_t)pages_alloc(4, PAGE_SIZE) + 4 * PAGE_SIZE;

    start_context(in, c, rsp);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_VP_STATE,
             "a VP that sleeps");
    header((uint64_t *)in, HV_VP_SELF);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_VP_STATE, "self");
    header((uint64_t *)in, 0x1234);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_VP_INDEX,
             "no such VP");
    header((uint64_t *)in, c->vp);
    in[0] = 5;
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_PARTITION_ID,
             "another partition");
    for (int i = 12; i < 16; i++) {
        header((uint64_t *)in, c->vp);
        in[i] = 0x80;
        CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_PARAMETER,
                 "byte %d", i);
    }

    start_slot = c->slot;
    put_in_startup(c);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        start_context(in, c, rsp);
        memcpy(in + 16 + bad[i].at, &bad[i].v, 8);
        CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_INVALID_REGISTER_VALUE,
                 "0x%lx at %d of the context", bad[i].v, bad[i].at);
        CHECK(!c->online, "it runs");
    }
    start_context(in, c, rsp);
    CHECK_EQ(hv_call(HVCALL_START_VP, in, NULL), HV_SUCCESS, "good context");
    if (!WAIT_FOR(c->online)) {
        panic("CPU %d does not start", c->id);
    }
}
