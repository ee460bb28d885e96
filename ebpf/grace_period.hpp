// SPDX-License-Identifier: BSD-3-Clause
// Grace period: until all packets that met a table or a program as it was before are through.
#pragma once

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// All CPUs have been elsewhere since the call began.
[[nodiscard]] Result<void> wait_for_packets_under_way();

} // namespace weft::ebpf
