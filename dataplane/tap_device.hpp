// SPDX-License-Identifier: BSD-3-Clause
// A persistent TAP device inside a container's network namespace: made, opened again after a restart, and removed. It speaks virtio-net headers, so that
// the container's kernel may leave segmentation and checksums to us.
#pragma once

#include <string>

#include "dataplane/descriptor.hpp"
#include "dataplane/tables.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

/// Opens the device, making it if it does not exist; it stays when the descriptor is closed.
[[nodiscard]] Result<Descriptor> open_tap(const std::string& netns, const std::string& ifname, const MacBytes& mac);
/// The device goes when this descriptor, its last, is closed.
void remove_tap(const Descriptor& device);

} // namespace weft::dataplane
