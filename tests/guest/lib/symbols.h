/*
 * Symbols that C shares with the assembly files and the linker script.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYMBOLS_H
#define SYMBOLS_H

#include "guest.h"

/* guest.ld */
struct ex_entry {
    uint64_t insn, fixup;
};

extern uint8_t image_end[];
extern const struct ex_entry ex_table_start[], ex_table_end[];
extern const struct test tests_start[], tests_end[];

/* boot.S */
extern uint64_t boot_gdt[6], boot_pml4[512];
extern uint64_t multiboot_info, ap_stacks;
extern uint32_t ap_next_slot;
extern uint8_t trampoline_start[], trampoline_end[];
extern uint32_t t_real_target, t_real_eax, t_real_edx, t_real_vector;

/* entry.S */
extern uint8_t trap_stubs[], user_done[];

/* Called from them */
void bsp_main(void);
void ap_main(int slot);
void trap_dispatch(struct trap *t);

#endif
