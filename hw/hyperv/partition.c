/*
 * Hyper-V partition: the state that all virtual processors share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "exec/address-spaces.h"
#include "exec/cpu-common.h"
#include "hw/boards.h"
#include "hw/hyperv/partition.h"
#include "migration/vmstate.h"
#include "qemu/lockable.h"
#include "system/reset.h"
#include "trace.h"

/*
 * The answer never changes once the first CPU is realized, so it is looked
 * up in the object tree only until then.
 */
static HvPartition *hv_partition;

HvPartition *hv_partition_get(void)
{
    return hv_partition;
}

void hv_partition_set_hypercall_code(HvPartition *p, const uint8_t *code,
                                     size_t len)
{
    p->hypercall_code = code;
    p->hypercall_code_len = len;
}

/* A migration stream has the page of the accelerator that it comes from */
static void hv_partition_fill_hypercall_page(HvPartition *p, HvOverlay *ov)
{
    memset(ov->host, HV_HYPERCALL_PAGE_FILL, HV_PAGE_SIZE);
    memcpy(ov->host, p->hypercall_code, p->hypercall_code_len);
    hv_overlay_dirty(ov);
}

void hv_partition_set_hypercall(HvPartition *p, unsigned vtl, uint64_t val)
{
    HvPartitionVtl *v = &p->vtl[vtl];

    /* TLFS 3.13: without a guest OS identity the page stays disabled */
    if (!v->guest_os_id) {
        val &= ~HV_OVERLAY_ENABLE;
    }
    qemu_mutex_lock(&p->lock);
    v->hypercall = val;
    qemu_mutex_unlock(&p->lock);
    if (val & HV_OVERLAY_ENABLE) {
        hv_partition_fill_hypercall_page(p, &v->hypercall_page);
    }
    hv_overlay_set(&v->hypercall_page, val);
}

void hv_partition_set_guest_os_id(HvPartition *p, unsigned vtl, uint64_t val)
{
    HvPartitionVtl *v = &p->vtl[vtl];

    qemu_mutex_lock(&p->lock);
    v->guest_os_id = val;
    qemu_mutex_unlock(&p->lock);
    if (!val) {
        hv_partition_set_hypercall(p, vtl, v->hypercall);
    }
}

void hv_partition_set_reference_tsc(HvPartition *p, unsigned vtl, uint64_t val)
{
    HvPartitionVtl *v = &p->vtl[vtl];

    qemu_mutex_lock(&p->lock);
    v->reference_tsc = val;
    qemu_mutex_unlock(&p->lock);
    if (val & HV_OVERLAY_ENABLE) {
        hv_reftime_fill_page(p, v->reference_tsc_page.host);
        hv_overlay_dirty(&v->reference_tsc_page);
    }
    hv_overlay_set(&v->reference_tsc_page, val);
}

bool hv_partition_write_denied(HvPartition *p, hwaddr gpa)
{
    unsigned i;

    for (i = 0; i < p->nr_vtls; i++) {
        if (hv_overlay_write_denied(&p->vtl[i].hypercall_page, gpa) ||
            hv_overlay_write_denied(&p->vtl[i].reference_tsc_page, gpa)) {
            return true;
        }
    }
    return false;
}

static bool hv_vtl_is_overlay(const HvVtl *vtl, hwaddr gpa)
{
    return hv_overlay_covers(&vtl->synic.simp_page, gpa) ||
           hv_overlay_covers(&vtl->synic.siefp_page, gpa) ||
           hv_overlay_covers(&vtl->vp_assist_page, gpa);
}

/* Has one of the first @nr trust levels of a VP an overlay page at @gpa? */
static bool hv_vps_have_overlay(HvPartition *p, unsigned nr, hwaddr gpa)
{
    unsigned i, j;

    for (i = 0; i < nr; i++) {
        for (j = 0; j < p->nr_vps; j++) {
            HvVp *vp = hv_partition_vp(p, j);

            if (vp && hv_vtl_is_overlay(&vp->vtl[i], gpa)) {
                return true;
            }
        }
    }
    return false;
}

bool hv_partition_is_overlay(HvPartition *p, hwaddr gpa)
{
    /* The partition's own are those that nobody may write to */
    return hv_partition_write_denied(p, gpa) ||
           hv_vps_have_overlay(p, p->nr_vtls, gpa);
}

uint8_t hv_partition_vtl_access(HvPartition *p, unsigned vtl, hwaddr gpa,
                                unsigned *by, bool *chunk)
{
    uint8_t mask = HV_MAP_GPA_ALL;
    unsigned i;

    if (chunk) {
        *chunk = true;
    }
    for (i = vtl + 1; i < p->nr_vtls; i++) {
        HvProtection *pr = &p->vtl[i].protection;
        bool same;
        uint8_t m;

        if (!qatomic_read(&pr->enabled)) {
            continue;
        }
        m = hv_protection_get(pr, gpa, &same);
        if (by && mask == HV_MAP_GPA_ALL && m != HV_MAP_GPA_ALL) {
            *by = i;
        }
        if (chunk) {
            *chunk &= same;
        }
        mask &= m;
    }
    return mask;
}

bool hv_partition_enable_protection(HvPartition *p, unsigned vtl, uint8_t mask)
{
    if (!hv_dma_set_filter(p->dma, true)) {
        return false;
    }
    hv_protection_enable(&p->vtl[vtl].protection, mask);
    qatomic_set(&p->protection_epoch, p->protection_epoch + 1);
    return true;
}

bool hv_partition_protect(HvPartition *p, unsigned vtl, hwaddr gpa,
                          uint8_t mask)
{
    QEMU_LOCK_GUARD(&p->dma->lock);
    if ((mask & HV_MAP_GPA_RW) != HV_MAP_GPA_RW &&
        (hv_dma_page_locked(p->dma, gpa >> HV_PAGE_SHIFT) ||
         hv_vps_have_overlay(p, vtl, gpa))) {
        return false;
    }
    hv_protection_set(&p->vtl[vtl].protection, gpa, mask);
    return true;
}

AddressSpace *hv_partition_memory(HvPartition *p, unsigned vtl)
{
    return vtl ? &p->dma->memory : &address_space_memory;
}

/*
 * A PC's firmware is left in its shadow RAM by a reset, and starts there: not
 * every chip set maps the ROM again.
 */
#define HV_SHADOW_START 0xc0000
#define HV_SHADOW_END   0x100000

static bool hv_is_shadow(MemoryRegion *mr, ram_addr_t offset)
{
    return mr == MACHINE(qdev_get_machine())->ram &&
           offset >= HV_SHADOW_START && offset < HV_SHADOW_END;
}

/* RAM that the guest may have written to, but no ROM and no device's */
static int hv_zero_block(RAMBlock *rb, void *opaque)
{
    char *host = qemu_ram_get_host_addr(rb);
    ram_addr_t offset, len = qemu_ram_get_used_length(rb);
    MemoryRegion *mr = memory_region_from_host(host, &offset);

    if (!mr || !memory_region_is_ram(mr) || memory_region_is_rom(mr) ||
        memory_region_is_romd(mr) || memory_region_is_ram_device(mr)) {
        return 0;
    }
    for (offset = 0; offset < len; offset += HV_PAGE_SIZE) {
        size_t size = MIN(HV_PAGE_SIZE, len - offset);

        /* One that the host has given no memory to stays so */
        if (!hv_is_shadow(mr, offset) &&
            !buffer_is_zero(host + offset, size)) {
            memset(host + offset, 0, size);
        }
    }
    memory_region_set_dirty(mr, 0, len);
    return 0;
}

/*
 * TLFS 15.5: no trust level's memory is left to what runs next.  Before
 * firmware is put in its place again.
 */
static void hv_partition_reset_enter(Object *obj, ResetType type)
{
    HvPartition *p = HV_PARTITION(obj);
    unsigned i;

    for (i = 1; i < p->nr_vtls && type != RESET_TYPE_SNAPSHOT_LOAD; i++) {
        if ((p->enabled_vtls & (1u << i)) &&
            (p->vtl[i].vsm_config & HV_VSM_ZERO_MEMORY_ON_RESET)) {
            qemu_ram_foreach_block(hv_zero_block, NULL);
            break;
        }
    }
}

static void hv_partition_clear_vtl(HvPartition *p, unsigned vtl)
{
    HvPartitionVtl *v = &p->vtl[vtl];

    hv_partition_set_guest_os_id(p, vtl, 0);
    hv_partition_set_hypercall(p, vtl, 0);
    hv_partition_set_reference_tsc(p, vtl, 0);
    hv_protection_reset(&v->protection);
    v->vsm_config = 0;
    memset(&v->installed, 0, sizeof(v->installed));
    v->cpuid_results.nr = 0;
    p->mbec_vtls &= ~(1u << vtl);
    if (p->dma && !hv_partition_protected(p, 0)) {
        hv_dma_set_filter(p->dma, false);
    }
}

void hv_partition_disable_vtl(HvPartition *p, unsigned vtl)
{
    hv_partition_clear_vtl(p, vtl);
    p->enabled_vtls &= ~(1u << vtl);
}

static void hv_partition_reset_hold(Object *obj, ResetType type)
{
    HvPartition *p = HV_PARTITION(obj);
    unsigned i;

    for (i = 0; i < p->nr_vtls; i++) {
        hv_partition_clear_vtl(p, i);
    }
    p->cpuid_loaded = false;
    p->kernel_cpuid_loaded = false;
    p->enabled_vtls = 1;
    p->extint_vector = HV_INTERRUPT_VECTOR_NONE;
    p->extint_acknowledged = false;
    memset(p->crash_param, 0, sizeof(p->crash_param));
    p->crash_ctl = 0;
    g_clear_pointer(&p->crash_message, g_free);
    p->reenlightenment_control = 0;
    p->tsc_emulation_control = 0;
    p->tsc_emulation_status = 0;
    p->tsc_invariant_control = 0;
    p->syndbg_control = 0;
    p->syndbg_status = 0;
    p->syndbg_send_page = 0;
    p->syndbg_recv_page = 0;
    p->syndbg_pending_page = 0;
    p->syndbg_options = 0;
}

/* The clock that a TSC is compared with has stood still meanwhile */
static void hv_partition_vm_state_change(void *opaque, bool running,
                                         RunState state)
{
    HvPartition *p = opaque;
    unsigned i;

    if (!running) {
        hv_reftime_stop(p);
        return;
    }
    for (i = 0; i < p->nr_vtls; i++) {
        if (p->vtl[i].reference_tsc & HV_OVERLAY_ENABLE) {
            hv_partition_set_reference_tsc(p, i, p->vtl[i].reference_tsc);
        }
    }
}

static void hv_partition_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    HvPartition *p = HV_PARTITION(dev);
    unsigned i;

    for (i = 0; i < p->nr_vtls; i++) {
        g_autofree char *hcall = g_strdup_printf("hv-hypercall-page.%u", i);
        g_autofree char *tsc = g_strdup_printf("hv-reference-tsc-page.%u", i);

        hv_overlay_init(&p->vtl[i].hypercall_page, OBJECT(p), hcall, i, true,
                        i > 0, errp);
        if (*errp) {
            return;
        }
        hv_overlay_init(&p->vtl[i].reference_tsc_page, OBJECT(p), tsc, i, true,
                        i > 0, errp);
        if (*errp) {
            return;
        }
    }
    if (p->nr_vtls > 1) {
        p->dma = hv_dma_init(p);
    }
    qemu_add_vm_change_state_handler(hv_partition_vm_state_change, p);
    qemu_register_resettable(OBJECT(p));
}

static void hv_partition_init(Object *obj)
{
    HvPartition *p = HV_PARTITION(obj);
    unsigned i;

    qemu_mutex_init(&p->lock);
    seqlock_init(&p->clock.lock);
    qemu_mutex_init(&p->connections_lock);
    qemu_mutex_init(&p->tlb_lock);
    qemu_cond_init(&p->tlb_cond);
    QLIST_INIT(&p->connections);
    for (i = 0; i < HV_NUM_VTLS; i++) {
        hv_protection_init(&p->vtl[i].protection);
    }
}

static void hv_partition_finalize(Object *obj)
{
    HvPartition *p = HV_PARTITION(obj);
    unsigned i;

    for (i = 0; i < HV_NUM_VTLS; i++) {
        hv_protection_cleanup(&p->vtl[i].protection);
    }
    g_free(p->vps);
    g_free(p->crash_message);
    qemu_cond_destroy(&p->tlb_cond);
    qemu_mutex_destroy(&p->tlb_lock);
    qemu_mutex_destroy(&p->connections_lock);
    qemu_mutex_destroy(&p->lock);
}

static bool hv_partition_protection_needed(void *opaque)
{
    HvPartition *p = opaque;
    bool needed = p->mbec_vtls;
    unsigned i;

    for (i = 0; i < p->nr_vtls; i++) {
        needed |= p->vtl[i].protection.enabled;
    }
    return needed;
}

static bool hv_partition_tsc_page_needed(void *opaque)
{
    HvPartition *p = opaque;

    return p->vtl[0].reference_tsc & HV_OVERLAY_ENABLE;
}

/* What the guest may be reading */
static const VMStateDescription vmstate_hv_partition_tsc_page = {
    .name = "hv-partition/tsc-page",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_tsc_page_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER_POINTER_UNSAFE(vtl[0].reference_tsc_page.host,
                                      HvPartition, 0,
                                      sizeof(struct hv_reference_tsc_page)),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_extint_needed(void *opaque)
{
    HvPartition *p = opaque;

    return p->extint_vector != HV_INTERRUPT_VECTOR_NONE ||
           p->extint_acknowledged;
}

/*
 * What QEMU's cpu/msr_hyperv_* sections carry already is not here: it travels
 * with each CPU, so that TCG and KVM read each other's streams.
 */
static bool hv_partition_vmstate_needed(void *opaque)
{
    HvPartition *p = opaque;

    return p->enabled_vtls != 1 ||
           hv_partition_tsc_page_needed(p) ||
           p->clock.offset || p->tsc_invariant_control || p->crash_ctl ||
           p->syndbg_control || p->syndbg_status || p->syndbg_send_page ||
           p->syndbg_recv_page || p->syndbg_pending_page ||
           p->syndbg_options || hv_partition_protection_needed(p) ||
           hv_extint_needed(p);
}

static bool hv_partition_clock_needed(void *opaque)
{
    HvPartition *p = opaque;

    return p->clock.offset;
}

static const VMStateDescription vmstate_hv_partition_clock = {
    .name = "hv-partition/clock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_clock_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_INT64(clock.offset, HvPartition),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_partition_vtls_needed(void *opaque)
{
    HvPartition *p = opaque;

    return p->enabled_vtls != 1;
}

/* As the guest wrote them, in the order that they depend on each other */
static int hv_partition_vtls_post_load(void *opaque, int version_id)
{
    HvPartition *p = opaque;
    unsigned i;

    if (!(p->enabled_vtls & 1) || p->enabled_vtls >> p->nr_vtls) {
        return -EINVAL;
    }
    for (i = 1; i < p->nr_vtls; i++) {
        hv_partition_set_guest_os_id(p, i, p->vtl[i].guest_os_id);
        hv_partition_set_hypercall(p, i, p->vtl[i].hypercall);
        hv_partition_set_reference_tsc(p, i, p->vtl[i].reference_tsc);
    }
    return 0;
}

static bool hv_installed_needed(void *opaque)
{
    HvPartitionVtl *vtl = opaque;

    return vtl->installed.types;
}

static int hv_installed_post_load(void *opaque, int version_id)
{
    HvPartitionVtl *vtl = opaque;

    return vtl->installed.nr_cpuid > HV_CPUID_INTERCEPTS ? -EINVAL : 0;
}

static const VMStateDescription vmstate_hv_installed = {
    .name = "hv-partition/vtl/installed",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_installed_needed,
    .post_load = hv_installed_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_2DARRAY(installed.io, HvPartitionVtl, 2,
                              HV_IO_PORTS / 8),
        VMSTATE_UINT8(installed.msr, HvPartitionVtl),
        VMSTATE_UINT32(installed.exceptions, HvPartitionVtl),
        VMSTATE_UINT32(installed.nr_cpuid, HvPartitionVtl),
        VMSTATE_UINT32_ARRAY(installed.cpuid, HvPartitionVtl,
                             HV_CPUID_INTERCEPTS),
        VMSTATE_UINT32(installed.types, HvPartitionVtl),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_cpuid_result = {
    .name = "hv-cpuid-results/result",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(eax, HvCpuidResult),
        VMSTATE_UINT32(ecx, HvCpuidResult),
        VMSTATE_BOOL(subleaf, HvCpuidResult),
        VMSTATE_BOOL(always, HvCpuidResult),
        VMSTATE_UINT32_ARRAY(val, HvCpuidResult, 4),
        VMSTATE_UINT32_ARRAY(mask, HvCpuidResult, 4),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_cpuid_results_fit(void *opaque, int version_id)
{
    HvCpuidResults *r = opaque;

    return r->nr <= HV_CPUID_RESULTS;
}

const VMStateDescription vmstate_hv_cpuid_results = {
    .name = "hv-cpuid-results",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(nr, HvCpuidResults),
        VMSTATE_VALIDATE("number of CPUID results", hv_cpuid_results_fit),
        VMSTATE_STRUCT_VARRAY_UINT32(result, HvCpuidResults, nr, 1,
                                     vmstate_hv_cpuid_result, HvCpuidResult),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_partition_cpuid_results_needed(void *opaque)
{
    HvPartitionVtl *vtl = opaque;

    return vtl->cpuid_results.nr;
}

static const VMStateDescription vmstate_hv_partition_cpuid_results = {
    .name = "hv-partition/vtl/cpuid-results",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_cpuid_results_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(cpuid_results, HvPartitionVtl, 1,
                       vmstate_hv_cpuid_results, HvCpuidResults),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_partition_vtl = {
    .name = "hv-partition/vtl",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(guest_os_id, HvPartitionVtl),
        VMSTATE_UINT64(hypercall, HvPartitionVtl),
        VMSTATE_UINT64(reference_tsc, HvPartitionVtl),
        VMSTATE_UINT64(vsm_config, HvPartitionVtl),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_installed,
        &vmstate_hv_partition_cpuid_results,
        NULL
    }
};

/* Trust levels above 0 */
static const VMStateDescription vmstate_hv_partition_vtls = {
    .name = "hv-partition/vtls",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_vtls_needed,
    .post_load = hv_partition_vtls_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(enabled_vtls, HvPartition),
        VMSTATE_STRUCT_SUB_ARRAY(vtl, HvPartition, 1, HV_NUM_VTLS - 1, 1,
                                 vmstate_hv_partition_vtl, HvPartitionVtl),
        VMSTATE_END_OF_LIST()
    }
};

static int hv_partition_protection_post_load(void *opaque, int version_id)
{
    HvPartition *p = opaque;
    unsigned i;

    if (!p->dma) {
        return -EINVAL;
    }
    for (i = 0; i < p->nr_vtls; i++) {
        if (p->vtl[i].protection.enabled && !hv_dma_set_filter(p->dma, true)) {
            return -EINVAL;
        }
    }
    return 0;
}

/* VTL 0 is above none */
static const VMStateDescription vmstate_hv_partition_protection = {
    .name = "hv-partition/protection",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_protection_needed,
    .post_load = hv_partition_protection_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(mbec_vtls, HvPartition),
        VMSTATE_STRUCT(vtl[1].protection, HvPartition, 1,
                       vmstate_hv_protection, HvProtection),
        VMSTATE_STRUCT(vtl[2].protection, HvPartition, 1,
                       vmstate_hv_protection, HvProtection),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_extint_valid(void *opaque, int version_id)
{
    HvPartition *p = opaque;

    return p->extint_vector < HV_VECTORS ||
           p->extint_vector == HV_INTERRUPT_VECTOR_NONE;
}

static const VMStateDescription vmstate_hv_partition_extint = {
    .name = "hv-partition/extint",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_extint_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(extint_vector, HvPartition),
        VMSTATE_VALIDATE("vector", hv_extint_valid),
        VMSTATE_BOOL(extint_acknowledged, HvPartition),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_partition = {
    .name = "hv-partition",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_partition_vmstate_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(tsc_invariant_control, HvPartition),
        VMSTATE_UINT64(crash_ctl, HvPartition),
        VMSTATE_UINT64(syndbg_control, HvPartition),
        VMSTATE_UINT64(syndbg_status, HvPartition),
        VMSTATE_UINT64(syndbg_send_page, HvPartition),
        VMSTATE_UINT64(syndbg_recv_page, HvPartition),
        VMSTATE_UINT64(syndbg_pending_page, HvPartition),
        VMSTATE_UINT64(syndbg_options, HvPartition),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_partition_clock,
        &vmstate_hv_partition_tsc_page,
        &vmstate_hv_partition_vtls,
        &vmstate_hv_partition_protection,
        &vmstate_hv_partition_extint,
        NULL
    }
};

static void hv_partition_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Hyper-V partition";
    dc->realize = hv_partition_realize;
    dc->vmsd = &vmstate_hv_partition;
    dc->user_creatable = false;
    dc->hotpluggable = false;
    rc->phases.enter = hv_partition_reset_enter;
    rc->phases.hold = hv_partition_reset_hold;
}

static const TypeInfo hv_partition_type_info = {
    .name = TYPE_HV_PARTITION,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(HvPartition),
    .instance_init = hv_partition_init,
    .instance_finalize = hv_partition_finalize,
    .class_init = hv_partition_class_init,
};

static void hv_partition_register_types(void)
{
    type_register_static(&hv_partition_type_info);
}

type_init(hv_partition_register_types)

HvPartition *hv_partition_create(const HvPortOps *ops, unsigned nr_vtls,
                                 Error **errp)
{
    MachineState *ms = MACHINE(qdev_get_machine());
    HvPartition *p = HV_PARTITION(object_new(TYPE_HV_PARTITION));

    p->ops = ops;
    p->nr_vtls = nr_vtls;
    p->enabled_vtls = 1;
    p->extint_vector = HV_INTERRUPT_VECTOR_NONE;
    p->nr_vps = ms->smp.max_cpus;
    p->vps = g_new0(HvVp *, p->nr_vps);
    object_property_add_child(OBJECT(ms), "hv-partition", OBJECT(p));
    object_unref(OBJECT(p));
    if (!qdev_realize(DEVICE(p), NULL, errp)) {
        object_unparent(OBJECT(p));
        return NULL;
    }
    hv_partition = p;
    return p;
}
