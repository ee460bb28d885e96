// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/gauges.hpp"

#include <fmt/format.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {

Cell fullness(std::uint64_t used, std::uint64_t capacity) {
    if (capacity == 0) return ""; // grows
    const double part = static_cast<double>(used) / static_cast<double>(capacity);
    const Tone tone = part >= 0.95 ? Tone::bad : part >= 0.8 ? Tone::warning : Tone::plain;
    return {fmt::format("{:.0f} %", part * 100), tone};
}

std::string gauges_table(const google::protobuf::RepeatedPtrField<v1::Gauge>& gauges, Style style) {
    Table table({{"TABLE"},
                 {"USED", align_right},
                 {"CAPACITY", align_right, true},
                 {"FULL", align_right, true},
                 {"MEMORY", align_right, true}});
    for (const v1::Gauge& gauge : gauges)
        table.add({gauge.name(), gauge.used(), gauge.capacity() == 0 ? Cell("") : Cell(gauge.capacity()),
                   fullness(gauge.used(), gauge.capacity()),
                   gauge.bytes() == 0 ? Cell("") : Cell(bytes(gauge.bytes()))});
    return table.empty() ? std::string{} : "\n" + table.render(style);
}

} // namespace weft::ctl
