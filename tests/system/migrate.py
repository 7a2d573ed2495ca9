#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Saves, loads and migrates a guest while it works, again and again: its clock
# goes on where it was, and no tick is lost or doubled.

import os
import time

import tap
import ticks
import vm

ROUNDS = 3


def content(v):
    """The guest's shell answers and its kernel has nothing to complain of."""
    why = v.complaints()
    assert not why, why


def to_file(kernel, smp):
    """Through a file: the guest stands still in between."""
    source = vm.VM(kernel, smp=smp)
    try:
        t = ticks.Ticks(source)
        for n in range(ROUNDS):
            with tap.case(f'{kernel}, {smp} CPUs: to a file, round {n + 1}',
                          'RT-005,ST-028,CP-042'):
                path = os.path.join(source.dir.name, 'state')
                # Our clock is read before the guest's first reading and after
                # its second: less the time in the file, it has to show as
                # much time.
                began = time.monotonic()
                clock = source.uptime()
                source.qmp('migrate', uri=f'file:{path}')
                source.migrated()
                ran = time.monotonic() - began
                target = vm.VM(kernel, smp=smp, incoming=f'file:{path}')
                source.close()
                source = target
                # it starts to run no earlier than this QEMU has started
                began = source.started
                source.event('RESUME')
                passed = source.uptime() - clock
                ran += time.monotonic() - began
                # /proc/uptime counts hundredths
                assert 0 <= passed <= ran + 0.01, \
                    f'{passed} s passed in the guest, {ran} s here'
                t.follow(moved_to=source)
                content(source)
    finally:
        source.close()


def to_qemu(kernel, smp):
    """Live, from one QEMU into the next."""
    source = vm.VM(kernel, smp=smp)
    try:
        t = ticks.Ticks(source)
        for n in range(ROUNDS):
            with tap.case(f'{kernel}, {smp} CPUs: live, round {n + 1}',
                          'RT-005,ST-028,CP-042'):
                path = os.path.join(source.dir.name, 'socket')
                target = vm.VM(kernel, smp=smp, incoming=f'unix:{path}')
                # the guest dirties its memory faster than the default moves
                source.qmp('migrate-set-parameters', max_bandwidth=1 << 40,
                           downtime_limit=2000)
                source.qmp('migrate', uri=f'unix:{path}')
                source.migrated()
                source.close()
                source = target
                t.follow(moved_to=source)
                content(source)
    finally:
        source.close()


if __name__ == '__main__':
    def all_of_it():
        to_file('cloud', 2)
        to_qemu('generic', 2)
    tap.main(all_of_it)
