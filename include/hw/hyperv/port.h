/*
 * Hyper-V ports and connections (TLFS 11.3): where the messages and events
 * that a guest posts go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_PORT_H
#define HW_HYPERV_PORT_H

#include "hw/hyperv/hyperv.h"
#include "hw/hyperv/tlfs.h"

typedef struct HvPartition HvPartition;

/**
 * hv_port_set_msg_handler, hv_port_set_event_handler: connect or, with a NULL
 * handler or notifier, disconnect a port of the host's
 *
 * Returns: 0, -EEXIST if the connection id is taken, -ENOENT if there is
 * nothing to disconnect
 */
int hv_port_set_msg_handler(HvPartition *p, uint32_t conn_id,
                            HvMsgHandler handler, void *data);
int hv_port_set_event_handler(HvPartition *p, uint32_t conn_id,
                              EventNotifier *notifier);

/**
 * hv_port_post_message: HvCallPostMessage (TLFS 11.11)
 * @msg: in host byte order, the hypervisor's own copy
 *
 * Returns: a HV_STATUS
 */
uint16_t hv_port_post_message(HvPartition *p,
                              const struct hyperv_post_message_input *msg);

/**
 * hv_port_signal_event: HvCallSignalEvent (TLFS 11.11)
 *
 * Returns: a HV_STATUS
 */
uint16_t hv_port_signal_event(HvPartition *p, uint32_t conn_id,
                              uint16_t flag);

/* The emulated half of a SINT route of hw/hyperv/hyperv.h */
typedef struct HvSynicRoute HvSynicRoute;

HvSynicRoute *hv_synic_route_new(uint32_t vp_index, uint32_t sint,
                                 HvSintMsgCb cb, void *cb_data);
void hv_synic_route_free(HvSynicRoute *route);
int hv_synic_route_set_sint(HvSynicRoute *route);
int hv_synic_route_post_msg(HvSynicRoute *route, struct hyperv_message *msg);
int hv_synic_route_set_event_flag(HvSynicRoute *route, unsigned eventno);

#endif
