// SPDX-License-Identifier: BSD-3-Clause
// Trace: what one operator asked to see, with a bounded ring for each worker between it and the control thread. A
// worker that finds its ring full, or the rate used up, counts what is lost and goes on. TraceTable owns the running
// ones.
#pragma once

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/api/trace_limits.hpp"
#include "dataplane/api/trace_wire.hpp"
#include "dataplane/counters.hpp"

namespace weft::dataplane {

class Trace {
  public:
    using Settings = fastpath::TraceSettings;

    Trace(std::uint64_t number, const Settings& settings, unsigned workers);

    [[nodiscard]] std::uint64_t number() const { return number_; }

    [[nodiscard]] const weft_trace_filter& filter() const { return settings_.filter; }

    [[nodiscard]] std::uint32_t snap_length() const { return settings_.snap_length; }

    [[nodiscard]] std::size_t bytes() const { return rings_.size() * ring_bytes_; }

    // --- a worker's side: its own ring ---

    /// A weft_trace_event and its frames, as one packet's `part`: they are counted by packet.
    void put(unsigned worker, std::span<const std::uint8_t> record);

    // --- the control thread's side ---

    /// Grants what the rate allows for the time since the last call.
    void refill() { budget_.refill(tokens_); }

    /// Moves records to the message until the rings are empty (false), or it is large enough for one reply (true).
    /// `offset_ns`: from the workers' clock to the time of day.
    [[nodiscard]] bool take(fastpath::TraceEvents& events, std::int64_t offset_ns);
    [[nodiscard]] std::uint64_t lost() const;

  private:
    struct Ring {
        explicit Ring(std::size_t bytes) : queue(bytes) {}

        boost::lockfree::spsc_queue<std::uint8_t> queue;
        Count lost;
    };

    const std::uint64_t number_;
    const Settings settings_;
    const std::size_t ring_bytes_;
    std::vector<std::unique_ptr<Ring>> rings_; ///< by worker
    alignas(64) std::atomic<std::int64_t> tokens_;
    fastpath::TraceBudget budget_;
    std::vector<std::uint8_t> record_; ///< being read
};

/// Those that run, as workers see them.
using TraceSet = std::vector<Trace*>;

} // namespace weft::dataplane
