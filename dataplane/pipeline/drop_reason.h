/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Every reason for which the pipeline drops a packet, once: the number that counters use, the name that operators
 * read, and the sentence that explains it. Numbers are stable, since counters of running fast paths are read by newer
 * agents: add at the end, never renumber. Both fast paths, the agent and the CLI take them from here. */
#pragma once

#define WEFT_DROP_REASONS(X)                                                                                         \
    X(0, none, "not dropped")                                                                                        \
    X(1, malformed_ethernet, "the frame ends inside its Ethernet header")                                            \
    X(2, unknown_ethertype, "neither IPv4, IPv6 nor ARP")                                                            \
    X(3, malformed_arp, "the ARP packet is truncated or not Ethernet/IPv4")                                          \
    X(4, malformed_ipv4, "the IPv4 header is truncated, of another version, or lies about its length")               \
    X(5, bad_ipv4_checksum, "the IPv4 header checksum is wrong")                                                     \
    X(6, malformed_ipv6,                                                                                             \
      "the IPv6 header is truncated, of another version, lies about its length or maps IPv4 addresses")              \
    X(7, malformed_extension, "an IPv6 extension header is truncated, out of place or one too many")                 \
    X(8, malformed_transport, "the TCP, UDP, ICMP or ICMPv6 header is truncated or lies about its length")           \
    X(9, malformed_nd, "the neighbour discovery message is truncated or not from its own link")                      \
    X(10, spoofed_mac, "the source MAC address is not the endpoint's")                                               \
    X(11, spoofed_address, "the source address is not the endpoint's")                                               \
    X(12, not_for_gateway, "unicast to a MAC address other than the gateway's")                                      \
    X(13, multicast, "multicast and broadcast do not cross the overlay")                                             \
    X(14, nested_vxlan, "an endpoint may not send VXLAN of its own")                                                 \
    X(15, invalid_source, "the source address is unspecified, loopback, multicast or broadcast")                     \
    X(16, no_route, "no route to the destination")                                                                   \
    X(17, blackhole, "the route says drop")                                                                          \
    X(18, egress_policy, "the source's egress policy does not allow it")                                             \
    X(19, ingress_policy, "the destination's ingress policy does not allow it")                                      \
    X(20, session_table_full, "no room for another session")                                                         \
    X(21, invalid_session_state, "the packet cannot open a session: an answer without a question")                   \
    X(22, ttl_exceeded, "the TTL or hop limit ran out here")                                                         \
    X(23, packet_too_big, "larger than the path's MTU, and it must not be fragmented")                               \
    X(24, next_hop_unresolved, "the VTEP's link-layer address is not known yet")                                     \
    X(25, fragment_without_first, "a fragment whose first part has not been seen")                                   \
    X(26, malformed_outer, "the outer IP or UDP header is truncated or lies about its length")                       \
    X(27, bad_outer_checksum, "the outer IPv4 or UDP checksum is wrong")                                             \
    X(28, not_vxlan, "not UDP to the VXLAN port of this VTEP")                                                       \
    X(29, malformed_vxlan, "the VXLAN header is truncated or names no network")                                      \
    X(30, unknown_vni, "no network has this VNI")                                                                    \
    X(31, unknown_vtep, "the outer source is not a known VTEP")                                                      \
    X(32, wrong_router_mac, "the inner destination MAC address is not our router MAC")                               \
    X(33, wrong_vtep, "the inner source is not routed to the VTEP that sent it")                                     \
    X(34, not_local, "the inner destination is not an endpoint of this host")                                        \
    X(35, port_down, "the destination's port is down or gone")                                                       \
    X(36, port_full, "the destination's port takes no more packets now")                                             \
    X(37, no_buffer, "no packet buffer was free")                                                                    \
    X(38, unsupported_offload, "an offload that the port asked for cannot be completed")                             \
    X(39, endpoint_not_ready, "an end has no endpoint, route or policy of its own yet, or no longer")                \
    X(40, icmp_error_unrelated, "an ICMP error about a packet that no session sent")                                 \
    X(41, fragmented_outer, "fragments of VXLAN packets are not reassembled")                                        \
    X(42, rx_overrun, "it came faster than the port was read")                                                       \
    X(43, unknown_handover, "the uplink's XDP program is of another version than the program behind it")             \
    X(44, session_quota, "the endpoint has, or was opened, as many sessions as one may have")                        \
    X(45, half_open_quota, "too many TCP connections of the endpoint wait for their handshake's end")

#define WEFT_DROP_REASON_ENUM(number, name, text) WEFT_DROP_##name = number,

enum weft_drop_reason { WEFT_DROP_REASONS(WEFT_DROP_REASON_ENUM) WEFT_DROP_REASON_COUNT };

#undef WEFT_DROP_REASON_ENUM
