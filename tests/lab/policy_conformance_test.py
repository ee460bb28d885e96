#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What Kubernetes' network end-to-end suite asks of NetworkPolicy, one case for each of its own: policies on a cluster of three namespaces with three pods
each (cluster.py draws it), and after each step who reaches whom, all pods asked about all others over IPv4 and IPv6. Expectations are written by hand."""
import harness
from cluster import TCP_80, network_policy, with_cluster

TCP_81, UDP_80, UDP_81, SCTP_80, SCTP_81 = ('tcp', 81), ('udp', 80), ('udp', 81), ('sctp', 80), ('sctp', 81)

# --- words of the policies

A = 'podSelector: {matchLabels: {pod: a}}'
B = 'podSelector: {matchLabels: {pod: b}}'
ALL = 'podSelector: {}'
OF_Y = 'namespaceSelector: {matchLabels: {ns: y}}'
OF_OTHERS = 'namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}'
B_OR_C = 'podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}'


def ingress(target, *rules, name='in', namespace='x'):
    return network_policy(namespace, name, f"{target}, policyTypes: [Ingress], ingress: [{', '.join(rules)}]")


def egress(target, *rules, name='out', namespace='x'):
    return network_policy(namespace, name, f"{target}, policyTypes: [Egress], egress: [{', '.join(rules)}]")


def peers(word, *each):
    return f"{word}: [{', '.join(f'{{{peer}}}' for peer in each)}]"


def rule(*parts):
    return f"{{{', '.join(parts)}}}"


def from_(*each):
    return rule(peers('from', *each))


def to(*each):
    return rule(peers('to', *each))


def ports(*each):
    return f"ports: [{', '.join(f'{{{port}}}' for port in each)}]"


def block(cidr, *excepted):
    return f"ipBlock: {{cidr: '{cidr}', except: [{', '.join(repr(each) for each in excepted)}]}}"


def blocks(cluster, which):
    """Peers of its IPv4 and its IPv6 address."""
    return map(block, cluster.blocks(which))


PODS = ('10.244.0.0/16', 'fd00:244::/48')  # where pods have their addresses

# --- the cases


def default_deny_of_ingress(cluster):
    cluster.apply(ingress(ALL))
    cluster.expect(cluster.everyone().close('*', 'x/*'))


def default_deny_of_all(cluster):
    cluster.apply(network_policy('x', 'all', f'{ALL}, policyTypes: [Ingress, Egress]'))
    cluster.expect(cluster.everyone().close('*', 'x/*').close('x/*', '*'))


def pods_of_the_same_namespace_by_selector(cluster):
    cluster.apply(ingress(A, from_(B)))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b', 'x/a'))


def ingress_to_one_target_over_a_default_deny(cluster):
    cluster.apply(ingress(ALL, name='deny'))
    cluster.expect(cluster.everyone().close('*', 'x/*'))
    cluster.apply(ingress(A, '{}'))
    cluster.expect(cluster.everyone().close('*', 'x/*').open('*', 'x/a'))


def ingress_from_all_namespaces(cluster):
    cluster.apply(ingress(ALL, name='deny'), ingress(A, from_('namespaceSelector: {}')))
    cluster.expect(cluster.everyone().close('*', 'x/b, x/c'))


def ingress_from_a_namespace(cluster):
    cluster.apply(ingress(A, from_(OF_Y)))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'))


def ingress_from_pods_by_expression(cluster):
    cluster.apply(ingress(A, from_(B_OR_C)))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b, x/c', 'x/a'))


def ingress_from_namespaces_by_expression(cluster):
    cluster.apply(ingress(A, from_(OF_OTHERS)))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/*, z/*', 'x/a'))


def ingress_from_pods_or_a_namespace(cluster):
    cluster.apply(ingress(A, from_(B, OF_Y)))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b, y/*', 'x/a'))


def ingress_from_pods_of_a_namespace(cluster):
    cluster.apply(ingress(A, from_(f'{OF_Y}, {B}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/b', 'x/a'))


def ingress_from_several_pods_of_several_namespaces(cluster):
    cluster.apply(ingress(A, from_(f'{OF_OTHERS}, {B_OR_C}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/b, y/c, z/b, z/c', 'x/a'))


def ingress_from_any_of_several_peers(cluster):
    cluster.apply(ingress(A, from_(B, 'podSelector: {matchLabels: {pod: c}}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b, x/c', 'x/a'))


def ingress_from_a_pod_of_another_namespace(cluster):
    cluster.apply(ingress(A, from_(f'{OF_Y}, {A}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/a', 'x/a'))


def ingress_to_a_port(cluster):
    cluster.apply(ingress(A, rule(peers('from', OF_Y), ports('port: 81'))))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({TCP_81: cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'), TCP_80: closed, UDP_81: closed})


def stacked_policies_with_overlapping_selectors(cluster):
    cluster.apply(ingress(A, rule(peers('from', OF_Y), ports('port: 81')), name='first'))
    from_y = cluster.everyone().close('*', 'x/a').open('y/*', 'x/a')
    cluster.expect_flows({TCP_81: from_y, TCP_80: cluster.everyone().close('*', 'x/a')})
    cluster.apply(ingress(A, rule(peers('from', OF_Y), ports('port: 80')), name='second'))
    cluster.expect(from_y, flows=(TCP_80, TCP_81))


def ingress_of_all(cluster):
    cluster.apply(ingress(ALL, '{}'))
    cluster.expect(cluster.everyone(), flows=(TCP_80, TCP_81, UDP_80, SCTP_80))


def ingress_to_a_named_port(cluster):
    cluster.apply(ingress(A, rule(ports('port: serve-80-tcp'))))
    cluster.expect_flows({TCP_80: cluster.everyone(), TCP_81: cluster.everyone().close('*', 'x/a')})


def ingress_from_a_namespace_to_a_named_port(cluster):
    cluster.apply(ingress(A, rule(peers('from', OF_Y), ports('port: serve-80-tcp'))))
    cluster.expect_flows({TCP_80: cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'), TCP_81: cluster.everyone().close('*', 'x/a')})


def egress_to_a_named_port(cluster):
    cluster.apply(egress(A, rule(ports('port: serve-80-tcp'))))
    cluster.expect_flows({TCP_80: cluster.everyone(), TCP_81: cluster.everyone().close('x/a', '*')})


def updated_policy(cluster):
    cluster.apply(ingress(A, '{}'))
    cluster.expect(cluster.everyone())
    cluster.apply(ingress(A))
    cluster.expect(cluster.everyone().close('*', 'x/a'))
    cluster.apply(ingress(B, from_(OF_Y)))
    cluster.expect(cluster.everyone().close('*', 'x/b').open('y/*', 'x/b'))


def relabelled_namespace(cluster):
    cluster.apply(ingress(A, from_('namespaceSelector: {matchLabels: {team: new}}')))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect(closed)
    cluster.label_namespace('y', ns='y', team='new')
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'))
    cluster.label_namespace('y', ns='y')
    cluster.expect(closed)


def relabelled_peer(cluster):
    cluster.apply(ingress(A, from_(f'{OF_Y}, podSelector: {{matchLabels: {{role: client}}}}')))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect(closed)
    cluster.relabel_pod('y/b', pod='b', role='client')
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/b', 'x/a'))
    cluster.relabel_pod('y/b', pod='b')
    cluster.expect(closed)


def ingress_denied_from_other_namespaces(cluster):
    cluster.apply(ingress(ALL, from_(ALL)))
    cluster.expect(cluster.everyone().close('y/*, z/*', 'x/*'))


def relabelled_target(cluster):
    cluster.apply(ingress('podSelector: {matchLabels: {role: server}}'))
    cluster.expect(cluster.everyone())
    cluster.relabel_pod('x/a', pod='a', role='server')
    cluster.expect(cluster.everyone().close('*', 'x/a'))
    cluster.relabel_pod('x/a', pod='a')
    cluster.expect(cluster.everyone())


def egress_denied_to_a_pod(cluster):
    cluster.apply(egress(A))
    cluster.expect(cluster.everyone().close('x/a', '*'))


def egress_denied_to_a_namespace(cluster):
    cluster.apply(egress(ALL))
    cluster.expect(cluster.everyone().close('x/*', '*'))


def ingress_and_egress_together(cluster):
    cluster.apply(network_policy('x', 'both', f"{A}, policyTypes: [Ingress, Egress], ingress: [{from_(OF_Y)}], egress: [{rule(ports('port: 80'))}]"))
    into = cluster.everyone().close('*', 'x/a').open('y/*', 'x/a')
    cluster.expect_flows({TCP_80: into, TCP_81: cluster.everyone().close('*', 'x/a').open('y/*', 'x/a').close('x/a', '*')})


def denied_egress_beats_allowed_ingress(cluster):
    cluster.apply(egress(A, namespace='y'), ingress(A, from_(f'{OF_Y}, {A}')))
    cluster.expect(cluster.everyone().close('y/a', '*').close('*', 'x/a'))
    cluster.apply(egress(A, to('namespaceSelector: {matchLabels: {ns: x}}'), namespace='y'))
    cluster.expect(cluster.everyone().close('y/a', '*').open('y/a', 'x/b, x/c').close('*', 'x/a').open('y/a', 'x/a'))


def egress_to_a_pod_of_a_namespace(cluster):
    cluster.apply(egress(A, to(f'{OF_Y}, {A}')))
    cluster.expect(cluster.everyone().close('x/a', '*').open('x/a', 'y/a'))


def protocol_without_a_port(cluster):
    cluster.apply(ingress(A, rule(ports('protocol: TCP'))))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({TCP_80: cluster.everyone(), TCP_81: cluster.everyone(), UDP_80: closed, SCTP_80: closed})


def ingress_of_all_in_union(cluster):
    cluster.apply(ingress(A, from_(B), name='some'))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b', 'x/a'))
    cluster.apply(ingress(ALL, '{}', name='all'))
    cluster.expect(cluster.everyone())


def egress_to_all_in_union(cluster):
    cluster.apply(egress(A, to(B), name='some'))
    cluster.expect(cluster.everyone().close('x/a', '*').open('x/a', 'x/b'))
    cluster.apply(egress(ALL, '{}', name='all'))
    cluster.expect(cluster.everyone())


def deletion_ends_enforcement(cluster):
    policy = network_policy('x', 'all', f'{ALL}, policyTypes: [Ingress, Egress]')
    cluster.apply(policy)
    cluster.expect(cluster.everyone().close('*', 'x/*').close('x/*', '*'))
    cluster.delete(policy)
    cluster.expect(cluster.everyone())


def egress_to_a_block(cluster):
    cluster.apply(egress(A, to(*blocks(cluster, 'y/b'))))
    cluster.expect(cluster.everyone().close('x/a', '*').open('x/a', 'y/b'))
    cluster.apply(egress(A, to(block(cluster.blocks('y/b')[0]))))
    cluster.expect(cluster.everyone().close('x/a', '*').open('x/a', 'y/b'), families=(0,))
    cluster.expect(cluster.everyone().close('x/a', '*'), families=(1,))


def egress_to_all_of_a_block_except_a_part(cluster):
    cluster.apply(egress(A, to(*map(block, PODS, cluster.blocks('y/b')))))
    cluster.expect(cluster.everyone().close('x/a', 'y/b'))


def what_is_excepted_is_allowed_by_another_policy(cluster):
    cluster.apply(egress(A, to(*map(block, PODS, cluster.blocks('y/b'))), name='most'))
    cluster.expect(cluster.everyone().close('x/a', 'y/b'))
    cluster.apply(egress(A, to(*blocks(cluster, 'y/b')), name='rest'))
    cluster.expect(cluster.everyone())


def ingress_and_egress_are_independent(cluster):
    # a may be asked by b, and may not ask b; then the other way round.
    cluster.apply(ingress(A, from_(B)), egress(A))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('x/b', 'x/a').close('x/a', '*'))
    cluster.apply(ingress(A), egress(A, to(B)))
    cluster.expect(cluster.everyone().close('*', 'x/a').close('x/a', '*').open('x/a', 'x/b'))


def sctp_rule_does_not_allow_tcp(cluster):
    cluster.apply(ingress(A, rule(ports('protocol: SCTP, port: 81'))))
    cluster.expect_flows({TCP_81: cluster.everyone().close('*', 'x/a'), SCTP_81: cluster.everyone()})


def sctp_rule_still_isolates(cluster):
    cluster.apply(ingress(A, rule(ports('protocol: SCTP, port: 80'))))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({TCP_80: closed, TCP_81: closed, UDP_80: closed, SCTP_81: closed, SCTP_80: cluster.everyone()})


def udp_rule_blocks_tcp(cluster):
    cluster.apply(ingress(A, rule(ports('protocol: UDP, port: 81'))))
    cluster.expect_flows({TCP_81: cluster.everyone().close('*', 'x/a'), UDP_81: cluster.everyone()})


def default_label_of_a_namespace(cluster):
    cluster.apply(ingress(A, from_('namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'))


def default_label_of_a_namespace_by_expression(cluster):
    cluster.apply(ingress(A, from_('namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [y]}]}')))
    cluster.expect(cluster.everyone().close('y/*', 'x/a'))


def default_deny(cluster, protocol):
    cluster.apply(ingress(ALL))
    cluster.expect(cluster.everyone().close('*', 'x/*'), flows=((protocol, 80), (protocol, 81)))


def one_port(cluster, protocol):
    cluster.apply(ingress(A, rule(peers('from', OF_Y), ports(f'protocol: {protocol.upper()}, port: 81'))))
    closed = cluster.everyone().close('*', 'x/a')
    cluster.expect_flows({(protocol, 81): cluster.everyone().close('*', 'x/a').open('y/*', 'x/a'), (protocol, 80): closed, TCP_81: closed})


def pod_of_a_namespace(cluster, protocol):
    cluster.apply(ingress(A, from_(f'{OF_Y}, {A}')))
    cluster.expect(cluster.everyone().close('*', 'x/a').open('y/a', 'x/a'), flows=((protocol, 80),))


def default_deny_of_udp(cluster):
    default_deny(cluster, 'udp')


def ingress_to_a_port_of_udp(cluster):
    one_port(cluster, 'udp')


def ingress_from_a_pod_of_a_namespace_by_udp(cluster):
    pod_of_a_namespace(cluster, 'udp')


def default_deny_of_sctp(cluster):
    default_deny(cluster, 'sctp')


def ingress_to_a_port_of_sctp(cluster):
    one_port(cluster, 'sctp')


def ingress_from_a_pod_of_a_namespace_by_sctp(cluster):
    pod_of_a_namespace(cluster, 'sctp')


CASES = (default_deny_of_ingress, default_deny_of_all, pods_of_the_same_namespace_by_selector, ingress_to_one_target_over_a_default_deny,
         ingress_from_all_namespaces, ingress_from_a_namespace, ingress_from_pods_by_expression, ingress_from_namespaces_by_expression,
         ingress_from_pods_or_a_namespace, ingress_from_pods_of_a_namespace, ingress_from_several_pods_of_several_namespaces,
         ingress_from_any_of_several_peers, ingress_from_a_pod_of_another_namespace, ingress_to_a_port, stacked_policies_with_overlapping_selectors,
         ingress_of_all, ingress_to_a_named_port, ingress_from_a_namespace_to_a_named_port, egress_to_a_named_port, updated_policy, relabelled_namespace,
         relabelled_peer, ingress_denied_from_other_namespaces, relabelled_target, egress_denied_to_a_pod, egress_denied_to_a_namespace,
         ingress_and_egress_together, denied_egress_beats_allowed_ingress, egress_to_a_pod_of_a_namespace, protocol_without_a_port,
         ingress_of_all_in_union, egress_to_all_in_union, deletion_ends_enforcement, egress_to_a_block, egress_to_all_of_a_block_except_a_part,
         what_is_excepted_is_allowed_by_another_policy, ingress_and_egress_are_independent, sctp_rule_does_not_allow_tcp, sctp_rule_still_isolates,
         udp_rule_blocks_tcp, default_label_of_a_namespace, default_label_of_a_namespace_by_expression, default_deny_of_udp, ingress_to_a_port_of_udp,
         ingress_from_a_pod_of_a_namespace_by_udp, default_deny_of_sctp, ingress_to_a_port_of_sctp, ingress_from_a_pod_of_a_namespace_by_sctp)

harness.need_root()
with_cluster('policy conformance', CASES, one_in=5)
harness.finish()
