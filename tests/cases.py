# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cases of a test that needs no lab: functions that raise AssertionError when the fact in their name does not hold."""
import sys


def run_cases(*cases):
    """Prints `ok NAME`, or `not ok NAME` and the complaint below it, for each; ends the program with 1 if one failed."""
    failed = 0
    for case in cases:
        try:
            case()
            print(f'ok {case.__name__}', flush=True)
        except AssertionError as complaint:
            failed += 1
            print(f'not ok {case.__name__}\n{str(complaint)[:6000]}', flush=True)
    sys.exit(1 if failed else 0)
