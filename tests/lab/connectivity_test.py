#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Containers on two hosts that peer directly reach each other by their own addresses, over an IPv4 and over an IPv6 underlay.

  h1-e1, h1-e2 -- h1 ==== underlay ==== h2 -- h2-e1, h2-e2"""
import itertools
import json

import harness
from harness import BOTH, MIXED, with_lab
from lablib import addresses, transfer
from lablib.command import run, wait_until

ENDPOINTS = [f'h{host}-e{number}' for host in (1, 2) for number in (1, 2)]
# Around every boundary that matters: odd and even, the smallest frame, the largest that needs no fragment.
SIZES = [1, 2, 3, 17, 18, 19, 63, 64, 65, 127, 255, 511, 1023, 1199, 1200]


def every_endpoint_has_an_address_of_its_hosts_blocks(lab):
    seen = set()
    for endpoint in ENDPOINTS:
        host = int(endpoint[1])
        v4, v6 = lab.address(endpoint), lab.address(endpoint, ipv6=True)
        assert v4.startswith(f'10.244.{host}.') and v6.startswith(f'fd00:244:0:{host}:'), f'{endpoint}: {v4} {v6}'
        seen |= {v4, v6}
    assert len(seen) == 8, f'an address was given twice: {seen}'


def routes_arrive_on_the_other_host(lab):
    for host, other in ((1, 2), (2, 1)):
        wanted = {lab.address(f'h{other}-e1'), lab.address(f'h{other}-e1', ipv6=True)}
        wait_until(lambda: wanted <= lab.host(f'h{host}').reachable(), f'routes to {wanted} in the fast path of h{host}', 10)
        listed = lab.host(f'h{host}').weft_json('route', 'list')['routes']
        mine = [route for route in listed if route['prefix'].split('/')[0] in wanted and route['best']]
        assert {route['next_hop'] for route in mine} == {lab.host(f'h{other}').vtep}, mine
        assert {route['label'] for route in mine} == {addresses.VNI}, mine


def every_pair_pings(lab):
    for source, destination in itertools.permutations(ENDPOINTS, 2):
        for ipv6 in (False, True):
            harness.ping(lab, source, lab.address(destination, ipv6))


def gateway_answers(lab):
    harness.ping(lab, 'h1-e1', '169.254.1.1')
    harness.ping(lab, 'h1-e1', 'fe80::1%eth0')


def udp_of_every_length_comes_back(lab):
    for destination in ('h1-e2', 'h2-e1'):
        for ipv6 in (False, True):
            transfer.udp(lab.netns('h1-e1'), lab.netns(destination), lab.address(destination, ipv6), SIZES)


def tcp_arrives_byte_exact(lab):
    for source, destination in (('h1-e1', 'h2-e1'), ('h2-e1', 'h1-e1'), ('h1-e1', 'h1-e2')):
        for ipv6 in (False, True):
            transfer.tcp(lab.netns(source), lab.netns(destination), lab.address(destination, ipv6), 10_000_019)


def fragments_cross(lab):
    for ipv6 in (False, True):
        harness.ping(lab, 'h1-e1', lab.address('h2-e1', ipv6), options=('-s', 4000))


def underlay_stays_with_the_kernel(lab):
    harness.ping(lab, 'h1', lab.host('h2').vtep)


def traceroute_shows_the_hosts(lab):
    said = run('ping', '-n', '-c', 1, '-W', 1, lab.address('h2-e1'), netns=lab.netns('h1-e1'))
    assert 'ttl=62' in said, f'one hop each for two hosts: {said}'


def deleted_endpoint_is_gone_everywhere(lab):
    gone = lab.host('h1').add_endpoint(9)
    lab.state.save()
    wait_until(lambda: harness.is_answered(lab, 'h2-e1', gone['addresses'][0]), 'the new endpoint answers', 5)
    lab.host('h1').delete_endpoint(9)
    wait_until(lambda: gone['addresses'][0] not in lab.host('h2').reachable(), 'its route is withdrawn', 5)
    harness.no_ping(lab, 'h2-e1', gone['addresses'][0])


def endpoint_mtu_follows_the_underlay(lab):
    overhead = 70 if lab.state.data['options']['ipv6_underlay'] else 50
    link = json.loads(run('ip', '-n', lab.netns('h1-e1'), '-j', 'link', 'show', 'dev', 'eth0'))[0]
    assert link['mtu'] == 1500 - overhead, f"MTU {link['mtu']}"
    payload = link['mtu'] - 28
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'), options=('-M', 'do', '-s', payload))


CASES = (every_endpoint_has_an_address_of_its_hosts_blocks, routes_arrive_on_the_other_host, every_pair_pings, gateway_answers,
         udp_of_every_length_comes_back, tcp_arrives_byte_exact, fragments_cross, underlay_stays_with_the_kernel, traceroute_shows_the_hosts,
         endpoint_mtu_follows_the_underlay, deleted_endpoint_is_gone_everywhere)

harness.need_root()
for title, ipv6_underlay in (('IPv4 underlay', False), ('IPv6 underlay', True)):
    with_lab(title, {'hosts': 2, 'endpoints': 2, 'ipv6_underlay': ipv6_underlay}, *CASES, fastpaths=(*BOTH, MIXED))
    with_lab(f'XDP, {title}', {'hosts': 2, 'endpoints': 2, 'ipv6_underlay': ipv6_underlay, 'uplink_hook': 'xdp'}, *CASES, fastpaths=('ebpf',))
harness.finish()
