// SPDX-License-Identifier: BSD-3-Clause
// Who the endpoints of a large cluster are, by number: labels, namespaces and named ports, in proportions that
// policies can tell apart. Policies of perf/cluster_policies.py speak of the same words.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "controlplane/policy/label_hash.hpp"

namespace weft::bench {

inline constexpr std::uint32_t label_marker = 4267132230;

inline std::string app(unsigned number) { return fmt::format("app-{}", number); }

inline std::string name_space(unsigned number) { return fmt::format("team-{}", number % 10); }

inline policy::LabelSet labels(unsigned number) {
    return policy::LabelSet::make({{"app", app(number)},
                                   {"tier", fmt::format("tier-{}", number % 7)},
                                   {"version", fmt::format("v{}", number % 3)},
                                   {"zone", fmt::format("zone-{}", number % 11)}})
        .value();
}

/// As they are on the routes of the endpoints that have these labels.
inline std::vector<bgp::LargeCommunity> communities(unsigned number) {
    using namespace policy;
    const std::string name = name_space(number);
    return HashedLabels(labels(number), name, namespace_labels(name, {}).value(),
                        std::vector<PortName>{{"http", 6, static_cast<std::uint16_t>(8000 + number % 5)}})
        .to_communities(label_marker);
}

} // namespace weft::bench
