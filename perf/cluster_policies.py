# SPDX-License-Identifier: BSD-3-Clause
"""Policies for benchmarks, as documents: many of all tiers over the endpoints of bench_labels.hpp, and a given number of rules around one allowed flow."""
import json
import random

NETWORK_POLICY = 'networking.k8s.io/v1', 'NetworkPolicy'
CLUSTER_POLICY = 'policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy'


def stream(documents):
    """What `weft policy apply -f -` reads; JSON is YAML."""
    return '\n---\n'.join(json.dumps(each) for each in documents)


def document(kind, name, spec, namespace=None):
    return {'apiVersion': kind[0], 'kind': kind[1], 'metadata': {'name': name, **({'namespace': namespace} if namespace else {})}, 'spec': spec}


# --- many policies of a large cluster


def labelled(key, *values):
    return {'matchExpressions': [{'key': key, 'operator': 'In', 'values': list(values)}]}


def team(number):
    return f'team-{number % 10}'


def any_subject(rng):
    selector = labelled('tier', f'tier-{rng.randrange(7)}')
    if rng.randrange(2):
        selector['matchExpressions'] += labelled('version', f'v{rng.randrange(3)}')['matchExpressions']
    return selector


def any_peer_selectors(rng):
    pods = labelled('zone', f'zone-{rng.randrange(11)}')
    if rng.randrange(2):
        pods = labelled('app', *{f'app-{rng.randrange(500)}' for _ in range(3)})
    return {'podSelector': pods, 'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': team(rng.randrange(10))}}}


def any_network_policy(number):
    """One of a namespace, deterministic by its number: each direction that it isolates has one or two rules."""
    rng = random.Random(number)

    def any_peer():
        if rng.randrange(10) == 0:
            return {'ipBlock': {'cidr': f'11.0.{rng.randrange(64)}.0/24'}}
        return any_peer_selectors(rng)

    def any_port():
        first = 80 + rng.randrange(2000)
        return rng.choice(({'port': 'http'}, {'port': first, 'endPort': first + 1000}, {'port': first}, {'port': first}))

    def rules(peers):
        return [{peers: [any_peer() for _ in range(1 + rng.randrange(2))], 'ports': [any_port() for _ in range(1 + rng.randrange(2))]}
                for _ in range(1 + rng.randrange(2))]

    spec = {'podSelector': any_subject(rng), 'policyTypes': ['Ingress'], 'ingress': rules('from')}
    if rng.randrange(3) == 0:
        spec['policyTypes'].append('Egress')
        spec['egress'] = rules('to')
    return document(NETWORK_POLICY, f'policy-{number}', spec, team(number))


def any_cluster_policy(number, tier):
    rng = random.Random(number)

    def rule(peers):
        first = 80 + rng.randrange(2000)
        return {'action': rng.choice(('Accept', 'Deny', 'Pass')), peers: [{'pods': any_peer_selectors(rng)}],
                'protocols': [{'tcp': {'destinationPort': {'range': {'start': first, 'end': first + 100}}}}]}

    spec = {'tier': tier, 'priority': rng.randrange(1000),
            'subject': {'pods': {'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': team(rng.randrange(10))}}, 'podSelector': any_subject(rng)}},
            'ingress': [rule('from') for _ in range(1 + rng.randrange(2))], 'egress': [rule('to') for _ in range(1 + rng.randrange(2))]}
    return document(CLUSTER_POLICY, f'policy-{number}', spec)


def any_policy(number):
    """One in ten is of the admin tier and one in fifty of the baseline."""
    if number % 10 == 0:
        return any_cluster_policy(number, 'Admin')
    return any_cluster_policy(number, 'Baseline') if number % 50 == 1 else any_network_policy(number)


# --- many rules around one flow


def rules_around(count, namespace='default', each=100):
    """Policies of `count` rules in both directions for every endpoint of the namespace: half of them split a pair's ports into ranges of one, a quarter names
    other endpoints and a quarter addresses; the last rule of each direction allows everything, so that whatever is sent meets all of them first."""
    def rule(peers, number):
        if number % 2 == 0:
            return {peers: [{'podSelector': {}}], 'ports': [{'port': 2 + number % 65000}]}
        if number % 4 == 1:
            return {peers: [{'podSelector': {'matchLabels': {'app': f'other-{number}'}}}], 'ports': [{'port': 80}]}
        return {peers: [{'ipBlock': {'cidr': f'172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}/32'}}]}

    documents = []
    for direction, peers in (('Ingress', 'from'), ('Egress', 'to')):
        rules = [rule(peers, number) for number in range(count // 2 - 1)] + [{}]
        for first in range(0, len(rules), each):
            spec = {'podSelector': {}, 'policyTypes': [direction], direction.lower(): rules[first:first + each]}
            documents.append(document(NETWORK_POLICY, f'{direction.lower()}-{first:06}', spec, namespace))
    return documents
