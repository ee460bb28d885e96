// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/lowered_policy.hpp"

#include <fmt/format.h>

namespace weft::policy {

namespace {

LoweredRule lower(const Rule& rule, std::string_view own_namespace, PeerGroups& groups) {
    LoweredRule lowered{.action = rule.action};
    for (const Peer& peer : rule.peers)
        lowered.peers.push_back(groups.acquire(lower(peer, own_namespace)));
    for (const Port& port : rule.ports) {
        if (const auto* const range = std::get_if<PortRange>(&port)) {
            lowered.spans.push_back(
                {port_point(range->protocol, range->first), port_point(range->protocol, range->last)});
        } else {
            const auto& named = std::get<NamedPort>(port);
            lowered.names.push_back({hash_port_name(named.name), named.protocol});
        }
    }
    if (rule.ports.empty()) lowered.spans.push_back(all_ports);
    return lowered;
}

LoweredDirection lower(const Policy& policy, const Direction& direction, std::string_view side, PeerGroups& groups,
                       const NumberRule& number_rule) {
    LoweredDirection lowered;
    // Rules of a direction that is not among a NetworkPolicy's types mean nothing.
    if (policy.tier == Tier::network_policy && !direction.isolates) return lowered;
    const std::string name = policy.name.to_string();
    for (std::size_t i = 0; i < direction.rules.size(); ++i) {
        const Rule& rule = direction.rules[i];
        lowered.rules.push_back(lower(rule, policy.name.name_space, groups));
        lowered.rules.back().number =
            number_rule(rule.name.empty() ? fmt::format("{} rule {} of {}", side, i + 1, name)
                                          : fmt::format("{} rule {} ({}) of {}", side, i + 1, rule.name, name));
    }
    if (direction.isolates)
        lowered.isolation = LoweredRule{.action = Action::deny,
                                        .number = number_rule(fmt::format("{} isolation of {}", side, name)),
                                        .peers = {},
                                        .spans = {all_ports},
                                        .names = {}};
    if (policy.audit && !lowered.empty())
        lowered.default_rule = number_rule(fmt::format("no policy denies {}", side));
    return lowered;
}

} // namespace

LoweredPolicy lower(const Policy& policy, PeerGroups& groups, const NumberRule& number_rule) {
    return {.tier = policy.tier,
            .priority = policy.priority,
            .name = policy.name,
            .audit = policy.audit,
            .subject = HashedSelector(policy.subject, policy.name.name_space),
            .directions = {lower(policy, policy.ingress, "ingress", groups, number_rule),
                           lower(policy, policy.egress, "egress", groups, number_rule)}};
}

void release(const LoweredPolicy& policy, PeerGroups& groups) {
    for (const LoweredDirection& direction : policy.directions)
        for (const LoweredRule& rule : direction.rules)
            for (const GroupId group : rule.peers)
                groups.release(group);
}

} // namespace weft::policy
