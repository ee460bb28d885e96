// SPDX-License-Identifier: BSD-3-Clause
// From YAML to NetworkPolicy. One function per object of the API, in the order in which they nest; their names are
// the API's.
#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "controlplane/policy/labels.hpp"
#include "controlplane/policy/network_policy.hpp"
#include "controlplane/policy/yaml_field.hpp"
#include "dataplane/pipeline/wire.h"

namespace weft::policy {

namespace {

std::vector<std::string> read_values(const YamlField& field) {
    std::vector<std::string> values;
    for (const YamlField& item : field.items()) {
        // "no" and 1 are other types than text in YAML, and label values are text: what was written is what is meant.
        values.push_back(item.text());
        if (!item.present()) item.refuse(ErrorCode::invalid, "want text");
        item.check(check_label_value(values.back()));
    }
    return values;
}

Requirement read_requirement(const YamlField& field) {
    field.expect_map({"key", "operator", "values"});
    Requirement requirement;
    const YamlField key = field.field("key");
    requirement.key = key.text();
    if (!key.present()) {
        key.refuse(ErrorCode::invalid, "missing");
    } else {
        key.check(check_label_key(requirement.key));
    }

    const YamlField op = field.field("operator");
    const std::string name = op.text();
    if (name == "In") {
        requirement.op = Operator::in;
    } else if (name == "NotIn") {
        requirement.op = Operator::not_in;
    } else if (name == "Exists") {
        requirement.op = Operator::exists;
    } else if (name == "DoesNotExist") {
        requirement.op = Operator::does_not_exist;
    } else {
        op.refuse(ErrorCode::invalid, "want In, NotIn, Exists or DoesNotExist");
    }
    const YamlField values = field.field("values");
    requirement.values = read_values(values);
    const bool wants_values = requirement.op == Operator::in || requirement.op == Operator::not_in;
    if (wants_values && requirement.values.empty())
        values.refuse(ErrorCode::invalid, fmt::format("{} wants at least one value", name));
    if (!wants_values && !requirement.values.empty())
        values.refuse(ErrorCode::invalid, fmt::format("{} takes no values", name));
    return requirement;
}

LabelSelector read_label_selector(const YamlField& field) {
    field.expect_map({"matchLabels", "matchExpressions"});
    LabelSelector selector;
    for (const auto& [key, value] : field.field("matchLabels").fields()) {
        value.check(check_label_key(key));
        if (!value.present())
            value.refuse(ErrorCode::invalid, "want a value; for any value use matchExpressions with Exists");
        value.check(check_label_value(value.text()));
        selector.requirements.push_back({key, Operator::in, {value.text()}});
    }
    for (const YamlField& item : field.field("matchExpressions").items())
        selector.requirements.push_back(read_requirement(item));
    return selector;
}

std::optional<LabelSelector> read_optional_selector(const YamlField& field) {
    if (!field.present()) return std::nullopt;
    return read_label_selector(field);
}

net::Prefix read_cidr(const YamlField& field) {
    if (!field.present()) {
        field.refuse(ErrorCode::invalid, "missing");
        return {};
    }
    const std::string text = field.text();
    auto prefix = net::Prefix::parse(text.substr(0, 80));
    if (!prefix) {
        field.refuse(prefix.error().code, prefix.error().message);
        return {};
    }
    if (!text.contains('/'))
        field.refuse(ErrorCode::invalid,
                     fmt::format("'{}' has no length: did you mean {}?", text, prefix->to_string()));
    return *prefix;
}

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
    Peer peer;
    peer.pods = read_optional_selector(field.field("podSelector"));
    peer.namespaces = read_optional_selector(field.field("namespaceSelector"));
    const YamlField block = field.field("ipBlock");
    if (block.present()) peer.block = read_ip_block(block);
    if (peer.block && (peer.pods || peer.namespaces))
        block.refuse(ErrorCode::invalid, "stands alone: write two peers instead of ipBlock beside a selector");
    if (!peer.block && !peer.pods && !peer.namespaces)
        field.refuse(ErrorCode::invalid, "names no peer: want podSelector, namespaceSelector or ipBlock");
    return peer;
}

std::uint16_t read_port_number(const YamlField& field) {
    const auto number = field.number();
    if (number && *number >= 1 && *number <= 65535) return static_cast<std::uint16_t>(*number);
    // A name has a letter in it (RFC 6335, section 5.1).
    const bool scalar = field.node()->kind == YamlNode::Kind::scalar;
    const bool name =
        scalar && std::ranges::any_of(field.text(), [](unsigned char c) { return std::isalpha(c) != 0; });
    if (number || !name) {
        field.refuse(ErrorCode::invalid, scalar && field.node()->quoted
                                             ? "want a number from 1 to 65535, without quotes"
                                             : "want a number from 1 to 65535");
    } else {
        field.refuse(ErrorCode::unsupported, "named ports are not supported yet; give a number");
    }
    return 0;
}

PortRange read_port(const YamlField& field) {
    field.expect_map({"protocol", "port", "endPort"});
    PortRange range;
    const YamlField protocol = field.field("protocol");
    const std::string name = protocol.present() ? protocol.text() : "TCP";
    if (name == "TCP") {
        range.protocol = WEFT_PROTO_TCP;
    } else if (name == "UDP") {
        range.protocol = WEFT_PROTO_UDP;
    } else if (name == "SCTP") {
        range.protocol = WEFT_PROTO_SCTP;
    } else {
        protocol.refuse(ErrorCode::invalid, "want TCP, UDP or SCTP");
    }
    const YamlField port = field.field("port");
    const YamlField end = field.field("endPort");
    if (port.present()) range.first = range.last = read_port_number(port);
    if (!end.present()) return range;
    if (!port.present()) {
        end.refuse(ErrorCode::invalid, "wants a port, where the range begins");
        return range;
    }
    const auto last = end.number();
    if (!last || *last < range.first || *last > 65535) {
        end.refuse(ErrorCode::invalid, fmt::format("want a number from {} (port) to 65535", range.first));
        return range;
    }
    if (range.first == 1 && *last == 65535) return {range.protocol, 0, 0};
    if (*last - range.first >= port_range_max)
        end.refuse(ErrorCode::unsupported,
                   fmt::format("ranges of more than {} ports are not supported yet; leave port out for all ports, "
                               "or write several ranges",
                               port_range_max));
    range.last = static_cast<std::uint16_t>(*last);
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

void read_policy_types(const YamlField& field, NetworkPolicy& policy) {
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

void read_spec(const YamlField& field, NetworkPolicy& policy) {
    field.expect_map({"podSelector", "policyTypes", "ingress", "egress"});
    policy.pods = read_label_selector(field.field("podSelector"));
    for (const YamlField& item : field.field("ingress").items())
        policy.ingress.rules.push_back(read_rule(item, "from"));
    for (const YamlField& item : field.field("egress").items())
        policy.egress.rules.push_back(read_rule(item, "to"));
    read_policy_types(field.field("policyTypes"), policy);
}

void read_metadata(const YamlField& field, NetworkPolicy& policy) {
    // Beside name and namespace: what describes the object without changing what it means.
    field.expect_map({"name", "namespace", "labels", "annotations", "creationTimestamp", "generation",
                      "managedFields", "resourceVersion", "selfLink", "uid"});
    const YamlField name = field.field("name");
    policy.name = name.text();
    if (!name.present()) {
        name.refuse(ErrorCode::invalid, "missing");
    } else {
        name.check(check_policy_name(policy.name));
    }
    const YamlField name_space = field.field("namespace");
    policy.name_space = name_space.present() ? name_space.text() : "default";
    name_space.check(check_namespace_name(policy.name_space));
}

/// "policy default/web", as far as the document says so, for errors about the rest of it; it may be anything.
std::string claimed_name(const YamlNode& node) {
    std::optional<Error> ignored;
    const YamlField metadata = YamlField(node, ignored).field("metadata");
    const std::string name = metadata.field("name").text();
    const std::string name_space = metadata.field("namespace").text();
    if (name.empty()) return "policy";
    return fmt::format("policy {}/{}", name_space.empty() ? "default" : name_space.substr(0, 80), name.substr(0, 80));
}

void check_type(const YamlField& root, bool in_list) {
    const YamlField kind = root.field("kind");
    const YamlField version = root.field("apiVersion");
    const std::string name = kind.text().substr(0, 80);
    const bool list = name == "List" || name == "NetworkPolicyList";
    if (list && in_list) kind.refuse(ErrorCode::invalid, "a list in a list");
    if (!list && name != "NetworkPolicy")
        kind.refuse(ErrorCode::unsupported,
                    fmt::format("{}; want NetworkPolicy",
                                name.empty() ? "missing" : fmt::format("'{}' is not supported", name)));
    const std::string_view wanted = name == "List" ? "v1" : "networking.k8s.io/v1";
    if (version.text() != wanted)
        version.refuse(ErrorCode::unsupported, fmt::format("want {} for a {}", wanted, name));
}

class Reader {
  public:
    Result<void> read(const YamlNode& node, bool in_list = false) {
        std::optional<Error> error;
        const YamlField root(node, error);
        if (node.kind != YamlNode::Kind::map) root.refuse(ErrorCode::invalid, "want a NetworkPolicy, which is a map");
        check_type(root, in_list);
        if (error) return std::unexpected(std::move(*error).in(claimed_name(node)));
        if (root.field("kind").text() != "NetworkPolicy") return read_list(root, error);
        NetworkPolicy policy;
        root.expect_map({"apiVersion", "kind", "metadata", "spec", "status"});
        read_metadata(root.field("metadata"), policy);
        read_spec(root.field("spec"), policy);
        root.field("status").expect_map({});
        if (!error && !names_.insert(policy.full_name()).second)
            root.refuse(ErrorCode::invalid, "stands in the text twice");
        if (error) return std::unexpected(std::move(*error).in(claimed_name(node)));
        documents_.push_back({std::move(policy), node.to_yaml()});
        return {};
    }

    std::vector<NetworkPolicyDocument> take() { return std::move(documents_); }

  private:
    Result<void> read_list(const YamlField& root, const std::optional<Error>& error) {
        root.expect_map({"apiVersion", "kind", "metadata", "items"});
        root.field("metadata").expect_map({"resourceVersion", "selfLink"});
        const auto items = root.field("items").items();
        if (error) return std::unexpected(Error(*error).in("list"));
        for (std::size_t i = 0; i < items.size(); ++i)
            if (auto done = read(*items[i].node(), true); !done)
                return fail_in(std::move(done), fmt::format("items[{}]", i));
        return {};
    }

    std::vector<NetworkPolicyDocument> documents_;
    std::set<std::string> names_;
};

} // namespace

Result<std::vector<NetworkPolicyDocument>> read_network_policies(std::string_view yaml) {
    if (yaml.size() > policy_text_max)
        return fail(ErrorCode::invalid, fmt::format("policy text of {} bytes: at most {} are read at once",
                                                    yaml.size(), policy_text_max));
    auto documents = read_yaml(yaml);
    if (!documents) return std::unexpected(std::move(documents).error());
    if (documents->empty()) return fail(ErrorCode::invalid, "no policy in the text");
    Reader reader;
    for (const YamlNode& document : *documents)
        if (auto read = reader.read(document); !read) return std::unexpected(std::move(read).error());
    return reader.take();
}

} // namespace weft::policy
