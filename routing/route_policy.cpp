// SPDX-License-Identifier: BSD-3-Clause
#include "routing/route_policy.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::bgp {

std::expected<ImportedRoute, std::string> import_route(const Nlri& nlri, const AttributesPtr& attributes,
                                                       const OurSelf& self) {
    const auto& said = *attributes;
    if (said.as_path.contains(self.as_number)) return std::unexpected("our own AS is in its AS path");
    if (said.originator_id == self.router_id) return std::unexpected("we are its originator");
    if (said.next_hop == self.vtep) return std::unexpected("its next hop is our own VTEP");
    if (said.next_hop.is_unspecified() || said.next_hop.is_multicast() || said.next_hop.is_loopback())
        return std::unexpected(fmt::format("next hop {} is no VTEP", said.next_hop.to_string()));
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
