// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/compiler.hpp"

#include <algorithm>

namespace weft::policy {

namespace {

void append(Chain& chain, const LoweredPolicy& policy, const LoweredRule& rule) {
    const auto place = static_cast<std::uint32_t>(chain.rules.size());
    for (const GroupId group : rule.peers)
        chain.peers.push_back({group, place});
    chain.rules.push_back({&rule, policy.tier, policy.audit});
    chain.audit |= policy.audit;
    chain.names_ports |= !rule.names.empty();
}

/// What denies the rest to an endpoint that NetworkPolicies isolate: the first of them is named, and where that one
/// is audited, the first of the others for what is enforced.
void append_isolation(Chain& chain, std::span<const LoweredPolicy* const> policies, Side side) {
    for (const LoweredPolicy* policy : policies) {
        const auto& isolation = policy->on(side).isolation;
        if (!isolation) continue;
        append(chain, *policy, *isolation);
        if (!policy->audit) return;
    }
}

void paint(VerdictMap& map, const LoweredRule& rule, std::span<const LabelHash> ports) {
    for (const PortSpan span : rule.spans)
        map.paint(span, rule.action, rule.number);
    for (const LoweredPortName& name : rule.names)
        for (const LabelHash hash : ports) {
            const auto port = port_of(hash);
            if (!port || name_of_port(hash) != name.name) continue;
            if (name.protocol != 0 && name.protocol != port->protocol) continue;
            const std::uint32_t point = port_point(port->protocol, port->port);
            map.paint({point, point}, rule.action, rule.number);
        }
}

/// Both are sorted by group.
template <class Found>
void for_each_rule(const Chain& chain, const PeerGroups::Groups& groups, Found found) {
    auto from = chain.peers.begin();
    for (const GroupId group : groups) {
        from = std::ranges::lower_bound(from, chain.peers.end(), group, {}, &ChainPeer::group);
        for (; from != chain.peers.end() && from->group == group; ++from)
            found(from->rule);
    }
}

} // namespace

Chain make_chain(std::span<const LoweredPolicy* const> policies, Side side) {
    Chain chain;
    bool isolation_is_due = true;
    for (const LoweredPolicy* policy : policies) {
        if (policy->tier == Tier::baseline && std::exchange(isolation_is_due, false))
            append_isolation(chain, policies, side);
        const LoweredDirection& direction = policy->on(side);
        for (const LoweredRule& rule : direction.rules)
            append(chain, *policy, rule);
        if (direction.default_rule != 0) chain.default_rule = direction.default_rule;
    }
    if (isolation_is_due) append_isolation(chain, policies, side);
    std::ranges::sort(chain.peers);
    return chain;
}

PeerRules rules_for(const Chain& chain, Side side, const PeerGroups::Member& peer) {
    PeerRules found;
    for (const PeerGroups::Groups* groups : {&peer.by_labels(), &peer.by_address})
        for_each_rule(chain, *groups, [&](std::uint32_t rule) { found.rules.push_back(rule); });
    std::ranges::sort(found.rules);
    const auto duplicates = std::ranges::unique(found.rules);
    found.rules.erase(duplicates.begin(), duplicates.end());
    if (side == Side::egress && chain.names_ports) {
        const auto ports = peer.identity->labels.ports();
        found.ports.assign(ports.begin(), ports.end());
    }
    return found;
}

bool means_any(const Chain& chain, const PeerGroups::Groups& groups) {
    bool any = false;
    for_each_rule(chain, groups, [&](std::uint32_t /*rule*/) { any = true; });
    return any;
}

fastpath::VerdictList compile(const Chain& chain, Side side, const HashedLabels& local, const PeerRules& peer) {
    VerdictMap enforced;
    VerdictMap audited; // with the audited policies; only if there are any
    const auto ports = side == Side::egress ? std::span<const LabelHash>(peer.ports) : local.ports();
    Tier tier = Tier::admin;
    auto own = peer.rules.begin();
    for (std::uint32_t place = 0; place < chain.rules.size(); ++place) {
        const ChainRule& each = chain.rules[place];
        const bool is_own = own != peer.rules.end() && *own == place;
        if (is_own) ++own;
        if (!is_own && !each.rule->peers.empty()) continue;
        if (each.tier != tier) {
            enforced.begin_tier();
            audited.begin_tier();
            tier = each.tier;
        }
        if (!each.audit) paint(enforced, *each.rule, ports);
        if (chain.audit) paint(audited, *each.rule, ports);
    }
    return to_verdict_list(enforced, chain.audit ? audited : enforced, chain.default_rule);
}

bool allows_all_by_default(const fastpath::VerdictList& list) {
    const auto& first = list.ranges(0);
    return list.ranges_size() == 1 && first.verdict() == fastpath::VERDICT_ALLOW && first.rule() == 0 &&
           first.audited_rule() == 0;
}

} // namespace weft::policy
