// SPDX-License-Identifier: BSD-3-Clause
// BGP messages as values and their codec: pure functions between bytes and structs (RFC 4271 section 4). The session
// calls frame_length() on what the socket gave, then decode(). Nothing here keeps state or does I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "routing/attribute.hpp"
#include "routing/nlri.hpp"

namespace weft::bgp {

inline constexpr std::size_t header_size = 19;
inline constexpr std::size_t message_max = 4096;           ///< RFC 4271 section 4.1
inline constexpr std::size_t message_extended_max = 65535; ///< RFC 8654

struct GracefulRestartFamily {
    AddressFamily family;
    bool forwarding_preserved = false;

    friend bool operator==(const GracefulRestartFamily&, const GracefulRestartFamily&) = default;
};

/// RFC 4724 section 3, capability 64.
struct GracefulRestart {
    bool restarted = false; ///< R bit
    std::uint16_t restart_time_s = 0;
    std::vector<GracefulRestartFamily> families;

    friend bool operator==(const GracefulRestart&, const GracefulRestart&) = default;
};

/// What the capabilities of an OPEN say (RFC 5492); unknown ones are kept as numbers, for people.
struct Capabilities {
    std::vector<AddressFamily> families;                                ///< multiprotocol, 1
    std::vector<std::pair<std::uint16_t, std::uint8_t>> other_families; ///< AFI/SAFI that weft does not speak
    bool route_refresh = false;                                         ///< 2
    bool extended_message = false;                                      ///< 6
    std::optional<std::uint32_t> four_octet_as;                         ///< 65
    std::optional<GracefulRestart> graceful_restart;
    std::vector<std::uint8_t> unknown;

    friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

struct Open {
    std::uint8_t version = 4;
    std::uint16_t as_number = 0; ///< AS_TRANS (23456) when the real one needs four octets
    std::uint16_t hold_time_s = 0;
    std::uint32_t router_id = 0;
    Capabilities capabilities;

    friend bool operator==(const Open&, const Open&) = default;
};

struct Update {
    std::vector<Nlri> withdrawn;
    std::vector<Nlri> announced;             ///< all of one family
    AttributesPtr attributes;                ///< null when nothing is announced
    std::optional<AddressFamily> end_of_rib; ///< RFC 4724 section 2
    /// RFC 7606: attributes were malformed, so every route that the message announced was moved to `withdrawn`. Says
    /// what and which bytes.
    std::optional<std::string> treated_as_withdraw;
    /// Attributes that were discarded (RFC 7606), one sentence each.
    std::vector<std::string> discarded;
};

struct Notification {
    std::uint8_t code = 0;
    std::uint8_t subcode = 0;
    std::vector<std::uint8_t> data;

    /// "Cease/Administrative Shutdown" and the like.
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const Notification&, const Notification&) = default;
};

struct Keepalive {};

/// RFC 2918; subtype: RFC 7313.
struct RouteRefresh {
    std::uint16_t afi = 0;
    std::uint8_t subtype = 0;
    std::uint8_t safi = 0;
};

using Message = std::variant<Open, Update, Notification, Keepalive, RouteRefresh>;

/// What both sides agreed on that changes the encoding.
struct CodecOptions {
    bool four_octet_as = true;
    bool extended_message = false;
    bool internal_peer =
        true; ///< LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are meaningful only then (RFC 7606 section 7)
    std::vector<AddressFamily> families; ///< negotiated; NLRI of others are ignored
};

/// A decoding failure that ends the session: what to send, and a sentence with the offending bytes for the log.
struct DecodeError {
    Notification notification;
    std::string reason;
};

/// Length of the first message in `bytes`, or nothing while fewer than 19 bytes are there. Checks marker, length and
/// type.
[[nodiscard]] std::expected<std::optional<std::size_t>, DecodeError> frame_length(std::span<const std::uint8_t> bytes,
                                                                                  const CodecOptions& options);
/// Decodes one whole message, header included.
[[nodiscard]] std::expected<Message, DecodeError> decode(std::span<const std::uint8_t> bytes,
                                                         const CodecOptions& options);
/// Encodes anything but routes. An Open, Notification, Keepalive or RouteRefresh always fits.
[[nodiscard]] std::vector<std::uint8_t> encode(const Message& message, const CodecOptions& options);
/// Packs routes that share attributes into as few UPDATEs as the message size allows; withdrawals need no attributes.
[[nodiscard]] std::vector<std::vector<std::uint8_t>> encode_routes(std::span<const Nlri> announced,
                                                                   const PathAttributes* attributes,
                                                                   std::span<const Nlri> withdrawn,
                                                                   const CodecOptions& options);
[[nodiscard]] std::vector<std::uint8_t> encode_end_of_rib(AddressFamily family, const CodecOptions& options);

} // namespace weft::bgp
