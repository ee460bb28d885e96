// SPDX-License-Identifier: BSD-3-Clause
// The routes of an interface, all of them by the link-local gateway: a container's default route, or, of the host's
// own interface, those to the overlay, which a number of their own tells from whatever else the host routes.
#pragma once

#include <vector>

#include "routing/net/address.hpp"

struct nl_sock;

namespace weft::agent {

/// The rtnetlink protocol of the host's routes to the overlay: nobody else's in /etc/iproute2/rt_protos.
inline constexpr std::uint8_t host_route_protocol = 119;

[[nodiscard]] net::Address gateway_address(net::Family family);

/// A default route that the container has from elsewhere stays the better one: it is not ours to replace.
[[nodiscard]] Result<void> add_default_route(nl_sock* socket, int index, net::Family family);
/// Leads the prefixes of this family to the host's interface, and those no more that an agent with others has left.
/// A route of somebody else's in the place of ours is an error; any other, and what leads there already, stays.
[[nodiscard]] Result<void> set_host_routes(nl_sock* socket, int index, net::Family family,
                                           const std::vector<net::Prefix>& prefixes);

} // namespace weft::agent
