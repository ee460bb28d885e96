// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/expectation.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;

std::vector<Expectation> read(std::string_view yaml) {
    auto expectations = read_expectations(yaml);
    EXPECT_TRUE(expectations) << expectations.error().message;
    return expectations.value_or(std::vector<Expectation>{});
}

TEST(Expectation, SaysWhatIsExpected) {
    const auto expectations = read(R"(
expect:
- {from: web-1, to: db-1, protocol: udp, port: 53, verdict: allow, network: blue}
- {from: 203.0.113.7, to: web-1, port: 80, verdict: deny, because: default/web}
- {from: a, to: b, verdict: deny}
- {from: a, to: b, protocol: icmp, verdict: allow}
)");
    ASSERT_EQ(expectations.size(), 4U);
    EXPECT_EQ(expectations[0].where, "expect[0] (line 3)");
    EXPECT_EQ(expectations[0].from, "web-1");
    EXPECT_EQ(expectations[0].to, "db-1");
    EXPECT_EQ(expectations[0].protocol, "udp");
    EXPECT_EQ(expectations[0].port, 53U);
    EXPECT_EQ(expectations[0].network, "blue");
    EXPECT_TRUE(expectations[0].allowed);
    EXPECT_EQ(expectations[0].because, "");
    EXPECT_EQ(expectations[1].protocol, "tcp") << "a port alone is TCP's, as in a policy";
    EXPECT_FALSE(expectations[1].allowed);
    EXPECT_EQ(expectations[1].because, "default/web");
    EXPECT_EQ(expectations[2].protocol, "");
    EXPECT_EQ(expectations[3].protocol, "icmp");
}

TEST(Expectation, ListsMeanEveryCombination) {
    const auto expectations = read("expect: [{from: [a, b], to: [c, d], port: [80, 443], verdict: allow}]");
    std::string all;
    for (const Expectation& each : expectations)
        all += fmt::format("{}>{}:{} ", each.from, each.to, each.port);
    EXPECT_EQ(all, "a>c:80 a>c:443 a>d:80 a>d:443 b>c:80 b>c:443 b>d:80 b>d:443 ");
}

TEST(Expectation, WhatIsWrongIsRefusedByItsPath) {
    const std::pair<std::string, const char*> cases[]{
        {"", "nothing is expected"},
        {"expect: []", "nothing is expected"},
        {"expects: []", "expects: unknown field"},
        {"expect: [{from: a, to: b, verdict: allow, when: x}]", "expect[0].when: unknown field"},
        {"expect: [{to: b, verdict: allow}]", "expect[0].from: missing"},
        {"expect: [{from: [], to: b, verdict: allow}]", "expect[0].from: an empty list expects nothing"},
        {"expect: [{from: a, to: b}]", "expect[0].verdict: want allow or deny"},
        {"expect: [{from: a, to: b, verdict: allowed}]", "expect[0].verdict: want allow or deny"},
        {"expect: [{from: a, to: b, port: 0, verdict: deny}]", "expect[0].port: "},
        {"expect: [{from: a, to: b, port: [80, x], verdict: deny}]", "expect[0].port[1]: "},
        {"expect: [{from: a, to: b, protocol: tcp, verdict: deny}]", "expect[0].port: "},
        {"expect: [{from: a, to: b, protocol: icmp, port: 8, verdict: deny}]", "expect[0].port: icmp has no ports"},
        {"expect: [{from: a, to: b, protocol: TCP, port: 8, verdict: deny}]", "expect[0].protocol: want tcp"},
        {"expect: [deny]", "expect[0]: want a map"},
        {"expect: [null]", "expect[0]"},
        {"- a", "want a map"},
        {"expect: &x [*x]", "alias"},
    };
    for (const auto& [yaml, error] : cases) {
        const auto refused = read_expectations(yaml);
        ASSERT_FALSE(refused) << yaml;
        EXPECT_THAT(refused.error().message, HasSubstr(error)) << yaml;
    }
}

TEST(Expectation, CombinationsAreBounded) {
    std::string ports = "1";
    for (unsigned port = 2; port <= 2000; ++port)
        ports += fmt::format(", {}", port);
    const auto text = [&](const char* to) {
        return fmt::format("expect: [{{from: a, to: {}, port: [{}], verdict: deny}}]", to, ports);
    };
    EXPECT_EQ(read(text("[b, c, d, e, f]")).size(), expectations_max);
    const auto refused = read_expectations(text("[b, c, d, e, f, g]"));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("expect[0]: more than 10000 connections"));
}

} // namespace
} // namespace weft::policy
