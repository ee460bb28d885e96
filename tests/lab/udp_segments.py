# SPDX-License-Identifier: BSD-3-Clause
"""Sends runs of datagrams, each run in one call (UDP_SEGMENT), which the kernel may carry as one frame, to transfer.py's answering side, and compares what
comes back: each datagram byte-reversed. A run is sent up to three times, since UDP may lose. Prints {"runs": ..., "whole": ..., "strange": ...}: runs that came
back whole, and datagrams that nobody sent.

  udp_segments.py ADDRESS PORT SIZE RUNS"""
import contextlib
import json
import os
import socket
import sys

UDP_SEGMENT = 103
DATAGRAMS = 40


def answered(client, datagrams):
    """Whether all came back, and how many came that are not of them."""
    missing = {datagram[::-1] for datagram in datagrams}
    known = set(missing)
    strange = 0
    client.send(b''.join(datagrams))
    with contextlib.suppress(TimeoutError):
        while missing:
            back = client.recv(1 << 16)
            missing.discard(back)
            strange += back not in known
    return not missing, strange


def main():
    address, port, size, runs = sys.argv[1], *map(int, sys.argv[2:])
    counts = {'runs': runs, 'whole': 0, 'strange': 0}
    with socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        client.settimeout(0.3)
        client.connect((address, port))
        for _ in range(runs):
            datagrams = [os.urandom(size) for _ in range(DATAGRAMS - 1)] + [os.urandom(size - 7)]  # the last may be shorter
            for _ in range(3):
                whole, strange = answered(client, datagrams)
                counts['strange'] += strange
                if whole:
                    counts['whole'] += 1
                    break
        with contextlib.suppress(ConnectionRefusedError):  # the other side is gone: it heard the first of these
            for _ in range(3):
                client.send(b'')
    print(json.dumps(counts))


main()
