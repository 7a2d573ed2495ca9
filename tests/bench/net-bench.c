/*
 * Measures a network between a guest and the host, at both its ends.
 *
 *   net-bench serve ADDRESS PORT           on the host, until it is killed
 *   net-bench TEST ADDRESS PORT SECONDS    in the guest
 *
 * TEST is one of
 *   receive, send       bytes per second over one TCP connection
 *   packets-in, packets-out
 *                       UDP packets of 64 bytes that arrive, per second
 *   round-trips         of one byte over TCP, per second
 * and the guest prints `TEST RATE`.  Who receives counts, so that nothing that
 * is still in a queue does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK       (256 * 1024)
#define SMALL       64

enum { RECEIVE = 'r', SEND = 's', PACKETS_IN = 'i', PACKETS_OUT = 'o',
       ROUND_TRIPS = 't' };

static const struct {
    const char *name;
    char code;
} tests[] = {
    { "receive", RECEIVE }, { "send", SEND }, { "packets-in", PACKETS_IN },
    { "packets-out", PACKETS_OUT }, { "round-trips", ROUND_TRIPS },
};

/* What the guest asks of the host */
typedef struct Request {
    char code;
    uint8_t seconds;
    uint16_t port;      /* of the guest's UDP socket, big-endian */
} Request;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void read_all(int fd, void *buf, size_t len)
{
    while (len) {
        ssize_t n = read(fd, buf, len);

        if (n <= 0) {
            die("connection");
        }
        buf = (char *)buf + n;
        len -= n;
    }
}

static void write_all(int fd, const void *buf, size_t len)
{
    if (write(fd, buf, len) != (ssize_t)len) {
        die("connection");
    }
}

/* Bytes per second until the other end closes */
static double sink(int fd)
{
    static __thread char buf[CHUNK];
    double start = 0, end = 0, total = 0;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        end = now();
        if (!start) {
            start = end;
        } else {
            total += n;
        }
    }
    return end > start ? total / (end - start) : 0;
}

static void source(int fd, int seconds)
{
    static __thread char buf[CHUNK];
    double end = now() + seconds;

    while (now() < end && write(fd, buf, sizeof(buf)) > 0) {
        continue;
    }
    shutdown(fd, SHUT_WR);
}

/* Small packets that arrive per second, of those sent in that time */
static double packet_sink(int udp, int seconds)
{
    struct timeval patience = { .tv_usec = 200000 };
    char buf[2048];
    double start = 0, end = 0;
    uint64_t n = 0;

    setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (double limit = now() + seconds + 5; now() < limit; ) {
        if (recv(udp, buf, sizeof(buf), 0) > 0) {
            end = now();
            start = start ? start : end;
            n++;
        } else if (start) {
            break;
        }
    }
    return end > start ? (n - 1) / (end - start) : 0;
}

static void packet_source(int udp, const struct sockaddr_in *to, int seconds)
{
    char buf[SMALL] = { 0 };
    double end = now() + seconds;

    while (now() < end) {
        for (int i = 0; i < 32; i++) {
            /* a full queue is no error here */
            sendto(udp, buf, sizeof(buf), 0, (const void *)to, sizeof(*to));
        }
    }
}

static int udp_socket(struct sockaddr_in *addr)
{
    int size = 4 << 20;
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len = sizeof(*addr);

    if (udp < 0 || bind(udp, (void *)addr, len) ||
        getsockname(udp, (void *)addr, &len)) {
        die("UDP socket");
    }
    setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return udp;
}

static void *serve_one(void *arg)
{
    int fd = (intptr_t)arg, on = 1, udp;
    struct sockaddr_in self, peer;
    socklen_t len = sizeof(self);
    Request r;
    double rate;
    char byte;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    getsockname(fd, (void *)&self, &len);
    getpeername(fd, (void *)&peer, &len);
    read_all(fd, &r, sizeof(r));
    self.sin_port = 0;
    peer.sin_port = r.port;
    switch (r.code) {
    case RECEIVE:
        source(fd, r.seconds);
        break;
    case SEND:
        rate = sink(fd);
        write_all(fd, &rate, sizeof(rate));
        break;
    case PACKETS_IN:
        udp = udp_socket(&self);
        packet_source(udp, &peer, r.seconds);
        close(udp);
        break;
    case PACKETS_OUT:
        udp = udp_socket(&self);
        write_all(fd, &self.sin_port, sizeof(self.sin_port));
        rate = packet_sink(udp, r.seconds);
        write_all(fd, &rate, sizeof(rate));
        close(udp);
        break;
    case ROUND_TRIPS:
        while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1) {
            continue;
        }
        break;
    }
    /* until the guest has what is under way */
    while (read(fd, &byte, 1) > 0) {
        continue;
    }
    close(fd);
    return NULL;
}

static void serve(const struct sockaddr_in *addr)
{
    int on = 1, fd, server = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;

    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(server, (const void *)addr, sizeof(*addr)) || listen(server, 8)) {
        die("server");
    }
    puts("ready");
    fflush(stdout);
    while ((fd = accept(server, NULL, NULL)) >= 0) {
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd)) {
            die("thread");
        }
        pthread_detach(thread);
    }
    die("server");
}

static double measure(char code, struct sockaddr_in addr, int seconds)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0), udp;
    struct sockaddr_in self = { .sin_family = AF_INET };
    Request r = { .code = code, .seconds = seconds };
    double rate = 0, start, end;
    uint64_t n = 0;
    char byte = 0;

    if (connect(fd, (void *)&addr, sizeof(addr))) {
        die("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    udp = udp_socket(&self);
    r.port = self.sin_port;
    write_all(fd, &r, sizeof(r));
    switch (code) {
    case RECEIVE:
        return sink(fd);
    case SEND:
        source(fd, seconds);
        read_all(fd, &rate, sizeof(rate));
        return rate;
    case PACKETS_IN:
        return packet_sink(udp, seconds);
    case PACKETS_OUT:
        read_all(fd, &addr.sin_port, sizeof(addr.sin_port));
        packet_source(udp, &addr, seconds);
        read_all(fd, &rate, sizeof(rate));
        return rate;
    case ROUND_TRIPS:
        start = now();
        end = start + seconds;
        for (; now() < end; n++) {
            write_all(fd, &byte, 1);
            read_all(fd, &byte, 1);
        }
        return n / (now() - start);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };

    if (argc < 4 || inet_pton(AF_INET, argv[2], &addr.sin_addr) != 1) {
        fprintf(stderr, "usage: net-bench serve|TEST ADDRESS PORT [SECONDS]\n");
        return 2;
    }
    addr.sin_port = htons(atoi(argv[3]));
    if (!strcmp(argv[1], "serve")) {
        serve(&addr);
    }
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (!strcmp(argv[1], tests[i].name) && argc > 4) {
            printf("%s %.0f\n", tests[i].name,
                   measure(tests[i].code, addr, atoi(argv[4])));
            return 0;
        }
    }
    fprintf(stderr, "net-bench: there is no test %s\n", argv[1]);
    return 2;
}
