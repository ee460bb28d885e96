# SPDX-License-Identifier: BSD-3-Clause
"""What every benchmark's report says of the machine and the program that it measured."""
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def machine():
    model = re.search(r'model name\s*:\s*(.*)', pathlib.Path('/proc/cpuinfo').read_text(encoding='utf8'))
    return {'cpu': model[1] if model else platform.machine(), 'cpus': os.cpu_count(), 'kernel': platform.release()}


def commit():
    # Root may look at a user's checkout.
    described = subprocess.run(['git', '-c', 'safe.directory=*', '-C', ROOT, 'describe', '--always', '--dirty'], capture_output=True, text=True,
                               check=False)
    return described.stdout.strip() or 'unknown'
