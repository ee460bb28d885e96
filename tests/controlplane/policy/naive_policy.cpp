// SPDX-License-Identifier: BSD-3-Clause
#include "tests/controlplane/policy/naive_policy.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::policy::naive {

namespace {

// --- whom and what
// --------------------------------------------------------------------------------------------------

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

bool is_network_policy(const Policy& policy) { return policy.kind == "NetworkPolicy"; }

bool selects(const Peer& peer, const Cluster& cluster, const Policy& policy, const End& end) {
    if (!end.endpoint) return false;
    if (peer.namespaces) {
        Labels labels;
        if (const auto found = cluster.namespaces.find(end.name_space); found != cluster.namespaces.end())
            labels = found->second;
        labels["kubernetes.io/metadata.name"] = end.name_space;
        if (!matches(*peer.namespaces, labels)) return false;
    } else if (is_network_policy(policy) && end.name_space != policy.name_space) {
        return false;
    }
    return !peer.pods || matches(*peer.pods, end.labels);
}

bool matches(const Peer& peer, const Cluster& cluster, const Policy& policy, const End& end) {
    if (!peer.block) return selects(peer, cluster, policy, end);
    return peer.block->cidr.contains(end.address) &&
           std::ranges::none_of(peer.block->except,
                                [&](const net::Prefix& except) { return except.contains(end.address); });
}

/// A NetworkPolicy's port is TCP's unless it says otherwise; a name in the other kinds is of whichever protocol.
bool matches(const Port& port, const Policy& policy, const Question& question) {
    const std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    if (!port.name.empty()) {
        const End& destination = question.ingress ? question.local : question.peer;
        return std::ranges::any_of(destination.ports, [&](const PortName& named) {
            return destination.endpoint && named.name == port.name && named.protocol == question.protocol &&
                   named.port == question.port && (!is_network_policy(policy) || protocol == question.protocol);
        });
    }
    if (protocol != question.protocol) return false;
    if (port.port == 0) return true;
    return port.end_port == 0 ? question.port == port.port
                              : question.port >= port.port && question.port <= port.end_port;
}

/// The first rule that is about the question; its place, or how many there are.
std::size_t first_match(const Policy& policy, const Cluster& cluster, const Question& question) {
    const auto& rules = question.ingress ? policy.ingress : policy.egress;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const Rule& rule = rules[i];
        const bool peer_matches = rule.peers.empty() || std::ranges::any_of(rule.peers, [&](const Peer& peer) {
                                      return matches(peer, cluster, policy, question.peer);
                                  });
        const bool port_matches = rule.ports.empty() || std::ranges::any_of(rule.ports, [&](const Port& port) {
                                      return matches(port, policy, question);
                                  });
        if (peer_matches && port_matches) return i;
    }
    return rules.size();
}

// --- tiers
// ----------------------------------------------------------------------------------------------------------

std::string side(const Question& question) { return question.ingress ? "ingress" : "egress"; }

std::string rule_text(const Policy& policy, const Question& question, std::size_t place) {
    const Rule& rule = (question.ingress ? policy.ingress : policy.egress)[place];
    return fmt::format("{} rule {}{} of {}", side(question), place + 1,
                       rule.name.empty() ? "" : fmt::format(" ({})", rule.name), policy.full_name());
}

using Policies = std::vector<const Policy*>;

/// The policies of a tier that select the local end, in the order in which they are asked.
Policies policies_of(const Cluster& cluster, const std::string& tier, const End& local, bool with_audited) {
    Policies found;
    for (const Policy& policy : cluster.policies) {
        std::string own = policy.tier;
        if (is_network_policy(policy)) own = "NetworkPolicy";
        if (policy.kind == "AdminNetworkPolicy") own = "Admin";
        if (policy.kind == "BaselineAdminNetworkPolicy") own = "Baseline";
        if (own == tier && (with_audited || !policy.audit) && selects(policy.subject, cluster, policy, local))
            found.push_back(&policy);
    }
    const auto rank = [](const Policy& policy) {
        const bool cluster_policy = policy.kind == "ClusterNetworkPolicy";
        // The one baseline of the older API comes behind all of the newer one.
        const unsigned priority = policy.kind == "BaselineAdminNetworkPolicy" ? 1'000'000 : policy.priority;
        return std::tuple(priority, cluster_policy ? 0 : 1, policy.name_space, policy.name);
    };
    std::ranges::sort(found, [&](const Policy* a, const Policy* b) { return rank(*a) < rank(*b); });
    return found;
}

struct TierVerdict {
    bool decided = false;
    Verdict verdict;
};

/// Admin and baseline: the first rule that matches decides, unless it passes on to the next tier.
TierVerdict ask_in_order(const Policies& policies, const Cluster& cluster, const Question& question) {
    for (const Policy* policy : policies) {
        const auto& rules = question.ingress ? policy->ingress : policy->egress;
        const std::size_t place = first_match(*policy, cluster, question);
        if (place == rules.size()) continue;
        if (rules[place].action == "Pass") return {};
        return {true, {rules[place].action == "Allow", rule_text(*policy, question, place)}};
    }
    return {};
}

bool has_type(const Policy& policy, bool ingress) {
    if (policy.types.empty()) return ingress || !policy.egress.empty();
    return std::ranges::find(policy.types, ingress ? "Ingress" : "Egress") != policy.types.end();
}

/// NetworkPolicies only add: what any rule of any of them allows is allowed, and the rest is denied.
TierVerdict ask_network_policies(Policies policies, const Cluster& cluster, const Question& question) {
    std::erase_if(policies, [&](const Policy* policy) { return !has_type(*policy, question.ingress); });
    if (policies.empty()) return {};
    for (const Policy* policy : policies) {
        const std::size_t place = first_match(*policy, cluster, question);
        if (place < (question.ingress ? policy->ingress : policy->egress).size())
            return {true, {true, rule_text(*policy, question, place)}};
    }
    return {true, {false, fmt::format("{} isolation of {}", side(question), policies.front()->full_name())}};
}

// --- YAML
// -----------------------------------------------------------------------------------------------------------

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

std::string network_policy_peer(const Peer& peer) {
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

/// A subject or peer of the kinds without namespace.
std::string cluster_peer(const Peer& peer) {
    if (peer.block) return fmt::format("{{networks: [\"{}\"]}}", peer.block->cidr.to_string());
    const std::string namespaces = peer.namespaces ? to_yaml(*peer.namespaces) : "{}";
    if (!peer.pods) return fmt::format("{{namespaces: {}}}", namespaces);
    return fmt::format("{{pods: {{namespaceSelector: {}, podSelector: {}}}}}", namespaces, to_yaml(*peer.pods));
}

std::string network_policy_port(const Port& port) {
    std::vector<std::string> fields;
    if (!port.protocol.empty()) fields.push_back("protocol: " + port.protocol);
    if (!port.name.empty()) fields.push_back("port: " + port.name);
    if (port.port != 0) fields.push_back(fmt::format("port: {}", port.port));
    if (port.end_port != 0) fields.push_back(fmt::format("endPort: {}", port.end_port));
    return fmt::format("{{{}}}", fmt::join(fields, ", "));
}

std::string cluster_policy_port(const Port& port) {
    if (!port.name.empty()) return fmt::format("{{destinationNamedPort: {}}}", port.name);
    std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    std::ranges::transform(protocol, protocol.begin(), [](unsigned char c) { return std::tolower(c); });
    if (port.end_port == 0) return fmt::format("{{{}: {{destinationPort: {{number: {}}}}}}}", protocol, port.port);
    return fmt::format("{{{}: {{destinationPort: {{range: {{start: {}, end: {}}}}}}}}}", protocol, port.port,
                       port.end_port);
}

std::string admin_policy_port(const Port& port) {
    if (!port.name.empty()) return fmt::format("{{namedPort: {}}}", port.name);
    const std::string protocol = port.protocol.empty() ? "" : fmt::format("protocol: {}, ", port.protocol);
    if (port.end_port == 0) return fmt::format("{{portNumber: {{{}port: {}}}}}", protocol, port.port);
    return fmt::format("{{portRange: {{{}start: {}, end: {}}}}}", protocol, port.port, port.end_port);
}

std::string to_yaml(const Policy& policy, const std::vector<Rule>& rules, const char* peers_name) {
    const bool newer = policy.kind == "ClusterNetworkPolicy";
    const bool namespaced = is_network_policy(policy);
    std::string text;
    for (const Rule& rule : rules) {
        std::vector<std::string> fields;
        if (!rule.action.empty())
            fields.push_back("action: " + (newer && rule.action == "Allow" ? "Accept" : rule.action));
        if (!rule.name.empty()) fields.push_back(fmt::format("name: \"{}\"", rule.name));
        std::vector<std::string> peers;
        for (const Peer& peer : rule.peers)
            peers.push_back(namespaced ? network_policy_peer(peer) : cluster_peer(peer));
        fields.push_back(fmt::format("{}: [{}]", peers_name, fmt::join(peers, ", ")));
        std::vector<std::string> ports;
        for (const Port& port : rule.ports)
            ports.push_back(namespaced ? network_policy_port(port)
                            : newer    ? cluster_policy_port(port)
                                       : admin_policy_port(port));
        if (!ports.empty())
            fields.push_back(fmt::format("{}: [{}]", newer ? "protocols" : "ports", fmt::join(ports, ", ")));
        text += fmt::format("  - {{{}}}\n", fmt::join(fields, ", "));
    }
    return text;
}

} // namespace

std::string Policy::full_name() const {
    if (kind == "NetworkPolicy") return name_space + "/" + name;
    return (kind == "ClusterNetworkPolicy" ? "cnp:" : kind == "AdminNetworkPolicy" ? "anp:" : "banp:") + name;
}

std::string Policy::to_yaml() const {
    const bool namespaced = is_network_policy(*this);
    const char* const version = namespaced                       ? "networking.k8s.io/v1"
                                : kind == "ClusterNetworkPolicy" ? "policy.networking.k8s.io/v1alpha2"
                                                                 : "policy.networking.k8s.io/v1alpha1";
    std::string text = fmt::format("---\napiVersion: {}\nkind: {}\nmetadata:\n  name: {}\n", version, kind, name);
    if (namespaced) text += fmt::format("  namespace: {}\n", name_space);
    if (audit) text += "  annotations: {weft.dev/audit: \"true\"}\n";
    text += "spec:\n";
    if (!tier.empty()) text += fmt::format("  tier: {}\n", tier);
    if (!namespaced && kind != "BaselineAdminNetworkPolicy") text += fmt::format("  priority: {}\n", priority);
    text += namespaced ? fmt::format("  podSelector: {}\n", naive::to_yaml(*subject.pods))
                       : fmt::format("  subject: {}\n", cluster_peer(subject));
    if (!types.empty()) text += fmt::format("  policyTypes: [{}]\n", fmt::join(types, ", "));
    if (!ingress.empty()) text += "  ingress:\n" + naive::to_yaml(*this, ingress, "from");
    if (!egress.empty()) text += "  egress:\n" + naive::to_yaml(*this, egress, "to");
    return text;
}

Verdict Cluster::decide(const Question& question, bool with_audited) const {
    if (question.local.endpoint && question.peer.host) return {true, "host access"};
    const auto of = [&](const char* tier) { return policies_of(*this, tier, question.local, with_audited); };
    if (const auto admin = ask_in_order(of("Admin"), *this, question); admin.decided) return admin.verdict;
    if (const auto isolated = ask_network_policies(of("NetworkPolicy"), *this, question); isolated.decided)
        return isolated.verdict;
    if (const auto baseline = ask_in_order(of("Baseline"), *this, question); baseline.decided)
        return baseline.verdict;
    return {};
}

} // namespace weft::policy::naive
