// SPDX-License-Identifier: BSD-3-Clause
// Which sessions a filter means, and how they are told.
#include <functional>

#include <gtest/gtest.h>

#include "dataplane/api/session_matcher.hpp"
#include "dataplane/api/session_wire.hpp"

namespace weft::fastpath {
namespace {

constexpr std::uint32_t now_s = 1000;

const std::string web_v4({10, 0, 0, 2});
const std::string db_v4({10, 0, 1, 7});
const std::string web_v6 = std::string("\xfd") + std::string(14, '\0') + "\x02";
const std::string db_v6 = std::string("\xfd") + std::string(14, '\0') + "\x07";

weft_address address(const std::string& bytes) {
    const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return bytes.size() == 4 ? weft_address_v4(at) : weft_address_v6(at);
}

/// A session as the pipeline keeps it.
struct Kept {
    weft_session_key key{};
    weft_session_value value{};

    [[nodiscard]] bool is_meant_by(const SessionFilter& filter) const {
        const auto matcher = SessionMatcher::make(filter);
        EXPECT_TRUE(matcher) << matcher.error().message;
        return matcher && matcher->matches(key, value, now_s);
    }
};

struct Flow {
    std::string initiator;
    std::string responder;
    std::uint16_t initiator_port = 40000;
    std::uint16_t responder_port = 80;
    std::uint8_t protocol = WEFT_PROTO_TCP;
    std::uint32_t vni = 4000;
};

Kept session_of(const Flow& flow) {
    weft_ip ip{};
    ip.source = address(flow.initiator);
    ip.destination = address(flow.responder);
    ip.source_port = __builtin_bswap16(flow.initiator_port);
    ip.destination_port = __builtin_bswap16(flow.responder_port);
    ip.protocol = flow.protocol;
    Kept kept;
    const int from_low = weft_session_key_of(&ip, flow.vni, &kept.key);
    kept.value.flags = from_low != 0 ? WEFT_SESSION_INITIATOR_LOW : 0;
    kept.value.state = WEFT_SESSION_ESTABLISHED;
    kept.value.last_seen_s = now_s - 5;
    kept.value.rule = 9;
    return kept;
}

void add_end(SessionFilter& filter, const std::string& bytes, std::uint32_t length) {
    auto& prefix = *filter.add_ends()->add_prefixes();
    prefix.set_address(bytes);
    prefix.set_length(length);
}

SessionFilter between(const std::string& a, const std::string& b) {
    SessionFilter filter;
    add_end(filter, a, static_cast<std::uint32_t>(8 * a.size()));
    add_end(filter, b, static_cast<std::uint32_t>(8 * b.size()));
    return filter;
}

class SessionsOfAFamily : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(SessionsOfAFamily, EndsAreMetWhoeverOpenedIt) {
    const auto& [web, db] = GetParam();
    const std::string other = web.size() == 4 ? std::string({10, 0, 0, 3}) : web_v6.substr(0, 15) + "\x03";
    SessionFilter of_web;
    add_end(of_web, web, static_cast<std::uint32_t>(8 * web.size()));
    for (const Kept& session : {session_of({web, db}), session_of({db, web})}) {
        EXPECT_TRUE(session.is_meant_by({}));
        EXPECT_TRUE(session.is_meant_by(of_web));
        EXPECT_TRUE(session.is_meant_by(between(web, db)));
        EXPECT_TRUE(session.is_meant_by(between(db, web)));
        EXPECT_FALSE(session.is_meant_by(between(web, other)));
        EXPECT_FALSE(session.is_meant_by(between(web, web))) << "one end is not both";
    }
    EXPECT_FALSE(session_of({other, db}).is_meant_by(of_web));
}

INSTANTIATE_TEST_SUITE_P(Of, SessionsOfAFamily, testing::Values(std::pair(web_v4, db_v4), std::pair(web_v6, db_v6)),
                         [](const auto& info) {
                             return info.param.first.size() == 4 ? std::string("Ipv4") : std::string("Ipv6");
                         });

TEST(SessionMatcher, EndIsAnyOfItsPrefixes) {
    SessionFilter filter;
    auto& end = *filter.add_ends();
    for (const auto& [bytes, length] : {std::pair(std::string({10, 0, 0, 0}), 24U), {web_v6, 128U}}) {
        auto& prefix = *end.add_prefixes();
        prefix.set_address(bytes);
        prefix.set_length(length);
    }
    EXPECT_TRUE(session_of({web_v4, db_v4}).is_meant_by(filter));
    EXPECT_TRUE(session_of({db_v6, web_v6}).is_meant_by(filter));
    EXPECT_FALSE(session_of({db_v6, db_v6}).is_meant_by(filter));
    EXPECT_FALSE(session_of({db_v4, db_v4}).is_meant_by(filter));
}

TEST(SessionMatcher, PrefixesOfAWholeFamilyMeanThatFamily) {
    SessionFilter filter;
    add_end(filter, std::string(4, '\0'), 0);
    EXPECT_TRUE(session_of({web_v4, db_v4}).is_meant_by(filter));
    EXPECT_FALSE(session_of({web_v6, db_v6}).is_meant_by(filter));
}

TEST(SessionMatcher, EachFieldNarrows) {
    const Kept session = session_of({web_v4, db_v4});
    const auto narrowed = [&](const std::function<void(SessionFilter&)>& set) {
        SessionFilter filter;
        set(filter);
        return session.is_meant_by(filter);
    };
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_vni(4000); }));
    EXPECT_FALSE(narrowed([](auto& filter) { filter.set_vni(4001); }));
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_l4_port(80); }));
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_l4_port(40000); }));
    EXPECT_FALSE(narrowed([](auto& filter) { filter.set_l4_port(81); }));
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_protocol(WEFT_PROTO_TCP); }));
    EXPECT_FALSE(narrowed([](auto& filter) { filter.set_protocol(WEFT_PROTO_UDP); }));
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_state(SESSION_STATE_ESTABLISHED); }));
    EXPECT_FALSE(narrowed([](auto& filter) { filter.set_state(SESSION_STATE_NEW); }));
    EXPECT_TRUE(narrowed([](auto& filter) { filter.set_rule(9); }));
    EXPECT_FALSE(narrowed([](auto& filter) { filter.set_rule(8); }));
    EXPECT_FALSE(narrowed([](auto& filter) {
        filter.set_rule(9);
        filter.set_vni(4001);
    })) << "all must match";
}

TEST(SessionMatcher, PortsAreThoseOfProtocolsThatHaveThem) {
    SessionFilter filter;
    filter.set_l4_port(80);
    Flow flow{web_v4, db_v4};
    for (const std::uint8_t protocol : {WEFT_PROTO_TCP, WEFT_PROTO_UDP, WEFT_PROTO_SCTP}) {
        flow.protocol = protocol;
        EXPECT_TRUE(session_of(flow).is_meant_by(filter)) << int{protocol};
    }
    for (const std::uint8_t protocol : {WEFT_PROTO_ICMP, WEFT_PROTO_FRAGMENT}) {
        flow.protocol = protocol;
        EXPECT_FALSE(session_of(flow).is_meant_by(filter)) << int{protocol};
    }
}

TEST(SessionMatcher, IcmpIsThatOfBothFamilies) {
    SessionFilter filter;
    filter.set_protocol(WEFT_PROTO_ICMP);
    Flow flow{.initiator = web_v6, .responder = db_v6, .protocol = WEFT_PROTO_ICMPV6};
    EXPECT_TRUE(session_of(flow).is_meant_by(filter));
    filter.set_protocol(WEFT_PROTO_ICMPV6);
    EXPECT_TRUE(session_of(flow).is_meant_by(filter));
    flow.protocol = WEFT_PROTO_ICMP;
    EXPECT_FALSE(session_of(flow).is_meant_by(filter));
}

TEST(SessionMatcher, OneThatIsOverIsNone) {
    Kept session = session_of({web_v4, db_v4});
    session.value.last_seen_s = now_s - weft_session_timeout_s(WEFT_PROTO_TCP, WEFT_SESSION_ESTABLISHED);
    EXPECT_TRUE(session.is_meant_by({}));
    --session.value.last_seen_s;
    EXPECT_FALSE(session.is_meant_by({}));
}

TEST(SessionMatcher, WhatCannotBeIsRefused) {
    using Spoil = std::function<void(SessionFilter&)>;
    const std::pair<const char*, Spoil> cases[] = {
        {"2 ends, not 3",
         [](auto& filter) {
             for (int i = 0; i < 3; ++i)
                 add_end(filter, web_v4, 32);
         }},
        {"an end has a prefix", [](auto& filter) { filter.add_ends()->set_port(3); }},
        {"host bits", [](auto& filter) { add_end(filter, web_v4, 24); }},
        {"VNI 16777216", [](auto& filter) { filter.set_vni(1U << 24); }},
        {"port 65536", [](auto& filter) { filter.set_l4_port(65536); }},
        {"protocol 256", [](auto& filter) { filter.set_protocol(256); }},
        {"a state", [](auto& filter) { filter.set_state(static_cast<SessionState>(5)); }},
    };
    for (const auto& [says, spoil] : cases) {
        SessionFilter filter;
        spoil(filter);
        const auto refused = SessionMatcher::make(filter);
        ASSERT_FALSE(refused) << says;
        EXPECT_EQ(refused.error().code, ErrorCode::invalid);
        EXPECT_NE(refused.error().message.find(says), std::string::npos) << refused.error().message;
    }
}

TEST(SessionMessage, SaysWhoOpenedIt) {
    for (const auto& [initiator, responder] : {std::pair(web_v4, db_v4), {db_v4, web_v4}, {db_v6, web_v6}}) {
        const Kept kept = session_of({initiator, responder});
        const Session session = to_message(kept.key, kept.value, now_s);
        EXPECT_EQ(session.initiator(), initiator);
        EXPECT_EQ(session.responder(), responder);
        EXPECT_EQ(session.initiator_port(), 40000U);
        EXPECT_EQ(session.responder_port(), 80U);
        EXPECT_EQ(session.vni(), 4000U);
        EXPECT_EQ(session.protocol(), unsigned{WEFT_PROTO_TCP});
        EXPECT_EQ(session.state(), SESSION_STATE_ESTABLISHED);
        EXPECT_EQ(session.idle_s(), 5U);
        EXPECT_EQ(session.timeout_s(), 7200U);
        EXPECT_EQ(session.rule(), 9U);
    }
}

TEST(SessionMessage, ClocksOfCoresMayDiffer) {
    Kept kept = session_of({web_v4, db_v4});
    kept.value.last_seen_s = now_s + 1;
    EXPECT_EQ(to_message(kept.key, kept.value, now_s).idle_s(), 0U);
}

TEST(SessionMessage, IdentificationOfFragmentsStaysAsItIs) {
    Kept kept = session_of({web_v4, db_v4});
    weft_ip ip{};
    ip.fragment_id = 0x12345678;
    kept.key = weft_fragment_key(&ip, &kept.key);
    const Session session = to_message(kept.key, kept.value, now_s);
    EXPECT_EQ(session.protocol(), unsigned{WEFT_PROTO_FRAGMENT});
    EXPECT_EQ(session.responder_port() << 16 | session.initiator_port(), 0x12345678U);
}

} // namespace
} // namespace weft::fastpath
