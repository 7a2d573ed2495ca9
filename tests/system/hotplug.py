#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A processor that comes and goes while the guest runs: it has a virtual
# processor of its own, with all that Linux sets up in one.

import time

import tap
import vm

ONLINE = '/sys/devices/system/cpu/cpu2/online'
# Linux 6.1 has SynIC pages only for the processors that it booted with, and
# looks for events in those of one that goes if VMBus is newer than 4.0
APPEND = 'hv_vmbus.max_version=0x40000'


def hotplug():
    with vm.VM(kernel='cloud', smp='2,maxcpus=3', append=APPEND) as v:
        v.qmp('device_add', driver='max-x86_64-cpu', id='cpu2',
              **{'socket-id': 0, 'core-id': 2, 'thread-id': 0})
        v.out(f'until [ -e {ONLINE} ]; do sleep 1; done; echo 1 > {ONLINE}')
        with tap.case('Linux takes a third processor'):
            assert v.out('nproc') == '3', v.out('nproc')
        with tap.case('the processor has a SynIC and a timer'):
            vps = v.qmp('query-hyperv')['vps']
            msrs = {m['name']: m['value'] for m in vps[2]['vtls'][0]['msrs']}
            assert len(vps) == 3, len(vps)
            assert msrs['HV_X64_MSR_VP_INDEX'] == 2, msrs
            assert msrs['HV_X64_MSR_SIMP'] & 1, msrs
        v.qmp('device_del', id='cpu2')
        while len(v.qmp('query-hyperv')['vps']) > 2:
            time.sleep(0.1)
        with tap.case('and gives it back'):
            assert v.out('nproc') == '2', v.out('nproc')
        with tap.case('no driver complains'):
            assert not v.complaints(), v.complaints()


if __name__ == '__main__':
    tap.main(hotplug)
