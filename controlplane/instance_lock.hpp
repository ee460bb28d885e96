// SPDX-License-Identifier: BSD-3-Clause
// InstanceLock: one agent per state directory, and one per fast path. Held as long as the value lives; the kernel
// lets go of it when the process ends, however it ends.
#pragma once

#include <string>

#include "routing/net/result.hpp"

namespace weft::agent {

class InstanceLock {
  public:
    /// Makes the directory if needed; exists names the process that holds it.
    [[nodiscard]] static Result<InstanceLock> take(const std::string& directory);
    /// For the fast path at this socket, beside which the lock's file lies.
    [[nodiscard]] static Result<InstanceLock> take_fast_path(const std::string& socket);

    InstanceLock(InstanceLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    InstanceLock& operator=(InstanceLock&&) = delete;
    ~InstanceLock();

  private:
    explicit InstanceLock(int fd) : fd_(fd) {}

    [[nodiscard]] static Result<InstanceLock> lock(const std::string& path, const std::string& what,
                                                   const std::string& flag);

    int fd_;
};

} // namespace weft::agent
