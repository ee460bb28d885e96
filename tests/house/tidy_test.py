#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""clang-tidy over the speaker, the fast paths and the policy compiler, with the checks of .clang-tidy. It takes many CPU-minutes, so CI only sees that
the list of checks is valid and that it finds something; --all runs it."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from cases import run_cases  # noqa: E402

BUILD = ROOT / os.environ.get('WEFT_BUILD', 'build')
HELD = ('routing/', 'dataplane/', 'ebpf/', 'controlplane/policy/')


def sources():
    """Hand-written translation units that the build knows."""
    commands = json.loads((BUILD / 'compile_commands.json').read_text(encoding='utf8'))
    paths = {(pathlib.Path(each['directory']) / each['file']).resolve() for each in commands}
    return sorted(path for path in paths if path.is_relative_to(ROOT) and str(path.relative_to(ROOT)).startswith(HELD))


def findings(path):
    """What clang-tidy says about a file, without code and notes."""
    done = subprocess.run(['clang-tidy-19', '-p', BUILD, '--quiet', path], cwd=ROOT, capture_output=True, text=True, check=False)
    found = sorted({line.strip() for line in done.stdout.splitlines() if re.search(r': (warning|error): ', line)})
    return found or ([done.stderr[-500:]] if done.returncode != 0 else [])


def list_of_checks_is_valid():
    done = subprocess.run(['clang-tidy-19', '--verify-config'], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and 'warning' not in done.stderr + done.stdout, done.stdout + done.stderr


def fault_is_detected():
    """The test's own test."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, 'fault.cpp')
        file.write_text('#include <string>\nbool f(const std::string& s) { return s.size() == 0; }\n', encoding='utf8')
        done = subprocess.run(['clang-tidy-19', f'--config-file={ROOT}/.clang-tidy', '--quiet', file, '--', '-std=c++20'], capture_output=True, text=True,
                              check=False)
        assert done.returncode != 0 and 'readability-container-size-empty' in done.stdout, done.stdout + done.stderr


def sources_have_no_findings():
    paths = sources()
    assert len(paths) > 40, f'only {len(paths)} source files in {BUILD}/compile_commands.json'
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = sorted({finding for each in pool.map(findings, paths) for finding in each})
    assert not found, '\n'.join(found)


run_cases(list_of_checks_is_valid, fault_is_detected, *([sources_have_no_findings] if '--all' in sys.argv[1:] else []))
