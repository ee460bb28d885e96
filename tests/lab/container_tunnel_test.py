#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Containers that have tunnels of their own: pings, TCP and datagrams of all lengths go through them unchanged, to another host and on the same one, and what
crosses the underlay is complete, since no NIC would look for a checksum behind two tunnels. Kernels that have no device for a kind of tunnel have at least what
programs make (tests/ebpf/container_tunnel.bpf.c), which is the same to whoever forwards it.

  h1-e1 == tunnel == h1-e2        on one host
  h1-e1 == tunnel == h2-e1        in weft's VXLAN between hosts"""
import ipaddress
import json
import os
import re

import harness
from harness import BOTH, REPOSITORY, attempt, with_lab
from lablib import transfer
from lablib.command import LabError, run, wait_until
from lablib.ping import ping

SIZE = 20_000_003
MTU = 1340  # of every tunnel: less than what any leaves of the 1430 bytes that an IPv6 underlay leaves
PROGRAMS = REPOSITORY / os.environ.get('WEFT_BUILD', 'build') / 'tests' / 'ebpf' / 'container_tunnel.bpf.o'


class Device:
    """A tunnel between two containers that is a device in each, for as long as the block lasts."""

    INNER = {4: ('172.31.7.1', '172.31.7.2', 30), 6: ('fd07::1', 'fd07::2', 64)}

    def __init__(self, kind, *words, over_ipv6=False, families=(4,)):
        self.kind, self.words, self.over_ipv6, self.families = kind, words, over_ipv6, families

    def is_known(self):
        """In a namespace that goes again at once."""
        return 'Unknown device type' not in attempt('unshare', '--net', 'ip', 'link', 'add', 'probe', 'type', self.kind).stderr

    def make(self, lab, ends):
        outer = [lab.address(name, self.over_ipv6) for name in ends]
        for end, name in enumerate(ends):
            places = {'LOCAL': outer[end], 'REMOTE': outer[1 - end]}
            netns = lab.netns(name)
            run('ip', '-n', netns, 'link', 'add', 'inner', 'mtu', MTU, 'type', self.kind, *(places.get(word, word) for word in self.words))
            run('ip', '-n', netns, 'link', 'set', 'inner', 'up')
            for family in self.families:
                run('ip', '-n', netns, 'addr', 'add', f'{self.INNER[family][end]}/{self.INNER[family][2]}', 'dev', 'inner', *(['nodad'] if family == 6 else []))
        return [self.INNER[family][1] for family in self.families]

    def remove(self, lab, ends):
        for name in ends:
            attempt('ip', '-n', lab.netns(name), 'link', 'delete', 'inner')


class Program:
    """A tunnel that is made by a program at the egress of each container's interface. The addresses inside are made of those outside."""

    def __init__(self, section, over_ipv6=False, families=(4,)):
        self.section, self.over_ipv6, self.families = section, over_ipv6, families

    def inner(self, lab, name, family):
        outer = ipaddress.ip_address(lab.address(name, self.over_ipv6)).packed
        if family == 4:
            return str(ipaddress.ip_address(bytes([172, 31]) + outer[2:]))
        return str(ipaddress.ip_address(b'\xfd\x07' + (outer[2:] if self.over_ipv6 else bytes(10) + outer)))

    def make(self, lab, ends):
        for end, name in enumerate(ends):
            netns = lab.netns(name)
            run('tc', '-n', netns, 'qdisc', 'add', 'dev', 'eth0', 'clsact')
            for direction, section in (('egress', self.section), ('ingress', 'decap')):
                run('tc', 'filter', 'add', 'dev', 'eth0', direction, 'bpf', 'direct-action', 'object-file', PROGRAMS, 'section', f'tc/{section}', netns=netns)
            for family in self.families:
                own, remote = self.inner(lab, name, family), self.inner(lab, ends[1 - end], family)
                version, gateway = ('-4', '169.254.1.1') if family == 4 else ('-6', 'fe80::1')
                run('ip', '-n', netns, version, 'addr', 'add', own, 'dev', 'lo', *(['nodad'] if family == 6 else []))
                run('ip', '-n', netns, version, 'route', 'add', remote, 'via', gateway, 'dev', 'eth0', 'src', own, 'mtu', 'lock', MTU, 'onlink')
        return [self.inner(lab, ends[1], family) for family in self.families]

    def remove(self, lab, ends):
        for end, name in enumerate(ends):
            netns = lab.netns(name)
            attempt('tc', '-n', netns, 'qdisc', 'delete', 'dev', 'eth0', 'clsact')
            for family in self.families:
                version = '-4' if family == 4 else '-6'
                attempt('ip', '-n', netns, version, 'route', 'delete', self.inner(lab, ends[1 - end], family))
                attempt('ip', '-n', netns, version, 'addr', 'delete', self.inner(lab, name, family), 'dev', 'lo')


ENDS = ('local', 'LOCAL', 'remote', 'REMOTE')
VXLAN = ('vxlan', 'id', 7, *ENDS, 'dstport', 8472)  # by default with checksums outside, too
KINDS = {
    'VXLAN on another port': Device(*VXLAN, families=(4, 6)),
    'VXLAN without checksums': Device(*VXLAN, 'noudpcsum', families=(4, 6)),
    'VXLAN over IPv6': Device(*VXLAN, over_ipv6=True, families=(4, 6)),
    'Geneve': Device('geneve', 'id', 7, 'remote', 'REMOTE', families=(4, 6)),
    'Geneve with checksums': Device('geneve', 'id', 7, 'remote', 'REMOTE', 'udpcsum'),
    'Geneve over IPv6': Device('geneve', 'id', 7, 'remote', 'REMOTE', over_ipv6=True),
    'GRE': Device('gre', *ENDS, families=(4, 6)),
    'GRE with checksums': Device('gre', *ENDS, 'csum'),
    'GRE over IPv6': Device('ip6gre', *ENDS, over_ipv6=True, families=(4, 6)),
    'Ethernet in GRE': Device('gretap', *ENDS),
    'IPIP': Device('ipip', *ENDS),
    'SIT': Device('sit', *ENDS, families=(6,)),
    'IP over IPv6': Device('ip6tnl', 'mode', 'any', *ENDS, over_ipv6=True, families=(4, 6)),
    'Geneve by program': Program('geneve', families=(4, 6)),
    'Geneve over IPv6 by program': Program('geneve_v6', over_ipv6=True, families=(6,)),
    'GRE by program': Program('gre', families=(4, 6)),
    'GRE over IPv6 by program': Program('gre_v6', over_ipv6=True, families=(6,)),
    'IPIP and SIT by program': Program('bare', families=(4, 6)),
    'IPv6 over IPv6 by program': Program('bare_v6', over_ipv6=True, families=(6,)),
}


class Tunnel:
    """One of them, and the addresses of its far end."""

    def __init__(self, lab, kind, source, destination):
        self.lab, self.kind, self.ends = lab, KINDS[kind], (source, destination)
        self.source, self.destination = lab.netns(source), lab.netns(destination)

    def __enter__(self):
        try:
            self.remotes = self.kind.make(self.lab, self.ends)
            for address in self.remotes:
                wait_until(lambda address=address: ping(self.source, address, count=1), f'an answer of {address}', 5)
        except LabError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kind.remove(self.lab, self.ends)


def refused(lab):
    return {name: harness.drops(host).get('unsupported_offload', 0) for name, host in lab.hosts.items()}


def carries_everything(lab, kind, source, destination):
    before = refused(lab)
    with Tunnel(lab, kind, source, destination) as tunnel:
        for address in tunnel.remotes:
            transfer.tcp(tunnel.source, tunnel.destination, address, SIZE, timeout=30)
            transfer.udp(tunnel.source, tunnel.destination, address, [1, 2, 100, 1001, MTU - 48, 4000, 9001])
            whole = harness.runs_of_datagrams(tunnel.source, tunnel.destination, address, 1200, 3)
            assert whole == 3, f'{whole} of 3 runs of datagrams to {address} arrived'
    assert refused(lab) == before


def each_kind(title, destination):
    """A case for each kind of tunnel from h1-e1 to `destination`."""
    def case_of(kind):
        def case(lab):
            carries_everything(lab, kind, 'h1-e1', destination)

        case.__name__ = f'{kind} {title}'.replace(' ', '_')
        return case

    return [case_of(kind) for kind in KINDS]


def what_crosses_the_underlay_is_complete(lab):
    """The kernel says of each frame at the underlay whether a checksum is open."""
    for kind in ('VXLAN on another port', 'GRE by program'):
        with Tunnel(lab, kind, 'h1-e1', 'h2-e1') as tunnel:
            watcher = harness.start(lab.netns('underlay'), '/usr/bin/python3', '-I', REPOSITORY / 'tests' / 'lab' / 'open_sums.py', 'h1', 1000)
            try:
                assert watcher.stdout.readline() == 'ready\n'
                transfer.tcp(tunnel.source, tunnel.destination, tunnel.remotes[0], SIZE, timeout=30)
                said, _ = watcher.communicate(timeout=20)
            finally:
                watcher.kill()
                watcher.communicate()
            seen = json.loads(said)
            assert seen == {'frames': 1000, 'open': 0}, f'{kind}: {seen}'


def plain_tcp_keeps_its_offloads(lab):
    features = run('ethtool', '-k', 'eth0', netns=lab.netns('h1-e1'))
    for feature in ('tx-checksumming', 'tcp-segmentation-offload', 'tx-tcp6-segmentation', 'generic-segmentation-offload', 'scatter-gather'):
        assert re.search(rf'^\s*{feature}: on', features, re.M), f'{feature} is not on'


def frame_to_be_cut_in_a_tunnel_is_refused_by_name(lab):
    """A container may switch on again what weft switched off."""
    before = refused(lab)['h1']
    with Tunnel(lab, 'VXLAN on another port', 'h1-e1', 'h2-e1') as tunnel, transfer.Listener(tunnel.destination, 5003):
        run('ethtool', '-K', 'eth0', 'tx-udp_tnl-csum-segmentation', 'on', netns=tunnel.source)
        try:
            send = f'import socket; socket.create_connection(({tunnel.remotes[0]!r}, 5003), 5).sendall(bytes(65536))'
            run('/usr/bin/python3', '-I', '-c', send, netns=tunnel.source)
            wait_until(lambda: refused(lab)['h1'] > before, 'refused', 10)
        finally:
            run('ethtool', '-K', 'eth0', 'tx-udp_tnl-csum-segmentation', 'off', netns=tunnel.source)


def completion_pair_comes_back(lab):
    """Somebody takes it away; the agent makes another."""
    host = lab.host('h1')
    run('ip', '-n', host.netns, 'link', 'delete', 'weft-sum0')
    wait_until(lambda: 'state UP' in attempt('ip', '-n', host.netns, 'link', 'show', 'dev', 'weft-sum1').stdout, 'another pair', 10)
    carries_everything(lab, 'IPIP and SIT by program', 'h1-e1', 'h2-e1')


harness.need_root()
for name in [name for name, kind in KINDS.items() if isinstance(kind, Device) and not kind.is_known()]:
    print(f'# SKIPPED {name}: this kernel has no devices of kind {KINDS.pop(name).kind}', flush=True)
to_another_host = each_kind('to another host', 'h2-e1')
with_lab('own tunnels', {'endpoints': 2}, *to_another_host, *each_kind('on one host', 'h1-e2'), what_crosses_the_underlay_is_complete,
         plain_tcp_keeps_its_offloads, fastpaths=BOTH)
with_lab('own tunnels', {}, frame_to_be_cut_in_a_tunnel_is_refused_by_name, completion_pair_comes_back, fastpaths=('ebpf',))
# What one host leaves open the other would take as it is.
with_lab('own tunnels, no bridge between the hosts', {'direct_underlay': True}, *to_another_host, fastpaths=('ebpf',))
with_lab('own tunnels, IPv6 underlay', {'ipv6_underlay': True}, *to_another_host, fastpaths=('ebpf',))
harness.finish()
