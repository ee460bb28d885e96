// SPDX-License-Identifier: BSD-3-Clause
// What policy decided of a packet, as one line of JSON: in weftd's verdict log, and from `weft policy log`. Always
// all members; null where there is nothing to say.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "controlplane/api/weft.pb.h"

namespace weft::v1 {

/// Of an event of a trace that asks for decisions; with its line end.
[[nodiscard]] std::string verdict_line(const TraceEvent& event);

/// So many verdicts have no line, as is known at `now`.
[[nodiscard]] std::string lost_line(std::chrono::system_clock::time_point now, std::uint64_t lost);

} // namespace weft::v1
