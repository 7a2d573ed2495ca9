/*
 * Reads or writes one model-specific register of one CPU, from the guest's
 * shell, through Linux' msr driver.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[64];
    uint64_t value;
    uint32_t msr;
    int fd;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: msr CPU NUMBER [VALUE]\n");
        return 2;
    }
    snprintf(path, sizeof(path), "/dev/cpu/%d/msr", atoi(argv[1]));
    msr = strtoul(argv[2], NULL, 0);
    fd = open(path, argc == 4 ? O_WRONLY : O_RDONLY);
    if (fd < 0) {
        perror(path);
        return 1;
    }
    /* the driver takes the number of the register as the file's offset */
    if (argc == 4) {
        value = strtoull(argv[3], NULL, 0);
        if (pwrite(fd, &value, sizeof(value), msr) != sizeof(value)) {
            fprintf(stderr, "write of 0x%x: %s\n", msr, strerror(errno));
            return 1;
        }
    } else {
        if (pread(fd, &value, sizeof(value), msr) != sizeof(value)) {
            fprintf(stderr, "read of 0x%x: %s\n", msr, strerror(errno));
            return 1;
        }
        printf("0x%" PRIx64 "\n", value);
    }
    return 0;
}
