// SPDX-License-Identifier: BSD-3-Clause
// From the speaker's routes to the public API's: every field as text that people and routers use. Called for lists
// and for watchers.
#pragma once

#include "controlplane/api/weft.pb.h"
#include "routing/speaker.hpp"

namespace weft::agent {

/// All but the network's name, which only the agent knows, and the next hop of local routes.
[[nodiscard]] v1::Route to_api(const bgp::RouteEntry& entry);
[[nodiscard]] v1::Peer to_api(const bgp::PeerStatus& status);
/// Of routes that contain the address, keeps the longest of each network.
void keep_longest_match(std::vector<v1::Route>& routes, const net::Address& address);

} // namespace weft::agent
