// SPDX-License-Identifier: BSD-3-Clause
// The seed that all programs are loaded with (ProgramOptions). Outer source ports follow from it, so that nobody, no
// container either, can choose flows that share a way; and the mark of what the uplink's XDP program hands to its tc
// program, which belong to two versions for a moment in an upgrade. So it is random, and stays the same from then on,
// whoever made it: the first version notes it beside the maps, by a directory that ends with the kernel, and the
// others read it:
//
//   <bpffs>/weft/seed-0123456789abcdef
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// The one that is noted in the directory, or else a new one, which is noted there. None: there is nobody to agree
/// with.
[[nodiscard]] Result<std::uint64_t> seed_of_boot(const std::optional<std::string>& directory);

/// Notes it in a directory in which none is noted.
[[nodiscard]] Result<void> note_seed(const std::string& directory, std::uint64_t seed);

} // namespace weft::ebpf
