// SPDX-License-Identifier: BSD-3-Clause
// TraceTable: which traces run, for whom, and until when.
#include <gtest/gtest.h>

#include "dataplane/trace_table.hpp"

namespace weft::dataplane {
namespace {

class Reader final : public Client {
  public:
    void answer(const fastpath::Reply& reply) override { replies.push_back(reply); }

    [[nodiscard]] std::size_t unread() const override { return stalled ? std::size_t{1} << 30 : 0; }

    std::vector<fastpath::Reply> replies;
    bool stalled = false;
};

class TraceTableTest : public testing::Test {
  protected:
    Result<std::uint64_t> start(std::uint64_t request_id = 1) {
        fastpath::Request request;
        request.set_id(request_id);
        request.mutable_trace();
        return table_.start(request, reader_);
    }

    void put_one() {
        weft_trace_event event{};
        event.port_in = 5;
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&event);
        for (Trace* const trace : *table_.snapshot())
            trace->put(0, {bytes, sizeof event});
    }

    Quiescence quiescence_{1};
    TraceTable table_{quiescence_, 1};
    std::shared_ptr<Reader> reader_ = std::make_shared<Reader>();
};

TEST_F(TraceTableTest, WorkersSeeNothingWhileNobodyTraces) {
    EXPECT_EQ(table_.snapshot(), nullptr);
    const auto trace = start();
    ASSERT_TRUE(trace);
    ASSERT_NE(table_.snapshot(), nullptr);
    EXPECT_EQ(table_.gauge().used(), 1U);
    EXPECT_GT(table_.gauge().bytes(), 0U);
    EXPECT_TRUE(table_.stop(*trace, reader_));
    EXPECT_EQ(table_.snapshot(), nullptr);
    EXPECT_EQ(table_.gauge().used(), 0U);
}

TEST_F(TraceTableTest, EventsGoToTheOneThatAskedUnderItsId) {
    const auto trace = start(77);
    ASSERT_TRUE(trace);
    put_one();
    table_.pump();
    ASSERT_EQ(reader_->replies.size(), 1U);
    EXPECT_EQ(reader_->replies[0].id(), 77U);
    const auto& events = reader_->replies[0].trace_events();
    EXPECT_EQ(events.trace(), *trace);
    ASSERT_EQ(events.events_size(), 1);
    EXPECT_EQ(events.events(0).port_in(), 5U);
    table_.pump();
    EXPECT_EQ(reader_->replies.size(), 1U) << "nothing new, nothing said";
}

TEST_F(TraceTableTest, StoppedOneTellsWhatItHasSeen) {
    const auto trace = start();
    ASSERT_TRUE(trace);
    reader_->stalled = true; // also one who is slow
    for (unsigned i = 0; i < 1000; ++i)
        put_one();
    ASSERT_TRUE(table_.stop(*trace, reader_));
    int told = 0;
    for (const auto& reply : reader_->replies)
        told += reply.trace_events().events_size();
    EXPECT_EQ(told, 1000);
}

TEST_F(TraceTableTest, EndsWithItsClient) {
    ASSERT_TRUE(start() && start());
    auto other = std::make_shared<Reader>();
    fastpath::Request request;
    request.mutable_trace();
    ASSERT_TRUE(table_.start(request, other));
    reader_.reset();
    table_.pump();
    EXPECT_EQ(table_.gauge().used(), 1U);
    put_one();
    table_.pump();
    EXPECT_EQ(other->replies.size(), 1U);
}

TEST_F(TraceTableTest, OnlyItsClientStopsIt) {
    const auto trace = start();
    ASSERT_TRUE(trace);
    EXPECT_EQ(table_.stop(*trace, std::make_shared<Reader>()).error().code, ErrorCode::not_found);
    EXPECT_EQ(table_.stop(*trace + 1, reader_).error().code, ErrorCode::not_found);
    EXPECT_TRUE(table_.running());
}

TEST_F(TraceTableTest, FewRunAtATime) {
    for (int i = 0; i < WEFT_TRACES_MAX; ++i)
        ASSERT_TRUE(start());
    const auto refused = start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
    EXPECT_NE(refused.error().message.find("4 traces run already"), std::string::npos) << refused.error().message;
}

TEST_F(TraceTableTest, ClientThatDoesNotReadLosesAndBlocksNobody) {
    ASSERT_TRUE(start());
    reader_->stalled = true;
    for (unsigned i = 0; i < 20'000; ++i)
        put_one();
    table_.pump();
    EXPECT_TRUE(reader_->replies.empty());
    reader_->stalled = false;
    table_.pump();
    std::size_t told = 0;
    for (const auto& reply : reader_->replies)
        told += static_cast<std::size_t>(reply.trace_events().events_size());
    const auto lost = reader_->replies.back().trace_events().lost();
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(told + lost, 20'000U);
}

TEST_F(TraceTableTest, WrongFilterIsRefused) {
    fastpath::Request request;
    request.mutable_trace()->mutable_filter()->set_l4_port(65536);
    const auto refused = table_.start(request, reader_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_FALSE(table_.running());
}

} // namespace
} // namespace weft::dataplane
