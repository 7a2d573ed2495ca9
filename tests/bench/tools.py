# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the benchmarks share.

import os
import platform
import re


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
