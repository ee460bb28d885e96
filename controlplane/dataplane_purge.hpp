// SPDX-License-Identifier: BSD-3-Clause
// The way back from the DPDK fast path: its process, and what it left where containers and the host see it.
#pragma once

#include "controlplane/config.hpp"
#include "dataplane/api/purge_report.hpp"

namespace weft::agent {

/// Ends the weft-dataplane on the configuration's socket, and removes the TAPs that it served and those of endpoints
/// that the database knows, and its socket. Whoever calls holds the locks of the state directory and of the fast
/// path. Returns whether all has gone; what has not is named, a process by its pid.
[[nodiscard]] bool purge_dataplane(const Config& config, const fastpath::PurgeReport& report);

} // namespace weft::agent
