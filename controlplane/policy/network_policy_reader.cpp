// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/network_policy_reader.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "controlplane/policy/api_object.hpp"

namespace weft::policy {

namespace {

IpBlock read_ip_block(const YamlField& field) {
    field.expect_map({"cidr", "except"});
    IpBlock block;
    block.cidr = read_cidr(field.field("cidr"));
    for (const YamlField& item : field.field("except").items()) {
        const net::Prefix except = read_cidr(item);
        if (except == block.cidr || !block.cidr.contains(except))
            item.refuse(ErrorCode::invalid,
                        fmt::format("{} is not a part of {}", except.to_string(), block.cidr.to_string()));
        block.except.push_back(except);
    }
    return block;
}

Peer read_peer(const YamlField& field) {
    field.expect_map({"podSelector", "namespaceSelector", "ipBlock"});
    EndpointSelector endpoints{.pods = read_optional_selector(field.field("podSelector")),
                               .namespaces = read_optional_selector(field.field("namespaceSelector"))};
    const bool selects = endpoints.pods || endpoints.namespaces;
    const YamlField block = field.field("ipBlock");
    if (!block.present()) {
        if (!selects)
            field.refuse(ErrorCode::invalid, "names no peer: want podSelector, namespaceSelector or ipBlock");
        return endpoints;
    }
    if (selects)
        block.refuse(ErrorCode::invalid, "stands alone: write two peers instead of ipBlock beside a selector");
    return read_ip_block(block);
}

/// What has a letter in it was meant as a name, whatever else is wrong with it; but for 0x50.
bool is_name(const YamlField& port) {
    return port.present() && port.node()->kind == YamlNode::Kind::scalar && !port.is_number() &&
           std::ranges::any_of(port.node()->text, [](unsigned char c) { return std::isalpha(c) != 0; });
}

Port read_port(const YamlField& field) {
    field.expect_map({"protocol", "port", "endPort"});
    const std::uint8_t protocol = read_protocol(field.field("protocol"));
    const YamlField port = field.field("port");
    const YamlField end = field.field("endPort");
    if (is_name(port)) {
        if (end.present()) end.refuse(ErrorCode::invalid, "wants a port by number, where the range begins");
        return NamedPort{.protocol = protocol, .name = read_port_name(port)};
    }
    PortRange range{.protocol = protocol};
    if (!port.present()) {
        if (end.present()) end.refuse(ErrorCode::invalid, "wants a port, where the range begins");
        return range;
    }
    range.first = range.last = read_port_number(port);
    if (!end.present()) return range;
    const auto last = end.number();
    if (!last || *last < range.first || *last > 65535) {
        end.refuse(ErrorCode::invalid, fmt::format("want a number from {} (port) to 65535", range.first));
    } else {
        range.last = static_cast<std::uint16_t>(*last);
    }
    return range;
}

Rule read_rule(const YamlField& field, std::string_view peers) {
    if (!field.present()) field.refuse(ErrorCode::invalid, "want a rule; {} is the one that allows everything");
    field.expect_map({peers, "ports"});
    Rule rule;
    for (const YamlField& item : field.field(peers).items())
        rule.peers.push_back(read_peer(item));
    for (const YamlField& item : field.field("ports").items()) {
        if (!item.present()) item.refuse(ErrorCode::invalid, "want a port");
        rule.ports.push_back(read_port(item));
    }
    return rule;
}

void read_policy_types(const YamlField& field, Policy& policy) {
    const auto types = field.items();
    if (types.empty()) {
        policy.ingress.isolates = true;
        policy.egress.isolates = !policy.egress.rules.empty();
    }
    for (const YamlField& type : types) {
        const std::string name = type.text();
        if (name == "Ingress") {
            policy.ingress.isolates = true;
        } else if (name == "Egress") {
            policy.egress.isolates = true;
        } else {
            type.refuse(ErrorCode::invalid, "want Ingress or Egress");
        }
    }
}

} // namespace

void read_network_policy(const YamlField& object, Policy& policy) {
    policy.tier = Tier::network_policy;
    object.field("status").expect_map({});
    const YamlField spec = object.field("spec");
    spec.expect_map({"podSelector", "policyTypes", "ingress", "egress"});
    policy.subject.pods = read_label_selector(spec.field("podSelector"));
    for (const YamlField& item : spec.field("ingress").items())
        policy.ingress.rules.push_back(read_rule(item, "from"));
    for (const YamlField& item : spec.field("egress").items())
        policy.egress.rules.push_back(read_rule(item, "to"));
    read_policy_types(spec.field("policyTypes"), policy);
}

} // namespace weft::policy
