/*
 * Hyper-V virtual processor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "system/cpu-timers.h"
#include "hw/hyperv/partition.h"
#include "migration/vmstate.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "trace.h"

void hv_vp_lock(HvVp *vp)
{
    qemu_mutex_lock(&vp->lock);
}

void hv_vp_raise(HvVtl *vtl, uint8_t vector)
{
    set_bit(vector, vtl->vectors);
    vtl->vp->vectors_pending = true;
}

static void hv_vtl_assert_raised(HvVtl *vtl)
{
    const HvPortOps *ops = vtl->vp->partition->ops;
    DECLARE_BITMAP(vectors, HV_VECTORS);
    unsigned long vector;

    qemu_mutex_lock(&vtl->vp->lock);
    bitmap_copy(vectors, vtl->vectors, HV_VECTORS);
    bitmap_zero(vtl->vectors, HV_VECTORS);
    qemu_mutex_unlock(&vtl->vp->lock);

    for (vector = find_first_bit(vectors, HV_VECTORS); vector < HV_VECTORS;
         vector = find_next_bit(vectors, HV_VECTORS, vector + 1)) {
        ops->assert_vector(vtl, vector);
    }
}

/* Big QEMU lock held */
static void hv_vp_assert_raised(HvVp *vp)
{
    unsigned i;

    qemu_mutex_lock(&vp->lock);
    vp->vectors_pending = false;
    qemu_mutex_unlock(&vp->lock);

    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_vtl_assert_raised(&vp->vtl[i]);
    }
}

static void hv_vp_assert_work(CPUState *cs, run_on_cpu_data data)
{
    HvVp *vp = data.host_ptr;

    qemu_mutex_lock(&vp->lock);
    vp->assert_queued = false;
    qemu_mutex_unlock(&vp->lock);
    hv_vp_assert_raised(vp);
}

void hv_vp_unlock(HvVp *vp)
{
    bool here = bql_locked() || current_cpu;
    bool raised = vp->vectors_pending && (here || !vp->assert_queued);

    if (raised && !here) {
        vp->assert_queued = true;
    }
    qemu_mutex_unlock(&vp->lock);
    if (!raised) {
        return;
    }
    if (here) {
        BQL_LOCK_GUARD();
        hv_vp_assert_raised(vp);
    } else {
        /*
         * An iothread must not wait for the big QEMU lock: its owner may be
         * waiting for the iothread.
         */
        async_run_on_cpu(vp->cs, hv_vp_assert_work, RUN_ON_CPU_HOST_PTR(vp));
    }
}

/* Processor time of the calling thread, in 100 ns units */
static uint64_t hv_thread_time(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec ts;

    if (!icount_enabled() && !clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts)) {
        return ts.tv_sec * 10000000ull + ts.tv_nsec / HV_REF_TIME_NS;
    }
#endif
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / HV_REF_TIME_NS;
}

uint64_t hv_vp_runtime(HvVp *vp)
{
    uint64_t now;

    if (!qemu_cpu_is_self(vp->cs)) {
        return vp->runtime;
    }
    now = hv_thread_time();
    if (vp->runtime_valid) {
        vp->runtime += now - vp->runtime_thread;
    }
    vp->runtime_valid = true;
    vp->runtime_thread = now;
    return vp->runtime;
}

void hv_vp_set_assist(HvVtl *vtl, uint64_t val)
{
    vtl->vp_assist = val;
    hv_overlay_set(&vtl->vp_assist_page, val);
}

/* The SINT that is the hypervisor's own (TLFS 11.6) */
#define HV_INTERCEPT_SINT       0

/* The slot is free: called with the VP's lock held */
static void hv_intercept_deliver(HvMsgSource *src, struct hyperv_message *msg)
{
    HvIntercept *ic = container_of(src, HvIntercept, src);

    if (!msg) {
        return;
    }
    msg->header.message_type = cpu_to_le32(ic->type);
    msg->header.payload_size = ic->size;
    msg->header.sender = cpu_to_le64(HV_PARTITION_ID);
    memcpy(msg->payload, ic->payload, ic->size);
}

void hv_vp_post_intercept(HvVtl *vtl, uint32_t type, const void *payload,
                          uint8_t size)
{
    HvIntercept *ic = &vtl->intercept;

    hv_vp_lock(vtl->vp);
    hv_synic_cancel(vtl, &ic->src);
    ic->type = type;
    ic->size = size;
    memcpy(ic->payload, payload, size);
    hv_synic_post(vtl, &ic->src, HV_INTERCEPT_SINT);
    hv_vp_unlock(vtl->vp);
}

void hv_vtl_clear(HvVtl *vtl)
{
    hv_stimer_reset(vtl);
    hv_synic_reset(vtl);
    hv_vp_set_assist(vtl, 0);
    hv_overlay_clear(&vtl->vp_assist_page);
    vtl->eoi_assist_armed = false;
    vtl->vina = 0;
    memset(vtl->level, 0, sizeof(vtl->level));
    memset(vtl->secure_config, 0, sizeof(vtl->secure_config));
    memset(vtl->cr_intercept, 0, sizeof(vtl->cr_intercept));
    vtl->cpuid_results.nr = 0;
    vtl->intercept.saved = false;
    vtl->nr_saved = 0;
}

/* Before the CPU and its APIC are reset */
static void hv_vp_reset_enter(Object *obj, ResetType type)
{
    HvVp *vp = HV_VP(obj);

    if (vp->enabled_vtls != 1) {
        vp->partition->ops->vtl_reset(vp);
    }
}

static void hv_vp_reset_hold(Object *obj, ResetType type)
{
    HvVp *vp = HV_VP(obj);
    unsigned i;

    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_vtl_clear(&vp->vtl[i]);
    }
    vp->idle = false;
    vp->pending_event = 0;
    vp->loaded = false;
}

/* Queue again what waited when the stream was written */
static void hv_vtl_post_saved(HvVtl *vtl)
{
    unsigned i;

    hv_vp_lock(vtl->vp);
    for (i = 0; i < vtl->nr_saved; i++) {
        HvStimer *t = &vtl->stimer[vtl->saved[i]];

        /* A timer of KVM's is enabled until its message is delivered */
        if (!(t->config & HV_STIMER_PERIODIC)) {
            t->config &= ~HV_STIMER_ENABLE;
        }
        if (!t->src.queued) {
            hv_synic_post(vtl, &t->src, (t->config >> HV_STIMER_SINT_SHIFT) &
                                        HV_STIMER_SINT_MASK);
        }
    }
    /* There is no other message for its SINT: timers have none for it */
    if (vtl->intercept.saved && !vtl->intercept.src.queued) {
        hv_synic_post(vtl, &vtl->intercept.src, HV_INTERCEPT_SINT);
    }
    vtl->intercept.saved = false;
    hv_vp_unlock(vtl->vp);
}

/* TLFS 16.6: tell a guest that asked for it that it has been migrated */
static void hv_vp_reenlighten(HvVp *vp)
{
    HvPartition *p = vp->partition;
    uint64_t control = p->reenlightenment_control;
    uint8_t vector = control & HV_REENLIGHTENMENT_VECTOR_MASK;

    if ((control & HV_REENLIGHTENMENT_ENABLE) &&
        control >> HV_REENLIGHTENMENT_TARGET_SHIFT == vp->index &&
        vector >= HV_VECTOR_MIN) {
        p->ops->assert_vector(&vp->vtl[0], vector);
    }
}

/*
 * Messages and timers go on when the VM runs, not in a post_load hook: the
 * APIC's state may be loaded later than the VP's, and the stream's source may
 * have had no section for the VP, if it was KVM.
 */
static void hv_vp_vm_state_change(void *opaque, bool running, RunState state)
{
    HvVp *vp = opaque;
    unsigned i;

    if (!running || !vp->loaded) {
        return;
    }
    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_vtl_post_saved(&vp->vtl[i]);
    }
    if (vp->partition->ops->load_pending_event) {
        vp->partition->ops->load_pending_event(vp);
    }
    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_stimer_load(&vp->vtl[i], vp->loaded_timers);
    }
    hv_vp_reenlighten(vp);
    vp->loaded = false;
    vp->loaded_timers = false;
}

/* Whose message waits: timers, in the order of their SINT's queue */
static void hv_vtl_note_queued(HvVtl *vtl)
{
    HvMsgSource *src;
    unsigned i, j;

    vtl->nr_saved = 0;
    vtl->intercept.saved = vtl->intercept.src.queued;
    for (i = 0; i < HV_SINT_COUNT; i++) {
        QTAILQ_FOREACH(src, &vtl->synic.queue[i], link) {
            for (j = 0; j < HV_STIMERS; j++) {
                if (src == &vtl->stimer[j].src) {
                    vtl->saved[vtl->nr_saved++] = j;
                }
            }
        }
    }
}

static int hv_vtl_check_saved(const HvVtl *vtl)
{
    unsigned i;

    if (vtl->nr_saved > HV_STIMERS) {
        return -EINVAL;
    }
    for (i = 0; i < vtl->nr_saved; i++) {
        if (vtl->saved[i] >= HV_STIMERS) {
            return -EINVAL;
        }
    }
    return 0;
}

static int hv_vp_pre_save(void *opaque)
{
    HvVp *vp = opaque;

    /* If it was loaded and has not run since, nothing is queued yet */
    if (!vp->loaded) {
        hv_vtl_note_queued(&vp->vtl[0]);
    }
    return 0;
}

static int hv_vp_post_load(void *opaque, int version_id)
{
    HvVp *vp = opaque;

    vp->loaded_timers = true;
    return hv_vtl_check_saved(&vp->vtl[0]);
}

static int hv_vtl_pre_save(void *opaque)
{
    HvVtl *vtl = opaque;

    if (!vtl->vp->loaded) {
        hv_vtl_note_queued(vtl);
    }
    return 0;
}

static int hv_vtl_post_load(void *opaque, int version_id)
{
    HvVtl *vtl = opaque;

    hv_vp_set_assist(vtl, vtl->vp_assist);
    hv_synic_load(vtl);
    return hv_vtl_check_saved(vtl);
}

static const VMStateDescription vmstate_hv_stimer = {
    .name = "hv-vp/stimer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(exp_time, HvStimer),
        VMSTATE_UINT64(msg_exp_time, HvStimer),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hv_vtl_stimer = {
    .name = "hv-vtl/stimer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(config, HvStimer),
        VMSTATE_UINT64(count, HvStimer),
        VMSTATE_UINT64(exp_time, HvStimer),
        VMSTATE_UINT64(msg_exp_time, HvStimer),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_intercept_saved(void *opaque)
{
    HvVtl *vtl = opaque;

    return vtl->intercept.saved;
}

static int hv_intercept_post_load(void *opaque, int version_id)
{
    HvVtl *vtl = opaque;

    return vtl->intercept.size > HV_MESSAGE_PAYLOAD_SIZE ? -EINVAL : 0;
}

static const VMStateDescription vmstate_hv_vtl_intercept = {
    .name = "hv-vtl/intercept",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_intercept_saved,
    .post_load = hv_intercept_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(intercept.saved, HvVtl),
        VMSTATE_UINT32(intercept.type, HvVtl),
        VMSTATE_UINT8(intercept.size, HvVtl),
        VMSTATE_UINT8_ARRAY(intercept.payload, HvVtl, HV_MESSAGE_PAYLOAD_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_cr_intercept_needed(void *opaque)
{
    HvVtl *vtl = opaque;

    return !buffer_is_zero(vtl->cr_intercept, sizeof(vtl->cr_intercept));
}

static const VMStateDescription vmstate_hv_vtl_cr_intercept = {
    .name = "hv-vtl/cr-intercept",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_cr_intercept_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_ARRAY(cr_intercept, HvVtl, HV_CR_INTERCEPT_REGS),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_level_needed(void *opaque)
{
    HvVtl *vtl = opaque;

    return !buffer_is_zero(vtl->level, sizeof(vtl->level));
}

static const VMStateDescription vmstate_hv_vtl_level = {
    .name = "hv-vtl/level",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_level_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(level, HvVtl, HV_VECTORS / 32),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_vtl_cpuid_results_needed(void *opaque)
{
    HvVtl *vtl = opaque;

    return vtl->cpuid_results.nr;
}

static const VMStateDescription vmstate_hv_vtl_cpuid_results = {
    .name = "hv-vtl/cpuid-results",
    .version_id = 2,
    .minimum_version_id = 2,
    .needed = hv_vtl_cpuid_results_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(cpuid_results, HvVtl, 1, vmstate_hv_cpuid_results,
                       HvCpuidResults),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_hv_vtl = {
    .name = "hv-vtl",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = hv_vtl_pre_save,
    .post_load = hv_vtl_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(vp_assist, HvVtl),
        VMSTATE_BOOL(eoi_assist_armed, HvVtl),
        VMSTATE_UINT64(vina, HvVtl),
        VMSTATE_UINT64_ARRAY(secure_config, HvVtl, HV_NUM_VTLS),
        VMSTATE_UINT64(synic.scontrol, HvVtl),
        VMSTATE_UINT64(synic.siefp, HvVtl),
        VMSTATE_UINT64(synic.simp, HvVtl),
        VMSTATE_UINT64(synic.sirbp, HvVtl),
        VMSTATE_UINT64_ARRAY(synic.sint, HvVtl, HV_SINT_COUNT),
        VMSTATE_STRUCT_ARRAY(stimer, HvVtl, HV_STIMERS, 1,
                             vmstate_hv_vtl_stimer, HvStimer),
        VMSTATE_UINT8(nr_saved, HvVtl),
        VMSTATE_UINT8_ARRAY(saved, HvVtl, HV_STIMERS),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_vtl_intercept,
        &vmstate_hv_vtl_cr_intercept,
        &vmstate_hv_vtl_cpuid_results,
        &vmstate_hv_vtl_level,
        NULL
    }
};

static bool hv_vp_pending_event_needed(void *opaque)
{
    HvVp *vp = opaque;

    return vp->loaded ? vp->pending_event : hv_vp_event_pending(vp);
}

static const VMStateDescription vmstate_hv_vp_pending_event = {
    .name = "hv-vp/pending-event",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_vp_pending_event_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(pending_event, HvVp),
        VMSTATE_END_OF_LIST()
    }
};

static bool hv_vp_assist_page_needed(void *opaque)
{
    HvVp *vp = opaque;

    return !buffer_is_zero(vp->vtl[0].vp_assist_page.host, HV_PAGE_SIZE);
}

static const VMStateDescription vmstate_hv_vp_assist_page = {
    .name = "hv-vp/assist-page",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_vp_assist_page_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER_POINTER_UNSAFE(vtl[0].vp_assist_page.host, HvVp, 0,
                                      HV_PAGE_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

/* The same of VTL 0 */
static bool hv_vp_level_needed(void *opaque)
{
    HvVp *vp = opaque;

    return hv_level_needed(&vp->vtl[0]);
}

static const VMStateDescription vmstate_hv_vp_level = {
    .name = "hv-vp/level",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = hv_vp_level_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(vtl[0].level, HvVp, HV_VECTORS / 32),
        VMSTATE_END_OF_LIST()
    }
};

/* Read by a kernel's Hyper-V, too: target/i386/hyperv/migration-kernel.c */
static const VMStateDescription vmstate_hv_vp = {
    .name = "hv-vp",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = hv_vp_pre_save,
    .post_load = hv_vp_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_ARRAY(vtl[0].stimer, HvVp, HV_STIMERS, 1,
                             vmstate_hv_stimer, HvStimer),
        VMSTATE_UINT8(vtl[0].nr_saved, HvVp),
        VMSTATE_UINT8_ARRAY(vtl[0].saved, HvVp, HV_STIMERS),
        VMSTATE_UINT64(vtl[0].synic.sirbp, HvVp),
        VMSTATE_BOOL(vtl[0].eoi_assist_armed, HvVp),
        VMSTATE_BOOL(idle, HvVp),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_vp_pending_event,
        &vmstate_hv_vp_assist_page,
        &vmstate_hv_vp_level,
        NULL
    }
};

static void hv_vp_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    HvVp *vp = HV_VP(dev);
    unsigned i;

    for (i = 0; i < vp->partition->nr_vtls; i++) {
        HvVtl *vtl = &vp->vtl[i];
        g_autofree char *name = g_strdup_printf("hv-vp-assist-page-%u.%u",
                                                vp->index, i);

        vtl->vp = vp;
        vtl->intercept.src.deliver = hv_intercept_deliver;
        hv_synic_init(vtl, errp);
        if (*errp) {
            return;
        }
        hv_stimer_init(vtl);
        hv_overlay_init(&vtl->vp_assist_page, OBJECT(vp), name, i, false,
                        i > 0, errp);
        if (*errp) {
            return;
        }
    }
    vp->vmstate_change = qemu_add_vm_change_state_handler(
        hv_vp_vm_state_change, vp);
    vmstate_register(VMSTATE_IF(vp), vp->index, &vmstate_hv_vp, vp);
    qemu_register_resettable(OBJECT(vp));
    resettable_reset(OBJECT(vp), RESET_TYPE_COLD);
}

static void hv_vp_unrealize(DeviceState *dev)
{
    HvVp *vp = HV_VP(dev);
    unsigned i;

    qemu_unregister_resettable(OBJECT(vp));
    vmstate_unregister(VMSTATE_IF(vp), &vmstate_hv_vp, vp);
    qemu_del_vm_change_state_handler(vp->vmstate_change);
    resettable_reset(OBJECT(vp), RESET_TYPE_COLD);
    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_stimer_unrealize(&vp->vtl[i]);
        hv_synic_unrealize(&vp->vtl[i]);
        hv_overlay_unrealize(&vp->vtl[i].vp_assist_page, dev);
    }
}

static void hv_vp_init(Object *obj)
{
    HvVp *vp = HV_VP(obj);

    qemu_mutex_init(&vp->lock);
    qemu_mutex_init(&vp->tlb.lock);
    vp->hcall_in = g_malloc(HV_PAGE_SIZE);
    vp->hcall_out = g_malloc(HV_PAGE_SIZE);
}

static void hv_vp_finalize(Object *obj)
{
    HvVp *vp = HV_VP(obj);

    g_free(vp->stats.hypercalls);
    g_free(vp->hcall_in);
    g_free(vp->hcall_out);
    qemu_mutex_destroy(&vp->tlb.lock);
    qemu_mutex_destroy(&vp->lock);
}

static void hv_vp_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Hyper-V virtual processor";
    dc->realize = hv_vp_realize;
    dc->unrealize = hv_vp_unrealize;
    dc->user_creatable = false;
    rc->phases.enter = hv_vp_reset_enter;
    rc->phases.hold = hv_vp_reset_hold;
}

static const TypeInfo hv_vp_type_info = {
    .name = TYPE_HV_VP,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(HvVp),
    .instance_init = hv_vp_init,
    .instance_finalize = hv_vp_finalize,
    .class_init = hv_vp_class_init,
};

static void hv_vp_register_types(void)
{
    type_register_static(&hv_vp_type_info);
}

type_init(hv_vp_register_types)

HvVp *hv_vp_create(HvPartition *p, CPUState *cs, Error **errp)
{
    HvVp *vp;
    unsigned i;

    if (cs->cpu_index >= p->nr_vps) {
        error_setg(errp, "CPU index %d is beyond the %u virtual processors of "
                   "the Hyper-V partition", cs->cpu_index, p->nr_vps);
        return NULL;
    }
    vp = HV_VP(object_new(TYPE_HV_VP));
    vp->partition = p;
    vp->cs = cs;
    vp->index = cs->cpu_index;
    vp->enabled_vtls = 1;
    object_property_add_child(OBJECT(cs), "hv-vp", OBJECT(vp));
    object_unref(OBJECT(vp));
    if (!qdev_realize(DEVICE(vp), NULL, errp)) {
        object_unparent(OBJECT(vp));
        return NULL;
    }
    /* Behind the reset that ends its realization */
    for (i = 0; i < p->nr_vtls; i++) {
        vp->vtl[i].cpuid_results = p->vtl[i].cpuid_results;
    }
    qatomic_rcu_set(&p->vps[vp->index], vp);
    return vp;
}

static void hv_vp_free(struct rcu_head *rcu)
{
    HvVp *vp = container_of(rcu, HvVp, rcu);
    Object *cpu = OBJECT(vp->cs);

    object_unref(OBJECT(vp));
    object_unref(cpu);
}

void hv_vp_destroy(HvVp *vp)
{
    qatomic_rcu_set(&vp->partition->vps[vp->index], NULL);
    /* Others may still look at it, and at its CPU */
    object_ref(OBJECT(vp));
    object_ref(OBJECT(vp->cs));
    object_unparent(OBJECT(vp));
    call_rcu1(&vp->rcu, hv_vp_free);
}
