#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`weft session` on real connections: both hosts list one with its state, its ends and the rule that allowed it, filters and counts tell connections apart,
and one that is flushed goes on if policy allows it, stays stopped if not, and leaves the others alone.

  h1-e1, h1-e2 -- h1 ==== underlay ==== h2 -- h2-e1, h2-e2        labels: host=hN, app=eM"""
import contextlib

import harness
from echo import PORT, Echo
from harness import with_lab
from lablib import addresses
from lablib.command import run, wait_until

HEAD = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}, namespace: default}}\nspec: {}\n'
E1_OF_H2 = 'podSelector: {matchLabels: {host: h2, app: e1}}'
FROM_E1 = '{from: [{podSelector: {matchLabels: {host: h1, app: e1}}}]}'
FROM_E2 = '{from: [{podSelector: {matchLabels: {host: h1, app: e2}}}]}'


@contextlib.contextmanager
def policy(host, name, spec):
    """In force on a host while the block lasts."""
    host.weft('policy', 'apply', '-f', '-', text_input=HEAD.format(name, spec))
    try:
        yield
    finally:
        host.weft('policy', 'delete', f'default/{name}')


def listed(host, *filters):
    return host.weft_json('session', 'list', *filters)['sessions']


def of_the_test(host, *filters):
    """Those of connections that this test opened, and no one's pings."""
    return listed(host, '--protocol', 'tcp', '--port', PORT, *filters)


def flush(host, *filters):
    return host.weft_json('session', 'flush', *filters)['flushed']


def fresh(lab):
    """Nothing of earlier cases is left, whose ends may still take leave of each other."""
    def is_fresh():
        for host in lab.hosts.values():
            flush(host, '--all')
        return not any(of_the_test(host) for host in lab.hosts.values())

    wait_until(is_fresh, 'no sessions of earlier cases', 10)


def open_connection_is_listed_on_both_hosts(lab):
    fresh(lab)
    for ipv6 in (False, True):
        with policy(lab.host('h2'), 'web', f'{{{E1_OF_H2}, ingress: [{FROM_E1}]}}'), Echo(lab, ipv6=ipv6) as echo:
            assert echo.answers()
            here, there = lab.address('h1-e1', ipv6), lab.address('h2-e1', ipv6)
            wanted = {'network': addresses.NETWORK, 'vni': addresses.VNI, 'protocol': 'tcp', 'initiator': here, 'responder': there,
                      'responder_port': PORT, 'state': 'established', 'timeout_s': 7200}
            names = {'h1': {'initiator_endpoint': 'h1-e1', 'responder_endpoint': '', 'rule': ''},
                     'h2': {'initiator_endpoint': '', 'responder_endpoint': 'h2-e1', 'rule': 'ingress rule 1 of default/web'}}
            ports = set()
            for name, host in lab.hosts.items():
                sessions = of_the_test(host, here)
                assert len(sessions) == 1, sessions
                told = sessions[0]
                assert {key: told[key] for key in wanted} == wanted and {key: told[key] for key in names[name]} == names[name], told
                assert told['idle_s'] <= 5, told
                ports.add(told['initiator_port'])
                table = host.weft('session', 'list', here, '--port', PORT)
                assert 'established' in table and (f'[{there}]:{PORT}' if ipv6 else f'{there}:{PORT}') in table, table
            assert len(ports) == 1, 'it is the same connection'


def states_are_those_of_the_connection(lab):
    fresh(lab)
    host, there = lab.host('h1'), lab.address('h2-e1')
    assert not harness.connects(lab, 'h1-e1', '10.244.200.1', PORT, 0.2), 'no such route'
    with policy(lab.host('h2'), 'none', f'{{{E1_OF_H2}}}'):
        assert not harness.connects(lab, 'h1-e1', there, PORT, 0.5), 'h2 drops it'
    assert [each['state'] for each in of_the_test(host)] == ['new'], of_the_test(host)
    assert of_the_test(host, '--state', 'new') and not of_the_test(host, '--state', 'established')
    with Echo(lab) as echo:
        assert echo.answers()
        assert len(of_the_test(host, '--state', 'established')) == 1, of_the_test(host)
        echo.client.end()
        wait_until(lambda: len(of_the_test(host, '--state', 'closed')) == 1, 'the end of the connection', 5)


def filters_tell_connections_apart(lab):
    fresh(lab)
    host = lab.host('h2')
    one, two, there = lab.address('h1-e1'), lab.address('h1-e2'), lab.address('h2-e1')
    with Echo(lab) as first, Echo(lab, 'h1-e2', port=PORT + 1) as second:
        assert first.answers() and second.answers()
        filters = {
            (one,): {one},
            (two,): {two},
            ('h2-e1',): {one, two},
            (there, two): {two},
            (two, 'h2-e1'): {two},
            (one, two): set(),
            ('h2-e2',): set(),
            ('h2-e1', f'{two}/32'): {two},
            ('h2-e1', '--port', PORT): {one},
            ('h2-e1', '--port', PORT + 1): {two},
            ('h2-e1', '--protocol', 'udp'): set(),
            ('h2-e1', '--network', addresses.NETWORK, '--state', 'established'): {one, two},
            ('fd00::/8', '--port', PORT): set(),
        }
        for words, wanted in filters.items():
            found = listed(host, '--protocol', 'tcp', *words) if '--protocol' not in words else listed(host, *words)
            assert {each['initiator'] for each in found} == wanted and len(found) == len(wanted), f'{words}: {found}'
            counted = host.weft_json('session', 'count', *words, *(() if '--protocol' in words else ('--protocol', 'tcp')))
            assert counted['matched'] == len(wanted), f'{words}: {counted}'
            assert 2 <= counted['used'] <= counted['capacity'], counted
        cut = host.weft_json('session', 'list', 'h2-e1', '--protocol', 'tcp', '--most', 1)
        assert len(cut['sessions']) == 1 and cut['matched'] == 2, cut
    for words, why in ((('no-such-endpoint',), 'neither an endpoint of this host'), (('--network', 'red'), 'no network is named red')):
        for verb in ('list', 'count', 'flush'):
            done = host.try_weft('session', verb, *words)
            assert done.returncode == 1 and why in done.stderr, f'{verb}: {done.stderr}'


def flushed_connection_that_policy_allows_goes_on(lab):
    fresh(lab)
    with Echo(lab) as first, Echo(lab, 'h1-e2', port=PORT + 1) as second:
        assert first.answers() and second.answers()
        for host in lab.hosts.values():
            assert flush(host, lab.address('h1-e1'), lab.address('h2-e1'), '--protocol', 'tcp') == 1
            assert not of_the_test(host), of_the_test(host)
            assert len(listed(host, '--port', PORT + 1)) == 1, 'the other one is still there'
        assert first.answers() and second.answers()
        for host in lab.hosts.values():
            sessions = of_the_test(host, '--state', 'established')
            assert [each['initiator'] for each in sessions] == [lab.address('h1-e1')], sessions


def flushed_connection_that_policy_denies_stays_stopped(lab):
    fresh(lab)
    host = lab.host('h2')
    with Echo(lab) as denied, Echo(lab, 'h1-e2', port=PORT + 1) as allowed:
        assert denied.answers() and allowed.answers()
        with policy(host, 'two', f'{{{E1_OF_H2}, ingress: [{FROM_E2}]}}'):
            assert not denied.answers() and allowed.answers(), 'a policy holds for what is open'
            assert len(of_the_test(host)) == 1, 'and leaves its session, undecided'
            assert flush(host, '--port', PORT) == 1
            assert not of_the_test(host), of_the_test(host)
            assert not denied.answers(), 'policy denies it'
            assert not of_the_test(host), 'what is denied opens no session'
            assert allowed.answers()
            assert flush(host, '--all') >= 1
            assert not denied.answers() and allowed.answers(), 'still'
        assert denied.answers(timeout=10), 'policy allows it again'


def responder_that_speaks_first_opens_it_if_policy_lets_it(lab):
    fresh(lab)
    host = lab.host('h2')
    here, there = lab.address('h1-e1'), lab.address('h2-e1')
    with Echo(lab) as echo:
        assert echo.answers()
        for each in lab.hosts.values():
            flush(each, '--port', PORT)
        assert echo.speaks(), 'nothing forbids it'
        assert [(each['initiator'], each['responder']) for each in of_the_test(host)] == [(there, here)], of_the_test(host)
        assert echo.answers(), 'the session serves both directions'
    fresh(lab)
    with policy(host, 'silent', f'{{{E1_OF_H2}, policyTypes: [Ingress, Egress], ingress: [{FROM_E1}]}}'), Echo(lab) as echo:
        assert echo.answers() and echo.speaks(), 'answers need no rule'
        flush(host, '--port', PORT)
        before = harness.drops(host).get('egress_policy', 0)
        assert not echo.speaks(), 'h2-e1 may open nothing'
        assert harness.drops(host).get('egress_policy', 0) > before and not of_the_test(host), of_the_test(host)
        assert echo.answers(timeout=10), 'h1-e1 may'
        assert [each['initiator'] for each in of_the_test(host)] == [here], of_the_test(host)


def without_a_filter_nothing_is_flushed(lab):
    host = lab.host('h1')
    with Echo(lab) as echo:
        assert echo.answers()
        done = host.try_weft('session', 'flush')
        assert done.returncode == 2 and '--all' in done.stderr, done.stderr
        assert len(of_the_test(host, '--state', 'established')) == 1, of_the_test(host)


def many_sessions_come_in_parts(lab):
    fresh(lab)
    host, enough = lab.host('h1'), 10_000
    spray = f"""import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(10_000, 30_000):  # which VXLAN's is not among
    s.sendto(b'x', ({lab.address('h2-e2')!r}, port))"""

    def opened():
        run('/usr/bin/python3', '-I', '-c', spray, netns=lab.netns('h1-e2'))  # of which a TAP takes as many as there is room for
        return host.weft_json('session', 'count', 'h1-e2', '--protocol', 'udp')['matched'] >= enough

    wait_until(opened, f'{enough} sessions', 20)
    ports = [(each['responder_port'], each['initiator_port']) for each in listed(host, 'h1-e2', '--protocol', 'udp')]
    assert len(ports) >= enough and len(set(ports)) == len(ports) and ports == sorted(ports), f'{len(set(ports))} of {len(ports)} sessions'
    flushed = flush(host, 'h1-e2', '--protocol', 'udp')
    assert enough // 2 < flushed <= len(ports), f'{flushed} of {len(ports)} sessions: the first may have ended by themselves'
    assert not listed(host, 'h1-e2', '--protocol', 'udp')


CASES = (open_connection_is_listed_on_both_hosts, states_are_those_of_the_connection, filters_tell_connections_apart,
         flushed_connection_that_policy_allows_goes_on, flushed_connection_that_policy_denies_stays_stopped,
         responder_that_speaks_first_opens_it_if_policy_lets_it, without_a_filter_nothing_is_flushed, many_sessions_come_in_parts)

harness.need_root()
with_lab('session', {'hosts': 2, 'endpoints': 2}, *CASES)
harness.finish()
