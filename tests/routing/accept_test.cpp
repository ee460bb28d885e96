// SPDX-License-Identifier: BSD-3-Clause
// A process that has a neighbour's address but speaks no BGP, against a speaker:
//
//   127.0.N.2, silent  --- TCP --->  127.0.N.1 port P
#include <algorithm>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/routing/raw_connection.hpp"
#include "tests/routing/speaker_fixture.hpp"

namespace weft::bgp {
namespace {

/// No descriptor can be opened while this lives.
class NoDescriptors {
  public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        const int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(lowest);
        const rlimit none{static_cast<rlim_t>(lowest), before_.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
    }

    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
};

class AcceptTest : public SpeakerFixture {
  protected:
    Host host;

    /// Waits for the neighbour to connect.
    SpeakerConfig passive() {
        auto made = config(1, {2});
        made.neighbors[0].passive = true;
        return made;
    }

    [[nodiscard]] std::string state() const { return host.speaker->peers()[0].state; }
};

TEST_F(AcceptTest, NeighborHasTwoConnectionsWithoutOpenAtMost) {
    start(host, passive());
    std::vector<std::unique_ptr<RawConnection>> all;
    const auto read = [&] {
        for (const auto& each : all)
            each->read();
    };
    const auto closed = [&] { return std::ranges::count_if(all, [](const auto& each) { return each->closed; }); };
    for (int i = 0; i < 6; ++i) {
        all.push_back(std::make_unique<RawConnection>(loop, address(2)));
        all.back()->connect(address(1), port());
    }
    EXPECT_TRUE(eventually([&] { return read(), closed() == 4; }, 2s)) << closed();
    EXPECT_FALSE(eventually([&] { return read(), closed() > 4; }, 200ms));
    // Those that were kept heard our OPEN; and when they go, there is room again.
    std::erase_if(all, [](const auto& each) { return each->closed; });
    EXPECT_TRUE(std::ranges::all_of(all, [](const auto& each) { return !each->heard.empty(); }));
    all.clear();
    ASSERT_TRUE(eventually([&] { return state() == "Active"; }));
    Host neighbor;
    start(neighbor, config(2, {1}));
    EXPECT_TRUE(eventually([&] { return state() == "Established"; }));
}

TEST_F(AcceptTest, WhoSaysNothingIsHungUpOn) {
    auto impatient = passive();
    impatient.open_timeout = 200ms;
    start(host, impatient);
    RawConnection silent(loop, address(2));
    silent.connect(address(1), port());
    EXPECT_TRUE(eventually([&] { return silent.read(), silent.closed; }, 2s));
    // The last message is NOTIFICATION, Hold Timer Expired.
    ASSERT_GE(silent.heard.size(), 21U);
    EXPECT_EQ(silent.heard[silent.heard.size() - 3], 3);
    EXPECT_EQ(silent.heard[silent.heard.size() - 2], 4);
}

TEST_F(AcceptTest, WhoSaysOpenWithoutHoldTimeAndNoMoreIsHungUpOn) {
    auto impatient = passive();
    impatient.open_timeout = 200ms;
    start(host, impatient);
    RawConnection silent(loop, address(2));
    silent.connect(address(1), port());
    Open open;
    open.as_number = 65000;
    open.hold_time_s = 0;
    open.router_id = 0x0a630002;
    open.capabilities.families = {AddressFamily::l2vpn_evpn};
    silent.say(open);
    ASSERT_TRUE(eventually([&] { return state() == "OpenConfirm"; }));
    EXPECT_TRUE(eventually([&] { return silent.read(), silent.closed; }, 2s));
}

TEST_F(AcceptTest, SilentConnectionsDoNotKeepUsFromConnecting) {
    start(host, config(1, {2}));
    RawConnection first(loop, address(2));
    RawConnection second(loop, address(2));
    first.connect(address(1), port());
    second.connect(address(1), port());
    ASSERT_TRUE(eventually([&] { return state() == "OpenSent"; }));
    Host neighbor;
    auto made = config(2, {1});
    made.neighbors[0].passive = true;
    start(neighbor, made);
    EXPECT_TRUE(eventually([&] { return state() == "Established"; }, 3s));
}

TEST_F(AcceptTest, LackOfDescriptorsIsWaitedFor) {
    start(host, passive());
    RawConnection silent(loop, address(2));
    {
        const NoDescriptors none;
        silent.connect(address(1), port());
        loop.restart();
        EXPECT_LT(loop.run_for(300ms), 10U) << "the accept that fails is repeated at once";
        EXPECT_EQ(state(), "Active");
    }
    EXPECT_TRUE(eventually([&] { return state() == "OpenSent"; }, 4s));
}

} // namespace
} // namespace weft::bgp
