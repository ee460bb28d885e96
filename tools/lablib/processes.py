# SPDX-License-Identifier: BSD-3-Clause
"""Processes of a lab: started detached, known by pid and start time, ended by pidfd, so that no other process is ever hit. Besides the recorded
ones, whatever runs in the lab's own namespaces is the lab's."""
import os
import pathlib
import select
import signal
import subprocess
import time

from lablib import namespaces
from lablib.command import environment, in_netns


def start_time(pid):
    """Clock ticks since boot at which the process started; None when it is gone or only waits to be reaped."""
    try:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='utf8').rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in 'ZX' else int(fields[19])


def is_alive(record):
    return start_time(record['pid']) == record['start']


def start(state, what, command, netns, log, more_environment=None):
    """Starts a program that outlives us, in a namespace, its output appended to a file."""
    with open(log, 'a', encoding='utf8') as output:
        process = subprocess.Popen(in_netns(netns, *command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                                   env=environment(**(more_environment or {})))
    record = {'what': what, 'pid': process.pid, 'start': start_time(process.pid)}
    state.data['processes'] = [each for each in state.data['processes'] if each['what'] != what] + [record]
    state.save()
    return record


def program(record):
    """The name of what a process runs; None when it is gone."""
    try:
        return pathlib.Path(f"/proc/{record['pid']}/exe").readlink().name
    except OSError:
        return None


def find(state, what):
    return next((each for each in state.data['processes'] if each['what'] == what and is_alive(each)), None)


def send(record, number):
    """False when the process is already gone."""
    try:
        descriptor = os.pidfd_open(record['pid'])
    except ProcessLookupError:
        return False
    try:
        if not is_alive(record):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def reap(record):
    """Takes the exit code of a process that happens to be our own child, so that it does not stay as a zombie."""
    try:
        os.waitpid(record['pid'], os.WNOHANG)
    except ChildProcessError:
        pass


def kill(record):
    """SIGKILL, and gone when this returns, with all its threads and what they held."""
    try:
        descriptor = os.pidfd_open(record['pid'])
    except ProcessLookupError:
        return
    try:
        if send(record, signal.SIGKILL):
            select.select([descriptor], [], [])
    finally:
        os.close(descriptor)
    reap(record)


def in_namespaces(names):
    """Records of all processes that run in these namespaces now."""
    inodes = {namespaces.inode(name): name for name in names}
    records = []
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            name = inodes.get((entry / 'ns' / 'net').stat().st_ino)
        except OSError:
            continue  # it ended
        if name is not None and (start := start_time(entry.name)) is not None:
            records.append({'what': name, 'pid': int(entry.name), 'start': start})
    return records


def end_all(recorded, names, grace_s=5.0):
    """Ends the recorded processes and those in the namespaces: a request first, then by force. Asked again until none is left, since an agent
    may be starting a process at this very moment."""
    deadline = time.monotonic() + grace_s
    asked = set()
    while True:
        alive = [record for record in recorded if is_alive(record)] + in_namespaces(names)
        if not alive:
            break
        for record in alive:
            if time.monotonic() > deadline:
                kill(record)
            elif record['pid'] not in asked:
                asked.add(record['pid'])
                send(record, signal.SIGTERM)
        time.sleep(0.02)
    for record in recorded:
        reap(record)
