// SPDX-License-Identifier: BSD-3-Clause
// A packet case: tables and packets in, verdicts and exact bytes out. Plain data, so that every fast path can run it:
// the DPDK pipeline in process (dpdk_runner.hpp), the eBPF programs through BPF_PROG_TEST_RUN.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/drop_reason.h"
#include "tests/pipeline/packet_builder.hpp"

namespace weft::cases {

/// A frame that must come out. Of an encapsulated one the outer UDP source port is written as 0: it is any of 49152
/// to 65535.
struct Sent {
    std::uint32_t port;
    Bytes frame;
    std::uint16_t segment = 0; ///< still to be cut into TCP segments of so many bytes; 0: not to be cut
};

/// What a TAP's virtio-net header can say of a frame. Cases write frames with complete checksums: a runner puts the
/// pseudo-header's sum into the field on the way in, and completes what comes out unfinished.
struct Offload {
    std::uint16_t segment = 0;     ///< TCP payload bytes per segment; 0: not to be cut
    bool checksum = false;         ///< left to the port
    std::uint16_t wrong_l3_by = 0; ///< added to where the upper layer is said to begin
};

/// What a rule has come to since the case began.
struct Hits {
    std::uint32_t rule = 0;
    std::uint64_t connections = 0;
    std::uint64_t denied = 0;
    std::uint64_t audited = 0;

    friend auto operator<=>(const Hits&, const Hits&) = default;
};

/// First the tables change, then one packet arrives.
struct Step {
    fastpath::TableUpdate tables;
    std::uint32_t now_s = 1000;
    std::uint32_t port = 0;
    Bytes frame;
    weft_drop_reason reason = WEFT_DROP_none;
    std::vector<Sent> sent;
    Offload offload = {};
    bool scattered = false;                               ///< over several buffers, the headers whole in the first
    std::optional<std::vector<Hits>> hits = std::nullopt; ///< then, of all rules that have any, by number
};

struct PacketCase {
    std::string name;
    std::vector<Step> steps;
    std::size_t sessions_max = 1024; ///< capacity of the session table
    int inner = 4;                   ///< family, 4 or 6
    int outer = 4;
};

/// Every case, in every combination of families that makes a difference to it.
[[nodiscard]] std::vector<PacketCase> all_cases();

} // namespace weft::cases
