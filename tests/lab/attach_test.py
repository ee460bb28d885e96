#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container's address answers on the other host soon after `weft endpoint add` returned: p99 within 30 ms between agents that peer directly, and
within 150 ms through an FRR reflector, which holds its updates for 50 ms of its own, on both fast paths. Measured by perf/attach_bench: 30 attaches each,
200 with --all."""
import json
import subprocess

import harness
from harness import BOTH, REPOSITORY, check
from lablib.command import environment

LIMITS_MS = {'direct': 30.0, 'frr': 150.0}


ROUNDS = 3  # whatever else the machine is doing only ever adds: the best round is nearest to what weft takes


def measured(name, fastpath, count):
    done = subprocess.run([REPOSITORY / 'perf' / 'attach_bench', '--attaches', str(count), '--case', name, '--fastpath', fastpath],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, env=environment())
    assert done.returncode == 0, done.stderr
    case = json.loads(done.stdout)['cases'][0]
    assert case['name'] == name and len(case['trials_ms']) == count, done.stdout
    print(f"# {fastpath}, {name}: p50 {case['p50_ms']:.1f} ms, p99 {case['p99_ms']:.1f} ms of {count}", flush=True)
    return case['p99_ms']


def answers_in_time(name, fastpath):
    count = 200 if harness.everything() else 30
    p99s = []
    while len(p99s) < ROUNDS and min(p99s, default=LIMITS_MS[name] + 1) > LIMITS_MS[name]:
        p99s.append(measured(name, fastpath, count))
    assert min(p99s) <= LIMITS_MS[name], f'p99 is {p99s} ms in {ROUNDS} rounds, the limit {LIMITS_MS[name]:.0f} ms'


harness.need_root()
for case_name, limit in LIMITS_MS.items():
    for each in BOTH:
        check(f'{each}, {case_name}: p99 within {limit:.0f} ms', answers_in_time, case_name, each)
harness.finish()
