/*
 * Measures what a guest asks of its hypervisor most: a guest without an
 * operating system, which does each of these for a moment and prints
 * nanoseconds per time on the serial port as  bench NAME NUMBER
 *
 * Started by QEMU's multiboot loader: 32-bit protected mode, no paging.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>

#define GUEST_OS_ID     0x40000000
#define HYPERCALL       0x40000001
#define VP_INDEX        0x40000002
#define TIME_REF_COUNT  0x40000020      /* in units of 100 ns */
#define REFERENCE_TSC   0x40000021
#define STIMER0_CONFIG  0x400000b0
#define STIMER0_COUNT   0x400000b1
#define STIMER_ENABLE   1
#define STIMER_SINT2    (2u << 16)
#define FAST            (1u << 16)
#define NO_SUCH_CALL    0x3f00
#define INVALID_CODE    2
#define ENOUGH          5000000u        /* half a second */

asm(".text\n"
    ".align 4\n"
    ".long 0x1badb002, 0, -0x1badb002\n"
    ".globl _start\n"
    "_start: mov $stack + 4096, %esp\n"
    "call run\n"
    "1: hlt\n"
    "jmp 1b\n"
    ".pushsection .note.GNU-stack, \"\"\n"
    ".popsection\n");

char stack[4096];
static char page[4096] __attribute__((aligned(4096)));
static volatile struct {
    uint32_t sequence, reserved;
    uint32_t scale[2];
    uint64_t offset;
} tsc_page __attribute__((aligned(4096)));
static uint64_t later;

static void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint64_t rdmsr(uint32_t msr)
{
    uint64_t value;

    asm volatile("rdmsr" : "=A"(value) : "c"(msr));
    return value;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "A"(value));
}

static uint64_t rdtsc(void)
{
    uint64_t value;

    asm volatile("rdtsc" : "=A"(value));
    return value;
}

static void print(const char *s)
{
    while (*s) {
        outb(0x3f8, *s++);
    }
}

static void print_number(uint32_t n)
{
    char text[12], *p = text + sizeof(text) - 1;

    *p = 0;
    do {
        *--p = '0' + n % 10;
        n /= 10;
    } while (n);
    print(p);
}

/* The calling convention of 32-bit callers: control word in EDX:EAX */
static uint32_t call(uint32_t control)
{
    uint32_t edx = 0, ebx = 0, ecx = 0, edi = 0, esi = 0;

    asm volatile("call *%[page]"
                 : "+a"(control), "+d"(edx), "+b"(ebx), "+c"(ecx), "+D"(edi),
                   "+S"(esi)
                 : [page] "m"((char *){ page })
                 : "memory", "cc");
    return control & 0xffff;
}

static void null_hypercall(void)
{
    if (call(NO_SUCH_CALL | FAST) != INVALID_CODE) {
        print("the hypervisor does not answer\n");
        outb(0xf4, 1);
    }
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

/* Twice as many times until it takes long enough */
static void measure(const char *name, void (*once)(void))
{
    uint32_t start, spent, n = 1;

    do {
        n *= 2;
        start = rdmsr(TIME_REF_COUNT);
        for (uint32_t i = 0; i < n; i++) {
            once();
        }
        spent = (uint32_t)rdmsr(TIME_REF_COUNT) - start;
    } while (spent < ENOUGH);
    print("bench ");
    print(name);
    print(" ");
    print_number(spent * 100 / n);
    print("\n");
}

void run(void);
void run(void)
{
    wrmsr(GUEST_OS_ID, 1ull << 63);
    wrmsr(HYPERCALL, (uintptr_t)page | 1);
    wrmsr(REFERENCE_TSC, (uintptr_t)&tsc_page | 1);
    later = rdmsr(TIME_REF_COUNT) + (1ull << 40);
    wrmsr(STIMER0_COUNT, later);
    wrmsr(STIMER0_CONFIG, STIMER_ENABLE | STIMER_SINT2);

    measure("hypercall", null_hypercall);
    measure("msr", read_msr);
    measure("clock", read_clock);
    measure("timer", set_timer);
    /* isa-debug-exit */
    outb(0xf4, 0);
}
