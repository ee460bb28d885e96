// SPDX-License-Identifier: BSD-3-Clause
// DeviceLink: what holds a program at a device, since Linux 5.9 for XDP and 6.6 for tc. It is pinned beside the maps,
//
//   <bpffs>/weft/xdp-IFINDEX, <bpffs>/weft/tcx-IFINDEX
//
// so that it outlives the agent, changes its program between two packets, and goes when the pin or the device goes.
#pragma once

#include <cstdint>

#include <linux/bpf.h>

#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

class DeviceLink {
  public:
    DeviceLink(std::uint32_t ifindex, bpf_attach_type place, std::string pin) :
        ifindex_(ifindex), place_(place), pin_(std::move(pin)) {}

    /// Puts the program there, or in the place of an earlier one of ours; 0, or the errno of the kernel's refusal.
    [[nodiscard]] int attach(int program, std::uint32_t flags = 0) const;
    /// Takes it away, at once; returns whether there was one.
    [[nodiscard]] Result<bool> detach() const;
    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const;
    /// Refuses a pin that holds a program at a device of another network namespace, whether it has the same number,
    /// so that who looks from here would take it for this device's, or was moved there and got another one.
    [[nodiscard]] Result<void> check_is_here() const;

  private:
    std::uint32_t ifindex_;
    bpf_attach_type place_;
    std::string pin_;
};

} // namespace weft::ebpf
