// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/virtio_header.hpp"

#include "dataplane/chain.hpp"
#include "dataplane/packet.hpp"
#include "dataplane/pipeline/types.h"

namespace weft::dataplane {

namespace {

constexpr std::uint16_t tcp_field = 16;
constexpr std::uint16_t udp_field = 6;

/// Is the packet's own header of this protocol at `start`, right behind its IP header? (Anything there is of
/// extension headers counts as not.)
bool is_outermost(rte_mbuf* packet, bool v4, std::uint32_t start, std::uint8_t protocol) {
    const std::uint8_t* const ip = data_of(packet, WEFT_ETHERNET_SIZE);
    if (v4) return ip[9] == protocol && start == WEFT_ETHERNET_SIZE + (ip[0] & 0xfU) * 4;
    return ip[6] == protocol && start == WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE;
}

/// A checksum that is neither TCP's nor UDP's, or one inside a tunnel of the container's own, where nobody would
/// look for it: rare, so it is summed at once.
weft_drop_reason sum_now(rte_mbuf* packet, std::uint32_t start, std::uint32_t field) {
    if (field + 2 > rte_pktmbuf_data_len(packet)) return WEFT_DROP_unsupported_offload;
    const auto sum = sum_chain(packet, start, rte_pktmbuf_pkt_len(packet) - start);
    if (!sum) return WEFT_DROP_unsupported_offload;
    // Zero would be no checksum to UDP, and is to all others the same as this.
    const auto complement = static_cast<std::uint16_t>(~__builtin_bswap16(*sum));
    weft_store_be16(data_of(packet, field), complement != 0 ? complement : 0xffff);
    return WEFT_DROP_none;
}

} // namespace

weft_drop_reason from_virtio(const VirtioHeader& header, rte_mbuf* packet) {
    const unsigned gso = header.gso_type & ~unsigned{VirtioHeader::gso_ecn};
    if ((header.flags & VirtioHeader::needs_checksum) == 0)
        return gso == VirtioHeader::gso_none ? WEFT_DROP_none : WEFT_DROP_unsupported_offload;
    const std::uint32_t start = header.csum_start;
    const std::uint32_t field = start + header.csum_offset;
    const std::uint32_t linear = rte_pktmbuf_data_len(packet);
    if (linear < WEFT_ETHERNET_SIZE || start >= linear || field + 2 > linear) return WEFT_DROP_unsupported_offload;
    const std::uint32_t type = weft_load_be16(data_of(packet, 12));
    const bool v4 = type == WEFT_ETHERTYPE_IPV4;
    const std::uint32_t ip_size = v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE;
    if ((!v4 && type != WEFT_ETHERTYPE_IPV6) || start < WEFT_ETHERNET_SIZE + ip_size ||
        start - WEFT_ETHERNET_SIZE > 511)
        return gso == VirtioHeader::gso_none ? sum_now(packet, start, field) : WEFT_DROP_unsupported_offload;
    if (gso == VirtioHeader::gso_none) {
        const std::uint8_t protocol = header.csum_offset == tcp_field   ? WEFT_PROTO_TCP
                                      : header.csum_offset == udp_field ? WEFT_PROTO_UDP
                                                                        : 0;
        if (protocol == 0 || !is_outermost(packet, v4, start, protocol)) return sum_now(packet, start, field);
    }
    packet->l2_len = WEFT_ETHERNET_SIZE;
    packet->l3_len = start - WEFT_ETHERNET_SIZE;
    const std::uint64_t family = v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (gso != VirtioHeader::gso_none) {
        if (gso != (v4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6) || header.gso_size == 0 ||
            header.csum_offset != tcp_field || start + WEFT_TCP_SIZE > linear)
            return WEFT_DROP_unsupported_offload;
        const std::uint32_t tcp_size = static_cast<std::uint32_t>(*data_of(packet, start + 12) >> 4) * 4;
        if (tcp_size < WEFT_TCP_SIZE || start + tcp_size > linear) return WEFT_DROP_unsupported_offload;
        packet->l4_len = tcp_size;
        packet->tso_segsz = header.gso_size;
        packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | family;
        return WEFT_DROP_none;
    }
    packet->ol_flags |=
        (header.csum_offset == tcp_field ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM) | family;
    return WEFT_DROP_none;
}

VirtioHeader to_virtio(const rte_mbuf* packet) {
    VirtioHeader header;
    if ((packet->ol_flags & offload_wanted) == 0) return header;
    const bool udp = (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    header.flags = VirtioHeader::needs_checksum;
    header.csum_start = static_cast<std::uint16_t>(packet->l2_len + packet->l3_len);
    header.csum_offset = udp ? udp_field : tcp_field;
    if (is_gso(packet)) {
        const bool v4 = (packet->ol_flags & RTE_MBUF_F_TX_IPV4) != 0;
        header.gso_type = v4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6;
        const std::uint32_t flags = *rte_pktmbuf_mtod_offset(packet, const std::uint8_t*, header.csum_start + 13);
        if (flags & WEFT_TCP_CWR) header.gso_type |= VirtioHeader::gso_ecn;
        header.gso_size = packet->tso_segsz;
        header.hdr_len = static_cast<std::uint16_t>(header.csum_start + packet->l4_len);
    }
    return header;
}

} // namespace weft::dataplane
