// SPDX-License-Identifier: BSD-3-Clause
// The body of an UPDATE; message.cpp frames it.
#pragma once

#include <span>

#include "routing/message.hpp"
#include "routing/net/bytes.hpp"

namespace weft::bgp {

[[nodiscard]] std::expected<Update, DecodeError> decode_update(std::span<const std::uint8_t> body,
                                                               const CodecOptions& options);

/// Starts a message: marker, a length to be patched, type.
void begin_message(net::ByteWriter& writer, std::uint8_t type);
[[nodiscard]] std::vector<std::uint8_t> end_message(net::ByteWriter writer);

inline constexpr std::uint8_t type_update = 2;

struct AfiSafi {
    std::uint16_t afi;
    std::uint8_t safi;
};

[[nodiscard]] AfiSafi afi_safi_of(AddressFamily family);
[[nodiscard]] std::optional<AddressFamily> family_of(std::uint16_t afi, std::uint8_t safi);

} // namespace weft::bgp
