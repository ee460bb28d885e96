// SPDX-License-Identifier: BSD-3-Clause
// Purge: the way back from the eBPF fast path. Whatever it left in the kernel goes, of this version and of others, so
// that the host is as it was before.
#pragma once

#include <string>

#include "dataplane/api/purge_report.hpp"

namespace weft::ebpf {

using fastpath::PurgeReport;

/// Removes, in this network namespace, the programs at devices, the containers' veth pairs and the qdiscs that were
/// made here; then all that is pinned in `directory`. Refuses while an agent uses that. Going on after an error, it
/// leaves as little as possible; but maps stay as long as a program may use them, of this namespace or another one.
/// Returns whether all has gone.
[[nodiscard]] bool purge(const std::string& directory, const PurgeReport& report);

} // namespace weft::ebpf
