// SPDX-License-Identifier: BSD-3-Clause
// Words and numbers as people read them: nearest names, natural order, durations and rates, and text of unknown
// origin made harmless for a terminal. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::ctl {

/// The candidate that was probably meant, or nothing if none is close.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// "; did you mean 'NAME'?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                                       std::string_view prefix = {});

/// web-2 before web-10.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

/// Control characters become \xNN, so that no name, YAML or peer's message can move the cursor.
[[nodiscard]] std::string printable(std::string_view text);

/// As printable(), but keeps line ends and tabs.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// What gRPC carries as text: UTF-8 without surrogates and overlong forms.
[[nodiscard]] bool is_utf8(std::string_view text);

/// Columns on a terminal: code points of UTF-8.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// "42s", "3m 5s", "2h 10m", "5d 3h".
[[nodiscard]] std::string duration(std::uint64_t seconds);

/// "1 route", "2 routes".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural = {});

/// 999, 1.2k, 35.0M: for rates.
[[nodiscard]] std::string scaled(double value);

/// 512 B, 1.5 MiB.
[[nodiscard]] std::string bytes(std::uint64_t value);

/// "2026-11-21 07:30:00 UTC"
[[nodiscard]] std::string utc_time(std::uint64_t unix_s);

[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);

/// Lines of at most `width` columns, broken at spaces; each line after the first starts with `indent` spaces.
[[nodiscard]] std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

} // namespace weft::ctl
