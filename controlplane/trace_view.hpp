// SPDX-License-Identifier: BSD-3-Clause
// Traces between the API and the fast path: names become numbers on the way there, numbers names on the way back.
// Pure; the agent brings what it knows.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "controlplane/api/weft.pb.h"
#include "controlplane/config.hpp"
#include "dataplane/api/fastpath.pb.h"

namespace weft::agent {

/// What a request may name. Errors name the field, and what would do.
[[nodiscard]] Result<fastpath::TraceRequest> resolve_trace(const v1::TraceRequest& request,
                                                           std::span<const NetworkSettings> networks,
                                                           const std::map<std::string, v1::Endpoint>& endpoints);

/// What an event's numbers mean on this host.
struct TraceNames {
    std::map<std::uint32_t, std::string> ports;
    std::map<std::uint32_t, std::string> networks;                          ///< by VNI
    std::map<std::pair<std::uint32_t, std::string>, std::string> endpoints; ///< by VNI and address, as text
    std::function<std::string(std::uint32_t)> rule;
};

[[nodiscard]] v1::TraceEvent to_api(const fastpath::TraceEvent& event, const TraceNames& names);

} // namespace weft::agent
