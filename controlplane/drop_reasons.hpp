// SPDX-License-Identifier: BSD-3-Clause
// Drop reasons and stages by number, as fast paths say them, and by name, as the API does.
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "dataplane/pipeline/trace.h"

namespace weft::agent {

struct DropReason {
    const char* name;
    const char* text;
};

inline constexpr DropReason drop_reasons[] = {
#define WEFT_DROP_REASON_ROW(number, name, text) {#name, text},
    WEFT_DROP_REASONS(WEFT_DROP_REASON_ROW)
#undef WEFT_DROP_REASON_ROW
};

inline constexpr const char* stages[] = {
#define WEFT_STAGE_ROW(number, name, text) text,
    WEFT_STAGES(WEFT_STAGE_ROW)
#undef WEFT_STAGE_ROW
};

/// A newer fast path may know more reasons than we do.
[[nodiscard]] inline DropReason drop_reason(std::size_t number) {
    return number < std::size(drop_reasons) ? drop_reasons[number]
                                            : DropReason{"unknown", "a reason that this weftd does not know"};
}

/// Never 0, which is no drop.
[[nodiscard]] inline std::optional<std::uint32_t> drop_reason_number(std::string_view name) {
    for (std::uint32_t number = 1; number < std::size(drop_reasons); ++number)
        if (name == drop_reasons[number].name) return number;
    return std::nullopt;
}

/// As stages.md names it; empty for one that we do not know.
[[nodiscard]] inline const char* stage_name(std::size_t number) {
    return number < std::size(stages) ? stages[number] : "";
}

} // namespace weft::agent
