#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What weft puts on the underlay, captured there and decoded by tshark: nothing malformed, every checksum right, and the headers' values are those of
RFC 7348 and RFC 8365, over IPv4 and IPv6."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from capture import Capture  # noqa: E402
from harness import with_lab  # noqa: E402
from lablib import addresses, transfer  # noqa: E402
from lablib.command import run  # noqa: E402


def traffic(lab):
    for ipv6 in (False, True):
        where = lab.address('h2-e1', ipv6)
        harness.ping(lab, 'h1-e1', where)
        harness.ping(lab, 'h1-e1', where, options=('-s', 4000))
        transfer.udp(lab.netns('h1-e1'), lab.netns('h2-e1'), where, [1, 2, 33, 1111, 1200])
        transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), where, 1_000_003)
        transfer.tcp(lab.netns('h2-e1'), lab.netns('h1-e1'), lab.address('h1-e1', ipv6), 1_000_003)


def tshark_has_no_complaint(lab):
    with Capture(lab, 'h1') as capture:
        traffic(lab)
    packets = capture.tshark('vxlan')
    assert len(packets) > 2000, f'{len(packets)} VXLAN packets were captured'
    complaints = capture.complaints('vxlan')
    assert not complaints, f'{len(complaints)} of {len(packets)} packets: {complaints[:5]}'
    check_fields(lab, capture)
    bgp = capture.malformed('bgp')
    assert not bgp, f'BGP: {bgp[:5]}'


def check_fields(lab, capture):
    ipv6 = lab.state.data['options']['ipv6_underlay']
    ip = 'ipv6' if ipv6 else 'ip'
    macs = {name: json.loads(run('ip', '-n', lab.netns(name), '-j', 'link', 'show', 'dev', 'uplink'))[0]['address'] for name in ('h1', 'h2')}
    routers = {name: lab.host(name).weft_json('status')['router_mac'] for name in ('h1', 'h2')}
    fields = (f'{ip}.dst', 'udp.dstport', 'udp.srcport', 'vxlan.vni', 'vxlan.flags', 'eth.src', 'eth.dst', f"{ip}.{'hlim' if ipv6 else 'ttl'}",
              f"{ip}.{'plen' if ipv6 else 'len'}")
    for source, destination in (('h1', 'h2'), ('h2', 'h1')):
        ports = set()
        lines = capture.tshark(f'vxlan and {ip}.src == {lab.host(source).vtep}', *fields)
        assert lines, f'no packet from {source}'
        for line in lines:
            # A field that both headers have is listed twice, the outer one first.
            to, port, from_port, vni, flags, source_macs, destination_macs, ttl, length = (value.split(',') for value in line.split('\t'))
            assert to[0] == lab.host(destination).vtep, line
            assert port[0] == '4789' and vni == [str(addresses.VNI)] and int(flags[0], 16) == 0x0800, line
            assert source_macs == [macs[source], routers[source]] and destination_macs == [macs[destination], routers[destination]], line
            assert int(ttl[0]) >= 64, line
            assert int(length[0]) <= (1460 if ipv6 else 1500), line
            assert 49152 <= int(from_port[0]) <= 65535, f'source port {from_port[0]}: RFC 7348 recommends the dynamic range'
            ports.add(from_port[0])
        assert len(ports) > 3, f'flows from {source} use {len(ports)} source ports: the underlay could not spread them'


harness.need_root()
with_lab('IPv4 underlay', {'hosts': 2}, tshark_has_no_complaint)
with_lab('IPv6 underlay', {'hosts': 2, 'ipv6_underlay': True}, tshark_has_no_complaint)
harness.finish()
