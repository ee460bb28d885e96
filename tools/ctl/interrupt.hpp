// SPDX-License-Identifier: BSD-3-Clause
// Interrupt: tells, from a thread of its own, that the operator wants to end (Ctrl-C, SIGTERM), so that a command
// which waits for the agent can end cleanly and say what it saw. Made before any other thread, since threads inherit
// which signals they leave to it; afterwards signals do again what they did.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace weft::ctl {

class Interrupt {
  public:
    /// `tell` is called at most once.
    explicit Interrupt(std::function<void()> tell);
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

  private:
    sigset_t before_{};
    int signals_;
    int end_;
    std::thread thread_;
};

} // namespace weft::ctl
