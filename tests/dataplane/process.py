# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of weft-dataplane share: network namespaces that go away again, a process that is programmed without an agent, and data whose
every byte is checked. Used by the *_test.py scripts beside it."""
import atexit
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / 'tools'))

GATEWAY_MAC = '02:77:65:66:74:01'


def run(*command, check=True, timeout=120, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def escaped(data):
    """Bytes as a string of protobuf's text format."""
    return '"' + ''.join(f'\\{byte:03o}' for byte in data) + '"'


def address(text):
    return escaped(socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET, text))


def mac(text):
    return escaped(bytes.fromhex(text.replace(':', '')))


class Namespaces:
    """Network namespaces named after this process; all are deleted when it ends."""

    def __init__(self):
        self.names = []
        atexit.register(self.delete)

    def add(self, name):
        full = f'wt{os.getpid()}{name}'
        run('ip', 'netns', 'add', full)
        self.names.append(full)
        run('ip', '-n', full, 'link', 'set', 'lo', 'up')
        return full

    def delete(self):
        for name in self.names:
            run('ip', 'netns', 'del', name, check=False)
        self.names = []


class Dataplane:
    """One weft-dataplane, in a namespace or here; ends with its test."""

    def __init__(self, build, netns=None, options=()):
        self.program = pathlib.Path(build) / 'dataplane' / 'weft-dataplane'
        self.request_program = pathlib.Path(build) / 'tests' / 'dataplane' / 'fastpath-request'
        self.directory = tempfile.TemporaryDirectory(prefix='weft-test-')
        self.socket = self.directory.name + '/dataplane.sock'
        self.netns = netns
        self.options = list(options)
        self.process = None
        atexit.register(self.stop)

    def start(self):
        enter = ['ip', 'netns', 'exec', self.netns] if self.netns else []
        with open(self.directory.name + '/log', 'a', encoding='utf8') as log:
            self.process = subprocess.Popen([*enter, self.program, '--socket', self.socket, *self.options], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        self.wait_until_it_answers()
        return self

    def wait_until_it_answers(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f'weft-dataplane ended with {self.process.returncode}:\n{self.messages()}')
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self.socket)
                    return
                except OSError:
                    time.sleep(0.01)
        raise AssertionError(f'weft-dataplane does not answer:\n{self.messages()}')

    def messages(self):
        return pathlib.Path(self.directory.name, 'log').read_text(encoding='utf8')

    def request(self, text, check=True):
        return run(self.request_program, self.socket, input=text, check=check)

    def counters(self):
        """Fields by port, drops by number; gauges by name."""
        ports, gauges, item = {}, {}, None
        for line in self.request('counters {}').splitlines():
            key, _, value = line.strip().partition(': ')
            if key in ('ports {', 'gauges {', 'workers {'):
                item = {'drops': []}
            elif key == 'drops':
                item['drops'].append(int(value))
            elif value and item is not None:
                item[key] = value.strip('"') if value.startswith('"') else value == 'true' if value in ('true', 'false') else int(value)
                if key == 'port':
                    ports[item['port']] = item
                elif key == 'name' and 'port' not in item:
                    gauges[item['name']] = item
        return ports, gauges

    def cpu_seconds(self):
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text(encoding='utf8').rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


PAYLOAD = '''
import hashlib, os, socket, sys
role, family, where, size, pattern = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
def blocks():
    block = os.urandom(1 << 20)
    left = size
    while left:
        yield block[:min(left, len(block))]
        left -= min(left, len(block))
        block = block[pattern:] + block[:pattern]
if role == 'receive':
    listener = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
    listener.bind((where, 5001)); listener.listen(1)
    print('ready', flush=True)
    listener.settimeout(60)
    peer, _ = listener.accept()
    peer.settimeout(60)
    digest, got = hashlib.sha256(), 0
    while True:
        data = peer.recv(1 << 18)
        if not data: break
        digest.update(data); got += len(data)
    print(got, digest.hexdigest())
else:
    sender = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
    sender.settimeout(60)
    sender.connect((where, 5001))
    digest, sent = hashlib.sha256(), 0
    for block in blocks():
        digest.update(block); sender.sendall(block); sent += len(block)
    sender.shutdown(socket.SHUT_WR); sender.recv(1)
    print(sent, digest.hexdigest())
'''


def transfer(source, destination, where, size, during=None):
    """Sends random bytes over TCP from one namespace to an address in another; True when all of them arrived unchanged."""
    family = '6' if ':' in where else '4'
    command = ['/usr/bin/python3', '-c', PAYLOAD]
    receiver = subprocess.Popen(['ip', 'netns', 'exec', destination, *command, 'receive', family, where, str(size), '1'],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sender = None
    try:
        assert receiver.stdout.readline() == 'ready\n', receiver.stderr.read()
        sender = subprocess.Popen(['ip', 'netns', 'exec', source, *command, 'send', family, where, str(size), '4099'], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        if during is not None:
            during()
        said, complaint = sender.communicate(timeout=120)
        heard, other_complaint = receiver.communicate(timeout=30)
        assert said and said == heard, f'sent {said!r}, received {heard!r}\n{complaint}{other_complaint}'
        return int(said.split()[0]) == size
    finally:
        for process in (sender, receiver):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def endpoint_in(netns, addresses, mtu):
    """Configures the TAP in the container's namespace as the agent would."""
    for each in addresses:
        run('ip', '-n', netns, 'addr', 'add', each + ('/128' if ':' in each else '/32'), 'dev', 'eth0', *(['nodad'] if ':' in each else []))
    run('ip', '-n', netns, 'link', 'set', 'eth0', 'mtu', str(mtu), 'up')
    run('ip', '-n', netns, 'route', 'add', 'default', 'via', '169.254.1.1', 'dev', 'eth0', 'onlink')
    run('ip', '-n', netns, '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0', 'onlink')


def need_root():
    if os.geteuid() != 0:
        print('skipped: network namespaces and TAP devices need root')
        sys.exit(77)
