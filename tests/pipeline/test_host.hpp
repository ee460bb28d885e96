// SPDX-License-Identifier: BSD-3-Clause
// What a test program needs of DPDK: the EAL without hugepages or devices, once, and a pool whose buffers can be
// counted.
#pragma once

#include <memory>

#include "dataplane/buffer_pool.hpp"
#include "dataplane/eal.hpp"

namespace weft::cases {

class TestHost {
  public:
    /// Made at the first call, and kept until the program ends. A machine where DPDK does not start fails the test.
    static TestHost& get() {
        static TestHost host;
        return host;
    }

    [[nodiscard]] rte_mempool* pool() const { return pool_.get(); }

    /// Buffers that somebody holds.
    [[nodiscard]] unsigned buffers_in_use() const { return rte_mempool_in_use_count(pool_.get()); }

  private:
    TestHost() :
        eal_(dataplane::Eal::start({.hugepages = dataplane::Hugepages::off, .memory_mb = 64}).value()),
        pool_(dataplane::make_packet_pool("test", 4095).value()) {}

    dataplane::Eal eal_;
    dataplane::Pool pool_;
};

} // namespace weft::cases
