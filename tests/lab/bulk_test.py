#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""200 MB of TCP in each direction between containers on two hosts arrive byte for byte, with segmentation and checksum offload on inside the containers:
over underlays of MTU 1500 and 9000, IPv4 and IPv6, and when the containers believe in a larger MTU than the path has."""
import json
import re

import harness
from harness import BOTH, MIXED, with_lab
from lablib import transfer
from lablib.command import run

SIZE = 200_000_003  # odd: the last segment is short, and its checksum ends on half a word
ENDS = ('h1-e1', 'h2-e1')


def offloads_are_on_in_the_containers(lab):
    for endpoint in ENDS:
        features = run('ethtool', '-k', 'eth0', netns=lab.netns(endpoint))
        for feature in ('tx-checksumming', 'tcp-segmentation-offload', 'tx-tcp6-segmentation', 'generic-segmentation-offload'):
            assert re.search(rf'^\s*{feature}: on', features, re.M), f'{endpoint}: {feature} is not on'


def transfer_both_ways(lab, ipv6, size=SIZE):
    for source, destination in (ENDS, ENDS[::-1]):
        transfer.tcp(lab.netns(source), lab.netns(destination), lab.address(destination, ipv6), size)


def ipv4_in_each_direction(lab):
    transfer_both_ways(lab, False)


def ipv6_in_each_direction(lab):
    transfer_both_ways(lab, True)


def interface_mtu(lab, endpoint):
    return json.loads(run('ip', '-n', lab.netns(endpoint), '-j', 'link', 'show', 'dev', 'eth0'))[0]['mtu']


def path_mtu(lab, source, address):
    """What the kernel of a container learned about the way to an address; 0 when it learned nothing."""
    for route in json.loads(run('ip', '-n', lab.netns(source), '-j', 'route', 'get', address)):
        for metric in route.get('metrics', []):
            if 'mtu' in metric:
                return metric['mtu']
    return 0


def with_inner_mtu(lab, mtu, ipv6):
    """Both ends think that `mtu` fits; the fast path has to tell them what does."""
    right = interface_mtu(lab, ENDS[0])
    for endpoint in ENDS:
        run('ip', '-n', lab.netns(endpoint), 'link', 'set', 'eth0', 'mtu', mtu)
    try:
        for source, destination in (ENDS, ENDS[::-1]):
            # A receiver that had learned already would say so in its MSS.
            forget(lab)
            address = lab.address(destination, ipv6)
            transfer.tcp(lab.netns(source), lab.netns(destination), address, SIZE)
            learned = path_mtu(lab, source, address)
            assert learned == right, f'{source} learned a path MTU of {learned}, want {right}'
    finally:
        for endpoint in ENDS:
            run('ip', '-n', lab.netns(endpoint), 'link', 'set', 'eth0', 'mtu', right)
        forget(lab)


def forget(lab):
    for endpoint in ENDS:
        for version in ('-4', '-6'):
            run('ip', '-n', lab.netns(endpoint), version, 'route', 'flush', 'cache')


def inner_mtu_1500_is_too_large_ipv4(lab):
    with_inner_mtu(lab, 1500, False)


def inner_mtu_1500_is_too_large_ipv6(lab):
    with_inner_mtu(lab, 1500, True)


def inner_mtu_9000_is_too_large_ipv4(lab):
    with_inner_mtu(lab, 9000, False)


def inner_mtu_9000_is_too_large_ipv6(lab):
    with_inner_mtu(lab, 9000, True)


def datagrams_sent_as_one_arrive(lab):
    """UDP_SEGMENT, as programs that speak QUIC send."""
    for ipv6 in (False, True):
        for destination in ('h2-e1', 'h1-e2'):
            whole = harness.runs_of_datagrams(lab.netns('h1-e1'), lab.netns(destination), lab.address(destination, ipv6), 1200, 5)
            assert whole == 5, f'{whole} of 5 runs to {destination} arrived'


def large_packets_use_the_large_underlay(lab):
    mtu = interface_mtu(lab, ENDS[0])
    assert mtu >= 3000, f'MTU {mtu} inside on an underlay of 9000'
    harness.ping(lab, ENDS[0], lab.address(ENDS[1]), options=('-M', 'do', '-s', mtu - 28))


harness.need_root()
with_lab('MTU 1500', {'endpoints': 2}, offloads_are_on_in_the_containers, datagrams_sent_as_one_arrive, ipv4_in_each_direction, ipv6_in_each_direction, inner_mtu_1500_is_too_large_ipv4,
         inner_mtu_1500_is_too_large_ipv6, inner_mtu_9000_is_too_large_ipv4, inner_mtu_9000_is_too_large_ipv6, fastpaths=(*BOTH, MIXED))
with_lab('MTU 9000', {'mtu': 9000}, large_packets_use_the_large_underlay, ipv4_in_each_direction, ipv6_in_each_direction,
         inner_mtu_9000_is_too_large_ipv4, inner_mtu_9000_is_too_large_ipv6)
with_lab('MTU 9000, IPv6 underlay', {'mtu': 9000, 'ipv6_underlay': True}, large_packets_use_the_large_underlay, ipv4_in_each_direction,
         ipv6_in_each_direction)
with_lab('XDP, MTU 1500', {'endpoints': 2, 'uplink_hook': 'xdp'}, datagrams_sent_as_one_arrive, ipv4_in_each_direction, ipv6_in_each_direction,
         inner_mtu_9000_is_too_large_ipv4, inner_mtu_9000_is_too_large_ipv6, fastpaths=('ebpf',))
with_lab('XDP, MTU 9000, IPv6 underlay', {'mtu': 9000, 'ipv6_underlay': True, 'uplink_hook': 'xdp'}, large_packets_use_the_large_underlay,
         ipv4_in_each_direction, ipv6_in_each_direction, fastpaths=('ebpf',))
harness.finish()
