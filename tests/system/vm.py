# SPDX-License-Identifier: GPL-2.0-or-later
#
# One QEMU with one Debian guest in it, for a test to drive: the monitor
# (QMP), the serial console and the guest's shell on it.
#
# Every wait here is for an event.  PATIENCE only ends a test whose event does
# not come; it is far above what the slowest machine needs.

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = float(os.environ.get('PATIENCE', 240))

# What the guest of a system test normally is, see docs of hv-default.
HV = os.environ.get('HV_CPU', 'max,hv-default=on')
PLAIN = 'max'
VMBUS = ('-device', 'vmbus-bridge', '-device', 'hv-balloon,id=balloon')


class Missing(Exception):
    """The machine lacks something without which no test can be run."""


class Error(Exception):
    """The guest or QEMU did not do what the test waited for."""


def qemu():
    path = os.environ.get('QEMU') or os.path.join(build(), 'qemu',
                                                  'qemu-system-x86_64')
    if not shutil.which(path):
        raise Missing(f'there is no QEMU at {path}')
    return path


def build():
    return os.environ.get('BUILD') or os.path.join(HERE, '..', '..', 'build')


def made(name):
    """The folder in which mkguest has made what is named."""
    out = os.path.join(build(), 'guest')
    p = subprocess.run([os.path.join(HERE, 'mkguest'), out, name],
                       stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        raise Missing((p.stderr.strip().splitlines() or ['mkguest fails'])[-1])
    return out


def guest(kernel):
    """The paths of a guest's kernel and initramfs, made on first use."""
    out = made(kernel)
    return (os.path.join(out, f'vmlinuz-{kernel}'),
            os.path.join(out, f'initrd-{kernel}'))


def command_line(append=''):
    """What the kernel of a test's guest is told."""
    return f'console=ttyS0 quiet panic=-1 MODE=test {append}'.strip()


def image(folder, size, format='qcow2', name='disk'):
    """An empty disk image of so many MiB."""
    path = os.path.join(folder, f'{name}.{format}')
    img = os.path.join(os.path.dirname(qemu()), 'qemu-img')
    if not os.path.exists(img):
        img = 'qemu-img'
    try:
        subprocess.run([img, 'create', '-q', '-f', format, path, f'{size}M'],
                       check=True)
    except FileNotFoundError:
        raise Missing('there is no qemu-img next to QEMU') from None
    return path


class Console:
    """What the guest has printed; a thread takes it, so that the guest never
    has to wait for the test."""

    def __init__(self, sock, log):
        self.sock, self.log = sock, log
        self.text, self.seen, self.closed = '', 0, False
        self.more = threading.Condition()
        threading.Thread(target=self.reader, daemon=True).start()

    def reader(self):
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b''
            with self.more:
                self.text += data.decode(errors='replace').replace('\r', '')
                self.closed = not data
                self.more.notify_all()
            self.log.write(data)
            self.log.flush()
            if not data:
                return

    def wait(self, pattern):
        """The first match after what earlier waits have consumed."""
        end = time.monotonic() + PATIENCE
        with self.more:
            while True:
                m = re.compile(pattern, re.M).search(self.text, self.seen)
                if m:
                    self.seen = m.end()
                    return m
                if self.closed:
                    why = 'the guest is gone'
                elif not self.more.wait(end - time.monotonic()):
                    why = 'nothing came'
                else:
                    continue
                tail = self.text[self.seen:][-2000:]
                raise Error(f'waiting for {pattern!r}: {why}; the console '
                            f'ends with:\n{tail}')

    def write(self, text):
        self.sock.sendall(text.encode())


class VM:
    """kernel: cloud or generic; cpu: the -cpu of QEMU; args: more of QEMU's.

    With program set, the guest is that one instead, and append its command
    line; if it is empty, the machine boots by itself.  With tools set, the guest has mke2fs and e2fsck.  Unless reboot is
    set, a guest that reboots ends QEMU: it has crashed.
    vm.log names a file that keeps the console after the test.
    """

    def __init__(self, kernel='cloud', cpu=None, smp=2, mem='384M', append='',
                 devices=None, args=(), wait=True, incoming=None,
                 reboot=False, tools=False, program=None, accel='tcg'):
        cpu = cpu or HV
        devices = VMBUS if devices is None else devices
        self.dir = tempfile.TemporaryDirectory(prefix='hv-system-')
        self.events = []
        qmp, qmp_end = socket.socketpair()
        tty, tty_end = socket.socketpair()
        argv = [
            qemu(), '-accel', accel, '-cpu', cpu, '-smp', str(smp),
            '-m', mem, '-nodefaults', '-display', 'none', '-no-user-config',
            '-chardev', f'socket,id=tty,fd={tty_end.fileno()}',
            '-serial', 'chardev:tty',
            '-chardev', f'socket,id=qmp,fd={qmp_end.fileno()}',
            '-mon', 'chardev=qmp,mode=control',
            *(self.debian(kernel, tools, append) if program is None else
              ['-kernel', program, '-append', append] if program else []),
            *devices, *args]
        if not reboot:
            argv += ['-no-reboot']
        if incoming:
            argv += ['-incoming', incoming]
        logs = os.path.join(build(), 'guest', 'logs')
        os.makedirs(logs, exist_ok=True)
        name = os.path.basename(sys.argv[0]).split('.')[0]
        self.log = os.path.join(logs, f'{name}.log')
        log = open(self.log, 'ab')
        log.write(f'\n\n### {" ".join(argv)}\n'.encode())
        self.stderr = open(os.path.join(self.dir.name, 'stderr'), 'w+')
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.stderr,
            stderr=self.stderr,
            pass_fds=(qmp_end.fileno(), tty_end.fileno()))
        qmp_end.close()
        tty_end.close()
        self.console = Console(tty, log)
        self.tty, self.sock = tty, qmp
        self.sock.settimeout(PATIENCE)
        self.file = self.sock.makefile('r')
        try:
            self.receive()
            self.qmp('qmp_capabilities')
            if wait and not incoming and program is None:
                self.ready()
        except BaseException:
            self.close()
            raise

    def debian(self, kernel, tools, append):
        """What QEMU boots a Debian guest with."""
        image, initrd = guest(kernel)
        if tools:
            initrd = self.joined(initrd, guest('tools')[1])
        return ['-kernel', image, '-initrd', initrd,
                '-append', command_line(append)]

    def joined(self, *parts):
        """One initramfs of several."""
        path = os.path.join(self.dir.name, 'initrd')
        with open(path, 'wb') as out:
            for part in parts:
                with open(part, 'rb') as f:
                    shutil.copyfileobj(f, out)
                # the kernel wants each to begin at a multiple of 4
                out.write(bytes(-out.tell() % 4))
        return path

    # --- life ---

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.sock.close()
        self.tty.close()
        self.dir.cleanup()

    def ready(self):
        """Waits until the guest takes commands."""
        self.console.wait('<READY>')

    def exited(self):
        """Waits for QEMU to end, and gives its status."""
        return self.process.wait(PATIENCE)

    def said(self):
        """What QEMU itself has written."""
        self.stderr.flush()
        with open(self.stderr.name) as f:
            return f.read().strip()

    # --- the monitor ---

    def receive(self):
        try:
            line = self.file.readline()
        except TimeoutError:
            raise Error('QEMU does not answer') from None
        except OSError:
            line = ''
        if not line:
            self.process.wait()
            raise Error(f'QEMU ended with status {self.process.returncode}: '
                        f'{self.said() or "without a word"}')
        return json.loads(line)

    def qmp(self, command, **arguments):
        msg = {'execute': command}
        if arguments:
            msg['arguments'] = {k.replace('_', '-'): v
                                for k, v in arguments.items()}
        try:
            self.sock.sendall(json.dumps(msg).encode())
        except OSError:
            self.receive()
            raise
        while True:
            reply = self.receive()
            if 'event' in reply:
                self.events.append(reply)
            elif 'error' in reply:
                raise Error(f'{command}: {reply["error"]["desc"]}')
            else:
                return reply.get('return')

    def hmp(self, line):
        return self.qmp('human-monitor-command',
                        **{'command-line': line}).replace('\r', '')

    def event(self, name, match=lambda data: True):
        """Waits for an event (or takes one that came already): its data."""
        while True:
            for i, e in enumerate(self.events):
                if e['event'] == name and match(e.get('data', {})):
                    del self.events[:i + 1]
                    return e.get('data', {})
            msg = self.receive()
            if 'event' in msg:
                self.events.append(msg)

    def unplug(self, name):
        """Unplugs a device, and waits until the guest has let go of it."""
        self.qmp('device_del', id=name)
        self.event('DEVICE_DELETED', lambda data: data.get('device') == name)

    def migrated(self):
        """Waits for a migration out of this QEMU to end well."""
        while True:
            info = self.qmp('query-migrate')
            if info.get('status') == 'completed':
                return
            if info.get('status') in ('failed', 'cancelled'):
                raise Error(f'migration {info["status"]}: '
                            f'{info.get("error-desc", "")} {self.said()}')
            time.sleep(0.05)

    # --- the guest ---

    def sh(self, command):
        """Runs a command in the guest: its status and output."""
        self.console.write(command + '\n')
        start = self.console.seen
        m = self.console.wait(r'\n?<END (\d+)>\n')
        return int(m[1]), self.console.text[start:m.start()].lstrip('\n')

    def out(self, command):
        """The output of a command that has to succeed."""
        status, text = self.sh(command)
        if status:
            raise Error(f'{command!r} in the guest: status {status}: {text}')
        return text.strip()

    def uptime(self):
        """The guest's clock in seconds, read in the guest during this call."""
        text = self.out('cat /proc/uptime')
        return float(re.search(r'^(\d+\.\d+) ', text, re.M)[1])

    def report(self):
        """The guest's own report: {check: (whether ok, detail)}."""
        _, text = self.sh('report -m')
        found = {m[1]: (m[2] == 'ok', m[3]) for m in
                 re.finditer(r'^CHECK (\S+) (\S+) ?(.*)$', text, re.M)}
        if 'dmesg' not in found:
            raise Error(f'the report is not whole: {text}')
        return found

    def complaints(self):
        """What the guest's kernel has complained of about Hyper-V."""
        _, text = self.sh('report -m')
        m = re.search(r'^CHECK dmesg FAIL[\s\S]*', text, re.M)
        return m and m[0]
