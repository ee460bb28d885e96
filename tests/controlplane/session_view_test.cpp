// SPDX-License-Identifier: BSD-3-Clause
// Sessions between the API and the fast path: names there, numbers here.
#include <gtest/gtest.h>

#include "controlplane/session_view.hpp"
#include "dataplane/pipeline/wire.h"

namespace weft::agent {
namespace {

class SessionView : public testing::Test {
  protected:
    SessionView() {
        networks[0].name = "default";
        networks[0].vni = net::Vni::make(4000).value();
        v1::Endpoint& web = endpoints["web"];
        web.set_name("web");
        web.set_vni(4000);
        web.set_port(3);
        web.add_addresses("10.244.0.2");
        web.add_addresses("fd00::2");
        names.networks = {{4000, "default"}};
        names.ports = {{3, "web"}};
        names.endpoints = {{{4000, "10.244.0.2"}, "web"}};
        names.rule = [](std::uint32_t rule) { return "rule " + std::to_string(rule); };
    }

    [[nodiscard]] Result<fastpath::SessionFilter> resolve(const v1::SessionFilter& filter) const {
        return resolve_sessions(filter, networks, endpoints);
    }

    [[nodiscard]] std::string refusal(const v1::SessionFilter& filter) const {
        const auto resolved = resolve(filter);
        return resolved ? "none" : resolved.error().message;
    }

    std::array<NetworkSettings, 1> networks;
    std::map<std::string, v1::Endpoint> endpoints;
    HostNames names;
};

TEST_F(SessionView, endpoint_is_its_addresses_and_its_network) {
    v1::SessionFilter filter;
    filter.add_ends("web");
    filter.add_ends("10.244.1.0/24");
    const auto resolved = resolve(filter);
    ASSERT_TRUE(resolved) << resolved.error().message;
    ASSERT_EQ(resolved->ends_size(), 2);
    EXPECT_EQ(resolved->ends(0).port(), 0U) << "sessions know no ports";
    ASSERT_EQ(resolved->ends(0).prefixes_size(), 2);
    EXPECT_EQ(resolved->ends(0).prefixes(0).address(), std::string("\x0a\xf4\x00\x02", 4));
    EXPECT_EQ(resolved->ends(0).prefixes(1).length(), 128U);
    EXPECT_EQ(resolved->ends(1).prefixes(0).length(), 24U);
    EXPECT_EQ(resolved->vni(), 4000U);
}

TEST_F(SessionView, words_become_numbers) {
    v1::SessionFilter filter;
    filter.set_network("default");
    filter.set_protocol("udp");
    filter.set_port(53);
    const std::pair<const char*, fastpath::SessionState> states[] = {
        {"", fastpath::SESSION_STATE_ANY},
        {"new", fastpath::SESSION_STATE_NEW},
        {"established", fastpath::SESSION_STATE_ESTABLISHED},
        {"closing", fastpath::SESSION_STATE_CLOSING},
        {"closed", fastpath::SESSION_STATE_CLOSED}};
    for (const auto& [word, state] : states) {
        filter.set_state(word);
        const auto resolved = resolve(filter);
        ASSERT_TRUE(resolved) << resolved.error().message;
        EXPECT_EQ(resolved->state(), state);
        EXPECT_EQ(resolved->vni(), 4000U);
        EXPECT_EQ(resolved->protocol(), 17U);
        EXPECT_EQ(resolved->l4_port(), 53U);
    }
}

TEST_F(SessionView, what_cannot_be_is_refused_by_name) {
    v1::SessionFilter filter;
    filter.add_ends("wbe");
    EXPECT_NE(refusal(filter).find("wbe: neither an endpoint of this host"), std::string::npos) << refusal(filter);
    filter = {};
    filter.set_state("open");
    EXPECT_EQ(refusal(filter), "state open: want new, established, closing or closed");
    filter = {};
    filter.set_network("red");
    EXPECT_NE(refusal(filter).find("no network is named red"), std::string::npos) << refusal(filter);
    filter = {};
    filter.set_port(65536);
    EXPECT_NE(refusal(filter).find("port 65536"), std::string::npos) << refusal(filter);
}

TEST_F(SessionView, sessions_get_names) {
    fastpath::Session session;
    session.set_vni(4000);
    session.set_protocol(WEFT_PROTO_TCP);
    session.set_initiator(std::string("\x0a\xf4\x01\x07", 4));
    session.set_responder(std::string("\x0a\xf4\x00\x02", 4));
    session.set_initiator_port(40000);
    session.set_responder_port(80);
    session.set_state(fastpath::SESSION_STATE_CLOSING);
    session.set_idle_s(7);
    session.set_timeout_s(120);
    session.set_rule(9);
    session.set_port(3);
    const v1::Session told = to_api(session, names);
    EXPECT_EQ(told.network(), "default");
    EXPECT_EQ(told.vni(), 4000U);
    EXPECT_EQ(told.protocol(), "tcp");
    EXPECT_EQ(told.initiator(), "10.244.1.7");
    EXPECT_EQ(told.initiator_endpoint(), "");
    EXPECT_EQ(told.initiator_port(), 40000U);
    EXPECT_EQ(told.responder(), "10.244.0.2");
    EXPECT_EQ(told.responder_endpoint(), "web");
    EXPECT_EQ(told.responder_port(), 80U);
    EXPECT_EQ(told.state(), "closing");
    EXPECT_EQ(told.idle_s(), 7U);
    EXPECT_EQ(told.timeout_s(), 120U);
    EXPECT_EQ(told.rule(), "rule 9");
    EXPECT_EQ(told.endpoint(), "web");
}

TEST_F(SessionView, without_a_rule_and_beyond_names) {
    fastpath::Session session;
    session.set_vni(5000);
    session.set_protocol(WEFT_PROTO_FRAGMENT);
    session.set_initiator(std::string("\x0a\xf4\x00\x02", 4));
    const v1::Session told = to_api(session, names);
    EXPECT_EQ(told.network(), "");
    EXPECT_EQ(told.vni(), 5000U);
    EXPECT_EQ(told.protocol(), "fragments");
    EXPECT_EQ(told.initiator_endpoint(), "") << "another network's address";
    EXPECT_EQ(told.rule(), "");
    EXPECT_EQ(told.endpoint(), "");
    session.set_protocol(47);
    EXPECT_EQ(to_api(session, names).protocol(), "47");
}

TEST_F(SessionView, endpoints_are_counted_by_name) {
    fastpath::EndpointSessions sessions;
    sessions.set_port(3);
    sessions.set_opened(5);
    sessions.set_opened_unanswered(4);
    sessions.set_accepted(3);
    sessions.set_accepted_unanswered(2);
    const v1::EndpointSessions told = to_api(sessions, names);
    EXPECT_EQ(told.endpoint(), "web");
    EXPECT_EQ(told.opened(), 5U);
    EXPECT_EQ(told.opened_unanswered(), 4U);
    EXPECT_EQ(told.accepted(), 3U);
    EXPECT_EQ(told.accepted_unanswered(), 2U);
    sessions.set_port(8);
    EXPECT_EQ(to_api(sessions, names).endpoint(), "port 8");
}

} // namespace
} // namespace weft::agent
