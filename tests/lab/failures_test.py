#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Killed processes: while weftd is gone and comes back no packet is lost; after a killed weft-dataplane packets flow again within two seconds, with the
containers' interfaces untouched and TCP connections alive. Policy holds meanwhile.

  h1-e1 -- h1 ==== underlay ==== h2 -- h2-e1        pings from h1-e1, 1,000 in each second; the victims are on either host"""
import json
import random
import re
import signal
import subprocess
import time

import harness
from harness import BOTH, MIXED, with_lab
from lablib import namespaces, processes, transfer
from lablib.command import environment, in_netns, run, wait_until
from lablib.probe import Stream

SECONDS_MAX = 2.0 if harness.everything() else 10.0  # what is promised holds on a machine with nothing else to do


def pings(lab, ipv6=False):
    """1,000 pings each second from h1-e1 to h2-e1, for as long as the block lasts."""
    harness.ping(lab, 'h1-e1', lab.address('h2-e1', ipv6))
    return Stream(lab.netns('h1-e1'), lab.address('h2-e1', ipv6), 1000)


def tell(result):
    print(f"# {result['sent']} pings in {result['seconds']:.2f} s, {result['sent'] - result['answered']} lost, the longest gap {result['gap_s']:.3f} s", flush=True)


def restart_agent(host, away_s):
    record = host.agent()
    dataplane = host.dataplane()
    processes.kill(record)
    time.sleep(away_s)
    host.start_agent()
    host.wait_until_ready()
    assert host.agent()['pid'] != record['pid']
    assert host.dataplane() == dataplane, 'the running weft-dataplane was not adopted'


def routes_in(host):
    return sorted((route['prefix'], route['next_hop']) for route in host.weft_json('route', 'list', '--view', 'fib').get('routes', []))


def killed_agents_lose_no_ping(lab):
    for ipv6 in (False, True):
        with pings(lab, ipv6) as running:
            time.sleep(0.3)
            for name in ('h1', 'h2'):
                restart_agent(lab.host(name), 0.5)
            time.sleep(0.5)
        tell(running.result)
        assert running.result['sent'] > 900 * running.result['seconds'], running.result
        assert running.result['answered'] == running.result['sent'], running.result


def agent_remembers_everything(lab):
    host = lab.host('h1')
    wait_until(lambda: len(routes_in(host)) >= 8, 'all routes in the fast path', 10)
    before = host.weft_json('endpoint', 'list')['endpoints'], routes_in(host)
    restart_agent(host, 0.1)
    wait_until(lambda: routes_in(host) == before[1], 'the same routes', 10)
    assert host.weft_json('endpoint', 'list')['endpoints'] == before[0]


def lost_database_detaches_nobody(lab):
    """An agent without the database of its containers leaves the fast path to the one that has it."""
    host = lab.host('h1')
    database = host.directory / 'state' / 'weft.db'
    with pings(lab) as running:
        processes.kill(host.agent())
        kept = {path: path.read_bytes() for path in database.parent.glob('weft.db*')}
        for path in kept:
            path.unlink()
        for state, what in ((host.directory / 'other', 'another --state-dir'), (database.parent, 'a deleted database')):
            done = harness.weftd(host, '--state-dir', state)
            said = done.stderr.strip().splitlines()[-1]
            assert done.returncode == 1, f'{what}: exit {done.returncode}: {done.stderr}'
            for word in ('2 containers', 'h1-e1 (eth0 in ', 'h1-e2 (eth0 in ', f'{state}/weft.db', '--state-dir'):
                assert word in done.stderr, f'{what}: "{word}" is not in: {said}'
        for path in database.parent.glob('weft.db*'):
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
        host.start_agent()
        host.wait_until_ready()
    tell(running.result)
    assert running.result['answered'] == running.result['sent'] > 0, running.result
    assert [each['state'] for each in host.weft_json('endpoint', 'list')['endpoints']] == ['ready', 'ready']


def both_agents_gone_packets_flow(lab):
    records = [host.agent() for host in lab.hosts.values()]
    for record in records:
        processes.kill(record)
    try:
        # Longer than the hold time.
        harness.ping(lab, 'h1-e1', lab.address('h2-e1'), count=100, interval=0.1)
        transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1'), 5_000_011)
    finally:
        for host in lab.hosts.values():
            host.start_agent()
        for host in lab.hosts.values():
            host.wait_until_ready()
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))


def policy_holds_for_who_is_not_announced_again(lab):
    """While h2's agent is away, h1's comes back: h2's containers are reached by the routes that the fast path kept, and policy that changes meanwhile is theirs."""
    host = lab.host('h1')

    def apply(rules):
        spec = {'podSelector': {'matchLabels': {'app': 'e1'}}, 'policyTypes': ['Ingress'], 'ingress': rules}
        host.weft('policy', 'apply', '-f', '-', text_input=json.dumps(
            {'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata': {'name': 'who-comes'}, 'spec': spec}))

    from_h2 = [{'from': [{'podSelector': {'matchLabels': {'host': 'h2'}}}]}]
    apply(from_h2)
    harness.ping(lab, 'h2-e1', lab.address('h1-e1'))
    processes.kill(lab.host('h2').agent())
    try:
        restart_agent(host, 0)
        harness.ping(lab, 'h2-e1', lab.address('h1-e1'))
        apply([])
        harness.no_ping(lab, 'h2-e1', lab.address('h1-e1'))
        apply(from_h2)
        harness.ping(lab, 'h2-e1', lab.address('h1-e1'))
    finally:
        lab.host('h2').start_agent()
        lab.host('h2').wait_until_ready()
    harness.ping(lab, 'h2-e1', lab.address('h1-e1'))
    host.weft('policy', 'delete', 'who-comes')


def killed_fast_path_comes_back_within_seconds(lab):
    for name in ('h1', 'h2'):
        interface = run('ip', '-n', lab.netns(f'{name}-e1'), '-o', 'link', 'show', 'dev', 'eth0').split(':')[0]
        with pings(lab) as running:
            time.sleep(0.3)
            record = lab.host(name).dataplane()
            processes.kill(record)
            wait_until(lambda: (lab.host(name).dataplane() or record) != record, 'another weft-dataplane', 10)
            lab.host(name).wait_until_ready()
            time.sleep(1)
        tell(running.result)
        assert 0 < running.result['gap_s'] < SECONDS_MAX, f"{name}: no answer for {running.result['gap_s']:.2f} s"
        assert run('ip', '-n', lab.netns(f'{name}-e1'), '-o', 'link', 'show', 'dev', 'eth0').split(':')[0] == interface, 'the interface was made anew'
        harness.ping(lab, 'h2-e2', lab.address('h1-e2', True))


def running_tcp_transfer_survives_a_killed_fast_path(lab):
    for name in ('h1', 'h2'):
        def kill(host=lab.host(name)):
            time.sleep(0.3)
            record = host.dataplane()
            processes.kill(record)
            wait_until(lambda: (host.dataplane() or record) != record, 'another weft-dataplane', 10)

        transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1'), 300_000_007, during=kill)


def running_tcp_transfer_survives_a_killed_agent(lab):
    def kill():
        time.sleep(0.2)
        restart_agent(lab.host('h2'), 0.1)

    transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1'), 300_000_007, during=kill)


def agent_killed_during_an_attach_leaves_nothing_half_done(lab):
    """Afterwards the endpoint is there and works, or there is no trace of it, and it can be attached again."""
    host = lab.host('h1')
    container = namespaces.add(lab.state, f'{lab.name}-victim')
    moments = random.Random(2)
    outcomes = set()
    for _ in range(12):
        adding = subprocess.Popen(in_netns(host.netns, *host.weft_command('endpoint', 'add', 'victim', '--netns', f'/run/netns/{container}')),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        time.sleep(moments.uniform(0.002, 0.1))
        processes.kill(host.agent())
        told = adding.wait(30) == 0
        host.start_agent()
        host.wait_until_ready()
        found = [each for each in host.weft_json('endpoint', 'list')['endpoints'] if each['name'] == 'victim']
        assert not told or found, 'the caller was told that it is attached, and it is gone'
        outcomes.add(bool(found))
        if found:
            assert found[0]['state'] == 'ready', found
            address = found[0]['addresses'][0]
            wait_until(lambda: address in lab.host('h2').reachable(), f'{address} on h2', 5)
            harness.ping(lab, 'h2-e1', address)
            host.weft('endpoint', 'delete', 'victim')
        links = run('ip', '-n', container, '-o', 'link')
        assert 'eth0' not in links, f'without an endpoint there is an interface: {links}'
    host.weft('endpoint', 'add', 'victim', '--netns', f'/run/netns/{container}')
    host.weft('endpoint', 'delete', 'victim')
    print(f'# {len(outcomes)} different outcomes', flush=True)


def both_killed_at_once_come_back(lab):
    host = lab.host('h2')
    for record in (host.agent(), host.dataplane()):
        processes.kill(record)
    host.start_agent()
    host.wait_until_ready()
    wait_until(lambda: harness.is_answered(lab, 'h1-e1', lab.address('h2-e1')), 'an answer', 10)


def policy_is_answered_when_it_is_in_force(lab):
    """With no fast path there, a change of policy waits for the next one."""
    host = lab.host('h2')
    policy = {'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata': {'name': 'nobody'}, 'spec': {'podSelector': {}}}

    def fast_path():
        return host.weft_json('status')['fast_path']

    for words, text in ((('apply', '-f', '-'), json.dumps(policy)), (('delete', 'nobody'), None)):
        # One that dies young is taken for one that cannot run, and nobody waits for that.
        wait_until(lambda: int(fast_path()['uptime_s']) > 5, 'a fast path that has run for a while', 10)
        processes.kill(host.dataplane())
        wait_until(lambda: fast_path()['state'] != 'running', 'a fast path that is missed', 5, 0.01)
        host.weft('policy', *words, text_input=text)
        said = fast_path()
        assert said['state'] == 'running' and said['in_sync'], said
    wait_until(lambda: harness.is_answered(lab, 'h1-e1', lab.address('h2-e1')), 'an answer', 10)


def what_comes_while_the_port_is_not_read_is_counted(lab):
    """A stopped fast path: the kernel's ring for its socket fills, and the rest is lost, as the kernel says itself."""
    def lost_in_the_kernel():
        said = run('ip', 'netns', 'exec', lab.host('h2').netns, 'ethtool', '-S', 'uplink')
        return int(re.search(r'rx_queue_0_drops: (\d+)', said)[1])

    record = lab.host('h2').dataplane()
    sent = 6000
    script = f"import socket; s = socket.socket(2, 2); [s.sendto(bytes(100), ('{lab.address('h2-e1')}', 9)) for _ in range({sent})]"
    before = harness.drops(lab.host('h2')).get('rx_overrun', 0), lost_in_the_kernel()
    processes.send(record, signal.SIGSTOP)
    try:
        run(*in_netns(lab.netns('h1-e1'), '/usr/bin/python3', '-c', script))
        wait_until(lambda: lost_in_the_kernel() > before[1], 'a full ring', 10)
    finally:
        processes.send(record, signal.SIGCONT)
    wait_until(lambda: harness.drops(lab.host('h2')).get('rx_overrun', 0) - before[0] == lost_in_the_kernel() - before[1], 'every lost packet counted', 10)
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))


def transfer_survives_a_dozen_random_kills(lab):
    moments = random.Random(5)

    def kills():
        for _ in range(12):
            time.sleep(moments.uniform(0.3, 1.5))
            host = lab.host(moments.choice(['h1', 'h2']))
            victims = moments.choice([[host.agent], [host.dataplane], [host.agent, host.dataplane]])  # eBPF has no process: then nobody is killed
            for record in [find() for find in victims]:
                if record is not None:
                    processes.kill(record)
            if host.agent in victims:
                time.sleep(moments.uniform(0, 0.5))
                host.start_agent()
        for host in lab.hosts.values():
            host.wait_until_ready()

    transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1'), 3_000_000_000, timeout=300, during=kills)
    for source in ('h1-e1', 'h1-e2'):
        for destination in ('h2-e1', 'h2-e2'):
            for ipv6 in (False, True):
                harness.ping(lab, source, lab.address(destination, ipv6))


harness.need_root()
with_lab('killed', {'hosts': 2, 'endpoints': 2}, killed_agents_lose_no_ping, agent_remembers_everything, lost_database_detaches_nobody,
         running_tcp_transfer_survives_a_killed_agent, agent_killed_during_an_attach_leaves_nothing_half_done, both_agents_gone_packets_flow,
         policy_holds_for_who_is_not_announced_again, *([transfer_survives_a_dozen_random_kills] if harness.everything() else []), fastpaths=(*BOTH, MIXED))
# What only a process can suffer.
with_lab('process killed', {'hosts': 2, 'endpoints': 2}, killed_fast_path_comes_back_within_seconds, running_tcp_transfer_survives_a_killed_fast_path,
         both_killed_at_once_come_back, policy_is_answered_when_it_is_in_force, what_comes_while_the_port_is_not_read_is_counted, fastpaths=('dpdk',))
harness.finish()
