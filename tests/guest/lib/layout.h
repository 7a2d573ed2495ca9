/*
 * What assembly and C must agree on: selectors, fixed addresses and the
 * offsets of the fields that assembly touches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LAYOUT_H
#define LAYOUT_H

#define SEL_CODE64      0x08
#define SEL_DATA        0x10
#define SEL_CODE32      0x18
#define SEL_USER_DATA   (0x20 | 3)
#define SEL_USER_CODE   (0x28 | 3)
#define SEL_TSS         0x30

/* The AP start-up code and its variables, below 1 MiB for SIPI */
#define TRAMPOLINE      0x8000
#define LOW_PAGE        0x9000      /* free for tests in real mode */
#define STACK_SIZE      0x4000

/* Vectors of the program itself; everything from 0x30 to 0xE0 is for tests */
#define VEC_WAKE        0xF1
#define VEC_PROBE       0xF0
#define VEC_SPURIOUS    0xFF

/* struct cpu */
#define CPU_RECOVER_RIP 8
#define CPU_RECOVER_RSP 16
#define CPU_CALL        24
#define CPU_TARGET      32
#define CPU_SCRATCH     40
#define CPU_TSS_RSP0    52

/* struct call */
#define CALL_RAX        0
#define CALL_RBX        8
#define CALL_RCX        16
#define CALL_RDX        24
#define CALL_RSI        32
#define CALL_RDI        40
#define CALL_RBP        48
#define CALL_R8         56
#define CALL_R9         64
#define CALL_R10        72
#define CALL_R11        80
#define CALL_R12        88
#define CALL_R13        96
#define CALL_R14        104
#define CALL_R15        112
#define CALL_XMM        128
#define CALL_TARGET     224
#define CALL_RSP_DELTA  232

#endif
