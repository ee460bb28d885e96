// SPDX-License-Identifier: BSD-3-Clause
// IPv4 fragmentation on the way into a tunnel (RFC 791 section 3.2), for packets that allow it. The forward stage
// calls it, and only for packets that are too large, so that others pay one comparison.
#pragma once

#include <vector>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/packet.hpp"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/parse.h"

namespace weft::dataplane {

/// Copies the packet into frames whose IP packets are at most `mtu` (at least WEFT_IPV4_MTU_MIN), and appends them to
/// `fragments`. The packet stays the caller's; a checksum left to the port is completed in it. On failure nothing is
/// appended.
[[nodiscard]] weft_drop_reason fragment_ipv4(rte_mbuf* packet, const weft_ip& ip, std::uint32_t mtu,
                                             rte_mempool* pool, std::vector<rte_mbuf*>& fragments);

} // namespace weft::dataplane
