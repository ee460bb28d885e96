# SPDX-License-Identifier: BSD-3-Clause
"""Echo requests that are given a second each to be answered. Every one has a ping of its own: one that sends several waits for the last no longer than two
round trips, which a machine with something else to do may well keep it waiting for."""
import time

from lablib.command import attempt


def ping(netns, address, count=3, interval=0.0, options=()):
    """How many of `count` requests from a namespace were answered before the first that was not."""
    for number in range(count):
        if attempt('ping', '-n', '-c', 1, '-W', 1, *options, address, netns=netns).returncode != 0:
            return number
        time.sleep(interval)
    return count
