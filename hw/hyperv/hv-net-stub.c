/*
 * The Hyper-V synthetic network card: what a machine calls where there is none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/hyperv/hv-net.h"

void hv_net_init_nics(void)
{
}
