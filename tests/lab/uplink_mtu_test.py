#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An underlay that carries less from some moment on, and more again: what is too long is answered and counted, never lost without a word.

  h1-e1 -- h1 ==== underlay ==== h2 -- h2-e1"""
import json
import re

import harness
from harness import BOTH, warnings, with_lab
from lablib import processes
from lablib.command import attempt, run, wait_until

OVERHEAD = 50
SMALL = 1300  # which leaves containers less than IPv6 wants
LONG = 1400 - 28  # as ping counts


def set_mtu(lab, mtu):
    for host in lab.hosts.values():
        run('ip', '-n', host.netns, 'link', 'set', 'uplink', 'mtu', mtu)
    for host in lab.hosts.values():
        wait_until(lambda host=host: host.weft_json('status')['endpoint_mtu'] == mtu - OVERHEAD, f'{host.name} knows the MTU', 10)
    for endpoint in ('h1-e1', 'h2-e1'):
        for family in ('-4', '-6'):
            run('ip', '-n', lab.netns(endpoint), family, 'route', 'flush', 'cache')


def long_ping(lab, *options):
    return attempt('ping', '-n', '-c', 3, '-i', 0.05, '-W', 1, '-s', LONG, *options, lab.address('h2-e1'), netns=lab.netns('h1-e1'))


def what_is_too_long_is_answered_and_counted(lab):
    host = lab.host('h1')
    assert long_ping(lab, '-M', 'do').returncode == 0
    assert 'larger MTU' not in warnings(host)
    set_mtu(lab, SMALL)
    before = harness.drops(host).get('packet_too_big', 0)
    refused = long_ping(lab, '-M', 'do')
    assert refused.returncode != 0 and re.search(rf'mtu ?= ?{SMALL - OVERHEAD}\b', refused.stdout), refused.stdout
    assert harness.drops(host)['packet_too_big'] > before
    in_pieces = long_ping(lab, '-M', 'dont')
    assert in_pieces.returncode == 0, in_pieces.stdout
    assert f'1 endpoint has a larger MTU than the {SMALL - OVERHEAD}' in warnings(host), warnings(host)


def restart_agents(lab):
    for host in lab.hosts.values():
        record = host.agent()
        processes.kill(record)
        host.start_agent()
        host.wait_until_ready()
    lab.wait_for_routes()


def mtu_of_containers(lab):
    return {json.loads(run('ip', '-n', lab.netns(name), '-j', 'link', 'show', 'dev', 'eth0'))[0]['mtu'] for name in ('h1-e1', 'h2-e1')}


def containers_stay_when_weftd_starts_again(lab):
    restart_agents(lab)
    assert mtu_of_containers(lab) == {1280}, 'IPv6 takes no interface of less'
    for ipv6 in (False, True):
        harness.ping(lab, 'h1-e1', lab.address('h2-e1', ipv6))
    assert long_ping(lab, '-M', 'dont').returncode == 0


def more_is_used_when_there_is_more(lab):
    set_mtu(lab, 1500)
    assert 'larger MTU' not in warnings(lab.host('h1'))
    restart_agents(lab)
    assert mtu_of_containers(lab) == {1500 - OVERHEAD}
    assert long_ping(lab, '-M', 'do').returncode == 0


harness.need_root()
with_lab('uplink MTU', {}, what_is_too_long_is_answered_and_counted, containers_stay_when_weftd_starts_again, more_is_used_when_there_is_more, fastpaths=BOTH)
harness.finish()
