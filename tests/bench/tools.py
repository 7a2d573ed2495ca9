# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the benchmarks share.

import os
import platform
import re
import statistics
import sys


def cpu_seconds(pid):
    """The host's time spent on a process so far."""
    with open(f'/proc/{pid}/stat') as f:
        # the name in parentheses may contain spaces
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def rst(rows, head):
    rows = [head, *rows]
    width = [max(len(r[i]) for r in rows) for i in range(len(head))]
    rule = '  '.join('=' * w for w in width)
    lines = ['  '.join(c.ljust(w) for c, w in zip(r, width)).rstrip()
             for r in rows]
    return '\n'.join([rule, lines[0], rule, *lines[1:], rule])


def host():
    model = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo') as f:
            model = re.search(r'^model name\s*: (.*)$', f.read(), re.M)[1]
    except (OSError, TypeError):
        pass
    return f'{model}, {os.cpu_count()} CPUs'


def medians(measure, devices, tests, runs):
    """measure(device) gives {test: (rate, host CPU per unit of it)}: the
    medians of that many runs by device."""
    found = {d: [] for d in devices}
    for n in range(runs):
        # in turns, so that what else the machine does hits all alike
        for device in devices:
            print(f'bench: run {n + 1} of {runs}, {device}',
                  file=sys.stderr, flush=True)
            found[device].append(measure(device))
    return {d: {t: tuple(statistics.median(r[t][i] for r in rs)
                         for i in range(2)) for t, *_ in tests}
            for d, rs in found.items()}


def number(x):
    return f'{x:.2f}' if x < 10 else f'{x:,.0f}'


def verdict(median, tests, ours, goals):
    """The worst ratio over all tests, by the device that ours is compared
    with."""
    for device, goal in goals.items():
        if device in median and ours in median:
            worst, test = min((median[ours][t][0] / median[device][t][0], n)
                              for t, n, *_ in tests)
            yield (f'{ours} over {device}: at least {worst:.2f} ({test}); goal '
                   f'{goal}: {"met" if worst >= goal else "not met"}')


def rows(median, tests):
    """The rows of a table: what, then rate and host CPU for every device."""
    yield ('', *median)
    for test, name, unit, divisor, cpu_unit, cpu_factor in tests:
        yield (f'{name}, {unit}',
               *(number(median[d][test][0] / divisor) for d in median))
        yield (f'… host CPU, {cpu_unit}',
               *(number(median[d][test][1] * cpu_factor) for d in median))


def report(median, tests, ours, goals):
    head, *table = rows(median, tests)
    lines = [f'- {line}\n' for line in verdict(median, tests, ours, goals)]
    return f'{rst(table, head)}\n\n{"".join(lines)}'
