# SPDX-License-Identifier: BSD-3-Clause
"""Builds weft and runs its tests.

  sudo tools/test                  what CI runs
  sudo tools/test --only AREA ...  one area or several: unit, one of its suites (routing, dataplane, pipeline, ebpf, controlplane, policy, tools), sanitizers,
                                   fuzz, house, ebpf, lab, interop, perf, or the name of a script in these five folders (attach, or lab/attach), of which the
                                   first words are enough (policy: policy_conformance too)
  sudo tools/test --all            also what is too long for CI

The last line is `N passed, N failed`; the exit code is 1 when a test failed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Results:
    """Counts single cases and prints each area as it ends."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, area, passed, failed, seconds):
        self.passed += passed
        self.failed += failed
        print(f'{area}: {passed} passed, {failed} failed ({seconds:.0f} s)', flush=True)


def setup(build, options, **further):
    environment = dict(os.environ, WEFT_BUILD=build, WEFT_MESON=' '.join(options), **further)
    return subprocess.run([ROOT / 'tools' / 'setup'], env=environment, stdin=subprocess.DEVNULL).returncode == 0


def setup_clang(build, options, targets):
    """A build with both sanitizers. By clang: libFuzzer is clang's, and it needs a third of g++'s time for the rest."""
    ccache = 'ccache ' if shutil.which('ccache') else ''
    return setup(build, ['-Db_sanitize=address,undefined', '-Db_lundef=false', *options], CC=f'{ccache}clang-19', CXX=f'{ccache}clang++-19',
                 WEFT_TARGETS=targets)


def gtest_counts(report):
    root = xml.parse(report).getroot()
    cases = [case for case in root.iter('testcase') if case.get('status') == 'run']
    failed = [case for case in cases if case.find('failure') is not None or case.find('error') is not None]
    for case in failed:
        why = '\n'.join(each.get('message', '')[:2000] for each in case.iter('failure'))
        print(f"FAILED {case.get('classname')}.{case.get('name')}: {why}", flush=True)
    return len(cases) - len(failed), len(failed)


def unittest_counts(said):
    """What python3 -m unittest counts; None when it is not of that kind."""
    ran = re.search(r'^Ran (\d+) tests? in', said, re.M)
    if ran is None:
        return None
    bad = sum(int(number) for number in re.findall(r'(?:failures|errors)=(\d+)', said))
    return int(ran[1]) - bad, bad


def meson_tests(build):
    said = subprocess.run(['meson', 'introspect', '--tests', ROOT / build], capture_output=True, check=True).stdout
    return json.loads(said)


def suites_of(test):
    return {suite.rpartition(':')[2] for suite in test['suite']}


def run_test(test, build, environment):
    """One test program: (passed, failed), and prints what it said when something failed."""
    report = ROOT / build / 'reports' / (test['name'] + '.xml')
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    gtest = test['protocol'] == 'gtest'
    command = test['cmd'] + ([f'--gtest_output=xml:{report}'] if gtest else [])
    try:
        run = subprocess.run(command, cwd=ROOT, env=dict(os.environ, **test['env'], **environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             errors='replace', timeout=600)
        code, said, complaint = run.returncode, run.stdout, run.stderr
    except subprocess.TimeoutExpired:
        code, said, complaint = 1, '', f'no end after 600 s: {command}'
    counts = gtest_counts(report) if gtest and report.exists() else unittest_counts(complaint)
    good, bad = counts or ((1, 0) if code == 0 else (0, 1))
    if code != 0 and bad == 0:
        bad = 1
    if bad:
        print(f"FAILED {test['name']}", said[-4000:], complaint[-6000:], sep='\n', flush=True)
    return good, bad


def unit_tests(results, area, build, suite=None, **environment):
    """Every test that meson knows, or those of one suite: as many at a time as there are processors, the longest first, and then those that want the machine
    for themselves. The cases of gtest and unittest programs are counted one by one."""
    begin = time.monotonic()
    tests = [test for test in meson_tests(build) if suite is None or suite in suites_of(test)]
    tests.sort(key=lambda test: (not test['is_parallel'], -test['priority']))
    together = sum(test['is_parallel'] for test in tests)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(lambda test: run_test(test, build, environment), tests[:together]))
    counts += [run_test(test, build, environment) for test in tests[together:]]
    passed, failed = (sum(column) for column in zip(*counts)) if counts else (0, 0)
    if passed + failed > 0:
        results.add(area, passed, failed, time.monotonic() - begin)


def fuzzers(results, everything):
    """Each libFuzzer target of tests/fuzz for a fixed number of inputs, side by side; one that ends early has found something."""
    begin = time.monotonic()
    if not setup_clang('build-fuzz', ['-Dfuzz=true', '-Doptimization=1'], 'fuzz'):
        results.add('fuzz', 0, 1, 0)
        return
    programs = ROOT / 'build-fuzz' / 'tests' / 'fuzz'
    corpus = ROOT / 'build-fuzz' / 'corpus'
    findings = ROOT / 'build-fuzz' / 'findings'
    findings.mkdir(exist_ok=True)
    subprocess.run([programs / 'fuzz-seeds', corpus], check=True)
    all_runs, seed = (2_000_000, random.randrange(1, 2**31)) if everything else (200_000, 1)
    running = {}
    # A YAML text takes far longer than a packet.
    for name, runs in (('pipeline', all_runs), ('fast_path', all_runs), ('bgp', all_runs), ('policy', all_runs // 10)):
        command = [programs / f'{name}-fuzz', f'-runs={runs}', f'-seed={seed}', '-max_len=8192', '-timeout=20', '-rss_limit_mb=4096',
                   '-print_funcs=0', f'-artifact_prefix={findings}/{name}-', corpus / name]
        with open(findings / f'{name}.log', 'wb') as log:
            running[name] = runs, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    passed = 0
    for name, (runs, process) in running.items():
        code = process.wait()
        said = (findings / f'{name}.log').read_text(errors='replace')
        done = re.search(r'Done (\d+) runs', said)
        if code == 0 and done and int(done[1]) >= runs:
            passed += 1
        else:
            print(f'FAILED {name}-fuzz -seed={seed}; what it found is in {findings}', said[-6000:], sep='\n', flush=True)
    results.add('fuzz', passed, len(running) - passed, time.monotonic() - begin)


def first_words(name):
    """a, a_b and a_b_c for a_b_c."""
    words = name.split('_')
    return ['_'.join(words[:count]) for count in range(1, len(words) + 1)]


def scripts(results, folder, only, everything):
    """tests/house, tests/ebpf, tests/lab, tests/interop and tests/perf: each script prints one line `ok NAME` or `not ok NAME` for a case."""
    limit = 7200 if everything else 1800
    for script in sorted((ROOT / 'tests' / folder).glob('*_test.py')):
        name = script.stem.removesuffix('_test')
        if only and only.isdisjoint({folder, *first_words(name), *(f'{folder}/{words}' for words in first_words(name))}):
            continue
        begin = time.monotonic()
        try:
            run = subprocess.run(['/usr/bin/python3', script] + (['--all'] if everything else []), cwd=ROOT, stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, errors='replace', timeout=limit)
            code, said, complaint = run.returncode, run.stdout, run.stderr
        except subprocess.TimeoutExpired as late:
            code, said, complaint = 1, (late.stdout or b'').decode(errors='replace'), f'no end after {limit} s'
        lines = said.splitlines()
        passed = sum(line.startswith('ok ') for line in lines)
        failed = sum(line.startswith('not ok ') for line in lines)
        if failed == 0 and (code != 0 or passed == 0):
            failed = 1
        if failed:
            print(said[-6000:], complaint[-6000:], sep='\n', flush=True)
        results.add(f'{folder}/{name}', passed, failed, time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', metavar='AREA', nargs='+', action='extend', default=[])
    parser.add_argument('--all', action='store_true', help='also what is too long for CI')
    arguments = parser.parse_args()
    os.environ['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin'
    # Undefined behaviour ends the program, and so fails its test.
    os.environ.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:print_stacktrace=1')
    results = Results()
    only = set(arguments.only)
    werror = ['-Dwerror=true'] if os.environ.get('CI') else []
    if only != {'fuzz'} and not setup('build', werror):
        print('0 passed, 1 failed')
        return 1
    if not only or 'unit' in only:
        unit_tests(results, 'unit', 'build')
    for suite in sorted(only - {'unit', 'sanitizers', 'fuzz'}):
        unit_tests(results, suite, 'build', suite)
    if not only or 'sanitizers' in only:
        if setup_clang('build-asan', ['-Doptimization=0'], 'meson-test-prereq'):
            unit_tests(results, 'sanitizers', 'build-asan', WEFT_PACKETS='50000')  # of the differential test; all of them without sanitizers
        else:
            results.add('sanitizers', 0, 1, 0)
    if not only or 'fuzz' in only:
        fuzzers(results, arguments.all)
    for folder in ('house', 'ebpf', 'lab', 'interop', 'perf'):
        scripts(results, folder, only, arguments.all)
    if results.passed + results.failed == 0:
        print(f"test: no area or script is named {' or '.join(sorted(only))}; `tools/test --help` names the areas", file=sys.stderr)
        return 2
    print(f'{results.passed} passed, {results.failed} failed')
    return 1 if results.failed else 0


sys.exit(main())
