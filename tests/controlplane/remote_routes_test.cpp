// SPDX-License-Identifier: BSD-3-Clause
// RemoteRoutes: the speaker's best paths become next hops, shared per tunnel, and routes; both go when nobody needs
// them.
#include <gtest/gtest.h>

#include "controlplane/policy_tables.hpp"
#include "controlplane/remote_routes.hpp"
#include "tests/controlplane/memory_fast_path.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::agent {
namespace {

const net::Vni vni = *net::Vni::make(4000);

bgp::NetworkPath path(const char* vtep, std::uint8_t mac = 1) {
    return {.vtep = *net::Address::parse(vtep),
            .label = 4000,
            .router_mac = net::Mac({2, 0, 0, 0, 0, mac}),
            .attributes = std::make_shared<bgp::PathAttributes>(),
            .local = false};
}

class RemoteRoutesTest : public testing::Test {
  protected:
    RemoteRoutesTest() {
        sync.connected(fast_path, {});
        remote.adopt({});
    }

    void tell(const char* prefix, std::vector<bgp::NetworkPath> paths) {
        bgp::RouteUpdate update;
        update.paths[{vni, *net::Prefix::parse(prefix)}] = std::move(paths);
        remote.apply(update);
        fast_path.run();
    }

    MemoryFastPath fast_path;
    FibSync sync;
    Uplink uplink{.interface = "eth0", .vtep = *net::Address::parse("10.99.0.1")};
    TemporaryDirectory directory;
    Store store = *Store::open(directory.path());
    PolicyTables tables{sync, store};
    policy::PolicyEngine policy{65000, tables};
    RemoteRoutes remote{sync, policy, uplink, 1};
};

TEST_F(RemoteRoutesTest, shares_a_next_hop_between_routes_of_one_tunnel) {
    tell("10.0.0.1/32", {path("10.99.0.2")});
    tell("10.0.0.2/32", {path("10.99.0.2")});
    tell("10.0.0.3/32", {path("10.99.0.3")});
    EXPECT_EQ(fast_path.routes.size(), 3U);
    EXPECT_EQ(fast_path.next_hops.size(), 2U);
    for (const auto& [key, route] : fast_path.routes) {
        EXPECT_EQ(route.identity(), policy::identity_world);
        EXPECT_TRUE(fast_path.next_hops.contains(route.next_hop()));
    }
}

TEST_F(RemoteRoutesTest, every_next_hop_learns_what_the_uplink_carries_now) {
    tell("10.0.0.1/32", {path("10.99.0.2")});
    tell("10.0.0.3/32", {path("10.99.0.3")});
    uplink.endpoint_mtu = 1250;
    remote.mtu_changed();
    fast_path.run();
    ASSERT_EQ(fast_path.next_hops.size(), 2U);
    for (const auto& [id, next_hop] : fast_path.next_hops)
        EXPECT_EQ(next_hop.vtep().mtu(), 1250U);
}

TEST_F(RemoteRoutesTest, is_unresolved_until_the_kernel_knows_the_way_and_keeps_it_while_it_asks_again) {
    tell("10.0.0.1/32", {path("10.99.0.2")});
    EXPECT_TRUE(fast_path.next_hops.begin()->second.vtep().outer_destination_mac().empty());
    remote.resolved(*net::Address::parse("10.99.0.2"), ResolvedNeighbor{net::Mac({2, 1}), net::Mac({2, 2})});
    fast_path.run();
    EXPECT_EQ(fast_path.next_hops.begin()->second.vtep().outer_destination_mac().size(), 6U);
    remote.resolved(*net::Address::parse("10.99.0.2"), std::nullopt);
    fast_path.run();
    EXPECT_EQ(fast_path.next_hops.begin()->second.vtep().outer_destination_mac().size(), 6U);
}

TEST_F(RemoteRoutesTest, moves_a_route_and_drops_the_next_hop_that_nobody_uses) {
    sync.sweep_routes();
    tell("10.0.0.1/32", {path("10.99.0.2")});
    tell("10.0.0.1/32", {path("10.99.0.3")});
    ASSERT_EQ(fast_path.next_hops.size(), 1U);
    EXPECT_EQ(remote.vtep_of(fast_path.next_hops.begin()->first), net::Address::parse("10.99.0.3"));
    tell("10.0.0.1/32", {});
    EXPECT_TRUE(fast_path.routes.empty());
    EXPECT_TRUE(fast_path.next_hops.empty());
}

TEST_F(RemoteRoutesTest, keeps_the_ids_of_an_adopted_fast_path) {
    tell("10.0.0.1/32", {path("10.99.0.2")});
    tell("10.0.0.2/32", {path("10.99.0.3")});
    remote.resolved(*net::Address::parse("10.99.0.2"), ResolvedNeighbor{net::Mac({2, 1}), net::Mac({2, 2})});
    remote.resolved(*net::Address::parse("10.99.0.3"), ResolvedNeighbor{net::Mac({2, 1}), net::Mac({2, 3})});
    fast_path.run();
    const auto before = fast_path.routes;
    const auto hops_before = fast_path.next_hops.begin()->second.SerializeAsString();
    fast_path.updates.clear();
    FibSync next_sync;
    PolicyTables next_tables(next_sync, store);
    policy::PolicyEngine next_policy(65000, next_tables);
    RemoteRoutes next(next_sync, next_policy, uplink, 1);
    next.adopt(fast_path.tables());
    next_sync.connected(fast_path, fast_path.tables());
    bgp::RouteUpdate update; // in another order
    update.paths[{vni, *net::Prefix::parse("10.0.0.2/32")}] = {path("10.99.0.3")};
    next.apply(update);
    fast_path.run();
    update.paths[{vni, *net::Prefix::parse("10.0.0.1/32")}] = {path("10.99.0.2")};
    next.apply(update);
    fast_path.run();
    next_sync.sweep_routes();
    fast_path.run();
    ASSERT_EQ(fast_path.routes.size(), before.size());
    for (const auto& [key, route] : fast_path.routes)
        EXPECT_EQ(route.next_hop(), before.at(key).next_hop());
    EXPECT_EQ(fast_path.next_hops.begin()->second.SerializeAsString(), hops_before);
    for (const auto& update : fast_path.updates)
        EXPECT_EQ(update.next_hops_size(), 0)
            << "a next hop that is written anew has a moment without its MAC address";
}

TEST_F(RemoteRoutesTest, gives_no_id_before_it_knows_which_are_taken) {
    tell("10.0.0.1/32", {path("10.99.0.2")});
    const auto taken = fast_path.next_hops.begin()->first;
    FibSync next_sync;
    PolicyTables next_tables(next_sync, store);
    policy::PolicyEngine next_policy(65000, next_tables);
    RemoteRoutes next(next_sync, next_policy, uplink, 1);
    bgp::RouteUpdate update;
    update.paths[{vni, *net::Prefix::parse("10.0.0.2/32")}] = {path("10.99.0.3")};
    next.apply(update); // faster than the fast path's dump
    EXPECT_FALSE(next.adopted());
    next.adopt(fast_path.tables());
    next_sync.connected(fast_path, fast_path.tables());
    fast_path.run();
    EXPECT_EQ(fast_path.routes.size(), 2U);
    EXPECT_EQ(fast_path.next_hops.size(), 2U) << "the new tunnel must not take the id of the old one";
    EXPECT_TRUE(fast_path.next_hops.contains(taken));
}

TEST_F(RemoteRoutesTest, leaves_local_routes_to_their_owner) {
    auto local = path("10.99.0.1");
    local.local = true;
    tell("10.0.0.1/32", {local});
    EXPECT_TRUE(fast_path.routes.empty());
}

} // namespace
} // namespace weft::agent
