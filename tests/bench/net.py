#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Measures network cards in the same Debian guest on TCG, with a tap device to a
# peer on this host, medians of several runs.  Prints a table; `make bench` puts
# it into docs/.
#
# All of it runs in a network namespace of its own, which takes root.
#
#   net.py [CARD]...

import datetime
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'system')]

import tools                            # noqa: E402
import vm                               # noqa: E402

RUNS = int(os.environ.get('BENCH_RUNS') or 5)
SECONDS = 3
PORT = 5001
HOST, GUEST = '192.0.2.1', '192.0.2.2'

CARDS = ('hv-net', 'virtio-net-pci', 'e1000e')

# test of net-bench, what it is, unit, divisor, unit of the CPU time, factor
TESTS = [
    ('receive', 'TCP to the guest', 'MB/s', 1e6, 'ns per byte', 1e9),
    ('send', 'TCP from the guest', 'MB/s', 1e6, 'ns per byte', 1e9),
    ('packets-in', 'small packets to the guest', 'k/s', 1e3, 'µs each', 1e6),
    ('packets-out', 'small packets from the guest', 'k/s', 1e3, 'µs each',
     1e6),
    ('round-trips', 'round trips', 'k/s', 1e3, 'µs each', 1e6),
]

# how many times the rate of the others hv-net has to have
GOALS = {'virtio-net-pci': 1.0, 'e1000e': 2.0}


def ip(*args):
    subprocess.run(['ip', *args], check=True)


def measure(card):
    """One run with one card: {test: (rate, host CPU per unit of it)}."""
    args = ('-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no',
            '-device', f'{card},netdev=net')
    found = {}
    with vm.VM('generic', smp=2, args=args) as v:
        ip('addr', 'replace', f'{HOST}/24', 'dev', 'tap0')
        ip('link', 'set', 'tap0', 'up')
        v.out('n=$(ls /sys/class/net | grep -v lo); '
              f'ip addr add {GUEST}/24 dev $n; ip link set $n up')
        v.out(f'until ping -c 1 -W 1 {HOST}; do :; done')
        for test, *_ in TESTS:
            before, began = tools.cpu_seconds(v.process.pid), time.monotonic()
            out = v.out(f'net-bench {test} {HOST} {PORT} {SECONDS}')
            spent = tools.cpu_seconds(v.process.pid) - before
            rate = float(out.split()[1])
            found[test] = (rate, spent / (rate * SECONDS) if rate else 0)
    return found


def medians(cards=CARDS):
    """{card: {test: (rate, host CPU per unit)}}, in a namespace that has
    nothing else."""
    ip('tuntap', 'add', 'tap0', 'mode', 'tap', 'vnet_hdr')
    ip('addr', 'add', f'{HOST}/24', 'dev', 'tap0')
    ip('link', 'set', 'tap0', 'up')
    peer = subprocess.Popen(
        [os.path.join(vm.build(), 'guest', 'net-bench'), 'serve', HOST,
         str(PORT)], stdout=subprocess.PIPE)
    try:
        peer.stdout.readline()
        return tools.medians(measure, cards, TESTS, RUNS)
    finally:
        peer.kill()
        ip('link', 'del', 'tap0')


def report(docs=None, cards=CARDS):
    """Measures in a namespace of its own; what came out as text, which also
    goes into the folder docs."""
    for tool in 'unshare', 'ip':
        if not shutil.which(tool):
            raise vm.Missing(f'there is no {tool}')
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        raise vm.Missing('a tap device takes root and /dev/net/tun')
    # which may have to be downloaded
    vm.guest('generic')
    p = subprocess.run(['unshare', '-n', sys.executable, __file__, '--inside',
                        *cards], stdout=subprocess.PIPE, text=True)
    if p.returncode:
        raise vm.Error('the network benchmark fails')
    if docs:
        with open(os.path.join(docs, 'bench-net.rst'), 'w') as f:
            f.write(f'''Network cards
=============

The same Debian guest (its 6.1 kernel, 2 CPUs) with each card, on a tap device
to a program on this host; medians of {RUNS} runs. Made by ``make bench`` on
{tools.host()}, {datetime.date.today()}.

{p.stdout}
What is measured, each for {SECONDS} seconds:

- *TCP*: bytes per second of one connection.
- *small packets*: UDP packets of 64 bytes that arrive.
- *round trips*: one byte there and back over TCP.
- *host CPU*: what QEMU uses, with the guest inside it, divided by the rate.
''')
    return p.stdout


def main(argv):
    if argv[:1] != ['--inside']:
        print(report(None, argv or CARDS), end='')
        return
    print(tools.report(medians(argv[1:] or CARDS), TESTS, 'hv-net', GOALS),
          end='')


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (vm.Missing, vm.Error) as e:
        sys.exit(f'bench: {e}')
