// SPDX-License-Identifier: BSD-3-Clause
// Speakers that talk to each other over loopback addresses:
//
//   127.0.N.1 port P  <--- iBGP, EVPN --->  127.0.N.2 port P
#include <gtest/gtest.h>

#include "tests/routing/speaker_fixture.hpp"

namespace weft::bgp {
namespace {

class SpeakerTest : public SpeakerFixture {};

TEST_F(SpeakerTest, RoutesArriveWithLabelsAndGoWhenWithdrawn) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    a.speaker->announce(route("10.244.1.2/32"));
    a.speaker->announce(route("fd00::1:2/128"));
    ASSERT_TRUE(eventually([&] { return b.has("10.244.1.2/32") && b.has("fd00::1:2/128"); }));
    const auto& path = b.routes.paths.at({*net::Vni::make(4000), *net::Prefix::parse("10.244.1.2/32")}).front();
    EXPECT_EQ(path.vtep.to_string(), "10.99.0.1");
    EXPECT_EQ(path.router_mac.to_string(), "02:00:00:00:00:01");
    EXPECT_EQ(path.label, 4000U);
    EXPECT_EQ(path.attributes->large_communities, route("10.244.1.2/32").labels);
    a.speaker->withdraw(*net::Vni::make(4000), *net::Prefix::parse("10.244.1.2/32"));
    EXPECT_TRUE(eventually([&] { return !b.has("10.244.1.2/32"); }));
    EXPECT_TRUE(b.has("fd00::1:2/128"));
}

TEST_F(SpeakerTest, BothConnectAndOneConnectionSurvives) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    const auto settled = [&] {
        return a.speaker->peers()[0].state == "Established" && b.speaker->peers()[0].state == "Established";
    };
    ASSERT_TRUE(eventually(settled));
    // Longer than the hold time: the survivor is the same for both.
    eventually([] { return false; }, 4s);
    EXPECT_TRUE(settled());
    EXPECT_LE(a.speaker->peers()[0].times_established, 2U);
}

TEST_F(SpeakerTest, ShutdownWithdrawsAtOnce) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    a.speaker->announce(route("10.244.1.2/32"));
    ASSERT_TRUE(eventually([&] { return b.has("10.244.1.2/32"); }));
    a.speaker->shutdown();
    EXPECT_TRUE(eventually([&] { return !b.has("10.244.1.2/32"); }, 1s));
    EXPECT_NE(b.speaker->peers()[0].last_error.find("Administrative Shutdown"), std::string::npos);
}

TEST_F(SpeakerTest, RestartKeepsRoutesAndSweepsWhatIsNotAnnouncedAgain) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    a.speaker->announce(route("10.244.1.2/32"));
    a.speaker->announce(route("10.244.1.3/32"));
    a.speaker->local_routes_complete();
    ASSERT_TRUE(eventually([&] { return b.has("10.244.1.2/32") && b.has("10.244.1.3/32"); }));
    a.speaker.reset(); // as a crash: no NOTIFICATION
    ASSERT_TRUE(eventually([&] { return b.speaker->peers()[0].routes_stale == 2; }));
    EXPECT_TRUE(b.has("10.244.1.2/32"));
    auto again = config(1, {2});
    again.restarting = true;
    start(a, again);
    a.speaker->announce(route("10.244.1.2/32"));
    a.speaker->local_routes_complete();
    EXPECT_TRUE(eventually([&] { return !b.has("10.244.1.3/32"); }));
    EXPECT_TRUE(b.has("10.244.1.2/32"));
    EXPECT_EQ(b.speaker->peers()[0].routes_stale, 0U);
}

TEST_F(SpeakerTest, RoutesStaleAtASecondRestartGoAtOnce) {
    Host a;
    Host b;
    auto patient = config(1, {2});
    patient.restart_time_s = 120; // far longer than the test: no timer of theirs sweeps
    start(a, patient);
    auto other = config(2, {1});
    other.restart_time_s = 120;
    start(b, other);
    a.speaker->announce(route("10.244.1.2/32"));
    a.speaker->announce(route("10.244.1.3/32"));
    a.speaker->local_routes_complete();
    ASSERT_TRUE(eventually([&] { return b.has("10.244.1.2/32") && b.has("10.244.1.3/32"); }));
    a.speaker.reset();
    ASSERT_TRUE(eventually([&] { return b.speaker->peers()[0].routes_stale == 2; }));
    patient.restarting = true;
    start(a, patient);
    a.speaker->announce(route("10.244.1.2/32")); // and dies again before it said End-of-RIB
    ASSERT_TRUE(eventually([&] { return b.speaker->peers()[0].routes_stale == 1; }));
    EXPECT_TRUE(b.has("10.244.1.3/32"));
    a.speaker.reset();
    EXPECT_TRUE(eventually([&] { return !b.has("10.244.1.3/32"); }, 2s));
    EXPECT_TRUE(b.has("10.244.1.2/32"));
    EXPECT_EQ(b.speaker->peers()[0].routes_stale, 1U);
}

TEST_F(SpeakerTest, WhoDoesNotComeBackIsForgotten) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    a.speaker->announce(route("10.244.1.2/32"));
    ASSERT_TRUE(eventually([&] { return b.has("10.244.1.2/32"); }));
    a.speaker.reset();
    EXPECT_TRUE(eventually([&] { return !b.has("10.244.1.2/32"); }));
}

TEST_F(SpeakerTest, RangesAcceptUnknownNeighborsOfTheRightAs) {
    Host a;
    Host b;
    Host stranger;
    auto open = config(1, {});
    open.ranges = {{net::Prefix::host(address(2)), 65000, 10}};
    start(a, open);
    start(b, config(2, {1}));
    start(stranger, config(3, {1}));
    b.speaker->announce(route("10.244.2.2/32"));
    stranger.speaker->announce(route("10.244.3.2/32"));
    EXPECT_TRUE(eventually([&] { return a.has("10.244.2.2/32"); }));
    EXPECT_FALSE(eventually([&] { return a.has("10.244.3.2/32"); }, 500ms));
    EXPECT_EQ(a.speaker->peers().size(), 1U);
}

TEST_F(SpeakerTest, ConvergedAfterEveryNeighborsEndOfRib) {
    Host a;
    Host b;
    start(a, config(1, {2}));
    start(b, config(2, {1}));
    b.speaker->local_routes_complete();
    a.speaker->local_routes_complete();
    EXPECT_TRUE(eventually([&] { return a.converged && b.converged; }, 2s));
}

TEST_F(SpeakerTest, CountsRoutesThatNetworksTook) {
    const net::Vni other = *net::Vni::make(5000);
    const auto target = ExtendedCommunity::route_target(65000, 5000);
    const NetworkConfig second{other, "second", RouteDistinguisher::make(0x0a630002, 2), {target}, {target}};
    Host a;
    Host b;
    auto both = config(1, {2});
    both.networks.push_back({other, "second", RouteDistinguisher::make(both.router_id, 2), {target}, {target}});
    start(a, both);
    start(b, config(2, {1}));
    a.speaker->announce(route("10.244.1.2/32"));
    a.speaker->announce({other, *net::Prefix::parse("10.245.1.2/32"), {}});
    a.speaker->announce({other, *net::Prefix::parse("10.245.1.3/32"), {}});
    const auto peer = [&] { return b.speaker->peers()[0]; };
    ASSERT_TRUE(eventually([&] { return peer().routes_received == 3; }));
    EXPECT_EQ(peer().routes_accepted, 1U);
    ASSERT_TRUE(b.speaker->add_network(second));
    EXPECT_EQ(peer().routes_accepted, 3U);
    a.speaker->withdraw(other, *net::Prefix::parse("10.245.1.3/32"));
    ASSERT_TRUE(eventually([&] { return peer().routes_received == 2; }));
    EXPECT_EQ(peer().routes_accepted, 2U);
    ASSERT_TRUE(b.speaker->remove_network(other));
    EXPECT_EQ(peer().routes_accepted, 1U);
}

TEST_F(SpeakerTest, TakenPortIsNamed) {
    Host a;
    start(a, config(1, {}));
    const auto second = Speaker::start(loop, config(1, {}), {});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find(std::to_string(port())), std::string::npos);
}

} // namespace
} // namespace weft::bgp
