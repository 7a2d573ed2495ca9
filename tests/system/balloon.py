#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Dynamic memory: what QMP asks of hv-balloon happens in the guest. And VMBus
# devices that come and go while the guest runs.
#
# The device gives every guest 50 seconds before it asks for anything.

import time

import tap
import vm

MIB = 1 << 20
DEVICES = '/sys/bus/vmbus/devices'


def total(v):
    return int(v.out("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' "
                     '/proc/meminfo')) * 1024


def reaches(what, value, good):
    """Waits until value() is good; how long that takes is the guest's."""
    end = time.monotonic() + vm.PATIENCE
    while not good(now := value()):
        if time.monotonic() > end:
            raise vm.Error(f'{what} stays at {now >> 20} MiB')
        time.sleep(0.2)
    return now


def devices(v):
    return int(v.out(f'ls {DEVICES} | wc -l'))


def hotplug(v):
    with tap.case('Linux lets go of the device'):
        v.out(f'until [ -e {DEVICES}/*/driver ]; do sleep 1; done')
        v.unplug('balloon')
        assert devices(v) == 0, devices(v)
    with tap.case('and takes another one, again and again'):
        for i in range(3):
            v.qmp('device_add', driver='hv-balloon', id=f'hvb{i}')
            v.out(f'until [ -e {DEVICES}/*/driver ]; do sleep 1; done')
            driver = v.out(f'readlink {DEVICES}/*/driver')
            assert driver.endswith('/hv_balloon'), driver
            v.unplug(f'hvb{i}')
            assert devices(v) == 0, devices(v)
    with tap.case('a device for which there is no driver comes and goes'):
        v.qmp('device_add', driver='vmbus-testdev', id='test')
        v.out(f'until [ -e {DEVICES}/*/class_id ]; do sleep 1; done')
        v.unplug('test')
        assert devices(v) == 0, devices(v)


def balloon():
    # Linux ignores the balloon of a machine that offers hibernation
    s4 = ('-global', 'PIIX4_PM.disable_s4=1')
    with vm.VM(mem='768M', args=s4, reboot=True) as v:
        full = total(v)

        def actual():
            return v.qmp('query-balloon')['actual']

        with tap.case('query-balloon shows all of the memory'):
            assert actual() == 768 * MIB, actual()
        with tap.case('the balloon takes memory from the guest'):
            v.qmp('balloon', value=600 * MIB)
            reaches('query-balloon', actual, lambda n: n <= 601 * MIB)
            less = reaches('MemTotal', lambda: total(v),
                           lambda n: n <= full - 160 * MIB)
            tap.diag(f'MemTotal {full >> 20} MiB, then {less >> 20} MiB')
        with tap.case('and gives it back'):
            v.qmp('balloon', value=768 * MIB)
            reaches('query-balloon', actual, lambda n: n >= 767 * MIB)
            reaches('MemTotal', lambda: total(v),
                    lambda n: n >= full - 2 * MIB)
        with tap.case('a reset of the guest gives it back, too'):
            v.qmp('balloon', value=600 * MIB)
            reaches('query-balloon', actual, lambda n: n <= 601 * MIB)
            v.qmp('system_reset')
            v.ready()
            assert total(v) == full, (total(v), full)
        hotplug(v)
        with tap.case('no complaint from the driver'):
            why = v.complaints()
            assert not why, why


if __name__ == '__main__':
    tap.main(balloon)
