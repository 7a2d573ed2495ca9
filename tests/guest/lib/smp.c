/*
 * All processors: starting them, and running functions on them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "symbols.h"

struct cpu *cpus[MAX_CPUS];
int ncpus;

static bool use_x2apic;

static uint32_t own_apic_id(void)
{
    if (cpuid(0).reg[R_EAX] >= 0xB && cpuid(0xB).reg[R_EBX]) {
        return cpuid(0xB).reg[R_EDX];
    }
    return cpuid(1).reg[R_EBX] >> 24;
}

static struct cpu *cpu_new(uint32_t apic_id)
{
    struct cpu *c = page_alloc();

    _Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "struct cpu");
    c->id = ncpus;
    c->vp = ncpus;
    c->apic_id = apic_id;
    cpus[ncpus++] = c;
    return c;
}

struct cpu *cpu_bootstrap(void)
{
    struct cpu *c = cpu_new(own_apic_id());

    trap_init_cpu(c);
    c->online = true;
    return c;
}

void ap_main(int slot)
{
    struct cpu *c = NULL;
    uint32_t id = own_apic_id();

    for (int i = 0; i < ncpus; i++) {
        if (cpus[i]->apic_id == id) {
            c = cpus[i];
        }
    }
    if (!c) {
        for (;;) {
            asm volatile("cli; hlt");
        }
    }
    trap_init_cpu(c);
    apic_init_cpu(use_x2apic);
    c->slot = slot;
    c->online = true;

    for (;;) {
        irq_disable();
        if (c->work) {
            irq_enable();
            /* An exception in the work ends the work, not the CPU */
            if (!__builtin_setjmp(c->abort_buf)) {
                c->abort_set = true;
                c->work(c->work_arg);
            }
            c->abort_set = false;
            c->work = NULL;
            __atomic_store_n(&c->busy, false, __ATOMIC_RELEASE);
        } else {
            asm volatile("sti; hlt" : : : "memory");
        }
    }
}

/* INIT needs a moment before SIPI; port writes take about a microsecond */
static void short_delay(void)
{
    for (int i = 0; i < 10000; i++) {
        outb(0x80, 0);
    }
}

/* Where a variable of the trampoline lies in its copy */
static SHARED uint32_t *low(uint32_t *var)
{
    return (SHARED uint32_t *)(TRAMPOLINE + (uintptr_t)var -
                                 (uintptr_t)trampoline_start);
}

static bool all_online(void)
{
    for (int i = 0; i < ncpus; i++) {
        if (!cpus[i]->online) {
            return false;
        }
    }
    return true;
}

void smp_init(bool x2apic)
{
    static uint32_t ids[MAX_CPUS];
    int n = acpi_apic_ids(ids, MAX_CPUS);

    outb(0x21, 0xFF);           /* the legacy interrupt controllers: silent */
    outb(0xA1, 0xFF);
    use_x2apic = x2apic;
    apic_init_cpu(x2apic);

    for (int i = 0; i < n; i++) {
        if (ids[i] != cpus[0]->apic_id) {
            cpu_new(ids[i]);
        }
    }
    memcpy((void *)TRAMPOLINE, trampoline_start,
           trampoline_end - trampoline_start);
    if (ncpus == 1) {
        return;
    }
    ap_stacks = (uintptr_t)pages_alloc((ncpus - 1) * (STACK_SIZE / PAGE_SIZE),
                                       PAGE_SIZE);
    apic_icr(0, ICR_ALL_BUT_ME | ICR_INIT | ICR_ASSERT);
    short_delay();
    apic_icr(0, ICR_ALL_BUT_ME | ICR_STARTUP | ICR_ASSERT | TRAMPOLINE >> 12);
    if (!WAIT_FOR(all_online())) {
        panic("not all of %d processors started", ncpus);
    }
}

void on_cpu_start(struct cpu *c, void (*fn)(void *), void *arg)
{
    c->hv_dirty = true;
    if (c == this_cpu()) {
        fn(arg);
        return;
    }
    c->work_arg = arg;
    c->busy = true;
    __atomic_store_n(&c->work, fn, __ATOMIC_RELEASE);
    apic_icr(c->apic_id, ICR_FIXED | ICR_ASSERT | VEC_WAKE);
}

bool on_cpu_wait(struct cpu *c)
{
    if (!WAIT_FOR(!__atomic_load_n(&c->busy, __ATOMIC_ACQUIRE))) {
        panic("CPU %d does not come back", c->id);
    }
    return true;
}

bool on_cpu(struct cpu *c, void (*fn)(void *), void *arg)
{
    on_cpu_start(c, fn, arg);
    return on_cpu_wait(c);
}

void touch(void *touch)
{
    struct touch *t = touch;

    t->seen = *t->p;
}

int in_real_mode(struct cpu *c, uint32_t target, uint32_t eax, uint32_t edx)
{
    *low(&t_real_target) = target;
    *low(&t_real_eax) = eax;
    *low(&t_real_edx) = edx;
    *low(&t_real_vector) = 0;
    ap_next_slot = c->slot;
    c->online = false;
    c->hv_dirty = true;
    apic_icr(c->apic_id, ICR_INIT | ICR_ASSERT);
    short_delay();
    apic_icr(c->apic_id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE >> 12);
    if (!WAIT_FOR(c->online)) {
        panic("CPU %d does not come back from real mode", c->id);
    }
    return *low(&t_real_vector);
}
