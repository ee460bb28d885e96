// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/table.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::string_view gap = "  ";

std::string_view escape_of(Tone tone) {
    switch (tone) {
    case Tone::plain:
        return {};
    case Tone::good:
        return "\x1b[32m";
    case Tone::warning:
        return "\x1b[33m";
    case Tone::bad:
        return "\x1b[31m";
    case Tone::dim:
        return "\x1b[2m";
    case Tone::strong:
        return "\x1b[1m";
    }
    return {};
}

std::string shown(const Cell& cell) { return cell.text.empty() ? std::string("-") : printable(cell.text); }

std::string spaces(std::size_t width, std::string_view text) {
    const std::size_t used = display_width(text);
    return std::string(width > used ? width - used : 0, ' ');
}

} // namespace

std::string Style::paint(std::string_view text, Tone tone) const {
    std::string safe = printable(text);
    const std::string_view escape = escape_of(tone);
    if (!colour || escape.empty()) return safe;
    return fmt::format("{}{}\x1b[0m", escape, safe);
}

void Table::add(std::vector<Cell> row) {
    assert(row.size() == columns_.size());
    rows_.push_back(std::move(row));
}

std::string Table::render(Style style) const {
    std::vector<std::size_t> visible;
    std::vector<std::size_t> widths(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (columns_[i].optional && std::ranges::all_of(rows_, [i](const auto& row) { return row[i].text.empty(); }))
            continue;
        visible.push_back(i);
        widths[i] = display_width(columns_[i].header);
        for (const auto& row : rows_)
            widths[i] = std::max(widths[i], display_width(shown(row[i])));
    }
    std::string result;
    const auto add_line = [&](const auto& cell_of) {
        for (const std::size_t i : visible) {
            const Cell cell = cell_of(i);
            const std::string text = shown(cell);
            const std::string padding = spaces(widths[i], text);
            const bool last = i == visible.back();
            if (i != visible.front()) result += gap;
            if (columns_[i].align == align_right) result += padding;
            result += style.paint(text, cell.tone);
            if (columns_[i].align != align_right && !last) result += padding;
        }
        result += '\n';
    };
    add_line([&](std::size_t i) { return Cell(columns_[i].header, Tone::strong); });
    for (const auto& row : rows_)
        add_line([&](std::size_t i) { return row[i]; });
    return result;
}

void Details::add(std::string_view name, Cell value) { lines_.emplace_back(name, std::move(value)); }

void Details::add_if(std::string_view name, Cell value) {
    if (!value.text.empty()) add(name, std::move(value));
}

std::string Details::render(Style style) const {
    std::size_t width = 0;
    for (const auto& [name, value] : lines_)
        width = std::max(width, display_width(name));
    std::string result;
    for (const auto& [name, value] : lines_) {
        result += style.paint(name, Tone::strong) + spaces(width, name);
        std::size_t begin = 0;
        while (begin <= value.text.size()) {
            const std::size_t end = std::min(value.text.find('\n', begin), value.text.size());
            if (begin > 0) result.append(width, ' ');
            const std::string_view line = std::string_view(value.text).substr(begin, end - begin);
            result += gap;
            result += style.paint(value.text.empty() ? "-" : line, value.tone);
            result += '\n';
            begin = end + 1;
        }
    }
    return result;
}

} // namespace weft::ctl
