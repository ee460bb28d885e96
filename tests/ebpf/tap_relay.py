# SPDX-License-Identifier: BSD-3-Clause
"""A reader of TAP devices in user space, as a virtual machine monitor is one: makes two, both with virtio-net headers, and carries every frame from one to the
other as it is, the header included. What the kernel says of a frame, its checksum and its segments, so comes back to the kernel, and has to be true.

  tap_relay.py NAME OTHER OFFLOADS HEADER     prints `ready`; ends with its standard input and prints
                                              {"frames": ..., "unsegmented": ..., "longest": ..., "tunnel": ...} of those read from NAME"""
import fcntl
import json
import os
import select
import struct
import sys

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d0, 0x400454d8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
GSO_TUNNEL = 0x60  # VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 and _IPV6


def open_tap(name, offloads, header):
    tap = os.open('/dev/net/tun', os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack('i', header))
    fcntl.ioctl(tap, TUNSETOFFLOAD, offloads)
    return tap


def main():
    offloads, header = int(sys.argv[3], 0), int(sys.argv[4])
    taps = [open_tap(name, offloads, header) for name in sys.argv[1:3]]
    print('ready', flush=True)
    seen = {'frames': 0, 'unsegmented': 0, 'longest': 0, 'tunnel': 0}
    while True:
        readable, _, _ = select.select([*taps, sys.stdin], [], [])
        if sys.stdin in readable:
            break
        for tap in readable:
            frame = os.read(tap, 1 << 17)
            if tap == taps[0]:
                seen['frames'] += 1
                seen['unsegmented'] += frame[1] != 0
                seen['tunnel'] += frame[1] & GSO_TUNNEL != 0
                seen['longest'] = max(seen['longest'], len(frame) - header)
            try:
                os.write(taps[1 - taps.index(tap)], frame)
            except OSError:
                pass  # the other side is not up, or refuses it: a lost frame
    print(json.dumps(seen))


main()
