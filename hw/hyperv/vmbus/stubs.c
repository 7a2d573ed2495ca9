/*
 * VMBus: what other code calls, where there is no VMBus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/hyperv/vmbus-bridge.h"

void vmbus_bridge_ensure(const char *bus_type)
{
}

void vmbus_build_aml(VMBusBridge *bridge, Aml *scope, uint64_t free,
                     uint64_t end)
{
}
