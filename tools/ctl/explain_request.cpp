// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/explain_request.hpp"

#include <fmt/format.h>

namespace weft::ctl {

namespace {

/// PROTO and PORT, or PROTO alone where a protocol has no ports.
Outcome<void> set_protocol(const Arguments& arguments, v1::ExplainRequest& request) {
    request.set_protocol(arguments.get("PROTO"));
    const bool has_ports = request.protocol() == "tcp" || request.protocol() == "udp" || request.protocol() == "sctp";
    if (has_ports != arguments.has("PORT"))
        return refuse(Exit::usage,
                      has_ports
                          ? fmt::format("explain needs a PORT behind {}: policies decide by it", request.protocol())
                          : fmt::format("{} has no ports; leave {} out", request.protocol(), arguments.get("PORT")));
    if (!has_ports) return {};
    auto port = parse_number("PORT", arguments.get("PORT"), 1, 65535);
    if (!port) return pass_on(std::move(port));
    request.set_port(static_cast<std::uint32_t>(*port));
    return {};
}

} // namespace

std::vector<Operand> explain_operands() {
    return {{.name = "SRC", .help = "an endpoint's name, or an address", .completes = Completes::endpoint},
            {.name = "DST", .help = "an endpoint's name, or an address", .completes = Completes::endpoint},
            {.name = "PROTO", .help = "default: ping", .required = false, .choices = {"tcp", "udp", "sctp", "icmp"}},
            {.name = "PORT", .help = "the destination's port; for tcp, udp and sctp", .required = false}};
}

std::vector<Option> explain_options() {
    return {{.name = "network",
             .help = "default: the source's, or default",
             .value = "N",
             .completes = Completes::network}};
}

Outcome<v1::ExplainRequest> explain_request(const Arguments& arguments) {
    v1::ExplainRequest request;
    request.set_source(arguments.get("SRC"));
    request.set_destination(arguments.get("DST"));
    request.set_network(arguments.get("network"));
    if (auto set = set_protocol(arguments, request); !set) return pass_on(std::move(set));
    return request;
}

std::string title_of(const v1::ExplainRequest& request) {
    const std::string what = request.protocol().empty() ? "ping"
                             : request.port() == 0      ? request.protocol()
                                                   : fmt::format("{} port {}", request.protocol(), request.port());
    return fmt::format("{} to {}, {}", request.source(), request.destination(), what);
}

} // namespace weft::ctl
