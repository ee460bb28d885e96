# SPDX-License-Identifier: BSD-3-Clause
"""BGP speakers that are not weft's, each in a namespace of its own on a lab's underlay, for the bgp_*_test.py scripts; and what those ask of weft and of
them."""
import json

from lablib import addresses, processes, routers
from lablib.command import attempt, run, wait_until


class Frr:
    """FRR's bgpd alone. Without zebra it installs nothing, and shows what it received."""

    def __init__(self, lab, place, neighbor, autonomous_system=addresses.AS):
        self.lab = lab
        self.name = f'f{place}'
        self.address = addresses.underlay(place, lab.state.data['options']['ipv6_underlay'])
        self.netns = routers.add_router(lab.state, place, self.name)
        routers.start_frr(lab.state, self.name, self.netns, 'bgpd', f'''frr defaults datacenter
hostname {self.name}
router bgp {autonomous_system}
 bgp router-id {addresses.underlay_v4(place)}
 no bgp default ipv4-unicast
{neighbor}''', '-Z', '-n', '-P', '0', '-l', self.address)

    def ask(self, command):
        return routers.vtysh_json(self.lab.state, self.name, f'{command} json')

    def tell(self, command):
        return routers.vtysh(self.lab.state, self.name, command)

    def neighbor(self, address):
        return self.ask('show bgp neighbors').get(address, {})

    def routes(self):
        """EVPN paths by prefix, as the detailed table has them."""
        found = {}
        for routes in self.ask('show bgp l2vpn evpn route detail').values():
            for route in routes.values() if isinstance(routes, dict) else []:
                if isinstance(route, dict) and route.get('routeType') == 5 and route.get('paths'):
                    found[f"{route['ip']}/{route['ipLen']}"] = route['paths'][0][0]
        return found


class Gobgp:
    """gobgpd with one neighbour."""

    def __init__(self, lab, place, neighbor):
        self.lab = lab
        self.name = f'g{place}'
        self.address = addresses.underlay(place, lab.state.data['options']['ipv6_underlay'])
        self.router_id = addresses.underlay_v4(place)
        self.neighbor_address = neighbor
        self.netns = routers.add_router(lab.state, place, self.name)
        self.directory = lab.state.directory / self.name
        self.directory.mkdir(mode=0o755)
        (self.directory / 'gobgpd.toml').write_text(f'''[global.config]
  as = {addresses.AS}
  router-id = "{self.router_id}"
  local-address-list = ["{self.address}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{neighbor}"
    peer-as = {addresses.AS}
  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
''', encoding='utf8')
        self.start()

    def start(self):
        self.process = processes.start(self.lab.state, f'{self.name} gobgpd',
                                       ['/usr/bin/gobgpd', '-f', self.directory / 'gobgpd.toml', '--log-plain', '--api-hosts', '127.0.0.1:50051',
                                        '--pprof-disable'], self.netns, self.directory / 'gobgpd.log')
        wait_until(lambda: attempt('gobgp', 'global', netns=self.netns).returncode == 0, f'gobgpd of {self.name}')

    def kill(self):
        processes.kill(self.process)

    def ask(self, *words):
        return json.loads(run('gobgp', '-j', *words, netns=self.netns) or 'null')

    def is_established(self):
        return any(each['state'].get('session_state') == 6 for each in self.ask('neighbor') or [])

    def announce(self, prefix, route_target=f'{addresses.AS}:{addresses.VNI}', action='add'):
        run('gobgp', 'global', 'rib', action, '-a', 'evpn', 'prefix', prefix, 'etag', 0, 'rd', f'{self.router_id}:1', 'label', addresses.VNI, 'rt', route_target,
            'encap', 'vxlan', 'router-mac', '02:00:00:00:40:04', 'nexthop', self.address, netns=self.netns)

    def withdraw(self, prefix):
        run('gobgp', 'global', 'rib', 'del', '-a', 'evpn', 'prefix', prefix, 'etag', 0, 'rd', f'{self.router_id}:1', 'label', addresses.VNI, netns=self.netns)

    def routes(self):
        """EVPN paths of others by prefix: the type-5 route and its attributes by type."""
        found = {}
        for paths in (self.ask('global', 'rib', '-a', 'evpn') or {}).values():
            for path in paths:
                if path['nlri'].get('type') == 5 and path.get('neighbor-ip'):
                    value = path['nlri']['value']
                    found[value['prefix']] = value, {attribute['type']: attribute for attribute in path['attrs']}
        return found


class Bird:
    """BIRD 2 with an IPv4 channel: Debian's 2.0 speaks no EVPN."""

    def __init__(self, lab, place, neighbor):
        self.name = f'b{place}'
        self.address = addresses.underlay_v4(place)
        self.netns = routers.add_router(lab.state, place, self.name)
        self.directory = lab.state.directory / self.name
        self.directory.mkdir(mode=0o755)
        (self.directory / 'bird.conf').write_text(f'''router id {self.address};
log "{self.directory}/bird.log" all;
protocol device {{}}
protocol bgp weft {{
  local {self.address} as {addresses.AS};
  neighbor {neighbor} as {addresses.AS};
  hold time 9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  debug all;
  ipv4 {{ import all; export none; }};
}}
''', encoding='utf8')
        processes.start(lab.state, f'{self.name} bird', ['/usr/sbin/bird', '-f', '-c', self.directory / 'bird.conf', '-s', self.directory / 'bird.ctl', '-P',
                                                         self.directory / 'bird.pid'], self.netns, self.directory / 'bird.out')

    def log(self):
        file = self.directory / 'bird.log'
        return file.read_text(encoding='utf8', errors='replace') if file.exists() else ''


def peer(host, address):
    """What weft says of a neighbour; empty when it knows none."""
    return next((each for each in host.weft_json('peer', 'list')['peers'] if each['address'] == address), {})


def is_established(host, address):
    return peer(host, address).get('state') == 'Established'


def routes(host, view, via=None):
    """Routes of a view by prefix, those from one neighbour if `via` names it."""
    return {route['prefix']: route for route in host.weft_json('route', 'list', '--view', view)['routes'] if via is None or route['peer'] == via}


def local_routes(host):
    return {prefix: route for prefix, route in routes(host, 'loc').items() if not route['peer']}


def labels_of(route):
    """Its Large Communities as text."""
    return {f"{each['global']}:{each['local1']}:{each['local2']}" for each in route['large_communities']}
