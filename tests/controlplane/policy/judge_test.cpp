// SPDX-License-Identifier: BSD-3-Clause
// What is said of connections beforehand: the verdict, the rule that decides, and what became of the others.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/judge.hpp"
#include "controlplane/policy/policy_reader.hpp"

namespace weft::policy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t icmp = 1;

std::string network_policy(std::string_view name, std::string_view spec, bool audit = false) {
    return fmt::format("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
                       "metadata: {{name: {}, annotations: {{weft.dev/audit: \"{}\"}}}}\nspec: {{{}}}\n",
                       name, audit, spec);
}

std::string cluster_policy(std::string_view name, std::string_view tier, unsigned priority, std::string_view rules,
                           bool audit = false) {
    return fmt::format("---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"
                       "metadata: {{name: {}, annotations: {{weft.dev/audit: \"{}\"}}}}\n"
                       "spec: {{tier: {}, priority: {}, subject: {{namespaces: {{}}}}, {}}}\n",
                       name, audit, tier, priority, rules);
}

End endpoint(const char* address, const LabelSet::Map& labels, std::vector<PortName> ports = {}) {
    return {HashedLabels(LabelSet::make(labels).value(), "default", namespace_labels("default", {}).value(), ports),
            net::Address::parse(address).value()};
}

const End web = endpoint("10.244.0.1", {{"app", "web"}});
const End client = endpoint("10.244.0.2", {{"app", "client"}});
const End world{{}, net::Address::parse("203.0.113.7").value()};

struct Policies {
    explicit Policies(const std::string& yaml) : documents(read_policies(yaml).value()) {
        for (const PolicyDocument& document : documents)
            policies.push_back(&document.policy);
        judge = std::make_unique<Judge>(policies);
    }

    [[nodiscard]] Judgement ingress(const End& local, const End& peer, std::uint8_t protocol,
                                    std::uint16_t port) const {
        return judge->judge(Side::ingress, local, peer, protocol, port);
    }

    std::vector<PolicyDocument> documents;
    std::vector<const Policy*> policies;
    std::unique_ptr<Judge> judge;
};

std::vector<std::string> texts(const Judgement& judgement) {
    std::vector<std::string> texts;
    for (const MatchingRule& rule : judgement.matching)
        texts.push_back(fmt::format("{}: {}", rule.text,
                                    rule.standing == Standing::decides ? "decides" : to_string(rule.standing)));
    return texts;
}

TEST(Judge, WhomNoPolicySelectsIsAllowedEverything) {
    const Policies policies(network_policy("web", "podSelector: {matchLabels: {app: web}}"));
    const Judgement judgement = policies.ingress(client, web, tcp, 80);
    EXPECT_FALSE(judgement.selected);
    EXPECT_TRUE(judgement.allowed);
    EXPECT_EQ(judgement.rule, "");
    EXPECT_THAT(judgement.matching, IsEmpty());
    EXPECT_TRUE(policies.ingress(web, client, tcp, 80).selected);
    EXPECT_FALSE(policies.ingress(web, client, tcp, 80).allowed);
    EXPECT_FALSE(policies.ingress(world, web, tcp, 80).selected) << "the world is no endpoint";
}

TEST(Judge, NobodyDecidesWhatAnEndpointSendsToItself) {
    const Policies policies(network_policy("all", "podSelector: {}, policyTypes: [Ingress, Egress]"));
    const ConnectionJudgement told = policies.judge->judge({web, web, tcp, 80});
    EXPECT_TRUE(told.allowed());
    EXPECT_THAT(told.rules(), ElementsAre(to_itself));
    // The same labels at another address are another endpoint.
    EXPECT_FALSE(policies.judge->judge({web, endpoint("10.244.0.3", {{"app", "web"}}), tcp, 80}).allowed());
}

TEST(Judge, RulesBehindTheOneThatDecidesLose) {
    const Policies policies(
        cluster_policy("lock", "Admin", 2, "ingress: [{action: Deny, from: [{namespaces: {}}]}]") +
        cluster_policy("let", "Admin", 1, "ingress: [{name: well, action: Accept, from: [{namespaces: {}}]}]") +
        network_policy("web", "podSelector: {}, ingress: [{}]"));
    const Judgement judgement = policies.ingress(web, client, tcp, 80);
    EXPECT_TRUE(judgement.allowed);
    EXPECT_EQ(judgement.rule, "ingress rule 1 (well) of cnp:let");
    EXPECT_THAT(texts(judgement), ElementsAre("ingress rule 1 (well) of cnp:let: decides",
                                              "ingress rule 1 of cnp:lock: after the deciding rule",
                                              "ingress rule 1 of default/web: lower tier",
                                              "ingress isolation of default/web: lower tier"));
    const MatchingRule& decider = judgement.matching.front();
    EXPECT_EQ(decider.policy->name.to_string(), "cnp:let");
    EXPECT_EQ(decider.number, 1U);
    EXPECT_EQ(decider.name, "well");
    EXPECT_EQ(judgement.matching.back().number, 0U) << "isolation";
    EXPECT_EQ(judgement.matching.back().action, Action::deny);
}

TEST(Judge, TheHostIsAllowedBeforeAnyPolicyIsAsked) {
    const Policies policies(
        cluster_policy("lock", "Admin", 1, "ingress: [{action: Deny, from: [{namespaces: {}}]}]") +
        cluster_policy("audited", "Admin", 2, "egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]", true) +
        network_policy("web", "podSelector: {}, policyTypes: [Ingress, Egress]"));
    const End host{
        .labels = HashedLabels::of_host(), .address = net::Address::parse("10.244.0.9").value(), .here = true};
    End here = web;
    here.here = true;
    for (const Side side : sides) {
        const Judgement judgement = policies.judge->judge(side, here, host, tcp, 80);
        EXPECT_TRUE(judgement.allowed);
        EXPECT_EQ(judgement.rule, "host access");
        EXPECT_EQ(judgement.audited_rule, "");
        EXPECT_EQ(judgement.matching.front().policy, nullptr);
        EXPECT_THAT(texts(judgement), Contains("host access: decides"));
        EXPECT_FALSE(policies.judge->judge(side, host, here, tcp, 80).selected);
    }
    EXPECT_THAT(texts(policies.judge->judge(Side::ingress, here, host, tcp, 80)),
                ElementsAre("host access: decides", "ingress isolation of default/web: lower tier"));
    EXPECT_THAT(texts(policies.judge->judge(Side::egress, here, host, tcp, 80)),
                ElementsAre("host access: decides", "egress isolation of default/web: lower tier"))
        << "what means an address does not mean the host";
    const Judgement elsewhere = policies.ingress(web, host, tcp, 80);
    EXPECT_FALSE(elsewhere.allowed) << "another host's endpoint";
    EXPECT_EQ(elsewhere.rule, "ingress isolation of default/web");
}

TEST(Judge, APassLeavesItsTier) {
    const Policies policies(
        cluster_policy("a", "Admin", 1, "ingress: [{action: Pass, from: [{namespaces: {}}]}]") +
        cluster_policy("b", "Admin", 2, "ingress: [{action: Accept, from: [{namespaces: {}}]}]") +
        cluster_policy("c", "Baseline", 1, "ingress: [{action: Deny, from: [{namespaces: {}}]}]"));
    EXPECT_THAT(texts(policies.ingress(web, client, tcp, 80)),
                ElementsAre("ingress rule 1 of cnp:a: passes to the next tier",
                            "ingress rule 1 of cnp:b: after a pass", "ingress rule 1 of cnp:c: decides"));
    EXPECT_FALSE(policies.ingress(web, client, tcp, 80).allowed);
    const Judgement of_world = policies.ingress(web, world, tcp, 80);
    EXPECT_TRUE(of_world.selected);
    EXPECT_TRUE(of_world.allowed) << "no rule means it";
    EXPECT_THAT(of_world.matching, IsEmpty());
}

TEST(Judge, AuditedRulesAreToldAndDoNotDecide) {
    const Policies policies(network_policy("audited", "podSelector: {}", true));
    const Judgement judgement = policies.ingress(web, client, tcp, 80);
    EXPECT_TRUE(judgement.allowed);
    EXPECT_EQ(judgement.rule, "");
    EXPECT_EQ(judgement.audited_rule, "ingress isolation of default/audited");
    EXPECT_THAT(texts(judgement), ElementsAre("ingress isolation of default/audited: audit: not enforced"));
}

TEST(Judge, PortsAndNamesOfPortsMustMatch) {
    const Policies policies(
        network_policy("web", "podSelector: {}, ingress: [{ports: [{port: 80}]}, {ports: [{port: http}]}]"));
    const End named = endpoint("10.244.0.3", {}, {{"http", tcp, 8080}});
    EXPECT_EQ(policies.ingress(web, client, tcp, 80).rule, "ingress rule 1 of default/web");
    EXPECT_EQ(policies.ingress(web, client, tcp, 8080).rule, "ingress isolation of default/web");
    EXPECT_EQ(policies.ingress(named, client, tcp, 8080).rule, "ingress rule 2 of default/web");
    EXPECT_EQ(policies.ingress(named, client, icmp, 0).rule, "ingress isolation of default/web");
}

TEST(Judge, BlocksMeanTheAddressesInThem) {
    const Policies policies(network_policy(
        "web",
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}]}]"));
    EXPECT_TRUE(policies.ingress(web, world, tcp, 80).allowed);
    EXPECT_FALSE(policies.ingress(web, {{}, net::Address::parse("203.0.113.200").value()}, tcp, 80).allowed);
    EXPECT_FALSE(policies.ingress(web, client, tcp, 80).allowed);
}

} // namespace
} // namespace weft::policy
