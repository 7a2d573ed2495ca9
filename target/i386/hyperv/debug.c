/*
 * Hyper-V virtual trust levels as a debugger sees them
 *
 * A gdb stub and a monitor know one state of each CPU: that of the trust level
 * that runs.  Two properties of the partition change this: the trust level
 * whose registers and virtual memory they are to see, and whether the VM is to
 * stop when a VP goes from one to another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "chardev/char.h"
#include "cpu.h"
#include "hw/core/sysemu-cpu-ops.h"
#include "internal.h"
#include "system/cpus.h"
#include "system/runstate.h"

/*
 * Does a debugger ask, and for another trust level than the CPU's state is of?
 * Only what is stopped can be looked at: its thread has nothing under way.
 */
static bool hv_debug_elsewhere(CPUState *cs, unsigned *vtl)
{
    HvVp *vp = X86_CPU(cs)->hv_vp;
    int wanted;

    if (likely(!vp) || current_cpu || !cs->stopped) {
        return false;
    }
    wanted = vp->partition->debug_vtl;
    *vtl = wanted;
    return wanted >= 0 && wanted != vp->active_vtl &&
           hv_vtl_enabled(vp, wanted);
}

/* One call of a CPU's method, and what it returns */
typedef struct HvDebugCall {
    GByteArray *array;
    uint8_t *buf;
    int reg;
    int len;
    FILE *file;
    int flags;
    vaddr addr;
    hwaddr phys;
    MemTxAttrs *attrs;
} HvDebugCall;

static void hv_debug_read(HvVp *vp, void *opaque)
{
    HvDebugCall *c = opaque;

    c->len = x86_cpu_gdb_read_register(vp->cs, c->array, c->reg);
}

static int hv_debug_read_register(CPUState *cs, GByteArray *array, int reg)
{
    HvDebugCall c = { .array = array, .reg = reg };
    unsigned vtl;

    if (!hv_debug_elsewhere(cs, &vtl)) {
        return x86_cpu_gdb_read_register(cs, array, reg);
    }
    hv_vtl_with_regs(X86_CPU(cs)->hv_vp, vtl, hv_debug_read, &c);
    return c.len;
}

static void hv_debug_write(HvVp *vp, void *opaque)
{
    HvDebugCall *c = opaque;

    c->len = x86_cpu_gdb_write_register(vp->cs, c->buf, c->reg);
    hv_regs_changed(vp);
}

static int hv_debug_write_register(CPUState *cs, uint8_t *buf, int reg)
{
    HvDebugCall c = { .buf = buf, .reg = reg };
    unsigned vtl;

    if (!hv_debug_elsewhere(cs, &vtl)) {
        return x86_cpu_gdb_write_register(cs, buf, reg);
    }
    hv_vtl_with_regs(X86_CPU(cs)->hv_vp, vtl, hv_debug_write, &c);
    return c.len;
}

static void hv_debug_dump(HvVp *vp, void *opaque)
{
    HvDebugCall *c = opaque;

    x86_cpu_dump_state(vp->cs, c->file, c->flags);
}

static void hv_debug_dump_state(CPUState *cs, FILE *file, int flags)
{
    HvDebugCall c = { .file = file, .flags = flags };
    unsigned vtl;

    if (!hv_debug_elsewhere(cs, &vtl)) {
        x86_cpu_dump_state(cs, file, flags);
        return;
    }
    hv_vtl_with_regs(X86_CPU(cs)->hv_vp, vtl, hv_debug_dump, &c);
}

static void hv_debug_translate(HvVp *vp, void *opaque)
{
    HvDebugCall *c = opaque;

    c->phys = x86_cpu_get_phys_page_attrs_debug(vp->cs, c->addr, c->attrs);
}

static hwaddr hv_debug_get_phys_page(CPUState *cs, vaddr addr,
                                     MemTxAttrs *attrs)
{
    HvDebugCall c = { .addr = addr, .attrs = attrs };
    unsigned vtl;

    if (!hv_debug_elsewhere(cs, &vtl)) {
        return x86_cpu_get_phys_page_attrs_debug(cs, addr, attrs);
    }
    hv_vtl_with_regs(X86_CPU(cs)->hv_vp, vtl, hv_debug_translate, &c);
    return c.phys;
}

void hv_cpu_class_init(CPUClass *cc)
{
    static SysemuCPUOps ops;

    ops = *cc->sysemu_ops;
    ops.get_phys_page_attrs_debug = hv_debug_get_phys_page;
    cc->sysemu_ops = &ops;
    cc->gdb_read_register = hv_debug_read_register;
    cc->gdb_write_register = hv_debug_write_register;
    cc->dump_state = hv_debug_dump_state;
}

/* In front of the first instruction, when the VP's thread has nothing to do */
static void hv_debug_stop(CPUState *cs, run_on_cpu_data data)
{
    if (qemu_chr_find("gdb")) {
        cpu_handle_guest_debug(cs);
    } else {
        /* The same, but for telling gdb which VP it is */
        qemu_system_debug_request();
        cs->stopped = true;
    }
}

void hv_debug_vtl_switched(HvVp *vp)
{
    if (unlikely(vp->partition->debug_vtl_switch)) {
        async_run_on_cpu(vp->cs, hv_debug_stop, RUN_ON_CPU_NULL);
    }
}

static void hv_debug_get_vtl(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    int32_t vtl = HV_PARTITION(obj)->debug_vtl;

    visit_type_int32(v, name, &vtl, errp);
}

static void hv_debug_set_vtl(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    HvPartition *p = HV_PARTITION(obj);
    int32_t vtl;

    if (!visit_type_int32(v, name, &vtl, errp)) {
        return;
    }
    if (vtl < -1 || vtl >= (int)p->nr_vtls) {
        error_setg(errp, "%s is -1, which is the VTL that runs, or 0 to %u",
                   name, p->nr_vtls - 1);
        return;
    }
    p->debug_vtl = vtl;
}

static bool hv_debug_get_switch(Object *obj, Error **errp)
{
    return HV_PARTITION(obj)->debug_vtl_switch;
}

static void hv_debug_set_switch(Object *obj, bool on, Error **errp)
{
    HV_PARTITION(obj)->debug_vtl_switch = on;
}

void hv_debug_init(HvPartition *p)
{
    p->debug_vtl = -1;
    if (p->nr_vtls == 1) {
        return;
    }
    object_property_add(OBJECT(p), "debug-vtl", "int32", hv_debug_get_vtl,
                        hv_debug_set_vtl, NULL, NULL);
    object_property_set_description(OBJECT(p), "debug-vtl",
                                    "VTL whose registers and memory a debugger "
                                    "sees; -1: the one that runs");
    object_property_add_bool(OBJECT(p), "debug-vtl-switch",
                             hv_debug_get_switch, hv_debug_set_switch);
    object_property_set_description(OBJECT(p), "debug-vtl-switch",
                                    "stop the VM when a VP switches to another "
                                    "VTL");
}
