// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "controlplane/route_view.hpp"

namespace weft::agent {
namespace {

v1::Route route(std::uint32_t vni, const char* prefix) {
    v1::Route made;
    made.set_vni(vni);
    made.set_prefix(prefix);
    return made;
}

TEST(RouteView, shows_every_attribute_of_a_type_5_route) {
    auto attributes = std::make_shared<bgp::PathAttributes>();
    attributes->next_hop = *net::Address::parse("10.99.0.2");
    attributes->local_pref = 100;
    attributes->extended_communities = {bgp::ExtendedCommunity::route_target(65000, 4000),
                                        bgp::ExtendedCommunity::router_mac(net::Mac({2, 0, 0, 0, 0, 9}))};
    attributes->large_communities = {{1, 2, 3}};
    attributes->originator_id = 0x0a630002;
    bgp::EvpnPrefix nlri;
    nlri.rd = bgp::RouteDistinguisher::make(0x0a630002, 1);
    nlri.prefix = *net::Prefix::parse("fd00::2/128");
    nlri.label = 4000;
    const auto shown = to_api(bgp::RouteEntry{.nlri = nlri,
                                              .vni = net::Vni::make(4000).value(),
                                              .attributes = attributes,
                                              .peer = net::Address::parse("10.99.0.250").value(),
                                              .best = true,
                                              .stale = true,
                                              .why = "the only one"});
    EXPECT_EQ(shown.prefix(), "fd00::2/128");
    EXPECT_EQ(shown.next_hop(), "10.99.0.2");
    EXPECT_EQ(shown.peer(), "10.99.0.250");
    EXPECT_EQ(shown.rd(), "10.99.0.2:1");
    EXPECT_EQ(shown.label(), 4000U);
    EXPECT_EQ(shown.router_mac(), "02:00:00:00:00:09");
    EXPECT_TRUE(shown.has_local_pref());
    EXPECT_FALSE(shown.has_med());
    EXPECT_EQ(shown.originator_id(), "10.99.0.2");
    EXPECT_EQ(shown.large_communities_size(), 1);
    EXPECT_TRUE(shown.best() && shown.stale());
}

TEST(RouteView, keeps_the_longest_match_of_each_network) {
    std::vector<v1::Route> routes{route(1, "10.0.0.0/8"), route(1, "10.1.0.0/16"), route(1, "10.2.0.0/16"),
                                  route(2, "0.0.0.0/0"), route(3, "fd00::/8")};
    keep_longest_match(routes, *net::Address::parse("10.1.2.3"));
    ASSERT_EQ(routes.size(), 2U);
    EXPECT_EQ(routes[0].prefix(), "10.1.0.0/16");
    EXPECT_EQ(routes[1].prefix(), "0.0.0.0/0");
}

} // namespace
} // namespace weft::agent
