/*
 * Accelerated twin of an emulated IDE disk: the same disk offered over VMBus,
 * as a generation 1 machine of Hyper-V does
 *
 * The BIOS boots from the IDE disk, and the guest goes on with this one when
 * it has the driver.  Both are front ends of one block node, so that what was
 * written by either is what the other one reads.  That a guest does not use
 * both is its own part, as on Hyper-V: Linux leaves IDE disks alone if SMBIOS
 * has the strings of Hyper-V.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "block/block.h"
#include "block/throttle-groups.h"
#include "hv-scsi-internal.h"
#include "hw/firmware/smbios.h"
#include "hw/hyperv/scsi-proto.h"
#include "hw/ide/ide-bus.h"
#include "hw/ide/pci.h"
#include "hw/qdev-properties.h"
#include "system/block-backend.h"

#define TYPE_HV_IDE "hv-ide"
OBJECT_DECLARE_TYPE(HvIde, HvIdeClass, HV_IDE)

/* What Linux knows a Hyper-V machine by */
#define HV_SMBIOS_MANUFACTURER  "Microsoft Corporation"
#define HV_SMBIOS_PRODUCT       "Virtual Machine"
#define HV_SMBIOS_VERSION       "7.0"

/**
 * HvIde: the twin
 * @channel, @unit: where the IDE disk is
 * @disk: the IDE disk
 */
struct HvIde {
    HvScsi parent_obj;

    uint8_t channel;
    uint8_t unit;
    IDEDevice *disk;
};

struct HvIdeClass {
    VMBusDeviceClass parent_class;

    DeviceRealize parent_realize;
};

static int hv_ide_match(Object *obj, void *opaque)
{
    HvIde *s = opaque;
    IDEDevice *disk;
    IDEBus *bus;

    if (!object_dynamic_cast(obj, "ide-hd") || !qdev_is_realized(DEVICE(obj))) {
        return 0;
    }
    disk = IDE_DEVICE(obj);
    bus = IDE_BUS(qdev_get_parent_bus(DEVICE(obj)));
    if (!object_dynamic_cast(OBJECT(bus->qbus.parent), TYPE_PCI_IDE) ||
        bus->bus_id != s->channel || disk->unit != s->unit) {
        return 0;
    }
    s->disk = disk;
    return 1;
}

static bool hv_ide_add_disk(HvIde *s, Error **errp)
{
    BlockBackend *blk = s->disk->conf.blk;
    DeviceState *dev;
    ThrottleGroupMember *tgm;
    uint64_t perm, shared;

    blk_get_perm(blk, &perm, &shared);
    if (blk_set_perm(blk, perm, shared | BLK_PERM_WRITE, errp) < 0) {
        return false;
    }
    dev = qdev_new("scsi-hd");
    qdev_prop_set_uint32(dev, "scsi-id", s->unit);
    qdev_prop_set_uint32(dev, "lun", 0);
    qdev_prop_set_string(dev, "serial", s->disk->serial);
    qdev_prop_set_bit(dev, "share-rw", true);
    qdev_prop_set_enum(dev, "write-cache", blk_enable_write_cache(blk) ?
                       ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF);
    qdev_prop_set_enum(dev, "rerror", blk_get_on_error(blk, true));
    qdev_prop_set_enum(dev, "werror", blk_get_on_error(blk, false));
    if (!object_property_set_str(OBJECT(dev), "drive",
                                 bdrv_get_node_name(blk_bs(blk)), errp)) {
        object_unref(dev);
        return false;
    }
    if (!qdev_realize_and_unref(dev, BUS(&s->parent_obj.bus), errp)) {
        return false;
    }
    qbus_mark_full(BUS(&s->parent_obj.bus));

    tgm = &blk_get_public(blk)->throttle_group_member;
    if (tgm->throttle_state) {
        blk_io_limits_enable(SCSI_DEVICE(dev)->conf.blk,
                             throttle_group_get_name(tgm));
    }
    return true;
}

static void hv_ide_vmdev_realize(VMBusDevice *vdev, Error **errp)
{
    ERRP_GUARD();

    hv_scsi_realize(vdev, errp);
    if (!*errp && !hv_ide_add_disk(HV_IDE(vdev), errp)) {
        hv_scsi_unrealize(vdev);
    }
}

/* Guests know the disk by the instance, and by what the offer says besides */
static void hv_ide_identify(HvIde *s)
{
    VMBusDevice *vdev = VMBUS_DEVICE(s);
    HvStorOffer offer = {
        .path = s->channel,
        .target = s->unit,
        .flags = cpu_to_le32(HV_STOR_OFFER_IDE_DEVICE),
    };

    memcpy(vdev->user_data, &offer, sizeof(offer));
    qemu_uuid_parse(HV_STOR_IDE_INSTANCE_GUID, &vdev->instanceid);
    vdev->instanceid.data[3] = s->channel;
    vdev->instanceid.data[5] = s->unit;
}

static void hv_ide_realize(DeviceState *dev, Error **errp)
{
    HvIde *s = HV_IDE(dev);

    if (!qemu_uuid_is_null(&VMBUS_DEVICE(s)->instanceid)) {
        error_setg(errp, "the instanceid of hv-ide comes from channel and unit "
                   "and cannot be given");
        return;
    }
    object_child_foreach_recursive(object_get_root(), hv_ide_match, s);
    if (!s->disk) {
        error_setg(errp, "hv-ide needs an IDE disk to be the twin of, and there "
                   "is none at channel=%u,unit=%u: put -device ide-hd or "
                   "-drive if=ide in front of it", s->channel, s->unit);
        return;
    }
    hv_ide_identify(s);
    HV_IDE_GET_CLASS(s)->parent_realize(dev, errp);
    /* unless the user has given others */
    smbios_set_defaults(HV_SMBIOS_MANUFACTURER, HV_SMBIOS_PRODUCT,
                        HV_SMBIOS_VERSION);
}

static const Property hv_ide_properties[] = {
    DEFINE_PROP_UINT8("channel", HvIde, channel, 0),
    DEFINE_PROP_UINT8("unit", HvIde, unit, 0),
};

static void hv_ide_instance_init(Object *obj)
{
    /* no random one */
    memset(&VMBUS_DEVICE(obj)->instanceid, 0, sizeof(QemuUUID));
    /* guests do not rely on the path either */
    HV_SCSI_BASE(obj)->any_path = true;
}

static void hv_ide_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);

    dc->desc = "Hyper-V accelerated twin of an IDE disk";
    /* nor are IDE disks */
    dc->hotpluggable = false;
    device_class_set_props(dc, hv_ide_properties);
    device_class_set_parent_realize(dc, hv_ide_realize,
                                    &HV_IDE_CLASS(klass)->parent_realize);
    qemu_uuid_parse(HV_STOR_IDE_CLASS_GUID, &vdc->classid);
    vdc->vmdev_realize = hv_ide_vmdev_realize;
}

static const TypeInfo hv_ide_info = {
    .name = TYPE_HV_IDE,
    .parent = TYPE_HV_SCSI_BASE,
    .instance_size = sizeof(HvIde),
    .instance_init = hv_ide_instance_init,
    .class_size = sizeof(HvIdeClass),
    .class_init = hv_ide_class_init,
};

static void hv_ide_register(void)
{
    type_register_static(&hv_ide_info);
}

type_init(hv_ide_register)
