// SPDX-License-Identifier: BSD-3-Clause
// LocalFastPath: a fast path in this process, which is there as long as the agent is, once it has told its tables.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include <spdlog/spdlog.h>

#include "controlplane/fast_path_provider.hpp"

namespace weft::agent {

class LocalFastPath final : public FastPathProvider {
  public:
    LocalFastPath(boost::asio::io_context& loop, std::unique_ptr<fastpath::FastPath> fast_path,
                  std::chrono::milliseconds retry_interval = std::chrono::seconds(1)) :
        loop_(loop), fast_path_(std::move(fast_path)), retry_interval_(retry_interval), timer_(loop) {}

    [[nodiscard]] Result<fastpath::TableUpdate> look() override { return dump_now(loop_, *fast_path_); }

    [[nodiscard]] Result<void> start(FastPathEvents events) override {
        events_ = std::move(events);
        attempt();
        return {};
    }

    void abandon() override {}

    [[nodiscard]] fastpath::FastPath* fast_path() override { return running_ ? fast_path_.get() : nullptr; }

    [[nodiscard]] const std::string& state() const override { return state_; }

  private:
    void attempt() {
        fast_path_->dump([this](const Result<fastpath::TableUpdate>& tables) {
            if (!tables) return unreachable(tables.error().message);
            running_ = true;
            state_ = "running";
            spdlog::info("fast path adopted: {} ports, {} routes", tables->ports_size(), tables->routes_size());
            events_.on_connected(*fast_path_, *tables);
        });
    }

    /// Whoever waits for it is told, and it is asked again.
    void unreachable(const std::string& reason) {
        std::string state = "unreachable: " + reason;
        if (state != state_) spdlog::error("the fast path is {}", state);
        state_ = std::move(state);
        events_.on_disconnected("the fast path is " + state_);
        timer_.expires_after(retry_interval_);
        timer_.async_wait([this](boost::system::error_code error) {
            if (!error) attempt();
        });
    }

    boost::asio::io_context& loop_;
    std::unique_ptr<fastpath::FastPath> fast_path_;
    FastPathEvents events_;
    std::chrono::milliseconds retry_interval_;
    boost::asio::steady_timer timer_;
    bool running_ = false;
    std::string state_ = "starting";
};

} // namespace weft::agent
