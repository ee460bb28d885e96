# SPDX-License-Identifier: BSD-3-Clause
"""A weft host of the lab: a namespace with an uplink, its own weftd and weft-dataplane, a directory with configuration, sockets, state and logs, and
endpoints in further namespaces.

  /run/weft-lab/NAME/hK/   weftd.conf  weftd.sock  dataplane.sock  weftd.log  state/ (database, and the log of weft-dataplane)"""
import json
import os
import pathlib
import socket

from lablib import addresses, namespaces, processes
from lablib.command import LabError, attempt, run, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent


def programs():
    """Where tools/setup left the programs."""
    return REPOSITORY / os.environ.get('WEFT_BUILD', 'build') / 'bin'


def need_programs():
    for name in ('weftd', 'weft', 'weft-dataplane'):
        if not (programs() / name).exists():
            raise LabError(f'{programs() / name} is missing: build it with tools/setup')


def tail(path, lines=5):
    try:
        return '\n'.join(f'  {line}' for line in path.read_text(encoding='utf8', errors='replace').splitlines()[-lines:])
    except FileNotFoundError:
        return '  (no log)'


class Host:
    def __init__(self, state, index):
        self.state = state
        self.index = index
        self.name = f'h{index}'
        self.netns = f'{state.name}-{self.name}'
        self.directory = state.directory / self.name
        self.socket = self.directory / 'weftd.sock'
        self.dataplane_socket = self.directory / 'dataplane.sock'
        self.log = self.directory / 'weftd.log'
        self.vtep = addresses.underlay(index, state.data['options']['ipv6_underlay'])
        self.bpf = self.directory / 'bpf'
        kinds = state.data['options']['fastpath'].split(',')
        self.fastpath = kinds[(index - 1) % len(kinds)]

    def make(self, neighbors, more_configuration=()):
        """Namespace, uplink, configuration and agent; start_agent and wait_until_ready bring it up."""
        options = self.state.data['options']
        self.state.data['hosts'][self.name] = {'index': self.index, 'vtep': self.vtep, 'endpoints': {}}
        uplink = addresses.underlay_interface(self.index, options['ipv6_underlay'])
        if options['direct_underlay']:
            namespaces.start_uplink(self.netns, uplink)
        else:
            namespaces.add(self.state, self.netns)
            namespaces.connect(self.state, self.netns, self.name, uplink, options['mtu'],
                               bare=self.fastpath == 'dpdk' or options['uplink_hook'] == 'xdp')
        if options['uplink_hook'] == 'xdp':
            namespaces.merge_segments(self.netns)
        (self.directory / 'state').mkdir(mode=0o700, parents=True)
        self.mount_bpf()
        settings = [('host-name', self.name), ('state-dir', self.directory / 'state'), ('socket', self.socket), ('uplink', 'uplink'),
                    ('router-id', addresses.underlay_v4(self.index)), ('as', addresses.AS), ('network', f'{addresses.NETWORK}={addresses.VNI}'),
                    *(('block', block) for block in addresses.blocks(self.index)), *(('neighbor', neighbor) for neighbor in neighbors),
                    ('fastpath', self.fastpath), *self.hook(options), ('bpf-dir', self.bpf / 'weft'), ('dataplane-socket', self.dataplane_socket),
                    ('dataplane-program', programs() / 'weft-dataplane'), ('hugepages', 'on' if options['hugepages'] else 'off'),
                    *more_configuration]
        (self.directory / 'weftd.conf').write_text(''.join(f'{key} = {value}\n' for key, value in settings), encoding='utf8')

    @staticmethod
    def hook(options):
        return [('uplink-hook', options['uplink_hook'])] if options['uplink_hook'] != 'auto' else []

    def mount_bpf(self):
        """A BPF file system of its own: what the hosts pin there is apart, and goes with the lab."""
        self.bpf.mkdir(mode=0o700)
        run('mount', '-t', 'bpf', '-o', 'mode=0700', 'bpf', self.bpf)

    # --- its processes

    def start_agent(self, program=None):
        """Another program than the built weftd may be its agent."""
        command = [program or programs() / 'weftd', '--config', self.directory / 'weftd.conf']
        processes.start(self.state, f'{self.name} weftd', command, self.netns, self.log)

    def agent(self):
        """The running weftd, as a record for processes.kill; None when there is none."""
        return processes.find(self.state, f'{self.name} weftd')

    def dataplane(self):
        """The running weft-dataplane, which weftd started."""
        for record in processes.in_namespaces([self.netns]):
            try:
                if pathlib.Path(os.readlink(f"/proc/{record['pid']}/exe")).name == 'weft-dataplane':
                    return record
            except OSError:
                continue
        return None

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return True
            except OSError:
                return False

    def is_ready(self):
        if self.agent() is None:
            raise LabError(f'weftd of {self.name} ended')
        if not self.answers():
            return False
        done = self.try_weft('-o', 'json', 'status')
        fast_path = json.loads(done.stdout).get('fast_path') or {} if done.returncode == 0 else {}
        return fast_path.get('state') == 'running' and fast_path.get('in_sync', False)

    def wait_until_ready(self, seconds=30.0):
        try:
            wait_until(self.is_ready, f'weftd of {self.name} ready', seconds)
        except LabError as late:
            raise LabError(f"{late}; the end of its log:\n{tail(self.log)}\nand of weft-dataplane's:\n{tail(self.dataplane_log())}") from None

    def dataplane_log(self):
        return next(iter(sorted((self.directory / 'state').glob('*dataplane*.log'))), self.directory / 'state' / 'dataplane.log')

    # --- the CLI

    def weft_command(self, *words):
        return [str(programs() / 'weft'), '--socket', str(self.socket), *map(str, words)]

    def try_weft(self, *words, text_input=None):
        return attempt(*self.weft_command(*words), netns=self.netns, text_input=text_input)

    def weft(self, *words, text_input=None):
        return run(*self.weft_command(*words), netns=self.netns, text_input=text_input)

    def weft_json(self, *words, text_input=None):
        return json.loads(self.weft('-o', 'json', *words, text_input=text_input))

    def reachable(self):
        """Addresses whose host routes are in the fast path."""
        return {route['prefix'].split('/')[0] for route in self.weft_json('route', 'list', '--view', 'fib')['routes'] if route['state'] == 'programmed'}

    def fastpath_in_use(self):
        """What `auto` became."""
        return self.weft_json('status')['fast_path']['kind']

    # --- endpoints

    def add_endpoint(self, number, labels=None):
        """A container: a namespace that only has what `weft endpoint add` gives it. Returns what is known of it."""
        name = f'{self.name}-e{number}'
        netns = namespaces.add(self.state, f'{self.state.name}-{name}')
        labels = {'host': self.name, 'app': f'e{number}', **(labels or {})}
        self.weft('endpoint', 'add', name, '--netns', f'/run/netns/{netns}', *(word for key, value in labels.items() for word in ('--label', f'{key}={value}')))
        endpoint = {'netns': netns, 'addresses': interface_addresses(netns, 'eth0'), 'labels': labels}
        self.state.data['hosts'][self.name]['endpoints'][name] = endpoint
        self.state.save()
        return endpoint

    def delete_endpoint(self, number):
        name = f'{self.name}-e{number}'
        self.weft('endpoint', 'delete', name)
        namespaces.delete(self.state, self.state.data['hosts'][self.name]['endpoints'].pop(name)['netns'])


def interface_addresses(netns, interface):
    """Global addresses as the kernel of the container sees them, IPv4 first."""
    links = json.loads(run('ip', '-n', netns, '-j', 'addr', 'show', 'dev', interface))
    found = [each['local'] for link in links for each in link.get('addr_info', []) if each['scope'] == 'global']
    return sorted(found, key=lambda address: ':' in address)
