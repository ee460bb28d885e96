# SPDX-License-Identifier: BSD-3-Clause
"""A TCP connection between two endpoints of a lab that stays open: its client asks and is answered, and its server can speak unasked.

  source --- x x x --> destination        destination --- the same, or y --> source"""
from lablib.program import Program

PORT = 8082

SERVE = '''
import select, socket, sys
listener = socket.create_server(("::", %d), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
peer, _ = listener.accept()
while True:
    ready = select.select([peer, sys.stdin], [], [])[0]
    if sys.stdin in ready and sys.stdin.readline():
        peer.sendall(b"y")
    if peer in ready:
        data = peer.recv(99)
        if not data:
            break
        peer.sendall(data)
'''

# Each line: what to wait for, how often, and how long.
ASK = '''
import socket, sys
peer = socket.create_connection((%r, %d), 3)
print("ready", flush=True)
for line in sys.stdin:
    letter, count, timeout = line.split()
    peer.settimeout(float(timeout))
    heard = 0
    try:
        if letter == "x":
            peer.sendall(b"x" * int(count))
        while heard < int(count):
            heard += peer.recv(99).count(letter.encode())
        print("heard", flush=True)
    except OSError as why:
        print(why, flush=True)
'''


class Echo:
    def __init__(self, lab, source='h1-e1', destination='h2-e1', port=PORT, ipv6=False):
        self.server = Program(lab.netns(destination), SERVE % port)
        self.client = Program(lab.netns(source), ASK % (lab.address(destination, ipv6), port))

    def _hears(self, letter, count, timeout):
        return self.client.ask(f'{letter} {count} {timeout}') == 'heard'

    def answers(self, timeout=1.5):
        """Does what the client says come back?"""
        return self._hears('x', 9, timeout)

    def speaks(self, timeout=1.5):
        """Does the client hear what the server says unasked?"""
        self.server.tell()
        return self._hears('y', 1, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.end()
        self.server.end()
