/*
 * QTest of hv-scsi and hv-ide over the guest's side of VMBus: initialization, commands,
 * malformed packets, requests that are under way when something happens
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "libqos/vmbus.h"
#include "hw/hyperv/scsi-proto.h"
#include "scsi/constants.h"

#define MEDIUM "null-co,read-zeroes=on,size=1048576,node-name=d"
/* whose requests are still under way when the test does something */
#define SLOW "null-co,read-zeroes=on,size=1048576,node-name=d,latency-ns=300000000"

typedef struct Fixture {
    QTestState *s;
    QVmbus *b;
    QVmbusChan *c;
    char *extra;
    uint64_t buf;               /* two pages of guest memory */
    uint64_t id;                /* of the last request */
    uint32_t len;               /* of the version's packets */
    HvStorPacket answer;        /* to the last request */
} Fixture;

static void start_with(Fixture *f, char *extra)
{
    memset(f, 0, sizeof(*f));
    f->len = sizeof(HvStorPacket);
    f->extra = extra;
    f->s = qvmbus_start(2, f->extra);
}

static void start(Fixture *f, const char *props, const char *blockdev,
                  const char *extra)
{
    start_with(f, g_strdup_printf("-device vmbus-bridge "
                                  "-device hv-scsi,id=scsi%s -blockdev %s "
                                  "-device scsi-hd,bus=scsi.0,drive=d,id=hd,"
                                  "rerror=report %s", props, blockdev, extra));
}

static void open_class(Fixture *f, const char *class)
{
    f->b = qvmbus_new(f->s, 2);
    qvmbus_connect(f->b, QVMBUS_V(5, 3));
    qvmbus_request_offers(f->b);
    f->c = qvmbus_open(qvmbus_find(f->b, class, 0), 4, 4, 0);
    f->buf = qvmbus_alloc(f->b, 2);
}

static void open_channel(Fixture *f)
{
    open_class(f, HV_STOR_SCSI_CLASS_GUID);
}

static void stop(Fixture *f)
{
    qvmbus_close(f->c);
    qvmbus_free(f->b);
    qtest_quit(f->s);
    g_free(f->extra);
}

/* --- packets --- */

static HvStorPacket packet(uint32_t operation)
{
    return (HvStorPacket) { .header.operation = cpu_to_le32(operation) };
}

/* Receives an answer, which has to be of the last request, or of @id. */
static uint32_t answer_of(Fixture *f, QVmbusChan *c, uint64_t id)
{
    QVmbusPacket *p = qvmbus_recv(c);
    uint32_t status;

    g_assert_cmpuint(p->type, ==, QVP_COMPLETION);
    g_assert_cmphex(p->transaction_id, ==, id);
    g_assert_cmpuint(p->len, ==, f->len);
    memset(&f->answer, 0, sizeof(f->answer));
    memcpy(&f->answer, p->data, p->len);
    g_assert_cmpuint(le32_to_cpu(f->answer.header.operation), ==,
                     HV_STOR_COMPLETE_IO);
    status = le32_to_cpu(f->answer.header.status);
    qvmbus_packet_free(p);
    return status;
}

static void send_packet(Fixture *f, const HvStorPacket *p)
{
    qvmbus_send(f->c, QVP_INBAND, NULL, 0, p, f->len, true, ++f->id);
}

static uint32_t control(Fixture *f, const HvStorPacket *p)
{
    send_packet(f, p);
    return answer_of(f, f->c, f->id);
}

static uint32_t operation(Fixture *f, uint32_t op)
{
    HvStorPacket p = packet(op);

    return control(f, &p);
}

static uint32_t query_version(Fixture *f, uint16_t version)
{
    HvStorPacket p = packet(HV_STOR_QUERY_PROTOCOL_VERSION);

    p.version = cpu_to_le16(version);
    return control(f, &p);
}

static void initialize(Fixture *f, uint16_t version)
{
    f->len = version < HV_STOR_VERSION_WIN8 ? HV_STOR_PACKET_V1_SIZE :
                                              sizeof(HvStorPacket);
    g_assert_cmphex(operation(f, HV_STOR_BEGIN_INITIALIZATION), ==, 0);
    g_assert_cmphex(query_version(f, version), ==, 0);
    g_assert_cmphex(operation(f, HV_STOR_QUERY_PROPERTIES), ==, 0);
    g_assert_cmphex(operation(f, HV_STOR_END_INITIALIZATION), ==, 0);
}

/* --- commands --- */

static HvStorPacket command(const uint8_t *cdb, uint8_t cdb_len,
                            uint8_t data_in, uint32_t len)
{
    HvStorPacket p = packet(HV_STOR_EXECUTE_SRB);

    p.srb.length = cpu_to_le16(sizeof(p.srb));
    p.srb.cdb_length = cdb_len;
    p.srb.sense_length = HV_SRB_SENSE_MAX;
    p.srb.data_in = data_in;
    p.srb.data_transfer_length = cpu_to_le32(len);
    memcpy(p.srb.cdb, cdb, MIN(cdb_len, HV_SRB_CDB_MAX));
    return p;
}

static void send_on(Fixture *f, QVmbusChan *c, const HvStorPacket *p,
                    uint32_t len)
{
    QVmbusRange range = { f->buf, len };

    if (len) {
        qvmbus_send_gpa(c, &range, 1, p, f->len, ++f->id);
    } else {
        qvmbus_send(c, QVP_INBAND, NULL, 0, p, f->len, true, ++f->id);
    }
}

/* Runs a command with a buffer of @len bytes: the SRB status. */
static uint8_t execute(Fixture *f, const HvStorPacket *p, uint32_t len)
{
    send_on(f, f->c, p, len);
    answer_of(f, f->c, f->id);
    return f->answer.srb.srb_status;
}

static HvStorPacket read10(uint32_t lba, uint16_t blocks)
{
    uint8_t cdb[10] = { READ_10 };

    stl_be_p(&cdb[2], lba);
    stw_be_p(&cdb[7], blocks);
    return command(cdb, sizeof(cdb), HV_SRB_DATA_IN, blocks * 512);
}

static HvStorPacket write10(uint32_t lba, uint16_t blocks)
{
    HvStorPacket p = read10(lba, blocks);

    p.srb.cdb[0] = WRITE_10;
    p.srb.data_in = HV_SRB_DATA_OUT;
    return p;
}

static HvStorPacket simple(uint8_t opcode)
{
    uint8_t cdb[6] = { opcode };

    return command(cdb, sizeof(cdb), HV_SRB_DATA_UNSPECIFIED, 0);
}

static uint32_t transferred(Fixture *f)
{
    return le32_to_cpu(f->answer.srb.data_transfer_length);
}

/* Takes the unit attention conditions of a new device. */
static void attend(Fixture *f)
{
    HvStorPacket p = simple(TEST_UNIT_READY);
    int i;

    for (i = 0; i < 4 && execute(f, &p, 0) != HV_SRB_STATUS_SUCCESS; i++) {
        g_assert_cmphex(f->answer.srb.srb_status, ==, HV_SRB_STATUS_ERROR |
                        HV_SRB_STATUS_AUTOSENSE_VALID);
        g_assert_cmphex(f->answer.srb.sense[2] & 0xf, ==, UNIT_ATTENTION);
    }
    g_assert_cmpint(i, <, 4);
}

/* Opens the channel, initializes it, and gets the disk ready. */
static void ready(Fixture *f)
{
    open_channel(f);
    initialize(f, HV_STOR_VERSION_WIN10);
    attend(f);
}

/* --- tests --- */

static void test_initialization(void)
{
    static const uint16_t version[] = {
        HV_STOR_VERSION_WIN6, HV_STOR_VERSION_WIN7, HV_STOR_VERSION_WIN8,
        HV_STOR_VERSION_WIN8_1, HV_STOR_VERSION_WIN10,
    };
    HvStorPacket p;
    Fixture f;
    int i;

    start(&f, ",sub-channels=3,max-transfer=65536", MEDIUM, "");
    open_channel(&f);
    for (i = 0; i < ARRAY_SIZE(version); i++) {
        bool multi = version[i] >= HV_STOR_VERSION_WIN8;
        QVmbusOffer *offer = f.c->offer;

        f.len = multi ? sizeof(HvStorPacket) : HV_STOR_PACKET_V1_SIZE;
        /* each in its order only */
        g_assert_cmphex(query_version(&f, version[i]), ==,
                        HV_STOR_STATUS_INVALID_DEVICE_STATE);
        p = simple(TEST_UNIT_READY);
        g_assert_cmphex(control(&f, &p), !=, 0);
        g_assert_cmphex(operation(&f, HV_STOR_BEGIN_INITIALIZATION), ==, 0);
        g_assert_cmphex(operation(&f, HV_STOR_BEGIN_INITIALIZATION), ==,
                        HV_STOR_STATUS_INVALID_DEVICE_STATE);
        g_assert_cmphex(query_version(&f, 0x0702), ==,
                        HV_STOR_STATUS_REVISION_MISMATCH);
        g_assert_cmphex(operation(&f, HV_STOR_QUERY_PROPERTIES), ==,
                        HV_STOR_STATUS_INVALID_DEVICE_STATE);
        g_assert_cmphex(query_version(&f, version[i]), ==, 0);
        g_assert_cmphex(operation(&f, HV_STOR_QUERY_PROPERTIES), ==, 0);
        g_assert_cmpuint(le16_to_cpu(f.answer.properties.max_sub_channels), ==,
                         multi ? 3 : 0);
        g_assert_cmphex(le32_to_cpu(f.answer.properties.flags), ==,
                        multi ? HV_STOR_PROPERTIES_MULTI_CHANNEL : 0);
        g_assert_cmpuint(le32_to_cpu(f.answer.properties.max_transfer_bytes),
                         ==, 65536);
        g_assert_cmphex(operation(&f, HV_STOR_END_INITIALIZATION), ==, 0);
        attend(&f);
        g_assert_cmphex(operation(&f, 99), ==,
                        HV_STOR_STATUS_INVALID_DEVICE_REQUEST);
        g_assert_cmphex(operation(&f, HV_STOR_FCHBA_DATA), ==,
                        HV_STOR_STATUS_INVALID_DEVICE_REQUEST);
        qvmbus_close(f.c);
        f.c = qvmbus_open(offer, 4, 4, 0);
    }
    stop(&f);
}

static void test_sub_channels(void)
{
    HvStorPacket p = packet(HV_STOR_CREATE_SUB_CHANNELS);
    QVmbusChan *sub[2];
    Fixture f;
    int i;

    start(&f, ",sub-channels=2", MEDIUM, "");
    ready(&f);
    p.sub_channels = cpu_to_le16(3);
    g_assert_cmphex(control(&f, &p), ==, HV_STOR_STATUS_INVALID_PARAMETER);
    g_assert_null(qvmbus_find(f.b, HV_STOR_SCSI_CLASS_GUID, 1));
    p.sub_channels = cpu_to_le16(2);
    g_assert_cmphex(control(&f, &p), ==, 0);
    for (i = 0; i < 2; i++) {
        QVmbusOffer *offer;

        while (!(offer = qvmbus_find(f.b, HV_STOR_SCSI_CLASS_GUID, i + 1))) {
            qvmbus_sync(f.b);
        }
        sub[i] = qvmbus_open(offer, 4, 4, i);
    }
    for (i = 0; i < 20; i++) {
        p = read10(i, 1);
        send_on(&f, sub[i % 2], &p, 512);
        g_assert_cmphex(answer_of(&f, sub[i % 2], f.id), ==, 0);
        g_assert_cmphex(f.answer.srb.srb_status, ==, HV_SRB_STATUS_SUCCESS);
    }
    /* what is no command is for the first channel */
    p = packet(HV_STOR_RESET_BUS);
    send_on(&f, sub[0], &p, 0);
    g_assert_cmphex(answer_of(&f, sub[0], f.id), ==,
                    HV_STOR_STATUS_INVALID_DEVICE_STATE);
    qvmbus_close(sub[1]);
    qvmbus_close(sub[0]);
    attend(&f);
    stop(&f);
}

static void test_commands(const void *opaque)
{
    static const uint8_t inquiry[6] = { INQUIRY, 0, 0, 0, 255 };
    static const uint8_t luns[12] = { REPORT_LUNS, [9] = 64 };
    uint8_t data[4096], back[4096];
    HvStorPacket p;
    QVmbusRange range[3];
    Fixture f;
    int i;

    start(&f, opaque, MEDIUM, "-object iothread,id=io0");
    ready(&f);

    p = command(inquiry, 6, HV_SRB_DATA_IN, 255);
    g_assert_cmphex(execute(&f, &p, 255), ==, HV_SRB_STATUS_SUCCESS);
    g_assert_cmpuint(transferred(&f), ==, 255);
    qtest_memread(f.s, f.buf, data, 36);
    g_assert_cmpmem(&data[8], 4, "QEMU", 4);
    /* all of what the device has, no more */
    p = command(luns, 12, HV_SRB_DATA_IN, 64);
    g_assert_cmphex(execute(&f, &p, 64), ==, HV_SRB_STATUS_SUCCESS);
    g_assert_cmpuint(transferred(&f), ==, 16);

    /* data of three ranges, whose ends are not those of pages */
    memset(data, 0xa5, sizeof(data));
    qtest_memwrite(f.s, f.buf, data, sizeof(data));
    range[0] = (QVmbusRange) { f.buf + 0x1000 - 16, 32 };
    range[1] = (QVmbusRange) { f.buf + 8, 1024 - 32 };
    range[2] = (QVmbusRange) { f.buf + 0x1800, 512 };
    p = read10(0, 3);
    qvmbus_send_gpa(f.c, range, 3, &p, f.len, ++f.id);
    g_assert_cmphex(answer_of(&f, f.c, f.id), ==, 0);
    g_assert_cmpuint(transferred(&f), ==, 1536);
    qtest_memread(f.s, f.buf, back, sizeof(back));
    for (i = 0; i < sizeof(back); i++) {
        bool read = (i >= 8 && i < 8 + 1024 - 32) || i >= 0x1000 - 16;

        g_assert_cmphex(back[i], ==, read ? 0 : 0xa5);
    }

    /* no block moves but those of the command, however long the buffer */
    p = read10(0, 1);
    p.srb.data_transfer_length = cpu_to_le32(4096);
    g_assert_cmphex(execute(&f, &p, 8192), ==, HV_SRB_STATUS_SUCCESS);
    g_assert_cmpuint(transferred(&f), ==, 512);

    /* beyond the end: sense data */
    p = read10(4096, 1);
    g_assert_cmphex(execute(&f, &p, 512), ==,
                    HV_SRB_STATUS_ERROR | HV_SRB_STATUS_AUTOSENSE_VALID);
    g_assert_cmphex(f.answer.srb.scsi_status, ==, CHECK_CONDITION);
    g_assert_cmpuint(f.answer.srb.sense_length, ==, 18);
    g_assert_cmphex(f.answer.srb.sense[2], ==, ILLEGAL_REQUEST);
    g_assert_cmphex(f.answer.srb.sense[12], ==, 0x21);

    /* nobody there */
    for (i = 0; i < 3; i++) {
        p = simple(TEST_UNIT_READY);
        p.srb.path = i == 0 ? 7 : 0;
        p.srb.target = i == 1 ? 255 : 0;
        p.srb.lun = i == 2 ? 255 : 0;
        g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_LUN);
        g_assert_cmphex(f.answer.header.status, ==,
                        cpu_to_le32(HV_STOR_STATUS_DEVICE_DOES_NOT_EXIST));
        memcpy(p.srb.cdb, inquiry, 6);
        p.srb.data_in = HV_SRB_DATA_IN;
        p.srb.data_transfer_length = cpu_to_le32(255);
        g_assert_cmphex(execute(&f, &p, 255), ==, HV_SRB_STATUS_SUCCESS);
        g_assert_cmphex(qtest_readb(f.s, f.buf), ==, TYPE_NO_LUN);
    }
    stop(&f);
}

static void test_hostile(void)
{
    HvStorPacket p;
    Fixture f;

    start(&f, "", MEDIUM, "");
    ready(&f);

    /* commands of no length, and longer than there is room for */
    p = simple(TEST_UNIT_READY);
    p.srb.cdb_length = 0;
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_REQUEST);
    p.srb.cdb_length = HV_SRB_CDB_MAX + 1;
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_REQUEST);
    /* a command longer than its length */
    p = read10(0, 1);
    p.srb.cdb_length = 6;
    g_assert_cmphex(execute(&f, &p, 512), !=, HV_SRB_STATUS_SUCCESS);
    /* less memory than the length says, and than the command moves */
    p = read10(0, 8);
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_INVALID_REQUEST);
    p.srb.data_transfer_length = cpu_to_le32(512);
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_DATA_OVERRUN);
    p.srb.data_transfer_length = cpu_to_le32(UINT32_MAX);
    g_assert_cmphex(execute(&f, &p, 8192), ==, HV_SRB_STATUS_INVALID_REQUEST);
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_REQUEST);
    /* the wrong way */
    p = read10(0, 1);
    p.srb.data_in = HV_SRB_DATA_OUT;
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_DATA_OVERRUN);
    p = write10(0, 1);
    p.srb.data_in = HV_SRB_DATA_IN;
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_DATA_OVERRUN);
    /* memory that is none */
    p = read10(0, 1);
    qvmbus_send_gpa(f.c, &(QVmbusRange) { 1ull << 38, 512 }, 1, &p, f.len,
                    ++f.id);
    answer_of(&f, f.c, f.id);

    /* packets that cannot be answered are not, and harm nobody */
    p = packet(HV_STOR_RESET_BUS);
    qvmbus_send(f.c, QVP_INBAND, NULL, 0, &p, 8, true, ++f.id);
    qvmbus_send(f.c, QVP_INBAND, NULL, 0, &p, f.len, false, ++f.id);
    qvmbus_send(f.c, QVP_INBAND, NULL, 0, NULL, 0, true, ++f.id);
    p = simple(TEST_UNIT_READY);
    qvmbus_send(f.c, QVP_INBAND, NULL, 0, &p, f.len, false, ++f.id);
    qvmbus_send(f.c, QVP_COMPLETION, NULL, 0, &p, f.len, false, ++f.id);
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_SUCCESS);

    /* too short for what it is */
    f.len = 16;
    p = simple(TEST_UNIT_READY);
    g_assert_cmphex(control(&f, &p), !=, 0);
    p = packet(HV_STOR_RESET_LUN);
    g_assert_cmphex(control(&f, &p), ==, HV_STOR_STATUS_INVALID_PARAMETER);
    f.len = sizeof(p);
    attend(&f);
    stop(&f);
}

/* More answers than there is room for: none is lost. */
static void test_full_ring(void)
{
    HvStorPacket p = simple(TEST_UNIT_READY);
    QVmbusOffer *offer;
    uint64_t first, last;
    Fixture f;

    start(&f, "", MEDIUM, "");
    open_channel(&f);
    offer = f.c->offer;
    qvmbus_close(f.c);
    f.c = qvmbus_open(offer, 2, 2, 0);
    initialize(&f, HV_STOR_VERSION_WIN10);
    attend(&f);
    first = f.id + 1;
    last = f.id + 120;
    while (f.id < last) {
        if (qvmbus_try_send(f.c, QVP_INBAND, NULL, 0, &p, f.len, true,
                            f.id + 1)) {
            f.id++;
        } else {
            qvmbus_signal(f.c);
            g_assert_cmphex(answer_of(&f, f.c, first++), ==, 0);
        }
    }
    qvmbus_signal(f.c);
    for (; first <= last; first++) {
        g_assert_cmphex(answer_of(&f, f.c, first), ==, 0);
    }
    g_assert_null(qvmbus_try_recv(f.c));
    stop(&f);
}

#define UNDER_WAY 8

/* Opens the channel again, in which there is nothing of what was before. */
static void reopen(Fixture *f, QVmbusOffer *offer)
{
    f->c = qvmbus_open(offer, 4, 4, 0);
    g_assert_null(qvmbus_try_recv(f->c));
    initialize(f, HV_STOR_VERSION_WIN10);
    attend(f);
}

static void send_reads(Fixture *f)
{
    HvStorPacket p = read10(0, 1);
    int i;

    for (i = 0; i < UNDER_WAY; i++) {
        send_on(f, f->c, &p, 512);
    }
}

/* Takes the answers to all of them, in any order; @first is the first's id. */
static void answered_once(Fixture *f, uint64_t first)
{
    uint32_t seen = 0;
    int i;

    for (i = 0; i < UNDER_WAY; i++) {
        QVmbusPacket *a = qvmbus_recv(f->c);
        uint64_t n = a->transaction_id - first;

        g_assert_cmpuint(n, <, UNDER_WAY);
        g_assert_false(seen & (1 << n));
        seen |= 1 << n;
        qvmbus_packet_free(a);
    }
}

/* A channel that is closed answers nothing, the next one all that is its own */
static void test_close(const void *opaque)
{
    QVmbusOffer *offer;
    Fixture f;
    int i;

    start(&f, opaque, SLOW, "-object iothread,id=io0");
    ready(&f);
    for (i = 0; i < 3; i++) {
        send_reads(&f);
        offer = f.c->offer;
        qvmbus_close(f.c);
        reopen(&f, offer);
    }
    stop(&f);
}

/* A reset answers all that was under way, once each, before it is answered */
static void test_reset(const void *opaque)
{
    static const uint32_t reset[] = {
        HV_STOR_RESET_LUN, HV_STOR_RESET_BUS, HV_STOR_RESET_ADAPTER,
    };
    Fixture f;
    int n;

    start(&f, opaque, SLOW, "-object iothread,id=io0");
    ready(&f);
    for (n = 0; n < ARRAY_SIZE(reset); n++) {
        HvStorPacket p = packet(reset[n]);
        uint64_t first = f.id + 1;

        send_reads(&f);
        send_packet(&f, &p);
        answered_once(&f, first);
        g_assert_cmphex(answer_of(&f, f.c, f.id), ==, 0);
        attend(&f);
    }
    stop(&f);
}

static void test_system_reset(void)
{
    Fixture f;

    start(&f, "", SLOW, "");
    ready(&f);
    send_reads(&f);
    qtest_system_reset(f.s);
    g_free(f.c);
    qvmbus_free(f.b);
    ready(&f);
    g_assert_null(qvmbus_try_recv(f.c));
    stop(&f);
}

static void assert_rescan(Fixture *f)
{
    QVmbusPacket *a = qvmbus_recv(f->c);

    g_assert_cmpuint(a->type, ==, QVP_INBAND);
    g_assert_cmpuint(a->len, ==, f->len);
    g_assert_cmphex(a->transaction_id, ==, 0);
    g_assert_cmpuint(ldl_le_p(a->data), ==, HV_STOR_ENUMERATE_BUS);
    qvmbus_packet_free(a);
}

/* The guest is told to look again when a disk comes or goes. */
/* Channels are dealt out to the threads of a list; not with a single one too */
static void test_mapping(void)
{
    QDict *rsp;
    Fixture f;

    start_with(&f, g_strdup(
        "-device vmbus-bridge -object iothread,id=io0 "
        "-object iothread,id=io1 -device '{\"driver\":\"hv-scsi\","
        "\"id\":\"scsi\",\"sub-channels\":2,\"iothread-vq-mapping\":"
        "[{\"iothread\":\"io0\"},{\"iothread\":\"io1\"}]}' -blockdev " MEDIUM
        " -device '{\"driver\":\"scsi-hd\",\"bus\":\"scsi.0\",\"drive\":\"d\"}'"));
    ready(&f);
    rsp = qtest_qmp(f.s, "{ 'execute': 'device_add', 'arguments': {"
                    " 'driver': 'hv-scsi', 'id': 'both', 'iothread': 'io0',"
                    " 'iothread-vq-mapping': [{ 'iothread': 'io1' }] } }");
    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    stop(&f);
}

static void test_hotplug(void)
{
    HvStorPacket p;
    Fixture f;
    int i;

    start(&f, "", MEDIUM, "-blockdev null-co,node-name=e,size=1048576");
    ready(&f);
    for (i = 0; i < 2; i++) {
        int n;

        qtest_qmp_device_add(f.s, "scsi-hd", "new",
                             "{ 'bus': 'scsi.0', 'drive': 'e' }");
        for (n = 0; n < 2; n++) {
            assert_rescan(&f);
            attend(&f);
            p = simple(INQUIRY);
            p.srb.lun = 1;
            p.srb.cdb[4] = 36;
            p.srb.data_in = HV_SRB_DATA_IN;
            p.srb.data_transfer_length = cpu_to_le32(36);
            g_assert_cmphex(execute(&f, &p, 36), ==, HV_SRB_STATUS_SUCCESS);
            g_assert_cmphex(qtest_readb(f.s, f.buf), ==,
                            n ? TYPE_NO_LUN : TYPE_DISK);
            if (!n) {
                qtest_qmp_device_del_send(f.s, "new");
                qtest_qmp_eventwait(f.s, "DEVICE_DELETED");
            }
        }
    }
    stop(&f);
}

/* Before the controller goes, the guest loses the disks on it */
static void test_unplug(void)
{
    HvStorPacket p = simple(TEST_UNIT_READY);
    QVmbusOffer *offer;
    QVmbusMsg m;
    Fixture f;

    start(&f, "", MEDIUM, "");
    ready(&f);
    offer = f.c->offer;
    qtest_qmp_device_del_send(f.s, "scsi");
    assert_rescan(&f);
    qtest_clock_step(f.s, 150 * 1000000);
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_LUN);
    qtest_clock_step(f.s, 150 * 1000000);
    g_assert_false(qvmbus_poll(f.b, f.b->contact_vp, QVMBUS_SINT, &m));
    qtest_clock_step(f.s, 200 * 1000000);
    qvmbus_wait_rescind(offer);
    qvmbus_close(f.c);
    qvmbus_release(offer);
    qtest_qmp_eventwait(f.s, "DEVICE_DELETED");
    qvmbus_free(f.b);
    qtest_quit(f.s);
    g_free(f.extra);
}

/* --- memory that goes while requests are under way --- */

#define DIMM_ADDR   0x100000000ull

/* Ports of QEMU's ACPI memory hot plug */
#define DIMM_SELECT     0xa00
#define DIMM_CONTROL    0xa14
#define DIMM_EJECT      0x8

static void start_dimm(Fixture *f, const char *props)
{
    start(f, props, SLOW, "-object iothread,id=io0 "
          "-m 64,slots=1,maxmem=1G -object memory-backend-ram,id=mem,size=64M "
          "-device pc-dimm,id=dimm,memdev=mem,addr=0x100000000");
    ready(f);
}

static void unplug_dimm(Fixture *f)
{
    qtest_qmp_device_del_send(f->s, "dimm");
    qtest_outl(f->s, DIMM_SELECT, 0);
    qtest_outb(f->s, DIMM_CONTROL, DIMM_EJECT);
    qtest_qmp_eventwait(f->s, "DEVICE_DELETED");
    /* it is gone */
    qtest_writel(f->s, DIMM_ADDR, 1);
    g_assert_cmphex(qtest_readl(f->s, DIMM_ADDR), !=, 1);
}

/* The memory that is read to: each request is answered all the same, once. */
static void test_buffer_gone(const void *opaque)
{
    uint64_t first;
    Fixture f;

    start_dimm(&f, opaque);
    f.buf = DIMM_ADDR + 0x1000;
    first = f.id + 1;
    send_reads(&f);
    unplug_dimm(&f);
    answered_once(&f, first);
    g_assert_null(qvmbus_try_recv(f.c));
    attend(&f);
    stop(&f);
}

/* The memory of the rings: nobody sees the answers, and nobody is hurt. */
static void test_rings_gone(const void *opaque)
{
    QVmbusOffer *offer;
    Fixture f;

    start_dimm(&f, opaque);
    offer = f.c->offer;
    qvmbus_close(f.c);
    f.c = g_new(QVmbusChan, 1);
    *f.c = (QVmbusChan) {
        .bus = f.b, .offer = offer,
        .gpadl = qvmbus_gpadl(f.b, offer->relid, DIMM_ADDR, 8),
        .out = { DIMM_ADDR, 3 * QHV_PAGE },
        .in = { DIMM_ADDR + 4 * QHV_PAGE, 3 * QHV_PAGE },
    };
    g_assert_cmphex(qvmbus_open_gpadl(offer, f.c->gpadl, 4, 0), ==, 0);
    initialize(&f, HV_STOR_VERSION_WIN10);
    attend(&f);
    send_reads(&f);
    unplug_dimm(&f);
    /* from what was theirs it would take anything for packets */
    qvmbus_signal(f.c);
    qvmbus_sync(f.b);
    qvmbus_close(f.c);

    reopen(&f, offer);
    stop(&f);
}

/* The rings move to other pages, again and again */
static void test_rings_moved(const void *opaque)
{
    HvStorPacket p = simple(TEST_UNIT_READY);
    QVmbusOffer *offer;
    Fixture f;
    int i;

    start(&f, opaque, SLOW, "-object iothread,id=io0");
    ready(&f);
    offer = f.c->offer;
    for (i = 0; i < 20; i++) {
        QVmbusRing old = f.c->in;

        send_reads(&f);
        qvmbus_close(f.c);
        qtest_memset(f.s, old.ctl, 0xa5, old.size);
        f.c = qvmbus_open(offer, 2 + i % 3, 2 + i % 5, i & 1);
        initialize(&f, HV_STOR_VERSION_WIN10);
        g_assert_cmphex(execute(&f, &p, 0), !=, 0);
        /* what was lent for the old ones is the guest's own again */
        g_assert_cmphex(qtest_readb(f.s, old.ctl + old.size - 1), ==, 0xa5);
        g_assert_cmphex(qtest_readb(f.s, old.ctl), ==, 0xa5);
    }
    stop(&f);
}

static void run_to(Fixture *f, const char *command, const char *status)
{
    for (;;) {
        QDict *rsp = qtest_qmp(f->s, command, NULL);
        QDict *ret = qdict_get_qdict(rsp, "return");
        bool done = !strcmp(qdict_get_str(ret, "status"), status);

        g_assert_cmpstr(qdict_get_str(ret, "status"), !=, "failed");
        qobject_unref(rsp);
        if (done) {
            return;
        }
        g_usleep(1000);
    }
}

/*
 * A write that fails is reported, or stops the VM; then it travels with it,
 * and is completed and answered where that goes on.
 */
static void test_errors(void)
{
    g_autofree char *stream = NULL;
    g_autofree char *uri = NULL;
    HvStorPacket p = write10(8, 1);
    QTestState *from;
    QVmbusPacket *a;
    Fixture f;
    int fd = g_file_open_tmp("hv-scsi-XXXXXX", &stream, NULL);

    close(fd);
    uri = g_strdup_printf("file:%s", stream);
    start(&f, "", "blkdebug,node-name=d,image.driver=null-co,image.size=1048576,"
          "image.read-zeroes=on,inject-error.0.event=none,"
          "inject-error.0.iotype=write,inject-error.0.errno=28,"
          "inject-error.0.once=on", "");
    ready(&f);

    /* werror=enospc: the VM stops */
    send_on(&f, f.c, &p, 512);
    qtest_qmp_eventwait(f.s, "STOP");
    g_assert_null(qvmbus_try_recv(f.c));
    qtest_qmp_assert_success(f.s, "{ 'execute': 'migrate', 'arguments': "
                             "{ 'uri': %s } }", uri);
    run_to(&f, "{ 'execute': 'query-migrate' }", "completed");

    qhv_assert_stream(stream);
    from = f.s;
    qtest_quit(from);
    g_free(f.extra);
    f.extra = g_strdup("-device vmbus-bridge -device hv-scsi,id=scsi -blockdev "
                       MEDIUM " -device scsi-hd,bus=scsi.0,drive=d,id=hd,"
                       "rerror=report -incoming defer");
    f.s = f.b->qts = qvmbus_start(2, f.extra);
    qtest_qmp_assert_success(f.s, "{ 'execute': 'migrate-incoming', "
                             "'arguments': { 'uri': %s } }", uri);
    run_to(&f, "{ 'execute': 'query-migrate' }", "completed");
    qtest_qmp_assert_success(f.s, "{ 'execute': 'cont' }");

    a = qvmbus_recv(f.c);
    g_assert_cmphex(a->transaction_id, ==, f.id);
    g_assert_cmphex(((HvStorPacket *)a->data)->srb.srb_status, ==,
                    HV_SRB_STATUS_SUCCESS);
    qvmbus_packet_free(a);
    attend(&f);
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_SUCCESS);
    stop(&f);
    unlink(stream);
}

static void test_read_error(void)
{
    HvStorPacket p = read10(8, 1);
    Fixture f;

    start(&f, "", "blkdebug,node-name=d,image.driver=null-co,image.size=1048576,"
          "inject-error.0.event=none,inject-error.0.iotype=read,"
          "inject-error.0.errno=5", "");
    ready(&f);
    g_assert_cmphex(execute(&f, &p, 512), ==,
                    HV_SRB_STATUS_ERROR | HV_SRB_STATUS_AUTOSENSE_VALID);
    g_assert_cmphex(f.answer.srb.scsi_status, ==, CHECK_CONDITION);
    attend(&f);
    stop(&f);
}

/* --- the twin of an IDE disk --- */

/* Registers of the secondary channel */
enum {
    IDE_DATA = 0x170,
    IDE_COUNT = 0x172,
    IDE_LBA = 0x173,
    IDE_DRIVE = 0x176,
    IDE_COMMAND = 0x177,
};

static void ide_start(Fixture *f, uint8_t command, uint8_t lba)
{
    uint8_t status;

    qtest_outb(f->s, IDE_DRIVE, 0xe0);
    qtest_outb(f->s, IDE_COUNT, 1);
    qtest_outb(f->s, IDE_LBA, lba);
    qtest_outw(f->s, IDE_LBA + 1, 0);
    qtest_outb(f->s, IDE_COMMAND, command);
    do {
        status = qtest_inb(f->s, IDE_COMMAND);
    } while (status & 0x80);
    /* DRDY and DRQ, no error */
    g_assert_cmphex(status & 0x49, ==, 0x48);
}

/* Both front ends have the same disk, and neither a cache of its own. */
static void test_ide(void)
{
    g_autofree char *image = NULL;
    int i, fd = g_file_open_tmp("hv-ide-XXXXXX", &image, NULL);
    HvStorPacket p;
    HvStorOffer offer;
    uint8_t path;
    Fixture f;

    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    close(fd);
    start_with(&f, g_strdup_printf(
        "-machine pc -blockdev file,node-name=d,filename=%s "
        "-device ide-hd,bus=ide.1,drive=d -device hv-ide,channel=1", image));
    open_class(&f, HV_STOR_IDE_CLASS_GUID);
    g_assert_cmphex(ldl_le_p(f.c->offer->instanceid), ==, 1);
    g_assert_cmphex(lduw_le_p(f.c->offer->instanceid + 4), ==, 0);
    g_assert_cmphex(lduw_le_p(f.c->offer->instanceid + 6), ==, 0x8899);
    memcpy(&offer, f.c->offer->user_data, sizeof(offer));
    g_assert_cmphex(offer.path, ==, 1);
    g_assert_cmphex(offer.target, ==, 0);
    g_assert_cmphex(le32_to_cpu(offer.flags), ==, HV_STOR_OFFER_IDE_DEVICE);
    initialize(&f, HV_STOR_VERSION_WIN10);
    g_assert_cmphex(le16_to_cpu(f.answer.properties.max_sub_channels), ==, 0);
    attend(&f);

    /* Linux says path 0, others the channel */
    for (path = 0; path < 2; path++) {
        qtest_memset(f.s, f.buf, 0x50 + path, 512);
        p = write10(8 + path, 1);
        p.srb.path = path;
        g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_SUCCESS);
        ide_start(&f, 0x20, 8 + path);
        for (i = 0; i < 256; i++) {
            g_assert_cmphex(qtest_inw(f.s, IDE_DATA), ==,
                            (0x50 + path) * 0x101);
        }
    }
    ide_start(&f, 0x30, 8);
    for (i = 0; i < 256; i++) {
        qtest_outw(f.s, IDE_DATA, i);
    }
    while (qtest_inb(f.s, IDE_COMMAND) & 0x80) {
        ;
    }
    p = read10(8, 1);
    g_assert_cmphex(execute(&f, &p, 512), ==, HV_SRB_STATUS_SUCCESS);
    for (i = 0; i < 256; i++) {
        g_assert_cmphex(qtest_readw(f.s, f.buf + 2 * i), ==, i);
    }

    /* it is no controller */
    p = simple(TEST_UNIT_READY);
    p.srb.lun = 1;
    g_assert_cmphex(execute(&f, &p, 0), ==, HV_SRB_STATUS_INVALID_LUN);
    stop(&f);
    unlink(image);
}

/* --- a day's work --- */

#define SOAK_CHANNELS   3
#define SOAK_UNDER_WAY  16
#define SOAK_PAGES      16
/* one more than there are */
#define SOAK_LUNS       4

/* One that works, one whose reads fail, one that takes its time */
#define SOAK_DISKS \
    "-blockdev null-co,node-name=d1,size=1048576,read-zeroes=on " \
    "-blockdev blkdebug,node-name=d2,image.driver=null-co," \
    "image.size=1048576,image.read-zeroes=on,inject-error.0.event=none," \
    "inject-error.0.iotype=read,inject-error.0.errno=5 " \
    "-blockdev null-co,node-name=d3,size=1048576,read-zeroes=on," \
    "latency-ns=2000000 " \
    "-device scsi-hd,bus=scsi.0,lun=0,drive=d1,rerror=report " \
    "-device scsi-hd,bus=scsi.0,lun=1,drive=d2,rerror=report " \
    "-device scsi-hd,bus=scsi.0,lun=2,drive=d3,rerror=report"

/*
 * SoakChan: a channel and what was sent in it and has not been answered
 * @mem: of its rings, which are the same whenever it is opened
 */
typedef struct SoakChan {
    QVmbusOffer *offer;
    QVmbusChan *c;
    uint64_t mem;
    GHashTable *out;
} SoakChan;

static void soak_open(Fixture *f, SoakChan *ch)
{
    QVmbusChan *c = g_new0(QVmbusChan, 1);

    qtest_memset(f->s, ch->mem, 0, 8 * QHV_PAGE);
    *c = (QVmbusChan) {
        .bus = f->b,
        .offer = ch->offer,
        .gpadl = qvmbus_gpadl(f->b, ch->offer->relid, ch->mem, 8),
        .out = { ch->mem, 3 * QHV_PAGE },
        .in = { ch->mem + 4 * QHV_PAGE, 3 * QHV_PAGE },
    };
    g_assert_cmphex(qvmbus_open_gpadl(ch->offer, c->gpadl, 4, 0), ==, 0);
    ch->c = c;
}

/* Opens the first channel, and as many others as it has. */
static void soak_begin(Fixture *f, SoakChan *ch)
{
    HvStorPacket p = packet(HV_STOR_CREATE_SUB_CHANNELS);
    int i;

    soak_open(f, &ch[0]);
    f->c = ch[0].c;
    initialize(f, HV_STOR_VERSION_WIN10);
    p.sub_channels = cpu_to_le16(SOAK_CHANNELS - 1);
    g_assert_cmphex(control(f, &p), ==, 0);
    for (i = 1; i < SOAK_CHANNELS; i++) {
        ch[i].offer = qvmbus_wait_offer(f->b, HV_STOR_SCSI_CLASS_GUID, i);
        soak_open(f, &ch[i]);
    }
}

/* What was under way then is never answered. */
static void soak_close(SoakChan *ch)
{
    qvmbus_close(ch->c);
    ch->c = NULL;
    g_hash_table_remove_all(ch->out);
}

/* The first channel takes the others with it. */
static void soak_end(Fixture *f, SoakChan *ch)
{
    int i;

    soak_close(&ch[0]);
    for (i = 1; i < SOAK_CHANNELS; i++) {
        qvmbus_wait_rescind(ch[i].offer);
        if (ch[i].c) {
            soak_close(&ch[i]);
        }
        qvmbus_release(ch[i].offer);
    }
}

/* Something that a guest may send, right or wrong; @bytes of memory go along */
static HvStorPacket soak_packet(bool first, uint32_t *bytes)
{
    uint32_t lba = g_test_rand_int_range(0, 2100);
    uint16_t blocks = g_test_rand_int_range(1, SOAK_PAGES * 8 + 1);
    HvStorPacket p;

    *bytes = 0;
    switch (g_test_rand_int_range(0, first ? 101 : 100)) {
    case 0 ... 44:
        p = read10(lba, blocks);
        break;
    case 45 ... 89:
        p = write10(lba, blocks);
        break;
    case 90 ... 96:
        p = simple(TEST_UNIT_READY);
        break;
    case 97:
        p = simple(SYNCHRONIZE_CACHE);
        break;
    case 98:
        p = simple(g_test_rand_int_range(0, 256));
        p.srb.cdb_length = g_test_rand_int_range(0, 256);
        break;
    case 99:
        p = packet(g_test_rand_int_range(20, 256));
        return p;
    default:
        p = packet(g_test_rand_bit() ? HV_STOR_RESET_LUN : HV_STOR_RESET_BUS);
        break;
    }
    p.srb.lun = g_test_rand_int_range(0, SOAK_LUNS);
    *bytes = le32_to_cpu(p.srb.data_transfer_length);
    if (*bytes && !g_test_rand_int_range(0, 50)) {
        /* less memory than it says */
        *bytes = 1 + *bytes / 2;
    }
    return p;
}

static void soak_send(Fixture *f, SoakChan *ch, bool first)
{
    uint32_t bytes;
    HvStorPacket p = soak_packet(first, &bytes);

    send_on(f, ch->c, &p, bytes);
    g_hash_table_add(ch->out, g_memdup2(&f->id, sizeof(f->id)));
}

/* Each answer is to something that was sent, and has had none. */
static bool soak_recv(SoakChan *ch)
{
    QVmbusPacket *a = qvmbus_try_recv(ch->c);

    if (!a) {
        return false;
    }
    g_assert_cmpuint(a->type, ==, QVP_COMPLETION);
    g_assert_true(g_hash_table_remove(ch->out, &a->transaction_id));
    qvmbus_packet_free(a);
    return true;
}

static bool soak_answered(QVmbus *b, void *opaque)
{
    SoakChan *ch = opaque;

    while (soak_recv(ch)) {
        continue;
    }
    return !g_hash_table_size(ch->out);
}

/*
 * Requests of all sorts in several channels, to disks that work, fail or are
 * slow, with resets, and channels that are closed in the middle: each request
 * is answered once, unless its channel is closed.
 */
static void test_soak(const void *opaque)
{
    unsigned n = g_test_slow() ? 100000 : 4000;
    SoakChan ch[SOAK_CHANNELS] = {};
    Fixture f;
    int i;

    start_with(&f, g_strdup_printf(
        "-device vmbus-bridge -object iothread,id=io0 "
        "-device hv-scsi,id=scsi,sub-channels=2%s " SOAK_DISKS,
        (const char *)opaque));
    f.b = qvmbus_new(f.s, 2);
    qvmbus_connect(f.b, QVMBUS_V(5, 3));
    qvmbus_request_offers(f.b);
    f.buf = qvmbus_alloc(f.b, SOAK_PAGES);
    for (i = 0; i < SOAK_CHANNELS; i++) {
        ch[i].mem = qvmbus_alloc(f.b, 8);
        ch[i].out = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                          NULL);
    }
    ch[0].offer = qvmbus_find(f.b, HV_STOR_SCSI_CLASS_GUID, 0);
    soak_begin(&f, ch);

    while (n) {
        SoakChan *some;

        i = g_test_rand_int_range(0, SOAK_CHANNELS);
        some = &ch[i];
        if (g_hash_table_size(some->out) < SOAK_UNDER_WAY) {
            soak_send(&f, some, !i);
            n--;
        }
        while (g_test_rand_bit() && soak_recv(some)) {
            continue;
        }
        if (g_test_rand_int_range(0, 500)) {
            continue;
        }
        if (i) {
            soak_close(some);
            soak_open(&f, some);
        } else {
            soak_end(&f, ch);
            soak_begin(&f, ch);
        }
    }
    for (i = 0; i < SOAK_CHANNELS; i++) {
        qvmbus_wait(f.b, soak_answered, &ch[i]);
    }
    /* and nothing comes afterwards */
    qvmbus_sync(f.b);
    for (i = 0; i < SOAK_CHANNELS; i++) {
        g_assert_null(qvmbus_try_recv(ch[i].c));
    }
    soak_end(&f, ch);
    for (i = 0; i < SOAK_CHANNELS; i++) {
        g_hash_table_destroy(ch[i].out);
    }
    qvmbus_free(f.b);
    qtest_quit(f.s);
    g_free(f.extra);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/hyperv/scsi/initialization", test_initialization);
    qtest_add_func("/hyperv/scsi/sub-channels", test_sub_channels);
    qtest_add_data_func("/hyperv/scsi/commands", "", test_commands);
    qtest_add_data_func("/hyperv/scsi/commands/iothread", ",iothread=io0",
                        test_commands);
    qtest_add_func("/hyperv/scsi/hostile", test_hostile);
    qtest_add_func("/hyperv/scsi/full-ring", test_full_ring);
    qtest_add_data_func("/hyperv/scsi/close", "", test_close);
    qtest_add_data_func("/hyperv/scsi/close/iothread", ",iothread=io0",
                        test_close);
    qtest_add_data_func("/hyperv/scsi/reset", "", test_reset);
    qtest_add_data_func("/hyperv/scsi/reset/iothread", ",iothread=io0",
                        test_reset);
    qtest_add_func("/hyperv/scsi/system-reset", test_system_reset);
    qtest_add_func("/hyperv/scsi/mapping", test_mapping);
    qtest_add_func("/hyperv/scsi/hotplug", test_hotplug);
    qtest_add_data_func("/hyperv/scsi/buffer-gone", "", test_buffer_gone);
    qtest_add_data_func("/hyperv/scsi/buffer-gone/iothread", ",iothread=io0",
                        test_buffer_gone);
    qtest_add_data_func("/hyperv/scsi/rings-gone", "", test_rings_gone);
    qtest_add_data_func("/hyperv/scsi/rings-gone/iothread", ",iothread=io0",
                        test_rings_gone);
    qtest_add_data_func("/hyperv/scsi/rings-moved", "", test_rings_moved);
    qtest_add_data_func("/hyperv/scsi/rings-moved/iothread", ",iothread=io0",
                        test_rings_moved);
    qtest_add_func("/hyperv/scsi/unplug", test_unplug);
    qtest_add_func("/hyperv/scsi/errors/write", test_errors);
    qtest_add_func("/hyperv/scsi/errors/read", test_read_error);
    qtest_add_func("/hyperv/scsi/ide", test_ide);
    qtest_add_data_func("/hyperv/scsi/soak", "", test_soak);
    qtest_add_data_func("/hyperv/scsi/soak/iothread", ",iothread=io0",
                        test_soak);
    return g_test_run();
}
