// SPDX-License-Identifier: BSD-3-Clause
// Frames on the fast path's socket: four bytes of length, big-endian, then a protobuf message. Both ends use this.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>

#include "routing/net/result.hpp"

namespace weft::fastpath {

inline constexpr std::size_t frame_header = 4;
inline constexpr std::size_t frame_max = 64U << 20;

/// Appends one frame.
[[nodiscard]] Result<void> append_frame(std::string& out, const google::protobuf::MessageLite& message);

/// Collects what a stream brings and gives whole frames.
class FrameReader {
  public:
    void add(std::string_view bytes) { buffer_.append(bytes); }

    /// The next frame's payload, nothing while it is incomplete; an error when it is longer than frame_max. Valid
    /// until the next add().
    [[nodiscard]] Result<std::optional<std::string_view>> next();

  private:
    std::string buffer_;
    std::size_t taken_ = 0;
};

} // namespace weft::fastpath
