// SPDX-License-Identifier: BSD-3-Clause
// The decision process (RFC 4271 section 9.1.2.2 and usual practice): pure comparison of two paths to one prefix,
// with the reason in words.
#pragma once

#include <string_view>

#include "routing/nlri.hpp"
#include "routing/route_update.hpp"

namespace weft::bgp {

/// A path that may win: what it says and whom it came from.
struct Candidate {
    NetworkPath path;
    Nlri nlri;
    net::Address peer; ///< unspecified: local
    std::uint32_t peer_router_id = 0;
    bool internal = true; ///< learned by iBGP
    bool stale = false;
};

struct Comparison {
    enum class Winner : std::uint8_t { first, second, neither };
    Winner winner = Winner::neither;
    std::string_view why;    ///< what the winner has: "the higher local preference"
    bool equal_cost = false; ///< only tie-breakers differ: both may be used
};

[[nodiscard]] Comparison compare(const Candidate& first, const Candidate& second);

} // namespace weft::bgp
