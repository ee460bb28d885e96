// SPDX-License-Identifier: BSD-3-Clause
// Policies as the API shows and names them.
#include <gtest/gtest.h>

#include "controlplane/policy_view.hpp"

namespace weft::agent {
namespace {

constexpr std::string_view network_policy = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {policyTypes: [Egress], ingress: [{}], egress: [{}, {}]}
)";

constexpr std::string_view cluster_policy = R"(
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: lock, annotations: {weft.dev/audit: "true"}}
spec:
  tier: Baseline
  priority: 7
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
)";

v1::Policy shown(std::string_view yaml, policy::PolicyStatus::Action action = policy::PolicyStatus::Action::none) {
    const auto documents = policy::read_policies(yaml);
    return to_api({.document = &documents->front(), .action = action, .selected_endpoints = 3});
}

TEST(PolicyView, ShowsANetworkPolicy) {
    const v1::Policy policy = shown(network_policy, policy::PolicyStatus::Action::changed);
    EXPECT_EQ(policy.namespace_(), "shop");
    EXPECT_EQ(policy.name(), "web");
    EXPECT_EQ(policy.full_name(), "shop/web");
    EXPECT_EQ(policy.kind(), "NetworkPolicy");
    EXPECT_EQ(policy.tier(), "network_policy");
    EXPECT_EQ(policy.priority(), 0U);
    EXPECT_FALSE(policy.audit());
    ASSERT_EQ(policy.types_size(), 1) << "its ingress rules have no effect";
    EXPECT_EQ(policy.types(0), "Egress");
    EXPECT_EQ(policy.rules(), 3U);
    EXPECT_EQ(policy.selected_endpoints(), 3U);
    EXPECT_EQ(policy.action(), "changed");
    EXPECT_NE(policy.yaml().find("NetworkPolicy"), std::string::npos);
}

TEST(PolicyView, ShowsThoseOfOtherTiers) {
    const v1::Policy policy = shown(cluster_policy);
    EXPECT_EQ(policy.namespace_(), "");
    EXPECT_EQ(policy.name(), "lock");
    EXPECT_EQ(policy.full_name(), "cnp:lock");
    EXPECT_EQ(policy.kind(), "ClusterNetworkPolicy");
    EXPECT_EQ(policy.tier(), "baseline");
    EXPECT_EQ(policy.priority(), 7U);
    EXPECT_TRUE(policy.audit());
    ASSERT_EQ(policy.types_size(), 1);
    EXPECT_EQ(policy.types(0), "Ingress");
    EXPECT_EQ(policy.action(), "");
}

bool asked_for(const char* name, const char* name_space, const char* asked) {
    v1::ListPoliciesRequest request;
    request.set_namespace_(name_space);
    request.set_name(asked);
    return is_asked_for(policy::PolicyName::parse(name).value(), request);
}

TEST(PolicyView, AListIsOfANamespaceOrAName) {
    EXPECT_TRUE(asked_for("shop/web", "", ""));
    EXPECT_TRUE(asked_for("cnp:web", "", ""));
    EXPECT_TRUE(asked_for("shop/web", "shop", ""));
    EXPECT_FALSE(asked_for("shop/web", "default", ""));
    EXPECT_FALSE(asked_for("cnp:web", "default", ""));
    EXPECT_TRUE(asked_for("shop/web", "", "web"));
    EXPECT_TRUE(asked_for("shop/web", "shop", "web"));
    EXPECT_FALSE(asked_for("shop/web", "shop", "db"));
    EXPECT_FALSE(asked_for("cnp:web", "", "web"));
    EXPECT_TRUE(asked_for("cnp:web", "", "cnp:web"));
    EXPECT_FALSE(asked_for("anp:web", "", "cnp:web"));
    EXPECT_FALSE(asked_for("shop/web", "", "cnp:web"));
}

std::string to_delete(const char* name_space, const char* name) {
    v1::DeletePolicyRequest request;
    request.set_namespace_(name_space);
    request.set_name(name);
    const auto read = name_of(request);
    return read ? read->to_string() : "refused";
}

TEST(PolicyView, WhatIsToGoHasOneName) {
    EXPECT_EQ(to_delete("", "web"), "default/web");
    EXPECT_EQ(to_delete("shop", "web"), "shop/web");
    EXPECT_EQ(to_delete("", "cnp:lock"), "cnp:lock");
    EXPECT_EQ(to_delete("shop", "cnp:lock"), "refused");
    EXPECT_EQ(to_delete("", ""), "refused");
}

/// Wants no answers.
class Nowhere final : public policy::PolicySink {
    void set_list(const fastpath::VerdictList&) override {}

    void erase_list(std::uint64_t) override {}

    void set_policy(const fastpath::PolicyEntry&) override {}

    void erase_policy(const fastpath::PolicyKey&) override {}

    void set_route(const policy::RouteTable::Key&, std::uint32_t, std::uint32_t) override {}

    void erase_route(const policy::RouteTable::Key&) override {}

    void endpoint_changed(const std::string&) override {}

    Result<void> keep(std::string_view, std::span<const policy::Kept>) override { return {}; }

    void persist(std::string_view, std::span<const policy::Kept>) override {}
};

TEST(PolicyView, HitsAreOfAllRulesInTheirOrder) {
    Nowhere sink;
    policy::PolicyEngine engine(1, sink);
    ASSERT_TRUE(engine.apply(network_policy));
    const auto statuses = engine.list();
    const auto rules = statuses.at(0).rules;
    ASSERT_EQ(rules.size(), 3U);
    fastpath::RuleHitsReply reply;
    auto& second = *reply.add_rules();
    second.set_rule(rules[1]);
    second.set_connections(5);
    second.set_denied(6);
    second.set_audited(7);
    reply.add_rules()->set_rule(4711); // of a policy that went
    v1::Policy policy;
    add_hits(policy, rules, by_rule(reply), engine);
    ASSERT_EQ(policy.hits_size(), 3);
    EXPECT_EQ(policy.hits(0).rule(), "egress rule 1 of shop/web");
    EXPECT_EQ(policy.hits(0).connections(), 0U);
    EXPECT_EQ(policy.hits(1).rule(), "egress rule 2 of shop/web");
    EXPECT_EQ(policy.hits(1).connections(), 5U);
    EXPECT_EQ(policy.hits(1).denied(), 6U);
    EXPECT_EQ(policy.hits(1).audited(), 7U);
    EXPECT_EQ(policy.hits(2).rule(), "egress isolation of shop/web");
}

} // namespace
} // namespace weft::agent
