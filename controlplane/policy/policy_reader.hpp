// SPDX-License-Identifier: BSD-3-Clause
// From YAML to policies of all tiers. The engine calls it for what operators apply and for what the database kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/policy/policy_model.hpp"

namespace weft::policy {

/// A policy and the document that it came from, written as YAML again (comments and anchors do not survive).
struct PolicyDocument {
    Policy policy;
    std::string yaml;
};

/// The largest YAML text that is read from outside, in bytes.
inline constexpr std::size_t policy_text_max = 1 << 20;

/// Reads one or more documents, also `kind: List` and the lists of each kind. All must be right: whatever is unknown
/// or not supported is refused by its full path, and never ignored.
[[nodiscard]] Result<std::vector<PolicyDocument>> read_policies(std::string_view yaml,
                                                                std::size_t bytes_max = policy_text_max);

} // namespace weft::policy
