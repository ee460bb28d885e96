// SPDX-License-Identifier: BSD-3-Clause
// Policies as the API shows and names them. Pure; the agent brings what it knows.
#pragma once

#include <map>
#include <span>

#include "controlplane/api/weft.pb.h"
#include "controlplane/policy/policy_engine.hpp"
#include "dataplane/api/fastpath.pb.h"

namespace weft::agent {

[[nodiscard]] v1::Policy to_api(const policy::PolicyStatus& status);

/// By the rule's number.
using HitsOfRules = std::map<std::uint32_t, fastpath::RuleHits>;

[[nodiscard]] HitsOfRules by_rule(const fastpath::RuleHitsReply& reply);
/// One that has none has zeros.
[[nodiscard]] v1::RuleHits hits_of(std::uint32_t rule, const HitsOfRules& hits, const policy::PolicyEngine& engine);
/// Of all of the policy's rules.
void add_hits(v1::Policy& policy, std::span<const std::uint32_t> rules, const HitsOfRules& hits,
              const policy::PolicyEngine& engine);

[[nodiscard]] bool is_asked_for(const policy::PolicyName& name, const v1::ListPoliciesRequest& request);
/// The policy that is to go.
[[nodiscard]] Result<policy::PolicyName> name_of(const v1::DeletePolicyRequest& request);

} // namespace weft::agent
