// SPDX-License-Identifier: BSD-3-Clause
// Which received routes become paths of which networks, and why others do not. Pure.
#pragma once

#include <expected>
#include <map>
#include <span>
#include <string>

#include "routing/speaker.hpp"

namespace weft::bgp {

/// Whose routes we must not believe: our own, come back; and where our tunnels begin.
struct OurSelf {
    std::uint32_t as_number = 0;
    std::uint32_t router_id = 0;
    net::Address vtep; ///< unspecified: a host without VTEP, which imports nothing
};

struct ImportedRoute {
    net::Prefix prefix;
    NetworkPath path;
};

/// What a route from a peer says about a prefix, whatever the network; or why it says nothing usable.
[[nodiscard]] std::expected<ImportedRoute, std::string>
import_route(const Nlri& nlri, const AttributesPtr& attributes, const OurSelf& self);
/// Does one of the route's route targets belong to the network's import targets?
[[nodiscard]] bool matches_target(const PathAttributes& attributes, const NetworkConfig& network);

} // namespace weft::bgp
