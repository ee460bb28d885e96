// SPDX-License-Identifier: BSD-3-Clause
// Messages of traces and the structs of the fast paths: what is refused, and that nothing changes on the way.
#include <cstring>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/api/trace_wire.hpp"

namespace weft::fastpath {
namespace {

Prefix prefix(const std::string& address, std::uint32_t length) {
    Prefix message;
    message.set_address(address);
    message.set_length(length);
    return message;
}

TEST(TraceFilter, BecomesTheStruct) {
    TraceFilter message;
    auto& end = *message.add_ends();
    end.set_port(3);
    *end.add_prefixes() = prefix({10, 0, 0, 1}, 32);
    *end.add_prefixes() = prefix(std::string("\xfd") + std::string(15, '\0'), 64);
    message.set_vni(4000);
    message.set_l4_port(80);
    message.set_protocol(6);
    message.set_verdict(TRACE_VERDICT_DROPPED);
    message.set_drop_reason(WEFT_DROP_ingress_policy);
    const auto filter = to_filter(message);
    ASSERT_TRUE(filter) << filter.error().message;
    EXPECT_EQ(filter->end_count, 1U);
    EXPECT_EQ(filter->ends[0].port, 3U);
    EXPECT_EQ(filter->ends[0].prefix_count, 2);
    EXPECT_EQ(filter->ends[0].prefix_lengths[0], 128) << "an IPv4 host is a whole address";
    EXPECT_EQ(filter->ends[0].prefix_lengths[1], 64);
    EXPECT_TRUE(weft_address_is_v4(&filter->ends[0].prefixes[0]));
    EXPECT_EQ(filter->vni, 4000U);
    EXPECT_EQ(filter->l4_port, 80);
    EXPECT_EQ(filter->protocol, 6);
    EXPECT_EQ(filter->verdict, WEFT_TRACE_DROPPED);
    EXPECT_EQ(filter->drop_reason, WEFT_DROP_ingress_policy);
}

TEST(TraceFilter, WhatCannotBeIsRefused) {
    using Spoil = std::function<void(TraceFilter&)>;
    const std::pair<const char*, Spoil> cases[] = {
        {"2 ends, not 3",
         [](auto& filter) {
             for (int i = 0; i < 3; ++i)
                 filter.add_ends()->set_port(1);
         }},
        {"a port or a prefix", [](auto& filter) { filter.add_ends(); }},
        {"at most 2 prefixes",
         [](auto& filter) {
             for (auto* end = filter.add_ends(); end->prefixes_size() < 3;)
                 *end->add_prefixes() = prefix({1, 2, 3, 4}, 32);
         }},
        {"4 or 16 bytes", [](auto& filter) { *filter.add_ends()->add_prefixes() = prefix("12345", 8); }},
        {"33", [](auto& filter) { *filter.add_ends()->add_prefixes() = prefix({1, 2, 3, 4}, 33); }},
        {"VNI", [](auto& filter) { filter.set_vni(1U << 24); }},
        {"port 65536", [](auto& filter) { filter.set_l4_port(65536); }},
        {"protocol 256", [](auto& filter) { filter.set_protocol(256); }},
        {"verdict", [](auto& filter) { filter.set_verdict(static_cast<TraceVerdict>(9)); }},
        {"drop reason", [](auto& filter) { filter.set_drop_reason(WEFT_DROP_REASON_COUNT); }},
    };
    for (const auto& [said, spoil] : cases) {
        TraceFilter message;
        spoil(message);
        const auto filter = to_filter(message);
        ASSERT_FALSE(filter) << said;
        EXPECT_EQ(filter.error().code, ErrorCode::invalid);
        EXPECT_NE(filter.error().message.find(said), std::string::npos) << filter.error().message;
    }
    TraceRequest request;
    request.set_snap_length(WEFT_TRACE_SNAP_MAX + 1);
    EXPECT_FALSE(to_settings(request));
    request.set_snap_length(WEFT_TRACE_SNAP_MAX);
    EXPECT_EQ(to_settings(request).value().snap_length, std::uint32_t{WEFT_TRACE_SNAP_MAX});
}

std::vector<std::uint8_t> record(const weft_trace_event& event, const std::string& frames) {
    std::vector<std::uint8_t> bytes(sizeof event + frames.size());
    std::memcpy(bytes.data(), &event, sizeof event);
    std::memcpy(bytes.data() + sizeof event, frames.data(), frames.size());
    return bytes;
}

TEST(TraceRecord, BecomesTheMessage) {
    const std::uint8_t source[] = {10, 0, 0, 1};
    const std::uint8_t destination[] = {10, 0, 0, 2};
    weft_trace_event event{};
    event.time_ns = 1000;
    event.ip.family = 4;
    event.ip.source = weft_address_v4(source);
    event.ip.destination = weft_address_v4(destination);
    event.ip.protocol = WEFT_PROTO_TCP;
    event.ip.source_port = __builtin_bswap16(5000);
    event.ip.destination_port = __builtin_bswap16(80);
    event.vtep = weft_address_v4(source);
    event.port_in = 2;
    event.rule = 9;
    event.snapshot_in = 3;
    event.snapshot_out = 4;
    event.verdict = WEFT_TRACE_DROPPED;
    event.drop_reason = WEFT_DROP_no_route;
    TraceEvents events;
    ASSERT_TRUE(append_event(events, record(event, "abcdefg"), 500));
    const TraceEvent& message = events.events(0);
    EXPECT_EQ(message.time_unix_ns(), 1500U);
    EXPECT_EQ(message.source(), std::string({10, 0, 0, 1}));
    EXPECT_EQ(message.destination_port(), 80U);
    EXPECT_EQ(message.vtep(), std::string({10, 0, 0, 1}));
    EXPECT_EQ(message.rule(), 9U);
    EXPECT_EQ(message.drop_reason(), static_cast<std::uint32_t>(WEFT_DROP_no_route));
    EXPECT_EQ(message.frame_in(), "abc");
    EXPECT_EQ(message.frame_out(), "defg");
}

TEST(TraceRecord, ShorterThanItSaysIsRefused) {
    weft_trace_event event{};
    event.snapshot_in = 3;
    event.snapshot_out = 4;
    const auto whole = record(event, "abcdefg");
    TraceEvents events;
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(append_event(events, std::span(whole).first(size), 0)) << size;
    EXPECT_EQ(events.events_size(), 0);
    EXPECT_TRUE(append_event(events, whole, 0));
}

TEST(TraceTime, OffsetMovesOnlyWhenTheClockWasSet) {
    const std::int64_t first = unix_offset_ns(0);
    EXPECT_GT(first, 0) << "the time of day is later than 1970";
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(unix_offset_ns(first), first);
    EXPECT_NEAR(static_cast<double>(unix_offset_ns(first + 1'000'000'000)), static_cast<double>(first), 1e8);
}

} // namespace
} // namespace weft::fastpath
