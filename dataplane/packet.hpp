// SPDX-License-Identifier: BSD-3-Clause
// How a packet looks between ports and pipeline: an rte_mbuf chain whose headers lie in the first segment. Offload
// work still to do is in the mbuf's own words: RTE_MBUF_F_TX_TCP_SEG with tso_segsz for a frame to be cut,
// RTE_MBUF_F_TX_{TCP,UDP}_CKSUM for a checksum field that holds no more than the pseudo-header's sum, length
// included, as virtio leaves it. l2_len, l3_len and l4_len describe the inner headers; after encapsulation
// outer_l2_len and outer_l3_len are set and l2_len spans UDP, VXLAN and the inner Ethernet header, as DPDK defines
// it. The port that sends completes what its device cannot (gso.hpp).
#pragma once

#include <algorithm>
#include <cstdint>

#include <rte_mbuf.h>

#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"

namespace weft::dataplane {

/// Room in front of every received frame: the largest outer header fits.
inline constexpr unsigned headroom = RTE_PKTMBUF_HEADROOM;
static_assert(headroom >= 82);

[[nodiscard]] inline std::uint8_t* data_of(rte_mbuf* packet, std::uint32_t offset = 0) {
    return rte_pktmbuf_mtod_offset(packet, std::uint8_t*, offset);
}

/// How much of it headers may lie in.
[[nodiscard]] inline std::uint32_t headers_size(const rte_mbuf* packet) {
    return std::min<std::uint32_t>(rte_pktmbuf_data_len(packet), WEFT_HEADERS_MAX);
}

[[nodiscard]] inline bool is_gso(const rte_mbuf* packet) { return (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0; }

inline constexpr std::uint64_t offload_wanted = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_L4_MASK;

/// Into how many segments a frame is cut at most: 64 KiB at the smallest MSS that Linux takes for a route, 88.
/// Smaller ones would let a container turn each of its frames into thousands of ours.
inline constexpr std::uint32_t segments_max = 745;

/// Which pipeline a port's packets enter.
enum class Role : std::uint8_t { endpoint, uplink };

} // namespace weft::dataplane
