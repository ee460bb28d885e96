# SPDX-License-Identifier: BSD-3-Clause
"""What the lab's tests share: cases that print `ok NAME` or `not ok NAME: why`, labs that go away with their test, and the checks that several need.
A case is a function that raises when the fact in its name does not hold."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import traceback

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / 'tools'))

import lablib.ping  # noqa: E402
from lablib import hosts, processes, transfer  # noqa: E402
from lablib.command import LabError, attempt, environment, in_netns, run, wait_until  # noqa: E402
from lablib.lab import Lab  # noqa: E402

failed = []
_labs = 0


def everything():
    """True when what is too long for CI is wanted as well."""
    return '--all' in sys.argv[1:]


def need_root():
    if os.geteuid() != 0:
        sys.exit('network namespaces need root')


def check(name, function, *arguments):
    """Runs one case and prints how it ended."""
    try:
        function(*arguments)
    except subprocess.TimeoutExpired as late:
        report(name, f'no end after {late.timeout:.0f} s: {late.cmd}')
    except (AssertionError, LabError) as why:
        report(name, why)
        traceback.print_exc()
    except Exception as why:  # a broken case is a failed case, and the next ones still run
        report(name, f'{type(why).__name__}: {why}')
        traceback.print_exc()
    else:
        print(f'ok {name}', flush=True)
        return True
    return False


def report(name, why):
    failed.append(name)
    print(f"not ok {name}: {' '.join(str(why).split())[:1500]}", flush=True)


def fact(function):
    return function.__name__.replace('_', ' ')


def new_name():
    """A name for a lab that no other test has."""
    global _labs
    _labs += 1
    return f't{os.getpid()}{chr(96 + _labs)}'


BOTH = ('ebpf', 'dpdk')
MIXED = 'ebpf,dpdk'  # one host has this, the next one that


def with_lab(title, options, *cases, fastpaths=BOTH):
    """One lab for each fast path, and several cases on it."""
    for fastpath in fastpaths:
        with_one_lab(f'{fastpath}: {title}', {**options, 'fastpath': fastpath}, *cases)


def with_one_lab(title, options, *cases, stage=contextlib.nullcontext):
    """A lab that does not come up fails all of its cases. `stage` makes of the lab what the cases get."""
    name = new_name()
    with contextlib.ExitStack() as life:
        try:
            lab = life.enter_context(Lab.up(name, **options))
            subject = life.enter_context(stage(lab))
        except (LabError, AssertionError) as why:
            traceback.print_exc()
            for case in cases:
                report(f'{title}: {fact(case)}', f'the lab did not come up: {why}')
            return
        for case in cases:
            if not check(f'{title}: {fact(case)}', case, subject):
                print_logs(lab)


def print_logs(lab):
    for host in lab.hosts.values():
        with contextlib.suppress(LabError):
            print(f'--- drops of {host.name}: {drops(host)}', file=sys.stderr, flush=True)
        for path in (host.log, host.dataplane_log()):
            print(f'--- {path.name} of {host.name}\n{hosts.tail(path, 25)}', file=sys.stderr, flush=True)


def finish():
    sys.exit(1 if failed else 0)


# --- checks


def ping(lab, source, address, count=3, interval=0.0, options=()):
    """Sends pings from an endpoint or host; all must be answered."""
    answered = lablib.ping.ping(lab.netns(source), address, count, interval, options)
    assert answered == count, f'{source} to {address}: ping {answered + 1} of {count} was not answered'


def is_answered(lab, source, address):
    """Is one ping from an endpoint or host answered?"""
    return lablib.ping.ping(lab.netns(source), address, count=1) == 1


def no_ping(lab, source, address):
    for _ in range(2):
        assert not is_answered(lab, source, address), f'{source} to {address}: a ping was answered'


def start(netns, *command):
    """A program in a namespace whose output is read later."""
    return subprocess.Popen(in_netns(netns, *command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=environment())


def runs_of_datagrams(source, destination, address, size, runs):
    """Sends runs of datagrams, each run in one call, from a namespace to an address of another; returns how many came back whole."""
    answerer = transfer.program(destination, 'answer', address, 5002, 60)
    try:
        if answerer.stdout.readline() != 'ready\n':
            raise LabError(f'{destination}: {answerer.stderr.read()}')
        program = pathlib.Path(__file__).with_name('udp_segments.py')
        said = json.loads(run('/usr/bin/python3', '-I', program, address, 5002, size, runs, netns=source))
    finally:
        answerer.kill()
        answerer.communicate()
    assert said['strange'] == 0, f'{address}: {said}'
    return said['whole']


def weftd(host, *options):
    """Runs the agent of a host by hand: to see it refuse, or as something that ends by itself."""
    return attempt(hosts.programs() / 'weftd', '--config', host.directory / 'weftd.conf', *options, netns=host.netns)


def purge(host, *options):
    return weftd(host, *options, '--purge')


def stop(host):
    """Ends the agent as an operator would; its fast path goes on."""
    record = host.agent()
    processes.send(record, signal.SIGTERM)
    wait_until(lambda: not processes.is_alive(record), f'weftd of {host.name} ended', 10)
    processes.reap(record)


def connects(lab, source, address, port, timeout=2):
    """Whether a TCP connection from a namespace of the lab to an address opens."""
    code = f'import socket; socket.create_connection(({address!r}, {port}), {timeout}).close()'
    return attempt('/usr/bin/python3', '-I', '-c', code, netns=lab.netns(source)).returncode == 0


def warnings(host):
    """All that a host's status warns of, in one text."""
    return ' '.join(host.weft_json('status').get('warnings', []))


def drops(host):
    """Dropped packets of a host, all ports together, by reason."""
    total = {}
    for port in host.weft_json('counters').get('ports', []):
        for each in port.get('drops', []):
            total[each['reason']] = total.get(each['reason'], 0) + int(each['packets'])
    return total
