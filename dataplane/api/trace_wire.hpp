// SPDX-License-Identifier: BSD-3-Clause
// Between the messages of traces (fastpath.proto) and the structs that both fast paths fill (pipeline/trace.h). A
// fast path that is told to trace checks the filter here, and hands its records in as its rings gave them.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/trace.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

[[nodiscard]] Result<weft_trace_filter> to_filter(const TraceFilter& message);

struct TraceSettings {
    weft_trace_filter filter{};
    std::uint32_t snap_length = 0;
    std::uint32_t events_per_s = 0; ///< 0: no limit
};

[[nodiscard]] Result<TraceSettings> to_settings(const TraceRequest& request);

/// Nanoseconds from CLOCK_MONOTONIC to the time of day. Stays what it was (`last`) until the clock was really set,
/// not only read a little later, so that a packet has one time in all traces.
[[nodiscard]] std::int64_t unix_offset_ns(std::int64_t last);

/// Appends one record: a weft_trace_event and the frames that it announces. False when it is shorter than it says.
[[nodiscard]] bool append_event(TraceEvents& events, std::span<const std::uint8_t> record, std::int64_t offset_ns);

} // namespace weft::fastpath
