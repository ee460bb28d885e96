// SPDX-License-Identifier: BSD-3-Clause
// The numbers that the agent gives to ports and next hops begin at 1 and end here. They are small, since fast paths
// keep what every packet needs in arrays.
#pragma once

#include <cstdint>

namespace weft::fastpath {

inline constexpr std::uint32_t port_id_max = (1U << 14) - 1;
inline constexpr std::uint32_t next_hop_id_max = (1U << 16) - 1;

} // namespace weft::fastpath
