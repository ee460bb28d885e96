# SPDX-License-Identifier: BSD-3-Clause
"""NetworkPolicy objects along the dimensions that an engine can get wrong: targets, rules, peers, ports, conflicts, default labels, and mixtures of all of
them by chance. Each entry is a name and the objects that are in force together, for the cluster that cluster.py draws."""
import itertools
import random

DIRECTIONS = ('Ingress', 'Egress')
WORDS = {'Ingress': ('ingress', 'from'), 'Egress': ('egress', 'to')}
SEED = 20240229
MIXTURES = 24


def labels(**wanted):
    return {'matchLabels': wanted}


def expression(key, operator, *values):
    return {'matchExpressions': [{'key': key, 'operator': operator, **({'values': list(values)} if values else {})}]}


def policy(direction, rules, target=None, namespace='x', name='generated'):
    return {'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata': {'name': name, 'namespace': namespace},
            'spec': {'podSelector': labels(pod='a') if target is None else target, 'policyTypes': [direction], WORDS[direction][0]: rules}}


def rule(direction, peers=None, ports=None):
    return {**({} if peers is None else {WORDS[direction][1]: list(peers)}), **({} if ports is None else {'ports': list(ports)})}


# --- the dimensions

TARGETS = {'every pod': {}, 'pods by label': labels(pod='b'), 'pods by In': expression('pod', 'In', 'a', 'c'), 'pods by NotIn': expression('pod', 'NotIn', 'a'),
           'pods with a key': expression('pod', 'Exists'), 'pods without a key': expression('pod', 'DoesNotExist')}

POD_SELECTORS = {'': None, 'all pods': {}, 'pods b': labels(pod='b')}
NAMESPACE_SELECTORS = {'': None, 'of all namespaces': {}, 'of y': labels(ns='y')}

PEERS = {' '.join(filter(None, (pods or 'any', spaces or 'of the own namespace'))):
         {**({} if POD_SELECTORS[pods] is None else {'podSelector': POD_SELECTORS[pods]}),
          **({} if NAMESPACE_SELECTORS[spaces] is None else {'namespaceSelector': NAMESPACE_SELECTORS[spaces]})}
         for pods, spaces in itertools.product(POD_SELECTORS, NAMESPACE_SELECTORS) if pods or spaces}
PEERS['an IPv4 block'] = {'ipBlock': {'cidr': '10.244.2.0/24'}}
PEERS['an IPv6 block with a gap'] = {'ipBlock': {'cidr': 'fd00:244::/48', 'except': ['fd00:244:0:2::/64']}}


def port(protocol=None, number=None, end=None):
    return {**({'protocol': protocol} if protocol else {}), **({'port': number} if number else {}), **({'endPort': end} if end else {})}


PORTS = {f'{protocol or "no protocol"} {number or "any port"}': [port(protocol, number)]
         for protocol in (None, 'TCP', 'UDP', 'SCTP') for number in (None, 80, 81)}
PORTS |= {f'{protocol} 53 to {end}': [port(protocol, 53, end)] for protocol in ('TCP', 'UDP', 'SCTP') for end in (80, 84)}
PORTS |= {'no ports': [], 'TCP by name': [port(None, 'serve-80-tcp')], 'UDP by name': [port('UDP', 'serve-81-udp')], 'SCTP by name': [port('SCTP', 'serve-81-sctp')],
          'a name of another protocol': [port('UDP', 'serve-80-tcp')], 'a name that nobody has': [port('TCP', 'serve-82-tcp')],
          'a port that nobody serves': [port('TCP', 82)], 'another port': [port('UDP', 7981)], 'TCP 1 to 65535': [port('TCP', 1, 65535)]}
PORTS |= {' and '.join(pair): PORTS[pair[0]] + PORTS[pair[1]]
          for pair in (('TCP 80', 'UDP 81'), ('TCP 80', 'TCP 81'), ('UDP 80', 'SCTP 80'), ('TCP by name', 'SCTP 81'), ('TCP 53 to 80', 'TCP 81'),
                       ('TCP 53 to 84', 'UDP by name'), ('TCP any port', 'TCP 80'), ('a name that nobody has', 'SCTP any port'))}


def targets():
    for name, target in TARGETS.items():
        yield f'target: {name}', [policy('Ingress', [], target)]
    yield 'target: in another namespace', [policy('Egress', [], labels(pod='a'), namespace='z')]
    yield 'target: absent', [{key: value for key, value in policy('Ingress', []).items() if key != 'spec'} | {'spec': {'policyTypes': ['Ingress']}}]


def rules():
    for direction in DIRECTIONS:
        yield f'rules: deny {direction}', [policy(direction, [])]
        yield f'rules: allow {direction}', [policy(direction, [{}])]


def peers():
    for direction in DIRECTIONS:
        yield f'peers: {direction}, empty list', [policy(direction, [rule(direction, [])])]
        for count in (1, 2):
            for names in itertools.combinations(PEERS, count):
                yield f"peers: {direction}, {' and '.join(names)}", [policy(direction, [rule(direction, [PEERS[name] for name in names])])]


def ports():
    for direction in DIRECTIONS:
        for name, ports_of_rule in PORTS.items():
            yield f'ports: {direction}, {name}', [policy(direction, [rule(direction, ports=ports_of_rule)])]


def conflicts():
    """Denied by one object and allowed by another of the same direction; then allowed by one end and denied by the other."""
    allows = {'all': None, 'pods': [{'namespaceSelector': {}, 'podSelector': labels(pod='b')}], 'a namespace': [{'namespaceSelector': labels(ns='y')}],
              'addresses': [{'ipBlock': {'cidr': '10.244.2.0/24'}}, {'ipBlock': {'cidr': 'fd00:244:0:2::/64'}}]}
    for direction in DIRECTIONS:
        for target_name, target in (('all', {}), ('a pod', labels(pod='a'))):
            for name, allowed in allows.items():
                yield (f'conflicts: {direction} of {target_name} denied, {name} allowed',
                       [policy(direction, [], target, name='deny'), policy(direction, [rule(direction, allowed)], name='allow')])
    for name, allowed in allows.items():
        yield f'conflicts: Ingress denied, Egress to {name} allowed', [policy('Ingress', [], {}, name='in'), policy('Egress', [rule('Egress', allowed)], {}, 'y', 'out')]
        yield f'conflicts: Egress denied, Ingress from {name} allowed', [policy('Egress', [], {}, 'y', 'out'), policy('Ingress', [rule('Ingress', allowed)], {}, name='in')]


def default_labels():
    name = 'kubernetes.io/metadata.name'
    for direction in DIRECTIONS:
        yield f'default label: {direction}, by value', [policy(direction, [rule(direction, [{'namespaceSelector': labels(**{name: 'y'})}])])]
        yield f'default label: {direction}, by NotIn', [policy(direction, [rule(direction, [{'namespaceSelector': expression(name, 'NotIn', 'x', 'z')}])])]


def mixtures():
    """Three to six objects with up to three rules each, by chance, the same in each run."""
    chance = random.Random(SEED)
    for number in range(1, MIXTURES + 1):
        objects = []
        for which in range(chance.randint(3, 6)):
            direction = chance.choice(DIRECTIONS)
            made = [rule(direction, chance.choice([None, *([PEERS[name] for name in chance.sample(list(PEERS), count)] for count in (1, 2, 3))]),
                         chance.choice([None, *chance.sample(list(PORTS.values()), 4)])) for _ in range(chance.randint(0, 3))]
            objects.append(policy(direction, made, chance.choice([*TARGETS.values(), None, None]), chance.choice('xyz'), f'generated-{which}'))
        yield f'mixture: {number}', objects


def all_of_them():
    return itertools.chain(targets(), rules(), peers(), ports(), conflicts(), default_labels(), mixtures())
