// SPDX-License-Identifier: BSD-3-Clause
// Descriptor: a file descriptor that closes itself.
#pragma once

#include <utility>

#include <unistd.h>

namespace weft::dataplane {

class Descriptor {
  public:
    Descriptor() = default;

    explicit Descriptor(int fd) : fd_(fd) {}

    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }

    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    [[nodiscard]] int get() const { return fd_; }

    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

} // namespace weft::dataplane
