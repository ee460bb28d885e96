// SPDX-License-Identifier: BSD-3-Clause
// The deletion of what an update told.
#pragma once

#include "dataplane/api/fastpath.pb.h"

namespace weft::cases {

/// Of all its entries but the host's, which has none, and ports.
[[nodiscard]] inline fastpath::TableUpdate deletion_of(const fastpath::TableUpdate& told) {
    fastpath::TableUpdate deletion;
    for (const auto& route : told.routes()) {
        auto& key = *deletion.add_deleted_routes();
        key.set_vni(route.vni());
        *key.mutable_prefix() = route.prefix();
    }
    for (const auto& next_hop : told.next_hops())
        deletion.add_deleted_next_hops(next_hop.id());
    for (const auto& endpoint : told.endpoints())
        deletion.add_deleted_endpoints(endpoint.port());
    for (const auto& policy : told.policies())
        *deletion.add_deleted_policies() = policy.key();
    for (const auto& list : told.verdict_lists())
        deletion.add_deleted_verdict_lists(list.number());
    for (const auto& network : told.networks())
        deletion.add_deleted_networks(network.vni());
    return deletion;
}

} // namespace weft::cases
