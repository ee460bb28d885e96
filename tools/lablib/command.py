# SPDX-License-Identifier: BSD-3-Clause
"""Running other programs: every call of the lab to ip, ethtool and the like goes through here, so that each failure says which command it was."""
import os
import subprocess
import time

PATH = '/usr/sbin:/usr/bin:/sbin:/bin'


class LabError(Exception):
    """Something that the user of the lab is told in one sentence."""


def environment(**more):
    """Debian's programs, whatever else is in the user's PATH, and messages in English."""
    return dict(os.environ, PATH=PATH, LC_ALL='C.UTF-8', **more)


def in_netns(netns, *command):
    return ['ip', 'netns', 'exec', netns, *map(str, command)]


def attempt(*command, netns=None, timeout=120, text_input=None):
    """Runs a command to its end; the caller looks at its exit code."""
    command = in_netns(netns, *command) if netns else [str(word) for word in command]
    stdin = {'input': text_input} if text_input is not None else {'stdin': subprocess.DEVNULL}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), **stdin)
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(command)}: no end after {late.timeout:.0f} s") from None
    except FileNotFoundError:
        raise LabError(f'{command[0]}: there is no such program: run tools/setup') from None


def run(*command, netns=None, timeout=120, text_input=None):
    """Like attempt, but a failure is an error; returns what the command printed."""
    done = attempt(*command, netns=netns, timeout=timeout, text_input=text_input)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{' '.join(map(str, command))}{f' in {netns}' if netns else ''}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def wait_until(condition, what, seconds=20.0, interval=0.02):
    """Calls condition until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f'{what}: not after {seconds:.0f} s')
        time.sleep(interval)
