# SPDX-License-Identifier: BSD-3-Clause
"""The lab's numbers in one place: underlay addresses, blocks that hosts lease from, and the overlay network's values."""

AS = 65000
NETWORK = 'default'
VNI = 4000
HOSTS_MAX = 200
REFLECTOR = 254  # the reflector's place in the underlay
UNDERLAY_V4 = '10.99.0.0/24'
UNDERLAY_V6 = 'fd99::/64'


def underlay_v4(index):
    return f'10.99.0.{index}'


def underlay_v6(index):
    return f'fd99::{index:x}'


def underlay(index, ipv6):
    return underlay_v6(index) if ipv6 else underlay_v4(index)


def underlay_interface(index, ipv6):
    """Addresses for the interface. An IPv6 underlay has no IPv4 address at all, so that nothing can lean on one unseen."""
    return [f'{underlay_v6(index)}/64'] if ipv6 else [f'{underlay_v4(index)}/24', f'{underlay_v6(index)}/64']


def blocks(index):
    return [f'10.244.{index}.0/24', f'fd00:244:0:{index:x}::/64']
