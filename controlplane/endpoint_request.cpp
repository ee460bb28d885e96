// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/endpoint_request.hpp"

#include <array>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "controlplane/netns.hpp"
#include "controlplane/policy/labels.hpp"
#include "controlplane/policy/port_name.hpp"
#include "controlplane/uplink.hpp"

namespace weft::agent {

namespace {

Result<void> check_name(const std::string& name) {
    if (net::Address::parse(name))
        return fail(ErrorCode::invalid,
                    fmt::format("name '{}': an address is no name; for the address use --address", name));
    if (policy::is_label_name(name)) return {};
    return fail(
        ErrorCode::invalid,
        fmt::format("name '{}': want 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both ends",
                    name));
}

Result<void> check_ifname(const std::string& name) {
    static const std::regex allowed("[A-Za-z0-9][A-Za-z0-9._-]{0,14}");
    if (std::regex_match(name, allowed)) return {};
    return fail(ErrorCode::invalid,
                fmt::format("interface name '{}': want 1 to 15 letters, digits, '.', '_' or '-'", name));
}

/// The host has other interfaces, those of weft among them.
Result<void> check_host_ifname(const std::string& name) {
    static const std::regex numbered("weft(-.*|[0-9]*[1-9][0-9]*)");
    if (!std::regex_match(name, numbered)) return check_ifname(name);
    return fail(ErrorCode::invalid,
                fmt::format("interface name '{}': weft calls its ends of containers' interfaces so: choose another, "
                            "such as weft0",
                            name));
}

Result<void> check_path(const std::string& netns) {
    if (netns.starts_with('/')) return check_netns(netns);
    return fail(ErrorCode::invalid,
                fmt::format("network namespace '{}': want its path, such as /run/netns/web-1", netns));
}

Result<net::Mac> read_mac(const v1::AddEndpointRequest& request, const std::string& host_name) {
    if (request.mac().empty()) return derive_mac(host_name + " endpoint " + request.name());
    auto mac = net::Mac::parse(request.mac());
    if (mac && ((mac->bytes()[0] & 1) != 0 || mac->is_zero()))
        return fail(ErrorCode::invalid, fmt::format("MAC address {}: not a unicast one", mac->to_string()));
    if (mac && *mac == gateway_mac)
        return fail(ErrorCode::invalid,
                    fmt::format("MAC address {}: the gateway's, which every container has beside it: choose another",
                                mac->to_string()));
    return mac;
}

/// The other ranges are those that a container's kernel or the gateway needs.
bool is_usable(const net::Address& address) {
    return !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() &&
           !address.is_link_local() && address != net::Address::v4(0xffffffff) && !address.is_v4_mapped();
}

/// Nor may a route lead to them.
Result<void> check_unreserved(const net::Prefix& route) {
    struct Range {
        const char* prefix;
        const char* what;
    };

    static constexpr std::array<Range, 10> reserved{{{"127.0.0.0/8", "loopback"},
                                                     {"169.254.0.0/16", "link-local"},
                                                     {"224.0.0.0/4", "multicast"},
                                                     {"0.0.0.0/8", "reserved"},
                                                     {"240.0.0.0/4", "reserved"},
                                                     {"::1/128", "loopback"},
                                                     {"fe80::/10", "link-local"},
                                                     {"ff00::/8", "multicast"},
                                                     {"::ffff:0:0/96", "IPv4-mapped"},
                                                     {"::/128", "unspecified"}}};
    for (const Range& each : reserved)
        if (const auto range = *net::Prefix::parse(each.prefix); range.contains(route) || route.contains(range))
            return fail(ErrorCode::invalid,
                        fmt::format("route {}: it overlaps {} ({}): name the prefixes of the overlay",
                                    route.to_string(), each.prefix, each.what));
    return {};
}

/// What only a container can have.
Result<void> check_host(const v1::AddEndpointRequest& request) {
    const auto excluded = [](const char* option, const char* why) {
        return fail(ErrorCode::invalid,
                    fmt::format("{}: the host's own endpoint takes none, since {}: leave it out, or leave --host out "
                                "to attach a container",
                                option, why));
    };
    if (!request.netns().empty()) return excluded("--netns", "it lies in weftd's own network namespace");
    if (!request.namespace_().empty()) return excluded("--namespace", "policies neither select nor name it");
    if (!request.labels().empty()) return excluded("--label", "policies neither select nor name it");
    if (!request.named_ports().empty()) return excluded("--named-port", "policies neither select nor name it");
    return {};
}

Result<net::Prefix> read_route(const std::string& text) {
    auto prefix = net::Prefix::parse(text);
    if (!prefix) return fail_in(std::move(prefix), "route " + text);
    if (prefix->length() == 0)
        return fail(
            ErrorCode::invalid,
            fmt::format("route {}: it would take all that the host sends: name the prefixes of the overlay", text));
    if (auto checked = check_unreserved(*prefix); !checked) return std::unexpected(std::move(checked).error());
    return prefix;
}

Result<v1::Endpoint> read_host_request(const v1::AddEndpointRequest& request) {
    if (auto checked = check_host(request); !checked) return std::unexpected(std::move(checked).error());
    v1::Endpoint endpoint;
    endpoint.set_host(true);
    endpoint.set_ifname(request.ifname().empty() ? "weft0" : request.ifname());
    if (auto checked = check_host_ifname(endpoint.ifname()); !checked)
        return std::unexpected(std::move(checked).error());
    std::set<net::Prefix> routes;
    for (const auto& text : request.routes()) {
        auto route = read_route(text);
        if (!route) return std::unexpected(std::move(route).error());
        if (routes.insert(*route).second) endpoint.add_routes(route->to_string());
    }
    return endpoint;
}

Result<v1::Endpoint> read_container_request(const v1::AddEndpointRequest& request) {
    if (!request.routes().empty())
        return fail(ErrorCode::invalid,
                    fmt::format("route {}: a container has a default route, only the host's own endpoint takes "
                                "others: leave --route out, or add --host",
                                request.routes(0)));
    v1::Endpoint endpoint;
    endpoint.set_namespace_(request.namespace_().empty() ? "default" : request.namespace_());
    endpoint.set_netns(request.netns());
    endpoint.set_ifname(request.ifname().empty() ? "eth0" : request.ifname());
    *endpoint.mutable_labels() = request.labels();
    const auto named_ports = policy::parse_port_names({request.named_ports().begin(), request.named_ports().end()});
    if (!named_ports) return std::unexpected(named_ports.error());
    for (const policy::PortName& port : *named_ports)
        endpoint.add_named_ports(port.to_string());
    for (auto checked : {policy::check_namespace_name(endpoint.namespace_()), check_ifname(endpoint.ifname()),
                         check_path(endpoint.netns())})
        if (!checked) return std::unexpected(std::move(checked).error());
    return endpoint;
}

} // namespace

Result<v1::Endpoint> read_endpoint_request(const v1::AddEndpointRequest& request, const std::string& host_name) {
    if (auto checked = check_name(request.name()); !checked) return std::unexpected(std::move(checked).error());
    auto endpoint = request.host() ? read_host_request(request) : read_container_request(request);
    if (!endpoint) return endpoint;
    endpoint->set_name(request.name());
    endpoint->set_network(request.network().empty() ? "default" : request.network());
    auto mac = read_mac(request, host_name);
    if (!mac) return std::unexpected(std::move(mac).error());
    endpoint->set_mac(mac->to_string());
    return endpoint;
}

Result<std::vector<net::Address>> read_requested_addresses(const v1::AddEndpointRequest& request) {
    std::vector<net::Address> addresses;
    std::set<net::Family> families;
    for (const auto& text : request.addresses()) {
        auto address = net::Address::parse(text);
        if (!address) return std::unexpected(std::move(address).error());
        if (!is_usable(*address))
            return fail(ErrorCode::invalid,
                        fmt::format("address {}: an endpoint needs a global unicast address", text));
        if (!families.insert(address->family()).second)
            return fail(ErrorCode::invalid, fmt::format("address {}: one address of each family at most", text));
        addresses.push_back(*address);
    }
    return addresses;
}

std::vector<net::Address> addresses_of(const v1::Endpoint& endpoint) {
    std::vector<net::Address> addresses;
    for (const auto& text : endpoint.addresses())
        if (const auto address = net::Address::parse(text)) addresses.push_back(*address);
    return addresses;
}

std::vector<net::Prefix> routes_of(const v1::Endpoint& endpoint) {
    std::vector<net::Prefix> routes;
    for (const auto& text : endpoint.routes())
        if (const auto prefix = net::Prefix::parse(text)) routes.push_back(*prefix);
    return routes;
}

net::Vni vni_of(const v1::Endpoint& endpoint) { return *net::Vni::make(endpoint.vni()); }

} // namespace weft::agent
