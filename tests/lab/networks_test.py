#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Networks do not see each other, even where their addresses are the same: each has a VNI, blocks and a FIB of its own.

  default (VNI 4000):  h2-e1 10.77.2.1 --+                    +-- h3-e1 10.77.3.1
                                         h2 ==== (FRR) ==== h3
  red     (VNI 5000):  red2  10.77.2.1 --+                    +-- red3  10.77.3.1          the same addresses, IPv6 too"""
import harness
from harness import connects, with_lab
from lablib import namespaces, transfer
from lablib.command import run, wait_until

V4 = {2: '10.77.2.1', 3: '10.77.3.1'}
V6 = {2: 'fd00:77::2:1', 3: 'fd00:77::3:1'}


def attach(lab, index, name, network):
    netns = namespaces.add(lab.state, f'{lab.name}-{name}')
    lab.host(f'h{index}').weft('endpoint', 'add', name, '--netns', f'/run/netns/{netns}', '--network', network, '--address', V4[index], '--address', V6[index])


def addresses_repeat_across_networks(lab):
    for index in (2, 3):
        lab.add_host(index, more_configuration=[('network', 'red=5000')])
        attach(lab, index, f'blue{index}', 'default')
        attach(lab, index, f'red{index}', 'red')
    for host, other in ((2, 3), (3, 2)):
        def both(host=host, other=other):
            routes = lab.host(f'h{host}').weft_json('route', 'list', '--view', 'fib')['routes']
            found = {(route['vni'], route['prefix']) for route in routes if route['state'] == 'programmed'}
            return {(vni, prefix) for vni in (4000, 5000) for prefix in (f'{V4[other]}/32', f'{V6[other]}/128')} <= found

        wait_until(both, f'the routes of both networks on h{host}', 10)


def each_network_reaches_its_own(lab):
    for colour in ('blue', 'red'):
        for where in (V4[3], V6[3]):
            harness.ping(lab, f'{colour}2', where)
            transfer.tcp(lab.netns(f'{colour}2'), lab.netns(f'{colour}3'), where, 3_000_001)


def a_listener_is_found_in_its_own_network_only(lab):
    for here, there in (('blue', 'red'), ('red', 'blue')):
        with transfer.Listener(lab.netns(f'{here}3'), 8080):
            for where in (V4[3], V6[3]):
                assert connects(lab, f'{here}2', where, 8080), f'{here}2 does not reach {here}3'
                assert not connects(lab, f'{there}2', where, 8080, 1), f'{there}2 reaches {here}3'


def nothing_is_explained_across_networks(lab):
    """blue2 and red2 have the same address, and are not the same."""
    host = lab.host('h2')
    for command in (['explain'], ['policy', 'explain']):
        across = host.try_weft(*command, 'blue2', 'red2')
        assert across.returncode == 1 and 'endpoint red2 is in network red' in across.stderr, across
        assert host.weft_json(*command, 'red2', 'red2')['allowed'], 'to itself'


def an_address_of_the_other_network_has_no_route(lab):
    """red3 goes, so in network red nobody has its address any more, while blue3 still answers."""
    lab.host('h3').weft('endpoint', 'delete', 'red3')
    wait_until(lambda: not any(route['vni'] == 5000 and route['prefix'] == f'{V4[3]}/32' for route in
                               lab.host('h2').weft_json('route', 'list', '--view', 'fib')['routes']), 'the route is gone', 10)
    harness.no_ping(lab, 'red2', V4[3])
    harness.ping(lab, 'blue2', V4[3])
    assert harness.drops(lab.host('h2')).get('no_route', 0) > 0
    assert 'eth0' not in run('ip', '-n', lab.netns('red3'), '-o', 'link')


harness.need_root()
with_lab('networks', {'hosts': 1, 'endpoints': 0, 'reflector': 'frr'}, addresses_repeat_across_networks, each_network_reaches_its_own,
         a_listener_is_found_in_its_own_network_only, nothing_is_explained_across_networks, an_address_of_the_other_network_has_no_route)
harness.finish()
