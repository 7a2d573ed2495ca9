#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk on hv-scsi, judged by Linux: a file system is made, filled, checked,
# booted from, and still holds what was written; the controller goes and comes;
# an IDE disk has a twin; the VM is saved and loaded; each CPU has a channel.
#
#   disk.py [KERNEL]
#
# With a kernel, whose package may be missing, only what another one might do
# otherwise. DISK_MIB=1024 writes a gigabyte.

import os
import sys
import tempfile

import snapshot
import tap
import vm

MIB = int(os.environ.get('DISK_MIB') or 64)


def scsi(path, format='raw', props=''):
    """A controller with one disk."""
    return ('-device', f'hv-scsi,id=scsi{props}',
            '-blockdev', f'{format},node-name=disk,file.driver=file,'
                         f'file.filename={path}',
            '-device', 'scsi-hd,bus=scsi.0,drive=disk')


def appears(v, disk):
    v.out(f'until [ -b /dev/{disk} ]; do sleep 0.1; done')


def judge(v):
    why = v.complaints()
    assert not why, why
    # a unit attention is none
    said = v.out('dmesg -r | grep -E "^<[0-4]>.*(sd|scsi|storvsc|EXT4)" |'
                 ' grep -v "Power-on or device reset occurred" || :')
    assert not said, said


def install(v):
    """Makes a root file system of what the guest now runs from, and data."""
    with tap.case('Linux finds a disk on hv-scsi'):
        appears(v, 'sda')
        host = v.out('readlink -f /sys/block/sda')
        assert '/VMBUS' in host or 'vmbus' in host, host
    with tap.case('a file system is made and filled'):
        # busybox has one of that name
        v.out('/sbin/mke2fs -q -t ext4 /dev/sda && mount -t ext4 /dev/sda /mnt')
        v.out('cd / && cp -a init bin sbin lib lib64 etc root /mnt &&'
              ' cd /mnt && mkdir dev proc sys tmp run mnt data')
        v.out(f'cd /mnt/data && for i in 1 2 3 4; do dd if=/dev/urandom of=$i '
              f'bs=1M count={MIB // 4} 2> /dev/null & done; wait')
        v.out('cd /mnt && sha1sum data/* > sums && cd / && umount /mnt')
    with tap.case('the file system is sound'):
        v.out('e2fsck -fn /dev/sda')
    with tap.case('no driver complains'):
        judge(v)


def verify(v, root):
    v.out(f'cd {root}/ && sha1sum -cs sums')


def root(kernel):
    with tempfile.TemporaryDirectory(prefix='hv-disk-') as folder:
        disk = scsi(vm.image(folder, 2 * MIB + 64, 'raw'))
        with vm.VM(kernel, args=disk, tools=True, reboot=True,
                   mem='512M') as v:
            install(v)
            with tap.case('the data is there after a reset'):
                v.qmp('system_reset')
                v.ready()
                appears(v, 'sda')
                v.out('mount -t ext4 /dev/sda /mnt')
                verify(v, '/mnt')
                v.out('umount /mnt')
        with vm.VM(kernel, args=disk, append='ROOT=/dev/sda',
                   reboot=True) as v:
            with tap.case('Linux runs from the disk'):
                assert ' / ext4 ' in v.out('cat /proc/mounts')
                verify(v, '')
            with tap.case('and does so after it rebooted'):
                v.console.write('touch /again; sync; reboot -f\n')
                v.ready()
                v.out('[ -e /again ]')
                verify(v, '')
            with tap.case('no driver complains'):
                judge(v)


def unplug():
    """The whole controller, while its disk is read and written."""
    with tempfile.TemporaryDirectory(prefix='hv-disk-') as folder:
        with vm.VM(args=scsi(vm.image(folder, 64, 'raw'))) as v:
            for what in 'idle', 'under load':
                with tap.case(f'unplugged {what}, and plugged again'):
                    appears(v, 'sda')
                    if what != 'idle':
                        for how in ('if=/dev/sda of=/dev/null iflag=direct',
                                    'if=/dev/zero of=/dev/sda oflag=direct'):
                            v.out(f'(dd bs=64k {how} 2> /dev/null &)')
                    v.unplug('scsi')
                    v.out('while [ -b /dev/sda ]; do sleep 0.1; done')
                    v.qmp('device_add', driver='hv-scsi', id='scsi')
                    v.qmp('device_add', driver='scsi-hd', bus='scsi.0',
                          drive='disk')
            appears(v, 'sda')


def disks(v):
    """Names of the disks, those on VMBus first."""
    names = v.out('cd /sys/block && for d in sd*; do readlink -f $d; done')
    return [os.path.basename(n) for n in
            sorted(names.split(), key=lambda n: '/VMBUS' not in n)], names


def twin():
    with tempfile.TemporaryDirectory(prefix='hv-disk-') as folder:
        image = vm.image(folder, 16, 'raw')
        ide = ('-drive', f'file={image},format=raw,if=ide', '-device', 'hv-ide')
        with vm.VM(args=ide) as v:
            with tap.case('Linux sees an IDE disk that has a twin once'):
                appears(v, 'sda')
                found, where = disks(v)
                assert found == ['sda'] and '/VMBUS' in where, where
                # the other one was there, and left alone
                v.out('ls /sys/bus/pci/drivers/ata_piix/*/ata1/host*')
            with tap.case('it can be written'):
                v.out('dd if=/dev/urandom of=/dev/sda bs=1M count=16 '
                      'conv=fsync 2> /dev/null')
                wrote = v.out('sha1sum < /dev/sda')
            with tap.case('no driver complains'):
                judge(v)
        with vm.VM(args=ide, append='ata_piix.prefer_ms_hyperv=0') as v:
            v.out('until ls /dev/sdb; do sleep 0.1; done')
            (fast, slow), where = disks(v)
            with tap.case('the same is on the IDE disk'):
                assert '/ata1/' in where, where
                assert wrote == v.out(f'sha1sum < /dev/{slow}')
            for a, b in (fast, slow), (slow, fast):
                with tap.case(f'the one reads what the other wrote ({a})'):
                    v.out(f'dd if=/dev/urandom of=/dev/{a} bs=1M count=16 '
                          'conv=fsync 2> /dev/null')
                    # Linux itself has a cache for each
                    v.out('echo 1 > /proc/sys/vm/drop_caches')
                    assert (v.out(f'sha1sum < /dev/{a}') ==
                            v.out(f'sha1sum < /dev/{b}'))


# writes to one place after another, and reads each again
LOAD = (
    'cd /tmp; echo 0 > rounds; (n=0; while [ ! -e bad ]; do '
    'dd if=/dev/urandom of=data bs=64k count=32; at=$((n % 30 * 32)); '
    'dd if=data of=/dev/sda bs=64k seek=$at oflag=direct conv=notrunc; '
    'dd if=/dev/sda bs=64k skip=$at count=32 iflag=direct | cmp - data || '
    'touch bad; n=$((n + 1)); echo $n > rounds; done > /dev/null 2>&1 &)')


def rounds(v, more):
    """Waits for so many more rounds of the load, all of them well."""
    v.out(f'n=$(cat /tmp/rounds); until [ -e /tmp/bad ] || '
          f'[ "$(cat /tmp/rounds)" -ge $((n + {more})) ]; do sleep 0.1; done')
    v.out('[ ! -e /tmp/bad ]')


def saved():
    """savevm and loadvm while the disk is written and read."""
    with tempfile.TemporaryDirectory(prefix='hv-disk-') as folder:
        path = vm.image(folder, 64)
        with vm.VM(args=scsi(path, 'qcow2')) as v:
            appears(v, 'sda')
            v.out(LOAD)
            for n in range(3):
                with tap.case(f'loadvm under load, round {n + 1}'):
                    rounds(v, 1)
                    snapshot.hmp(v, 'savevm here')
                    rounds(v, 2)
                    snapshot.hmp(v, 'stop')
                    snapshot.hmp(v, 'loadvm here')
                    snapshot.hmp(v, 'cont')
                    rounds(v, 2)
            with tap.case('no driver complains'):
                judge(v)


def scaling(kernel):
    with tempfile.TemporaryDirectory(prefix='hv-disk-') as folder:
        args = scsi(vm.image(folder, 64, 'raw'), props=',sub-channels=3')
        with vm.VM(kernel, smp=4, args=args, append='hv_storvsc.'
                   'storvsc_vcpus_per_sub_channel=1') as v:
            appears(v, 'sda')
            channels = v.out('readlink -f /sys/block/sda').split('/host')[0]
            channels += '/channels'
            with tap.case(f'{kernel}, 4 CPUs: a channel for each'):
                v.out(f'until [ $(ls {channels} | wc -l) = 4 ]; '
                      'do sleep 0.1; done')
            with tap.case(f'{kernel}, 4 CPUs: each channel is used'):
                v.out('for cpu in 1 2 4 8; do taskset $cpu dd if=/dev/zero '
                      'of=/dev/sda bs=4k count=200 oflag=direct 2> /dev/null '
                      '& done; wait')
                counts = v.out(f'cat {channels}/*/interrupts').split()
                assert len(counts) == 4 and '0' not in counts, counts
            with tap.case(f'{kernel}, 4 CPUs: no driver complains'):
                judge(v)


def main():
    if sys.argv[1:]:
        kernel = sys.argv[1]
        # its package may not be to be had
        vm.guest(kernel)
        root(kernel)
        scaling(kernel)
    else:
        root('cloud')
        unplug()
        twin()
        saved()


if __name__ == '__main__':
    tap.main(main)
