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

    /// Its file.
    [[nodiscard]] static std::string path_of_fast_path(const std::string& socket) { return socket + ".lock"; }

    /// Removes the file: it is nobody's lock any more. Whoever waits for it takes the next one.
    void discard() const;

    InstanceLock(InstanceLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

    InstanceLock& operator=(InstanceLock&&) = delete;
    ~InstanceLock();

  private:
    InstanceLock(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

    [[nodiscard]] static Result<InstanceLock> lock(const std::string& path, const std::string& what,
                                                   const std::string& flag);

    int fd_;
    std::string path_;
};

} // namespace weft::agent
