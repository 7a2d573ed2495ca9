/*
 * VMBus: a device for tests
 *
 * Answers each packet as the first word of its payload says:
 *
 *   0  ECHO         with the same payload
 *   1  SUBCHANNELS  after it offered so many sub-channels as the second word
 *                   says
 *   2  INVERT       after it inverted the bits of the memory that the packet
 *                   lists
 *   3  SUM          with the sum of the bytes of the GPADL that the second
 *                   word names, in the second word
 *   4  FLOOD        with so many packets as the second word says, at once
 *
 * A packet that wants a completion gets its answer as one.  With "iothread"
 * all this happens there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/hyperv/vmbus.h"
#include "hw/qdev-properties.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "system/iothread.h"

#define TYPE_VMBUS_TESTDEV "vmbus-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(VMBusTestDev, VMBUS_TESTDEV)

#define TESTDEV_GUID "7d5e6c3a-9b41-4f0e-8a57-0d6b1f3c2e91"

enum {
    TESTDEV_ECHO,
    TESTDEV_SUBCHANNELS,
    TESTDEV_INVERT,
    TESTDEV_SUM,
    TESTDEV_FLOOD,
};

#define TESTDEV_MAX_IOV 64

/**
 * VMBusTestDev:
 * @packets: number of packets answered; survives migration, and is the second
 *           word of an answer whose payload has no more than one
 */
struct VMBusTestDev {
    VMBusDevice parent_obj;

    uint16_t channels;
    IOThread *iothread;
    uint64_t packets;
};

static bool testdev_invert(VMBusChanReq *req)
{
    struct iovec iov[TESTDEV_MAX_IOV];
    int n = vmbus_map_sgl(req, DMA_DIRECTION_FROM_DEVICE, iov,
                          TESTDEV_MAX_IOV, req->sgl.size, 0);
    size_t j;
    int i;

    for (i = 0; i < n; i++) {
        for (j = 0; j < iov[i].iov_len; j++) {
            ((uint8_t *)iov[i].iov_base)[j] ^= 0xff;
        }
    }
    if (n > 0) {
        vmbus_unmap_sgl(req, DMA_DIRECTION_FROM_DEVICE, iov, n,
                        req->sgl.size);
    }
    return n >= 0;
}

static uint32_t testdev_sum(VMBusChannel *chan, uint32_t id)
{
    VMBusGpadl *gpadl = vmbus_get_gpadl(chan, id);
    uint32_t off, i, sum = 0;
    uint8_t buf[256];

    if (!gpadl) {
        return UINT32_MAX;
    }
    for (off = 0; off < vmbus_gpadl_len(gpadl); off += sizeof(buf)) {
        struct iovec iov = {
            .iov_base = buf,
            .iov_len = MIN(sizeof(buf), vmbus_gpadl_len(gpadl) - off),
        };

        vmbus_gpadl_to_iov(gpadl, off, &iov, 1);
        for (i = 0; i < iov.iov_len; i++) {
            sum += buf[i];
        }
    }
    vmbus_put_gpadl(gpadl);
    return sum;
}

/* Returns: false if the answer does not fit now */
static bool testdev_packet(VMBusChannel *chan, VMBusChanReq *req)
{
    VMBusTestDev *t = VMBUS_TESTDEV(vmbus_channel_device(chan));
    uint32_t op = req->msglen >= 8 ? ldl_le_p(req->msg) : TESTDEV_ECHO;
    uint32_t arg = req->msglen >= 8 ? ldl_le_p((char *)req->msg + 4) : 0;
    uint32_t n = op == TESTDEV_FLOOD ? MIN(arg, 1024) : 1;
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (vmbus_channel_reserve(chan, 0, req->msglen) < 0) {
            return false;
        }
    }
    switch (op) {
    case TESTDEV_SUBCHANNELS:
        arg = vmbus_device_offer_subchannels(VMBUS_DEVICE(t), arg);
        stl_le_p((char *)req->msg + 4, arg);
        break;
    case TESTDEV_INVERT:
        stl_le_p((char *)req->msg + 4, testdev_invert(req));
        break;
    case TESTDEV_SUM:
        stl_le_p((char *)req->msg + 4, testdev_sum(chan, arg));
        break;
    }
    t->packets++;
    for (i = 0; i < n; i++) {
        vmbus_channel_send(chan, req->need_comp ? VMBUS_PACKET_COMP :
                           VMBUS_PACKET_DATA_INBAND, NULL, 0, req->msg,
                           req->msglen, false, req->transaction_id);
    }
    return true;
}

static void testdev_notify(VMBusChannel *chan)
{
    VMBusChanReq *req;

    if (vmbus_channel_recv_start(chan)) {
        return;
    }
    while ((req = vmbus_channel_recv_peek(chan, sizeof(*req)))) {
        bool done = testdev_packet(chan, req);

        vmbus_free_req(req);
        if (!done) {
            break;
        }
        vmbus_channel_recv_pop(chan);
    }
    vmbus_channel_recv_done(chan);
}

static int testdev_open(VMBusChannel *chan)
{
    VMBusTestDev *t = VMBUS_TESTDEV(vmbus_channel_device(chan));

    if (t->iothread) {
        vmbus_channel_set_aio_context(chan,
                                      iothread_get_aio_context(t->iothread));
    }
    return 0;
}

static uint16_t testdev_num_channels(VMBusDevice *vdev)
{
    return VMBUS_TESTDEV(vdev)->channels;
}

static const VMStateDescription vmstate_testdev = {
    .name = TYPE_VMBUS_TESTDEV,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(parent_obj, VMBusTestDev, 1, vmstate_vmbus_dev,
                       VMBusDevice),
        VMSTATE_UINT64(packets, VMBusTestDev),
        VMSTATE_END_OF_LIST()
    }
};

static const Property testdev_props[] = {
    DEFINE_PROP_UINT16("channels", VMBusTestDev, channels, 1),
    DEFINE_PROP_LINK("iothread", VMBusTestDev, iothread, TYPE_IOTHREAD,
                     IOThread *),
};

static void testdev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);

    qemu_uuid_parse(TESTDEV_GUID, &vdc->classid);
    vdc->num_channels = testdev_num_channels;
    vdc->open_channel = testdev_open;
    vdc->chan_notify_cb = testdev_notify;
    dc->vmsd = &vmstate_testdev;
    device_class_set_props(dc, testdev_props);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo testdev_type_info = {
    .name = TYPE_VMBUS_TESTDEV,
    .parent = TYPE_VMBUS_DEVICE,
    .instance_size = sizeof(VMBusTestDev),
    .class_init = testdev_class_init,
};

static void testdev_register_types(void)
{
    type_register_static(&testdev_type_info);
}

type_init(testdev_register_types)
