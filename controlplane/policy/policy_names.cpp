// SPDX-License-Identifier: BSD-3-Clause
// What PolicyEngine tells people: rules, and labels whose hashes came over the network.
#include <fmt/format.h>

#include "controlplane/policy/policy_engine.hpp"

namespace weft::policy {

namespace {

using Known = std::map<LabelHash, std::string>;

void learn(Known& known, LabelKind kind, std::string_view key, std::string_view value, std::string_view prefix) {
    const std::string label = fmt::format("{}={}", key, value);
    known.try_emplace(hash_label(kind, label), fmt::format("{}{}", prefix, label));
}

void learn(Known& known, const LabelSet& labels, LabelKind kind, std::string_view prefix) {
    for (const auto& [key, value] : labels.items())
        learn(known, kind, key, value, prefix);
}

constexpr std::string_view namespace_prefix = "namespace:";

void learn_name(Known& known, std::string_view name) {
    known.try_emplace(hash_label(LabelKind::namespace_name, name), fmt::format("namespace {}", name));
    // The label that repeats the name tells nothing more.
    known.try_emplace(hash_label(LabelKind::namespace_label, fmt::format("{}={}", namespace_name_label, name)), "");
}

void learn(Known& known, std::string_view port_name) { known.try_emplace(hash_port_name(port_name), port_name); }

void learn(Known& known, const std::optional<LabelSelector>& selector, LabelKind kind, std::string_view prefix) {
    if (!selector) return;
    for (const Requirement& requirement : selector->requirements)
        for (const std::string& value : requirement.values) {
            if (kind == LabelKind::namespace_label && requirement.key == namespace_name_label)
                learn_name(known, value);
            learn(known, kind, requirement.key, value, prefix);
        }
}

void learn(Known& known, const EndpointSelector& selector) {
    learn(known, selector.pods, LabelKind::endpoint_label, "");
    learn(known, selector.namespaces, LabelKind::namespace_label, namespace_prefix);
}

void learn(Known& known, const Rule& rule) {
    for (const Peer& peer : rule.peers)
        if (const auto* const selector = std::get_if<EndpointSelector>(&peer)) learn(known, *selector);
    for (const Port& port : rule.ports)
        if (const auto* const named = std::get_if<NamedPort>(&port)) learn(known, named->name);
}

/// "port http=80/TCP"; what it is called may not be known.
std::string port_text(LabelHash hash, const Known& known) {
    const auto port = port_of(hash);
    if (!port) return {};
    const auto name = known.find(name_of_port(hash));
    const PortName named{name != known.end() ? name->second : "?", port->protocol, port->port};
    return "port " + named.to_string();
}

std::vector<std::string> texts_of(const HashedLabels& labels, const Known& known) {
    if (labels.is_host()) return {"host"};
    std::vector<std::string> texts;
    unsigned unknown = 0;
    for (const LabelHash hash : labels.hashes()) {
        const LabelKind kind = kind_of(hash);
        if (kind == LabelKind::endpoint_key || kind == LabelKind::namespace_key) continue;
        if (kind == LabelKind::port_name) {
            if (auto text = port_text(hash, known); !text.empty()) texts.push_back(std::move(text));
            continue;
        }
        const auto found = known.find(hash);
        if (found == known.end()) {
            ++unknown;
        } else if (!found->second.empty()) {
            texts.push_back(found->second);
        }
    }
    if (unknown > 0) texts.push_back(fmt::format("{} unknown label{}", unknown, unknown == 1 ? "" : "s"));
    return texts;
}

} // namespace

std::string PolicyEngine::rule_text(std::uint32_t rule) const {
    const std::string* const text = rules_.find(rule);
    return text != nullptr ? *text : std::string();
}

Known PolicyEngine::known_labels() const {
    Known known;
    for (const auto& [name, labels] : namespaces()) {
        learn_name(known, name);
        learn(known, labels, LabelKind::namespace_label, namespace_prefix);
    }
    for (const auto& [name, endpoint] : endpoints_) {
        learn(known, endpoint.settings.labels, LabelKind::endpoint_label, "");
        for (const PortName& port : endpoint.settings.named_ports)
            learn(known, port.name);
    }
    for (const auto& [name, applied] : policies_) {
        const Policy& policy = applied->document.policy;
        learn(known, policy.subject);
        for (const Direction* direction : {&policy.ingress, &policy.egress})
            for (const Rule& rule : direction->rules)
                learn(known, rule);
    }
    return known;
}

std::vector<std::string> PolicyEngine::describe(std::span<const bgp::LargeCommunity> communities,
                                                const Known& known) const {
    return texts_of(HashedLabels::from_communities(marker_, communities), known);
}

std::vector<std::string> PolicyEngine::describe(const HashedLabels& labels, const Known& known) {
    return texts_of(labels, known);
}

std::vector<std::string> PolicyEngine::describe(const Identity& identity, const Known& known) {
    std::vector<std::string> texts = texts_of(identity.labels, known);
    for (const net::Prefix& cidr : identity.cidrs)
        texts.push_back("in " + cidr.to_string());
    return texts.empty() ? std::vector<std::string>{"world"} : texts;
}

std::vector<std::string> PolicyEngine::describe(std::uint32_t number, const Known& known) const {
    if (number == identity_world) return {"world"};
    if (number == identity_unknown) return {"unknown"};
    const Identity* const identity = identities_.find(number);
    return identity != nullptr ? describe(*identity, known) : std::vector<std::string>{};
}

} // namespace weft::policy
