// SPDX-License-Identifier: BSD-3-Clause
// Pools of packet buffers. Most packets live in `make_packet_pool`'s; an AF_XDP socket needs memory of its own shape.
#pragma once

#include <memory>
#include <string>

#include <rte_mempool.h>

#include "routing/net/result.hpp"

namespace weft::dataplane {

struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};

using Pool = std::unique_ptr<rte_mempool, FreePool>;

/// Buffers of 2 KiB behind the headroom, spread over cache sets.
[[nodiscard]] Result<Pool> make_packet_pool(const std::string& name, unsigned buffers);

/// Buffers of exactly one page each. DPDK 22.11's AF_XDP driver hands the pool's memory to the kernel as buffers
/// times buffer size, while a pool whose buffers do not fill pages has gaps and is longer: descriptors of its upper
/// part would be refused by the kernel, silently.
[[nodiscard]] Result<Pool> make_page_pool(const std::string& name, unsigned buffers);

} // namespace weft::dataplane
