# SPDX-License-Identifier: BSD-3-Clause
"""What a lab made, on file before it is made, so that after any crash `down` and the next `up` find all of it and nothing else.

/run/weft-lab/NAME.lock   held while `up` and `down` work
/run/weft-lab/NAME/       state.json, and a directory for each host and router"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil

from lablib.command import LabError

ROOT = pathlib.Path('/run/weft-lab')


def check_name(name):
    if not re.fullmatch(r'[a-z][a-z0-9]{0,19}', name):
        raise LabError(f"lab name '{name}': want a letter and up to 19 more small letters and digits")


@contextlib.contextmanager
def locked(name):
    """One `up` or `down` at a time for each name; the kernel lets go of the lock however its holder ends."""
    check_name(name)
    ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(ROOT / f'{name}.lock', 'w', encoding='utf8') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f'lab {name}: another `lab up` or `lab down` is at work on it: wait for it') from None
        try:
            yield
        finally:
            if not (ROOT / name).exists():
                (ROOT / f'{name}.lock').unlink(missing_ok=True)


class State:
    """The record of one lab. `data` is plain JSON:

      complete         `up` came to its end
      options          what `up` was asked for
      namespaces       [{name, inode}]; inode is null until the namespace exists
      processes        [{what, pid, start}]
      hugepages_added  how many were reserved for it
      hosts            what is known of each host and its endpoints"""

    def __init__(self, name, data):
        self.name = name
        self.directory = ROOT / name
        self.data = data

    @classmethod
    def create(cls, name, options):
        state = cls(name, {'complete': False, 'options': options, 'namespaces': [], 'processes': [], 'hosts': {}})
        state.directory.mkdir(mode=0o755, parents=True)
        state.save()
        return state

    @classmethod
    def load(cls, name):
        """None when there is no such lab. A directory whose record was cut off before it was written has nothing to undo."""
        check_name(name)
        directory = ROOT / name
        if not directory.exists():
            return None
        try:
            return cls(name, json.loads((directory / 'state.json').read_text(encoding='utf8')))
        except FileNotFoundError:
            return cls(name, {'complete': False, 'options': {}, 'namespaces': [], 'processes': [], 'hosts': {}})

    @staticmethod
    def names():
        return sorted(path.name for path in ROOT.iterdir() if path.is_dir()) if ROOT.exists() else []

    def save(self):
        """Whole or not at all: a reader never sees half a record."""
        whole = self.directory / 'state.json'
        part = self.directory / 'state.json.part'
        part.write_text(json.dumps(self.data, indent=1), encoding='utf8')
        os.replace(part, whole)

    def mounts(self):
        """File systems that are mounted below the lab's directory."""
        lines = pathlib.Path('/proc/self/mounts').read_text(encoding='utf8').splitlines()
        return [words[1] for words in map(str.split, lines) if words[1].startswith(f'{self.directory}/')]

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
