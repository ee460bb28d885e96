// SPDX-License-Identifier: BSD-3-Clause
// What a verb has at hand: where it prints, in which format, and how to reach the agent. cli.cpp makes one Context
// for each run; main (or a test) owns the streams in the Environment.
#pragma once

#include <chrono>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "tools/ctl/client.hpp"
#include "tools/ctl/command.hpp"
#include "tools/ctl/json.hpp"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// The world outside, as main finds it.
struct Environment {
    std::ostream& out;
    std::ostream& err;
    std::istream& in;
    bool terminal = false;     ///< `out` is a terminal
    bool colour = false;       ///< and wants colour
    bool error_colour = false; ///< so does `err`
    std::string socket = "/run/weft/weftd.sock";
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
    std::function<void(std::chrono::steady_clock::duration)> sleep; ///< for --watch
    /// Calls `tell`, from whatever thread, when the operator interrupts, for as long as what it returns is held.
    std::function<std::shared_ptr<void>(std::function<void()> tell)> on_interrupt;
};

struct Context {
    Environment& environment;
    const Command& root;
    bool json = false;
    std::string socket = {};
    std::chrono::milliseconds timeout{30000};
    Style style = {};

    /// A connection to the agent, or why there is none.
    [[nodiscard]] Outcome<Client> connect() const { return Client::connect(socket, timeout); }

    void print(std::string_view text) { environment.out << text << std::flush; }

    /// What is not a result: hints, empty lists. Not printed for programs.
    void remark(std::string_view text) {
        if (!json) environment.err << text << '\n';
    }

    /// False when the reader of `out` is gone.
    [[nodiscard]] bool heard() const { return static_cast<bool>(environment.out); }

    void print_json(const google::protobuf::Message& message) { print(pretty(to_json(message))); }
};

} // namespace weft::ctl
