// SPDX-License-Identifier: BSD-3-Clause
// mbuf chains as sequences of bytes: copying between them, for those who cut one packet into several (segmentation
// and fragmentation), and summing them. Nothing here owns a chain.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

namespace weft::dataplane {

/// Appends bytes to a chain, growing it by mbufs of the pool.
class ChainWriter {
  public:
    ChainWriter(rte_mbuf* head, rte_mempool* pool) : head_(head), pool_(pool) {}

    /// False: no buffer was free. What was written stays.
    [[nodiscard]] bool append(const std::uint8_t* from, std::uint32_t size) {
        while (size > 0) {
            rte_mbuf* const last = rte_pktmbuf_lastseg(head_);
            if (rte_pktmbuf_tailroom(last) == 0) {
                rte_mbuf* const more = rte_pktmbuf_alloc(pool_);
                if (more == nullptr || rte_pktmbuf_chain(head_, more) != 0) {
                    rte_pktmbuf_free(more);
                    return false;
                }
                continue;
            }
            const auto part = static_cast<std::uint16_t>(std::min<std::uint32_t>(size, rte_pktmbuf_tailroom(last)));
            std::memcpy(rte_pktmbuf_append(head_, part), from, part);
            from += part;
            size -= part;
        }
        return true;
    }

  private:
    rte_mbuf* head_;
    rte_mempool* pool_;
};

/// Reads a chain from front to back.
class ChainReader {
  public:
    ChainReader(rte_mbuf* chain, std::uint32_t offset) : segment_(chain) { skip(offset); }

    /// False: the chain ended, or no buffer was free.
    [[nodiscard]] bool copy(ChainWriter& to, std::uint32_t size) {
        while (size > 0) {
            if (segment_ == nullptr) return false;
            const std::uint32_t part = std::min<std::uint32_t>(size, segment_->data_len - offset_);
            if (!to.append(rte_pktmbuf_mtod_offset(segment_, const std::uint8_t*, offset_), part)) return false;
            size -= part;
            skip(part);
        }
        return true;
    }

  private:
    void skip(std::uint32_t size) {
        offset_ += size;
        while (segment_ != nullptr && offset_ >= segment_->data_len) {
            offset_ -= segment_->data_len;
            segment_ = segment_->next;
        }
    }

    rte_mbuf* segment_;
    std::uint32_t offset_ = 0;
};

/// The one's complement sum of part of a chain, as it stands in memory and not inverted; nothing when the chain is
/// shorter. DPDK 22.11's rte_raw_cksum_mbuf() loses carries of a segment that begins at an odd place.
[[nodiscard]] inline std::optional<std::uint16_t> sum_chain(const rte_mbuf* packet, std::uint32_t offset,
                                                            std::uint32_t length) {
    std::uint32_t sum = 0;
    std::uint32_t done = 0;
    for (; packet != nullptr && done < length; packet = packet->next) {
        if (offset >= packet->data_len) {
            offset -= packet->data_len;
            continue;
        }
        const std::uint32_t part = std::min(packet->data_len - offset, length - done);
        const std::uint16_t of_part = rte_raw_cksum(rte_pktmbuf_mtod_offset(packet, const void*, offset), part);
        sum += (done & 1) != 0 ? __builtin_bswap16(of_part) : of_part;
        done += part;
        offset = 0;
    }
    if (done != length) return std::nullopt;
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

} // namespace weft::dataplane
