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
