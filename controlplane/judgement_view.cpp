// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/judgement_view.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

namespace weft::agent {

namespace {

std::string_view text_of(policy::Action action) {
    switch (action) {
    case policy::Action::allow:
        return "allow";
    case policy::Action::deny:
        return "deny";
    case policy::Action::pass:
        break;
    }
    return "pass";
}

v1::MatchingRule to_api(const policy::MatchingRule& rule) {
    v1::MatchingRule made;
    if (rule.policy != nullptr) {
        made.set_policy(rule.policy->name.to_string());
        made.set_tier(std::string(policy::to_string(rule.policy->tier)));
        made.set_priority(rule.policy->priority);
    }
    made.set_number(rule.number);
    made.set_name(rule.name);
    made.set_action(std::string(text_of(rule.action)));
    made.set_text(rule.text);
    made.set_decides(rule.standing == policy::Standing::decides);
    made.set_why(std::string(policy::to_string(rule.standing)));
    return made;
}

} // namespace

v1::PolicyJudgement to_api(const policy::Judgement& judgement) {
    v1::PolicyJudgement made;
    made.set_selected(judgement.selected);
    made.set_allowed(judgement.allowed);
    made.set_rule(judgement.rule);
    made.set_audited_rule(judgement.audited_rule);
    for (const policy::MatchingRule& rule : judgement.matching)
        *made.add_rules() = to_api(rule);
    return made;
}

v1::ExplainPolicyReply to_api(const policy::ConnectionJudgement& judgement) {
    v1::ExplainPolicyReply made;
    *made.mutable_egress() = to_api(judgement.egress);
    *made.mutable_ingress() = to_api(judgement.ingress);
    made.set_allowed(judgement.allowed());
    return made;
}

void add_tested(v1::TestPolicyReply& reply, const policy::Expectation& expectation,
                const policy::ConnectionJudgement& judgement) {
    const auto verdict = [](bool allowed) { return allowed ? "allow" : "deny"; };
    const std::vector<std::string> rules = judgement.rules();
    const bool is_reason = expectation.because.empty() || std::ranges::any_of(rules, [&](const std::string& rule) {
                               return rule.contains(expectation.because);
                           });
    v1::TestedConnection& tested = *reply.add_connections();
    tested.set_from(expectation.from);
    tested.set_to(expectation.to);
    tested.set_network(expectation.network);
    tested.set_protocol(expectation.protocol);
    tested.set_port(expectation.port);
    tested.set_expected(verdict(expectation.allowed));
    tested.set_because(expectation.because);
    tested.set_ok(judgement.allowed() == expectation.allowed && is_reason);
    tested.set_verdict(verdict(judgement.allowed()));
    tested.mutable_rules()->Assign(rules.begin(), rules.end());
    tested.set_where(expectation.where);
    if (tested.ok())
        reply.set_ok(reply.ok() + 1);
    else
        reply.set_wrong(reply.wrong() + 1);
}

void add_change(v1::DiffPolicyReply& reply, const policy::PolicyChange& change,
                const std::vector<std::string>& peer) {
    std::vector<v1::PolicyChange> made;
    std::map<std::tuple<bool, std::string_view, std::string_view>, std::size_t> places;
    for (const policy::ChangedSpan& span : change.spans) {
        const auto [place, added] =
            places.try_emplace({span.allowed, span.rule_before, span.rule_after}, made.size());
        if (added) made.emplace_back();
        v1::PolicyChange& same = made[place->second];
        if (added) {
            same.set_direction(change.side == policy::Side::ingress ? "ingress" : "egress");
            same.mutable_endpoints()->Assign(change.endpoints.begin(), change.endpoints.end());
            same.mutable_peer()->Assign(peer.begin(), peer.end());
            same.set_allowed(span.allowed);
            same.set_rule_before(span.rule_before);
            same.set_rule_after(span.rule_after);
        }
        for (auto& text : policy::port_texts(span.span))
            same.add_ports(std::move(text));
    }
    for (v1::PolicyChange& each : made)
        if (reply.changes_size() < changes_max)
            *reply.add_changes() = std::move(each);
        else
            reply.set_more(reply.more() + 1);
}

} // namespace weft::agent
