// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/route_view.hpp"

#include <algorithm>
#include <map>

namespace weft::agent {

namespace {

const char* to_text(bgp::Origin origin) {
    switch (origin) {
    case bgp::Origin::igp:
        return "igp";
    case bgp::Origin::egp:
        return "egp";
    case bgp::Origin::incomplete:
        return "incomplete";
    }
    return "";
}

void set_nlri(v1::Route& route, const bgp::Nlri& nlri) {
    route.set_nlri(bgp::to_string(nlri));
    if (const auto* const prefix = std::get_if<net::Prefix>(&nlri)) route.set_prefix(prefix->to_string());
    if (const auto* const type5 = std::get_if<bgp::EvpnPrefix>(&nlri)) {
        route.set_prefix(type5->prefix.to_string());
        route.set_rd(type5->rd.to_string());
        route.set_label(type5->label);
    }
    if (const auto* const type2 = std::get_if<bgp::EvpnMacIp>(&nlri)) {
        if (type2->address) route.set_prefix(net::Prefix::host(*type2->address).to_string());
        route.set_rd(type2->rd.to_string());
        route.set_label(type2->second_label.value_or(type2->label));
    }
}

void set_attributes(v1::Route& route, const bgp::PathAttributes& attributes) {
    route.set_next_hop(attributes.next_hop.to_string());
    if (const auto mac = attributes.router_mac()) route.set_router_mac(mac->to_string());
    route.set_origin(to_text(attributes.origin));
    route.set_as_path(attributes.as_path.to_string());
    route.set_has_local_pref(attributes.local_pref.has_value());
    route.set_local_pref(attributes.local_pref.value_or(0));
    route.set_has_med(attributes.med.has_value());
    route.set_med(attributes.med.value_or(0));
    for (const auto& community : attributes.extended_communities)
        route.add_extended_communities(community.to_string());
    for (const auto& community : attributes.large_communities) {
        auto& large = *route.add_large_communities();
        large.set_global(community.global);
        large.set_local1(community.local1);
        large.set_local2(community.local2);
    }
    if (attributes.originator_id) route.set_originator_id(net::Address::v4(*attributes.originator_id).to_string());
    for (const auto id : attributes.cluster_list)
        route.add_cluster_list(net::Address::v4(id).to_string());
}

} // namespace

v1::Route to_api(const bgp::RouteEntry& entry) {
    v1::Route route;
    if (entry.vni) route.set_vni(entry.vni->value());
    set_nlri(route, entry.nlri);
    if (entry.attributes) set_attributes(route, *entry.attributes);
    if (entry.peer) route.set_peer(entry.peer->to_string());
    route.set_best(entry.best);
    route.set_stale(entry.stale);
    route.set_why(entry.why);
    return route;
}

v1::Peer to_api(const bgp::PeerStatus& status) {
    v1::Peer peer;
    peer.set_address(status.address.to_string());
    peer.set_description(status.description);
    peer.set_dynamic(status.dynamic);
    peer.set_remote_as(status.remote_as);
    if (status.remote_router_id != 0)
        peer.set_remote_router_id(net::Address::v4(status.remote_router_id).to_string());
    peer.set_state(status.state);
    peer.set_in_state_s(static_cast<std::uint64_t>(status.in_state.count()));
    peer.set_hold_time_s(status.hold_time_s);
    peer.set_routes_received(status.routes_received);
    peer.set_routes_accepted(status.routes_accepted);
    peer.set_routes_stale(status.routes_stale);
    peer.set_routes_advertised(status.routes_advertised);
    peer.set_updates_received(status.updates_received);
    peer.set_updates_sent(status.updates_sent);
    peer.set_times_established(status.times_established);
    peer.set_last_error(status.last_error);
    const auto add = [&](std::string name, bool configured, bool received) {
        auto& capability = *peer.add_capabilities();
        capability.set_name(std::move(name));
        capability.set_configured(configured);
        capability.set_received(received);
    };
    const auto speaks = [](const bgp::Capabilities& capabilities, bgp::AddressFamily family) {
        return std::ranges::find(capabilities.families, family) != capabilities.families.end();
    };
    for (const auto family :
         {bgp::AddressFamily::ipv4_unicast, bgp::AddressFamily::ipv6_unicast, bgp::AddressFamily::l2vpn_evpn})
        add(std::string(bgp::to_string(family)), speaks(status.configured, family), speaks(status.received, family));
    add("four-octet-as", status.configured.four_octet_as.has_value(), status.received.four_octet_as.has_value());
    add("route-refresh", status.configured.route_refresh, status.received.route_refresh);
    add("extended-message", status.configured.extended_message, status.received.extended_message);
    add("graceful-restart", status.configured.graceful_restart.has_value(),
        status.received.graceful_restart.has_value());
    return peer;
}

void keep_longest_match(std::vector<v1::Route>& routes, const net::Address& address) {
    std::map<std::uint32_t, unsigned> longest;
    std::erase_if(routes, [&](const v1::Route& route) {
        const auto prefix = net::Prefix::parse(route.prefix());
        if (!prefix || !prefix->contains(address)) return true;
        auto& length = longest[route.vni()];
        length = std::max(length, prefix->length());
        return false;
    });
    std::erase_if(routes, [&](const v1::Route& route) {
        return net::Prefix::parse(route.prefix())->length() < longest[route.vni()];
    });
}

} // namespace weft::agent
