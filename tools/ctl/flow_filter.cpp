// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/flow_filter.hpp"

#include <fmt/format.h>

namespace weft::ctl {

Operand end_operand(std::string_view help) {
    return {.name = "END", .help = help, .required = false, .repeatable = true, .completes = Completes::endpoint};
}

std::vector<Option> flow_options() {
    return {{.name = "port", .help = "only TCP, UDP or SCTP from or to this port", .value = "N"},
            {.name = "protocol",
             .help = "only this: tcp, udp, sctp, icmp (of both families), icmpv6 or an IANA number",
             .value = "P"},
            {.name = "network",
             .help = "only this network's; default: an END's, or all",
             .value = "N",
             .completes = Completes::network}};
}

Outcome<Flow> read_flow(const Arguments& arguments) {
    Flow flow{
        .ends = arguments.all("END"), .network = arguments.get("network"), .protocol = arguments.get("protocol")};
    if (flow.ends.size() > 2)
        return refuse(Exit::usage, fmt::format("'{}' is one END too many: a packet has two", flow.ends[2]));
    if (arguments.has("port")) {
        const auto port = parse_number("--port", arguments.get("port"), 1, 65535);
        if (!port) return std::unexpected(port.error());
        flow.port = static_cast<std::uint32_t>(*port);
    }
    return flow;
}

} // namespace weft::ctl
