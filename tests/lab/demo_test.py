#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tools/demo runs to its end, shows each part of the main job, and cleans up; and it fails when a part does."""
import re
import signal
import subprocess

import harness
from harness import REPOSITORY, check, fact
from lablib import namespaces
from lablib.command import environment

PARTS = ('Three hosts', 'Routes', 'Ping', 'TCP, bulk data', 'UDP', 'IPv6', 'Policy', 'Explain')


def demo(name, *options):
    return subprocess.run([REPOSITORY / 'tools' / 'demo', '--name', name, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200,
                          env=environment())


def shows_every_part_and_cleans_up(name):
    shows_all(name, demo(name), 'fast path ebpf')


def does_so_with_dpdk(name):
    shows_all(name, demo(name, '--fastpath', 'dpdk'), 'fast path dpdk')


def shows_all(name, done, fast_path):
    assert done.returncode == 0, f'exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}'
    shown = re.findall(r'^=== \d+\. (.*)$', done.stdout, re.M)
    assert tuple(shown) == PARTS, shown
    for words in ('0% packet loss', 'SHA-256', 'ingress_policy', 'Total time', fast_path):
        assert words in done.stdout, f'{words} is not shown'
    assert not list(namespaces.NETNS.glob(f'{name}-*'))


def fails_when_a_part_fails(name):
    """A namespace of that name is in the way of the third host."""
    subprocess.run(['ip', 'netns', 'add', f'{name}-h3'], check=True, env=environment())
    try:
        done = demo(name)
        assert done.returncode == 1 and f'{name}-h3' in done.stderr, f'exit {done.returncode}: {done.stderr}'
        assert [path.name for path in namespaces.NETNS.glob(f'{name}-*')] == [f'{name}-h3'], 'it left something behind'
    finally:
        subprocess.run(['ip', 'netns', 'del', f'{name}-h3'], check=True, env=environment())


def cleans_up_when_it_is_ended(name):
    """As by a terminal that is closed."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process = subprocess.Popen([REPOSITORY / 'tools' / 'demo', '--name', name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=environment(), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        for line in process.stdout:
            if 'Routes' in line:
                break
        assert list(namespaces.NETNS.glob(f'{name}-*')), 'nothing was made'
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 128 + number and 'Traceback' not in complaint, f'exit {process.returncode}: {complaint}'
        assert not list(namespaces.NETNS.glob(f'{name}-*'))


def refuses_what_it_does_not_know(name):
    for words in (('--bogus',), ('--fastpath',), ('more',)):
        done = demo(name, *words)
        assert done.returncode == 2 and words[0] in done.stderr and not done.stdout, f'exit {done.returncode}: {done.stdout}{done.stderr}'


harness.need_root()
for case in (shows_every_part_and_cleans_up, does_so_with_dpdk, fails_when_a_part_fails, cleans_up_when_it_is_ended, refuses_what_it_does_not_know):
    check(fact(case), case, harness.new_name())
harness.finish()
