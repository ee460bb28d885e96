// SPDX-License-Identifier: BSD-3-Clause
// ARP (RFC 826) and neighbour discovery (RFC 4861): endpoints ask for the gateway and for nobody else, since their
// addresses are host prefixes. The question becomes the answer in place.
#pragma once

#include <cstring>

#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/parse.h"
#include "dataplane/stage_icmp.hpp"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

inline constexpr std::uint8_t gateway_v4_bytes[4] = {169, 254, 1, 1};
inline constexpr std::uint8_t gateway_v6_bytes[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

[[nodiscard]] inline weft_address gateway_address(std::uint8_t family) {
    return family == 4 ? weft_address_v4(gateway_v4_bytes) : weft_address_v6(gateway_v6_bytes);
}

inline void set_ethernet(std::uint8_t* frame, const std::uint8_t* destination, const std::uint8_t* source) {
    std::memcpy(frame, destination, WEFT_MAC_SIZE);
    std::memcpy(frame + 6, source, WEFT_MAC_SIZE);
}

[[nodiscard]] inline weft_drop_reason answer_arp(rte_mbuf* packet, const Endpoint& endpoint, const weft_host& host) {
    std::uint8_t* const frame = data_of(packet);
    std::uint8_t* const arp = frame + WEFT_ETHERNET_SIZE;
    constexpr std::uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};
    if (rte_pktmbuf_data_len(packet) < WEFT_ETHERNET_SIZE + WEFT_ARP_SIZE ||
        std::memcmp(arp, ethernet_ipv4, sizeof ethernet_ipv4) != 0)
        return WEFT_DROP_malformed_arp;
    if (std::memcmp(arp + 8, endpoint.mac, 6) != 0) return WEFT_DROP_spoofed_mac;
    const weft_address sender = weft_address_v4(arp + 14);
    constexpr std::uint8_t zero[4] = {};
    if (!weft_endpoint_owns(&endpoint, &sender) && std::memcmp(arp + 14, zero, 4) != 0)
        return WEFT_DROP_spoofed_address;
    if (weft_load_be16(arp + 6) != 1 || std::memcmp(arp + 24, gateway_v4_bytes, 4) != 0)
        return WEFT_DROP_not_for_gateway;
    set_ethernet(frame, endpoint.mac, host.gateway_mac);
    weft_store_be16(arp + 6, 2);
    std::memcpy(arp + 18, arp + 8, 10); // sender becomes target
    std::memcpy(arp + 8, host.gateway_mac, 6);
    std::memcpy(arp + 14, gateway_v4_bytes, 4);
    return WEFT_DROP_none;
}

[[nodiscard]] inline bool is_neighbour_discovery(const weft_ip& ip) {
    return ip.family == 6 && ip.protocol == WEFT_PROTO_ICMPV6 && ip.fragment == WEFT_FRAGMENT_NONE &&
           ip.icmp_type >= WEFT_ICMPV6_ROUTER_SOLICITATION && ip.icmp_type <= WEFT_ICMPV6_REDIRECT;
}

/// A solicitation for the gateway is answered (RFC 4861 section 7.1.1 for what is valid); everything else of the
/// protocol ends here.
[[nodiscard]] inline weft_drop_reason answer_neighbour(rte_mbuf* packet, const weft_ip& ip, const Endpoint& endpoint,
                                                       const weft_host& host) {
    constexpr std::uint32_t solicitation_size = 24;
    std::uint8_t* const frame = data_of(packet);
    std::uint8_t* const l3 = frame + ip.l3_offset;
    std::uint8_t* const icmp = frame + ip.l4_offset;
    const std::uint32_t payload = ip.l3_offset + ip.l3_length - ip.l4_offset;
    if (ip.ttl != 255 || ip.icmp_code != 0 || ip.l4_offset != ip.l3_offset + WEFT_IPV6_SIZE)
        return WEFT_DROP_malformed_nd;
    if (ip.icmp_type != WEFT_ICMPV6_NEIGHBOUR_SOLICITATION) return WEFT_DROP_not_for_gateway;
    if (payload < solicitation_size || ip.l4_offset + payload > rte_pktmbuf_data_len(packet))
        return WEFT_DROP_malformed_nd;
    if (weft_sum_fold(weft_sum_add(pseudo_header_sum_v6(l3, payload, WEFT_PROTO_ICMPV6), icmp, payload)) != 0xffff)
        return WEFT_DROP_malformed_nd;
    if (std::memcmp(icmp + 8, gateway_v6_bytes, 16) != 0) return WEFT_DROP_not_for_gateway;
    const weft_address unspecified{};
    if (weft_address_equal(&ip.source, &unspecified))
        return WEFT_DROP_not_for_gateway; // somebody else wants to be fe80::1
    if (!weft_endpoint_owns(&endpoint, &ip.source) &&
        !(ip.source.bytes[0] == 0xfe && (ip.source.bytes[1] & 0xc0) == 0x80))
        return WEFT_DROP_spoofed_address;

    constexpr std::uint32_t advertisement_size = 32; // with the target's link-layer address option
    const std::uint32_t total = ip.l4_offset + advertisement_size;
    const std::uint32_t length = rte_pktmbuf_pkt_len(packet);
    if (length > total)
        rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(length - total));
    else if (length < total && rte_pktmbuf_append(packet, static_cast<std::uint16_t>(total - length)) == nullptr)
        return WEFT_DROP_no_buffer;
    set_ethernet(frame, endpoint.mac, host.gateway_mac);
    weft_store_be16(l3 + 4, advertisement_size);
    std::memcpy(l3 + 24, l3 + 8, 16);
    std::memcpy(l3 + 8, gateway_v6_bytes, 16);
    std::memset(icmp, 0, 8);
    icmp[0] = WEFT_ICMPV6_NEIGHBOUR_ADVERTISEMENT;
    icmp[4] = 0xe0; // router, solicited, override
    std::memcpy(icmp + 8, gateway_v6_bytes, 16);
    icmp[24] = 2; // target link-layer address
    icmp[25] = 1;
    std::memcpy(icmp + 26, host.gateway_mac, 6);
    const std::uint32_t sum = pseudo_header_sum_v6(l3, advertisement_size, WEFT_PROTO_ICMPV6);
    weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(sum, icmp, advertisement_size)));
    return WEFT_DROP_none;
}

} // namespace weft::dataplane
