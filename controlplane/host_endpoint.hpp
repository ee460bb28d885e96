// SPDX-License-Identifier: BSD-3-Clause
// Where the host's own endpoint leads: the blocks that this host leases from and the routes it was asked for, none of
// which may take what the host needs for itself.
#pragma once

#include <vector>

#include "controlplane/api/weft.pb.h"
#include "controlplane/config.hpp"
#include "controlplane/uplink.hpp"

namespace weft::agent {

[[nodiscard]] std::vector<net::Prefix> host_routes(const v1::Endpoint& endpoint, const Config& config);
/// Each of its addresses has a way to the interface, each route an address, and the host keeps its ways to the
/// underlay.
[[nodiscard]] Result<void> check_host_routes(const v1::Endpoint& endpoint, const Config& config,
                                             const Uplink& uplink);

} // namespace weft::agent
