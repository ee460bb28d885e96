// SPDX-License-Identifier: BSD-3-Clause
// What is imported from a peer, and which reason is given for what is not.
#include <memory>

#include <gtest/gtest.h>

#include "routing/route_policy.hpp"

namespace weft::bgp {
namespace {

net::Address address(std::string_view text) { return *net::Address::parse(text); }

/// The reason for not importing a route with the next hop on a host with the VTEP; "imported" if it is.
std::string fate(std::string_view next_hop, std::string_view vtep, std::string_view prefix = "10.244.2.2/32") {
    EvpnPrefix route;
    route.rd = RouteDistinguisher::make(0x0a630002, 1);
    route.prefix = *net::Prefix::parse(prefix);
    route.label = 4000;
    PathAttributes attributes;
    attributes.next_hop = address(next_hop);
    attributes.extended_communities = {ExtendedCommunity::vxlan_encapsulation(),
                                       ExtendedCommunity::router_mac(*net::Mac::parse("02:00:00:00:40:02"))};
    const auto imported = import_route(route, std::make_shared<const PathAttributes>(attributes),
                                       {.as_number = 65000, .router_id = 0x0a630001, .vtep = address(vtep)});
    if (imported) {
        EXPECT_EQ(imported->path.vtep, address(next_hop));
        return "imported";
    }
    return imported.error();
}

TEST(RoutePolicy, NextHopsOfOurVtepsFamilyAreImported) {
    EXPECT_EQ(fate("10.99.0.2", "10.99.0.1"), "imported");
    EXPECT_EQ(fate("223.255.255.255", "10.99.0.1"), "imported");
    EXPECT_EQ(fate("fd00:99::2", "fd00:99::1"), "imported");
    EXPECT_EQ(fate("::fffe:a63:2", "fd00:99::1"), "imported");
}

TEST(RoutePolicy, NextHopsThatNoTunnelCanReachAreNot) {
    const auto v4 = [](std::string_view next_hop) { return fate(next_hop, "10.99.0.1"); };
    EXPECT_EQ(v4("0.0.0.0"), "next hop 0.0.0.0 is no VTEP: it is unspecified");
    EXPECT_EQ(v4("224.0.0.5"), "next hop 224.0.0.5 is no VTEP: it is multicast");
    EXPECT_EQ(v4("127.0.0.2"), "next hop 127.0.0.2 is no VTEP: it is a loopback address");
    EXPECT_EQ(v4("169.254.1.1"), "next hop 169.254.1.1 is no VTEP: it is link-local");
    EXPECT_EQ(v4("240.0.0.1"), "next hop 240.0.0.1 is no VTEP: it is reserved or broadcast");
    EXPECT_EQ(v4("255.255.255.255"), "next hop 255.255.255.255 is no VTEP: it is reserved or broadcast");
    const auto v6 = [](std::string_view next_hop) { return fate(next_hop, "fd00:99::1"); };
    EXPECT_EQ(v6("::"), "next hop :: is no VTEP: it is unspecified");
    EXPECT_EQ(v6("ff02::1"), "next hop ff02::1 is no VTEP: it is multicast");
    EXPECT_EQ(v6("::1"), "next hop ::1 is no VTEP: it is a loopback address");
    EXPECT_EQ(v6("fe80::2"), "next hop fe80::2 is no VTEP: it is link-local");
    EXPECT_EQ(v6("::ffff:10.99.0.2"), "next hop ::ffff:10.99.0.2 is no VTEP: it is an IPv4-mapped IPv6 address");
}

TEST(RoutePolicy, PrefixesThatNoPacketCanMeanAreNot) {
    EXPECT_EQ(fate("10.99.0.2", "10.99.0.1", "::ffff:10.0.0.0/104"),
              "::ffff:10.0.0.0/104 is an IPv4-mapped IPv6 prefix");
    EXPECT_EQ(fate("10.99.0.2", "10.99.0.1", "::/0"), "imported");
}

TEST(RoutePolicy, NextHopsOfTheOtherFamilyAreNot) {
    EXPECT_EQ(fate("fd00:99::2", "10.99.0.1"), "next hop fd00:99::2 is IPv6, our VTEP 10.99.0.1 is not");
    EXPECT_EQ(fate("10.99.0.2", "fd00:99::1"), "next hop 10.99.0.2 is IPv4, our VTEP fd00:99::1 is not");
}

TEST(RoutePolicy, HostWithoutVtepImportsNothing) {
    EXPECT_EQ(fate("10.99.0.2", "0.0.0.0"), "this host has no VTEP to tunnel from");
    EXPECT_EQ(fate("fd00:99::2", "0.0.0.0"), "this host has no VTEP to tunnel from");
}

TEST(RoutePolicy, OurOwnVtepIsNoNextHop) {
    EXPECT_EQ(fate("10.99.0.1", "10.99.0.1"), "its next hop is our own VTEP");
}

} // namespace
} // namespace weft::bgp
