// SPDX-License-Identifier: BSD-3-Clause
// The session state machine and its keys: pure functions, packet by packet.
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/pipeline/session.h"

namespace {

constexpr std::uint32_t fin = WEFT_TCP_FIN;
constexpr std::uint32_t syn = WEFT_TCP_SYN;
constexpr std::uint32_t rst = WEFT_TCP_RST;
constexpr std::uint32_t ack = WEFT_TCP_ACK;

struct Seen {
    bool from_initiator;
    std::uint32_t flags;
};

struct History {
    const char* name;
    std::vector<Seen> packets;
    weft_session_state state;
};

class TcpHistory : public testing::TestWithParam<std::tuple<History, bool>> {};

TEST_P(TcpHistory, EndsInState) {
    const auto& [history, initiator_low] = GetParam();
    std::uint32_t state = WEFT_SESSION_NEW;
    std::uint32_t flags = initiator_low ? WEFT_SESSION_INITIATOR_LOW : 0;
    for (const Seen& packet : history.packets) {
        const std::uint32_t after =
            weft_session_advance(state, flags, WEFT_PROTO_TCP, packet.flags, packet.from_initiator == initiator_low);
        state = after & 0xff;
        flags = after >> 8;
    }
    EXPECT_EQ(state, static_cast<std::uint32_t>(history.state));
    EXPECT_EQ((flags & WEFT_SESSION_INITIATOR_LOW) != 0, initiator_low);
}

INSTANTIATE_TEST_SUITE_P(
    Of, TcpHistory,
    testing::Combine(
        testing::Values(
            History{"Question", {{true, syn}}, WEFT_SESSION_NEW},
            History{"QuestionTwice", {{true, syn}, {true, syn}}, WEFT_SESSION_NEW},
            History{"Answered", {{true, syn}, {false, syn | ack}}, WEFT_SESSION_NEW},
            History{"AnsweredTwice",
                    {{true, syn}, {false, syn | ack}, {true, syn}, {false, syn | ack}},
                    WEFT_SESSION_NEW},
            History{"AnsweredWithData", {{true, syn}, {false, syn | ack}, {false, ack}}, WEFT_SESSION_NEW},
            History{"BothAsk",
                    {{true, syn}, {false, syn | ack}, {true, syn | ack}, {true, ack}},
                    WEFT_SESSION_ESTABLISHED},
            History{"WithoutAnAnswer", {{true, syn}, {true, ack}, {true, ack}}, WEFT_SESSION_NEW},
            History{"Handshake", {{true, syn}, {false, syn | ack}, {true, ack}}, WEFT_SESSION_ESTABLISHED},
            History{"HalfClosed",
                    {{true, syn}, {false, syn | ack}, {true, fin | ack}, {false, ack}},
                    WEFT_SESSION_CLOSING},
            History{"HalfClosedByTheOther",
                    {{true, syn}, {false, syn | ack}, {false, fin | ack}, {true, ack}},
                    WEFT_SESSION_CLOSING},
            History{"FinTwiceFromOneEnd",
                    {{true, syn}, {false, syn | ack}, {true, fin}, {true, fin}},
                    WEFT_SESSION_CLOSING},
            History{"Closed",
                    {{true, syn}, {false, syn | ack}, {true, fin | ack}, {false, fin | ack}, {true, ack}},
                    WEFT_SESSION_CLOSED},
            History{"Refused", {{true, syn}, {false, rst | ack}}, WEFT_SESSION_CLOSED},
            History{"Aborted", {{true, syn}, {false, syn | ack}, {true, rst}, {false, ack}}, WEFT_SESSION_CLOSED},
            History{"MetInTheMiddle", {{true, ack}, {false, ack}}, WEFT_SESSION_ESTABLISHED}),
        testing::Bool()),
    [](const auto& info) {
        return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "_low" : "_high");
    });

weft_ip packet_between(std::uint8_t source, std::uint8_t destination, std::uint8_t protocol) {
    weft_ip ip{};
    const std::uint8_t from[4] = {10, 0, 0, source};
    const std::uint8_t to[4] = {10, 0, 0, destination};
    ip.source = weft_address_v4(from);
    ip.destination = weft_address_v4(to);
    ip.family = 4;
    ip.protocol = protocol;
    ip.source_port = 100;
    ip.destination_port = 200;
    return ip;
}

weft_ip turned(weft_ip ip) {
    std::swap(ip.source, ip.destination);
    std::swap(ip.source_port, ip.destination_port);
    return ip;
}

TEST(SessionKey, IsOneForBothDirections) {
    for (const auto& ip : {packet_between(1, 2, WEFT_PROTO_TCP), packet_between(9, 3, WEFT_PROTO_UDP),
                           packet_between(5, 5, WEFT_PROTO_UDP)}) {
        weft_session_key there{};
        weft_session_key back{};
        const weft_ip answer = turned(ip);
        const int from_low = weft_session_key_of(&ip, 7, &there);
        EXPECT_NE(from_low, weft_session_key_of(&answer, 7, &back));
        EXPECT_EQ(std::memcmp(&there, &back, sizeof there), 0);
        EXPECT_EQ(weft_session_hash(&there, 1), weft_session_hash(&back, 1));
    }
}

TEST(SessionKey, DiffersInEveryPart) {
    const weft_ip ip = packet_between(1, 2, WEFT_PROTO_TCP);
    std::set<std::uint64_t> hashes;
    const auto add = [&](const weft_ip& packet, std::uint32_t vni, std::uint64_t seed) {
        weft_session_key key{};
        weft_session_key_of(&packet, vni, &key);
        hashes.insert(weft_session_hash(&key, seed));
    };
    add(ip, 7, 1);
    add(ip, 8, 1);
    add(ip, 7, 2);
    weft_ip other = ip;
    other.protocol = WEFT_PROTO_UDP;
    add(other, 7, 1);
    other = ip;
    other.source_port = 101;
    add(other, 7, 1);
    other = ip;
    other.destination_port = 201;
    add(other, 7, 1);
    add(packet_between(1, 3, WEFT_PROTO_TCP), 7, 1);
    EXPECT_EQ(hashes.size(), 7U);
}

TEST(SessionHash, SpreadsFlowsOverBucketsAndPorts) {
    std::vector<unsigned> buckets(256);
    std::set<std::uint16_t> ports;
    weft_ip ip = packet_between(1, 2, WEFT_PROTO_TCP);
    for (std::uint16_t i = 0; i < 25600; ++i) {
        ip.source_port = i;
        weft_session_key key{};
        weft_session_key_of(&ip, 7, &key);
        const std::uint64_t hash = weft_session_hash(&key, 99);
        ++buckets[hash & 255];
        ports.insert(static_cast<std::uint16_t>(hash >> 48));
    }
    for (const unsigned count : buckets) { // 100 each, deviation 10
        EXPECT_GT(count, 40U);
        EXPECT_LT(count, 160U);
    }
    EXPECT_GT(ports.size(), 15000U);
}

TEST(Session, OnlyAQuestionOpens) {
    weft_ip ip = packet_between(1, 2, WEFT_PROTO_TCP);
    for (const std::uint32_t flags : {syn, syn | ack, ack, fin | ack}) {
        ip.tcp_flags = static_cast<std::uint8_t>(flags);
        EXPECT_TRUE(weft_session_may_open(&ip)) << flags;
    }
    ip.tcp_flags = rst | ack;
    EXPECT_FALSE(weft_session_may_open(&ip));
    ip = packet_between(1, 2, WEFT_PROTO_ICMP);
    ip.icmp_type = WEFT_ICMP_ECHO_REPLY;
    EXPECT_FALSE(weft_session_may_open(&ip));
    ip.icmp_type = WEFT_ICMP_ECHO;
    EXPECT_TRUE(weft_session_may_open(&ip));
    ip.protocol = WEFT_PROTO_ICMPV6;
    ip.icmp_type = WEFT_ICMPV6_ECHO_REPLY;
    EXPECT_FALSE(weft_session_may_open(&ip));
}

TEST(Session, SynBeginsAnewWhenTheOldOneCloses) {
    weft_ip ip = packet_between(1, 2, WEFT_PROTO_TCP);
    ip.tcp_flags = syn;
    weft_session_value value{};
    value.flags = WEFT_SESSION_INITIATOR_LOW;
    for (const auto state : {WEFT_SESSION_NEW, WEFT_SESSION_ESTABLISHED, WEFT_SESSION_CLOSING, WEFT_SESSION_CLOSED}) {
        value.state = static_cast<std::uint8_t>(state);
        EXPECT_EQ(weft_session_begins_anew(&value, &ip, 1) != 0, state >= WEFT_SESSION_CLOSING);
        EXPECT_TRUE(weft_session_begins_anew(&value, &ip, 0)); // from the end that answered
    }
    ip.tcp_flags = syn | ack;
    EXPECT_FALSE(weft_session_begins_anew(&value, &ip, 0));
}

} // namespace
