// SPDX-License-Identifier: BSD-3-Clause
// Two connections of one neighbour collide after routes have come over the first:
//
//   127.0.N.2, with the greater router id  --- TCP, twice --->  127.0.N.1 port P
#include "tests/routing/raw_connection.hpp"
#include "tests/routing/speaker_fixture.hpp"

namespace weft::bgp {
namespace {

class CollisionTest : public SpeakerFixture {
  protected:
    Host host;

    void SetUp() override {
        auto passive = config(1, {2});
        passive.neighbors[0].passive = true;
        start(host, std::move(passive));
    }

    [[nodiscard]] PeerStatus peer() const { return host.speaker->peers()[0]; }

    using Restart = std::optional<GracefulRestart>;

    /// What a neighbour says that restarted, and kept forwarding or did not.
    static Restart restarted(bool kept) { return GracefulRestart{true, 120, {{AddressFamily::l2vpn_evpn, kept}}}; }

    std::unique_ptr<RawConnection> connection(const Restart& restart = restarted(true)) {
        auto made = std::make_unique<RawConnection>(loop, address(2));
        made->connect(address(1), port());
        Open open;
        open.as_number = 65000;
        open.hold_time_s = 90;
        open.router_id = 0x0a630002;
        open.capabilities.families = {AddressFamily::l2vpn_evpn};
        open.capabilities.graceful_restart = restart;
        made->say(open);
        made->say(Keepalive{});
        const auto established = peer().times_established;
        EXPECT_TRUE(eventually([&] { return peer().times_established == established + 1; }));
        return made;
    }

    static void announce(RawConnection& over, const std::string& prefix) {
        PathAttributes attributes;
        attributes.next_hop = net::Address::v4(0x0a630002);
        attributes.local_pref = 100;
        attributes.extended_communities = {ExtendedCommunity::route_target(65000, 4000),
                                           ExtendedCommunity::vxlan_encapsulation(),
                                           ExtendedCommunity::router_mac(net::Mac({2, 0, 0, 0, 0, 2}))};
        EvpnPrefix route;
        route.rd = RouteDistinguisher::make(0x0a630002, 1);
        route.prefix = *net::Prefix::parse(prefix);
        route.label = 4000;
        const std::array<Nlri, 1> routes{route};
        for (const auto& message : encode_routes(routes, &attributes, {}, {}))
            over.say(message);
    }
};

TEST_F(CollisionTest, RoutesStayUntilTheSurvivorHasToldItsOwn) {
    auto lost = connection();
    announce(*lost, "10.244.2.1/32");
    ASSERT_TRUE(eventually([&] { return host.has("10.244.2.1/32"); }));
    lost.reset();
    ASSERT_TRUE(eventually([&] { return peer().routes_stale == 1; }));

    auto loser = connection();
    announce(*loser, "10.244.2.2/32");
    ASSERT_TRUE(eventually([&] { return host.has("10.244.2.2/32"); }));
    bool gone = false;
    const auto survivor = connection();
    ASSERT_TRUE(eventually([&] {
        gone = gone || !host.has("10.244.2.1/32") || !host.has("10.244.2.2/32");
        loser->read();
        return loser->closed && peer().routes_stale == 2;
    }));
    // Its last word is NOTIFICATION, Cease/Connection Collision Resolution.
    ASSERT_GE(loser->heard.size(), 21U);
    EXPECT_EQ(loser->heard[loser->heard.size() - 2], 6);
    EXPECT_EQ(loser->heard[loser->heard.size() - 1], 7);
    EXPECT_FALSE(gone);
    EXPECT_EQ(peer().state, "Established");

    announce(*survivor, "10.244.2.2/32");
    survivor->say(encode_end_of_rib(AddressFamily::l2vpn_evpn, {}));
    EXPECT_TRUE(eventually([&] { return !host.has("10.244.2.1/32"); }));
    EXPECT_TRUE(host.has("10.244.2.2/32"));
    EXPECT_EQ(peer().routes_stale, 0U);
}

TEST_F(CollisionTest, RoutesStayWhateverTheNeighbourSaysOfRestarts) {
    for (const Restart& restart : {Restart(), restarted(false)}) {
        const auto loser = connection(restart);
        announce(*loser, "10.244.2.1/32");
        ASSERT_TRUE(eventually([&] { return host.has("10.244.2.1/32"); }));
        const auto survivor = connection(restart);
        ASSERT_TRUE(eventually([&] { return loser->read(), loser->closed; }));
        EXPECT_EQ(peer().routes_stale, 1U);
        survivor->say(encode_end_of_rib(AddressFamily::l2vpn_evpn, {}));
        EXPECT_TRUE(eventually([&] { return !host.has("10.244.2.1/32"); }));
        survivor->say(Notification{6, 2, {}});
        ASSERT_TRUE(eventually([&] { return peer().state == "Active"; }));
    }
}

TEST_F(CollisionTest, RoutesStayWhenTheNeighbourClosesTheLoser) {
    const auto loser = connection();
    announce(*loser, "10.244.2.1/32");
    ASSERT_TRUE(eventually([&] { return host.has("10.244.2.1/32"); }));
    loser->say(Notification{6, 7, {}});
    ASSERT_TRUE(eventually([&] { return peer().state == "Active"; }));
    EXPECT_TRUE(host.has("10.244.2.1/32"));
    EXPECT_EQ(peer().routes_stale, 1U);
}

TEST_F(CollisionTest, AnyOtherLastWordWithdrawsRoutes) {
    const auto leaving = connection();
    announce(*leaving, "10.244.2.1/32");
    ASSERT_TRUE(eventually([&] { return host.has("10.244.2.1/32"); }));
    leaving->say(Notification{6, 2, {}});
    EXPECT_TRUE(eventually([&] { return !host.has("10.244.2.1/32"); }));
    EXPECT_EQ(peer().routes_received, 0U);
}

} // namespace
} // namespace weft::bgp
