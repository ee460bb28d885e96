// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/text.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace weft::ctl {

namespace {

/// Edits between two words: insert, delete, replace, or swap two neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = a[i - 1] == b[j - 1];
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        std::swap(before_last, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

std::string escaped(std::string_view text, std::string_view keep) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        // C1 controls (U+0080 to U+009F) are C2 80 to C2 9F in UTF-8; some terminals obey them too.
        const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (c1) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
        } else if (is_control(c) && !keep.contains(text[i])) {
            result += fmt::format("\\x{:02x}", c);
        } else {
            result += text[i];
        }
    }
    return result;
}

std::size_t digits_end(std::string_view text, std::size_t begin) {
    while (begin < text.size() && std::isdigit(static_cast<unsigned char>(text[begin])) != 0)
        ++begin;
    return begin;
}

} // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty()) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t shorter = std::min(word.size(), candidate.size());
        // A beginning of a name, or a name with something behind it, is near whatever its length.
        const bool prefix = shorter >= 2 && word.substr(0, shorter) == candidate.substr(0, shorter);
        const std::size_t edits = prefix ? 1 : distance(word, candidate);
        if (edits < best_distance && edits < candidate.size()) {
            best = candidate;
            best_distance = edits;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view prefix) {
    const std::string_view best = nearest(word, candidates);
    return best.empty() ? std::string{} : fmt::format("; did you mean '{}{}'?", prefix, best);
}

bool natural_less(std::string_view a, std::string_view b) {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        const std::size_t i_end = digits_end(a, i);
        const std::size_t j_end = digits_end(b, j);
        if (i_end == i || j_end == j) {
            if (a[i] != b[j]) return a[i] < b[j];
            ++i;
            ++j;
            continue;
        }
        auto left = a.substr(i, i_end - i);
        auto right = b.substr(j, j_end - j);
        left.remove_prefix(std::min(left.find_first_not_of('0'), left.size() - 1));
        right.remove_prefix(std::min(right.find_first_not_of('0'), right.size() - 1));
        if (left.size() != right.size()) return left.size() < right.size();
        if (left != right) return left < right;
        i = i_end;
        j = j_end;
    }
    if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
    return a < b; // equal but for leading zeros
}

std::string printable(std::string_view text) { return escaped(text, {}); }

std::string printable_lines(std::string_view text) { return escaped(text, "\n\t"); }

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = [&](std::size_t at) {
            return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
        };
        const unsigned first = byte(i);
        const std::size_t size = first < 0x80       ? 1
                                 : first >> 5 == 6  ? 2
                                 : first >> 4 == 14 ? 3
                                 : first >> 3 == 30 ? 4
                                                    : 0;
        if (size == 0) return false;
        std::uint32_t point = size == 1 ? first : first & (0x7fU >> size);
        for (std::size_t k = 1; k < size; ++k) {
            if (byte(i + k) >> 6 != 2) return false;
            point = point << 6 | (byte(i + k) & 0x3fU);
        }
        constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
        i += size;
    }
    return true;
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string duration(std::uint64_t seconds) {
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
    if (seconds < 86400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d {}h", seconds / 86400, seconds / 3600 % 24);
}

std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural) {
    if (count == 1) return fmt::format("1 {}", singular);
    return plural.empty() ? fmt::format("{} {}s", count, singular) : fmt::format("{} {}", count, plural);
}

std::string scaled(double value) {
    if (value == 0) return "0";
    if (value < 10) return fmt::format("{:.1f}", value);
    if (value < 999.5) return fmt::format("{:.0f}", value);
    for (const char unit : {'k', 'M', 'G'}) {
        value /= 1000;
        if (value < 999.95) return fmt::format("{:.1f}{}", value, unit);
    }
    return fmt::format("{:.1f}T", value / 1000);
}

std::string bytes(std::uint64_t value) {
    if (value < 1024) return fmt::format("{} B", value);
    auto amount = static_cast<double>(value);
    for (const char* unit : {"KiB", "MiB", "GiB"}) {
        amount /= 1024;
        if (amount < 1023.95) return fmt::format("{:.1f} {}", amount, unit);
    }
    return fmt::format("{:.1f} TiB", amount / 1024);
}

std::string utc_time(std::uint64_t unix_s) {
    constexpr std::uint64_t year_9999 = 253402300799;
    if (unix_s > year_9999) return fmt::format("{} s after 1970", unix_s);
    const auto time = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    gmtime_r(&time, &parts);
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
    return fmt::format("{}", fmt::join(parts, separator));
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
    std::string result;
    std::size_t column = indent;
    std::size_t begin = 0;
    while (begin < text.size()) {
        if (text[begin] == '\n') {
            result += '\n';
            result.append(indent, ' ');
            column = indent;
            ++begin;
            continue;
        }
        std::size_t end = text.find_first_of(" \n", begin);
        if (end == std::string_view::npos) end = text.size();
        const std::string_view word = text.substr(begin, end - begin);
        if (column > indent && column + 1 + display_width(word) > width) {
            result += '\n';
            result.append(indent, ' ');
            column = indent;
        } else if (column > indent) {
            result += ' ';
            ++column;
        }
        result += word;
        column += display_width(word);
        begin = end < text.size() && text[end] == ' ' ? end + 1 : end;
    }
    return result;
}

} // namespace weft::ctl
