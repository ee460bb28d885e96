// SPDX-License-Identifier: BSD-3-Clause
// What a router says about a packet that it could not forward: ICMP (RFC 792, RFC 1812 section 4.3) and ICMPv6 (RFC
// 4443) errors, and the answer to an echo request for the gateway itself.
#pragma once

#include <algorithm>
#include <cstring>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/parse.h"

namespace weft::dataplane {

struct IcmpError {
    std::uint8_t type_v4 = 0; ///< 0: none is sent in this family
    std::uint8_t code_v4 = 0;
    std::uint8_t type_v6 = 0;
    std::uint8_t code_v6 = 0;
    std::uint32_t mtu = 0;
};

/// Which error a router sends for the drop; both types 0 where it stays silent (policy, spoofing, damage).
[[nodiscard]] inline IcmpError icmp_error_for(weft_drop_reason reason, std::uint32_t mtu) {
    switch (reason) {
    case WEFT_DROP_ttl_exceeded:
        return {WEFT_ICMP_TIME_EXCEEDED, 0, WEFT_ICMPV6_TIME_EXCEEDED, 0, 0};
    case WEFT_DROP_packet_too_big:
        return {WEFT_ICMP_UNREACHABLE, WEFT_ICMP_FRAG_NEEDED, WEFT_ICMPV6_TOO_BIG, 0, mtu};
    case WEFT_DROP_no_route:
    case WEFT_DROP_blackhole:
        return {WEFT_ICMP_UNREACHABLE, 0, WEFT_ICMPV6_UNREACHABLE, 0, 0};
    default:
        return {};
    }
}

/// The pseudo-header's sum of RFC 8200 section 8.1, without the payload.
[[nodiscard]] inline std::uint32_t pseudo_header_sum_v6(const std::uint8_t* header, std::uint32_t length,
                                                        std::uint8_t protocol) {
    return weft_sum_add(0, header + 8, 32) + length + protocol;
}

/// Makes an IP packet with the error about `packet`, from `from` to its source, with room for an Ethernet header in
/// front. Null when no buffer was free.
[[nodiscard]] inline rte_mbuf* make_icmp_error(rte_mempool* pool, rte_mbuf* packet, const weft_ip& ip,
                                               const weft_address& from, const IcmpError& error) {
    rte_mbuf* const answer = rte_pktmbuf_alloc(pool);
    if (answer == nullptr) return nullptr;
    const bool v4 = ip.family == 4;
    const std::uint32_t header = v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE;
    // As much of the packet as fits the least MTU of the family (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c)).
    const std::uint32_t room = (v4 ? 576 : 1280) - header - WEFT_ICMP_SIZE;
    const std::uint32_t linear = rte_pktmbuf_data_len(packet) - ip.l3_offset;
    const std::uint32_t quoted = std::min({room, linear, ip.l3_length});
    auto* const at = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(
        answer, static_cast<std::uint16_t>(WEFT_ETHERNET_SIZE + header + WEFT_ICMP_SIZE + quoted)));
    std::memset(at, 0, WEFT_ETHERNET_SIZE + header + WEFT_ICMP_SIZE);
    std::uint8_t* const l3 = at + WEFT_ETHERNET_SIZE;
    std::uint8_t* const icmp = l3 + header;
    std::memcpy(icmp + WEFT_ICMP_SIZE, data_of(packet, ip.l3_offset), quoted);
    weft_store_be16(at + 12, v4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    const std::uint32_t payload = WEFT_ICMP_SIZE + quoted;
    if (v4) {
        l3[0] = 0x45;
        l3[1] = 0xc0; // internetwork control, RFC 1812 section 4.3.2.5
        weft_store_be16(l3 + 2, header + payload);
        l3[8] = 64;
        l3[9] = WEFT_PROTO_ICMP;
        std::memcpy(l3 + 12, from.bytes + 12, 4);
        std::memcpy(l3 + 16, ip.source.bytes + 12, 4);
        weft_store_be16(l3 + 10, weft_checksum(weft_sum_add(0, l3, WEFT_IPV4_SIZE)));
        icmp[0] = error.type_v4;
        icmp[1] = error.code_v4;
        weft_store_be16(icmp + 6, error.mtu);
        weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(0, icmp, payload)));
    } else {
        l3[0] = 0x60;
        weft_store_be16(l3 + 4, payload);
        l3[6] = WEFT_PROTO_ICMPV6;
        l3[7] = 64;
        std::memcpy(l3 + 8, from.bytes, 16);
        std::memcpy(l3 + 24, ip.source.bytes, 16);
        icmp[0] = error.type_v6;
        icmp[1] = error.code_v6;
        weft_store_be32(icmp + 4, error.mtu);
        const std::uint32_t sum = pseudo_header_sum_v6(l3, payload, WEFT_PROTO_ICMPV6);
        weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(sum, icmp, payload)));
    }
    return answer;
}

/// Turns an echo request for the gateway into its reply, in place; the Ethernet header is the caller's.
inline void turn_echo(rte_mbuf* packet, const weft_ip& ip) {
    std::uint8_t* const l3 = data_of(packet, ip.l3_offset);
    std::uint8_t* const icmp = data_of(packet, ip.l4_offset);
    const std::uint32_t size = ip.family == 4 ? 4 : 16;
    std::uint8_t* const source = l3 + (ip.family == 4 ? 12 : 8);
    std::uint8_t swap[16];
    std::memcpy(swap, source, size);
    std::memcpy(source, source + size, size);
    std::memcpy(source + size, swap, size);
    const std::uint16_t before = weft_load_be16(icmp);
    icmp[0] = ip.family == 4 ? WEFT_ICMP_ECHO_REPLY : WEFT_ICMPV6_ECHO_REPLY;
    weft_checksum_replace(icmp + 2, before, weft_load_be16(icmp));
}

} // namespace weft::dataplane
