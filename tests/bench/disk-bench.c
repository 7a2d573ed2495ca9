/*
 * Measures, inside a guest, what requests to a disk cost, past the page cache.
 *
 * disk-bench DEVICE read|write SIZE DEPTH seq|random [SECONDS]
 *
 * keeps DEPTH requests of SIZE bytes under way, and prints how many
 * nanoseconds there are from one to the next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ll
#define MAX_DEPTH 64

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS + ts.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    struct iocb iocbs[MAX_DEPTH], *ptr;
    struct io_event events[MAX_DEPTH];
    aio_context_t ctx = 0;
    uint64_t size, next = 0, sectors;
    int64_t start, end, done = 0, flying = 0;
    int depth, random, fd;

    if (argc < 6) {
        fprintf(stderr, "usage: disk-bench DEVICE read|write SIZE DEPTH "
                "seq|random [SECONDS]\n");
        return 2;
    }
    size = atoi(argv[3]);
    depth = atoi(argv[4]);
    random = !strcmp(argv[5], "random");
    fd = open(argv[1], O_RDWR | O_DIRECT);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &sectors)) {
        die(argv[1]);
    }
    sectors /= size;
    if (depth < 1 || depth > MAX_DEPTH || !sectors) {
        fprintf(stderr, "disk-bench: depth or size\n");
        return 2;
    }
    if (syscall(SYS_io_setup, depth, &ctx)) {
        die("io_setup");
    }
    memset(iocbs, 0, sizeof(iocbs));
    for (int i = 0; i < depth; i++) {
        void *buf;

        if (posix_memalign(&buf, 4096, size)) {
            die("memory");
        }
        memset(buf, i, size);
        iocbs[i].aio_fildes = fd;
        iocbs[i].aio_lio_opcode = strcmp(argv[2], "write") ?
                                  IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
        iocbs[i].aio_buf = (uintptr_t)buf;
        iocbs[i].aio_nbytes = size;
        iocbs[i].aio_data = i;
        events[i].data = i;
    }

    start = now();
    end = start + NS * (argc > 6 ? atoi(argv[6]) : 2);
    for (int ready = depth; ready; ) {
        int64_t t = now();

        for (int i = 0; i < ready && t < end; i++) {
            ptr = &iocbs[events[i].data];
            ptr->aio_offset = size * (next % sectors);
            /* a generator of the whole range, in no order */
            next = random ? next * 6364136223846793005 + 1442695040888963407
                          : next + 1;
            if (syscall(SYS_io_submit, ctx, 1, &ptr) != 1) {
                die("io_submit");
            }
            flying++;
        }
        ready = 0;
        if (flying) {
            ready = syscall(SYS_io_getevents, ctx, 1, depth, events, NULL);
            if (ready < 1) {
                die("io_getevents");
            }
            for (int i = 0; i < ready; i++) {
                if (events[i].res != size) {
                    fprintf(stderr, "disk-bench: request of %" PRIu64
                            " bytes gives %" PRId64 "\n", size,
                            (int64_t)events[i].res);
                    return 1;
                }
            }
            done += ready;
            flying -= ready;
        }
    }
    printf("%" PRId64 " %" PRId64 "\n", (now() - start) / done, done);
    return 0;
}
