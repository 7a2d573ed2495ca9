/*
 * A guest without an operating system that measures something: what such
 * guests share
 *
 * Started by QEMU's multiboot loader: 32-bit protected mode, no paging.  Their
 * results go to the serial port as  bench NAME UNITS TIMES , the time in units
 * of 100 ns that it took so many times.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>

#define GUEST_OS_ID     0x40000000
#define HYPERCALL       0x40000001
#define TIME_REF_COUNT  0x40000020      /* in units of 100 ns */
#define FAST            (1u << 16)
#define NO_SUCH_CALL    0x3f00
#define INVALID_CODE    2
#define ENOUGH          5000000u        /* half a second */
#define PAGE            4096u

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
void run(void);

static char page[PAGE] __attribute__((aligned(4096)));

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint64_t value;

    asm volatile("rdmsr" : "=A"(value) : "c"(msr));
    return value;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "A"(value));
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

/* By isa-debug-exit */
static void finish(int status)
{
    outb(0xf4, status);
}

static void fail(const char *why)
{
    print(why);
    print("\n");
    finish(1);
}

/*
 * The calling convention of 32-bit callers: control word in EDX:EAX, addresses
 * of input and output in EBX:ECX and EDI:ESI
 */
static inline uint64_t hypercall(uint64_t control, const void *in, void *out)
{
    uint32_t ebx = 0, ecx = (uintptr_t)in, edi = 0, esi = (uintptr_t)out;

    asm volatile("call *%[page]"
                 : "+A"(control), "+b"(ebx), "+c"(ecx), "+D"(edi), "+S"(esi)
                 : [page] "m"((char *){ page })
                 : "memory", "cc");
    return control;
}

static void null_hypercall(void)
{
    if ((hypercall(NO_SUCH_CALL | FAST, 0, 0) & 0xffff) != INVALID_CODE) {
        fail("the hypervisor does not answer");
    }
}

static void result(const char *name, uint32_t spent, uint32_t times)
{
    print("bench ");
    print(name);
    print(" ");
    print_number(spent);
    print(" ");
    print_number(times);
    print("\n");
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
    result(name, spent, n);
}

static void hypervisor_on(void)
{
    wrmsr(GUEST_OS_ID, 1ull << 63);
    wrmsr(HYPERCALL, (uintptr_t)page | 1);
}
