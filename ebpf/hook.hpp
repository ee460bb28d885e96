// SPDX-License-Identifier: BSD-3-Clause
// Hook: where a program meets a device's packets. Today that is a clsact filter, which libbpf 1.1 knows how to attach
// and replace in one step; all that is known of it is here, so that TCX can take its place.
#pragma once

#include <cstdint>
#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// What a device receives.
class IngressHook {
  public:
    explicit IngressHook(std::uint32_t ifindex) : ifindex_(ifindex) {}

    /// Puts the program there, or in the place of an earlier one of ours, between two packets. Filters of others on
    /// the device stay.
    [[nodiscard]] Result<void> attach(int program) const;
    /// Takes it away; nothing happens where there is none.
    void detach() const;
    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const;

  private:
    std::uint32_t ifindex_;
};

} // namespace weft::ebpf
