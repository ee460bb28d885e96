// SPDX-License-Identifier: BSD-3-Clause
// What every fast path bounds its traces by, so that an operator meets the same bounds on each.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

#include "dataplane/pipeline/trace.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

/// Of one ring between packets and whoever carries their records on.
[[nodiscard]] constexpr std::size_t trace_ring_bytes(std::uint32_t snap_length) {
    return snap_length == 0 ? 1U << 20 : 4U << 20;
}

/// Rings are emptied so often: they are full soon.
constexpr std::chrono::milliseconds between_trace_pumps{5};

/// One message of events: little enough that an answer behind it need not wait.
constexpr int trace_message_events = 256;
constexpr std::size_t trace_message_bytes = 1U << 20;

/// What a listener may leave unread before its events wait in the rings, and are lost there.
constexpr std::size_t trace_unread_max = 4U << 20;

/// Is there room for another, beside those that run?
[[nodiscard]] inline Result<void> check_trace_room(std::size_t running) {
    if (running < WEFT_TRACES_MAX) return {};
    return fail(ErrorCode::exhausted, fmt::format("{} traces run already, and no more at a time: end one of them",
                                                  unsigned{WEFT_TRACES_MAX}));
}

/// Grants the packets of a trace that has a rate. The tokens are those that packets take, one each.
class TraceBudget {
  public:
    /// 0: no limit.
    explicit TraceBudget(std::uint32_t events_per_s) : events_per_s_(events_per_s) {}

    [[nodiscard]] bool limited() const { return events_per_s_ != 0; }

    [[nodiscard]] std::int64_t first() const { return events_per_s_; }

    /// Grants what the rate allows for the time since the last call.
    template <class Tokens>
    void refill(Tokens&& tokens) {
        if (!limited()) return;
        const auto now = Clock::now();
        const double elapsed_s = std::chrono::duration<double>(now - refilled_).count();
        const auto granted = static_cast<std::int64_t>(elapsed_s * events_per_s_);
        if (granted == 0) return; // the fraction counts next time
        refilled_ = now;
        // At most a second's worth is saved up, and nothing is owed for what was refused.
        const std::int64_t left = std::max<std::int64_t>(tokens.load(std::memory_order_relaxed), 0);
        tokens.store(std::min<std::int64_t>(left + granted, events_per_s_), std::memory_order_relaxed);
    }

  private:
    using Clock = std::chrono::steady_clock;

    std::uint32_t events_per_s_;
    Clock::time_point refilled_ = Clock::now();
};

} // namespace weft::fastpath
