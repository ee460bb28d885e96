// SPDX-License-Identifier: BSD-3-Clause
// Frames whose TCP or UDP checksum is left to a device: its field holds the pseudo-header's sum.
#pragma once

#include "tests/pipeline/outcome.hpp"

namespace weft::cases {

/// Where in its header the frame's upper layer, TCP or UDP, has its checksum.
[[nodiscard]] std::size_t checksum_place(const Bytes& frame);

/// Replaces the checksum by the pseudo-header's sum.
void open_checksum(Bytes& frame);

/// Completes what is open: the checksum `place` bytes behind `start`, from where on it covers the frame.
void complete_checksum(Bytes& frame, std::size_t start, std::size_t place);

} // namespace weft::cases
