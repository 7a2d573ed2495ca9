# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts many changes of a C file into it together, for scripts/mutants. The
# program that is built of it takes one of them at a time, named by the
# environment variable HV_MUTANT as FILE:NUMBER, and appends to the file
# HV_MUTANT_SEEN which ones it came across.
#
# It is no parser of C, but of how QEMU writes it: one declarator to a
# declaration, braces around each body. What it does not understand it leaves
# out, and so does what the compiler does not: a table, a case, a macro.

import re

# In front of each file. Names are its own, because test-vmbus includes several.
HEADER = r'''#include "qemu/osdep.h"

static int hv_mutant;
static int hv_mutant_log = -1;
static unsigned char hv_mutant_seen[COUNT + 1];

static void __attribute__((constructor)) hv_mutant_init(void)
{
    const char *s = getenv("HV_MUTANT");
    size_t n = strlen("PATH");

    if (s && !strncmp(s, "PATH", n) && s[n] == ':') {
        hv_mutant = atoi(s + n + 1);
    }
    s = getenv("HV_MUTANT_SEEN");
    if (s) {
        hv_mutant_log = open(s, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                             0666);
    }
}

static void __attribute__((unused, noinline)) hv_mutant_note(int n)
{
    hv_mutant_seen[n] = 1;
    if (hv_mutant_log >= 0) {
        dprintf(hv_mutant_log, "PATH:%d\n", n);
    }
}

static inline bool __attribute__((unused)) hv_mutant_is(int n)
{
    if (unlikely(!hv_mutant_seen[n])) {
        hv_mutant_note(n);
    }
    return hv_mutant == n;
}
'''

BLOCK = re.compile(r'(?:else|do|(?:else\s+)?(?:if|for|while|switch)\s*\(.*\)|'
                   r'\w+_FOREACH\w*\s*\(.*\)|WITH_\w+\s*\(.*\)|)\s*$', re.S)
FUNCTION = re.compile(r'[^=]*\)\s*$', re.S)
CONDITION = re.compile(r'((?:else\s+)?(?:if|while)\s*\()(.*)(\)\s*;?\s*)$',
                       re.S)
LABEL = re.compile(r'(?:\s*(?:case\b[^:?]*|default|[A-Za-z_]\w*)\s*:(?!:))*\s*')
DECLARED = re.compile(r'((?!return\b|goto\b|else\b|static\b)'
                      r'(?:\w+(?:\([^()]*\))?[\s*]+)+\w+\s*=\s*)'
                      r'(?!=)(.*)(;)$', re.S)
UNSEEN = re.compile(r'(?:static\b|(?!return\b|goto\b|else\b)'
                    r'(?:\w+[\s*]+)+\w+\s*[;,\[])')


def units(code):
    """Statements and heads of blocks: where they begin and end.

    Of CODE, which has no comments, strings and directives."""
    blocks = []         # True for one of statements
    parens = 0
    start = 0
    for i, c in enumerate(code):
        if c in '([':
            parens += 1
        elif c in ')]':
            parens -= 1
        elif parens or c not in ';{}':
            continue
        else:
            begin = start + len(LABEL.match(code[start:i])[0])
            text = code[begin:i]
            if c == '{':
                if blocks:
                    block = blocks[-1] and bool(BLOCK.match(text))
                else:
                    block = bool(FUNCTION.match(text))
                if block and blocks and text.strip():
                    yield begin, i
                blocks.append(block)
            elif c == ';' and blocks and all(blocks) and text.strip():
                yield begin, i + 1
            elif c == '}' and blocks:
                blocks.pop()
            start = i + 1


def condition(text):
    m = CONDITION.match(text)
    return m and (m[1], m[2], m[3])


def declaration(text):
    m = DECLARED.match(text)
    return m and (m[1], m[2], m[3])


def loop(text):
    """for (;;): what goes before and after its condition."""
    m = re.match(r'(for\s*\([^;]*;)([^;]*)(;[^;]*\)\s*)$', text, re.S)
    return m and (m[1], m[2], m[3])


class File:
    def __init__(self, path, source, code, mutants, apart=()):
        self.path, self.source, self.code = path, source, code
        self.prefix = re.sub(r'\W', '_', path) + '_mutant'
        self.lines = [0]
        for line in source.split('\n'):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self.number = {m: i for i, m in enumerate(mutants, 1)}
        self.units = {}         # mutants by where their unit begins and ends
        self.places = {}        # line and columns of each mutant's text
        found = list(units(code))
        for m in mutants:
            if m.id in apart:
                continue
            at, end = self.lines[m.number - 1], self.lines[m.number] - 1
            at += re.search(r'\S|$', code[at:end]).start()
            for u in found:
                if u[0] < end and at < u[1]:
                    self.units.setdefault(u, []).append(m)
                    break

    def name(self, mutant):
        return f'{self.path}:{self.number[mutant]}'

    def mutants(self):
        return [m for ms in self.units.values() for m in ms]

    def drop(self, errors):
        """Leaves out those that the compiler finds errors in."""
        for line, column in errors:
            near = [(u, m) for u, ms in self.units.items() for m in ms
                    if self.places[m][0] == line]
            exact = [(u, m) for u, m in near
                     if self.places[m][1] <= column < self.places[m][2]]
            if not near:
                near = [(u, m) for u, ms in self.units.items() for m in ms
                        if u[0] < self.lines[line] and
                        self.lines[line - 1] < u[1]]
            for u, m in exact or near:
                if m in self.units[u]:
                    self.units[u].remove(m)

    def changed(self, unit, m):
        begin, end = unit
        a, z = self.lines[m.number - 1], self.lines[m.number] - 1
        text = self.source[:a] + m.new + self.source[z:]
        end += len(m.new) - len(m.old)
        if end <= begin or text[:begin] != self.source[:begin] or \
           text[end:] != self.source[unit[1]:]:
            return None
        return text[begin:end]

    def combined(self, unit, mutants):
        """The text of a unit with all of its mutants."""
        begin, end = unit
        old = self.source[begin:end]
        if re.search(r'^\s*#', old, re.M) or UNSEEN.match(self.code[begin:end]):
            return None
        head = not old.endswith(';')
        for split in [loop, condition] if head else [condition, declaration]:
            parts = split(old)
            if parts:
                break
        if head and not parts:
            return None
        truth = split in (loop, condition)
        out = parts[0] if parts else '{ '
        places = {}
        for m in mutants:
            new = self.changed(unit, m)
            if new is None:
                continue
            if parts:
                its = split(new)
                if not its or its[0] != parts[0] or its[2] != parts[2]:
                    continue
                new = f'(bool)({its[1]})' if truth else f'({its[1]})'
                lead = f'{self.prefix}_is({self.number[m]}) ? '
                tail = ' : '
            else:
                lead = f'if ({self.prefix}_is({self.number[m]})) {{ '
                tail = ' } else '
            new = re.sub(r'\s*\n\s*', ' ', new)
            at = len(out) + len(lead)
            out += lead + new + tail
            places[m] = at, at + len(new)
        if not parts:
            out += f'{{ {old} }} }}'
        elif truth:
            out += f'(bool)({parts[1]}){parts[2]}'
        else:
            out += f'({parts[1]}){parts[2]}'
        return out, places

    def text(self):
        """The source with all the mutants that are left in it."""
        text = self.source
        for unit in sorted(self.units, reverse=True):
            if not self.units[unit]:
                continue
            made = self.combined(unit, self.units[unit])
            self.units[unit] = list(made[1]) if made and made[1] else []
            if not self.units[unit]:
                continue
            line = self.source.count('\n', 0, unit[0]) + 1
            column = unit[0] - self.lines[line - 1] + 1
            for m, (a, z) in made[1].items():
                self.places[m] = line, column + a, column + z
            text = text[:unit[0]] + made[0] + text[unit[1]:]
        head = HEADER.replace('PATH', self.path)
        head = head.replace('COUNT', str(len(self.number)))
        return (re.sub(r'\bhv_mutant', self.prefix, head) +
                f'#line 1 "{self.path}"\n{text}')
