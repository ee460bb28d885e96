// SPDX-License-Identifier: BSD-3-Clause
// Which fast path it is to be, given what is at work here. Both outlive the agent, so that an agent may come to a
// host on which the other one goes on moving packets, by tables that nobody changes any more.
#pragma once

#include "controlplane/config.hpp"

namespace weft::agent {

/// Settles `fast_path` of the configuration as far as it can be settled before one is opened: `automatic` means that
/// eBPF is to be tried. Refuses one that another kind, at work here, would fight, naming what to do about it.
/// `programs`: an eBPF fast path is at `bpf_dir`.
[[nodiscard]] Result<FastPathKind> choose_fast_path(const Config& config, bool programs);

} // namespace weft::agent
