// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/client.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

#include <fmt/format.h>
#include <sys/socket.h>

namespace weft::fastpath {

namespace {

std::unexpected<Error> failed(const Status& status) {
    const auto code = status.code() >= CODE_INVALID && status.code() <= CODE_INTERNAL
                          ? static_cast<ErrorCode>(status.code() - 1)
                          : ErrorCode::internal;
    return fail(code, status.message());
}

/// What waits for one answer, of which `part` is what was asked for.
template <class T, class Part>
auto once(Done<T> done, Part part) {
    return [done = std::move(done), part](Result<Reply> reply) {
        done(reply ? Result<T>(part(*reply)) : std::unexpected(std::move(reply).error()));
        return true;
    };
}

std::string ended(const std::string& reason) { return "the fast path's connection ended: " + reason; }

} // namespace

Result<std::shared_ptr<SocketFastPath>> SocketFastPath::connect(boost::asio::io_context& loop,
                                                                const std::string& path,
                                                                std::function<void(Error)> on_lost,
                                                                std::chrono::milliseconds patience) {
    const boost::asio::local::stream_protocol::endpoint name(path);
    boost::asio::local::stream_protocol::socket socket(loop);
    boost::system::error_code error;
    socket.open(name.protocol(), error);
    if (!error) socket.native_non_blocking(true, error);
    // Not Asio's connect(): that would wait for a listener that no longer accepts.
    if (!error && ::connect(socket.native_handle(), name.data(), static_cast<socklen_t>(name.size())) < 0)
        error.assign(errno, boost::system::system_category());
    if (error) return fail(ErrorCode::unavailable, fmt::format("fast path at {}: {}", path, error.message()));
    std::shared_ptr<SocketFastPath> client(new SocketFastPath(std::move(socket), std::move(on_lost), patience));
    client->receive();
    return client;
}

void SocketFastPath::request(Request request, Answer answer) {
    if (lost_) {
        boost::asio::post(socket_.get_executor(), [answer = std::move(answer)] {
            answer(fail(ErrorCode::unavailable, "the fast path is not connected"));
        });
        return;
    }
    request.set_id(++last_id_);
    if (auto appended = append_frame(output_, request); !appended) {
        boost::asio::post(socket_.get_executor(),
                          [answer = std::move(answer), error = appended.error()] { answer(std::unexpected(error)); });
        return;
    }
    waiting_.emplace(last_id_, std::move(answer));
    if (waiting_.size() == 1) watch();
    write();
}

void SocketFastPath::write() {
    if (!writing_.empty() || output_.empty()) return;
    writing_.swap(output_);
    boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                                 self->writing_.clear();
                                 if (error)
                                     self->lose(ended(error.message()));
                                 else
                                     self->write();
                             });
}

void SocketFastPath::receive() {
    socket_.async_read_some(boost::asio::buffer(input_),
                            [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
                                if (error) {
                                    self->lose(ended(error.message()));
                                    return;
                                }
                                if (auto taken = self->take(size); !taken)
                                    self->lose(ended(taken.error().message));
                                else if (!self->lost_)
                                    self->receive();
                                self->watch();
                            });
}

void SocketFastPath::watch() {
    if (lost_ || waiting_.empty()) {
        timer_.cancel();
        return;
    }
    timer_.expires_after(patience_);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        // An answer may have come while this waited to run.
        if (error || self->waiting_.empty() || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
        self->hung_ = true;
        self->lose(fmt::format("weft-dataplane has not answered for {} s: see its log; one that hangs must be killed",
                               std::chrono::duration<double>(self->patience_).count()));
    });
}

Result<void> SocketFastPath::take(std::size_t size) {
    reader_.add({input_.data(), size});
    for (;;) {
        auto frame = reader_.next();
        if (!frame) return std::unexpected(std::move(frame).error());
        if (!*frame) return {};
        Reply reply;
        const bool read = reply.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size()));
        if (read && reply.has_trace_events()) {
            take_events(std::move(*reply.mutable_trace_events()));
            if (lost_) return {};
            continue;
        }
        // Taken out while it runs: it may end the connection, which answers all that wait.
        auto waiting = read ? waiting_.extract(reply.id()) : decltype(waiting_)::node_type();
        if (!waiting) return fail(ErrorCode::invalid, "an answer that cannot be read");
        Result<Reply> result = reply.status().code() == CODE_OK ? Result<Reply>(std::move(reply))
                                                                : Result<Reply>(failed(reply.status()));
        const bool last = waiting.mapped()(std::move(result));
        if (lost_) return {};
        if (!last) waiting_.insert(std::move(waiting));
    }
}

void SocketFastPath::take_events(TraceEvents events) {
    const auto found = traces_.find(events.trace());
    if (found == traces_.end()) return;
    const auto sink = found->second; // which may stop it
    (*sink)(std::move(events));
}

void SocketFastPath::lose(const std::string& message) {
    if (lost_) return;
    auto told = std::move(on_lost_);
    const Error error{ErrorCode::unavailable, message};
    end(error);
    if (told) told(error);
}

void SocketFastPath::close() { end({ErrorCode::unavailable, "the fast path's connection ended"}); }

void SocketFastPath::end(const Error& error) {
    if (std::exchange(lost_, true)) return;
    timer_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    for (const auto& [request, answer] : std::exchange(waiting_, {}))
        answer(std::unexpected(error));
    for (const auto& [trace, sink] : std::exchange(traces_, {}))
        (*sink)(std::unexpected(error));
}

void SocketFastPath::apply(TableUpdate update, Done<void> done) {
    Request message;
    *message.mutable_update() = std::move(update);
    request(std::move(message), [done = std::move(done)](Result<Reply> reply) {
        done(reply ? Result<void>() : Result<void>(std::unexpected(std::move(reply).error())));
        return true;
    });
}

void SocketFastPath::dump(Done<TableUpdate> done) {
    Request message;
    message.mutable_dump();
    request(std::move(message),
            [done = std::move(done), tables = std::make_shared<TableUpdate>()](Result<Reply> reply) {
                if (!reply) {
                    done(std::unexpected(std::move(reply).error()));
                    return true;
                }
                tables->MergeFrom(reply->dump().tables());
                if (!reply->dump().last()) return false;
                done(std::move(*tables));
                return true;
            });
}

void SocketFastPath::counters(Done<CountersReply> done) {
    Request message;
    message.mutable_counters();
    request(std::move(message),
            once(std::move(done), [](Reply& reply) { return std::move(*reply.mutable_counters()); }));
}

void SocketFastPath::explain(ExplainRequest question, Done<ExplainReply> done) {
    Request message;
    *message.mutable_explain() = std::move(question);
    request(std::move(message),
            once(std::move(done), [](Reply& reply) { return std::move(*reply.mutable_explain()); }));
}

void SocketFastPath::info(Done<InfoReply> done) {
    Request message;
    message.mutable_info();
    request(std::move(message), once(std::move(done), [](Reply& reply) { return std::move(*reply.mutable_info()); }));
}

void SocketFastPath::rule_hits(Done<RuleHitsReply> done) {
    Request message;
    message.mutable_rule_hits();
    request(std::move(message),
            once(std::move(done), [](Reply& reply) { return std::move(*reply.mutable_rule_hits()); }));
}

void SocketFastPath::start_trace(TraceRequest trace, TraceSink sink, Done<std::uint64_t> done) {
    Request message;
    *message.mutable_trace() = std::move(trace);
    request(std::move(message), [this, sink = std::move(sink), done = std::move(done)](Result<Reply> reply) mutable {
        if (!reply) {
            done(std::unexpected(std::move(reply).error()));
            return true;
        }
        const std::uint64_t number = reply->trace_started().trace();
        traces_.emplace(number, std::make_shared<TraceSink>(std::move(sink)));
        done(number);
        return true;
    });
}

void SocketFastPath::stop_trace(std::uint64_t trace, Done<void> done) {
    Request message;
    message.mutable_stop_trace()->set_trace(trace);
    request(std::move(message), [this, trace, done = std::move(done)](Result<Reply> reply) {
        traces_.erase(trace);
        done(reply ? Result<void>() : Result<void>(std::unexpected(std::move(reply).error())));
        return true;
    });
}

void SocketFastPath::sessions(SessionsRequest asked, SessionsSink sink) {
    Request message;
    *message.mutable_sessions() = std::move(asked);
    request(std::move(message), [sink = std::move(sink)](Result<Reply> reply) {
        if (!reply) {
            sink(std::unexpected(std::move(reply).error()));
            return true;
        }
        const bool last = reply->sessions().last();
        sink(std::move(*reply->mutable_sessions()));
        return last;
    });
}

void SocketFastPath::flush_sessions(FlushSessionsRequest asked, Done<std::uint64_t> done) {
    Request message;
    *message.mutable_flush_sessions() = std::move(asked);
    request(std::move(message),
            once(std::move(done), [](const Reply& reply) { return reply.sessions_flushed().flushed(); }));
}

} // namespace weft::fastpath
