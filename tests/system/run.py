#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make run` without a terminal: the guest is content, lives on Hyper-V's disk
# and network card, and carries out what it is told on stdin.

import os
import re
import subprocess

import tap
import vm

RUN = os.path.join(vm.HERE, '..', '..', 'scripts', 'run')
COMMANDS = '''
sed 's/^/MOUNT /' /proc/mounts
sed 's/^/PCI /' /sys/bus/pci/devices/*/class
for d in /sys/block/* /sys/class/net/eth*; do
    [ -e "$d" ] && echo "DEVICE $(readlink -f "$d")"
done
'''


def run():
    env = {**os.environ, 'QEMU': vm.qemu(), 'BUILD': vm.build()}
    # nothing of the caller's own
    for name in 'KERNEL', 'INITRD', 'APPEND', 'DISK', 'QEMU_ARGS':
        env.pop(name, None)
    # or the time of downloads would count
    vm.guest('disk')
    p = subprocess.run([RUN], env=env, input=COMMANDS, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=vm.PATIENCE)

    def lines(pattern):
        return re.findall(f'^{pattern}\r?$', p.stdout, re.M)

    with tap.case('it ends well'):
        assert p.returncode == 0, p.stdout
    for name in 'hypervisor', 'vmbus', 'balloon', 'disk', 'network', 'dmesg':
        with tap.case(f'the report has {name}'):
            if name == 'network' and not lines('DEVICE .*/net/.*'):
                raise tap.Skip('this QEMU has no user networking')
            assert lines(rf' *{name} +ok .*'), p.stdout
    with tap.case('the root file system is on the disk'):
        assert lines('MOUNT /dev/sda / ext4 .*'), p.stdout
    with tap.case('every disk and network card is on VMBus'):
        found = lines('DEVICE (.*)')
        assert found and all('/VMBUS:' in d for d in found), found
    with tap.case('no network card and no virtio on PCI'):
        found = lines('PCI 0x(.*)')
        # bridges, the IDE controller that the chipset has, power management
        assert found and {c[:2] for c in found} <= {'06', '01'}, found


if __name__ == '__main__':
    tap.main(run)
