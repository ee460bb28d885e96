// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "tools/ctl/rates.hpp"

namespace weft::ctl {
namespace {

v1::CountersReply reading(std::uint64_t packets, std::uint64_t dropped) {
    v1::CountersReply reply;
    auto& port = *reply.add_ports();
    port.set_port(3);
    port.set_name("web-1");
    port.set_rx_packets(packets);
    port.set_rx_bytes(packets * 100);
    auto& drop = *port.add_drops();
    drop.set_reason("no_route");
    drop.set_packets(dropped);
    return reply;
}

TEST(Rates, AreGrowthOverTime) {
    const auto rates = rates_between(reading(1000, 5), reading(3000, 25), 2);
    ASSERT_EQ(rates.size(), 1U);
    EXPECT_DOUBLE_EQ(rates[0].rx_packets_per_s, 1000);
    EXPECT_DOUBLE_EQ(rates[0].rx_bits_per_s, 800'000);
    EXPECT_DOUBLE_EQ(rates[0].tx_packets_per_s, 0);
    EXPECT_DOUBLE_EQ(rates[0].dropped_per_s, 10);
    ASSERT_EQ(rates[0].drops.size(), 1U);
    EXPECT_EQ(rates[0].drops[0].reason, "no_route");
}

TEST(Rates, AReasonThatDidNotHappenIsNotListed) {
    EXPECT_TRUE(rates_between(reading(1, 5), reading(2, 5), 1)[0].drops.empty());
}

TEST(Rates, CountersThatFellWereRestarted) {
    EXPECT_DOUBLE_EQ(rates_between(reading(1'000'000, 0), reading(50, 0), 1)[0].rx_packets_per_s, 50);
}

TEST(Rates, ANewPortCountsFromZeroEvenWithAnOldNumber) {
    v1::CountersReply before = reading(1000, 0);
    before.mutable_ports(0)->set_name("gone");
    EXPECT_DOUBLE_EQ(rates_between(before, reading(2000, 0), 1)[0].rx_packets_per_s, 2000);
}

} // namespace
} // namespace weft::ctl
