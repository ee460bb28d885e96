// SPDX-License-Identifier: BSD-3-Clause
// FastPathProvider: where the agent's fast path comes from, and whether it is there just now. One runs a
// weft-dataplane (fast_path_supervisor.hpp), the other has a fast path that is this process's own
// (local_fast_path.hpp). main() chooses.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/api/fast_path.hpp"

namespace weft::agent {

struct FastPathEvents {
    std::function<void(fastpath::FastPath&, const fastpath::TableUpdate& tables)> on_connected;
    std::function<void(const std::string& reason)> on_disconnected; ///< it went, or it is still away
};

/// Runs the loop until the fast path has told its tables.
[[nodiscard]] inline Result<fastpath::TableUpdate> dump_now(boost::asio::io_context& loop,
                                                            fastpath::FastPath& fast_path) {
    // Where a late answer goes, should the loop end before.
    const auto answer = std::make_shared<std::optional<Result<fastpath::TableUpdate>>>();
    fast_path.dump([answer](Result<fastpath::TableUpdate> tables) { *answer = std::move(tables); });
    while (!*answer && loop.run_one() > 0) {
    }
    loop.restart();
    if (!*answer) return fail(ErrorCode::unavailable, "the fast path does not answer");
    return *std::move(*answer);
}

class FastPathProvider {
  public:
    virtual ~FastPathProvider() = default;

    /// Before start(): what a fast path that is there already has. Runs the loop until it is known. Empty: none is
    /// there; fails when it does not answer.
    [[nodiscard]] virtual Result<fastpath::TableUpdate> look() = 0;
    /// Adopts a fast path that is there, or starts one. Fails only when there can be none.
    [[nodiscard]] virtual Result<void> start(FastPathEvents events) = 0;
    /// Takes back what was started: for a start that fails, which leaves nothing behind.
    virtual void abandon() = 0;
    /// Null while it is away.
    [[nodiscard]] virtual fastpath::FastPath* fast_path() = 0;
    /// "running", or why not.
    [[nodiscard]] virtual const std::string& state() const = 0;

    /// Never null; or why it is away.
    [[nodiscard]] Result<fastpath::FastPath*> running() {
        if (auto* const there = fast_path()) return there;
        return fail(ErrorCode::unavailable, "the fast path is " + state());
    }
};

} // namespace weft::agent
