/*
 * VMBus: numbers and layouts of the channel protocol and of the ring buffers,
 * versions 0.13 (Windows Server 2008) to 6.0
 *
 * Everything here is data.  All of it is little-endian, in messages as in
 * guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_PROTO_H
#define HW_HYPERV_VMBUS_PROTO_H

#define VMBUS_VERSION(major, minor)             (((major) << 16) | (minor))
#define VMBUS_VERSION_WS2008                    VMBUS_VERSION(0, 13)
#define VMBUS_VERSION_WIN7                      VMBUS_VERSION(1, 1)
#define VMBUS_VERSION_WIN8                      VMBUS_VERSION(2, 4)
#define VMBUS_VERSION_WIN8_1                    VMBUS_VERSION(3, 0)
#define VMBUS_VERSION_WIN10                     VMBUS_VERSION(4, 0)
#define VMBUS_VERSION_WIN10_RS3_0               VMBUS_VERSION(4, 1)
#define VMBUS_VERSION_WIN10_RS3_1               VMBUS_VERSION(5, 0)
#define VMBUS_VERSION_WIN10_RS4                 VMBUS_VERSION(5, 1)
#define VMBUS_VERSION_WIN10_RS5                 VMBUS_VERSION(5, 2)
#define VMBUS_VERSION_IRON                      VMBUS_VERSION(5, 3)
#define VMBUS_VERSION_COPPER                    VMBUS_VERSION(6, 0)

/* Feature flags of INITIATE_CONTACT and VERSION_RESPONSE, from 6.0 on */
#define VMBUS_FEATURE_GUEST_SIGNAL_PARAMS       (1u << 0)
#define VMBUS_FEATURE_INTERRUPT_REDIRECTION     (1u << 1)
#define VMBUS_FEATURE_MODIFY_CONNECTION         (1u << 2)
#define VMBUS_FEATURE_CLIENT_ID                 (1u << 3)
#define VMBUS_FEATURE_CONFIDENTIAL_CHANNELS     (1u << 4)
#define VMBUS_FEATURE_PAUSE_RESUME              (1u << 5)

/* Connections of the guest; the second message connection is for 5.0 and up */
#define VMBUS_MESSAGE_CONNECTION_ID             1
#define VMBUS_EVENT_CONNECTION_ID               2
#define VMBUS_MONITOR_CONNECTION_ID             3
#define VMBUS_MESSAGE_CONNECTION_ID_4           4
/* Of the channel with a given id, unless the guest chooses another one */
#define VMBUS_CHANNEL_CONNECTION_ID(id)         (0x2000 | (id))

#define VMBUS_SINT                              2

/* A target VP that means: no interrupts for this channel */
#define VMBUS_VP_NONE                           UINT32_MAX

/* Channel ids are bits of the event flags of a SINT; 0 is not used */
#define VMBUS_CHANNEL_IDS                       2048

#define VMBUS_STATUS_SUCCESS                    0x00000000u
#define VMBUS_STATUS_UNSUCCESSFUL               0xc0000001u
#define VMBUS_STATUS_CONNECTION_REFUSED         0xc0000236u

#define VMBUS_MSG_INVALID               0
#define VMBUS_MSG_OFFERCHANNEL          1
#define VMBUS_MSG_RESCIND_CHANNELOFFER  2
#define VMBUS_MSG_REQUESTOFFERS         3
#define VMBUS_MSG_ALLOFFERS_DELIVERED   4
#define VMBUS_MSG_OPENCHANNEL           5
#define VMBUS_MSG_OPENCHANNEL_RESULT    6
#define VMBUS_MSG_CLOSECHANNEL          7
#define VMBUS_MSG_GPADL_HEADER          8
#define VMBUS_MSG_GPADL_BODY            9
#define VMBUS_MSG_GPADL_CREATED         10
#define VMBUS_MSG_GPADL_TEARDOWN        11
#define VMBUS_MSG_GPADL_TORNDOWN        12
#define VMBUS_MSG_RELID_RELEASED        13
#define VMBUS_MSG_INITIATE_CONTACT      14
#define VMBUS_MSG_VERSION_RESPONSE      15
#define VMBUS_MSG_UNLOAD                16
#define VMBUS_MSG_UNLOAD_RESPONSE       17
#define VMBUS_MSG_OPEN_RESERVED         18
#define VMBUS_MSG_CLOSE_RESERVED        19
#define VMBUS_MSG_CLOSE_RESERVED_RESPONSE 20
#define VMBUS_MSG_TL_CONNECT            21
#define VMBUS_MSG_MODIFY_CHANNEL        22
#define VMBUS_MSG_TL_CONNECT_RESULT     23
#define VMBUS_MSG_MODIFY_CHANNEL_RESPONSE 24
#define VMBUS_MSG_MODIFY_CONNECTION     25
#define VMBUS_MSG_MODIFY_CONNECTION_RESPONSE 26
#define VMBUS_MSG_PAUSE                 27
#define VMBUS_MSG_PAUSE_RESPONSE        28
#define VMBUS_MSG_RESUME                29
#define VMBUS_MSG_COUNT                 30

#define VMBUS_MSG_MAX_SIZE              240

#define VMBUS_PACKET_INVALID                    0x0
#define VMBUS_PACKET_SYNCH                      0x1
#define VMBUS_PACKET_ADD_XFER_PAGESET           0x2
#define VMBUS_PACKET_RM_XFER_PAGESET            0x3
#define VMBUS_PACKET_ESTABLISH_GPADL            0x4
#define VMBUS_PACKET_TEARDOWN_GPADL             0x5
#define VMBUS_PACKET_DATA_INBAND                0x6
#define VMBUS_PACKET_DATA_USING_XFER_PAGES      0x7
#define VMBUS_PACKET_DATA_USING_GPADL           0x8
#define VMBUS_PACKET_DATA_USING_GPA_DIRECT      0x9
#define VMBUS_PACKET_CANCEL_REQUEST             0xa
#define VMBUS_PACKET_COMP                       0xb
#define VMBUS_PACKET_DATA_USING_ADDITIONAL_PKT  0xc
#define VMBUS_PACKET_ADDITIONAL_DATA            0xd

#define VMBUS_CHANNEL_USER_DATA_SIZE            120

/* interrupt_flags of an offer: the channel has a connection of its own */
#define VMBUS_OFFER_INTERRUPT_DEDICATED         0x1
/* monitor_id of an offer without monitor_flags */
#define VMBUS_OFFER_MONITOR_NONE                0xff

#define VMBUS_RING_BUFFER_FEAT_PENDING_SZ       (1ul << 0)

#define VMBUS_CHANNEL_ENUMERATE_DEVICE_INTERFACE      0x1
#define VMBUS_CHANNEL_SERVER_SUPPORTS_TRANSFER_PAGES  0x2
#define VMBUS_CHANNEL_SERVER_SUPPORTS_GPADLS          0x4
#define VMBUS_CHANNEL_NAMED_PIPE_MODE                 0x10
#define VMBUS_CHANNEL_LOOPBACK_OFFER                  0x100
#define VMBUS_CHANNEL_PARENT_OFFER                    0x200
#define VMBUS_CHANNEL_REQUEST_MONITORED_NOTIFICATION  0x400
#define VMBUS_CHANNEL_TLNPI_PROVIDER_OFFER            0x2000

#define VMBUS_PACKET_FLAG_REQUEST_COMPLETION    1

/* Every packet in a ring is followed by its own offset, which nobody reads */
#define VMBUS_PACKET_TRAILER                    8

typedef struct vmbus_message_header {
    uint32_t message_type;
    uint32_t _padding;
} QEMU_PACKED vmbus_message_header;

/*
 * @target_info: the interrupt page before 5.0.  Since then bits 0-7 are the
 * SINT, bits 8-15 the VTL for messages, bits 32-63 the feature flags (6.0).
 * @client_id: only with VMBUS_FEATURE_CLIENT_ID
 */
typedef struct vmbus_message_initiate_contact {
    vmbus_message_header header;
    uint32_t version_requested;
    uint32_t target_vcpu;
    uint64_t target_info;
    uint64_t monitor_page1;
    uint64_t monitor_page2;
    uint8_t  client_id[16];
} QEMU_PACKED vmbus_message_initiate_contact;

/*
 * @connection_id: for the messages to come, from 5.0 on; before, the version
 * @features: from 6.0 on
 */
typedef struct vmbus_message_version_response {
    vmbus_message_header header;
    uint8_t version_supported;
    uint8_t status;
    uint16_t _padding;
    uint32_t connection_id;
    uint32_t features;
} QEMU_PACKED vmbus_message_version_response;

typedef struct vmbus_message_offer_channel {
    vmbus_message_header header;
    uint8_t  type_uuid[16];
    uint8_t  instance_uuid[16];
    uint64_t _reserved1;
    uint64_t _reserved2;
    uint16_t channel_flags;
    uint16_t mmio_size_mb;
    uint8_t  user_data[VMBUS_CHANNEL_USER_DATA_SIZE];
    uint16_t sub_channel_index;
    uint16_t mmio_size_mb_optional;
    uint32_t child_relid;
    uint8_t  monitor_id;
    uint8_t  monitor_flags;
    uint16_t interrupt_flags;
    uint32_t connection_id;
} QEMU_PACKED vmbus_message_offer_channel;

/* RESCIND_CHANNELOFFER, CLOSECHANNEL, RELID_RELEASED... */
typedef struct vmbus_message_channel {
    vmbus_message_header header;
    uint32_t child_relid;
} QEMU_PACKED vmbus_message_channel;

typedef struct vmbus_gpa_range {
    uint32_t byte_count;
    uint32_t byte_offset;
    uint64_t pfn_array[];
} QEMU_PACKED vmbus_gpa_range;

/* Followed by as much of @range_buflen bytes of ranges as fits */
typedef struct vmbus_message_gpadl_header {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t gpadl_id;
    uint16_t range_buflen;
    uint16_t rangecount;
    vmbus_gpa_range range[];
} QEMU_PACKED vmbus_message_gpadl_header;

typedef struct vmbus_message_gpadl_body {
    vmbus_message_header header;
    uint32_t message_number;
    uint32_t gpadl_id;
    uint64_t pfn_array[];
} QEMU_PACKED vmbus_message_gpadl_body;

typedef struct vmbus_message_gpadl_created {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t gpadl_id;
    uint32_t status;
} QEMU_PACKED vmbus_message_gpadl_created;

typedef struct vmbus_message_gpadl_teardown {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t gpadl_id;
} QEMU_PACKED vmbus_message_gpadl_teardown;

typedef struct vmbus_message_gpadl_torndown {
    vmbus_message_header header;
    uint32_t gpadl_id;
} QEMU_PACKED vmbus_message_gpadl_torndown;

/*
 * @ring_buffer_offset: first page of the ring to the guest
 * @connection_id, @event_flag: only with VMBUS_FEATURE_GUEST_SIGNAL_PARAMS
 */
typedef struct vmbus_message_open_channel {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t open_id;
    uint32_t ring_buffer_gpadl_id;
    uint32_t target_vp;
    uint32_t ring_buffer_offset;
    uint8_t  user_data[VMBUS_CHANNEL_USER_DATA_SIZE];
    uint32_t connection_id;
    uint16_t event_flag;
    uint16_t flags;
} QEMU_PACKED vmbus_message_open_channel;

typedef struct vmbus_message_open_result {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t open_id;
    uint32_t status;
} QEMU_PACKED vmbus_message_open_result;

typedef struct vmbus_message_open_reserved {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t target_vp;
    uint32_t target_sint;
    uint32_t ring_buffer_gpadl_id;
    uint32_t ring_buffer_offset;
} QEMU_PACKED vmbus_message_open_reserved;

typedef struct vmbus_message_close_reserved {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t target_vp;
    uint32_t target_sint;
} QEMU_PACKED vmbus_message_close_reserved;

/* A guest's request to connect a socket, and how it went; 4.0 and 4.1 */
typedef struct vmbus_message_tl_connect {
    vmbus_message_header header;
    uint8_t endpoint_id[16];
    uint8_t service_id[16];
} QEMU_PACKED vmbus_message_tl_connect;

typedef struct vmbus_message_tl_connect_result {
    vmbus_message_header header;
    uint8_t endpoint_id[16];
    uint8_t service_id[16];
    uint32_t status;
} QEMU_PACKED vmbus_message_tl_connect_result;

typedef struct vmbus_message_modify_channel {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t target_vp;
} QEMU_PACKED vmbus_message_modify_channel;

typedef struct vmbus_message_modify_channel_response {
    vmbus_message_header header;
    uint32_t child_relid;
    uint32_t status;
} QEMU_PACKED vmbus_message_modify_channel_response;

typedef struct vmbus_message_modify_connection {
    vmbus_message_header header;
    uint64_t monitor_page1;
    uint64_t monitor_page2;
} QEMU_PACKED vmbus_message_modify_connection;

typedef struct vmbus_message_modify_connection_response {
    vmbus_message_header header;
    uint8_t status;
} QEMU_PACKED vmbus_message_modify_connection_response;

/*
 * First page of a ring.  The indices are offsets into the pages that follow.
 * @interrupt_mask: the reader wants no interrupt when the ring fills
 * @pending_send_sz: the writer wants one when so much is free
 */
typedef struct vmbus_ring_buffer {
    uint32_t write_index;
    uint32_t read_index;
    uint32_t interrupt_mask;
    uint32_t pending_send_sz;
    uint32_t _reserved1[12];
    uint32_t feature_bits;
} vmbus_ring_buffer;

typedef struct vmbus_packet_hdr {
    uint16_t type;
    uint16_t offset_qwords;
    uint16_t len_qwords;
    uint16_t flags;
    uint64_t transaction_id;
} vmbus_packet_hdr;

typedef struct vmbus_pkt_gpa_direct {
    uint32_t _reserved;
    uint32_t rangecount;
    vmbus_gpa_range range[];
} vmbus_pkt_gpa_direct;

typedef struct vmbus_xferpg_range {
    uint32_t byte_count;
    uint32_t byte_offset;
} vmbus_xferpg_range;

typedef struct vmbus_pkt_xferpg {
    uint16_t buffer_id;
    uint8_t sender_owns_set;
    uint8_t _reserved;
    uint32_t rangecount;
    vmbus_xferpg_range range[];
} vmbus_pkt_xferpg;

QEMU_BUILD_BUG_ON(sizeof(vmbus_message_initiate_contact) != 56);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_version_response) != 20);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_offer_channel) != 196);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_gpadl_header) != 20);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_open_channel) != 156);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_open_reserved) != 28);
QEMU_BUILD_BUG_ON(sizeof(vmbus_message_tl_connect_result) != 44);
QEMU_BUILD_BUG_ON(sizeof(vmbus_ring_buffer) != 68);
QEMU_BUILD_BUG_ON(sizeof(vmbus_packet_hdr) != 16);

#endif
