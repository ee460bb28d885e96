// SPDX-License-Identifier: BSD-3-Clause
// EthdevPort: what a burst of frames that are still to be cut needs of the pool that all ports share, and a device
// that takes no more.
#include <gtest/gtest.h>

#include "dataplane/ethdev_port.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Step;
using cases::TestHost;
using cases::World;

TEST(EthdevPort, BurstOfManySegmentsNeedsFewBuffers) {
    const World world{4, 4};
    const TestHost& host = TestHost::get();
    const auto small = make_packet_pool("small", 1023).value();
    auto port = EthdevPort::attach(1, Role::uplink, "net_null99,no-rx=1", 1, 0, small.get(), "");
    ASSERT_TRUE(port) << port.error().message;
    constexpr std::uint16_t segment = 88;
    constexpr std::size_t segments = 300;
    cases::Packet packet = World::between(world.web_ip(), world.cache_ip());
    packet.l4 = cases::L4::tcp;
    packet.payload = cases::pattern(segment * segments);
    Step step{.frame = world.from_web(packet), .sent = {}};
    step.offload = {.segment = segment, .checksum = true};
    std::vector<rte_mbuf*> burst;
    for (int i = 0; i < 16; ++i) {
        burst.push_back(cases::make_packet(host.pool(), step));
        ASSERT_NE(burst.back(), nullptr);
    }
    PortCounts counts;
    (*port)->send(0, burst, counts);
    EXPECT_EQ(counts.tx_packets.get(), burst.size() * segments);
    for (int reason = 0; reason < WEFT_DROP_REASON_COUNT; ++reason)
        EXPECT_EQ(counts.drops[static_cast<std::size_t>(reason)].get(), 0U) << "drop reason " << reason;
    EXPECT_EQ(rte_mempool_in_use_count(small.get()), 0U);
    EXPECT_EQ(host.buffers_in_use(), 0U);
}

TEST(EthdevPort, FullDeviceDropsWhatItCannotTake) {
    const World world{4, 4};
    const TestHost& host = TestHost::get();
    constexpr unsigned room = 1023; // of net_ring, which gives back what it was sent
    constexpr unsigned surplus = 100;
    const auto port = EthdevPort::attach(1, Role::uplink, "net_ring99", 1, 0, host.pool(), "");
    ASSERT_TRUE(port) << port.error().message;
    Step step{.frame = world.from_web(World::between(world.web_ip(), world.cache_ip())), .sent = {}};
    PortCounts counts;
    for (unsigned i = 0; i < room + surplus; ++i) {
        rte_mbuf* packet = cases::make_packet(host.pool(), step);
        ASSERT_NE(packet, nullptr);
        (*port)->send(0, {&packet, 1}, counts);
    }
    EXPECT_EQ(counts.tx_packets.get(), room);
    EXPECT_EQ(counts.drops[WEFT_DROP_port_full].get(), surplus);
    EXPECT_EQ(host.buffers_in_use(), room);
    std::array<rte_mbuf*, 64> burst;
    unsigned back = 0;
    while (const unsigned received = (*port)->receive(0, burst, counts)) {
        back += received;
        rte_pktmbuf_free_bulk(burst.data(), received);
    }
    EXPECT_EQ(back, room);
    EXPECT_EQ(host.buffers_in_use(), 0U);
}

} // namespace
} // namespace weft::dataplane
