/*
 * x86 REP MOVS and REP STOS, many elements at a time
 *
 * Guests copy and clear most of their memory with these instructions, and a
 * driver whose interface makes it copy (Hyper-V's network card does) spends
 * most of its time in them.  What is translated makes a memory access for each
 * element, often of a byte.  Before that these helpers do what is in RAM and
 * can be done without a fault, as the C library does it.
 *
 * They leave the registers as after the elements that have been done.  What
 * they do not do is for the translated code, which makes each access as before:
 * it raises the faults, calls devices, and hits watchpoints.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "exec/target_page.h"

/* An interrupt has to wait for at most so many bytes */
#define REP_MAX_BYTES (64 * 1024)

/* A copy onto itself is done in pieces, which are not worth it below this */
#define REP_MIN_BYTES 64

/* Bytes that are left to do, but not beyond the end of a page of @addr */
static target_ulong rep_bytes(CPUX86State *env, target_ulong addr,
                              uint32_t shift)
{
    target_ulong page = -(addr | TARGET_PAGE_MASK);

    return MIN(env->regs[R_ECX], page >> shift) << shift;
}

/* The host address of RAM that may be accessed so, or NULL */
static void *rep_host(CPUX86State *env, target_ulong addr, target_ulong len,
                      MMUAccessType access, uint32_t mmu_idx, uintptr_t ra)
{
    void *host;

    /* leaves the guest's instruction if that is what is overwritten */
    return probe_access_flags(env, addr, len, access, mmu_idx, true, &host,
                              ra) ? NULL : host;
}

void helper_rep_movs(CPUX86State *env, uint32_t shift, uint32_t mmu_idx)
{
    uintptr_t ra = GETPC();
    target_ulong left = REP_MAX_BYTES;

    while (env->df == 1 && left) {
        target_ulong src = env->regs[R_ESI], dst = env->regs[R_EDI];
        target_ulong len = MIN(rep_bytes(env, src, shift),
                               rep_bytes(env, dst, shift));
        char *from, *to;

        len = MIN(len, left);
        if (!len) {
            return;
        }
        from = rep_host(env, src, len, MMU_DATA_LOAD, mmu_idx, ra);
        to = from ? rep_host(env, dst, len, MMU_DATA_STORE, mmu_idx, ra) : NULL;
        if (!to) {
            return;
        }
        if (to > from && to - from < len) {
            /* what is stored is loaded again, and so on */
            len = (to - from) >> shift << shift;
            if (len < REP_MIN_BYTES) {
                return;
            }
        }
        memmove(to, from, len);
        env->regs[R_ESI] += len;
        env->regs[R_EDI] += len;
        env->regs[R_ECX] -= len >> shift;
        left -= len;
    }
}

void helper_rep_stos(CPUX86State *env, uint32_t shift, uint32_t mmu_idx)
{
    uintptr_t ra = GETPC();
    target_ulong left = REP_MAX_BYTES;
    uint8_t byte = env->regs[R_EAX];

    if ((env->regs[R_EAX] ^ (byte * 0x0101010101010101ull)) &
        MAKE_64BIT_MASK(0, 8 << shift)) {
        return;
    }
    while (env->df == 1 && left) {
        target_ulong dst = env->regs[R_EDI];
        target_ulong len = MIN(rep_bytes(env, dst, shift), left);
        void *to;

        if (!len) {
            return;
        }
        to = rep_host(env, dst, len, MMU_DATA_STORE, mmu_idx, ra);
        if (!to) {
            return;
        }
        memset(to, byte, len);
        env->regs[R_EDI] += len;
        env->regs[R_ECX] -= len >> shift;
        left -= len;
    }
}
