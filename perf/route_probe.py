# SPDX-License-Identifier: BSD-3-Clause
"""When a host's containers reach a new endpoint of another one, seen from outside: one of them sends to its address without a pause, and the VTEP behind which
it lives notes the first datagram that comes. Both read the same clock.

  sender in a container -- weft ==== VXLAN ==== watcher at the VTEP"""
import time

from lablib.command import LabError
from lablib.program import Program

LIMIT_S = 10

# For each line, an address: a datagram to it every 0.1 ms until the next line.
SENDER = '''
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
target = None
print("ready", flush=True)
while True:
    if select.select([sys.stdin], [], [], 0.0001 if target else None)[0]:
        target = sys.stdin.readline().strip()
        if not target:
            break
        print("sending", flush=True)
    try:
        s.sendto(b"x", (target, 9))
    except OSError:
        pass
'''

# The destination of each datagram in VXLAN that is the first to have it, and when it came.
WATCHER = '''
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4789))
seen = set()
print("ready", flush=True)
while True:
    frame = s.recv(2048)[8:]
    if len(frame) < 34 or frame[12:14] != b"\\x08\\x00":
        continue
    destination = socket.inet_ntoa(frame[30:34])
    if destination not in seen:
        seen.add(destination)
        print(destination, time.monotonic(), flush=True)
'''


class RouteProbe:
    def __init__(self, container, far, vtep):
        """`container`, `far`: network namespaces; `vtep`: whose address in `far`."""
        self.watcher = Program(far, WATCHER, vtep)
        self.sender = Program(container, SENDER)

    def milliseconds_until(self, address, announce):
        """From when `announce` is called to when the address was reached; it was not before."""
        self.sender.ask(address)
        begin = time.monotonic()
        announce()
        reached, when = self.watcher.hear(LIMIT_S).split()
        if reached != address or float(when) < begin:
            raise LabError(f'{reached} was reached instead of {address}')
        return round((float(when) - begin) * 1e3, 3)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sender.end()
        self.watcher.end()
