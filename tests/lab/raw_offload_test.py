#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a container with CAP_NET_RAW leaves for devices to do must not change what was judged: an open checksum is a write of 16 bits after all checks, at a
place and with a value that the sender chooses; frames still to be cut are cut after them."""
import ipaddress
import json
import struct

import harness
from harness import BOTH, REPOSITORY, with_lab
from lablib.command import run, wait_until

GATEWAY = bytes.fromhex('027765667401')
PORT = 7777
UDP, TCP = 17, 6


def mac(lab, endpoint):
    return bytes.fromhex(json.loads(run('ip', '-n', lab.netns(endpoint), '-j', 'link', 'show', 'dev', 'eth0'))[0]['address'].replace(':', ''))


def ones_sum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def summed(header):
    return header[:10] + struct.pack('!H', ~ones_sum(header) & 0xffff) + header[12:]


def frame(lab, protocol, transport, ipv6=False):
    source, destination = (ipaddress.ip_address(lab.address(each, ipv6)).packed for each in ('h1-e1', 'h2-e1'))
    if ipv6:
        ip = struct.pack('!IHBB', 6 << 28, len(transport), protocol, 64) + source + destination
    else:
        if protocol == UDP:  # an open checksum begins with the pseudo-header's
            transport = transport[:6] + struct.pack('!H', ones_sum(source + destination + struct.pack('!HH', UDP, len(transport)))) + transport[8:]
        ip = summed(struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(transport), 1, 0, 64, protocol, 0) + source + destination)
    return GATEWAY + mac(lab, 'h1-e1') + (b'\x86\xdd' if ipv6 else b'\x08\x00') + ip + transport


def datagram(text):
    return struct.pack('!HHHH', PORT, PORT, 8 + len(text), 0) + text


def segment(size):
    return struct.pack('!HHIIBBHHH', PORT, PORT, 1, 0, 5 << 4, 2, 1000, 0, 0) + bytes(size)


def send(lab, *words):
    run('/usr/bin/python3', '-I', REPOSITORY / 'tests' / 'lab' / 'raw_offload.py', *words, netns=lab.netns('h1-e1'))


def refused(lab):
    return harness.drops(lab.host('h1')).get('unsupported_offload', 0)


def counter(lab, protocol, name):
    counters = run('cat', '/proc/net/snmp', netns=lab.netns('h2-e1')).splitlines()
    names, values = (line.split()[1:] for line in counters if line.startswith(protocol + ':'))
    return int(dict(zip(names, values))[name])


def received(lab):
    return counter(lab, 'Udp', 'NoPorts')


def checksum_at_its_place_is_completed(lab):
    """Nobody listens there, which the kernel says only of a datagram whose checksum is right."""
    before = received(lab)
    send(lab, frame(lab, UDP, datagram(b'all is well')).hex(), 34, 6)
    wait_until(lambda: received(lab) == before + 1, 'the datagram arrives', 5)


def checksum_over_what_was_judged_is_refused(lab):
    for ipv6, start, offset in ((False, 26, 8), (False, 34, 2), (False, 34, 0), (True, 22, 14), (True, 40, 0), (True, 54, 2)):
        before = refused(lab)
        send(lab, frame(lab, UDP, datagram(b'x' * 40), ipv6).hex(), start, offset)
        wait_until(lambda before=before: refused(lab) == before + 1, f'refused: {start} + {offset}, IPv6 {ipv6}', 5)


def datagram_too_large_for_the_way_arrives_in_fragments(lab):
    """The container was given a greater MTU than its host has: what it sends without DF is cut, its checksum completed before."""
    link = json.loads(run('ip', '-n', lab.netns('h1-e1'), '-j', 'link', 'show', 'dev', 'eth0'))[0]
    near = next(each['ifname'] for each in json.loads(run('ip', '-n', lab.netns('h1'), '-j', 'link')) if each['ifindex'] == link['link_index'])
    run('ip', '-n', lab.netns('h1'), 'link', 'set', 'dev', near, 'mtu', 9000)
    run('ip', '-n', lab.netns('h1-e1'), 'link', 'set', 'dev', 'eth0', 'mtu', 9000)
    before = received(lab), counter(lab, 'Ip', 'ReasmOKs')
    for size in (1500, 4001, 8800):
        send(lab, frame(lab, UDP, datagram(b'x' * size)).hex(), 34, 6)
    wait_until(lambda: (received(lab), counter(lab, 'Ip', 'ReasmOKs')) == tuple(count + 3 for count in before), 'all arrive, each of fragments', 5)
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'), options=('-M', 'dont', '-s', 8000))


def frame_to_be_cut_with_more_behind_it_is_refused(lab):
    before = refused(lab)
    send(lab, (frame(lab, TCP, segment(3000)) + b'more').hex(), 34, 16, 1, 1000)
    wait_until(lambda: refused(lab) == before + 1, 'refused', 5)


def tagged_frame_is_no_packet(lab):
    """The kernel takes the tag off before a program sees the frame."""
    before = harness.drops(lab.host('h1')).get('unknown_ethertype', 0)
    plain = frame(lab, UDP, datagram(b'tagged'))
    send(lab, (plain[:12] + b'\x81\x00\x00\x07' + plain[12:]).hex(), 38, 6)
    wait_until(lambda: harness.drops(lab.host('h1')).get('unknown_ethertype', 0) == before + 1, 'refused', 5)


harness.need_root()
# weft-dataplane completes such a checksum when it takes the frame in, so what it judges is what it wrote.
with_lab('raw offloads', {'hosts': 2}, checksum_at_its_place_is_completed, tagged_frame_is_no_packet, fastpaths=BOTH)
with_lab('raw offloads', {'hosts': 2}, checksum_over_what_was_judged_is_refused, frame_to_be_cut_with_more_behind_it_is_refused,
         datagram_too_large_for_the_way_arrives_in_fragments, fastpaths=('ebpf',))
harness.finish()
