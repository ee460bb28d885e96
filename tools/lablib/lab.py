# SPDX-License-Identifier: BSD-3-Clause
"""Lab: N weft hosts on one underlay, brought up, used and taken away again. Owns the order in which things are made; state.py owns the record."""
import pathlib

from lablib import addresses, hosts, namespaces, processes, routers
from lablib.command import LabError, run, wait_until
from lablib.state import State, locked

OPTIONS = {'hosts': 2, 'endpoints': 1, 'fastpath': 'auto', 'reflector': 'none', 'ipv6_underlay': False, 'hugepages': False, 'mtu': 1500, 'uplink_hook': 'auto',
           'more_neighbors': [],  # further places in the underlay that each host peers with
           'direct_underlay': False}  # two hosts on the two ends of one veth pair, without a bridge between them
HUGEPAGES = pathlib.Path('/proc/sys/vm/nr_hugepages')
HUGEPAGES_PER_HOST = 192  # of 2 MiB: packet buffers, and what the driver takes beside them


class Lab:
    def __init__(self, state):
        self.state = state
        self.name = state.name
        self.hosts = {name: hosts.Host(state, each['index']) for name, each in state.data['hosts'].items()}

    # --- life

    @classmethod
    def up(cls, name, say=lambda text: None, **options):
        """Makes a lab. What a crashed one of this name left is removed first; a working one is refused. On failure nothing is left."""
        options = {**OPTIONS, **options}
        check(options)
        with locked(name):
            earlier = State.load(name)
            if earlier is not None:
                if is_up(earlier):
                    raise LabError(f'lab {name} is up already: use it, take it down with `tools/lab down --name {name}`, or choose another --name')
                say(f'removing what an earlier lab {name} left behind')
                take_down(earlier)
            lab = cls(State.create(name, options))
            try:
                lab._make(options, say)
            except BaseException:
                take_down(lab.state)
                raise
            return lab

    @classmethod
    def load(cls, name):
        state = State.load(name)
        if state is None:
            raise LabError(f'there is no lab {name}: make one with `tools/lab up --name {name} --hosts 2`')
        return cls(state)

    def down(self):
        with locked(self.name):
            take_down(self.state)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def _make(self, options, say):
        if options['hugepages']:
            self._reserve_hugepages(options['hosts'])
        if options['direct_underlay']:
            namespaces.connect_directly(*(namespaces.add(self.state, f'{self.name}-h{index}') for index in (1, 2)), options['mtu'])
        else:
            namespaces.make_underlay(self.state, options['mtu'])
        if options['reflector'] != 'none':
            say(f"route reflector {addresses.underlay(addresses.REFLECTOR, options['ipv6_underlay'])}: {options['reflector']}")
            {'frr': routers.frr_reflector, 'gobgp': routers.gobgp_reflector}[options['reflector']](self.state)
        for index in range(1, options['hosts'] + 1):
            self.add_host(index, ready=False)
        for host in self.hosts.values():
            host.wait_until_ready()
            say(f"{host.name}: weftd runs, fast path {host.fastpath_in_use()}, VTEP {host.vtep}")
            for number in range(1, options['endpoints'] + 1):
                endpoint = host.add_endpoint(number)
                say(f"{host.name}-e{number}: {', '.join(endpoint['addresses'])}")
        self.wait_for_routes()
        self.state.data['complete'] = True
        self.state.save()

    def wait_for_routes(self, seconds=30.0):
        """Returns when every host can reach every endpoint."""
        wanted = {address for each in self.state.data['hosts'].values() for endpoint in each['endpoints'].values() for address in endpoint['addresses']}
        for host in self.hosts.values():
            wait_until(lambda host=host: wanted <= host.reachable(), f'routes to all endpoints on {host.name}', seconds, 0.05)

    def add_host(self, index, ready=True, more_configuration=(), neighbors=None):
        options = self.state.data['options']
        host = hosts.Host(self.state, index)
        if neighbors is None:
            others = [addresses.REFLECTOR] if options['reflector'] != 'none' else [k for k in range(1, options['hosts'] + 1) if k != index]
            neighbors = [f"{addresses.underlay(k, options['ipv6_underlay'])},as={addresses.AS}" for k in others + options['more_neighbors']]
        host.make(neighbors, more_configuration)
        self.hosts[host.name] = host
        host.start_agent()
        if ready:
            host.wait_until_ready()
        return host

    def _reserve_hugepages(self, count):
        before = int(HUGEPAGES.read_text(encoding='utf8'))
        wanted = before + count * HUGEPAGES_PER_HOST
        self.state.data['hugepages_added'] = wanted - before
        self.state.save()
        HUGEPAGES.write_text(str(wanted), encoding='utf8')
        if (got := int(HUGEPAGES.read_text(encoding='utf8'))) < wanted:
            raise LabError(f'--hugepages: {wanted} pages of 2 MiB wanted, the kernel found {got}: free some memory, or leave --hugepages away')

    # --- use

    def netns(self, name):
        """The namespace of a host (h1), an endpoint (h1-e1), the reflector (rr) or the underlay."""
        full = f'{self.name}-{name}'
        if full not in namespaces.ours(self.state):
            known = ', '.join(each.removeprefix(f'{self.name}-') for each in namespaces.ours(self.state))
            raise LabError(f'lab {self.name} has no {name}; it has {known or "nothing"}')
        return full

    def host(self, name):
        if name not in self.hosts:
            raise LabError(f"lab {self.name} has no host {name}; it has {', '.join(self.hosts) or 'none'}")
        return self.hosts[name]

    def endpoint(self, name):
        """What is known of an endpoint: netns, addresses, labels."""
        for each in self.state.data['hosts'].values():
            if name in each['endpoints']:
                return each['endpoints'][name]
        raise LabError(f'lab {self.name} has no endpoint {name}')

    def address(self, name, ipv6=False):
        found = [address for address in self.endpoint(name)['addresses'] if (':' in address) == ipv6]
        if not found:
            raise LabError(f"endpoint {name} has no IPv{'6' if ipv6 else '4'} address")
        return found[0]


def check(options):
    if not 1 <= options['hosts'] <= addresses.HOSTS_MAX:
        raise LabError(f"--hosts {options['hosts']}: 1 to {addresses.HOSTS_MAX}")
    if not 0 <= options['endpoints'] <= 200:
        raise LabError(f"--endpoints {options['endpoints']}: 0 to 200")
    if not 1350 <= options['mtu'] <= 9216:
        raise LabError(f"--mtu {options['mtu']}: 1350 to 9216, since IPv6 inside needs 1280")
    if unknown := set(options['fastpath'].split(',')) - {'ebpf', 'dpdk', 'auto'}:
        raise LabError(f"--fastpath {options['fastpath']}: there is no {' or '.join(sorted(unknown))}: ebpf, dpdk, auto, or several with commas")
    if options['uplink_hook'] not in ('auto', 'tc', 'xdp'):
        raise LabError(f"--uplink-hook {options['uplink_hook']}: auto, tc or xdp")
    if options['uplink_hook'] != 'auto' and 'dpdk' in options['fastpath']:
        raise LabError(f"--uplink-hook {options['uplink_hook']}: it goes with --fastpath ebpf")
    if options['direct_underlay'] and (options['hosts'] != 2 or options['reflector'] != 'none' or options['more_neighbors']):
        raise LabError('a direct underlay has room for two hosts and nobody else')
    hosts.need_programs()


def is_up(state):
    """Complete, and at least one of its processes runs, or a weftd that was started again by hand: what a reboot or a great kill leaves is not up."""
    return state.data['complete'] and (any(processes.is_alive(record) for record in state.data['processes'])
                                       or any(processes.program(record) == 'weftd' for record in processes.in_namespaces(namespaces.ours(state))))


def take_down(state):
    """Undoes everything that is on record, however little of it came to be."""
    names = namespaces.ours(state)
    processes.end_all(state.data['processes'], names)
    for name in names:
        namespaces.delete(state, name)
    # Less what was added, not the old number: someone else may have reserved some meanwhile.
    if added := state.data.get('hugepages_added'):
        HUGEPAGES.write_text(str(max(0, int(HUGEPAGES.read_text(encoding='utf8')) - added)), encoding='utf8')
    for mounted in state.mounts():
        run('umount', '--lazy', mounted)
    state.remove()
