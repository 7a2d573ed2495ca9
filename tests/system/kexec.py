#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One kernel after another on the same machine, without a reset between them:
# each lets go of VMBus and the next one finds all of it again.  By kexec into
# the same kernel and into a newer one, and by a crash kernel after a panic.

import os
import tempfile

import tap
import vm
from disk import scsi

CHECKS = 'hypervisor', 'clocksource', 'vmbus', 'balloon', 'disk', 'network'
MIB = 1 << 20


def disk(folder, kernel):
    """What brings a kernel and its initramfs into the guest: QEMU's arguments,
    and the command that makes files of it."""
    path = os.path.join(folder, kernel)
    commands, start = [], 0
    with open(path, 'wb') as out:
        for name, source in zip(('vmlinuz', 'initrd'), vm.guest(kernel)):
            with open(source, 'rb') as f:
                data = f.read()
            out.seek(start * MIB)
            out.write(data)
            commands.append(f'dd if=/dev/sda bs=1M skip={start} 2> /dev/null |'
                            f' head -c {len(data)} > /tmp/{name}')
            start += -(-len(data) // MIB)
        out.truncate(start * MIB)
    args = (*scsi(path), '-netdev', 'user,id=net',
            '-device', 'hv-net,netdev=net')
    return args, ' && '.join(commands)


def load(v, commands, option='', append=''):
    v.out('until [ -b /dev/sda ]; do sleep 0.1; done')
    v.out(commands)
    line = f'kexec {option} /tmp/vmlinuz /tmp/initrd ' \
           f'"$(cat /proc/cmdline) {append}"'
    if option:
        v.out(line)
    else:
        v.console.write(line + '\n')
        v.ready()


def judge(v):
    report = v.report()
    for name in (*CHECKS, 'dmesg'):
        good, detail = report.get(name, (False, 'missing'))
        assert good, f'{name}: {detail}\n{v.complaints() or ""}'


def kexec(folder, first, second):
    what = f'kexec from {first} into {second}'
    with tap.case(what):
        try:
            args, commands = disk(folder, second)
        except vm.Missing as e:
            raise tap.Skip(e) from None
        with vm.VM(first, args=args, mem='512M') as v:
            judge(v)
            release = v.out('uname -r')
            load(v, commands)
            with tap.case(f'{what}: all is there'):
                assert (v.out('uname -r') == release) == (first == second)
                judge(v)


def crash(folder, kernel):
    with tap.case(f'{kernel}: crash kernel'):
        args, commands = disk(folder, kernel)
        # the guest says that it panics, upon which QEMU would end
        args += '-action', 'panic=none'
        with vm.VM(kernel, args=args, mem='512M',
                   append='crashkernel=192M') as v:
            load(v, commands, '-p', 'nr_cpus=1')
            v.console.write('echo c > /proc/sysrq-trigger\n')
            v.ready()
            with tap.case(f'{kernel}: all is there after a panic'):
                assert v.out('[ -s /proc/vmcore ] && nproc') == '1'
                judge(v)


def main():
    with tempfile.TemporaryDirectory(prefix='hv-kexec-') as folder:
        kexec(folder, 'cloud', 'cloud')
        kexec(folder, 'cloud', 'backports')
        crash(folder, 'cloud')


if __name__ == '__main__':
    tap.main(main)
