// SPDX-License-Identifier: BSD-3-Clause
// Between virtio-net headers and an mbuf's offload words. Headers come from a container's kernel and are checked like
// any other input.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "dataplane/pipeline/drop_reason.h"

namespace weft::dataplane {

/// struct virtio_net_hdr (virtio 1.1, section 5.1.6), in the host's byte order; the kernel's own header is not C++.
struct VirtioHeader {
    enum Flag : std::uint8_t { needs_checksum = 1 };

    enum Gso : std::uint8_t { gso_none = 0, gso_tcpv4 = 1, gso_tcpv6 = 4, gso_ecn = 0x80 };

    std::uint8_t flags = 0;
    std::uint8_t gso_type = gso_none;
    std::uint16_t hdr_len = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t csum_start = 0;
    std::uint16_t csum_offset = 0;
};

static_assert(sizeof(VirtioHeader) == 10);

/// What the header asks for, as flags and lengths of the packet. Work that the pipeline does not know is done at once
/// or refused.
[[nodiscard]] weft_drop_reason from_virtio(const VirtioHeader& header, rte_mbuf* packet);
/// The header that tells the receiving kernel what is still open in the packet.
[[nodiscard]] VirtioHeader to_virtio(const rte_mbuf* packet);

} // namespace weft::dataplane
