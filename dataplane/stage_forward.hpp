// SPDX-License-Identifier: BSD-3-Clause
// The last stages: TTL, MTU, and the way out: into another endpoint's port, or behind an outer header to a VTEP.
#pragma once

#include <algorithm>
#include <cstring>

#include <immintrin.h>
#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/parse.h"
#include "dataplane/stage_neighbour.hpp"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

/// One hop fewer. The caller has seen that more than one was left.
inline void decrement_ttl(std::uint8_t* l3, std::uint8_t family) {
    if (family == 6) {
        --l3[7];
        return;
    }
    // The changed word is computed and not read again: a load of two bytes would wait for the store of one.
    const std::uint16_t before = weft_load_be16(l3 + 8);
    --l3[8];
    weft_checksum_replace(l3 + 10, before, static_cast<std::uint16_t>(before - 0x100));
}

/// The largest IP packet that the frame stands for: of a frame to be cut, its segments.
[[nodiscard]] inline std::uint32_t wire_length(const rte_mbuf* packet, const weft_ip& ip) {
    if (!is_gso(packet)) [[likely]]
        return ip.l3_length;
    return std::min(ip.l3_length, static_cast<std::uint32_t>(packet->l3_len + packet->l4_len + packet->tso_segsz));
}

/// Puts the outer header in front of an Ethernet frame. False: no headroom.
[[nodiscard, gnu::always_inline]] inline bool encapsulate(rte_mbuf* packet, const NextHop& next_hop,
                                                          std::uint64_t hash) {
    const std::uint32_t inner = rte_pktmbuf_pkt_len(packet);
    auto* const outer = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(packet, next_hop.outer_size));
    if (outer == nullptr) return false;
    const std::uint8_t* const source = next_hop.tunnel_template;
    const auto copy = [&](std::size_t at) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(outer + at),
                            _mm256_load_si256(reinterpret_cast<const __m256i*>(source + at)));
    };
    if (next_hop.outer_v4) { // 62 bytes
        copy(0);
        std::memcpy(outer + 32, source + 32, 30);
        weft_tunnel_patch(outer, 1, inner, weft_tunnel_source_port(hash));
    } else { // 82 bytes
        copy(0);
        copy(32);
        std::memcpy(outer + 64, source + 64, 18);
        weft_tunnel_patch(outer, 0, inner, weft_tunnel_source_port(hash));
    }
    if (packet->ol_flags & offload_wanted) {
        packet->outer_l2_len = WEFT_ETHERNET_SIZE;
        packet->outer_l3_len = next_hop.outer_v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE;
        packet->l2_len = WEFT_UDP_SIZE + WEFT_VXLAN_SIZE + WEFT_ETHERNET_SIZE;
        packet->ol_flags |=
            RTE_MBUF_F_TX_TUNNEL_VXLAN | (next_hop.outer_v4 ? RTE_MBUF_F_TX_OUTER_IPV4 : RTE_MBUF_F_TX_OUTER_IPV6);
    }
    return true;
}

} // namespace weft::dataplane
