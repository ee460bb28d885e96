// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage_underlay.hpp"

#include "dataplane/chain.hpp"

namespace weft::dataplane {

bool outer_udp_checksum_is_good(const rte_mbuf* frame, const weft_outer& outer) {
    const auto payload = sum_chain(frame, outer.udp_offset, outer.udp_length);
    if (!payload) return false;
    const std::uint32_t pseudo = weft_outer_pseudo_sum(rte_pktmbuf_mtod(frame, const std::uint8_t*), &outer);
    return weft_sum_fold(pseudo + __builtin_bswap16(*payload)) == 0xffff;
}

} // namespace weft::dataplane
