// SPDX-License-Identifier: BSD-3-Clause
// What lies in the directory of pins by the number of a device: links of programs (device_link.hpp) and notes of
// qdiscs (clsact.hpp). Numbers are those of one network namespace. A device that has gone leaves its pins behind, and
// they are only files then; but a pin whose program is at work in another namespace keeps a container there from the
// host's own network stack, so nobody takes it away from here.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// The devices for which something lies there.
[[nodiscard]] std::set<std::uint32_t> pinned_devices(const std::string& directory);

/// Refuses a device whose number has pins that serve a device of another namespace.
[[nodiscard]] Result<void> check_pins(std::uint32_t ifindex, const std::string& directory);

/// Takes our programs away from the device, with what is pinned and noted for it; returns in words what was there.
/// Nothing, for a device that has gone. Refuses what serves a device of another namespace.
[[nodiscard]] Result<std::vector<std::string>> release_device(std::uint32_t ifindex, const std::string& directory);

} // namespace weft::ebpf
