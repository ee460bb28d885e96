#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A lab comes up, goes, and leaves nothing behind, whatever was killed on the way; and it touches nothing that it did not make."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import harness
from harness import REPOSITORY, check, fact
from lablib import namespaces, processes
from lablib.command import environment, run
from lablib.lab import HUGEPAGES
from lablib.state import ROOT, State

TOOL = REPOSITORY / 'tools' / 'lab'


def tool(*words, timeout=120):
    return subprocess.run([TOOL, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=environment())


def tool_ok(*words):
    done = tool(*words)
    assert done.returncode == 0, f"lab {' '.join(map(str, words))}: exit {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def namespaces_of(name):
    return [path.name for path in namespaces.NETNS.glob(f'{name}-*')]


def network_inodes(name):
    return {namespaces.inode(each) for each in namespaces_of(name)}


def processes_in(inodes):
    """Pids whose network namespace is one of these, also when its name is gone."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/ns/net'):
        try:
            if int(re.search(r'\d+', os.readlink(path))[0]) in inodes:
                found.append(int(path.parts[2]))
        except OSError:
            continue
    return found


def assert_nothing_left(name, inodes):
    assert not namespaces_of(name), f'namespaces are left: {namespaces_of(name)}'
    assert not (ROOT / name).exists(), f'{ROOT / name} is left'
    assert not (ROOT / f'{name}.lock').exists(), f'{ROOT / name}.lock is left'
    left = processes_in(inodes)
    assert not left, f'processes are left: {left}'
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            assert str(ROOT / name) not in path.read_bytes().decode(errors='replace'), f'process {path.parts[2]} of the lab is left'
        except OSError:
            continue


def up_and_down_leave_nothing(name):
    tool_ok('up', '--name', name, '--hosts', 2, '--endpoints', 2, '--reflector', 'frr', '--fastpath', 'ebpf,dpdk')
    inodes = network_inodes(name)
    assert len(inodes) == 2 + 2 * 2 + 2, f'{namespaces_of(name)}'
    assert len(processes_in(inodes)) >= 4, 'two agents, a fast path and a reflector should run'
    links = set(os.listdir('/sys/class/net'))
    said = tool_ok('list')
    assert f'{name}: up' in said and 'h2-e2' in said, said
    tool_ok('exec', '--name', name, 'h1-e1', '--', 'ping', '-c', '1', '-W', '1', '169.254.1.1')
    assert tool('exec', '--name', name, 'h1-e1', '--', 'sh', '-c', 'exit 7').returncode == 7
    assert 'h1' in tool_ok('weft', '--name', name, 'h1', 'status')
    tool_ok('down', '--name', name)
    assert_nothing_left(name, inodes)
    assert not {each for each in set(os.listdir('/sys/class/net')) - links if name in each}
    assert 'nothing to do' in tool_ok('down', '--name', name)


def down_after_a_great_kill_leaves_nothing(name):
    tool_ok('up', '--name', name, '--hosts', 2)
    inodes = network_inodes(name)
    for pid in processes_in(inodes):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    tool_ok('down', '--name', name)
    assert_nothing_left(name, inodes)


def next_up_removes_what_a_killed_up_left(name):
    for moment in (2, 3, 5):
        process = subprocess.Popen([TOOL, 'up', '--name', name, '--hosts', '3'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=environment())
        while process.poll() is None and len(namespaces_of(name)) < moment:
            time.sleep(0.002)
        assert process.poll() is None, 'it ended before it could be killed'
        process.kill()
        process.wait()
        before = network_inodes(name)
        assert before, 'there should be something to clean up'
        assert State.load(name) is not None, 'no record of what was made'
        said = tool_ok('up', '--name', name, '--hosts', 1, '--endpoints', 1)
        assert 'left behind' in said, said
        assert len(namespaces_of(name)) == 3, f'{namespaces_of(name)}'
        after = network_inodes(name)
        assert not processes_in(before - after), 'processes of the killed lab are left'
        tool_ok('down', '--name', name)
        assert_nothing_left(name, before | after)


def second_up_is_refused(name):
    tool_ok('up', '--name', name, '--hosts', 1)
    try:
        before = network_inodes(name)
        again = tool('up', '--name', name, '--hosts', 1)
        assert again.returncode == 1 and 'is up already' in again.stderr, again.stderr
        assert network_inodes(name) == before
        tool_ok('exec', '--name', name, 'h1-e1', '--', 'ping', '-c', '1', '-W', '1', '169.254.1.1')
    finally:
        tool_ok('down', '--name', name)


def foreign_namespace_is_not_touched(name):
    foreign = f'{name}-h2'
    run('ip', 'netns', 'add', foreign)
    try:
        inode = namespaces.inode(foreign)
        refused = tool('up', '--name', name, '--hosts', 2)
        assert refused.returncode == 1 and foreign in refused.stderr and '--name' in refused.stderr, refused.stderr
        assert namespaces.inode(foreign) == inode, 'the foreign namespace was touched'
        assert namespaces_of(name) == [foreign], f'{namespaces_of(name)}'
        assert not (ROOT / name).exists()
    finally:
        run('ip', 'netns', 'del', foreign)


def foreign_process_with_a_recorded_pid_is_not_ended(_):
    bystander = subprocess.Popen(['sleep', '60'])
    try:
        processes.end_all([{'what': 'x', 'pid': bystander.pid, 'start': processes.start_time(bystander.pid) - 1}], [])
        assert bystander.poll() is None, 'a process with another start time was ended'
    finally:
        bystander.kill()
        bystander.wait()


def hugepages_are_used_and_given_back(name):
    before = HUGEPAGES.read_text(encoding='utf8')
    tool_ok('up', '--name', name, '--hosts', 1, '--hugepages', '--fastpath', 'dpdk')
    try:
        assert json.loads(tool_ok('weft', '--name', name, 'h1', '-o', 'json', 'status'))['fast_path']['hugepages'] is True
        tool_ok('exec', '--name', name, 'h1-e1', '--', 'ping', '-c', '1', '-W', '1', '169.254.1.1')
        assert int(HUGEPAGES.read_text(encoding='utf8')) > int(before)
    finally:
        tool_ok('down', '--name', name)
    assert HUGEPAGES.read_text(encoding='utf8') == before, f'{before} before, {HUGEPAGES.read_text()} after'


def bad_input_is_one_sentence(name):
    for words, said in ((('up', '--name', name, '--hosts', 0), '--hosts 0'), (('up', '--name', 'A b'), "lab name 'A b'"),
                        (('up', '--name', name, '--mtu', 100), '--mtu 100'), (('exec', '--name', name, 'h1', '--', 'true'), f'no lab {name}'),
                        (('weft', '--name', name, 'h1', 'status'), f'no lab {name}')):
        done = tool(*words)
        assert done.returncode == 1, f'{words}: exit {done.returncode}'
        assert said in done.stderr and len(done.stderr.splitlines()) == 1, f'{words}: {done.stderr}'
        assert not namespaces_of(name) and not (ROOT / name).exists()


harness.need_root()
for case in (up_and_down_leave_nothing, down_after_a_great_kill_leaves_nothing, next_up_removes_what_a_killed_up_left, second_up_is_refused,
             foreign_namespace_is_not_touched, hugepages_are_used_and_given_back, foreign_process_with_a_recorded_pid_is_not_ended, bad_input_is_one_sentence):
    lab_name = harness.new_name()
    try:
        check(fact(case), case, lab_name)
    finally:
        tool('down', '--name', lab_name)
harness.finish()
