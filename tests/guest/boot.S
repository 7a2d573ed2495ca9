/*
 * From the multiboot loader, and from SIPI, into 64-bit long mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "lib/layout.h"

#define MB_MAGIC    0x1BADB002
#define MB_FLAGS    0x00000003

#define CR0_PE      (1 << 0)
#define CR0_MP      (1 << 1)
#define CR0_EM      (1 << 2)
#define CR0_WP      (1 << 16)
#define CR0_PG      (1 << 31)
#define CR4_PAE     (1 << 5)
#define CR4_PGE     (1 << 7)
#define CR4_OSFXSR  (1 << 9)
#define CR4_OSXMM   (1 << 10)
#define MSR_EFER    0xC0000080
#define EFER_LME    (1 << 8)

#define PG_TABLE    0x07        /* present, writable, user */
#define PG_LARGE    0x87
#define PG_UNCACHED 0x18

    .section .multiboot, "a"
    .align 4
    .long MB_MAGIC
    .long MB_FLAGS
    .long -(MB_MAGIC + MB_FLAGS)

    .text
    .code32
    .globl start32
start32:
    cli
    cld
    movl $boot_stack_end, %esp
    movl %ebx, multiboot_info

    /* Identity map of the first 4 GiB with 2 MiB pages, open to CPL 3 */
    movl $(boot_pdpt + PG_TABLE), boot_pml4
    movl $boot_pdpt, %edi
    movl $(boot_pd + PG_TABLE), %eax
    movl $4, %ecx
1:
    movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 1b

    movl $boot_pd, %edi
    movl $PG_LARGE, %eax
    movl $2048, %ecx
2:
    cmpl $0xC0000000, %eax      /* device memory starts at 3 GiB */
    jb 3f
    orl $PG_UNCACHED, %eax
3:
    movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b

    lgdt boot_gdt_ptr
    call long_mode_on
    ljmp $SEL_CODE64, $start64

/* Paging and long mode on, still in a 32-bit segment: the same for APs */
long_mode_on:
    movl %cr4, %eax
    orl $(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMM), %eax
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    andl $~CR0_EM, %eax
    orl $(CR0_PG | CR0_WP | CR0_MP | CR0_PE), %eax
    movl %eax, %cr0
    ret

    .code64
start64:
    call load_data_segments
    leaq boot_stack_end(%rip), %rsp
    xorl %ebp, %ebp
    call bsp_main
4:
    cli
    hlt
    jmp 4b

load_data_segments:
    movl $SEL_DATA, %eax
    movl %eax, %ss
    movl $SEL_USER_DATA, %eax   /* survives a return to CPL 3 and back */
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    ret

    .globl ap_start64
ap_start64:
    movl $1, %edi
    lock xaddl %edi, ap_next_slot(%rip)
    movl %edi, %esp
    incl %esp
    imull $STACK_SIZE, %esp
    addq ap_stacks(%rip), %rsp
    call load_data_segments
    xorl %ebp, %ebp
    call ap_main
5:
    cli
    hlt
    jmp 5b

    .code32
ap_start32:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %ss
    movl $ap_boot_stack_end, %esp
    /* One AP at a time: they share this little stack */
6:
    lock btsl $0, ap_boot_lock
    jnc 7f
    pause
    jmp 6b
7:
    call long_mode_on
    movl $0, ap_boot_lock
    ljmp $SEL_CODE64, $ap_start64

/*
 * Copied to TRAMPOLINE, where a SIPI starts every AP in real mode.  When
 * real_target is set, that AP first makes a far call to it with the
 * registers of an x86 hypercall and notes which exception came of it.
 */
#define T(sym) (sym - trampoline_start + TRAMPOLINE)

    .code16
    .globl trampoline_start, trampoline_end
trampoline_start:
    cli
    cld
    ljmp $0, $T(t_flat)         /* SIPI sets CS to the page, we count from 0 */
t_flat:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    cmpl $0, T(t_real_target)
    je 8f

    movw $(TRAMPOLINE - 16), %sp
    movl 0x18, %eax
    movl %eax, T(t_save_ud)
    movl 0x34, %eax
    movl %eax, T(t_save_gp)
    movl $T(t_on_ud), 0x18
    movl $T(t_on_gp), 0x34
    movl T(t_real_eax), %eax
    movl T(t_real_edx), %edx
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %esi, %esi
    xorl %edi, %edi
    call *T(t_real_target)
    movl $0x100, T(t_real_vector)
    jmp 9f
t_on_ud:
    movl $6, T(t_real_vector)
    jmp 9f
t_on_gp:
    movl $13, T(t_real_vector)
9:
    movl T(t_save_ud), %eax
    movl %eax, 0x18
    movl T(t_save_gp), %eax
    movl %eax, 0x34
    movl $0, T(t_real_target)
8:
    lgdtl T(t_gdt_ptr)
    movl %cr0, %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $ap_start32

    .align 8
t_gdt_ptr:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .align 4
    .globl t_real_target, t_real_eax, t_real_edx, t_real_vector
t_real_target:
    .long 0
t_real_eax:
    .long 0
t_real_edx:
    .long 0
t_real_vector:
    .long 0
t_save_ud:
    .long 0
t_save_gp:
    .long 0
trampoline_end:

    .section .rodata
    .align 8
boot_gdt_ptr:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .align 8
    .globl boot_gdt, boot_gdt_end
boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    /* 64-bit code */
    .quad 0x00CF93000000FFFF    /* data */
    .quad 0x00CF9B000000FFFF    /* 32-bit code */
    .quad 0x00CFF3000000FFFF    /* user data */
    .quad 0x00AFFB000000FFFF    /* user 64-bit code */
boot_gdt_end:

    .data
    .align 8
    .globl multiboot_info, ap_stacks, ap_next_slot
multiboot_info:
    .quad 0
ap_stacks:
    .quad 0
ap_next_slot:
    .long 0
ap_boot_lock:
    .long 0

    .bss
    .align 4096
    .globl boot_pml4
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
    .skip STACK_SIZE
boot_stack_end:
    .skip 256
ap_boot_stack_end:

    .section .note.GNU-stack, "", @progbits
