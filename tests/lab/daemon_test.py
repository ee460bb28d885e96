#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the programs owe to who starts them: descriptors that were closed do not become somebody's file, and a terminal that goes is a request to end.

  h1, whose weftd is started in unusual ways"""
import os
import pathlib
import signal
import subprocess

import harness
from harness import stop, with_lab
from lablib import hosts
from lablib.command import environment, in_netns, wait_until

CLOSED = ('sh', '-c', 'exec "$0" "$@" <&- >&- 2>&-')


def begin(host, *command):
    """Runs a program in the host's namespace, as our own child."""
    return subprocess.Popen(in_netns(host.netns, *command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())


def weftd(host):
    return hosts.programs() / 'weftd', '--config', host.directory / 'weftd.conf'


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    return process.wait(20)


def opened(process):
    """What a process, that sh and ip have become, has behind 0, 1 and 2."""
    return [os.readlink(f'/proc/{process.pid}/fd/{number}') for number in range(3)]


def weftd_with_closed_descriptors_writes_its_log_nowhere(lab):
    host = lab.host('h1')
    stop(host)
    process = begin(host, *CLOSED, *weftd(host))
    try:
        wait_until(host.answers, 'an answer', 10)
        assert opened(process) == ['/dev/null'] * 3, opened(process)
    finally:
        assert end(process) == 0
    for lock in (host.directory / 'state' / 'weftd.pid', pathlib.Path(f'{host.dataplane_socket}.lock')):
        assert lock.read_text(encoding='utf8') == f'{process.pid}\n', lock.read_text(encoding='utf8')


def weft_dataplane_with_closed_descriptors_has_none_of_its_own_there(lab):
    host = lab.host('h1')
    path = host.directory / 'other.sock'
    process = begin(host, *CLOSED, hosts.programs() / 'weft-dataplane', '--socket', path, '--hugepages', 'off')
    try:
        wait_until(path.exists, 'its socket', 10)
        assert opened(process) == ['/dev/null'] * 3, opened(process)
    finally:
        assert end(process, signal.SIGHUP) == 0
    assert not path.exists(), 'the socket is left'


def hangup_ends_weftd_as_sigterm_does(lab):
    host = lab.host('h1')
    process = begin(host, *weftd(host))
    wait_until(host.answers, 'an answer', 10)
    assert end(process, signal.SIGHUP) == 0
    assert not host.socket.exists(), 'the socket is left'


def hangup_does_not_end_weftd_under_nohup(lab):
    host = lab.host('h1')
    process = begin(host, 'nohup', *weftd(host))
    try:
        wait_until(host.answers, 'an answer', 10)
        process.send_signal(signal.SIGHUP)
        assert host.try_weft('status').returncode == 0
    finally:
        assert end(process) == 0


harness.need_root()
with_lab('daemon', {'hosts': 1, 'endpoints': 0}, weftd_with_closed_descriptors_writes_its_log_nowhere,
         weft_dataplane_with_closed_descriptors_has_none_of_its_own_there, hangup_ends_weftd_as_sigterm_does, hangup_does_not_end_weftd_under_nohup, fastpaths=('ebpf',))
harness.finish()
