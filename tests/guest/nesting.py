# SPDX-License-Identifier: GPL-2.0-or-later
#
# A Debian guest with a QEMU in it, where -accel kvm is Linux's own hypervisor.
# The machine around is a QEMU with TCG, which brings AMD's SVM.

import contextlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'system'))

import vm   # noqa: E402

# What QEMU's x86 PC loads when it starts a multiboot program
FIRMWARE = ['bios-256k.bin', 'kvmvapic.bin', 'multiboot_dma.bin']

# The QEMU inside
QEMU = ['/nested/qemu', '-L', '/nested']


def libraries(program):
    """The shared libraries of a program, and its loader."""
    out = subprocess.run(['ldd', program], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return re.findall(r'(/\S+) \(0x', out)


def firmware(qemu):
    """Where the QEMU outside finds what the one inside needs."""
    folders = subprocess.run([qemu, '-L', 'help'], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.split()
    for name in FIRMWARE:
        for folder in folders:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                yield name, path
                break
        else:
            raise vm.Missing(f'QEMU has no firmware {name}')


def make_disk(disk, qemu, args):
    """Writes a tar for the guest's root; QEMU's arguments as they are there."""
    inside = []
    with tempfile.TemporaryDirectory() as tmp, \
         tarfile.open(disk, 'w', dereference=True) as tar:
        # debug information is most of it
        stripped = os.path.join(tmp, 'qemu')
        subprocess.run(['strip', '-o', stripped, qemu], check=True)
        tar.add(stripped, 'nested/qemu')
        for lib in libraries(qemu):
            tar.add(lib)
        for name, path in firmware(qemu):
            tar.add(path, f'nested/{name}')
        for arg in args:
            if os.path.isfile(arg):
                name = f'nested/{len(inside)}-{os.path.basename(arg)}'
                tar.add(arg, name)
                arg = f'/{name}'
            inside.append(arg)
    return inside


def quote(word):
    return "'" + word.replace("'", "'\\''") + "'"


@contextlib.contextmanager
def machine(args, kernel='generic', shared=None):
    """The guest, and the arguments with files of the host as they are there.

    @shared: a file that is /dev/vdb in the guest, to pass things either way
    """
    drives = ('-drive', f'file={shared},if=virtio,format=raw') if shared else ()
    with tempfile.NamedTemporaryFile(prefix='nested-') as disk:
        args = make_disk(disk.name, vm.qemu(), args)
        # With two CPUs, TCG's threads side by side, a machine inside was
        # seen to reset itself or stop, in about one run of ten
        with vm.VM(kernel=kernel, cpu='EPYC', smp=1, mem='1G', devices=(),
                   # KVM has a reference TSC page only on a good TSC
                   append='tsc=reliable clocksource=tsc',
                   args=('-drive', f'file={disk.name},if=virtio,'
                                   'format=raw,readonly=on',
                         *drives)) as outer:
            # the console is for what the QEMU inside says
            outer.out('dmesg -n 1; modprobe -a kvm_amd virtio_blk; '
                      'test -c /dev/kvm')
            outer.out('tar -xf /dev/vda -C /')
            yield outer, args
