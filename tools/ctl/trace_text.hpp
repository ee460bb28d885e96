// SPDX-License-Identifier: BSD-3-Clause
// A traced packet as people read it: a line under headers, its columns as wide as they had to be so far, and the
// comments that a capture has beside its frames. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// "tcp syn, 74 bytes", "icmp echo request, 98 bytes", "udp, 1500 bytes, first fragment".
[[nodiscard]] std::string packet_text(const v1::TraceEvent& event);

/// "forwarded", "dropped: ingress_policy".
[[nodiscard]] std::string verdict_text(const v1::TraceEvent& event);

/// What became of the packet, in a sentence: for the frame that came in.
[[nodiscard]] std::string comment_in(const v1::TraceEvent& event);
/// What the frame that left is.
[[nodiscard]] std::string comment_out(const v1::TraceEvent& event);

class TraceLines {
  public:
    /// With its line end; before the first, the headers.
    [[nodiscard]] std::string line(const v1::TraceEvent& event, Style style);

  private:
    static constexpr std::size_t columns = 9;

    [[nodiscard]] std::string aligned(const std::array<Cell, columns>& cells, Style style);

    /// Wide enough for IPv4, so that columns seldom move.
    std::array<std::size_t, columns> widths_{15, 18, 18, 20, 20, 27, 10, 14, 0};
    bool begun_ = false;
};

} // namespace weft::ctl
