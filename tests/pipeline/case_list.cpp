// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/case_list.hpp"

#include <algorithm>

namespace weft::cases {

namespace {

/// Does the underlay, and so the outer family, play a part?
bool has_outer(const PacketCase& each) {
    return std::ranges::any_of(each.steps, [](const Step& step) {
        return step.port == World::uplink ||
               std::ranges::any_of(step.sent, [](const Sent& sent) { return sent.port == World::uplink; });
    });
}

} // namespace

std::vector<PacketCase> all_cases() {
    std::vector<PacketCase> all;
    for (const int inner : {4, 6})
        for (const int outer : {4, 6}) {
            CaseList list({inner, outer});
            for (const auto add :
                 {add_endpoint_cases, add_parse_cases, add_underlay_cases, add_session_cases, add_policy_cases,
                  add_hits_cases, add_icmp_cases, add_fragment_cases, add_quota_cases})
                add(list);
            for (PacketCase& each : list.cases) {
                each.inner = inner;
                each.outer = outer;
                each.name += "_v" + std::to_string(inner);
                if (has_outer(each))
                    each.name += "_in_v" + std::to_string(outer);
                else if (outer != 4)
                    continue;
                all.push_back(std::move(each));
            }
        }
    return all;
}

} // namespace weft::cases
