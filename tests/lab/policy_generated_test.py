#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Generated NetworkPolicy objects (generated_policies.py) and changes to what they speak of, on the cluster that cluster.py draws. Who reaches whom on which
port is asked of all pods, and must be what policy_model.py says of the very same objects."""
import json

import generated_policies
import harness
from cluster import PORTS, PROTOCOLS, Policy, with_cluster
from generated_policies import expression, labels, policy, rule
from policy_model import Model, Pod

FLOWS = [(protocol, port) for protocol in PROTOCOLS for port in PORTS] + [('tcp', 82)]  # which nobody serves
NAMED_PORTS = tuple((f'serve-{port}-{protocol}', protocol.upper(), port) for protocol in PROTOCOLS for port in PORTS)


def model(cluster, policies):
    return Model(cluster.namespaces, {which: Pod(pod.namespace, pod.labels, tuple(pod.addresses), NAMED_PORTS) for which, pod in cluster.pods.items()}, policies)


def as_policy(each):
    return Policy(f"{each['metadata']['namespace']}/{each['metadata']['name']}", json.dumps(each) + '\n')


def expect(cluster, *policies):
    """What the model says of these objects and of the cluster as it is now; returns the connections that it forbids."""
    says = model(cluster, policies)
    expected = {(source, target, family, protocol, port): says.allows(source, target, family, protocol.upper(), port)
                for source in cluster.pods for target in cluster.pods if source != target for family in (0, 1) for protocol, port in FLOWS}
    cluster.expect_exactly(expected, FLOWS)
    return {question for question, reaches in expected.items() if not reaches}


def in_force(name, policies):
    def run(cluster):
        cluster.apply(*map(as_policy, policies))
        expect(cluster, *policies)

    run.__name__ = name
    return run


# --- actions

B_OF_Y = {'podSelector': labels(pod='b'), 'namespaceSelector': labels(ns='y')}


def changes(first, second):
    """The expectations before and after must differ, or the change has shown nothing."""
    assert first != second, f'the same {len(first)} connections are forbidden before and after'


def actions_create_and_delete_a_policy(cluster):
    one, other = policy('Ingress', [rule('Ingress', [{'podSelector': {}}])], name='one'), policy('Ingress', [{}], name='other')
    cluster.apply(as_policy(one))
    first = expect(cluster, one)
    cluster.apply(as_policy(other))
    changes(first, expect(cluster, one, other))
    cluster.delete(as_policy(other))
    assert expect(cluster, one) == first
    cluster.delete(as_policy(one))
    assert not expect(cluster)


def actions_update_a_policy(cluster):
    rounds = [policy('Ingress', []), policy('Ingress', [rule('Ingress', ports=[{'port': 80}])]), policy('Ingress', [rule('Ingress', [B_OF_Y], [{'protocol': 'UDP'}])]),
              policy('Egress', [rule('Egress', [B_OF_Y])]), policy('Ingress', [{}])]
    before = set()
    for each in rounds:
        cluster.apply(as_policy(each))
        forbidden = expect(cluster, each)
        changes(before, forbidden)
        before = forbidden


def actions_create_and_delete_a_namespace(cluster):
    each = policy('Ingress', [rule('Ingress', [{'namespaceSelector': labels(team='guests')}])])
    cluster.apply(as_policy(each))
    first = expect(cluster, each)
    cluster.label_namespace('w', team='guests')
    cluster.add_pod('w/d', host=1)
    assert model(cluster, [each]).allows('w/d', 'x/a', 0, 'TCP', 80)
    assert expect(cluster, each) == first
    cluster.label_namespace('w')
    changes(first, expect(cluster, each))
    cluster.delete_pod('w/d')
    cluster.delete_namespace('w')
    assert expect(cluster, each) == first


def actions_relabel_a_namespace(cluster):
    each = policy('Ingress', [rule('Ingress', [{'namespaceSelector': expression('team', 'In', 'red', 'blue')}])])
    cluster.apply(as_policy(each))
    first = expect(cluster, each)
    cluster.label_namespace('z', ns='z', team='red')
    changes(first, expect(cluster, each))
    cluster.label_namespace('z', ns='z', team='green')
    assert expect(cluster, each) == first


def actions_create_and_delete_a_pod(cluster):
    each = policy('Ingress', [rule('Ingress', [{'podSelector': labels(pod='d')}])], expression('pod', 'In', 'a', 'd'))
    cluster.apply(as_policy(each))
    first = expect(cluster, each)
    for host in (2, 0):
        cluster.add_pod('x/d', host)
        changes(first, expect(cluster, each))
        cluster.delete_pod('x/d')
    assert expect(cluster, each) == first


def actions_relabel_a_pod(cluster):
    """As a target and as a peer, on its own host and on others."""
    both = (policy('Ingress', [rule('Ingress', [{'namespaceSelector': {}, 'podSelector': labels(role='client')}])], labels(role='server'), name='in'),
            policy('Egress', [], labels(role='client'), 'y', 'out'))
    cluster.apply(*map(as_policy, both))
    assert not expect(cluster, *both)
    before = set()
    for which, name, role in (('x/a', 'a', 'server'), ('z/b', 'b', 'client'), ('y/b', 'b', 'client'), ('x/a', 'a', 'client'), ('y/b', 'b', 'server')):
        cluster.relabel_pod(which, pod=name, role=role)
        forbidden = expect(cluster, *both)
        changes(before, forbidden)
        before = forbidden


ACTIONS = (actions_create_and_delete_a_policy, actions_update_a_policy, actions_create_and_delete_a_namespace, actions_relabel_a_namespace,
           actions_create_and_delete_a_pod, actions_relabel_a_pod)
CASES = (*ACTIONS, *(in_force(name, policies) for name, policies in generated_policies.all_of_them()))

harness.need_root()
with_cluster('generated policies', CASES, one_in=25)
harness.finish()
