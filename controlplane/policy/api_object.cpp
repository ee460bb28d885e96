// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/api_object.hpp"

#include <fmt/format.h>

#include "controlplane/policy/labels.hpp"
#include "controlplane/policy/port_name.hpp"
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

bool read_audit(const YamlField& field) {
    if (field.node() == nullptr) return false;
    const std::string text = field.text();
    if (text != "true" && text != "false") field.refuse(ErrorCode::invalid, "want \"true\" or \"false\"");
    return text == "true";
}

} // namespace

void read_metadata(const YamlField& field, Policy& policy) {
    // Beside name and namespace: what describes the object without changing what it means.
    field.expect_map({"name", "namespace", "labels", "annotations", "creationTimestamp", "generation",
                      "managedFields", "resourceVersion", "selfLink", "uid"});
    const YamlField name = field.field("name");
    policy.name.name = name.text();
    if (!name.present()) {
        name.refuse(ErrorCode::invalid, "missing");
    } else {
        name.check(check_policy_name(policy.name.name));
    }
    const YamlField name_space = field.field("namespace");
    if (policy.name.kind == Kind::network_policy) {
        policy.name.name_space = name_space.present() ? name_space.text() : "default";
        name_space.check(check_namespace_name(policy.name.name_space));
    } else if (name_space.present()) {
        name_space.refuse(ErrorCode::invalid, fmt::format("{} has none: leave it out, and select namespaces in "
                                                          "spec.subject",
                                                          to_string(policy.name.kind)));
    }
    policy.audit = read_audit(field.field("annotations").field(audit_annotation));
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
    if (prefix->address().is_v4_mapped())
        field.refuse(ErrorCode::invalid, fmt::format("{} is IPv4-mapped, which no packet carries: write it as IPv4",
                                                     prefix->to_string()));
    return *prefix;
}

std::uint8_t read_protocol(const YamlField& field) {
    if (!field.present()) return WEFT_PROTO_TCP;
    const auto protocol = parse_port_protocol(field.text());
    if (!protocol) field.refuse(ErrorCode::invalid, "want TCP, UDP or SCTP");
    return protocol.value_or(0);
}

std::uint16_t read_port_number(const YamlField& field) {
    const auto number = field.number();
    if (number && *number >= 1 && *number <= 65535) return static_cast<std::uint16_t>(*number);
    if (!field.present()) {
        field.refuse(ErrorCode::invalid, "missing");
    } else {
        field.refuse(ErrorCode::invalid, field.node()->quoted ? "want a number from 1 to 65535, without quotes"
                                                              : "want a number from 1 to 65535");
    }
    return 0;
}

std::string read_port_name(const YamlField& field) {
    std::string name = field.text();
    field.check(check_port_name(name));
    if (field.is_number())
        field.refuse(ErrorCode::invalid,
                     fmt::format("'{}' is a number to YAML: put a name like this in quotes", name));
    return name;
}

} // namespace weft::policy
