#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""weftd without any flag or file, on a single host without an uplink: containers get addresses and reach each other, and it says what it is missing.

  one -- (a namespace with weftd, in which /var/lib and /run/weft are empty and its own) -- two"""
import json
import os
import pathlib
import signal

import harness
from harness import check, fact
from lablib import hosts, namespaces, processes, transfer
from lablib.command import LabError, attempt, run, wait_until
from lablib.ping import ping
from lablib.state import State

DEFAULT_SOCKET = '/run/weft'


class SingleHost:
    def __init__(self):
        self.state = State.create(harness.new_name(), {})
        self.host = namespaces.add(self.state, f'{self.state.name}-h1')
        self.containers = {name: namespaces.add(self.state, f'{self.state.name}-{name}') for name in ('one', 'two')}
        self.made_directory = not os.path.exists(DEFAULT_SOCKET)
        pathlib.Path(DEFAULT_SOCKET).mkdir(exist_ok=True)
        self.log = self.state.directory / 'weftd.log'
        # Seen from outside too, as a host's is: what is pinned there outlives the agent's mount namespace.
        self.bpf = self.state.directory / 'bpf'
        self.bpf.mkdir()
        run('mount', '-t', 'bpf', 'bpf', self.bpf)
        private = f'mount --bind {self.bpf} /sys/fs/bpf && mount -t tmpfs none /var/lib && mount -t tmpfs none {DEFAULT_SOCKET} && exec {hosts.programs() / "weftd"}'
        self.agent = processes.start(self.state, 'weftd', ['unshare', '--mount', 'sh', '-c', private], self.host, self.log)

    def weft(self, *words):
        return attempt('nsenter', '--target', self.agent['pid'], '--mount', '--root', '--net', hosts.programs() / 'weft', *words)

    def weft_json(self, *words):
        done = self.weft('-o', 'json', *words)
        if done.returncode != 0:
            raise LabError(f"weft {' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout)

    def close(self):
        processes.end_all(self.state.data['processes'], namespaces.ours(self.state))
        for name in namespaces.ours(self.state):
            namespaces.delete(self.state, name)
        run('umount', self.bpf)
        self.state.remove()
        if self.made_directory:
            pathlib.Path(DEFAULT_SOCKET).rmdir()


def comes_up_without_any_configuration(single):
    wait_until(lambda: single.weft('status').returncode == 0, f'weftd answers; its log:\n{single.log.read_text()}', 20)
    wait_until(lambda: single.weft_json('status')['fast_path']['in_sync'], 'the fast path', 20)
    status = single.weft_json('status')
    assert status['fast_path']['kind'] == 'ebpf', status
    assert status['uplink'] == '' and status['networks'][0]['name'] == 'default', status


def containers_reach_each_other(single):
    addresses = {}
    for name, netns in single.containers.items():
        addresses[name] = single.weft_json('endpoint', 'add', name, '--netns', f'/run/netns/{netns}')['addresses']
    assert len(addresses['two']) == 2, addresses
    for address in addresses['two']:
        assert ping(single.containers['one'], address) == 3, address
        transfer.tcp(single.containers['one'], single.containers['two'], address, 20_000_003)


def containers_keep_their_network_while_the_agent_is_gone(single):
    processes.send(single.agent, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(single.agent), 'the agent is gone')
    address = json.loads(attempt('ip', '-n', single.containers['two'], '-j', '-4', 'addr', 'show', 'dev', 'eth0').stdout)[0]['addr_info'][0]['local']
    assert ping(single.containers['one'], address) == 3, address


def main():
    harness.need_root()
    single = SingleHost()
    try:
        for case in (comes_up_without_any_configuration, containers_reach_each_other, containers_keep_their_network_while_the_agent_is_gone):
            check(fact(case), case, single)
    finally:
        single.close()
    harness.finish()


main()
