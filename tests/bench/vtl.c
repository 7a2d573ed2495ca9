/*
 * Measures virtual trust levels: switching to VTL 1 and back, against a null
 * hypercall and a system call; memory that VTL 1 does not protect, and memory
 * that it does.  Without hv-vsm, the former only.
 *
 * Paging is on, with a page table for each trust level, of pages of 4 KiB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include "bare.h"
#include "../guest/hv.h"

#define MIB             (1u << 20)
#define MEMORY          (640 * MIB)     /* is mapped */
#define TABLES          (16 * MIB)      /* page tables of VTL 0, then VTL 1 */
#define TABLES_SIZE     (PAGE + (MEMORY + WALK_PAGES * PAGE) / 1024)
#define BUFFER          (32 * MIB)
#define WALK            (1024 * MIB)    /* addresses of few pages of RAM */
#define WALK_PAGES      65536u
#define WALK_RAM        16u
#define COPY            MIB
#define PROTECTED       100000u         /* pages of the buffer */
#define LIST            510u            /* of pages in a hypercall */

#define PTE_ALL         7               /* present, writable, user's */
#define CR0_PG          (1u << 31)
#define CR0_WP          (1u << 16)

#define SYSENTER_CS     0x174
#define SYSENTER_ESP    0x175
#define SYSENTER_EIP    0x176

#define PIC1_MASK       0x21
#define PIC2_MASK       0xa1

#define KERNEL_CS       0x08
#define MASK_ALL        15u
#define MASK_READ_ONLY  13u             /* and to be executed */

/* In the order that SYSENTER and SYSEXIT want */
static const uint64_t gdt[] = {
    0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff,
    0x00cff3000000ffff,
};

static uint8_t in[PAGE] __attribute__((aligned(4096)));
static uint8_t out[PAGE] __attribute__((aligned(4096)));
static char page1[PAGE] __attribute__((aligned(4096)));
static uint8_t stack1[PAGE] __attribute__((aligned(16)));
static char *call_entry, *return_entry;
static void (*volatile work)(void);
uint32_t kernel_esp;

static void load_gdt(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

    asm volatile("lgdt %0\n\t"
                 "ljmp $8, $1f\n\t"
                 "1: mov %1, %%ds\n\t"
                 "mov %1, %%es\n\t"
                 "mov %1, %%fs\n\t"
                 "mov %1, %%gs\n\t"
                 "mov %1, %%ss"
                 : : "m"(gdtr), "r"(0x10) : "memory");
}

/* Everything where it is, and the addresses to walk through; for CR3 */
static uint32_t make_tables(uint32_t at)
{
    uint32_t *directory = (uint32_t *)at, *table = directory + 1024;
    uint32_t i;

    for (i = 0; i < 1024; i++) {
        directory[i] = 0;
    }
    for (i = 0; i < MEMORY / PAGE; i++) {
        table[i] = i * PAGE | PTE_ALL;
        directory[i / 1024] = (uintptr_t)&table[i / 1024 * 1024] | PTE_ALL;
    }
    table += i;
    directory += WALK / PAGE / 1024;
    for (i = 0; i < WALK_PAGES; i++) {
        table[i] = (BUFFER + i % WALK_RAM * PAGE) | PTE_ALL;
        directory[i / 1024] = (uintptr_t)&table[i / 1024 * 1024] | PTE_ALL;
    }
    return at;
}

static void paging_on(uint32_t cr3)
{
    uint32_t cr0;

    asm volatile("mov %1, %%cr3\n\t"
                 "mov %%cr0, %0\n\t"
                 "or %2, %0\n\t"
                 "mov %0, %%cr0"
                 : "=&r"(cr0) : "r"(cr3), "i"(CR0_PG | CR0_WP) : "memory");
}

/* To user mode and back */
static void system_call(void)
{
    asm volatile("mov %%esp, kernel_esp\n\t"
                 "mov %%esp, %%ecx\n\t"
                 "mov $1f, %%edx\n\t"
                 "sysexit\n"
                 "1: sysenter\n"
                 ".globl kernel_entry\n"
                 "kernel_entry: mov kernel_esp, %%esp"
                 : : : "ecx", "edx", "memory", "cc");
}

extern char kernel_entry[];

static void check(const char *what, uint64_t status, uint32_t reps)
{
    if (status != HV_REPS(reps)) {
        fail(what);
    }
}

static void put32(uint32_t at, uint32_t v)
{
    *(volatile uint32_t *)(in + at) = v;
}

static void put64(uint32_t at, uint64_t v)
{
    put32(at, v);
    put32(at + 4, v >> 32);
}

static void clear_input(void)
{
    for (uint32_t i = 0; i < PAGE; i += 4) {
        put32(i, 0);
    }
    put64(0, HV_PARTITION_SELF);
}

/*
 * @control: none for a call, 1 for a return that is fast.  Behind it registers
 * are as the other trust level has left them, but for ESP.
 */
static inline void vtl_switch(char *entry, uint32_t control)
{
    uint32_t high = 0;

    asm volatile("push %%ebp\n\t"
                 "call *%%ecx\n\t"
                 "pop %%ebp"
                 : "+a"(control), "+c"(entry), "+d"(high)
                 : : "ebx", "esi", "edi", "memory", "cc");
}

static void vtl_round_trip(void)
{
    vtl_switch(call_entry, 0);
}

static void in_vtl1(void (*fn)(void))
{
    work = fn;
    vtl_round_trip();
    if (work) {
        fail("VTL 1 has not done it");
    }
}

static void vtl1_main(void)
{
    wrmsr(GUEST_OS_ID, 1ull << 62);
    wrmsr(HYPERCALL, (uintptr_t)page1 | 1);
    for (;;) {
        vtl_switch(return_entry, 1);
        if (work) {
            work();
            work = 0;
        }
    }
}

static void set_up_vtl1(uint32_t cr3)
{
    /* HV_INITIAL_VP_CONTEXT: where each of this VTL's registers goes */
    static const struct {
        uint16_t at, size;
        uint32_t name;
    } same[] = {
        { 24, 16, HV_REG_CS }, { 40, 16, HV_REG_DS }, { 56, 16, HV_REG_ES },
        { 72, 16, HV_REG_FS }, { 88, 16, HV_REG_GS }, { 104, 16, HV_REG_SS },
        { 120, 16, HV_REG_TR }, { 136, 16, HV_REG_LDTR },
        { 152, 16, HV_REG_IDTR }, { 168, 16, HV_REG_GDTR },
        { 184, 8, HV_REG_EFER }, { 192, 8, HV_REG_CR0 },
        { 208, 8, HV_REG_CR4 }, { 216, 8, HV_REG_PAT },
    };
    enum { SAME = sizeof(same) / sizeof(same[0]) };
    uint32_t offsets;

    clear_input();
    put32(8, HV_VP_SELF);
    put32(16, HV_REG_VSM_CODE_OFFSETS);
    for (uint32_t i = 0; i < SAME; i++) {
        put32(20 + i * 4, same[i].name);
    }
    check("own registers", hypercall(HVCALL_GET_REGISTERS | HV_REPS(SAME + 1), in,
                                     out), SAME + 1);
    offsets = *(uint32_t *)out;
    call_entry = page + (offsets & 0xfff);
    return_entry = page1 + (offsets >> 12 & 0xfff);

    clear_input();
    put32(8, 1);
    check("partition's VTL 1", hypercall(HVCALL_ENABLE_PARTITION_VTL, in, 0),
          0);

    clear_input();
    put32(8, HV_VP_SELF);
    put32(12, 1);
    put64(16, (uintptr_t)vtl1_main);
    put64(24, (uintptr_t)stack1 + sizeof(stack1) - 4);
    put64(32, 2);
    for (uint32_t i = 0; i < SAME; i++) {
        for (uint32_t j = 0; j < same[i].size; j++) {
            in[16 + same[i].at + j] = out[16 + i * 16 + j];
        }
    }
    put64(16 + 200, cr3);
    check("VP's VTL 1", hypercall(HVCALL_ENABLE_VP_VTL, in, 0), 0);
    vtl_round_trip();
}

/* A word of each page, in an order that no TLB has room for */
static void walk(void)
{
    uint32_t i, at = 0, sum = 0;

    for (i = 0; i < WALK_PAGES; i++) {
        at = (at * 5 + 12345) % WALK_PAGES;
        sum += *(volatile uint32_t *)(WALK + at * PAGE + at % 64 * 64);
    }
}

static void copy(void)
{
    uint32_t n = COPY / 4, from = BUFFER, to = BUFFER + COPY;

    asm volatile("rep movsl" : "+c"(n), "+S"(from), "+D"(to) : : "memory");
}

static void timed(const char *name, void (*fn)(void), uint32_t times)
{
    uint32_t start = rdmsr(TIME_REF_COUNT);

    fn();
    result(name, (uint32_t)rdmsr(TIME_REF_COUNT) - start, times);
}

/* Often, as it is compared with other runs */
static void memory(void)
{
    for (int i = 0; i < 100; i++) {
        timed("copy", copy, COPY / PAGE);
        timed("walk", walk, WALK_PAGES);
    }
}

static void touch(void)
{
    for (uint32_t i = 0; i < PROTECTED; i++) {
        *(volatile uint32_t *)(BUFFER + i * PAGE);
    }
}

static void touch_often(const char *name)
{
    for (int i = 0; i < 10; i++) {
        timed(name, touch, PROTECTED);
    }
}

static void protection_on(void)
{
    clear_input();
    put32(8, HV_VP_SELF);
    put32(16, HV_REG_VSM_CONFIG);
    put32(32, 1 | MASK_ALL << 1);
    check("configuration", hypercall(HVCALL_SET_REGISTERS | HV_REPS(1), in, 0), 1);
}

static void protect(void)
{
    uint32_t i, j, n;

    for (i = 0; i < PROTECTED; i += n) {
        n = PROTECTED - i < LIST ? PROTECTED - i : LIST;
        clear_input();
        put32(8, MASK_READ_ONLY);
        for (j = 0; j < n; j++) {
            put64(16 + j * 8, BUFFER / PAGE + i + j);
        }
        check("protection", hypercall(HVCALL_MODIFY_PROTECTION | HV_REPS(n), in,
                                      0), n);
    }
}

static void protect_in_vtl1(void)
{
    in_vtl1(protect);
}

static bool has_vsm(void)
{
    uint32_t eax = 0x40000003, ebx, ecx, edx;

    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return ebx & 1u << 16;
}

void run(void)
{
    /* Nobody is going to take their interrupts */
    outb(PIC1_MASK, 0xff);
    outb(PIC2_MASK, 0xff);
    load_gdt();
    paging_on(make_tables(TABLES));
    hypervisor_on();
    if (!has_vsm()) {
        memory();
        finish(0);
    }
    set_up_vtl1(make_tables(TABLES + TABLES_SIZE));
    memory();

    wrmsr(SYSENTER_CS, KERNEL_CS);
    wrmsr(SYSENTER_ESP, (uintptr_t)stack + sizeof(stack));
    wrmsr(SYSENTER_EIP, (uintptr_t)kernel_entry);
    for (int i = 0; i < 5; i++) {
        measure("syscall", system_call);
        measure("hypercall", null_hypercall);
        measure("switch", vtl_round_trip);
    }

    touch_often("touch");
    in_vtl1(protection_on);
    timed("protect", protect_in_vtl1, PROTECTED);
    touch_often("touch_protected");
    finish(0);
}
