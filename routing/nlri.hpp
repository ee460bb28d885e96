// SPDX-License-Identifier: BSD-3-Clause
// What a route is about: NLRI of the families that weft speaks, as values. EVPN route types: RFC 7432 section 7, RFC
// 9136 section 3.1. Encoding is in nlri.cpp, called by message.cpp.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::bgp {

/// An address family that a session can carry (RFC 4760; IANA AFI/SAFI 1/1, 2/1 and 25/70).
enum class AddressFamily : std::uint8_t { ipv4_unicast, ipv6_unicast, l2vpn_evpn };

[[nodiscard]] std::string_view to_string(AddressFamily family);

/// RFC 4364 section 4.2; weft makes type 1: IPv4 address and number.
struct RouteDistinguisher {
    std::array<std::uint8_t, 8> bytes{};

    [[nodiscard]] static RouteDistinguisher make(std::uint32_t router_id, std::uint16_t number);
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const RouteDistinguisher&, const RouteDistinguisher&) = default;
};

/// Type 5, IP prefix (RFC 9136). The key is RD, tag and prefix; ESI, gateway and label are not.
struct EvpnPrefix {
    RouteDistinguisher rd;
    std::array<std::uint8_t, 10> esi{};
    std::uint32_t ethernet_tag = 0;
    net::Prefix prefix;
    net::Address gateway;    ///< of the prefix's family; unspecified: interface-less
    std::uint32_t label = 0; ///< the VNI, raw 24 bits (RFC 8365)

    friend auto operator<=>(const EvpnPrefix&, const EvpnPrefix&) = default;
};

/// Type 2, MAC and IP (RFC 7432 section 7.2). The key is RD, tag, MAC and address.
struct EvpnMacIp {
    RouteDistinguisher rd;
    std::array<std::uint8_t, 10> esi{};
    std::uint32_t ethernet_tag = 0;
    net::Mac mac;
    std::optional<net::Address> address;
    std::uint32_t label = 0;                   ///< L2 VNI
    std::optional<std::uint32_t> second_label; ///< L3 VNI

    friend auto operator<=>(const EvpnMacIp&, const EvpnMacIp&) = default;
};

/// Any other type, carried opaquely; the whole body is the key.
struct EvpnOpaque {
    std::uint8_t type = 0;
    std::vector<std::uint8_t> body;

    friend auto operator<=>(const EvpnOpaque&, const EvpnOpaque&) = default;
};

using Nlri = std::variant<net::Prefix, EvpnPrefix, EvpnMacIp, EvpnOpaque>;

/// The part of the NLRI that identifies the route: non-key fields are cleared. Two NLRI with equal keys replace each
/// other.
[[nodiscard]] Nlri key_of(const Nlri& nlri);
[[nodiscard]] AddressFamily family_of(const Nlri& nlri);
/// "[5]:[0]:[32]:[10.1.0.2] rd 10.99.0.1:4000" and the like, as routers print it.
[[nodiscard]] std::string to_string(const Nlri& nlri);

} // namespace weft::bgp
