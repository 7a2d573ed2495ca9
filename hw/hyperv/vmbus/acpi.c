/*
 * VMBus: ACPI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/hyperv/vmbus-bridge.h"
#include "qemu/units.h"

/* Address space that guests take the memory of synthetic devices from */
#define VMBUS_MMIO_SIZE (8 * GiB)
/* Leaves room above for what processors have at the top of theirs */
#define VMBUS_MMIO_BELOW_END (32 * GiB)

static Aml *vmbus_device_aml(VMBusBridge *bridge)
{
    Aml *dev = aml_device("VMBS");
    Aml *sta = aml_name("STA");
    Aml *method;
    Aml *crs;

    aml_append(dev, aml_name_decl("STA", aml_int(0xf)));
    aml_append(dev, aml_name_decl("_HID", aml_string("VMBus")));
    aml_append(dev, aml_name_decl("_UID", aml_int(0)));
    aml_append(dev, aml_name_decl("_DDN", aml_string("VMBUS")));

    method = aml_method("_DIS", 0, AML_NOTSERIALIZED);
    aml_append(method, aml_store(aml_and(sta, aml_int(0xd), NULL), sta));
    aml_append(dev, method);

    method = aml_method("_PS0", 0, AML_NOTSERIALIZED);
    aml_append(method, aml_store(aml_or(sta, aml_int(0xf), NULL), sta));
    aml_append(dev, method);

    method = aml_method("_STA", 0, AML_NOTSERIALIZED);
    aml_append(method, aml_return(sta));
    aml_append(dev, method);

    aml_append(dev, aml_method("_PS3", 0, AML_NOTSERIALIZED));

    /* Only old versions of Linux look at the interrupt */
    crs = aml_resource_template();
    aml_append(crs, aml_irq_no_flags(bridge->irq));
    aml_append(dev, aml_name_decl("_CRS", crs));
    return dev;
}

void vmbus_build_aml(VMBusBridge *bridge, Aml *scope, uint64_t free,
                     uint64_t end)
{
    Aml *dev = aml_device("VMOD");
    uint64_t base = end - VMBUS_MMIO_BELOW_END;
    Aml *crs;

    aml_append(dev, aml_name_decl("_HID", aml_string("ACPI0004")));
    aml_append(dev, aml_name_decl("_UID", aml_int(0)));
    if (end > VMBUS_MMIO_BELOW_END && base >= free) {
        crs = aml_resource_template();
        aml_append(crs, aml_qword_memory(AML_POS_DECODE, AML_MIN_FIXED,
                                         AML_MAX_FIXED, AML_CACHEABLE,
                                         AML_READ_WRITE, 0, base,
                                         base + VMBUS_MMIO_SIZE - 1, 0,
                                         VMBUS_MMIO_SIZE));
        aml_append(dev, aml_name_decl("_CRS", crs));
    }
    aml_append(dev, vmbus_device_aml(bridge));
    aml_append(scope, dev);
}
