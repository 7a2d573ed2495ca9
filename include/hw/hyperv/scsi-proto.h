/*
 * Hyper-V synthetic SCSI: the protocol between storvsc in the guest and
 * storvsp in the host, as it stands in the packets of a VMBus channel
 *
 * The TLFS says nothing of it; names and numbers are those that Microsoft's
 * drivers for Linux and OpenVMM use.  All fields are little-endian.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_SCSI_PROTO_H
#define HW_HYPERV_SCSI_PROTO_H

/* Classes of VMBus devices */
#define HV_STOR_SCSI_CLASS_GUID     "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f"
#define HV_STOR_IDE_CLASS_GUID      "32412632-86cb-44a2-9b5c-50d1417354f5"

/*
 * The instance that is the IDE disk 0 of channel 0; the channel is in the last
 * byte before the first dash, the disk in that before the second one.
 */
#define HV_STOR_IDE_INSTANCE_GUID   "00000000-0000-8899-0000-000000000000"

/* HvStorOffer.flags */
#define HV_STOR_OFFER_IDE_DEVICE    0x2

/* The user data of an IDE disk's offer */
typedef struct QEMU_PACKED HvStorOffer {
    uint16_t reserved;
    uint8_t path;
    uint8_t target;
    uint32_t reserved2;
    uint32_t flags;
    uint32_t reserved3[3];
} HvStorOffer;

QEMU_BUILD_BUG_ON(sizeof(HvStorOffer) != 24);

/* Versions, major and minor */
#define HV_STOR_VERSION_WIN6        0x0200 /* Server 2008 */
#define HV_STOR_VERSION_WIN7        0x0402
#define HV_STOR_VERSION_WIN8        0x0501 /* longer packets, sub-channels */
#define HV_STOR_VERSION_WIN8_1      0x0600
#define HV_STOR_VERSION_WIN10       0x0602

/* HvStorHeader.operation */
enum {
    HV_STOR_COMPLETE_IO             = 1,    /* the answer to any of these */
    HV_STOR_REMOVE_DEVICE           = 2,
    HV_STOR_EXECUTE_SRB             = 3,
    HV_STOR_RESET_LUN               = 4,
    HV_STOR_RESET_ADAPTER           = 5,
    HV_STOR_RESET_BUS               = 6,
    HV_STOR_BEGIN_INITIALIZATION    = 7,
    HV_STOR_END_INITIALIZATION      = 8,
    HV_STOR_QUERY_PROTOCOL_VERSION  = 9,
    HV_STOR_QUERY_PROPERTIES        = 10,
    HV_STOR_ENUMERATE_BUS           = 11,   /* unasked, from the host */
    HV_STOR_FCHBA_DATA              = 12,
    HV_STOR_CREATE_SUB_CHANNELS     = 13,
};

/* HvStorHeader.status, of Windows' NTSTATUS */
#define HV_STOR_STATUS_SUCCESS                  0x00000000
#define HV_STOR_STATUS_BUFFER_OVERFLOW          0x80000005
#define HV_STOR_STATUS_DEVICE_BUSY              0x80000011
#define HV_STOR_STATUS_INVALID_PARAMETER        0xc000000d
#define HV_STOR_STATUS_INVALID_DEVICE_REQUEST   0xc0000010
#define HV_STOR_STATUS_REVISION_MISMATCH        0xc0000059
#define HV_STOR_STATUS_IO_TIMEOUT               0xc00000b5
#define HV_STOR_STATUS_DEVICE_DOES_NOT_EXIST    0xc00000c0
#define HV_STOR_STATUS_CANCELLED                0xc0000120
#define HV_STOR_STATUS_INVALID_DEVICE_STATE     0xc0000184
#define HV_STOR_STATUS_IO_DEVICE_ERROR          0xc0000185

/* What every packet begins with */
typedef struct QEMU_PACKED HvStorHeader {
    uint32_t operation;
    uint32_t flags;
    uint32_t status;
} HvStorHeader;

/* HvStorSrb.srb_status */
#define HV_SRB_STATUS_SUCCESS           0x01
#define HV_SRB_STATUS_ABORTED           0x02
#define HV_SRB_STATUS_ERROR             0x04
#define HV_SRB_STATUS_BUSY              0x05
#define HV_SRB_STATUS_INVALID_REQUEST   0x06
#define HV_SRB_STATUS_TIMEOUT           0x09
#define HV_SRB_STATUS_BUS_RESET         0x0e
#define HV_SRB_STATUS_DATA_OVERRUN      0x12
#define HV_SRB_STATUS_INVALID_LUN       0x20
#define HV_SRB_STATUS_AUTOSENSE_VALID   0x80 /* a flag with one of these */

/* HvStorSrb.data_in */
#define HV_SRB_DATA_OUT             0
#define HV_SRB_DATA_IN              1
#define HV_SRB_DATA_UNSPECIFIED     2

#define HV_SRB_CDB_MAX              16
#define HV_SRB_SENSE_MAX            20

/* EXECUTE_SRB and its answer: a SCSI command */
typedef struct QEMU_PACKED HvStorSrb {
    uint16_t length;
    uint8_t srb_status;
    uint8_t scsi_status;
    uint8_t port;
    uint8_t path;
    uint8_t target;
    uint8_t lun;
    uint8_t cdb_length;
    uint8_t sense_length;
    uint8_t data_in;
    uint8_t properties;
    uint32_t data_transfer_length;
    union {
        uint8_t cdb[HV_SRB_CDB_MAX];
        uint8_t sense[HV_SRB_SENSE_MAX];
    };
    /* from version WIN8 */
    uint16_t reserved;
    uint8_t queue_tag;
    uint8_t queue_action;
    uint32_t srb_flags;
    uint32_t timeout;
    uint32_t queue_sort_key;
} HvStorSrb;

QEMU_BUILD_BUG_ON(sizeof(HvStorSrb) != 0x34);

/* HvStorProperties.flags */
#define HV_STOR_PROPERTIES_MULTI_CHANNEL    0x1

/* The answer to QUERY_PROPERTIES */
typedef struct QEMU_PACKED HvStorProperties {
    uint32_t reserved;
    uint16_t max_sub_channels;
    uint16_t reserved2;
    uint32_t flags;
    uint32_t max_transfer_bytes;
    uint32_t reserved3[2];
} HvStorProperties;

/* A packet. A guest's is as long as its version's longest, or longer. */
typedef struct QEMU_PACKED HvStorPacket {
    HvStorHeader header;
    union {
        HvStorSrb srb;
        HvStorProperties properties;
        uint16_t version;               /* QUERY_PROTOCOL_VERSION */
        uint16_t sub_channels;          /* CREATE_SUB_CHANNELS */
    };
} HvStorPacket;

QEMU_BUILD_BUG_ON(sizeof(HvStorPacket) != 64);

/* The length of a packet before WIN8 */
#define HV_STOR_PACKET_V1_SIZE  (sizeof(HvStorHeader) + \
                                 offsetof(HvStorSrb, reserved))

QEMU_BUILD_BUG_ON(HV_STOR_PACKET_V1_SIZE != 48);

#endif
