# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads what a test run left: meson's log, with the output of every test, and
# reports in the Test Anything Protocol.

import collections
import json
import os
import re

PLAN = re.compile(r'1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$', re.I)
POINT = re.compile(r'(not )?ok\b\s*(\d+)?\s*(?:- )?([^#]*)'
                   r'(?:#\s*(?:(skip|todo)\b\S*\s*(.*)|.*))?$', re.I)

# The last is a failure that was expected
PASS, FAIL, SKIP, TODO = 'pass', 'fail', 'skip', 'todo'

# One subtest: of which test, its name, how it went, the reason for a skip, and
# the lines that say why it failed.
Result = collections.namedtuple('Result', 'test name outcome why said')


def last_line(test):
    lines = f'{test.get("stdout", "")}\n{test.get("stderr", "")}'.split('\n')
    return next((s.strip() for s in reversed(lines) if s.strip()), 'no reason')


def tap_results(name, test):
    """Results of a TAP stream; None if the output is no TAP."""
    results = []
    planned = seen = 0
    is_tap = False
    said = []       # where comments go
    for line in test.get('stdout', '').split('\n'):
        if m := PLAN.match(line):
            is_tap, planned = True, int(m[1])
            if planned == 0:
                results.append(Result(name, '', SKIP, m[2] or last_line(test),
                                      []))
        elif m := POINT.match(line):
            is_tap, seen, said = True, seen + 1, []
            bad, _, what, directive, why = m.groups()
            what = what.strip() or str(seen)
            if directive and (bad or directive.lower() == 'skip'):
                outcome = TODO if bad else SKIP
                results.append(Result(name, what, outcome, why or 'no reason',
                                      []))
            else:
                results.append(Result(name, what, FAIL if bad else PASS, '',
                                      said))
        elif line.startswith('#'):
            said.append(line[1:].strip())
        elif line.startswith('Bail out!'):
            is_tap = True
            results.append(Result(name, '', FAIL, '', [line]))
    if not is_tap:
        return None
    if not any(r.outcome == FAIL for r in results):
        if seen < planned:
            results.append(Result(name, '', FAIL, '',
                                  [f'ended after {seen} of {planned}, '
                                   f'{test["result"]}']))
        elif test['result'] not in ('OK', 'SKIP'):
            results.append(Result(name, '', FAIL, '', [test['result']]))
    return results


def exit_results(name, test):
    """The result of a test that only has an exit status."""
    if test['result'] in ('OK', 'EXPECTEDFAIL'):
        return [Result(name, '', PASS, '', [])]
    if test['result'] == 'SKIP':
        return [Result(name, '', SKIP, last_line(test), [])]
    return [Result(name, '', FAIL, '', [test['result']])]


def short_name(name):
    # 'project:suite / test' or 'suite - project:test'
    return re.sub(r'^(?:\S+ - )?[\w-]+:(\S+) / ', r'\1/', name)


def read(path):
    """All results in meson's testlog.json at PATH; none if there is no log."""
    if not os.path.exists(path):
        return []
    results = []
    with open(path, encoding='utf-8') as log:
        for line in log:
            test = json.loads(line)
            name = short_name(test['name'])
            tap = tap_results(name, test)
            results += exit_results(name, test) if tap is None else tap
    return results
