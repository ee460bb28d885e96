// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/api/verdict_line.hpp"

#include <nlohmann/json.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace weft::v1 {

namespace {

using Json = nlohmann::ordered_json; // members in the order of their writing

constexpr std::uint64_t ns_per_s = 1'000'000'000;

/// RFC 3339, UTC.
std::string time_text(std::uint64_t unix_ns) {
    const std::chrono::sys_seconds seconds{std::chrono::seconds(unix_ns / ns_per_s)};
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", seconds, unix_ns % ns_per_s);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

/// Which end of the connection decided: the rule's; without one, the end that the packet came in by.
const char* direction_of(const TraceEvent& event) {
    if (event.drop_reason() == "egress_policy" || event.rule().starts_with("egress ")) return "egress";
    if (event.drop_reason() == "ingress_policy" || event.rule().starts_with("ingress ")) return "ingress";
    return event.from_underlay() ? "ingress" : "egress";
}

bool has_ports(const TraceEvent& event) {
    return event.protocol() == "tcp" || event.protocol() == "udp" || event.protocol() == "sctp";
}

bool is_icmp(const TraceEvent& event) { return event.protocol() == "icmp" || event.protocol() == "icmpv6"; }

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'; }

} // namespace

std::string verdict_line(const TraceEvent& event) {
    const bool denied = event.drop_reason() == "egress_policy" || event.drop_reason() == "ingress_policy";
    const auto number = [](bool has, std::uint32_t value) { return has ? Json(value) : Json(nullptr); };
    return line_of({{"time", time_text(event.time_unix_ns())},
                    {"verdict", denied ? "denied" : "allowed"},
                    {"direction", direction_of(event)},
                    {"rule", or_null(event.rule())},
                    {"audited_rule", or_null(event.audited_rule())},
                    {"network", or_null(event.network())},
                    {"protocol", or_null(event.protocol())},
                    {"source", or_null(event.source())},
                    {"source_endpoint", or_null(event.source_endpoint())},
                    {"source_port", number(has_ports(event), event.source_port())},
                    {"destination", or_null(event.destination())},
                    {"destination_endpoint", or_null(event.destination_endpoint())},
                    {"destination_port", number(has_ports(event), event.destination_port())},
                    {"icmp_type", number(is_icmp(event), event.icmp_type())},
                    {"icmp_code", number(is_icmp(event), event.icmp_code())},
                    {"drop_reason", or_null(event.drop_reason())}});
}

std::string lost_line(std::chrono::system_clock::time_point now, std::uint64_t lost) {
    const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch());
    return line_of({{"time", time_text(static_cast<std::uint64_t>(since_epoch.count()))}, {"lost", lost}});
}

} // namespace weft::v1
