// SPDX-License-Identifier: BSD-3-Clause
// The two versions of the API say the same in different words: a Dialect has the words, the functions below it the
// meaning. Limits are the API's.
#include "controlplane/policy/admin_policy_reader.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controlplane/policy/api_object.hpp"
#include "dataplane/pipeline/wire.h"

namespace weft::policy {

namespace {

constexpr std::size_t rule_name_max = 100; // characters
constexpr std::size_t networks_max = 25;

struct Dialect {
    std::string_view allow;        ///< what it calls Action::allow
    bool passes = false;           ///< there is a tier to pass to
    bool wants_namespaces = false; ///< `pods` says of which namespaces; otherwise, absent, of all
    std::size_t items_max = 0;     ///< of a rule's and a direction's lists
    std::string_view ports;        ///< the field that has a rule's ports
    Port (*read_port)(const YamlField& field) = nullptr;
};

/// The one field that a map has of those that it may have.
std::pair<std::string, YamlField> read_choice(const YamlField& field, std::initializer_list<std::string_view> known) {
    field.expect_map(known);
    std::optional<std::pair<std::string, YamlField>> chosen;
    for (auto& each : field.fields()) {
        if (!each.second.present()) continue;
        if (chosen)
            each.second.refuse(ErrorCode::invalid, fmt::format("stands beside {}: want only one of {}", chosen->first,
                                                               fmt::join(known, ", ")));
        chosen = std::move(each);
    }
    if (chosen) return *chosen;
    field.refuse(ErrorCode::invalid,
                 fmt::format("{}: want one of {}", field.present() ? "empty" : "missing", fmt::join(known, ", ")));
    return {"", field.field("")};
}

std::vector<YamlField> read_list(const YamlField& field, std::size_t max) {
    auto items = field.items();
    if (items.size() > max) field.refuse(ErrorCode::invalid, fmt::format("{} items: at most {}", items.size(), max));
    return items;
}

// --- whom --------------------------------------------------------------------------------------------------

LabelSelector read_required_selector(const YamlField& field) {
    if (!field.present()) field.refuse(ErrorCode::invalid, "missing; {} selects all");
    return read_label_selector(field);
}

EndpointSelector read_pods(const YamlField& field, const Dialect& dialect) {
    field.expect_map({"namespaceSelector", "podSelector"});
    const YamlField namespaces = field.field("namespaceSelector");
    return {.pods = read_required_selector(field.field("podSelector")),
            .namespaces =
                dialect.wants_namespaces ? read_required_selector(namespaces) : read_label_selector(namespaces)};
}

EndpointSelector read_endpoints(const std::string& name, const YamlField& field, const Dialect& dialect) {
    if (name == "pods") return read_pods(field, dialect);
    return {.pods = std::nullopt, .namespaces = read_label_selector(field)};
}

void read_networks(const YamlField& field, std::vector<Peer>& peers) {
    const auto items = read_list(field, networks_max);
    if (items.empty()) field.refuse(ErrorCode::invalid, "empty: want at least one CIDR");
    for (const YamlField& item : items)
        peers.emplace_back(IpBlock{.cidr = read_cidr(item), .except = {}});
}

void read_source(const YamlField& field, const Dialect& dialect, std::vector<Peer>& peers) {
    const auto [name, choice] = read_choice(field, {"namespaces", "pods"});
    peers.emplace_back(read_endpoints(name, choice, dialect));
}

void read_destination(const YamlField& field, const Dialect& dialect, std::vector<Peer>& peers) {
    const auto [name, choice] = read_choice(field, {"namespaces", "pods", "networks", "nodes", "domainNames"});
    if (name == "networks") {
        read_networks(choice, peers);
    } else if (name == "nodes") {
        choice.refuse(ErrorCode::unsupported, "hosts carry no labels in weft; name their addresses in networks");
    } else if (name == "domainNames") {
        choice.refuse(ErrorCode::unsupported, "weft does not resolve names; name the addresses in networks");
    } else {
        peers.emplace_back(read_endpoints(name, choice, dialect));
    }
}

// --- what --------------------------------------------------------------------------------------------------

PortRange read_range(const YamlField& field, std::uint8_t protocol) {
    const YamlField end = field.field("end");
    const PortRange range{protocol, read_port_number(field.field("start")), read_port_number(end)};
    if (range.last <= range.first) end.refuse(ErrorCode::invalid, "want a number greater than start");
    return range;
}

PortRange single(std::uint8_t protocol, std::uint16_t port) { return {protocol, port, port}; }

/// An item of ClusterNetworkPolicy's `protocols`.
Port read_protocol_match(const YamlField& field) {
    const auto [name, choice] = read_choice(field, {"tcp", "udp", "sctp", "destinationNamedPort"});
    if (name == "destinationNamedPort") return NamedPort{.protocol = 0, .name = read_port_name(choice)};
    const std::uint8_t protocol = name == "tcp" ? WEFT_PROTO_TCP : name == "udp" ? WEFT_PROTO_UDP : WEFT_PROTO_SCTP;
    choice.expect_map({"destinationPort"});
    const auto [kind, port] = read_choice(choice.field("destinationPort"), {"number", "range"});
    if (kind != "range") return single(protocol, read_port_number(port));
    port.expect_map({"start", "end"});
    return read_range(port, protocol);
}

/// An item of the v1alpha1 kinds' `ports`.
Port read_admin_port(const YamlField& field) {
    const auto [name, choice] = read_choice(field, {"portNumber", "portRange", "namedPort"});
    if (name == "namedPort") return NamedPort{.protocol = 0, .name = read_port_name(choice)};
    if (name == "portRange") {
        choice.expect_map({"protocol", "start", "end"});
        return read_range(choice, read_protocol(choice.field("protocol")));
    }
    choice.expect_map({"protocol", "port"});
    return single(read_protocol(choice.field("protocol")), read_port_number(choice.field("port")));
}

void read_ports(const YamlField& field, const Dialect& dialect, Rule& rule) {
    const auto items = read_list(field, dialect.items_max);
    if (field.present() && items.empty())
        field.refuse(ErrorCode::invalid, "empty: leave it out for every port of every protocol");
    const bool networks =
        std::ranges::any_of(rule.peers, [](const Peer& peer) { return std::holds_alternative<IpBlock>(peer); });
    for (const YamlField& item : items) {
        rule.ports.push_back(dialect.read_port(item));
        if (networks && std::holds_alternative<NamedPort>(rule.ports.back()))
            item.refuse(ErrorCode::invalid, "networks do not name their ports; give a number, or write two rules");
    }
}

// --- rules -------------------------------------------------------------------------------------------------

Action read_action(const YamlField& field, const Dialect& dialect) {
    const std::string name = field.text();
    if (name == "Deny") return Action::deny;
    if (name == "Pass" && dialect.passes) return Action::pass;
    if (name != dialect.allow)
        field.refuse(ErrorCode::invalid,
                     fmt::format("want {}{}", dialect.allow, dialect.passes ? ", Deny or Pass" : " or Deny"));
    return Action::allow;
}

/// Free text, which logs and `weft explain` show on one line.
std::string read_rule_name(const YamlField& field) {
    std::string name = field.text();
    // Bytes that continue a character of UTF-8 do not count.
    const auto characters = std::ranges::count_if(name, [](unsigned char c) { return (c & 0xC0U) != 0x80U; });
    const bool one_line = std::ranges::none_of(name, [](unsigned char c) { return c < ' ' || c == 0x7F; });
    if (std::cmp_greater(characters, rule_name_max) || !one_line)
        field.refuse(ErrorCode::invalid, fmt::format("want at most {} characters, on one line", rule_name_max));
    return name;
}

using ReadPeer = void (*)(const YamlField& field, const Dialect& dialect, std::vector<Peer>& peers);

Rule read_rule(const YamlField& field, std::string_view peers, ReadPeer read_peer, const Dialect& dialect) {
    field.expect_map({"name", "action", peers, dialect.ports});
    Rule rule{.action = read_action(field.field("action"), dialect), .name = read_rule_name(field.field("name"))};
    const YamlField list = field.field(peers);
    const auto items = read_list(list, dialect.items_max);
    if (items.empty())
        list.refuse(ErrorCode::invalid, "names nobody: want at least one peer; {namespaces: {}} is every endpoint");
    for (const YamlField& item : items)
        read_peer(item, dialect, rule.peers);
    read_ports(field.field(dialect.ports), dialect, rule);
    return rule;
}

/// What all of them have in their spec.
void read_subject_and_rules(const YamlField& spec, const Dialect& dialect, Policy& policy) {
    const auto [name, subject] = read_choice(spec.field("subject"), {"namespaces", "pods"});
    policy.subject = read_endpoints(name, subject, dialect);
    for (const YamlField& item : read_list(spec.field("ingress"), dialect.items_max))
        policy.ingress.rules.push_back(read_rule(item, "from", read_source, dialect));
    for (const YamlField& item : read_list(spec.field("egress"), dialect.items_max))
        policy.egress.rules.push_back(read_rule(item, "to", read_destination, dialect));
}

std::uint32_t read_priority(const YamlField& field) {
    const auto priority = field.number();
    if (priority && *priority <= priority_max) return static_cast<std::uint32_t>(*priority);
    field.refuse(ErrorCode::invalid, fmt::format("{}want a number from 0 to {}",
                                                 field.node() == nullptr ? "missing: " : "", priority_max));
    return 0;
}

Tier read_tier(const YamlField& field) {
    const std::string name = field.text();
    if (name == "Baseline") return Tier::baseline;
    if (name != "Admin") field.refuse(ErrorCode::invalid, "want Admin or Baseline");
    return Tier::admin;
}

constexpr Dialect cluster_dialect{.allow = "Accept",
                                  .passes = true,
                                  .wants_namespaces = false,
                                  .items_max = 25,
                                  .ports = "protocols",
                                  .read_port = read_protocol_match};

constexpr Dialect admin_dialect{.allow = "Allow",
                                .passes = true,
                                .wants_namespaces = true,
                                .items_max = 100,
                                .ports = "ports",
                                .read_port = read_admin_port};

constexpr Dialect baseline_dialect = [] {
    Dialect dialect = admin_dialect;
    dialect.passes = false;
    return dialect;
}();

/// The API server writes conditions, which change nothing.
void check_status(const YamlField& object) { object.field("status").expect_map({"conditions"}); }

} // namespace

void read_cluster_network_policy(const YamlField& object, Policy& policy) {
    check_status(object);
    const YamlField spec = object.field("spec");
    spec.expect_map({"tier", "priority", "subject", "ingress", "egress"});
    policy.tier = read_tier(spec.field("tier"));
    policy.priority = read_priority(spec.field("priority"));
    read_subject_and_rules(spec, cluster_dialect, policy);
}

void read_admin_network_policy(const YamlField& object, Policy& policy) {
    check_status(object);
    const YamlField spec = object.field("spec");
    spec.expect_map({"priority", "subject", "ingress", "egress"});
    policy.tier = Tier::admin;
    policy.priority = read_priority(spec.field("priority"));
    read_subject_and_rules(spec, admin_dialect, policy);
}

void read_baseline_admin_network_policy(const YamlField& object, Policy& policy) {
    check_status(object);
    if (policy.name.name != "default")
        object.field("metadata").field("name").refuse(ErrorCode::invalid, "the one baseline is called default");
    const YamlField spec = object.field("spec");
    spec.expect_map({"subject", "ingress", "egress"});
    policy.tier = Tier::baseline;
    policy.priority = priority_max + 1;
    read_subject_and_rules(spec, baseline_dialect, policy);
}

} // namespace weft::policy
