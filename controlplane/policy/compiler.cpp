// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/compiler.hpp"

#include <algorithm>

#include "controlplane/policy/verdict_number.hpp"
#include "dataplane/api/verdict_wire.hpp"

namespace weft::policy {

namespace {

void append(Chain& chain, const LoweredPolicy& policy, const LoweredRule& rule) {
    const auto place = static_cast<std::uint32_t>(chain.rules.size());
    for (const GroupId group : rule.peers)
        chain.peers.push_back({group, place});
    chain.rules.push_back({&rule, &policy});
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

/// Calls `visit` with each span of ports that the rule means; `ports` are the destination's names.
template <class Visit>
void for_each_span(const LoweredRule& rule, std::span<const LabelHash> ports, Visit visit) {
    for (const PortSpan span : rule.spans)
        visit(span);
    for (const LoweredPortName& name : rule.names)
        for (const LabelHash hash : ports) {
            const auto port = port_of(hash);
            if (!port || name_of_port(hash) != name.name) continue;
            if (name.protocol != 0 && name.protocol != port->protocol) continue;
            const std::uint32_t point = port_point(port->protocol, port->port);
            visit(PortSpan{point, point});
        }
}

void paint(VerdictMap& map, const LoweredRule& rule, std::span<const LabelHash> ports) {
    for_each_span(rule, ports, [&](PortSpan span) { map.paint(span, rule.action, rule.number); });
}

/// Calls `ask` with each rule that means the peer, on whatever ports, in the order in which they are asked.
template <class Ask>
void for_each_asked(const Chain& chain, const PeerRules& peer, Ask ask) {
    auto own = peer.rules.begin();
    for (std::uint32_t place = 0; place < chain.rules.size(); ++place) {
        const ChainRule& each = chain.rules[place];
        const bool is_own = own != peer.rules.end() && *own == place;
        if (is_own) ++own;
        if (is_own || each.rule->peers.empty()) ask(each);
    }
}

/// Whose names of ports count: the destination's.
std::span<const LabelHash> ports_of(Side side, const HashedLabels& local, const PeerRules& peer) {
    return side == Side::egress ? std::span<const LabelHash>(peer.ports) : local.ports();
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

/// By no rule.
fastpath::VerdictList deny_all() {
    fastpath::VerdictList list;
    list.add_ranges()->set_verdict(fastpath::VERDICT_DENY);
    list.set_number(verdict_number(list));
    return list;
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

PeerRules rules_for(const Chain& chain, Side side, const PeerGroups::Member& peer, std::uint32_t host_access) {
    return rules_for(chain, side, peer.identity->labels, peer.by_labels(), peer.by_address(), host_access);
}

PeerRules rules_for(const Chain& chain, Side side, const HashedLabels& labels, const PeerGroups::Groups& by_labels,
                    const PeerGroups::Groups& by_address, std::uint32_t host_access) {
    PeerRules found;
    if (labels.is_host()) found.host_access = host_access;
    for (const PeerGroups::Groups* groups : {&by_labels, &by_address})
        for_each_rule(chain, *groups, [&](std::uint32_t rule) { found.rules.push_back(rule); });
    std::ranges::sort(found.rules);
    const auto duplicates = std::ranges::unique(found.rules);
    found.rules.erase(duplicates.begin(), duplicates.end());
    if (side == Side::egress && chain.names_ports) {
        const auto ports = labels.ports();
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
    const auto ports = ports_of(side, local, peer);
    if (peer.host_access != 0)
        for (VerdictMap* map : {&enforced, &audited})
            map->paint(all_ports, Action::allow, peer.host_access);
    Tier tier = Tier::admin;
    for_each_asked(chain, peer, [&](const ChainRule& each) {
        if (each.policy->tier != tier) {
            enforced.begin_tier();
            audited.begin_tier();
            tier = each.policy->tier;
        }
        if (!each.policy->audit) paint(enforced, *each.rule, ports);
        if (chain.audit) paint(audited, *each.rule, ports);
    });
    const auto fits = [](const fastpath::VerdictList& list) {
        return static_cast<std::size_t>(list.ranges_size()) <= fastpath::verdict_ranges_max;
    };
    auto list = to_verdict_list(enforced, chain.audit ? audited : enforced, chain.default_rule);
    if (chain.audit && !fits(list)) list = to_verdict_list(enforced, enforced, 0); // what is audited drops nothing
    return fits(list) ? list : deny_all();
}

std::vector<ChainRule> matching(const Chain& chain, Side side, const HashedLabels& local, const PeerRules& peer,
                                std::uint32_t point) {
    std::vector<ChainRule> found;
    const auto ports = ports_of(side, local, peer);
    for_each_asked(chain, peer, [&](const ChainRule& each) {
        bool matches = false;
        for_each_span(*each.rule, ports,
                      [&](PortSpan span) { matches |= span.first <= point && point <= span.last; });
        if (matches) found.push_back(each);
    });
    return found;
}

bool is_too_large(const fastpath::VerdictList& list) {
    const auto& first = list.ranges(0);
    return list.ranges_size() == 1 && first.verdict() == fastpath::VERDICT_DENY && first.rule() == 0;
}

bool allows_all_by_default(const fastpath::VerdictList& list) {
    const auto& first = list.ranges(0);
    return list.ranges_size() == 1 && first.verdict() == fastpath::VERDICT_ALLOW && first.rule() == 0 &&
           first.audited_rule() == 0;
}

} // namespace weft::policy
