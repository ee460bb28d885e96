// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/remote_routes.hpp"

#include <algorithm>

#include "controlplane/fast_path_wire.hpp"
#include "dataplane/api/limits.hpp"

namespace weft::agent {

namespace {

std::uint32_t id_after(std::uint32_t id) { return id == fastpath::next_hop_id_max ? RemoteRoutes::first_id : id + 1; }

} // namespace

RemoteRoutes::RemoteRoutes(FibSync& sync, policy::PolicyEngine& policy, const Uplink& uplink,
                           std::uint32_t uplink_port) :
    sync_(sync), policy_(policy), uplink_(uplink), uplink_port_(uplink_port) {}

void RemoteRoutes::adopt(const fastpath::TableUpdate& tables) {
    auto held = std::exchange(held_, std::nullopt);
    if (!held) return;
    for (const auto& next_hop : tables.next_hops()) {
        if (!next_hop.has_vtep() || next_hop.id() < first_id || next_hop.id() > fastpath::next_hop_id_max) continue;
        const auto bytes = [](const std::string& text) {
            return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
        };
        const auto address = net::Address::from_bytes(bytes(next_hop.vtep().address()));
        const auto mac = net::Mac::from_bytes(bytes(next_hop.vtep().inner_destination_mac()));
        if (address && mac) adopted_[{*address, next_hop.vtep().vni(), *mac}] = next_hop.id();
        // What was resolved stays so while the kernel is asked again: not a packet is lost by a restart.
        const auto source = net::Mac::from_bytes(bytes(next_hop.vtep().outer_source_mac()));
        const auto destination = net::Mac::from_bytes(bytes(next_hop.vtep().outer_destination_mac()));
        if (address && source && destination) neighbors_[*address] = {*source, *destination};
        next_id_ = std::max(next_id_, id_after(next_hop.id()));
    }
    apply(*held);
}

void RemoteRoutes::write(const Tunnel& tunnel, std::uint32_t id) {
    const auto& [vtep, label, router_mac] = tunnel;
    fastpath::NextHop message;
    message.set_id(id);
    auto& hop = *message.mutable_vtep();
    hop.set_address(wire(vtep));
    hop.set_vni(label);
    hop.set_inner_destination_mac(wire(router_mac));
    hop.set_port(uplink_port_);
    hop.set_mtu(uplink_.endpoint_mtu);
    if (const auto neighbor = neighbors_.find(vtep); neighbor != neighbors_.end()) {
        hop.set_outer_source_mac(wire(neighbor->second.source));
        hop.set_outer_destination_mac(wire(neighbor->second.destination));
    }
    sync_.next_hops.set(id, std::move(message));
}

std::uint32_t RemoteRoutes::free_id() {
    constexpr std::uint32_t count = fastpath::next_hop_id_max - first_id + 1;
    for (std::uint32_t tried = 0; tried < count; ++tried) {
        const std::uint32_t id = std::exchange(next_id_, id_after(next_id_));
        if (!sync_.next_hops.in_use(id)) return id;
    }
    return fastpath::next_hop_id_max + 1;
}

void RemoteRoutes::release(const Tunnel& tunnel) {
    const auto use = tunnels_.find(tunnel);
    if (--use->second.routes > 0) return;
    sync_.next_hops.erase(use->second.id);
    tunnels_.erase(use);
    const net::Address vtep = std::get<0>(tunnel);
    if (std::ranges::any_of(tunnels_, [&](const auto& each) { return std::get<0>(each.first) == vtep; })) return;
    neighbors_.erase(vtep);
    if (resolver_) resolver_->forget(vtep);
}

void RemoteRoutes::apply(const bgp::RouteUpdate& update) {
    if (held_) return held_->merge(update);
    for (const auto& [key, paths] : update.paths) {
        const policy::RouteTable::Key route{key.first.value(), key.second};
        const auto known = routes_.find(key);
        const bool remote = !paths.empty() && !paths.front().local;
        if (!remote) {
            if (known == routes_.end()) continue;
            // A local endpoint writes its route itself; only what is ours to write is ours to erase.
            if (paths.empty()) policy_.erase_remote_route(route);
            release(Tunnel(known->second));
            routes_.erase(known);
            continue;
        }
        const Tunnel tunnel{paths.front().vtep, paths.front().label, paths.front().router_mac};
        Use& use = tunnels_[tunnel];
        if (use.routes++ == 0) {
            // Another may have got the number since.
            const auto adopted = adopted_.find(tunnel);
            const bool free = adopted != adopted_.end() && sync_.next_hops.find(adopted->second) == nullptr;
            use.id = free ? adopted->second : free_id();
            write(tunnel, use.id);
            if (resolver_) resolver_->watch(paths.front().vtep);
        }
        policy_.set_remote_route(route, use.id, paths.front().attributes->large_communities);
        if (known != routes_.end()) {
            release(Tunnel(known->second));
            known->second = tunnel;
        } else {
            routes_.emplace(key, tunnel);
        }
    }
    sync_.commit();
}

void RemoteRoutes::resolved(const net::Address& vtep, std::optional<ResolvedNeighbor> neighbor) {
    // What once worked is tried on while the kernel asks again; a wrong address costs no more than none.
    if (!neighbor && neighbors_.contains(vtep)) return;
    if (neighbor) neighbors_[vtep] = *neighbor;
    for (const auto& [tunnel, use] : tunnels_)
        if (std::get<0>(tunnel) == vtep) write(tunnel, use.id);
    sync_.commit();
}

void RemoteRoutes::mtu_changed() {
    for (const auto& [tunnel, use] : tunnels_)
        write(tunnel, use.id);
    sync_.commit();
}

std::optional<net::Address> RemoteRoutes::vtep_of(std::uint32_t next_hop) const {
    for (const auto& [tunnel, use] : tunnels_)
        if (use.id == next_hop) return std::get<0>(tunnel);
    return std::nullopt;
}

} // namespace weft::agent
