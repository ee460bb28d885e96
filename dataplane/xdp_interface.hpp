// SPDX-License-Identifier: BSD-3-Clause
// XdpInterface: the right to run an XDP program on a network interface. DPDK's AF_XDP driver attaches its program
// only where none is, and a process that was killed leaves its own behind; an AF_XDP port claims its interface here
// before the driver sees it.
#pragma once

#include <string>

#include "dataplane/descriptor.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

class XdpInterface {
  public:
    /// Nobody's: of a port that needs none.
    XdpInterface() = default;

    /// Claims the interface against other weft-dataplanes in this network namespace and takes away the steering
    /// program that a dead one left. `exists` when it is taken, or when it runs somebody else's program.
    [[nodiscard]] static Result<XdpInterface> claim(const std::string& ifname);

    /// Receive queues that the interface uses now.
    [[nodiscard]] unsigned receive_queues() const { return receive_queues_; }

  private:
    Descriptor lock_;
    Descriptor teller_; ///< listens only so that whoever comes too late learns our pid
    unsigned receive_queues_ = 1;
};

} // namespace weft::dataplane
