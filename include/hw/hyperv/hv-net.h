/*
 * The Hyper-V synthetic network card: what a machine has to do with it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef INCLUDE_HW_HYPERV_HV_NET_H
#define INCLUDE_HW_HYPERV_HV_NET_H

#define TYPE_HV_NET "hv-net"

/**
 * hv_net_init_nics: make the cards that the user configured with -nic
 *
 * Makes the bridge, too, if there is none. Called while the machine is made,
 * when it has CPUs.
 */
void hv_net_init_nics(void);

#endif
