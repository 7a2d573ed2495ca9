/*
 * The guest's side of VMBus: for tests of the bus and of its devices, without
 * a CPU
 *
 *   QVmbus *b = qvmbus_new(s);
 *   qvmbus_connect(b, QVMBUS_V(5, 3));
 *   qvmbus_request_offers(b);
 *   c = qvmbus_open(qvmbus_find(b, CLASS_GUID, 0), 4, 4, 0);
 *   qvmbus_send(c, ...);
 *   p = qvmbus_recv(c);
 *   qvmbus_close(c);
 *   qvmbus_free(b);
 *
 * Guest memory comes from qvmbus_alloc(), which never gives anything back.
 * What takes a guest's message and has an answer waits for that, and whatever
 * else arrives before it (offers, rescinds) is handled by the way.  A wait that
 * lasts for a minute is a failed test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LIBQOS_VMBUS_H
#define LIBQOS_VMBUS_H

#include "hyperv.h"

#define QVMBUS_V(major, minor)  ((major) << 16 | (minor))

#define QVMBUS_SINT             2
#define QVMBUS_VECTOR           0x50
#define QVMBUS_CONN_MESSAGE     1
#define QVMBUS_CONN_EVENT       2
#define QVMBUS_CONN_MESSAGE_4   4

/* Guest memory that qvmbus_alloc() hands out */
#define QVMBUS_MEM              0x1000000

/* Channel messages */
enum {
    QVM_OFFER = 1,
    QVM_RESCIND = 2,
    QVM_REQUEST_OFFERS = 3,
    QVM_ALL_OFFERS = 4,
    QVM_OPEN = 5,
    QVM_OPEN_RESULT = 6,
    QVM_CLOSE = 7,
    QVM_GPADL_HEADER = 8,
    QVM_GPADL_BODY = 9,
    QVM_GPADL_CREATED = 10,
    QVM_GPADL_TEARDOWN = 11,
    QVM_GPADL_TORNDOWN = 12,
    QVM_RELEASED = 13,
    QVM_CONTACT = 14,
    QVM_VERSION = 15,
    QVM_UNLOAD = 16,
    QVM_UNLOADED = 17,
    QVM_OPEN_RESERVED = 18,
    QVM_CLOSE_RESERVED = 19,
    QVM_CLOSED_RESERVED = 20,
    QVM_TL_CONNECT = 21,
    QVM_MODIFY = 22,
    QVM_TL_RESULT = 23,
    QVM_MODIFIED = 24,
    QVM_MODIFY_CONNECTION = 25,
    QVM_MODIFIED_CONNECTION = 26,
    QVM_PAUSE = 27,
    QVM_PAUSED = 28,
    QVM_RESUME = 29,
};

/* Packet types */
enum {
    QVP_INBAND = 6,
    QVP_XFER_PAGES = 7,
    QVP_GPA_DIRECT = 9,
    QVP_COMPLETION = 11,
};

typedef struct QVmbus QVmbus;

/**
 * QVmbusOffer: a channel that was offered
 * @classid, @instanceid: as on the wire
 * @index: 0, or the number of a sub-channel
 * @rescinded: the host has taken it back
 */
typedef struct QVmbusOffer {
    QVmbus *bus;
    uint8_t classid[16];
    uint8_t instanceid[16];
    uint16_t flags;
    uint16_t mmio_mb;
    uint8_t user_data[120];
    uint16_t index;
    uint32_t relid;
    uint8_t monitor_allocated;
    uint16_t dedicated;
    uint32_t connection_id;
    bool rescinded;
} QVmbusOffer;

/**
 * QVmbusMsg: a message, complete with its header
 */
typedef struct QVmbusMsg {
    uint32_t type;
    uint32_t len;
    uint8_t data[240];
} QVmbusMsg;

/**
 * QVmbus:
 * @version: of the connection, 0 if there is none
 * @features: negotiated, from 6.0 on
 * @conn_id: where messages are posted
 * @int_page: interrupt page that versions before 2.4 are given
 * @contact_features, @contact_vp: for the next qvmbus_connect()
 * @offers: QVmbusOffer, in the order in which they came; those that were
 *          released are gone
 */
struct QVmbus {
    QTestState *qts;
    uint32_t version;
    uint32_t features;
    uint32_t conn_id;
    uint64_t int_page;
    uint32_t contact_features;
    uint32_t contact_vp;
    uint64_t next_mem;
    uint32_t next_gpadl;
    GPtrArray *offers;
};

/**
 * QVmbusRing: @ctl is the guest address of the control page, @size the number
 * of bytes of data behind it
 */
typedef struct QVmbusRing {
    uint64_t ctl;
    uint32_t size;
} QVmbusRing;

/**
 * QVmbusChan: an open channel
 */
typedef struct QVmbusChan {
    QVmbus *bus;
    QVmbusOffer *offer;
    uint32_t gpadl;
    uint32_t vp;
    QVmbusRing out;             /* to the host */
    QVmbusRing in;              /* from the host */
} QVmbusChan;

/**
 * QVmbusPacket: a packet from the host; @data is the payload
 */
typedef struct QVmbusPacket {
    uint16_t type;
    uint16_t flags;
    uint64_t transaction_id;
    uint8_t *desc;
    uint32_t desclen;
    uint8_t *data;
    uint32_t len;
} QVmbusPacket;

/**
 * qvmbus_start: start QEMU with the CPU flags that VMBus needs
 * @extra: more arguments, or NULL
 */
QTestState *qvmbus_start(unsigned cpus, const char *extra);

/**
 * qvmbus_new: switch the SynICs of the VPs on, and get ready to connect
 */
QVmbus *qvmbus_new(QTestState *s, unsigned cpus);
void qvmbus_free(QVmbus *b);

/**
 * qvmbus_synic_on: what qvmbus_new() does to one VP, again after a reset
 */
void qvmbus_synic_on(QTestState *s, unsigned vp);

/**
 * qvmbus_alloc: zeroed guest memory
 */
uint64_t qvmbus_alloc(QVmbus *b, unsigned pages);

/**
 * qvmbus_wait: call @done until it returns true
 */
void qvmbus_wait(QVmbus *b, bool (*done)(QVmbus *b, void *opaque),
                 void *opaque);

/* --- messages --- */

/**
 * qvmbus_try_post: post a message once
 * @data: complete with its header
 *
 * Returns: the hypercall's status
 */
uint16_t qvmbus_try_post(QVmbus *b, uint32_t conn_id, const void *data,
                         uint32_t len);

/**
 * qvmbus_post: the same, as often as the host has no room for it
 */
void qvmbus_post(QVmbus *b, const void *data, uint32_t len);

/**
 * qvmbus_post_words: post a message of type @type with 32-bit words @words
 */
void qvmbus_post_words(QVmbus *b, uint32_t type, unsigned n,
                       const uint32_t *words);

/**
 * qvmbus_poll: take a message from the slot of VP @vp
 *
 * Returns: false if there is none
 */
bool qvmbus_poll(QVmbus *b, unsigned vp, unsigned sint, QVmbusMsg *msg);

/**
 * qvmbus_expect: wait for a message of type @type.  Offers and rescinds that
 * come before are noted; any other message is a failure.
 */
void qvmbus_expect(QVmbus *b, uint32_t type, QVmbusMsg *msg);

/**
 * qvmbus_sync: wait until the host has dealt with all that was posted; notes
 * offers and rescinds
 *
 * Works in any state of the connection but when it is paused, and without
 * changing it, from version 0.13 to 6.0.
 */
void qvmbus_sync(QVmbus *b);

/* --- connection --- */

/**
 * qvmbus_contact: ask for a version
 *
 * Returns: whether the host supports it
 */
bool qvmbus_contact(QVmbus *b, uint32_t version);

/**
 * qvmbus_connect: the same, and not to be refused
 */
void qvmbus_connect(QVmbus *b, uint32_t version);
void qvmbus_request_offers(QVmbus *b);
void qvmbus_unload(QVmbus *b);

/**
 * qvmbus_find: a channel by the GUID of its class, in the usual notation
 *
 * Returns: NULL if there is none that was not rescinded
 */
QVmbusOffer *qvmbus_find(QVmbus *b, const char *classid, unsigned index);

/**
 * qvmbus_wait_offer: wait until there is one
 */
QVmbusOffer *qvmbus_wait_offer(QVmbus *b, const char *classid,
                               unsigned index);

/**
 * qvmbus_wait_rescind: wait until @offer is rescinded
 */
void qvmbus_wait_rescind(QVmbusOffer *offer);

/**
 * qvmbus_release: let go of a channel; @offer is invalid afterwards
 */
void qvmbus_release(QVmbusOffer *offer);

/* --- GPADLs --- */

/**
 * qvmbus_gpadl: lend pages to the host
 * @pfn: their numbers
 * @len: number of bytes, the first at @offset into the first page
 *
 * Returns: the GPADL's id, or 0 if the host refuses
 */
uint32_t qvmbus_gpadl_pfns(QVmbus *b, uint32_t relid, const uint64_t *pfn,
                           unsigned nr, uint32_t offset, uint32_t len);

/**
 * qvmbus_gpadl: the same for @pages pages from @gpa on
 */
uint32_t qvmbus_gpadl(QVmbus *b, uint32_t relid, uint64_t gpa,
                      unsigned pages);
void qvmbus_gpadl_teardown(QVmbus *b, uint32_t relid, uint32_t gpadl);

/* --- channels --- */

/**
 * qvmbus_try_open: open a channel
 * @out_pages, @in_pages: of the rings to and from the host, with the control
 *                        page
 * @vp: for interrupts
 *
 * Returns: NULL if the host refuses
 */
QVmbusChan *qvmbus_try_open(QVmbusOffer *offer, unsigned out_pages,
                            unsigned in_pages, unsigned vp);

/**
 * qvmbus_open: the same, and not to be refused
 */
QVmbusChan *qvmbus_open(QVmbusOffer *offer, unsigned out_pages,
                        unsigned in_pages, unsigned vp);

/**
 * qvmbus_open_gpadl: send OPEN for a GPADL that exists
 *
 * Returns: the status in the result
 */
uint32_t qvmbus_open_gpadl(QVmbusOffer *offer, uint32_t gpadl,
                           uint32_t in_offset, uint32_t vp);

/**
 * qvmbus_close: close the channel, tear down its GPADL and free @chan
 */
void qvmbus_close(QVmbusChan *chan);

/**
 * qvmbus_try_send: write a packet
 * @desc: descriptor between header and payload
 * @completion: ask for one
 *
 * Returns: false if it does not fit
 */
bool qvmbus_try_send(QVmbusChan *chan, uint16_t type,
                     const void *desc, uint32_t desclen,
                     const void *data, uint32_t len,
                     bool completion, uint64_t transaction_id);

/**
 * qvmbus_send: write a packet and signal the host
 */
void qvmbus_send(QVmbusChan *chan, uint16_t type,
                 const void *desc, uint32_t desclen,
                 const void *data, uint32_t len,
                 bool completion, uint64_t transaction_id);

/**
 * qvmbus_send_gpa: send a packet with memory of the guest's: @ranges times
 * @gpa and @len
 */
typedef struct QVmbusRange {
    uint64_t gpa;
    uint32_t len;
} QVmbusRange;

void qvmbus_send_gpa(QVmbusChan *chan, const QVmbusRange *range,
                     unsigned ranges, const void *data, uint32_t len,
                     uint64_t transaction_id);

/**
 * qvmbus_signal: tell the host that there are packets
 */
void qvmbus_signal(QVmbusChan *chan);

/**
 * qvmbus_try_recv: read a packet, and tell the host if it waits for the room
 *
 * Returns: NULL if there is none; otherwise to be freed with
 * qvmbus_packet_free()
 */
QVmbusPacket *qvmbus_try_recv(QVmbusChan *chan);

/**
 * qvmbus_recv: wait for a packet
 */
QVmbusPacket *qvmbus_recv(QVmbusChan *chan);
void qvmbus_packet_free(QVmbusPacket *p);

/**
 * qvmbus_take_event: has the host signalled the channel?  Clears the flag.
 */
bool qvmbus_take_event(QVmbusChan *chan);

/**
 * qvmbus_wait_event: wait until it has
 */
void qvmbus_wait_event(QVmbusChan *chan);

/* Fields of the rings' control pages */
enum {
    QVR_WRITE = 0,
    QVR_READ = 4,
    QVR_MASK = 8,
    QVR_PENDING = 12,
    QVR_FEATURES = 64,
};

uint32_t qvmbus_ring_get(QVmbusChan *chan, const QVmbusRing *r, unsigned field);
void qvmbus_ring_set(QVmbusChan *chan, const QVmbusRing *r, unsigned field,
                     uint32_t val);

#endif
