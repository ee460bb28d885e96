// SPDX-License-Identifier: BSD-3-Clause
// Veth pairs: one end is a container's interface, or the host's own, the other, the near one, stands in the host's
// namespace, where the program that serves the endpoint is attached. They live until one end is deleted or its
// namespace goes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "routing/net/address.hpp"
#include "routing/net/result.hpp"

namespace weft::ebpf {

/// Of the near end of the pair that serves a port.
[[nodiscard]] std::string near_name(std::uint32_t port);
/// Could it be the near end of a pair of ours?
[[nodiscard]] bool is_near_name(std::string_view name);

struct VethSettings {
    std::string near;   ///< name in the host's namespace
    std::string netns;  ///< the container's; empty: the host's own
    std::string ifname; ///< name there
    net::Mac mac;       ///< the container's
    std::uint32_t mtu = 1450;
};

/// Makes the pair, both ends down; returns the near end's index. An interface that has the near end's name already is
/// of a pair that was left behind, if it is one at all, and goes.
[[nodiscard]] Result<std::uint32_t> make_veth(const VethSettings& settings);
/// Near end up: from now on the container has a carrier.
[[nodiscard]] Result<void> raise_veth(std::uint32_t ifindex);
[[nodiscard]] Result<void> set_veth_mtu(std::uint32_t ifindex, std::uint32_t mtu);
/// Deletes the pair by its near end; nothing happens when it has gone.
[[nodiscard]] Result<void> remove_veth(std::uint32_t ifindex);

struct Device {
    std::string name;
    std::uint32_t ifindex = 0;
    std::uint32_t mtu = 0;
    bool up = false;
    std::string kind; ///< "veth", "vxlan"; empty: the kernel does not say
};

using Devices = std::map<std::string, Device>; ///< by name

/// A device of the host's namespace as it is now; none when it does not exist.
[[nodiscard]] Result<std::optional<Device>> find_device(const std::string& name);
/// All of them, by one question to the kernel.
[[nodiscard]] Result<Devices> all_devices();

} // namespace weft::ebpf
