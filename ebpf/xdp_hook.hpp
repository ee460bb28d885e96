// SPDX-License-Identifier: BSD-3-Clause
// XdpHook: where a program meets a device's frames before the kernel has made packets of them, run by the device's
// driver. A link holds it (device_link.hpp).
#pragma once

#include <cstdint>
#include <string>

#include "ebpf/device_link.hpp"
#include "routing/net/result.hpp"

namespace weft::ebpf {

class XdpHook {
  public:
    /// `pins` is the directory for the pin.
    XdpHook(std::uint32_t ifindex, const std::string& pins);

    /// Puts the program there, or in the place of an earlier one of ours. Refused where the driver cannot, or where
    /// another's program is; the error names the device, the reason and the remedy.
    [[nodiscard]] Result<void> attach(int program) const;

    /// Takes it away; returns whether there was one.
    [[nodiscard]] Result<bool> detach() const { return link_.detach(); }

    /// The kernel's number of the program that is there; 0: none of ours.
    [[nodiscard]] std::uint32_t attached() const { return link_.attached(); }

    [[nodiscard]] Result<void> check_is_here() const { return link_.check_is_here(); }

  private:
    std::uint32_t ifindex_;
    DeviceLink link_;
};

/// Is there hardware behind the device, rather than this machine's own software?
[[nodiscard]] bool is_physical(const std::string& device);

} // namespace weft::ebpf
