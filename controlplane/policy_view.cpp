// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy_view.hpp"

#include <fmt/format.h>

namespace weft::agent {

namespace {

std::string_view text_of(policy::PolicyStatus::Action action) {
    switch (action) {
    case policy::PolicyStatus::Action::created:
        return "created";
    case policy::PolicyStatus::Action::changed:
        return "changed";
    case policy::PolicyStatus::Action::unchanged:
        return "unchanged";
    case policy::PolicyStatus::Action::none:
        break;
    }
    return {};
}

/// A NetworkPolicy decides where it isolates; one of another tier, where it has rules.
bool decides(const policy::Policy& policy, const policy::Direction& direction) {
    return policy.tier == policy::Tier::network_policy ? direction.isolates : !direction.rules.empty();
}

} // namespace

v1::Policy to_api(const policy::PolicyStatus& status) {
    const policy::Policy& policy = status.document->policy;
    v1::Policy made;
    made.set_namespace_(policy.name.name_space);
    made.set_name(policy.name.name);
    made.set_full_name(policy.name.to_string());
    made.set_kind(std::string(policy::to_string(policy.name.kind)));
    made.set_tier(std::string(policy::to_string(policy.tier)));
    made.set_priority(policy.priority);
    made.set_audit(policy.audit);
    if (decides(policy, policy.ingress)) made.add_types("Ingress");
    if (decides(policy, policy.egress)) made.add_types("Egress");
    made.set_selected_endpoints(status.selected_endpoints);
    made.set_rules(static_cast<std::uint32_t>(policy.ingress.rules.size() + policy.egress.rules.size()));
    made.set_yaml(status.document->yaml);
    made.set_action(std::string(text_of(status.action)));
    return made;
}

HitsOfRules by_rule(const fastpath::RuleHitsReply& reply) {
    HitsOfRules hits;
    for (const auto& each : reply.rules())
        hits[each.rule()] = each;
    return hits;
}

v1::RuleHits hits_of(std::uint32_t rule, const HitsOfRules& hits, const policy::PolicyEngine& engine) {
    v1::RuleHits made;
    made.set_rule(engine.rule_text(rule));
    const auto found = hits.find(rule);
    if (found == hits.end()) return made;
    made.set_connections(found->second.connections());
    made.set_denied(found->second.denied());
    made.set_audited(found->second.audited());
    return made;
}

void add_hits(v1::Policy& policy, std::span<const std::uint32_t> rules, const HitsOfRules& hits,
              const policy::PolicyEngine& engine) {
    for (const std::uint32_t rule : rules)
        *policy.add_hits() = hits_of(rule, hits, engine);
}

bool is_asked_for(const policy::PolicyName& name, const v1::ListPoliciesRequest& request) {
    if (!request.namespace_().empty() && request.namespace_() != name.name_space) return false;
    if (request.name().empty()) return true;
    // A plain name is a NetworkPolicy's: the others have their kind before it.
    return request.name() == (name.kind == policy::Kind::network_policy ? name.name : name.to_string());
}

Result<policy::PolicyName> name_of(const v1::DeletePolicyRequest& request) {
    return policy::PolicyName::parse(
        request.namespace_().empty() ? request.name() : fmt::format("{}/{}", request.namespace_(), request.name()));
}

} // namespace weft::agent
