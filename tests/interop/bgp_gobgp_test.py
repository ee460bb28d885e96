#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weft's speaker against GoBGP's: routes in both directions, import by route target, and what is left of them when a session is lost.

  h1 (weft) ==== underlay ==== g50 (gobgpd)"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from bgp_peers import Gobgp, is_established, labels_of, local_routes, routes  # noqa: E402
from lablib import addresses  # noqa: E402
from lablib.command import wait_until  # noqa: E402

ORIGIN, EXTENDED, LARGE, MP_REACH = 1, 16, 32, 14
FOREIGN = ('10.245.50.1/32', 'fd00:245::1/128', '10.245.60.0/24', 'fd00:245:60::/64')
gobgp = []  # the one of the lab at hand


def session_is_established(lab):
    host = lab.host('h1')
    gobgp[:] = [Gobgp(lab, 50, host.vtep)]
    wait_until(lambda: is_established(host, gobgp[0].address) and gobgp[0].is_established(), 'a session between weft and GoBGP')


def type_5_routes_arrive_whole(lab):
    host = lab.host('h1')
    router_mac = host.weft_json('status')['router_mac']
    wanted = {f"{lab.address('h1-e1')}/32", f"{lab.address('h1-e1', ipv6=True)}/128"}
    wait_until(lambda: set(gobgp[0].routes()) == wanted, f'{wanted} in the table of GoBGP')
    ours = local_routes(host)
    for prefix, (route, attributes) in gobgp[0].routes().items():
        assert route['label'] == addresses.VNI and route['etag'] == 0 and route['esi'] == 'single-homed', route
        assert route['gateway'] in ('0.0.0.0', '::'), route
        assert attributes[MP_REACH]['nexthop'] == host.vtep, attributes[MP_REACH]
        extended = {(each['type'], each['subtype']): each for each in attributes[EXTENDED]['value']}
        assert set(extended) == {(0, 2), (3, 12), (6, 3)}, extended
        assert extended[0, 2]['value'] == f'{addresses.AS}:{addresses.VNI}' and extended[3, 12]['tunnel_type'] == 8, extended
        assert extended[6, 3]['mac'] == router_mac, extended
        labels = {f"{each['ASN']}:{each['LocalData1']}:{each['LocalData2']}" for each in attributes[LARGE]['value']}
        assert labels == labels_of(ours[prefix]) != set(), labels


def its_routes_are_imported_and_programmed(lab):
    host = lab.host('h1')
    for prefix in FOREIGN:
        gobgp[0].announce(prefix)
    wait_until(lambda: set(routes(host, 'loc', gobgp[0].address)) == set(FOREIGN), f'{FOREIGN} in the Loc-RIB')
    for prefix, route in routes(host, 'loc', gobgp[0].address).items():
        assert route['best'] and route['next_hop'] == gobgp[0].address and route['label'] == addresses.VNI, (prefix, route)
        assert route['router_mac'] == '02:00:00:00:40:04', route
    wait_until(lambda: all(routes(host, 'fib').get(prefix, {}).get('state') == 'programmed' for prefix in FOREIGN), f'{FOREIGN} in the fast path')


def route_of_another_network_is_kept_but_not_imported(lab):
    host = lab.host('h1')
    gobgp[0].announce('10.245.99.1/32', f'{addresses.AS}:9999')
    route = wait_until(lambda: routes(host, 'adj-in', gobgp[0].address).get('10.245.99.1/32'), 'the route in the Adj-RIB-In')
    assert route['why'].startswith('not imported') and 'route target' in route['why'], route['why']
    assert '10.245.99.1/32' not in routes(host, 'loc')


def withdrawn_route_goes(lab):
    host = lab.host('h1')
    gobgp[0].withdraw(FOREIGN[0])
    wait_until(lambda: FOREIGN[0] not in routes(host, 'loc') and FOREIGN[0] not in routes(host, 'fib'), f'{FOREIGN[0]} gone')
    assert set(FOREIGN[1:]) <= set(routes(host, 'loc'))


def changed_route_replaces_the_old_one(lab):
    host = lab.host('h1')
    gobgp[0].announce(FOREIGN[1], f'{addresses.AS}:9999')  # no longer ours to import
    wait_until(lambda: FOREIGN[1] not in routes(host, 'loc'), f'{FOREIGN[1]} gone after its route target changed')
    gobgp[0].announce(FOREIGN[1])
    wait_until(lambda: FOREIGN[1] in routes(host, 'loc'), f'{FOREIGN[1]} back')


def lost_session_withdraws_its_routes(lab):
    host = lab.host('h1')
    gobgp[0].kill()
    wait_until(lambda: not routes(host, 'loc', gobgp[0].address), 'no route of GoBGP in the Loc-RIB')
    wait_until(lambda: not set(FOREIGN) & set(routes(host, 'fib')), 'no route of GoBGP in the fast path')
    assert set(local_routes(host)) == {f"{lab.address('h1-e1')}/32", f"{lab.address('h1-e1', ipv6=True)}/128"}


def session_comes_back_by_itself(lab):
    host = lab.host('h1')
    gobgp[0].start()
    wait_until(lambda: is_established(host, gobgp[0].address), 'another session', 40)
    wait_until(lambda: len(gobgp[0].routes()) == 2, 'our routes in the table of GoBGP')


NONE_IN_PARTICULAR = ('ebpf',)  # only BGP is looked at

harness.need_root()
harness.with_lab('gobgp', {'hosts': 1, 'more_neighbors': [50]}, session_is_established, type_5_routes_arrive_whole,
                 its_routes_are_imported_and_programmed, route_of_another_network_is_kept_but_not_imported, withdrawn_route_goes,
                 changed_route_replaces_the_old_one, lost_session_withdraws_its_routes, session_comes_back_by_itself, fastpaths=NONE_IN_PARTICULAR)
harness.with_lab('gobgp, IPv6 underlay', {'hosts': 1, 'more_neighbors': [50], 'ipv6_underlay': True}, session_is_established,
                 type_5_routes_arrive_whole, its_routes_are_imported_and_programmed, lost_session_withdraws_its_routes, fastpaths=NONE_IN_PARTICULAR)
harness.finish()
