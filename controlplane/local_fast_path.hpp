// SPDX-License-Identifier: BSD-3-Clause
// LocalFastPath: a fast path in this process, which is there as long as the agent is.
#pragma once

#include <memory>

#include <spdlog/spdlog.h>

#include "controlplane/fast_path_provider.hpp"

namespace weft::agent {

class LocalFastPath final : public FastPathProvider {
  public:
    LocalFastPath(boost::asio::io_context& loop, std::unique_ptr<fastpath::FastPath> fast_path) :
        loop_(loop), fast_path_(std::move(fast_path)) {}

    [[nodiscard]] Result<fastpath::TableUpdate> look() override { return dump_now(loop_, *fast_path_); }

    [[nodiscard]] Result<void> start(FastPathEvents events) override {
        fast_path_->dump([this, events = std::move(events)](Result<fastpath::TableUpdate> tables) {
            if (!tables) {
                state_ = "unreachable: " + tables.error().message;
                spdlog::error("the fast path is {}", state_);
                return events.on_disconnected(state_);
            }
            running_ = true;
            state_ = "running";
            spdlog::info("fast path adopted: {} ports, {} routes", tables->ports_size(), tables->routes_size());
            events.on_connected(*fast_path_, *tables);
        });
        return {};
    }

    void abandon() override {}

    [[nodiscard]] fastpath::FastPath* fast_path() override { return running_ ? fast_path_.get() : nullptr; }

    [[nodiscard]] const std::string& state() const override { return state_; }

  private:
    boost::asio::io_context& loop_;
    std::unique_ptr<fastpath::FastPath> fast_path_;
    bool running_ = false;
    std::string state_ = "starting";
};

} // namespace weft::agent
