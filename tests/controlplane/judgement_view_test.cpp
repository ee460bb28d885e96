// SPDX-License-Identifier: BSD-3-Clause
// What policies say of connections, as the API shows it.
#include <gtest/gtest.h>

#include "controlplane/judgement_view.hpp"

namespace weft::agent {
namespace {

using policy::Action;
using policy::Standing;

TEST(JudgementView, ShowsRulesAndWhatBecomesOfThem) {
    const policy::Policy lock{.name = {policy::Kind::cluster_network_policy, "", "lock"},
                              .tier = policy::Tier::admin,
                              .priority = 7,
                              .subject = {},
                              .ingress = {},
                              .egress = {}};
    policy::ConnectionJudgement judgement;
    judgement.egress = {.selected = true, .allowed = false, .rule = "one", .audited_rule = "two", .matching = {}};
    judgement.egress.matching = {{&lock, 1, "", "zero", Action::pass, Standing::audited},
                                 {&lock, 2, "named", "one", Action::deny, Standing::decides}};
    const v1::ExplainPolicyReply reply = to_api(judgement);
    EXPECT_FALSE(reply.allowed());
    EXPECT_TRUE(reply.ingress().allowed());
    EXPECT_FALSE(reply.ingress().selected());
    const v1::PolicyJudgement& egress = reply.egress();
    EXPECT_TRUE(egress.selected());
    EXPECT_FALSE(egress.allowed());
    EXPECT_EQ(egress.rule(), "one");
    EXPECT_EQ(egress.audited_rule(), "two");
    ASSERT_EQ(egress.rules_size(), 2);
    EXPECT_EQ(egress.rules(0).action(), "pass");
    EXPECT_EQ(egress.rules(0).why(), "audit: not enforced");
    EXPECT_FALSE(egress.rules(0).decides());
    const v1::MatchingRule& rule = egress.rules(1);
    EXPECT_EQ(rule.policy(), "cnp:lock");
    EXPECT_EQ(rule.tier(), "admin");
    EXPECT_EQ(rule.priority(), 7U);
    EXPECT_EQ(rule.number(), 2U);
    EXPECT_EQ(rule.name(), "named");
    EXPECT_EQ(rule.text(), "one");
    EXPECT_EQ(rule.action(), "deny");
    EXPECT_TRUE(rule.decides());
    EXPECT_EQ(rule.why(), "");
}

TEST(JudgementView, TheRulesThatDecideAreThoseOfTheVerdict) {
    policy::ConnectionJudgement judgement;
    judgement.egress = {.selected = true, .allowed = true, .rule = "lets out", .audited_rule = {}, .matching = {}};
    judgement.ingress = {.selected = true, .allowed = true, .rule = "lets in", .audited_rule = {}, .matching = {}};
    EXPECT_EQ(judgement.rules(), (std::vector<std::string>{"lets out", "lets in"}));
    judgement.ingress.allowed = false;
    EXPECT_EQ(judgement.rules(), std::vector<std::string>{"lets in"});
    judgement.ingress.rule.clear();
    judgement.ingress.allowed = true;
    EXPECT_EQ(judgement.rules(), std::vector<std::string>{"lets out"});
}

TEST(JudgementView, AnExpectationIsOfTheVerdictAndItsReason) {
    policy::ConnectionJudgement judgement;
    judgement.ingress.allowed = false;
    judgement.ingress.rule = "ingress isolation of shop/web";
    const auto tested = [&](bool allowed, const char* because) {
        v1::TestPolicyReply reply;
        add_tested(reply,
                   {.where = "expect[3] (line 5)",
                    .from = "a",
                    .to = "b",
                    .network = "blue",
                    .protocol = "tcp",
                    .port = 80,
                    .allowed = allowed,
                    .because = because},
                   judgement);
        return reply;
    };
    EXPECT_EQ(tested(false, "").ok(), 1U);
    EXPECT_EQ(tested(false, "shop/web").ok(), 1U);
    EXPECT_EQ(tested(false, "shop/db").wrong(), 1U);
    EXPECT_EQ(tested(false, "shop/db").ok(), 0U);
    EXPECT_EQ(tested(true, "").wrong(), 1U);
    const v1::TestedConnection connection = tested(true, "shop/web").connections(0);
    EXPECT_FALSE(connection.ok());
    EXPECT_EQ(connection.expected(), "allow");
    EXPECT_EQ(connection.verdict(), "deny");
    ASSERT_EQ(connection.rules_size(), 1);
    EXPECT_EQ(connection.rules(0), "ingress isolation of shop/web");
    EXPECT_EQ(connection.where(), "expect[3] (line 5)");
    EXPECT_EQ(connection.network(), "blue");
    EXPECT_EQ(connection.port(), 80U);
    judgement.ingress = {};
    EXPECT_EQ(tested(true, "").ok(), 1U);
    EXPECT_EQ(tested(true, "shop/web").wrong(), 1U) << "no rule decides";
}

TEST(JudgementView, ChangesOfTheSameRulesAreOne) {
    const auto at = [](std::uint16_t port) {
        return policy::PortSpan{policy::port_point(6, port), policy::port_point(6, port)};
    };
    const policy::PolicyChange change{
        .side = policy::Side::egress,
        .endpoints = {"web-1", "web-2"},
        .peer = {},
        .spans = {{at(80), true, "old", "new"}, {at(81), false, "new", "old"}, {at(443), true, "old", "new"}}};
    v1::DiffPolicyReply reply;
    add_change(reply, change, {"app=db"});
    ASSERT_EQ(reply.changes_size(), 2);
    const v1::PolicyChange& gain = reply.changes(0);
    EXPECT_EQ(gain.direction(), "egress");
    EXPECT_EQ(gain.endpoints_size(), 2);
    EXPECT_EQ(gain.peer(0), "app=db");
    EXPECT_TRUE(gain.allowed());
    EXPECT_EQ(gain.rule_before(), "old");
    EXPECT_EQ(gain.rule_after(), "new");
    ASSERT_EQ(gain.ports_size(), 2);
    EXPECT_EQ(gain.ports(0), "tcp 80");
    EXPECT_EQ(gain.ports(1), "tcp 443");
    EXPECT_FALSE(reply.changes(1).allowed());
    for (int i = 0; i < changes_max; ++i)
        add_change(reply, change, {});
    EXPECT_EQ(reply.changes_size(), changes_max);
    EXPECT_EQ(reply.more(), static_cast<std::uint64_t>(changes_max) + 2);
}

} // namespace
} // namespace weft::agent
