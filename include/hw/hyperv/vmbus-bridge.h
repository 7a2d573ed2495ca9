/*
 * VMBus: the bridge, and what the machine has to do with it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_BRIDGE_H
#define HW_HYPERV_VMBUS_BRIDGE_H

#include "hw/hyperv/vmbus.h"
#include "hw/sysbus.h"
#include "qom/object.h"

#define TYPE_VMBUS_BRIDGE "vmbus-bridge"

/**
 * VMBusBridge:
 * @irq: interrupt in the bridge's ACPI resources, which carries nothing
 */
struct VMBusBridge {
    SysBusDevice parent_obj;

    uint8_t irq;

    VMBus *bus;
};

OBJECT_DECLARE_SIMPLE_TYPE(VMBusBridge, VMBUS_BRIDGE)

/* Returns: NULL if there is none */
static inline VMBusBridge *vmbus_bridge_find(void)
{
    return VMBUS_BRIDGE(object_resolve_path_type("", TYPE_VMBUS_BRIDGE, NULL));
}

/**
 * vmbus_bridge_ensure: make the bridge for a device that needs a bus of type
 * @bus_type, unless there is one, or the machine runs already
 */
void vmbus_bridge_ensure(const char *bus_type);

typedef struct Aml Aml;

/**
 * vmbus_build_aml: describe the bridge to the guest
 * @free: nothing is in the guest's address space from here on
 * @end: of the address space
 */
void vmbus_build_aml(VMBusBridge *bridge, Aml *scope, uint64_t free,
                     uint64_t end);

#endif
