// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/policy_difference.hpp"
#include "tests/controlplane/policy/host_tables.hpp"

namespace weft::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t marker = 4267132230;
constexpr std::uint32_t vni = 4000;

std::string policy(std::string_view name, std::string_view spec) {
    return fmt::format(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}}}\nspec: {{{}}}\n", name,
        spec);
}

class PolicyDifference : public testing::Test {
  protected:
    PolicyDifference() {
        add("web", {{"app", "web"}}, "10.244.0.1");
        add("client", {{"app", "client"}}, "10.244.0.2");
        engine.set_remote_route({vni, net::Prefix::parse("0.0.0.0/0").value()}, 70000, {});
    }

    void add(const std::string& name, const LabelSet::Map& labels, const char* at) {
        const auto address = net::Address::parse(at).value();
        ASSERT_TRUE(engine.set_endpoint(name, {"default", LabelSet::make(labels).value(), {address}, {}}));
        engine.set_local_route({vni, net::Prefix::host(address)}, 1, name);
    }

    /// "ingress of web, peer app=client: gains tcp 80: RULE -> RULE"
    [[nodiscard]] std::vector<std::string> diff(const std::string& yaml) const {
        const auto known = engine.known_labels();
        const auto proposed = read_policies(yaml).value();
        const auto difference = engine.diff(proposed).value();
        std::vector<std::string> texts;
        for (const PolicyChange& each : difference.changes)
            for (const ChangedSpan& span : each.spans)
                texts.push_back(
                    fmt::format("{} of {}, peer {}: {} {}: {} -> {}",
                                each.side == Side::ingress ? "ingress" : "egress", fmt::join(each.endpoints, "+"),
                                fmt::join(engine.describe(each.peer, known), ", "), span.allowed ? "gains" : "loses",
                                fmt::join(port_texts(span.span), ", "), span.rule_before, span.rule_after));
        return texts;
    }

    HostTables tables;
    PolicyEngine engine{marker, tables};
};

TEST_F(PolicyDifference, TellsWhoGainsAndLosesWhat) {
    const std::string before =
        policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: "
                      "{matchLabels: {app: client}}}], ports: [{port: 80}]}]");
    ASSERT_TRUE(engine.apply(before));
    EXPECT_THAT(diff(before), IsEmpty());
    EXPECT_THAT(
        diff(policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: "
                           "{app: client}}}], ports: [{port: 443}]}]")),
        ElementsAre("ingress of web, peer app=client, namespace default: loses tcp 80: ingress rule 1 of default/web "
                    "-> ingress isolation of default/web",
                    "ingress of web, peer app=client, namespace default: gains tcp 443: ingress isolation of "
                    "default/web -> ingress rule 1 of default/web"));
}

TEST_F(PolicyDifference, SeesCidrsThatNoPolicyHasYet) {
    ASSERT_TRUE(engine.apply(policy("web", "podSelector: {matchLabels: {app: web}}")));
    EXPECT_THAT(diff(policy("more", "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: "
                                    "203.0.113.0/24}}]}]")),
                ElementsAre("ingress of web, peer in 203.0.113.0/24: gains everything: ingress isolation of "
                            "default/web -> ingress rule 1 of default/more"));
}

TEST_F(PolicyDifference, ChangesNothing) {
    ASSERT_TRUE(engine.apply(policy("web", "podSelector: {matchLabels: {app: web}}")));
    const auto entries = tables.policies;
    const auto routes = tables.routes;
    const auto database = tables.database;
    const auto in_use = engine.in_use();
    const unsigned writes = tables.writes;
    EXPECT_FALSE(
        diff(policy("more", "podSelector: {}, egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]")).empty());
    EXPECT_EQ(tables.policies, entries);
    EXPECT_EQ(tables.routes, routes);
    EXPECT_EQ(tables.database, database);
    EXPECT_EQ(engine.in_use(), in_use);
    EXPECT_EQ(tables.writes, writes);
}

TEST_F(PolicyDifference, TellsWhatApplyWouldSayOfEachPolicy) {
    const std::string same = policy("same", "podSelector: {matchLabels: {app: nobody}}");
    ASSERT_TRUE(engine.apply(same + policy("other", "podSelector: {matchLabels: {app: web}}")));
    const auto proposed =
        read_policies(same + policy("other", "podSelector: {}") + policy("new", "podSelector: {}")).value();
    const auto difference = engine.diff(proposed).value();
    ASSERT_EQ(difference.policies.size(), 3U);
    EXPECT_EQ(difference.policies[0].action, PolicyStatus::Action::unchanged);
    EXPECT_EQ(difference.policies[0].selected_endpoints, 0U);
    EXPECT_EQ(difference.policies[1].action, PolicyStatus::Action::changed);
    EXPECT_EQ(difference.policies[1].selected_endpoints, 2U);
    EXPECT_EQ(difference.policies[2].action, PolicyStatus::Action::created);
}

/// `count` ports, no two beside each other.
std::string scattered_ports(unsigned count) {
    std::string ports;
    for (unsigned i = 0; i < count; ++i)
        ports += fmt::format("{}{{port: {}}}", i == 0 ? "" : ", ", 1 + 2 * i);
    return ports;
}

TEST_F(PolicyDifference, RefusesWhatApplyRefusesAsTooLarge) {
    const std::string same = policy("same", "podSelector: {matchLabels: {app: web}}");
    ASSERT_TRUE(engine.apply(same));
    // One that waits has no route, and may be back at any time.
    add("waits", {{"app", "waits"}}, "10.244.0.3");
    engine.erase_local_route({vni, net::Prefix::host(net::Address::parse("10.244.0.3").value())});
    const std::string ports = scattered_ports(4000);
    for (const std::string& spec : {
             // For anybody, for a peer by its address, and for others by their labels.
             fmt::format("podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{ports: [{}]}}]", ports),
             fmt::format(
                 "podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 198.51.100.0/24}}}}], ports: [{}]}}]",
                 ports),
             fmt::format(
                 "podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: "
                 "{{app: client}}}}}}], ports: [{}]}}]",
                 ports),
             fmt::format(
                 "podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: "
                 "{{app: waits}}}}}}], ports: [{}]}}]",
                 ports),
         }) {
        const auto proposed = read_policies(same + policy("wide", spec)).value();
        const auto difference = engine.diff(proposed);
        const auto applied = engine.apply(proposed);
        ASSERT_FALSE(difference) << spec.substr(0, 100);
        ASSERT_FALSE(applied) << spec.substr(0, 100);
        EXPECT_THAT(difference.error().message, HasSubstr("policy default/wide: with it"));
        EXPECT_EQ(difference.error().code, applied.error().code);
        EXPECT_EQ(difference.error().message, applied.error().message);
    }
    EXPECT_THAT(
        diff(policy("wide",
                    fmt::format("podSelector: {{matchLabels: {{app: nobody}}}}, ingress: [{{ports: [{}]}}]", ports))),
        IsEmpty());
}

TEST(PortTexts, NameWhatASpanHolds) {
    EXPECT_THAT(port_texts(all_ports), ElementsAre("everything"));
    EXPECT_THAT(port_texts({port_point(6, 80), port_point(6, 80)}), ElementsAre("tcp 80"));
    EXPECT_THAT(port_texts({port_point(6, 0), port_point(6, 65535)}), ElementsAre("tcp"));
    EXPECT_THAT(port_texts({0, port_point(6, 79)}), ElementsAre("tcp 0-79", "icmp and others"));
    EXPECT_THAT(port_texts({port_point(6, 81), all_ports.last}), ElementsAre("tcp 81-65535", "udp", "sctp"));
}

} // namespace
} // namespace weft::policy
