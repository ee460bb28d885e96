// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/judge.hpp"

#include <algorithm>

namespace weft::policy {

namespace {

const fastpath::VerdictRange& range_at(const fastpath::VerdictList& list, std::uint32_t point) {
    const auto behind =
        std::ranges::upper_bound(list.ranges(), point, {}, [](const auto& range) { return range.first(); });
    return *std::prev(behind);
}

/// What became of rules, told one after the other of those that match; `decider` comes from the compiled list.
class Standings {
  public:
    /// `decided`: before any of them was asked.
    Standings(std::uint32_t decider, bool decided) : decider_(decider), decided_before_(decided) {}

    Standing next(const ChainRule& each) {
        const Tier tier = each.policy->tier;
        if (each.policy->audit) return Standing::audited;
        if (decided_before_) return Standing::lower_tier;
        if (state_ == State::decided) return tier == tier_ ? Standing::after_decision : Standing::lower_tier;
        if (state_ == State::passed && tier == tier_) return Standing::passed_over;
        tier_ = tier;
        const bool decides = each.rule->number == decider_;
        state_ = decides ? State::decided : State::passed;
        return decides ? Standing::decides : Standing::passes;
    }

  private:
    enum class State : std::uint8_t { asking, passed, decided };

    std::uint32_t decider_;
    bool decided_before_;
    State state_ = State::asking;
    Tier tier_ = Tier::admin; ///< that passed or decided last
};

} // namespace

std::string_view to_string(Standing standing) {
    switch (standing) {
    case Standing::decides:
        return {};
    case Standing::passes:
        return "passes to the next tier";
    case Standing::passed_over:
        return "after a pass";
    case Standing::after_decision:
        return "after the deciding rule";
    case Standing::lower_tier:
        return "lower tier";
    case Standing::audited:
        return "audit: not enforced";
    }
    return {};
}

std::vector<std::string> ConnectionJudgement::rules() const {
    std::vector<std::string> rules;
    for (const Judgement* end : {&egress, &ingress})
        if (end->allowed == allowed() && !end->rule.empty()) rules.push_back(end->rule);
    rules.erase(std::ranges::unique(rules).begin(), rules.end()); // to itself
    return rules;
}

Judge::Judge(std::span<const Policy* const> policies) {
    const auto number_rule = [&](const std::string& text) {
        texts_.push_back(text);
        return static_cast<std::uint32_t>(texts_.size() - 1);
    };
    host_access_ = number_rule(host_access);
    for (const Policy* policy : policies) {
        auto lowered = lower(*policy, groups_, number_rule);
        const auto item = items_.emplace(policy->name, Item{policy, std::move(lowered)}).first;
        asked_.push_back(&item->second.lowered);
        for (const net::Prefix& cidr : cidrs_of(*policy))
            cidrs_.add(cidr);
    }
    std::ranges::sort(asked_, AskedBefore{});
}

Judge::Half& Judge::half_of(Side side, const HashedLabels& local) {
    const auto [known, added] = halves_[static_cast<std::size_t>(side)].try_emplace(local);
    if (!added) return known->second;
    std::vector<const LoweredPolicy*> selecting;
    for (const LoweredPolicy* policy : asked_)
        if (policy->selects(local)) selecting.push_back(policy);
    known->second.chain = make_chain(selecting, side);
    return known->second;
}

const PeerGroups::Member& Judge::member(const Identity& peer) {
    const auto number = static_cast<std::uint32_t>(members_.size());
    const auto [known, added] = members_.try_emplace(peer, number);
    if (added) groups_.add(number, known->first);
    return groups_.at(known->second);
}

const fastpath::VerdictList& Judge::list(Half& half, Side side, const HashedLabels& local, const PeerRules& rules) {
    const auto [known, added] = half.compiled.try_emplace(rules);
    if (added) known->second = compile(half.chain, side, local, rules);
    return known->second;
}

PeerRules Judge::rules_of(const Half& half, Side side, const HashedLabels& local, const Identity& peer) {
    // What the host allows its endpoints is asked about at their end.
    return rules_for(half.chain, side, member(peer), local.is_endpoint() ? host_access_ : 0);
}

const fastpath::VerdictList& Judge::list(Side side, const HashedLabels& local, const Identity& peer) {
    Half& half = half_of(side, local);
    return list(half, side, local, rules_of(half, side, local, peer));
}

MatchingRule Judge::describe(Side side, const ChainRule& rule) const {
    const Policy& policy = *items_.at(rule.policy->name).policy;
    const auto& lowered = rule.policy->on(side).rules;
    const Direction& direction = side == Side::ingress ? policy.ingress : policy.egress;
    MatchingRule made{
        .policy = &policy, .number = 0, .name = {}, .text = text_of(rule.rule->number), .action = rule.rule->action};
    const auto found = std::ranges::find(lowered, rule.rule, [](const LoweredRule& each) { return &each; });
    if (found == lowered.end()) return made; // its isolation
    const auto place = static_cast<std::size_t>(found - lowered.begin());
    made.number = static_cast<unsigned>(place + 1);
    made.name = direction.rules.at(place).name;
    return made;
}

Judgement Judge::judge(Side side, const End& local, const End& peer, std::uint8_t protocol, std::uint16_t port) {
    Half& half = half_of(side, local.labels);
    const Chain& chain = half.chain;
    // To an endpoint of another host, this one is what its address says.
    const bool stranger = peer.labels.is_host() && !local.here;
    const PeerRules rules = rules_of(
        half, side, local.labels,
        Identity::of(stranger ? HashedLabels() : peer.labels, cidrs_.around(net::Prefix::host(peer.address))));
    const std::uint32_t point = port_point(protocol, port);
    const fastpath::VerdictList& verdicts = list(half, side, local.labels, rules);
    const fastpath::VerdictRange& range = range_at(verdicts, point);
    Judgement judgement{.selected = !chain.rules.empty(),
                        .allowed = range.verdict() == fastpath::VERDICT_ALLOW,
                        .rule = is_too_large(verdicts) ? too_large : text_of(range.rule()),
                        .audited_rule = text_of(range.audited_rule()),
                        .matching = {}};
    if (rules.host_access != 0) judgement.matching.push_back({.name = {}, .text = host_access});
    Standings standings(range.rule(), rules.host_access != 0);
    for (const ChainRule& each : matching(chain, side, local.labels, rules, point)) {
        judgement.matching.push_back(describe(side, each));
        judgement.matching.back().standing = standings.next(each);
    }
    return judgement;
}

ConnectionJudgement Judge::judge(const Connection& connection) {
    const auto& [source, destination, protocol, port] = connection;
    if (source.address == destination.address) {
        const Judgement allowed{.rule = to_itself, .audited_rule = {}, .matching = {}};
        return {.egress = allowed, .ingress = allowed};
    }
    return {.egress = judge(Side::egress, source, destination, protocol, port),
            .ingress = judge(Side::ingress, destination, source, protocol, port)};
}

} // namespace weft::policy
