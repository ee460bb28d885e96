// SPDX-License-Identifier: BSD-3-Clause
// A persistent TAP device inside a container's network namespace: made, opened again after a restart, and removed. It
// speaks virtio-net headers, so that the container's kernel may leave segmentation and checksums to us.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "dataplane/api/table_wire.hpp"
#include "dataplane/descriptor.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

/// Which network namespace a path means now: its inode on the kernel's nsfs. Nothing when the path leads nowhere.
[[nodiscard]] std::optional<ino_t> namespace_at(const std::string& path);

struct TapDevice {
    Descriptor descriptor;
    std::string netns; ///< path
    ino_t inode = 0;   ///< of the namespace that the path meant when the device was opened
};

/// Opens the TAP of that name in a network namespace, with virtio-net headers, checksum offload and TSO; makes it
/// when it is not there. It is persistent: it stays, with its addresses and routes, when the descriptor is closed. An
/// open descriptor keeps the namespace alive, even when its path was removed. No path means this process's own.
[[nodiscard]] Result<TapDevice> open_tap(const std::string& netns, const std::string& ifname,
                                         const fastpath::MacBytes& mac);

/// The device goes away with its last descriptor.
void remove_tap(const TapDevice& device);

} // namespace weft::dataplane
