#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# savevm and loadvm of a guest under load, again and again: after each loadvm
# its clock is that of the savevm, and no tick is lost or doubled.

import tempfile

import tap
import ticks
import vm

ROUNDS = 4


def hmp(v, line):
    """A monitor command that says nothing when all is well."""
    said = v.hmp(line).strip()
    assert not said, f'{line}: {said}'


def snapshot(kernel, smp):
    what = f'{kernel}, {smp} CPUs'
    with tempfile.TemporaryDirectory() as folder:
        drive = ('-drive', f'if=none,format=qcow2,file={vm.image(folder, 64)}')
        with vm.VM(kernel, smp=smp, args=drive, reboot=True) as v:
            t = ticks.Ticks(v)
            for n in range(ROUNDS):
                with tap.case(f'{what}: loadvm under load, round {n + 1}',
                              'RT-005,ST-028'):
                    saved = t.clock
                    hmp(v, 'savevm here')
                    t.follow(4)
                    later = t.clock
                    hmp(v, 'stop')
                    t.rewind()
                    hmp(v, 'loadvm here')
                    hmp(v, 'cont')
                    first = t.follow()
                    assert saved < first < later, \
                        f'saved at {saved}, loaded at {later}, went on at ' \
                        f'{first}'
                    why = v.complaints()
                    assert not why, why
            with tap.case(f'{what}: loadvm after a reset'):
                saved = t.clock
                hmp(v, 'savevm here')
                v.qmp('system_reset')
                v.ready()
                hmp(v, 'stop')
                t.rewind()
                hmp(v, 'loadvm here')
                hmp(v, 'cont')
                assert t.follow() > saved
                why = v.complaints()
                assert not why, why


if __name__ == '__main__':
    tap.main(lambda: snapshot('generic', 2))
