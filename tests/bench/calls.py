#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Measures single requests of a guest, on TCG and on KVM.
#
# Usage: calls.py [ACCEL...]

import datetime
import os
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'system')]

import vm                       # noqa: E402
from tools import host, rst     # noqa: E402

RUNS = int(os.environ.get('BENCH_RUNS') or 5)
CPU = 'qemu64,hv-default=on'

# -accel, what it is
ACCELS = {
    'tcg': 'TCG',
    'kvm,kernel-hyperv=off': 'KVM',
}

CALLS = {
    'hypercall': 'null hypercall',
    'msr': 'MSR read',
    'clock': 'clock read',
    'timer': 'timer programming',
}


def program(name):
    """The guest of that name, compiled."""
    path = os.path.join(vm.build(), 'guest', name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    p = subprocess.run(
        [os.environ.get('CC') or 'cc', '-m32', '-O2', '-ffreestanding',
         '-fno-pic', '-fno-pie', '-fno-stack-protector',
         '-fno-asynchronous-unwind-tables', '-mgeneral-regs-only',
         '-nostdlib', '-static', '-no-pie',
         '-Wl,-N,-Ttext=0x100000,--build-id=none', '-o', path,
         os.path.join(HERE, f'{name}.c')],
        stderr=subprocess.DEVNULL)
    if p.returncode:
        raise vm.Missing('there is no compiler for 32-bit x86')
    return path


def measure(guest, accel, cpu=CPU, keys=CALLS.keys(), more=()):
    """One run: {key: nanoseconds}, medians of what is measured repeatedly."""
    p = subprocess.run(
        [vm.qemu(), '-accel', accel, '-cpu', cpu, '-nodefaults',
         '-display', 'none', '-serial', 'stdio', '-no-reboot',
         '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
         '-kernel', guest, *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=vm.PATIENCE)
    found = {}
    for key, units, times in re.findall(r'^bench (\w+) (\d+) (\d+)$', p.stdout,
                                        re.M):
        found.setdefault(key, []).append(100 * int(units) / int(times))
    if found.keys() != keys:
        raise vm.Error(f'{accel}: {p.stdout}{p.stderr}')
    return {k: statistics.median(v) for k, v in found.items()}


def table(accels):
    guest = program('calls')
    # in turns, so that what else the machine does hits all alike
    runs = [{a: measure(guest, a) for a in accels} for _ in range(RUNS)]
    rows = [(name, *(f'{statistics.median(r[a][key] for r in runs):,.0f} ns'
                     for a in accels)) for key, name in CALLS.items()]
    return rst(rows, ('', *(ACCELS.get(a, a) for a in accels)))


def report(docs=None, accels=None):
    """What came out as text, which also goes into the folder docs."""
    if not accels:
        accels = [a for a in ACCELS if not a.startswith('kvm') or
                  os.access('/dev/kvm', os.W_OK)]
    text = table(accels)
    if docs:
        with open(os.path.join(docs, 'bench-calls.rst'), 'w') as f:
            f.write(f'''What a guest asks of Hyper-V
============================

Single requests of a guest without an operating system (``-cpu {CPU}``), on TCG
and, where there is one, on the host's KVM with ``kernel-hyperv=off``: QEMU
answers both. Medians of {RUNS} runs. Made by ``make bench`` on
{host()}, {datetime.date.today()}.

{text}

- *null hypercall*: a fast call with a code that does not exist.
- *MSR read*: VP_INDEX.
- *clock read*: by the reference TSC page, which on KVM takes no exit if the
  host's TSC is good, in 32-bit code.
- *timer programming*: a write to the COUNT of a synthetic timer.

On KVM each of the others is an exit to QEMU and back. If the host is a guest
itself, this is several times slower than on a real machine.
''')
    return text


if __name__ == '__main__':
    try:
        print(report(None, sys.argv[1:]))
    except (vm.Missing, vm.Error) as e:
        sys.exit(f'bench: {e}')
