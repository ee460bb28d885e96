// SPDX-License-Identifier: BSD-3-Clause
// The last stage's bytes: behind an outer header to a VTEP.
#pragma once

#include <cstring>

#include <immintrin.h>
#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/view.hpp"

namespace weft::dataplane {

/// The segments of a frame to be cut.
[[nodiscard]] inline weft_segments segments_of(const rte_mbuf* frame) {
    if (!is_gso(frame)) [[likely]]
        return {0, 0};
    return {.payload = static_cast<std::uint32_t>(frame->tso_segsz),
            .headers = static_cast<std::uint32_t>(frame->l3_len + frame->l4_len)};
}

/// Puts the outer header in front of an Ethernet frame. False: no headroom.
[[nodiscard, gnu::always_inline]] inline bool encapsulate(rte_mbuf* packet, const weft_next_hop& next_hop,
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
