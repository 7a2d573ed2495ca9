/*
 * Hyper-V and the local APIC: EOI assist (TLFS 10.3), AutoEOI (TLFS 11.8), the
 * synthetic EOI, ICR and TPR registers (TLFS 10.2)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "internal.h"
#include "trace.h"

/* Indexes of APIC registers, as in the x2APIC's MSR numbers */
#define APIC_REG_TPR    0x08
#define APIC_REG_EOI    0x0b
#define APIC_REG_ICR    0x30
#define APIC_REG_ICR2   0x31

static HvVtl *hv_apic_vtl(APICCommonState *s)
{
    return &s->cpu->hv_vp->vtl[s->vtl];
}

static uint32_t *hv_apic_assist(HvVtl *vtl)
{
    return (uint32_t *)((char *)vtl->vp_assist_page.host +
                        HV_VP_ASSIST_APIC_ASSIST);
}

static int hv_apic_highest(const uint32_t *reg)
{
    int i;

    for (i = 7; i >= 0; i--) {
        if (reg[i]) {
            return i * 32 + 31 - clz32(reg[i]);
        }
    }
    return -1;
}

bool hv_apic_any(const uint32_t *reg)
{
    return hv_apic_highest(reg) >= 0;
}

static void hv_apic_clear(uint32_t *reg, int vector)
{
    reg[vector / 32] &= ~(1u << (vector % 32));
}

/*
 * Only the VP's own thread touches the bit: the guest may clear it with an
 * instruction that is not atomic, and another thread could fall in between.
 */
void hv_apic_sync(APICCommonState *s)
{
    HvVtl *vtl;
    uint32_t *assist;
    int vector;

    if (likely(!s->cpu->hv_vp)) {
        return;
    }
    vtl = hv_apic_vtl(s);
    if (!vtl->eoi_assist_armed) {
        return;
    }
    assist = hv_apic_assist(vtl);
    if (!(le32_to_cpu(qatomic_read(assist)) &
          HV_APIC_ASSIST_NO_EOI_REQUIRED)) {
        /* The guest is done with it, and told nobody */
        vtl->eoi_assist_armed = false;
        vector = hv_apic_highest(s->isr);
        if (vector >= 0) {
            hv_apic_clear(s->isr, vector);
            vtl->vp->stats.eois_elided++;
            trace_hv_apic_eoi_elided(vtl->vp->index, vector);
        }
        return;
    }
    if (hv_apic_any(s->irr)) {
        /* Somebody waits for this EOI: the guest is to write it */
        vtl->eoi_assist_armed = false;
        qatomic_and(assist, cpu_to_le32(~HV_APIC_ASSIST_NO_EOI_REQUIRED));
        hv_overlay_dirty(&vtl->vp_assist_page);
    }
}

void hv_apic_settle(X86CPU *cpu)
{
    if (cpu->apic_state && (cpu->hv_vp->partition->ops->caps & HV_PORT_APIC)) {
        hv_apic_sync(APIC_COMMON(hv_apic_vtl0(cpu)));
    }
}

void hv_apic_ack(APICCommonState *s, int vector)
{
    HvVtl *vtl;

    if (likely(!s->cpu->hv_vp)) {
        return;
    }
    vtl = hv_apic_vtl(s);
    /* In service, it cannot be taken back any more */
    hv_apic_clear(vtl->level, vector);
    if (test_bit(vector, vtl->synic.auto_eoi)) {
        hv_apic_clear(s->isr, vector);
        vtl->vp->stats.auto_eois++;
        hv_synic_scan(vtl);
        return;
    }
    if ((vtl->vp_assist & HV_OVERLAY_ENABLE) && !apic_get_bit(s->tmr, vector) &&
        !hv_apic_any(s->irr)) {
        vtl->eoi_assist_armed = true;
        qatomic_or(hv_apic_assist(vtl),
                   cpu_to_le32(HV_APIC_ASSIST_NO_EOI_REQUIRED));
        hv_overlay_dirty(&vtl->vp_assist_page);
    }
}

void hv_apic_eoi(APICCommonState *s)
{
    HvVtl *vtl;

    if (likely(!s->cpu->hv_vp)) {
        return;
    }
    vtl = hv_apic_vtl(s);
    if (vtl->eoi_assist_armed) {
        /* It was ended the conventional way, which always works */
        vtl->eoi_assist_armed = false;
        qatomic_and(hv_apic_assist(vtl),
                    cpu_to_le32(~HV_APIC_ASSIST_NO_EOI_REQUIRED));
        hv_overlay_dirty(&vtl->vp_assist_page);
    }
    hv_synic_scan(vtl);
}

/* QEMU finds the APIC by the CPU that the thread stands for */
static bool hv_apic_usable(HvVtl *vtl)
{
    return X86_CPU(vtl->vp->cs)->apic_state && current_cpu == vtl->vp->cs;
}

bool hv_apic_eoi_write(HvVtl *vtl, unsigned i, uint64_t val)
{
    return hv_apic_usable(vtl) && !apic_register_write(APIC_REG_EOI, 0);
}

bool hv_apic_icr_read(HvVtl *vtl, unsigned i, uint64_t *val)
{
    uint64_t low, high = 0;

    if (!hv_apic_usable(vtl) || apic_register_read(APIC_REG_ICR, &low)) {
        return false;
    }
    apic_register_read(APIC_REG_ICR2, &high);
    *val = deposit64(low, 32, 32, high);
    return true;
}

bool hv_apic_icr_write(HvVtl *vtl, unsigned i, uint64_t val)
{
    if (!hv_apic_usable(vtl)) {
        return false;
    }
    if (is_x2apic_mode(X86_CPU(vtl->vp->cs)->apic_state)) {
        return !apic_register_write(APIC_REG_ICR, val);
    }
    return !apic_register_write(APIC_REG_ICR2, val >> 32) &&
           !apic_register_write(APIC_REG_ICR, (uint32_t)val);
}

bool hv_apic_tpr_read(HvVtl *vtl, unsigned i, uint64_t *val)
{
    return hv_apic_usable(vtl) && !apic_register_read(APIC_REG_TPR, val);
}

bool hv_apic_tpr_write(HvVtl *vtl, unsigned i, uint64_t val)
{
    return hv_apic_usable(vtl) &&
           !apic_register_write(APIC_REG_TPR, val & 0xff);
}

/*
 * Has an interrupt arrived, whatever its priority?  Linux reads GUEST_IDLE in an
 * interrupt's entry, before its EOI, and waits for a vector of the same priority
 * class.
 */
bool hv_apic_requested(X86CPU *cpu)
{
    return cpu->apic_state && hv_apic_any(APIC_COMMON(cpu->apic_state)->irr);
}

void hv_assert_vector(HvVtl *vtl, uint8_t vector)
{
    DeviceState *apic = hv_vtl_apic(vtl->vp, hv_vtl_index(vtl));

    /* TLFS 11.4: lost if the APIC is disabled by software */
    if (apic) {
        apic_assert_edge(apic, vector);
    }
}

DeviceState *hv_apic_vtl0(X86CPU *cpu)
{
    return cpu->hv_vp ? hv_vtl_apic(cpu->hv_vp, 0) : cpu->apic_state;
}

/* To be read when the interrupt is there for the VP to see */
static unsigned hv_apic_active_vtl(HvVp *vp)
{
    /* Pairs with hv_vtl_switched() */
    smp_mb();
    return qatomic_read(&vp->active_vtl);
}

bool hv_apic_inactive(APICCommonState *s)
{
    HvVp *vp = s->cpu->hv_vp;

    if (likely(!vp)) {
        return false;
    }
    if (hv_apic_any(s->irr)) {
        qatomic_set(&vp->irq_raised, true);
    }
    if (s->vtl == hv_apic_active_vtl(vp)) {
        return false;
    }
    cpu_interrupt(vp->cs, CPU_INTERRUPT_POLL);
    return true;
}

bool hv_apic_interrupt(APICCommonState *s, int mask)
{
    HvVp *vp = s->cpu->hv_vp;

    if (!vp) {
        return false;
    }
    if (mask & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI)) {
        return s->vtl || vp->enabled_vtls != 1 ||
               hv_vsm_startup_denied(vp->partition, 0);
    }
    if (s->vtl) {
        return true;
    }
    if (!(mask & CPU_INTERRUPT_HARD)) {
        return false;
    }
    /* An interrupt of the PIC waits there */
    qatomic_set(&vp->irq_raised, true);
    return hv_apic_active_vtl(vp);
}

void hv_apic_deassert(APICCommonState *s)
{
    HvVtl *vtl;
    unsigned i;

    if (!s->cpu->hv_vp) {
        return;
    }
    vtl = hv_apic_vtl(s);
    for (i = 0; i < ARRAY_SIZE(vtl->level); i++) {
        /* One that was asserted by an edge, too, stays */
        s->irr[i] &= ~(vtl->level[i] & s->tmr[i]);
        vtl->level[i] = 0;
    }
}

bool hv_extint_waits(X86CPU *cpu)
{
    return unlikely(cpu->hv_vp) && !cpu->hv_vp->active_vtl &&
           hv_extint_pending(cpu->hv_vp);
}

bool hv_extint_take(X86CPU *cpu, int *vector)
{
    HvPartition *p;

    if (!hv_extint_waits(cpu)) {
        return false;
    }
    p = cpu->hv_vp->partition;
    *vector = p->extint_vector;
    p->extint_vector = HV_INTERRUPT_VECTOR_NONE;
    p->extint_acknowledged = true;
    /* Something else may wait behind it */
    apic_poll_irq(cpu->apic_state);
    return true;
}

void hv_extint_changed(HvVp *vp)
{
    qatomic_set(&vp->irq_raised, true);
    if (hv_apic_active_vtl(vp)) {
        cpu_interrupt(vp->cs, CPU_INTERRUPT_POLL);
    } else {
        apic_poll_irq(hv_vtl_apic(vp, 0));
    }
}

/* Where an SMI saves the CPU's state, from here on */
#define HV_SMM_STATE        0xfe00
#define HV_SMM_STATE_END    0xffff

/* May VTL 0, which can move that place, write there? */
static bool hv_smm_state_open(X86CPU *cpu)
{
    HvPartition *p = cpu->hv_vp->partition;
    uint32_t base = cpu->env.smbase;
    uint8_t mask =
        hv_partition_vtl_access(p, 0, base + HV_SMM_STATE, NULL, NULL) &
        hv_partition_vtl_access(p, 0, base + HV_SMM_STATE_END, NULL, NULL);

    return (mask & HV_MAP_GPA_RW) == HV_MAP_GPA_RW;
}

int hv_blocked_interrupts(X86CPU *cpu)
{
    if (unlikely(cpu->hv_vp) && !cpu->hv_vp->active_vtl &&
        (CPU(cpu)->interrupt_request & CPU_INTERRUPT_SMI)) {
        return hv_smm_state_open(cpu) ? 0 : CPU_INTERRUPT_SMI;
    }
    return likely(!cpu->hv_vp || !cpu->hv_vp->active_vtl) ? 0 :
           CPU_INTERRUPT_SMI | CPU_INTERRUPT_NMI | CPU_INTERRUPT_MCE;
}
