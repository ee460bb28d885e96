#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weft's speaker against BIRD 2.0, which speaks no EVPN: both understand the other's OPEN, both say why there is no session, and nobody else suffers.

  h1 (weft) ==== underlay ==== b50 (BIRD, IPv4 unicast)   f51 (FRR, EVPN)"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from bgp_peers import Bird, Frr, is_established, peer  # noqa: E402
from lablib import addresses  # noqa: E402
from lablib.command import wait_until  # noqa: E402

bird = []


def bird_reads_our_open(lab):
    host = lab.host('h1')
    bird.append(Bird(lab, 50, host.vtep))
    said = wait_until(lambda: re.search(r'Got OPEN\((.*)\)', bird[0].log()), 'our OPEN in the log of BIRD')
    assert said[1] == f'as={addresses.AS},hold=9,id={host.vtep}', said[1]


def both_say_what_is_missing(lab):
    host = lab.host('h1')
    wait_until(lambda: 'Required capability missing' in bird[0].log() or 'NOTIFICATION(code=2.7' in bird[0].log(), 'the reason in the log of BIRD')
    wait_until(lambda: re.search('no address family in common|Unsupported Capability', peer(host, bird[0].address)['last_error']), 'the reason at weft')
    assert not is_established(host, bird[0].address)
    lines = [line for line in host.log.read_text(encoding='utf8').splitlines() if bird[0].address in line and 'no session' in line]
    assert 1 <= len(lines) <= 4, f'{len(lines)} lines in the log of weftd'


def other_sessions_go_on(lab):
    host = lab.host('h1')
    frr = Frr(lab, 51, f''' neighbor {host.vtep} remote-as {addresses.AS}
 neighbor {host.vtep} timers 3 9
 neighbor {host.vtep} timers connect 1
 address-family l2vpn evpn
  neighbor {host.vtep} activate
 exit-address-family
''')
    wait_until(lambda: is_established(host, frr.address), 'a session with FRR')
    wait_until(lambda: len(frr.routes()) == 2, 'our routes in the table of FRR')
    opens = bird[0].log().count('Got OPEN')
    wait_until(lambda: bird[0].log().count('Got OPEN') > opens, 'another attempt of BIRD', 40)
    assert is_established(host, frr.address) and peer(host, frr.address)['times_established'] == 1


NONE_IN_PARTICULAR = ('ebpf',)  # only BGP is looked at

harness.need_root()
harness.with_lab('bird', {'hosts': 1, 'more_neighbors': [50, 51]}, bird_reads_our_open, both_say_what_is_missing, other_sessions_go_on, fastpaths=NONE_IN_PARTICULAR)
harness.finish()
