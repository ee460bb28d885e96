// SPDX-License-Identifier: BSD-3-Clause
// Checked conversions between the agent's verdict lists and the blocks that the tables keep of them.
#pragma once

#include <span>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/policy.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

/// The most ranges that a list may have.
inline constexpr std::size_t verdict_ranges_max = std::size_t{WEFT_VERDICT_BLOCKS} * WEFT_BLOCK_RANGES;

/// Its blocks, in their order.
[[nodiscard]] Result<std::vector<weft_verdict_block>> to_blocks(const VerdictList& list);

/// Of all blocks of a list, in their order; fails for what to_blocks() does not make.
[[nodiscard]] Result<VerdictList> to_list(std::uint64_t number, std::span<const weft_verdict_block> blocks);

} // namespace weft::fastpath
