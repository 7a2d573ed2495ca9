/*
 * EOI assist through the VP assist page (TLFS 10.3.5).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define HIGH    0x74
#define VECTOR  0x64
#define LOWER   0x54

static SHARED uint32_t *assist;

static void assist_on(void)
{
    struct cpu *c = this_cpu();

    if (!c->assist) {
        c->assist = page_alloc();
    }
    assist = c->assist;
    hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)assist | HV_PAGE_ENABLE);
}

/* The protocol: clear the bit; only if it was clear, write the EOI */
static bool assist_eoi(void)
{
    bool was_set;

    asm volatile("lock btrl $0, %0" : "+m" (*assist), "=@ccc" (was_set));
    if (!was_set) {
        hv_wr(HV_MSR_EOI, 0);
    }
    return was_set;
}

static bool in_service(int vector)
{
    return apic_bit(APIC_ISR, vector);
}

static SHARED int elided, trapped;
static SHARED uint32_t other_bits;

static void protocol(struct trap *t)
{
    other_bits |= *assist & ~1u;
    if (assist_eoi()) {
        elided++;
    } else {
        trapped++;
    }
}

TEST(vpassist_eoi_elided, "VA-003,VA-004,VA-007", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();

    assist_on();
    elided = trapped = 0;
    other_bits = 0;
    irq_set(VECTOR, protocol);
    irq_set(LOWER, protocol);
    for (int i = 0; i < 100; i++) {
        uint32_t before = me->irqs[VECTOR], lower = me->irqs[LOWER];

        apic_self_ipi(VECTOR);
        if (!WAIT_FOR(me->irqs[VECTOR] == before + 1)) {
            CHECK(false, "interrupt %d is lost", i);
            break;
        }
        if (i % 2) {
            /* Would stay pending behind one that has not ended */
            apic_self_ipi(LOWER);
            if (!WAIT_FOR(me->irqs[LOWER] == lower + 1)) {
                CHECK(false, "lower interrupt %d is lost", i);
                break;
            }
        }
        CHECK(!in_service(VECTOR), "still in service");
    }
    note("%d EOIs elided, %d written", elided, trapped);
    CHECK(elided > 0, "no EOI was elided");
    CHECK_EQ(other_bits, 0, "bits 31:1 of the assist word");
}

/* The same for the SINT of a message: the usual source of interrupts */
TEST(vpassist_sint, "VA-004,VA-007,VA-008",
     .need = { F_INTR_CTRL, F_SYNIC, F_STIMER })
{
    struct cpu *me = this_cpu();

    assist_on();
    synic_on();
    elided = trapped = 0;
    irq_set(VECTOR, protocol);
    sint_set(2, VECTOR);
    for (int i = 0; i < 20; i++) {
        uint32_t before = me->irqs[VECTOR];

        hv_wr(HV_MSR_STIMER_CONFIG(0), 0);
        hv_wr(HV_MSR_STIMER_COUNT(0), 1);
        hv_wr(HV_MSR_STIMER_CONFIG(0), HV_STIMER_ENABLE | HV_STIMER_SINT(2));
        if (!WAIT_FOR(me->irqs[VECTOR] == before + 1)) {
            CHECK(false, "message interrupt %d is lost", i);
            break;
        }
        msg_slot(2)->type = 0;
        CHECK(!in_service(VECTOR), "still in service");
    }
    CHECK(elided + trapped == 20, "%d interrupts", elided + trapped);
}

static SHARED bool set_at_entry, set_after_lower, pending_lower;

static void queue_lower(struct trap *t)
{
    set_at_entry = *assist & 1;
    apic_self_ipi(LOWER);
    pending_lower = apic_bit(APIC_IRR, LOWER);
    set_after_lower = *assist & 1;
    assist_eoi();
}

TEST(vpassist_lower_pending, "VA-006", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[LOWER];

    assist_on();
    irq_set(VECTOR, queue_lower);
    irq_set(LOWER, protocol);
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(me->irqs[LOWER] == before + 1), "lower one is not taken");
    CHECK(pending_lower, "lower one was not pending");
    CHECK(!set_after_lower, "NoEoiRequired with a lower interrupt pending");
    CHECK(!in_service(VECTOR) && !in_service(LOWER), "still in service");
}

static void queue_higher(struct trap *t)
{
    apic_self_ipi(HIGH);
    assist_eoi();
}

TEST(vpassist_higher_pending, "VA-007,VA-011", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[HIGH];

    assist_on();
    irq_set(VECTOR, queue_higher);
    irq_set(HIGH, protocol);
    for (int i = 0; i < 10; i++) {
        apic_self_ipi(VECTOR);
        CHECK(WAIT_FOR(me->irqs[HIGH] == before + 1 + i), "higher one");
        CHECK(!in_service(VECTOR) && !in_service(HIGH), "still in service");
    }
}

/* Pending at entry already: the EOI of the first must trap */
TEST(vpassist_lower_first, "VA-004,VA-006", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[LOWER], before_high = me->irqs[VECTOR];

    assist_on();
    elided = trapped = 0;
    irq_set(VECTOR, protocol);
    irq_set(LOWER, protocol);
    irq_disable();
    apic_self_ipi(LOWER);
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(apic_bit(APIC_IRR, LOWER) && apic_bit(APIC_IRR, VECTOR)),
          "not both pending");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[LOWER] == before + 1), "lower one");
    CHECK_EQ(me->irqs[VECTOR], before_high + 1, "higher one");
    CHECK(trapped >= 1, "EOI elided with a lower interrupt pending");
}

/* Nested: the inner one may be elided, the outer one's EOI then traps */
static SHARED bool outer_set_after_inner;
static SHARED bool outer_in_service;

static void outer(struct trap *t)
{
    uint32_t before = this_cpu()->irqs[HIGH];

    apic_self_ipi(HIGH);
    irq_enable();
    if (!WAIT_FOR(this_cpu()->irqs[HIGH] != before)) {
        CHECK(false, "inner interrupt is lost");
    }
    irq_disable();
    outer_in_service = in_service(t->vector);
    outer_set_after_inner = *assist & 1;
    assist_eoi();
}

TEST(vpassist_nested, "VA-011", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    assist_on();
    irq_set(VECTOR, outer);
    irq_set(HIGH, protocol);
    for (int i = 0; i < 10; i++) {
        apic_self_ipi(VECTOR);
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1 + i), "outer one");
        CHECK(outer_in_service, "the inner EOI ended the outer one as well");
        CHECK(!in_service(VECTOR) && !in_service(HIGH), "still in service");
    }
}

/* An ordinary EOI with the bit set counts once */
static SHARED bool lower_in_service_in_high;

static void plain_eoi(struct trap *t)
{
    apic_eoi();
    lower_in_service_in_high = in_service(VECTOR);
}

static void outer_plain(struct trap *t)
{
    uint32_t before = this_cpu()->irqs[HIGH];

    apic_self_ipi(HIGH);
    irq_enable();
    if (!WAIT_FOR(this_cpu()->irqs[HIGH] != before)) {
        CHECK(false, "inner interrupt is lost");
    }
    irq_disable();
    outer_in_service = in_service(t->vector);
    apic_eoi();
}

TEST(vpassist_plain_eoi, "VA-009", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    assist_on();
    irq_set(VECTOR, outer_plain);
    irq_set(HIGH, plain_eoi);
    for (int i = 0; i < 10; i++) {
        apic_self_ipi(VECTOR);
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1 + i), "outer one");
        CHECK(lower_in_service_in_high, "one EOI ended two interrupts");
        CHECK(outer_in_service, "one EOI ended two interrupts");
        CHECK(!in_service(VECTOR) && !in_service(HIGH), "still in service");
    }
}

/* The page comes and goes while an interrupt is being handled */
static SHARED int toggle_kind;

static void toggling(struct trap *t)
{
    switch (toggle_kind) {
    case 0:                     /* ended by the bit, then switched off */
        assist_eoi();
        hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
        break;
    case 1:                     /* switched off with the bit unanswered */
        hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
        if (in_service(t->vector)) {
            hv_wr(HV_MSR_EOI, 0);
        }
        break;
    case 2:                     /* entered without a page, left with one */
        assist_on();
        assist_eoi();
        break;
    }
}

TEST(vpassist_toggled, "VA-002,VA-010", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();

    irq_set(VECTOR, toggling);
    for (int i = 0; i < 30; i++) {
        uint32_t before = me->irqs[VECTOR];

        toggle_kind = i % 3;
        if (toggle_kind < 2) {
            assist_on();
        } else {
            hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
        }
        apic_self_ipi(VECTOR);
        if (!WAIT_FOR(me->irqs[VECTOR] == before + 1)) {
            CHECK(false, "interrupt %d is lost", i);
            break;
        }
        CHECK(!in_service(VECTOR), "still in service, way %d", toggle_kind);
    }
}

/*
 * A level-triggered source: the transmitter of the serial port, through the
 * I/O APIC.
 */
#define COM1_IER    0x3F9
#define COM1_IRQ    4
#define IER_THRE    0x02
#define LEVEL       0x8000
#define RTE_MASKED  0x10000

static SHARED bool level_set;

static void level_irq(struct trap *t)
{
    level_set = *assist & 1;
    outb(COM1_IER, 0);
    assist_eoi();
}

TEST(vpassist_level_triggered, "VA-005", .need = { F_INTR_CTRL })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    assist_on();
    irq_set(VECTOR, level_irq);
    ioapic_write(COM1_IRQ, VECTOR | LEVEL, me->apic_id << 24);
    outb(0x3FC, 0x0B);          /* DTR, RTS and the interrupt line */
    outb(COM1_IER, IER_THRE);
    CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "no level interrupt");
    outb(COM1_IER, 0);
    CHECK(!level_set, "NoEoiRequired for a level-triggered interrupt");
    CHECK(!in_service(VECTOR), "still in service");
    ioapic_write(COM1_IRQ, RTE_MASKED, 0);
}

static void per_vp(void *unused)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)page_alloc() | HV_PAGE_ENABLE);
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
}

TEST(vpassist_per_vp, "MS-018,VA-001", .need = { F_INTR_CTRL }, .min_cpus = 2)
{
    assist_on();
    *(assist + 16) = 0x12345678;
    on_cpu(cpus[1], per_vp, NULL);
    CHECK_EQ(hv_rd(HV_MSR_VP_ASSIST_PAGE),
             (uintptr_t)assist | HV_PAGE_ENABLE, "VP_ASSIST_PAGE");
    CHECK_EQ(*(assist + 16), 0x12345678, "content");
    *(assist + 16) = 0;
}
