// SPDX-License-Identifier: BSD-3-Clause
// Path attributes as values (RFC 4271 section 4.3, RFC 4360, RFC 8092, RFC 4456). Encoding and the error handling of
// RFC 7606 are in attribute.cpp.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::bgp {

enum class Origin : std::uint8_t { igp = 0, egp = 1, incomplete = 2 };

struct AsPathSegment {
    enum class Kind : std::uint8_t { set = 1, sequence = 2 };
    Kind kind = Kind::sequence;
    std::vector<std::uint32_t> numbers;

    friend auto operator<=>(const AsPathSegment&, const AsPathSegment&) = default;
};

struct AsPath {
    std::vector<AsPathSegment> segments;

    /// Length for the decision process: an AS_SET counts as one.
    [[nodiscard]] unsigned length() const;
    [[nodiscard]] bool contains(std::uint32_t number) const;
    /// The leftmost AS, 0 for an empty path or one that begins with a set.
    [[nodiscard]] std::uint32_t first() const;
    [[nodiscard]] AsPath prepended(std::uint32_t number) const;
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const AsPath&, const AsPath&) = default;
};

/// Eight bytes, first the type (RFC 4360).
struct ExtendedCommunity {
    std::array<std::uint8_t, 8> bytes{};

    [[nodiscard]] static ExtendedCommunity route_target(std::uint32_t as_number, std::uint32_t value);
    [[nodiscard]] static ExtendedCommunity vxlan_encapsulation();           ///< RFC 9012 section 4.1, tunnel type 8
    [[nodiscard]] static ExtendedCommunity router_mac(const net::Mac& mac); ///< RFC 9135 section 8.1

    [[nodiscard]] bool is_route_target() const;
    [[nodiscard]] std::optional<net::Mac> as_router_mac() const;
    [[nodiscard]] bool is_vxlan_encapsulation() const;
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const ExtendedCommunity&, const ExtendedCommunity&) = default;
};

/// RFC 8092.
struct LargeCommunity {
    std::uint32_t global = 0;
    std::uint32_t local1 = 0;
    std::uint32_t local2 = 0;

    friend auto operator<=>(const LargeCommunity&, const LargeCommunity&) = default;
};

struct Aggregator {
    std::uint32_t as_number = 0;
    std::uint32_t address = 0;

    friend auto operator<=>(const Aggregator&, const Aggregator&) = default;
};

/// An optional transitive attribute that weft does not know; passed on with the partial bit.
struct UnknownAttribute {
    std::uint8_t flags = 0;
    std::uint8_t type = 0;
    std::vector<std::uint8_t> value;

    friend auto operator<=>(const UnknownAttribute&, const UnknownAttribute&) = default;
};

/// All that is said about a set of routes. Community lists are sorted and free of duplicates. Shared between the
/// routes of one UPDATE and interned across updates: never changed once made.
struct PathAttributes {
    Origin origin = Origin::igp;
    AsPath as_path;
    net::Address next_hop;
    std::optional<std::uint32_t> med;
    std::optional<std::uint32_t> local_pref;
    bool atomic_aggregate = false;
    std::optional<Aggregator> aggregator;
    std::vector<std::uint32_t> communities;
    std::vector<ExtendedCommunity> extended_communities;
    std::vector<LargeCommunity> large_communities;
    std::optional<std::uint32_t> originator_id;
    std::vector<std::uint32_t> cluster_list;
    std::vector<std::uint8_t> pmsi_tunnel; ///< RFC 6514, raw; empty: absent
    std::vector<UnknownAttribute> unknown;

    [[nodiscard]] std::optional<net::Mac> router_mac() const;

    friend auto operator<=>(const PathAttributes&, const PathAttributes&) = default;
};

using AttributesPtr = std::shared_ptr<const PathAttributes>;

} // namespace weft::bgp
