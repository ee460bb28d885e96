# SPDX-License-Identifier: BSD-3-Clause
"""What NetworkPolicy objects mean, straight from the API's description and as slowly as it reads: given namespaces, pods and objects, may this connection be?
An ipBlock means addresses, those of pods too (docs/policy.md). Shares nothing with weft's own compiler, which it judges."""
import dataclasses
import ipaddress


@dataclasses.dataclass(frozen=True)
class Pod:
    namespace: str
    labels: dict
    addresses: tuple = ()  # IPv4, IPv6
    ports: tuple = ()  # (name, protocol, number)


def selects(selector, labels):
    """Does a label selector select what has these labels?"""
    if any(labels.get(key) != value for key, value in selector.get('matchLabels', {}).items()):
        return False
    return all(holds(each, labels) for each in selector.get('matchExpressions', []))


def holds(expression, labels):
    key, operator, values = expression['key'], expression['operator'], expression.get('values', [])
    if operator == 'In':
        return key in labels and labels[key] in values
    if operator == 'NotIn':
        return key not in labels or labels[key] not in values
    return (key in labels) == {'Exists': True, 'DoesNotExist': False}[operator]


def types_of(spec):
    return spec.get('policyTypes') or ['Ingress', *(['Egress'] if spec.get('egress') else [])]


def in_block(block, address):
    def inside(cidr):
        network = ipaddress.ip_network(cidr)
        return network.version == address.version and address in network

    return inside(block['cidr']) and not any(map(inside, block.get('except', [])))


class Model:
    """`namespaces` are their labels by name, `pods` Pods by any name, `policies` NetworkPolicy objects as dicts."""

    def __init__(self, namespaces, pods, policies):
        self.namespaces = {name: {'kubernetes.io/metadata.name': name, **labels} for name, labels in namespaces.items()}
        self.pods = pods
        self.policies = policies

    def allows(self, source, target, family, protocol, port):
        """May `source` open a connection to that port of `target`? Protocols as in 'TCP', family 0 for IPv4 and 1 for IPv6."""
        return (self.side('Egress', source, target, family, lambda rule: self.names_port(rule, target, protocol, port))
                and self.side('Ingress', target, source, family, lambda rule: self.names_port(rule, target, protocol, port)))

    def side(self, kind, pod, peer, family, names_port):
        """One end's part: who is not isolated may do all, who is may do what any rule of any policy says."""
        section, word = {'Ingress': ('ingress', 'from'), 'Egress': ('egress', 'to')}[kind]
        isolating = [policy for policy in self.policies if kind in types_of(policy['spec']) and self.applies(policy, pod)]
        return not isolating or any(self.names_peer(rule.get(word), policy['metadata']['namespace'], peer, family) and names_port(rule)
                                    for policy in isolating for rule in policy['spec'].get(section, []))

    def applies(self, policy, pod):
        pod = self.pods[pod]
        return pod.namespace == policy['metadata']['namespace'] and selects(policy['spec'].get('podSelector', {}), pod.labels)

    def names_peer(self, peers, own_namespace, peer, family):
        """No peers are all peers."""
        pod = self.pods[peer]
        return not peers or any(self.is_meant(each, own_namespace, pod, family) for each in peers)

    def is_meant(self, peer, own_namespace, pod, family):
        if 'ipBlock' in peer:
            return in_block(peer['ipBlock'], ipaddress.ip_address(pod.addresses[family]))
        if 'namespaceSelector' in peer:
            if not selects(peer['namespaceSelector'], self.namespaces.get(pod.namespace, {'kubernetes.io/metadata.name': pod.namespace})):
                return False
        elif pod.namespace != own_namespace:
            return False
        return selects(peer.get('podSelector', {}), pod.labels)

    def names_port(self, rule, target, protocol, port):
        """No ports are all ports of all protocols; a name means what the one who is asked calls so."""
        return not rule.get('ports') or any(self.is_port(each, self.pods[target], protocol, port) for each in rule['ports'])

    @staticmethod
    def is_port(wanted, target, protocol, port):
        if wanted.get('protocol', 'TCP') != protocol:
            return False
        if 'port' not in wanted:
            return True
        if isinstance(wanted['port'], str):
            return (wanted['port'], protocol, port) in target.ports
        return wanted['port'] <= port <= wanted.get('endPort', wanted['port'])
