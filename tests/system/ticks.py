# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads what the guest program `tick` prints of the guest's clock and timers.

import vm

# lines, two a second, without a tick: far beyond a slow host
MANY = 60


class Ticks:
    """tick, running in a guest.  After a migration, move to the new VM."""

    def __init__(self, v):
        self.vm = v
        v.out('tick &')
        self.clock = 0
        self.follow(2)

    def follow(self, lines=4, moved_to=None):
        """Takes some more lines, each of which has to show a later clock, and
        goes on until every CPU has had more ticks; gives the first clock."""
        if moved_to:
            self.vm = moved_to
        seen = []
        while (len(seen) < lines or
               any(a >= b for a, b in zip(seen[0][1], seen[-1][1]))):
            if len(seen) > MANY:
                raise vm.Error(f'a CPU has no ticks: from {seen[0]} to '
                               f'{seen[-1]}')
            m = self.vm.console.wait(r'^(TICK (\d+)([ \d]*)|TICK-BAD .*)\n')
            if not m[2]:
                raise vm.Error(m[1])
            clock = int(m[2])
            if clock <= self.clock:
                raise vm.Error(f'the clock went from {self.clock} to {clock}')
            self.clock = clock
            seen.append((clock, [int(n) for n in m[3].split()]))
        return seen[0][0]

    def rewind(self):
        """The guest goes back to an earlier state: what it printed since does
        not count."""
        c = self.vm.console
        with c.more:
            c.seen = len(c.text)
        self.clock = 0
