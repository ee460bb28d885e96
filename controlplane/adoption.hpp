// SPDX-License-Identifier: BSD-3-Clause
// Adoption: may this database's agent take over that fast path? What the fast path has and the database does not know
// is swept, which is right for what was left over, and would detach every container for a lost or mistaken database.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dataplane/api/fast_path.hpp"

namespace weft::agent {

/// Ports of containers that are in the tables and not `known`: "web-1 (eth0 in /run/netns/web)".
[[nodiscard]] std::vector<std::string> unknown_containers(const fastpath::TableUpdate& tables,
                                                          const std::function<bool(std::uint32_t port)>& known);

/// Why not to take over a fast path with these containers, of which a database without endpoints knows none.
[[nodiscard]] Error refuse_adoption(const std::vector<std::string>& containers, const std::string& database);

} // namespace weft::agent
