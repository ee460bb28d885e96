// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "routing/net/address.hpp"

namespace weft::net {
namespace {

TEST(Address, TextGoesBothWays) {
    for (const char* text : {"0.0.0.0", "10.1.0.2", "255.255.255.255", "::", "::1", "fd00::2", "2001:db8::1:0:0:1"})
        EXPECT_EQ(Address::parse(text)->to_string(), text);
}

TEST(Address, RefusesWhatIsNoAddress) {
    for (const char* text : {"", "10.1.0", "10.1.0.256", "10.1.0.2/24", "fd00::2::1", "web-1", "10.1.0.2 "})
        EXPECT_FALSE(Address::parse(text)) << text;
}

TEST(Address, AddsAcrossByteBorders) {
    EXPECT_EQ(Address::parse("10.0.0.255")->plus(1).to_string(), "10.0.1.0");
    EXPECT_EQ(Address::parse("255.255.255.255")->plus(1).to_string(), "0.0.0.0");
    EXPECT_EQ(Address::parse("fd00::ffff")->plus(1).to_string(), "fd00::1:0");
}

TEST(Prefix, RefusesHostBitsAndNamesThePrefixMeant) {
    const auto prefix = Prefix::parse("10.1.0.7/24");
    ASSERT_FALSE(prefix);
    EXPECT_NE(prefix.error().message.find("10.1.0.0/24"), std::string::npos);
}

TEST(Prefix, ContainsByBitsOfItsFamily) {
    const auto wide = *Prefix::parse("10.0.0.0/9");
    EXPECT_TRUE(wide.contains(*Address::parse("10.127.255.255")));
    EXPECT_FALSE(wide.contains(*Address::parse("10.128.0.0")));
    EXPECT_FALSE(wide.contains(*Address::parse("::a00:0")));
    EXPECT_TRUE(Prefix::parse("::/0")->contains(*Address::parse("fd00::1")));
    EXPECT_TRUE(wide.contains(*Prefix::parse("10.1.0.0/16")));
    EXPECT_FALSE(wide.contains(*Prefix::parse("10.0.0.0/8")));
}

TEST(Mac, TextGoesBothWays) {
    EXPECT_EQ(Mac::parse("02:00:00:00:40:ff")->to_string(), "02:00:00:00:40:ff");
    for (const char* text : {"", "02:00:00:00:40", "02-00-00-00-40-ff", "02:00:00:00:40:fg", "02:00:00:00:40:ff:"})
        EXPECT_FALSE(Mac::parse(text)) << text;
}

TEST(Vni, IsTwentyFourBitsAndNotZero) {
    EXPECT_FALSE(Vni::make(0));
    EXPECT_FALSE(Vni::make(1U << 24));
    EXPECT_EQ(Vni::make(4000)->value(), 4000U);
}

} // namespace
} // namespace weft::net
