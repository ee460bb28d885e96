# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams without a pause, for tests of what must never get through."""
from lablib.program import Program


class Flood(Program):
    """UDP datagrams from a namespace to an address, from now on, also before it has a way there; how many arrive is asked at the other end."""

    CODE = ('import socket, sys, time\nfamily = socket.AF_INET\ns = socket.socket(family, socket.SOCK_DGRAM); print("ready", flush=True)\n'
            'while True:\n try: s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))\n except OSError: pass\n time.sleep(0.0005)')

    def __init__(self, netns, address, port):
        super().__init__(netns, self.CODE, address, port)
