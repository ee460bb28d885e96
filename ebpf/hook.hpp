// SPDX-License-Identifier: BSD-3-Clause
// Hook: where a program meets a device's packets. Today that is a clsact filter, which libbpf 1.1 knows how to attach
// and replace in one step; all that is known of it is here, so that TCX can take its place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ebpf/clsact.hpp"
#include "routing/net/result.hpp"

namespace weft::ebpf {

/// What a device receives.
class IngressHook {
  public:
    /// `notes` is the directory for what was made for the hook and goes with it; none: it stays.
    explicit IngressHook(std::uint32_t ifindex, const std::optional<std::string>& notes = std::nullopt) :
        ifindex_(ifindex), qdisc_(ifindex, notes) {}

    /// Puts the program there, or in the place of an earlier one of ours, between two packets. Filters of others on
    /// the device stay.
    [[nodiscard]] Result<void> attach(int program) const;
    /// Takes it away, and what was made for it unless others use that too; returns in words what was there.
    [[nodiscard]] Result<std::vector<std::string>> detach() const;
    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const;

  private:
    std::uint32_t ifindex_;
    Clsact qdisc_;
};

} // namespace weft::ebpf
