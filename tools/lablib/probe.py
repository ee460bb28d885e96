# SPDX-License-Identifier: BSD-3-Clause
"""Asks when an address answers for the first time: echo requests, two in each millisecond, from inside a namespace. Prober runs it there; this same
file is the program. Times are those of CLOCK_MONOTONIC, which every namespace shares.

  Prober -- address, on a line --> program -- echo requests --> ...
         <-- nanoseconds of the first answer, or `none` --"""
import os
import select
import socket
import struct
import subprocess
import sys
import time

if __name__ != '__main__':
    from lablib.command import LabError, environment, in_netns

INTERVAL_S = 0.0005
PATIENCE_S = 10.0


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def echo_request(identifier, sequence):
    """Of even length, so that the checksum needs no padding."""
    rest = struct.pack('!HH', identifier, sequence) + b'first answer'
    return struct.pack('!BBH', 8, 0, checksum(struct.pack('!BBH', 8, 0, 0) + rest)) + rest


def first_answer(address, identifier):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.connect((address, 0))
        raw.setblocking(False)
        deadline = time.monotonic() + PATIENCE_S
        sequence = 0
        while time.monotonic() < deadline:
            try:
                raw.send(echo_request(identifier, sequence & 0xffff))
            except OSError:
                pass  # unreachable as yet
            sequence += 1
            until = time.monotonic() + INTERVAL_S
            while (left := until - time.monotonic()) > 0:
                if not select.select([raw], [], [], left)[0]:
                    break
                now = time.monotonic_ns()
                try:
                    packet = raw.recv(2048)
                except OSError:
                    continue
                header = (packet[0] & 15) * 4
                kind, _, _, answered = struct.unpack_from('!BBHH', packet, header)
                if kind == 0 and answered == identifier:
                    return now
    return None


class Prober:
    """One process in a namespace, asked about one address after the other."""

    def __init__(self, netns):
        self.process = subprocess.Popen(in_netns(netns, '/usr/bin/python3', '-I', os.path.abspath(__file__)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment())

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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


if __name__ == '__main__':
    for number, line in enumerate(sys.stdin):
        print('probing', flush=True)
        print(first_answer(line.strip(), number % 60000 + 1) or 'none', flush=True)
