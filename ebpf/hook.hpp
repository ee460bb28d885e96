// SPDX-License-Identifier: BSD-3-Clause
// Hook: where a program meets a device's packets. That is a link where the kernel has them (TCX, device_link.hpp),
// and a filter on a clsact qdisc elsewhere; both are replaced in one step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ebpf/clsact.hpp"
#include "ebpf/device_link.hpp"
#include "routing/net/result.hpp"

namespace weft::ebpf {

/// What a device receives.
class IngressHook {
  public:
    enum class Device : bool { of_the_host, of_ours };

    /// `directory` is where links are pinned, and noted is what was made on the host's devices and goes with the
    /// hook; none: there are no links, and what was made stays.
    explicit IngressHook(std::uint32_t ifindex, const std::optional<std::string>& directory = std::nullopt,
                         Device device = Device::of_the_host);

    /// Puts the program there, or in the place of an earlier one of ours, between two packets. Filters of others on
    /// the device stay.
    [[nodiscard]] Result<void> attach(int program) const;
    /// Takes it away, and what was made for it unless others use that too; returns in words what was there.
    [[nodiscard]] Result<std::vector<std::string>> detach() const;
    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const;

    /// See DeviceLink.
    [[nodiscard]] Result<void> check_is_here() const { return link_ ? link_->check_is_here() : Result<void>{}; }

  private:
    /// Takes the filter away, and the qdisc that was made for it; returns which of them were there.
    struct Filter {
        bool filter = false;
        bool qdisc = false;
    };

    [[nodiscard]] Result<Filter> remove_filter() const;

    std::uint32_t ifindex_;
    Device device_;
    std::optional<DeviceLink> link_;
    Clsact qdisc_;
};

} // namespace weft::ebpf
