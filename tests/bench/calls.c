/*
 * Measures what a guest asks of its hypervisor most
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bare.h"

#define VP_INDEX        0x40000002
#define REFERENCE_TSC   0x40000021
#define STIMER0_CONFIG  0x400000b0
#define STIMER0_COUNT   0x400000b1
#define STIMER_ENABLE   1
#define STIMER_SINT2    (2u << 16)

static volatile struct {
    uint32_t sequence, reserved;
    uint32_t scale[2];
    uint64_t offset;
} tsc_page __attribute__((aligned(4096)));
static uint64_t later;

static uint64_t rdtsc(void)
{
    uint64_t value;

    asm volatile("rdtsc" : "=A"(value));
    return value;
}

static void read_msr(void)
{
    rdmsr(VP_INDEX);
}

static uint64_t mul(uint32_t a, uint32_t b)
{
    return (uint64_t)a * b;
}

/* (a * b) >> 64 */
static uint64_t mul_high(uint64_t a, const volatile uint32_t *b)
{
    uint32_t lo = a, hi = a >> 32;
    uint64_t mid = mul(hi, b[0]) + (mul(lo, b[0]) >> 32);

    return mul(hi, b[1]) + (mid >> 32) +
           ((mul(lo, b[1]) + (uint32_t)mid) >> 32);
}

/* By the page, as long as it is valid */
static void read_clock(void)
{
    uint32_t sequence;
    volatile uint64_t now;

    do {
        sequence = tsc_page.sequence;
        if (!sequence) {
            now = rdmsr(TIME_REF_COUNT);
            return;
        }
        now = mul_high(rdtsc(), tsc_page.scale) + tsc_page.offset;
    } while (sequence != tsc_page.sequence);
}

static void set_timer(void)
{
    wrmsr(STIMER0_COUNT, later++);
}

void run(void)
{
    hypervisor_on();
    wrmsr(REFERENCE_TSC, (uintptr_t)&tsc_page | 1);
    later = rdmsr(TIME_REF_COUNT) + (1ull << 40);
    wrmsr(STIMER0_COUNT, later);
    wrmsr(STIMER0_CONFIG, STIMER_ENABLE | STIMER_SINT2);

    measure("hypercall", null_hypercall);
    measure("msr", read_msr);
    measure("clock", read_clock);
    measure("timer", set_timer);
    finish(0);
}
