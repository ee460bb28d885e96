# SPDX-License-Identifier: BSD-3-Clause
"""Routers that are not weft's: FRR and GoBGP as route reflectors, and an FRR VTEP with the kernel's VXLAN, which speaks EVPN type 5 as a data-centre
switch does. Each runs in a namespace of its own from files in its own directory; the machine's own FRR, if there is one, is not involved."""
import json
import os
import shutil

from lablib import addresses, namespaces, processes
from lablib.command import LabError, attempt, run, wait_until

FRR = '/usr/lib/frr'


def frr_directory(state, name):
    directory = state.directory / name
    directory.mkdir(mode=0o755, exist_ok=True)
    shutil.chown(directory, 'frr', 'frr')
    return directory


def start_frr(state, name, netns, daemon, configuration, *flags):
    """One FRR daemon with its own socket, pid and configuration files, in the foreground: its pid is the one that we started."""
    if not os.access(f'{FRR}/{daemon}', os.X_OK):
        raise LabError(f'{FRR}/{daemon} is missing: run tools/setup')
    directory = frr_directory(state, name)
    file = directory / f'{daemon}.conf'
    file.write_text(configuration, encoding='utf8')
    shutil.chown(file, 'frr', 'frr')
    processes.start(state, f'{name} {daemon}', [f'{FRR}/{daemon}', '-f', file, '-i', directory / f'{daemon}.pid', '-z', directory / 'zserv.api',
                                                '--vty_socket', directory, '-A', '127.0.0.1', '-u', 'frr', '-g', 'frr', *flags], netns,
                    directory / f'{daemon}.log')
    wait_until(lambda: attempt('vtysh', '--vty_socket', directory, '-d', daemon, '-c', 'show version').returncode == 0, f'FRR {daemon} of {name}')


def vtysh(state, name, command):
    return run('vtysh', '--vty_socket', state.directory / name, '-c', command)


def vtysh_json(state, name, command):
    return json.loads(vtysh(state, name, command) or '{}')


def add_router(state, index, name):
    options = state.data['options']
    netns = namespaces.add(state, f'{state.name}-{name}')
    namespaces.connect(state, netns, name, addresses.underlay_interface(index, options['ipv6_underlay']), options['mtu'])
    return netns


def frr_reflector(state):
    """Reflects EVPN between all who connect from the underlay. Needs no zebra, since it installs no route itself."""
    netns = add_router(state, addresses.REFLECTOR, 'rr')
    v4 = addresses.underlay_v4(addresses.REFLECTOR)
    start_frr(state, 'rr', netns, 'bgpd', f'''frr defaults datacenter
hostname rr
router bgp {addresses.AS}
 bgp router-id {v4}
 bgp cluster-id {v4}
 no bgp default ipv4-unicast
 neighbor V peer-group
 neighbor V remote-as {addresses.AS}
 neighbor V timers 3 9
 neighbor V passive
 bgp listen limit 1000
 bgp listen range {addresses.UNDERLAY_V4} peer-group V
 bgp listen range {addresses.UNDERLAY_V6} peer-group V
 address-family l2vpn evpn
  neighbor V activate
  neighbor V route-reflector-client
 exit-address-family
''', '-Z', '-n', '-P', '0', '-l', addresses.underlay(addresses.REFLECTOR, state.data['options']['ipv6_underlay']))


def gobgp_reflector(state):
    netns = add_router(state, addresses.REFLECTOR, 'rr')
    if shutil.which('gobgpd', path='/usr/bin') is None:
        raise LabError('gobgpd is missing: run tools/setup')
    directory = state.directory / 'rr'
    directory.mkdir(mode=0o755, exist_ok=True)
    v4 = addresses.underlay_v4(addresses.REFLECTOR)
    here = addresses.underlay(addresses.REFLECTOR, state.data['options']['ipv6_underlay'])
    clients = addresses.UNDERLAY_V6 if state.data['options']['ipv6_underlay'] else addresses.UNDERLAY_V4
    (directory / 'gobgpd.toml').write_text(f'''[global.config]
  as = {addresses.AS}
  router-id = "{v4}"
  local-address-list = ["{here}"]
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "clients"
    peer-as = {addresses.AS}
  [peer-groups.timers.config]
    hold-time = 9
    keepalive-interval = 3
  [peer-groups.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "{v4}"
  [peer-groups.graceful-restart.config]
    enabled = true
    helper-only = true
  [[peer-groups.afi-safis]]
    [peer-groups.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
    [peer-groups.afi-safis.mp-graceful-restart.config]
      enabled = true
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "{clients}"
    peer-group = "clients"
''', encoding='utf8')
    processes.start(state, 'rr gobgpd', ['/usr/bin/gobgpd', '-f', directory / 'gobgpd.toml', '--log-plain', '--api-hosts', '127.0.0.1:50051',
                                         '--pprof-disable'], netns, directory / 'gobgpd.log')
    wait_until(lambda: attempt('gobgp', 'global', netns=netns).returncode == 0, 'gobgpd of rr')


class FrrVtep:
    """FRR 8.4 with a kernel VXLAN device for the L3 VNI, and containers behind it as plain namespaces.

      NAME-vK-c --veth-- NAME-vK (zebra, bgpd, br4000 + vxlan4000) --uplink-- underlay"""

    def __init__(self, state, index, neighbors):
        self.state = state
        self.name = f'v{index}'
        self.address = addresses.underlay_v4(index)
        self.container = f'{state.name}-{self.name}-c'
        self.addresses = [f'10.245.{index}.2', f'fd00:245:0:{index:x}::2']
        self.netns = add_router(state, index, self.name)
        self._make_devices(index)
        self._make_container()
        self._start(neighbors)

    def _make_devices(self, index):
        def ip(*words):
            run('ip', '-n', self.netns, *words)

        ip('link', 'add', 'br4000', 'address', f'02:00:00:00:40:{index:02x}', 'type', 'bridge')
        ip('link', 'set', 'br4000', 'up')
        ip('link', 'add', 'vxlan4000', 'type', 'vxlan', 'id', addresses.VNI, 'local', self.address, 'dstport', 4789, 'nolearning')
        ip('link', 'set', 'vxlan4000', 'master', 'br4000')
        ip('link', 'set', 'vxlan4000', 'type', 'bridge_slave', 'learning', 'off')
        ip('link', 'set', 'vxlan4000', 'up')
        namespaces.setting(self.netns, 'net.ipv4.ip_forward', 1)
        namespaces.setting(self.netns, 'net.ipv6.conf.all.forwarding', 1)

    def _make_container(self):
        namespaces.add(self.state, self.container)
        run('ip', 'link', 'add', 'eth0', 'netns', self.container, 'mtu', 1450, 'type', 'veth', 'peer', 'name', 'c', 'netns', self.netns)
        run('ip', '-n', self.netns, 'addr', 'add', '169.254.1.1/32', 'dev', 'c')
        run('ip', '-n', self.netns, 'addr', 'add', 'fe80::1/64', 'dev', 'c', 'nodad')
        run('ip', '-n', self.netns, 'link', 'set', 'c', 'up')
        for address in self.addresses:
            run('ip', '-n', self.container, 'addr', 'add', address, 'dev', 'eth0', *(['nodad'] if ':' in address else []))
        run('ip', '-n', self.container, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', self.container, 'route', 'add', 'default', 'via', '169.254.1.1', 'dev', 'eth0', 'onlink')
        run('ip', '-n', self.container, '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0', 'onlink')
        # Kernel routes are what the router announces.
        for address in self.addresses:
            run('ip', '-n', self.netns, 'route', 'add', address, 'dev', 'c')

    def _start(self, neighbors):
        start_frr(self.state, self.name, self.netns, 'zebra', f'hostname {self.name}\nvni {addresses.VNI}\n')
        peers = ''.join(f''' neighbor {peer} remote-as {addresses.AS}
 neighbor {peer} timers 3 9
 neighbor {peer} timers connect 1
''' for peer in neighbors)
        activate = ''.join(f'  neighbor {peer} activate\n' for peer in neighbors)
        start_frr(self.state, self.name, self.netns, 'bgpd', f'''frr defaults datacenter
hostname {self.name}
router bgp {addresses.AS}
 bgp router-id {self.address}
 no bgp default ipv4-unicast
{peers} address-family ipv4 unicast
  redistribute kernel
 exit-address-family
 address-family ipv6 unicast
  redistribute kernel
 exit-address-family
 address-family l2vpn evpn
{activate}  advertise-all-vni
  advertise ipv4 unicast
  advertise ipv6 unicast
 exit-address-family
''')

    def routes(self):
        """Prefixes that FRR put into its kernel over the overlay."""
        found = []
        for version in ('-4', '-6'):
            found += [route['dst'] for route in json.loads(run('ip', '-n', self.netns, '-j', version, 'route', 'show', 'proto', 'bgp') or '[]')]
        return found
