// SPDX-License-Identifier: BSD-3-Clause
#include "routing/route_policy.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace weft::bgp {

namespace {

/// 240.0.0.0/4, the broadcast address 255.255.255.255 included.
bool is_reserved(const net::Address& address) { return address.is_v4() && address.to_v4() >= 0xf0000000U; }

/// Why no tunnel can lead from our VTEP to the next hop, if so: a fast path would refuse the route, or lose what it
/// carries.
std::optional<std::string> unreachable(const net::Address& next_hop, const net::Address& vtep) {
    const auto is_no_vtep = [&](std::string_view what) {
        return fmt::format("next hop {} is no VTEP: {}", next_hop.to_string(), what);
    };
    if (next_hop.is_unspecified()) return is_no_vtep("it is unspecified");
    if (next_hop.is_multicast()) return is_no_vtep("it is multicast");
    if (next_hop.is_loopback()) return is_no_vtep("it is a loopback address");
    if (next_hop.is_link_local()) return is_no_vtep("it is link-local");
    if (is_reserved(next_hop)) return is_no_vtep("it is reserved or broadcast");
    if (next_hop.is_v4_mapped()) return is_no_vtep("it is an IPv4-mapped IPv6 address");
    if (vtep.is_unspecified()) return "this host has no VTEP to tunnel from";
    if (next_hop.family() != vtep.family())
        return fmt::format("next hop {} is IPv{}, our VTEP {} is not", next_hop.to_string(), next_hop.is_v4() ? 4 : 6,
                           vtep.to_string());
    return std::nullopt;
}

} // namespace

std::expected<ImportedRoute, std::string> import_route(const Nlri& nlri, const AttributesPtr& attributes,
                                                       const OurSelf& self) {
    const auto& said = *attributes;
    if (said.as_path.contains(self.as_number)) return std::unexpected("our own AS is in its AS path");
    if (said.originator_id == self.router_id) return std::unexpected("we are its originator");
    if (auto reason = unreachable(said.next_hop, self.vtep)) return std::unexpected(*std::move(reason));
    if (said.next_hop == self.vtep) return std::unexpected("its next hop is our own VTEP");
    ImportedRoute route;
    if (const auto* const prefix = std::get_if<EvpnPrefix>(&nlri)) {
        if (prefix->ethernet_tag != 0) return std::unexpected("its Ethernet tag is not 0");
        if (std::ranges::any_of(prefix->esi, [](std::uint8_t byte) { return byte != 0; }) ||
            !prefix->gateway.is_unspecified())
            return std::unexpected("it resolves over an overlay index, which weft does not do");
        route.prefix = prefix->prefix;
        route.path.label = prefix->label;
    } else if (const auto* const mac = std::get_if<EvpnMacIp>(&nlri)) {
        if (!mac->address || !mac->second_label) return std::unexpected("no address with an L3 VNI in it");
        route.prefix = net::Prefix::host(*mac->address);
        route.path.label = *mac->second_label;
    } else {
        return std::unexpected("weft makes no route of this type");
    }
    if (route.prefix.address().is_v4_mapped())
        return std::unexpected(fmt::format("{} is an IPv4-mapped IPv6 prefix", route.prefix.to_string()));
    if (!net::Vni::make(route.path.label))
        return std::unexpected(fmt::format("label {} is no VNI", route.path.label));
    const auto router_mac = said.router_mac();
    if (!router_mac || router_mac->is_zero()) return std::unexpected("it has no Router's MAC community");
    if (std::ranges::find(said.extended_communities, ExtendedCommunity::vxlan_encapsulation()) ==
        said.extended_communities.end())
        return std::unexpected("it has no VXLAN encapsulation community");
    route.path.vtep = said.next_hop;
    route.path.router_mac = *router_mac;
    route.path.attributes = attributes;
    return route;
}

bool matches_target(const PathAttributes& attributes, const NetworkConfig& network) {
    return std::ranges::any_of(network.import_targets, [&](const ExtendedCommunity& target) {
        return std::ranges::find(attributes.extended_communities, target) != attributes.extended_communities.end();
    });
}

} // namespace weft::bgp
