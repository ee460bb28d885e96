// SPDX-License-Identifier: BSD-3-Clause
// Clsact: the qdisc that holds the filters of a device. It may be there before us and others may use it too, so what
// was made here is noted beside the maps, by a directory that ends with the kernel, as the qdisc does:
//
//   <bpffs>/weft/clsact-IFINDEX
//
// With our last port on the device it goes again, unless somebody else's filters are there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

class Clsact {
  public:
    /// `notes` is the directory where it is noted; none: whoever made it, it stays.
    Clsact(std::uint32_t ifindex, const std::optional<std::string>& notes);

    /// Makes it unless it is there.
    [[nodiscard]] Result<void> add() const;
    /// Removes it if it was made here and is empty; returns whether it was removed.
    [[nodiscard]] Result<bool> remove() const;

  private:
    std::uint32_t ifindex_;
    std::optional<std::string> note_;
};

} // namespace weft::ebpf
