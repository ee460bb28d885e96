#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`weft trace` and `weft capture` on real packets: both hosts see a ping with its ends and its verdict, what policy denies is named with its rule, filters
leave out what they should, a capture holds the inner and the outer frame, and no trace outlives whoever asked for it.

  h1-e1, h1-e2 -- h1 ==== underlay ==== h2 -- h2-e1, h2-e2"""
import contextlib
import json
import pathlib
import signal
import subprocess
import tempfile

import harness
from harness import with_lab
from lablib import addresses, hosts, processes
from lablib.command import environment, run, wait_until

WEB = '''apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec: {podSelector: {matchLabels: {host: h2, app: e1}}, ingress: [{from: [{podSelector: {matchLabels: {host: h1, app: e1}}}]}]}
'''


def running(host):
    """How many traces the fast path runs."""
    gauges = host.weft_json('status')['fast_path']['gauges']
    return next(gauge['used'] for gauge in gauges if gauge['name'] == 'trace')


class Tracing:
    """`weft trace` or `weft capture`, from when the fast path follows it until the block ends."""

    def __init__(self, host, *words):
        self.host = host
        before = running(host)
        self.process = subprocess.Popen([hosts.programs() / 'weft', '--socket', host.socket, *map(str, words)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        wait_until(lambda: running(host) > before or self.process.poll() is not None, 'a running trace', 5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self, number=signal.SIGINT):
        """Ctrl-C, unless it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        if not self.process.stdout.closed:
            self.out, self.complaint = self.process.communicate(timeout=20)

    def events(self):
        """All that it told, and its last line."""
        self.end()
        assert self.process.returncode == 0, self.complaint
        lines = [json.loads(line) for line in self.out.splitlines()]
        return lines[:-1], lines[-1]


def trace(host, *words):
    return Tracing(host, 'trace', *words, '-o', 'json')


def echoes(events, kind=8):
    return [event for event in events if event['protocol'] == 'icmp' and event['icmp_type'] == kind]


def no_trace_runs(lab):
    for host in lab.hosts.values():
        wait_until(lambda host=host: running(host) == 0, f'no trace on {host.name}', 5)


def ping_is_seen_on_both_hosts(lab):
    source, destination = lab.address('h1-e1'), lab.address('h2-e1')
    with trace(lab.host('h1')) as first, trace(lab.host('h2')) as second:
        harness.ping(lab, 'h1-e1', destination)
    sent, end = first.events()
    received, _ = second.events()
    assert end['lost'] == 0 and end['packets'] == len(sent), end
    common = {'source': source, 'destination': destination, 'network': addresses.NETWORK, 'vni': addresses.VNI, 'verdict': 'forwarded',
              'drop_reason': ''}
    here = dict(common, port_in='h1-e1', port_out='uplink', stage='F4 encapsulate', vtep=lab.host('h2').vtep, from_underlay=False,
                source_endpoint='h1-e1', destination_endpoint='', length_in=98, length_out=148)
    there = dict(common, port_in='uplink', port_out='h2-e1', stage='F3 deliver', vtep=lab.host('h1').vtep, from_underlay=True,
                 source_endpoint='', destination_endpoint='h2-e1', length_in=148, length_out=98)
    for events, wanted in ((sent, here), (received, there)):
        found = echoes(events)
        assert len(found) == 3, events
        for event in found:
            assert {key: event[key] for key in wanted} == wanted, event
    # Cause before effect, on clocks of one machine.
    assert all(a['time_unix_ns'] < b['time_unix_ns'] for a, b in zip(echoes(sent), echoes(received)))
    assert len(echoes(sent, 0)) == 3, 'the answers as they come back'


def ipv6_arp_and_pings_of_the_gateway_are_seen(lab):
    with trace(lab.host('h1'), 'h1-e2') as tracing:
        run('ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', 'eth0', netns=lab.netns('h1-e2'))  # which it was given, so that it need not ask
        harness.ping(lab, 'h1-e2', lab.address('h2-e2', ipv6=True))
        harness.ping(lab, 'h1-e2', '169.254.1.1')
    events, _ = tracing.events()
    stages = {(event['protocol'], event['verdict'], event['stage']) for event in events}
    for wanted in (('icmpv6', 'forwarded', 'F4 encapsulate'), ('icmpv6', 'forwarded', 'F3 deliver'), ('arp', 'answered', 'E3 ARP'),
                   ('icmpv6', 'answered', 'E4 neighbours'), ('icmp', 'answered', 'E7 gateway')):
        assert wanted in stages, f'{wanted} of {stages}'


def denied_packet_has_its_reason_and_rule(lab):
    host, where = lab.host('h2'), lab.address('h2-e1')
    host.weft('policy', 'apply', '-f', '-', text_input=WEB)
    try:
        with trace(host, 'h2-e1', '--protocol', 'tcp') as tracing:
            assert not harness.connects(lab, 'h1-e2', where, 8080, 0.5), 'policy must deny it'
            assert not harness.connects(lab, 'h1-e1', where, 8080, 0.5), 'nobody listens'
    finally:
        host.weft('policy', 'delete', 'default/web')
    events, _ = tracing.events()
    dropped = [event for event in events if event['source'] == lab.address('h1-e2')]
    assert dropped, events
    for event in dropped:
        assert event['verdict'] == 'dropped' and event['drop_reason'] == 'ingress_policy', event
        assert event['stage'] == 'S6 ingress policy' and event['rule'] == 'ingress isolation of default/web', event
        assert event['port_in'] == 'uplink' and event['port_out'] == '' and event['destination_endpoint'] == 'h2-e1', event
        assert event['destination_port'] == 8080 and event['tcp_flags'] == 2, event
    passed = [event for event in events if event['source'] == lab.address('h1-e1')]
    assert passed and all(event['verdict'] == 'forwarded' and event['rule'] == 'ingress rule 1 of default/web' for event in passed), passed


def filters_leave_out_the_rest(lab):
    host = lab.host('h1')
    one, two, far = lab.address('h1-e1'), lab.address('h1-e2'), lab.address('h2-e1')
    # Every filter on the same traffic, and what must be left of it. At most four traces run at a time.
    filters = {
        ('h1-e1',): lambda event: one in (event['source'], event['destination']) or event['port_in'] == 'h1-e1',
        (one, far): lambda event: {event['source'], event['destination']} == {one, far},
        (f'{far}/32',): lambda event: far in (event['source'], event['destination']),
        ('--protocol', 'icmp'): lambda event: event['protocol'] in ('icmp', 'icmpv6'),
        ('--protocol', 'tcp', '--port', '8081'): lambda event: event['protocol'] == 'tcp' and 8081 in (event['source_port'], event['destination_port']),
        ('--verdict', 'dropped'): lambda event: event['verdict'] == 'dropped',
        ('--reason', 'no_route'): lambda event: event['drop_reason'] == 'no_route',
        ('--network', addresses.NETWORK, two): lambda event: two in (event['source'], event['destination']),
    }

    def traffic():
        for _ in range(2):  # so that all of the others lies between what a filter lets through
            harness.ping(lab, 'h1-e1', far)
            harness.ping(lab, 'h1-e2', far)
            for port in (8080, 8081):
                harness.connects(lab, 'h1-e1', far, port, 0.5)
            harness.connects(lab, 'h1-e1', '10.99.99.99', 8081, 0.2)  # no route

    remaining = list(filters.items())
    while remaining:
        batch, remaining = remaining[:3], remaining[3:]
        with contextlib.ExitStack() as stack:
            all_of_it = stack.enter_context(trace(host))
            tracings = [(words, wanted, stack.enter_context(trace(host, *words))) for words, wanted in batch]
            traffic()
        everything, _ = all_of_it.events()
        for words, wanted, tracing in tracings:
            events, end = tracing.events()
            assert events and end['lost'] == 0, f'{words}: {end}'
            assert all(wanted(event) for event in events), f'{words}: {[event for event in events if not wanted(event)][:2]}'
            # It began later and ended earlier than the one without a filter.
            span = [event for event in everything if events[0]['time_unix_ns'] <= event['time_unix_ns'] <= events[-1]['time_unix_ns']]
            missing = [event for event in span if wanted(event) and event not in events]
            assert not missing, f'{words}: not told: {missing[:2]}'
            assert len(events) < len(span), f'{words} leaves nothing out'


def capture_holds_the_inner_and_the_outer_frame(lab):
    with tempfile.TemporaryDirectory(prefix='weft-trace-') as directory:
        file = pathlib.Path(directory, 'ping.pcapng')
        with Tracing(lab.host('h1'), 'capture', file, 'h1-e1', '--protocol', 'icmp') as tracing:
            harness.ping(lab, 'h1-e1', lab.address('h2-e1'))
        assert tracing.process.returncode == 0 and '6 packets, 12 frames' in tracing.complaint, tracing.complaint
        fields = ('frame.interface_name', 'frame.packet_flags_direction', 'frame.packet_id', 'vxlan.vni', 'ip.src', 'icmp.type', 'frame.comment',
                  '_ws.malformed')
        said = run('tshark', '-n', '-r', file, '-T', 'fields', '-E', 'occurrence=a', *(word for field in fields for word in ('-e', field)))
        rows = [dict(zip(fields, line.split('\t'))) for line in said.splitlines()]
        assert len(rows) == 12 and not any(row['_ws.malformed'] for row in rows), said
        inner, outer = rows[:2]
        assert inner['frame.interface_name'] == 'h1-e1' and outer['frame.interface_name'] == 'uplink', said
        assert inner['frame.packet_id'] == outer['frame.packet_id'] == '1', said
        assert int(inner['frame.packet_flags_direction'], 16) == 1 and int(outer['frame.packet_flags_direction'], 16) == 2, said
        assert inner['vxlan.vni'] == '' and outer['vxlan.vni'] == str(addresses.VNI), said
        assert inner['ip.src'] == lab.address('h1-e1') and outer['ip.src'] == f"{lab.host('h1').vtep},{lab.address('h1-e1')}", said
        assert inner['icmp.type'] == outer['icmp.type'] == '8', said
        assert 'stage F4 encapsulate' in inner['frame.comment'], said
        # And back: outside first.
        assert [row['frame.interface_name'] for row in rows[2:4]] == ['uplink', 'h1-e1'] and rows[2]['vxlan.vni'] == str(addresses.VNI), said
        info = run('capinfos', file)
        assert 'Number of interfaces in file: 2' in info and 'nanoseconds (9)' in info, info


def limits_end_it_and_losses_are_told(lab):
    with trace(lab.host('h1'), '--protocol', 'icmp', '--count', '2') as tracing:
        harness.ping(lab, 'h1-e1', lab.address('h2-e1'))
        tracing.process.wait(10)
    events, end = tracing.events()
    assert len(events) == 2 and end == {'packets': 2, 'lost': 0}, end
    with trace(lab.host('h1'), '--protocol', 'icmp', '--rate', '1') as tracing:
        harness.ping(lab, 'h1-e1', lab.address('h2-e1'), count=50)
        wait_until(lambda: running(lab.host('h1')) == 1, 'the trace')
    events, end = tracing.events()
    assert 1 <= len(events) <= 10 and end['lost'] >= 80 and end['lost'] + len(events) <= 100, end
    with trace(lab.host('h1'), '--seconds', '0.2') as tracing:
        tracing.process.wait(10)
    tracing.events()


def told_and_lost_are_all(lab):
    """Who traces and does not read hears at the end of what there was besides."""
    host = lab.host('h1')
    enough = 60_000  # more than the agent and the pipe hold for a reader
    flood = f"""import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({enough}):
    s.sendto(b'x', ({lab.address('h2-e1')!r}, 9))"""

    def received():
        return next(int(port['rx_packets']) for port in host.weft_json('counters')['ports'] if port['name'] == 'h1-e1')

    before = received()
    with trace(host, '--protocol', 'udp', '--port', 9, '--rate', 1_000_000) as tracing:
        while received() < before + enough:  # a TAP takes as many as there is room for
            run('/usr/bin/python3', '-I', '-c', flood, netns=lab.netns('h1-e1'))
    events, end = tracing.events()
    assert len(events) == end['packets'] and end['lost'] > 0, end
    others = received() - before - end['packets'] - end['lost']
    assert 0 <= others < 50, f'{others} packets beside those told and lost: {end}'


def nobody_left_means_no_trace_left(lab):
    host = lab.host('h1')
    no_trace_runs(lab)
    killed = trace(host)
    assert running(host) == 1
    killed.end(signal.SIGKILL)
    wait_until(lambda: running(host) == 0, 'the end of a killed client\'s trace', 5)
    # The agent is killed: the fast path goes on, without its traces.
    orphan = trace(host)
    processes.kill(host.agent())
    host.start_agent()
    host.wait_until_ready()
    orphan.process.wait(10)
    orphan.end()
    assert orphan.process.returncode == 3, f'the client is told that its agent went: {orphan.complaint}'
    assert running(host) == 0
    if host.fastpath == 'ebpf':
        return  # no process that could go
    # The fast path is killed: the client hears why it ends.
    with trace(host) as ended:
        processes.kill(host.dataplane())
        ended.process.wait(20)
    assert ended.process.returncode == 1 and 'the trace ended' in ended.complaint, ended.complaint
    host.wait_until_ready()


def fifth_trace_is_refused(lab):
    host = lab.host('h2')
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(trace(host))
        done = host.try_weft('trace', '--count', 1)
        assert done.returncode == 1 and '4 traces run already' in done.stderr, done.stderr
    no_trace_runs(lab)
    done = host.try_weft('trace', 'no-such-endpoint')
    assert done.returncode == 1 and 'neither an endpoint of this host' in done.stderr, done.stderr


CASES = (ping_is_seen_on_both_hosts, ipv6_arp_and_pings_of_the_gateway_are_seen, denied_packet_has_its_reason_and_rule, filters_leave_out_the_rest,
         capture_holds_the_inner_and_the_outer_frame, limits_end_it_and_losses_are_told, told_and_lost_are_all, no_trace_runs, fifth_trace_is_refused,
         nobody_left_means_no_trace_left)

harness.need_root()
with_lab('trace', {'hosts': 2, 'endpoints': 2}, *CASES)
harness.finish()
