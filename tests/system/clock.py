#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest that is paused does not see the pause: its clock stands still with
# it and goes on with it.

import time

import tap
import ticks
import vm

def paused():
    with vm.VM() as v:
        for n in range(3):
            with tap.case(f'the clock stands still in a pause, round {n + 1}',
                          'RT-004'):
                # Our clock is read before the guest's first reading and after
                # its second: less the pause, it has to show as much time.
                began = time.monotonic()
                first = v.uptime()
                v.qmp('stop')
                stopped = time.monotonic()
                time.sleep(4)
                pause = time.monotonic() - stopped
                v.qmp('cont')
                passed = v.uptime() - first
                ran = time.monotonic() - began - pause
                # /proc/uptime counts hundredths
                assert 0 <= passed <= ran + 0.01, \
                    f'{passed} s passed in the guest, {ran} s here'
        with tap.case('timers go on after it'):
            t = ticks.Ticks(v)
            v.qmp('stop')
            v.qmp('cont')
            t.follow()
        with tap.case('and the guest is content with its clock'):
            report = v.report()
            for name in 'clocksource', 'clockevent', 'dmesg':
                good, detail = report[name]
                assert good, f'{name}: {detail}'


if __name__ == '__main__':
    tap.main(paused)
