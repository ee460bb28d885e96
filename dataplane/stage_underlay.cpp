// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage_underlay.hpp"

#include "dataplane/chain.hpp"
#include "dataplane/stage_icmp.hpp"

namespace weft::dataplane {

bool outer_udp_checksum_is_good(const rte_mbuf* packet, std::uint32_t l3, std::uint32_t l4,
                                std::uint32_t udp_length) {
    const auto* const ip = rte_pktmbuf_mtod_offset(packet, const std::uint8_t*, l3);
    const auto payload = sum_chain(packet, l4, udp_length);
    if (!payload) return false;
    const std::uint32_t pseudo = ip[0] >> 4 == 4 ? weft_sum_add(0, ip + 12, 8) + WEFT_PROTO_UDP + udp_length
                                                 : pseudo_header_sum_v6(ip, udp_length, WEFT_PROTO_UDP);
    return weft_sum_fold(pseudo + __builtin_bswap16(*payload)) == 0xffff;
}

} // namespace weft::dataplane
