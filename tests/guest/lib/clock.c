/*
 * Bounds on waiting.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They must work where no Hyper-V clock does, and must not depend on how
 * fast the machine is, so they count seconds of the real-time clock.
 */

#include "guest.h"

#define POLLS_PER_READ 256

static unsigned rtc_second(void)
{
    static int lock;
    bool irqs = irq_save();
    unsigned v;

    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
        cpu_relax();
    }
    outb(0x70, 0);
    v = inb(0x71);
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    irq_restore(irqs);
    return v;
}

struct deadline deadline_start(unsigned seconds)
{
    return (struct deadline) { .last = ~0u, .left = seconds + 1 };
}

bool deadline_passed(struct deadline *d)
{
    unsigned now;

    if (++d->polls % POLLS_PER_READ) {
        return false;
    }
    now = rtc_second();
    if (d->last == ~0u) {
        d->last = now;
    } else if (now != d->last) {
        d->last = now;
        d->left--;
    }
    return !d->left;
}
