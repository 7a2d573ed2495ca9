/*
 * Descriptor tables, exceptions that are caught, and interrupt dispatch.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "symbols.h"

#define MSR_GS_BASE 0xC0000101
#define GATE_INTERRUPT 0x8E

/* An instruction at label 1 that continues at label 2 when it faults */
#define EX_TABLE                                    \
    ".pushsection .ex_table, \"a\"\n\t"             \
    ".quad 1b, 2f\n\t"                              \
    ".popsection\n\t"                               \
    "2:\n\t"

struct gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, reserved;
};

struct table_ptr {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static struct gate idt[256] __attribute__((aligned(16)));
static irq_fn *irq_fns[256];

static void idt_init(void)
{
    for (int i = 0; i < 256; i++) {
        uint64_t a = (uintptr_t)trap_stubs + 16 * i;

        idt[i] = (struct gate) {
            .offset0 = a,
            .offset1 = a >> 16,
            .offset2 = a >> 32,
            .selector = SEL_CODE64,
            .ist = i == 2 ? 1 : i == 8 ? 2 : 0,
            .type = GATE_INTERRUPT,
        };
    }
}

void trap_init_cpu(struct cpu *c)
{
    struct table_ptr gdt_ptr = { sizeof(c->gdt) - 1, (uintptr_t)c->gdt };
    struct table_ptr idt_ptr = { sizeof(idt) - 1, (uintptr_t)idt };
    uint64_t tss = (uintptr_t)&c->tss_at_48;

    if (!idt[0].selector) {
        idt_init();
    }

    memcpy(c->gdt, boot_gdt, sizeof(boot_gdt));
    c->gdt[6] = (sizeof(struct tss) - 1) | (tss & 0xFFFFFF) << 16 |
                0x89ull << 40 | (tss >> 24 & 0xFF) << 56;
    c->gdt[7] = tss >> 32;
    c->tss_at_48.iomap = sizeof(struct tss);
    c->tss_at_48.ist[0] = (uintptr_t)page_alloc() + PAGE_SIZE;
    c->tss_at_48.ist[1] = (uintptr_t)page_alloc() + PAGE_SIZE;

    asm volatile("lgdt %0" :: "m" (gdt_ptr));
    asm volatile("lidt %0" :: "m" (idt_ptr));
    asm volatile("ltr %w0" :: "r" (SEL_TSS));
    c->self = c;
    asm volatile("wrmsr" :: "c" (MSR_GS_BASE), "a" ((uint32_t)(uintptr_t)c),
                 "d" ((uint32_t)((uintptr_t)c >> 32)) : "memory");
}

void irq_set(int vector, irq_fn *fn)
{
    irq_fns[vector] = fn;
}

void irq_no_eoi(struct trap *t)
{
}

static void exception(struct trap *t)
{
    struct cpu *c = this_cpu();

    if (t->rip != (uintptr_t)user_done) {
        c->fault_vector = t->vector;
    }
    c->fault_error = t->error;
    asm volatile("movq %%cr2, %0" : "=r" (c->fault_addr));

    for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
        if (e->insn == t->rip) {
            t->rip = e->fixup;
            return;
        }
    }
    if (c->recover_rip) {
        t->rip = c->recover_rip;
        t->rsp = c->recover_rsp;
        t->cs = SEL_CODE64;
        t->ss = SEL_DATA;
        return;
    }
    test_died("exception %lu, error 0x%lx, at 0x%lx, address 0x%lx, CPU %d",
              t->vector, t->error, t->rip, c->fault_addr, c->id);
}

void trap_dispatch(struct trap *t)
{
    struct cpu *c = this_cpu();

    if (t->vector < 32 && t->vector != 2) {
        exception(t);
    } else {
        c->irqs[t->vector]++;
        if (irq_fns[t->vector]) {
            irq_fns[t->vector](t);
        } else if (t->vector >= 32 && t->vector != VEC_SPURIOUS) {
            apic_eoi();
        }
    }
}

int rdmsr_safe(uint32_t msr, uint64_t *v)
{
    struct cpu *c = this_cpu();
    uint32_t lo = 0, hi = 0;

    c->fault_vector = NO_FAULT;
    asm volatile("1: rdmsr\n\t" EX_TABLE
                 : "+a" (lo), "+d" (hi) : "c" (msr) : "memory");
    if (v) {
        *v = lo | (uint64_t)hi << 32;
    }
    return c->fault_vector;
}

int wrmsr_safe(uint32_t msr, uint64_t v)
{
    struct cpu *c = this_cpu();

    c->fault_vector = NO_FAULT;
    asm volatile("1: wrmsr\n\t" EX_TABLE
                 :: "c" (msr), "a" ((uint32_t)v), "d" ((uint32_t)(v >> 32))
                 : "memory");
    return c->fault_vector;
}

int load64_safe(uint64_t va, uint64_t *v)
{
    struct cpu *c = this_cpu();
    uint64_t got = 0;

    c->fault_vector = NO_FAULT;
    asm volatile("1: movq (%1), %0\n\t" EX_TABLE
                 : "+r" (got) : "r" (va) : "memory");
    *v = got;
    return c->fault_vector;
}

int store64_safe(uint64_t va, uint64_t v)
{
    struct cpu *c = this_cpu();

    c->fault_vector = NO_FAULT;
    /* KVM reports a store that its user space refuses behind the store */
    asm volatile("1: movq %1, (%0)\n\t"
                 ".pushsection .ex_table, \"a\"\n\t"
                 ".quad 3f, 2f\n\t"
                 ".popsection\n\t"
                 "3: nop\n\t" EX_TABLE
                 :: "r" (va), "r" (v) : "memory");
    return c->fault_vector;
}

void call_safe(void (*how)(struct call *), struct call *call)
{
    struct cpu *c = this_cpu();

    c->fault_vector = NO_FAULT;
    how(call);
    call->vector = c->fault_vector;
}
