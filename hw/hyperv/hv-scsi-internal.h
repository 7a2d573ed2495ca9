/*
 * Hyper-V synthetic SCSI: what the controller and the twin of an IDE disk have
 * in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_HV_SCSI_INTERNAL_H
#define HW_HYPERV_HV_SCSI_INTERNAL_H

#include "hw/hyperv/vmbus.h"
#include "hw/scsi/scsi.h"
#include "hw/virtio/iothread-vq-mapping.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "system/iothread.h"

#define TYPE_HV_SCSI_BASE "hv-scsi-base"
OBJECT_DECLARE_SIMPLE_TYPE(HvScsi, HV_SCSI_BASE)

typedef struct HvScsiReq HvScsiReq;
typedef struct HvScsiChannel HvScsiChannel;

/**
 * HvScsi: the controller
 * @state: HvScsiState; written under the big lock, read anywhere
 * @version: valid from the state HV_SCSI_PROPERTIES on
 * @rescan: the guest has yet to be told that devices came or went; protected
 *          by the lock of channel 0
 * @any_path: the path in a packet is of no meaning
 * @drained: packets stay in the rings; written under the big lock
 * @unplugged: the guest finds no devices any more; written under the big lock
 * @resetting: requests that are cancelled now are so by a reset
 * @ctrl: packets for the main loop, protected by @ctrl_lock
 * @ctrl_busy: the main loop is at one of them
 */
struct HvScsi {
    VMBusDevice parent_obj;

    SCSIBus bus;
    bool any_path;
    uint32_t max_transfer;
    uint16_t sub_channels;
    IOThread *iothread;
    IOThreadVirtQueueMappingList *iothread_vq_mapping;

    int state;
    uint16_t version;
    bool rescan;
    bool drained;
    bool unplugged;
    bool resetting;
    HvScsiChannel *channels;

    QemuMutex ctrl_lock;
    QTAILQ_HEAD(, HvScsiReq) ctrl;
    QEMUBH *ctrl_bh;
    bool ctrl_busy;
    VMChangeStateEntry *vm_change_state;
};

/**
 * hv_scsi_realize, hv_scsi_unrealize: VMBusDeviceClass.vmdev_realize and
 * vmdev_unrealize; what is derived from it adds to them
 */
void hv_scsi_realize(VMBusDevice *vdev, Error **errp);
void hv_scsi_unrealize(VMBusDevice *vdev);

#endif
