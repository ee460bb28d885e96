#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weft's speaker against FRR 8.4's: what each sees of the other's session and routes, who may connect to whom, and what is said when the AS numbers
do not fit. (What FRR's routes do to packets is frr_vtep_test.py's.)

  h1 (weft) ==== underlay ==== f50 neighbour of h1     f51 listens for a range     f52 says another AS     f53 expects another AS
  h2 (weft, listens for a range)                       f54 neighbour of h2"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from bgp_peers import Frr, is_established, labels_of, local_routes, peer  # noqa: E402
from lablib import addresses  # noqa: E402
from lablib.command import wait_until  # noqa: E402

EVPN = ''' address-family l2vpn evpn
  neighbor {0} activate
 exit-address-family
'''
FOREIGN_AS = 65009
frr = {}


def static(host, remote_as=addresses.AS):
    return f' neighbor {host} remote-as {remote_as}\n neighbor {host} timers 3 9\n neighbor {host} timers connect 1\n' + EVPN.format(host)


def session_is_established(lab):
    host = lab.host('h1')
    frr[50] = Frr(lab, 50, static(host.vtep))
    wait_until(lambda: is_established(host, frr[50].address), 'a session between weft and FRR')
    wait_until(lambda: frr[50].neighbor(host.vtep).get('bgpState') == 'Established', 'FRR says so too')


def both_agree_on_what_was_negotiated(lab):
    host = lab.host('h1')
    theirs, ours = frr[50].neighbor(host.vtep), peer(host, frr[50].address)
    ids = theirs['remoteRouterId'], ours['remote_router_id']
    assert ids == (addresses.underlay_v4(host.index), addresses.underlay_v4(50)), ids
    assert theirs['bgpTimerHoldTimeMsecs'] == 9000 and ours['hold_time_s'] == 9
    capabilities = theirs['neighborCapabilities']
    assert capabilities['multiprotocolExtensions']['l2VpnEvpn'] == {'advertisedAndReceived': True}, capabilities
    for name in ('4byteAs', 'extendedMessage', 'gracefulRestart'):
        assert capabilities[name] == 'advertisedAndReceived', (name, capabilities)
    assert capabilities['gracefulRestartRemoteTimerMsecs'] == 30000 and capabilities['addressFamiliesByPeer'] == {'l2VpnEvpn': {'preserved': True}}, capabilities
    both = {each['name'] for each in ours['capabilities'] if each['configured'] and each['received']}
    assert both == {'l2vpn evpn', 'four-octet-as', 'route-refresh', 'extended-message', 'graceful-restart'}, ours['capabilities']


def type_5_routes_arrive_whole(lab):
    host = lab.host('h1')
    router_mac = host.weft_json('status')['router_mac']
    wanted = {f"{lab.address('h1-e1')}/32", f"{lab.address('h1-e1', ipv6=True)}/128"}
    wait_until(lambda: set(frr[50].routes()) == wanted, f'{wanted} in the table of FRR')
    ours = local_routes(host)
    for prefix, path in frr[50].routes().items():
        assert path['valid'] and path['vni'] == str(addresses.VNI), path
        assert path['nexthops'][0]['ip'] == host.vtep, path['nexthops']
        extended = set(path['extendedCommunity']['string'].split())
        assert extended == {f'RT:{addresses.AS}:{addresses.VNI}', 'ET:8', f'Rmac:{router_mac}'}, extended
        assert labels_of(ours[prefix]) == set(path['largeCommunity']['list']) != set(), path['largeCommunity']


def end_of_rib_follows_the_routes(lab):
    info = frr[50].neighbor(lab.host('h1').vtep)['gracefulRestartInfo']
    assert info['endOfRibRecv'] == {'l2VpnEvpn': True}, info


def route_comes_and_goes_with_its_endpoint(lab):
    host = lab.host('h1')
    added = host.add_endpoint(2)['addresses']
    prefixes = {f"{address}/{128 if ':' in address else 32}" for address in added}
    wait_until(lambda: prefixes <= set(frr[50].routes()), f'{prefixes} in the table of FRR')
    host.delete_endpoint(2)
    wait_until(lambda: not prefixes & set(frr[50].routes()), f'{prefixes} gone from the table of FRR')


def session_and_routes_come_back_after_a_reset(lab):
    host = lab.host('h1')
    before = peer(host, frr[50].address)['times_established']
    frr[50].tell('clear bgp *')
    wait_until(lambda: peer(host, frr[50].address)['times_established'] > before, 'another session')
    wait_until(lambda: len(frr[50].routes()) == 2, 'our routes in the table of FRR again')
    assert 'Cease/Administrative Reset' in peer(host, frr[50].address)['last_error'], peer(host, frr[50].address)['last_error']


def route_refresh_is_answered(lab):
    host = lab.host('h1')
    before = frr[50].neighbor(host.vtep)['messageStats']['updatesRecv']
    frr[50].tell(f'clear bgp l2vpn evpn {host.vtep} soft in')
    wait_until(lambda: frr[50].neighbor(host.vtep)['messageStats']['updatesRecv'] > before, 'updates after a route refresh')
    assert len(frr[50].routes()) == 2 and is_established(host, frr[50].address)


def dynamic_neighbour_of_frr(lab):
    host = lab.host('h1')
    listener = Frr(lab, 51, f''' neighbor V peer-group
 neighbor V remote-as {addresses.AS}
 neighbor V timers 3 9
 neighbor V passive
 bgp listen range {addresses.UNDERLAY_V4} peer-group V
''' + EVPN.format('V'))
    wait_until(lambda: is_established(host, listener.address), 'a session that weft opened')
    summary = listener.ask('show bgp l2vpn evpn summary')
    assert summary['dynamicPeers'] == 1, summary
    wait_until(lambda: len(listener.routes()) == 2, 'our routes in the table of FRR')


def frr_is_a_dynamic_neighbour_of_weft(lab):
    host = lab.add_host(2, neighbors=[], more_configuration=[('neighbor-range', f'{addresses.UNDERLAY_V4},as={addresses.AS}')])
    host.add_endpoint(1)
    caller = Frr(lab, 54, static(host.vtep))
    wait_until(lambda: is_established(host, caller.address), 'a session that FRR opened')
    assert peer(host, caller.address)['dynamic'] is True
    wait_until(lambda: len(caller.routes()) == 2, 'our routes in the table of FRR')


def another_as_than_configured_is_refused_by_name(lab):
    host = lab.host('h1')
    other = Frr(lab, 52, static(host.vtep), FOREIGN_AS)
    wait_until(lambda: other.neighbor(host.vtep).get('lastErrorCodeSubcode') == '0202', 'OPEN Message Error/Bad Peer AS at FRR')
    wanted = f'the peer says AS {FOREIGN_AS}, configured is {addresses.AS}'
    wait_until(lambda: peer(host, other.address)['last_error'] == wanted, f'{wanted!r} as the last error')
    lines = [line for line in host.log.read_text(encoding='utf8').splitlines() if wanted in line]
    assert len(lines) == 1 and other.address in lines[0], lines
    assert not is_established(host, other.address) and not other.routes()


def refusal_for_our_as_is_told(lab):
    host = lab.host('h1')
    other = Frr(lab, 53, static(host.vtep, FOREIGN_AS))
    wanted = 'received OPEN Message Error/Bad Peer AS'
    wait_until(lambda: peer(host, other.address)['last_error'].startswith(wanted), f'{wanted!r} as the last error')
    assert any(other.address in line and wanted in line for line in host.log.read_text(encoding='utf8').splitlines()), 'no line in the log of weftd'
    assert is_established(host, frr[50].address), 'the other session suffered'


NONE_IN_PARTICULAR = ('ebpf',)  # only BGP is looked at

harness.need_root()
harness.with_lab('frr', {'hosts': 1, 'more_neighbors': [50, 51, 52, 53]}, session_is_established, both_agree_on_what_was_negotiated,
                 type_5_routes_arrive_whole, end_of_rib_follows_the_routes, route_comes_and_goes_with_its_endpoint,
                 session_and_routes_come_back_after_a_reset, route_refresh_is_answered, dynamic_neighbour_of_frr, frr_is_a_dynamic_neighbour_of_weft,
                 another_as_than_configured_is_refused_by_name, refusal_for_our_as_is_told, fastpaths=NONE_IN_PARTICULAR)
harness.with_lab('frr, IPv6 underlay', {'hosts': 1, 'more_neighbors': [50], 'ipv6_underlay': True}, session_is_established,
                 both_agree_on_what_was_negotiated, end_of_rib_follows_the_routes, fastpaths=NONE_IN_PARTICULAR)  # FRR 8.4 prints every IPv6 next hop of EVPN as 0.0.0.0
harness.finish()
