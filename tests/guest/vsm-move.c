/*
 * A guest that is saved and loaded elsewhere while VTL 1 sees to an intercept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whoever moves it is told ("# at PLACE"), moves it, and types a character.
 */

#include "guest.h"

#define PORT        0x9A
#define VECTOR      0x76
#define VECTOR_LEVEL    0x77
#define VECTOR_EXTINT   0x78
#define LEVEL       (1ull << 32)    /* HV_INTERRUPT_CONTROL */
#define EXTINT      7
#define JUNK        0x77            /* the type of what fills the slot */
#define CR0_AM      (1ull << 18)

static SHARED uint32_t told;
static struct hv_message last;
static uint64_t *gates;

/* In VTL 1 */

static void wait_for_move(const char *place)
{
    char c;

    note("at %s", place);
    while (!console_read(&c)) {
        cpu_relax();
    }
}

static void take(struct hv_message *slot)
{
    last = *slot;
    __atomic_store_n(&slot->type, HV_MSG_NONE, __ATOMIC_SEQ_CST);
    hv_wr(HV_MSR_EOM, 0);
}

static void skip(void)
{
    const struct intercept_header *h = (void *)last.payload;

    vtl_set_reg(0, HV_REG_RIP, h->rip + (h->length_cr8 & 15));
    told++;
}

static void skip_at_once(void)
{
    take(this_cpu()->simp);
    skip();
}

/* The slot is full: the message comes when it is emptied */
static void message_waits(void)
{
    struct hv_message *slot = this_cpu()->simp;

    CHECK_EQ(slot->type, JUNK, "what fills the slot");
    CHECK_EQ(slot->flags, HV_MSG_PENDING, "another message waits");
    wait_for_move("full slot");
    CHECK_EQ(slot->type, JUNK, "what fills the slot still");
    take(slot);
    CHECK(WAIT_FOR(__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE)),
          "the message that has waited");
    take(slot);
    CHECK_EQ(last.type, TYPE_IO_INTERCEPT, "type");
    CHECK_EQ(last.size, 128, "size");
    CHECK_EQ(last.payload[40], PORT, "port");
    skip();
}

static void protect_target(uint32_t mask)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = mask;
    in[2] = (uintptr_t)gates / PAGE_SIZE;
    CHECK_EQ(hv_call(HVCALL_MODIFY_PROTECTION | HV_REPS(1), in, NULL),
             HV_REPS(1), "protection 0x%x", mask);
}

static void event_waits(void)
{
    take(this_cpu()->simp);
    CHECK_EQ(last.type, TYPE_GPA_INTERCEPT, "type");
    wait_for_move("pending interrupt");
    protect_target(15);
    told++;
}

static void ask_for_all(void *unused)
{
    uint64_t *in = page_alloc();

    ((struct hv_message *)this_cpu()->simp)->type = JUNK;
    in[0] = HV_PARTITION_SELF;
    in[1] = 2;                      /* writes of a port */
    in[2] = PORT;
    CHECK_EQ(hv_call(HVCALL_INSTALL_INTERCEPT, in, NULL), HV_SUCCESS, "port");
    in[1] = HV_VP_SELF | 2ull << 32;
    in[2] = 7;                      /* leaf, then AlwaysOverride */
    in[3] = 1 << 8 | 0x5A5Aull << 32;
    in[4] = 0xFFFFFFFF;
    CHECK_EQ(hv_call(HVCALL_REGISTER_RESULT, in, NULL), HV_SUCCESS, "CPUID");
    vtl_set_reg(1, HV_REG_CR_INTERCEPT + 1, CR0_AM);
    vtl_set_reg(1, HV_REG_CR_INTERCEPT, 1);
    vtl_set_reg(1, HV_REG_VSM_CONFIG, 1 | 15 << 1);
}

/* An interrupt by level, and an external one */
static void assert_interrupt(uint64_t control, uint64_t vector)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = control;
    in[2] = control == EXTINT ? 0 : this_cpu()->apic_id;
    in[3] = vector;
    CHECK_EQ(hv_call(HVCALL_ASSERT_INTERRUPT, in, NULL), HV_SUCCESS,
             "interrupt 0x%lx, 0x%lx", control, vector);
}

static void assert_both(void *unused)
{
    assert_interrupt(LEVEL, VECTOR_LEVEL);
    assert_interrupt(EXTINT, VECTOR_EXTINT);
}

static void end_level(void *unused)
{
    assert_interrupt(LEVEL, 0xFFFFFFFF);
}

static void hide_gates(void *unused)
{
    protect_target(0);
}

/* In VTL 0 */

struct table_ptr {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static void check_all(const char *when)
{
    uint32_t before = told;
    uint64_t cr0;

    CHECK_EQ(cpuid(7).reg[R_EAX], 0x5A5A, "CPUID %s", when);
    asm volatile("movq %%cr0, %0" : "=r" (cr0));
    asm volatile("movq %0, %%cr0" :: "r" (cr0 ^ CR0_AM) : "memory");
    CHECK_EQ(told, before + 1, "CR0 %s", when);
    outb(PORT, 0);
    CHECK_EQ(told, before + 2, "port %s", when);
}

TEST(vsm_move, "VS-049,VM-045,VM-052,VM-057,VM-063", .need = { F_HYPERCALL, F_VSM },
     .explicit = true)
{
    struct table_ptr old, new;
    uint32_t before;

    secure_on(1);
    in_vtl1(secure_synic_on, NULL);
    in_vtl1(ask_for_all, NULL);

    irq_disable();
    irq_set(VECTOR_EXTINT, irq_no_eoi);
    in_vtl1(assert_both, NULL);
    secure_intercept = message_waits;
    outb(PORT, 0);
    CHECK_EQ(told, 1, "intercepts");
    CHECK(apic_bit(APIC_IRR, VECTOR_LEVEL), "the interrupt by level waits");
    in_vtl1(end_level, NULL);
    CHECK(!apic_bit(APIC_IRR, VECTOR_LEVEL), "and is taken back");
    irq_enable();
    CHECK(WAIT_FOR(this_cpu()->irqs[VECTOR_EXTINT] == 1), "the external one");
    irq_disable();
    secure_intercept = skip_at_once;
    check_all("after the first move");

    gates = page_alloc();
    asm volatile("sidt %0" : "=m" (old));
    memcpy(gates, (void *)old.base, old.limit + 1);
    new = (struct table_ptr) { old.limit, (uintptr_t)gates };
    asm volatile("lidt %0" :: "m" (new));
    irq_set(VECTOR, NULL);
    irq_enable();
    secure_intercept = event_waits;
    in_vtl1(hide_gates, NULL);
    before = this_cpu()->irqs[VECTOR];
    apic_self_ipi(VECTOR);
    CHECK(WAIT_FOR(this_cpu()->irqs[VECTOR] != before), "the interrupt");
    secure_intercept = skip_at_once;
    CHECK_EQ(this_cpu()->irqs[VECTOR], before + 1, "interrupts");
    check_all("after the second move");
    asm volatile("lidt %0" :: "m" (old));
}
