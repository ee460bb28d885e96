// SPDX-License-Identifier: BSD-3-Clause
#include <set>

#include <gtest/gtest.h>

#include "controlplane/ipam.hpp"

namespace weft::agent {
namespace {

net::Address address(const char* text) { return *net::Address::parse(text); }

AddressBlock block(const char* text) { return AddressBlock(*net::Prefix::parse(text)); }

TEST(AddressBlock, leases_every_host_address_once_and_then_refuses_by_name) {
    auto leases = block("10.1.0.0/29");
    std::set<net::Address> seen;
    for (int i = 0; i < 6; ++i) {
        const auto leased = leases.lease();
        ASSERT_TRUE(leased);
        EXPECT_TRUE(seen.insert(*leased).second);
    }
    EXPECT_FALSE(seen.contains(address("10.1.0.0")));
    EXPECT_FALSE(seen.contains(address("10.1.0.7")));
    const auto refused = leases.lease();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
    EXPECT_NE(refused.error().message.find("10.1.0.0/29"), std::string::npos);
    leases.release(address("10.1.0.3"));
    EXPECT_EQ(leases.lease(), address("10.1.0.3"));
}

TEST(AddressBlock, lets_a_released_address_rest) {
    auto leases = block("10.1.0.0/24");
    const auto first = *leases.lease();
    leases.release(first);
    EXPECT_NE(*leases.lease(), first);
}

TEST(AddressBlock, passes_reserved_addresses) {
    auto leases = block("fd00::/64");
    ASSERT_TRUE(leases.reserve(address("fd00::1")));
    EXPECT_FALSE(leases.reserve(address("fd00::1")));
    EXPECT_EQ(leases.lease(), address("fd00::2"));
    EXPECT_EQ(leases.used(), 2U);
}

TEST(AddressBlock, leases_the_last_one_while_its_ends_are_reserved) {
    auto leases = block("10.1.0.0/30");
    ASSERT_TRUE(leases.reserve(address("10.1.0.0")));
    ASSERT_TRUE(leases.reserve(address("10.1.0.3")));
    EXPECT_EQ(leases.lease(), address("10.1.0.1"));
    EXPECT_EQ(leases.lease(), address("10.1.0.2"));
    EXPECT_FALSE(leases.lease());
}

TEST(AddressBlock, uses_all_of_a_tiny_block) {
    auto pair = block("10.1.0.4/31");
    EXPECT_EQ(pair.lease(), address("10.1.0.4"));
    EXPECT_EQ(pair.lease(), address("10.1.0.5"));
    EXPECT_FALSE(pair.lease());
    auto one = block("10.1.0.4/32");
    EXPECT_EQ(one.lease(), address("10.1.0.4"));
    EXPECT_FALSE(one.lease());
}

} // namespace
} // namespace weft::agent
