// SPDX-License-Identifier: BSD-3-Clause
// Sessions between the API and the fast path: names become numbers on the way there, numbers names on the way back.
// Pure; the agent brings what it knows.
#pragma once

#include "controlplane/flow_filter.hpp"
#include "controlplane/host_names.hpp"

namespace weft::agent {

/// What a filter may name. Errors name the field, and what would do.
[[nodiscard]] Result<fastpath::SessionFilter> resolve_sessions(const v1::SessionFilter& filter,
                                                               std::span<const NetworkSettings> networks,
                                                               const std::map<std::string, v1::Endpoint>& endpoints);

[[nodiscard]] v1::Session to_api(const fastpath::Session& session, const HostNames& names);

[[nodiscard]] v1::EndpointSessions to_api(const fastpath::EndpointSessions& sessions, const HostNames& names);

} // namespace weft::agent
