# SPDX-License-Identifier: BSD-3-Clause
"""A small cluster on a lab: namespaces x, y and z with pods a, b and c in each, on three hosts so that each namespace and each name has one pod on every host.
A pod's program (pod_program.py) runs as long as the cluster and is asked by lines of JSON, so that asking all pods about all pods takes no longer than
what is dropped needs to count as silent.

  h1: x/a y/b z/c      h2: x/b y/c z/a      h3: x/c y/a z/b         labels: pod=a, of the namespace ns=x; named ports serve-80-tcp ... serve-81-sctp"""
import concurrent.futures
import dataclasses
import functools
import json
import pathlib
import subprocess
import time

import harness
from lablib import hosts, namespaces
from lablib.command import LabError, environment, in_netns, wait_until
from reachability import Reachability

PORTS = (80, 81)
PROTOCOLS = ('tcp', 'udp', 'sctp')
HOSTS = 3
OPTIONS = {'hosts': HOSTS, 'endpoints': 0}
TCP_80 = ('tcp', 80)
LOST_S = 2.0
SPREADING_S = 5.0
NAMESPACES = ('x', 'y', 'z')
NAMES = ('a', 'b', 'c')


@dataclasses.dataclass(frozen=True)
class Policy:
    """`name` is what `weft policy delete` takes, `text` one document of YAML."""
    name: str
    text: str


def network_policy(namespace, name, spec):
    """A NetworkPolicy; the spec is a dict, or the inside of YAML's braces."""
    spec = spec if isinstance(spec, str) else json.dumps(spec)[1:-1]
    return Policy(f'{namespace}/{name}', 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n'
                  f'metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n')


class Pod:
    """An endpoint and the program in it."""

    def __init__(self, host, namespace, name, netns):
        self.host = host
        self.namespace = namespace
        self.netns = netns
        self.endpoint = f'{namespace}-{name}'
        self.own_labels = self.labels = {'pod': name}
        self.addresses = []
        self.program = None

    def attach(self, labels):
        """Once more with the same addresses, if it had some: an endpoint's labels are given when it is added."""
        words = [word for key, value in labels.items() for word in ('--label', f'{key}={value}')]
        words += [word for port in PORTS for protocol in PROTOCOLS for word in ('--named-port', f'serve-{port}-{protocol}={port}/{protocol.upper()}')]
        words += [word for address in self.addresses for word in ('--address', address)]
        self.host.weft('endpoint', 'add', self.endpoint, '--netns', f'/run/netns/{self.netns}', '--namespace', self.namespace, *words)
        self.labels = labels
        self.addresses = hosts.interface_addresses(self.netns, 'eth0')

    def detach(self):
        self.host.weft('endpoint', 'delete', self.endpoint)

    def start(self):
        program = pathlib.Path(__file__).with_name('pod_program.py')
        self.program = subprocess.Popen(in_netns(self.netns, '/usr/bin/python3', '-I', program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment())

    def say(self, value):
        self.program.stdin.write(json.dumps(value) + '\n')
        self.program.stdin.flush()

    def hear(self):
        line = self.program.stdout.readline()
        if not line:
            raise LabError(f'the program in {self.endpoint} ended with {self.program.wait()}')
        return line

    def end(self):
        if self.program is not None:
            self.program.kill()
            self.program.communicate()


class Cluster:
    def __init__(self, lab):
        self.lab = lab
        self.hosts = list(lab.hosts.values())
        self.pods = {}
        self.namespaces = {}  # and their labels, as they are now
        self.policies = []  # names
        self.pool = concurrent.futures.ThreadPoolExecutor(HOSTS)
        self.extra = []  # pods that a case added
        self.spreading = True  # labels changed, which other hosts learn by BGP

    def __enter__(self):
        try:
            for namespace in NAMESPACES:
                self.label_namespace(namespace, ns=namespace)
            for column, namespace in enumerate(NAMESPACES):
                for row, name in enumerate(NAMES):
                    self.make_pod(self.hosts[(row - column) % HOSTS], namespace, name)
            list(self.pool.map(self.attach_all, self.hosts))
            for pod in self.pods.values():
                if pod.hear() != 'ready\n':
                    raise LabError(f'the program in {pod.endpoint} did not start')
            self.wait_for_routes()
            self.expect(self.everyone(), flows=[(protocol, port) for protocol in PROTOCOLS for port in PORTS])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for pod in self.pods.values():
            pod.end()
        self.pool.shutdown()

    # --- pods and namespaces

    def make_pod(self, host, namespace, name):
        pod = Pod(host, namespace, name, namespaces.add(self.lab.state, f'{self.lab.name}-{namespace}-{name}'))
        self.pods[f'{namespace}/{name}'] = pod
        pod.start()
        return pod

    def attach_all(self, host):
        for pod in self.pods.values():
            if pod.host is host:
                pod.attach(pod.labels)

    def add_pod(self, which, host=0):
        """One more pod, until the case ends."""
        pod = self.make_pod(self.hosts[host], *which.split('/'))
        self.extra.append(which)
        pod.attach(pod.labels)
        pod.hear()
        self.wait_for_routes()
        self.spreading = True

    def delete_pod(self, which):
        pod = self.pods.pop(which)
        self.extra.remove(which)
        pod.detach()
        pod.end()
        namespaces.delete(self.lab.state, pod.netns)

    def relabel_pod(self, which, **labels):
        """These are all its labels then."""
        pod = self.pods[which]
        pod.detach()
        pod.attach(labels)
        self.wait_for_routes()
        self.spreading = True

    def label_namespace(self, namespace, **labels):
        self.everywhere('namespace', 'set', namespace, *(f'{key}={value}' for key, value in labels.items()))
        self.namespaces[namespace] = labels
        self.spreading = True

    def delete_namespace(self, namespace):
        self.everywhere('namespace', 'delete', namespace)
        self.namespaces.pop(namespace)
        self.spreading = True

    def wait_for_routes(self):
        wanted = {address for pod in self.pods.values() for address in pod.addresses}
        list(self.pool.map(lambda host: wait_until(lambda: wanted <= host.reachable(), f'routes to all pods on {host.name}', 10), self.hosts))

    def addresses(self, which):
        """Its IPv4 address, and its IPv6 address."""
        return self.pods[which].addresses

    def blocks(self, which):
        """The same as what an ipBlock's cidr wants."""
        return [f"{address}/{128 if ':' in address else 32}" for address in self.addresses(which)]

    # --- policy

    def everywhere(self, *words, text_input=None):
        list(self.pool.map(lambda host: host.weft(*words, text_input=text_input), self.hosts))

    def apply(self, *policies):
        self.everywhere('policy', 'apply', '-f', '-', text_input='---\n'.join(policy.text for policy in policies))
        self.policies += [policy.name for policy in policies if policy.name not in self.policies]

    def delete(self, *policies):
        for policy in policies:
            self.everywhere('policy', 'delete', policy.name)
            self.policies.remove(policy.name)

    def reset(self):
        """Without policies, its pods and namespaces as they were at first."""
        for name in self.policies:
            self.everywhere('policy', 'delete', name)
        self.policies = []
        for which in list(self.extra):
            self.delete_pod(which)
        for which, pod in self.pods.items():
            if pod.labels != pod.own_labels:
                self.relabel_pod(which, **pod.own_labels)
        for namespace in list(self.namespaces):
            if namespace not in NAMESPACES:
                self.delete_namespace(namespace)
            elif self.namespaces[namespace] != {'ns': namespace}:
                self.label_namespace(namespace, ns=namespace)
        if self.spreading:
            self.expect(self.everyone())

    # --- reachability

    def everyone(self):
        return Reachability(self.pods)

    def nobody(self):
        return Reachability(self.pods, False)

    def ask(self, flows, families=(0, 1)):
        """What became of each question, by (source, target, family, protocol, port)."""
        questions = {source: [(source, target, family, *flow) for flow in flows for family in families for target in self.pods if target != source]
                     for source in self.pods}
        for source, asked in questions.items():
            self.pods[source].say([(protocol, self.pods[target].addresses[family], port) for _, target, family, protocol, port in asked])
        # All are heard, so that the next answer is to the next question.
        heard = {source: self.pods[source].hear() for source in questions}
        return {question: result for source, asked in questions.items() for question, result in zip(asked, json.loads(heard[source]))}

    def expect(self, reachability, flows=(TCP_80,), families=(0, 1)):
        """All pods reach whom they shall and nobody else, or this fails. A policy is in force on a host when `weft policy apply` returns there: what gets
        through then is a fault at once. What is lost may be asked again for some time, and after a change of labels so may all."""
        self.expect_flows({flow: reachability for flow in flows}, families)

    def expect_flows(self, expected, families=(0, 1)):
        """The same, with a Reachability for each (protocol, port)."""
        self.expect_exactly({(*pair, family, *flow): reaches for flow, reachability in expected.items() for family in families
                             for pair, reaches in reachability.pairs.items()}, list(expected), families)

    def expect_exactly(self, expected, flows, families=(0, 1)):
        """The same, with a truth for each (source, target, family, protocol, port)."""
        deadline = time.monotonic() + (SPREADING_S if self.spreading else LOST_S)
        while True:
            answers = self.ask(flows, families)
            wrong = {question: answer for question, answer in answers.items() if answer != wanted(question, expected[question])}
            if not wrong:
                self.spreading = False
                return
            if time.monotonic() > deadline or not (self.spreading or all(answer == 'silent' for answer in wrong.values())):
                break
        raise AssertionError(f'{len(wrong)} of {len(answers)} are not as expected: ' + '; '.join(
            f"{source} to {target} {protocol} {port} by IPv{'46'[family]}: {answer}, not {wanted(question, expected[question])}"
            for question, answer in list(wrong.items())[:9] for source, target, family, protocol, port in [question]))


def wanted(question, reaches):
    if not reaches:
        return 'silent'
    return 'open' if question[-1] in PORTS else 'closed'


def with_cluster(title, cases, one_in):
    """The cases on one cluster for each fast path and on one with both; each leaves it as it was. In a short run a few, the fast paths in turn."""
    def tidy(case):
        @functools.wraps(case)
        def run(cluster):
            try:
                case(cluster)
            finally:
                cluster.reset()
        return run

    if harness.everything():
        chosen = {fastpath: cases for fastpath in (*harness.BOTH, harness.MIXED)}
    else:
        few = cases[1::one_in]
        chosen = {fastpath: few[turn::2] for turn, fastpath in enumerate(harness.BOTH)}
    for fastpath, some in chosen.items():
        harness.with_one_lab(f'{fastpath}: {title}', {**OPTIONS, 'fastpath': fastpath}, *map(tidy, some), stage=Cluster)
