// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/flow_end.hpp"

#include <fmt/format.h>

#include "dataplane/api/table_wire.hpp"

namespace weft::fastpath {

namespace {

constexpr unsigned v4_mapped_bits = 96;

} // namespace

Result<weft_trace_end> to_end(const FlowEnd& message) {
    weft_trace_end end{};
    end.port = message.port();
    if (message.port() == 0 && message.prefixes().empty())
        return fail(ErrorCode::invalid, "an end has a port or a prefix");
    for (const Prefix& each : message.prefixes()) {
        if (end.prefix_count == WEFT_TRACE_PREFIXES)
            return fail(ErrorCode::invalid,
                        fmt::format("an end has at most {} prefixes", unsigned{WEFT_TRACE_PREFIXES}));
        const auto prefix = to_prefix(each);
        if (!prefix) return std::unexpected(prefix.error());
        const bool v4 = prefix->address().is_v4();
        const auto* const at = prefix->address().bytes().data();
        end.prefixes[end.prefix_count] = v4 ? weft_address_v4(at) : weft_address_v6(at);
        end.prefix_lengths[end.prefix_count] = static_cast<std::uint8_t>(each.length() + (v4 ? v4_mapped_bits : 0));
        ++end.prefix_count;
    }
    return end;
}

} // namespace weft::fastpath
