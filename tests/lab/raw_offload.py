# SPDX-License-Identifier: BSD-3-Clause
"""Sends one frame from eth0 as programs with CAP_NET_RAW can: with an offload that they describe themselves (PACKET_VNET_HDR).

  raw_offload.py FRAME CSUM_START CSUM_OFFSET [GSO_TYPE GSO_SIZE]      FRAME in hexadecimal; GSO_TYPE 1: TCP over IPv4"""
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR = 263, 15
NEEDS_CHECKSUM = 1


def main():
    frame = bytes.fromhex(sys.argv[1])
    start, offset, gso_type, gso_size = [*map(int, sys.argv[2:]), 0, 0][:4]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sender.bind(('eth0', int.from_bytes(frame[12:14], 'big')))
        sender.send(struct.pack('=BBHHHH', NEEDS_CHECKSUM, gso_type, start + 20 if gso_type else 0, gso_size, start, offset) + frame)


main()
