#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weftd is killed at any moment, and gives its place to a version whose eBPF maps have another layout, and back, while containers talk: no ping of 1,000 in
each second is lost, no TCP connection ends, every byte arrives.

  h1-e1 -- h1 ==== underlay ==== h2 -- h2-e1        what comes to h1-e1 unasked is denied, so that answers need their session"""
import os
import random
import threading
import time

import harness
from harness import with_lab
from lablib import hosts, processes, transfer
from lablib.command import wait_until
from lablib.probe import Stream

NEXT = hosts.programs().parent / 'tests' / 'lab' / 'next' / 'weftd-next'
TRANSFER = 150_000_007
POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing-unasked}
spec: {podSelector: {matchLabels: {host: h1, app: e1}}, policyTypes: [Ingress]}
"""


class Transfers(threading.Thread):
    """One TCP connection after the other for as long as the block lasts; each must bring all its bytes, and the last one after the block."""

    def __init__(self, lab):
        super().__init__()
        self.lab = lab
        self.ending = threading.Event()
        self.done = 0
        self.problem = None

    def run(self):
        try:
            while not self.ending.is_set():
                transfer.tcp(self.lab.netns('h1-e1'), self.lab.netns('h2-e1'), self.lab.address('h2-e1', ipv6=self.done % 2 == 1), TRANSFER)
                self.done += 1
        except Exception as problem:  # told by the block
            self.problem = problem

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *problem):
        self.ending.set()
        self.join()
        if problem[0] is None and self.problem is not None:
            raise self.problem


def under_load(lab, change):
    """Calls `change` while packets flow, and demands every one of them."""
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))
    harness.ping(lab, 'h1-e1', lab.address('h2-e1', ipv6=True))
    begin = time.monotonic()
    with Transfers(lab) as transfers, Stream(lab.netns('h1-e1'), lab.address('h2-e1')) as pings, \
            Stream(lab.netns('h1-e1'), lab.address('h2-e1', ipv6=True)) as pings_v6:
        said = change()
    for stream in (pings, pings_v6):
        result = stream.result
        print(f"# {said} in {time.monotonic() - begin:.1f} s: {result['sent']} pings, {result['sent'] - result['answered']} lost, "
              f"longest gap {result['gap_s']:.3f} s; {transfers.done} TCP transfers", flush=True)
        assert result['sent'] == result['answered'] > 500, result
    assert transfers.done > 0
    harness.no_ping(lab, 'h2-e1', lab.address('h1-e1'))


def deny_what_is_unasked(lab):
    for host in lab.hosts.values():
        host.weft('policy', 'apply', '-f', '-', text_input=POLICY)
    wait_until(lambda: not harness.is_answered(lab, 'h2-e1', lab.address('h1-e1')), 'a denied ping', 10)


def layouts(host):
    return sorted(path.name for path in (host.bpf / 'weft').glob('layout-*'))


def random_moments():
    seed = int(os.environ.get('WEFT_SEED', random.randrange(1 << 31)))
    print(f'# WEFT_SEED={seed}', flush=True)
    return random.Random(seed)


def settle(lab):
    """The built weftd on each host, whatever is there now."""
    for host in lab.hosts.values():
        if host.agent() is not None:
            processes.kill(host.agent())
        host.start_agent()
    for host in lab.hosts.values():
        host.wait_until_ready()
    lab.wait_for_routes()


def agent_killed_at_any_moment(lab):
    moments = random_moments()

    def kill():
        for _ in range(30):
            host = lab.host(moments.choice(['h1', 'h2']))
            if host.agent() is not None:
                processes.kill(host.agent())
            host.start_agent()
            time.sleep(moments.choice([0.05, 0.3, 1.0]) * moments.random())
        settle(lab)
        return '30 kills'

    under_load(lab, kill)


def version_of_another_layout_takes_over_and_gives_back(lab):
    before = layouts(lab.host('h1'))

    def replace():
        for program in (NEXT, None, NEXT, None):
            for host in lab.hosts.values():
                processes.kill(host.agent())
                host.start_agent(program)
                host.wait_until_ready()
                assert len(layouts(host)) == 1 and (layouts(host) == before) == (program is None), layouts(host)
        return '8 changes of the version'

    under_load(lab, replace)
    lab.wait_for_routes()
    assert 'maps taken over' in lab.host('h1').log.read_text(encoding='utf8')


def connections_open_while_versions_change(lab):
    """One whose answer meets a hook that does not know it yet loses a packet, and sends it again."""
    def replace():
        for program in (NEXT, None) * 2:
            for host in lab.hosts.values():
                processes.kill(host.agent())
                host.start_agent(program)
                host.wait_until_ready()

    opened = transfer.connections(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1'), during=replace)
    print(f'# {opened} connections', flush=True)
    assert opened > 20, opened


def version_killed_while_it_takes_over(lab):
    moments = random_moments()
    met = set()

    def replace():
        for _ in range(14):
            for host in lab.hosts.values():
                if host.agent() is not None:
                    processes.kill(host.agent())
                met.add(tuple(layouts(host)))
                host.start_agent(moments.choice([NEXT, None]))
            time.sleep(1.6 * moments.random())
        settle(lab)
        return f'28 changes that were cut off, in {len(met)} stages'

    under_load(lab, replace)
    assert any(len(stage) == 2 for stage in met), f'never killed between two layouts: {met}'
    for host in lab.hosts.values():
        assert len(layouts(host)) == 1, layouts(host)


def what_was_attached_works_as_before(lab):
    endpoints = lab.host('h1').weft_json('endpoint', 'list')['endpoints']
    assert [each['state'] for each in endpoints] == ['ready'] * 2, endpoints
    for source, destination in (('h1-e1', 'h2-e1'), ('h1-e2', 'h2-e2'), ('h2-e2', 'h1-e2'), ('h1-e1', 'h1-e2')):
        for ipv6 in (False, True):
            harness.ping(lab, source, lab.address(destination, ipv6))
    added = lab.host('h1').add_endpoint(3)
    wait_until(lambda: added['addresses'][0] in lab.host('h2').reachable(), 'the route', 10)
    harness.ping(lab, 'h2-e2', added['addresses'][0])


harness.need_root()
with_lab('upgrade', {'hosts': 2, 'endpoints': 2}, deny_what_is_unasked, agent_killed_at_any_moment, version_of_another_layout_takes_over_and_gives_back,
         connections_open_while_versions_change, version_killed_while_it_takes_over, what_was_attached_works_as_before, fastpaths=('ebpf',))
harness.finish()
