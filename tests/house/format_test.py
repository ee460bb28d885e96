#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What every file of the tree keeps to: clang-format's layout, a licence tag, no path of somebody's machine."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from cases import run_cases  # noqa: E402

FORMATTED = ('.h', '.hpp', '.c', '.cpp')
# Data and prose carry no tag.
WITHOUT_TAG = re.compile(r'(^|/)(LICENSE|\.gitignore|\.clang-format|\.clang-tidy)$|\.(md|json|ya?ml|txt|svg|png|pcap)$|^tools/packages$|^tests/.*/corpus/')
SPDX = 'SPDX-License-Identifier: '
TAG = re.compile(SPDX + r'(BSD-3-Clause OR GPL-2\.0-only|BSD-3-Clause)\b')
# A home directory, and the places where checkouts live on build machines.
MACHINE_PATH = re.compile(r'(?<![\w./-])/(home/[a-z]|work/|workspace/|builds/|Users/)')


def files():
    # Root may look at a user's checkout.
    listed = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def text_of(path):
    return (ROOT / path).read_bytes().decode('utf8', 'replace')


def tag_fault(path, text):
    if WITHOUT_TAG.search(path):
        return None
    head = '\n'.join(text.splitlines()[:3])
    found = TAG.search(head)
    if not found:
        return f'{path}: no licence tag in its first three lines'
    if path.endswith('.bpf.c') and 'GPL-2.0' not in found[1]:
        return f'{path}: BPF programs are BSD-3-Clause OR GPL-2.0-only'
    return None


def path_faults(path, text):
    return [f'{path}:{number}: a path of some machine: {line.strip()}' for number, line in enumerate(text.splitlines(), 1) if MACHINE_PATH.search(line)]


def sources_are_formatted():
    paths = [path for path in files() if path.endswith(FORMATTED)]
    assert len(paths) > 50, f'only {len(paths)} source files found'
    done = subprocess.run(['clang-format-19', '--dry-run', '-Werror', '--style=file', *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = sorted(set(re.findall(r'^(\S+?):\d+:\d+: error: code should be clang-formatted', done.stderr, re.MULTILINE)))
    assert done.returncode == 0, f'clang-format-19 -i {" ".join(wrong)}' if wrong else done.stderr


def files_have_a_licence_tag():
    found = [fault for path in files() if (fault := tag_fault(path, text_of(path)))]
    assert not found, '\n'.join(found)


def files_name_no_machine():
    found = [fault for path in files() for fault in path_faults(path, text_of(path))]
    assert not found, '\n'.join(found)


def faults_are_detected():
    """The test's own test."""
    assert tag_fault('routing/a.cpp', '// no tag\n')
    assert tag_fault('ebpf/a.bpf.c', f'// {SPDX}BSD-3-Clause\n')
    assert tag_fault('routing/a.cpp', f'// {SPDX}MIT\n')
    assert not tag_fault('routing/a.cpp', f'// {SPDX}BSD-3-Clause\n')
    assert not tag_fault('docs/a.md', '# A page\n')
    assert path_faults('a', 'see /' + 'home/somebody/x')
    assert path_faults('a', '"/' + 'work/main"')
    assert not path_faults('a', 'network/home/x, /var/lib/weft, the home/work balance')


run_cases(faults_are_detected, sources_are_formatted, files_have_a_licence_tag, files_name_no_machine)
