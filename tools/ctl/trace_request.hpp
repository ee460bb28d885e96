// SPDX-License-Identifier: BSD-3-Clause
// What `weft trace` and `weft capture` have in common: which packets are meant, and how a trace begins, goes on and
// ends.
#pragma once

#include <functional>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"

namespace weft::ctl {

/// The filter's operands and options, and the limits: --count, --seconds, --rate.
[[nodiscard]] std::vector<Operand> trace_operands();
[[nodiscard]] std::vector<Option> trace_options();

struct TraceDefaults {
    unsigned long snap_length;
    unsigned long events_per_s;
};

[[nodiscard]] Outcome<v1::TraceRequest> trace_request(const Arguments& arguments, TraceDefaults defaults);

struct TraceEnd {
    std::uint64_t packets = 0; ///< of which events were handed on
    std::uint64_t lost = 0;

    /// "12 packets", and what was lost.
    [[nodiscard]] std::string summary() const;
};

/// Traces until --count or --seconds is over, the operator interrupts, or `take`, which gets every event, says false.
[[nodiscard]] Outcome<TraceEnd> run_trace(Context& context, const Arguments& arguments,
                                          const v1::TraceRequest& request,
                                          const std::function<bool(const v1::TraceEvent&)>& take);

} // namespace weft::ctl
