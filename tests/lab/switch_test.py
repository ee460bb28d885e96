#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From one fast path to the other: what outlived the agent goes on moving packets, so the other kind does not start beside it.

  h1-e1 -- h1 -- h1-e2"""
import harness
from harness import stop, weftd, with_lab


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
    assert refused.returncode == 1 and f"pid {dataplane['pid']}" in refused.stderr and f"kill {dataplane['pid']}" in refused.stderr, refused
    assert not (host.bpf / 'weft').exists(), 'the refused one has left something'
    ping_between_containers(lab)
    with_fastpath(host, 'auto')
    host.start_agent()
    host.wait_until_ready()
    assert host.fastpath_in_use() == 'dpdk' and host.dataplane() == dataplane
    assert f"since weft-dataplane (pid {dataplane['pid']})" in host.log.read_text(encoding='utf8')
    ping_between_containers(lab)


def dpdk_is_refused_beside_programs(lab):
    host = lab.host('h1')
    stop(host)
    refused = weftd(host, '--fastpath', 'dpdk')
    assert refused.returncode == 1 and str(host.bpf / 'weft') in refused.stderr and 'weftd --purge' in refused.stderr, refused
    assert host.dataplane() is None
    ping_between_containers(lab)


harness.need_root()
with_lab('switch', {'hosts': 1, 'endpoints': 2}, ebpf_is_refused_beside_a_dataplane_and_auto_goes_on_with_it, fastpaths=('dpdk',))
with_lab('switch', {'hosts': 1, 'endpoints': 2}, dpdk_is_refused_beside_programs, fastpaths=('ebpf',))
harness.finish()
