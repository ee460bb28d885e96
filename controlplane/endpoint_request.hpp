// SPDX-License-Identifier: BSD-3-Clause
// What may be asked of an attach, by itself: names, labels, named ports, addresses, routes and the namespace, checked
// before anything is touched. Also how an endpoint's record is read. Conflicts with other endpoints are for Endpoints
// to see.
#pragma once

#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"
#include "routing/net/address.hpp"

namespace weft::agent {

/// The record of an endpoint that is wanted, with defaults in place of what was left out, but no addresses, network
/// number or port yet.
[[nodiscard]] Result<v1::Endpoint> read_endpoint_request(const v1::AddEndpointRequest& request,
                                                         const std::string& host_name);
/// The addresses asked for: global unicast, one of each family at most; none: to be leased.
[[nodiscard]] Result<std::vector<net::Address>> read_requested_addresses(const v1::AddEndpointRequest& request);

[[nodiscard]] std::vector<net::Address> addresses_of(const v1::Endpoint& endpoint);
/// What the host's own endpoint was asked to lead to.
[[nodiscard]] std::vector<net::Prefix> routes_of(const v1::Endpoint& endpoint);
[[nodiscard]] net::Vni vni_of(const v1::Endpoint& endpoint);

} // namespace weft::agent
