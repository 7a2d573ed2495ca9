/*
 * Hyper-V virtual processor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
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

void hv_vp_raise(HvVp *vp, uint8_t vector)
{
    set_bit(vector, vp->vectors);
    vp->vectors_pending = true;
}

/* Big QEMU lock held */
static void hv_vp_assert_raised(HvVp *vp)
{
    const HvPortOps *ops = vp->partition->ops;
    DECLARE_BITMAP(vectors, HV_VECTORS);
    unsigned long vector;

    qemu_mutex_lock(&vp->lock);
    bitmap_copy(vectors, vp->vectors, HV_VECTORS);
    bitmap_zero(vp->vectors, HV_VECTORS);
    vp->vectors_pending = false;
    qemu_mutex_unlock(&vp->lock);

    for (vector = find_first_bit(vectors, HV_VECTORS); vector < HV_VECTORS;
         vector = find_next_bit(vectors, HV_VECTORS, vector + 1)) {
        ops->assert_vector(vp->cs, vector);
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

static void hv_vp_reset_hold(Object *obj, ResetType type)
{
    HvVp *vp = HV_VP(obj);
    unsigned i;

    for (i = 0; i < vp->partition->nr_vtls; i++) {
        HvVtl *vtl = &vp->vtl[i];

        hv_stimer_reset(vtl);
        hv_synic_reset(vtl);
        hv_vp_set_assist(vtl, 0);
        hv_overlay_clear(&vtl->vp_assist_page);
        vtl->eoi_assist_armed = false;
    }
    vp->active_vtl = 0;
    vp->idle = false;
    vp->pending_event = 0;
    vp->loaded = false;
    vp->nr_saved = 0;
}

/* Queue again what waited when the stream was written */
static void hv_vp_post_saved(HvVp *vp)
{
    HvVtl *vtl = &vp->vtl[0];
    unsigned i;

    hv_vp_lock(vp);
    for (i = 0; i < vp->nr_saved; i++) {
        HvStimer *t = &vtl->stimer[vp->saved[i]];

        if (!t->src.queued) {
            hv_synic_post(vtl, &t->src, (t->config >> HV_STIMER_SINT_SHIFT) &
                                        HV_STIMER_SINT_MASK);
        }
    }
    hv_vp_unlock(vp);
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
        p->ops->assert_vector(vp->cs, vector);
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
    hv_vp_post_saved(vp);
    if (vp->pending_event && vp->partition->ops->load_pending_event) {
        vp->partition->ops->load_pending_event(vp);
    }
    for (i = 0; i < vp->partition->nr_vtls; i++) {
        hv_stimer_load(&vp->vtl[i], vp->loaded_timers);
    }
    hv_vp_reenlighten(vp);
    vp->loaded = false;
    vp->loaded_timers = false;
}

/* Timers whose message waits, in the order of their SINT's queue */
static int hv_vp_pre_save(void *opaque)
{
    HvVp *vp = opaque;
    HvVtl *vtl = &vp->vtl[0];
    HvMsgSource *src;
    unsigned i, j;

    if (vp->loaded) {
        /* loaded, and saved again before it ran: nothing is queued yet */
        return 0;
    }
    vp->nr_saved = 0;
    for (i = 0; i < HV_SINT_COUNT; i++) {
        QTAILQ_FOREACH(src, &vtl->synic.queue[i], link) {
            for (j = 0; j < HV_STIMERS; j++) {
                if (src == &vtl->stimer[j].src) {
                    vp->saved[vp->nr_saved++] = j;
                }
            }
        }
    }
    return 0;
}

static int hv_vp_post_load(void *opaque, int version_id)
{
    HvVp *vp = opaque;
    unsigned i;

    if (vp->nr_saved > HV_STIMERS) {
        return -EINVAL;
    }
    for (i = 0; i < vp->nr_saved; i++) {
        if (vp->saved[i] >= HV_STIMERS) {
            return -EINVAL;
        }
    }
    vp->loaded_timers = true;
    return 0;
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

static const VMStateDescription vmstate_hv_vp = {
    .name = "hv-vp",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = hv_vp_pre_save,
    .post_load = hv_vp_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_ARRAY(vtl[0].stimer, HvVp, HV_STIMERS, 1,
                             vmstate_hv_stimer, HvStimer),
        VMSTATE_UINT8(nr_saved, HvVp),
        VMSTATE_UINT8_ARRAY(saved, HvVp, HV_STIMERS),
        VMSTATE_UINT64(vtl[0].synic.sirbp, HvVp),
        VMSTATE_BOOL(vtl[0].eoi_assist_armed, HvVp),
        VMSTATE_BOOL(idle, HvVp),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_hv_vp_pending_event,
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
        hv_synic_init(vtl, errp);
        if (*errp) {
            return;
        }
        hv_stimer_init(vtl);
        hv_overlay_init(&vtl->vp_assist_page, OBJECT(vp), name, false, errp);
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

    if (cs->cpu_index >= p->nr_vps) {
        error_setg(errp, "CPU index %d is beyond the %u virtual processors of "
                   "the Hyper-V partition", cs->cpu_index, p->nr_vps);
        return NULL;
    }
    vp = HV_VP(object_new(TYPE_HV_VP));
    vp->partition = p;
    vp->cs = cs;
    vp->index = cs->cpu_index;
    object_property_add_child(OBJECT(cs), "hv-vp", OBJECT(vp));
    object_unref(OBJECT(vp));
    if (!qdev_realize(DEVICE(vp), NULL, errp)) {
        object_unparent(OBJECT(vp));
        return NULL;
    }
    qatomic_set(&p->vps[vp->index], vp);
    return vp;
}

void hv_vp_destroy(HvVp *vp)
{
    qatomic_set(&vp->partition->vps[vp->index], NULL);
    object_unparent(OBJECT(vp));
}
