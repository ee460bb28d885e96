# SPDX-License-Identifier: BSD-3-Clause
"""A Python program in a namespace that says "ready", and then answers lines by lines."""
import subprocess

import harness


class Program:
    def __init__(self, netns, code, *arguments):
        self.process = subprocess.Popen(harness.in_netns(netns, '/usr/bin/python3', '-I', '-c', code, *map(str, arguments)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=harness.environment())
        assert self.process.stdout.readline() == 'ready\n', f'a program in {netns} did not start'

    def tell(self, line=''):
        self.process.stdin.write(f'{line}\n')
        self.process.stdin.flush()

    def ask(self, line=''):
        self.tell(line)
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
