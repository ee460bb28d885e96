// SPDX-License-Identifier: BSD-3-Clause
// Routes as text: sorted, as a table with the columns that matter for a view, in full detail, and as one line for
// each change.
#pragma once

#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// By network, then prefix as a number (IPv4 first), the best before the others, then peer.
void sort_routes(std::vector<v1::Route>& routes);

[[nodiscard]] std::string routes_table(const std::vector<v1::Route>& routes, v1::RouteView view, Style style);

/// {"routes": [...]}
[[nodiscard]] std::string routes_json(const std::vector<v1::Route>& routes);

[[nodiscard]] std::string route_details(const v1::Route& route, v1::RouteView view, Style style);

/// "+ default 10.244.1.7/32 via 192.0.2.2 ..." with its line end.
[[nodiscard]] std::string route_event_line(const v1::RouteEvent& event, Style style);

} // namespace weft::ctl
