#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Measures disks in the same Debian guest on TCG, on a medium that costs
# nothing, so that the way to it is what is measured; medians of several runs.
# Prints a table; `make bench` puts it into docs/.
#
#   disk.py [DISK]...

import datetime
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'system')]

import tools                            # noqa: E402
import vm                               # noqa: E402

RUNS = int(os.environ.get('BENCH_RUNS') or 5)
SECONDS = 2

SCSI_DISK = ('-device', 'scsi-hd,bus=scsi.0,drive=disk')
IDE_DISK = ('-device', 'ide-hd,bus=ide.0,drive=disk')
DISKS = {
    'hv-scsi': ('-device', 'hv-scsi,id=scsi', *SCSI_DISK),
    'hv-ide': (*IDE_DISK, '-device', 'hv-ide'),
    'virtio-scsi-pci': ('-device', 'virtio-scsi-pci,id=scsi', *SCSI_DISK),
    'ide-hd': IDE_DISK,
}

# arguments of disk-bench, what it is, unit, divisor, unit of the CPU time,
# factor
TESTS = [
    ('read 1048576 1 seq', 'sequential reads of 1 MiB', 'MB/s', 1e6,
     'ns per byte', 1e9),
    ('write 1048576 1 seq', 'sequential writes of 1 MiB', 'MB/s', 1e6,
     'ns per byte', 1e9),
    ('read 4096 1 random', 'random reads of 4 KiB, one at a time', 'k/s',
     4096e3, 'µs each', 4096e6),
    ('read 4096 32 random', 'random reads of 4 KiB, 32 at a time', 'k/s',
     4096e3, 'µs each', 4096e6),
]

# how many times the rate of the others hv-scsi has to have
GOALS = {'virtio-scsi-pci': 1.0, 'ide-hd': 20.0}


def measure(disk):
    """One run with one disk: {test: (bytes per second, host CPU per byte)}."""
    args = ('-blockdev', f'null-co,node-name=disk,size={1 << 30},read-zeroes=on',
            *DISKS[disk])
    found = {}
    with vm.VM('generic', smp=2, args=args) as v:
        v.out('until [ -b /dev/sda ]; do sleep 0.1; done')
        for test, *_ in TESTS:
            before, began = tools.cpu_seconds(v.process.pid), time.monotonic()
            out = v.out(f'disk-bench /dev/sda {test} {SECONDS}')
            spent = tools.cpu_seconds(v.process.pid) - before
            size, (each, count) = int(test.split()[1]), map(int, out.split())
            found[test] = (size * 1e9 / each, spent / (size * count))
    return found


def report(docs=None, disks=tuple(DISKS)):
    """What came out as text, which also goes into the folder docs."""
    median = tools.medians(measure, disks, TESTS, RUNS)
    text = tools.report(median, TESTS, 'hv-scsi', GOALS)
    if docs:
        with open(os.path.join(docs, 'bench-disk.rst'), 'w') as f:
            f.write(f'''Disks
=====

The same Debian guest (its 6.1 kernel, 2 CPUs) with each disk, on QEMU's
``null-co``, which has no medium; medians of {RUNS} runs. Made by ``make bench``
on {tools.host()}, {datetime.date.today()}.

{text}
Each is measured for {SECONDS} seconds, past the guest's page cache. *Host CPU* is
what QEMU uses, with the guest inside it, divided by the rate.
''')
    return text


if __name__ == '__main__':
    try:
        print(report(None, sys.argv[1:] or tuple(DISKS)), end='')
    except (vm.Missing, vm.Error) as e:
        sys.exit(f'bench: {e}')
