#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From one fast path to the other: what outlived the agent goes on moving packets, so the other kind does not start beside it.

  h1-e1 -- h1 -- h1-e2"""
import signal

import harness
from harness import purge, stop, weftd, with_lab
from lablib import processes
from lablib.command import attempt, run, wait_until


def with_fastpath(host, kind):
    """Its next agents have this kind."""
    path = host.directory / 'weftd.conf'
    lines = path.read_text(encoding='utf8').splitlines()
    path.write_text(''.join(f'fastpath = {kind}\n' if line.startswith('fastpath =') else f'{line}\n' for line in lines), encoding='utf8')


def ping_between_containers(lab):
    harness.ping(lab, 'h1-e1', lab.address('h1-e2'))


def ebpf_is_refused_beside_a_dataplane_and_auto_goes_on_with_it(lab):
    host = lab.host('h1')
    dataplane = host.dataplane()
    stop(host)
    refused = weftd(host, '--fastpath', 'ebpf')
    assert refused.returncode == 1 and f"pid {dataplane['pid']}" in refused.stderr and 'weftd --purge' in refused.stderr, refused
    assert not (host.bpf / 'weft').exists(), 'the refused one has left something'
    ping_between_containers(lab)
    with_fastpath(host, 'auto')
    host.start_agent()
    host.wait_until_ready()
    assert host.fastpath_in_use() == 'dpdk' and host.dataplane() == dataplane
    assert f"since weft-dataplane (pid {dataplane['pid']})" in host.log.read_text(encoding='utf8')
    ping_between_containers(lab)


def what_is_left(lab):
    """What a fast path may leave, beside its logs."""
    host = lab.host('h1')
    left = [f'eth0 in {name}' for name in ('h1-e1', 'h1-e2') if attempt('ip', '-n', lab.netns(name), 'link', 'show', 'dev', 'eth0').returncode == 0]
    left += [str(path) for path in (host.dataplane_socket, host.directory / 'dataplane.sock.lock', host.bpf / 'weft') if path.exists()]
    return left + (['a program at the uplink'] if 'xdp' in run('ip', '-n', host.netns, 'link', 'show', 'dev', 'uplink') else [])


def start_anew(lab, kind):
    """From the database alone."""
    host = lab.host('h1')
    with_fastpath(host, kind)
    host.start_agent()
    host.wait_until_ready()
    wait_until(lambda: all(each['state'] == 'ready' for each in host.weft_json('endpoint', 'list')['endpoints']), 'all endpoints ready')
    assert host.fastpath_in_use() == kind
    ping_between_containers(lab)


def purge_names_a_dataplane_that_hangs(lab):
    host = lab.host('h1')
    dataplane = host.dataplane()
    stop(host)
    before = what_is_left(lab)
    processes.send(dataplane, signal.SIGSTOP)
    try:
        purged = purge(host)
        assert purged.returncode == 1 and f"pid {dataplane['pid']}" in purged.stderr and f"kill -9 {dataplane['pid']}" in purged.stderr, purged
    finally:
        processes.send(dataplane, signal.SIGCONT)
    assert [each for each in before if not each.endswith('.lock')] == what_is_left(lab) and len(before) >= 4, before
    ping_between_containers(lab)


def purge_ends_a_dataplane_and_ebpf_may_start(lab):
    host = lab.host('h1')
    dataplane = host.dataplane()
    purged = purge(host)
    assert purged.returncode == 0 and f"removed weft-dataplane (pid {dataplane['pid']})" in purged.stdout, purged
    assert purged.stdout.count('removed the TAP eth0 in ') == 2, purged.stdout
    assert not processes.is_alive(dataplane) and what_is_left(lab) == [], what_is_left(lab)
    assert purge(host).stdout == 'nothing of a fast path is here\n'
    start_anew(lab, 'ebpf')
    assert host.dataplane() is None


def dpdk_is_refused_beside_programs(lab):
    host = lab.host('h1')
    stop(host)
    refused = weftd(host, '--fastpath', 'dpdk')
    assert refused.returncode == 1 and str(host.bpf / 'weft') in refused.stderr and 'weftd --purge' in refused.stderr, refused
    assert host.dataplane() is None
    ping_between_containers(lab)


def purge_removes_what_a_killed_dataplane_left(lab):
    host = lab.host('h1')
    assert purge(host).returncode == 0
    assert what_is_left(lab) == []
    start_anew(lab, 'dpdk')
    stop(host)
    processes.kill(host.dataplane())
    left = what_is_left(lab)
    assert str(host.dataplane_socket) in left and 'eth0 in h1-e2' in left, left
    purged = purge(host)
    assert purged.returncode == 0 and purged.stdout.count('removed the TAP eth0 in ') == 2, purged
    assert set(what_is_left(lab)) <= {'a program at the uplink'}, what_is_left(lab)


harness.need_root()
with_lab('switch', {'hosts': 1, 'endpoints': 2}, ebpf_is_refused_beside_a_dataplane_and_auto_goes_on_with_it,
         purge_names_a_dataplane_that_hangs, purge_ends_a_dataplane_and_ebpf_may_start, fastpaths=('dpdk',))
with_lab('switch', {'hosts': 1, 'endpoints': 2}, dpdk_is_refused_beside_programs,
         purge_removes_what_a_killed_dataplane_left, fastpaths=('ebpf',))
harness.finish()
