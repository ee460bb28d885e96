// SPDX-License-Identifier: BSD-3-Clause
// What `weft policy` tells of what policies say, word for word.
#include <fstream>

#include <gtest/gtest.h>

#include "tests/tools/ctl/canned_agent.hpp"
#include "tests/tools/ctl/run_cli.hpp"

namespace weft::ctl {
namespace {

class PolicyVerbs : public testing::Test {
  protected:
    [[nodiscard]] Ended weft(const Words& words, const std::string& input = {}) const {
        return run_at(agent.socket(), words, input);
    }

    CannedAgent agent;
};

void add_rule(v1::PolicyJudgement& end, const char* policy, const char* tier, unsigned number, const char* action,
              const char* why) {
    auto& rule = *end.add_rules();
    rule.set_policy(policy);
    rule.set_tier(tier);
    rule.set_number(number);
    rule.set_action(action);
    rule.set_decides(*why == '\0');
    rule.set_why(why);
}

TEST_F(PolicyVerbs, ExplainShowsWhichRuleDecidesAndWhichLose) {
    auto& egress = *agent.policy_explanation.mutable_egress();
    egress.set_address("10.244.0.2");
    egress.set_endpoint("web-1");
    egress.set_place("here");
    egress.add_labels("app=web");
    egress.set_allowed(true);
    auto& ingress = *agent.policy_explanation.mutable_ingress();
    ingress.set_address("10.244.1.7");
    ingress.set_place("remote");
    ingress.set_vtep("192.0.2.2");
    ingress.set_selected(true);
    ingress.set_rule("ingress rule 2 (others) of cnp:lock");
    ingress.set_audited_rule("ingress rule 1 of cnp:trial");
    add_rule(ingress, "cnp:trial", "admin", 1, "allow", "audit: not enforced");
    ingress.mutable_rules(0)->set_priority(3);
    add_rule(ingress, "cnp:lock", "admin", 2, "deny", "");
    ingress.mutable_rules(1)->set_priority(10);
    ingress.mutable_rules(1)->set_name("others");
    add_rule(ingress, "default/db", "network_policy", 0, "deny", "lower tier");
    const Ended denied = weft({"policy", "explain", "web-1", "10.244.1.7", "tcp", "5432"});
    EXPECT_EQ(denied.exit, Exit::denied) << denied.err;
    EXPECT_EQ(denied.out,
              "web-1 to 10.244.1.7, tcp port 5432\n"
              "\n"
              "egress of web-1 10.244.0.2 (app=web)\n"
              "allowed: no policy selects it\n"
              "\n"
              "ingress of 10.244.1.7; of another host (VTEP 192.0.2.2), which decides by the policies applied there\n"
              "denied: ingress rule 2 (others) of cnp:lock\n"
              "audit: would be allowed if audited policies were enforced: ingress rule 1 of cnp:trial\n"
              "TIER     PRIORITY  POLICY      RULE        ACTION  WHAT BECOMES OF IT\n"
              "admin           3  cnp:trial   1           allow   audit: not enforced\n"
              "admin          10  cnp:lock    2 (others)  deny    decides\n"
              "network         -  default/db  isolation   deny    lower tier\n"
              "\n"
              "denied\n");
    EXPECT_EQ(agent.explain_asked.destination(), "10.244.1.7");
    EXPECT_EQ(agent.explain_asked.port(), 5432U);
    const Ended json = weft({"policy", "explain", "web-1", "10.244.1.7", "--network", "blue", "-o", "json"});
    EXPECT_EQ(json.exit, Exit::denied);
    EXPECT_EQ(json.json()["ingress"]["rules"][1]["decides"], true);
    EXPECT_EQ(agent.explain_asked.network(), "blue");
    agent.policy_explanation.set_allowed(true);
    EXPECT_EQ(weft({"policy", "explain", "web-1", "web-2"}).exit, Exit::ok);
    EXPECT_EQ(weft({"policy", "explain", "web-1", "web-2", "tcp"}).exit, Exit::usage);
    EXPECT_EQ(weft({"policy", "explain", "web-1"}).exit, Exit::usage);
}

TEST_F(PolicyVerbs, ExplainShowsWhatTheHostIsAllowedBeforeAllTiers) {
    auto& ingress = *agent.policy_explanation.mutable_ingress();
    ingress.set_allowed(true);
    ingress.set_rule("host access");
    auto& rule = *ingress.add_rules();
    rule.set_text("host access");
    rule.set_action("allow");
    rule.set_decides(true);
    add_rule(ingress, "shop/web", "network_policy", 0, "deny", "lower tier");
    agent.policy_explanation.set_allowed(true);
    const std::string out = weft({"policy", "explain", "host", "web-1"}).out;
    EXPECT_NE(out.find("TIER     POLICY    RULE         ACTION  WHAT BECOMES OF IT\n"
                       "host     -         host access  allow   decides\n"
                       "network  shop/web  isolation    deny    lower tier\n"),
              std::string::npos)
        << out;
}

TEST_F(PolicyVerbs, ListIsInTheOrderInWhichPoliciesAreAsked) {
    const auto add = [&](const char* kind, const char* tier, const char* prefix, const char* name) {
        v1::Policy policy;
        policy.set_kind(kind);
        policy.set_tier(tier);
        policy.set_name(name);
        policy.set_full_name(std::string(prefix) + name);
        if (std::string_view(prefix).ends_with('/')) policy.set_namespace_("shop");
        agent.policies.push_back(policy);
    };
    // As the agent tells them: by kind, namespace and name.
    add("NetworkPolicy", "network_policy", "shop/", "web-10");
    add("NetworkPolicy", "network_policy", "shop/", "web-9");
    add("ClusterNetworkPolicy", "admin", "cnp:", "lock-10");
    add("ClusterNetworkPolicy", "admin", "cnp:", "lock-9");
    add("AdminNetworkPolicy", "admin", "anp:", "a");
    std::vector<std::string> names;
    const Ended listed = weft({"policy", "list", "-o", "json"});
    const auto json = listed.json();
    for (const auto& policy : json["policies"])
        names.push_back(policy["full_name"]);
    EXPECT_EQ(names, (std::vector<std::string>{"cnp:lock-10", "cnp:lock-9", "anp:a", "shop/web-9", "shop/web-10"}));
}

v1::TestedConnection tested(const char* from, std::uint32_t port, bool ok, const char* verdict) {
    v1::TestedConnection made;
    made.set_from(from);
    made.set_to("web-1");
    made.set_protocol(port == 0 ? "" : "tcp");
    made.set_port(port);
    made.set_expected("allow");
    made.set_ok(ok);
    made.set_verdict(verdict);
    made.set_where("expect[0] (line 2)");
    return made;
}

TEST_F(PolicyVerbs, TestTellsEachExpectation) {
    *agent.tested.add_connections() = tested("client-1", 80, true, "allow");
    agent.tested.mutable_connections(0)->add_rules("egress rule 1 of shop/out");
    agent.tested.mutable_connections(0)->add_rules("ingress rule 1 of shop/web");
    *agent.tested.add_connections() = tested("client-2", 0, true, "allow");
    agent.tested.set_ok(2);
    const Ended ok = weft({"policy", "test", "-f", "-"}, "expect: []\n");
    EXPECT_EQ(ok.exit, Exit::ok) << ok.err;
    EXPECT_EQ(ok.out,
              "    CONNECTION                      VERDICT  DECIDED BY                                             "
              "WHERE\n"
              "ok  client-1 to web-1, tcp port 80  allow    egress rule 1 of shop/out; ingress rule 1 of shop/web  "
              "expect[0] (line 2)\n"
              "ok  client-2 to web-1, ping         allow    no rule decides                                        "
              "expect[0] (line 2)\n"
              "2 ok, 0 wrong\n");
    EXPECT_EQ(agent.test_asked.expectations(), "expect: []\n");
    EXPECT_EQ(agent.test_asked.policies(), "");
}

TEST_F(PolicyVerbs, TestFailsWhenAnythingIsWrong) {
    *agent.tested.add_connections() = tested("client-1", 80, false, "deny");
    agent.tested.mutable_connections(0)->add_rules("ingress isolation of shop/web");
    agent.tested.mutable_connections(0)->set_because("rule 1");
    agent.tested.set_wrong(1);
    const std::string policies = agent.directory() / "policies.yaml";
    std::ofstream(policies) << "kind: NetworkPolicy\n";
    const Ended wrong = weft({"policy", "test", "-f", "-", "--with", policies}, "expect: []\n");
    EXPECT_EQ(wrong.exit, Exit::wrong) << wrong.err;
    EXPECT_NE(wrong.out.find("EXPECTED"), std::string::npos) << wrong.out;
    EXPECT_NE(wrong.out.find("allow because rule 1"), std::string::npos) << wrong.out;
    EXPECT_NE(wrong.out.find("0 ok, 1 wrong\n"), std::string::npos) << wrong.out;
    EXPECT_EQ(agent.test_asked.policies(), "kind: NetworkPolicy\n");
    const Ended json = weft({"policy", "test", "-f", "-", "-o", "json"}, "expect: []\n");
    EXPECT_EQ(json.exit, Exit::wrong);
    EXPECT_EQ(json.json()["wrong"], 1);
    EXPECT_EQ(json.json()["connections"][0]["rules"][0], "ingress isolation of shop/web");
    EXPECT_EQ(weft({"policy", "test"}).exit, Exit::usage);
    EXPECT_EQ(weft({"policy", "test", "-f", "-"}, "").exit, Exit::failed);
    EXPECT_EQ(weft({"policy", "test", "-f", agent.directory() / "none.yaml"}).exit, Exit::failed);
}

TEST_F(PolicyVerbs, DiffTellsWhoGainsAndLosesWhat) {
    agent.difference.add_policies()->set_full_name("shop/web");
    agent.difference.mutable_policies(0)->set_action("changed");
    auto& change = *agent.difference.add_changes();
    change.set_direction("ingress");
    change.add_endpoints("web-1");
    change.add_endpoints("web-2");
    change.add_peer("app=client");
    change.add_ports("tcp 80");
    change.add_ports("tcp 443");
    change.set_rule_before("ingress rule 1 of shop/web");
    const Ended loses = weft({"policy", "diff", "-f", "-"}, "kind: NetworkPolicy\n");
    EXPECT_EQ(loses.exit, Exit::ok) << loses.err;
    EXPECT_EQ(loses.out,
              "shop/web: changed\n"
              "\n"
              "DIRECTION  ENDPOINTS HERE  PEER               WHAT             BEFORE                      AFTER\n"
              "ingress    web-1, web-2    app=client  loses  tcp 80, tcp 443  ingress rule 1 of shop/web  no rule\n"
              "0 gains, 1 loss\n");
    EXPECT_EQ(agent.diff_asked.yaml(), "kind: NetworkPolicy\n");
    EXPECT_EQ(weft({"policy", "diff", "-f", "-", "-o", "json"}, "x").json()["changes"][0]["ports"][1], "tcp 443");
    agent.difference.set_more(7);
    EXPECT_NE(weft({"policy", "diff", "-f", "-"}, "x").out.find("7 more"), std::string::npos);
    agent.difference.clear_changes();
    agent.difference.clear_more();
    EXPECT_EQ(weft({"policy", "diff", "-f", "-"}, "x").out,
              "shop/web: changed\n\nnothing changes between endpoints of this host and peers that it knows\n");
    EXPECT_EQ(weft({"policy", "diff"}).exit, Exit::usage);
}

} // namespace
} // namespace weft::ctl
