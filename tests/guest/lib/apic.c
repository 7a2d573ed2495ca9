/*
 * The local APIC in both of its modes, and one register of the I/O APIC.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define APIC_MMIO       0xFEE00000
#define IOAPIC_MMIO     0xFEC00000
#define MSR_APIC_BASE   0x1B
#define MSR_X2APIC      0x800
#define BASE_EXTD       (1 << 10)
#define BASE_ENABLE     (1 << 11)

static SHARED uint32_t *mmio(unsigned reg)
{
    return (SHARED uint32_t *)(uintptr_t)(APIC_MMIO + reg);
}

uint32_t apic_read(unsigned reg)
{
    uint32_t lo, hi;

    if (!this_cpu()->x2apic) {
        return *mmio(reg);
    }
    asm volatile("rdmsr" : "=a" (lo), "=d" (hi) : "c" (MSR_X2APIC + reg / 16));
    return lo;
}

void apic_write(unsigned reg, uint32_t v)
{
    if (!this_cpu()->x2apic) {
        *mmio(reg) = v;
    } else {
        asm volatile("wrmsr"
                     :: "c" (MSR_X2APIC + reg / 16), "a" (v), "d" (0)
                     : "memory");
    }
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

uint64_t apic_icr_value(uint32_t dest, uint32_t low)
{
    return low | (uint64_t)(this_cpu()->x2apic ? dest : dest << 24) << 32;
}

void apic_icr(uint32_t dest, uint32_t low)
{
    uint64_t v = apic_icr_value(dest, low);
    bool irqs = irq_save();

    if (this_cpu()->x2apic) {
        asm volatile("mfence; wrmsr"
                     :: "c" (MSR_X2APIC + APIC_ICR / 16), "a" ((uint32_t)v),
                        "d" ((uint32_t)(v >> 32))
                     : "memory");
    } else {
        *mmio(APIC_ICR_HI) = v >> 32;
        *mmio(APIC_ICR) = v;
        while (*mmio(APIC_ICR) & 0x1000) {
            cpu_relax();
        }
    }
    irq_restore(irqs);
}

void apic_self_ipi(int vector)
{
    apic_icr(this_cpu()->apic_id, ICR_FIXED | ICR_ASSERT | vector);
}

bool apic_bit(unsigned base, int vector)
{
    return apic_read(base + vector / 32 * 16) >> vector % 32 & 1;
}

static SHARED bool isr_seen;

static void look_at_isr(struct trap *t)
{
    isr_seen = apic_bit(APIC_ISR, t->vector);
    apic_eoi();
}

bool apic_shows_isr(void)
{
    struct cpu *me = this_cpu();
    uint32_t before = me->irqs[VEC_PROBE];

    irq_set(VEC_PROBE, look_at_isr);
    apic_self_ipi(VEC_PROBE);
    return WAIT_FOR(me->irqs[VEC_PROBE] != before) && isr_seen;
}

void apic_init_cpu(bool x2apic)
{
    uint64_t base;

    rdmsr_safe(MSR_APIC_BASE, &base);
    base |= BASE_ENABLE;
    wrmsr_safe(MSR_APIC_BASE, base);
    if (x2apic) {
        wrmsr_safe(MSR_APIC_BASE, base | BASE_EXTD);
    }
    this_cpu()->x2apic = x2apic;
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVTT, LVT_MASKED);
    apic_write(APIC_LVT0, LVT_MASKED);
    apic_write(APIC_LVT1, LVT_MASKED);
}

void ioapic_write(unsigned pin, uint32_t low, uint32_t high)
{
    SHARED uint32_t *io = (SHARED uint32_t *)IOAPIC_MMIO;

    io[0] = 0x11 + 2 * pin;
    io[4] = high;
    io[0] = 0x10 + 2 * pin;
    io[4] = low;
}
