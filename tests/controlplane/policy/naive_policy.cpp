// SPDX-License-Identifier: BSD-3-Clause
#include "tests/controlplane/policy/naive_policy.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::policy::naive {

namespace {

bool matches(const Selector& selector, const Labels& labels) {
    for (const auto& [key, value] : selector.match_labels) {
        const auto found = labels.find(key);
        if (found == labels.end() || found->second != value) return false;
    }
    for (const Expression& expression : selector.match_expressions) {
        const auto found = labels.find(expression.key);
        const bool listed =
            found != labels.end() && std::ranges::find(expression.values, found->second) != expression.values.end();
        if (expression.op == "In" && !listed) return false;
        if (expression.op == "NotIn" && listed) return false;
        if (expression.op == "Exists" && found == labels.end()) return false;
        if (expression.op == "DoesNotExist" && found != labels.end()) return false;
    }
    return true;
}

bool matches(const Peer& peer, const Cluster& cluster, const Policy& policy, const End& end) {
    if (peer.block) {
        if (!peer.block->cidr.contains(end.address)) return false;
        return std::ranges::none_of(peer.block->except,
                                    [&](const net::Prefix& except) { return except.contains(end.address); });
    }
    if (!end.endpoint) return false;
    if (peer.namespaces) {
        Labels labels;
        if (const auto found = cluster.namespaces.find(end.name_space); found != cluster.namespaces.end())
            labels = found->second;
        labels["kubernetes.io/metadata.name"] = end.name_space;
        if (!matches(*peer.namespaces, labels)) return false;
    } else if (end.name_space != policy.name_space) {
        return false;
    }
    return !peer.pods || matches(*peer.pods, end.labels);
}

bool matches(const Port& port, const std::string& protocol, unsigned number) {
    if ((port.protocol.empty() ? "TCP" : port.protocol) != protocol) return false;
    if (port.port == 0) return true;
    return port.end_port == 0 ? number == port.port : number >= port.port && number <= port.end_port;
}

/// One direction, seen from the end that the policies select.
bool allows(const Cluster& cluster, bool ingress, const End& selected, const End& other, const std::string& protocol,
            unsigned number) {
    if (!selected.endpoint) return true;
    bool isolated = false;
    for (const Policy& policy : cluster.policies) {
        if (policy.name_space != selected.name_space || !matches(policy.pods, selected.labels)) continue;
        const auto has_type = [&](const char* type) {
            return std::ranges::find(policy.types, type) != policy.types.end();
        };
        const bool applies =
            policy.types.empty() ? ingress || !policy.egress.empty() : has_type(ingress ? "Ingress" : "Egress");
        if (!applies) continue;
        isolated = true;
        for (const Rule& rule : ingress ? policy.ingress : policy.egress) {
            const bool peer_allowed = rule.peers.empty() || std::ranges::any_of(rule.peers, [&](const Peer& peer) {
                                          return matches(peer, cluster, policy, other);
                                      });
            const bool port_allowed = rule.ports.empty() || std::ranges::any_of(rule.ports, [&](const Port& port) {
                                          return matches(port, protocol, number);
                                      });
            if (peer_allowed && port_allowed) return true;
        }
    }
    return !isolated;
}

std::string to_yaml(const Selector& selector) {
    std::vector<std::string> labels;
    for (const auto& [key, value] : selector.match_labels)
        labels.push_back(fmt::format("{}: \"{}\"", key, value));
    std::vector<std::string> expressions;
    for (const Expression& expression : selector.match_expressions)
        expressions.push_back(expression.values.empty()
                                  ? fmt::format("{{key: {}, operator: {}}}", expression.key, expression.op)
                                  : fmt::format("{{key: {}, operator: {}, values: [{}]}}", expression.key,
                                                expression.op, fmt::join(expression.values, ", ")));
    return fmt::format("{{matchLabels: {{{}}}, matchExpressions: [{}]}}", fmt::join(labels, ", "),
                       fmt::join(expressions, ", "));
}

std::string to_yaml(const Peer& peer) {
    std::vector<std::string> fields;
    if (peer.pods) fields.push_back("podSelector: " + to_yaml(*peer.pods));
    if (peer.namespaces) fields.push_back("namespaceSelector: " + to_yaml(*peer.namespaces));
    if (peer.block) {
        std::vector<std::string> except;
        for (const auto& prefix : peer.block->except)
            except.push_back("\"" + prefix.to_string() + "\"");
        fields.push_back(fmt::format("ipBlock: {{cidr: \"{}\", except: [{}]}}", peer.block->cidr.to_string(),
                                     fmt::join(except, ", ")));
    }
    return fmt::format("{{{}}}", fmt::join(fields, ", "));
}

std::string to_yaml(const Port& port) {
    std::vector<std::string> fields;
    if (!port.protocol.empty()) fields.push_back("protocol: " + port.protocol);
    if (port.port != 0) fields.push_back(fmt::format("port: {}", port.port));
    if (port.end_port != 0) fields.push_back(fmt::format("endPort: {}", port.end_port));
    return fmt::format("{{{}}}", fmt::join(fields, ", "));
}

std::string to_yaml(const std::vector<Rule>& rules, const char* peers_name) {
    std::string text;
    for (const Rule& rule : rules) {
        std::vector<std::string> peers;
        std::vector<std::string> ports;
        for (const Peer& peer : rule.peers)
            peers.push_back(to_yaml(peer));
        for (const Port& port : rule.ports)
            ports.push_back(to_yaml(port));
        text += fmt::format("  - {}: [{}]\n    ports: [{}]\n", peers_name, fmt::join(peers, ", "),
                            fmt::join(ports, ", "));
    }
    return text;
}

} // namespace

std::string Policy::to_yaml() const {
    std::string text = fmt::format(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}, namespace: {}}}\nspec:\n"
        "  podSelector: {}\n",
        name, name_space, naive::to_yaml(pods));
    if (!types.empty()) text += fmt::format("  policyTypes: [{}]\n", fmt::join(types, ", "));
    if (!ingress.empty()) text += "  ingress:\n" + naive::to_yaml(ingress, "from");
    if (!egress.empty()) text += "  egress:\n" + naive::to_yaml(egress, "to");
    return text;
}

bool Cluster::allows(const End& from, const End& to, const std::string& protocol, unsigned port) const {
    return naive::allows(*this, false, from, to, protocol, port) &&
           naive::allows(*this, true, to, from, protocol, port);
}

} // namespace weft::policy::naive
