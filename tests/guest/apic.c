/*
 * The local APIC through synthetic MSRs: EOI, ICR and TPR (TLFS 10.2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define VECTOR  0x62
#define LOWER   0x52

static SHARED bool in_service_before, in_service_after;
static SHARED int eoi_vector;
static uint64_t eoi_value;

static void eoi_by_msr(struct trap *t)
{
    in_service_before = apic_bit(APIC_ISR, t->vector);
    eoi_vector = wrmsr_safe(HV_MSR_EOI, eoi_value);
    in_service_after = apic_bit(APIC_ISR, t->vector);
    if (in_service_after) {
        apic_eoi();             /* or no further interrupt would come */
    }
}

TEST(apic_eoi_msr, "MS-014", .need = { F_INTR_CTRL })
{
    static const uint64_t values[] = { 0, 1ull << 40, 0xFFFFFFFF00000000 };
    struct cpu *me = this_cpu();

    irq_set(VECTOR, eoi_by_msr);
    for (int i = 0; i < ARRAY_SIZE(values); i++) {
        uint32_t before = me->irqs[VECTOR];

        eoi_value = values[i];
        apic_self_ipi(VECTOR);
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "no interrupt");
        CHECK_EQ(eoi_vector, NO_FAULT, "write of 0x%lx", values[i]);
        CHECK(in_service_before, "not in service before");
        CHECK(!in_service_after, "in service after 0x%lx", values[i]);
    }
    CHECK_EQ(rdmsr_safe(HV_MSR_EOI, NULL), EXC_GP, "read");
}

/* An EOI with nothing in service has no effect */
TEST(apic_eoi_spurious, "MS-014", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    hv_wr(HV_MSR_EOI, 0);
    hv_wr(HV_MSR_EOI, 0);
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt afterwards");
}

TEST(apic_icr_msr, "MS-015", .need = { F_INTR_CTRL })
{
    for (int i = 0; i < ncpus; i++) {
        struct cpu *c = cpus[i];
        uint32_t before = c->irqs[VECTOR];
        uint64_t v = apic_icr_value(c->apic_id,
                                    ICR_FIXED | ICR_ASSERT | VECTOR);

        hv_wr(HV_MSR_ICR, v);
        CHECK(WAIT_FOR(c->irqs[VECTOR] == before + 1), "no IPI on CPU %d", i);
        /* Delivery status (bit 12) may come and go */
        CHECK_EQ(hv_rd(HV_MSR_ICR) & ~0x1000ull, v, "ICR");
        CHECK_EQ(apic_read(APIC_ICR) & ~0x1000, (uint32_t)v, "APIC's ICR");
    }
}

TEST(apic_icr_shorthand, "MS-015", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR], other = cpus[ncpus - 1]->irqs[LOWER];

    hv_wr(HV_MSR_ICR, ICR_SELF | ICR_FIXED | ICR_ASSERT | VECTOR);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "to self");
    if (ncpus > 1) {
        hv_wr(HV_MSR_ICR, ICR_ALL_BUT_ME | ICR_FIXED | ICR_ASSERT | LOWER);
        CHECK(WAIT_FOR(cpus[ncpus - 1]->irqs[LOWER] == other + 1),
              "to all but self");
    }
}

TEST(apic_icr_self_at_once, "MS-017", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint64_t v = apic_icr_value(me->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR);
    SHARED uint32_t *count = &me->irqs[VECTOR];

    for (int i = 0; i < 100; i++) {
        uint32_t before = *count, after;

        asm volatile("wrmsr\n\t"
                     "movl %1, %0"
                     : "=&r" (after)
                     : "m" (*count), "c" (HV_MSR_ICR), "a" ((uint32_t)v),
                       "d" ((uint32_t)(v >> 32))
                     : "memory");
        CHECK_EQ(after, before + 1, "interrupts at the next instruction");
    }
}

TEST(apic_tpr_msr, "MS-016", .need = { F_INTR_CTRL })
{
    for (int i = 0; i < 16; i++) {
        hv_wr(HV_MSR_TPR, i << 4);
        CHECK_EQ(read_cr8(), i, "CR8");
        CHECK_EQ(apic_read(APIC_TPR) & 0xF0, i << 4, "APIC's TPR");
        CHECK_EQ(hv_rd(HV_MSR_TPR) & 0xF0, i << 4, "TPR");
        write_cr8(15 - i);
        CHECK_EQ(hv_rd(HV_MSR_TPR) & ~0xFull, (15 - i) << 4, "TPR after CR8");
    }
    hv_wr(HV_MSR_TPR, 0);
}

TEST(apic_tpr_blocks, "MS-016", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    hv_wr(HV_MSR_TPR, VECTOR & 0xF0);
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(apic_bit(APIC_IRR, VECTOR)), "not pending");
    CHECK_EQ(me->irqs[VECTOR], before, "taken below the task priority");
    hv_wr(HV_MSR_TPR, 0);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "not taken in the end");
}
