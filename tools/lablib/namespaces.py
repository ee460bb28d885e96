# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces of a lab, and the underlay that joins them: one bridge in a namespace of its own, a veth pair to each host and router; or, for two
hosts that nothing shall stand between (a benchmark), one veth pair, whose ends are both called `uplink`.

    NAME-underlay:  br0
                     |-- h1 ====== uplink in NAME-h1      10.99.0.1/24    fd99::1/64
                     |-- h2 ====== uplink in NAME-h2      10.99.0.2/24    fd99::2/64
                     `-- rr ====== uplink in NAME-rr      10.99.0.254/24  fd99::fe/64"""
import os
import pathlib

from lablib.command import LabError, attempt, run

NETNS = pathlib.Path('/run/netns')


def inode(name):
    try:
        return os.stat(NETNS / name).st_ino
    except FileNotFoundError:
        return None


def add(state, name):
    """A new namespace with its loopback up. One that exists already is someone else's, and is left alone."""
    if (NETNS / name).exists():
        raise LabError(f'network namespace {name} exists already and is not this lab\'s: choose another --name, or remove it with `ip netns del {name}`')
    record = {'name': name, 'inode': None}
    state.data['namespaces'].append(record)
    state.save()
    run('ip', 'netns', 'add', name)
    record['inode'] = inode(name)
    state.save()
    run('ip', '-n', name, 'link', 'set', 'lo', 'up')
    return name


def ours(state):
    """Names of this lab's namespaces that exist and are still the ones that it made."""
    return [each['name'] for each in state.data['namespaces'] if (now := inode(each['name'])) is not None and each['inode'] in (None, now)]


def delete(state, name):
    if name in ours(state):
        run('ip', 'netns', 'del', name)
    state.data['namespaces'] = [each for each in state.data['namespaces'] if each['name'] != name]
    state.save()


def setting(netns, path, value):
    """Writes one file under /proc/sys of a namespace."""
    run('sysctl', '-qw', f'{path}={value}', netns=netns)


def make_underlay(state, mtu):
    netns = add(state, f'{state.name}-underlay')
    # No spanning tree and no snooping: a port forwards from its first moment.
    run('ip', '-n', netns, 'link', 'add', 'br0', 'mtu', mtu, 'type', 'bridge', 'forward_delay', 0, 'mcast_snooping', 0)
    setting(netns, 'net.ipv6.conf.br0.disable_ipv6', 1)
    run('ip', '-n', netns, 'link', 'set', 'br0', 'up')
    return netns


def connect(state, netns, port, addresses, mtu, bare=False):
    """Joins a namespace to the underlay; its side is called `uplink`. `bare`: what arrives there is for an AF_XDP socket or an XDP
    program."""
    underlay = f'{state.name}-underlay'
    run('ip', 'link', 'add', 'uplink', 'netns', netns, 'mtu', mtu, 'type', 'veth', 'peer', 'name', port, 'netns', underlay, 'mtu', mtu)
    if bare:  # checksums and segments that the sender left to a device would arrive undone
        run('ethtool', '-K', port, 'tx', 'off', 'tso', 'off', 'gso', 'off', netns=underlay)
    setting(underlay, f'net.ipv6.conf.{port}.disable_ipv6', 1)
    run('ip', '-n', underlay, 'link', 'set', port, 'master', 'br0', 'up')
    start_uplink(netns, addresses)


def connect_directly(netns, other, mtu):
    """Joins two namespaces by a veth pair, all its offloads as the kernel sets them; start_uplink makes each end of use."""
    run('ip', 'link', 'add', 'uplink', 'netns', netns, 'mtu', mtu, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', other, 'mtu', mtu)


def start_uplink(netns, addresses):
    for address in addresses:
        run('ip', '-n', netns, 'addr', 'add', address, 'dev', 'uplink', *(['nodad'] if ':' in address else []))
    run('ip', '-n', netns, 'link', 'set', 'uplink', 'up')


def merge_segments(netns):
    """Has the uplink's driver make one packet of a connection's segments, as NICs' drivers do unless told otherwise."""
    run('ethtool', '-K', 'uplink', 'gro', 'on', netns=netns)


def disconnect(state, port):
    attempt('ip', '-n', f'{state.name}-underlay', 'link', 'del', port)
