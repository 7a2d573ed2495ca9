/*
 * The synthetic interrupt controller: message slots, event flags and SINTs
 * (TLFS chapter 11).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages come from timers that have expired already, so that they arrive
 * whenever a test asks for one.  Where QEMU's test device is present it
 * loops posted messages and signalled events back.
 */

#include "guest.h"

#define NEED_MESSAGES { F_SYNIC, F_STIMER }
#define VECTOR  0x66
#define OTHER   0x56

/* A timer message for @sint at once, from timer @timer */
static void fire(int timer, int sint)
{
    hv_wr(HV_MSR_STIMER_CONFIG(timer), 0);
    hv_wr(HV_MSR_STIMER_COUNT(timer), 1);
    hv_wr(HV_MSR_STIMER_CONFIG(timer), HV_STIMER_ENABLE | HV_STIMER_SINT(sint));
}

static uint32_t slot_type(int sint)
{
    return __atomic_load_n(&msg_slot(sint)->type, __ATOMIC_ACQUIRE);
}

static void slot_free(int sint)
{
    __atomic_store_n(&msg_slot(sint)->type, HV_MSG_NONE, __ATOMIC_SEQ_CST);
}

static uint8_t slot_flags(int sint)
{
    return __atomic_load_n(&msg_slot(sint)->flags, __ATOMIC_ACQUIRE);
}

static bool arrives(int sint)
{
    return WAIT_FOR(slot_type(sint) != HV_MSG_NONE);
}

/* What the handler of a message found, at the time of the interrupt */
static SHARED struct {
    uint32_t type;
    uint8_t size;
    uint64_t origin;
    bool in_service;
} found;
static SHARED int found_sint;

static void look(struct trap *t)
{
    struct hv_message *m = msg_slot(found_sint);

    found.type = m->type;
    found.size = m->size;
    found.origin = m->origin;
    found.in_service = apic_bit(APIC_ISR, t->vector);
    apic_eoi();
}

static const char *sint_name(int row)
{
    static char name[] = "sint00";

    name[4] = '0' + row / 10;
    name[5] = '0' + row % 10;
    return name;
}

TEST_ROWS(synic_message, "SY-005,SY-007,SY-008,SY-018,SY-019,SY-020,ST-010",
          HV_SINT_COUNT, sint_name, .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    if (!row) {
        SKIP("SINT0 belongs to the hypervisor");
    }
    synic_on();
    found_sint = row;
    irq_set(VECTOR, look);
    sint_set(row, VECTOR);
    fire(row % HV_STIMER_COUNT, row);
    CHECK(arrives(row), "no message");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "no interrupt");
    CHECK_EQ(found.type, HV_MSG_TIMER_EXPIRED, "type in the handler");
    CHECK_EQ(found.size, sizeof(struct hv_timer_payload), "payload size");
    CHECK_EQ(found.origin, 0, "origin");
    CHECK(found.in_service || !apic_shows_isr(), "not in service");
    CHECK_EQ(timer_payload(row)->index, row % HV_STIMER_COUNT, "timer index");
    for (int i = 0; i < HV_SINT_COUNT; i++) {
        if (i != row) {
            CHECK_EQ(slot_type(i), HV_MSG_NONE, "slot %d", i);
        }
    }
    slot_free(row);
}

TEST(synic_slot_is_full, "SY-006,SY-011,SY-012,SY-013,ST-020",
     .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR], first, second;

    synic_on();
    sint_set(2, VECTOR);
    fire(0, 2);
    CHECK(arrives(2), "first message");
    first = timer_payload(2)->index;
    CHECK_EQ(first, 0, "timer of the first message");
    fire(1, 2);
    CHECK(WAIT_FOR(slot_flags(2) & HV_MSG_PENDING), "pending flag");
    CHECK_EQ(timer_payload(2)->index, first, "slot overwritten");
    CHECK_EQ(me->irqs[VECTOR], before + 1, "interrupts");

    slot_free(2);
    hv_wr(HV_MSR_EOM, 0);
    CHECK(arrives(2), "second message");
    second = timer_payload(2)->index;
    CHECK_EQ(second, 1, "timer of the second message");
    CHECK_EQ(slot_flags(2) & HV_MSG_PENDING, 0, "pending flag of the last");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "second interrupt");
    slot_free(2);
    hv_wr(HV_MSR_EOM, 0);
    CHECK_EQ(slot_type(2), HV_MSG_NONE, "a third message");
}

/* The slot is freed, then the EOI of the interrupt does what EOM would */
static void free_then_eoi(struct trap *t)
{
    slot_free(2);
    apic_eoi();
}

static void free_then_eoi_msr(struct trap *t)
{
    slot_free(2);
    hv_wr(HV_MSR_EOI, 0);
}

static void retried_on_eoi(irq_fn *handler)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    irq_set(VECTOR, handler);
    irq_disable();
    for (int i = 0; i < HV_STIMER_COUNT; i++) {
        fire(i, 2);
    }
    CHECK(arrives(2), "first message");
    CHECK(WAIT_FOR(slot_flags(2) & HV_MSG_PENDING), "pending flag");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + HV_STIMER_COUNT),
          "messages that arrived: %u of %d", me->irqs[VECTOR] - before,
          HV_STIMER_COUNT);
}

TEST(synic_retry_on_apic_eoi, "SY-012,ST-020", .need = NEED_MESSAGES)
{
    retried_on_eoi(free_then_eoi);
}

TEST(synic_retry_on_eoi_msr, "SY-012,ST-020",
     .need = { F_SYNIC, F_STIMER, F_INTR_CTRL })
{
    retried_on_eoi(free_then_eoi_msr);
}

TEST(synic_retry_on_next_message, "SY-012", .need = NEED_MESSAGES)
{
    synic_on();
    sint_set(2, VECTOR);
    fire(0, 2);
    CHECK(arrives(2), "first message");
    fire(1, 2);
    CHECK(WAIT_FOR(slot_flags(2) & HV_MSG_PENDING), "pending flag");
    slot_free(2);
    fire(2, 2);                 /* no EOM: this enqueue is enough */
    CHECK(arrives(2), "a message after the next was queued");
    slot_free(2);
    hv_wr(HV_MSR_EOM, 0);
    CHECK(arrives(2), "last message");
}

TEST(synic_no_eom_needed, "SY-014", .need = NEED_MESSAGES)
{
    synic_on();
    sint_set(2, VECTOR);
    for (int i = 0; i < 10; i++) {
        fire(i % HV_STIMER_COUNT, 2);
        if (!arrives(2)) {
            CHECK(false, "message %d", i);
            break;
        }
        CHECK_EQ(slot_flags(2) & HV_MSG_PENDING, 0, "pending flag");
        slot_free(2);
    }
}

TEST(synic_masked, "SY-010", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR | HV_SINT_MASKED);
    fire(0, 2);
    CHECK(arrives(2), "message for a masked SINT");
    sint_set(2, VECTOR);
    CHECK(!apic_bit(APIC_IRR, VECTOR), "interrupt after unmasking");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");
    slot_free(2);
    hv_wr(HV_MSR_EOM, 0);

    /* The next one interrupts again */
    fire(0, 2);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt once unmasked");
}

TEST(synic_masked_drain, "SY-016", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];
    unsigned seen = 0;

    synic_on();
    sint_set(2, VECTOR | HV_SINT_MASKED);
    for (int i = 0; i < HV_STIMER_COUNT; i++) {
        fire(i, 2);
    }
    for (int i = 0; i < HV_STIMER_COUNT; i++) {
        if (!arrives(2)) {
            CHECK(false, "message %d", i);
            break;
        }
        seen |= 1 << timer_payload(2)->index;
        slot_free(2);
        hv_wr(HV_MSR_EOM, 0);
    }
    CHECK_EQ(seen, 15, "timers that were heard of");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");
}

TEST(synic_page_disabled, "SY-011,SY-001,ST-020", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    hv_wr(HV_MSR_SIMP, 0);
    fire(0, 2);
    CHECK(is_filled(me->simp, 0, PAGE_SIZE), "written below the overlay");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts without a page");
    hv_wr(HV_MSR_SIMP, (uintptr_t)me->simp | HV_PAGE_ENABLE);
    hv_wr(HV_MSR_EOM, 0);
    CHECK(arrives(2), "message once there is a page");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "its interrupt");
}

static SHARED bool auto_in_service;

static void no_eoi(struct trap *t)
{
    auto_in_service = apic_bit(APIC_ISR, t->vector);
    slot_free(2);
}

/* Where the guest is told not to use it, it need not be there */
static bool no_auto_eoi(void)
{
    return has(F_HINT_NO_AUTO_EOI) &&
           wrmsr_safe(HV_MSR_SINT(2), VECTOR | HV_SINT_AUTO_EOI) == EXC_GP;
}

TEST(synic_auto_eoi, "SY-027,SY-028", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();

    if (no_auto_eoi()) {
        SKIP("AutoEOI is deprecated here, and refused");
    }
    synic_on();
    irq_set(VECTOR, no_eoi);
    sint_set(2, VECTOR | HV_SINT_AUTO_EOI);
    CHECK_EQ(hv_rd(HV_MSR_SINT(2)), VECTOR | HV_SINT_AUTO_EOI, "SINT2");
    for (int i = 0; i < 10; i++) {
        uint32_t before = me->irqs[VECTOR];

        fire(0, 2);
        if (!WAIT_FOR(me->irqs[VECTOR] == before + 1)) {
            CHECK(false, "interrupt %d", i);
            break;
        }
        CHECK(!auto_in_service, "in service in the handler");
        CHECK(!apic_bit(APIC_ISR, VECTOR), "in service afterwards");
    }
}

/* Switching AutoEOI off must take: the vector is ordinary again */
TEST(synic_auto_eoi_off_again, "SY-027", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    if (no_auto_eoi()) {
        SKIP("AutoEOI is deprecated here, and refused");
    }
    synic_on();
    sint_set(2, VECTOR | HV_SINT_AUTO_EOI);
    sint_set(2, VECTOR);
    found_sint = 2;
    irq_set(VECTOR, look);
    fire(0, 2);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");
    CHECK(found.in_service || !apic_shows_isr(),
          "not in service without AutoEOI");
    CHECK(!apic_bit(APIC_ISR, VECTOR), "in service after the EOI");
}

TEST(synic_polling, "SY-029,CP-024",
     .need = { F_SYNIC, F_STIMER, F_SINT_POLLING })
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR | HV_SINT_POLLING);
    CHECK_EQ(hv_rd(HV_MSR_SINT(2)), VECTOR | HV_SINT_POLLING, "SINT2");
    fire(0, 2);
    CHECK(arrives(2), "message");
    CHECK(!apic_bit(APIC_IRR, VECTOR), "interrupt pending");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");
}

TEST(synic_task_priority, "SY-030", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    write_cr8(VECTOR >> 4);
    fire(0, 2);
    CHECK(arrives(2), "message");
    CHECK(WAIT_FOR(apic_bit(APIC_IRR, VECTOR)), "interrupt is not pending");
    CHECK_EQ(me->irqs[VECTOR], before, "taken below the task priority");
    write_cr8(0);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "not taken in the end");
}

TEST(synic_interrupts_off, "SY-030", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    irq_disable();
    fire(0, 2);
    CHECK(arrives(2), "message");
    CHECK(WAIT_FOR(apic_bit(APIC_IRR, VECTOR)), "interrupt is not pending");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "not taken in the end");
}

TEST(synic_apic_disabled, "SY-010", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    apic_write(APIC_SVR, VEC_SPURIOUS);
    fire(0, 2);
    CHECK(arrives(2), "message");
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
    CHECK(!apic_bit(APIC_IRR, VECTOR), "interrupt pending");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");
}

TEST(synic_shared_vector, "SY-032", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(2, VECTOR);
    sint_set(9, VECTOR);
    irq_disable();
    fire(0, 2);
    fire(1, 9);
    CHECK(arrives(2), "message for SINT2");
    CHECK(arrives(9), "message for SINT9");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "interrupt");
    /* The other SINT lets go of the vector: the first keeps it */
    slot_free(2);
    slot_free(9);
    hv_wr(HV_MSR_EOM, 0);
    sint_set(9, HV_SINT_RESET);
    before = me->irqs[VECTOR];
    fire(0, 2);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt of SINT2 alone");
}

TEST(synic_vector_changes, "SY-010,SY-030", .need = NEED_MESSAGES)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR], other = me->irqs[OTHER];

    synic_on();
    sint_set(2, VECTOR);
    sint_set(2, OTHER);
    fire(0, 2);
    CHECK(WAIT_FOR(me->irqs[OTHER] == other + 1), "no interrupt");
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts at the old vector");
}

static SHARED uint32_t ap_timer_index;

static void message_here(void *sint)
{
    int n = (uintptr_t)sint;
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    synic_on();
    sint_set(n, VECTOR);
    fire(3, n);
    CHECK(arrives(n), "message on CPU %d", me->id);
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt on CPU %d",
          me->id);
    ap_timer_index = timer_payload(n)->index;
}

TEST(synic_on_every_vp, "SY-033,ST-019", .need = NEED_MESSAGES, .min_cpus = 2)
{
    synic_on();
    sint_set(5, VECTOR);
    for (int i = 1; i < ncpus && i < 8; i++) {
        uint32_t before = this_cpu()->irqs[VECTOR];

        on_cpu(cpus[i], message_here, (void *)5);
        CHECK_EQ(ap_timer_index, 3, "timer index on CPU %d", i);
        CHECK_EQ(slot_type(5), HV_MSG_NONE, "slot of CPU 0");
        CHECK_EQ(this_cpu()->irqs[VECTOR], before, "interrupts on CPU 0");
    }
}

/*
 * Posting and signalling, looped back by the test device.  It aborts QEMU
 * when the SynIC it delivers to is off, or on a payload of 240 bytes, so
 * that PC-016 and PC-025 cannot be tested with it.
 */

#define CONN    21
#define CONN_B  22

static uint64_t post(uint32_t connection, uint32_t type, uint32_t size)
{
    static struct hv_post_message *in;

    if (!in) {
        in = page_alloc();
    }
    in->connection = connection;
    in->reserved = 0;
    in->type = type;
    in->size = size;
    for (int i = 0; i < sizeof(in->payload); i++) {
        in->payload[i] = type + i;
    }
    return hv_call(HVCALL_POST_MESSAGE, in, NULL);
}

/* For as long as the buffers of the last one are still in use */
static uint64_t post_patiently(uint32_t connection, uint32_t type,
                               uint32_t size)
{
    uint64_t r = HV_INSUFFICIENT_BUFFERS;

    WAIT_FOR((r = post(connection, type, size)) != HV_INSUFFICIENT_BUFFERS);
    return r;
}

#define NEED_POST   { F_HYPERCALL, F_SYNIC, F_POST_MESSAGES }
#define NEED_SIGNAL { F_HYPERCALL, F_SYNIC, F_SIGNAL_EVENTS }

TEST(post_message_denied, "PC-011", .need = { F_HYPERCALL },
     .absent = F_POST_MESSAGES)
{
    CHECK_IN(post(CONN, 1, 8), ANY(HV_ACCESS_DENIED, HV_INVALID_CODE), "post");
}

TEST(signal_event_denied, "PC-021", .need = { F_HYPERCALL },
     .absent = F_SIGNAL_EVENTS)
{
    CHECK_IN(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN, 0),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE), "signal");
}

TEST(post_message_unknown, "PC-012", .need = NEED_POST)
{
    CHECK_EQ(post(0x1234, 1, 8), HV_INVALID_CONNECTION_ID, "connection 0x1234");
    CHECK_EQ(post(0x00FFFFFF, 1, 8), HV_INVALID_CONNECTION_ID, "the last id");
    CHECK_EQ(post(0xFFFFFFFF, 1, 8), HV_INVALID_CONNECTION_ID, "no id at all");
}

TEST(signal_event_unknown, "PC-021,PC-026", .need = NEED_SIGNAL)
{
    uint64_t *in = page_alloc();

    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, 0x1234, 0),
             HV_INVALID_CONNECTION_ID, "fast");
    in[0] = 0x1234;
    CHECK_EQ(hv_call(HVCALL_SIGNAL_EVENT, in, NULL), HV_INVALID_CONNECTION_ID,
             "memory");
}

TEST(post_message_loopback, "PC-018,PC-019,SY-008,SY-009,SY-018,SY-020",
     .need = NEED_POST, .testdev = true)
{
    struct cpu *me = this_cpu();
    static const uint32_t sizes[] = { 7, 0, 1, 240 };

    synic_on();
    sint_set(2, VECTOR);
    testdev(TESTDEV_MSG_CREATE, me->vp, 2, CONN);
    for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint32_t before = me->irqs[VECTOR];
        struct hv_message *m = msg_slot(2);

        CHECK_EQ(post_patiently(CONN, 0x100 + i, sizes[i]), HV_SUCCESS,
                 "post of %u bytes", sizes[i]);
        CHECK(arrives(2), "message of %u bytes", sizes[i]);
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "its interrupt");
        CHECK_EQ(m->type, 0x100 + i, "type");
        CHECK_EQ(m->size, sizes[i], "size");
        for (int b = 0; b < sizes[i]; b++) {
            CHECK_EQ(m->payload[b], (uint8_t)(0x100 + i + b), "byte %d", b);
        }
        slot_free(2);
        hv_wr(HV_MSR_EOM, 0);
    }
    testdev(TESTDEV_MSG_DESTROY, 0, 0, CONN);
    CHECK_EQ(post(CONN, 1, 8), HV_INVALID_CONNECTION_ID,
             "after the connection is gone");
}

TEST(post_message_parameters, "PC-013,HC-044", .need = NEED_POST,
     .testdev = true)
{
    synic_on();
    sint_set(2, VECTOR);
    testdev(TESTDEV_MSG_CREATE, this_cpu()->vp, 2, CONN);
    CHECK_EQ(post(CONN, 0, 8), HV_INVALID_PARAMETER, "type 0");
    CHECK_EQ(post(CONN, 0x80000001, 8), HV_INVALID_PARAMETER,
             "type of the hypervisor");
    CHECK_EQ(post(CONN, 1, 241), HV_INVALID_PARAMETER, "241 bytes");
    CHECK_EQ(post(CONN, 1, 0xFFFFFFFF), HV_INVALID_PARAMETER, "4 GiB");
    CHECK_EQ(slot_type(2), HV_MSG_NONE, "slot");
    testdev(TESTDEV_MSG_DESTROY, 0, 0, CONN);
}

TEST(post_message_no_buffers, "PC-015,PC-019", .need = NEED_POST,
     .testdev = true)
{
    uint64_t r = HV_SUCCESS;
    int posted = 0, got = 0;

    synic_on();
    sint_set(2, VECTOR | HV_SINT_MASKED);
    testdev(TESTDEV_MSG_CREATE, this_cpu()->vp, 2, CONN);
    for (int i = 0; i < 1000; i++) {
        r = post(CONN, 0x200 + posted, 8);
        if (r != HV_SUCCESS) {
            break;
        }
        posted++;
    }
    CHECK_EQ(r, HV_INSUFFICIENT_BUFFERS, "post with nobody reading");
    CHECK(posted > 0, "not even one was accepted");
    /* None of those that were accepted is lost, and they come in order */
    while (got < posted && arrives(2)) {
        CHECK_EQ(msg_slot(2)->type, 0x200 + got, "message %d", got);
        got++;
        slot_free(2);
        hv_wr(HV_MSR_EOM, 0);
    }
    CHECK_EQ(got, posted, "messages that arrived");
    testdev(TESTDEV_MSG_DESTROY, 0, 0, CONN);
}

static SHARED uint32_t type_on_ap;
static SHARED bool ap_ready;

static void wait_for_post(void *unused)
{
    synic_on();
    sint_set(4, VECTOR);
    ap_ready = true;
    CHECK(arrives(4), "message on CPU %d", this_cpu()->id);
    type_on_ap = slot_type(4);
}

TEST(post_message_to_other_vp, "PC-018,SY-019,SY-033", .need = NEED_POST,
     .testdev = true, .min_cpus = 2)
{
    ap_ready = false;
    type_on_ap = 0;
    on_cpu_start(cpus[1], wait_for_post, NULL);
    CHECK(WAIT_FOR(ap_ready), "CPU 1 does not start");
    testdev(TESTDEV_MSG_CREATE, cpus[1]->vp, 4, CONN);
    CHECK_EQ(post(CONN, 0x321, 8), HV_SUCCESS, "post");
    on_cpu_wait(cpus[1]);
    CHECK_EQ(type_on_ap, 0x321, "type");
    testdev(TESTDEV_MSG_DESTROY, 0, 0, CONN);
}

TEST(signal_event_loopback, "PC-024,PC-026,SY-023,SY-024,SY-026",
     .need = NEED_SIGNAL, .testdev = true)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];
    uint64_t *in = page_alloc();

    synic_on();
    sint_set(3, VECTOR);
    sint_set(4, OTHER);
    /* The device signals the flag whose number is that of the connection */
    testdev(TESTDEV_EVT_CREATE, me->vp, 3, CONN);
    testdev(TESTDEV_EVT_CREATE, me->vp, 4, CONN_B);
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN, 0), HV_SUCCESS, "fast");
    CHECK(WAIT_FOR(event_flag(3, CONN)), "flag");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "interrupt");

    /*
     * Again with the flag still set: no interrupt.  Two rounds of another
     * event behind it show that it has been handled.
     */
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN, 0), HV_SUCCESS, "again");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN_B, 0), HV_SUCCESS,
                 "other event");
        CHECK(WAIT_FOR(event_flag(4, CONN_B)), "other flag");
        event_flag_clear(4, CONN_B);
    }
    CHECK_EQ(me->irqs[VECTOR], before + 1, "interrupts for one transition");

    event_flag_clear(3, CONN);
    in[0] = CONN;
    CHECK_EQ(hv_call(HVCALL_SIGNAL_EVENT, in, NULL), HV_SUCCESS, "memory");
    CHECK(WAIT_FOR(event_flag(3, CONN)), "flag again");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "interrupt again");
    event_flag_clear(3, CONN);
    CHECK(is_filled((uint8_t *)me->siefp, 0, PAGE_SIZE), "other flags set");

    testdev(TESTDEV_EVT_DESTROY, 0, 0, CONN);
    testdev(TESTDEV_EVT_DESTROY, 0, 0, CONN_B);
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN, 0),
             HV_INVALID_CONNECTION_ID, "after the connection is gone");
}

TEST(signal_event_often, "PC-023,SY-023", .need = NEED_SIGNAL, .testdev = true)
{
    struct cpu *me = this_cpu();

    synic_on();
    sint_set(3, VECTOR);
    testdev(TESTDEV_EVT_CREATE, me->vp, 3, CONN);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN, 0), HV_SUCCESS,
                 "signal %d", i);
        if (i % 8 == 7) {
            if (!WAIT_FOR(event_flag(3, CONN))) {
                CHECK(false, "flag after signal %d", i);
                break;
            }
            event_flag_clear(3, CONN);
        }
    }
    testdev(TESTDEV_EVT_DESTROY, 0, 0, CONN);
}

TEST(signal_event_parameters, "PC-022,HC-044", .need = NEED_SIGNAL,
     .testdev = true)
{
    synic_on();
    sint_set(3, VECTOR);
    testdev(TESTDEV_EVT_CREATE, this_cpu()->vp, 3, CONN);
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN | 0x0801ull << 32, 0),
             HV_INVALID_PARAMETER, "flag 2049");
    CHECK_EQ(hv_call_fast(HVCALL_SIGNAL_EVENT, CONN | 0xFFFFull << 32, 0),
             HV_INVALID_PARAMETER, "flag 65535");
    testdev(TESTDEV_EVT_DESTROY, 0, 0, CONN);
}
