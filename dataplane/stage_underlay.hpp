// SPDX-License-Identifier: BSD-3-Clause
// What comes from the underlay: pipeline/underlay.h on mbufs, with what it leaves to its caller, the UDP checksum and
// the padding.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/underlay.h"

namespace weft::dataplane {

/// The UDP checksum of the outer packet, over the whole chain.
[[nodiscard]] bool outer_udp_checksum_is_good(const rte_mbuf* frame, const weft_outer& outer);

[[nodiscard]] inline weft_drop_reason parse_outer(rte_mbuf* frame, const weft_host& host, weft_outer& outer) {
    const std::uint8_t* const bytes = data_of(frame);
    const std::uint32_t length = rte_pktmbuf_pkt_len(frame);
    const auto reason = weft_parse_outer(bytes, headers_size(frame), length, &host, &outer);
    if (reason != WEFT_DROP_none) return reason;
    // What lies behind the UDP packet is padding, and nothing in it is read.
    if (const std::uint32_t padding = length - outer.udp_offset - outer.udp_length; padding != 0)
        if (padding > 0xffff || rte_pktmbuf_trim(frame, static_cast<std::uint16_t>(padding)) != 0)
            return WEFT_DROP_malformed_outer;
    if (weft_outer_has_checksum(bytes, &outer) && !outer_udp_checksum_is_good(frame, outer))
        return WEFT_DROP_bad_outer_checksum;
    return weft_parse_vxlan(bytes, &outer);
}

} // namespace weft::dataplane
