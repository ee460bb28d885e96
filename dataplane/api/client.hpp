// SPDX-License-Identifier: BSD-3-Clause
// SocketFastPath: a FastPath that lives in another process, behind a UNIX socket. Requests are pipelined; answers,
// which say by a number whose they are, and what traces tell come on the caller's event loop. When the connection
// breaks, or no answer comes for as long as the caller's patience lasts, everything unanswered fails as unavailable,
// and `on_lost` is told once.
#pragma once

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "dataplane/api/fast_path.hpp"
#include "dataplane/api/frame.hpp"

namespace weft::fastpath {

class SocketFastPath : public FastPath, public std::enable_shared_from_this<SocketFastPath> {
  public:
    /// Connects at once (the socket is local); unavailable when nobody listens. `patience` is for one answer: the
    /// largest table update takes seconds.
    [[nodiscard]] static Result<std::shared_ptr<SocketFastPath>>
    connect(boost::asio::io_context& loop, const std::string& path, std::function<void(Error)> on_lost,
            std::chrono::milliseconds patience = std::chrono::seconds(20));

    void apply(TableUpdate update, Done<void> done) override;
    void dump(Done<TableUpdate> done) override;
    void counters(Done<CountersReply> done) override;
    void explain(ExplainRequest request, Done<ExplainReply> done) override;
    void info(Done<InfoReply> done) override;
    void rule_hits(Done<RuleHitsReply> done) override;
    void start_trace(TraceRequest request, TraceSink sink, Done<std::uint64_t> done) override;
    void stop_trace(std::uint64_t trace, Done<void> done) override;
    void sessions(SessionsRequest request, SessionsSink sink) override;
    void flush_sessions(FlushSessionsRequest request, Done<std::uint64_t> done) override;
    /// Fails what is unanswered, without telling on_lost.
    void close();

    /// True when the connection ended for want of an answer: the other side is there, but hangs.
    [[nodiscard]] bool hung() const { return hung_; }

  private:
    /// Takes a reply; true when it was the last one of its request.
    using Answer = std::function<bool(Result<Reply>)>;

    SocketFastPath(boost::asio::local::stream_protocol::socket socket, std::function<void(Error)> on_lost,
                   std::chrono::milliseconds patience) :
        socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        patience_(patience),
        on_lost_(std::move(on_lost)) {}

    void request(Request request, Answer answer);
    void receive();
    void write();
    Result<void> take(std::size_t size);
    void take_events(TraceEvents events);
    /// From now on waits for something to come, if anything must.
    void watch();
    void lose(const std::string& message);
    void end(const Error& error);

    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::steady_timer timer_;
    std::chrono::milliseconds patience_;
    std::function<void(Error)> on_lost_;
    FrameReader reader_;
    std::array<char, 65536> input_;
    std::string output_;
    std::string writing_;
    std::map<std::uint64_t, Answer> waiting_;                    ///< by the request's number, so in their order
    std::map<std::uint64_t, std::shared_ptr<TraceSink>> traces_; ///< by the fast path's number
    std::uint64_t last_id_ = 0;
    bool lost_ = false;
    bool hung_ = false;
};

} // namespace weft::fastpath
