// SPDX-License-Identifier: BSD-3-Clause
// Purge: the way back from the eBPF fast path. Whatever it left in the kernel goes, of this version and of others, so
// that the host is as it was before.
#pragma once

#include <functional>
#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// Tells in words what is removed, as it goes.
using Removed = std::function<void(const std::string& what)>;

/// Removes, in this network namespace, the programs at devices, the containers' veth pairs and the qdiscs that were
/// made here; then all that is pinned in `directory`. Refuses while an agent uses that. Going on after an error, it
/// leaves as little as possible; the error is the first one.
[[nodiscard]] Result<void> purge(const std::string& directory, const Removed& removed);

} // namespace weft::ebpf
