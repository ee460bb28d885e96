#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Network policy on real packets: what a policy allows passes, what it forbids is dropped on the host of the end that it selects, under its reason and with
its rule, for peers on the same host and on another whose labels came by BGP.

  h1-e1, h1-e2 -- h1 ==== underlay ==== h2 -- h2-e1, h2-e2        labels: host=hN, app=eM; port 8080 of h2-e1 is what most cases ask for"""
import contextlib
import json

import harness
from echo import Echo
from flood import Flood
from harness import BOTH, MIXED, with_lab
from lablib import namespaces, processes, transfer
from lablib.command import attempt, wait_until
from lablib.program import Program

PORT = 8080
HEAD = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}, namespace: {}}}\nspec: {{{}}}\n'
E1_OF_H1 = 'podSelector: {matchLabels: {host: h1, app: e1}}'
E1_OF_H2 = 'podSelector: {matchLabels: {host: h2, app: e1}}'


@contextlib.contextmanager
def policies(lab, *named, hosts=('h1', 'h2'), namespace='default'):
    """Policies of (name, spec), in force while the block lasts."""
    text = '---\n'.join(HEAD.format(name, namespace, spec) for name, spec in named)
    for host in hosts:
        lab.host(host).weft('policy', 'apply', '-f', '-', text_input=text)
    try:
        yield
    finally:
        for host in hosts:
            for name, _ in named:
                lab.host(host).weft('policy', 'delete', f'{namespace}/{name}')


def connects(lab, source, destination='h2-e1', port=PORT, ipv6=False):
    return harness.connects(lab, source, lab.address(destination, ipv6), port, 0.7)


def pings(lab, source, destination, ipv6=False):
    return harness.is_answered(lab, source, lab.address(destination, ipv6))


def allowed(lab, *sources, **where):
    for source in sources:
        assert connects(lab, source, **where), f'{source} must get through ({where})'


def forbidden(lab, host, reason, *sources, **where):
    """Nobody gets through, and `host` has counted it under `reason`."""
    for source in sources:
        before = harness.drops(lab.host(host)).get(reason, 0)
        assert not connects(lab, source, **where), f'{source} must not get through ({where})'
        after = harness.drops(lab.host(host)).get(reason, 0)
        assert after > before, f'{source}: {reason} of {host} stayed at {before}'


def without_policy_everybody_gets_through(lab):
    for host in lab.hosts.values():
        wait_until(lambda host=host: len(host.reachable()) == 8, f'all routes on {host.name}', 10)
    allowed(lab, 'h1-e1', 'h1-e2', 'h2-e2')


def labels_of_another_host_decide(lab):
    with policies(lab, ('web', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}], ports: [{{port: {PORT}}}]}}]'), hosts=['h2']):
        for ipv6 in (False, True):
            allowed(lab, 'h1-e1', ipv6=ipv6)
            forbidden(lab, 'h2', 'ingress_policy', 'h1-e2', 'h2-e2', ipv6=ipv6)
            assert not pings(lab, 'h1-e1', 'h2-e1', ipv6), 'a rule for a TCP port must not allow ICMP'
            assert pings(lab, 'h2-e1', 'h1-e2', ipv6), 'answers belong to their question'
        with transfer.Listener(lab.netns('h2-e1'), PORT + 1):
            forbidden(lab, 'h2', 'ingress_policy', 'h1-e1', port=PORT + 1)
        with transfer.Listener(lab.netns('h2-e2'), PORT):
            allowed(lab, 'h1-e2', destination='h2-e2')
    allowed(lab, 'h1-e2', 'h2-e2')


def egress_is_enforced_where_the_packet_starts(lab):
    with policies(lab, ('out', f'{E1_OF_H1}, policyTypes: [Egress], egress: [{{to: [{{podSelector: {{matchLabels: {{app: e2}}}}}}]}}]')):
        with transfer.Listener(lab.netns('h2-e2'), PORT):
            allowed(lab, 'h1-e1', destination='h2-e2')
        forbidden(lab, 'h1', 'egress_policy', 'h1-e1')
        allowed(lab, 'h1-e2')
        assert pings(lab, 'h2-e1', 'h1-e1'), 'egress isolation must not stop answers'


def both_ends_are_asked(lab):
    inward = ('in', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}]}}]')
    with policies(lab, inward, ('out', f'{E1_OF_H1}, policyTypes: [Egress]')):
        forbidden(lab, 'h1', 'egress_policy', 'h1-e1')
    with policies(lab, inward):
        allowed(lab, 'h1-e1')


def policies_add_up(lab):
    with policies(lab, ('none', 'podSelector: {}')):
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e1', 'h1-e2')
        with policies(lab, ('one', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}]}}]')):
            allowed(lab, 'h1-e1')
            forbidden(lab, 'h2', 'ingress_policy', 'h1-e2')
            with policies(lab, ('all', f'{E1_OF_H2}, ingress: [{{}}]')):
                allowed(lab, 'h1-e1', 'h1-e2', 'h2-e2')
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e1')


def relabelled_namespaces_are_noticed_across_hosts(lab):
    with policies(lab, ('team', f'{E1_OF_H2}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: a}}}}}}]}}]'), hosts=['h2']):
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e1')
        lab.host('h1').weft('namespace', 'set', 'default', 'team=a')
        wait_until(lambda: connects(lab, 'h1-e1'), 'the namespace label of h1 in force on h2', 5)
        lab.host('h1').weft('namespace', 'delete', 'default')
        wait_until(lambda: not connects(lab, 'h1-e1'), 'the namespace label of h1 gone from h2', 5)


def blocks_mean_addresses(lab):
    wide = f"{E1_OF_H2}, ingress: [{{from: [{{ipBlock: {{cidr: 10.244.0.0/16, except: [{lab.address('h1-e2')}/32]}}}}]}}]"
    with policies(lab, ('block', wide), hosts=['h2']):
        allowed(lab, 'h1-e1', 'h2-e2')
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e2')
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e1', ipv6=True)


def udp_is_not_tcp(lab):
    def answers(source):
        code = ('import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.7);'
                f"s.sendto(b'abc', ({lab.address('h2-e1')!r}, {PORT})); print(s.recv(10) == b'cba')")
        return attempt('/usr/bin/python3', '-I', '-c', code, netns=lab.netns(source)).stdout == 'True\n'

    server = ('import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", %d)); print("ready", flush=True)\n'
              'while True:\n data, peer = s.recvfrom(99); s.sendto(data[::-1], peer)' % PORT)
    with Program(lab.netns('h2-e1'), server):
        with policies(lab, ('udp', f'{E1_OF_H2}, ingress: [{{ports: [{{protocol: UDP, port: {PORT}}}]}}]'), hosts=['h2']):
            assert answers('h1-e1'), 'UDP is allowed'
            forbidden(lab, 'h2', 'ingress_policy', 'h1-e1')
        with policies(lab, ('tcp', f'{E1_OF_H2}, ingress: [{{ports: [{{port: {PORT}}}]}}]'), hosts=['h2']):
            assert not answers('h1-e1'), 'UDP is not allowed'
            allowed(lab, 'h1-e1')


def established_connections_meet_a_new_policy(lab):
    with Echo(lab) as echo:
        assert echo.answers()
        with policies(lab, ('other', 'podSelector: {matchLabels: {app: e2}}')):
            assert echo.answers(), 'a policy for others must not touch it'
        with policies(lab, ('deny', E1_OF_H2), hosts=['h2']):
            assert not echo.answers(), 'a policy that forbids it must end it'


def unsupported_fields_are_refused_by_their_path(lab):
    host = lab.host('h2')
    text = HEAD.format('good', 'default', 'podSelector: {}') + '---\n' + HEAD.format('bad', 'default', 'ingress: [{ports: [{name: http}]}]')
    done = host.try_weft('policy', 'apply', '-f', '-', text_input=text)
    assert done.returncode != 0 and 'policy default/bad: spec.ingress[0].ports[0].name: unknown field' in done.stderr, done.stderr
    assert not host.weft_json('policy', 'list').get('policies'), 'all or none are applied'
    allowed(lab, 'h1-e1')


def communities(lab, host, prefix):
    """Of the host's best route to the prefix, as they came or go."""
    routes = lab.host(host).weft_json('route', 'list', prefix)['routes']
    return [route.get('large_communities', []) for route in routes if route['prefix'] == prefix and route.get('best')]


def labels_and_named_ports_arrive_unchanged(lab):
    netns, address = namespaces.add(lab.state, f'{lab.state.name}-named'), '10.244.1.78'
    labels = {'app': 'named', 'long': 'x' * 63, **{f'key-{number}': f'value-{number}' for number in range(20)}}
    words = [word for key, value in labels.items() for word in ('--label', f'{key}={value}')]
    lab.host('h1').weft('endpoint', 'add', 'named', '--netns', f'/run/netns/{netns}', '--address', address, '--named-port', f'http={PORT}', '--named-port',
                        'dns=53/UDP', *words)
    try:
        [sent] = communities(lab, 'h1', f'{address}/32')
        assert len(sent) == 2 * len(labels) + 5, f'{len(sent)} communities: a label and its key each, those of the namespace and its name, two ports'
        wait_until(lambda: communities(lab, 'h2', f'{address}/32') == [sent], f'the same on h2; it has {communities(lab, "h2", f"{address}/32")}', 5)
        named = 'podSelector: {matchLabels: {host: h2, app: e2}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: named}}}], ports: [{port: http}]}]'
        with policies(lab, ('named', named), hosts=['h2']), transfer.Listener(netns, PORT), transfer.Listener(netns, PORT + 1):
            assert harness.connects(lab, 'h2-e2', address, PORT, 0.7), 'the port that the route calls http'
            assert not harness.connects(lab, 'h2-e2', address, PORT + 1, 0.7), 'another port'
    finally:
        lab.host('h1').weft('endpoint', 'delete', 'named')
        namespaces.delete(lab.state, netns)


def asked(host, *words):
    """Of a question whose answer may be no, which is no error."""
    done = host.try_weft('-o', 'json', *words)
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout)


def explain_names_the_rule(lab):
    host = lab.host('h2')
    with policies(lab, ('web', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}], ports: [{{port: {PORT}}}]}}]'), hosts=['h2']):
        for source, rule, may in (('h1-e1', 'ingress rule 1 of default/web', True), ('h1-e2', 'ingress isolation of default/web', False)):
            done = host.try_weft('explain', lab.address(source), 'h2-e1', 'tcp', PORT)
            assert rule in done.stdout and (done.returncode == 0) == may, done.stdout + done.stderr
        for command in (['explain'], ['policy', 'explain']):
            assert asked(host, *command, 'h2-e1', 'h2-e1', 'tcp', PORT)['allowed'], 'to itself: no packet leaves it, whatever selects it'
        listed = host.weft_json('policy', 'list')['policies']
        assert [(each['name'], each['selected_endpoints']) for each in listed] == [('web', 1)], listed


def who_waits_is_judged_as_ever(lab):
    """Without a route and an interface, an endpoint is still who policies select, and both commands say that it waits."""
    host, netns = lab.host('h2'), namespaces.add(lab.state, f'{lab.state.name}-waits')
    try:
        host.weft('endpoint', 'add', 'waits', '--netns', netns, '--label', 'app=e1', '--label', 'host=h2')
        with policies(lab, ('web', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}], ports: [{{port: {PORT}}}]}}]'), hosts=['h2']):
            namespaces.delete(lab.state, netns)
            wait_until(lambda: 'endpoint waits is waiting: ' in ' '.join(host.weft_json('status').get('warnings', ())), 'an endpoint that waits', 10)
            for source, rule in (('h1-e1', 'ingress rule 1 of default/web'), ('h1-e2', 'ingress isolation of default/web')):
                end = asked(host, 'policy', 'explain', lab.address(source), 'waits', 'tcp', PORT)['ingress']
                assert (end['place'], end['endpoint'], end['rule']) == ('here', 'waits', rule), end
                assert end['state'].startswith('waiting: '), end
            said = asked(host, 'explain', lab.address('h1-e1'), 'waits', 'tcp', PORT)
            assert not said['allowed'] and said['steps'][0]['detail'].startswith('waits is waiting: '), said
    finally:
        host.try_weft('endpoint', 'delete', 'waits')
        namespaces.delete(lab.state, netns)


@contextlib.contextmanager
def counter(lab, where, port):
    """Yields a function that tells the datagrams which have arrived so far, by source address."""
    code = ('import collections, json, select, socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", int(sys.argv[1])))\n'
            'seen = collections.Counter(); print("ready", flush=True)\n'
            'while True:\n for each in select.select([s, sys.stdin], [], [])[0]:\n'
            '  if each is s: seen[s.recvfrom(9)[1][0]] += 1\n  elif sys.stdin.readline(): print(json.dumps(seen), flush=True)')
    with Program(lab.netns(where), code, port) as program:
        yield lambda: json.loads(program.ask())


def restarts_open_and_close_nothing(lab):
    """While weftd is killed and comes back, what is allowed arrives without a break and what is forbidden never."""
    yes, no, where = lab.address('h1-e1'), lab.address('h1-e2'), lab.address('h2-e1')
    rule = ('web', f'{E1_OF_H2}, ingress: [{{from: [{{{E1_OF_H1}}}], ports: [{{protocol: UDP, port: {PORT}}}]}}]')
    with policies(lab, rule, hosts=['h2']), counter(lab, 'h2-e1', PORT) as arrived, \
            Flood(lab.netns('h1-e1'), where, PORT), Flood(lab.netns('h1-e2'), where, PORT):
        wait_until(lambda: arrived().get(yes, 0) > 100, 'allowed datagrams', 5)
        identities = fib_identities(lab.host('h2'))
        for name in ('h2', 'h1', 'h2'):
            host = lab.host(name)
            processes.kill(host.agent())
            host.start_agent()
            host.wait_until_ready()
            begin = arrived().get(yes, 0)
            wait_until(lambda begin=begin: arrived().get(yes, 0) > begin + 200, 'allowed datagrams go on', 5)
        assert no not in arrived(), f'forbidden datagrams arrived: {arrived()}'
        wait_until(lambda: fib_identities(lab.host('h2')) == identities, 'the same identities after the restart', 10)
        if lab.host('h2').fastpath == 'ebpf':
            return  # no process that could go
        # The fast path too: it comes back with policy before routes.
        processes.kill(lab.host('h2').dataplane())
        begin = arrived().get(yes, 0)
        wait_until(lambda: arrived().get(yes, 0) > begin + 200, 'allowed datagrams after the fast path was killed', 10)
        lab.host('h2').wait_until_ready()
        assert no not in arrived(), f'forbidden datagrams arrived: {arrived()}'


def fib_identities(host):
    return {route['prefix']: route['identity'] for route in host.weft_json('route', 'list', '--view', 'fib')['routes']}


def attach_has_no_moment_without_policy(lab):
    """A container that sends from its first moment on never gets a datagram past a policy that forbids it."""
    host, where = lab.host('h1'), lab.address('h2-e2')
    netns = namespaces.add(lab.state, f'{lab.state.name}-early')
    address = '10.244.1.77'
    try:
        with policies(lab, ('early', 'podSelector: {matchLabels: {app: early}}, policyTypes: [Egress]')), \
                counter(lab, 'h2-e2', PORT) as arrived, Flood(netns, where, PORT):
            for _ in range(25):
                host.weft('endpoint', 'add', 'early', '--netns', f'/run/netns/{netns}', '--label', 'app=early', '--address', address)
                before = harness.drops(host).get('egress_policy', 0)
                wait_until(lambda before=before: harness.drops(host).get('egress_policy', 0) > before + 20, 'dropped datagrams', 5)
                host.weft('endpoint', 'delete', 'early')
            assert address not in arrived(), f'forbidden datagrams arrived: {arrived()}'
            host.weft('endpoint', 'add', 'early', '--netns', f'/run/netns/{netns}', '--label', 'app=late', '--address', address)
            wait_until(lambda: arrived().get(address, 0) > 20, 'the same container with labels that nothing forbids', 5)
            host.weft('endpoint', 'delete', 'early')
    finally:
        namespaces.delete(lab.state, netns)


def ports_of_every_other_number(priority, first):
    """A policy of the admin tier for namespaces of team huge: 625 ports, between any two of which there is another."""
    rules = [{'action': 'Deny', 'from': [{'namespaces': {}}],
              'protocols': [{'tcp': {'destinationPort': {'number': first + 2 * (25 * rule + port)}}} for port in range(25)]} for rule in range(25)]
    return {'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': 'ClusterNetworkPolicy', 'metadata': {'name': f'huge-{priority}'},
            'spec': {'tier': 'Admin', 'priority': priority, 'subject': {'namespaces': {'matchLabels': {'team': 'huge'}}}, 'ingress': rules}}


def what_is_too_large_opens_nothing(lab):
    """Endpoints that come to need more than a fast path takes, by a change of labels or as new ones, are closed, and weft says so."""
    host = lab.host('h2')

    def closed():
        return {warning.split(' is closed ')[0] for warning in host.weft_json('status').get('warnings', ()) if ' is closed ' in warning}

    huge = [ports_of_every_other_number(priority, 1 + 1250 * priority) for priority in range(7)]
    host.weft('policy', 'apply', '-f', '-', text_input='\n---\n'.join(map(json.dumps, huge)))
    netns = namespaces.add(lab.state, f'{lab.state.name}-late')
    try:
        allowed(lab, 'h1-e1')
        assert not closed(), closed()
        host.weft('namespace', 'set', 'default', 'team=huge')
        host.weft('endpoint', 'add', 'late', '--netns', netns)
        forbidden(lab, 'h2', 'ingress_policy', 'h1-e1')
        assert closed() == {f'the ingress of endpoint {name}' for name in ('h2-e1', 'h2-e2', 'late')}, closed()
        explained = host.try_weft('policy', 'explain', lab.address('h1-e1'), 'h2-e1', 'tcp', str(PORT))
        assert explained.returncode == 4 and 'more ranges than a fast path takes' in explained.stdout, explained
        host.weft('endpoint', 'delete', 'late')
        host.weft('policy', 'delete', f"cnp:{huge[0]['metadata']['name']}")
        host.weft('policy', 'delete', f"cnp:{huge[1]['metadata']['name']}")
        assert not closed(), closed()
        allowed(lab, 'h1-e1')
    finally:
        host.weft('namespace', 'set', 'default')
        for each in huge:
            host.try_weft('policy', 'delete', f"cnp:{each['metadata']['name']}")
        namespaces.delete(lab.state, netns)
    too_large = HEAD.format('huge', 'default', 'podSelector: {}, ingress: [{ports: [%s]}]' % ', '.join(f'{{port: {1 + 2 * port}}}' for port in range(4000)))
    for verb in ('diff', 'apply'):
        refused = host.try_weft('policy', verb, '-f', '-', text_input=too_large)
        assert refused.returncode == 1 and 'policy default/huge: ' in refused.stderr and 'endpoint h2-e' in refused.stderr, refused.stderr
    allowed(lab, 'h1-e1')


CASES = (without_policy_everybody_gets_through, labels_of_another_host_decide, egress_is_enforced_where_the_packet_starts, both_ends_are_asked,
         policies_add_up, relabelled_namespaces_are_noticed_across_hosts, blocks_mean_addresses, udp_is_not_tcp,
         established_connections_meet_a_new_policy, unsupported_fields_are_refused_by_their_path, explain_names_the_rule,
         who_waits_is_judged_as_ever,
         what_is_too_large_opens_nothing, restarts_open_and_close_nothing, attach_has_no_moment_without_policy)


def listening(case):
    """The case, with h2-e1 listening."""
    def run(lab):
        with transfer.Listener(lab.netns('h2-e1'), PORT):
            case(lab)

    run.__name__ = case.__name__
    return run


harness.need_root()
with_lab('policy', {'hosts': 2, 'endpoints': 2}, *map(listening, CASES), fastpaths=(*BOTH, *([MIXED] if harness.everything() else [])))
for reflector, fastpaths in (('frr', (*BOTH, MIXED)), ('gobgp', (MIXED,))):
    with_lab(f'policy through {reflector}', {'hosts': 2, 'endpoints': 2, 'reflector': reflector},
             *map(listening, (without_policy_everybody_gets_through, labels_of_another_host_decide, relabelled_namespaces_are_noticed_across_hosts,
                              labels_and_named_ports_arrive_unchanged)), fastpaths=fastpaths)
harness.finish()
