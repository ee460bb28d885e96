// SPDX-License-Identifier: BSD-3-Clause
// WakeSet: what ends a worker's sleep: its own eventfd, and the descriptors of the queues that it polls. Used by one
// worker.
#pragma once

#include <cstdint>

#include "dataplane/descriptor.hpp"
#include "dataplane/port_table.hpp"

namespace weft::dataplane {

class WakeSet {
  public:
    /// `wake` is readable when the worker is wanted for another reason than a packet.
    explicit WakeSet(int wake);

    /// Watches the worker's queues of this snapshot from now on. Cheap when it is the one already watched.
    void watch(const PortSet& ports, unsigned worker);
    /// Returns when something is there, or after a millisecond if a queue of the worker cannot wake it.
    void wait();

  private:
    void add(int descriptor);

    int wake_;
    Descriptor set_;
    std::uint64_t generation_ = 0;
    bool must_poll_ = false;
};

} // namespace weft::dataplane
