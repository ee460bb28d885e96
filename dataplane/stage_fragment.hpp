// SPDX-License-Identifier: BSD-3-Clause
// IPv4 fragmentation on the way into a tunnel (RFC 791 section 3.2), for packets that allow it. The forward stage
// calls it, and only for packets that are too large, so that others pay one comparison.
#pragma once

#include <vector>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/parse.h"

namespace weft::dataplane {

[[nodiscard]] inline bool may_fragment(const weft_ip& ip) { return ip.family == 4 && ip.dont_fragment == 0; }

/// Makes the segments of a frame to be cut so small that each fits: what nobody has cut yet needs no fragments.
/// False: the headers alone are too large.
[[nodiscard]] inline bool shrink_segments(rte_mbuf* frame, std::uint32_t mtu) {
    const std::uint32_t headers = static_cast<std::uint32_t>(frame->l3_len + frame->l4_len);
    if (headers >= mtu) return false;
    frame->tso_segsz = static_cast<std::uint16_t>(mtu - headers);
    return true;
}

/// Copies the packet into frames whose IP packets are at most `mtu` (at least WEFT_IPV4_MTU_MIN), and appends them to
/// `fragments`. The packet stays the caller's; a checksum left to the port is completed in it. On failure nothing is
/// appended.
[[nodiscard]] weft_drop_reason fragment_ipv4(rte_mbuf* packet, const weft_ip& ip, std::uint32_t mtu,
                                             rte_mempool* pool, std::vector<rte_mbuf*>& fragments);

} // namespace weft::dataplane
