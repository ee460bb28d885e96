// SPDX-License-Identifier: BSD-3-Clause
// Pcapng: a capture file as bytes (draft-ietf-opsawg-pcapng): one section, an interface for each port the first time
// that it is seen, a block for each frame. Times are nanoseconds. Whoever has the file writes what take() gives.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weft::ctl {

class Pcapng {
  public:
    enum class Direction : std::uint8_t { in = 1, out = 2 }; ///< as epb_flags has them

    struct Frame {
        std::string_view interface; ///< at most 255 bytes count
        std::uint64_t time_unix_ns;
        Direction direction;
        std::uint64_t packet; ///< the same for one packet at several interfaces
        std::uint32_t length; ///< on the wire
        std::string_view bytes;
        std::string_view comment; ///< empty: none
    };

    /// `application` wrote it. `snap_length`: the most that is kept of a frame.
    Pcapng(std::string_view application, std::uint32_t snap_length);

    void add(const Frame& frame);

    /// What was added since the last call; a file is all of it in order.
    [[nodiscard]] std::string take() { return std::exchange(bytes_, {}); }

  private:
    std::uint32_t interface(std::string_view name);

    std::string bytes_;
    std::uint32_t snap_length_;
    std::map<std::string, std::uint32_t, std::less<>> interfaces_;
};

} // namespace weft::ctl
