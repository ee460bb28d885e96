#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The way back from the eBPF fast path: after `weftd --purge` the host is as it was before weftd first ran, and what others have there stays.

  h1-e1 -- h1 ==== underlay ==== h2 (whose weftd is purged) -- h2-e1"""
import json
import pathlib
import re

import harness
from harness import purge, stop, with_lab
from lablib import addresses, hosts
from lablib.command import attempt, run, wait_until


def listing(host):
    """What a weftd may leave in a host's namespace and in its BPF file system."""
    return {'links': run('ip', '-n', host.netns, '-o', 'link'),
            'qdiscs': run('tc', '-n', host.netns, 'qdisc', 'show'),
            'filters': [run('tc', '-n', host.netns, 'filter', 'show', 'dev', 'uplink', parent) for parent in ('ingress', 'egress')],
            'pins': sorted(str(path) for path in host.bpf.rglob('*'))}


def links_of(host):
    """The links that hold programs at devices."""
    return list(host.bpf.rglob('tcx-*'))


def kernel_objects(host):
    """The numbers of all maps and programs that a running host uses."""
    maps = {json.loads(run('bpftool', '-j', 'map', 'show', 'pinned', path))['id'] for path in host.bpf.rglob('layout-*/*')}
    programs = {json.loads(run('bpftool', '-j', 'link', 'show', 'pinned', path))['prog_id'] for path in links_of(host)}
    assert len(maps) >= 10 and len(programs) >= 2, (maps, programs)
    return [('map', number) for number in maps] + [('prog', number) for number in programs]


def is_gone(thing):
    kind, number = thing
    return attempt('bpftool', kind, 'show', 'id', number).returncode != 0


def make_host(lab, index):
    """A host on which weftd never ran."""
    host = hosts.Host(lab.state, index)
    host.make([f'{addresses.underlay(1, False)},as={addresses.AS}'])
    lab.hosts[host.name] = host
    return host


def purge_leaves_the_host_as_it_was(lab):
    host = make_host(lab, 2)
    before = listing(host)
    assert purge(host).stdout == 'nothing of a fast path is here\n'
    assert listing(host) == before
    host.start_agent()
    host.wait_until_ready()
    host.add_endpoint(1)
    host.add_endpoint(2)
    lab.wait_for_routes()
    harness.ping(lab, 'h2-e1', lab.address('h1-e1'))
    during = listing(host)
    assert all(during[what] != before[what] for what in before if what != 'filters') and len(links_of(host)) == 4, during
    objects = kernel_objects(host)

    refused = purge(host)
    assert refused.returncode == 1 and f"pid {host.agent()['pid']}" in refused.stderr, refused
    # Another weftd's state, the same maps.
    refused = purge(host, '--state-dir', host.directory / 'other', '--dataplane-socket', host.directory / 'other.sock')
    assert refused.returncode == 1 and str(host.bpf / 'weft') in refused.stderr, refused
    assert listing(host) == during
    harness.ping(lab, 'h2-e1', lab.address('h1-e1'))

    stop(host)
    assert listing(host) == during, 'it goes on without an agent'
    purged = purge(host)
    assert purged.returncode == 0, purged.stderr
    for what in ('veth pair of weft-sum0', 'program at uplink', 'eBPF maps in', str(host.bpf / 'weft')):
        assert what in purged.stdout, purged.stdout
    assert len(re.findall(r'veth pair of weft\d', purged.stdout)) == 2, purged.stdout
    assert listing(host) == before
    assert 'eth0' not in run('ip', '-n', lab.netns('h2-e1'), '-o', 'link')
    wait_until(lambda: all(is_gone(each) for each in objects), 'no map and no program is left', 10)
    assert purge(host).stdout == 'nothing of a fast path is here\n'


def what_was_purged_comes_back_with_the_next_agent_as_large_as_asked(lab):
    host = lab.host('h2')
    with open(host.directory / 'weftd.conf', 'a', encoding='utf8') as configuration:
        configuration.write('map-size = fib=4321\nmap-size = session=5432\n')
    host.start_agent()
    host.wait_until_ready()
    lab.wait_for_routes()
    wait_until(lambda: harness.is_answered(lab, 'h2-e1', lab.address('h1-e1')), 'an answer', 10)
    for source, destination, ipv6 in (('h2-e1', 'h1-e1', False), ('h2-e2', 'h1-e1', True), ('h1-e1', 'h2-e2', False), ('h2-e1', 'h2-e2', False)):
        harness.ping(lab, source, lab.address(destination, ipv6))
    for name, entries in (('host_routes', 4321), ('sessions', 5432)):
        path = next(host.bpf.rglob(f'layout-*/{name}'))
        assert json.loads(run('bpftool', '-j', 'map', 'show', 'pinned', path))['max_entries'] == entries


def an_unknown_map_is_refused_and_the_known_ones_are_told(lab):
    host = lab.host('h2')
    done = attempt(hosts.programs() / 'weftd', '--config', host.directory / 'weftd.conf', '--map-size', 'routes=5', netns=host.netns)
    assert done.returncode == 2 and 'no map is named routes' in done.stderr and 'fib, fib_prefix, policy' in done.stderr, done


def uplink_that_is_no_longer_one_has_no_program_left(lab):
    host = lab.host('h2')
    stop(host)
    path = pathlib.Path(host.directory / 'weftd.conf')
    text = path.read_text(encoding='utf8')
    path.write_text(''.join(line for line in text.splitlines(True) if not line.startswith(('uplink =', 'neighbor ='))), encoding='utf8')
    assert len(links_of(host)) == 4  # its own, that of the completion pair, and those of two endpoints
    host.start_agent()
    host.wait_until_ready()
    wait_until(lambda: len(links_of(host)) == 2, 'no program at the uplink', 10)
    harness.ping(lab, 'h2-e1', lab.address('h2-e2'))
    stop(host)
    assert purge(host).returncode == 0


def what_others_have_there_stays(lab):
    """Filters of others, made before weftd or after it."""
    for index, moment in ((3, 'before'), (4, 'after')):
        host = make_host(lab, index)
        foreign = [('tc', '-n', host.netns, 'qdisc', 'add', 'dev', 'uplink', 'clsact'),
                   ('tc', '-n', host.netns, 'filter', 'add', 'dev', 'uplink', 'egress', 'protocol', 'ip', 'prio', 7, 'u32', 'match', 'u32', 0, 0, 'flowid', '1:1'),
                   ('ip', '-n', host.netns, 'link', 'add', 'weft-of-others', 'type', 'veth', 'peer', 'name', 'peer-of-others')]
        if moment == 'after':
            host.start_agent()
            host.wait_until_ready()
        for command in foreign:
            run(*command)
        before = listing(host)
        if moment == 'before':
            host.start_agent()
            host.wait_until_ready()
        stop(host)
        purged = purge(host)
        assert purged.returncode == 0 and 'qdisc' not in purged.stdout, purged
        after = listing(host)
        assert 'u32' in after['filters'][1] and after['filters'][0] == '' and not (host.bpf / 'weft').exists(), after
        assert 'weft-of-others' in after['links'], after
        if moment == 'before':
            assert after == before


harness.need_root()
with_lab('purge', {'hosts': 1, 'endpoints': 1, 'more_neighbors': [2]}, purge_leaves_the_host_as_it_was, what_was_purged_comes_back_with_the_next_agent_as_large_as_asked,
         an_unknown_map_is_refused_and_the_known_ones_are_told, uplink_that_is_no_longer_one_has_no_program_left, what_others_have_there_stays,
         fastpaths=('ebpf',))
harness.finish()
