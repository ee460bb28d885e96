// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/policy_hits.hpp"

#include <ranges>

namespace weft::ctl {

std::uint64_t total_hits(const v1::Policy& policy) {
    std::uint64_t total = 0;
    for (const v1::RuleHits& hits : policy.hits())
        total += hits.connections() + hits.denied() + hits.audited();
    return total;
}

std::string hits_comment(const v1::Policy& policy, Style style) {
    if (policy.hits().empty()) return {};
    Table table(policy.audit()
                    ? std::vector<Column>{{"RULE"}, {"WOULD HAVE DECIDED", align_right}}
                    : std::vector<Column>{{"RULE"}, {"CONNECTIONS", align_right}, {"DENIED PACKETS", align_right}});
    for (const v1::RuleHits& hits : policy.hits()) {
        if (policy.audit())
            table.add({hits.rule(), hits.audited()});
        else
            table.add({hits.rule(), hits.connections(), hits.denied()});
    }
    std::string comment;
    for (const auto line : table.render(style) | std::views::split('\n'))
        if (!line.empty()) comment += "# " + std::string(line.begin(), line.end()) + '\n';
    return comment;
}

} // namespace weft::ctl
