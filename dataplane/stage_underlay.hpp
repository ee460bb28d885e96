// SPDX-License-Identifier: BSD-3-Clause
// What comes from the underlay: outer headers, VXLAN header and the network it names (RFC 7348). Nothing is believed
// before it is checked, and nothing is read behind what is there.
#pragma once

#include <cstring>

#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

struct Outer {
    weft_address source;
    std::uint32_t vni = 0;
    std::uint32_t inner_offset = 0; ///< of the inner Ethernet header
};

[[nodiscard]] inline bool ipv4_checksum_is_good(const std::uint8_t* header) {
    // A sum of ones is a sum of ones in either byte order.
    const auto word = [&](unsigned at) {
        std::uint32_t value = 0;
        std::memcpy(&value, header + std::size_t{at} * 4, sizeof value);
        return std::uint64_t{value};
    };
    std::uint64_t sum = word(0) + word(1) + word(2) + word(3) + word(4);
    for (unsigned option = 5; option < (header[0] & 0x0fU); ++option)
        sum += word(option);
    sum = (sum & 0xffffffffU) + (sum >> 32);
    return weft_sum_fold(static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(sum >> 32)) == 0xffff;
}

/// The UDP checksum of the outer packet, over the whole chain; zero means that there is none (RFC 768, RFC 6935).
[[nodiscard]] bool outer_udp_checksum_is_good(const rte_mbuf* packet, std::uint32_t l3, std::uint32_t l4,
                                              std::uint32_t udp_length);

[[nodiscard]] inline weft_drop_reason parse_outer(rte_mbuf* packet, const weft_host& host, Outer& outer) {
    const std::uint8_t* const frame = data_of(packet);
    const std::uint32_t linear = rte_pktmbuf_data_len(packet);
    const std::uint32_t length = rte_pktmbuf_pkt_len(packet);
    if (linear < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    const std::uint32_t type = weft_load_be16(frame + 12);
    const std::uint32_t l3 = WEFT_ETHERNET_SIZE;
    std::uint32_t l4 = 0;
    std::uint32_t end = 0;
    const std::uint8_t* const ip = frame + l3;
    if (type == WEFT_ETHERTYPE_IPV4) {
        if (linear < l3 + WEFT_IPV4_SIZE) return WEFT_DROP_malformed_outer;
        const std::uint32_t header = static_cast<std::uint32_t>(ip[0] & 0x0f) * 4;
        const std::uint32_t total = weft_load_be16(ip + 2);
        if (ip[0] >> 4 != 4 || header < WEFT_IPV4_SIZE || l3 + header > linear || total < header + WEFT_UDP_SIZE ||
            l3 + total > length)
            return WEFT_DROP_malformed_outer;
        if (!ipv4_checksum_is_good(ip)) return WEFT_DROP_bad_outer_checksum;
        const weft_address destination = weft_address_v4(ip + 16);
        if (ip[9] != WEFT_PROTO_UDP || !weft_address_equal(&destination, &host.vtep_v4)) return WEFT_DROP_not_vxlan;
        if (weft_load_be16(ip + 6) & (WEFT_IPV4_MF | WEFT_IPV4_OFFSET)) return WEFT_DROP_fragmented_outer;
        outer.source = weft_address_v4(ip + 12);
        l4 = l3 + header;
        end = l3 + total;
    } else if (type == WEFT_ETHERTYPE_IPV6) {
        if (linear < l3 + WEFT_IPV6_SIZE) return WEFT_DROP_malformed_outer;
        const std::uint32_t payload = weft_load_be16(ip + 4);
        if (ip[0] >> 4 != 6 || l3 + WEFT_IPV6_SIZE + payload > length) return WEFT_DROP_malformed_outer;
        const weft_address destination = weft_address_v6(ip + 24);
        if (ip[6] == WEFT_PROTO_FRAGMENT) return WEFT_DROP_fragmented_outer;
        if (ip[6] != WEFT_PROTO_UDP || !weft_address_equal(&destination, &host.vtep_v6)) return WEFT_DROP_not_vxlan;
        if (payload < WEFT_UDP_SIZE) return WEFT_DROP_malformed_outer;
        outer.source = weft_address_v6(ip + 8);
        if (weft_address_is_v4(&outer.source)) return WEFT_DROP_malformed_outer; // would stand for an IPv4 VTEP
        l4 = l3 + WEFT_IPV6_SIZE;
        end = l4 + payload;
    } else {
        return WEFT_DROP_not_vxlan;
    }
    if (l4 + WEFT_UDP_SIZE > linear) return WEFT_DROP_malformed_outer;
    const std::uint8_t* const udp = frame + l4;
    const std::uint32_t udp_length = weft_load_be16(udp + 4);
    if (udp_length < WEFT_UDP_SIZE || l4 + udp_length > end) return WEFT_DROP_malformed_outer;
    if (weft_load_be16(udp + 2) != host.vxlan_port) return WEFT_DROP_not_vxlan;
    if (udp_length < WEFT_UDP_SIZE + WEFT_VXLAN_SIZE || l4 + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE > linear)
        return WEFT_DROP_malformed_vxlan;
    // What lies behind the UDP packet is padding, and nothing in it is read.
    if (const std::uint32_t padding = length - l4 - udp_length; padding != 0)
        if (padding > 0xffff || rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(padding)) != 0)
            return WEFT_DROP_malformed_outer;
    if (weft_load_be16(udp + 6) != 0 && !outer_udp_checksum_is_good(packet, l3, l4, udp_length))
        return WEFT_DROP_bad_outer_checksum;
    const std::uint8_t* const vxlan = udp + WEFT_UDP_SIZE;
    if ((vxlan[0] & WEFT_VXLAN_FLAG_VNI) == 0)
        return WEFT_DROP_malformed_vxlan; // the rest is ignored, RFC 7348 section 5
    outer.vni = weft_load_be32(vxlan + 4) >> 8;
    outer.inner_offset = l4 + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE;
    return WEFT_DROP_none;
}

} // namespace weft::dataplane
