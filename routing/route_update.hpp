// SPDX-License-Identifier: BSD-3-Clause
// What the speaker tells the agent: which paths each network's prefix has now. An update is incremental or full; two
// updates merge (the later one wins per prefix), so that a slow consumer's backlog folds into one.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "routing/attribute.hpp"
#include "routing/net/address.hpp"

namespace weft::bgp {

/// One usable way to a prefix of a network: tunnel to `vtep` with `label`, or local.
struct NetworkPath {
    net::Address vtep;
    std::uint32_t label = 0;  ///< VNI to send with
    net::Mac router_mac;      ///< inner destination MAC
    AttributesPtr attributes; ///< labels travel in its large communities
    bool local = false;       ///< announced by this host

    friend bool operator==(const NetworkPath&, const NetworkPath&) = default;
};

struct RouteUpdate {
    using Key = std::pair<net::Vni, net::Prefix>;

    bool full = false; ///< what is not in `paths` is gone
    /// Best paths, several when equal cost; empty: withdrawn.
    std::map<Key, std::vector<NetworkPath>> paths;

    void merge(RouteUpdate later);
};

} // namespace weft::bgp
