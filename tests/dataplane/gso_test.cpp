// SPDX-License-Identifier: BSD-3-Clause
// Segmentation and open checksums against frames that are built one by one: every byte, with odd lengths, IPv4 and
// IPv6, plain and inside VXLAN over either.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dataplane/gso.hpp"
#include "dataplane/stage_forward.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Bytes;
using cases::L4;
using cases::Packet;
using cases::Step;
using cases::TestHost;
using cases::World;

/// `outer` 0: no tunnel.
struct Shape {
    int inner;
    int outer;
};

Packet tcp_between(const World& world) {
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.l4 = L4::tcp;
    packet.sequence = 0xfffffff0; // wraps
    packet.id = 0xfffe;           // too
    return packet;
}

/// The frame, or the frame in its tunnel.
Bytes wrap(const World& world, const Shape& shape, const Packet& packet) {
    const Bytes frame = cases::frame(world.c_router, world.router_mac, packet);
    return shape.outer == 0 ? frame : world.encapsulated(frame, world.c_vtep()).frame;
}

/// What the pipeline would hand to the port: a frame with open work, encapsulated by the real code.
rte_mbuf* make(const World& world, const Shape& shape, const Packet& packet, std::uint16_t segment, bool scattered) {
    Step step{.frame = cases::frame(world.c_router, world.router_mac, packet), .sent = {}};
    step.offload = {.segment = segment, .checksum = true};
    step.scattered = scattered;
    rte_mbuf* const frame = cases::make_packet(TestHost::get().pool(), step);
    if (frame == nullptr || shape.outer == 0) return frame;
    Quiescence quiescence(1);
    Tables tables(quiescence);
    EXPECT_TRUE(tables.apply(world.tables()));
    EXPECT_TRUE(encapsulate(frame, *tables.next_hop(World::to_c), 0));
    const std::size_t source_port = 14 + (shape.outer == 4 ? 20 : 40);
    std::uint8_t* const data = data_of(frame);
    data[source_port] = data[source_port + 1] = 0;
    return frame;
}

/// The segments of a packet, each built on its own.
std::vector<Packet> cut(const Packet& whole, std::size_t segment) {
    std::vector<Packet> segments;
    for (std::size_t done = 0; done < whole.payload.size() || segments.empty(); done += segment) {
        Packet each = whole;
        const std::size_t size = std::min(segment, whole.payload.size() - done);
        const auto begin = whole.payload.begin() + static_cast<std::ptrdiff_t>(done);
        each.payload = {begin, begin + static_cast<std::ptrdiff_t>(size)};
        each.sequence = whole.sequence + static_cast<std::uint32_t>(done);
        each.id = static_cast<std::uint16_t>(whole.id + segments.size());
        if (done + size < whole.payload.size())
            each.tcp_flags &= static_cast<std::uint8_t>(~0x09); // FIN, PSH: the last
        if (done != 0) each.tcp_flags &= 0x7f;                  // CWR: the first
        segments.push_back(each);
    }
    return segments;
}

class Segmentation : public testing::TestWithParam<std::tuple<Shape, std::size_t, std::uint16_t>> {};

TEST_P(Segmentation, EqualsSegmentsBuiltOneByOne) {
    const auto& [shape, payload, segment] = GetParam();
    const World world{shape.inner, shape.outer == 0 ? 4 : shape.outer};
    Packet whole = tcp_between(world);
    whole.payload = cases::pattern(payload);
    for (const std::uint8_t flags : {0x10, 0x99}) // ACK; CWR, ACK, PSH, FIN
        for (const bool scattered : {false, true}) {
            whole.tcp_flags = flags;
            rte_mbuf* const frame = make(world, shape, whole, segment, scattered);
            ASSERT_NE(frame, nullptr);
            std::vector<rte_mbuf*> segments;
            ASSERT_EQ(segment_tcp(frame, TestHost::get().pool(), segments), WEFT_DROP_none);
            const std::vector<Packet> expected = cut(whole, segment);
            ASSERT_EQ(segments.size(), expected.size());
            for (std::size_t i = 0; i < segments.size(); ++i) {
                EXPECT_TRUE(cases::bytes_of(segments[i]) == wrap(world, shape, expected[i])) << "segment " << i;
                EXPECT_EQ(segments[i]->ol_flags & offload_wanted, 0U);
                rte_pktmbuf_free(segments[i]);
            }
            rte_pktmbuf_free(frame);
        }
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

std::string shape_name(const Shape& shape) {
    return fmt::format("v{}{}", shape.inner, shape.outer == 0 ? "_plain" : fmt::format("_in_v{}", shape.outer));
}

const auto shapes = testing::Values(Shape{4, 0}, Shape{6, 0}, Shape{4, 4}, Shape{4, 6}, Shape{6, 4}, Shape{6, 6});

std::string segmentation_name(const testing::TestParamInfo<Segmentation::ParamType>& info) {
    const auto& [shape, payload, segment] = info.param;
    return fmt::format("{}_{}_by_{}", shape_name(shape), payload, segment);
}

INSTANTIATE_TEST_SUITE_P(Of, Segmentation,
                         testing::Combine(shapes, testing::Values(0, 1, 1389, 1390, 1391, 4001, 60001),
                                          testing::Values(std::uint16_t{1390}, std::uint16_t{1389})),
                         segmentation_name);

class OpenChecksum : public testing::TestWithParam<std::tuple<Shape, L4, std::size_t>> {};

TEST_P(OpenChecksum, IsCompleted) {
    const auto& [shape, l4, payload] = GetParam();
    const World world{shape.inner, shape.outer == 0 ? 4 : shape.outer};
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.l4 = l4;
    packet.payload = cases::pattern(payload);
    for (const bool scattered : {false, true}) {
        rte_mbuf* const frame = make(world, shape, packet, 0, scattered);
        ASSERT_NE(frame, nullptr);
        ASSERT_EQ(complete_checksum(frame), WEFT_DROP_none);
        EXPECT_TRUE(cases::bytes_of(frame) == wrap(world, shape, packet));
        EXPECT_EQ(frame->ol_flags & offload_wanted, 0U);
        rte_pktmbuf_free(frame);
    }
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

std::string checksum_name(const testing::TestParamInfo<OpenChecksum::ParamType>& info) {
    const auto& [shape, l4, payload] = info.param;
    return fmt::format("{}_{}_{}", shape_name(shape), l4 == L4::tcp ? "tcp" : "udp", payload);
}

INSTANTIATE_TEST_SUITE_P(Of, OpenChecksum,
                         testing::Combine(shapes, testing::Values(L4::tcp, L4::udp),
                                          testing::Values(0, 1, 2, 777, 1400, 5001)),
                         checksum_name);

TEST(UdpChecksum, IsNeverZero) {
    const World world{4, 4};
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.payload = {0, 0};
    // Two bytes that make the sum all ones: then the checksum is zero, which would say that there is none (RFC 768).
    const Bytes segment = packet.upper_layer();
    packet.payload = {segment[6], segment[7]};
    rte_mbuf* const frame = make(world, {4, 0}, packet, 0, false);
    ASSERT_NE(frame, nullptr);
    ASSERT_EQ(complete_checksum(frame), WEFT_DROP_none);
    const Bytes bytes = cases::bytes_of(frame);
    EXPECT_EQ(bytes[40], 0xff);
    EXPECT_EQ(bytes[41], 0xff);
    rte_pktmbuf_free(frame);
}

TEST(SegmentTcp, WithoutBuffersLeavesNothing) {
    const World world{4, 4};
    Packet packet = tcp_between(world);
    packet.payload = cases::pattern(9000);
    rte_mbuf* const frame = make(world, {4, 4}, packet, 1390, true);
    ASSERT_NE(frame, nullptr);
    // Leave fewer buffers than there are segments.
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* const buffer = rte_pktmbuf_alloc(TestHost::get().pool()))
        taken.push_back(buffer);
    ASSERT_GE(taken.size(), 3U);
    for (int i = 0; i < 3; ++i) {
        rte_pktmbuf_free(taken.back());
        taken.pop_back();
    }
    std::vector<rte_mbuf*> segments;
    EXPECT_EQ(segment_tcp(frame, TestHost::get().pool(), segments), WEFT_DROP_no_buffer);
    EXPECT_TRUE(segments.empty());
    rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
    rte_pktmbuf_free(frame);
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

TEST(SegmentTcp, RefusesHeadersThatAreNotThere) {
    const World world{4, 4};
    Packet packet = tcp_between(world);
    packet.payload = cases::pattern(100);
    rte_mbuf* const frame = make(world, {4, 0}, packet, 50, false);
    ASSERT_NE(frame, nullptr);
    std::vector<rte_mbuf*> segments;
    frame->l3_len = 200;
    EXPECT_EQ(segment_tcp(frame, TestHost::get().pool(), segments), WEFT_DROP_unsupported_offload);
    EXPECT_EQ(complete_checksum(frame), WEFT_DROP_unsupported_offload);
    frame->l3_len = 20;
    frame->l4_len = 0;
    EXPECT_EQ(segment_tcp(frame, TestHost::get().pool(), segments), WEFT_DROP_unsupported_offload);
    frame->l4_len = 20;
    frame->tso_segsz = 0;
    EXPECT_EQ(segment_tcp(frame, TestHost::get().pool(), segments), WEFT_DROP_unsupported_offload);
    EXPECT_TRUE(segments.empty());
    rte_pktmbuf_free(frame);
}

} // namespace
} // namespace weft::dataplane
