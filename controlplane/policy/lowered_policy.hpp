// SPDX-License-Identifier: BSD-3-Clause
// LoweredPolicy: a policy without texts: selectors are hashes, peers are groups, ports are spans, rules have numbers.
// It uses groups and numbers, which whoever made it gives back.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include "controlplane/policy/peer_groups.hpp"
#include "controlplane/policy/verdict_map.hpp"

namespace weft::policy {

/// A port that the destination calls so.
struct LoweredPortName {
    LabelHash name = 0;        ///< hash_port_name()
    std::uint8_t protocol = 0; ///< 0: whichever
};

struct LoweredRule {
    Action action = Action::allow;
    std::uint32_t number = 0;
    std::vector<GroupId> peers; ///< empty: everyone
    std::vector<PortSpan> spans;
    std::vector<LoweredPortName> names;
};

struct LoweredDirection {
    std::vector<LoweredRule> rules;
    std::optional<LoweredRule> isolation; ///< what denies the rest to endpoints that the policy isolates
    std::uint32_t default_rule = 0;       ///< of an audited policy: stands for "nobody decides"

    /// Nothing depends on it.
    [[nodiscard]] bool empty() const { return rules.empty() && !isolation; }
};

/// Ingress, egress: the directions' places in arrays.
enum class Side : std::uint8_t { ingress, egress };

inline constexpr std::array sides{Side::ingress, Side::egress};

template <class T>
using BySide = std::array<T, sides.size()>;

struct LoweredPolicy {
    Tier tier = Tier::network_policy;
    std::uint32_t priority = 0;
    PolicyName name;
    bool audit = false;
    HashedSelector subject;
    BySide<LoweredDirection> directions;

    [[nodiscard]] const LoweredDirection& on(Side side) const { return directions[static_cast<std::size_t>(side)]; }

    [[nodiscard]] bool selects(const HashedLabels& labels) const {
        return labels.is_endpoint() && subject.matches(labels);
    }
};

/// Gives a rule, described for people, its number.
using NumberRule = std::function<std::uint32_t(const std::string& text)>;

[[nodiscard]] LoweredPolicy lower(const Policy& policy, PeerGroups& groups, const NumberRule& number_rule);

/// Gives back the groups.
void release(const LoweredPolicy& policy, PeerGroups& groups);

/// The order in which policies are asked.
struct AskedBefore {
    bool operator()(const LoweredPolicy* a, const LoweredPolicy* b) const {
        return std::tie(a->tier, a->priority, a->name) < std::tie(b->tier, b->priority, b->name);
    }
};

} // namespace weft::policy
