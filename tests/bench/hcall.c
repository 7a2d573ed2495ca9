/*
 * Measures the null hypercall: a guest without an operating system, which
 * calls the hypervisor ten million times with a code that does not exist, and
 * prints nanoseconds per call on the serial port as  bench-hcall <n>
 *
 * Started by QEMU's multiboot loader: 32-bit protected mode, no paging.
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
#define CALLS           10000000u

asm(".text\n"
    ".align 4\n"
    ".long 0x1badb002, 0, -0x1badb002\n"
    ".globl _start\n"
    "_start: mov $stack + 4096, %esp\n"
    "call run\n"
    "1: hlt\n"
    "jmp 1b\n"
    ".section .note.GNU-stack, \"\"\n");

char stack[4096];
static char page[4096] __attribute__((aligned(4096)));

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

void run(void);
void run(void)
{
    uint32_t start, spent;

    wrmsr(GUEST_OS_ID, 1ull << 63);
    wrmsr(HYPERCALL, (uintptr_t)page | 1);
    start = rdmsr(TIME_REF_COUNT);
    for (uint32_t i = 0; i < CALLS; i++) {
        if (call(NO_SUCH_CALL | FAST) != INVALID_CODE) {
            print("the hypervisor does not answer\n");
            break;
        }
    }
    spent = (uint32_t)rdmsr(TIME_REF_COUNT) - start;
    print("bench-hcall ");
    print_number(spent / (CALLS / 100));
    print("\n");
    /* isa-debug-exit */
    outb(0xf4, 0);
}
