#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The synthetic network card, with Debian's hv_netvsc as the judge: addresses
# by DHCP, downloads and uploads that have to arrive whole, while the card is
# changed, unplugged, saved and loaded.

import hashlib
import http.server
import socketserver
import tempfile
import threading
import time

import snapshot
import tap
import vm

USER = ('-netdev', 'user,id=net', '-device', 'hv-net,netdev=net,id=nic')
# what is downloaded: no two parts of it are alike
SIZE = 8 << 20
DATA = b''.join(hashlib.sha512(n.to_bytes(4, 'big')).digest()
                for n in range(SIZE // 64))
SUM = hashlib.sha256(DATA).hexdigest()


class Web(http.server.BaseHTTPRequestHandler):
    """Gives DATA to whoever asks."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(DATA)))
        self.end_headers()
        try:
            self.wfile.write(DATA)
        except OSError:
            # the guest went away in the middle, as some tests have it
            pass

    def log_message(self, *_):
        pass


class Sink(socketserver.StreamRequestHandler):
    """Takes what comes, and answers with its sum."""

    def handle(self):
        self.wfile.write(hashlib.sha256(self.rfile.read()).hexdigest()
                         .encode() + b'\n')


def serve(handler):
    """A server on this host: its port."""
    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def eth(v):
    """The name of the guest's card, when it has one."""
    return v.out('until ls /sys/class/net | grep -v lo; do sleep 0.1; done')


def dhcp(v):
    v.out(f'dhcp {eth(v)}')


def download(v, url):
    got = v.out(f'wget -q -O - {url} | sha256sum').split()[0]
    assert got == SUM, f'{got} arrived instead of {SUM}'


def upload(v, url):
    v.out(f'wget -q -O /tmp/data {url}')
    got = v.out(f'nc 10.0.2.2 {serve(Sink)} < /tmp/data')
    v.out('rm /tmp/data')
    assert got == SUM, f'{got} arrived instead of {SUM}'


def until(v, condition):
    v.out(f'until {condition}; do sleep 0.1; done')


def content(v):
    why = v.complaints()
    assert not why, why


def card(kernel, url):
    with vm.VM(kernel, args=USER) as v:
        with tap.case(f'{kernel}: an address by DHCP'):
            dhcp(v)
            assert '10.0.2.15' in v.out(f'ip addr show {eth(v)}')
        with tap.case(f'{kernel}: the MAC address is the one of the card'):
            info = v.hmp('info network')
            mac = v.out(f'cat /sys/class/net/{eth(v)}/address')
            assert mac.upper() in info.upper(), f'{mac}, but {info}'
        with tap.case(f'{kernel}: a download'):
            download(v, url)
        with tap.case(f'{kernel}: an upload'):
            upload(v, url)
        with tap.case(f'{kernel}: another MTU'):
            for mtu in 1400, 9000, 1500:
                v.out(f'ip link set {eth(v)} mtu {mtu}')
                dhcp(v)
                download(v, url)
        with tap.case(f'{kernel}: another MAC address'):
            v.out(f'ip link set {eth(v)} down')
            v.out(f'ip link set {eth(v)} address 52:54:00:aa:bb:cc')
            v.out(f'ip link set {eth(v)} up')
            rx = v.qmp('query-rx-filter', name='nic')[0]
            assert rx['main-mac'].lower() == '52:54:00:aa:bb:cc', rx
            dhcp(v)
            download(v, url)
        with tap.case(f'{kernel}: promiscuous'):
            v.out(f'ip link set {eth(v)} promisc on')
            while not v.qmp('query-rx-filter', name='nic')[0]['promiscuous']:
                time.sleep(0.1)
            v.out(f'ip link set {eth(v)} promisc off')
            while v.qmp('query-rx-filter', name='nic')[0]['promiscuous']:
                time.sleep(0.1)
        with tap.case(f'{kernel}: the link goes down and up'):
            carrier = f'[ $(cat /sys/class/net/{eth(v)}/carrier) = '
            v.qmp('set_link', name='nic', up=False)
            until(v, carrier + '0 ]')
            v.qmp('set_link', name='nic', up=True)
            until(v, carrier + '1 ]')
            download(v, url)
        with tap.case(f'{kernel}: content'):
            content(v)


def unplug(kernel, url):
    with vm.VM(kernel, args=USER) as v:
        dhcp(v)
        for what in 'idle', 'under load':
            with tap.case(f'{kernel}: unplugged {what}, and plugged again'):
                if what != 'idle':
                    v.out(f'(wget -q -O /dev/null {url} &)')
                v.unplug('nic')
                until(v, '! ls /sys/class/net | grep -v lo')
                v.qmp('device_add', driver='hv-net', netdev='net', id='nic')
                dhcp(v)
                download(v, url)
        with tap.case(f'{kernel}: content'):
            content(v)


def scaling(kernel, url):
    with vm.VM(kernel, smp=4, args=USER) as v:
        dhcp(v)
        channels = '/sys/bus/vmbus/devices/*/channels/*/subchannel_id'
        with tap.case(f'{kernel}, 4 CPUs: a channel for each'):
            until(v, f'[ $(cat {channels} | grep -c "^[1-9]") = 3 ]')
            queues = v.out(f'ls -d /sys/class/net/{eth(v)}/queues/rx-*')
            assert len(queues.split()) == 4, queues
        with tap.case(f'{kernel}, 4 CPUs: downloads side by side'):
            out = v.out('for n in 1 2 3 4 5 6 7 8; do '
                        f'wget -q -O - {url} | sha256sum & done; wait')
            assert out.count(SUM) == 8, out
        with tap.case(f'{kernel}, 4 CPUs: every channel has had some of them'):
            counts = v.out('cat /sys/class/net/*/device/channels/*/'
                           'interrupts').split()
            assert len(counts) == 4 and '0' not in counts, counts
        with tap.case(f'{kernel}, 4 CPUs: unplugged, and plugged again'):
            v.unplug('nic')
            v.qmp('device_add', driver='hv-net', netdev='net', id='nic')
            dhcp(v)
            download(v, url)
        with tap.case(f'{kernel}, 4 CPUs: content'):
            content(v)


def saved(kernel, url):
    """savevm and loadvm while frames go both ways."""
    with tempfile.TemporaryDirectory() as folder:
        drive = ('-drive', f'if=none,format=qcow2,file={vm.image(folder, 64)}')
        with vm.VM(kernel, args=(*USER, *drive)) as v:
            dhcp(v)
            # connections do not outlive the user network's loadvm
            v.out(f'(while :; do timeout 20 wget -q -O /dev/null {url}; '
                  'done > /dev/null 2>&1 &)')
            for n in range(3):
                with tap.case(f'{kernel}: loadvm under traffic, round '
                              f'{n + 1}'):
                    snapshot.hmp(v, 'savevm here')
                    download(v, url)
                    snapshot.hmp(v, 'stop')
                    snapshot.hmp(v, 'loadvm here')
                    snapshot.hmp(v, 'cont')
                    download(v, url)
                    content(v)


def main():
    url = f'http://10.0.2.2:{serve(Web)}/'
    card('cloud', url)
    unplug('cloud', url)
    scaling('generic', url)
    saved('cloud', url)


if __name__ == '__main__':
    tap.main(main)
