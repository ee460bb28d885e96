// SPDX-License-Identifier: BSD-3-Clause
// Tcx: a program at what a device receives, by a link of its own (Linux 6.6) instead of a filter on a qdisc: packets
// reach it without tc's classifiers in between. The link is pinned beside the maps, and so outlives the agent:
//
//   <bpffs>/weft/tcx-IFINDEX
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

class Tcx {
  public:
    /// `directory` is where links are pinned; none: there are none.
    Tcx(std::uint32_t ifindex, const std::optional<std::string>& directory);

    /// Puts the program there, or in the place of an earlier one of ours, between two packets. False: this cannot be
    /// done here, since the kernel knows no such links or there is no place for a pin.
    [[nodiscard]] Result<bool> attach(int program) const;
    /// Takes it away; false: there was none.
    [[nodiscard]] bool detach() const;
    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const;

  private:
    std::uint32_t ifindex_;
    std::optional<std::string> pin_;
};

} // namespace weft::ebpf
