// SPDX-License-Identifier: BSD-3-Clause
// Completing in software what a device cannot: TCP segmentation, plain or inside VXLAN, over IPv4 or IPv6, and the
// TCP or UDP checksum that virtio left open.
#pragma once

#include <vector>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/pipeline/drop_reason.h"

namespace weft::dataplane {

/// Sums the TCP or UDP checksum into its field, which holds the pseudo-header's sum; clears the offload flags.
[[nodiscard]] weft_drop_reason complete_checksum(rte_mbuf* packet);

/// Cuts a frame marked RTE_MBUF_F_TX_TCP_SEG into segments of at most tso_segsz bytes of payload, every header and
/// checksum right; appends them to `segments`. The frame stays the caller's. On failure nothing is appended.
[[nodiscard]] weft_drop_reason segment_tcp(rte_mbuf* frame, rte_mempool* pool, std::vector<rte_mbuf*>& segments);

} // namespace weft::dataplane
