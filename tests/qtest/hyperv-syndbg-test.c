/*
 * Hyper-V synthetic debugger: what passes between a guest and a debugger that
 * listens on a UDP port of the host, by hypercalls and by MSRs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/sockets.h"
#include "libqos/hyperv.h"

#define FLAGS "hv-syndbg,hv-synic,hv-vpindex,hv-relaxed"

#define MSR_SYNDBG_CONTROL      0x400000f1
#define MSR_SYNDBG_STATUS       0x400000f2
#define MSR_SYNDBG_SEND         0x400000f3
#define MSR_SYNDBG_RECV         0x400000f4
#define MSR_SYNDBG_PENDING      0x400000f5
#define MSR_SYNDBG_OPTIONS      0x400000ff

#define CONTROL_SEND(n)         (1 | (n) << 16)
#define CONTROL_RECV(n)         (2 | (n) << 16)
#define STATUS_SENT             1
#define STATUS_RECEIVED(n)      (4 | (n) << 16)
#define OPTION_USE_HCALLS       4

#define ST_NO_DATA              0x1b

/* Where the guest is told that something waits */
#define PENDING                 0x200000

/* Ethernet, IPv4 and UDP */
#define HEADERS                 (14 + 20 + 8)

static const char question[] = "what is your name?";
static const char answer[] = "It is Arthur, King of the Britons.";

typedef struct Debugger {
    int fd;
    uint16_t port;
    struct sockaddr_in guest;
} Debugger;

static QTestState *start(Debugger *d, const char *option)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    g_autofree char *extra = NULL;
    QTestState *s;

    d->fd = qemu_socket(AF_INET, SOCK_DGRAM, 0);
    g_assert_cmpint(d->fd, >=, 0);
    g_assert_cmpint(bind(d->fd, (struct sockaddr *)&addr, len), ==, 0);
    g_assert_cmpint(getsockname(d->fd, (struct sockaddr *)&addr, &len), ==, 0);
    d->port = ntohs(addr.sin_port);
    extra = g_strdup_printf("-device vmbus-bridge -device hv-syndbg,"
                            "host_ip=127.0.0.1,host_port=%u%s", d->port,
                            option);
    s = qhv_start(1, FLAGS, extra);
    qhv_set_guest_os_id(s);
    return s;
}

static void stop(Debugger *d, QTestState *s)
{
    qtest_quit(s);
    close(d->fd);
}

/* The debugger receives what the guest has sent, and learns where from */
static void debugger_expect(Debugger *d, const char *text)
{
    socklen_t len = sizeof(d->guest);
    char buf[256];
    ssize_t n = recvfrom(d->fd, buf, sizeof(buf), 0,
                         (struct sockaddr *)&d->guest, &len);

    g_assert_cmpmem(buf, MAX(n, 0), text, strlen(text));
}

/* It answers, and the guest sees in memory that there is something */
static void debugger_say(Debugger *d, QTestState *s, const char *text)
{
    g_assert_cmpint(sendto(d->fd, text, strlen(text), 0,
                           (struct sockaddr *)&d->guest, sizeof(d->guest)),
                    ==, strlen(text));
    while (!qtest_readb(s, PENDING)) {
        g_usleep(1000);
    }
}

/* A frame as Windows makes it, less checksums that nobody looks at */
static size_t make_frame(uint8_t *frame, const char *text)
{
    size_t len = strlen(text);

    memset(frame, 0, HEADERS);
    stw_be_p(frame + 12, 0x0800);
    frame[14] = 0x45;
    stw_be_p(frame + 16, HEADERS - 14 + len);
    frame[23] = 17;
    stl_be_p(frame + 26, 0xc0a80102);
    stw_be_p(frame + 38, 8 + len);
    memcpy(frame + HEADERS, text, len);
    return HEADERS + len;
}

static void test_hypercalls(void)
{
    Debugger d;
    QTestState *s = start(&d, ",use_hcalls=on");
    uint8_t in[8 + HEADERS + sizeof(question)] = { 0 }, frame[256];
    uint32_t retrieve[4] = { cpu_to_le32(1024) };
    uint32_t reset = cpu_to_le32(3);
    size_t len = make_frame(in + 8, question);

    g_assert_cmphex(qhv_get(s, 0, MSR_SYNDBG_OPTIONS), ==, OPTION_USE_HCALLS);
    qhv_set(s, 0, MSR_SYNDBG_PENDING, PENDING);

    /* whom to talk to */
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RESET_DEBUG, &reset, sizeof(reset),
                                  NULL), ==, ST_SUCCESS);
    g_assert_cmphex(qtest_readl(s, QHV_OUT), ==, INADDR_LOOPBACK);
    g_assert_cmpuint(qtest_readw(s, QHV_OUT + 8), ==, d.port);

    stl_le_p(in, len);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_POST_DEBUG, in, 8 + len, NULL), ==,
                    ST_SUCCESS);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT), ==, 0);
    debugger_expect(&d, question);

    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RETRIEVE_DEBUG, retrieve,
                                  sizeof(retrieve), NULL), ==, ST_NO_DATA);
    debugger_say(&d, s, answer);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_RETRIEVE_DEBUG, retrieve,
                                  sizeof(retrieve), NULL), ==, ST_SUCCESS);
    len = HEADERS + strlen(answer);
    g_assert_cmpuint(qtest_readl(s, QHV_OUT), ==, len);
    qtest_memread(s, QHV_OUT + 8, frame, len);
    g_assert_cmphex(lduw_be_p(frame + 12), ==, 0x0800);
    g_assert_cmpuint(lduw_be_p(frame + 16), ==, len - 14);
    g_assert_cmphex((uint32_t)ldl_be_p(frame + 26), ==, INADDR_LOOPBACK);
    g_assert_cmphex((uint32_t)ldl_be_p(frame + 30), ==, 0xc0a80102);
    g_assert_cmpuint(lduw_be_p(frame + 34), ==, d.port);
    g_assert_cmpmem(frame + HEADERS, len - HEADERS, answer, strlen(answer));
    g_assert_cmpuint(qtest_readb(s, PENDING), ==, 0);
    stop(&d, s);
}

static void test_msrs(void)
{
    Debugger d;
    QTestState *s = start(&d, "");
    char buf[sizeof(answer)] = "";
    uint64_t status;

    g_assert_cmphex(qhv_get(s, 0, MSR_SYNDBG_OPTIONS), ==, 0);
    qhv_set(s, 0, MSR_SYNDBG_PENDING, PENDING);
    qhv_set(s, 0, MSR_SYNDBG_SEND, QHV_IN);
    qhv_set(s, 0, MSR_SYNDBG_RECV, QHV_OUT);

    qtest_memwrite(s, QHV_IN, question, strlen(question));
    qhv_set(s, 0, MSR_SYNDBG_CONTROL, CONTROL_SEND(strlen(question)));
    g_assert_cmphex(qhv_get(s, 0, MSR_SYNDBG_STATUS), ==, STATUS_SENT);
    debugger_expect(&d, question);

    qhv_set(s, 0, MSR_SYNDBG_CONTROL, CONTROL_RECV(256));
    g_assert_cmphex(qhv_get(s, 0, MSR_SYNDBG_STATUS), ==, 0);
    debugger_say(&d, s, answer);
    qhv_set(s, 0, MSR_SYNDBG_CONTROL, CONTROL_RECV(256));
    status = qhv_get(s, 0, MSR_SYNDBG_STATUS);
    g_assert_cmphex(status, ==, STATUS_RECEIVED(strlen(answer)));
    qtest_memread(s, QHV_OUT, buf, strlen(answer));
    g_assert_cmpstr(buf, ==, answer);
    g_assert_cmpuint(qtest_readb(s, PENDING), ==, 0);
    stop(&d, s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qhv_add("syndbg/hypercalls", "HC-077,HC-078,HC-079,HC-080",
            test_hypercalls);
    qhv_add("syndbg/msrs", "MS-001", test_msrs);
    return g_test_run();
}
