// SPDX-License-Identifier: BSD-3-Clause
// Names of ours that end with a number: pins and interfaces.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace weft::ebpf {

/// The number that a name ends with behind this prefix; none: it is no such name.
template <class Number>
[[nodiscard]] std::optional<Number> number_behind(std::string_view prefix, std::string_view name, int base = 10) {
    if (!name.starts_with(prefix)) return std::nullopt;
    Number number = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + prefix.size(), end, number, base);
    return read.ec == std::errc{} && read.ptr == end ? std::optional(number) : std::nullopt;
}

} // namespace weft::ebpf
