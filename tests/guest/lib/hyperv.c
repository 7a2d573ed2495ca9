/*
 * The Hyper-V interface as the tests use it, and putting its state back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

uint8_t *hv_page;
bool hv_present;

bool has(unsigned feature)
{
    uint32_t leaf = HV_LEAF_BASE + (feature >> 8 & 0xF);

    if (!hv_present || cpuid(HV_LEAF_BASE).reg[R_EAX] < leaf) {
        return false;
    }
    return cpuid(leaf).reg[feature >> 5 & 3] >> (feature & 31) & 1;
}

uint64_t hv_rd(uint32_t msr)
{
    uint64_t v = 0;
    int vector = rdmsr_safe(msr, &v);

    CHECK(vector == NO_FAULT, "read of MSR 0x%x: exception %d", msr, vector);
    return v;
}

void hv_wr(uint32_t msr, uint64_t v)
{
    int vector = wrmsr_safe(msr, v);

    CHECK(vector == NO_FAULT, "write of 0x%lx to MSR 0x%x: exception %d",
          v, msr, vector);
}

uint8_t *hv_page_here(void)
{
    return this_cpu()->hv_page ? this_cpu()->hv_page : hv_page;
}

uint64_t hv_call_with(struct call *c, uint64_t control,
                      void (*how)(struct call *))
{
    c->rcx = control;
    c->target = (uintptr_t)hv_page_here();
    call_safe(how, c);
    return c->vector == NO_FAULT ? c->rax : HV_FAULT(c->vector);
}

#define OP_OUT 0xE6

uint64_t hv_user_fault(void)
{
    /* The processor itself refuses an I/O instruction */
    return HV_FAULT(hv_page[1] == OP_OUT ? EXC_GP : EXC_UD);
}

uint64_t hv_call_gpa(uint64_t control, uint64_t in, uint64_t out)
{
    struct call c = { .rdx = in, .r8 = out };

    return hv_call_with(&c, control, call_kernel64);
}

uint64_t hv_call(uint64_t control, const void *in, void *out)
{
    return hv_call_gpa(control, (uintptr_t)in, (uintptr_t)out);
}

uint64_t hv_call_fast(uint64_t control, uint64_t rdx, uint64_t r8)
{
    return hv_call_gpa(control | HV_FAST, rdx, r8);
}

uint64_t hv_call_xmm(uint64_t control, void *block)
{
    uint64_t *b = block;
    struct call c = { .rdx = b[0], .r8 = b[1] };
    uint64_t result;

    memcpy(c.xmm, b + 2, sizeof(c.xmm));
    result = hv_call_with(&c, control | HV_FAST, call_kernel64);
    b[0] = c.rdx;
    b[1] = c.r8;
    memcpy(b + 2, c.xmm, sizeof(c.xmm));
    return result;
}

uint64_t hv_call32(struct call *c, uint64_t control, uint64_t in, uint64_t out)
{
    c->rax = (uint32_t)control;
    c->rdx = control >> 32;
    c->rbx = in >> 32;
    c->rcx = (uint32_t)in;
    c->rdi = out >> 32;
    c->rsi = (uint32_t)out;
    c->rbp = 0x55555555;
    c->target = (uintptr_t)hv_page;
    call_safe(call_kernel32, c);
    if (c->vector != NO_FAULT) {
        return HV_FAULT(c->vector);
    }
    CHECK_EQ(c->rsp_delta, 0, "ESP after the call");
    CHECK_EQ(c->rbx, in >> 32, "EBX after the call");
    CHECK_EQ(c->rcx, (uint32_t)in, "ECX after the call");
    CHECK_EQ(c->rdi, out >> 32, "EDI after the call");
    CHECK_EQ(c->rsi, (uint32_t)out, "ESI after the call");
    CHECK_EQ(c->rbp, 0x55555555, "EBP after the call");
    return (uint32_t)c->rax | c->rdx << 32;
}

uint64_t ref_now(void)
{
    return hv_rd(HV_MSR_TIME_REF_COUNT);
}

struct hv_ref_tsc *ref_page_on(void)
{
    static void *page;

    if (!page) {
        page = page_alloc();
    }
    hv_wr(HV_MSR_REFERENCE_TSC, (uintptr_t)page | HV_PAGE_ENABLE);
    return page;
}

bool ref_page_time(const SHARED struct hv_ref_tsc *page, uint64_t *time)
{
    uint32_t sequence;
    uint64_t high;

    do {
        uint64_t low, tsc;

        sequence = page->sequence;
        if (!sequence) {
            return false;
        }
        barrier();
        tsc = rdtsc();
        asm("mulq %3" : "=a" (low), "=d" (high)
            : "0" (tsc), "rm" (page->scale) : "cc");
        *time = high + page->offset;
        barrier();
    } while (page->sequence != sequence);
    return true;
}

void hv_page_on(void)
{
    hv_wr(HV_MSR_GUEST_OS_ID, OUR_OS_ID);
    hv_wr(HV_MSR_HYPERCALL, (uintptr_t)hv_page | HV_PAGE_ENABLE);
}

void vp_context(void *context, uint64_t rip, uint64_t rsp)
{
    static const struct {
        uint16_t at;
        uint32_t name;
    } same[] = {
        { 24, HV_REG_CS }, { 40, HV_REG_DS }, { 56, HV_REG_ES },
        { 72, HV_REG_FS }, { 88, HV_REG_GS }, { 104, HV_REG_SS },
        { 120, HV_REG_TR }, { 136, HV_REG_LDTR }, { 152, HV_REG_IDTR },
        { 168, HV_REG_GDTR }, { 184, HV_REG_EFER }, { 192, HV_REG_CR0 },
        { 200, HV_REG_CR3 }, { 208, HV_REG_CR4 }, { 216, HV_REG_PAT },
    };
    uint64_t head[] = { rip, rsp, 2 };
    uint32_t *in = page_alloc();
    struct hv_register *out = page_alloc();

    *(uint64_t *)in = HV_PARTITION_SELF;
    in[2] = HV_VP_SELF;
    for (int i = 0; i < ARRAY_SIZE(same); i++) {
        in[4 + i] = same[i].name;
    }
    CHECK_EQ(hv_call(HVCALL_GET_REGISTERS | HV_REPS(ARRAY_SIZE(same)), in, out),
             HV_REPS(ARRAY_SIZE(same)), "own registers");
    memset(context, 0, 224);
    memcpy(context, head, sizeof(head));
    for (int i = 0; i < ARRAY_SIZE(same); i++) {
        memcpy((char *)context + same[i].at, out + i,
               same[i].at < 184 ? 16 : 8);
    }
}

static void learn_vp_index(void *unused)
{
    this_cpu()->vp = hv_rd(HV_MSR_VP_INDEX);
}

void hv_init(void)
{
    if (!(cpuid(1).reg[R_ECX] >> 31) ||
        cpuid(HV_LEAF_BASE).reg[R_EAX] < HV_LEAF_LIMITS ||
        cpuid(HV_LEAF_BASE).reg[R_EAX] > HV_LEAF_BASE + 0xFFFF ||
        cpuid(HV_LEAF_INTERFACE).reg[R_EAX] != HV_SIGNATURE) {
        return;
    }
    hv_present = true;
    record_reset_values();
    hv_page = page_alloc();
    if (has(F_HYPERCALL)) {
        hv_page_on();
    }
    if (has(F_VP_INDEX)) {
        for (int i = 0; i < ncpus; i++) {
            on_cpu(cpus[i], learn_vp_index, NULL);
        }
    }
}

/* SynIC */

void synic_on(void)
{
    struct cpu *c = this_cpu();

    if (!c->simp) {
        c->simp = page_alloc();
        c->siefp = page_alloc();
    }
    hv_wr(HV_MSR_SIMP, (uintptr_t)c->simp | HV_PAGE_ENABLE);
    hv_wr(HV_MSR_SIEFP, (uintptr_t)c->siefp | HV_PAGE_ENABLE);
    memset(c->simp, 0, PAGE_SIZE);
    memset(c->siefp, 0, PAGE_SIZE);
    hv_wr(HV_MSR_SCONTROL, 1);
}

struct hv_message *msg_slot(int sint)
{
    return (struct hv_message *)this_cpu()->simp + sint;
}

struct hv_timer_payload *timer_payload(int sint)
{
    return (struct hv_timer_payload *)msg_slot(sint)->payload;
}

void sint_set(int sint, uint64_t v)
{
    hv_wr(HV_MSR_SINT(sint), v);
}

bool event_flag(int sint, int flag)
{
    SHARED uint8_t *p = this_cpu()->siefp;

    return p[256 * sint + flag / 8] >> flag % 8 & 1;
}

void event_flag_clear(int sint, int flag)
{
    uint8_t *p = (uint8_t *)this_cpu()->siefp + 256 * sint + flag / 8;

    __atomic_fetch_and(p, (uint8_t)~(1 << flag % 8), __ATOMIC_SEQ_CST);
}

/* Let go of every message that still waits, so that no later test meets it */
static void drain_messages(void)
{
    bool any;

    do {
        any = false;
        for (int i = 0; i < HV_SINT_COUNT; i++) {
            struct hv_message *m = msg_slot(i);

            if (__atomic_load_n(&m->type, __ATOMIC_ACQUIRE)) {
                __atomic_store_n(&m->type, 0, __ATOMIC_SEQ_CST);
                any = true;
            }
        }
        hv_wr(HV_MSR_EOM, 0);
    } while (any);
}

static void quiesce_synic(void)
{
    struct cpu *c = this_cpu();

    for (int i = 0; i < HV_STIMER_COUNT && has(F_STIMER); i++) {
        hv_wr(HV_MSR_STIMER_CONFIG(i), 0);
        hv_wr(HV_MSR_STIMER_COUNT(i), 0);
    }
    for (int i = 0; i < HV_SINT_COUNT; i++) {
        hv_wr(HV_MSR_SINT(i), HV_SINT_RESET);
    }
    if (c->simp) {
        hv_wr(HV_MSR_SCONTROL, 1);
        hv_wr(HV_MSR_SIMP, (uintptr_t)c->simp | HV_PAGE_ENABLE);
        drain_messages();
    }
    hv_wr(HV_MSR_SCONTROL, 0);
    hv_wr(HV_MSR_SIMP, 0);
    hv_wr(HV_MSR_SIEFP, 0);
}

/* This CPU back to the state that every test starts from */
void hv_quiesce(void *unused)
{
    struct cpu *c = this_cpu();

    if (has(F_SYNIC)) {
        quiesce_synic();
    }
    if (has(F_INTR_CTRL)) {
        hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
    }
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
    apic_write(APIC_LVTT, 0x10000);
    write_cr8(0);
    irq_enable();
    for (int i = 32; i < 256; i++) {
        if (i % 32 == 0 && !apic_read(APIC_ISR + i / 2)) {
            i += 31;
        } else if (apic_bit(APIC_ISR, i)) {
            apic_eoi();
        }
    }
    if (c->id == 0) {
        for (int i = 32; i < 256; i++) {
            irq_set(i, NULL);
        }
        if (has(F_REF_TSC)) {
            hv_wr(HV_MSR_REFERENCE_TSC, 0);
        }
        if (has(F_REENLIGHTENMENT)) {
            hv_wr(HV_MSR_REENLIGHTENMENT, 0);
        }
        if (has(F_HYPERCALL)) {
            hv_page_on();
        }
    }
    c->hv_dirty = false;
}

/* Test device */

#define TESTDEV_PORT 0x3000

bool testdev_present(void)
{
    return inl(TESTDEV_PORT) == 0;
}

void testdev(int op, uint32_t vp, int sint, int conn)
{
    outl(TESTDEV_PORT, sint | vp << 8 | op << 16 | (uint32_t)conn << 24);
}
