// SPDX-License-Identifier: BSD-3-Clause
// RouteTable: routes of all networks with the policies' CIDRs laid over them. A CIDR that no route matches exactly
// becomes an entry of its own with the next hop of the route around it, so that one lookup tells where an address
// leads and which CIDRs contain it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>

#include "controlplane/policy/cidr.hpp"
#include "controlplane/policy/label_hash.hpp"

namespace weft::policy {

/// Where a prefix leads and who lives there; labels are shared between the routes of one identity.
struct LabelledRoute {
    std::uint32_t next_hop = 0;
    bool local = false; ///< to an endpoint of this host
    std::shared_ptr<const HashedLabels> labels;
};

class RouteTable {
  public:
    using Key = std::pair<std::uint32_t, net::Prefix>; ///< VNI, prefix

    /// An entry is to be written with these CIDRs around it, or (none) must not be there.
    using Write = std::function<void(const Key& key, const LabelledRoute* route, std::vector<net::Prefix> cidrs)>;

    explicit RouteTable(Write write) : write_(std::move(write)) {}

    void set(const Key& key, LabelledRoute route);
    void erase(const Key& key);
    /// Each is one use of a CIDR more or less; entries are written once, after all of them. False: the CIDRs are the
    /// same as before.
    bool change_cidrs(std::span<const net::Prefix> added, std::span<const net::Prefix> removed);

    /// The route that an address takes; none: it leads nowhere.
    [[nodiscard]] const LabelledRoute* longest_match(std::uint32_t vni, const net::Address& address) const;

    /// Was a route of this very prefix set?
    [[nodiscard]] bool contains(const Key& key) const;

    /// Every route that was set.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const auto& [vni, routes] : networks_)
            for (const auto& [prefix, route] : routes)
                visit(Key{vni, prefix}, route);
    }

    [[nodiscard]] std::vector<net::Prefix> cidrs_around(const net::Prefix& prefix) const {
        return cidrs_.around(prefix);
    }

  private:
    using Routes = std::map<net::Prefix, LabelledRoute>;

    /// Writes or removes the entry of this very prefix.
    void refresh(std::uint32_t vni, const Routes& routes, const net::Prefix& prefix) const;
    /// The CIDRs in `prefix`, whose covering route may have changed.
    void refresh_overlaid(std::uint32_t vni, const Routes& routes, const net::Prefix& prefix) const;

    Write write_;
    CidrSet cidrs_;
    std::map<std::uint32_t, Routes> networks_;
};

} // namespace weft::policy
