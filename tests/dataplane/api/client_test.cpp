// SPDX-License-Identifier: BSD-3-Clause
// The agent's end of the fast path's socket against one that does not answer: nobody there, one that ends, one that
// hangs, one whose queue of clients is full.
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "dataplane/api/client.hpp"

namespace weft::fastpath {
namespace {

using Stream = boost::asio::local::stream_protocol;
using std::chrono::milliseconds;

class SilentPeer : public testing::Test {
  protected:
    ~SilentPeer() override { std::filesystem::remove(path_); }

    std::shared_ptr<SocketFastPath> connect(milliseconds patience) {
        auto client = SocketFastPath::connect(
            loop_, path_, [this](const Error& error) { lost_.push_back(error.message); }, patience);
        EXPECT_TRUE(client) << client.error().message;
        return client.value_or(nullptr);
    }

    /// An answer to the request of this number; they count from 1.
    template <class Fill>
    static void say(Stream::socket& peer, std::uint64_t request, Fill fill) {
        Reply reply;
        reply.set_id(request);
        fill(reply);
        std::string frame;
        ASSERT_TRUE(append_frame(frame, reply));
        boost::asio::write(peer, boost::asio::buffer(frame));
    }

    std::string path_ =
        (std::filesystem::temp_directory_path() / ("weft-silent-" + std::to_string(getpid()))).string();
    boost::asio::io_context loop_;
    Stream::acceptor acceptor_{loop_, Stream::endpoint(path_)};
    std::vector<std::string> lost_;
    std::vector<ErrorCode> answers_;
};

TEST_F(SilentPeer, HungOneIsGivenUpAfterThePatience) {
    const auto client = connect(milliseconds(20));
    ASSERT_NE(client, nullptr);
    for (int i = 0; i < 3; ++i)
        client->info([this](const Result<InfoReply>& reply) { answers_.push_back(reply.error().code); });
    loop_.run();
    EXPECT_EQ(answers_, std::vector(3, ErrorCode::unavailable));
    ASSERT_EQ(lost_.size(), 1U);
    EXPECT_NE(lost_[0].find("not answered for 0.02 s"), std::string::npos) << lost_[0];
    EXPECT_TRUE(client->hung());
}

TEST_F(SilentPeer, NothingAskedMeansNothingAwaited) {
    const auto client = connect(milliseconds(1));
    ASSERT_NE(client, nullptr);
    loop_.run_for(milliseconds(50));
    EXPECT_TRUE(lost_.empty());
    EXPECT_FALSE(client->hung());
    client->close();
}

TEST_F(SilentPeer, OneThatEndsDoesNotHang) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    client->dump([this](const Result<TableUpdate>& tables) { answers_.push_back(tables.error().code); });
    acceptor_.accept().close();
    loop_.run();
    EXPECT_EQ(answers_, std::vector{ErrorCode::unavailable});
    EXPECT_EQ(lost_.size(), 1U);
    EXPECT_FALSE(client->hung());
}

TEST_F(SilentPeer, AnswerThatClosesIsGivenOnce) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    unsigned answered = 0;
    client->info([&](const Result<InfoReply>& reply) {
        EXPECT_TRUE(reply);
        ++answered;
        client->close();
    });
    client->info([this](const Result<InfoReply>& reply) { answers_.push_back(reply.error().code); });
    Reply reply;
    reply.set_id(1);
    reply.mutable_info();
    std::string frame;
    ASSERT_TRUE(append_frame(frame, reply));
    auto peer = acceptor_.accept();
    boost::asio::write(peer, boost::asio::buffer(frame));
    loop_.run();
    EXPECT_EQ(answered, 1U);
    EXPECT_EQ(answers_, std::vector{ErrorCode::unavailable});
    EXPECT_TRUE(lost_.empty()) << "who closes it needs no telling";
}

TEST_F(SilentPeer, TraceTellsBetweenAnswersUntilItIsStopped) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    std::vector<std::string> heard;
    client->start_trace(
        {}, [&](const Result<TraceEvents>& events) { heard.push_back("lost " + std::to_string(events->lost())); },
        [&](const Result<std::uint64_t>& trace) { heard.push_back("trace " + std::to_string(trace.value())); });
    client->info([&](const Result<InfoReply>& reply) {
        heard.push_back(reply->version());
        client->stop_trace(5, [&](const Result<void>& stopped) {
            EXPECT_TRUE(stopped);
            heard.emplace_back("stopped");
        });
    });
    auto peer = acceptor_.accept();
    const auto say_events = [&](std::uint64_t trace, std::uint64_t lost) {
        say(peer, 1, [&](Reply& reply) {
            reply.mutable_trace_events()->set_trace(trace);
            reply.mutable_trace_events()->set_lost(lost);
        });
    };
    say(peer, 1, [](Reply& reply) { reply.mutable_trace_started()->set_trace(5); });
    say_events(5, 1);
    say_events(6, 2); // nobody's
    say(peer, 2, [](Reply& reply) { reply.mutable_info()->set_version("now"); });
    say_events(5, 3);
    say(peer, 3, [](Reply& reply) { reply.mutable_trace_stopped(); });
    say_events(5, 4); // nobody's any more
    peer.close();
    loop_.run();
    EXPECT_EQ(heard, (std::vector<std::string>{"trace 5", "lost 1", "now", "lost 3", "stopped"}));
}

TEST_F(SilentPeer, TraceEndsWithTheConnection) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    client->start_trace(
        {}, [this](const Result<TraceEvents>& events) { answers_.push_back(events.error().code); },
        [](const Result<std::uint64_t>& trace) { EXPECT_TRUE(trace); });
    Reply reply;
    reply.set_id(1);
    reply.mutable_trace_started()->set_trace(1);
    std::string frame;
    ASSERT_TRUE(append_frame(frame, reply));
    {
        auto peer = acceptor_.accept();
        boost::asio::write(peer, boost::asio::buffer(frame));
    }
    loop_.run();
    EXPECT_EQ(answers_, std::vector{ErrorCode::unavailable});
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(SilentPeer, AnswersAboutSessionsMayComeBehindThoseToLaterRequests) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    std::string heard;
    client->sessions({}, [&](const Result<SessionsReply>& part) {
        heard += std::to_string(part->sessions_size()) + (part->last() ? "! " : " ");
    });
    client->flush_sessions({}, [&](const Result<std::uint64_t>& flushed) {
        heard += "flushed " + std::to_string(flushed.value()) + " ";
    });
    client->info([&](const Result<InfoReply>& reply) { heard += reply->version() + " "; });
    auto peer = acceptor_.accept();
    const auto say_part = [&](int sessions, bool last) {
        say(peer, 1, [&](Reply& reply) {
            for (int i = 0; i < sessions; ++i)
                reply.mutable_sessions()->add_sessions();
            reply.mutable_sessions()->set_last(last);
        });
    };
    say_part(2, false);
    say(peer, 3, [](Reply& reply) { reply.mutable_info()->set_version("now"); });
    say_part(3, false);
    say(peer, 2, [](Reply& reply) { reply.mutable_sessions_flushed()->set_flushed(7); });
    say_part(1, true);
    while (!heard.ends_with("! "))
        loop_.run_one();
    EXPECT_EQ(heard, "2 now 3 flushed 7 1! ");
    EXPECT_TRUE(lost_.empty());
    client->close();
}

TEST_F(SilentPeer, WhoEndsAmongSessionsIsHeardOnce) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    client->sessions({}, [this](const Result<SessionsReply>& part) {
        answers_.push_back(part ? ErrorCode::exists : part.error().code);
    });
    {
        auto peer = acceptor_.accept();
        say(peer, 1, [](Reply& reply) { reply.mutable_sessions()->add_sessions(); });
    }
    loop_.run();
    EXPECT_EQ(answers_, (std::vector{ErrorCode::exists, ErrorCode::unavailable}));
}

TEST_F(SilentPeer, AnswerThatNobodyAskedForEndsIt) {
    const auto client = connect(std::chrono::hours(1));
    ASSERT_NE(client, nullptr);
    client->info([this](const Result<InfoReply>& reply) { answers_.push_back(reply.error().code); });
    auto peer = acceptor_.accept();
    say(peer, 2, [](Reply& reply) { reply.mutable_info(); });
    loop_.run();
    EXPECT_EQ(answers_, std::vector{ErrorCode::unavailable});
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(SilentPeer, FullQueueRefusesAndDoesNotBlock) {
    acceptor_.listen(1);
    std::vector<std::shared_ptr<SocketFastPath>> waiting;
    auto next = SocketFastPath::connect(loop_, path_, {});
    for (; next && waiting.size() < 64; next = SocketFastPath::connect(loop_, path_, {}))
        waiting.push_back(*next);
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code, ErrorCode::unavailable);
    for (const auto& each : waiting)
        each->close();
}

TEST(SocketFastPath, NobodyThereIsUnavailable) {
    boost::asio::io_context loop;
    const auto client = SocketFastPath::connect(loop, "/nonexistent/weft.sock", {});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ErrorCode::unavailable);
    EXPECT_NE(client.error().message.find("/nonexistent/weft.sock"), std::string::npos);
}

} // namespace
} // namespace weft::fastpath
