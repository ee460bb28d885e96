// SPDX-License-Identifier: BSD-3-Clause
// RemoteRoutes: turns the speaker's best paths into the fast path's next hops, and into routes for policy to label. A
// next hop is shared by all routes to one VTEP with one label and router MAC, and waits for the kernel to resolve the
// VTEP's link-layer address.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "controlplane/fib_sync.hpp"
#include "controlplane/neighbor_resolver.hpp"
#include "controlplane/policy/policy_engine.hpp"
#include "controlplane/uplink.hpp"
#include "routing/route_update.hpp"

namespace weft::agent {

class RemoteRoutes {
  public:
    RemoteRoutes(FibSync& sync, policy::PolicyEngine& policy, const Uplink& uplink, std::uint32_t uplink_port);

    /// Before the first update; without it (single host) nothing is ever resolved.
    void set_resolver(std::unique_ptr<NeighborResolver> resolver) { resolver_ = std::move(resolver); }

    /// The first time: keeps the ids of next hops that the fast path has, so that routes not yet announced again keep
    /// their meaning, and applies what was told before.
    void adopt(const fastpath::TableUpdate& tables);

    [[nodiscard]] bool adopted() const { return !held_; }

    void apply(const bgp::RouteUpdate& update);
    void resolved(const net::Address& vtep, std::optional<ResolvedNeighbor> neighbor);

    /// The uplink carries more, or less, from now on.
    void mtu_changed();

    /// The VTEP of a next hop id.
    [[nodiscard]] std::optional<net::Address> vtep_of(std::uint32_t next_hop) const;

    [[nodiscard]] bool is_resolved(const net::Address& vtep) const { return neighbors_.contains(vtep); }

    static constexpr std::uint32_t first_id = FibSync::first_remote_next_hop;

  private:
    using Tunnel = std::tuple<net::Address, std::uint32_t, net::Mac>; ///< VTEP, label, router MAC

    struct Use {
        std::uint32_t id = 0;
        std::size_t routes = 0;
    };

    /// One that nobody uses, and had rested as long as can be. All in use: one that the fast path will refuse.
    std::uint32_t free_id();
    void release(const Tunnel& tunnel);
    void write(const Tunnel& tunnel, std::uint32_t id);

    FibSync& sync_;
    policy::PolicyEngine& policy_;
    const Uplink& uplink_;
    std::uint32_t uplink_port_;
    std::unique_ptr<NeighborResolver> resolver_;
    std::map<Tunnel, Use> tunnels_;
    std::optional<bgp::RouteUpdate> held_ = bgp::RouteUpdate(); ///< until the first adopt()
    std::map<Tunnel, std::uint32_t> adopted_;
    std::map<bgp::RouteUpdate::Key, Tunnel> routes_;
    std::map<net::Address, ResolvedNeighbor> neighbors_;
    std::uint32_t next_id_ = first_id; ///< the first to try
};

} // namespace weft::agent
