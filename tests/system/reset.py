#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Resets of a running guest, by the synthetic reset MSR, by the guest's own
# reboot and from outside: each time the whole partition starts anew, and the
# next boot is as good as the first.

import tap
import vm


def good(v):
    for name, (ok, detail) in v.report().items():
        assert ok, f'{name}: {detail}\n{v.complaints() or ""}'


def reset():
    # hv-reset is not a part of hv-default everywhere
    with vm.VM(cpu=f'{vm.HV},hv-reset=on', reboot=True) as v:
        with tap.case('the first boot'):
            good(v)
        with tap.case('HV_X64_MSR_RESET = 0 does nothing'):
            v.out('msr 0 0x40000003 0')
            v.out('true')
        for cpu in 0, 1:
            with tap.case(f'HV_X64_MSR_RESET = 1 on CPU {cpu} resets',
                          'MS-008'):
                v.console.write(f'msr {cpu} 0x40000003 1\n')
                data = v.event('RESET')
                assert data['guest'] and data['reason'] == 'guest-reset', data
                v.ready()
                good(v)
        with tap.case('reboot -f in the guest'):
            v.console.write('reboot -f\n')
            v.event('RESET')
            v.ready()
            good(v)
        with tap.case('system_reset from outside, under load'):
            v.out('tick &')
            v.console.wait('^TICK .*\n')
            v.qmp('system_reset')
            v.event('RESET')
            v.ready()
            good(v)


if __name__ == '__main__':
    tap.main(reset)
