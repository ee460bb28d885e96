// SPDX-License-Identifier: BSD-3-Clause
// FastPathSupervisor: sees to it that a weft-dataplane runs and is connected. One that answers is adopted; otherwise
// one is started, detached, so that it outlives the agent; when it dies, the next is started at once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/fast_path_provider.hpp"
#include "dataplane/api/client.hpp"

namespace weft::agent {

struct FastPathProgram {
    std::string socket;
    std::string program;
    std::vector<std::string> arguments;
    std::string log; ///< file that its output is appended to
};

class FastPathSupervisor final : public FastPathProvider {
  public:
    FastPathSupervisor(boost::asio::io_context& loop, FastPathProgram program);
    ~FastPathSupervisor() override;

    [[nodiscard]] Result<fastpath::TableUpdate> look() override;

    /// Connects to a running one, or starts one. Fails only when the program cannot be found.
    [[nodiscard]] Result<void> start(FastPathEvents events) override;

    /// Ends the process if it is one that we started.
    void abandon() override;

    [[nodiscard]] fastpath::FastPath* fast_path() override { return connected_ ? client_.get() : nullptr; }

    [[nodiscard]] const std::string& state() const override { return state_; }

  private:
    void attempt();
    void launch();
    void lost(const Error& error);
    /// It may stay away: whoever waits for it is told, also who began to wait since it went.
    void unreachable(const std::string& reason);
    /// The last line that the process wrote.
    [[nodiscard]] std::string last_words() const;

    boost::asio::io_context& loop_;
    FastPathProgram program_;
    FastPathEvents events_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<fastpath::SocketFastPath> client_;
    bool connected_ = false;
    bool has_served_ = false; ///< the process that was launched last
    int launched_pid_ = 0;
    unsigned quick_deaths_ = 0;
    std::chrono::steady_clock::time_point launched_at_;
    std::string state_ = "starting";
};

} // namespace weft::agent
