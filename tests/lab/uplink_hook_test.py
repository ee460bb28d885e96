#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The uplink's XDP program and the option that asks for it, on veth pairs, whose driver runs such programs.

  h1-e1 -- h1 ==== underlay ==== h2 -- h2-e1        strange packets go from h1's namespace to h2"""
import json
import re
import signal
import subprocess
import time

import harness
from harness import with_lab
from lablib import addresses, hosts, processes, transfer
from lablib.command import attempt, environment, in_netns, run, wait_until
from lablib.probe import Stream

NATIVE = 1  # XDP_ATTACHED_DRV
EACH = 20


def notes(host):
    return ' '.join(host.weft_json('status')['fast_path'].get('notes', []))


def link(netns, device='uplink'):
    return json.loads(run('ip', '-n', netns, '-j', 'link', 'show', 'dev', device))[0]


def the_driver_runs_the_program(lab):
    for host in lab.hosts.values():
        xdp = link(host.netns)['xdp']
        assert xdp['mode'] == NATIVE and xdp['prog']['name'] == 'uplink_xdp', xdp
        assert 'uplink uplink: XDP' in notes(host), notes(host)


def traffic(host):
    """Packets that came from the underlay, and those that went to endpoints."""
    ports = host.weft_json('counters')['ports']
    return (sum(int(port['rx_packets']) for port in ports if port['name'] == 'uplink'),
            sum(int(port['tx_packets']) for port in ports if port['name'] != 'uplink'))


def drops(host):
    """What was dropped of that which came from the underlay, by reason."""
    uplink = next(port for port in host.weft_json('counters')['ports'] if port['name'] == 'uplink')
    return {each['reason']: int(each['packets']) for each in uplink.get('drops', [])}


def segments_are_merged_behind_it(lab):
    for ipv6 in (False, True):
        before = traffic(lab.host('h2'))
        transfer.tcp(lab.netns('h1-e1'), lab.netns('h2-e1'), lab.address('h2-e1', ipv6), 50_000_003)
        received, delivered = (after - earlier for after, earlier in zip(traffic(lab.host('h2')), before))
        assert received > 30_000 and delivered < received / 4, f'{received} packets became {delivered}'


# Strange packets: UDP with a header of our own, so that its checksum is what it is told to be.
SEND = '''
import socket, struct, sys
source, destination, vni, damage, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
family = socket.AF_INET6 if ':' in source else socket.AF_INET
frame = bytes(12) + b'\\x08\\x00' + bytes(46)
payload = struct.pack('!II', 0x08000000, vni << 8) + frame
size = 8 + len(payload)
def total(data):
    words = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while words >> 16: words = (words & 0xffff) + (words >> 16)
    return words
pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack('!II', size, 17)
header = struct.pack('!HHHH', 50000, 4789, size, 0)
checksum = (~total(pseudo + header + payload) & 0xffff) or 0xffff
header = struct.pack('!HHHH', 50000, 4789, size, checksum ^ damage)
with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
    raw.bind((source, 0))
    for _ in range(count):
        raw.sendto(header + payload, (destination, 0))
'''


def strangers_are_dropped_by_name(lab):
    ipv6 = lab.state.data['options']['ipv6_underlay']
    ours = lab.host('h1').vtep
    stranger = 'fd99::77' if ipv6 else '10.99.0.77'
    run('ip', '-n', lab.netns('h1'), 'addr', 'add', f"{stranger}/{64 if ipv6 else 24}", 'dev', 'uplink', *(['nodad'] if ipv6 else []))
    for source, vni, damage, reason in ((ours, 77, 0, 'unknown_vni'), (stranger, addresses.VNI, 0, 'unknown_vtep'),
                                        (ours, addresses.VNI, 0x0101, 'bad_outer_checksum'), (ours, addresses.VNI, 0, 'wrong_router_mac')):
        before = drops(lab.host('h2'))
        received = traffic(lab.host('h2'))[0]
        run('/usr/bin/python3', '-I', '-c', SEND, source, lab.host('h2').vtep, vni, damage, EACH, netns=lab.netns('h1'))
        wait_until(lambda: traffic(lab.host('h2'))[0] >= received + EACH, f'{reason}: {EACH} packets are received', 5)
        after = drops(lab.host('h2'))
        changed = {each: after[each] - before.get(each, 0) for each in after if after[each] != before.get(each, 0)}
        assert changed == {reason: EACH}, f'{reason}: {changed}'


def change_hook(host, hook):
    """Has weftd come back with another option."""
    processes.kill(host.agent())
    path = host.directory / 'weftd.conf'
    path.write_text(re.sub(r'^uplink-hook = .*$', f'uplink-hook = {hook}', path.read_text(encoding='utf8'), flags=re.M), encoding='utf8')
    host.start_agent()
    host.wait_until_ready()


def changing_the_hook_loses_nothing(lab):
    host = lab.host('h2')
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))
    with Stream(lab.netns('h1-e1'), lab.address('h2-e1'), 1000) as running:
        time.sleep(0.3)
        for hook, said in (('tc', 'uplink uplink: tc'), ('xdp', 'uplink uplink: XDP'), ('auto', 'uplink uplink: tc, as there is no hardware'),
                           ('xdp', 'uplink uplink: XDP')):
            change_hook(host, hook)
            wait_until(lambda said=said: said in notes(host), f'{hook}: {said}', 10)
            assert ('xdp' in link(host.netns)) == (hook == 'xdp'), link(host.netns)
        time.sleep(0.3)
    dropped = {each.name: harness.drops(each) for each in lab.hosts.values()}
    assert running.result['answered'] == running.result['sent'], f'{running.result}, dropped: {dropped}'


def the_agent_that_comes_back_puts_its_program_in_the_link(lab):
    host = lab.host('h2')
    before = link(host.netns)['xdp']['prog']['id']
    change_hook(host, 'xdp')
    xdp = link(host.netns)['xdp']
    assert xdp['mode'] == NATIVE and xdp['prog']['id'] != before, xdp
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))


def refusal(lab, device, *options):
    """What another weftd says that wants this uplink of h1's namespace."""
    host = lab.host('h1')
    directory = host.directory / 'other'
    words = ('--fastpath', 'ebpf', '--uplink', device, '--bgp-port', '1790', '--state-dir', directory / 'state', '--socket', directory / 'weftd.sock',
             '--dataplane-socket', directory / 'dataplane.sock', '--bpf-dir', host.bpf / 'other', *options)
    directory.mkdir(exist_ok=True)
    done = subprocess.run(in_netns(host.netns, hosts.programs() / 'weftd', *map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20, env=environment())
    assert done.returncode == 1, done
    return done.stderr.strip().splitlines()[-1]


def give_address(netns, device, address):
    run('ip', '-n', netns, 'addr', 'add', address, 'dev', device)
    run('ip', '-n', netns, 'link', 'set', device, 'up')


def a_device_that_cannot_is_refused_by_name(lab):
    host = lab.host('h1')
    run('ip', '-n', host.netns, 'link', 'add', 'dull', 'type', 'bridge')
    give_address(host.netns, 'dull', '10.98.0.1/24')
    said = refusal(lab, 'dull', '--uplink-hook', 'xdp')
    for word in ('dull', 'its driver runs none', '--uplink-hook tc'):
        assert word in said, said
    run('ip', '-n', host.netns, 'link', 'add', 'taken', 'type', 'veth', 'peer', 'name', 'taken-peer')
    give_address(host.netns, 'taken', '10.97.0.1/24')
    run('bpftool', 'prog', 'load', hosts.programs() / 'steer.bpf.o', host.bpf / 'steer')
    run('bpftool', 'net', 'attach', 'xdpdrv', 'pinned', host.bpf / 'steer', 'dev', 'taken', netns=host.netns)
    said = refusal(lab, 'taken', '--uplink-hook', 'xdp')
    for word in ('taken', 'another one is there', '--uplink-hook tc'):
        assert word in said, said
    assert link(host.netns, 'taken')['xdp']['prog']['name'] == 'steer'
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))


def a_purge_takes_it_away(lab):
    host = lab.host('h2')
    record = host.agent()
    processes.send(record, signal.SIGTERM)
    wait_until(lambda: not processes.is_alive(record), 'weftd ended', 10)
    processes.reap(record)
    assert 'xdp' in link(host.netns), 'it goes on without an agent'
    said = attempt(hosts.programs() / 'weftd', '--config', host.directory / 'weftd.conf', '--purge', netns=host.netns)
    assert said.returncode == 0 and 'the XDP program at uplink' in said.stdout, said
    assert 'xdp' not in link(host.netns)


harness.need_root()
for title, ipv6_underlay in (('IPv4 underlay', False), ('IPv6 underlay', True)):
    with_lab(title, {'uplink_hook': 'xdp', 'ipv6_underlay': ipv6_underlay}, the_driver_runs_the_program, segments_are_merged_behind_it,
             strangers_are_dropped_by_name, changing_the_hook_loses_nothing, the_agent_that_comes_back_puts_its_program_in_the_link,
             a_device_that_cannot_is_refused_by_name, a_purge_takes_it_away, fastpaths=('ebpf',))
harness.finish()
