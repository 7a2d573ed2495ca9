#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who comes first lets go of the devices, and Linux finds all of them: iPXE's
# own drivers of VMBus and the network card download the kernel that goes on;
# the BIOS boots from an IDE disk, whose twin the kernel then has.

import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import urllib.parse

import disk
import net
import tap
import vm

KERNEL = 'cloud'
SECTOR = 512
# what GRUB is made of, in Debian's grub-pc-bin
GRUB = '/usr/lib/grub/i386-pc'
# where the kernel is on the disk, behind GRUB
START = 4096
# the BIOS and iPXE print to the serial port
SERIAL = ('-machine', 'pc,graphics=off')


class Files(http.server.BaseHTTPRequestHandler):
    """Gives what iPXE is to boot, and remembers what was asked for."""
    files = {}
    asked = []

    def do_GET(self):
        name = urllib.parse.urlparse(self.path).path.strip('/')
        self.asked.append(name)
        data = self.files[name]
        self.send_response(200)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def ipxe():
    with tap.case('iPXE boots Linux over hv-net'):
        try:
            program = os.path.join(vm.made('ipxe'), 'ipxe.lkrn')
        except vm.Missing as e:
            raise tap.Skip(e) from None
        kernel, initrd = vm.guest(KERNEL)
        Files.files = {
            'kernel': read(kernel),
            'initrd': read(initrd),
            'script': f'#!ipxe\nkernel kernel {vm.command_line()}\n'
                      'initrd initrd\nboot\n'.encode(),
        }
        url = f'http://10.0.2.2:{net.serve(Files)}/script'
        with vm.VM(program=program, append=f'dhcp && chain {url}',
                   args=(*net.USER, *SERIAL)) as v:
            v.ready()
            assert Files.asked == ['script', 'kernel', 'initrd'], Files.asked
            with tap.case('and Linux finds the card again'):
                net.dhcp(v)
                net.download(v, f'http://10.0.2.2:{net.serve(net.Web)}/')
            with tap.case('and no driver complains'):
                net.content(v)


def bootable(folder):
    """A disk with GRUB, a kernel and its initramfs in blocks that GRUB is
    told, so that nobody has to mount anything."""
    mkimage = shutil.which('grub-mkimage')
    if not mkimage or not os.path.exists(GRUB):
        raise tap.Skip('grub-mkimage and grub-pc-bin are not installed')
    parts, commands, at = [], [], START
    for command, path in zip((f'linux {{}} {vm.command_line()}', 'initrd {}'),
                             vm.guest(KERNEL)):
        size = -(-os.path.getsize(path) // SECTOR)
        parts.append((at, path))
        commands.append(command.format(f'(hd0){at}+{size}'))
        at += size
    config = os.path.join(folder, 'grub.cfg')
    with open(config, 'w') as f:
        f.write('\n'.join((*commands, 'boot', '')))
    core = os.path.join(folder, 'core')
    subprocess.run([mkimage, '-O', 'i386-pc', '-d', GRUB, '-p', '/', '-c',
                    config, '-o', core, 'biosdisk', 'linux', 'boot'],
                   check=True)
    path = os.path.join(folder, 'disk.raw')
    with open(path, 'wb') as out:
        # the one is the first sector, the other begins in the second
        for place, part in (0, f'{GRUB}/boot.img'), (1, core), *parts:
            out.seek(place * SECTOR)
            out.write(read(part))
        out.truncate(at * SECTOR)
    return path, parts[1]


def bios():
    with tempfile.TemporaryDirectory(prefix='hv-bios-') as folder, \
         tap.case('the BIOS boots Linux from an IDE disk'):
        path, (start, initrd) = bootable(folder)
        with vm.VM(program='', args=(
                *SERIAL, '-drive', f'file={path},format=raw,if=ide',
                '-device', 'hv-ide')) as v:
            v.ready()
            with tap.case('and Linux goes on with its twin on VMBus'):
                disk.appears(v, 'sda')
                found, where = disk.disks(v)
                assert found == ['sda'] and '/VMBUS' in where, where
            with tap.case('which has the same on it'):
                size = os.path.getsize(initrd)
                mine = hashlib.sha1(read(initrd)).hexdigest()
                got = v.out(f'dd if=/dev/sda bs={SECTOR} skip={start} '
                            f'2> /dev/null | head -c {size} | sha1sum')
                assert got.split()[0] == mine, f'{got}, not {mine}'
            with tap.case('no driver complains of a disk'):
                disk.judge(v)


def main():
    ipxe()
    bios()


if __name__ == '__main__':
    tap.main(main)
