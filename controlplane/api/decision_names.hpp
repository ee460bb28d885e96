// SPDX-License-Identifier: BSD-3-Clause
// What policy can decide of a packet, as requests and options name it.
#pragma once

#include <array>

namespace weft::v1 {

inline constexpr std::array<const char*, 3> decision_names{"allowed", "denied", "audited"};

} // namespace weft::v1
