// SPDX-License-Identifier: BSD-3-Clause
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/verdict_map.hpp"
#include "controlplane/policy/verdict_number.hpp"

namespace weft::policy {
namespace {

using testing::ElementsAre;

/// "80: deny 2 (audited 3)"
std::vector<std::string> texts_of(const fastpath::VerdictList& list) {
    std::vector<std::string> texts;
    for (const auto& range : list.ranges()) {
        texts.push_back(fmt::format("{}: {} {}", range.first(),
                                    range.verdict() == fastpath::VERDICT_DENY ? "deny" : "allow", range.rule()));
        if (range.audited_rule() != 0) texts.back() += fmt::format(" (audited {})", range.audited_rule());
    }
    return texts;
}

std::vector<std::string> texts_of(const VerdictMap& map) { return texts_of(to_verdict_list(map, map, 0)); }

TEST(VerdictMap, TheFirstThatDecidesStays) {
    VerdictMap map;
    EXPECT_THAT(texts_of(map), ElementsAre("0: allow 0"));
    map.paint({80, 90}, Action::deny, 1);
    map.paint({70, 85}, Action::allow, 2);
    map.paint({85, 95}, Action::allow, 3);
    EXPECT_THAT(texts_of(map), ElementsAre("0: allow 0", "70: allow 2", "80: deny 1", "91: allow 3", "96: allow 0"));
    EXPECT_FALSE(map.complete());
    map.paint(all_ports, Action::deny, 4);
    EXPECT_THAT(texts_of(map), ElementsAre("0: deny 4", "70: allow 2", "80: deny 1", "91: allow 3", "96: deny 4"));
    EXPECT_TRUE(map.complete());
}

TEST(VerdictMap, BothEndsCount) {
    VerdictMap map;
    map.paint({0, 0}, Action::deny, 1);
    map.paint({all_ports.last, all_ports.last}, Action::deny, 2);
    EXPECT_THAT(texts_of(map), ElementsAre("0: deny 1", "1: allow 0", "16777215: deny 2"));
}

TEST(VerdictMap, WhatWasPassedOnIsTheNextTiers) {
    VerdictMap map;
    map.paint({80, 90}, Action::pass, 1);
    map.paint({70, 100}, Action::deny, 2);
    map.begin_tier();
    map.paint({85, 87}, Action::deny, 3);
    EXPECT_THAT(texts_of(map), ElementsAre("0: allow 0", "70: deny 2", "80: allow 0", "85: deny 3", "88: allow 0",
                                           "91: deny 2", "101: allow 0"));
    map.begin_tier();
    map.paint(all_ports, Action::allow, 4);
    EXPECT_TRUE(map.complete());
}

TEST(VerdictMap, EqualNeighboursAreOneRange) {
    VerdictMap map;
    map.paint({10, 19}, Action::allow, 1);
    map.paint({20, 29}, Action::allow, 1);
    EXPECT_THAT(texts_of(map), ElementsAre("0: allow 0", "10: allow 1", "30: allow 0"));
}

TEST(VerdictList, SaysWhoWouldDecideOtherwise) {
    VerdictMap enforced;
    enforced.paint({10, 29}, Action::deny, 1);
    VerdictMap audited;
    audited.paint({20, 39}, Action::deny, 2);
    EXPECT_THAT(
        texts_of(to_verdict_list(enforced, audited, 9)),
        ElementsAre("0: allow 0", "10: deny 1 (audited 9)", "20: deny 1", "30: allow 0 (audited 2)", "40: allow 0"));
}

TEST(VerdictNumber, IsOfTheContent) {
    VerdictMap map;
    map.paint({10, 19}, Action::allow, 1);
    const auto list = to_verdict_list(map, map, 0);
    EXPECT_EQ(list.number(), to_verdict_list(map, map, 7).number()) << "a default that nothing names";
    std::vector<std::uint64_t> others{list.number()};
    for (int changed = 0; changed < 4; ++changed) {
        auto other = list;
        auto& range = *other.mutable_ranges(1);
        if (changed == 0) range.set_first(11);
        if (changed == 1) range.set_verdict(fastpath::VERDICT_DENY);
        if (changed == 2) range.set_rule(2);
        if (changed == 3) range.set_audited_rule(1);
        others.push_back(verdict_number(other));
    }
    std::ranges::sort(others);
    EXPECT_EQ(std::ranges::unique(others).size(), 0U);
    // Agents of other versions must call it the same: SHA-256 of 0, VERDICT_ALLOW, 0 and 0, each in four bytes.
    EXPECT_EQ(to_verdict_list(VerdictMap(), VerdictMap(), 0).number(), 0x783825822a6f9e62U);
}

TEST(VerdictMap, RandomPaintingIsAsPointByPoint) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    for (unsigned round = 0; round < 200; ++round) {
        struct Point {
            VerdictMap::State state = VerdictMap::State::open;
            std::uint32_t rule = 0;
        };

        // The last points of all, so that the end is among them.
        constexpr std::uint32_t points = 64;
        constexpr std::uint32_t begin = all_ports.last + 1 - points;
        std::array<Point, points> naive;
        VerdictMap map;
        map.paint({0, begin - 1}, Action::allow, 1);
        for (std::uint32_t rule = 2; rule < 14; ++rule) {
            if (up_to(4) == 0) {
                map.begin_tier();
                for (Point& point : naive)
                    if (point.state == VerdictMap::State::passed) point.state = VerdictMap::State::open;
            }
            const std::uint32_t first = up_to(points);
            const std::uint32_t last = first + up_to(points - first);
            const auto action = static_cast<Action>(up_to(3));
            map.paint({begin + first, begin + last}, action, rule);
            for (std::uint32_t i = first; i <= last; ++i) {
                if (naive[i].state != VerdictMap::State::open) continue;
                naive[i] = action == Action::pass    ? Point{VerdictMap::State::passed, 0}
                           : action == Action::allow ? Point{VerdictMap::State::allowed, rule}
                                                     : Point{VerdictMap::State::denied, rule};
            }
        }
        const auto pieces = map.pieces();
        bool complete = true;
        for (std::uint32_t i = 0; i < points; ++i) {
            const auto behind = std::ranges::upper_bound(pieces, begin + i, {}, &VerdictMap::Piece::first);
            const VerdictMap::Piece& piece = *std::prev(behind);
            ASSERT_EQ(piece.state, naive[i].state) << "point " << i;
            ASSERT_EQ(piece.rule, naive[i].rule) << "point " << i;
            complete &= naive[i].state != VerdictMap::State::open;
        }
        ASSERT_EQ(map.complete(), complete);
    }
}

} // namespace
} // namespace weft::policy
