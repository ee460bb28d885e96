// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/gso.hpp"

#include <algorithm>
#include <cstring>

#include "dataplane/chain.hpp"
#include "dataplane/packet.hpp"
#include "dataplane/pipeline/checksum.h"

namespace weft::dataplane {

namespace {

/// Where the headers of a frame begin; all of them lie in its first mbuf.
struct Layout {
    std::uint32_t outer_l3 = 0; ///< 0: no tunnel
    std::uint32_t outer_l4 = 0;
    std::uint32_t l3 = 0;
    std::uint32_t l4 = 0;
    std::uint32_t payload = 0;
    bool outer_v4 = false;
    bool v4 = false;

    explicit Layout(const rte_mbuf* packet) {
        const bool tunnel = (packet->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) == RTE_MBUF_F_TX_TUNNEL_VXLAN;
        if (tunnel) {
            outer_l3 = packet->outer_l2_len;
            outer_l4 = outer_l3 + packet->outer_l3_len;
        }
        l3 = outer_l4 + packet->l2_len;
        l4 = l3 + packet->l3_len;
        payload = l4 + packet->l4_len;
        outer_v4 = (packet->ol_flags & RTE_MBUF_F_TX_OUTER_IPV4) != 0;
        v4 = (packet->ol_flags & RTE_MBUF_F_TX_IPV4) != 0;
    }
};

void set_ipv4(std::uint8_t* header, std::uint32_t total, std::uint16_t id) {
    weft_store_be16(header + 2, total);
    weft_store_be16(header + 4, id);
    weft_store_be16(header + 10, 0);
    weft_store_be16(header + 10,
                    weft_checksum(weft_sum_add(0, header, static_cast<std::uint32_t>(header[0] & 0x0f) * 4)));
}

/// Rewrites the copied headers of one segment of `frame`.
bool finish_segment(rte_mbuf* segment, const Layout& at, std::uint32_t frame_l4_length, std::uint32_t sent,
                    unsigned number, bool last) {
    std::uint8_t* const data = data_of(segment);
    const std::uint32_t length = rte_pktmbuf_pkt_len(segment);
    if (at.outer_l4 != 0) {
        if (at.outer_v4)
            set_ipv4(data + at.outer_l3, length - at.outer_l3, 0);
        else
            weft_store_be16(data + at.outer_l3 + 4, length - at.outer_l4);
        weft_store_be16(data + at.outer_l4 + 4, length - at.outer_l4);
    }
    if (at.v4)
        set_ipv4(data + at.l3, length - at.l3, static_cast<std::uint16_t>(weft_load_be16(data + at.l3 + 4) + number));
    else
        weft_store_be16(data + at.l3 + 4, length - at.l3 - WEFT_IPV6_SIZE);

    std::uint8_t* const tcp = data + at.l4;
    weft_store_be32(tcp + 4, weft_load_be32(tcp + 4) + sent);
    if (!last) tcp[13] &= static_cast<std::uint8_t>(~(WEFT_TCP_FIN | WEFT_TCP_PSH));
    if (number != 0) tcp[13] &= static_cast<std::uint8_t>(~WEFT_TCP_CWR);
    // The field holds the pseudo-header's sum with the length of the whole; put this segment's in its place.
    const std::uint32_t pseudo =
        weft_load_be16(tcp + 16) + (static_cast<std::uint32_t>(~frame_l4_length) & 0xffff) + (length - at.l4);
    weft_store_be16(tcp + 16, weft_sum_fold(pseudo));
    const auto sum = sum_chain(segment, at.l4, length - at.l4);
    if (!sum) return false;
    weft_store_be16(tcp + 16, static_cast<std::uint16_t>(~__builtin_bswap16(*sum)));
    return true;
}

} // namespace

weft_drop_reason complete_checksum(rte_mbuf* packet) {
    const Layout at(packet);
    const bool udp = (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    const std::uint32_t field = at.l4 + (udp ? 6U : 16U);
    if (field + 2 > rte_pktmbuf_data_len(packet)) return WEFT_DROP_unsupported_offload;
    const auto sum = sum_chain(packet, at.l4, rte_pktmbuf_pkt_len(packet) - at.l4);
    if (!sum) return WEFT_DROP_unsupported_offload;
    auto checksum = static_cast<std::uint16_t>(~__builtin_bswap16(*sum));
    if (udp && checksum == 0) checksum = 0xffff;
    weft_store_be16(data_of(packet, field), checksum);
    packet->ol_flags &=
        ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_OUTER_IPV4 | RTE_MBUF_F_TX_OUTER_IPV6);
    return WEFT_DROP_none;
}

weft_drop_reason segment_tcp(rte_mbuf* frame, rte_mempool* pool, std::vector<rte_mbuf*>& segments) {
    const Layout at(frame);
    const std::uint32_t total = rte_pktmbuf_pkt_len(frame);
    if (frame->tso_segsz == 0 || at.payload > rte_pktmbuf_data_len(frame) || at.payload > total ||
        at.l4 + WEFT_TCP_SIZE > at.payload)
        return WEFT_DROP_unsupported_offload;
    const std::size_t before = segments.size();
    ChainReader reader(frame, at.payload);
    unsigned number = 0;
    for (std::uint32_t sent = 0; sent < total - at.payload || number == 0; ++number) {
        const std::uint32_t size = std::min<std::uint32_t>(frame->tso_segsz, total - at.payload - sent);
        rte_mbuf* const segment = rte_pktmbuf_alloc(pool);
        if (segment != nullptr) {
            segments.push_back(segment);
            ChainWriter to(segment, pool);
            if (to.append(data_of(frame), at.payload) && reader.copy(to, size) &&
                finish_segment(segment, at, total - at.l4, sent, number, sent + size == total - at.payload)) {
                sent += size;
                continue;
            }
        }
        rte_pktmbuf_free_bulk(segments.data() + before, static_cast<unsigned>(segments.size() - before));
        segments.resize(before);
        return WEFT_DROP_no_buffer;
    }
    return WEFT_DROP_none;
}

} // namespace weft::dataplane
