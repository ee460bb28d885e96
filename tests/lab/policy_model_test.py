#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Hand-written examples for policy_model.py, which tells the generated policies' tests what to expect. Needs no lab."""
import pathlib
import sys

from policy_model import Model, Pod, selects

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from cases import run_cases  # noqa: E402

PORTS = (('http', 'TCP', 80), ('http', 'UDP', 8080))
PODS = {'web': Pod('shop', {'app': 'web'}, ('10.0.0.1', 'fd00::1'), PORTS),
        'client': Pod('shop', {'app': 'client'}, ('10.0.0.2', 'fd00::2')),
        'guest': Pod('guests', {'app': 'client'}, ('10.0.1.1', 'fd00:1::1'))}
NAMESPACES = {'shop': {'team': 'blue'}, 'guests': {}}


def policy(namespace='shop', **spec):
    return {'metadata': {'namespace': namespace, 'name': 'p'}, 'spec': spec}


def who_reaches(target, policies, protocol='TCP', port=80, family=0):
    model = Model(NAMESPACES, PODS, policies)
    return {source for source in PODS if source != target and model.allows(source, target, family, protocol, port)}


def expect(wanted, *arguments, **more):
    found = who_reaches(*arguments, **more)
    assert found == set(wanted.split()), f'{found}, not {wanted}'


WEB = {'podSelector': {'matchLabels': {'app': 'web'}}}


def without_policies_all_is_allowed():
    expect('client guest', 'web', [])


def who_is_selected_is_isolated():
    expect('', 'web', [policy(**WEB)])
    expect('', 'web', [policy()])
    expect('web guest', 'client', [policy(**WEB)])
    expect('client guest', 'web', [policy('guests')])


def absent_types_follow_the_sections():
    expect('web guest', 'client', [policy(**WEB, egress=[])])
    expect('guest', 'client', [policy(**WEB, egress=[{'to': [{'namespaceSelector': {'matchLabels': {'team': 'none'}}}]}])])
    expect('guest', 'client', [policy(**WEB, policyTypes=['Egress'])])
    expect('client guest', 'web', [policy(**WEB, policyTypes=['Egress'])])


def peers_without_a_namespace_are_of_the_policy_s_own():
    clients = {'podSelector': {'matchLabels': {'app': 'client'}}}
    expect('client', 'web', [policy(**WEB, ingress=[{'from': [clients]}])])
    expect('client guest', 'web', [policy(**WEB, ingress=[{'from': [{**clients, 'namespaceSelector': {}}]}])])
    expect('guest', 'web', [policy(**WEB, ingress=[{'from': [{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': 'guests'}}}]}])])
    expect('client', 'web', [policy(**WEB, ingress=[{'from': [{'namespaceSelector': {'matchExpressions': [{'key': 'team', 'operator': 'Exists'}]}}]}])])


def an_empty_list_of_peers_is_everyone_and_no_rule_is_no_one():
    expect('client guest', 'web', [policy(**WEB, ingress=[{'from': []}])])
    expect('client guest', 'web', [policy(**WEB, ingress=[{}])])
    expect('', 'web', [policy(**WEB, ingress=[])])


def policies_add_up():
    expect('guest', 'web', [policy(), policy(**WEB, ingress=[{'from': [{'ipBlock': {'cidr': '10.0.1.0/24'}}]}])])


def blocks_are_of_one_family_less_their_exceptions():
    rules = [{'from': [{'ipBlock': {'cidr': '10.0.0.0/16', 'except': ['10.0.1.0/24']}}]}]
    expect('client', 'web', [policy(**WEB, ingress=rules)])
    expect('', 'web', [policy(**WEB, ingress=rules)], family=1)
    rules.append({'from': [{'ipBlock': {'cidr': 'fd00:1::/32'}}]})
    expect('guest', 'web', [policy(**WEB, ingress=rules)], family=1)


def ports_are_of_tcp_unless_they_say_otherwise():
    number = [policy(**WEB, ingress=[{'ports': [{'port': 80}]}])]
    expect('client guest', 'web', number)
    expect('', 'web', number, port=81)
    expect('', 'web', number, protocol='UDP')
    expect('', 'web', [policy(**WEB, ingress=[{'ports': [{}]}])], protocol='SCTP')
    expect('client guest', 'web', [policy(**WEB, ingress=[{'ports': [{}]}])], port=9)
    expect('client guest', 'web', [policy(**WEB, ingress=[{'ports': []}])], protocol='SCTP')


def ranges_include_their_ends():
    ranged = [policy(**WEB, ingress=[{'ports': [{'port': 53, 'endPort': 80}]}])]
    for port, wanted in ((52, ''), (53, 'client guest'), (80, 'client guest'), (81, '')):
        expect(wanted, 'web', ranged, port=port)


def names_are_the_target_s():
    tcp, udp = ([policy(**WEB, ingress=[{'ports': [{'port': 'http', 'protocol': protocol}]}])] for protocol in ('TCP', 'UDP'))
    expect('client guest', 'web', tcp)
    expect('', 'web', tcp, port=8080)
    expect('client guest', 'web', udp, protocol='UDP', port=8080)
    expect('', 'web', udp, protocol='UDP')
    out = [policy(podSelector={'matchLabels': {'app': 'client'}}, policyTypes=['Egress'], egress=[{'ports': [{'port': 'http'}]}])]
    expect('client guest', 'web', out)
    expect('web', 'guest', out)


def both_ends_are_asked():
    out = policy('guests', policyTypes=['Egress'])
    expect('client', 'web', [out])
    expect('client', 'web', [out, policy(**WEB, ingress=[{}])])


def negative_expressions_match_absent_keys():
    for operator, values, wanted in (('In', ['b'], (False, True, False)), ('NotIn', ['b'], (True, False, True)), ('Exists', [], (False, True, True)),
                                     ('DoesNotExist', [], (True, False, False))):
        selector = {'matchExpressions': [{'key': 'a', 'operator': operator, 'values': values}]}
        assert tuple(selects(selector, labels) for labels in ({}, {'a': 'b'}, {'a': 'c'})) == wanted, operator


run_cases(without_policies_all_is_allowed, who_is_selected_is_isolated, absent_types_follow_the_sections, peers_without_a_namespace_are_of_the_policy_s_own,
          an_empty_list_of_peers_is_everyone_and_no_rule_is_no_one, policies_add_up, blocks_are_of_one_family_less_their_exceptions,
          ports_are_of_tcp_unless_they_say_otherwise, ranges_include_their_ends, names_are_the_target_s, both_ends_are_asked,
          negative_expressions_match_absent_keys)
