#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel makes of GSO frames that a tc program encapsulated and another one decapsulated; docs/ebpf.md draws the conclusions, and the eBPF fast path
leans on them. Bulk TCP of odd length, checksummed, goes through gso_bed.py's hosts, and is passed on in every way in which a container may: over a veth that
takes segments, one for which the kernel has to cut and to sum, a bridge, a tunnel, and a TAP that somebody reads. So do datagrams that were sent as one
(UDP_SEGMENT)."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lab'))

import harness  # noqa: E402
from gso_bed import Bed, beyond, container  # noqa: E402
from lablib import transfer  # noqa: E402

SIZE = 10_000_003  # odd: the last segment is short, and its checksum ends on half a word
UNSEGMENTED = 10_000  # the mean frame of a stream that nobody has cut is longer than this
SEGMENT, RUNS = 1301, 4

# TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6; and with them TUN_F_UDP_TUNNEL_GSO, which needs the longer header.
TAP, TAP_HEADER = 0x67, 12
TUNNEL_TAP, TUNNEL_TAP_HEADER = TAP | 0x80, 24


def mean_frames(bed, links, function):
    """The mean length of the frames that each link received meanwhile."""
    before = [bed.traffic(*link) for link in links]
    function()
    after = [bed.traffic(*link) for link in links]
    return [(octets - octets_before) / max(packets - packets_before, 1) for (packets, octets), (packets_before, octets_before) in zip(after, before)]


def whole_both_ways(bed, far, unsegmented):
    """`far`: who receives, c2 or beyond. `unsegmented`: whether frames still are when they arrive there; None: either."""
    for ipv6 in (False, True):
        address = beyond(ipv6) if far == 'beyond' else container(2, ipv6)
        frames = mean_frames(bed, [('c2', 'eth0'), (far, 'eth0')],
                             lambda address=address: transfer.tcp(bed.netns('c1'), bed.netns(far), address, SIZE, timeout=30))
        assert frames[0] > UNSEGMENTED, f'{address}: frames of {frames[0]:.0f} bytes came out of decapsulation: this moved no GSO frames'
        assert unsegmented in (None, frames[1] > UNSEGMENTED), f"{address}: frames of {frames[1]:.0f} bytes at the end"
        transfer.tcp(bed.netns(far), bed.netns('c1'), container(1, ipv6), SIZE, timeout=30)
    assert bed.bad_checksums() == 0, f'{bed.bad_checksums()} packets had a wrong checksum'


def runs_of_datagrams(bed, far):
    """How many runs of datagrams sent as one came back whole, of IPv4 and IPv6; RUNS each were sent."""
    whole = []
    for ipv6 in (False, True):
        address = beyond(ipv6) if far == 'beyond' else container(2, ipv6)
        whole.append(harness.runs_of_datagrams(bed.netns('c1'), bed.netns(far), address, SEGMENT, RUNS))
    return whole


def read_by_tap(bed, relay):
    """What the reader of the TAP said, after TCP went through it both ways."""
    try:
        whole_both_ways(bed, 'beyond', None)
    finally:
        said, complaint = relay.communicate('end\n', timeout=30)
    assert relay.returncode == 0, complaint
    return json.loads(said)


# --- both ways of decapsulating


def delivered_locally(bed):
    whole_both_ways(bed, 'c2', True)


def forwarded_over_veth_that_takes_segments(bed):
    bed.behind_veth()
    whole_both_ways(bed, 'beyond', True)
    bed.set_offloads('beyond', 'eth0', gro='on')
    whole_both_ways(bed, 'beyond', None)


def forwarded_and_cut_by_the_kernel(bed):
    bed.set_offloads('c2', 'inside', tso='off')
    whole_both_ways(bed, 'beyond', False)
    bed.set_offloads('c2', 'inside', gso='off')
    whole_both_ways(bed, 'beyond', False)


def forwarded_cut_and_summed_by_the_kernel(bed):
    bed.set_offloads('c2', 'inside', tx='off')
    whole_both_ways(bed, 'beyond', False)


def bridged_cut_and_summed_by_the_kernel(bed):
    bed.set_offloads('c2', 'port', tso='off', gso='off')
    whole_both_ways(bed, 'beyond', False)
    bed.set_offloads('c2', 'port', tx='off')
    whole_both_ways(bed, 'beyond', False)
    bed.set_offloads('c2', 'br0', tx='off')
    whole_both_ways(bed, 'beyond', False)


def on_beds(title, *steps, **options):
    """Cases on fresh hosts: each step is a name, what to build before (or None), and the case."""
    for ipv6_underlay in (False, True):
        with Bed(harness.new_name(), ipv6_underlay=ipv6_underlay, **options) as bed:
            for case in steps:
                harness.check(f"{title}, {'IPv6' if ipv6_underlay else 'IPv4'} underlay: {harness.fact(case)}", case, bed)


# --- adjust_room: the marks of the tunnel stay on the frame


def bridged_in_segments(bed):
    bed.behind_bridge()
    whole_both_ways(bed, 'beyond', None)


def sent_on_through_its_own_tunnel(bed):
    bed.behind_tunnel()
    whole_both_ways(bed, 'beyond', None)


def read_by_tap_in_segments(bed):
    said = read_by_tap(bed, bed.behind_tap(TAP, TAP_HEADER))
    assert said['frames'] > 0 and said['tunnel'] == 0, said


def datagrams_sent_as_one_are_whole_if_cut_before_the_tunnel(bed):
    for netns, device in (('c1', 'eth0'), ('h1', 'uplink')):
        bed.set_offloads(netns, device, tx_udp_segmentation='off')
        assert runs_of_datagrams(bed, 'c2') == [RUNS, RUNS], f'tx-udp-segmentation is off on {device} of {netns}'
        bed.set_offloads(netns, device, tx_udp_segmentation='on')


def marks_of_the_tunnel_stay_or_go_for_all(bed):
    """Kernels up to 6.18 leave them: datagrams sent as one are lost, and a TAP reader that understands tunnels is told of one that is not there. Should a
    kernel clear them, both work."""
    lost = runs_of_datagrams(bed, 'c2')
    relay = bed.behind_tap(TUNNEL_TAP, TUNNEL_TAP_HEADER)
    try:
        transfer.tcp(bed.netns('c1'), bed.netns('beyond'), beyond(False), SIZE, timeout=4)
        arrived = True
    except harness.LabError:
        arrived = False
    said = json.loads(relay.communicate('end\n', timeout=30)[0])
    print(f'adjust_room: whole runs {lost} of {RUNS}; TAP with tunnel offloads: {said}, TCP {"arrives" if arrived else "stalls"}')
    assert (lost, said['tunnel'] > 0, arrived) in (([0, 0], True, False), ([RUNS, RUNS], False, True)), 'neither that these marks stay nor that they go'


# --- the kernel's device clears them


def bridged_whole(bed):
    bed.behind_bridge()
    whole_both_ways(bed, 'beyond', True)


def sent_on_through_its_own_tunnel_whole(bed):
    bed.behind_tunnel()
    whole_both_ways(bed, 'beyond', True)


def read_by_tap_whole(bed):
    said = read_by_tap(bed, bed.behind_tap(TUNNEL_TAP, TUNNEL_TAP_HEADER))
    assert said['unsegmented'] > 0 and said['longest'] > UNSEGMENTED and said['tunnel'] == 0, said


def datagrams_sent_as_one_are_whole(bed):
    assert runs_of_datagrams(bed, 'c2') == [RUNS, RUNS]
    bed.behind_veth()
    assert runs_of_datagrams(bed, 'beyond') == [RUNS, RUNS], 'on the way beyond'
    for features in ({'tx_udp_segmentation': 'off'}, {'tx': 'off', 'gso': 'off'}):
        bed.set_offloads('c2', 'inside', **features)
        assert runs_of_datagrams(bed, 'beyond') == [RUNS, RUNS], f'on the way beyond, with {features}'


COMMON = (delivered_locally, forwarded_over_veth_that_takes_segments, forwarded_and_cut_by_the_kernel, forwarded_cut_and_summed_by_the_kernel)

harness.need_root()
on_beds('adjust_room', *COMMON, datagrams_sent_as_one_are_whole_if_cut_before_the_tunnel)
on_beds('adjust_room', bridged_in_segments, bridged_cut_and_summed_by_the_kernel)
for only in (sent_on_through_its_own_tunnel, read_by_tap_in_segments, marks_of_the_tunnel_stay_or_go_for_all):
    on_beds('adjust_room', only)
on_beds('mixed', *COMMON, decapsulation='mixed')
on_beds('mixed', bridged_whole, bridged_cut_and_summed_by_the_kernel, decapsulation='mixed')
for only in (sent_on_through_its_own_tunnel_whole, read_by_tap_whole, datagrams_sent_as_one_are_whole):
    on_beds('mixed', only, decapsulation='mixed')
harness.finish()
