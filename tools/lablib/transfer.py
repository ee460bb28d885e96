# SPDX-License-Identifier: BSD-3-Clause
"""Moves data between two namespaces and proves that every byte arrived: TCP with a SHA-256 taken on both sides, UDP datagrams of every length that are
sent back reversed. Other modules call tcp() and udp(); the same file is the program that runs inside the namespaces.

  sender --- bytes ---> receiver        both print `COUNT SHA256`; equal or it failed
  asker  --- datagram -> answerer       the datagram comes back byte-reversed"""
import contextlib
import hashlib
import os
import select
import socket
import subprocess
import sys

if __name__ != '__main__':
    from lablib.command import LabError, environment, in_netns

BLOCK = 1 << 20
STEP = 4099  # odd and prime: every block differs from the last, and no segment boundary repeats


def accept(address, port):
    with socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        print('ready', flush=True)
        while True:
            listener.accept()[0].close()


def connect(address, port, timeout):
    """One connection after the other until the end of input."""
    opened = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        socket.create_connection((address, port), timeout).close()
        opened += 1
    print(opened)


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def blocks(size):
    """`size` random bytes, cheaply: one random block, turned a little each time."""
    block = os.urandom(BLOCK)
    while size > 0:
        yield block[:size]
        size -= len(block)
        block = block[STEP:] + block[:STEP]


def receive(address, port, timeout):
    with socket.create_server((address, port), family=family(address)) as listener:
        print('ready', flush=True)
        listener.settimeout(timeout)
        peer, _ = listener.accept()
    digest, count = hashlib.sha256(), 0
    with peer:
        peer.settimeout(timeout)
        while data := peer.recv(1 << 18):
            digest.update(data)
            count += len(data)
        print(count, digest.hexdigest())
        sys.stdout.flush()
        peer.sendall(b'.')


def send(address, port, timeout, size):
    digest, count = hashlib.sha256(), 0
    with socket.create_connection((address, port), timeout) as peer:
        for block in blocks(size):
            digest.update(block)
            peer.sendall(block)
            count += len(block)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)  # the receiver has read everything
    print(count, digest.hexdigest())


def answer(address, port, timeout):
    with socket.socket(family(address), socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        print('ready', flush=True)
        server.settimeout(timeout)
        while True:
            data, peer = server.recvfrom(1 << 16)
            if not data:
                return
            server.sendto(data[::-1], peer)


def ask(address, port, timeout, sizes):
    """Each datagram once more when its answer is late: UDP may lose, but never change."""
    answered = 0
    with socket.socket(family(address), socket.SOCK_DGRAM) as client:
        client.settimeout(min(timeout, 1))
        client.connect((address, port))
        for size in sizes:
            data = os.urandom(size)
            for _ in range(3):
                client.send(data)
                try:
                    while (back := client.recv(1 << 16)) != data[::-1] and len(back) != size:
                        pass  # a late answer to an earlier one
                except TimeoutError:
                    continue
                if back != data[::-1]:
                    sys.exit(f'a datagram of {size} bytes came back changed')
                answered += 1
                break
        with contextlib.suppress(ConnectionRefusedError):  # the other side is gone: it heard the first of these
            for _ in range(3):
                client.send(b'')
    print(answered)


def program(netns, *words, stdin=subprocess.DEVNULL):
    return subprocess.Popen(in_netns(netns, '/usr/bin/python3', '-I', os.path.abspath(__file__), *words), stdin=stdin,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ''


def exchange(waiting, asking, timeout, during=None):
    """Starts the side that waits, then the other, and returns what each printed at its end. `during` is called while data flows."""
    second = None
    first = program(*waiting)
    try:
        if first.stdout.readline() != 'ready\n':
            raise LabError(f'{waiting[0]}: {last_line(first.stderr.read())}')
        second = program(*asking)
        if during is not None:
            during()
        said, complaint = second.communicate(timeout=timeout)
        if second.returncode != 0:
            raise LabError(f'{asking[0]} to {asking[2]}: {last_line(complaint)}')
        heard, complaint = first.communicate(timeout=20)
        if first.returncode != 0:
            raise LabError(f'{waiting[0]}: {last_line(complaint)}')
        return said.strip(), heard.strip()
    except subprocess.TimeoutExpired as late:
        raise LabError(f'{asking[0]} to {asking[2]}: no end after {late.timeout:.0f} s') from None
    finally:
        for process in (first, second):
            if process is not None:
                if process.poll() is None:
                    process.kill()
                process.communicate()


def connections(source, destination, address, port=5003, timeout=10, during=None):
    """Opens TCP connections to an address one after the other while `during` is called; returns how many. Raises unless all open."""
    with Listener(destination, port):
        opener = program(source, 'connect', address, port, timeout, stdin=subprocess.PIPE)
        try:
            during()
        finally:
            said, complaint = opener.communicate()
    if opener.returncode != 0:
        raise LabError(f'{source} to {address}: {last_line(complaint)}')
    return int(said)


class Listener:
    """Accepts TCP connections on a port of a namespace, on all its addresses, for as long as the block lasts."""

    def __init__(self, netns, port):
        self.process = program(netns, 'accept', '::', port, 0)
        if self.process.stdout.readline() != 'ready\n':
            raise LabError(f'no listener on port {port} in {netns}: {last_line(self.process.communicate()[1])}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def tcp(source, destination, address, size, port=5001, timeout=120, during=None):
    """Sends `size` random bytes over TCP from a namespace to an address that lives in another. Raises unless all arrive unchanged."""
    said, heard = exchange((destination, 'receive', address, port, timeout), (source, 'send', address, port, timeout, size), timeout, during)
    if said != heard or int(said.split()[0]) != size:
        raise LabError(f'{source} to {address}: sent {said}, received {heard}')


def udp(source, destination, address, sizes, port=5002, timeout=60):
    """Sends one datagram of each size and has it sent back reversed. Raises unless every one comes back unchanged."""
    said, _ = exchange((destination, 'answer', address, port, timeout), (source, 'ask', address, port, timeout, *sizes), timeout)
    if int(said) != len(sizes):
        raise LabError(f'{source} to {address}: {said} of {len(sizes)} datagrams came back')


if __name__ == '__main__':
    role, where, port_number, patience, *rest = sys.argv[1:]
    number, seconds = int(port_number), float(patience)
    if role == 'receive':
        receive(where, number, seconds)
    elif role == 'send':
        send(where, number, seconds, int(rest[0]))
    elif role == 'connect':
        connect(where, number, seconds)
    elif role == 'accept':
        accept(where, number)
    elif role == 'answer':
        answer(where, number, seconds)
    else:
        ask(where, number, seconds, [int(size) for size in rest])
