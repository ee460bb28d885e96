#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Attach has no window: a container that sends and is sent to from its first moment on never gets a packet past a policy that forbids it, in either direction,
and from the moment on in which `weft endpoint add` has returned no packet is lost that policy allows. 25 attaches on each fast path, 10,000 with --all.

  early, h1-e1 -- h1 ==== underlay ==== h2 -- h2-e1      policy of early: UDP to port 8081 may go out, nothing else, and nothing may come in

What is allowed is asked between containers of one host, since another host takes nothing from an address whose route it does not know yet."""
import contextlib
import json
import time

import harness
from flood import Flood
from harness import BOTH, with_lab
from lablib import namespaces
from lablib.command import wait_until
from lablib.program import Program

FORBIDDEN, ALLOWED = 8080, 8081
PAUSE = 0.00002  # some ten thousand datagrams a second: what is open for a microsecond is found within some hundred attaches
ADDRESS = '10.244.1.77'
POLICY = json.dumps({'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata': {'name': 'early'},
                     'spec': {'podSelector': {'matchLabels': {'app': 'early'}}, 'policyTypes': ['Ingress', 'Egress'],
                              'egress': [{'ports': [{'protocol': 'UDP', 'port': ALLOWED}]}]}})

# Sends what it is told, and says so.
SENDER = ('import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print("ready", flush=True)\n'
          'for line in sys.stdin: s.sendto(line.encode(), (sys.argv[1], int(sys.argv[2]))); print("sent", flush=True)')
# Tells how often each datagram has come so far.
RECEIVER = ('import collections, json, select, socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", int(sys.argv[1])))\n'
            'seen = collections.Counter(); print("ready", flush=True)\n'
            'while True:\n for each in select.select([s, sys.stdin], [], [])[0]:\n'
            '  if each is s: seen[s.recv(99).decode().strip()] += 1\n  elif sys.stdin.readline(): print(json.dumps(seen), flush=True); seen.clear()')


@contextlib.contextmanager
def early_namespace(lab):
    netns = namespaces.add(lab.state, f'{lab.state.name}-early')
    try:
        yield netns
    finally:
        namespaces.delete(lab.state, netns)


def attached(lab, netns):
    lab.host('h1').weft('endpoint', 'add', 'early', '--netns', f'/run/netns/{netns}', '--label', 'app=early', '--address', ADDRESS)


def no_attach_has_a_window(lab):
    host, where = lab.host('h1'), lab.address('h2-e1')
    attaches = 10000 if harness.everything() else 25
    for each in lab.hosts.values():
        each.weft('policy', 'apply', '-f', '-', text_input=POLICY)
    with early_namespace(lab) as netns, Program(netns, RECEIVER, FORBIDDEN) as inside, Program(lab.netns('h2-e1'), RECEIVER, FORBIDDEN) as outside, \
            Program(lab.netns('h1-e1'), RECEIVER, ALLOWED) as allowed, Flood(netns, where, FORBIDDEN, PAUSE), \
            Flood(lab.netns('h2-e1'), ADDRESS, FORBIDDEN, PAUSE), Program(netns, SENDER, lab.address('h1-e1'), ALLOWED) as sender:
        began = time.monotonic()
        leaks = []
        for number in range(attaches):
            before = harness.drops(host) if number % 500 == 0 else None
            attached(lab, netns)
            assert sender.ask(number) == 'sent'
            wait_until(lambda: arrived(allowed, number), f'datagram {number}, which policy allows', 2)
            if before is not None:
                # Datagrams of both floods were there to be dropped: the test can fail.
                wait_until(lambda before=before: all(harness.drops(host).get(reason, 0) > before.get(reason, 0) for reason in ('egress_policy', 'ingress_policy')),
                           'dropped datagrams of both directions', 5)
                print(f'# {host.fastpath}: {number} attaches after {time.monotonic() - began:.0f} s', flush=True)
            host.weft('endpoint', 'delete', 'early')
            leaks += [(number, way, seen) for way, seen in (('in', inside.ask()), ('out', outside.ask())) if seen != '{}']
        assert not leaks, f'{len(leaks)} of {attaches} attaches leaked: {leaks[:5]}'


def arrived(receiver, number):
    return json.loads(receiver.ask()).get(str(number), 0) == 1


harness.need_root()
with_lab('attach window', {'hosts': 2, 'endpoints': 1}, no_attach_has_a_window, fastpaths=BOTH)
harness.finish()
