// SPDX-License-Identifier: BSD-3-Clause
// weft session against an agent with canned sessions: what it asks, what it prints, and what it refuses to end.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/tools/ctl/canned_agent.hpp"
#include "tests/tools/ctl/run_cli.hpp"

namespace weft::ctl {
namespace {

v1::Session session(const std::string& initiator, std::uint32_t port, const std::string& responder,
                    const std::string& protocol = "tcp") {
    v1::Session made;
    made.set_network("default");
    made.set_vni(4000);
    made.set_protocol(protocol);
    made.set_initiator(initiator);
    made.set_initiator_port(port);
    made.set_responder(responder);
    made.set_responder_port(80);
    made.set_state("established");
    made.set_idle_s(5);
    made.set_timeout_s(7200);
    return made;
}

v1::ListSessionsReply part(const std::vector<v1::Session>& sessions, std::uint64_t matched = 0) {
    v1::ListSessionsReply made;
    made.mutable_sessions()->Assign(sessions.begin(), sessions.end());
    made.set_matched(matched);
    return made;
}

class SessionCommand : public testing::Test {
  protected:
    Ended weft(const Words& words) { return run_at(agent.socket(), words); }

    CannedAgent agent;
};

TEST_F(SessionCommand, ListIsSortedWhateverPartsItComesIn) {
    v1::Session named = session("10.244.0.2", 40000, "10.244.1.7");
    named.set_initiator_endpoint("web");
    named.set_rule("egress rule 1 of default/web");
    v1::Session ping = session("fd00::2", 7, "fd00::7", "icmpv6");
    ping.set_state("new");
    ping.set_timeout_s(30);
    v1::Session silent = session("10.244.0.10", 40000, "10.244.1.7");
    silent.set_state("closed");
    silent.set_idle_s(11);
    silent.set_timeout_s(10);
    v1::Session blue = session("10.244.0.1", 40000, "10.244.1.7");
    blue.set_network("blue");
    agent.sessions = {part({ping, silent}), part({named, blue}), part({}, 4)};
    const Ended ended = weft({"session", "list"});
    const auto row = [](auto... cells) {
        return fmt::format("{:7}  {:11}  {:11}  {:22}  {:13}  {:>4}  {:>7}  {}\n", cells...);
    };
    EXPECT_EQ(ended.out,
              row("NETWORK", "STATE", "PROTOCOL", "INITIATOR", "RESPONDER", "IDLE", "ENDS IN", "RULE") +
                  row("blue", "established", "tcp", "10.244.0.1:40000", "10.244.1.7:80", "5s", "1h 59m", "-") +
                  row("default", "established", "tcp", "10.244.0.2:40000 (web)", "10.244.1.7:80", "5s", "1h 59m",
                      "egress rule 1 of default/web") +
                  row("default", "closed", "tcp", "10.244.0.10:40000", "10.244.1.7:80", "11s", "0s", "-") +
                  row("default", "new", "icmpv6 id 7", "fd00::2", "fd00::7", "5s", "25s", "-"));
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.exit, Exit::ok);
}

TEST_F(SessionCommand, PortsOfIpv6StandBehindBrackets) {
    agent.sessions = {part({session("fd00::2", 40000, "fd00::7", "udp")}, 1)};
    EXPECT_NE(weft({"session", "list"}).out.find("[fd00::2]:40000  [fd00::7]:80"), std::string::npos);
}

TEST_F(SessionCommand, FiltersAreAsked) {
    const Words filters{"web", "10.244.1.0/24", "--port", "80",      "--protocol",
                        "tcp", "--network",     "blue",   "--state", "new"};
    const auto ask = [&](const char* verb) {
        Words words{"session", verb};
        words.insert(words.end(), filters.begin(), filters.end());
        const Ended ended = weft(words);
        EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    };
    for (const char* const verb : {"list", "count", "flush"})
        ask(verb);
    EXPECT_EQ(agent.sessions_asked.most(), 0U);
    ASSERT_TRUE(agent.flush_asked);
    for (const v1::SessionFilter& asked : {agent.sessions_asked.filter(), agent.counted, *agent.flush_asked}) {
        ASSERT_EQ(asked.ends_size(), 2);
        EXPECT_EQ(asked.ends(0), "web");
        EXPECT_EQ(asked.ends(1), "10.244.1.0/24");
        EXPECT_EQ(asked.port(), 80U);
        EXPECT_EQ(asked.protocol(), "tcp");
        EXPECT_EQ(asked.network(), "blue");
        EXPECT_EQ(asked.state(), "new");
    }
}

TEST_F(SessionCommand, WhatIsLeftOutIsSaid) {
    agent.sessions = {part({session("10.244.0.2", 1, "10.244.1.7")}, 5000)};
    const Ended ended = weft({"session", "list", "--most", "1"});
    EXPECT_EQ(agent.sessions_asked.most(), 1U);
    EXPECT_EQ(ended.err, "1 of 5000 sessions; --most says how many\n");
    agent.sessions = {part({})};
    const Ended none = weft({"session", "list"});
    EXPECT_EQ(none.out, "");
    EXPECT_EQ(none.err, "no sessions\n");
    EXPECT_EQ(none.exit, Exit::ok);
}

TEST_F(SessionCommand, JsonIsOneDocumentWithASessionOnEachLine) {
    agent.sessions = {part({session("10.244.0.3", 1, "10.244.1.7"), session("10.244.0.2", 1, "10.244.1.7")}, 7)};
    const Ended ended = weft({"session", "list", "-o", "json"});
    const Json json = ended.json();
    EXPECT_EQ(json["matched"], 7);
    ASSERT_EQ(json["sessions"].size(), 2U);
    EXPECT_EQ(json["sessions"][0]["initiator"], "10.244.0.2");
    EXPECT_EQ(json["sessions"][0]["rule"], "");
    EXPECT_EQ(json["sessions"][1]["timeout_s"], 7200);
    EXPECT_EQ(std::ranges::count(ended.out, '\n'), 7) << ended.out;
    EXPECT_EQ(ended.err, "");
    agent.sessions = {part({})};
    EXPECT_EQ(weft({"session", "list", "-o", "json"}).json(), Json::parse(R"({"sessions": [], "matched": 0})"));
}

TEST_F(SessionCommand, CountIsOfTheTableAndOfEachEndpoint) {
    agent.session_counts.set_matched(12);
    agent.session_counts.set_used(131072);
    agent.session_counts.set_capacity(262144);
    EXPECT_EQ(weft({"session", "count"}).out, "matched   12\n"
                                              "used      131072\n"
                                              "capacity  262144\n"
                                              "full      50 %\n");
    agent.session_counts.set_quota(1000);
    agent.session_counts.set_unanswered_quota(100);
    for (const char* const name : {"web-10", "web-2"}) {
        auto& endpoint = *agent.session_counts.add_endpoints();
        endpoint.set_endpoint(name);
        endpoint.set_opened(500);
        endpoint.set_opened_unanswered(90);
        endpoint.set_accepted(20);
    }
    agent.session_counts.mutable_endpoints(1)->set_opened_unanswered(0);
    EXPECT_EQ(weft({"session", "count"}).out, "matched     12\n"
                                              "used        131072\n"
                                              "capacity    262144\n"
                                              "full        50 %\n"
                                              "quota       1000 opened by, and 1000 accepted by each endpoint\n"
                                              "unanswered  100 of these at most\n"
                                              "\n"
                                              "ENDPOINT  OPENED  UNANSWERED  ACCEPTED  UNANSWERED  FULL\n"
                                              "web-2        500           0        20           0  50 %\n"
                                              "web-10       500          90        20           0  90 %\n");
    const Json json = weft({"session", "count", "-o", "json"}).json();
    EXPECT_EQ(json["used"], 131072);
    EXPECT_EQ(json["endpoints"][0]["endpoint"], "web-2");
}

TEST_F(SessionCommand, FlushSaysHowMany) {
    agent.flushed = 3;
    EXPECT_EQ(weft({"session", "flush", "web"}).out, "3 sessions flushed\n");
    EXPECT_EQ(weft({"session", "flush", "--all"}).out, "3 sessions flushed\n");
    EXPECT_EQ(agent.flush_asked->ByteSizeLong(), 0U);
    agent.flushed = 1;
    EXPECT_EQ(weft({"session", "flush", "--state", "new"}).out, "1 session flushed\n");
    EXPECT_EQ(weft({"session", "flush", "--all", "-o", "json"}).json(), Json::parse(R"({"flushed": 1})"));
}

TEST_F(SessionCommand, WrongWordsAreRefusedBeforeAnythingIsAsked) {
    const std::pair<Words, const char*> cases[] = {
        {{"session", "flush"}, "session flush needs an END or another filter, or --all"},
        {{"session", "flush", "web", "--all"}, "--all ends every session: leave it out, or the filters"},
        {{"session", "list", "a", "b", "c"}, "'c' is one END too many"},
        {{"session", "list", "--state", "open"}, "open"},
        {{"session", "list", "--most", "0"}, "--most '0' is not a number from 1"},
        {{"session", "count", "--port", "65536"}, "--port '65536' is not a number from 1 to 65535"},
    };
    for (const auto& [words, says] : cases) {
        const Ended ended = weft(words);
        EXPECT_EQ(ended.exit, Exit::usage) << words.back();
        EXPECT_NE(ended.err.find(says), std::string::npos) << ended.err;
    }
    EXPECT_FALSE(agent.flush_asked);
}

TEST_F(SessionCommand, RefusalsAreTheAgents) {
    agent.refusal = {grpc::StatusCode::NOT_FOUND, "wbe: neither an endpoint of this host nor an address"};
    for (const char* const verb : {"list", "count", "flush"}) {
        const Ended ended = weft({"session", verb, "wbe"});
        EXPECT_EQ(ended.exit, Exit::failed);
        EXPECT_NE(ended.err.find("wbe: neither"), std::string::npos) << ended.err;
        EXPECT_EQ(ended.out, "");
    }
}

} // namespace
} // namespace weft::ctl
