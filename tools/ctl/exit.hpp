// SPDX-License-Identifier: BSD-3-Clause
// How a command of the CLI ends: an exit code that scripts may rely on (docs/cli.md), and on failure one sentence for
// the operator that names the thing, the reason and the remedy. Every verb returns an Outcome; only cli.cpp prints
// failures.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace weft::ctl {

enum class Exit : int {
    ok = 0,
    failed = 1,      ///< the agent refused or failed, or a file could not be read
    usage = 2,       ///< the command line is wrong; nothing was done
    unreachable = 3, ///< no agent answers at the socket
    denied = 4,      ///< explain, policy explain: the packet would be dropped
    wrong = 5,       ///< policy test: policies do not come to what is expected
};

struct Failure {
    Exit exit = Exit::failed;
    std::string message;
    bool not_found = false; ///< the agent knows no such thing: the caller may add what was meant
};

template <class T>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> refuse(Exit exit, std::string message) {
    return std::unexpected<Failure>(Failure{exit, std::move(message)});
}

/// Passes the failure of an outcome on, as an outcome of another type.
template <class T>
[[nodiscard]] std::unexpected<Failure> pass_on(Outcome<T>&& outcome) {
    return std::unexpected<Failure>(std::move(outcome).error());
}

} // namespace weft::ctl
