# SPDX-License-Identifier: BSD-3-Clause
"""Whom host_bench compares: one topology, and what stands in it between the containers.

   NAME-h1-e1            NAME-h1                          NAME-h2            NAME-h2-e1
   container: eth0 ===== host: forwards, uplink ========= uplink, forwards ===== eth0: container
                               underlay: a veth pair

   none           the hosts' kernels route the packets as they are: the ceiling of this topology
   kernel_vxlan   the hosts' kernels route them into a VXLAN device; routes, neighbours and FDB are static, as an EVPN router (symmetric IRB) sets them
   weft           a lab of tools/lablib: two agents and their fast paths, with or without policies

Namespaces are recorded as the lab's are, so `tools/lab down --name NAME` removes what even a kill -9 of the benchmark left."""
import json
import re

import cluster_policies
from lablib import addresses, namespaces, transfer
from lablib.command import LabError, attempt, run
from lablib.lab import Lab, take_down
from lablib.state import State, locked

GATEWAY, GATEWAY_MAC = '169.254.1.1', '02:77:65:66:74:01'
VXLAN_PORT = 4789
HEADERS = 50  # outer Ethernet, IPv4, UDP, VXLAN, as an underlay's MTU counts them: the inner Ethernet header in place of the outer one
PING_BYTES = 1000
CHECKED_BYTES = 20_000_003  # odd: the last segment is short, and its checksum ends on half a word


class Contestant:
    """A path between two containers. Subclasses are context managers that set the near and the far container's address. `lab` is what the names of
    their namespaces begin with; `tunnel` tells whether packets travel encapsulated."""

    def __init__(self, name, lab, tunnel):
        self.name = name
        self.lab = lab
        self.tunnel = tunnel
        self.near = self.address = None

    def netns(self, name):
        return f'{self.lab}-{name}'

    @property
    def source(self):
        return self.netns('h1-e1')

    @property
    def destination(self):
        return self.netns('h2-e1')

    def link(self, netns, device):
        return json.loads(run('ip', '-n', netns, '-j', '-s', 'link', 'show', 'dev', device))[0]

    def describe(self):
        """What the figures depend on: the container's MTU, and what the kernel leaves to the devices."""
        return {'mtu': self.link(self.source, 'eth0')['mtu'], 'eth0': offloads(self.source, 'eth0'), 'uplink': offloads(self.netns('h1'), 'uplink')}

    def check(self):
        """Raises unless this path carries what is sent, as what it claims to be."""
        ttl = self.ttl()
        if ttl != 62:
            raise LabError(f'{self.name}: a ping arrives with TTL {ttl}, want 62: two hosts forward it')
        self.check_tunnel()
        transfer.tcp(self.source, self.destination, self.address, CHECKED_BYTES)
        transfer.tcp(self.destination, self.source, self.near, CHECKED_BYTES)
        transfer.udp(self.source, self.destination, self.address, [1, 18, 333, 1200])

    def ttl(self):
        said = attempt('ping', '-n', '-c', 1, '-W', 5, self.address, netns=self.source).stdout
        found = re.search(r' ttl=(\d+) ', said)
        if found is None:
            raise LabError(f'{self.name}: no answer to a ping from {self.source} to {self.address}')
        return int(found[1])

    def check_tunnel(self):
        """The underlay's bytes tell whether packets were encapsulated; what the hosts say to each other meanwhile is far less."""
        count = 50
        before = self.received_bytes()
        run('ping', '-n', '-q', '-c', count, '-i', 0.002, '-W', 5, '-s', PING_BYTES, self.address, netns=self.source)
        added = (self.received_bytes() - before) / count - PING_BYTES - 8 - 20  # ICMP and IPv4
        if added < 0 or (added > HEADERS * 2 / 3) != self.tunnel:
            raise LabError(f"{self.name}: a packet takes {added:.0f} bytes more on the underlay than in the container, so "
                           f"{'it was not encapsulated' if self.tunnel else 'it does not travel as it is'}")

    def received_bytes(self):
        return self.link(self.netns('h2'), 'uplink')['stats64']['rx']['bytes']


def offloads(netns, device):
    features = run('ethtool', '-k', device, netns=netns)
    names = ('tx-checksumming', 'tcp-segmentation-offload', 'tx-udp_tnl-segmentation', 'generic-segmentation-offload', 'generic-receive-offload')
    return {name: re.search(rf'^\s*{name}: (\w+)', features, re.M)[1] for name in names}


class KernelPath(Contestant):
    """Plain routing, or routed VXLAN, by the kernel alone."""

    def __init__(self, name, lab, tunnel, mtu):
        super().__init__(name, lab, tunnel)
        self.mtu = mtu
        self.state = None

    def __enter__(self):
        with locked(self.lab):
            if State.load(self.lab) is not None:
                raise LabError(f'{self.lab} is in use: remove it with `tools/lab down --name {self.lab}`')
            self.state = State.create(self.lab, {'fastpath': self.name, 'mtu': self.mtu})
        try:
            hosts = [namespaces.add(self.state, self.netns(f'h{index}')) for index in (1, 2)]
            namespaces.connect_directly(*hosts, self.mtu)
            for index in (1, 2):
                self._make_host(index, 3 - index)
            self.near, self.address = self._container(1), self._container(2)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with locked(self.lab):
            take_down(self.state)

    @staticmethod
    def _container(index):
        return addresses.blocks(index)[0].replace('.0/24', '.1')

    def _make_host(self, index, other):
        host = self.netns(f'h{index}')
        namespaces.start_uplink(host, addresses.underlay_interface(index, False))
        namespaces.setting(host, 'net.ipv4.ip_forward', 1)
        self._make_container(host, index)
        self._make_route(host, index, other)

    def _make_container(self, host, index):
        netns = namespaces.add(self.state, self.netns(f'h{index}-e1'))
        mtu = self.mtu - HEADERS if self.tunnel else self.mtu
        mac = f'02:bb:00:00:00:{index:02x}'
        run('ip', 'link', 'add', 'eth0', 'netns', netns, 'mtu', mtu, 'address', mac, 'type', 'veth',
            'peer', 'name', 'container', 'netns', host, 'mtu', mtu, 'address', GATEWAY_MAC)
        run('ip', '-n', host, 'link', 'set', 'container', 'up')
        run('ip', '-n', host, 'neigh', 'add', self._container(index), 'lladdr', mac, 'dev', 'container')
        run('ip', '-n', host, 'route', 'add', f'{self._container(index)}/32', 'dev', 'container')
        run('ip', '-n', netns, 'addr', 'add', f'{self._container(index)}/32', 'dev', 'eth0')
        run('ip', '-n', netns, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', netns, 'neigh', 'add', GATEWAY, 'lladdr', GATEWAY_MAC, 'dev', 'eth0')
        run('ip', '-n', netns, 'route', 'add', 'default', 'via', GATEWAY, 'dev', 'eth0', 'onlink')

    def _make_route(self, host, index, other):
        remote = addresses.underlay_v4(other)
        device = 'uplink'
        if self.tunnel:
            device = 'vxlan'
            macs = {each: f'02:aa:00:00:00:{each:02x}' for each in (index, other)}
            # Without UDP checksums, as RFC 7348 recommends and weft does it.
            run('ip', '-n', host, 'link', 'add', device, 'address', macs[index], 'type', 'vxlan', 'id', addresses.VNI, 'dstport', VXLAN_PORT,
                'local', addresses.underlay_v4(index), 'dev', 'uplink', 'nolearning', 'noudpcsum')
            run('ip', '-n', host, 'link', 'set', device, 'up')
            run('ip', '-n', host, 'neigh', 'add', remote, 'lladdr', macs[other], 'dev', device)
            run('bridge', '-n', host, 'fdb', 'add', macs[other], 'dev', device, 'dst', remote)
        run('ip', '-n', host, 'route', 'add', f'{self._container(other)}/32', 'via', remote, 'dev', device, *(['onlink'] if self.tunnel else []))


class WeftPath(Contestant):
    def __init__(self, name, lab, options, policies=()):
        super().__init__(name, lab, tunnel=True)
        self.options = options
        self.policies = policies
        self.up = None

    def __enter__(self):
        self.up = Lab.up(self.lab, direct_underlay=True, **self.options)
        try:
            for host in self.up.hosts.values() if self.policies else ():
                host.weft('policy', 'apply', '-f', '-', text_input=cluster_policies.stream(self.policies))
        except BaseException:
            self.__exit__()
            raise
        self.near, self.address = self.up.address('h1-e1'), self.up.address('h2-e1')
        return self

    def __exit__(self, *_):
        self.up.down()
