/*
 * Exception and interrupt stubs, and the ways to call a piece of code with
 * every register given: as 64-bit kernel, as 32-bit kernel, as 64-bit user.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "layout.h"

    .text
    .code64

    .align 16
    .globl trap_stubs
trap_stubs:
    .set v, 0
    .rept 256
    .align 16
    /* Only these exceptions push an error code of their own */
    .if v > 31 || (0x60227D00 >> (v % 32)) % 2 == 0
    pushq $0
    .endif
    pushq $v
    jmp trap_common
    .set v, v + 1
    .endr

    .align 16
trap_common:
    cld
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    call trap_dispatch
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

/*
 * The three calls share their first and last part.  %rdi is a struct call;
 * a fault anywhere in between continues at call_tail with the registers as
 * they were at the fault.
 */
    .macro call_head
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %gs:CPU_CALL
    movq CALL_TARGET(%rdi), %rax
    movq %rax, %gs:CPU_TARGET
    leaq call_tail(%rip), %rax
    movq %rax, %gs:CPU_RECOVER_RIP
    movq %rsp, %gs:CPU_RECOVER_RSP
    movdqu CALL_XMM + 0(%rdi), %xmm0
    movdqu CALL_XMM + 16(%rdi), %xmm1
    movdqu CALL_XMM + 32(%rdi), %xmm2
    movdqu CALL_XMM + 48(%rdi), %xmm3
    movdqu CALL_XMM + 64(%rdi), %xmm4
    movdqu CALL_XMM + 80(%rdi), %xmm5
    .endm

    .macro load64
    movq CALL_RAX(%rdi), %rax
    movq CALL_RBX(%rdi), %rbx
    movq CALL_RCX(%rdi), %rcx
    movq CALL_RDX(%rdi), %rdx
    movq CALL_RSI(%rdi), %rsi
    movq CALL_RBP(%rdi), %rbp
    movq CALL_R8(%rdi), %r8
    movq CALL_R9(%rdi), %r9
    movq CALL_R10(%rdi), %r10
    movq CALL_R11(%rdi), %r11
    movq CALL_R12(%rdi), %r12
    movq CALL_R13(%rdi), %r13
    movq CALL_R14(%rdi), %r14
    movq CALL_R15(%rdi), %r15
    movq CALL_RDI(%rdi), %rdi
    .endm

    .globl call_kernel64
call_kernel64:
    call_head
    load64
    call *%gs:CPU_TARGET

call_tail:
    movq %rax, %gs:CPU_SCRATCH
    movq %gs:CPU_CALL, %rax
    movq %rbx, CALL_RBX(%rax)
    movq %rcx, CALL_RCX(%rax)
    movq %rdx, CALL_RDX(%rax)
    movq %rsi, CALL_RSI(%rax)
    movq %rdi, CALL_RDI(%rax)
    movq %rbp, CALL_RBP(%rax)
    movq %r8, CALL_R8(%rax)
    movq %r9, CALL_R9(%rax)
    movq %r10, CALL_R10(%rax)
    movq %r11, CALL_R11(%rax)
    movq %r12, CALL_R12(%rax)
    movq %r13, CALL_R13(%rax)
    movq %r14, CALL_R14(%rax)
    movq %r15, CALL_R15(%rax)
    movdqu %xmm0, CALL_XMM + 0(%rax)
    movdqu %xmm1, CALL_XMM + 16(%rax)
    movdqu %xmm2, CALL_XMM + 32(%rax)
    movdqu %xmm3, CALL_XMM + 48(%rax)
    movdqu %xmm4, CALL_XMM + 64(%rax)
    movdqu %xmm5, CALL_XMM + 80(%rax)
    movq %gs:CPU_SCRATCH, %rbx
    movq %rbx, CALL_RAX(%rax)
    movq %rsp, %rbx
    subq %gs:CPU_RECOVER_RSP, %rbx
    movq %rbx, CALL_RSP_DELTA(%rax)
    movq %gs:CPU_RECOVER_RSP, %rsp
    movq $0, %gs:CPU_RECOVER_RIP
    cld
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .globl call_kernel32
call_kernel32:
    call_head
    ljmpl *to_compat(%rip)

    .code32
call_compat:
    movl %gs:CPU_CALL, %edi
    movl CALL_RAX(%edi), %eax
    movl CALL_RBX(%edi), %ebx
    movl CALL_RCX(%edi), %ecx
    movl CALL_RDX(%edi), %edx
    movl CALL_RSI(%edi), %esi
    movl CALL_RBP(%edi), %ebp
    movl CALL_RDI(%edi), %edi
    call *%gs:CPU_TARGET
    ljmp $SEL_CODE64, $call_from_compat

    .code64
call_from_compat:
    movl %esp, %esp             /* the upper half is undefined after a switch */
    movl %eax, %eax
    movl %ebx, %ebx
    movl %ecx, %ecx
    movl %edx, %edx
    movl %esi, %esi
    movl %edi, %edi
    movl %ebp, %ebp
    jmp call_tail

    .globl call_user
call_user:
    call_head
    /* Below the frame: 1.5 KiB of user stack, then that of its traps */
    leaq -2048(%rsp), %rax
    movq %rax, %gs:CPU_TSS_RSP0
    leaq -512(%rsp), %rax
    andq $-16, %rax
    pushq $SEL_USER_DATA
    pushq %rax
    pushfq
    pushq $SEL_USER_CODE
    leaq user_stub(%rip), %rax
    pushq %rax
    load64
    iretq

user_stub:
    call *%gs:CPU_TARGET
    .globl user_done
user_done:
    ud2                         /* back to the kernel; trap.c knows it */

    .section .rodata
to_compat:
    .long call_compat
    .word SEL_CODE32

    .section .note.GNU-stack, "", @progbits
