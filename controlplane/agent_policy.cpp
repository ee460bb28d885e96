// SPDX-License-Identifier: BSD-3-Clause
// What operators say about policy: namespaces and policies of all tiers. A change that the database does not take is
// refused, and nothing changes; the others are answered when the fast path enforces them.
#include <fmt/format.h>

#include "controlplane/agent.hpp"
#include "controlplane/policy_view.hpp"

namespace weft::agent {

namespace {

v1::Namespace to_api(const std::string& name, const policy::LabelSet& labels) {
    v1::Namespace made;
    made.set_name(name);
    made.mutable_labels()->insert(labels.items().begin(), labels.items().end());
    return made;
}

} // namespace

template <class Reply>
void Agent::enforce(Reply reply, const Done<Reply>& done) {
    for (const auto& name : policy_tables_.take_changed_endpoints())
        endpoints_->refresh(name);
    sync_.retry_refused(); // it may have been for want of this
    sync_.commit([this, reply = std::move(reply), done](Result<void> applied) mutable {
        // It may be about entries that have nothing to do with policy.
        const bool arrived = sync_.verdict_lists.refused().empty() && sync_.policies.refused().empty() &&
                             sync_.endpoints.refused().empty() && !sync_.is_doubtful();
        if (!applied && (applied.error().code == ErrorCode::unavailable || !arrived))
            return done(fail_in(std::move(applied), "stored, but not in force yet"));
        done(std::move(reply));
    });
}

// --- policies
// ---------------------------------------------------------------------------------------------------------

void Agent::apply_policy(const v1::ApplyPolicyRequest& request, const Done<v1::ApplyPolicyReply>& done) {
    const auto applied = policy_.apply(request.yaml());
    if (!applied) return done(std::unexpected(applied.error()));
    v1::ApplyPolicyReply reply;
    for (const auto& status : *applied)
        *reply.add_policies() = to_api(status);
    enforce(std::move(reply), done);
}

void Agent::list_policies(const v1::ListPoliciesRequest& request, Done<v1::ListPoliciesReply> done) const {
    const auto tell = [this, request, done = std::move(done)](const fastpath::RuleHitsReply* hits) {
        v1::ListPoliciesReply reply;
        const HitsOfRules of_rules = hits != nullptr ? by_rule(*hits) : HitsOfRules();
        for (const auto& status : policy_.list()) {
            if (!is_asked_for(status.document->policy.name, request)) continue;
            auto& policy = *reply.add_policies() = to_api(status);
            if (hits != nullptr) add_hits(policy, status.rules, of_rules, policy_);
        }
        const bool all = request.namespace_().empty() && request.name().empty();
        if (const auto rule = policy_.host_access_rule(); all && hits != nullptr && rule != 0)
            *reply.mutable_host_access() = hits_of(rule, of_rules, policy_);
        if (!request.name().empty() && reply.policies().empty())
            return done(
                fail(ErrorCode::not_found,
                     fmt::format("no policy is named {}{}{}: weft policy list shows them", request.namespace_(),
                                 request.namespace_().empty() ? "" : "/", request.name())));
        done(std::move(reply));
    };
    auto* const fast_path = provider_->fast_path();
    if (fast_path == nullptr) return tell(nullptr);
    fast_path->rule_hits([tell](const Result<fastpath::RuleHitsReply>& hits) { tell(hits ? &*hits : nullptr); });
}

void Agent::delete_policy(const v1::DeletePolicyRequest& request, const Done<v1::Policy>& done) {
    const auto name = name_of(request);
    if (!name) return done(std::unexpected(name.error()));
    const auto removed = policy_.remove(*name);
    if (!removed) return done(std::unexpected(removed.error()));
    enforce(to_api(policy::PolicyStatus{.document = &*removed}), done);
}

// --- namespaces
// -------------------------------------------------------------------------------------------------------

v1::ListNamespacesReply Agent::list_namespaces() const {
    v1::ListNamespacesReply reply;
    for (const auto& [name, labels] : policy_.namespaces())
        *reply.add_namespaces() = to_api(name, labels);
    return reply;
}

void Agent::set_namespace(const v1::Namespace& request, const Done<v1::Namespace>& done) {
    auto set = policy_.set_namespace(request.name(), {request.labels().begin(), request.labels().end()});
    if (!set) return done(std::unexpected(std::move(set).error()));
    enforce(to_api(request.name(), policy_.namespaces().at(request.name())), done);
}

void Agent::delete_namespace(const v1::DeleteNamespaceRequest& request, const Done<v1::Namespace>& done) {
    const auto all = policy_.namespaces();
    const auto known = all.find(request.name());
    auto removed = policy_.remove_namespace(request.name());
    if (!removed) return done(std::unexpected(std::move(removed).error()));
    enforce(to_api(request.name(), known->second), done);
}

// --- routes
// -----------------------------------------------------------------------------------------------------------

void Agent::label_routes(std::span<v1::Route> routes) const {
    const auto known = policy_.known_labels();
    for (v1::Route& route : routes) {
        std::vector<std::string> labels;
        if (route.identity() != 0) {
            labels = policy_.describe(route.identity(), known);
        } else {
            std::vector<bgp::LargeCommunity> communities;
            for (const auto& each : route.large_communities())
                communities.push_back({.global = each.global(), .local1 = each.local1(), .local2 = each.local2()});
            labels = policy_.describe(communities, known);
        }
        route.mutable_labels()->Assign(labels.begin(), labels.end());
    }
}

} // namespace weft::agent
