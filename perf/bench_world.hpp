// SPDX-License-Identifier: BSD-3-Clause
// What pipeline_bench puts around a pipeline: one endpoint, routes to hosts behind one VTEP, policy in both
// directions that allows it, and the frame of each flow. Flows go to the hosts in turn, so that a million routes are
// a million hosts.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/session.h"
#include "dataplane/pipeline/wire.h"

namespace weft::bench {

inline constexpr std::uint32_t vni = 4000;
inline constexpr std::uint32_t endpoint_port = 1;
inline constexpr std::uint32_t uplink_port = 2;
inline constexpr std::uint32_t local_identity = 257;
inline constexpr std::uint32_t remote_identity = 300;

using Ipv4 = std::array<std::uint8_t, 4>;
using Mac = std::array<std::uint8_t, 6>;

inline constexpr Ipv4 container{10, 244, 1, 2};
inline constexpr Ipv4 local_vtep{10, 99, 0, 1};
inline constexpr Ipv4 remote_vtep{10, 99, 0, 2};
inline constexpr Mac container_mac{2, 0xbb, 0, 0, 0, 1};
inline constexpr Mac gateway_mac{2, 0x77, 0x65, 0x66, 0x74, 1};
inline constexpr Mac local_router{2, 0xaa, 0, 0, 0, 1};
inline constexpr Mac remote_router{2, 0xaa, 0, 0, 0, 2};
inline constexpr std::array<Mac, 2> underlay_macs{Mac{2, 0xcc, 0, 0, 0, 1}, Mac{2, 0xcc, 0, 0, 0, 2}};

/// 11.0.0.0 and up: room for 16 million.
inline Ipv4 remote_host(std::uint32_t number) {
    return {11, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
            static_cast<std::uint8_t>(number)};
}

template <std::size_t Size>
std::string text(const std::array<std::uint8_t, Size>& bytes) {
    return {bytes.begin(), bytes.end()};
}

inline void add_range(fastpath::VerdictList& list, std::uint32_t protocol, fastpath::Verdict verdict,
                      std::uint32_t rule) {
    auto& range = *list.add_ranges();
    range.set_first(protocol << 16);
    range.set_verdict(verdict);
    range.set_rule(rule);
}

/// UDP with the other host is allowed, everything else denied.
inline void add_policy(fastpath::TableUpdate& update, fastpath::Direction direction, std::uint32_t rule) {
    auto& list = *update.add_verdict_lists();
    list.set_number(rule);
    add_range(list, 0, fastpath::VERDICT_DENY, rule);
    auto& entry = *update.add_policies();
    entry.mutable_key()->set_direction(direction);
    entry.mutable_key()->set_local_identity(local_identity);
    entry.set_list(list.number());

    auto& udp = *update.add_verdict_lists();
    udp.set_number(rule + 1);
    add_range(udp, 0, fastpath::VERDICT_DENY, rule);
    add_range(udp, WEFT_PROTO_UDP, fastpath::VERDICT_ALLOW, rule + 1);
    add_range(udp, WEFT_PROTO_UDP + 1, fastpath::VERDICT_DENY, rule);
    auto& of_peer = *update.add_policies();
    *of_peer.mutable_key() = entry.key();
    of_peer.mutable_key()->set_peer_identity(remote_identity);
    of_peer.set_list(udp.number());
}

inline void add_route(fastpath::TableUpdate& update, const Ipv4& host, std::uint32_t next_hop,
                      std::uint32_t identity) {
    auto& route = *update.add_routes();
    route.set_vni(vni);
    route.mutable_prefix()->set_address(text(host));
    route.mutable_prefix()->set_length(32);
    route.set_next_hop(next_hop);
    route.set_identity(identity);
}

/// Everything but the routes to remote hosts.
inline fastpath::TableUpdate base_tables() {
    fastpath::TableUpdate update;
    update.mutable_host()->set_vtep_v4(text(local_vtep));
    update.mutable_host()->set_router_mac(text(local_router));
    update.mutable_host()->set_gateway_mac(text(gateway_mac));
    update.mutable_host()->set_vxlan_port(WEFT_VXLAN_PORT);
    update.mutable_host()->set_session_quota(1U << 30); // one endpoint has all flows
    update.add_networks()->set_vni(vni);
    for (const auto direction : {fastpath::DIRECTION_INGRESS, fastpath::DIRECTION_EGRESS})
        add_policy(update, direction, 1);
    auto& endpoint = *update.add_endpoints();
    endpoint.set_port(endpoint_port);
    endpoint.set_vni(vni);
    endpoint.set_mac(text(container_mac));
    endpoint.add_addresses(text(container));
    endpoint.set_identity(local_identity);
    auto& local = *update.add_next_hops();
    local.set_id(1);
    local.mutable_local()->set_port(endpoint_port);
    auto& remote = *update.add_next_hops();
    remote.set_id(2);
    remote.mutable_vtep()->set_address(text(remote_vtep));
    remote.mutable_vtep()->set_vni(vni);
    remote.mutable_vtep()->set_inner_destination_mac(text(remote_router));
    remote.mutable_vtep()->set_outer_source_mac(text(underlay_macs[0]));
    remote.mutable_vtep()->set_outer_destination_mac(text(underlay_macs[1]));
    remote.mutable_vtep()->set_port(uplink_port);
    remote.mutable_vtep()->set_mtu(1450);
    add_route(update, container, 1, local_identity);
    return update;
}

inline fastpath::TableUpdate remote_routes(std::uint32_t count) {
    fastpath::TableUpdate update;
    for (std::uint32_t host = 0; host < count; ++host)
        add_route(update, remote_host(host), 2, remote_identity);
    return update;
}

/// The two ends of a flow as the container sees it.
struct Flow {
    Ipv4 remote;
    std::uint16_t remote_port;
};

inline constexpr std::uint16_t container_port = 9000;

inline Flow flow(std::uint32_t number, std::uint32_t hosts) {
    return {remote_host(number % hosts), static_cast<std::uint16_t>(1024 + number / hosts)};
}

inline constexpr std::size_t inner_size = 60; ///< Ethernet, IPv4, UDP, 18 bytes
inline constexpr std::size_t outer_size = 50;

inline void write_ipv4(std::uint8_t* at, const Ipv4& source, const Ipv4& destination, std::uint32_t length) {
    std::memset(at, 0, WEFT_IPV4_SIZE);
    at[0] = 0x45;
    weft_store_be16(at + 2, length);
    weft_store_be16(at + 6, WEFT_IPV4_DF);
    at[8] = 64;
    at[9] = WEFT_PROTO_UDP;
    std::memcpy(at + 12, source.data(), 4);
    std::memcpy(at + 16, destination.data(), 4);
    weft_store_be16(at + 10, weft_checksum(weft_sum_add(0, at, WEFT_IPV4_SIZE)));
}

inline void write_inner(std::uint8_t* at, const Flow& flow, bool from_underlay) {
    std::memset(at, 0, inner_size);
    std::memcpy(at, from_underlay ? local_router.data() : gateway_mac.data(), 6);
    std::memcpy(at + 6, from_underlay ? remote_router.data() : container_mac.data(), 6);
    weft_store_be16(at + 12, WEFT_ETHERTYPE_IPV4);
    std::uint8_t* const ip = at + WEFT_ETHERNET_SIZE;
    std::uint8_t* const udp = ip + WEFT_IPV4_SIZE;
    write_ipv4(ip, from_underlay ? flow.remote : container, from_underlay ? container : flow.remote,
               inner_size - WEFT_ETHERNET_SIZE);
    weft_store_be16(udp, from_underlay ? flow.remote_port : container_port);
    weft_store_be16(udp + 2, from_underlay ? container_port : flow.remote_port);
    weft_store_be16(udp + 4, inner_size - WEFT_ETHERNET_SIZE - WEFT_IPV4_SIZE);
}

/// What the container sends; returns the size.
inline std::size_t write_frame_of_container(std::uint8_t* at, const Flow& flow) {
    write_inner(at, flow, false);
    return inner_size;
}

/// What the remote VTEP sends; returns the size.
inline std::size_t write_frame_of_vtep(std::uint8_t* at, const Flow& flow) {
    std::memset(at, 0, outer_size);
    std::memcpy(at, underlay_macs[0].data(), 6);
    std::memcpy(at + 6, underlay_macs[1].data(), 6);
    weft_store_be16(at + 12, WEFT_ETHERTYPE_IPV4);
    write_ipv4(at + WEFT_ETHERNET_SIZE, remote_vtep, local_vtep, outer_size - WEFT_ETHERNET_SIZE + inner_size);
    std::uint8_t* const udp = at + WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE;
    weft_store_be16(udp, 50000);
    weft_store_be16(udp + 2, WEFT_VXLAN_PORT);
    weft_store_be16(udp + 4, WEFT_UDP_SIZE + WEFT_VXLAN_SIZE + inner_size);
    udp[WEFT_UDP_SIZE] = WEFT_VXLAN_FLAG_VNI;
    weft_store_be32(udp + WEFT_UDP_SIZE + 4, vni << 8);
    write_inner(at + outer_size, flow, true);
    return outer_size + inner_size;
}

/// The key of the flow's session.
inline weft_session_key key_of(const Flow& flow) {
    std::uint8_t frame[inner_size];
    write_inner(frame, flow, false);
    weft_ip ip;
    weft_session_key key;
    weft_parse_ip(frame, inner_size, inner_size, WEFT_ETHERNET_SIZE, 4, 1, &ip);
    weft_session_key_of(&ip, vni, &key);
    return key;
}

} // namespace weft::bench
