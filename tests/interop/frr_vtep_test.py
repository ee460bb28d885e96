#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container on a weft host and a namespace behind an FRR 8.4 + kernel VXLAN VTEP exchange pings, UDP and TCP both ways by type-5 routes: through an
FRR reflector, through a GoBGP reflector, and peering directly.

  h1-e1 -- h1 (weft) ==== underlay, reflector ==== v50 (FRR, br4000 + vxlan4000) -- v50-c"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from capture import Capture  # noqa: E402
from harness import with_lab  # noqa: E402
from lablib import addresses, transfer  # noqa: E402
from lablib.command import wait_until  # noqa: E402
from lablib.routers import FrrVtep, vtysh_json  # noqa: E402

PLACE = 50
vteps = {}


def vtep_of(lab):
    return vteps[lab.name]


def vtep_learns_our_routes(lab):
    direct = lab.state.data['options']['reflector'] == 'none'
    vteps[lab.name] = vtep = FrrVtep(lab.state, PLACE, [lab.host('h1').vtep if direct else addresses.underlay_v4(addresses.REFLECTOR)])
    wanted = {lab.address('h1-e1'), lab.address('h1-e1', ipv6=True)}
    wait_until(lambda: wanted <= set(vtep.routes()), f'{wanted} in the kernel of the FRR VTEP', 20)
    macs = vtysh_json(lab.state, vtep.name, 'show evpn rmac vni all json')
    router_mac = lab.host('h1').weft_json('status')['router_mac']
    assert router_mac in str(macs), f'{router_mac} is not among {macs}'


def we_learn_the_routes_of_the_vtep(lab):
    wanted = set(vtep_of(lab).addresses)
    wait_until(lambda: wanted <= lab.host('h1').reachable(), f'{wanted} in the fast path of h1', 20)


def pings_both_ways(lab):
    for ipv6 in (False, True):
        harness.ping(lab, 'h1-e1', vtep_of(lab).addresses[ipv6])
        harness.ping(lab, f'{vtep_of(lab).name}-c', lab.address('h1-e1', ipv6))


def udp_comes_back(lab):
    for ipv6 in (False, True):
        transfer.udp(lab.netns('h1-e1'), vtep_of(lab).container, vtep_of(lab).addresses[ipv6], [1, 2, 63, 64, 999, 1200])


def tcp_both_ways_is_byte_exact(lab):
    vtep = vtep_of(lab)
    for ipv6 in (False, True):
        transfer.tcp(lab.netns('h1-e1'), vtep.container, vtep.addresses[ipv6], 50_000_017)
        transfer.tcp(vtep.container, lab.netns('h1-e1'), lab.address('h1-e1', ipv6), 50_000_017)


def tshark_has_no_complaint(lab):
    with Capture(lab, 'h1') as capture:
        pings_both_ways(lab)
    assert len(capture.tshark('vxlan')) >= 24
    complaints = capture.complaints('vxlan') + capture.malformed('bgp')
    assert not complaints, complaints[:5]


def new_endpoint_comes_and_goes(lab):
    vtep = vtep_of(lab)
    added = lab.host('h1').add_endpoint(7)['addresses']
    wait_until(lambda: set(added) <= set(vtep.routes()), 'the new endpoint in the kernel of the VTEP', 10)
    lab.host('h1').delete_endpoint(7)
    wait_until(lambda: not set(added) & set(vtep.routes()), 'the deleted endpoint is gone from the VTEP', 10)


CASES = (vtep_learns_our_routes, we_learn_the_routes_of_the_vtep, pings_both_ways, udp_comes_back, tcp_both_ways_is_byte_exact,
         tshark_has_no_complaint, new_endpoint_comes_and_goes)

harness.need_root()
for reflector in ('frr', 'gobgp'):
    with_lab(f'{reflector} reflector', {'hosts': 1, 'reflector': reflector}, *CASES)
with_lab('direct', {'hosts': 1, 'more_neighbors': [PLACE]}, *CASES)
harness.finish()
