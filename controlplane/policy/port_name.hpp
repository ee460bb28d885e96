// SPDX-License-Identifier: BSD-3-Clause
// PortName: a port that an endpoint calls by a name, "http=80/TCP", for policies that do not want to know its number.
// The API server checks endpoints' ports here, the policy readers the names in their rules; values only.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::policy {

/// More named ports than this do not fit beside labels_max labels on a route.
inline constexpr std::size_t port_names_max = 32;

/// An IANA service name (RFC 6335, section 5.1) in lower case: 1 to 15 letters, digits and '-', at least one letter,
/// no '-' at the ends or beside another.
[[nodiscard]] Result<void> check_port_name(std::string_view name);

/// "TCP", "UDP" or "SCTP" as its IANA number.
[[nodiscard]] std::optional<std::uint8_t> parse_port_protocol(std::string_view text);
/// The reverse; the number for any other.
[[nodiscard]] std::string port_protocol_text(std::uint8_t protocol);

struct PortName {
    std::string name;
    std::uint8_t protocol = 6; ///< IANA number: TCP, UDP or SCTP
    std::uint16_t port = 0;

    /// "http=80/TCP"
    [[nodiscard]] std::string to_string() const;
    /// As to_string() writes it, the protocol in any case; "http=80" means TCP.
    [[nodiscard]] static Result<PortName> parse(std::string_view text);

    friend auto operator<=>(const PortName&, const PortName&) = default;
};

/// Each of them valid, sorted and without duplicates; a name that means two ports of one protocol is refused.
[[nodiscard]] Result<std::vector<PortName>> make_port_names(std::vector<PortName> names);

/// The same from texts, as PortName::parse() takes them.
[[nodiscard]] Result<std::vector<PortName>> parse_port_names(const std::vector<std::string>& texts);

} // namespace weft::policy
