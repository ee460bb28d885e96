// SPDX-License-Identifier: BSD-3-Clause
// RuleHits: what the rules of policy came to (pipeline/hits.h), in a map in which each CPU counts for itself. It
// outlives the agent, as the rules' numbers do.
#pragma once

#include <span>

#include "dataplane/api/fastpath.pb.h"
#include "ebpf/map.hpp"

namespace weft::ebpf {

class RuleHits {
  public:
    /// The map must outlive it.
    explicit RuleHits(const Map& hits) : hits_(hits) {}

    /// Of all rules that have any.
    [[nodiscard]] Result<fastpath::RuleHitsReply> read() const;
    /// These numbers come to mean other rules, or none.
    [[nodiscard]] Result<void> reset(std::span<const std::uint32_t> rules) const;

  private:
    const Map& hits_;
};

} // namespace weft::ebpf
