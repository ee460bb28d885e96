// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/verdict_wire.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::fastpath {

namespace {

constexpr std::uint32_t protocol_port_max = 255U << 16 | 65535U;

/// Why the ranges are no list; null: they are one.
const char* find_fault(const VerdictList& list) {
    const auto& ranges = list.ranges();
    if (list.number() == 0) return "0 is no number";
    if (ranges.empty() || ranges.begin()->first() != 0) return "its ranges do not begin at protocol 0";
    if (static_cast<std::size_t>(ranges.size()) > verdict_ranges_max)
        return "it has too many ranges of ports: use fewer, or wider ones, in the policies of an endpoint";
    if (ranges.rbegin()->first() > protocol_port_max) return "protocol is at most 255";
    for (int i = 0; i < ranges.size(); ++i) {
        if (i > 0 && ranges[i].first() <= ranges[i - 1].first()) return "its ranges are not in ascending order";
        if (ranges[i].verdict() != VERDICT_ALLOW && ranges[i].verdict() != VERDICT_DENY)
            return "a range has no verdict";
    }
    return nullptr;
}

Result<void> check(const VerdictList& list) {
    if (const char* const fault = find_fault(list))
        return fail(ErrorCode::invalid, fmt::format("verdict list {:016x}: {}", list.number(), fault));
    return {};
}

} // namespace

Result<std::vector<weft_verdict_block>> to_blocks(const VerdictList& list) {
    if (auto checked = check(list); !checked) return std::unexpected(std::move(checked).error());
    const auto count = static_cast<std::size_t>(list.ranges_size());
    std::vector<weft_verdict_block> blocks((count + WEFT_BLOCK_RANGES - 1) / WEFT_BLOCK_RANGES);
    for (std::size_t i = 0; i < blocks.size() * WEFT_BLOCK_RANGES; ++i) {
        weft_verdict_block& block = blocks[i / WEFT_BLOCK_RANGES];
        weft_verdict_range& made = block.ranges[i % WEFT_BLOCK_RANGES];
        block.blocks = static_cast<std::uint32_t>(blocks.size());
        made.first = WEFT_NO_RANGE;
        if (i >= count) continue;
        const VerdictRange& range = list.ranges(static_cast<int>(i));
        made = {.first = range.first(),
                .value = {.verdict = static_cast<std::uint32_t>(range.verdict()),
                          .rule = range.rule(),
                          .audited_rule = range.audited_rule()}};
    }
    return blocks;
}

Result<VerdictList> to_list(std::uint64_t number, std::span<const weft_verdict_block> blocks) {
    VerdictList list;
    list.set_number(number);
    for (const weft_verdict_block& block : blocks) {
        if (block.blocks != blocks.size())
            return fail(ErrorCode::invalid, fmt::format("verdict list {:016x}: {} of its {} blocks are there", number,
                                                        blocks.size(), block.blocks));
        for (const weft_verdict_range& range : block.ranges) {
            if (range.first == WEFT_NO_RANGE) continue;
            VerdictRange& made = *list.add_ranges();
            made.set_first(range.first);
            made.set_verdict(static_cast<Verdict>(range.value.verdict));
            made.set_rule(range.value.rule);
            made.set_audited_rule(range.value.audited_rule);
        }
    }
    if (auto checked = check(list); !checked) return std::unexpected(std::move(checked).error());
    return list;
}

} // namespace weft::fastpath
