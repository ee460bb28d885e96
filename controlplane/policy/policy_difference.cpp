// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/policy_difference.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "dataplane/pipeline/wire.h"

namespace weft::policy {

std::vector<ChangedSpan> changed_spans(Judge& before, Judge& after, Side side, const HashedLabels& local,
                                       const Identity& peer) {
    const fastpath::VerdictList& was = before.list(side, local, peer);
    const fastpath::VerdictList& will_be = after.list(side, local, peer);
    std::vector<ChangedSpan> changed;
    for (int i = 0, j = 0; i < was.ranges_size() && j < will_be.ranges_size();) {
        const auto end_of = [](const fastpath::VerdictList& list, int range) {
            return range + 1 < list.ranges_size() ? list.ranges(range + 1).first() : all_ports.last + 1;
        };
        const auto& from = was.ranges(i);
        const auto& to = will_be.ranges(j);
        const std::uint32_t first = std::max(from.first(), to.first());
        const std::uint32_t end = std::min(end_of(was, i), end_of(will_be, j));
        if (from.verdict() != to.verdict()) {
            const ChangedSpan each{.span = {first, end - 1},
                                   .allowed = to.verdict() == fastpath::VERDICT_ALLOW,
                                   .rule_before = before.text_of(from.rule()),
                                   .rule_after = after.text_of(to.rule())};
            // Ranges that only differ in what is audited are one here.
            ChangedSpan* const last = changed.empty() ? nullptr : &changed.back();
            if (last != nullptr && last->span.last + 1 == first && last->allowed == each.allowed &&
                last->rule_before == each.rule_before && last->rule_after == each.rule_after)
                last->span.last = each.span.last;
            else
                changed.push_back(each);
        }
        if (end_of(was, i) == end) ++i;
        if (end_of(will_be, j) == end) ++j;
    }
    return changed;
}

std::vector<std::string> port_texts(PortSpan span) {
    if (span == all_ports) return {"everything"};

    struct Protocol {
        std::uint8_t number;
        const char* name;
    };

    static constexpr std::array<Protocol, 3> with_ports{
        {{WEFT_PROTO_TCP, "tcp"}, {WEFT_PROTO_UDP, "udp"}, {WEFT_PROTO_SCTP, "sctp"}}};
    std::vector<std::string> texts;
    for (const auto& [number, name] : with_ports) {
        const std::uint32_t first = std::max(span.first, port_point(number, 0));
        const std::uint32_t last = std::min(span.last, port_point(number, 65535));
        if (first > last) continue;
        const std::uint32_t from = first & 0xffffU;
        const std::uint32_t to = last & 0xffffU;
        if (from == 0 && to == 65535)
            texts.emplace_back(name);
        else
            texts.push_back(from == to ? fmt::format("{} {}", name, from) : fmt::format("{} {}-{}", name, from, to));
    }
    // Rules name only those three: what holds for ICMP holds for every other protocol.
    const std::uint32_t icmp = port_point(WEFT_PROTO_ICMP, 0);
    if (span.first <= icmp && icmp <= span.last) texts.emplace_back("icmp and others");
    return texts;
}

} // namespace weft::policy
