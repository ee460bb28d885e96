// SPDX-License-Identifier: BSD-3-Clause
// Expectations: what whoever writes policies says they should come to, as YAML that is read like policies, and as
// strictly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::policy {

/// Of one connection.
struct Expectation {
    std::string where; ///< it stands in the text: "expect[0] (line 2)"
    std::string from;
    std::string to;
    std::string network;  ///< empty: as the ends say
    std::string protocol; ///< "tcp", "udp", "sctp", "icmp"; empty: a ping
    std::uint16_t port = 0;
    bool allowed = false;
    std::string because; ///< is part of the text of a rule that decides; empty: whichever decides
};

/// Most connections of one text.
inline constexpr std::size_t expectations_max = 10'000;

/// One for each combination where `from`, `to` or `port` are lists.
[[nodiscard]] Result<std::vector<Expectation>> read_expectations(std::string_view yaml);

} // namespace weft::policy
