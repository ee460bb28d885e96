// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/flow_filter.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "controlplane/fast_path_wire.hpp"
#include "controlplane/protocol_names.hpp"

namespace weft::agent {

namespace {

Result<std::uint32_t> protocol_number(const std::string& text) {
    if (const auto* const named = find_protocol(text)) return named->number;
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && stop == end && number > 0 && number < 256) return number;
    return fail(ErrorCode::invalid,
                fmt::format("protocol {}: want tcp, udp, sctp, icmp, icmpv6 or a number from 1 to 255", text));
}

/// Narrows the filter to a network; an endpoint that is named narrows it to its own.
Result<void> set_network(FlowNumbers& flow, std::uint32_t vni, const std::string& what) {
    if (flow.vni != 0 && flow.vni != vni)
        return fail(ErrorCode::invalid,
                    fmt::format("{}: in another network; no packet goes from one network to another", what));
    flow.vni = vni;
    return {};
}

Result<void> add_end(FlowNumbers& flow, const std::string& text,
                     const std::map<std::string, v1::Endpoint>& endpoints) {
    auto& end = flow.ends.emplace_back();
    if (const auto found = endpoints.find(text); found != endpoints.end()) {
        const v1::Endpoint& endpoint = found->second;
        end.set_port(endpoint.port());
        for (const auto& address : endpoint.addresses())
            if (const auto parsed = net::Prefix::parse(address)) *end.add_prefixes() = wire(*parsed);
        return set_network(flow, endpoint.vni(), "endpoint " + text);
    }
    auto prefix = net::Prefix::parse(text);
    if (!prefix && text.contains('/')) return std::unexpected(std::move(prefix).error());
    if (!prefix)
        return fail(ErrorCode::not_found, fmt::format("{}: neither an endpoint of this host (weft endpoint list) nor "
                                                      "an address or prefix; for an endpoint of another host, give "
                                                      "its address",
                                                      text));
    *end.add_prefixes() = wire(*prefix);
    return {};
}

} // namespace

Result<FlowNumbers> resolve_flow(const FlowWords& words, std::span<const NetworkSettings> networks,
                                 const std::map<std::string, v1::Endpoint>& endpoints) {
    FlowNumbers flow;
    if (!words.network.empty()) {
        const auto found = std::ranges::find(networks, words.network, &NetworkSettings::name);
        if (found == networks.end())
            return fail(ErrorCode::not_found,
                        fmt::format("no network is named {}: weft status lists them", words.network));
        flow.vni = found->vni.value();
    }
    if (words.ends.size() > 2)
        return fail(ErrorCode::invalid, fmt::format("{} ends: a packet has two", words.ends.size()));
    for (const auto& end : words.ends)
        if (auto added = add_end(flow, end, endpoints); !added) return std::unexpected(std::move(added).error());
    if (!words.protocol.empty()) {
        const auto number = protocol_number(words.protocol);
        if (!number) return std::unexpected(number.error());
        flow.protocol = *number;
    }
    if (words.port > 65535) return fail(ErrorCode::invalid, fmt::format("port {}: at most 65535", words.port));
    flow.l4_port = words.port;
    return flow;
}

} // namespace weft::agent
