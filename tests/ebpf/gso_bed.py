# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts joined by a veth pair, each with a container, and the programs of gso_decap.bpf.c on them: what a container sends leaves its host as VXLAN and
comes out of the other's eth0. The second container may pass it on to what lies beyond. The other way, everything is the same.

   NAME-c1: eth0 ==> NAME-h1: 101, encap, 100 ==> NAME-h2: 100, decap, 101 ==> eth0: NAME-c2 ==> veth, bridge, tunnel or TAP ==> NAME-beyond
   10.244.1.1                                                                  10.244.2.1                                        10.244.2.100
   fd00:244:0:1::1                                                             fd00:244:0:2::1                                   fd00:244:0:2::100"""
import json
import os
import pathlib
import subprocess

from lablib import namespaces
from lablib.command import LabError, environment, in_netns, run
from lablib.lab import take_down
from lablib.state import State, locked

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OBJECT = ROOT / os.environ.get('WEFT_BUILD', 'build') / 'tests' / 'ebpf' / 'gso_decap.bpf.o'

# As gso_decap.bpf.c has them.
UPLINK, CONTAINER, DEVICE = 100, 101, 102
VNI = 4000
UNDERLAY_MAC, ROUTER_MAC, GATEWAY_MAC, CONTAINER_MAC = '02:cc:00:00:00:01', '02:aa:00:00:00:01', '02:77:65:66:74:01', '02:bb:00:00:00:01'
BEYOND_MAC, INSIDE_MAC = '02:dd:00:00:00:02', '02:dd:00:00:00:01'

GATEWAYS = {False: '169.254.1.1', True: 'fe80::1'}


def container(number, ipv6):
    return f'fd00:244:0:{number}::1' if ipv6 else f'10.244.{number}.1'


def beyond(ipv6):
    return 'fd00:244:0:2::100' if ipv6 else '10.244.2.100'


def whole(address):
    return f"{address}/{128 if ':' in address else 32}"


class Bed:
    """How hosts decapsulate: 'adjust_room' (bpf_skb_adjust_room); 'device' (the kernel's VXLAN device in external mode); 'mixed': frames that are still to
    be cut into segments by the device, the others by adjust_room."""

    def __init__(self, name, ipv6_underlay=False, decapsulation='adjust_room', mtu=1500):
        self.name = name
        self.ipv6_underlay = ipv6_underlay
        self.decapsulation = decapsulation
        self.mtu = mtu
        self.inner_mtu = mtu - (70 if ipv6_underlay else 50)
        self.state = None

    def netns(self, name):
        return f'{self.name}-{name}'

    def ip(self, netns, *words):
        return run('ip', '-n', self.netns(netns), *words)

    def __enter__(self):
        if not OBJECT.exists():
            raise LabError(f'{OBJECT} is missing: build it with tools/setup')
        with locked(self.name):
            self.state = State.create(self.name, {'fastpath': 'gso_decap', 'mtu': self.mtu})
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with locked(self.name):
            take_down(self.state)

    def _make(self):
        for each in ('h1', 'h2', 'c1', 'c2', 'beyond'):
            namespaces.add(self.state, self.netns(each))
            namespaces.setting(self.netns(each), 'net.ipv4.ip_forward', 1)
            namespaces.setting(self.netns(each), 'net.ipv6.conf.all.forwarding', 1)
        run('ip', 'link', 'add', 'uplink', 'netns', self.netns('h1'), 'index', UPLINK, 'address', UNDERLAY_MAC, 'mtu', self.mtu, 'type', 'veth',
            'peer', 'name', 'uplink', 'netns', self.netns('h2'), 'index', UPLINK, 'address', UNDERLAY_MAC, 'mtu', self.mtu)
        for number in (1, 2):
            host = self.netns(f'h{number}')
            namespaces.start_uplink(host, [f'10.99.0.{number}/24', f'fd99::{number}/64'])
            self._make_container(number, host)
            self.attach(host, 'container', 'tc/encap_v6' if self.ipv6_underlay else 'tc/encap_v4')
            if self.decapsulation != 'device':
                self.attach(host, 'uplink', 'tc/decap' if self.decapsulation == 'adjust_room' else 'tc/decap_single')
            if self.decapsulation != 'adjust_room':
                run('ip', '-n', host, 'link', 'add', 'vxlan', 'index', DEVICE, 'address', ROUTER_MAC, 'type', 'vxlan', 'external', 'dstport', 4789, 'udp6zerocsumrx')
                run('ip', '-n', host, 'link', 'set', 'vxlan', 'up')
                self.attach(host, 'vxlan', 'tc/from_device')

    def _make_container(self, number, host):
        netns = self.netns(f'c{number}')
        run('ip', 'link', 'add', 'container', 'netns', host, 'index', CONTAINER, 'address', GATEWAY_MAC, 'mtu', self.inner_mtu, 'type', 'veth',
            'peer', 'name', 'eth0', 'netns', netns, 'address', CONTAINER_MAC, 'mtu', self.inner_mtu)
        run('ip', '-n', host, 'link', 'set', 'container', 'up')
        for ipv6 in (False, True):
            run('ip', '-n', netns, 'addr', 'add', whole(container(number, ipv6)), 'dev', 'eth0', *(['nodad'] if ipv6 else []))
        run('ip', '-n', netns, 'link', 'set', 'eth0', 'up')
        for ipv6 in (False, True):
            run('ip', '-n', netns, 'neigh', 'add', GATEWAYS[ipv6], 'lladdr', GATEWAY_MAC, 'dev', 'eth0')
            run('ip', '-n', netns, 'route', 'add', 'default', 'via', GATEWAYS[ipv6], 'dev', 'eth0', 'onlink')

    @staticmethod
    def attach(netns, device, section):
        run('tc', 'qdisc', 'add', 'dev', device, 'clsact', netns=netns)
        run('tc', 'filter', 'add', 'dev', device, 'ingress', 'bpf', 'direct-action', 'object-file', OBJECT, 'section', section, netns=netns)

    # --- what lies behind the second container

    def behind_veth(self):
        """c2: inside ===== eth0: beyond."""
        mtu = self.inner_mtu
        run('ip', 'link', 'add', 'inside', 'netns', self.netns('c2'), 'address', INSIDE_MAC, 'mtu', mtu, 'type', 'veth',
            'peer', 'name', 'eth0', 'netns', self.netns('beyond'), 'address', BEYOND_MAC, 'mtu', mtu)
        self.ip('c2', 'link', 'set', 'inside', 'up')
        self.route_beyond('inside')

    def behind_bridge(self):
        """c2: br0 -- port ===== eth0: beyond."""
        mtu = self.inner_mtu
        self.ip('c2', 'link', 'add', 'br0', 'address', INSIDE_MAC, 'mtu', mtu, 'type', 'bridge', 'forward_delay', 0, 'mcast_snooping', 0)
        run('ip', 'link', 'add', 'port', 'netns', self.netns('c2'), 'mtu', mtu, 'type', 'veth',
            'peer', 'name', 'eth0', 'netns', self.netns('beyond'), 'address', BEYOND_MAC, 'mtu', mtu)
        self.ip('c2', 'link', 'set', 'port', 'master', 'br0', 'up')
        self.ip('c2', 'link', 'set', 'br0', 'up')
        self.route_beyond('br0')

    def behind_tunnel(self):
        """c2: inside ===== eth0: beyond, and in it a VXLAN tunnel of the container's own."""
        self.behind_veth()
        for netns, device, near, far, mac, other in (('c2', 'inside', '192.168.9.1', '192.168.9.2', INSIDE_MAC, BEYOND_MAC),
                                                     ('beyond', 'eth0', '192.168.9.2', '192.168.9.1', BEYOND_MAC, INSIDE_MAC)):
            self.ip(netns, 'addr', 'add', f'{near}/24', 'dev', device)
            self.ip(netns, 'link', 'add', 'own', 'address', mac, 'type', 'vxlan', 'id', 7, 'dev', device, 'dstport', 8472, 'local', near, 'remote', far, 'nolearning')
            self.ip(netns, 'link', 'set', 'own', 'up')
            for ipv6 in (False, True):
                address = beyond(ipv6) if netns == 'c2' else GATEWAYS[ipv6]
                self.ip(netns, 'neigh', 'add', address, 'lladdr', other, 'dev', 'own')
                self.ip(netns, 'route', 'replace', *((whole(address), 'dev', 'own') if netns == 'c2' else ('default', 'via', address, 'dev', 'own', 'onlink')))

    def behind_tap(self, offloads, header):
        """c2: inside ~~~ a reader in user space ~~~ eth0: beyond. Returns the reader; see tap_relay.py."""
        relay = subprocess.Popen(in_netns(self.netns('c2'), '/usr/bin/python3', '-I', pathlib.Path(__file__).with_name('tap_relay.py'), 'inside', 'outside',
                                          offloads, header), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=environment())
        if relay.stdout.readline() != 'ready\n':
            raise LabError(f'tap_relay: {relay.communicate()[1].strip()}')
        mtu = self.inner_mtu
        self.ip('c2', 'link', 'set', 'inside', 'address', INSIDE_MAC, 'mtu', mtu)
        self.ip('c2', 'link', 'set', 'inside', 'up')
        self.ip('c2', 'link', 'set', 'outside', 'netns', self.netns('beyond'), 'name', 'eth0', 'address', BEYOND_MAC, 'mtu', mtu)
        self.route_beyond('inside')
        return relay

    def route_beyond(self, device):
        """Addresses, routes and neighbours of both sides; beyond's interface is eth0."""
        for ipv6 in (False, True):
            self.ip('beyond', 'addr', 'add', whole(beyond(ipv6)), 'dev', 'eth0', *(['nodad'] if ipv6 else []))
        self.ip('beyond', 'link', 'set', 'eth0', 'up')
        for ipv6 in (False, True):
            self.ip('beyond', 'neigh', 'add', GATEWAYS[ipv6], 'lladdr', INSIDE_MAC, 'dev', 'eth0')
            self.ip('beyond', 'route', 'add', 'default', 'via', GATEWAYS[ipv6], 'dev', 'eth0', 'onlink')
            self.ip('c2', 'neigh', 'add', beyond(ipv6), 'lladdr', BEYOND_MAC, 'dev', device)
            self.ip('c2', 'route', 'add', whole(beyond(ipv6)), 'dev', device)

    def set_offloads(self, netns, device, **features):
        run('ethtool', '-K', device, *(word for name, value in features.items() for word in (name.replace('_', '-'), value)), netns=self.netns(netns))

    def traffic(self, netns, device, direction='rx'):
        """Packets and bytes so far."""
        counted = json.loads(self.ip(netns, '-j', '-s', 'link', 'show', 'dev', device))[0]['stats64'][direction]
        return counted['packets'], counted['bytes']

    def bad_checksums(self):
        """How many packets the kernels refused for their checksums."""
        total = 0
        for netns in ('c1', 'c2', 'beyond'):
            counters = json.loads(run('nstat', '--zeros', '--ignore', '--noupdate', '--json', netns=self.netns(netns)))['kernel']
            total += sum(value for name, value in counters.items() if name.endswith('InCsumErrors'))
        return total
