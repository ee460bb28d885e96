// SPDX-License-Identifier: BSD-3-Clause
// The sweep of sessions: what is over goes, what is not stays, whatever the slices.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "ebpf/session_sweeper.hpp"
#include "tests/ebpf/bpf_maps.hpp"

namespace weft::ebpf {
namespace {

class EbpfSessions : public BpfTest {
  protected:
    void SetUp() override {
        BpfTest::SetUp();
        if (!IsSkipped()) maps_.emplace(MapSet::open(unpinned({{"sessions", 20'000}})).value());
    }

    const Map& sessions() const { return (*maps_)["sessions"]; }

    SessionAccounts accounts() const { return SessionAccounts::open((*maps_)["accounts"]).value(); }

    std::optional<MapSet> maps_;
};

weft_session_key key_of(std::uint32_t number, std::uint32_t protocol) {
    weft_session_key key{};
    key.low.words[3] = number;
    key.vni_protocol = 7U << 8 | protocol;
    return key;
}

void sweep_all(SessionSweeper& sweeper, std::uint32_t now_s) {
    for (int slice = 0; slice < 100; ++slice)
        if (sweeper.sweep(now_s).value()) return;
    FAIL() << "it came to no end";
}

TEST_F(EbpfSessions, ThatAreOverGo) {
    auto books = accounts();
    SessionSweeper sweeper(sessions(), books);
    sweep_all(sweeper, 0);
    EXPECT_EQ(sweeper.size(), 0U);
    constexpr std::uint32_t now_s = 100'000;
    std::mt19937 random(1);
    std::map<std::uint32_t, bool> stays;
    for (std::uint32_t number = 0; number < 10'000; ++number) {
        const std::uint32_t protocol = std::array{6U, 17U, 1U, 44U}[random() % 4];
        const weft_session_key key = key_of(number, protocol);
        weft_session_value value{};
        value.state = static_cast<std::uint8_t>(1 + random() % 4);
        // Around the timeouts, and some a second ahead.
        const std::uint32_t timeout = weft_session_timeout_s(protocol, value.state);
        value.last_seen_s = now_s + 1 - static_cast<std::uint32_t>(random() % (2 * timeout));
        ASSERT_TRUE(sessions().set(&key, &value));
        stays[number] = now_s + 1 - value.last_seen_s <= timeout + 1;
    }
    sweep_all(sweeper, now_s);
    std::size_t left = 0;
    ASSERT_TRUE(sessions().for_each([&](const void* key, const void*) {
        ++left;
        EXPECT_TRUE(stays.at(static_cast<const weft_session_key*>(key)->low.words[3]));
    }));
    EXPECT_EQ(left,
              static_cast<std::size_t>(std::ranges::count_if(stays, [](const auto& each) { return each.second; })));
    EXPECT_GT(left, 1000U);
    EXPECT_LT(left, 9000U);
    EXPECT_EQ(sweeper.size(), left);
    // Later all of them.
    sweep_all(sweeper, now_s + 100'000);
    EXPECT_EQ(sweeper.size(), 0U);
}

TEST_F(EbpfSessions, OneSliceLooksAtSoManyAtMost) {
    for (std::uint32_t number = 0; number < 3 * SessionSweeper::slice; ++number) {
        const weft_session_key key = key_of(number, 6);
        const weft_session_value value{};
        ASSERT_TRUE(sessions().set(&key, &value));
    }
    auto books = accounts();
    SessionSweeper sweeper(sessions(), books);
    ASSERT_FALSE(sweeper.sweep(100'000).value());
    std::size_t left = 0;
    ASSERT_TRUE(sessions().for_each([&](const void*, const void*) { ++left; }));
    EXPECT_GE(left, 2 * SessionSweeper::slice);
    EXPECT_LT(left, 3 * SessionSweeper::slice);
}

TEST_F(EbpfSessions, ClockIsThatOfThePrograms) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_LE(static_cast<std::uint32_t>(now.tv_sec) - SessionSweeper::clock_s(), 1U);
}

} // namespace
} // namespace weft::ebpf
