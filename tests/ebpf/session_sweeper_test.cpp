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

/// A session of an account: TCP, half-open or not.
weft_session_value charged_to(std::uint32_t account, weft_session_state state, std::uint32_t last_seen_s) {
    weft_session_value value{};
    value.account = static_cast<std::uint16_t>(account);
    value.state = static_cast<std::uint8_t>(state);
    value.last_seen_s = last_seen_s;
    return value;
}

class EbpfAccounts : public EbpfSessions {
  protected:
    void SetUp() override {
        EbpfSessions::SetUp();
        if (IsSkipped()) return;
        books_.emplace(accounts());
        sweeper_.emplace(sessions(), *books_);
    }

    /// As a program does it, which counts unless `counted` is false.
    void open(std::uint32_t number, const weft_session_value& value, bool counted = true) {
        const weft_session_key key = key_of(number, WEFT_PROTO_TCP);
        ASSERT_TRUE(sessions().set(&key, &value));
        if (counted) count(value.account, 1, value.state == WEFT_SESSION_NEW ? 1 : 0);
    }

    void count(std::uint32_t account, std::int32_t sessions, std::int32_t half_open) {
        weft_account held{};
        ASSERT_TRUE((*maps_)["accounts"].find(&account, &held).value());
        held.sessions += sessions;
        held.half_open += half_open;
        ASSERT_TRUE((*maps_)["accounts"].set(&account, &held));
    }

    [[nodiscard]] std::pair<int, int> held(std::uint32_t account) const {
        const weft_account has = books_->read(account);
        return {has.sessions, has.half_open};
    }

    void pass() { sweep_all(*sweeper_, now_s); }

    using Held = std::pair<int, int>; // sessions, half-open ones
    static constexpr std::uint32_t now_s = 100'000;
    std::optional<SessionAccounts> books_;
    std::optional<SessionSweeper> sweeper_;
};

TEST_F(EbpfAccounts, SessionsThatEndMakeRoom) {
    for (std::uint32_t number = 0; number < 3000; ++number)
        open(number, charged_to(4 + number % 2, number % 3 == 0 ? WEFT_SESSION_NEW : WEFT_SESSION_CLOSED,
                                number < 2000 ? 1 : now_s));
    ASSERT_EQ(held(4), Held(1500, 500));
    pass();
    EXPECT_EQ(held(4), Held(500, 166));
    EXPECT_EQ(held(5), Held(500, 167));
}

TEST_F(EbpfAccounts, WrongBooksAreRightAfterTwoPasses) {
    for (std::uint32_t number = 0; number < 5; ++number)
        open(number, charged_to(4, number == 0 ? WEFT_SESSION_NEW : WEFT_SESSION_ESTABLISHED, now_s));
    open(5, charged_to(6, WEFT_SESSION_NEW, now_s), false); // of a layout without accounts
    count(4, 7, 3);
    pass(); // in which the books changed
    pass();
    EXPECT_EQ(held(4), Held(12, 4)) << "one pass is no proof";
    pass();
    EXPECT_EQ(held(4), Held(5, 1));
    EXPECT_EQ(held(6), Held(1, 1));
    count(4, -2, -3);
    for (int i = 0; i < 3; ++i)
        pass();
    EXPECT_EQ(held(4), Held(5, 1));
}

TEST_F(EbpfAccounts, WhatComesAndGoesDuringAPassIsNoError) {
    std::uint32_t number = 0;
    for (int round = 0; round < 20; ++round) {
        for (bool at_end = false; !at_end;) {
            // More come than a slice has, on both sides of the cursor.
            for (int i = 0; i < 200; ++i, ++number)
                open(number, charged_to(4, WEFT_SESSION_NEW, number % 2 == 0 ? 1 : now_s));
            at_end = sweeper_->sweep(now_s).value();
        }
        std::size_t there = 0;
        ASSERT_TRUE(sessions().for_each([&](const void*, const void*) { ++there; }));
        ASSERT_EQ(held(4), Held(there, there)) << "round " << round;
    }
}

TEST_F(EbpfAccounts, NothingBelowZeroIsTold) {
    count(weft_account_of(3, WEFT_OPENED), 2, -1);
    count(weft_account_of(3, WEFT_ACCEPTED), -1, 0);
    std::vector<std::string> told;
    books_->each([&](const fastpath::EndpointSessions& each) { told.push_back(each.ShortDebugString()); });
    EXPECT_EQ(told, std::vector<std::string>{"port: 3 opened: 2"});
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
