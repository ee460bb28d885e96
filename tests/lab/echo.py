# SPDX-License-Identifier: BSD-3-Clause
"""A TCP connection between two endpoints of a lab that stays open: its client asks and is answered, and its server can speak unasked.

  source --- x x x --> destination        destination --- the same, or y --> source"""
import subprocess

import harness

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
        self.server = self._start(lab, destination, SERVE % port)
        self.client = self._start(lab, source, ASK % (lab.address(destination, ipv6), port))

    @staticmethod
    def _start(lab, endpoint, program):
        process = subprocess.Popen(harness.in_netns(lab.netns(endpoint), '/usr/bin/python3', '-I', '-c', program), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=harness.environment())
        assert process.stdout.readline() == 'ready\n', f'{endpoint} has no connection'
        return process

    def _hears(self, letter, count, timeout):
        self.client.stdin.write(f'{letter} {count} {timeout}\n')
        self.client.stdin.flush()
        return self.client.stdout.readline() == 'heard\n'

    def answers(self, timeout=1.5):
        """Does what the client says come back?"""
        return self._hears('x', 9, timeout)

    def speaks(self, timeout=1.5):
        """Does the client hear what the server says unasked?"""
        self.server.stdin.write('\n')
        self.server.stdin.flush()
        return self._hears('y', 1, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.client, self.server):
            process.kill()
            process.communicate()
