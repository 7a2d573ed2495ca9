#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Measures virtual trust levels on TCG.
#
# Usage: vtl.py

import datetime
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'system')]

import vm                               # noqa: E402
from calls import RUNS, measure, program    # noqa: E402
from tools import host, rst             # noqa: E402

CPU = 'qemu64,hv-default=on,hv-vp-registers=on'
CPUS = {'off': CPU, 'on': f'{CPU},hv-vsm=on'}
MORE = ('-m', '768M')
# as in vtl.c
PAGES = 100000
WALKED = 65536

MEMORY = {
    'walk': 'a word of each of many pages',
    'copy': 'a page copied to another',
}
CALLS = {
    'hypercall': 'null hypercall',
    'syscall': 'system call',
    'switch': 'VtlCall and VtlReturn',
}
PROTECTED = {
    'touch': 'a word of each of them, before',
    'protect': 'making them read-only',
    'touch_protected': 'a word of each of them, after',
}

# of a null hypercall
SWITCH_GOAL = 3
# of the same without hv-vsm, in percent
MEMORY_GOAL = 2


def ns(value):
    return f'{value:,.1f} ns'


def met(yes):
    return 'met' if yes else 'not met'


def tables(found):
    off, on = found['off'], found['on']
    rows = []
    for key, name in CALLS.items():
        ratio = on[key] / on['hypercall']
        goal = '' if key != 'switch' else \
            f'at most {SWITCH_GOAL}: {met(ratio <= SWITCH_GOAL)}'
        rows.append((name, ns(on[key]), f'{ratio:.1f}', goal))
    yield rst(rows, ('', 'time', 'null hypercalls', 'goal'))

    rows = []
    for key, name in MEMORY.items():
        more = 100 * (on[key] / off[key] - 1)
        rows.append((name, ns(off[key]), ns(on[key]), f'{more:+.1f} %',
                     f'at most {MEMORY_GOAL} % more: '
                     f'{met(more <= MEMORY_GOAL)}'))
    yield rst(rows, ('', 'hv-vsm=off', 'hv-vsm=on', 'difference', 'goal'))

    yield rst([(name, ns(on[key])) for key, name in PROTECTED.items()],
              (f'{PAGES:,} pages', 'per page'))


def measured():
    guest = program('vtl')
    keys = {'off': MEMORY.keys(),
            'on': MEMORY.keys() | CALLS.keys() | PROTECTED.keys()}
    # in turns, so that what else the machine does hits both alike
    runs = [{c: measure(guest, 'tcg', cpu, keys[c], MORE)
             for c, cpu in CPUS.items()} for _ in range(RUNS)]
    return {c: {k: statistics.median(r[c][k] for r in runs) for k in keys[c]}
            for c in CPUS}


def report(docs=None):
    """What came out as text, which also goes into the folder docs."""
    calls, memory, protected = tables(measured())
    if docs:
        with open(os.path.join(docs, 'bench-vtl.rst'), 'w') as f:
            f.write(f'''What virtual trust levels cost on TCG
=====================================

A guest without an operating system, with paging (``-cpu {CPUS['on']}``).
Medians of {RUNS} runs. Made by ``make bench`` on
{host()}, {datetime.date.today()}.

Switching to VTL 1 and back:

{calls}

- *null hypercall*: a fast call with a code that does not exist.
- *system call*: SYSEXIT to user mode, which does SYSENTER.
- *VtlCall and VtlReturn*: by the hypercall page, the latter fast.

Memory that VTL 1 exists for, but does not protect:

{memory}

The first is bound by what it takes to look up a page: there are {WALKED:,} of them,
which share a little RAM, as the host's own caches are not what is measured.

Memory that it does protect, {PAGES // 1000},000 pages of it:

{protected}

They are made read-only by ``HvCallModifyVtlProtectionMask``, 510 with each call.
''')
    return '\n\n'.join((calls, memory, protected))


if __name__ == '__main__':
    try:
        print(report())
    except (vm.Missing, vm.Error) as e:
        sys.exit(f'bench: {e}')
