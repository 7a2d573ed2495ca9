/*
 * The Hyper-V synthetic network card's protocols, as data: NVSP (the network
 * virtual service provider's), and inside it RNDIS with NDIS objects
 *
 * All fields are little-endian, offsets and lengths are in bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_NET_PROTO_H
#define HW_HYPERV_NET_PROTO_H

#define HV_NET_CLASS_GUID "f8615163-df3e-46c5-913f-f2d2f965ed0e"

/* --- NVSP --------------------------------------------------------------- */

#define NVSP_VERSION_1      0x00002
#define NVSP_VERSION_2      0x30002
#define NVSP_VERSION_4      0x40000
#define NVSP_VERSION_5      0x50000
#define NVSP_VERSION_6      0x60000
#define NVSP_VERSION_61     0x60001
#define NVSP_VERSION_NONE   UINT32_MAX

enum {
    NVSP_MSG_INIT                       = 1,
    NVSP_MSG_INIT_COMPLETE              = 2,

    NVSP_MSG1_NDIS_VERSION              = 100,
    NVSP_MSG1_RECV_BUF                  = 101,
    NVSP_MSG1_RECV_BUF_COMPLETE         = 102,
    NVSP_MSG1_REVOKE_RECV_BUF           = 103,
    NVSP_MSG1_SEND_BUF                  = 104,
    NVSP_MSG1_SEND_BUF_COMPLETE         = 105,
    NVSP_MSG1_REVOKE_SEND_BUF           = 106,
    NVSP_MSG1_RNDIS_PKT                 = 107,
    NVSP_MSG1_RNDIS_PKT_COMPLETE        = 108,

    NVSP_MSG2_NDIS_CONFIG               = 125,

    NVSP_MSG4_VF_ASSOCIATION            = 128,
    NVSP_MSG4_SWITCH_DATA_PATH          = 129,

    NVSP_MSG5_OID_QUERY_EX              = 131,
    NVSP_MSG5_OID_QUERY_EX_COMPLETE     = 132,
    NVSP_MSG5_SUBCHANNEL                = 133,
    NVSP_MSG5_INDIRECTION_TABLE         = 134,

    NVSP_MSG6_PD_API                    = 135,
    NVSP_MSG6_PD_POST_BATCH             = 136,
};

enum {
    NVSP_STAT_NONE                      = 0,
    NVSP_STAT_SUCCESS                   = 1,
    NVSP_STAT_FAIL                      = 2,
    NVSP_STAT_PROTOCOL_TOO_NEW          = 3,
    NVSP_STAT_PROTOCOL_TOO_OLD          = 4,
    NVSP_STAT_INVALID_RNDIS_PKT         = 5,
    NVSP_STAT_BUSY                      = 6,
    NVSP_STAT_PROTOCOL_UNSUPPORTED      = 7,
};

/* What a message is padded to, by version */
#define NVSP_MSG_SIZE           28
#define NVSP_MSG_SIZE_61        40

/* RNDIS has two channels, which share a ring here */
#define NVSP_CHANNEL_DATA       0
#define NVSP_CHANNEL_CONTROL    1

#define NVSP_NO_SECTION         UINT32_MAX

#define NVSP_SUBCHANNEL_ALLOCATE    1

/* In NvspNdisConfig.capabilities */
#define NVSP_CAP_SRIOV          (1ull << 2)
#define NVSP_CAP_8021Q          (1ull << 3)
#define NVSP_CAP_RSC            (1ull << 7)

#define NVSP_DATA_PATH_SYNTHETIC    0

#define NVSP_INDIRECTION_ENTRIES    16

/* The host's answer does not say more than this */
#define NVSP_MAX_MDL_CHAIN      34

typedef struct NvspInit {
    uint32_t min_version;
    uint32_t max_version;
} QEMU_PACKED NvspInit;

typedef struct NvspInitComplete {
    uint32_t version;
    uint32_t max_mdl_chain_len;
    uint32_t status;
} QEMU_PACKED NvspInitComplete;

typedef struct NvspNdisVersion {
    uint32_t major;
    uint32_t minor;
} QEMU_PACKED NvspNdisVersion;

/* For the receive and the send buffer */
typedef struct NvspBuffer {
    uint32_t gpadl;
    uint16_t id;
} QEMU_PACKED NvspBuffer;

typedef struct NvspRevokeBuffer {
    uint16_t id;
} QEMU_PACKED NvspRevokeBuffer;

/* A receive buffer with one section, of num_sub_allocs equal parts */
typedef struct NvspRecvBufComplete {
    uint32_t status;
    uint32_t num_sections;
    uint32_t offset;
    uint32_t sub_alloc_size;
    uint32_t num_sub_allocs;
    uint32_t end_offset;
} QEMU_PACKED NvspRecvBufComplete;

typedef struct NvspSendBufComplete {
    uint32_t status;
    uint32_t section_size;
} QEMU_PACKED NvspSendBufComplete;

typedef struct NvspRndisPkt {
    uint32_t channel_type;
    uint32_t section_index;
    uint32_t section_size;
} QEMU_PACKED NvspRndisPkt;

typedef struct NvspRndisPktComplete {
    uint32_t status;
} QEMU_PACKED NvspRndisPktComplete;

typedef struct NvspNdisConfig {
    uint32_t mtu;               /* with the Ethernet header */
    uint32_t reserved;
    uint64_t capabilities;
} QEMU_PACKED NvspNdisConfig;

typedef struct NvspSwitchDataPath {
    uint32_t active;
} QEMU_PACKED NvspSwitchDataPath;

typedef struct NvspSubchannel {
    uint32_t op;                /* status, in the completion */
    uint32_t num_subchannels;
} QEMU_PACKED NvspSubchannel;

typedef struct NvspIndirectionTable {
    uint32_t count;
    uint32_t offset;            /* from the start of the NvspMessage */
} QEMU_PACKED NvspIndirectionTable;

typedef struct NvspMessage {
    uint32_t type;
    union {
        NvspInit init;
        NvspInitComplete init_complete;
        NvspNdisVersion ndis_version;
        NvspBuffer buffer;
        NvspRevokeBuffer revoke;
        NvspRecvBufComplete recv_buf_complete;
        NvspSendBufComplete send_buf_complete;
        NvspRndisPkt rndis_pkt;
        NvspRndisPktComplete rndis_pkt_complete;
        NvspNdisConfig ndis_config;
        NvspSwitchDataPath switch_data_path;
        NvspSubchannel subchannel;
        NvspIndirectionTable indirection_table;
        uint8_t pad[NVSP_MSG_SIZE_61 - sizeof(uint32_t)];
    };
} QEMU_PACKED NvspMessage;

QEMU_BUILD_BUG_ON(sizeof(NvspMessage) != NVSP_MSG_SIZE_61);

/* The most ranges in one packet to the guest; fewer before NDIS 6 */
#define NVSP_MAX_RANGES         375
#define NVSP_MAX_RANGES_NDIS5   64
/* The same for one coalesced frame */
#define NVSP_MAX_RSC_RANGES     562

/*
 * The end of a section of the receive buffer that no message may reach into:
 * newer Windows guests write there.
 */
#define NVSP_SECTION_TAIL       36

/* --- RNDIS -------------------------------------------------------------- */

#define RNDIS_MAJOR_VERSION     1
#define RNDIS_MINOR_VERSION     0

enum {
    RNDIS_MSG_PACKET            = 0x00000001,
    RNDIS_MSG_INIT              = 0x00000002,
    RNDIS_MSG_HALT              = 0x00000003,
    RNDIS_MSG_QUERY             = 0x00000004,
    RNDIS_MSG_SET               = 0x00000005,
    RNDIS_MSG_RESET             = 0x00000006,
    RNDIS_MSG_INDICATE          = 0x00000007,
    RNDIS_MSG_KEEPALIVE         = 0x00000008,
    RNDIS_MSG_COMPLETE          = 0x80000000,   /* with the request's type */
};

enum {
    RNDIS_STATUS_SUCCESS            = 0x00000000,
    RNDIS_STATUS_LINK_SPEED_CHANGE  = 0x40010013,
    RNDIS_STATUS_MEDIA_CONNECT      = 0x4001000b,
    RNDIS_STATUS_MEDIA_DISCONNECT   = 0x4001000c,
    RNDIS_STATUS_FAILURE            = 0xc0000001,
    RNDIS_STATUS_RESOURCES          = 0xc000009a,
    RNDIS_STATUS_NOT_SUPPORTED      = 0xc00000bb,
    RNDIS_STATUS_MULTICAST_FULL     = 0xc0010009,
    RNDIS_STATUS_INVALID_LENGTH     = 0xc0010014,
    RNDIS_STATUS_INVALID_DATA       = 0xc0010015,
    RNDIS_STATUS_INVALID_OID        = 0xc0010017,
};

#define RNDIS_DF_CONNECTIONLESS     1
#define RNDIS_MEDIUM_802_3          0
#define RNDIS_MEDIA_CONNECTED       0
#define RNDIS_MEDIA_DISCONNECTED    1

typedef struct RndisHeader {
    uint32_t type;
    uint32_t length;            /* of the whole message */
} QEMU_PACKED RndisHeader;

typedef struct RndisInit {
    RndisHeader header;
    uint32_t request_id;
    uint32_t major;
    uint32_t minor;
    uint32_t max_transfer_size;
} QEMU_PACKED RndisInit;

typedef struct RndisInitComplete {
    RndisHeader header;
    uint32_t request_id;
    uint32_t status;
    uint32_t major;
    uint32_t minor;
    uint32_t device_flags;
    uint32_t medium;
    uint32_t max_packets_per_message;
    uint32_t max_transfer_size;
    uint32_t packet_alignment_factor;   /* a power of 2 */
    uint32_t af_list_offset;
    uint32_t af_list_size;
} QEMU_PACKED RndisInitComplete;

/* For queries and sets. The offset is from request_id. */
typedef struct RndisRequest {
    RndisHeader header;
    uint32_t request_id;
    uint32_t oid;
    uint32_t info_length;
    uint32_t info_offset;
    uint32_t vc_handle;
} QEMU_PACKED RndisRequest;

typedef struct RndisQueryComplete {
    RndisHeader header;
    uint32_t request_id;
    uint32_t status;
    uint32_t info_length;
    uint32_t info_offset;       /* from request_id */
} QEMU_PACKED RndisQueryComplete;

/* For sets and keepalives */
typedef struct RndisComplete {
    RndisHeader header;
    uint32_t request_id;
    uint32_t status;
} QEMU_PACKED RndisComplete;

typedef struct RndisResetComplete {
    RndisHeader header;
    uint32_t status;
    uint32_t addressing_reset;
} QEMU_PACKED RndisResetComplete;

typedef struct RndisIndicate {
    RndisHeader header;
    uint32_t status;
    uint32_t buffer_length;
    uint32_t buffer_offset;     /* from status */
} QEMU_PACKED RndisIndicate;

/* A frame. All offsets are from data_offset. */
typedef struct RndisPacket {
    RndisHeader header;
    uint32_t data_offset;
    uint32_t data_length;
    uint32_t oob_offset;
    uint32_t oob_length;
    uint32_t oob_count;
    uint32_t ppi_offset;
    uint32_t ppi_length;
    uint32_t vc_handle;
    uint32_t reserved;
} QEMU_PACKED RndisPacket;

QEMU_BUILD_BUG_ON(sizeof(RndisPacket) != 44);

/* Per-packet information: its value is at offset, from the start of this */
typedef struct RndisPpi {
    uint32_t size;
    uint32_t type;
    uint32_t offset;
} QEMU_PACKED RndisPpi;

enum {
    RNDIS_PPI_CHECKSUM          = 0,
    RNDIS_PPI_LSO               = 2,
    RNDIS_PPI_8021Q             = 6,
    RNDIS_PPI_HASH              = 8,
    RNDIS_PPI_PACKET_ID         = 0x80000001,
};

/* RNDIS_PPI_CHECKSUM of a frame from the guest */
#define RNDIS_TXCSUM_IPV4           (1u << 0)
#define RNDIS_TXCSUM_IPV6           (1u << 1)
#define RNDIS_TXCSUM_TCP            (1u << 2)
#define RNDIS_TXCSUM_UDP            (1u << 3)
#define RNDIS_TXCSUM_IP_HEADER      (1u << 4)

/* RNDIS_PPI_CHECKSUM of a frame to the guest */
#define RNDIS_RXCSUM_TCP_BAD        (1u << 0)
#define RNDIS_RXCSUM_UDP_BAD        (1u << 1)
#define RNDIS_RXCSUM_IP_BAD         (1u << 2)
#define RNDIS_RXCSUM_TCP_GOOD       (1u << 3)
#define RNDIS_RXCSUM_UDP_GOOD       (1u << 4)
#define RNDIS_RXCSUM_IP_GOOD        (1u << 5)
#define RNDIS_RXCSUM_TCP_NO_VALUE   (1u << 7)
#define RNDIS_RXCSUM_IP_NO_VALUE    (1u << 8)

/* RNDIS_PPI_LSO */
#define RNDIS_LSO_MSS(value)        ((value) & 0xfffff)

/* RNDIS_PPI_8021Q: priority, CFI and VLAN, not in the order of a tag */
#define RNDIS_8021Q_FROM_TCI(tci) \
    (((tci) >> 13) | ((tci) >> 12 & 1) << 3 | ((tci) & 0xfff) << 4)
#define RNDIS_8021Q_TO_TCI(value) \
    (((value) & 7) << 13 | ((value) >> 3 & 1) << 12 | ((value) >> 4 & 0xfff))

/* RNDIS_PPI_PACKET_ID: version, flags, 16 bits of id */
#define RNDIS_PACKET_ID_VERSION     1
#define RNDIS_PACKET_ID_FRAGMENT    (1u << 8)
#define RNDIS_PACKET_ID_FIRST       (1u << 9)
#define RNDIS_PACKET_ID_LAST        (1u << 10)

/* --- NDIS --------------------------------------------------------------- */

enum {
    OID_GEN_SUPPORTED_LIST              = 0x00010101,
    OID_GEN_HARDWARE_STATUS             = 0x00010102,
    OID_GEN_MEDIA_SUPPORTED             = 0x00010103,
    OID_GEN_MEDIA_IN_USE                = 0x00010104,
    OID_GEN_MAXIMUM_LOOKAHEAD           = 0x00010105,
    OID_GEN_MAXIMUM_FRAME_SIZE          = 0x00010106,
    OID_GEN_LINK_SPEED                  = 0x00010107,
    OID_GEN_TRANSMIT_BUFFER_SPACE       = 0x00010108,
    OID_GEN_RECEIVE_BUFFER_SPACE        = 0x00010109,
    OID_GEN_TRANSMIT_BLOCK_SIZE         = 0x0001010a,
    OID_GEN_RECEIVE_BLOCK_SIZE          = 0x0001010b,
    OID_GEN_VENDOR_ID                   = 0x0001010c,
    OID_GEN_VENDOR_DESCRIPTION          = 0x0001010d,
    OID_GEN_CURRENT_PACKET_FILTER       = 0x0001010e,
    OID_GEN_CURRENT_LOOKAHEAD           = 0x0001010f,
    OID_GEN_DRIVER_VERSION              = 0x00010110,
    OID_GEN_MAXIMUM_TOTAL_SIZE          = 0x00010111,
    OID_GEN_PROTOCOL_OPTIONS            = 0x00010112,
    OID_GEN_MAC_OPTIONS                 = 0x00010113,
    OID_GEN_MEDIA_CONNECT_STATUS        = 0x00010114,
    OID_GEN_MAXIMUM_SEND_PACKETS        = 0x00010115,
    OID_GEN_VENDOR_DRIVER_VERSION       = 0x00010116,
    OID_GEN_NETWORK_LAYER_ADDRESSES     = 0x00010118,
    OID_GEN_RECEIVE_SCALE_CAPABILITIES  = 0x00010203,
    OID_GEN_RECEIVE_SCALE_PARAMETERS    = 0x00010204,
    OID_GEN_MAX_LINK_SPEED              = 0x00010206,
    OID_GEN_LINK_STATE                  = 0x00010207,
    OID_GEN_LINK_PARAMETERS             = 0x00010208,
    OID_GEN_MACHINE_NAME                = 0x0001021a,
    OID_GEN_RNDIS_CONFIG_PARAMETER      = 0x0001021b,
    OID_GEN_XMIT_OK                     = 0x00020101,
    OID_GEN_RCV_OK                      = 0x00020102,
    OID_GEN_XMIT_ERROR                  = 0x00020103,
    OID_GEN_RCV_ERROR                   = 0x00020104,
    OID_GEN_RCV_NO_BUFFER               = 0x00020105,
    OID_GEN_DIRECTED_BYTES_XMIT         = 0x00020201,
    OID_GEN_DIRECTED_FRAMES_XMIT        = 0x00020202,
    OID_GEN_MULTICAST_BYTES_XMIT        = 0x00020203,
    OID_GEN_MULTICAST_FRAMES_XMIT       = 0x00020204,
    OID_GEN_BROADCAST_BYTES_XMIT        = 0x00020205,
    OID_GEN_BROADCAST_FRAMES_XMIT       = 0x00020206,
    OID_GEN_DIRECTED_BYTES_RCV          = 0x00020207,
    OID_GEN_DIRECTED_FRAMES_RCV         = 0x00020208,
    OID_GEN_MULTICAST_BYTES_RCV         = 0x00020209,
    OID_GEN_MULTICAST_FRAMES_RCV        = 0x0002020a,
    OID_GEN_BROADCAST_BYTES_RCV         = 0x0002020b,
    OID_GEN_BROADCAST_FRAMES_RCV        = 0x0002020c,
    OID_GEN_FRIENDLY_NAME               = 0x00020216,
    OID_GEN_BYTES_RCV                   = 0x00020219,
    OID_GEN_BYTES_XMIT                  = 0x0002021a,
    OID_GEN_RCV_DISCARDS                = 0x0002021b,
    OID_GEN_XMIT_DISCARDS               = 0x0002021c,
    OID_802_3_PERMANENT_ADDRESS         = 0x01010101,
    OID_802_3_CURRENT_ADDRESS           = 0x01010102,
    OID_802_3_MULTICAST_LIST            = 0x01010103,
    OID_802_3_MAXIMUM_LIST_SIZE         = 0x01010104,
    OID_OFFLOAD_ENCAPSULATION           = 0x0101010a,
    OID_802_3_RCV_ERROR_ALIGNMENT       = 0x01020101,
    OID_802_3_XMIT_ONE_COLLISION        = 0x01020102,
    OID_802_3_XMIT_MORE_COLLISIONS      = 0x01020103,
    OID_TCP_OFFLOAD_CURRENT_CONFIG      = 0xfc01020b,
    OID_TCP_OFFLOAD_PARAMETERS          = 0xfc01020c,
    OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES = 0xfc01020d,
};

/* OID_GEN_CURRENT_PACKET_FILTER */
#define NDIS_FILTER_DIRECTED        0x01
#define NDIS_FILTER_MULTICAST       0x02
#define NDIS_FILTER_ALL_MULTICAST   0x04
#define NDIS_FILTER_BROADCAST       0x08
#define NDIS_FILTER_PROMISCUOUS     0x20

/* OID_GEN_MAC_OPTIONS */
#define NDIS_MAC_COPY_LOOKAHEAD     0x001
#define NDIS_MAC_NOT_PENDING        0x004
#define NDIS_MAC_NO_LOOPBACK        0x008
#define NDIS_MAC_8021P              0x040
#define NDIS_MAC_8021Q              0x200

typedef struct NdisHeader {
    uint8_t type;
    uint8_t revision;
    uint16_t size;
} QEMU_PACKED NdisHeader;

enum {
    NDIS_OBJECT_DEFAULT                 = 0x80,
    NDIS_OBJECT_RSS_CAPABILITIES        = 0x88,
    NDIS_OBJECT_RSS_PARAMETERS          = 0x89,
    NDIS_OBJECT_OFFLOAD                 = 0xa7,
    NDIS_OBJECT_OFFLOAD_ENCAPSULATION   = 0xa8,
};

typedef struct NdisLinkState {
    NdisHeader header;
    uint32_t connect_state;     /* 1 connected, 2 disconnected */
    uint32_t duplex;            /* 0 unknown, 2 full */
    uint32_t padding;
    uint64_t xmit_speed;        /* bits per second */
    uint64_t rcv_speed;
    uint32_t pause_functions;   /* 1 unsupported */
    uint32_t auto_negotiation;
} QEMU_PACKED NdisLinkState;

typedef struct NdisLinkSpeed {
    uint64_t xmit;              /* bits per second */
    uint64_t rcv;
} QEMU_PACKED NdisLinkSpeed;

typedef struct NdisRssCapabilities {
    NdisHeader header;
    uint32_t flags;
    uint32_t num_messages;
    uint32_t num_queues;
    uint16_t num_entries;
} QEMU_PACKED NdisRssCapabilities;

#define NDIS_RSS_CAP_TCP_IPV4       0x00000100
#define NDIS_RSS_CAP_TCP_IPV6       0x00000200

typedef struct NdisRssParameters {
    NdisHeader header;
    uint16_t flags;
    uint16_t base_cpu;
    uint32_t hash_info;
    uint16_t table_size;        /* in bytes, of 32-bit entries */
    uint16_t pad1;
    uint32_t table_offset;      /* from the start of this */
    uint16_t key_size;
    uint16_t pad2;
    uint32_t key_offset;
} QEMU_PACKED NdisRssParameters;

#define NDIS_RSS_HASH_INFO_UNCHANGED    0x0002
#define NDIS_RSS_TABLE_UNCHANGED        0x0004
#define NDIS_RSS_KEY_UNCHANGED          0x0008
#define NDIS_RSS_DISABLE                0x0010

#define NDIS_RSS_KEY_SIZE           40
#define NDIS_RSS_TABLE_ENTRIES      128

#define NDIS_HASH_TOEPLITZ          0x00000001
#define NDIS_HASH_IPV4              0x00000100
#define NDIS_HASH_TCP_IPV4          0x00000200
#define NDIS_HASH_IPV6              0x00000400
#define NDIS_HASH_TCP_IPV6          0x00001000

#define NDIS_ENCAPSULATION_8023     2

#define NDIS_CSUM4_IP_OPTIONS       0x001
#define NDIS_CSUM4_TCP_OPTIONS      0x004
#define NDIS_CSUM4_TCP              0x010
#define NDIS_CSUM4_UDP              0x040
#define NDIS_CSUM4_IP               0x100
#define NDIS_CSUM6_IP_EXTENSIONS    0x001
#define NDIS_CSUM6_TCP_OPTIONS      0x004
#define NDIS_CSUM6_TCP              0x010
#define NDIS_CSUM6_UDP              0x040

typedef struct NdisChecksumOffload {
    uint32_t ip4_tx_encap;
    uint32_t ip4_tx;
    uint32_t ip4_rx_encap;
    uint32_t ip4_rx;
    uint32_t ip6_tx_encap;
    uint32_t ip6_tx;
    uint32_t ip6_rx_encap;
    uint32_t ip6_rx;
} QEMU_PACKED NdisChecksumOffload;

typedef struct NdisLsoV2 {
    uint32_t ip4_encap;
    uint32_t ip4_max_size;
    uint32_t ip4_min_segments;
    uint32_t ip6_encap;
    uint32_t ip6_max_size;
    uint32_t ip6_min_segments;
    uint32_t ip6_options;       /* as NDIS_CSUM6_ */
} QEMU_PACKED NdisLsoV2;

typedef struct NdisOffload {
    NdisHeader header;
    NdisChecksumOffload csum;
    uint32_t lso_v1[4];
    uint32_t ipsec_v1[7];
    NdisLsoV2 lso_v2;
    uint32_t flags;
    /* here ends revision 1; and revision 2 after: */
    uint32_t ipsec_v2[8];
    uint8_t rsc_ip4;
    uint8_t rsc_ip6;
    uint8_t padding[2];
    uint32_t gre[2];
} QEMU_PACKED NdisOffload;

QEMU_BUILD_BUG_ON(sizeof(NdisOffload) != 156);

typedef struct NdisOffloadParameters {
    NdisHeader header;
    uint8_t ip4_csum;
    uint8_t tcp4_csum;
    uint8_t udp4_csum;
    uint8_t tcp6_csum;
    uint8_t udp6_csum;
    uint8_t lso_v1;
    uint8_t ipsec_v1;
    uint8_t lso_v2_ip4;
    uint8_t lso_v2_ip6;
    uint8_t tcp4_connection;
    uint8_t tcp6_connection;
    uint8_t padding1;
    uint32_t flags;
    /* here ends revision 1 */
    uint8_t ipsec_v2;
    uint8_t ipsec_v2_ip4;
    uint8_t rsc_ip4;
    uint8_t rsc_ip6;
    uint8_t encap;
    uint8_t encap_types;
} QEMU_PACKED NdisOffloadParameters;

/* A value of its checksum fields; of the others, 1 is off and 2 is on */
enum {
    NDIS_OFFLOAD_NO_CHANGE      = 0,
    NDIS_OFFLOAD_OFF            = 1,
    NDIS_OFFLOAD_TX             = 2,
    NDIS_OFFLOAD_RX             = 3,
    NDIS_OFFLOAD_TX_RX          = 4,
};
#define NDIS_OFFLOAD_ON         2

typedef struct NdisOffloadEncapsulation {
    NdisHeader header;
    uint32_t ip4_enabled;       /* 1 on, 2 off */
    uint32_t ip4_type;
    uint32_t ip4_header_size;
    uint32_t ip6_enabled;
    uint32_t ip6_type;
    uint32_t ip6_header_size;
} QEMU_PACKED NdisOffloadEncapsulation;

/* OID_GEN_RNDIS_CONFIG_PARAMETER: names and strings are UTF-16 */
typedef struct RndisConfigParameter {
    uint32_t name_offset;       /* from the start of this */
    uint32_t name_length;
    uint32_t type;
    uint32_t value_offset;
    uint32_t value_length;
} QEMU_PACKED RndisConfigParameter;

#define RNDIS_CONFIG_INTEGER    0
#define RNDIS_CONFIG_STRING     2

#endif
