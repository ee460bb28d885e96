// SPDX-License-Identifier: BSD-3-Clause
// The AF_XDP sockets that DPDK's driver opens. DPDK 22.11 tells an application nothing about them, but only they can
// wake a sleeping worker, and the driver leaves them open when it closes its device.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include <sys/types.h>

namespace weft::dataplane {

/// A descriptor and what it stood for, since its number may be used again.
struct XdpSocket {
    int descriptor = -1;
    ino_t inode = 0;

    friend auto operator<=>(const XdpSocket&, const XdpSocket&) = default;
};

/// All that this process has open, in the order of their descriptors.
[[nodiscard]] std::vector<XdpSocket> open_xdp_sockets();

/// Packets that the kernel had for the socket and could not give it: its rings were full, or out of buffers.
[[nodiscard]] std::uint64_t packets_lost(const XdpSocket& socket);

/// Closes those that are still open.
void close_left_open(const std::vector<XdpSocket>& sockets);

} // namespace weft::dataplane
