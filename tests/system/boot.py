#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Boots one Debian kernel, named on the command line, on 1, 2 and 4 CPUs: with
# Hyper-V the guest has to be content with all of it, and without a flag it
# has to find none.

import sys

import tap
import vm

CHECKS = ['hypervisor', 'privileges', 'clocksource', 'clockevent', 'vmbus',
          'balloon', 'dmesg']


def boot(kernel):
    for smp in 1, 2, 4:
        what = f'{kernel}, {smp} CPU{"s" if smp > 1 else ""}'
        with tap.case(f'{what}: boots with Hyper-V'):
            with vm.VM(kernel, smp=smp) as v:
                report = v.report()
                for name in CHECKS:
                    with tap.case(f'{what}: {name}'):
                        good, detail = report.get(name, (False, 'missing'))
                        assert good, f'{detail}\n{v.complaints() or ""}'
                with tap.case(f'{what}: every CPU runs'):
                    assert int(v.out('nproc')) == smp, v.out('nproc')
                with tap.case(f'{what}: powers off, QEMU ends well'):
                    v.console.write('poweroff -f\n')
                    assert v.exited() == 0, v.said()
                    assert not v.said(), v.said()
        with tap.case(f'{what}: boots without, and finds no Hyper-V'):
            with vm.VM(kernel, smp=smp, cpu=vm.PLAIN, devices=()) as v:
                report = v.report()
                assert not report['hypervisor'][0], report['hypervisor'][1]
                assert report['dmesg'][0], report['dmesg'][1]
                assert int(v.out('nproc')) == smp


if __name__ == '__main__':
    tap.main(lambda: boot(sys.argv[1]))
