// SPDX-License-Identifier: BSD-3-Clause
// Policies as checked values: NetworkPolicy (networking.k8s.io/v1) and the admin and baseline tiers of the Kubernetes
// network-policy API. read_policies() makes them from YAML, the compiler lowers them to verdict lists. Defaults are
// resolved here: what is absent in the text already has its meaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "routing/net/address.hpp"
#include "routing/net/result.hpp"

namespace weft::policy {

// --- whom --------------------------------------------------------------------------------------------------

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

/// Endpoints: those that `pods` selects in the namespaces that `namespaces` selects. Without `namespaces` those of
/// the policy's own namespace, which only a NetworkPolicy has; without `pods` all of them.
struct EndpointSelector {
    std::optional<LabelSelector> pods;
    std::optional<LabelSelector> namespaces;

    friend bool operator==(const EndpointSelector&, const EndpointSelector&) = default;
};

using Peer = std::variant<EndpointSelector, IpBlock>;

// --- what --------------------------------------------------------------------------------------------------

/// Destination ports `first` to `last` of a protocol.
struct PortRange {
    std::uint8_t protocol = 0; ///< IANA number: TCP, UDP or SCTP
    std::uint16_t first = 0;
    std::uint16_t last = 65535;

    friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// The port that the destination calls so; one that calls none so is not meant.
struct NamedPort {
    std::uint8_t protocol = 0; ///< 0: whichever the destination has it for
    std::string name;

    friend bool operator==(const NamedPort&, const NamedPort&) = default;
};

using Port = std::variant<PortRange, NamedPort>;

// --- rules -------------------------------------------------------------------------------------------------

enum class Action : std::uint8_t { allow, deny, pass };

/// Decides for any of the peers on any of the ports. Without peers it means everyone, the world included; without
/// ports every protocol.
struct Rule {
    Action action = Action::allow; ///< of a NetworkPolicy always allow
    std::string name;              ///< may be empty
    std::vector<Peer> peers;
    std::vector<Port> ports;

    friend bool operator==(const Rule&, const Rule&) = default;
};

/// The rules of one direction. `isolates`: what a NetworkPolicy's rules do not allow to endpoints that it selects is
/// denied; false in the other tiers.
struct Direction {
    bool isolates = false;
    std::vector<Rule> rules;

    friend bool operator==(const Direction&, const Direction&) = default;
};

// --- policies ----------------------------------------------------------------------------------------------

/// In the order in which they are asked.
enum class Tier : std::uint8_t { admin, network_policy, baseline };

/// "admin", "network_policy", "baseline".
[[nodiscard]] std::string_view to_string(Tier tier);

/// What the document calls itself.
enum class Kind : std::uint8_t {
    network_policy,
    cluster_network_policy,
    admin_network_policy,
    baseline_admin_network_policy,
};

/// "NetworkPolicy", as documents write it.
[[nodiscard]] std::string_view to_string(Kind kind);

inline constexpr std::uint32_t priority_max = 1000;

struct PolicyName {
    Kind kind = Kind::network_policy;
    std::string name_space; ///< of a NetworkPolicy only
    std::string name;

    /// "default/web"; of the kinds without namespace "cnp:NAME", "anp:NAME", "banp:NAME".
    [[nodiscard]] std::string to_string() const;
    /// As to_string() writes it; "web" means "default/web".
    [[nodiscard]] static Result<PolicyName> parse(std::string_view text);

    friend auto operator<=>(const PolicyName&, const PolicyName&) = default;
};

struct Policy {
    PolicyName name;
    Tier tier = Tier::network_policy;
    std::uint32_t priority = 0; ///< smaller is asked first; a BaselineAdminNetworkPolicy has priority_max + 1
    bool audit = false;         ///< decides nothing; what it would have decided is counted and logged
    EndpointSelector subject;   ///< a NetworkPolicy's without `namespaces`
    Direction ingress;
    Direction egress;

    friend bool operator==(const Policy&, const Policy&) = default;
};

} // namespace weft::policy
