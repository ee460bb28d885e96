#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The host's own endpoint: its way to its containers, which no policy closes, and to those of other hosts, for which it is an address like any other.

  h1: weft0, h1-e1, h1-e2 ==== underlay ==== h2: h2-e1, h2-e2        10.244.0.0/16 and fd00:244::/48 lead to weft0"""
import contextlib
import json

import harness
from harness import BOTH, connects, with_lab
from lablib import processes, transfer
from lablib.command import attempt, run, wait_until

PORT = 8080
ROUTES = ('10.244.0.0/16', 'fd00:244::/48')
HEAD = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}, namespace: default}}\nspec: {{{}}}\n'
DENY_ALL = 'policyTypes: [Ingress, Egress]'
BOTH_FAMILIES = (False, True)


@contextlib.contextmanager
def policy(lab, name, spec, *hosts):
    """In force on these hosts while the block lasts."""
    for host in hosts:
        lab.host(host).weft('policy', 'apply', '-f', '-', text_input=HEAD.format(name, spec))
    try:
        yield
    finally:
        for host in hosts:
            lab.host(host).weft('policy', 'delete', name)


def addresses(host):
    """Of the host's own endpoint, IPv4 first."""
    return host.weft_json('endpoint', 'show', 'host')['addresses']


def links_and_routes(host):
    return [run('ip', '-n', host.netns, *words) for words in (('-o', 'link'), ('-4', 'route'), ('-6', 'route', 'show', 'table', 'main'))]


def add(host):
    return host.weft_json('endpoint', 'add', 'host', '--host', *(word for route in ROUTES for word in ('--route', route)))


def has_interface(host):
    return attempt('ip', '-n', host.netns, 'link', 'show', 'dev', 'weft0').returncode == 0


def the_underlay_is_not_led_to_it(lab):
    host = lab.host('h1')
    for route in ('10.99.0.0/25', 'fd99::/48'):
        refused = host.try_weft('endpoint', 'add', 'host', '--host', '--route', route)
        assert refused.returncode != 0 and f'route {route}: it overlaps' in refused.stderr and 'a subnet of the uplink' in refused.stderr, refused.stderr


def deletion_leaves_neither_interface_nor_route(lab):
    host = lab.host('h1')
    before = links_and_routes(host)
    add(host)
    during = links_and_routes(host)
    assert all(after != was for was, after in zip(before, during)), during
    host.weft('endpoint', 'delete', 'host')
    assert links_and_routes(host) == before, (before, links_and_routes(host))


def it_is_listed_as_the_hosts(lab):
    host = lab.host('h1')
    endpoint = add(host)
    assert endpoint['host'] and endpoint['identity'] == 1 and endpoint['ifname'] == 'weft0', endpoint
    assert 'host' in host.weft('endpoint', 'list').splitlines()[-1].split(), host.weft('endpoint', 'list')
    assert 'weft0 of the host' in host.weft('endpoint', 'show', 'host')
    leads = json.loads(run('ip', '-n', host.netns, '-j', '-4', 'route', 'show', 'dev', 'weft0'))
    assert {route['dst'] for route in leads} == {'10.244.0.0/16', '10.244.1.0/24'}, leads
    assert not [route for route in json.loads(run('ip', '-n', host.netns, '-j', 'route', 'show', 'default')) if route['dev'] == 'weft0']
    for address in endpoint['addresses']:
        wait_until(lambda address=address: address in lab.host('h2').reachable(), f'the route to {address} on h2', 10)


def what_cannot_be_is_refused(lab):
    host = lab.host('h1')
    for words, said in ((('--netns', 'x'), '--netns'), (('--label', 'a=b'), '--label'), (('--namespace', 'n'), '--namespace'),
                        (('--named-port', 'http=80'), '--named-port'), (('--route', '0.0.0.0/0'), 'route 0.0.0.0/0'), (('--route', '::/0'), 'route ::/0'),
                        (('--route', '10.0.0.1/8'), 'did you mean 10.0.0.0/8'), (('--ifname', 'weft7'), 'weft7'), ((), 'needs no second one')):
        refused = host.try_weft('endpoint', 'add', 'other', '--host', *words)
        assert refused.returncode != 0 and said in refused.stderr, f'{words}: {refused.stderr}'
    refused = host.try_weft('endpoint', 'add', 'other', '--netns', lab.netns('h1-e1'), '--route', '10.0.0.0/8')
    assert refused.returncode != 0 and '--host' in refused.stderr, refused.stderr


def no_policy_stands_between_host_and_container(lab):
    with policy(lab, 'all', DENY_ALL, 'h1'):
        for ipv6 in BOTH_FAMILIES:
            mine, container = addresses(lab.host('h1'))[ipv6], lab.address('h1-e1', ipv6)
            harness.ping(lab, 'h1', container)
            harness.ping(lab, 'h1-e1', mine)
            with transfer.Listener(lab.netns('h1-e1'), PORT), transfer.Listener(lab.netns('h1'), PORT):
                assert connects(lab, 'h1', container, PORT), f'a probe of {container}'
                assert connects(lab, 'h1-e1', mine, PORT), f'{container} to its host'
            harness.no_ping(lab, 'h1-e2', container)


def the_rule_is_named(lab):
    host = lab.host('h1')
    with policy(lab, 'all', DENY_ALL, 'h1'):
        for ends in (('host', 'h1-e1'), ('h1-e1', 'host')):
            told = host.weft_json('explain', *ends, 'tcp', PORT)
            assert told['allowed'] and told['rule'] == 'host access', told
            assert any('identity 1 (host)' in step['detail'] for step in told['steps']), told
            judged = host.weft_json('policy', 'explain', *ends, 'tcp', PORT)
            end = judged['ingress' if ends[0] == 'host' else 'egress']
            assert judged['allowed'] and end['rule'] == 'host access', judged
            assert [rule['why'] for rule in end['rules']] == ['', 'lower tier'], judged
        before = int(host.weft_json('policy', 'list')['host_access']['connections'])
        with transfer.Listener(lab.netns('h1-e1'), PORT):
            assert connects(lab, 'h1', lab.address('h1-e1'), PORT)
        assert int(host.weft_json('policy', 'list')['host_access']['connections']) == before + 1
        assert 'host access' in host.weft('policy', 'list')
        sessions = host.weft_json('session', 'list', 'host', 'h1-e1', '--protocol', 'tcp')['sessions']
        assert sessions and {session['rule'] for session in sessions} == {'host access'}, sessions
    fib = host.weft_json('route', 'list', '--view', 'fib')['routes']
    assert [route['labels'] for route in fib if route['prefix'] == f'{addresses(host)[0]}/32'] == [['host']], fib


def containers_of_another_host_take_it_for_an_address(lab):
    mine = addresses(lab.host('h1'))
    for ipv6 in BOTH_FAMILIES:
        harness.ping(lab, 'h1', lab.address('h2-e1', ipv6))
        harness.ping(lab, 'h2-e1', mine[ipv6])
    with policy(lab, 'all', DENY_ALL, 'h1', 'h2'):
        for ipv6 in BOTH_FAMILIES:
            harness.no_ping(lab, 'h1', lab.address('h2-e1', ipv6))
            harness.no_ping(lab, 'h2-e1', mine[ipv6])
        assert harness.drops(lab.host('h2')).get('ingress_policy', 0) > 0
        for words, host in ((('explain', mine[0], 'h2-e1'), 'h2'), (('policy', 'explain', 'host', lab.address('h2-e1')), 'h1')):
            denied = lab.host(host).try_weft('-o', 'json', *words, 'tcp', PORT)
            assert denied.returncode == 4 and 'ingress isolation of default/all' in denied.stdout, denied
            assert 'host access' not in denied.stdout, denied
        with policy(lab, 'probe', f'ingress: [{{from: [{{ipBlock: {{cidr: {mine[0]}/32}}}}]}}]', 'h2'):
            harness.ping(lab, 'h1', lab.address('h2-e1'))
            harness.no_ping(lab, 'h1-e1', lab.address('h2-e1'))


def bulk_arrives_intact(lab):
    mine = addresses(lab.host('h1'))
    for other in ('h1-e1', 'h2-e1'):
        for ipv6 in BOTH_FAMILIES:
            transfer.tcp(lab.netns('h1'), lab.netns(other), lab.address(other, ipv6), 10_000_019)
            transfer.tcp(lab.netns(other), lab.netns('h1'), mine[ipv6], 10_000_019)
            transfer.udp(lab.netns('h1'), lab.netns(other), lab.address(other, ipv6), [1, 19, 63, 1199, 1200])
            harness.ping(lab, 'h1', lab.address(other, ipv6), options=('-s', 4000))


def it_outlives_the_agent(lab):
    host = lab.host('h1')
    before, interface = addresses(host), run('ip', '-n', host.netns, '-o', 'link', 'show', 'dev', 'weft0').split(':')[0]
    with policy(lab, 'all', DENY_ALL, 'h1'):
        processes.kill(host.agent())
        harness.ping(lab, 'h1', lab.address('h1-e1'))
        host.start_agent()
        host.wait_until_ready()
        assert addresses(host) == before
        assert run('ip', '-n', host.netns, '-o', 'link', 'show', 'dev', 'weft0').split(':')[0] == interface, 'it was made anew'
        harness.ping(lab, 'h1', lab.address('h1-e1'))
        assert host.weft_json('explain', 'host', 'h1-e1')['rule'] == 'host access'


def an_interface_that_is_deleted_comes_back(lab):
    host = lab.host('h1')
    run('ip', '-n', host.netns, 'link', 'delete', 'dev', 'weft0')
    wait_until(lambda: has_interface(host) and harness.is_answered(lab, 'h1', lab.address('h1-e1')), 'the container answers again', 20)


def purge_takes_it_away(lab):
    host = lab.host('h1')
    harness.stop(host)
    purged = harness.purge(host)
    assert purged.returncode == 0, purged
    left = run('ip', '-n', host.netns, '-o', 'link')
    assert not has_interface(host) and 'weft' not in left, left


harness.need_root()
with_lab('host', {'hosts': 2, 'endpoints': 2}, the_underlay_is_not_led_to_it, deletion_leaves_neither_interface_nor_route, it_is_listed_as_the_hosts, what_cannot_be_is_refused,
         no_policy_stands_between_host_and_container, the_rule_is_named, containers_of_another_host_take_it_for_an_address, bulk_arrives_intact,
         it_outlives_the_agent, an_interface_that_is_deleted_comes_back, purge_takes_it_away, fastpaths=BOTH)
with_lab('host, XDP, IPv6 underlay', {'hosts': 2, 'endpoints': 2, 'uplink_hook': 'xdp', 'ipv6_underlay': True}, it_is_listed_as_the_hosts,
         containers_of_another_host_take_it_for_an_address, bulk_arrives_intact, fastpaths=('ebpf',))
harness.finish()
