// SPDX-License-Identifier: BSD-3-Clause
// SessionWalks: who is told of which sessions, in how many pieces, and which of them end.
#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/api/session_wire.hpp"
#include "dataplane/session_walks.hpp"

namespace weft::dataplane {
namespace {

constexpr std::uint32_t now_s = 1000;
constexpr std::uint32_t vni = 4000;
constexpr std::uint32_t port = 7; ///< of the endpoint that opened them

class Asker final : public Client {
  public:
    void answer(const fastpath::Reply& reply) override { replies.push_back(reply); }

    [[nodiscard]] std::size_t unread() const override { return stalled ? std::size_t{1} << 30 : 0; }

    std::vector<fastpath::Reply> replies;
    bool stalled = false;
};

class SessionWalksTest : public testing::Test {
  protected:
    /// A session of a UDP port of its own.
    void open(std::uint32_t number, std::uint32_t network = vni) {
        weft_session_key key{};
        key.low.words[3] = number;
        key.high.words[3] = ~0U;
        key.vni_protocol = network << 8 | WEFT_PROTO_UDP;
        weft_session_value value{};
        value.last_seen_s = now_s - 1;
        value.rule = number;
        value.state = WEFT_SESSION_NEW;
        value.flags = WEFT_SESSION_INITIATOR_LOW;
        value.account = static_cast<std::uint16_t>(weft_account_of(port, WEFT_OPENED));
        ASSERT_TRUE(table_->open(key, table_->hash(key), value));
    }

    Result<void> list(std::uint64_t most, std::uint32_t network = 0, std::uint64_t id = 1) {
        fastpath::Request request;
        request.set_id(id);
        request.mutable_sessions()->set_most(most);
        request.mutable_sessions()->mutable_filter()->set_vni(network);
        return walks_.start(request, asker_);
    }

    Result<void> flush(std::uint32_t network, std::uint64_t id = 2) {
        fastpath::Request request;
        request.set_id(id);
        request.mutable_flush_sessions()->mutable_filter()->set_vni(network);
        return walks_.start(request, asker_);
    }

    /// To the end of all walks; how many slices that took.
    unsigned pump() {
        unsigned slices = 0;
        for (; walks_.running() && slices < 1000; ++slices)
            walks_.pump(now_s);
        EXPECT_FALSE(walks_.running());
        return slices;
    }

    Quiescence quiescence_{1};
    std::unique_ptr<SessionTable> table_ = SessionTable::make(16384, 42).value();
    Tables tables_{quiescence_, 42};
    SessionWalks walks_{*table_, tables_, quiescence_};
    std::shared_ptr<Asker> asker_ = std::make_shared<Asker>();
};

TEST_F(SessionWalksTest, TheLastPartTellsWhoseTheyAre) {
    for (std::uint32_t number = 1; number <= 3; ++number)
        open(number);
    ASSERT_TRUE(list(0));
    pump();
    const auto& full = asker_->replies.back().sessions();
    ASSERT_EQ(full.endpoints_size(), 1);
    EXPECT_EQ(full.endpoints(0).port(), port);
    EXPECT_EQ(full.endpoints(0).opened(), 3U);
    EXPECT_EQ(full.endpoints(0).accepted(), 0U);
    EXPECT_EQ(full.quota(), full.capacity() / WEFT_QUOTA_OF_TABLE);
    EXPECT_EQ(full.unanswered_quota(), full.quota() / WEFT_HALF_OPEN_OF_QUOTA);
    ASSERT_TRUE(flush(vni));
    ASSERT_TRUE(list(0));
    pump();
    EXPECT_EQ(asker_->replies.back().sessions().endpoints_size(), 0);
}

TEST_F(SessionWalksTest, ListIsTheWholeTableInParts) {
    constexpr std::uint32_t sessions = 10'000;
    for (std::uint32_t number = 1; number <= sessions; ++number)
        open(number);
    ASSERT_TRUE(list(1'000'000, 0, 77));
    EXPECT_EQ(pump(), table_->bucket_count() / SessionWalks::slice) << "one slice at a time";
    std::set<std::uint32_t> rules;
    for (const auto& reply : asker_->replies) {
        EXPECT_EQ(reply.id(), 77U);
        EXPECT_LE(reply.sessions().sessions_size(), fastpath::session_message_max);
        EXPECT_EQ(reply.sessions().last(), &reply == &asker_->replies.back());
        for (const auto& session : reply.sessions().sessions()) {
            EXPECT_EQ(session.vni(), vni);
            EXPECT_EQ(session.idle_s(), 1U);
            EXPECT_TRUE(rules.insert(session.rule()).second) << session.rule() << " came twice";
        }
    }
    EXPECT_EQ(rules.size(), sessions);
    const auto& last = asker_->replies.back().sessions();
    EXPECT_EQ(last.matched(), sessions);
    EXPECT_EQ(last.used(), sessions);
    EXPECT_EQ(last.capacity(), table_->capacity());
}

TEST_F(SessionWalksTest, NoMoreAreToldThanWereAskedForButAllAreCounted) {
    for (std::uint32_t number = 1; number <= 5000; ++number)
        open(number, number % 2 == 0 ? vni : vni + 1);
    for (const std::uint64_t most : {0, 3, 1500}) {
        asker_->replies.clear();
        ASSERT_TRUE(list(most, vni));
        pump();
        std::uint64_t told = 0;
        for (const auto& reply : asker_->replies)
            told += static_cast<std::uint64_t>(reply.sessions().sessions_size());
        EXPECT_EQ(told, most);
        EXPECT_EQ(asker_->replies.back().sessions().matched(), 2500U);
        EXPECT_EQ(asker_->replies.back().sessions().used(), 5000U);
    }
    EXPECT_EQ(asker_->replies.back().sessions().capacity(), table_->capacity());
}

TEST_F(SessionWalksTest, FlushEndsThoseThatMatchAndAnswersOnce) {
    for (std::uint32_t number = 1; number <= 3000; ++number)
        open(number, number % 3 == 0 ? vni : vni + 1);
    ASSERT_TRUE(flush(vni, 5));
    pump();
    ASSERT_EQ(asker_->replies.size(), 1U);
    EXPECT_EQ(asker_->replies[0].id(), 5U);
    EXPECT_EQ(asker_->replies[0].sessions_flushed().flushed(), 1000U);
    EXPECT_EQ(table_->size(), 2000U);
    table_->look(0, table_->bucket_count(), [&](const weft_session_key& key, const weft_session_value&) {
        EXPECT_EQ(key.vni_protocol >> 8, vni + 1);
    });
}

TEST_F(SessionWalksTest, FlushIsNotAnsweredWhileAWorkerMayHoldASession) {
    open(1);
    quiescence_.register_worker(0);
    quiescence_.online(0);
    ASSERT_TRUE(flush(0));
    std::atomic<bool> answered = false;
    std::thread control([&] {
        pump();
        answered = true;
    });
    while (table_->size() > 0)
        std::this_thread::yield();
    for (int moment = 0; moment < 1000; ++moment)
        std::this_thread::yield();
    EXPECT_FALSE(answered) << "its burst goes on";
    while (!answered)
        quiescence_.quiescent(0);
    control.join();
    quiescence_.offline(0);
    quiescence_.unregister_worker(0);
}

TEST_F(SessionWalksTest, TakeTurns) {
    open(1);
    ASSERT_TRUE(list(10, 0, 1));
    ASSERT_TRUE(list(10, 0, 2));
    const unsigned slices = pump();
    EXPECT_EQ(slices, 2 * table_->bucket_count() / SessionWalks::slice);
    std::set<std::uint64_t> ended;
    for (const auto& reply : asker_->replies)
        if (reply.sessions().last()) ended.insert(reply.id());
    EXPECT_EQ(ended, (std::set<std::uint64_t>{1, 2}));
}

TEST_F(SessionWalksTest, EndWithTheirClient) {
    open(1);
    ASSERT_TRUE(list(10));
    ASSERT_TRUE(flush(0));
    asker_.reset();
    pump();
    EXPECT_EQ(table_->size(), 1U);
}

TEST_F(SessionWalksTest, ClientThatDoesNotReadIsWaitedFor) {
    open(1);
    ASSERT_TRUE(list(10));
    asker_->stalled = true;
    for (int i = 0; i < 100; ++i)
        walks_.pump(now_s);
    EXPECT_TRUE(asker_->replies.empty());
    asker_->stalled = false;
    pump();
    ASSERT_FALSE(asker_->replies.empty());
    EXPECT_EQ(asker_->replies.back().sessions().matched(), 1U);
}

TEST_F(SessionWalksTest, WrongFilterIsRefused) {
    const auto refused = list(1, 1U << 24);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_FALSE(flush(1U << 24));
    EXPECT_FALSE(walks_.running());
}

} // namespace
} // namespace weft::dataplane
