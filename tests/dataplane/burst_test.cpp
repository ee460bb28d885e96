// SPDX-License-Identifier: BSD-3-Clause
// What only shows over many packets: outer source ports, the rate of ICMP errors, sessions of one burst.
#include <set>

#include <gtest/gtest.h>

#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Fixture;
using cases::Packet;
using cases::Step;
using cases::TestHost;
using cases::World;

const World world{4, 4};

Step from_web(const Packet& packet, std::uint32_t now_s = 1000) {
    return {.now_s = now_s, .port = World::web, .frame = world.from_web(packet), .sent = {}};
}

struct Burst : testing::Test {
    Burst() { EXPECT_TRUE(fixture.apply(world.tables())); }

    Fixture fixture{TestHost::get().pool(), 8192};
};

TEST_F(Burst, FlowKeepsItsOuterSourcePort) {
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    std::set<std::uint16_t> all;
    for (std::uint16_t flow = 0; flow < 500; ++flow) {
        packet.source_port = static_cast<std::uint16_t>(1000 + flow);
        std::set<std::uint16_t> ports;
        for (std::size_t size : {1U, 100U, 1000U}) {
            packet.payload = cases::pattern(size);
            const auto outcome = fixture.run(from_web(packet));
            ports.insert(outcome.outer_source_ports.begin(), outcome.outer_source_ports.end());
        }
        ASSERT_EQ(ports.size(), 1U);
        ASSERT_GE(*ports.begin(), 49152);
        all.merge(ports);
    }
    EXPECT_GT(all.size(), 450U); // of 16384
}

TEST_F(Burst, FragmentsShareOneOuterSourcePort) {
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.payload = cases::pattern(1200);
    packet.dont_fragment = false;
    const cases::Bytes body = packet.upper_layer();
    packet.is_fragment = true;
    for (std::uint16_t id = 0; id < 50; ++id) { // cut by the container
        packet.id = id;
        std::set<std::uint16_t> ports;
        for (std::ptrdiff_t offset : {0, 512}) {
            packet.fragment_offset = static_cast<std::uint32_t>(offset);
            packet.more_fragments = offset == 0;
            packet.raw = {body.begin() + offset, offset == 0 ? body.begin() + 512 : body.end()};
            const auto outcome = fixture.run(from_web(packet));
            ASSERT_EQ(outcome.sent.size(), 1U);
            ports.insert(outcome.outer_source_ports.begin(), outcome.outer_source_ports.end());
        }
        EXPECT_EQ(ports.size(), 1U) << id;
    }
    Packet large = World::between(world.web_ip(), world.cache_ip()); // cut by us
    large.payload = cases::pattern(9000);
    large.dont_fragment = false;
    const auto outcome = fixture.run(from_web(large));
    ASSERT_EQ(outcome.sent.size(), 7U);
    EXPECT_EQ(std::set(outcome.outer_source_ports.begin(), outcome.outer_source_ports.end()).size(), 1U);
}

TEST_F(Burst, AThousandIcmpErrorsASecond) {
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.ttl = 1;
    for (const std::uint32_t now_s : {1000U, 1001U}) {
        unsigned answered = 0;
        for (unsigned i = 0; i < 1100; ++i)
            answered += fixture.run(from_web(packet, now_s)).sent.empty() ? 0 : 1;
        EXPECT_EQ(answered, 1000U);
    }
}

TEST_F(Burst, RefusedPacketsLeaveNoSession) {
    ASSERT_TRUE(fixture.apply(World::policy(fastpath::DIRECTION_EGRESS, World::id_web, 0, fastpath::VERDICT_DENY)));
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    for (std::uint16_t flow = 0; flow < 200; ++flow) {
        packet.source_port = flow;
        EXPECT_EQ(fixture.run(from_web(packet)).drops.count(WEFT_DROP_egress_policy), 1U);
    }
    EXPECT_EQ(fixture.sessions().size(), 0U);
}

TEST_F(Burst, NewDenyKeepsTheSessionForItsTime) {
    const Packet packet = World::between(world.web_ip(), world.cache_ip());
    EXPECT_EQ(fixture.run(from_web(packet, 1000)).sent.size(), 1U);
    ASSERT_TRUE(fixture.apply(World::policy(fastpath::DIRECTION_EGRESS, World::id_web, 0, fastpath::VERDICT_DENY)));
    for (const std::uint32_t now_s : {1010U, 1020U, 1030U})
        EXPECT_EQ(fixture.run(from_web(packet, now_s)).drops.count(WEFT_DROP_egress_policy), 1U);
    EXPECT_EQ(fixture.sessions().size(), 1U);
    // What was dropped did not prolong it.
    fixture.sessions().sweep(fixture.sessions().bucket_count(), 1031);
    EXPECT_EQ(fixture.sessions().size(), 0U);
}

} // namespace
} // namespace weft::dataplane
