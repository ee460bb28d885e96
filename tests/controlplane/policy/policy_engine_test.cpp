// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controlplane/policy/host_tables.hpp"

namespace weft::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint32_t marker = 4267132230;
constexpr std::uint32_t vni = 4000;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t icmp = 1;

net::Address address(std::string_view text) { return net::Address::parse(text).value(); }

RouteTable::Key host_route(std::string_view text) { return {vni, net::Prefix::host(address(text))}; }

std::string policy(std::string_view name, std::string_view spec) {
    return fmt::format(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}}}\nspec: {{{}}}\n", name,
        spec);
}

std::vector<bgp::LargeCommunity> communities(const LabelSet::Map& labels, const std::string& name_space = "default") {
    return HashedLabels(LabelSet::make(labels).value(), name_space, namespace_labels(name_space, {}).value())
        .to_communities(marker);
}

struct Host {
    HostTables tables;
    PolicyEngine engine{marker, tables};

    /// A restarted agent, before anybody has told it of anything.
    void restore(const HostTables& before) {
        tables.database = before.database;
        for (const auto kind : PolicyEngine::kinds)
            for (const auto& [key, value] : before.database)
                if (key.first == kind) {
                    const auto restored = engine.restore(kind, key.second, value);
                    ASSERT_TRUE(restored) << restored.error().message;
                }
    }

    void add(const std::string& name, const LabelSet::Map& labels, const char* at) {
        ASSERT_TRUE(engine.set_endpoint(name, {"default", LabelSet::make(labels).value(), {address(at)}}));
        engine.set_local_route(host_route(at), 1, name);
    }

    void apply(std::string_view yaml) {
        const auto applied = engine.apply(yaml);
        ASSERT_TRUE(applied) << applied.error().message;
    }

    fastpath::VerdictRange ingress(const char* to, const char* from, std::uint8_t protocol,
                                   std::uint16_t port) const {
        return tables.decide(fastpath::DIRECTION_INGRESS, tables.lookup(vni, address(to))->identity,
                             tables.lookup(vni, address(from))->identity, protocol, port);
    }

    bool admits(const char* to, const char* from, std::uint8_t protocol, std::uint16_t port) const {
        return ingress(to, from, protocol, port).verdict() == fastpath::VERDICT_ALLOW;
    }
};

TEST(PolicyEngine, WithoutPolicyEverythingIsAllowedAndTheTableIsEmpty) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    EXPECT_TRUE(host.tables.policies.empty());
    EXPECT_GE(host.engine.endpoint_identity("web"), identity_first);
    EXPECT_EQ(host.engine.endpoint_identity("nobody"), 0U);
}

TEST(PolicyEngine, EndpointIsKnownByNameWithoutARoute) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    const HashedLabels labels = host.engine.end_at(vni, address("10.244.0.1")).labels;
    EXPECT_TRUE(host.engine.has_host_route(vni, address("10.244.0.1")));
    host.engine.erase_local_route(host_route("10.244.0.1"));
    // A route around it is not its own, nor is a block that names it.
    host.engine.set_remote_route({vni, net::Prefix::parse("10.244.0.0/24").value()}, 70000, {});
    host.apply(policy("block", "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.1/32}}]}]"));
    EXPECT_FALSE(host.engine.has_host_route(vni, address("10.244.0.1")));
    EXPECT_FALSE(host.engine.has_host_route(vni + 1, address("10.244.0.1")));
    EXPECT_FALSE(host.engine.end_at(vni, address("10.244.0.1")).labels.is_endpoint());
    const auto end = host.engine.end_of("web", address("10.244.0.1"));
    ASSERT_TRUE(end);
    EXPECT_EQ(end->labels, labels);
    EXPECT_TRUE(end->here);
    EXPECT_FALSE(host.engine.end_of("nobody", address("10.244.0.1")));
}

TEST(PolicyEngine, AllowsARemotePeerByItsCommunities) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.engine.set_remote_route(host_route("10.244.1.1"), 70000, communities({{"app", "client"}}));
    host.engine.set_remote_route(host_route("10.244.1.2"), 70000, communities({{"app", "other"}}));
    host.engine.set_remote_route(host_route("10.244.1.3"), 70000, communities({{"app", "client"}}, "elsewhere"));
    host.engine.set_remote_route(host_route("10.244.1.4"), 70000, {});
    host.apply(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: "
                             "{app: client}}}], ports: [{port: 80}]}]"));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.1", tcp, 80));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.1", tcp, 81));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.1", icmp, 0));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.2", tcp, 80));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.3", tcp, 80)) << "another namespace";
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.4", tcp, 80)) << "the world";
    EXPECT_EQ(host.engine.rule_text(host.ingress("10.244.0.1", "10.244.1.1", tcp, 80).rule()),
              "ingress rule 1 of default/web");
    EXPECT_EQ(host.engine.rule_text(host.ingress("10.244.0.1", "10.244.1.2", tcp, 80).rule()),
              "ingress isolation of default/web");
    EXPECT_EQ(host.engine.rule_text(999), "");
    // One that comes later finds its place.
    host.engine.set_remote_route(host_route("10.244.1.5"), 70000, communities({{"app", "client"}, {"new", "one"}}));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.5", tcp, 80));
    // An address that changes hands does not keep its rights.
    host.engine.set_remote_route(host_route("10.244.1.5"), 70000, communities({{"app", "other"}}));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.5", tcp, 80));
    EXPECT_EQ(host.tables.contradictions, 0U);
}

TEST(PolicyEngine, RemovalEndsEnforcement) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("client", {}, "10.244.0.2");
    host.apply(policy("deny", "podSelector: {}, policyTypes: [Ingress, Egress]"));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_EQ(host.tables.policies.size(), 4U);
    ASSERT_TRUE(host.engine.remove({.name_space = "default", .name = "deny"}));
    EXPECT_TRUE(host.tables.policies.empty());
    EXPECT_THAT(host.engine.remove({.name_space = "default", .name = "deny"}).error().message,
                HasSubstr("policy default/deny: there is none"));
}

TEST(PolicyEngine, EndpointsLeaveNothingBehind) {
    Host host;
    host.apply(policy("a", "podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"));
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.engine.set_remote_route(host_route("10.244.1.1"), 70000, communities({{"app", "client"}}));
    EXPECT_FALSE(host.tables.policies.empty());
    host.engine.erase_local_route(host_route("10.244.0.1"));
    host.engine.erase_endpoint("web");
    host.engine.erase_remote_route(host_route("10.244.1.1"));
    EXPECT_TRUE(host.tables.policies.empty());
    EXPECT_TRUE(host.tables.routes.empty());
    for (const auto& [key, value] : host.tables.database)
        EXPECT_NE(key.first, PolicyEngine::kinds[0]);
    EXPECT_EQ(host.tables.contradictions, 0U);
}

TEST(PolicyEngine, PolicyIsThereBeforeTheRoute) {
    Host host;
    host.apply(policy("deny", "podSelector: {}"));
    ASSERT_TRUE(host.engine.set_endpoint("web", {"default", {}, {address("10.244.0.1")}}));
    EXPECT_TRUE(host.tables.routes.empty());
    EXPECT_EQ(host.tables.policies.size(), 1U);
    const std::uint32_t identity = host.engine.endpoint_identity("web");
    host.engine.set_local_route(host_route("10.244.0.1"), 1, "web");
    EXPECT_EQ(host.tables.lookup(vni, address("10.244.0.1"))->identity, identity);
}

TEST(PolicyEngine, ApplyTellsWhatItDid) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    const auto both =
        host.engine.apply(policy("a", "podSelector: {matchLabels: {app: web}}") + policy("b", "podSelector: {}"));
    ASSERT_TRUE(both);
    EXPECT_EQ((*both)[0].action, PolicyStatus::Action::created);
    EXPECT_EQ((*both)[0].selected_endpoints, 1U);
    EXPECT_EQ((*both)[1].selected_endpoints, 2U);
    const auto again = host.engine.apply(policy("a", "podSelector: {matchLabels: {app: web}}") +
                                         policy("b", "podSelector: {matchLabels: {app: db}}"));
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)[0].action, PolicyStatus::Action::unchanged);
    EXPECT_EQ((*again)[1].action, PolicyStatus::Action::changed);
    EXPECT_EQ(host.engine.list().size(), 2U);
    EXPECT_EQ(host.engine.list()[1].document->policy.name.name, "b");
}

TEST(PolicyEngine, AllOrNoneAreApplied) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    EXPECT_FALSE(host.engine.apply(policy("a", "podSelector: {}") + policy("b", "nonsense: {}")));
    EXPECT_TRUE(host.engine.list().empty());
    EXPECT_TRUE(host.tables.policies.empty());
}

TEST(PolicyEngine, WhatCannotBeKeptIsRefusedAndChangesNothing) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.apply(policy("deny", "podSelector: {}, policyTypes: [Ingress]"));
    ASSERT_TRUE(host.engine.set_namespace("shop", {{"team", "a"}}));
    const auto database = host.tables.database;
    const auto policies = host.tables.policies.size();
    const unsigned writes = host.tables.writes;
    const auto in_use = host.engine.in_use();
    host.tables.refuse_to_keep = "disk is full";
    const auto refused = [](const auto& result) { return result ? std::string("accepted") : result.error().message; };
    EXPECT_EQ(refused(host.engine.apply(policy("other", "podSelector: {}, policyTypes: [Egress]"))), "disk is full");
    EXPECT_EQ(refused(host.engine.remove({.name_space = "default", .name = "deny"})), "disk is full");
    EXPECT_EQ(refused(host.engine.set_namespace("default", {{"team", "b"}})), "disk is full");
    EXPECT_EQ(refused(host.engine.remove_namespace("shop")), "disk is full");
    EXPECT_EQ(host.engine.list().size(), 1U);
    EXPECT_EQ(host.tables.policies.size(), policies);
    EXPECT_EQ(host.tables.writes, writes);
    EXPECT_EQ(host.tables.database, database);
    EXPECT_EQ(host.engine.in_use(), in_use);
    EXPECT_TRUE(host.engine.namespaces().contains("shop"));
    EXPECT_TRUE(host.tables.changed_endpoints.empty());
    host.apply(policy("deny", "podSelector: {}, policyTypes: [Ingress]")); // unchanged, so nothing is to be kept
    host.tables.refuse_to_keep.clear();
    EXPECT_TRUE(host.engine.remove({.name_space = "default", .name = "deny"}));
    EXPECT_TRUE(host.tables.policies.empty());
}

/// A policy that tells so many ports apart.
std::string many_ports(std::string_view name, std::string_view pods, unsigned count) {
    std::string ports;
    for (unsigned i = 0; i < count; ++i)
        ports += fmt::format("{}{{port: {}}}", i == 0 ? "" : ", ", 1 + 2 * i);
    return policy(name, fmt::format("podSelector: {{{}}}, ingress: [{{ports: [{}]}}]", pods, ports));
}

TEST(PolicyEngine, MorePortsThanAFastPathTakesAreRefusedAndChangeNothing) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    host.apply(policy("deny", "podSelector: {}, policyTypes: [Ingress]"));
    const auto database = host.tables.database;
    const auto policies = host.tables.policies;
    const auto in_use = host.engine.in_use();
    const auto refused = host.engine.apply(policy("wide", "podSelector: {matchLabels: {app: db}}") +
                                           many_ports("all-odd", "matchLabels: {app: web}", 4000));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("policy default/all-odd: "));
    EXPECT_THAT(refused.error().message, HasSubstr("ingress of endpoint web make more than 7168 ranges"));
    EXPECT_EQ(host.tables.database, database);
    EXPECT_EQ(host.tables.policies, policies);
    EXPECT_EQ(host.engine.in_use(), in_use);
    EXPECT_EQ(host.engine.list().size(), 1U);
    EXPECT_EQ(host.tables.contradictions, 0U);
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 1));
    host.apply(many_ports("some-odd", "matchLabels: {app: web}", 3000));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.0.2", tcp, 1));
    host.apply(many_ports("of-nobody", "matchLabels: {app: none}", 4000));
    // What comes to be too much by labels is closed; it is no fault of the next policy, and hides none.
    EXPECT_TRUE(host.engine.oversized().empty());
    host.add("none", {{"app", "none"}}, "10.244.0.3");
    EXPECT_EQ(host.engine.oversized(), (PolicyEngine::Places{{"none", Side::ingress}}));
    EXPECT_FALSE(host.admits("10.244.0.3", "10.244.0.2", tcp, 1));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.0.2", tcp, 1));
    host.apply(policy("wide", "podSelector: {}, ingress: [{}]"));
    const auto hidden = host.engine.apply(many_ports("all-odd", "matchLabels: {app: web}", 4000));
    ASSERT_FALSE(hidden);
    EXPECT_THAT(hidden.error().message,
                HasSubstr("with it, the ports that policies tell apart for the ingress of endpoint web"));
}

TEST(PolicyEngine, RefusedPolicyWithACidrLeavesEverybodyWhoTheyWere) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.engine.set_remote_route(host_route("10.244.1.1"), 2, communities({{"app", "client"}}));
    host.apply(policy("deny", "podSelector: {}, policyTypes: [Ingress]"));
    const auto identity = host.engine.endpoint_identity("web");
    const auto peer = host.tables.lookup(vni, address("10.244.1.1"))->identity;
    const auto database = host.tables.database;
    const auto policies = host.tables.policies;
    const auto in_use = host.engine.in_use();
    std::string ports;
    for (unsigned i = 0; i < 4000; ++i)
        ports += fmt::format("{}{{port: {}}}", i == 0 ? "" : ", ", 1 + 2 * i);
    const auto refused = host.engine.apply(
        policy("around",
               fmt::format("podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8}}}}], ports: [{}]}}]",
                           ports)));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("make more than 7168 ranges"));
    EXPECT_EQ(host.engine.endpoint_identity("web"), identity);
    EXPECT_EQ(host.tables.lookup(vni, address("10.244.1.1"))->identity, peer);
    EXPECT_EQ(host.tables.database, database);
    EXPECT_EQ(host.tables.policies, policies);
    EXPECT_EQ(host.engine.in_use(), in_use);
    EXPECT_EQ(host.tables.contradictions, 0U);
}

TEST(PolicyEngine, PeerWhoseLabelsMakeTooMuchIsClosedAndNobodyElse) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    for (const auto& [label, first] : {std::pair{"a", 1U}, std::pair{"b", 6001U}}) {
        std::string ports;
        for (unsigned i = 0; i < 3000; ++i)
            ports += fmt::format("{}{{port: {}}}", i == 0 ? "" : ", ", first + 2 * i);
        host.apply(policy(label, fmt::format("podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: "
                                             "[{{podSelector: {{matchLabels: {{{}: '1'}}}}}}], ports: [{}]}}]",
                                             label, ports)));
    }
    host.engine.set_remote_route(host_route("10.244.1.1"), 70000, communities({{"a", "1"}}));
    EXPECT_TRUE(host.engine.oversized().empty());
    host.engine.set_remote_route(host_route("10.244.1.2"), 70000, communities({{"a", "1"}, {"b", "1"}}));
    EXPECT_EQ(host.engine.oversized(), (PolicyEngine::Places{{"web", Side::ingress}}));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.1", tcp, 1));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.1.2", tcp, 1));
    const auto told = host.engine.judge()->judge({.source = host.engine.end_at(vni, address("10.244.1.2")),
                                                  .destination = host.engine.end_at(vni, address("10.244.0.1")),
                                                  .protocol = tcp,
                                                  .port = 1});
    EXPECT_FALSE(told.allowed());
    EXPECT_EQ(told.ingress.rule, too_large);
    // Policies that have nothing to do with it change, and it ends as it began.
    host.apply(policy("more", "podSelector: {}, ingress: [{ports: [{port: 2}]}]"));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.1", tcp, 2));
    host.engine.set_remote_route(host_route("10.244.1.2"), 70000, communities({{"b", "1"}}));
    EXPECT_TRUE(host.engine.oversized().empty());
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.2", tcp, 6001));
}

TEST(PolicyEngine, AChangeTouchesOnlyWhatItChanges) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    host.apply(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]"));
    host.tables.writes = 0;
    host.apply(policy("db", "podSelector: {matchLabels: {app: db}}"));
    EXPECT_EQ(host.tables.writes, 1U);
    host.apply(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}, {port: 81}]}]"));
    EXPECT_EQ(host.tables.writes, 2U);
}

TEST(PolicyEngine, RelabelledNamespacesChangeIdentitiesAndCommunities) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    host.apply(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: "
                             "{matchLabels: {team: a}}}]}]"));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    const auto before = host.engine.endpoint_communities("web");
    ASSERT_TRUE(host.engine.set_namespace("default", {{"team", "a"}}));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_NE(host.engine.endpoint_communities("web"), before);
    EXPECT_THAT(host.tables.changed_endpoints, ElementsAre("db", "web"));
    ASSERT_TRUE(host.engine.remove_namespace("default"));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_FALSE(host.engine.remove_namespace("default"));
    EXPECT_FALSE(host.engine.set_namespace("Default", {}));
    EXPECT_EQ(host.engine.namespaces().at("default").to_string(), "kubernetes.io/metadata.name=default");
}

TEST(PolicyEngine, BlocksMeanAddressesWhoeverHasThem) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.engine.set_remote_route({vni, net::Prefix::parse("0.0.0.0/0").value()}, 70000, {});
    host.engine.set_remote_route(host_route("10.244.1.1"), 70001, communities({{"app", "client"}}));
    host.apply(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, "
                             "except: [10.9.0.0/16]}}]}]"));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.1.1", tcp, 80));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.8.0.1", tcp, 80));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.9.0.1", tcp, 80));
    EXPECT_FALSE(host.admits("10.244.0.1", "192.0.2.1", tcp, 80));
    EXPECT_EQ(host.tables.routes.size(), 5U);
    EXPECT_EQ(host.tables.lookup(vni, address("10.9.0.1"))->next_hop, 70000U);
    ASSERT_TRUE(host.engine.remove({.name_space = "default", .name = "web"}));
    EXPECT_EQ(host.tables.routes.size(), 3U);
    EXPECT_EQ(host.tables.lookup(vni, address("10.9.0.1"))->identity, identity_world);
}

std::string cluster_policy(std::string_view name, std::string_view spec, bool audit = false) {
    return fmt::format(
        "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: "
        "{{name: {}, annotations: {{weft.dev/audit: \"{}\"}}}}\nspec: {{{}, subject: {{namespaces: {{}}}}}}\n",
        name, audit, spec);
}

TEST(PolicyEngine, TheHostAndItsEndpointsAreOpenToEachOther) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.apply(policy("web", "policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: "
                             "[10.244.0.9/32]}}]}]"));
    const auto before = host.engine.in_use();
    const auto entries = host.tables.policies;
    EXPECT_EQ(host.engine.host_access_rule(), 0U);
    ASSERT_TRUE(host.engine.set_endpoint("host", {.addresses = {address("10.244.0.9")}, .host = true}));
    host.engine.set_local_route(host_route("10.244.0.9"), 2, "host");
    EXPECT_EQ(host.engine.endpoint_identity("host"), identity_host);
    EXPECT_EQ(host.tables.lookup(vni, address("10.244.0.9"))->identity, identity_host);
    EXPECT_THAT(host.engine.describe(identity_host, {}), ElementsAre("host"));
    EXPECT_TRUE(host.engine.endpoint_communities("host").empty());
    EXPECT_FALSE(host.engine.namespaces().contains(""));
    const std::uint32_t web = host.engine.endpoint_identity("web");
    for (const auto direction : {fastpath::DIRECTION_INGRESS, fastpath::DIRECTION_EGRESS}) {
        const auto found = host.tables.decide(direction, web, identity_host, tcp, 80);
        EXPECT_EQ(found.verdict(), fastpath::VERDICT_ALLOW);
        EXPECT_EQ(found.rule(), host.engine.host_access_rule());
        const auto at_the_host = host.tables.decide(direction, identity_host, web, tcp, 80);
        EXPECT_EQ(at_the_host.verdict(), fastpath::VERDICT_ALLOW);
        EXPECT_EQ(at_the_host.rule(), 0U) << "no policy selects it";
    }
    EXPECT_EQ(host.engine.rule_text(host.engine.host_access_rule()), "host access");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    EXPECT_TRUE(host.admits("10.244.0.2", "10.244.0.9", icmp, 0)) << "who comes later too";
    host.engine.erase_local_route(host_route("10.244.0.2"));
    host.engine.erase_endpoint("db");
    ASSERT_TRUE(host.engine.set_endpoint("host-2", {.addresses = {address("10.245.0.9")}, .host = true}));
    host.engine.erase_local_route(host_route("10.244.0.9"));
    host.engine.erase_endpoint("host");
    EXPECT_EQ(host.tables.decide(fastpath::DIRECTION_INGRESS, web, identity_host, tcp, 80).verdict(),
              fastpath::VERDICT_ALLOW)
        << "the host's endpoint of another network";
    host.engine.erase_endpoint("host-2");
    EXPECT_EQ(host.engine.host_access_rule(), 0U);
    EXPECT_EQ(host.engine.in_use(), before);
    EXPECT_EQ(host.tables.policies, entries);
    EXPECT_EQ(host.tables.contradictions, 0U);
}

TEST(PolicyEngine, TiersAreAskedInTheirOrder) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    const auto decided_by = [&](std::uint16_t port) {
        return host.engine.rule_text(host.ingress("10.244.0.1", "10.244.0.2", tcp, port).rule());
    };
    host.apply(
        cluster_policy("last", "tier: Baseline, priority: 0, ingress: [{action: Deny, from: [{namespaces: {}}]}]"));
    EXPECT_EQ(decided_by(80), "ingress rule 1 of cnp:last");
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    host.apply(
        policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80, endPort: 90}]}]"));
    EXPECT_EQ(decided_by(80), "ingress rule 1 of default/web");
    EXPECT_EQ(decided_by(91), "ingress isolation of default/web");
    host.apply(cluster_policy("first", "tier: Admin, priority: 7, ingress: [{action: Pass, from: [{namespaces: {}}], "
                                       "protocols: [{tcp: {destinationPort: {number: 81}}}]}, {name: not in, action: "
                                       "Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: "
                                       "{start: 80, end: 85}}}}]}]"));
    EXPECT_EQ(decided_by(80), "ingress rule 2 (not in) of cnp:first");
    EXPECT_EQ(decided_by(81), "ingress rule 1 of default/web") << "passed on";
    EXPECT_EQ(decided_by(86), "ingress rule 1 of default/web");
    ASSERT_TRUE(host.engine.remove({.name_space = "default", .name = "web"}));
    EXPECT_EQ(decided_by(81), "ingress rule 1 of cnp:last");
    EXPECT_EQ(host.engine.list().size(), 2U);
    EXPECT_FALSE(host.engine.namespaces().contains("")) << "tiers have none";
    EXPECT_EQ(host.tables.contradictions, 0U);
}

TEST(PolicyEngine, WhatIsAuditedIsToldAndNotEnforced) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.add("db", {{"app", "db"}}, "10.244.0.2");
    const auto audited_by = [&](std::uint16_t port) {
        return host.engine.rule_text(host.ingress("10.244.0.1", "10.244.0.2", tcp, port).audited_rule());
    };
    const std::string spec =
        "tier: Admin, priority: 7, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: "
        "[{tcp: {destinationPort: {number: 80}}}]}]";
    host.apply(cluster_policy("lock", spec, true));
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_EQ(audited_by(80), "ingress rule 1 of cnp:lock");
    EXPECT_EQ(audited_by(81), "");
    host.apply(cluster_policy("lock", spec, false));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_EQ(audited_by(80), "");
    host.apply(cluster_policy("open", "tier: Admin, priority: 6, ingress: [{action: Pass, from: [{namespaces: {}}]}]",
                              true));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_EQ(audited_by(80), "no policy denies ingress");
}

TEST(PolicyEngine, PortsByNameAreTheDestinations) {
    Host host;
    const auto add = [&](const std::string& name, const char* at, std::vector<PortName> ports) {
        ASSERT_TRUE(host.engine.set_endpoint(name, {"default", {}, {address(at)}, std::move(ports)}));
        host.engine.set_local_route(host_route(at), 1, name);
    };
    add("web", "10.244.0.1", {{"http", tcp, 8080}});
    add("client", "10.244.0.2", {{"http", tcp, 80}});
    host.engine.set_remote_route(
        host_route("10.244.1.1"), 70000,
        HashedLabels({}, "default", {}, std::vector<PortName>{{"http", tcp, 81}}).to_communities(marker));
    host.engine.set_remote_route(host_route("10.244.1.2"), 70000, communities({}));
    host.apply(policy("http", "policyTypes: [Ingress, Egress], ingress: [{ports: [{port: http}]}], egress: [{ports: "
                              "[{port: http}]}]"));
    const auto may_leave_to = [&](const char* to, std::uint16_t port) {
        return host.tables
                   .decide(fastpath::DIRECTION_EGRESS, host.engine.endpoint_identity("web"),
                           host.tables.lookup(vni, address(to))->identity, tcp, port)
                   .verdict() == fastpath::VERDICT_ALLOW;
    };
    EXPECT_TRUE(host.admits("10.244.0.1", "10.244.0.2", tcp, 8080));
    EXPECT_FALSE(host.admits("10.244.0.1", "10.244.0.2", tcp, 80));
    EXPECT_TRUE(may_leave_to("10.244.0.2", 80));
    EXPECT_FALSE(may_leave_to("10.244.0.2", 8080));
    EXPECT_TRUE(may_leave_to("10.244.1.1", 81));
    EXPECT_FALSE(may_leave_to("10.244.1.1", 80));
    EXPECT_FALSE(may_leave_to("10.244.1.2", 80)) << "it calls none so";
    EXPECT_THAT(
        host.engine.describe(host.tables.lookup(vni, address("10.244.1.1"))->identity, host.engine.known_labels()),
        testing::Contains("port http=81/TCP"));
    // A later one finds its place, though no rule says whom it means.
    host.engine.set_remote_route(
        host_route("10.244.1.3"), 70000,
        HashedLabels({}, "default", {}, std::vector<PortName>{{"http", tcp, 82}}).to_communities(marker));
    EXPECT_TRUE(may_leave_to("10.244.1.3", 82));
}

TEST(PolicyEngine, PeersLikeAnybodyHaveNoEntry) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    for (unsigned i = 0; i < 20; ++i)
        host.engine.set_remote_route({vni, net::Prefix::host(net::Address::v4(0x0af40100U + i))}, 70000,
                                     communities({{"app", fmt::format("app-{}", i)}}));
    host.apply(policy("some", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: "
                              "{matchExpressions: [{key: app, operator: In, values: [app-3, app-4]}]}}]}]"));
    EXPECT_EQ(host.tables.policies.size(), 3U) << "two that are allowed, and anybody";
    EXPECT_EQ(host.tables.lists.size(), 2U) << "the two share one";
    host.tables.writes = 0;
    host.engine.set_remote_route(host_route("10.244.2.1"), 70000, communities({{"app", "app-20"}}));
    host.engine.set_remote_route(host_route("10.244.2.2"), 70000, communities({{"app", "app-3"}}));
    EXPECT_EQ(host.tables.writes, 0U);
    host.engine.set_remote_route(host_route("10.244.2.3"), 70000, communities({{"app", "app-3"}, {"new", "one"}}));
    EXPECT_EQ(host.tables.writes, 1U);
    EXPECT_EQ(host.tables.lists.size(), 2U);
}

TEST(PolicyEngine, PoliciesOfOneTextAreCompiledOnce) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    std::string text;
    for (unsigned i = 0; i < 10; ++i)
        text += policy(fmt::format("p{}", i), fmt::format("ingress: [{{ports: [{{port: {}}}]}}]", 80 + 2 * i));
    host.apply(text);
    EXPECT_EQ(host.tables.writes, 1U);
    EXPECT_EQ(host.tables.lists.size(), 1U);
    EXPECT_EQ(host.tables.lists.begin()->second.ranges_size(), 21);
}

TEST(PolicyEngine, DescribesIdentitiesForPeople) {
    Host host;
    host.add("web", {{"app", "web"}}, "10.244.0.1");
    host.engine.set_remote_route(host_route("10.244.1.1"), 70000, communities({{"app", "web"}, {"secret", "x"}}));
    host.apply(policy("a", "podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"));
    const auto texts =
        host.engine.describe(host.tables.lookup(vni, address("10.244.1.1"))->identity, host.engine.known_labels());
    EXPECT_THAT(texts,
                testing::UnorderedElementsAre("app=web", "namespace default", "1 unknown label", "in 10.0.0.0/8"));
    EXPECT_THAT(host.engine.describe(identity_world, {}), ElementsAre("world"));
    EXPECT_THAT(host.engine.describe(identity_unknown, {}), ElementsAre("unknown"));
    EXPECT_TRUE(host.engine.describe(99999, {}).empty());
}

TEST(PolicyEngine, AfterARestartAChangeReachesWhoIsNotAnnouncedAgain) {
    const auto deny = policy("web", "podSelector: {matchLabels: {app: web}}");
    const auto allow = policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: "
                                     "{matchLabels: {app: client}}}]}]");
    Host before;
    before.add("web", {{"app", "web"}}, "10.244.0.1");
    before.engine.set_remote_route(host_route("10.244.1.1"), 70000, communities({{"app", "client"}}));
    before.apply(allow);
    const std::uint32_t web = before.engine.endpoint_identity("web");
    const std::uint32_t client = before.tables.lookup(vni, address("10.244.1.1"))->identity;
    Host after;
    after.restore(before.tables);
    after.add("web", {{"app", "web"}}, "10.244.0.1");
    ASSERT_EQ(after.engine.endpoint_identity("web"), web);
    EXPECT_TRUE(after.engine.knows(web, client));
    EXPECT_TRUE(after.engine.knows(web, identity_any));
    EXPECT_FALSE(after.engine.knows(web, client + 1)) << "nobody has that number";
    EXPECT_FALSE(after.engine.knows(client, web)) << "it is no endpoint of this host";
    // The fast path still has the client's route.
    const auto admits_client = [&] {
        return after.tables.decide(fastpath::DIRECTION_INGRESS, web, client, tcp, 80).verdict() ==
               fastpath::VERDICT_ALLOW;
    };
    EXPECT_TRUE(admits_client());
    EXPECT_EQ(after.tables.policies, before.tables.policies);
    after.apply(deny);
    EXPECT_FALSE(admits_client());
    after.apply(allow);
    EXPECT_TRUE(admits_client());
    // Who has not come back by then is nobody.
    after.engine.sweep();
    EXPECT_FALSE(after.engine.knows(web, client));
    EXPECT_FALSE(after.tables.policies.contains({fastpath::DIRECTION_INGRESS, web, client}));
    EXPECT_EQ(after.engine.in_use().identities, 1U);
    EXPECT_EQ(after.tables.contradictions, 0U);
}

TEST(PolicyEngine, WhatWasAppliedIsRestoredHoweverLongItIsWhenWritten) {
    std::string rules;
    // In braces it is short; written again, each of these has four lines.
    for (unsigned i = 0; i < 14'000; ++i)
        rules += "{from: [{podSelector: {matchLabels: {a: b}}}]},";
    Host before;
    before.add("web", {{"app", "web"}}, "10.244.0.1");
    before.apply(policy("long", fmt::format("ingress: [{}]", rules)));
    ASSERT_GT(before.tables.database.at({"policy-document", "default/long"}).size(), policy_text_max);
    Host after;
    after.restore(before.tables);
    EXPECT_EQ(after.engine.list().size(), 1U);
}

TEST(PolicyEngine, DamagedStateIsRefused) {
    Host host;
    EXPECT_FALSE(host.engine.restore("policy-identity", "300", "nonsense"));
    EXPECT_FALSE(host.engine.restore("policy-identity", "x", "|10.0.0.0/8"));
    EXPECT_FALSE(host.engine.restore("policy-identity", "300", "|")) << "the world has a reserved number";
    EXPECT_FALSE(host.engine.restore("policy-identity", "301", "|fd00::/8,10.0.0.0/8")) << "not as it is written";
    EXPECT_FALSE(host.engine.restore("policy-rule", "-1", "text"));
    EXPECT_FALSE(host.engine.restore("policy-namespace", "default", "a b=c"));
    EXPECT_FALSE(host.engine.restore("policy-document", "default/a", "kind: Pod"));
    EXPECT_FALSE(host.engine.restore("other", "a", "b"));
}

} // namespace
} // namespace weft::policy
