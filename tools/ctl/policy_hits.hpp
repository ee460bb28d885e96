// SPDX-License-Identifier: BSD-3-Clause
// Hits of a policy's rules, for people. Pure.
#pragma once

#include <string>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// All of its rules' together: for an audited policy, what it would have decided.
[[nodiscard]] std::uint64_t total_hits(const v1::Policy& policy);

/// A row for each rule, every line a YAML comment; empty if nothing is known of hits.
[[nodiscard]] std::string hits_comment(const v1::Policy& policy, Style style);

} // namespace weft::ctl
