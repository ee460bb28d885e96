// SPDX-License-Identifier: BSD-3-Clause
// Traces between the API and the fast path: names become numbers on the way there, numbers names on the way back.
// Pure; the agent brings what it knows.
#pragma once

#include "controlplane/flow_filter.hpp"
#include "controlplane/host_names.hpp"

namespace weft::agent {

/// What a request may name. Errors name the field, and what would do.
[[nodiscard]] Result<fastpath::TraceRequest> resolve_trace(const v1::TraceRequest& request,
                                                           std::span<const NetworkSettings> networks,
                                                           const std::map<std::string, v1::Endpoint>& endpoints);

[[nodiscard]] v1::TraceEvent to_api(const fastpath::TraceEvent& event, const HostNames& names);

} // namespace weft::agent
