// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/route_table.hpp"

#include <set>

namespace weft::policy {

namespace {

/// The longest route that contains the prefix.
const LabelledRoute* covering(const std::map<net::Prefix, LabelledRoute>& routes, const net::Prefix& prefix) {
    for (int length = prefix.length(); length >= 0; --length) {
        const auto found = routes.find(*net::Prefix::make(prefix.address(), static_cast<unsigned>(length)));
        if (found != routes.end()) return &found->second;
    }
    return nullptr;
}

} // namespace

void RouteTable::set(const Key& key, LabelledRoute route) {
    Routes& routes = networks_[key.first];
    routes[key.second] = std::move(route);
    refresh(key.first, routes, key.second);
    refresh_overlaid(key.first, routes, key.second);
}

void RouteTable::erase(const Key& key) {
    const auto network = networks_.find(key.first);
    if (network == networks_.end() || network->second.erase(key.second) == 0) return;
    refresh(key.first, network->second, key.second);
    refresh_overlaid(key.first, network->second, key.second);
    if (network->second.empty()) networks_.erase(network);
}

const LabelledRoute* RouteTable::longest_match(std::uint32_t vni, const net::Address& address) const {
    const auto network = networks_.find(vni);
    return network == networks_.end() ? nullptr : covering(network->second, net::Prefix::host(address));
}

bool RouteTable::contains(const Key& key) const {
    const auto network = networks_.find(key.first);
    return network != networks_.end() && network->second.contains(key.second);
}

void RouteTable::refresh(std::uint32_t vni, const Routes& routes, const net::Prefix& prefix) const {
    const auto own = routes.find(prefix);
    const LabelledRoute* route = own != routes.end() ? &own->second : nullptr;
    if (route == nullptr && cidrs_.contains(prefix)) route = covering(routes, prefix);
    write_({vni, prefix}, route, route != nullptr ? cidrs_.around(prefix) : std::vector<net::Prefix>{});
}

void RouteTable::refresh_overlaid(std::uint32_t vni, const Routes& routes, const net::Prefix& prefix) const {
    for (const net::Prefix& cidr : cidrs_.within(prefix))
        if (cidr != prefix) refresh(vni, routes, cidr);
}

bool RouteTable::change_cidrs(std::span<const net::Prefix> added, std::span<const net::Prefix> removed) {
    std::set<net::Prefix> changed;
    for (const net::Prefix& cidr : added)
        if (cidrs_.add(cidr)) changed.insert(cidr);
    for (const net::Prefix& cidr : removed)
        if (cidrs_.remove(cidr) && changed.erase(cidr) == 0) changed.insert(cidr);
    if (changed.empty()) return false;
    for (const auto& [vni, routes] : networks_) {
        std::set<net::Prefix> touched = changed;
        for (const net::Prefix& cidr : changed) {
            for (const net::Prefix& inner : cidrs_.within(cidr))
                touched.insert(inner);
            // Sorted by family and address: what lies in the CIDR stands together.
            for (auto each = routes.lower_bound(cidr); each != routes.end() && cidr.contains(each->first.address());
                 ++each)
                if (cidr.contains(each->first)) touched.insert(each->first);
        }
        for (const net::Prefix& prefix : touched)
            refresh(vni, routes, prefix);
    }
    return true;
}

} // namespace weft::policy
