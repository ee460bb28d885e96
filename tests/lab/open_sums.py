# SPDX-License-Identifier: BSD-3-Clause
"""Looks at long VXLAN frames over IPv4 that a device receives, and whose packet inside is not plain TCP: is a checksum still open? Prints `ready`, and then
{"frames": ..., "open": ...} when it has seen enough.

  open_sums.py DEVICE FRAMES"""
import json
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
CSUM_NOT_READY = 1 << 3
IP, UDP, VXLAN = 14, 34, 42
INNER_IP = VXLAN + 8 + 14
VXLAN_PORT, TCP, ETH_P_ALL = 4789, 6, 3


def is_wanted(frame):
    if len(frame) < 1000 or frame[12:14] != b'\x08\x00' or frame[IP + 9] != socket.IPPROTO_UDP:
        return False
    return struct.unpack_from('!H', frame, UDP + 2)[0] == VXLAN_PORT and frame[INNER_IP] >> 4 == 4 and frame[INNER_IP + 9] != TCP


def main():
    device, wanted = sys.argv[1], int(sys.argv[2])
    seen = {'frames': 0, 'open': 0}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as packets:
        packets.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        packets.bind((device, ETH_P_ALL))
        print('ready', flush=True)
        while seen['frames'] < wanted:
            frame, ancillary, _, origin = packets.recvmsg(2048, 256)
            if origin[2] == PACKET_OUTGOING or not is_wanted(frame):
                continue
            status = next(struct.unpack_from('=I', data)[0] for level, kind, data in ancillary if (level, kind) == (SOL_PACKET, PACKET_AUXDATA))
            seen['frames'] += 1
            seen['open'] += bool(status & CSUM_NOT_READY)
    print(json.dumps(seen))


main()
