// SPDX-License-Identifier: BSD-3-Clause
// Counts of one worker at one port: written by that worker only, read by the control thread at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/pipeline/drop_reason.h"

namespace weft::dataplane {

/// A counter with one writer: a plain addition for it, no tearing for readers.
class Count {
  public:
    void add(std::uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_ = 0;
};

struct alignas(64) PortCounts {
    Count rx_packets;
    Count rx_bytes;
    Count tx_packets;
    Count tx_bytes;
    std::array<Count, WEFT_DROP_REASON_COUNT> drops;
};

} // namespace weft::dataplane
