// SPDX-License-Identifier: BSD-3-Clause
// Traces: the filter against a naive reference, what is read of a frame, and the stages' names.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/pipeline/trace.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

// --- the filter

/// An address of a handful, so that prefixes contain some and not others.
weft_address any_address(std::mt19937& random) {
    weft_address address{};
    if (random() % 2 == 0) {
        const std::uint8_t v4[] = {10, static_cast<std::uint8_t>(random() % 2),
                                   static_cast<std::uint8_t>(random() % 4), static_cast<std::uint8_t>(random())};
        return weft_address_v4(v4);
    }
    address.bytes[0] = 0xfd;
    address.bytes[7] = static_cast<std::uint8_t>(random() % 2);
    address.bytes[8] = static_cast<std::uint8_t>(random() % 2);
    address.bytes[15] = static_cast<std::uint8_t>(random());
    return address;
}

weft_trace_filter any_filter(std::mt19937& random) {
    weft_trace_filter filter{};
    const auto sometimes = [&](auto value) { return random() % 3 == 0 ? value : decltype(value){}; };
    filter.end_count = random() % 3;
    for (std::uint32_t i = 0; i < filter.end_count; ++i) {
        weft_trace_end& end = filter.ends[i];
        end.prefix_count = static_cast<std::uint8_t>(1 + random() % 2);
        for (int k = 0; k < end.prefix_count; ++k) {
            end.prefixes[k] = any_address(random);
            end.prefix_lengths[k] = static_cast<std::uint8_t>(random() % 129);
        }
        end.port = sometimes(static_cast<std::uint32_t>(1 + random() % 3));
    }
    filter.vni = sometimes(static_cast<std::uint32_t>(1 + random() % 2));
    filter.l4_port = sometimes(static_cast<std::uint16_t>(80 + random() % 2));
    constexpr std::uint8_t protocols[] = {1, 6, 17, 58, 132};
    filter.protocol = sometimes(protocols[random() % std::size(protocols)]);
    filter.verdict = sometimes(static_cast<std::uint8_t>(1 + random() % 3));
    filter.drop_reason = sometimes(static_cast<std::uint8_t>(1 + random() % 3));
    return filter;
}

weft_trace_event any_event(std::mt19937& random) {
    weft_trace_event event{};
    constexpr std::uint8_t protocols[] = {1, 6, 17, 58, 132, 47};
    constexpr std::uint8_t families[] = {0, 4, 6};
    event.ip.family = families[std::min<std::size_t>(random() % 8, 2)];
    event.ip.source = any_address(random);
    event.ip.destination = any_address(random);
    event.ip.protocol = protocols[random() % std::size(protocols)];
    event.ip.fragment = static_cast<std::uint8_t>(random() % 3);
    event.ip.source_port = __builtin_bswap16(static_cast<std::uint16_t>(80 + random() % 3));
    event.ip.destination_port = __builtin_bswap16(static_cast<std::uint16_t>(80 + random() % 3));
    event.port_in = 1 + random() % 3;
    event.vni = random() % 3;
    event.verdict = static_cast<std::uint8_t>(1 + random() % 3);
    event.drop_reason = static_cast<std::uint8_t>(event.verdict == WEFT_TRACE_DROPPED ? 1 + random() % 3 : 0);
    return event;
}

bool bit(const weft_address& address, unsigned at) { return (address.bytes[at / 8] >> (7 - at % 8) & 1) != 0; }

bool naive_has(const weft_trace_end& end, const weft_address& address) {
    for (int i = 0; i < end.prefix_count; ++i) {
        bool same = true;
        for (unsigned at = 0; at < end.prefix_lengths[i]; ++at)
            same = same && bit(end.prefixes[i], at) == bit(address, at);
        if (same) return true;
    }
    return false;
}

bool naive_matches(const weft_trace_filter& filter, const weft_trace_event& event) {
    const bool ip = event.ip.family != 0;
    std::vector<bool> conditions;
    if (filter.vni != 0) conditions.push_back(filter.vni == event.vni);
    if (filter.verdict != 0) conditions.push_back(filter.verdict == event.verdict);
    if (filter.drop_reason != 0) conditions.push_back(filter.drop_reason == event.drop_reason);
    if (filter.protocol == 1)
        conditions.push_back(ip && (event.ip.protocol == 1 || event.ip.protocol == 58));
    else if (filter.protocol != 0)
        conditions.push_back(ip && event.ip.protocol == filter.protocol);
    if (filter.l4_port != 0) {
        const bool has_ports = event.ip.protocol == 6 || event.ip.protocol == 17 || event.ip.protocol == 132;
        conditions.push_back(ip && has_ports && event.ip.fragment != WEFT_FRAGMENT_LATER &&
                             (__builtin_bswap16(event.ip.source_port) == filter.l4_port ||
                              __builtin_bswap16(event.ip.destination_port) == filter.l4_port));
    }
    const auto sent = [&](const weft_trace_end& end) {
        return (end.port != 0 && end.port == event.port_in) || (ip && naive_has(end, event.ip.source));
    };
    const auto receives = [&](const weft_trace_end& end) { return ip && naive_has(end, event.ip.destination); };
    const auto& [a, b] = filter.ends;
    if (filter.end_count == 1) conditions.push_back(sent(a) || receives(a));
    if (filter.end_count == 2) conditions.push_back((sent(a) && receives(b)) || (sent(b) && receives(a)));
    return std::ranges::find(conditions, false) == conditions.end();
}

TEST(TraceFilter, AgreesWithTheNaiveOne) {
    std::mt19937 random(20);
    unsigned matched = 0;
    constexpr unsigned rounds = 300'000;
    for (unsigned i = 0; i < rounds; ++i) {
        const weft_trace_filter filter = any_filter(random);
        const weft_trace_event event = any_event(random);
        const bool matches = weft_trace_matches(&filter, &event) != 0;
        ASSERT_EQ(matches, naive_matches(filter, event)) << "round " << i;
        ASSERT_TRUE(!matches || weft_trace_may_match(&filter, &event)) << "round " << i;
        matched += matches ? 1 : 0;
    }
    EXPECT_GT(matched, rounds / 20);
    EXPECT_LT(matched, rounds / 2);
}

TEST(TraceFilter, NothingAskedIsEverything) {
    const weft_trace_filter filter{};
    weft_trace_event event{};
    EXPECT_TRUE(weft_trace_matches(&filter, &event));
}

// --- the packet's facts

/// UDP from 10.0.0.1 port 5000 to 10.0.0.2 port 6000 behind an Ethernet header.
Bytes udp_frame(std::uint16_t destination_port = 6000, const Bytes& payload = {}) {
    Bytes frame(WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE + WEFT_UDP_SIZE);
    weft_store_be16(&frame[12], WEFT_ETHERTYPE_IPV4);
    std::uint8_t* const ip = &frame[WEFT_ETHERNET_SIZE];
    ip[0] = 0x45;
    weft_store_be16(ip + 2, static_cast<std::uint32_t>(WEFT_IPV4_SIZE + WEFT_UDP_SIZE + payload.size()));
    ip[8] = 64;
    ip[9] = WEFT_PROTO_UDP;
    weft_store_be32(ip + 12, 0x0a000001);
    weft_store_be32(ip + 16, 0x0a000002);
    weft_store_be16(ip + 20, 5000);
    weft_store_be16(ip + 22, destination_port);
    weft_store_be16(ip + 24, static_cast<std::uint32_t>(WEFT_UDP_SIZE + payload.size()));
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

Bytes vxlan_frame(std::uint32_t vni, const Bytes& inner) {
    Bytes payload(WEFT_VXLAN_SIZE);
    payload[0] = WEFT_VXLAN_FLAG_VNI;
    weft_store_be32(&payload[4], vni << 8);
    payload.insert(payload.end(), inner.begin(), inner.end());
    return udp_frame(WEFT_VXLAN_PORT, payload);
}

weft_trace_event read(const Bytes& frame, bool from_underlay) {
    // Exactly as long as the frame, so that the address sanitizer sees what reads behind it.
    const auto bytes = std::make_unique<std::uint8_t[]>(frame.size());
    if (!frame.empty()) std::memcpy(bytes.get(), frame.data(), frame.size());
    weft_trace_event event{};
    const auto size = static_cast<std::uint32_t>(frame.size());
    weft_trace_read(bytes.get(), size, size, from_underlay ? 1 : 0, WEFT_VXLAN_PORT, &event);
    return event;
}

TEST(TraceRead, EndpointsFrameIsItsPacket) {
    const weft_trace_event event = read(udp_frame(), false);
    EXPECT_EQ(event.ip.family, 4);
    EXPECT_EQ(event.ip.protocol, WEFT_PROTO_UDP);
    EXPECT_EQ(__builtin_bswap16(event.ip.source_port), 5000);
    EXPECT_EQ(__builtin_bswap16(event.ip.destination_port), 6000);
    EXPECT_EQ(event.ethertype, WEFT_ETHERTYPE_IPV4);
    EXPECT_EQ(event.vni, 0U);
    EXPECT_FALSE(event.outer);
}

TEST(TraceRead, UnderlaysFrameIsItsInnerPacket) {
    Bytes inner = udp_frame();
    inner[WEFT_ETHERNET_SIZE + 15] = 7; // from 10.0.0.7
    const weft_trace_event event = read(vxlan_frame(4000, inner), true);
    EXPECT_EQ(event.vni, 4000U);
    EXPECT_FALSE(event.outer);
    EXPECT_EQ(event.vtep.bytes[15], 1);
    EXPECT_EQ(event.ip.source.bytes[15], 7);
    EXPECT_EQ(__builtin_bswap16(event.ip.destination_port), 6000);
}

TEST(TraceRead, WhatHasNoInnerPacketIsItsOuterOne) {
    for (const Bytes& frame : {udp_frame(), udp_frame(WEFT_VXLAN_PORT), udp_frame(WEFT_VXLAN_PORT, Bytes(7))}) {
        const weft_trace_event event = read(frame, true);
        EXPECT_TRUE(event.outer);
        EXPECT_EQ(event.vni, 0U);
        EXPECT_EQ(__builtin_bswap16(event.ip.source_port), 5000);
    }
}

TEST(TraceRead, LengthsThatLieKeepTheRest) {
    Bytes frame = udp_frame();
    weft_store_be16(&frame[WEFT_ETHERNET_SIZE + 2], 1400);
    const weft_trace_event event = read(frame, false);
    EXPECT_EQ(event.ip.family, 4);
    EXPECT_EQ(__builtin_bswap16(event.ip.destination_port), 6000);
}

TEST(TraceRead, NoFrameIsReadBehindItsEnd) {
    Bytes whole = vxlan_frame(4000, udp_frame());
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        for (const bool from_underlay : {false, true}) {
            const weft_trace_event event = read(cut, from_underlay);
            EXPECT_TRUE(event.ip.family == 0 || size >= WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE) << size;
        }
    }
    std::mt19937 random(7);
    for (unsigned round = 0; round < 100'000; ++round) {
        Bytes damaged = whole;
        damaged.resize(random() % (whole.size() + 1));
        for (unsigned i = 0; i < 3 && !damaged.empty(); ++i)
            damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
        static_cast<void>(read(damaged, round % 2 == 0));
    }
}

// --- the stages

struct StageCase {
    weft_drop_reason reason;
    bool from_underlay;
    Bytes frame;
    std::uint32_t port_out;
    weft_stage stage;
};

TEST(TraceStage, FollowsFromReasonAndPacket) {
    Bytes arp(WEFT_ETHERNET_SIZE + WEFT_ARP_SIZE);
    weft_store_be16(&arp[12], WEFT_ETHERTYPE_ARP);
    Bytes to_gateway = udp_frame();
    weft_store_be32(&to_gateway[WEFT_ETHERNET_SIZE + 16], 0xa9fe0101);
    const StageCase cases[] = {
        {WEFT_DROP_spoofed_address, false, udp_frame(), 0, WEFT_STAGE_source},
        {WEFT_DROP_spoofed_address, false, arp, 0, WEFT_STAGE_arp},
        {WEFT_DROP_not_for_gateway, false, arp, 0, WEFT_STAGE_arp},
        {WEFT_DROP_not_for_gateway, false, udp_frame(), 0, WEFT_STAGE_gateway_mac},
        {WEFT_DROP_multicast, false, udp_frame(), 0, WEFT_STAGE_gateway_mac},
        {WEFT_DROP_multicast, true, vxlan_frame(1, udp_frame()), 0, WEFT_STAGE_addresses},
        {WEFT_DROP_no_route, false, udp_frame(), 0, WEFT_STAGE_fib},
        {WEFT_DROP_no_route, false, to_gateway, 0, WEFT_STAGE_gateway},
        {WEFT_DROP_malformed_ethernet, false, Bytes(13), 0, WEFT_STAGE_ethernet},
        {WEFT_DROP_malformed_ethernet, true, Bytes(13), 0, WEFT_STAGE_outer_ip},
        {WEFT_DROP_malformed_ethernet, true, vxlan_frame(1, Bytes(3)), 0, WEFT_STAGE_decapsulation},
        {WEFT_DROP_not_vxlan, true, udp_frame(), 0, WEFT_STAGE_udp},
        {WEFT_DROP_not_vxlan, true, arp, 0, WEFT_STAGE_outer_ip},
        {WEFT_DROP_unsupported_offload, false, udp_frame(), 0, WEFT_STAGE_parse},
        {WEFT_DROP_unsupported_offload, false, udp_frame(), 3, WEFT_STAGE_port},
        {WEFT_DROP_ingress_policy, true, vxlan_frame(1, udp_frame()), 0, WEFT_STAGE_ingress_policy},
    };
    for (const StageCase& each : cases) {
        weft_trace_event event = read(each.frame, each.from_underlay);
        event.from_underlay = each.from_underlay ? 1 : 0;
        event.length_in = static_cast<std::uint32_t>(each.frame.size());
        event.verdict = WEFT_TRACE_DROPPED;
        event.drop_reason = each.reason;
        event.port_out = each.port_out;
        EXPECT_EQ(weft_trace_stage(&event), each.stage) << "reason " << each.reason;
    }
}

TEST(TraceStage, EveryDropReasonHasOne) {
    for (std::uint8_t reason = 0; reason < WEFT_DROP_REASON_COUNT; ++reason)
        for (const bool from_underlay : {false, true}) {
            weft_trace_event event = read(udp_frame(), from_underlay);
            event.from_underlay = from_underlay ? 1 : 0;
            event.verdict = reason == 0 ? WEFT_TRACE_FORWARDED : WEFT_TRACE_DROPPED;
            event.drop_reason = reason;
            EXPECT_NE(weft_trace_stage(&event), WEFT_STAGE_unknown) << "reason " << unsigned{reason};
        }
}

TEST(TraceStage, HasItsNameInTheSpecification) {
    std::ifstream file(WEFT_SOURCE_ROOT "/dataplane/pipeline/stages.md");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    ASSERT_FALSE(text.empty());
    const char* const names[] = {
#define WEFT_STAGE_TEXT(number, name, text) text,
        WEFT_STAGES(WEFT_STAGE_TEXT)
#undef WEFT_STAGE_TEXT
    };
    for (const std::string name : names)
        EXPECT_TRUE(name.empty() || text.contains("`" + name + "`")) << name;
}

} // namespace
