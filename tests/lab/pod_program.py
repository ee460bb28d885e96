# SPDX-License-Identifier: BSD-3-Clause
"""What runs in a pod of the cluster: it answers on ports 80 and 81 of TCP, UDP and SCTP, and tries other pods' ports when told to, all at once. SCTP is spoken
on raw sockets, since kernels may lack it: an INIT is answered by an INIT ACK, or by an ABORT where nobody serves.

  [[protocol, address, port], ...] on a line --> program --> ["open" | "closed" | "silent" | an error, ...] on a line"""
import errno
import json
import os
import random
import selectors
import socket
import struct
import sys
import time

PORTS = (80, 81)
SCTP = 132  # not every build of Python knows its name
INIT, INIT_ACK, ABORT = 1, 2, 6
AGAIN_S = 0.12  # without any answer: those who are silent are asked once more
OVER_S = 0.2  # without any answer after that: silent


def family_of(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


# --- SCTP's packets (RFC 9260)


def crc_table():
    def entry(value):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        return value

    return [entry(value) for value in range(256)]


CRC32C = crc_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def sctp_packet(source_port, port, tag, kind, body=b''):
    chunk = struct.pack('!BBH', kind, 0, 4 + len(body)) + body
    ports = struct.pack('!HHI', source_port, port, tag)
    return ports + struct.pack('<I', crc32c(ports + bytes(4) + chunk)) + chunk


def init_body(tag):
    return struct.pack('!IIHHI', tag, 65536, 1, 1, tag)


STATE_COOKIE = struct.pack('!HHI', 7, 8, 0)  # an INIT ACK has one


class Sctp:
    """A raw socket of one family: answers whoever asks, and hands the answers to what this pod asked to their tries."""

    def __init__(self, family):
        self.raw = socket.socket(family, socket.SOCK_RAW, SCTP)
        self.raw.setblocking(False)
        self.asked = {}  # our tag: the try

    def ask(self, attempt, source_port, tag):
        self.asked[tag] = attempt
        self.raw.sendto(sctp_packet(source_port, attempt.port, 0, INIT, init_body(tag)), (attempt.address, 0))

    def take(self, _):
        try:
            data, peer = self.raw.recvfrom(2048)
        except OSError:
            return
        packet = data if self.raw.family == socket.AF_INET6 else data[(data[0] & 15) * 4:]
        if len(packet) < 16 or packet[8:12] != struct.pack('<I', crc32c(packet[:8] + bytes(4) + packet[12:])):
            return
        source_port, port, tag, _, kind = struct.unpack_from('!HHIIB', packet)
        if kind == INIT and len(packet) >= 32:
            theirs, = struct.unpack_from('!I', packet, 16)
            answer = (INIT_ACK, init_body(1) + STATE_COOKIE) if port in PORTS else (ABORT,)
            try:
                self.raw.sendto(sctp_packet(port, source_port, theirs, *answer), (peer[0], 0))
            except OSError:
                pass  # they see silence
        elif kind in (INIT_ACK, ABORT) and tag in self.asked:
            self.asked.pop(tag).end('open' if kind == INIT_ACK else 'closed')


# --- asking


class Try:
    """One question to one port of one pod; `result` when it is answered."""

    def __init__(self, loop, protocol, address, port):
        self.loop = loop
        self.protocol = protocol
        self.address = address
        self.port = port
        self.result = None
        self.sockets = []

    def ask(self):
        try:
            getattr(self, 'ask_' + self.protocol)()
        except OSError as why:
            self.end(self.meaning(why.errno))

    def ask_tcp(self):
        # A new connection for each question: the kernel asks again after a second only.
        client = self.socket(socket.SOCK_STREAM)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if (code := client.connect_ex((self.address, self.port))) not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self.loop.register(client, selectors.EVENT_WRITE, self.tcp_answered)

    def tcp_answered(self, client):
        code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.end('open' if code == 0 else self.meaning(code))

    def ask_udp(self):
        client = self.socket(socket.SOCK_DGRAM)
        client.connect((self.address, self.port))
        self.loop.register(client, selectors.EVENT_READ, self.udp_answered)
        client.send(b'weft lab')

    def udp_answered(self, client):
        try:
            self.end('open' if client.recv(99) == b'bal tfew' else 'a strange answer')
        except OSError as why:
            self.end(self.meaning(why.errno))

    def ask_sctp(self):
        self.loop.sctp[family_of(self.address)].ask(self, random.randrange(32768, 61000), random.randrange(2, 1 << 32))

    def socket(self, kind):
        client = socket.socket(family_of(self.address), kind)
        client.setblocking(False)
        self.sockets.append(client)
        return client

    def meaning(self, code):
        return 'closed' if code == errno.ECONNREFUSED else os.strerror(code)

    def end(self, result):
        if self.result is None:
            self.result = result
            self.loop.answered_at = time.monotonic()
        self.close()

    def close(self):
        for client in self.sockets:
            self.loop.forget(client)
            client.close()
        self.sockets = []


class Loop:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.answered_at = 0.0
        self.sctp = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            self.sctp[family] = Sctp(family)
            self.register(self.sctp[family].raw, selectors.EVENT_READ, self.sctp[family].take)
        for port in PORTS:
            self.serve(port)

    def register(self, file, events, function):
        self.selector.register(file, events, function)

    def forget(self, file):
        try:
            self.selector.unregister(file)
        except KeyError:
            pass  # it failed before it was registered

    def serve(self, port):
        listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
        listener.setblocking(False)
        self.register(listener, selectors.EVENT_READ, self.accept)
        echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        echo.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        echo.bind(('::', port))
        echo.setblocking(False)
        self.register(echo, selectors.EVENT_READ, self.echo)

    @staticmethod
    def accept(listener):
        try:
            listener.accept()[0].close()
        except OSError:
            pass  # it is gone already

    @staticmethod
    def echo(server):
        try:
            data, peer = server.recvfrom(2048)
            server.sendto(data[::-1], peer)
        except OSError:
            pass  # an error that an earlier answer met

    def turn(self, timeout):
        for key, _ in self.selector.select(timeout):
            # What an earlier event of this turn closed is no longer to be asked.
            if self.selector.get_map().get(key.fd) is key:
                key.data(key.fileobj)

    def ask(self, targets):
        tries = [Try(self, *target) for target in targets]
        for patience in (AGAIN_S, OVER_S):
            waiting = [each for each in tries if each.result is None]
            for each in waiting:
                each.ask()
            self.answered_at = time.monotonic()
            while any(each.result is None for each in waiting) and (left := self.answered_at + patience - time.monotonic()) > 0:
                self.turn(left)
        for each in tries:
            each.close()
        for sctp in self.sctp.values():
            sctp.asked.clear()
        return [each.result or 'silent' for each in tries]


def main():
    loop = Loop()

    def command(_):
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        print(json.dumps(loop.ask(json.loads(line))), flush=True)

    # Lines come one at a time: the next one when this one is answered.
    loop.register(sys.stdin, selectors.EVENT_READ, command)
    print('ready', flush=True)
    while True:
        loop.turn(None)


main()
