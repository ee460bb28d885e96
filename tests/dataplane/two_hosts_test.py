#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts, each with a weft-dataplane between a container's TAP and an AF_XDP uplink:

   e1 --TAP-- weft-dataplane (h1) --AF_XDP-- u0 ===veth=== u0 --AF_XDP-- weft-dataplane (h2) --TAP-- e2
   10.244.1.2, fd00::1                10.99.0.1   10.99.0.2                          10.244.2.2, fd00::2

usage: two_hosts_test.py BUILD [unittest arguments]"""
import sys
import time
import unittest

import process
from process import Dataplane, Namespaces, address, endpoint_in, mac, run, transfer
from lablib.ping import ping

BUILD = None
V4 = {1: '10.244.1.2', 2: '10.244.2.2'}
V6 = {1: 'fd00::1', 2: 'fd00::2'}
ROUTER = {1: '02:aa:00:00:00:01', 2: '02:aa:00:00:00:02'}


class TwoHosts:
    def __init__(self, underlay_mtu=1500, inner_mtu=1450, underlay_v6=False, options=()):
        self.namespaces = Namespaces()
        self.inner_mtu = inner_mtu
        self.hosts = {i: self.namespaces.add(f'h{i}') for i in (1, 2)}
        self.containers = {i: self.namespaces.add(f'e{i}') for i in (1, 2)}
        run('ip', 'link', 'add', 'u0', 'netns', self.hosts[1], 'type', 'veth', 'peer', 'name', 'u0', 'netns', self.hosts[2])
        self.vtep = {i: f'fd99::{i}' if underlay_v6 else f'10.99.0.{i}' for i in (1, 2)}
        for i, host in self.hosts.items():
            run('ip', '-n', host, 'addr', 'add', f'10.99.0.{i}/24', 'dev', 'u0')
            run('ip', '-n', host, 'addr', 'add', f'fd99::{i}/64', 'dev', 'u0', 'nodad')
            run('ip', '-n', host, 'link', 'set', 'u0', 'mtu', str(underlay_mtu), 'up')
        self.macs = {i: run('ip', 'netns', 'exec', host, 'cat', '/sys/class/net/u0/address').strip() for i, host in self.hosts.items()}
        self.dataplanes = {i: Dataplane(BUILD, host, options).start() for i, host in self.hosts.items()}
        for i, container in self.containers.items():
            self.program(i)
            endpoint_in(container, (V4[i], V6[i]), inner_mtu)

    def program(self, i):
        other = 3 - i
        routes = ''.join(f'routes {{ vni:4000 prefix {{ address:{address(text)} length:{128 if ":" in text else 32} }} next_hop:{hop} identity:{256 + hop} }}\n'
                         for end, hop in ((i, 1), (other, 2)) for text in (V4[end], V6[end]))
        self.dataplanes[i].request(f'''update {{
host {{ vtep_v4:{address(f'10.99.0.{i}')} vtep_v6:{address(f'fd99::{i}')} router_mac:{mac(ROUTER[i])} gateway_mac:{mac(process.GATEWAY_MAC)} vxlan_port:4789 }}
networks {{ vni:4000 name:"default" }}
ports {{ id:1 role:PORT_ROLE_UPLINK ethdev {{ devargs:"net_af_xdp0,iface=u0" }} }}
ports {{ id:2 role:PORT_ROLE_ENDPOINT mtu:{self.inner_mtu} tap {{ netns:"/run/netns/{self.containers[i]}" ifname:"eth0" mac:{mac(f'02:bb:00:00:00:0{i}')} }} }}
endpoints {{ port:2 vni:4000 mac:{mac(f'02:bb:00:00:00:0{i}')} addresses:{address(V4[i])} addresses:{address(V6[i])} identity:257 name:"e{i}" }}
next_hops {{ id:1 local {{ port:2 }} }}
next_hops {{ id:2 vtep {{ address:{address(self.vtep[other])} vni:4000 inner_destination_mac:{mac(ROUTER[other])}
  outer_source_mac:{mac(self.macs[i])} outer_destination_mac:{mac(self.macs[other])} port:1 mtu:{self.inner_mtu} }} }}
{routes} }}''')

    def close(self):
        for dataplane in self.dataplanes.values():
            dataplane.stop()
        self.namespaces.delete()


class Overlay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = TwoHosts()

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    def test_ping_crosses(self):
        self.assertEqual(ping(self.lab.containers[1], V4[2]), 3)
        self.assertEqual(ping(self.lab.containers[2], V6[1]), 3)

    def test_underlay_stays_with_the_kernel(self):
        self.assertEqual(ping(self.lab.hosts[1], '10.99.0.2'), 3)

    def test_bulk_tcp_is_byte_exact(self):
        for source, destination, where in ((1, 2, V4[2]), (2, 1, V4[1]), (1, 2, V6[2]), (2, 1, V6[1])):
            with self.subTest(f'{source} to {where}'):
                self.assertTrue(transfer(self.lab.containers[source], self.lab.containers[destination], where, 50_000_017))

    def test_udp_with_checksum_offload(self):
        for family, where in (('4', V4[2]), ('6', V6[2])):
            code = ("import socket,sys; s=socket.socket(socket.AF_INET6 if sys.argv[1]=='6' else socket.AF_INET, socket.SOCK_DGRAM);"
                    "s.settimeout(5); s.{};")
            server = process.subprocess.Popen(
                ['ip', 'netns', 'exec', self.lab.containers[2], '/usr/bin/python3', '-c',
                 code.format("bind((sys.argv[2], 5002)); print('ready', flush=True); data, peer = s.recvfrom(65536); s.sendto(data[::-1], peer)"),
                 family, where], stdout=process.subprocess.PIPE, text=True)
            self.assertEqual(server.stdout.readline(), 'ready\n')
            # Odd lengths: the checksum's last byte stands alone.
            said = run('ip', 'netns', 'exec', self.lab.containers[1], '/usr/bin/python3', '-c',
                       code.format("sendto(bytes(range(7)) * 191, (sys.argv[2], 5002)); print(s.recv(65536) == (bytes(range(7)) * 191)[::-1])"), family, where)
            server.communicate(timeout=10)
            self.assertEqual(said, 'True\n')

    def test_killed_process_comes_back_on_the_same_interface(self):
        self.assertEqual(ping(self.lab.containers[1], V4[2]), 3)
        self.lab.dataplanes[1].kill()
        begin = time.monotonic()
        self.lab.dataplanes[1].start()
        self.lab.program(1)
        self.assertEqual(ping(self.lab.containers[1], V4[2], count=1), 1)
        self.assertLess(time.monotonic() - begin, 2.0)
        self.assertEqual(ping(self.lab.containers[2], V6[1]), 3)

    def test_tcp_survives_a_killed_process(self):
        def kill_and_restart():
            time.sleep(0.3)
            self.lab.dataplanes[2].kill()
            self.lab.dataplanes[2].start()
            self.lab.program(2)

        self.assertTrue(transfer(self.lab.containers[1], self.lab.containers[2], V4[2], 80_000_003, during=kill_and_restart))

    def test_idle_process_sleeps(self):
        time.sleep(0.5)
        before = [dataplane.cpu_seconds() for dataplane in self.lab.dataplanes.values()]
        time.sleep(2)
        for dataplane, start in zip(self.lab.dataplanes.values(), before):
            self.assertLess(dataplane.cpu_seconds() - start, 0.2)

    def test_replaced_uplink_carries_again(self):
        dataplane = self.lab.dataplanes[1]
        for mtu in (1400, 1500) * 5:
            dataplane.request(f'update {{ ports {{ id:1 role:PORT_ROLE_UPLINK mtu:{mtu} ethdev {{ devargs:"net_af_xdp0,iface=u0" }} }} }}')
        self.assertEqual(dataplane.counters()[0][1]['mtu'], 1500)
        self.lab.program(1)
        self.assertEqual(ping(self.lab.containers[1], V4[2]), 3)


class LargeUnderlay(unittest.TestCase):
    """An underlay of MTU 9000 over IPv6: the socket's buffers are smaller, and the port says so."""

    @classmethod
    def setUpClass(cls):
        cls.lab = TwoHosts(underlay_mtu=9000, inner_mtu=3000, underlay_v6=True)

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    def test_port_reports_what_fits(self):
        mtu = self.lab.dataplanes[1].counters()[0][1]['mtu']
        self.assertGreaterEqual(mtu, 3000 + 70)
        self.assertLess(mtu, 4096)

    def test_tcp(self):
        self.assertTrue(transfer(self.lab.containers[1], self.lab.containers[2], V4[2], 30_000_001))
        self.assertTrue(transfer(self.lab.containers[2], self.lab.containers[1], V6[1], 30_000_001))

    def test_largest_packet_fits(self):
        self.assertEqual(ping(self.lab.containers[1], V4[2], options=('-M', 'do', '-s', str(3000 - 28))), 3)


if __name__ == '__main__':
    process.need_root()
    BUILD = sys.argv.pop(1)
    unittest.main(verbosity=2)
