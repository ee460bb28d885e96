// SPDX-License-Identifier: BSD-3-Clause
// What labels, names of ports and verdict lists are known by: the beginning of their text's SHA-256.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::policy {

/// The first 64 bits, the first of them highest.
[[nodiscard]] std::uint64_t digest(std::string_view text);

} // namespace weft::policy
