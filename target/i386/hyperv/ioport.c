/*
 * Hyper-V hypercalls by an I/O instruction (TLFS 3.13: what the hypercall page
 * holds is the hypervisor's business), for accelerators that do not leave the
 * guest at VMCALL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "internal.h"
#include "system/hw_accel.h"

/* A port that the PC has no use for, of those that fit into the instruction */
#define HV_HYPERCALL_PORT 0xe6

/*
 * out %al, $HV_HYPERCALL_PORT; ret
 *
 * With a prefix that means nothing it is as long as VMCALL: a guest that is
 * migrated between the two instructions finds RET where it looks for it.
 */
static const uint8_t hv_ioport_code[] = {
    0x3e, 0xe6, HV_HYPERCALL_PORT, 0xc3
};

#define HV_HYPERCALL_INSN_LEN 3

/*
 * Is it the hypercall page that does this?  Its linear address is the guest's
 * choice, so look at the offset in it: that of the instruction, or the one
 * behind it, as accelerators differ in when they advance RIP.
 */
static bool hv_ioport_in_page(HvPartition *p, CPUX86State *env)
{
    unsigned offset = (env->segs[R_CS].base + env->eip) & (HV_PAGE_SIZE - 1);

    return p->vtl[0].hypercall_page.mapped &&
           (offset == 0 || offset == HV_HYPERCALL_INSN_LEN);
}

/*
 * All registers of a CPU are many: a call has most of them left where they are.
 * Where it needs more (hv_hypercall_check()) or changes more, vcpu_dirty tells.
 */
static void hv_ioport_get_regs(HvPartition *p, CPUState *cs)
{
    if (cs->vcpu_dirty || !p->ops->get_call_regs ||
        !p->ops->get_call_regs(cs)) {
        cpu_synchronize_state(cs);
    }
}

static void hv_ioport_put_regs(HvPartition *p, CPUState *cs)
{
    if (!cs->vcpu_dirty) {
        p->ops->put_call_regs(cs);
    }
}

/* Called with the big QEMU lock held, on the CPU's own thread */
static void hv_ioport_write(void *opaque, hwaddr addr, uint64_t data,
                            unsigned size)
{
    HvPartition *p = opaque;
    CPUState *cs = current_cpu;
    X86CPU *cpu;

    if (!cs) {
        return;         /* the monitor, or a test */
    }
    cpu = X86_CPU(cs);
    hv_ioport_get_regs(p, cs);
    if ((cpu->env.hflags & HF_GUEST_MASK) ||
        !hv_ioport_in_page(p, &cpu->env)) {
        return;
    }
    if (hv_hypercall(cpu)) {
        hv_ioport_put_regs(p, cs);
    } else {
        p->ops->inject_ud(cs, HV_HYPERCALL_INSN_LEN);
    }
}

/* As with any port that nothing is at */
static uint64_t hv_ioport_read(void *opaque, hwaddr addr, unsigned size)
{
    return -1;
}

static const MemoryRegionOps hv_ioport_ops = {
    .read = hv_ioport_read,
    .write = hv_ioport_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl.max_access_size = 1,
};

void hv_ioport_init(HvPartition *p)
{
    hv_partition_set_hypercall_code(p, hv_ioport_code, sizeof(hv_ioport_code));
    memory_region_init_io(&p->hypercall_io, OBJECT(p), &hv_ioport_ops, p,
                          "hv-hypercall", 1);
    /* A hypercall may lead to another device, which signals this CPU */
    p->hypercall_io.disable_reentrancy_guard = true;
    memory_region_add_subregion(get_system_io(), HV_HYPERCALL_PORT,
                                &p->hypercall_io);
}
