# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the cases of one test file and says how they went in the Test Anything
# Protocol, which meson reads.

import contextlib
import sys
import traceback

import vm

_count = 0


class Skip(Exception):
    """Raised in a case that cannot be judged here, with the reason."""


def say(line):
    print(line, flush=True)


def diag(text):
    for line in str(text).splitlines():
        say(f'# {line}')


def result(verdict, name, note=''):
    # numbered when it ends, so that cases may contain others
    global _count
    _count += 1
    say(f'{verdict} {_count} - {name}{note}')


@contextlib.contextmanager
def case(name, rules=None):
    """
    One case: it passes unless what is inside raises. The ids of the rules of
    tests/conformance/rules.tsv that it checks, with commas, are reported.
    """
    if rules:
        name += f' [{rules}]'
    try:
        yield
    except vm.Missing:
        raise
    except Skip as e:
        result('ok', name, f' # SKIP {e}')
    except Exception as e:
        result('not ok', name)
        # our own exceptions say what is wrong, others say where
        told = isinstance(e, (AssertionError, vm.Error)) and str(e)
        diag(told or traceback.format_exc())
    else:
        result('ok', name)


def main(test):
    """Runs the whole of a test file."""
    try:
        vm.qemu()
        # what goes wrong outside of the cases is a failure, too
        try:
            test()
        except vm.Error as e:
            result('not ok', 'the test could not go on')
            diag(e)
    except vm.Missing as e:
        if not _count:
            say(f'1..0 # SKIP {e}')
            sys.exit()
        say(f'Bail out! {e}')
        sys.exit(1)
    say(f'1..{_count}')
