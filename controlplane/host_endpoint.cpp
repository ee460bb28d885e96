// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/host_endpoint.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controlplane/endpoint_request.hpp"

namespace weft::agent {

namespace {

/// What of the host's the prefix would take; empty: nothing.
std::string taken_by(const net::Prefix& prefix, const Config& config, const Uplink& uplink) {
    if (uplink.exists() && prefix.contains(uplink.vtep))
        return fmt::format("this host's tunnel address {}", uplink.vtep.to_string());
    for (const auto& neighbor : config.neighbors)
        if (prefix.contains(neighbor.address))
            return fmt::format("the address of neighbor {}", neighbor.address.to_string());
    for (const auto& address : config.bgp_listen)
        if (!address.is_unspecified() && prefix.contains(address))
            return fmt::format("{}, which BGP listens on (--bgp-listen)", address.to_string());
    return {};
}

Result<void> check_asked(const net::Prefix& route, const Uplink& uplink) {
    for (const auto& subnet : uplink.subnets)
        if (route.contains(subnet) || subnet.contains(route))
            return fail(ErrorCode::invalid,
                        fmt::format("route {}: it overlaps {}, a subnet of the uplink {}: name the prefixes of the "
                                    "overlay alone",
                                    route.to_string(), subnet.to_string(), uplink.interface));
    return {};
}

} // namespace

std::vector<net::Prefix> host_routes(const v1::Endpoint& endpoint, const Config& config) {
    std::vector<net::Prefix> routes;
    const auto network = std::ranges::find(config.networks, endpoint.network(), &NetworkSettings::name);
    if (network != config.networks.end()) routes = network->blocks;
    for (const auto& route : routes_of(endpoint))
        if (std::ranges::count(routes, route) == 0) routes.push_back(route);
    return routes;
}

Result<void> check_host_routes(const v1::Endpoint& endpoint, const Config& config, const Uplink& uplink) {
    const auto addresses = addresses_of(endpoint);
    for (const auto& route : routes_of(endpoint)) {
        if (std::ranges::count(addresses, route.family(), &net::Address::family) == 0)
            return fail(ErrorCode::invalid,
                        fmt::format("route {}: the endpoint has no address of this family: give one with --address",
                                    route.to_string()));
        if (auto checked = check_asked(route, uplink); !checked) return checked;
    }
    const auto routes = host_routes(endpoint, config);
    for (const auto& route : routes)
        if (const auto taken = taken_by(route, config, uplink); !taken.empty())
            return fail(ErrorCode::invalid,
                        fmt::format("route {}: it would take {}: the blocks of network {} and --route may name "
                                    "prefixes of the overlay alone",
                                    route.to_string(), taken, endpoint.network()));
    for (const auto& address : addresses)
        if (std::ranges::count(routes, address.family(), &net::Prefix::family) == 0)
            return fail(ErrorCode::invalid,
                        fmt::format("address {}: network {} has no block of this host and the endpoint no route of "
                                    "this family, so that nothing would lead to the interface: add it with --route, "
                                    "or give weftd a --block",
                                    address.to_string(), endpoint.network()));
    return {};
}

} // namespace weft::agent
