#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The admin and baseline tiers around NetworkPolicy, on the cluster that cluster.py draws: who asks first, who passes on, what the last word is. Each case
runs in both versions of the API (tier_words.py) unless it is about one of them. Expectations are written by hand."""
import functools

import harness
from cluster import PORTS, PROTOCOLS, TCP_80, network_policy, with_cluster
from tier_words import ANYBODY, AdminKinds, ClusterKinds, labels, namespace, networks, pod, rule

TCP_81, UDP_80, UDP_81, SCTP_80 = ('tcp', 81), ('udp', 80), ('udp', 81), ('sctp', 80)
EVERY_FLOW = tuple((protocol, port) for protocol in PROTOCOLS for port in PORTS)
X, Y, Z = map(namespace, 'xyz')
XA = pod('x', 'a')
PODS = ('10.244.0.0/16', 'fd00:244::/48')  # where pods have their addresses


def isolated(direction, *rules, target='podSelector: {}', name='np'):
    """A NetworkPolicy of x that allows what its rules say."""
    return network_policy('x', name, f"{target}, policyTypes: [{direction}], {direction.lower()}: [{', '.join(rules)}]")


TARGET_A = 'podSelector: {matchLabels: {pod: a}}'
FROM_Y = '{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}'
FROM_YB = '{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}'
TO_YB = '{to: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}'

# --- one tier alone


def one_protocol(cluster, kinds, tier, direction, protocol):
    """Deny one protocol between y and x/a on port 80."""
    rules = {direction: [rule('Deny', Y, ports=[f'{protocol} 80'])]}
    cluster.apply(kinds.admin('one', 10, XA, **rules) if tier == 'admin' else kinds.baseline(XA, **rules))
    closed = cluster.everyone().close('y/*', 'x/a') if direction == 'ingress' else cluster.everyone().close('x/a', 'y/*')
    cluster.expect_flows({flow: closed if flow == (protocol, 80) else cluster.everyone() for flow in EVERY_FLOW})


def denied_ingress(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, X, ingress=[rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone().close('*', 'x/*'), flows=EVERY_FLOW)


def denied_egress(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, X, egress=[rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone().close('x/*', '*'), flows=EVERY_FLOW)


def what_no_rule_names_is_allowed(cluster, kinds):
    cluster.apply(kinds.admin('allow', 10, X, ingress=[rule('Allow', Y)], egress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone(), flows=EVERY_FLOW)


def subjects_of_every_namespace(cluster, kinds):
    subject = {'pods': {'namespaceSelector': {}, 'podSelector': labels(pod='a')}}
    cluster.apply(kinds.admin('deny', 10, subject, ingress=[rule('Deny', Z)]))
    cluster.expect(cluster.everyone().close('z/*', '*/a'))


def peers_by_expression(cluster, kinds):
    others = {'namespaces': {'matchExpressions': [{'key': 'ns', 'operator': 'NotIn', 'values': ['x', 'y']}]}}
    pods = {'pods': {'namespaceSelector': labels(ns='y'), 'podSelector': {'matchExpressions': [{'key': 'pod', 'operator': 'In', 'values': ['b', 'c']}]}}}
    cluster.apply(kinds.admin('deny', 10, X, ingress=[rule('Deny', others, pods)]))
    cluster.expect(cluster.everyone().close('z/*, y/b, y/c', 'x/*'))


def named_port(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, XA, ingress=[rule('Deny', ANYBODY, ports=['serve-80-tcp'])], egress=[rule('Deny', Y, ports=['serve-81-udp'])]))
    into, out = cluster.everyone().close('*', 'x/a'), cluster.everyone().close('x/a', 'y/*')
    cluster.expect_flows({flow: {TCP_80: into, UDP_81: out}.get(flow, cluster.everyone()) for flow in EVERY_FLOW})


def named_port_that_nobody_has(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, XA, ingress=[rule('Deny', ANYBODY, ports=['http'])]))
    cluster.expect(cluster.everyone(), flows=EVERY_FLOW)


def range_of_ports(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, XA, ingress=[rule('Deny', ANYBODY, ports=['tcp 53-80', 'udp 80-81'])]))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({flow: closed if flow in (TCP_80, UDP_80, UDP_81) else cluster.everyone() for flow in EVERY_FLOW})


def several_ports(cluster, kinds):
    cluster.apply(isolated('Ingress', target=TARGET_A), kinds.admin('allow', 10, XA, ingress=[rule('Allow', Y, ports=['tcp 81', 'sctp 80'])]))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({flow: cluster.everyone().close('*', 'x/a').open('y/*', 'x/a') if flow in (TCP_81, SCTP_80) else closed for flow in EVERY_FLOW})


def denied_networks(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, X, egress=[rule('Deny', networks(*cluster.blocks('y/b')))]))
    cluster.expect(cluster.everyone().close('x/*', 'y/b'))
    cluster.apply(kinds.admin('deny', 10, X, egress=[rule('Deny', networks(cluster.blocks('y/b')[0]))]))
    cluster.expect(cluster.everyone().close('x/*', 'y/b'), families=(0,))
    cluster.expect(cluster.everyone(), families=(1,))


def networks_on_a_port(cluster, kinds):
    cluster.apply(kinds.admin('deny', 10, XA, egress=[rule('Deny', networks(*PODS), ports=['tcp 80'])]))
    cluster.expect_flows({TCP_80: cluster.everyone().close('x/a', '*'), TCP_81: cluster.everyone(), UDP_80: cluster.everyone()})


def smaller_network_before_a_greater(cluster, kinds):
    cluster.apply(kinds.admin('one', 5, XA, egress=[rule('Allow', networks(*cluster.blocks('y/b')))]),
                  kinds.admin('all', 10, XA, egress=[rule('Deny', networks(*PODS))]))
    cluster.expect(cluster.everyone().close('x/a', '*').open('x/a', 'y/b'))


# --- who is asked first


def first_rule_that_matches_decides(cluster, kinds):
    cluster.apply(kinds.admin('order', 10, X, ingress=[rule('Allow', pod('y', 'a')), rule('Deny', Y), rule('Allow', pod('y', 'b'))]))
    cluster.expect(cluster.everyone().close('y/b, y/c', 'x/*'))


def smaller_priority_decides(cluster, kinds):
    cluster.apply(kinds.admin('a-last', 20, X, ingress=[rule('Deny', ANYBODY)]), kinds.admin('z-first', 10, X, ingress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def changed_priority(cluster, kinds):
    deny = kinds.admin('deny', 20, X, ingress=[rule('Deny', ANYBODY)])
    cluster.apply(deny, kinds.admin('allow', 10, X, ingress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))
    cluster.apply(kinds.admin('allow', 30, X, ingress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone().close('*', 'x/*'))
    cluster.apply(kinds.admin('deny', 40, X, ingress=[rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def equal_priorities_go_by_name(cluster, kinds):
    """The API leaves the order open; ours is the same on every host."""
    allow, deny = [rule('Allow', Y)], [rule('Deny', ANYBODY)]
    cluster.apply(kinds.admin('b', 10, X, ingress=deny), kinds.admin('a', 10, X, ingress=allow))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))
    cluster.apply(kinds.admin('b', 10, X, ingress=allow), kinds.admin('a', 10, X, ingress=deny))
    cluster.expect(cluster.everyone().close('*', 'x/*'))


def greatest_and_smallest_priority(cluster, kinds):
    cluster.apply(kinds.admin('a', 1000, X, ingress=[rule('Deny', ANYBODY)]), kinds.admin('b', 0, X, ingress=[rule('Allow', pod('z', 'c'))]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('z/c', 'x/*'))


def priorities_by_port(cluster, kinds):
    cluster.apply(kinds.admin('deny', 20, X, ingress=[rule('Deny', ANYBODY)]), kinds.admin('allow', 10, X, ingress=[rule('Allow', Y, ports=['tcp 80-81'])]),
                  kinds.admin('port', 5, X, ingress=[rule('Deny', pod('y', 'a'), ports=['tcp 80'])]))
    closed = cluster.everyone().close('*', 'x/*')
    cluster.expect_flows({TCP_80: cluster.everyone().close('*', 'x/*').open('y/b, y/c', 'x/*'),
                          TCP_81: cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'), UDP_80: closed, SCTP_80: closed})


def both_ends_are_asked(cluster, kinds):
    cluster.apply(kinds.admin('out', 10, Y, egress=[rule('Allow', ANYBODY)]), kinds.admin('in', 20, X, ingress=[rule('Deny', pod('y', 'a'))]))
    cluster.expect(cluster.everyone().close('y/a', 'x/*'))


# --- the tier in the middle


def allowed_ingress_over_a_network_policy(cluster, kinds):
    cluster.apply(isolated('Ingress'), kinds.admin('allow', 10, X, ingress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def allowed_egress_over_a_network_policy(cluster, kinds):
    cluster.apply(isolated('Egress'), kinds.admin('allow', 10, X, egress=[rule('Allow', pod('y', 'b'))]))
    cluster.expect(cluster.everyone().close('x/*', '*').open('x/*', 'y/b'))


def denied_over_a_network_policy(cluster, kinds):
    cluster.apply(isolated('Ingress', '{}'), isolated('Egress', '{}', name='out'),
                  kinds.admin('deny', 10, X, ingress=[rule('Deny', Y)], egress=[rule('Deny', Z)]))
    cluster.expect(cluster.everyone().close('y/*', 'x/*').close('x/*', 'z/*'))


def passed_to_network_policies(cluster, kinds):
    cluster.apply(kinds.admin('pass', 10, X, ingress=[rule('Pass', Y)]), kinds.admin('deny', 20, X, ingress=[rule('Deny', ANYBODY)]),
                  isolated('Ingress', FROM_YB, target=TARGET_A))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/b', 'x/a').open('y/*', 'x/b, x/c'))


def passed_egress_to_network_policies(cluster, kinds):
    cluster.apply(kinds.admin('pass', 10, X, egress=[rule('Pass', Y), rule('Deny', ANYBODY)]), isolated('Egress', TO_YB, target=TARGET_A))
    cluster.expect(cluster.everyone().close('x/*', '*').open('x/a', 'y/b').open('x/b, x/c', 'y/*'))


def passed_on_one_port(cluster, kinds):
    cluster.apply(kinds.admin('pass', 10, XA, ingress=[rule('Pass', ANYBODY, ports=['tcp 80']), rule('Deny', ANYBODY)]), isolated('Ingress', FROM_Y))
    closed = cluster.everyone().close('*', 'x/a').close('x/*, z/*', 'x/b, x/c')
    cluster.expect_flows({TCP_80: cluster.everyone().close('x/*, z/*', 'x/*'), TCP_81: closed, UDP_80: closed})


def passed_to_the_baseline(cluster, kinds):
    cluster.apply(kinds.admin('pass', 10, X, ingress=[rule('Pass', Y), rule('Deny', ANYBODY)]), kinds.baseline(X, ingress=[rule('Deny', pod('y', 'a'))]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/b, y/c', 'x/*'))


def passed_to_nobody(cluster, kinds):
    cluster.apply(kinds.admin('pass', 10, X, ingress=[rule('Pass', ANYBODY), rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone())


# --- the last word


def baseline_denies(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)], egress=[rule('Deny', Z)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').close('x/*', 'z/*'))


def first_rule_of_the_baseline_decides(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Allow', pod('y', 'b')), rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/b', 'x/*'))


def any_network_policy_overrides_the_baseline(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)]), isolated('Ingress', '{}', target=TARGET_A))
    cluster.expect(cluster.everyone().close('*', 'x/b, x/c'))
    cluster.apply(isolated('Ingress', FROM_Y, target=TARGET_A))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/a'))


def network_policy_denies_what_the_baseline_allows(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Allow', ANYBODY)]), isolated('Ingress', FROM_YB, target=TARGET_A))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/b', 'x/a'))


def network_policy_of_one_direction_leaves_the_baseline_the_other(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)], egress=[rule('Deny', ANYBODY)]), isolated('Egress', '{}', target=TARGET_A))
    cluster.expect(cluster.everyone().close('*', 'x/*').close('x/b, x/c', '*'))


def admin_overrides_the_baseline(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)]), kinds.admin('allow', 10, X, ingress=[rule('Allow', Y)]))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def baseline_for_networks_and_ports(cluster, kinds):
    cluster.apply(kinds.baseline(XA, ingress=[rule('Deny', Y, ports=['serve-81-tcp'])], egress=[rule('Deny', networks(*cluster.blocks('z/c')))]))
    cluster.expect_flows({TCP_80: cluster.everyone().close('x/a', 'z/c'), TCP_81: cluster.everyone().close('x/a', 'z/c').close('y/*', 'x/a')})


def all_three_tiers(cluster, kinds):
    # z: denied; y: the NetworkPolicy of x/a, elsewhere the baseline; x: allowed.
    cluster.apply(kinds.admin('three', 10, X, ingress=[rule('Deny', Z), rule('Pass', Y), rule('Allow', X)]), isolated('Ingress', FROM_YB, target=TARGET_A),
                  kinds.baseline(X, ingress=[rule('Allow', pod('y', 'c')), rule('Deny', ANYBODY)]))
    cluster.expect(cluster.everyone().close('z/*', 'x/*').close('y/*', 'x/*').open('y/b', 'x/a').open('y/c', 'x/b, x/c'))


# --- what changes


def audited_deny_enforces_nothing(cluster, kinds):
    rules = {'ingress': [rule('Deny', ANYBODY)], 'egress': [rule('Deny', ANYBODY)]}
    cluster.apply(kinds.admin('deny', 10, X, **rules, audit=True))
    cluster.expect(cluster.everyone())
    cluster.apply(kinds.admin('deny', 10, X, **rules))
    cluster.expect(cluster.everyone().close('*', 'x/*').close('x/*', '*'))
    cluster.apply(kinds.admin('deny', 10, X, **rules, audit=True))
    cluster.expect(cluster.everyone())


def audited_allow_enforces_nothing(cluster, kinds):
    cluster.apply(kinds.admin('allow', 10, X, ingress=[rule('Allow', ANYBODY)], audit=True), isolated('Ingress', FROM_Y))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def audited_baseline_enforces_nothing(cluster, kinds):
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)], audit=True))
    cluster.expect(cluster.everyone())


def deleted_policies_decide_nothing(cluster, kinds):
    admin, baseline = kinds.admin('deny', 10, X, ingress=[rule('Deny', Y)]), kinds.baseline(X, ingress=[rule('Deny', Z)])
    cluster.apply(admin, baseline)
    cluster.expect(cluster.everyone().close('y/*, z/*', 'x/*'))
    cluster.delete(admin)
    cluster.expect(cluster.everyone().close('z/*', 'x/*'))
    cluster.delete(baseline)
    cluster.expect(cluster.everyone())


def relabelled_namespaces(cluster, kinds):
    team = {'namespaces': labels(team='new')}
    cluster.apply(kinds.admin('deny', 10, team, ingress=[rule('Deny', namespace('z'))]))
    cluster.expect(cluster.everyone())
    cluster.label_namespace('y', ns='y', team='new')
    cluster.expect(cluster.everyone().close('z/*', 'y/*'))
    cluster.label_namespace('z', ns='other')
    cluster.expect(cluster.everyone())


def node_peers_are_refused(cluster, kinds):
    policy = kinds.admin('nodes', 10, X, egress=[rule('Deny', {'nodes': {}})])
    for host in cluster.hosts:
        done = host.try_weft('policy', 'apply', '-f', '-', text_input=policy.text)
        assert done.returncode == 1 and 'spec.egress[0].to[0].nodes' in done.stderr, done.stderr
    cluster.expect(cluster.everyone())


# --- of one version


def priorities_of_the_baseline(cluster):
    kinds = ClusterKinds()
    cluster.apply(kinds.baseline(X, ingress=[rule('Deny', ANYBODY)], name='a', priority=20), kinds.baseline(X, ingress=[rule('Allow', Y)], name='b', priority=10))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


def both_versions_in_one_order(cluster):
    cluster.apply(ClusterKinds().admin('first', 10, X, ingress=[rule('Allow', pod('y', 'a'))]), AdminKinds().admin('second', 20, X, ingress=[rule('Deny', Y)]),
                  ClusterKinds().admin('third', 30, X, ingress=[rule('Allow', Y), rule('Deny', Z)]))
    cluster.expect(cluster.everyone().close('y/b, y/c, z/*', 'x/*'))


def the_one_baseline_is_asked_last(cluster):
    cluster.apply(AdminKinds().baseline(X, ingress=[rule('Deny', ANYBODY)]), ClusterKinds().baseline(X, ingress=[rule('Allow', Y)], priority=1000))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('y/*', 'x/*'))


CASES = (denied_ingress, denied_egress, what_no_rule_names_is_allowed, subjects_of_every_namespace, peers_by_expression, named_port, named_port_that_nobody_has,
         range_of_ports, several_ports, denied_networks, networks_on_a_port, smaller_network_before_a_greater, first_rule_that_matches_decides,
         smaller_priority_decides, changed_priority, equal_priorities_go_by_name, greatest_and_smallest_priority, priorities_by_port, both_ends_are_asked,
         allowed_ingress_over_a_network_policy, allowed_egress_over_a_network_policy, denied_over_a_network_policy, passed_to_network_policies,
         passed_egress_to_network_policies, passed_on_one_port, passed_to_the_baseline, passed_to_nobody, baseline_denies, first_rule_of_the_baseline_decides,
         any_network_policy_overrides_the_baseline, network_policy_denies_what_the_baseline_allows,
         network_policy_of_one_direction_leaves_the_baseline_the_other, admin_overrides_the_baseline, baseline_for_networks_and_ports, all_three_tiers,
         audited_deny_enforces_nothing, audited_allow_enforces_nothing, audited_baseline_enforces_nothing, deleted_policies_decide_nothing,
         relabelled_namespaces, node_peers_are_refused)


def in_words(kinds, case, **more):
    """The case in one version of the API."""
    @functools.wraps(case)
    def run(cluster):
        case(cluster, kinds, **more)

    run.__name__ = '_'.join([kinds.title, *more.values(), case.__name__])
    return run


def all_cases():
    cases = []
    for kinds in (ClusterKinds(), AdminKinds()):
        cases += [in_words(kinds, one_protocol, tier=tier, direction=direction, protocol=protocol)
                  for tier in ('admin', 'baseline') for direction in ('ingress', 'egress') for protocol in PROTOCOLS]
        cases += [in_words(kinds, case) for case in CASES]
    return [*cases, priorities_of_the_baseline, both_versions_in_one_order, the_one_baseline_is_asked_last]


harness.need_root()
with_cluster('policy tiers', all_cases(), one_in=11)
harness.finish()
