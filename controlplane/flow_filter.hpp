// SPDX-License-Identifier: BSD-3-Clause
// What filters of packets and of sessions have in common: ends, network, protocol and port. Operators give them by
// name, the fast path knows numbers. Pure; the agent brings what it knows.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"
#include "controlplane/config.hpp"
#include "dataplane/api/fastpath.pb.h"

namespace weft::agent {

struct FlowWords {
    std::vector<std::string> ends; ///< names of endpoints, addresses, prefixes
    std::string network;
    std::string protocol;
    std::uint32_t port = 0;
};

/// Of a v1::TraceRequest or a v1::SessionFilter.
template <class Request>
[[nodiscard]] FlowWords flow_words(const Request& request) {
    return {.ends = {request.ends().begin(), request.ends().end()},
            .network = request.network(),
            .protocol = request.protocol(),
            .port = request.port()};
}

/// 0 is any.
struct FlowNumbers {
    std::vector<fastpath::FlowEnd> ends; ///< an endpoint has its port and its addresses
    std::uint32_t vni = 0;
    std::uint32_t protocol = 0;
    std::uint32_t l4_port = 0;
};

/// Errors name the field, and what would do.
[[nodiscard]] Result<FlowNumbers> resolve_flow(const FlowWords& words, std::span<const NetworkSettings> networks,
                                               const std::map<std::string, v1::Endpoint>& endpoints);

/// To a fastpath::TraceFilter or a fastpath::SessionFilter.
template <class Filter>
void set_flow(Filter& filter, const FlowNumbers& flow) {
    filter.mutable_ends()->Assign(flow.ends.begin(), flow.ends.end());
    filter.set_vni(flow.vni);
    filter.set_protocol(flow.protocol);
    filter.set_l4_port(flow.l4_port);
}

} // namespace weft::agent
