// SPDX-License-Identifier: BSD-3-Clause
// What a map's size is called by an operator: as `weft status` calls its gauge. Maps that follow from others have no
// name there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// Entries by the maps' names in maps.bpf.h, from those by operators' names. An unknown one is refused, and those
/// that are known are told.
[[nodiscard]] Result<std::map<std::string, std::uint32_t>>
map_entries(const std::map<std::string, std::uint32_t>& sizes);

/// The operators' name of a map; none: it cannot be sized by itself.
[[nodiscard]] std::optional<std::string_view> size_name(std::string_view map);

} // namespace weft::ebpf
