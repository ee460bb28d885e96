// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage_fragment.hpp"

#include <cassert>
#include <cstring>

#include "dataplane/chain.hpp"
#include "dataplane/gso.hpp"
#include "dataplane/pipeline/fragment.h"

namespace weft::dataplane {

weft_drop_reason fragment_ipv4(rte_mbuf* packet, const weft_ip& ip, std::uint32_t mtu, rte_mempool* pool,
                               std::vector<rte_mbuf*>& fragments) {
    assert(mtu >= WEFT_IPV4_MTU_MIN);
    if ((packet->ol_flags & offload_wanted) != 0) // a checksum cannot be completed in pieces
        if (const auto reason = complete_checksum(packet); reason != WEFT_DROP_none) return reason;
    weft_ipv4_header first{};
    weft_ipv4_header later{};
    first.size = ip.l4_offset - std::uint32_t{ip.l3_offset};
    std::memcpy(first.bytes, data_of(packet, ip.l3_offset), first.size);
    weft_later_header(&first, &later);
    const std::uint32_t payload = ip.l3_length - first.size;

    const std::size_t before = fragments.size();
    ChainReader reader(packet, ip.l4_offset);
    for (std::uint32_t done = 0; done < payload;) {
        weft_ipv4_header header = done == 0 ? first : later;
        const std::uint32_t size = weft_fragment_payload(&header, mtu, payload - done);
        weft_set_fragment(header.bytes, size, done, static_cast<int>(done + size == payload));
        rte_mbuf* const fragment = rte_pktmbuf_alloc(pool);
        if (fragment != nullptr) fragments.push_back(fragment);
        ChainWriter to(fragment, pool);
        if (fragment == nullptr || !to.append(data_of(packet), ip.l3_offset) ||
            !to.append(header.bytes, header.size) || !reader.copy(to, size)) {
            rte_pktmbuf_free_bulk(fragments.data() + before, static_cast<unsigned>(fragments.size() - before));
            fragments.resize(before);
            return WEFT_DROP_no_buffer;
        }
        done += size;
    }
    return WEFT_DROP_none;
}

} // namespace weft::dataplane
