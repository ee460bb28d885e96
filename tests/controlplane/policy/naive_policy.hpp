// SPDX-License-Identifier: BSD-3-Clause
// NetworkPolicy a second time, written straight from the API's documentation over full texts, for tests to hold the
// compiler against: no hashes, no identities, no tables. It shares no code with what it checks, beside addresses and
// prefixes.
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
    std::vector<net::Prefix> except;
};

struct Peer {
    std::optional<Selector> pods;
    std::optional<Selector> namespaces;
    std::optional<Block> block;
};

struct Port {
    std::string protocol; ///< empty: absent
    unsigned port = 0;    ///< 0: absent
    unsigned end_port = 0;
};

struct Rule {
    std::vector<Peer> peers;
    std::vector<Port> ports;
};

struct Policy {
    std::string name_space;
    std::string name;
    Selector pods;
    std::vector<std::string> types; ///< empty: absent
    std::vector<Rule> ingress;
    std::vector<Rule> egress;

    [[nodiscard]] std::string to_yaml() const;
};

/// An address and, if it is an endpoint's, whose.
struct End {
    net::Address address;
    bool endpoint = false;
    std::string name_space;
    Labels labels;
};

struct Cluster {
    std::map<std::string, Labels> namespaces;
    std::vector<Policy> policies;

    /// Is a connection from here to there allowed, by policies of both?
    [[nodiscard]] bool allows(const End& from, const End& to, const std::string& protocol, unsigned port) const;
};

} // namespace weft::policy::naive
