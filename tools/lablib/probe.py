# SPDX-License-Identifier: BSD-3-Clause
"""Echo requests on an exact schedule from inside a namespace, which ping does not keep at a thousand each second: Prober tells when an address answers for
the first time, Stream tells what was lost while something else happened. Both run this same file there; times are those of CLOCK_MONOTONIC, which every
namespace shares.

  Prober -- address, on a line --> program -- two requests in each millisecond --> ...
         <-- nanoseconds of the first answer, or `none` --
  Stream -- end of input --> program -- a request in each millisecond --> ...
         <-- {"sent": ..., "answered": ..., "seconds": ..., "gap_s": ...} --"""
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

if __name__ != '__main__':
    from lablib.command import LabError, environment, in_netns

PATIENCE_S = 10.0
SO_RCVBUFFORCE = 33  # of Linux; Python has no name for it
LATE_S = 1.0  # how long an answer may take


class Echo:
    """A raw socket to one address. The kernel fills ICMPv6 checksums in; those of ICMP are ours."""

    def __init__(self, address, identifier):
        self.ipv6 = ':' in address
        self.identifier = identifier
        if self.ipv6:
            self.raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        else:
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        # On a busy machine answers wait here, and what does not fit would look lost on the way.
        self.raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.raw.connect((address, 0))
        self.raw.setblocking(False)

    def request(self, sequence):
        message = struct.pack('!BBHHH', 128 if self.ipv6 else 8, 0, 0, self.identifier, sequence & 0xffff) + b'weft lab'
        if not self.ipv6:
            total = sum(struct.unpack(f'!{len(message) // 2}H', message))
            total = (total & 0xffff) + (total >> 16)
            message = message[:2] + struct.pack('!H', ~(total + (total >> 16)) & 0xffff) + message[4:]
        try:
            self.raw.send(message)
        except OSError:
            pass  # unreachable as yet, or no buffer: it counts as sent

    def answer(self, until):
        """Sequence number of the next answer to us, or None when the time is over."""
        while (left := until - time.monotonic()) > 0 and select.select([self.raw], [], [], left)[0]:
            try:
                packet = self.raw.recv(2048)
            except OSError:
                continue
            start = 0 if self.ipv6 else (packet[0] & 15) * 4
            kind, _, _, identifier, sequence = struct.unpack_from('!BBHHH', packet, start)
            if kind == (129 if self.ipv6 else 0) and identifier == self.identifier:
                return sequence
        return None


def first_answer(address, identifier):
    echo = Echo(address, identifier)
    deadline = time.monotonic() + PATIENCE_S
    sequence = 0
    while time.monotonic() < deadline:
        echo.request(sequence)
        sequence += 1
        if echo.answer(time.monotonic() + 0.0005) is not None:
            return time.monotonic_ns()
    return None


def stream(address, per_second):
    echo = Echo(address, os.getpid() & 0xffff)
    begin = last = time.monotonic()
    sent = answered = 0
    gap = 0.0
    end = None
    while end is None or (answered < sent and time.monotonic() < end + LATE_S):
        due = begin + sent / per_second
        if end is None and time.monotonic() >= due:
            echo.request(sent)
            sent += 1
            if sent % 16 == 0 and select.select([sys.stdin], [], [], 0)[0]:
                end = time.monotonic()
            continue
        if echo.answer(due if end is None else end + LATE_S) is not None:
            now = time.monotonic()
            gap, last = max(gap, now - last), now
            answered += 1
    return {'sent': sent, 'answered': answered, 'seconds': end - begin, 'gap_s': max(gap, end - last)}


class Program:
    def __init__(self, netns, *words):
        self.process = subprocess.Popen(in_netns(netns, '/usr/bin/python3', '-I', os.path.abspath(__file__), *words), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Prober(Program):
    """One process in a namespace, asked about one address after the other."""

    def begin(self, address):
        self.process.stdin.write(address + '\n')
        self.process.stdin.flush()
        if self.process.stdout.readline() != 'probing\n':
            raise LabError('the prober ended')

    def end(self):
        """Nanoseconds of CLOCK_MONOTONIC at the first answer."""
        said = self.process.stdout.readline().strip()
        if not said.isdigit():
            raise LabError(f'no answer in {PATIENCE_S:.0f} s')
        return int(said)


class Stream(Program):
    """Echo requests from a namespace to an address, for as long as the block lasts; `result` afterwards."""

    def __init__(self, netns, address, per_second=1000):
        super().__init__(netns, address, per_second)
        self.result = None

    def __exit__(self, *problem):
        if problem[0] is None:
            said, _ = self.process.communicate(timeout=30)
            self.result = json.loads(said)
        else:
            super().__exit__(*problem)


if __name__ == '__main__':
    if len(sys.argv) == 3:
        print(json.dumps(stream(sys.argv[1], float(sys.argv[2]))))
    else:
        for number, line in enumerate(sys.stdin):
            print('probing', flush=True)
            print(first_answer(line.strip(), number % 60000 + 1) or 'none', flush=True)
