# SPDX-License-Identifier: BSD-3-Clause
"""What host_bench has every contestant do, and what it reads off: a work is a function of a contestant, seconds and the CPUs of both sides that returns
figures. The waiting side is there before the clock starts; what the whole machine was busy meanwhile is measured beside."""
import json
import os
import pathlib
import subprocess
import time

from lablib import hosts
from lablib.command import LabError, environment, in_netns

PORTS = {'tcp': 5201, 'tcp_rr': 5202, 'udp64': 5203}
PLACES = ('apart', 'together', 'free')
TICKS_PER_S = os.sysconf('SC_CLK_TCK')


def netload(*words):
    return [hosts.programs().parent / 'perf' / 'netload', *words]


def cpus_of(place):
    """The CPUs for the sending and the waiting side's programs; None: as the scheduler likes."""
    ours = sorted(os.sched_getaffinity(0))
    return {'apart': (ours[0], ours[-1]), 'together': (ours[-1], ours[-1]), 'free': (None, None)}[place]


def busy_s():
    """Seconds that all CPUs together have worked since boot, for whatever purpose: user, nice, system, irq and softirq of /proc/stat. Steal is the
    hypervisor's."""
    user, nice, system, _, _, irq, softirq = map(int, pathlib.Path('/proc/stat').read_text(encoding='ascii').split('\n', 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


class Program:
    """A process in a namespace and on a CPU, if one is named; a failure is an error that names what it did."""

    def __init__(self, netns, cpu, command, **pipes):
        self.what = f'{pathlib.Path(command[0]).name} {command[1]} in {netns}'
        placed = command if cpu is None else ['taskset', '-c', cpu, *command]
        self.process = subprocess.Popen(in_netns(netns, *placed), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
                                        **{'stdin': subprocess.DEVNULL, **pipes})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, word):
        for line in self.process.stdout:
            if word in line:
                return
        raise LabError(f'{self.what}: {self.process.stderr.read().strip() or "it ended"}')

    def result(self, timeout, **more):
        """The JSON that it prints at its end."""
        try:
            said, complaint = self.process.communicate(timeout=timeout, **more)
        except subprocess.TimeoutExpired:
            raise LabError(f'{self.what}: no end after {timeout:.0f} s') from None
        if self.process.returncode != 0:
            raise LabError(f'{self.what}: {complaint.strip() or failure_of(said)}')
        return json.loads(said)


def failure_of(said):
    """iperf3 -J tells its errors in its JSON."""
    try:
        return json.loads(said).get('error', said)
    except ValueError:
        return said.strip() or 'it failed without a word'


def run_program(netns, cpu, command, seconds):
    with Program(netns, cpu, command) as program:
        return program.result(seconds + 30)


def timed(function):
    """The function's figures, and how much CPU the whole machine spent meanwhile."""
    begin = time.monotonic()
    busy = busy_s()
    figures = function()
    return {**figures, 'cpu_s': round(busy_s() - busy, 3), 'wall_s': round(time.monotonic() - begin, 3)}


def stream(contestant, seconds, cpus):
    """One TCP stream; the rate is the receiver's."""
    def client():
        end = run_program(contestant.source, cpus[0], ['iperf3', '-c', contestant.address, '-p', PORTS['tcp'], '-t', seconds, '-J'], seconds)['end']
        received = end['sum_received']
        if not received['bytes']:
            raise LabError(f'{contestant.name}: nothing arrived in {seconds} s of a TCP stream')
        return {'bytes': received['bytes'], 'gbps': round(received['bits_per_second'] / 1e9, 3), 'retransmits': end['sum_sent']['retransmits']}

    with Program(contestant.destination, cpus[1], ['iperf3', '-s', '-1', '-i', 0, '--forceflush', '-p', PORTS['tcp']]) as server:
        server.wait_for('listening')
        figures = timed(client)
    return {**figures, 'gbps_per_cpu_s': round(figures['bytes'] * 8e-9 / max(figures['cpu_s'], 1 / TICKS_PER_S), 3)}


def transactions(contestant, seconds, cpus):
    """Requests and responses of one byte."""
    def client():
        said = run_program(contestant.source, cpus[0], netload('ask', contestant.address, PORTS['tcp_rr'], '--seconds', seconds), seconds)
        return {'transactions_per_s': round(said['transactions'] / said['seconds'], 1), 'p50_us': said['p50_us'], 'p99_us': said['p99_us'],
                'max_us': said['max_us']}

    with Program(contestant.destination, cpus[1], netload('answer', contestant.address, PORTS['tcp_rr'])) as server:
        server.wait_for('ready')
        return timed(client)


def datagrams(contestant, seconds, cpus):
    """The smallest frames, as many as go; the rate is what arrives."""
    with Program(contestant.destination, cpus[1], netload('receive', contestant.address, PORTS['udp64']), stdin=subprocess.PIPE) as receiver:
        receiver.wait_for('ready')

        def both_sides():
            sent = run_program(contestant.source, cpus[0], netload('send', contestant.address, PORTS['udp64'], '--seconds', seconds), seconds)
            return {'sent': sent, 'received': receiver.result(30)}

        figures = timed(both_sides)
    sent, received = figures.pop('sent'), figures.pop('received')
    if received['damaged'] > 0 or not 0 < received['received'] <= sent['sent'] or received['seconds'] <= 0:
        raise LabError(f"{contestant.name}: of {sent['sent']} datagrams {received['received']} arrived whole and {received['damaged']} damaged")
    return {'packets_per_s': round(received['received'] / received['seconds'], 1), 'sent_per_s': round(sent['sent'] / sent['seconds'], 1),
            'loss': round(1 - received['received'] / sent['sent'], 4), **figures}


WORKS = {'tcp': stream, 'tcp_rr': transactions, 'udp64': datagrams}
