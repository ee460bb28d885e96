#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds the layers of docs/architecture.md: which directory may include which. An edge that is not listed here is forbidden."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from cases import run_cases  # noqa: E402


# A file belongs to the longest of these names that its path begins with; each may include itself and what is listed.
ALLOWED = {
    'routing/net': [],
    'dataplane/pipeline': [],
    'routing': ['routing/net'],
    'dataplane/api': ['dataplane/pipeline', 'routing/net'],
    'dataplane': ['dataplane/api', 'dataplane/pipeline', 'routing/net'],
    'ebpf': ['dataplane/api', 'dataplane/pipeline', 'routing/net'],
    'controlplane/api': [],
    'controlplane': ['controlplane/api', 'dataplane/api', 'dataplane/pipeline', 'routing', 'routing/net'],
    'controlplane/main.cpp': ['controlplane', 'controlplane/api', 'dataplane/api', 'ebpf', 'routing', 'routing/net'],  # composes
    'tools': ['controlplane/api', 'dataplane/pipeline', 'routing/net'],
    'perf': ['controlplane', 'dataplane', 'dataplane/api', 'dataplane/pipeline', 'ebpf', 'routing', 'routing/net'],
    'tests': ['controlplane', 'controlplane/api', 'dataplane', 'dataplane/api', 'dataplane/pipeline', 'ebpf', 'perf', 'routing', 'routing/net', 'tools'],
}
INCLUDE = re.compile(r'^\s*(?:#\s*include|import)\s*"([^"]+)"', re.MULTILINE)
FOREIGN = ('google/',)  # protobuf's own files
SUFFIXES = ('.h', '.hpp', '.c', '.cpp', '.proto')


def layer_of(path):
    names = [name for name in ALLOWED if path == name or path.startswith(name + '/')]
    return max(names, key=len) if names else None


def faults(path, text):
    """What is wrong with the includes of a file."""
    layer = layer_of(path)
    if layer is None:
        return [f'{path}: belongs to no layer: add its directory to tests/house/layering_test.py']
    found = []
    for included in INCLUDE.findall(text):
        if included.startswith(FOREIGN):
            continue
        target = layer_of(included)
        if target is None:
            found.append(f'{path} includes "{included}": include paths are whole, from the root of the tree')
        elif target != layer and target not in ALLOWED[layer]:
            found.append(f'{path} includes "{included}": {layer} may not use {target}')
    return found


def sources():
    # Root may look at a user's checkout.
    listed = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    return [path for path in listed.stdout.splitlines() if path.endswith(SUFFIXES) and (ROOT / path).exists()]


def detects_forbidden_edges():
    """The test's own test: edges that must not pass, and some that must."""
    for path, included in [('routing/net/address.hpp', 'routing/speaker.hpp'), ('dataplane/worker.cpp', 'routing/speaker.hpp'),
                           ('dataplane/worker.cpp', 'controlplane/agent.hpp'), ('dataplane/tables.cpp', 'ebpf/loader.hpp'),
                           ('ebpf/endpoint.bpf.c', 'dataplane/tables.hpp'), ('tools/ctl/route.cpp', 'controlplane/agent.hpp'),
                           ('controlplane/agent.cpp', 'dataplane/tables.hpp'), ('routing/session.cpp', 'dataplane/api/frame.hpp'), ('controlplane/agent.cpp', 'ebpf/fast_path.hpp'),
                           ('controlplane/agent.cpp', 'tools/ctl/output.hpp'), ('dataplane/worker.cpp', 'worker.hpp')]:
        assert faults(path, f'// a comment\n#include "{included}"\n'), f'{path} may include {included}'
    assert faults('controlplane/api/weft.proto', 'import "dataplane/api/fastpath.proto";\n')
    assert faults('novelty/new.cpp', '')
    for path, included in [('routing/session.cpp', 'routing/net/address.hpp'), ('controlplane/agent.cpp', 'routing/speaker.hpp'),
                           ('tools/ctl/route.cpp', 'controlplane/api/weft.pb.h'), ('dataplane/worker.cpp', 'dataplane/pipeline/parse.h')]:
        assert not faults(path, f'#include <vector>\n#include "{included}"\n'), f'{path} may not include {included}'


def sources_keep_to_their_layers():
    paths = sources()
    assert len(paths) > 50, f'only {len(paths)} source files found'
    found = [fault for path in paths for fault in faults(path, (ROOT / path).read_text(encoding='utf8'))]
    assert not found, '\n'.join(found)


run_cases(detects_forbidden_edges, sources_keep_to_their_layers)
