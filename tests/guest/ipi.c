/*
 * Interrupts to sets of VPs by hypercall (TLFS 10.5).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED_IPI    { F_HYPERCALL, F_HINT_CLUSTER_IPI }
#define NEED_IPI_EX { F_HYPERCALL, F_HINT_CLUSTER_IPI, F_HINT_EX_MASKS }
#define VECTOR      0x60

static uint32_t counts[MAX_CPUS];

static void remember_counts(int vector)
{
    for (int i = 0; i < ncpus; i++) {
        counts[i] = cpus[i]->irqs[vector];
    }
}

/* CPUs in @want get exactly one more interrupt, all others none */
static void check_delivered(int vector, bool (*want)(struct cpu *c),
                            const char *what)
{
    for (int i = 0; i < ncpus; i++) {
        struct cpu *c = cpus[i];

        if (want(c)) {
            CHECK(WAIT_FOR(c->irqs[vector] != counts[i]),
                  "%s: CPU %d got nothing", what, i);
        }
    }
    for (int i = 0; i < ncpus; i++) {
        CHECK_EQ(cpus[i]->irqs[vector] - counts[i], want(cpus[i]),
                 "%s: interrupts on CPU %d", what, i);
    }
}

static bool everybody(struct cpu *c)
{
    return true;
}

static bool nobody(struct cpu *c)
{
    return false;
}

static bool others(struct cpu *c)
{
    return c->id != 0;
}

static bool only_last(struct cpu *c)
{
    return c->id == ncpus - 1;
}

static bool only_self(struct cpu *c)
{
    return c->id == 0;
}

static bool odd(struct cpu *c)
{
    return c->vp % 2;
}

static const struct {
    const char *name;
    bool (*want)(struct cpu *c);
} sets[] = {
    { "everybody", everybody }, { "others", others },
    { "only_last", only_last }, { "only_self", only_self }, { "odd", odd },
};

static const char *set_name(int row)
{
    return sets[row].name;
}

static uint64_t mask_of(bool (*want)(struct cpu *c))
{
    uint64_t mask = 0;

    for (int i = 0; i < ncpus; i++) {
        if (want(cpus[i]) && cpus[i]->vp < 64) {
            mask |= 1ull << cpus[i]->vp;
        }
    }
    return mask;
}

/* A sparse set at @p; the number of its bank words */
static int banks_of(uint64_t *p, bool (*want)(struct cpu *c))
{
    int n = 0;

    p[0] = HV_SET_SPARSE;
    p[1] = 0;
    for (int bank = 0; bank < 64; bank++) {
        uint64_t word = 0;

        for (int i = 0; i < ncpus; i++) {
            if (want(cpus[i]) && cpus[i]->vp / 64 == bank) {
                word |= 1ull << cpus[i]->vp % 64;
            }
        }
        if (word) {
            p[1] |= 1ull << bank;
            p[2 + n++] = word;
        }
    }
    return n;
}

TEST_ROWS(ipi_mask, "IP-001,IP-004,IP-012,FL-002", ARRAY_SIZE(sets), set_name,
          .need = NEED_IPI)
{
    uint64_t *in = page_alloc();

    if (ncpus > 64) {
        SKIP("masks hold 64 VPs");
    }
    in[0] = VECTOR;
    in[1] = mask_of(sets[row].want);
    if (!in[1]) {
        SKIP("nobody to send to");
    }
    remember_counts(VECTOR);
    CHECK_EQ(hv_call(HVCALL_SEND_IPI, in, NULL), HV_SUCCESS, "memory");
    check_delivered(VECTOR, sets[row].want, "memory");

    remember_counts(VECTOR + 1);
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR + 1, in[1]), HV_SUCCESS,
             "fast");
    check_delivered(VECTOR + 1, sets[row].want, "fast");
}

TEST_ROWS(ipi_sparse_set, "IP-001,IP-004,IP-008,HC-009", ARRAY_SIZE(sets),
          set_name, .need = NEED_IPI_EX)
{
    uint64_t *in = page_alloc();
    int n;

    in[0] = VECTOR;
    n = banks_of(in + 1, sets[row].want);
    if (!n) {
        SKIP("nobody to send to");
    }
    remember_counts(VECTOR);
    CHECK_EQ(hv_call(HVCALL_SEND_IPI_EX | HV_VARHEAD(n), in, NULL), HV_SUCCESS,
             "memory");
    check_delivered(VECTOR, sets[row].want, "memory");

    if (has(F_XMM_INPUT)) {
        remember_counts(VECTOR);
        CHECK_EQ(hv_call_xmm(HVCALL_SEND_IPI_EX | HV_VARHEAD(n), in),
                 HV_SUCCESS, "fast");
        check_delivered(VECTOR, sets[row].want, "fast");
    }
}

TEST(ipi_all_format, "IP-008,HC-008", .need = NEED_IPI_EX)
{
    uint64_t *in = page_alloc();

    in[0] = VECTOR;
    in[1] = HV_SET_ALL;
    remember_counts(VECTOR);
    CHECK_EQ(hv_call(HVCALL_SEND_IPI_EX, in, NULL), HV_SUCCESS, "call");
    check_delivered(VECTOR, everybody, "all");
}

TEST(ipi_vectors, "IP-001,IP-002,IP-003", .need = NEED_IPI)
{
    struct cpu *me = this_cpu();
    uint64_t mask = 1ull << me->vp;
    static const uint32_t bad[] = {
        0, 2, 15, 0x100, 0x1FF, 0x10060, 0xFFFFFFFF,
    };

    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        uint32_t nmis = me->irqs[2];

        CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, bad[i], mask),
                 HV_INVALID_PARAMETER, "vector 0x%x", bad[i]);
        CHECK_EQ(me->irqs[2], nmis, "NMIs");
        CHECK_EQ(apic_bit(APIC_IRR, bad[i] & 0xFF), 0, "vector 0x%x in IRR",
                 bad[i]);
        if (has(F_HINT_EX_MASKS)) {
            uint64_t *in = page_alloc();

            in[0] = bad[i];
            in[1] = HV_SET_ALL;
            CHECK_EQ(hv_call(HVCALL_SEND_IPI_EX, in, NULL),
                     HV_INVALID_PARAMETER, "set, vector 0x%x", bad[i]);
        }
    }
    /* The first ones that are allowed; 16 to 31 would look like exceptions */
    irq_disable();
    for (int vector = 0x20; vector < 0xF0; vector += 0x1F) {
        CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, vector, mask), HV_SUCCESS,
                 "vector 0x%x", vector);
        CHECK(WAIT_FOR(apic_bit(APIC_IRR, vector)), "vector 0x%x not in IRR",
              vector);
    }
    irq_enable();
}

TEST(ipi_latched, "IP-011", .need = NEED_IPI)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VECTOR];

    irq_disable();
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1ull << me->vp), HV_SUCCESS,
             "first");
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1ull << me->vp), HV_SUCCESS,
             "second");
    CHECK(WAIT_FOR(apic_bit(APIC_IRR, VECTOR)), "not in IRR");
    CHECK_EQ(me->irqs[VECTOR], before, "taken with interrupts off");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] != before), "not taken");
    CHECK_EQ(me->irqs[VECTOR], before + 1, "edges are not counted");
}

TEST(ipi_self_at_once, "IP-004,MS-017", .need = NEED_IPI)
{
    struct cpu *me = this_cpu();

    for (int i = 0; i < 100; i++) {
        uint32_t before = me->irqs[VECTOR];

        CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1ull << me->vp),
                 HV_SUCCESS, "call");
        CHECK_EQ(me->irqs[VECTOR], before + 1, "interrupt after the call");
    }
}

TEST(ipi_reserved_fields, "IP-005,IP-006", .need = NEED_IPI)
{
    uint64_t mask = 1ull << cpus[0]->vp;

    /* Flags to some, padding to others, who then may ignore bytes 6 and 7 */
    CHECK_IN(hv_call_fast(HVCALL_SEND_IPI, VECTOR | 1ull << 40, mask),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_INPUT), "byte 5");
    CHECK_IN(hv_call_fast(HVCALL_SEND_IPI, VECTOR | 1ull << 48, mask),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_INPUT, HV_SUCCESS), "byte 6");
    CHECK_IN(hv_call_fast(HVCALL_SEND_IPI, VECTOR | 1ull << 63, mask),
             ANY(HV_INVALID_PARAMETER, HV_INVALID_INPUT, HV_SUCCESS), "byte 7");
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR | 0x80ull << 32, mask),
             HV_INVALID_PARAMETER, "reserved bit of the VTL");
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR | 0x10ull << 32, mask),
             HV_SUCCESS, "VTL 0 by name");
}

TEST(ipi_empty_and_absent, "IP-007,IP-010", .need = NEED_IPI)
{
    remember_counts(VECTOR);
    CHECK_IN(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 0),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER), "empty mask");
    check_delivered(VECTOR, nobody, "empty mask");

    if (ncpus < 64) {
        uint64_t status = hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1ull << 63);

        CHECK_IN(status, ANY(HV_SUCCESS, HV_INVALID_PARAMETER,
                             HV_INVALID_VP_INDEX), "VP 63");
        status = hv_call_fast(HVCALL_SEND_IPI, VECTOR,
                              1ull << 63 | 1ull << cpus[0]->vp);
        CHECK_IN(status, ANY(HV_SUCCESS, HV_INVALID_PARAMETER,
                             HV_INVALID_VP_INDEX), "VPs 0 and 63");
        if (status == HV_SUCCESS) {
            check_delivered(VECTOR, only_self, "VPs 0 and 63");
        }
    }
}

TEST(ipi_bank_count, "FL-020,IP-008,IP-010", .need = NEED_IPI_EX)
{
    uint64_t *in = page_alloc();

    in[0] = VECTOR;
    in[1] = HV_SET_SPARSE;
    in[2] = 5;
    in[3] = in[4] = in[5] = 1ull << cpus[0]->vp;
    remember_counts(VECTOR);
    for (int n = 0; n < 4; n++) {
        if (n != 2) {
            CHECK_IN(hv_call(HVCALL_SEND_IPI_EX | HV_VARHEAD(n), in, NULL),
                     ANY(HV_INVALID_INPUT, HV_INVALID_PARAMETER),
                     "two banks, %d words", n);
        }
    }
    in[1] = 2;
    CHECK_IN(hv_call(HVCALL_SEND_IPI_EX, in, NULL),
             ANY(HV_INVALID_INPUT, HV_INVALID_PARAMETER), "unknown format");
    check_delivered(VECTOR, nobody, "refused calls");
    in[1] = HV_SET_SPARSE;
    in[2] = 1ull << 63;
    in[3] = ~0ull;
    CHECK_IN(hv_call(HVCALL_SEND_IPI_EX | HV_VARHEAD(1), in, NULL),
             ANY(HV_SUCCESS, HV_INVALID_PARAMETER, HV_INVALID_VP_INDEX),
             "the last 64 VPs");
    check_delivered(VECTOR, nobody, "absent VPs");
}

static void apic_off(void *off)
{
    apic_write(APIC_SVR, (off ? 0 : 0x100) | VEC_SPURIOUS);
}

/*
 * The sleeping target could not be woken by our own IPI with its APIC off,
 * so it switches off by itself, and on again once told through memory.
 */
static SHARED bool is_off, switch_on;

static void sleep_with_apic_off(void *unused)
{
    apic_off((void *)1);
    is_off = true;
    while (!switch_on) {
        cpu_relax();
    }
    apic_off(NULL);
}

TEST(ipi_to_disabled_apic, "IP-013", .need = NEED_IPI, .min_cpus = 2)
{
    is_off = switch_on = false;
    on_cpu_start(cpus[1], sleep_with_apic_off, NULL);
    CHECK(WAIT_FOR(is_off), "CPU 1 does not start");
    remember_counts(VECTOR);
    CHECK_EQ(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1ull << cpus[1]->vp),
             HV_SUCCESS, "call");
    switch_on = true;
    on_cpu_wait(cpus[1]);
    CHECK_EQ(cpus[1]->irqs[VECTOR], counts[1], "interrupts");
}

TEST(ipi_not_offered, "IP-009,CP-034", .need = { F_HYPERCALL },
     .absent = F_HINT_CLUSTER_IPI)
{
    CHECK_IN(hv_call_fast(HVCALL_SEND_IPI, VECTOR, 1),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_SUCCESS), "call");
}

TEST(ipi_ex_not_offered, "IP-009,CP-034", .need = NEED_IPI,
     .absent = F_HINT_EX_MASKS)
{
    uint64_t *in = page_alloc();

    in[0] = VECTOR;
    in[1] = HV_SET_ALL;
    CHECK_IN(hv_call(HVCALL_SEND_IPI_EX, in, NULL),
             ANY(HV_ACCESS_DENIED, HV_INVALID_CODE, HV_SUCCESS), "call");
}
