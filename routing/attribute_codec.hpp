// SPDX-License-Identifier: BSD-3-Clause
// Path attributes on the wire. decode_attributes() does with each fault what RFC 7606 says; update.cpp acts on it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "routing/attribute.hpp"
#include "routing/message.hpp"
#include "routing/net/bytes.hpp"

namespace weft::bgp {

struct DecodedAttributes {
    PathAttributes attributes;
    bool has_origin = false;
    bool has_as_path = false;
    bool has_next_hop = false;                             ///< NEXT_HOP, for classic IPv4 NLRI
    std::optional<std::span<const std::uint8_t>> mp_reach; ///< values, for update.cpp
    std::optional<std::span<const std::uint8_t>> mp_unreach;
    bool has_others = false;             ///< anything but MP_UNREACH_NLRI, be it unreadable
    std::optional<std::string> withdraw; ///< RFC 7606: treat as withdraw, and why
    std::vector<std::string> discarded;
};

[[nodiscard]] std::expected<DecodedAttributes, DecodeError> decode_attributes(std::span<const std::uint8_t> bytes,
                                                                              const CodecOptions& options);

/// Everything but MP_REACH_NLRI and MP_UNREACH_NLRI, in ascending order; NEXT_HOP only for `classic` (IPv4 NLRI in
/// the body).
void encode_attributes(net::ByteWriter& writer, const PathAttributes& attributes, bool classic,
                       const CodecOptions& options);

inline constexpr std::uint8_t attribute_mp_reach = 14;
inline constexpr std::uint8_t attribute_mp_unreach = 15;

/// "0a 63 00 01 ..." of at most 64 bytes, for logs.
[[nodiscard]] std::string hex(std::span<const std::uint8_t> bytes);

} // namespace weft::bgp
