#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Devices that are taken from under the eBPF fast path while containers ping: an uplink that is deleted and made anew under its name, as by a driver that is
loaded again, is served again by the weftd that runs; a container's near end that somebody sets down is the same interface when it is set up again. An uplink
may be given by any of its names.

  h1-e1 -- h1 ==== underlay ==== h2 (whose uplink goes) -- h2-e1"""
import json
import re
import time

import harness
from harness import is_answered, stop, warnings, with_lab
from lablib import addresses, namespaces
from lablib.command import run, wait_until
from lablib.probe import Stream

HOLD_S = 5  # more than two of the agent's looks at its ports


def number_of(netns, device):
    return json.loads(run('ip', '-n', netns, '-j', 'link', 'show', 'dev', device))[0]['ifindex']


def pinned_for_uplinks(host):
    """The numbers of devices for which programs are pinned that are no container's."""
    near = {each['ifindex'] for each in json.loads(run('ip', '-n', host.netns, '-j', 'link')) if each['ifname'].startswith('weft')}
    return {int(path.name.rpartition('-')[2]) for kind in ('tcx', 'xdp', 'clsact') for path in (host.bpf / 'weft').glob(f'{kind}-*')} - near


def all_pings_are_answered(lab):
    for source, destination in (('h1-e1', 'h2-e1'), ('h2-e1', 'h1-e1')):
        for ipv6 in (False, True):
            wait_until(lambda: is_answered(lab, source, lab.address(destination, ipv6)), f'{source} reaches {destination}', 20)
            harness.ping(lab, source, lab.address(destination, ipv6))


def make_uplink(lab, host):
    options = lab.state.data['options']
    xdp = options['uplink_hook'] == 'xdp'
    namespaces.connect(lab.state, host.netns, host.name, addresses.underlay_interface(host.index, options['ipv6_underlay']), options['mtu'], bare=xdp)
    if xdp:
        namespaces.merge_segments(host.netns)


def an_uplink_that_is_made_anew_is_served_again(lab):
    host = lab.host('h2')
    agents = {each.name: each.agent()['pid'] for each in lab.hosts.values()}
    all_pings_are_answered(lab)
    for _ in range(2):
        before = number_of(host.netns, 'uplink')
        with Stream(lab.netns('h1-e1'), lab.address('h2-e1'), 100) as running:
            run('ip', '-n', host.netns, 'link', 'del', 'uplink')
            wait_until(lambda: not pinned_for_uplinks(host), 'no pin of the old uplink is left', 10)
            assert not is_answered(lab, 'h1-e1', lab.address('h2-e1'))
            wait_until(lambda: 'uplink uplink is down or has gone' in warnings(host), 'status tells it', 10)
            make_uplink(lab, host)
            now = number_of(host.netns, 'uplink')
            assert now != before
            begin = time.monotonic()
            wait_until(lambda: is_answered(lab, 'h1-e1', lab.address('h2-e1')), 'an answer', 20)
            took = time.monotonic() - begin
        all_pings_are_answered(lab)
        print(f"# answered {took:.1f} s after the new uplink was there; {running.result}", flush=True)
        assert pinned_for_uplinks(host) == {now}
        xdp = 'xdp' in json.loads(run('ip', '-n', host.netns, '-j', 'link', 'show', 'dev', 'uplink'))[0]
        assert xdp == (lab.state.data['options']['uplink_hook'] == 'xdp')
        notes = ' '.join(host.weft_json('status')['fast_path'].get('notes', []))
        assert 'uplink uplink:' in notes and 'gone' not in notes, notes
        wait_until(lambda: 'uplink uplink' not in warnings(host), 'status tells that too', 10)
    assert agents == {each.name: each.agent()['pid'] for each in lab.hosts.values()}, 'no weftd was started again'


def an_uplink_may_be_given_by_another_name(lab):
    """Of those that ip link shows as altname."""
    host = lab.host('h2')
    run('ip', '-n', host.netns, 'link', 'property', 'add', 'dev', 'uplink', 'altname', 'underlay-port')
    path = host.directory / 'weftd.conf'
    said = path.read_text(encoding='utf8')
    assert 'uplink = uplink\n' in said
    path.write_text(said.replace('uplink = uplink\n', 'uplink = underlay-port\n'), encoding='utf8')
    stop(host)
    host.start_agent()
    host.wait_until_ready()
    assert [port['up'] for port in host.weft_json('counters')['ports'] if port['name'] == 'uplink'] == [True]  # after a look at it
    notes = host.weft_json('status')['fast_path']['notes']
    assert any(note.startswith('uplink uplink:') for note in notes), notes
    lab.wait_for_routes()
    all_pings_are_answered(lab)


def port_of_endpoint(host, name):
    return next(port for port in host.weft_json('counters')['ports'] if port['name'] == name)


def a_near_end_that_is_set_down_keeps_its_container(lab):
    host = lab.host('h2')
    near = next(each['ifname'] for each in json.loads(run('ip', '-n', host.netns, '-j', 'link')) if re.fullmatch(r'weft\d+', each['ifname']))
    before = number_of(host.netns, near), number_of(lab.netns('h2-e1'), 'eth0')
    run('ip', '-n', host.netns, 'link', 'set', near, 'down')
    wait_until(lambda: not port_of_endpoint(host, 'h2-e1').get('up', False), 'the port is down', 10)
    harness.no_ping(lab, 'h1-e1', lab.address('h2-e1'))
    wait_until(lambda: 'endpoint h2-e1: its interface is down' in warnings(host), 'status tells it', 10)
    until = time.monotonic() + HOLD_S
    while time.monotonic() < until:
        state = host.weft_json('endpoint', 'list')['endpoints'][0]['state']
        assert state == 'ready', state
        assert (number_of(host.netns, near), number_of(lab.netns('h2-e1'), 'eth0')) == before
    run('ip', '-n', host.netns, 'link', 'set', near, 'up')
    wait_until(lambda: port_of_endpoint(host, 'h2-e1').get('up', False), 'the port is up', 10)
    all_pings_are_answered(lab)
    assert (number_of(host.netns, near), number_of(lab.netns('h2-e1'), 'eth0')) == before


harness.need_root()
for title, options in (('tc, IPv4 underlay', {}), ('XDP, IPv6 underlay', {'uplink_hook': 'xdp', 'ipv6_underlay': True})):
    with_lab(title, options, an_uplink_that_is_made_anew_is_served_again, a_near_end_that_is_set_down_keeps_its_container,
             an_uplink_may_be_given_by_another_name, fastpaths=('ebpf',))
harness.finish()
