// SPDX-License-Identifier: BSD-3-Clause
// RuleHits: nothing is lost between a worker that counts and a control thread that asks, and numbers begin anew.
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/rule_hits.hpp"

namespace weft::dataplane {
namespace {

std::map<std::uint32_t, std::uint64_t> denied_of(RuleHits& hits) {
    fastpath::RuleHitsReply reply;
    hits.tell(reply);
    std::map<std::uint32_t, std::uint64_t> denied;
    for (const auto& each : reply.rules())
        denied[each.rule()] = each.denied();
    return denied;
}

TEST(RuleCounts, KnowsAsManyRulesAsItHasRoomFor) {
    RuleCounts counts(8);
    for (std::uint32_t rule = 1; rule < 8; ++rule) {
        EXPECT_EQ(counts.is_half_full(), rule > 5);
        // All of them want the same place.
        weft_rule_hits* const hits = counts.find(rule * 8);
        ASSERT_NE(hits, nullptr);
        hits->denied = rule;
    }
    EXPECT_EQ(counts.find(1000), nullptr) << "one place stays free, so that a search ends";
    EXPECT_EQ(counts.find(8)->denied, 1U);
    EXPECT_EQ(counts.find(56)->denied, 7U);
    counts.clear();
    EXPECT_FALSE(counts.is_half_full());
    EXPECT_EQ(counts.find(8)->denied, 0U);
}

TEST(RuleHits, WorkersAreAddedUpWhileTheyCount) {
    constexpr std::uint64_t rounds = 200'000;
    constexpr std::uint32_t rules = 700; // more than half of what a table holds at first
    Quiescence quiescence(2);
    RuleHits hits(quiescence, 2);
    std::atomic<unsigned> running = 2;
    std::atomic<std::uint64_t> asked = 0;
    std::vector<std::jthread> workers;
    for (unsigned worker = 0; worker < 2; ++worker) {
        quiescence.register_worker(worker);
        workers.emplace_back([&, worker] {
            quiescence.online(worker);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                while (round == rounds / 2 && asked == 0) // else it might be through before anybody asks
                    quiescence.quiescent(worker);
                hits.of_worker(worker).find(1 + round % rules)->denied++;
                quiescence.quiescent(worker);
            }
            quiescence.offline(worker);
            --running;
        });
    }
    for (; running > 0; ++asked) {
        hits.make_room();
        std::uint64_t sum = 0;
        for (const auto& [rule, denied] : denied_of(hits))
            sum += denied;
        EXPECT_LE(sum, 2 * rounds);
    }
    workers.clear();
    const auto denied = denied_of(hits);
    ASSERT_EQ(denied.size(), rules);
    for (std::uint32_t rule = 1; rule <= rules; ++rule)
        EXPECT_EQ(denied.at(rule), 2 * (rounds / rules + (rule <= rounds % rules ? 1 : 0)));
    quiescence.unregister_worker(0);
    quiescence.unregister_worker(1);
}

TEST(RuleHits, TableGrowsBeforeItIsFull) {
    Quiescence quiescence(1);
    RuleHits hits(quiescence, 1);
    std::uint32_t rule = 0;
    for (int i = 0; i < 20; ++i) {
        while (rule < 600U * static_cast<unsigned>(i + 1))
            hits.of_worker(0).find(++rule)->denied = 1;
        hits.make_room();
    }
    EXPECT_EQ(denied_of(hits).size(), 12'000U);
    // One with room for them all took the place of the first.
    for (std::uint32_t each = 1; each < 2000; ++each)
        ASSERT_NE(hits.of_worker(0).find(each), nullptr);
}

TEST(RuleHits, NumbersBeginAnew) {
    Quiescence quiescence(1);
    RuleHits hits(quiescence, 1);
    for (const std::uint32_t rule : {1U, 2U, 3U})
        hits.of_worker(0).find(rule)->denied = rule;
    EXPECT_EQ(denied_of(hits), (std::map<std::uint32_t, std::uint64_t>{{1, 1}, {2, 2}, {3, 3}}));
    hits.of_worker(0).find(2)->denied = 7; // not collected yet
    const std::uint32_t gone[] = {1, 2, 4711};
    hits.reset(gone);
    EXPECT_EQ(denied_of(hits), (std::map<std::uint32_t, std::uint64_t>{{3, 3}}));
    hits.of_worker(0).find(2)->denied = 1;
    EXPECT_EQ(denied_of(hits).at(2), 1U);
}

} // namespace
} // namespace weft::dataplane
