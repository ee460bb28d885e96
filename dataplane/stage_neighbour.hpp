// SPDX-License-Identifier: BSD-3-Clause
// What the gateway answers itself: the question becomes the answer in place (pipeline/neighbour.h, pipeline/icmp.h).
#pragma once

#include <rte_mbuf.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/sender.h"

namespace weft::dataplane {

/// Turns a solicitation that was checked into the advertisement, which may be longer.
[[nodiscard]] inline weft_drop_reason advertise(rte_mbuf* frame, const weft_endpoint& endpoint,
                                                const weft_host& host) {
    const std::uint32_t length = rte_pktmbuf_pkt_len(frame);
    constexpr std::uint32_t total = WEFT_ADVERTISEMENT_FRAME;
    if (length > total)
        rte_pktmbuf_trim(frame, static_cast<std::uint16_t>(length - total));
    else if (length < total && rte_pktmbuf_append(frame, static_cast<std::uint16_t>(total - length)) == nullptr)
        return WEFT_DROP_no_buffer;
    weft_write_advertisement(data_of(frame), &endpoint, &host);
    return WEFT_DROP_none;
}

/// Turns an echo request for the gateway into its reply.
inline void echo(rte_mbuf* frame, const weft_ip& ip, const weft_endpoint& endpoint, const weft_host& host) {
    weft_turn_echo(data_of(frame, ip.l3_offset), data_of(frame, ip.l4_offset), ip.family);
    weft_set_ethernet(data_of(frame), endpoint.mac, host.gateway_mac);
}

} // namespace weft::dataplane
