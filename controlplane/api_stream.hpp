// SPDX-License-Identifier: BSD-3-Clause
// Stream: one server-streaming answer. The event loop pushes messages, gRPC's threads write them; whichever comes
// last ends it. It owns itself until gRPC is done with it, and others may hold it longer.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <grpcpp/grpcpp.h>

namespace weft::agent {

/// A call that is being answered, as whoever ends the server sees it.
class ApiCall {
  public:
    ApiCall() = default;
    ApiCall(const ApiCall&) = delete;
    ApiCall& operator=(const ApiCall&) = delete;
    virtual ~ApiCall() = default;

    /// Ends it with this status, unless it has ended.
    virtual void end(grpc::Status status) = 0;
};

template <class T>
class Stream final : public ApiCall, public grpc::ServerWriteReactor<T> {
  public:
    /// What a client may leave unread before it is cut off.
    static constexpr std::size_t backlog_max = 1'000'000;

    [[nodiscard]] static std::shared_ptr<Stream> make() {
        auto stream = std::make_shared<Stream>();
        stream->self_ = stream;
        return stream;
    }

    /// The client went, or has gone already. Called once, from a thread of gRPC's or from here.
    void on_cancel(std::function<void()> tell) {
        {
            const std::lock_guard lock(mutex_);
            if (!status_) {
                tell_cancel_ = std::move(tell);
                return;
            }
        }
        tell();
    }

    void push(T message) {
        const std::lock_guard lock(mutex_);
        if (status_) return;
        queue_.push_back(std::move(message));
        if (queue_.size() > backlog_max)
            finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the client reads too slowly"));
        else if (!writing_)
            write();
    }

    void end(grpc::Status status) override {
        const std::lock_guard lock(mutex_);
        finish(std::move(status));
    }

    /// Messages that wait for the client.
    [[nodiscard]] std::size_t unread() {
        const std::lock_guard lock(mutex_);
        return queue_.size();
    }

  private:
    // Reactions may come from inside a Start call, hence the recursive mutex, and state is set before each of those
    // calls.
    void write() {
        writing_ = true;
        this->StartWrite(&queue_.front());
    }

    void finish(grpc::Status status) {
        if (status_) return;
        status_ = std::move(status);
        if (!writing_) this->Finish(*status_);
    }

    void OnWriteDone(bool ok) override {
        const std::lock_guard lock(mutex_);
        writing_ = false;
        queue_.pop_front();
        if (!ok) {
            queue_.clear();
            if (!status_) status_ = grpc::Status::CANCELLED;
        }
        if (!queue_.empty())
            write();
        else if (status_)
            this->Finish(*status_);
    }

    void OnCancel() override {
        std::function<void()> tell;
        {
            const std::lock_guard lock(mutex_);
            if (queue_.size() > 1) queue_.resize(1); // the one being written
            if (!writing_) queue_.clear();
            finish(grpc::Status::CANCELLED);
            tell = std::exchange(tell_cancel_, {});
        }
        if (tell) tell();
    }

    void OnDone() override { const auto last = std::move(self_); }

    std::recursive_mutex mutex_;
    std::deque<T> queue_;
    bool writing_ = false;
    std::optional<grpc::Status> status_; ///< set once it is to end
    std::function<void()> tell_cancel_;
    std::shared_ptr<Stream> self_;
};

} // namespace weft::agent
