#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every hv-* flag alone, with only what it needs: the guest boots, is content,
# and uses what the flag gives where that shows.

import tap
import vm

SYNIC = 'hv-vpindex,hv-synic'
STIMER = f'{SYNIC},hv-time,hv-stimer'
BRIDGE = ('-device', 'vmbus-bridge')

# Linux takes a Hyper-V only if it has hv-vpindex, and writes to the VP assist
# page's MSR without asking for hv-vapic, so all of them have these two.
# flags, checks of the report that they make pass, more of QEMU's arguments
FLAGS = [
    ('hv-vpindex', [], ()),
    ('hv-relaxed', [], ()),
    ('hv-vapic', [], ()),
    ('hv-spinlocks=0xfff', [], ()),
    ('hv-runtime', [], ()),
    ('hv-crash', [], ()),
    ('hv-time', ['clocksource'], ()),
    (SYNIC, [], ()),
    (f'{SYNIC}', ['vmbus'], BRIDGE),
    (STIMER, ['clocksource', 'clockevent', 'vmbus'], BRIDGE),
    (f'{STIMER},hv-stimer-direct', ['clocksource', 'clockevent'], ()),
    ('hv-tlbflush', [], ()),
    ('hv-tlbflush,hv-tlbflush-ext', [], ()),
    ('hv-tlbflush-direct', [], ()),
    ('hv-ipi', [], ()),
    ('hv-tlbflush,hv-ipi,hv-xmm-input', [], ()),
    ('hv-reset', [], ()),
    ('hv-frequencies', [], ()),
    ('hv-reenlightenment', [], ()),
    ('hv-avic', [], ()),
    ('hv-emsr-bitmap', [], ()),
    ('hv-vp-registers', [], ()),
    ('hv-no-nonarch-coresharing=on', [], ()),
    ('hv-version-id-build=20348,hv-version-id-major=10', [], ()),
    ('hv-enforce-cpuid', [], ()),
    (f'{STIMER},hv-relaxed,hv-vapic,hv-runtime,hv-syndbg',
     ['clocksource', 'clockevent'], BRIDGE),
    # hv-tsc-invariant is part of it, with which Linux prefers its own tsc clock
    ('hv-passthrough', ['clockevent', 'vmbus'], BRIDGE),
    ('hv-time,hv-tsc-invariant', [], ()),
]


def flags():
    for flag, checks, args in FLAGS:
        what = flag + (' with vmbus-bridge' if args else '')
        with tap.case(what):
            cpu = f'max,hv-vpindex,hv-vapic,{flag}'
            with vm.VM(cpu=cpu, devices=args) as v:
                report = v.report()
                for name in ['hypervisor', 'privileges', 'dmesg', *checks]:
                    good, detail = report[name]
                    assert good, f'{name}: {detail}\n{v.complaints() or ""}'
                # work for the TLB flush and IPI calls
                assert v.sh('tick & sleep 1; kill $!')[0] == 0
                assert 'TICK-BAD' not in v.console.text, v.console.text

    # The one thing that Linux holds against a Hyper-V without hv-vapic.
    with tap.case('hv-vpindex without hv-vapic: #GP, and the guest goes on'):
        with vm.VM(cpu='max,hv-vpindex', devices=()) as v:
            assert v.report()['hypervisor'][0]
            faults = v.out("dmesg | grep 'unchecked MSR access'").splitlines()
            assert faults and all('0x40000073' in f for f in faults), faults

    # What Linux declines: it says so and boots as on no hypervisor.
    for flag in 'hv-relaxed', 'hv-vpindex,hv-vendor-id=SomebodyElse':
        with tap.case(f'{flag}: declined by Linux, which boots all the same'):
            with vm.VM(cpu=f'max,{flag}', devices=()) as v:
                assert not v.report()['hypervisor'][0]


if __name__ == '__main__':
    tap.main(flags)
