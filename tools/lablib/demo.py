# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration behind tools/demo: three hosts and a route reflector, and on them everything that weft is for. Each step says what it shows, shows
the command and its output, and checks the outcome; the first one that fails ends it with exit code 1."""
import argparse
import json
import signal
import sys
import textwrap
import time

from lablib import transfer
from lablib.command import LabError, attempt
from lablib.lab import OPTIONS, Lab

POLICY = '''apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
spec:
  podSelector:
    matchLabels: {host: h3, app: e1}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector:
        matchLabels: {host: h1, app: e1}
    ports:
    - {protocol: TCP, port: 8080}
'''


class Story:
    """Prints the steps. Commands are shown as a user would type them."""

    def __init__(self, lab_name):
        self.option = '' if lab_name == 'lab' else f' --name {lab_name}'
        self.number = 0

    def step(self, title, words):
        self.number += 1
        print(f'\n=== {self.number}. {title}', flush=True)
        self.say(words)

    def say(self, words):
        print(textwrap.fill(' '.join(words.split()), 110), flush=True)

    def result(self, words):
        print(f'    {words}', flush=True)

    def show(self, verb, where, command, output, lines=40):
        print(f"  $ tools/lab {verb}{self.option} {where} {'-- ' if verb == 'exec' else ''}{' '.join(map(str, command))}")
        for line in output.rstrip().splitlines()[:lines]:
            print(f'    {line}')
        sys.stdout.flush()


def need(fact, otherwise):
    if not fact:
        raise LabError(otherwise)


def weft(story, lab, host, *words, codes=(0,), text_input=None):
    """Runs the CLI on a host, shows it, and returns what it printed."""
    done = lab.host(host).try_weft(*words, text_input=text_input)
    story.show('weft', host, words, done.stdout + done.stderr)
    need(done.returncode in codes, f"weft {' '.join(words)} on {host} ended with exit code {done.returncode}")
    return done.stdout


def inside(story, lab, endpoint, *command, code=0):
    done = attempt(*command, netns=lab.netns(endpoint))
    story.show('exec', endpoint, command, done.stdout)
    need((done.returncode == 0) == (code == 0), f"{' '.join(map(str, command))} in {endpoint} ended with exit code {done.returncode}")


def show_routes(story, lab):
    story.step('Routes', '''Every container's address is a route. Each host's agent announces its own containers by BGP EVPN (type 5), the FRR router
               reflects them, and every other host programs them into its fast path. Nobody configured a route.''')
    for host in lab.hosts:
        weft(story, lab, host, 'route', 'list')


def show_pings(story, lab):
    story.step('Ping', '''A container on one host reaches containers on the others by their own addresses: out through its interface, encapsulated in VXLAN by
               the fast path, over the underlay, and in on the other side. A TTL of 62 shows the two hosts between them.''')
    for source, destination in (('h1-e1', 'h2-e1'), ('h2-e1', 'h3-e1'), ('h3-e1', 'h1-e1')):
        inside(story, lab, source, 'ping', '-c', 3, '-i', 0.2, lab.address(destination))


def show_bulk(story, lab, ipv6, megabytes):
    for source, destination in (('h1-e1', 'h2-e1'), ('h2-e1', 'h1-e1')):
        begin = time.monotonic()
        transfer.tcp(lab.netns(source), lab.netns(destination), lab.address(destination, ipv6), megabytes * 1000 * 1000 + 3)
        seconds = time.monotonic() - begin
        story.result(f'{source} -> {destination}: {megabytes} MB over TCP in {seconds:.1f} s, both SHA-256 sums are equal')


def show_tcp(story, lab):
    story.step('TCP, bulk data', '''Random bytes in each direction, with a checksum taken on both sides. The containers keep TCP segmentation and checksum
               offload: the fast path takes what they leave open.''')
    show_bulk(story, lab, False, 200)


def show_udp(story, lab):
    story.step('UDP', 'Datagrams of many lengths, odd ones too; each is sent back reversed, and compared.')
    sizes = [1, 2, 3, 17, 64, 511, 1000, 1200]
    transfer.udp(lab.netns('h1-e1'), lab.netns('h3-e1'), lab.address('h3-e1'), sizes)
    story.result(f"h1-e1 -> h3-e1 and back: {len(sizes)} datagrams of {', '.join(map(str, sizes))} bytes, all unchanged")


def show_ipv6(story, lab):
    story.step('IPv6', 'The same with the IPv6 addresses that the containers got as well.')
    inside(story, lab, 'h1-e1', 'ping', '-c', 3, '-i', 0.2, lab.address('h2-e1', ipv6=True))
    show_bulk(story, lab, True, 50)
    transfer.udp(lab.netns('h1-e1'), lab.netns('h3-e1'), lab.address('h3-e1', ipv6=True), [1, 333, 1200])
    story.result('h1-e1 -> h3-e1: UDP as well')


def connects(lab, source, address, port):
    code = f'import socket; socket.create_connection(({address!r}, {port}), 1.5).close()'
    return attempt('/usr/bin/python3', '-I', '-c', code, netns=lab.netns(source)).returncode == 0


def dropped(lab, host, reason):
    ports = json.loads(lab.host(host).weft('-o', 'json', 'counters'))['ports']
    return sum(int(drop['packets']) for port in ports for drop in port['drops'] if drop['reason'] == reason)


def show_policy(story, lab):
    story.step('Policy', '''A Kubernetes NetworkPolicy, applied on h3 alone: only containers labelled host=h1,app=e1 may reach port 8080 of h3-e1. Their
               labels travelled to h3 on their routes, so no central store is needed.''')
    print(textwrap.indent(POLICY, '    '), end='')
    weft(story, lab, 'h3', 'policy', 'apply', '-f', '-', text_input=POLICY)
    where = lab.address('h3-e1')
    with transfer.Listener(lab.netns('h3-e1'), 8080):
        need(connects(lab, 'h1-e1', where, 8080), 'h1-e1 may reach port 8080 of h3-e1, and does not')
        story.result(f'h1-e1 -> {where} port 8080: connected, as the policy allows')
        before = dropped(lab, 'h3', 'ingress_policy')
        need(not connects(lab, 'h2-e1', where, 8080), 'h2-e1 must not reach port 8080 of h3-e1, and does')
        after = dropped(lab, 'h3', 'ingress_policy')
        story.result(f'h2-e1 -> {where} port 8080: no connection, as the policy forbids')
    need(after > before, f'the dropped packets were not counted: ingress_policy was {before} and is {after}')
    story.say(f'Every drop has one reason and is counted under it: ingress_policy on h3 went from {before} to {after}.')
    weft(story, lab, 'h3', 'counters')


def show_explain(story, lab):
    story.step('Explain', 'The same question put to the tables that packets meet, without sending one: which way, which verdict, and why.')
    for source, allowed in (('h1-e1', True), ('h2-e1', False)):
        said = weft(story, lab, 'h3', 'explain', lab.address(source), 'h3-e1', 'tcp', '8080', codes=(0 if allowed else 4,))
        need(allowed or 'ingress_policy' in said, f'explain does not name the reason ingress_policy: {said}')


def tell(lab_name, fastpath, keep):
    story = Story(lab_name)
    story.step('Three hosts', '''Three hosts as network namespaces on this machine, each with its own weftd (the agent) and a fast path that moves
               the packets (eBPF programs in the kernel where it can, otherwise a DPDK process; --fastpath chooses), an FRR router as route
               reflector, and one container on each host.''')
    lab = Lab.up(lab_name, say=lambda text: print(f'    {text}', flush=True), hosts=3, endpoints=1, reflector='frr', fastpath=fastpath)
    try:
        weft(story, lab, 'h1', 'status')
        for show in (show_routes, show_pings, show_tcp, show_udp, show_ipv6, show_policy, show_explain):
            show(story, lab)
    finally:
        if keep:
            print(f'\nThe lab stays up: `tools/lab list` shows it, `tools/lab down{story.option}` takes it away.')
        else:
            lab.down()


def main():
    parser = argparse.ArgumentParser(prog='demo')
    parser.add_argument('--began', type=float, default=time.time(), help=argparse.SUPPRESS)
    parser.add_argument('--name', default='demo', help='what to call the lab')
    parser.add_argument('--fastpath', default=OPTIONS['fastpath'], help='what moves the packets: ebpf, dpdk, or auto (ebpf where the kernel can; default)')
    parser.add_argument('--keep', action='store_true', help='leave the lab up')
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        tell(arguments.name, arguments.fastpath, arguments.keep)
    except LabError as error:
        print(f'\ndemo: FAILED: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted', file=sys.stderr)
        return 130
    print(f'\nAll of it worked. Total time: {time.time() - arguments.began:.0f} s, building included.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
