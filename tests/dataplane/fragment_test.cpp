// SPDX-License-Identifier: BSD-3-Clause
// IPv4 fragmentation: whatever is cut, at whatever MTU, comes together again; and without buffers nothing is left.
#include <random>

#include <gtest/gtest.h>

#include "dataplane/stage_fragment.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Bytes;
using cases::Packet;
using cases::Step;
using cases::TestHost;
using cases::World;

const World world{4, 4};

std::uint32_t u16(const Bytes& bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

weft_ip parsed(rte_mbuf* packet) {
    weft_ip ip{};
    EXPECT_EQ(
        weft_parse_ip(data_of(packet), rte_pktmbuf_data_len(packet), rte_pktmbuf_pkt_len(packet), 14, 4, 1, &ip),
        WEFT_DROP_none);
    return ip;
}

TEST(Fragment, PiecesMakeTheWhole) {
    std::mt19937 random(3);
    for (int round = 0; round < 500; ++round) {
        Packet packet = World::between(world.web_ip(), world.cache_ip());
        packet.dont_fragment = false;
        packet.payload = cases::pattern(1 + random() % 9000);
        const std::uint32_t mtu = round % 10 == 0 ? 68 : 68 + static_cast<std::uint32_t>(random() % 1500);
        Step step{.frame = cases::frame(world.c_router, world.router_mac, packet), .sent = {}};
        step.scattered = random() % 2 == 0;
        rte_mbuf* const whole = cases::make_packet(TestHost::get().pool(), step);
        ASSERT_NE(whole, nullptr);
        std::vector<rte_mbuf*> fragments;
        ASSERT_EQ(fragment_ipv4(whole, parsed(whole), mtu, TestHost::get().pool(), fragments), WEFT_DROP_none);
        const Bytes body = packet.upper_layer();
        Bytes together;
        for (std::size_t i = 0; i < fragments.size(); ++i) {
            const Bytes bytes = cases::bytes_of(fragments[i]);
            const bool last = i + 1 == fragments.size();
            ASSERT_EQ(Bytes(bytes.begin(), bytes.begin() + 14), Bytes(step.frame.begin(), step.frame.begin() + 14));
            ASSERT_LE(bytes.size() - 14, mtu);
            ASSERT_EQ(u16(bytes, 16), bytes.size() - 14);
            ASSERT_EQ(u16(bytes, 18), packet.id);
            ASSERT_EQ(u16(bytes, 20), (last ? 0U : 0x2000U) | together.size() / 8);
            ASSERT_EQ(cases::internet_checksum({bytes.begin() + 14, bytes.begin() + 34}), 0);
            ASSERT_TRUE(last || (bytes.size() - 34) % 8 == 0);
            together.insert(together.end(), bytes.begin() + 34, bytes.end());
            rte_pktmbuf_free(fragments[i]);
        }
        ASSERT_EQ(together, body) << "mtu " << mtu;
        rte_pktmbuf_free(whole);
    }
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

TEST(Fragment, WithoutBuffersThePacketIsDroppedWhole) {
    cases::Fixture fixture(TestHost::get().pool());
    ASSERT_TRUE(fixture.apply(world.tables()));
    Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.dont_fragment = false;
    packet.payload = cases::pattern(5000);
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* const buffer = rte_pktmbuf_alloc(TestHost::get().pool()))
        taken.push_back(buffer);
    // Three for the packet itself, two for four fragments.
    for (int i = 0; i < 5; ++i) {
        rte_pktmbuf_free(taken.back());
        taken.pop_back();
    }
    Step step{.port = World::web, .frame = world.from_web(packet), .sent = {}};
    const cases::Outcome outcome = fixture.run(step);
    EXPECT_TRUE(outcome.sent.empty());
    EXPECT_EQ(outcome.drops, (std::map<weft_drop_reason, std::uint64_t>{{WEFT_DROP_no_buffer, 1}}));
    rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

} // namespace
} // namespace weft::dataplane
