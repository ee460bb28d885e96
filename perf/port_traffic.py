# SPDX-License-Identifier: BSD-3-Clause
"""What port_bench sends and how it programs weft-dataplane for it: one container, one remote host behind a VTEP per address, policy in both
directions. Frames are UDP of 60 bytes (110 when they come from the underlay), one per flow."""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tests' / 'dataplane'))
from process import GATEWAY_MAC, address, mac  # noqa: E402

VNI = 4000
CONTAINER, CONTAINER_MAC = '10.244.1.2', '02:bb:00:00:00:01'
LOCAL_VTEP, REMOTE_VTEP = '10.99.0.1', '10.99.0.2'
LOCAL_ROUTER, REMOTE_ROUTER = '02:aa:00:00:00:01', '02:aa:00:00:00:02'
UNDERLAY_MACS = '02:cc:00:00:00:01', '02:cc:00:00:00:02'
REMOTE_HOSTS = 4096
UDP = 17


def packed_mac(text):
    return bytes.fromhex(text.replace(':', ''))


def remote_host(number):
    return f'10.245.{number >> 8}.{number & 255}'


def ipv4(source, destination, length):
    header = struct.pack('>BBHHHBBH4s4s', 0x45, 0, length, 0, 0x4000, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
    total = sum(struct.unpack('>10H', header))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return header[:10] + struct.pack('>H', 0xffff ^ total) + header[12:]


def frames(flows, from_underlay):
    """One frame per flow: every remote host in turn, and as many ports of each as it takes."""
    payload = bytes(18)
    if from_underlay:
        headers = [ipv4(remote_host(host), CONTAINER, 46) for host in range(REMOTE_HOSTS)]
        before = (packed_mac(UNDERLAY_MACS[0]) + packed_mac(UNDERLAY_MACS[1]) + b'\x08\0' + ipv4(REMOTE_VTEP, LOCAL_VTEP, 96) +
                  struct.pack('>HHHH', 50000, 4789, 76, 0) + struct.pack('>II', 0x08000000, VNI << 8) + packed_mac(LOCAL_ROUTER) +
                  packed_mac(REMOTE_ROUTER) + b'\x08\0')
    else:
        headers = [ipv4(CONTAINER, remote_host(host), 46) for host in range(REMOTE_HOSTS)]
        before = packed_mac(GATEWAY_MAC) + packed_mac(CONTAINER_MAC) + b'\x08\0'
    for flow in range(flows):
        ports = (1024 + flow // REMOTE_HOSTS, 9000) if from_underlay else (9000, 1024 + flow // REMOTE_HOSTS)
        yield before + headers[flow % REMOTE_HOSTS] + struct.pack('>HHHH', *ports, 26, 0) + payload


def write_pcap(path, flows, from_underlay):
    with open(path, 'wb') as file:
        file.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames(flows, from_underlay):
            file.write(struct.pack('<IIII', 0, 0, len(frame), len(frame)) + frame)
    return path


def tables(source, sink, from_underlay):
    """One TableUpdate. Port 1 is the `source` device, port 2 the `sink`; the container is behind one of them, the underlay behind the other."""
    uplink, container = (1, 2) if from_underlay else (2, 1)
    devices = {1: source, 2: sink}
    routes = ''.join(f'routes {{ vni:{VNI} prefix {{ address:{address(remote_host(host))} length:32 }} next_hop:2 identity:300 }}\n'
                     for host in range(REMOTE_HOSTS))
    return f'''update {{
host {{ vtep_v4:{address(LOCAL_VTEP)} router_mac:{mac(LOCAL_ROUTER)} gateway_mac:{mac(GATEWAY_MAC)} vxlan_port:4789 }}
networks {{ vni:{VNI} name:"bench" }}
verdict_lists {{ number:1 ranges {{ verdict:VERDICT_DENY rule:1 }} }}
verdict_lists {{ number:2 ranges {{ verdict:VERDICT_DENY rule:1 }} ranges {{ first:{UDP << 16} verdict:VERDICT_ALLOW rule:2 }} ranges {{ first:{(UDP + 1) << 16} verdict:VERDICT_DENY rule:1 }} }}
policies {{ key {{ direction:DIRECTION_EGRESS local_identity:257 }} list:1 }}
policies {{ key {{ direction:DIRECTION_EGRESS local_identity:257 peer_identity:300 }} list:2 }}
policies {{ key {{ direction:DIRECTION_INGRESS local_identity:257 }} list:1 }}
policies {{ key {{ direction:DIRECTION_INGRESS local_identity:257 peer_identity:300 }} list:2 }}
endpoints {{ port:{container} vni:{VNI} mac:{mac(CONTAINER_MAC)} addresses:{address(CONTAINER)} identity:257 name:"bench" }}
next_hops {{ id:1 local {{ port:{container} }} }}
next_hops {{ id:2 vtep {{ address:{address(REMOTE_VTEP)} vni:{VNI} inner_destination_mac:{mac(REMOTE_ROUTER)}
  outer_source_mac:{mac(UNDERLAY_MACS[0])} outer_destination_mac:{mac(UNDERLAY_MACS[1])} port:{uplink} mtu:1450 }} }}
routes {{ vni:{VNI} prefix {{ address:{address(CONTAINER)} length:32 }} next_hop:1 identity:257 }}
{routes}
ports {{ id:{container} role:PORT_ROLE_ENDPOINT ethdev {{ devargs:"{devices[container]}" }} }}
ports {{ id:{uplink} role:PORT_ROLE_UPLINK ethdev {{ devargs:"{devices[uplink]}" }} }}
}}'''
