// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage_fragment.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "dataplane/chain.hpp"
#include "dataplane/gso.hpp"
#include "dataplane/pipeline/checksum.h"

namespace weft::dataplane {

namespace {

struct Header {
    std::array<std::uint8_t, 60> bytes{};
    std::uint32_t size = 0;
};

/// The header of every fragment but the first: of the options only those with the copied flag (RFC 791 section 3.1).
Header later_header(const Header& first) {
    Header later;
    std::copy_n(first.bytes.begin(), WEFT_IPV4_SIZE, later.bytes.begin());
    later.size = WEFT_IPV4_SIZE;
    for (std::uint32_t at = WEFT_IPV4_SIZE; at < first.size;) {
        const std::uint32_t type = first.bytes[at];
        if (type == 0) break; // end of the list
        if (type == 1) {      // no operation
            ++at;
            continue;
        }
        const std::uint32_t length = at + 1 < first.size ? first.bytes[at + 1] : 0U;
        if (length < 2 || at + length > first.size) break; // a list that lies ends here
        if ((type & 0x80) != 0) {
            std::copy_n(first.bytes.begin() + at, length, later.bytes.begin() + later.size);
            later.size += length;
        }
        at += length;
    }
    later.size = (later.size + 3) & ~3U;
    later.bytes[0] = static_cast<std::uint8_t>(0x40 | later.size / 4);
    return later;
}

} // namespace

weft_drop_reason fragment_ipv4(rte_mbuf* packet, const weft_ip& ip, std::uint32_t mtu, rte_mempool* pool,
                               std::vector<rte_mbuf*>& fragments) {
    assert(mtu >= WEFT_IPV4_MTU_MIN);
    if ((packet->ol_flags & offload_wanted) != 0) // a checksum cannot be completed in pieces
        if (const auto reason = complete_checksum(packet); reason != WEFT_DROP_none) return reason;
    Header first;
    first.size = ip.l4_offset - std::uint32_t{ip.l3_offset};
    std::memcpy(first.bytes.data(), data_of(packet, ip.l3_offset), first.size);
    const Header later = later_header(first);
    const std::uint32_t payload = ip.l3_length - first.size;
    const std::uint32_t field = weft_load_be16(first.bytes.data() + 6);

    const std::size_t before = fragments.size();
    ChainReader reader(packet, ip.l4_offset);
    for (std::uint32_t done = 0; done < payload;) {
        const Header& header = done == 0 ? first : later;
        const std::uint32_t size = std::min((mtu - header.size) & ~7U, payload - done);
        rte_mbuf* const fragment = rte_pktmbuf_alloc(pool);
        if (fragment != nullptr) fragments.push_back(fragment);
        ChainWriter to(fragment, pool);
        if (fragment == nullptr || !to.append(data_of(packet), ip.l3_offset) ||
            !to.append(header.bytes.data(), header.size) || !reader.copy(to, size)) {
            rte_pktmbuf_free_bulk(fragments.data() + before, static_cast<unsigned>(fragments.size() - before));
            fragments.resize(before);
            return WEFT_DROP_no_buffer;
        }
        std::uint8_t* const l3 = data_of(fragment, ip.l3_offset);
        const bool more = done + size < payload || (field & WEFT_IPV4_MF) != 0;
        weft_store_be16(l3 + 2, header.size + size);
        weft_store_be16(l3 + 6, (more ? std::uint32_t{WEFT_IPV4_MF} : 0U) | ((field & WEFT_IPV4_OFFSET) + done / 8));
        weft_store_be16(l3 + 10, 0);
        weft_store_be16(l3 + 10, weft_checksum(weft_sum_add(0, l3, header.size)));
        done += size;
    }
    return WEFT_DROP_none;
}

} // namespace weft::dataplane
