#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What QEMU shows of a running Hyper-V guest: `info hyperv` for people and
# query-hyperv for programs.

import json
import re

import tap
import vm


def numbers(value, key=''):
    """Every number in a QMP answer, with the words that lead to it."""
    if isinstance(value, dict):
        # a counter may be a pair of its name and its number
        key = f'{key} {value.get("name", "")}'
        for k, v in value.items():
            yield from numbers(v, f'{key} {k}')
    elif isinstance(value, list):
        for v in value:
            yield from numbers(v, key)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield key.lower(), value


def query():
    with vm.VM(kernel='cloud') as v:
        v.report()
        # work for the TLB flush and IPI calls
        v.out('tick & sleep 2; kill $!')
        guest_id = int(v.out('msr 0 0x40000000'), 16)
        answer = v.qmp('query-hyperv')
        found = list(numbers(answer))
        with tap.case('query-hyperv shows the guest OS identity of Linux'):
            assert any(n == guest_id for _, n in found), \
                f'{guest_id:#x} is not in {json.dumps(answer)}'
        with tap.case('query-hyperv shows MSR values by name'):
            assert re.search(r'HV_X64_MSR_\w+', json.dumps(answer)), answer
        for word in 'flush', 'message':
            with tap.case(f'query-hyperv counts: {word}'):
                assert any(word in k and n > 0 for k, n in found), \
                    json.dumps(answer)
        with tap.case('info hyperv shows the guest, its VPs and MSRs'):
            text = v.hmp('info hyperv')
            assert f'{guest_id:x}' in text.lower(), text
            assert 'HV_X64_MSR' in text or 'SINT' in text, text
    with tap.case('without Hyper-V both say so'):
        with vm.VM(cpu=vm.PLAIN, devices=(), wait=False) as v:
            text = v.hmp('info hyperv').strip()
            assert len(text.splitlines()) == 1, text
            assert 'unknown command' not in text, text
            try:
                answer = v.qmp('query-hyperv')
            except vm.Error as e:
                assert 'has not been found' not in str(e), e
                answer = {}
            assert not answer or not answer.get('enabled'), answer


if __name__ == '__main__':
    tap.main(query)
