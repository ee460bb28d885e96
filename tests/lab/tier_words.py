# SPDX-License-Identifier: BSD-3-Clause
"""Policies of the admin and the baseline tier, said once and written in either of the API's two versions: ClusterNetworkPolicy (v1alpha2) with its tier in a
field, and AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1).

  AdminKinds.admin('web', 10, namespace('x'), ingress=[rule('Deny', namespace('y'), ports=['tcp 80', 'udp 53-80', 'serve-80-tcp'])])"""
import json

from cluster import Policy


def labels(**wanted):
    return {'matchLabels': wanted}


def namespace(name):
    return {'namespaces': labels(ns=name)}


def pod(in_namespace, name):
    return {'pods': {'namespaceSelector': labels(ns=in_namespace), 'podSelector': labels(pod=name)}}


def networks(*cidrs):
    return {'networks': list(cidrs)}


ANYBODY = {'namespaces': {}}


def rule(action, *peers, ports=()):
    return action, peers, ports


def document(kind, version, prefix, name, spec, audit):
    metadata = {'name': name, **({'annotations': {'weft.dev/audit': 'true'}} if audit else {})}
    return Policy(f'{prefix}:{name}', json.dumps({'apiVersion': f'policy.networking.k8s.io/{version}', 'kind': kind, 'metadata': metadata, 'spec': spec}) + '\n')


def parts(port):
    """Protocol, first and last port of 'tcp 80-81'."""
    protocol, numbers = port.split()
    first, _, last = numbers.partition('-')
    return protocol, int(first), int(last or first)


class Words:
    """What the versions share; `allow`, `ports` and `port` are their own."""

    def rules(self, word, rules):
        written = []
        for action, peers, ports in rules:
            each = {'action': self.allow if action == 'Allow' else action, word: list(peers)}
            if ports:
                each[self.ports] = [self.port(port) for port in ports]
            written.append(each)
        return written

    def spec(self, subject, ingress, egress, **more):
        return {**more, 'subject': subject, 'ingress': self.rules('from', ingress), 'egress': self.rules('to', egress)}


class ClusterKinds(Words):
    title = 'ClusterNetworkPolicy'
    allow = 'Accept'
    ports = 'protocols'

    @staticmethod
    def port(port):
        if ' ' not in port:
            return {'destinationNamedPort': port}
        protocol, first, last = parts(port)
        return {protocol: {'destinationPort': {'number': first} if first == last else {'range': {'start': first, 'end': last}}}}

    def policy(self, tier, name, priority, subject, ingress, egress, audit):
        return document('ClusterNetworkPolicy', 'v1alpha2', 'cnp', name, self.spec(subject, ingress, egress, tier=tier, priority=priority), audit)

    def admin(self, name, priority, subject, ingress=(), egress=(), audit=False):
        return self.policy('Admin', name, priority, subject, ingress, egress, audit)

    def baseline(self, subject, ingress=(), egress=(), audit=False, name='baseline', priority=500):
        return self.policy('Baseline', name, priority, subject, ingress, egress, audit)


class AdminKinds(Words):
    title = 'AdminNetworkPolicy'
    allow = 'Allow'
    ports = 'ports'

    @staticmethod
    def port(port):
        if ' ' not in port:
            return {'namedPort': port}
        protocol, first, last = parts(port)
        if first == last:
            return {'portNumber': {'protocol': protocol.upper(), 'port': first}}
        return {'portRange': {'protocol': protocol.upper(), 'start': first, 'end': last}}

    def admin(self, name, priority, subject, ingress=(), egress=(), audit=False):
        return document('AdminNetworkPolicy', 'v1alpha1', 'anp', name, self.spec(subject, ingress, egress, priority=priority), audit)

    def baseline(self, subject, ingress=(), egress=(), audit=False):
        return document('BaselineAdminNetworkPolicy', 'v1alpha1', 'banp', 'default', self.spec(subject, ingress, egress), audit)
