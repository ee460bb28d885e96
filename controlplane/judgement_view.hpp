// SPDX-License-Identifier: BSD-3-Clause
// What policies say of connections, as the API shows it. Pure; the agent brings who the ends are.
#pragma once

#include "controlplane/api/weft.pb.h"
#include "controlplane/policy/expectation.hpp"
#include "controlplane/policy/policy_engine.hpp"

namespace weft::agent {

/// Without the fields that say who the end is.
[[nodiscard]] v1::PolicyJudgement to_api(const policy::Judgement& judgement);

[[nodiscard]] v1::ExplainPolicyReply to_api(const policy::ConnectionJudgement& judgement);

/// Adds what became of the expectation.
void add_tested(v1::TestPolicyReply& reply, const policy::Expectation& expectation,
                const policy::ConnectionJudgement& judgement);

/// Most changes of one reply; what is more is counted.
inline constexpr int changes_max = 1000;

/// Adds what a peer would gain or lose, one change for all ports of the same rules.
void add_change(v1::DiffPolicyReply& reply, const policy::PolicyChange& change, const std::vector<std::string>& peer);

} // namespace weft::agent
