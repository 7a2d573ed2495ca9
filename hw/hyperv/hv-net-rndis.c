/*
 * The Hyper-V synthetic network card: RNDIS control messages, and the NDIS
 * objects that they query and set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "net/eth.h"
#include "system/runstate.h"
#include "hv-net-internal.h"
#include "trace.h"

/* As vmswitch: the most that a guest may have segmented, and the least */
#define HV_NET_LSO_MAX_SIZE         0xf53c
#define HV_NET_LSO_MIN_SEGMENTS     2

/* Frames in one packet of the guest, and the alignment of each (8 bytes) */
#define HV_NET_MAX_PACKETS          8
#define HV_NET_ALIGNMENT            3

#define HV_NET_VENDOR               "QEMU"

void hv_net_rndis_reset(HvNet *s)
{
    s->ready = false;
    s->told_link_down = false;
    s->filter = 0;
    s->offload = 0;
    s->mac = s->conf.macaddr;
    s->num_multicast = 0;
    s->rss = false;
    memset(&s->rx, 0, sizeof(s->rx));
    memset(&s->tx, 0, sizeof(s->tx));
    hv_net_offload_changed(s);
}

static bool hv_net_link_down(HvNet *s)
{
    return qemu_get_queue(s->nic)->link_down ||
           DEVICE(s)->pending_deleted_event;
}

/* --- Objects ------------------------------------------------------------ */

typedef struct HvNetOid HvNetOid;

/*
 * @query: write the value to @buf, which has room for HV_NET_MAX_CONTROL / 2,
 *         and return its length
 * @set: take it from @buf and return a RNDIS_STATUS_
 */
struct HvNetOid {
    uint32_t oid;
    uint32_t (*query)(HvNet *s, const HvNetOid *oid, void *buf, uint32_t room);
    uint32_t (*set)(HvNet *s, const void *buf, uint32_t len);
    union {
        uint32_t value;
        size_t offset;
    };
};

static uint32_t query_value(HvNet *s, const HvNetOid *oid, void *buf,
                            uint32_t room)
{
    stl_le_p(buf, oid->value);
    return sizeof(uint32_t);
}

static uint32_t query_payload(HvNet *s, const HvNetOid *oid, void *buf,
                              uint32_t room)
{
    stl_le_p(buf, s->mtu - sizeof(struct eth_header));
    return sizeof(uint32_t);
}

static uint32_t query_frame(HvNet *s, const HvNetOid *oid, void *buf,
                            uint32_t room)
{
    stl_le_p(buf, s->mtu);
    return sizeof(uint32_t);
}

static uint32_t query_link_speed(HvNet *s, const HvNetOid *oid, void *buf,
                                 uint32_t room)
{
    /* in 100 bits per second */
    stl_le_p(buf, s->speed * 10000ull > UINT32_MAX ? UINT32_MAX :
                                                     s->speed * 10000);
    return sizeof(uint32_t);
}

static uint32_t query_max_link_speed(HvNet *s, const HvNetOid *oid, void *buf,
                                     uint32_t room)
{
    NdisLinkSpeed speed = {
        .xmit = cpu_to_le64(s->speed * 1000000ull),
        .rcv = cpu_to_le64(s->speed * 1000000ull),
    };

    memcpy(buf, &speed, sizeof(speed));
    return sizeof(speed);
}

static uint32_t query_link_state(HvNet *s, const HvNetOid *oid, void *buf,
                                 uint32_t room)
{
    NdisLinkState state = {
        .header.type = NDIS_OBJECT_DEFAULT,
        .header.revision = 1,
        .header.size = cpu_to_le16(sizeof(state)),
        .connect_state = cpu_to_le32(hv_net_link_down(s) ? 2 : 1),
        .duplex = cpu_to_le32(2),
        .xmit_speed = cpu_to_le64(s->speed * 1000000ull),
        .rcv_speed = cpu_to_le64(s->speed * 1000000ull),
        .pause_functions = cpu_to_le32(1),
    };

    memcpy(buf, &state, sizeof(state));
    return sizeof(state);
}

static uint32_t query_connected(HvNet *s, const HvNetOid *oid, void *buf,
                                uint32_t room)
{
    s->told_link_down = hv_net_link_down(s);
    stl_le_p(buf, s->told_link_down ? RNDIS_MEDIA_DISCONNECTED :
                                      RNDIS_MEDIA_CONNECTED);
    return sizeof(uint32_t);
}

static uint32_t query_vendor(HvNet *s, const HvNetOid *oid, void *buf,
                             uint32_t room)
{
    memcpy(buf, HV_NET_VENDOR, sizeof(HV_NET_VENDOR));
    return sizeof(HV_NET_VENDOR);
}

static uint32_t query_name(HvNet *s, const HvNetOid *oid, void *buf,
                           uint32_t room)
{
    /* what Linux knows as no name of the user's */
    static const char name[] = "Network Adapter";

    for (unsigned i = 0; i < sizeof(name); i++) {
        stw_le_p((uint16_t *)buf + i, name[i]);
    }
    return sizeof(name) * sizeof(uint16_t);
}

static uint32_t query_permanent_mac(HvNet *s, const HvNetOid *oid, void *buf,
                                    uint32_t room)
{
    memcpy(buf, s->conf.macaddr.a, ETH_ALEN);
    return ETH_ALEN;
}

static uint32_t query_mac(HvNet *s, const HvNetOid *oid, void *buf,
                          uint32_t room)
{
    memcpy(buf, s->mac.a, ETH_ALEN);
    return ETH_ALEN;
}

/* A counter: of 32 bits for who has no room for 64 */
static uint32_t query_counter(HvNet *s, const HvNetOid *oid, void *buf,
                              uint32_t room)
{
    uint64_t *value = (void *)s + oid->offset;

    stq_le_p(buf, *value);
    return room >= sizeof(uint64_t) ? sizeof(uint64_t) : sizeof(uint32_t);
}

static uint32_t query_filter(HvNet *s, const HvNetOid *oid, void *buf,
                             uint32_t room)
{
    stl_le_p(buf, s->filter);
    return sizeof(uint32_t);
}

static uint32_t set_filter(HvNet *s, const void *buf, uint32_t len)
{
    if (len < sizeof(uint32_t)) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    s->filter = ldl_le_p(buf);
    trace_hv_net_filter(s->filter);
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_multicast(HvNet *s, const HvNetOid *oid, void *buf,
                                uint32_t room)
{
    memcpy(buf, s->multicast, s->num_multicast * ETH_ALEN);
    return s->num_multicast * ETH_ALEN;
}

static uint32_t set_multicast(HvNet *s, const void *buf, uint32_t len)
{
    if (len % ETH_ALEN) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    if (len / ETH_ALEN > HV_NET_MAX_MULTICAST) {
        return RNDIS_STATUS_MULTICAST_FULL;
    }
    s->num_multicast = len / ETH_ALEN;
    memcpy(s->multicast, buf, len);
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t set_ignored(HvNet *s, const void *buf, uint32_t len)
{
    return RNDIS_STATUS_SUCCESS;
}

/* --- Receive-side scaling ----------------------------------------------- */

static uint32_t query_rss(HvNet *s, const HvNetOid *oid, void *buf,
                          uint32_t room)
{
    NdisRssCapabilities caps = {
        .header.type = NDIS_OBJECT_RSS_CAPABILITIES,
        .header.revision = 2,
        .header.size = cpu_to_le16(sizeof(caps)),
        .flags = cpu_to_le32(NDIS_RSS_CAP_TCP_IPV4 | NDIS_RSS_CAP_TCP_IPV6 |
                             NDIS_HASH_TOEPLITZ),
        .num_messages = cpu_to_le32(1),
        .num_queues = cpu_to_le32(s->max_queues),
        .num_entries = cpu_to_le16(NDIS_RSS_TABLE_ENTRIES),
    };

    memcpy(buf, &caps, sizeof(caps));
    return sizeof(caps);
}

static uint32_t set_rss(HvNet *s, const void *buf, uint32_t len)
{
    NdisRssParameters p;
    uint32_t table[NDIS_RSS_TABLE_ENTRIES];
    uint64_t key, entries;
    uint32_t num;
    uint16_t flags;

    if (len < sizeof(p)) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    memcpy(&p, buf, sizeof(p));
    flags = le16_to_cpu(p.flags);
    if (flags & NDIS_RSS_DISABLE ||
        !(le32_to_cpu(p.hash_info) & NDIS_HASH_TOEPLITZ ||
          flags & NDIS_RSS_HASH_INFO_UNCHANGED)) {
        s->rss = false;
        return RNDIS_STATUS_SUCCESS;
    }
    key = le32_to_cpu(p.key_offset);
    entries = le32_to_cpu(p.table_offset);
    num = MIN(le16_to_cpu(p.table_size) / sizeof(uint32_t),
              NDIS_RSS_TABLE_ENTRIES);
    if (!(flags & NDIS_RSS_KEY_UNCHANGED) &&
        (le16_to_cpu(p.key_size) != NDIS_RSS_KEY_SIZE ||
         key + NDIS_RSS_KEY_SIZE > len)) {
        return RNDIS_STATUS_INVALID_DATA;
    }
    if (!(flags & NDIS_RSS_TABLE_UNCHANGED)) {
        if (!num || entries + num * sizeof(uint32_t) > len) {
            return RNDIS_STATUS_INVALID_DATA;
        }
        /* a shorter table repeats */
        for (unsigned i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++) {
            table[i] = ldl_le_p(buf + entries + i % num * sizeof(uint32_t));
            if (table[i] >= s->max_queues) {
                return RNDIS_STATUS_INVALID_DATA;
            }
        }
        memcpy(s->rss_table, table, sizeof(table));
    }
    if (!(flags & NDIS_RSS_KEY_UNCHANGED)) {
        memcpy(s->rss_key, buf + key, NDIS_RSS_KEY_SIZE);
    }
    if (!(flags & NDIS_RSS_HASH_INFO_UNCHANGED)) {
        s->rss_hash = le32_to_cpu(p.hash_info);
    }
    s->rss = true;
    trace_hv_net_rss(s->rss_hash, num);
    return RNDIS_STATUS_SUCCESS;
}

/* --- Offloads ----------------------------------------------------------- */

static uint32_t offload_object(HvNet *s, uint32_t on, void *buf)
{
    const uint32_t encap = cpu_to_le32(NDIS_ENCAPSULATION_8023);
    const uint32_t tcp4 = NDIS_CSUM4_TCP | NDIS_CSUM4_TCP_OPTIONS |
                          NDIS_CSUM4_IP_OPTIONS;
    const uint32_t udp4 = NDIS_CSUM4_UDP | NDIS_CSUM4_IP_OPTIONS;
    const uint32_t tcp6 = NDIS_CSUM6_TCP | NDIS_CSUM6_TCP_OPTIONS |
                          NDIS_CSUM6_IP_EXTENSIONS;
    const uint32_t udp6 = NDIS_CSUM6_UDP | NDIS_CSUM6_IP_EXTENSIONS;
    NdisOffload o = {
        .header.type = NDIS_OBJECT_OFFLOAD,
        .header.revision = 3,
        .header.size = cpu_to_le16(sizeof(o)),
        .csum.ip4_tx_encap = encap,
        .csum.ip4_tx = cpu_to_le32((on & HV_NET_IP4_TX ? NDIS_CSUM4_IP : 0) |
                                   (on & HV_NET_TCP4_TX ? tcp4 : 0) |
                                   (on & HV_NET_UDP4_TX ? udp4 : 0)),
        .csum.ip4_rx_encap = encap,
        .csum.ip4_rx = cpu_to_le32((on & HV_NET_IP4_RX ? NDIS_CSUM4_IP : 0) |
                                   (on & HV_NET_TCP4_RX ? tcp4 : 0) |
                                   (on & HV_NET_UDP4_RX ? udp4 : 0)),
        .csum.ip6_tx_encap = encap,
        .csum.ip6_tx = cpu_to_le32((on & HV_NET_TCP6_TX ? tcp6 : 0) |
                                   (on & HV_NET_UDP6_TX ? udp6 : 0)),
        .csum.ip6_rx_encap = encap,
        .csum.ip6_rx = cpu_to_le32((on & HV_NET_TCP6_RX ? tcp6 : 0) |
                                   (on & HV_NET_UDP6_RX ? udp6 : 0)),
        .rsc_ip4 = !!(on & HV_NET_RSC4),
        .rsc_ip6 = !!(on & HV_NET_RSC6),
    };

    if (on & HV_NET_LSO4) {
        o.lso_v2.ip4_encap = encap;
        o.lso_v2.ip4_max_size = cpu_to_le32(HV_NET_LSO_MAX_SIZE);
        o.lso_v2.ip4_min_segments = cpu_to_le32(HV_NET_LSO_MIN_SEGMENTS);
    }
    if (on & HV_NET_LSO6) {
        o.lso_v2.ip6_encap = encap;
        o.lso_v2.ip6_max_size = cpu_to_le32(HV_NET_LSO_MAX_SIZE);
        o.lso_v2.ip6_min_segments = cpu_to_le32(HV_NET_LSO_MIN_SEGMENTS);
        o.lso_v2.ip6_options = cpu_to_le32(NDIS_CSUM6_IP_EXTENSIONS |
                                           NDIS_CSUM6_TCP_OPTIONS);
    }
    memcpy(buf, &o, sizeof(o));
    return sizeof(o);
}

/*
 * What this guest can have turned on.  It does not depend on the backend,
 * which may be another one after a migration: what a backend cannot do, QEMU
 * does.
 */
static uint32_t offload_caps(HvNet *s)
{
    uint32_t caps = HV_NET_OFFLOADS;

    if (s->version != NVSP_VERSION_61 || !(s->capabilities & NVSP_CAP_RSC)) {
        caps &= ~(HV_NET_RSC4 | HV_NET_RSC6);
    }
    return caps;
}

static uint32_t query_offload_caps(HvNet *s, const HvNetOid *oid, void *buf,
                                   uint32_t room)
{
    return offload_object(s, offload_caps(s), buf);
}

static uint32_t query_offload(HvNet *s, const HvNetOid *oid, void *buf,
                              uint32_t room)
{
    return offload_object(s, s->offload, buf);
}

static void offload_set(HvNet *s, uint32_t mask, bool on)
{
    s->offload = ((s->offload & ~mask) | (on ? mask : 0)) & offload_caps(s);
}

static const struct {
    size_t offset;
    uint32_t tx;
    uint32_t rx;            /* or 0: a switch for tx alone */
} offload_params[] = {
    { offsetof(NdisOffloadParameters, ip4_csum),
      HV_NET_IP4_TX, HV_NET_IP4_RX },
    { offsetof(NdisOffloadParameters, tcp4_csum),
      HV_NET_TCP4_TX, HV_NET_TCP4_RX },
    { offsetof(NdisOffloadParameters, udp4_csum),
      HV_NET_UDP4_TX, HV_NET_UDP4_RX },
    { offsetof(NdisOffloadParameters, tcp6_csum),
      HV_NET_TCP6_TX, HV_NET_TCP6_RX },
    { offsetof(NdisOffloadParameters, udp6_csum),
      HV_NET_UDP6_TX, HV_NET_UDP6_RX },
    { offsetof(NdisOffloadParameters, lso_v2_ip4), HV_NET_LSO4 },
    { offsetof(NdisOffloadParameters, lso_v2_ip6), HV_NET_LSO6 },
    { offsetof(NdisOffloadParameters, rsc_ip4), HV_NET_RSC4 },
    { offsetof(NdisOffloadParameters, rsc_ip6), HV_NET_RSC6 },
};

static uint32_t set_offload(HvNet *s, const void *buf, uint32_t len)
{
    NdisOffloadParameters p = { 0 };

    if (len < offsetof(NdisOffloadParameters, ipsec_v2)) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    memcpy(&p, buf, MIN(len, sizeof(p)));
    if (p.header.type != NDIS_OBJECT_DEFAULT ||
        p.lso_v1 == NDIS_OFFLOAD_ON) {
        return RNDIS_STATUS_NOT_SUPPORTED;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(offload_params); i++) {
        uint8_t value = ((uint8_t *)&p)[offload_params[i].offset];

        if (value == NDIS_OFFLOAD_NO_CHANGE) {
            continue;
        }
        if (!offload_params[i].rx) {
            offload_set(s, offload_params[i].tx, value == NDIS_OFFLOAD_ON);
            continue;
        }
        offload_set(s, offload_params[i].tx, value == NDIS_OFFLOAD_TX ||
                                             value == NDIS_OFFLOAD_TX_RX);
        offload_set(s, offload_params[i].rx, value == NDIS_OFFLOAD_RX ||
                                             value == NDIS_OFFLOAD_TX_RX);
    }
    trace_hv_net_offload(s->offload);
    hv_net_offload_changed(s);
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_encap(HvNet *s, const HvNetOid *oid, void *buf,
                            uint32_t room)
{
    NdisOffloadEncapsulation encap = {
        .header.type = NDIS_OBJECT_OFFLOAD_ENCAPSULATION,
        .header.revision = 1,
        .header.size = cpu_to_le16(sizeof(encap)),
        .ip4_enabled = cpu_to_le32(1),
        .ip4_type = cpu_to_le32(NDIS_ENCAPSULATION_8023),
        .ip4_header_size = cpu_to_le32(sizeof(struct eth_header)),
        .ip6_enabled = cpu_to_le32(1),
        .ip6_type = cpu_to_le32(NDIS_ENCAPSULATION_8023),
        .ip6_header_size = cpu_to_le32(sizeof(struct eth_header)),
    };

    memcpy(buf, &encap, sizeof(encap));
    return sizeof(encap);
}

static uint32_t set_encap(HvNet *s, const void *buf, uint32_t len)
{
    const NdisOffloadEncapsulation *encap = buf;

    if (len < sizeof(*encap)) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    if ((le32_to_cpu(encap->ip4_enabled) == 1 &&
         le32_to_cpu(encap->ip4_type) != NDIS_ENCAPSULATION_8023) ||
        (le32_to_cpu(encap->ip6_enabled) == 1 &&
         le32_to_cpu(encap->ip6_type) != NDIS_ENCAPSULATION_8023)) {
        return RNDIS_STATUS_NOT_SUPPORTED;
    }
    return RNDIS_STATUS_SUCCESS;
}

/* --- Settings by name --------------------------------------------------- */

/* A string in UTF-16, if it is one of ASCII characters */
static bool config_string(const uint8_t *buf, uint32_t len, uint32_t off,
                          uint32_t size, char *str, size_t str_size)
{
    size_t n = size / 2;

    if (off > len || size > len - off || n >= str_size) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t c = lduw_le_p(buf + off + 2 * i);

        if (c > 0x7f) {
            return false;
        }
        str[i] = c;
    }
    str[n] = 0;
    return true;
}

static const struct {
    const char *name;
    uint32_t tx;            /* by bit 0 of the value */
    uint32_t rx;            /* by bit 1 */
} config_names[] = {
    { "*IPChecksumOffloadIPv4", HV_NET_IP4_TX, HV_NET_IP4_RX },
    { "*TCPChecksumOffloadIPv4", HV_NET_TCP4_TX, HV_NET_TCP4_RX },
    { "*TCPChecksumOffloadIPv6", HV_NET_TCP6_TX, HV_NET_TCP6_RX },
    { "*UDPChecksumOffloadIPv4", HV_NET_UDP4_TX, HV_NET_UDP4_RX },
    { "*UDPChecksumOffloadIPv6", HV_NET_UDP6_TX, HV_NET_UDP6_RX },
    { "*LsoV2IPv4", HV_NET_LSO4 },
    { "*LsoV2IPv6", HV_NET_LSO6 },
    { "*RscIPv4", HV_NET_RSC4 },
    { "*RscIPv6", HV_NET_RSC6 },
};

static uint32_t set_config(HvNet *s, const void *buf, uint32_t len)
{
    RndisConfigParameter p;
    char name[64], value[64];

    if (len < sizeof(p)) {
        return RNDIS_STATUS_INVALID_LENGTH;
    }
    memcpy(&p, buf, sizeof(p));
    if (!config_string(buf, len, le32_to_cpu(p.name_offset),
                       le32_to_cpu(p.name_length), name, sizeof(name))) {
        return RNDIS_STATUS_INVALID_DATA;
    }
    if (le32_to_cpu(p.type) != RNDIS_CONFIG_STRING) {
        return RNDIS_STATUS_SUCCESS;
    }
    if (!config_string(buf, len, le32_to_cpu(p.value_offset),
                       le32_to_cpu(p.value_length), value, sizeof(value))) {
        return RNDIS_STATUS_INVALID_DATA;
    }
    trace_hv_net_config(name, value);
    if (!strcmp(name, "NetworkAddress")) {
        MACAddr mac;

        if (strlen(value) != 2 * ETH_ALEN) {
            return RNDIS_STATUS_INVALID_DATA;
        }
        for (unsigned i = 0; i < ETH_ALEN; i++) {
            int high = g_ascii_xdigit_value(value[2 * i]);
            int low = g_ascii_xdigit_value(value[2 * i + 1]);

            if (high < 0 || low < 0) {
                return RNDIS_STATUS_INVALID_DATA;
            }
            mac.a[i] = high << 4 | low;
        }
        if (is_multicast_ether_addr(mac.a)) {
            return RNDIS_STATUS_INVALID_DATA;
        }
        s->mac = mac;
        qemu_format_nic_info_str(qemu_get_queue(s->nic), s->mac.a);
        return RNDIS_STATUS_SUCCESS;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(config_names); i++) {
        if (!strcmp(name, config_names[i].name)) {
            unsigned bits = g_ascii_digit_value(value[0]);

            if (bits > 3) {
                return RNDIS_STATUS_INVALID_DATA;
            }
            offload_set(s, config_names[i].tx, bits & 1);
            if (config_names[i].rx) {
                offload_set(s, config_names[i].rx, bits & 2);
            }
            hv_net_offload_changed(s);
        }
    }
    return RNDIS_STATUS_SUCCESS;
}

/* --- The table ---------------------------------------------------------- */

static uint32_t query_list(HvNet *s, const HvNetOid *oid, void *buf,
                           uint32_t room);

#define VALUE(oid, v)       { oid, query_value, NULL, .value = v }
#define COUNTER(oid, field) \
    { oid, query_counter, NULL, .offset = offsetof(HvNet, field) }

static const HvNetOid hv_net_oids[] = {
    { OID_GEN_SUPPORTED_LIST, query_list },
    VALUE(OID_GEN_HARDWARE_STATUS, 0),
    VALUE(OID_GEN_MEDIA_SUPPORTED, RNDIS_MEDIUM_802_3),
    VALUE(OID_GEN_MEDIA_IN_USE, RNDIS_MEDIUM_802_3),
    { OID_GEN_MAXIMUM_LOOKAHEAD, query_payload },
    { OID_GEN_CURRENT_LOOKAHEAD, query_payload, set_ignored },
    { OID_GEN_MAXIMUM_FRAME_SIZE, query_payload },
    { OID_GEN_MAXIMUM_TOTAL_SIZE, query_frame },
    { OID_GEN_TRANSMIT_BLOCK_SIZE, query_frame },
    { OID_GEN_RECEIVE_BLOCK_SIZE, query_frame },
    { OID_GEN_LINK_SPEED, query_link_speed },
    VALUE(OID_GEN_TRANSMIT_BUFFER_SPACE, 256 * 1024),
    VALUE(OID_GEN_RECEIVE_BUFFER_SPACE, 256 * 1024),
    VALUE(OID_GEN_VENDOR_ID, 0x00005254),
    { OID_GEN_VENDOR_DESCRIPTION, query_vendor },
    VALUE(OID_GEN_VENDOR_DRIVER_VERSION, 0x0100),
    VALUE(OID_GEN_DRIVER_VERSION, 0x0100),
    { OID_GEN_CURRENT_PACKET_FILTER, query_filter, set_filter },
    { OID_GEN_PROTOCOL_OPTIONS, NULL, set_ignored },
    VALUE(OID_GEN_MAC_OPTIONS, NDIS_MAC_COPY_LOOKAHEAD | NDIS_MAC_NOT_PENDING |
                               NDIS_MAC_NO_LOOPBACK | NDIS_MAC_8021P |
                               NDIS_MAC_8021Q),
    { OID_GEN_MEDIA_CONNECT_STATUS, query_connected },
    VALUE(OID_GEN_MAXIMUM_SEND_PACKETS, UINT32_MAX),
    { OID_GEN_NETWORK_LAYER_ADDRESSES, NULL, set_ignored },
    { OID_GEN_MACHINE_NAME, NULL, set_ignored },
    { OID_GEN_LINK_PARAMETERS, NULL, set_ignored },
    { OID_GEN_FRIENDLY_NAME, query_name },
    { OID_GEN_RNDIS_CONFIG_PARAMETER, NULL, set_config },
    { OID_GEN_LINK_STATE, query_link_state },
    { OID_GEN_MAX_LINK_SPEED, query_max_link_speed },
    { OID_GEN_RECEIVE_SCALE_CAPABILITIES, query_rss },
    { OID_GEN_RECEIVE_SCALE_PARAMETERS, NULL, set_rss },
    { OID_802_3_PERMANENT_ADDRESS, query_permanent_mac },
    { OID_802_3_CURRENT_ADDRESS, query_mac },
    { OID_802_3_MULTICAST_LIST, query_multicast, set_multicast },
    VALUE(OID_802_3_MAXIMUM_LIST_SIZE, HV_NET_MAX_MULTICAST),
    VALUE(OID_802_3_RCV_ERROR_ALIGNMENT, 0),
    VALUE(OID_802_3_XMIT_ONE_COLLISION, 0),
    VALUE(OID_802_3_XMIT_MORE_COLLISIONS, 0),
    { OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, query_offload_caps },
    { OID_TCP_OFFLOAD_CURRENT_CONFIG, query_offload },
    { OID_TCP_OFFLOAD_PARAMETERS, NULL, set_offload },
    { OID_OFFLOAD_ENCAPSULATION, query_encap, set_encap },
    COUNTER(OID_GEN_XMIT_OK, tx.frames),
    COUNTER(OID_GEN_RCV_OK, rx.frames),
    COUNTER(OID_GEN_XMIT_ERROR, tx.errors),
    COUNTER(OID_GEN_RCV_ERROR, rx.errors),
    COUNTER(OID_GEN_RCV_NO_BUFFER, rx.discards),
    COUNTER(OID_GEN_RCV_DISCARDS, rx.discards),
    COUNTER(OID_GEN_XMIT_DISCARDS, tx.discards),
    COUNTER(OID_GEN_BYTES_RCV, rx.bytes),
    COUNTER(OID_GEN_BYTES_XMIT, tx.bytes),
    COUNTER(OID_GEN_DIRECTED_BYTES_XMIT, tx.directed_bytes),
    COUNTER(OID_GEN_DIRECTED_FRAMES_XMIT, tx.directed_frames),
    COUNTER(OID_GEN_MULTICAST_BYTES_XMIT, tx.multicast_bytes),
    COUNTER(OID_GEN_MULTICAST_FRAMES_XMIT, tx.multicast_frames),
    COUNTER(OID_GEN_BROADCAST_BYTES_XMIT, tx.broadcast_bytes),
    COUNTER(OID_GEN_BROADCAST_FRAMES_XMIT, tx.broadcast_frames),
    COUNTER(OID_GEN_DIRECTED_BYTES_RCV, rx.directed_bytes),
    COUNTER(OID_GEN_DIRECTED_FRAMES_RCV, rx.directed_frames),
    COUNTER(OID_GEN_MULTICAST_BYTES_RCV, rx.multicast_bytes),
    COUNTER(OID_GEN_MULTICAST_FRAMES_RCV, rx.multicast_frames),
    COUNTER(OID_GEN_BROADCAST_BYTES_RCV, rx.broadcast_bytes),
    COUNTER(OID_GEN_BROADCAST_FRAMES_RCV, rx.broadcast_frames),
};

static uint32_t query_list(HvNet *s, const HvNetOid *oid, void *buf,
                           uint32_t room)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hv_net_oids); i++) {
        stl_le_p((uint32_t *)buf + i, hv_net_oids[i].oid);
    }
    return sizeof(uint32_t) * ARRAY_SIZE(hv_net_oids);
}

static const HvNetOid *hv_net_oid(uint32_t oid)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hv_net_oids); i++) {
        if (hv_net_oids[i].oid == oid) {
            return &hv_net_oids[i];
        }
    }
    return NULL;
}

/* --- Messages ----------------------------------------------------------- */

/* Send a control message of the host's: false if there is no room */
static bool hv_net_send_control(HvNet *s, void *buf, uint32_t len)
{
    RndisHeader *header = buf;
    vmbus_xferpg_range range;
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    if (!s->recv_buf || !s->num_free) {
        return false;
    }
    header->length = cpu_to_le32(len);
    range.byte_count = len;
    range.byte_offset = s->free[s->num_free - 1] * s->section_size;
    vmbus_iov_to_gpadl(s->queues[0].chan, s->recv_buf, range.byte_offset,
                       &iov, 1);
    if (!hv_net_send_ranges(&s->queues[0], NVSP_CHANNEL_CONTROL, &range, 1)) {
        return false;
    }
    s->num_free--;
    return true;
}

void hv_net_indicate_link(HvNet *s)
{
    bool down = hv_net_link_down(s);
    RndisIndicate msg = {
        .header.type = cpu_to_le32(RNDIS_MSG_INDICATE),
        .status = cpu_to_le32(down ? RNDIS_STATUS_MEDIA_DISCONNECT :
                                     RNDIS_STATUS_MEDIA_CONNECT),
    };

    /* a stopped VM hears of it when it goes on */
    if (s->ready && down != s->told_link_down && runstate_is_running() &&
        hv_net_send_control(s, &msg, sizeof(msg))) {
        s->told_link_down = down;
    }
}

/* The value of a request, whose bounds are checked here */
static const void *rndis_info(const RndisRequest *r, uint32_t len,
                              uint32_t *info_len)
{
    uint64_t offset = le32_to_cpu(r->info_offset);

    *info_len = le32_to_cpu(r->info_length);
    offset += offsetof(RndisRequest, request_id);
    return offset + *info_len > len ? NULL : (const void *)r + offset;
}

static uint32_t rndis_query(HvNet *s, const RndisRequest *r, uint32_t len,
                            void *reply)
{
    RndisQueryComplete *c = reply;
    uint32_t oid = le32_to_cpu(r->oid);
    const HvNetOid *row = hv_net_oid(oid);
    uint32_t n = 0;

    if (row && row->query) {
        n = row->query(s, row, c + 1, le32_to_cpu(r->info_length));
    } else {
        qemu_log_mask(LOG_UNIMP, "hv-net: query of OID 0x%x\n", oid);
    }
    trace_hv_net_query(oid, n);
    c->request_id = r->request_id;
    c->status = cpu_to_le32(n || (row && row->query) ?
                            RNDIS_STATUS_SUCCESS : RNDIS_STATUS_NOT_SUPPORTED);
    c->info_length = cpu_to_le32(n);
    c->info_offset = cpu_to_le32(sizeof(*c) -
                                 offsetof(RndisQueryComplete, request_id));
    return sizeof(*c) + n;
}

static uint32_t rndis_set(HvNet *s, const RndisRequest *r, uint32_t len,
                          void *reply)
{
    RndisComplete *c = reply;
    uint32_t oid = le32_to_cpu(r->oid);
    const HvNetOid *row = hv_net_oid(oid);
    uint32_t info_len;
    const void *info = rndis_info(r, len, &info_len);
    uint32_t status = RNDIS_STATUS_NOT_SUPPORTED;

    if (!info) {
        status = RNDIS_STATUS_INVALID_LENGTH;
    } else if (row && row->set) {
        status = row->set(s, info, info_len);
    } else {
        qemu_log_mask(LOG_UNIMP, "hv-net: set of OID 0x%x\n", oid);
    }
    trace_hv_net_set(oid, status);
    c->request_id = r->request_id;
    c->status = cpu_to_le32(status);
    return sizeof(*c);
}

static uint32_t rndis_init(HvNet *s, const RndisRequest *r, uint32_t len,
                           void *reply)
{
    RndisInitComplete *c = reply;

    hv_net_rndis_reset(s);
    s->ready = true;
    *c = (RndisInitComplete) {
        .header = c->header,
        .request_id = r->request_id,
        .status = cpu_to_le32(RNDIS_STATUS_SUCCESS),
        .major = cpu_to_le32(RNDIS_MAJOR_VERSION),
        .minor = cpu_to_le32(RNDIS_MINOR_VERSION),
        .device_flags = cpu_to_le32(RNDIS_DF_CONNECTIONLESS),
        .medium = cpu_to_le32(RNDIS_MEDIUM_802_3),
        .max_packets_per_message = cpu_to_le32(HV_NET_MAX_PACKETS),
        .max_transfer_size = cpu_to_le32(HV_NET_MAX_FRAME),
        .packet_alignment_factor = cpu_to_le32(HV_NET_ALIGNMENT),
    };
    return sizeof(*c);
}

static uint32_t rndis_reset(HvNet *s, const RndisRequest *r, uint32_t len,
                            void *reply)
{
    RndisResetComplete *c = reply;

    /* the guest has to set the addresses and filters again */
    hv_net_rndis_reset(s);
    s->ready = true;
    c->status = cpu_to_le32(RNDIS_STATUS_SUCCESS);
    c->addressing_reset = cpu_to_le32(1);
    return sizeof(*c);
}

static uint32_t rndis_keepalive(HvNet *s, const RndisRequest *r, uint32_t len,
                                void *reply)
{
    RndisComplete *c = reply;

    c->request_id = r->request_id;
    c->status = cpu_to_le32(RNDIS_STATUS_SUCCESS);
    return sizeof(*c);
}

static uint32_t rndis_halt(HvNet *s, const RndisRequest *r, uint32_t len,
                           void *reply)
{
    hv_net_rndis_reset(s);
    return 0;
}

/* A handler returns the length of its answer, or 0 if there is none */
static const struct {
    uint32_t type;
    uint32_t length;
    uint32_t (*handler)(HvNet *s, const RndisRequest *r, uint32_t len,
                        void *reply);
} rndis_messages[] = {
    { RNDIS_MSG_INIT, sizeof(RndisInit), rndis_init },
    { RNDIS_MSG_HALT, offsetof(RndisRequest, oid), rndis_halt },
    { RNDIS_MSG_QUERY, sizeof(RndisRequest), rndis_query },
    { RNDIS_MSG_SET, sizeof(RndisRequest), rndis_set },
    { RNDIS_MSG_RESET, offsetof(RndisRequest, oid), rndis_reset },
    { RNDIS_MSG_KEEPALIVE, offsetof(RndisRequest, oid), rndis_keepalive },
};

bool hv_net_control(HvNet *s, const void *buf, uint32_t len, uint32_t *status)
{
    const RndisRequest *r = buf;
    uint32_t type = le32_to_cpu(r->header.type);
    uint64_t reply[HV_NET_MAX_CONTROL / sizeof(uint64_t)] = { 0 };
    uint32_t n;

    for (unsigned i = 0; i < ARRAY_SIZE(rndis_messages); i++) {
        if (rndis_messages[i].type != type || rndis_messages[i].length > len ||
            (!s->ready && type != RNDIS_MSG_INIT && type != RNDIS_MSG_HALT)) {
            continue;
        }
        if (!s->num_free) {
            /* the guest has not given back sixteen answers: no more for it */
            *status = NVSP_STAT_BUSY;
            return true;
        }
        *(RndisHeader *)reply = (RndisHeader) {
            .type = cpu_to_le32(type | RNDIS_MSG_COMPLETE),
        };
        n = rndis_messages[i].handler(s, r, len, reply);
        if (n && !hv_net_send_control(s, reply, n)) {
            return false;
        }
        return true;
    }
    *status = NVSP_STAT_INVALID_RNDIS_PKT;
    return true;
}
