// SPDX-License-Identifier: BSD-3-Clause
// The filters that commands about packets and commands about sessions have in common: ends, port, protocol, network.
#pragma once

#include <string>
#include <vector>

#include "tools/ctl/arguments.hpp"

namespace weft::ctl {

/// END, at most two of them. `help` says what of an end is meant.
[[nodiscard]] Operand end_operand(std::string_view help);
[[nodiscard]] std::vector<Option> flow_options();

struct Flow {
    std::vector<std::string> ends;
    std::string network;
    std::string protocol;
    std::uint32_t port = 0; ///< 0: any
};

[[nodiscard]] Outcome<Flow> read_flow(const Arguments& arguments);

/// To a v1::TraceRequest or a v1::SessionFilter.
template <class Request>
void set_flow(Request& request, const Flow& flow) {
    request.mutable_ends()->Assign(flow.ends.begin(), flow.ends.end());
    request.set_network(flow.network);
    request.set_protocol(flow.protocol);
    request.set_port(flow.port);
}

} // namespace weft::ctl
