/*
 * The program checks its own tools, on any machine, before it judges others;
 * and, where no Hv#1 is offered, that nothing of it shows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

/* A page of code, from a string literal of its bytes */
#define CODE(bytes) ((uintptr_t)memcpy(page_alloc(), bytes, sizeof(bytes)))

#define OP_RET      "\xC3"
#define OP_UD2      "\x0F\x0B"
#define OP_VMCALL   "\x0F\x01\xC1"
#define OP_VMMCALL  "\x0F\x01\xD9"

TEST(selftest_exceptions, "-", .anywhere = true)
{
    struct call c = { .target = CODE(OP_UD2), .rbx = 7 };
    uint64_t v;

    CHECK_EQ(load64_safe(0x8000000000000000, &v), EXC_GP, "non-canonical load");
    CHECK_EQ(load64_safe(va_alloc(PAGE_SIZE), &v), EXC_PF, "unmapped load");
    CHECK_EQ(store64_safe((uintptr_t)&v, 5), NO_FAULT, "store");
    CHECK_EQ(v, 5, "stored value");
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, EXC_UD, "ud2");
    CHECK_EQ(c.rbx, 7, "RBX kept");
}

TEST(selftest_user_mode, "-", .anywhere = true)
{
    /* mov %rcx, %rax; ret -- and one that may not: cli; ret */
    struct call c = { .target = CODE("\x48\x89\xC8" OP_RET), .rcx = 9 };

    call_safe(call_user, &c);
    CHECK_EQ(c.vector, NO_FAULT, "plain code");
    CHECK_EQ(c.rax, 9, "RAX");
    c.target = CODE("\xFA" OP_RET);
    call_safe(call_user, &c);
    CHECK_EQ(c.vector, EXC_GP, "cli in user mode");
}

TEST(selftest_compat_mode, "-", .anywhere = true)
{
    /* inc %rax in 64-bit code, dec %eax; inc %eax in 32-bit code */
    struct call c = { .target = CODE("\x48\xFF\xC0" OP_RET), .rax = 9 };

    call_safe(call_kernel64, &c);
    CHECK_EQ(c.rax, 10, "as 64-bit code");
    c.rax = 9;
    call_safe(call_kernel32, &c);
    CHECK_EQ(c.vector, NO_FAULT, "as 32-bit code");
    CHECK_EQ(c.rax, 9, "as 32-bit code");
    c.target = CODE(OP_UD2);
    call_safe(call_kernel32, &c);
    CHECK_EQ(c.vector, EXC_UD, "ud2 in 32-bit code");
}

TEST(selftest_real_mode, "-", .anywhere = true, .min_cpus = 2)
{
    struct cpu *c = cpus[ncpus - 1];

    memcpy((void *)LOW_PAGE, OP_UD2, 2);
    CHECK_EQ(in_real_mode(c, LOW_PAGE, 0, 0), EXC_UD, "ud2");
    memcpy((void *)LOW_PAGE, OP_RET, 1);
    CHECK_EQ(in_real_mode(c, LOW_PAGE, 0, 0), REAL_MODE_OK, "ret");
}

static void send_ipi_to_boot_cpu(void *unused)
{
    apic_icr(cpus[0]->apic_id, ICR_FIXED | ICR_ASSERT | 0x51);
}

TEST(selftest_interrupts, "-", .anywhere = true)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[0x50];

    irq_disable();
    apic_self_ipi(0x50);
    CHECK_EQ(me->irqs[0x50], before, "interrupts are off");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[0x50] == before + 1), "self IPI");

    if (ncpus > 1) {
        before = me->irqs[0x51];
        on_cpu(cpus[1], send_ipi_to_boot_cpu, NULL);
        CHECK(WAIT_FOR(me->irqs[0x51] == before + 1), "IPI from CPU 1");
    }
}

/*
 * QEMU's own emulation has no VMX, and answers to MSRs it does not know with
 * zero; a guest without any hv flag must keep seeing just that.
 */
static bool stock_tcg(void)
{
    struct cpuid c = cpuid(HV_LEAF_BASE);

    return c.reg[R_EAX] >= HV_LEAF_BASE &&
           !memcmp(&c.reg[R_EBX], "TCGTCGTCGTCG", 12);
}

TEST(off_no_hypercall, "-", .without_hv = true)
{
    struct call c = { .target = CODE(OP_VMCALL OP_RET) };

    if (!stock_tcg()) {
        SKIP("VMCALL belongs to another hypervisor here");
    }
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, EXC_UD, "VMCALL");
    c.target = CODE(OP_VMMCALL OP_RET);
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, EXC_UD, "VMMCALL");
}

TEST(off_msrs_as_before, "-", .without_hv = true)
{
    uint64_t v;

    if (!stock_tcg()) {
        SKIP("unknown MSRs are the business of another hypervisor here");
    }
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++) {
        CHECK_EQ(wrmsr_safe(msr, 1), NO_FAULT, "write of MSR 0x%x", msr);
        CHECK_EQ(rdmsr_safe(msr, &v), NO_FAULT, "read of MSR 0x%x", msr);
        CHECK_EQ(v, 0, "MSR 0x%x", msr);
    }
}

TEST(off_cpuid, "CP-002,CP-003", .without_hv = true)
{
    if (!stock_tcg()) {
        SKIP("these leaves belong to another hypervisor here");
    }
    CHECK_EQ(cpuid(HV_LEAF_BASE).reg[R_EAX], 0x40000001, "maximum leaf");
    CHECK_EQ(cpuid(HV_LEAF_INTERFACE).reg[R_EAX], 0, "interface signature");
}
