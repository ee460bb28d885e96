// SPDX-License-Identifier: BSD-3-Clause
// NetworkPolicy (networking.k8s.io/v1) as checked values. read_network_policies() makes them from YAML, the compiler
// lowers them to table entries. Defaults are resolved here: what is absent in the text already has its meaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::policy {

enum class Operator : std::uint8_t { in, not_in, exists, does_not_exist };

/// One term of a selector; `key: value` of matchLabels is `key In [value]`.
struct Requirement {
    std::string key;
    Operator op = Operator::in;
    std::vector<std::string> values; ///< in, not_in: at least one

    friend bool operator==(const Requirement&, const Requirement&) = default;
};

/// All of its requirements must hold; without any it selects everything.
struct LabelSelector {
    std::vector<Requirement> requirements;

    friend bool operator==(const LabelSelector&, const LabelSelector&) = default;
};

/// Addresses in `cidr`, but in none of `except`.
struct IpBlock {
    net::Prefix cidr;
    std::vector<net::Prefix> except;

    friend bool operator==(const IpBlock&, const IpBlock&) = default;
};

/// Either a block, or endpoints: those that `pods` selects in the namespaces that `namespaces` selects. Without
/// `namespaces` those of the policy's own namespace; without `pods` all of them.
struct Peer {
    std::optional<LabelSelector> pods;
    std::optional<LabelSelector> namespaces;
    std::optional<IpBlock> block;

    friend bool operator==(const Peer&, const Peer&) = default;
};

/// Destination ports `first` to `last` of a protocol; 0 to 0: all of them.
struct PortRange {
    std::uint8_t protocol = 0; ///< IANA number
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// Allows any of the peers on any of the ports; an empty list does not restrict.
struct Rule {
    std::vector<Peer> peers;
    std::vector<PortRange> ports;

    friend bool operator==(const Rule&, const Rule&) = default;
};

/// One direction: whether selected endpoints are isolated in it, and what is allowed nevertheless.
struct Direction {
    bool isolates = false;
    std::vector<Rule> rules;

    friend bool operator==(const Direction&, const Direction&) = default;
};

struct NetworkPolicy {
    std::string name_space;
    std::string name;
    LabelSelector pods; ///< of its namespace: whom it selects
    Direction ingress;
    Direction egress;

    /// "default/web"
    [[nodiscard]] std::string full_name() const { return name_space + "/" + name; }

    friend bool operator==(const NetworkPolicy&, const NetworkPolicy&) = default;
};

/// A policy and the document that it came from, written as YAML again (comments and anchors do not survive).
struct NetworkPolicyDocument {
    NetworkPolicy policy;
    std::string yaml;
};

/// The largest YAML text that is read, in bytes.
inline constexpr std::size_t policy_text_max = 1 << 20;

/// The most single ports that an endPort range may span: the policy table holds one entry for each.
inline constexpr unsigned port_range_max = 256;

/// Reads one or more documents, also `kind: List`. All must be right: whatever is unknown or not supported is refused
/// by its full path, and never ignored.
[[nodiscard]] Result<std::vector<NetworkPolicyDocument>> read_network_policies(std::string_view yaml);

} // namespace weft::policy
