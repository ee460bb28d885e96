// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors (pipeline/icmp.h) in buffers of their own.
#pragma once

#include <algorithm>
#include <cstring>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/icmp.h"

namespace weft::dataplane {

/// Makes an IP packet with the error about `frame`'s packet, from `from` to its source, with room for an Ethernet
/// header in front. Null when no buffer was free.
[[nodiscard]] inline rte_mbuf* make_icmp_error(rte_mempool* pool, rte_mbuf* frame, const weft_ip& ip,
                                               const weft_address& from, const weft_icmp_error& error) {
    rte_mbuf* const answer = rte_pktmbuf_alloc(pool);
    if (answer == nullptr) return nullptr;
    const bool v4 = ip.family == 4;
    const std::uint32_t headers = v4 ? WEFT_ICMP_HEADERS_V4 : WEFT_ICMP_HEADERS_V6;
    const std::uint32_t linear = rte_pktmbuf_data_len(frame) - ip.l3_offset;
    const std::uint32_t quoted = std::min(weft_icmp_quoted(&ip), linear);
    auto* const at = reinterpret_cast<std::uint8_t*>(
        rte_pktmbuf_append(answer, static_cast<std::uint16_t>(WEFT_ETHERNET_SIZE + headers + quoted)));
    std::uint8_t* const l3 = at + WEFT_ETHERNET_SIZE;
    std::memset(at, 0, WEFT_ETHERNET_SIZE);
    weft_store_be16(at + 12, v4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    std::memcpy(l3 + headers, data_of(frame, ip.l3_offset), quoted);
    weft_write_icmp_error(l3, &ip, &from, &error, quoted, weft_sum_add(0, l3 + headers, quoted));
    return answer;
}

} // namespace weft::dataplane
