/*
 * Hyper-V guest interface: the qtest port, for a machine that executes no
 * instruction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "internal.h"

static void hv_qtest_flush_tlb(HvVp *self, const unsigned long *vps,
                               const HvGvaRange *ranges, unsigned nr)
{
    /* There is no TLB */
}

static void hv_qtest_spin_wait(CPUState *cs)
{
    /* Nobody else could run meanwhile */
}

const HvPortOps hv_port_qtest = {
    .name = "qtest",
    .assert_vector = hv_assert_vector,
    .flush_tlb = hv_qtest_flush_tlb,
    .spin_wait = hv_qtest_spin_wait,
};
