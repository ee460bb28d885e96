// SPDX-License-Identifier: BSD-3-Clause
// Policies as the API shows and names them. Pure; the agent brings what it knows.
#pragma once

#include "controlplane/api/weft.pb.h"
#include "controlplane/policy/policy_engine.hpp"

namespace weft::agent {

[[nodiscard]] v1::Policy to_api(const policy::PolicyStatus& status);

[[nodiscard]] bool is_asked_for(const policy::PolicyName& name, const v1::ListPoliciesRequest& request);
/// The policy that is to go.
[[nodiscard]] Result<policy::PolicyName> name_of(const v1::DeletePolicyRequest& request);

} // namespace weft::agent
