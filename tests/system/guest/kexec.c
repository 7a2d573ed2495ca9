/*
 * Boots another kernel without a reset: kexec [-p] KERNEL INITRD COMMANDLINE
 *
 * With -p it is only loaded, into the memory that crashkernel= has set aside,
 * and is booted when this kernel panics.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <err.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0) {
        err(1, "%s", path);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int crash = argc > 1 && !strcmp(argv[1], "-p");
    unsigned long flags = crash ? KEXEC_FILE_ON_CRASH : 0;

    argv += crash;
    if (argc - crash != 4) {
        errx(1, "usage: kexec [-p] KERNEL INITRD COMMANDLINE");
    }
    if (syscall(SYS_kexec_file_load, open_file(argv[1]), open_file(argv[2]),
                strlen(argv[3]) + 1, argv[3], flags)) {
        err(1, "kexec_file_load");
    }
    if (!crash && reboot(RB_KEXEC)) {
        err(1, "reboot");
    }
    return 0;
}
