// SPDX-License-Identifier: BSD-3-Clause
// Listener: the process that listens on a UNIX socket, as the kernel knows it (SO_PEERCRED, unix(7)). It is how a
// weft-dataplane is found, named and ended: by no name and no pid file, which could mean another process.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "routing/net/result.hpp"

namespace weft::fastpath {

class Listener {
  public:
    /// Who listens at a path, or at an abstract name, which begins with a zero byte; nothing: nobody does.
    /// `unavailable`: its queue of clients is full, so that the kernel does not tell who it is.
    [[nodiscard]] static Result<std::optional<Listener>> find(std::string_view name);

    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// "pid 7", or what is known instead.
    [[nodiscard]] std::string who() const;
    /// The command that ends it: "kill 7", for whoever reads an error.
    [[nodiscard]] std::string remedy() const;
    /// The same for one that no longer listens to requests: "kill -9 7".
    [[nodiscard]] std::string last_remedy() const;
    /// SIGTERM; returns when it has ended, threads and all, or with why it has not.
    [[nodiscard]] Result<void> end(std::chrono::milliseconds patience) const;

  private:
    Listener(pid_t pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}

    pid_t pid_;      ///< 0: it lives in a pid namespace that we do not see
    int descriptor_; ///< the very process, whoever has its pid later; -1 without a pid
};

} // namespace weft::fastpath
