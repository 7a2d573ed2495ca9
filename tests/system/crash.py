#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest that crashes tells the hypervisor so through the crash MSRs, and the
# news arrives in QMP with its parameters.

import tap
import vm


def crash():
    # what Linux writes into HV_X64_MSR_GUEST_OS_ID: open source, Linux
    linux = 0x8100
    with vm.VM(args=('-action', 'panic=pause'), reboot=True) as v:
        with tap.case('a panic in the guest arrives as GUEST_PANICKED', 'CR-004'):
            guest_id = int(v.out('msr 0 0x40000000'), 16)
            assert guest_id >> 48 == linux, hex(guest_id)
            v.console.write('echo c > /proc/sysrq-trigger\n')
            data = v.event('GUEST_PANICKED')
            info = data.get('info', {})
            assert data['action'] == 'pause', data
            assert info.get('type') == 'hyper-v', data
            tap.diag(info)
        with tap.case('with the parameters that Linux gives', 'CR-005'):
            # hyperv_report_panic: error, guest id, rip, rax, rsp; or
            # hv_kmsg_dump: 0, 0, 0, address and length of the kernel log
            args = [info[f'arg{n}'] for n in range(1, 6)]
            assert (args[1] == guest_id and args[2] and args[4] or
                    args[:3] == [0, 0, 0] and args[3] and args[4]), info
        with tap.case('and the guest is paused'):
            assert v.qmp('query-status')['status'] == 'guest-panicked'
        with tap.case('a reset brings it back'):
            v.qmp('system_reset')
            v.qmp('cont')
            v.ready()
            report = v.report()
            for name, (good, detail) in report.items():
                assert good, f'{name}: {detail}'


if __name__ == '__main__':
    tap.main(crash)
