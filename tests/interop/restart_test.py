#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An agent that is killed and comes back behind a route reflector that is not ours. GoBGP keeps its routes as stale (RFC 4724), so no ping is lost. FRR 8.4
withdraws them at once: there, packets flow again when the agent is back.

  h1-e1 -- h1 ==== underlay, reflector ==== h2 (its weftd is killed) -- h2-e1"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from harness import with_lab  # noqa: E402
from lablib import processes  # noqa: E402
from lablib.command import wait_until  # noqa: E402
from lablib.probe import Stream  # noqa: E402


def pings_over_a_restart(lab):
    """1,000 pings each second while the agent of h2 is killed, stays away for half a second, and comes back."""
    with Stream(lab.netns('h1-e1'), lab.address('h2-e1')) as pings:
        time.sleep(0.3)
        host = lab.host('h2')
        processes.kill(host.agent())
        time.sleep(0.5)
        host.start_agent()
        host.wait_until_ready()
        wait_until(lambda: lab.address('h2-e1') in lab.host('h1').reachable(), 'the route on h1', 10)
        time.sleep(0.5)
    print(f"# {pings.result['sent'] - pings.result['answered']} of {pings.result['sent']} pings were lost, no answer for {pings.result['gap_s']:.3f} s", flush=True)
    return pings.result


def no_ping_is_lost(lab):
    result = pings_over_a_restart(lab)
    assert result['sent'] == result['answered'] > 0, result


def pings_are_answered_again(lab):
    result = pings_over_a_restart(lab)
    assert 0 < result['answered'] <= result['sent'], result
    harness.ping(lab, 'h1-e1', lab.address('h2-e1'))
    harness.ping(lab, 'h2-e1', lab.address('h1-e1', ipv6=True))


harness.need_root()
with_lab('gobgp', {'reflector': 'gobgp'}, no_ping_is_lost)
with_lab('frr', {'reflector': 'frr'}, pings_are_answered_again)
harness.finish()
