# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams without a pause, for tests of what must never get through."""
from lablib.program import Program


class Flood(Program):
    """UDP datagrams from a namespace to an address, from now on, also before it has a way there; how many arrive is asked at the other end."""

    CODE = ('import socket, sys, time\nto, pause = (sys.argv[1], int(sys.argv[2])), float(sys.argv[3])\n'
            's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print("ready", flush=True)\n'
            'while True:\n try: s.sendto(b"x", to)\n except OSError: pass\n time.sleep(pause)')

    def __init__(self, netns, address, port, pause=0.0005):
        super().__init__(netns, self.CODE, address, port, str(pause))
