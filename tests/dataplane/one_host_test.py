#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One weft-dataplane that serves two containers of the same host, without an uplink, and its control socket:

   e1 --TAP-- weft-dataplane --TAP-- e2
   10.244.1.2, fd00::1             10.244.1.3, fd00::3

usage: one_host_test.py BUILD [unittest arguments]"""
import os
import socket
import stat
import struct
import subprocess
import sys
import time
import unittest

import process
from process import Dataplane, Namespaces, address, endpoint_in, mac, run, transfer
from lablib.ping import ping

BUILD = None
ADDRESSES = {1: ('10.244.1.2', 'fd00::1'), 2: ('10.244.1.3', 'fd00::3')}


class OneHost:
    def __init__(self, options=()):
        self.namespaces = Namespaces()
        self.containers = {i: self.namespaces.add(f'e{i}') for i in (1, 2)}
        self.dataplane = Dataplane(BUILD, options=options).start()
        self.dataplane.request(f'update {{ host {{ router_mac:{mac("02:aa:00:00:00:01")} gateway_mac:{mac(process.GATEWAY_MAC)} vxlan_port:4789 }} '
                               'networks { vni:4000 name:"default" } }')
        for i in self.containers:
            self.program(i)

    def program(self, i):
        routes = ''.join(f'routes {{ vni:4000 prefix {{ address:{address(text)} length:{128 if ":" in text else 32} }} next_hop:{i} identity:256 }}\n'
                         for text in ADDRESSES[i])
        self.dataplane.request(f'''update {{
ports {{ id:{i} role:PORT_ROLE_ENDPOINT mtu:1450 tap {{ netns:"/run/netns/{self.containers[i]}" ifname:"eth0" mac:{mac(f'02:bb:00:00:00:0{i}')} }} }}
endpoints {{ port:{i} vni:4000 mac:{mac(f'02:bb:00:00:00:0{i}')} {' '.join(f'addresses:{address(text)}' for text in ADDRESSES[i])} identity:256 name:"e{i}" }}
next_hops {{ id:{i} local {{ port:{i} }} }}
{routes} }}''')
        endpoint_in(self.containers[i], ADDRESSES[i], 1450)

    def close(self):
        self.dataplane.stop()
        self.namespaces.delete()


class Local(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.lab = OneHost(cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    def test_bulk_tcp_is_byte_exact(self):
        for source, destination in ((1, 2), (2, 1)):
            for where in ADDRESSES[destination]:
                with self.subTest(f'{source} to {where}'):
                    self.assertTrue(transfer(self.lab.containers[source], self.lab.containers[destination], where, 100_000_033))

    def test_tcp_frames_stay_whole(self):
        before = self.lab.dataplane.counters()[0][2]
        transfer(self.lab.containers[1], self.lab.containers[2], ADDRESSES[2][0], 50_000_000)
        after = self.lab.dataplane.counters()[0][2]
        frames = after['tx_packets'] - before['tx_packets']
        self.assertGreater((after['tx_bytes'] - before['tx_bytes']) / frames, 5000)

    def test_gateway_answers(self):
        self.assertEqual(ping(self.lab.containers[1], '169.254.1.1'), 3)
        self.assertEqual(ping(self.lab.containers[1], 'fe80::1%eth0'), 3)


class LocalTwoWorkers(Local):
    options = ('--workers', '2')


class LocalPolling(unittest.TestCase):
    def test_never_sleeps(self):
        lab = OneHost(('--poll',))
        try:
            before = lab.dataplane.cpu_seconds()
            time.sleep(1)
            self.assertGreater(lab.dataplane.cpu_seconds() - before, 0.3)
            self.assertEqual(ping(lab.containers[1], ADDRESSES[2][0]), 3)
        finally:
            lab.close()


class Lifecycle(unittest.TestCase):
    def setUp(self):
        self.lab = OneHost()

    def tearDown(self):
        self.lab.close()

    def test_tap_outlives_a_killed_process_and_goes_with_its_port(self):
        show = ('ip', '-n', self.lab.containers[2], 'link', 'show', 'eth0')
        self.lab.dataplane.kill()
        run(*show)
        self.lab.dataplane.start()
        self.lab.dataplane.request(f'update {{ ports {{ id:2 role:PORT_ROLE_ENDPOINT mtu:1450 tap {{ netns:"/run/netns/{self.lab.containers[2]}" '
                                   f'ifname:"eth0" mac:{mac("02:bb:00:00:00:02")} }} }} }}')
        run(*show)
        self.lab.dataplane.request('update { deleted_ports: 2 }')
        with self.assertRaises(AssertionError):
            run(*show)

    def test_deleted_namespace_costs_no_cpu_and_no_other_port(self):
        name = self.lab.containers[2]
        run('ip', 'netns', 'del', name)
        time.sleep(0.5)
        before = self.lab.dataplane.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.lab.dataplane.cpu_seconds() - before, 0.2)
        self.assertFalse(self.lab.dataplane.counters()[0][2].get('up'))
        self.assertEqual(ping(self.lab.containers[1], '169.254.1.1'), 3)
        # A container that comes again under its old name is served by the same words.
        run('ip', 'netns', 'add', name)
        self.lab.program(2)
        self.assertTrue(self.lab.dataplane.counters()[0][2].get('up'))
        self.assertEqual(ping(self.lab.containers[1], ADDRESSES[2][0]), 3)

    def test_packets_for_a_port_that_is_down_or_gone_are_counted(self):
        port_down = 35

        def drops(port):
            return self.lab.dataplane.counters()[0][port]['drops'][port_down]

        def three_pings():
            return [ping(self.lab.containers[1], ADDRESSES[2][0], count=1) for _ in range(3)]

        run('ip', '-n', self.lab.containers[2], 'link', 'set', 'eth0', 'down')
        self.assertEqual(three_pings(), [0, 0, 0])
        self.assertEqual(drops(2), 3)
        # Its endpoint and route are still there: the drop counts where the packet came from.
        self.lab.dataplane.request('update { deleted_ports: 2 }')
        self.assertEqual(three_pings(), [0, 0, 0])
        self.assertEqual(drops(1), 3)

    def test_errors_name_thing_and_remedy(self):
        for port, words in (
                ('tap { netns:"/run/netns/there-is-none" ifname:"eth0" mac:"\\002\\0\\0\\0\\0\\001" }', ('/run/netns/there-is-none', 'No such file')),
                (f'tap {{ netns:"/run/netns/{self.lab.containers[1]}" ifname:"a-name-that-is-too-long" mac:"\\002\\0\\0\\0\\0\\001" }}', ('1 to 15',)),
                (f'tap {{ netns:"/run/netns/{self.lab.containers[1]}" ifname:"eth0" mac:"\\002\\0\\0\\0\\0\\001" }}', ('eth0', 'another')),
                (f'tap {{ netns:"/run/netns/{self.lab.containers[1]}" ifname:"lo" mac:"\\002\\0\\0\\0\\0\\001" }}', ('lo',)),
                ('tap { netns:"/etc/passwd" ifname:"eth0" mac:"\\002\\0\\0\\0\\0\\001" }', ('/etc/passwd',)),
                ('ethdev { devargs:"net_nothing0" }', ('net_nothing0', 'check')),
                ('ethdev { devargs:"net_af_xdp0,iface=none0" }', ('none0',)),
                ('ethdev { devargs:"" }', ('port 9',))):
            with self.subTest(port):
                said = self.lab.dataplane.request(f'update {{ ports {{ id:9 role:PORT_ROLE_ENDPOINT {port} }} }}', check=False)
                self.assertIn('message', said)
                for word in words:
                    self.assertIn(word, said)
        self.assertNotIn('port: 9', self.lab.dataplane.request('counters {}'))


class Control(unittest.TestCase):
    def setUp(self):
        self.dataplane = Dataplane(BUILD).start()

    def tearDown(self):
        self.dataplane.stop()

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(self.dataplane.socket)
        return client

    def test_garbage_closes_only_its_own_connection(self):
        for garbage in (b'\xff' * 64, struct.pack('>I', 1 << 31) + b'x', struct.pack('>I', 9) + b'\xff' * 9, b'GET / HTTP/1.1\r\n\r\n'):
            with self.subTest(garbage[:8]), self.connect() as bystander, self.connect() as client:
                client.sendall(garbage)
                self.assertEqual(client.recv(1), b'')
                bystander.sendall(b'\0\0\0\x02\x08\x07')  # a request of id 7 and no kind
                self.assertTrue(bystander.recv(4))
        self.assertIn('pid', self.dataplane.request('info {}'))

    def test_half_a_frame_is_waited_for(self):
        with self.connect() as client:
            client.sendall(b'\0\0')
            time.sleep(0.1)
            self.assertIn('pid', self.dataplane.request('info {}'))
            client.sendall(b'\0\x02\x08\x07')
            self.assertTrue(client.recv(4))

    def test_socket_is_its_owners(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.dataplane.socket).st_mode), 0o600)

    def test_second_process_is_refused(self):
        second = subprocess.run([self.dataplane.program, '--socket', self.dataplane.socket], capture_output=True, text=True, timeout=20)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(f'another weft-dataplane (pid {self.dataplane.process.pid}) answers on {self.dataplane.socket}', second.stderr)
        self.assertIn('pid', self.dataplane.request('info {}'))

    def test_stale_socket_is_replaced(self):
        self.dataplane.kill()
        self.assertTrue(os.path.exists(self.dataplane.socket))
        self.dataplane.start()
        self.assertIn('pid', self.dataplane.request('info {}'))

    def test_termination_is_clean(self):
        self.dataplane.process.terminate()
        self.assertEqual(self.dataplane.process.wait(10), 0)
        self.assertFalse(os.path.exists(self.dataplane.socket))

    def test_dump_rebuilds_the_tables(self):
        update = ('update { networks { vni:7 name:"seven" } next_hops { id:3 drop {} } '
                  + ' '.join(f'routes {{ vni:7 prefix {{ address:{address(f"10.0.{i}.0")} length:24 }} next_hop:3 identity:9 }}' for i in range(50)) + ' }')
        self.dataplane.request(update)
        first = self.dataplane.request('dump {}')
        self.assertEqual(first.count('routes {'), 50)
        self.assertIn('name: "seven"', first)

    def test_bad_options_are_refused(self):
        for options, word in ((['--workers', '0'], '--workers'), (['--hugepages', 'maybe'], '--hugepages'), (['--no-such'], 'no-such')):
            run_ = subprocess.run([self.dataplane.program, *options], capture_output=True, text=True, timeout=20)
            self.assertNotEqual(run_.returncode, 0)
            self.assertIn(word, run_.stderr)
            self.assertLessEqual(len(run_.stderr.splitlines()), 2)


if __name__ == '__main__':
    process.need_root()
    BUILD = sys.argv.pop(1)
    unittest.main(verbosity=2)
