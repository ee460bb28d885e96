// SPDX-License-Identifier: BSD-3-Clause
// Policy a second time, all tiers, written straight from the APIs' documentation over full texts, for tests to hold
// the compiler against: no hashes, no identities, no tables. It shares no code with what it checks, beside addresses
// and prefixes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::policy::naive {

using Labels = std::map<std::string, std::string>;

struct Expression {
    std::string key;
    std::string op;
    std::vector<std::string> values;
};

struct Selector {
    Labels match_labels;
    std::vector<Expression> match_expressions;
};

struct Block {
    net::Prefix cidr;
    std::vector<net::Prefix> except; ///< of a NetworkPolicy
};

/// A block, or selectors; in the kinds without namespace without `namespaces` of all of them.
struct Peer {
    std::optional<Selector> pods;
    std::optional<Selector> namespaces;
    std::optional<Block> block;
};

struct Port {
    std::string protocol; ///< empty: absent
    unsigned port = 0;    ///< 0: absent
    unsigned end_port = 0;
    std::string name; ///< instead of a number
};

struct Rule {
    std::string action; ///< "Allow", "Deny", "Pass"; of a NetworkPolicy empty
    std::string name;
    std::vector<Peer> peers;
    std::vector<Port> ports;
};

struct Policy {
    std::string kind; ///< as the document says it
    std::string name_space;
    std::string name;
    std::string tier; ///< of a ClusterNetworkPolicy: "Admin" or "Baseline"
    unsigned priority = 0;
    bool audit = false;
    Peer subject;                   ///< of a NetworkPolicy only its pods
    std::vector<std::string> types; ///< of a NetworkPolicy; empty: absent
    std::vector<Rule> ingress;
    std::vector<Rule> egress;

    [[nodiscard]] std::string to_yaml() const;
    /// "default/web", "cnp:web"
    [[nodiscard]] std::string full_name() const;
};

struct PortName {
    std::string name;
    std::string protocol;
    unsigned port = 0;
};

/// An address and, if it is an endpoint's, whose.
struct End {
    net::Address address;
    bool endpoint = false;
    std::string name_space;
    Labels labels;
    std::vector<PortName> ports;
    bool host = false; ///< the local end's own host
};

/// `by`: the rule that decided, as the engine calls it; empty: none.
struct Verdict {
    bool allowed = true;
    std::string by;
};

/// One direction of a connection, seen from the end that policies protect.
struct Question {
    bool ingress = true;
    const End& local;
    const End& peer;
    std::string protocol; ///< "TCP", "UDP", "SCTP" or another
    unsigned port = 0;
};

struct Cluster {
    std::map<std::string, Labels> namespaces;
    std::vector<Policy> policies;

    /// `with_audited`: as if policies that are only audited were in force.
    [[nodiscard]] Verdict decide(const Question& question, bool with_audited) const;
};

} // namespace weft::policy::naive
