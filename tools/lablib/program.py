# SPDX-License-Identifier: BSD-3-Clause
"""A Python program in a namespace that says "ready", and then answers lines by lines."""
import select
import subprocess

from .command import LabError, environment, in_netns


class Program:
    def __init__(self, netns, code, *arguments):
        self.netns = netns
        self.process = subprocess.Popen(in_netns(netns, '/usr/bin/python3', '-I', '-c', code, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment())
        if self.hear() != 'ready':
            raise LabError(f'a program in {netns} did not start')

    def tell(self, line=''):
        self.process.stdin.write(f'{line}\n')
        self.process.stdin.flush()

    def hear(self, patience=None):
        """The next line; a program that says nothing for so many seconds fails."""
        if patience is not None and not select.select([self.process.stdout], [], [], patience)[0]:
            raise LabError(f'a program in {self.netns} says nothing for {patience} s')
        return self.process.stdout.readline().strip()

    def ask(self, line=''):
        self.tell(line)
        return self.hear()

    def end(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
