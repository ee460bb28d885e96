// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/compiler.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::policy {

namespace {

LoweredPeer lower(const Peer& peer, LabelHash own_namespace) {
    LoweredPeer lowered;
    if (const auto* const block = std::get_if<IpBlock>(&peer)) {
        lowered.block = *block;
        return lowered;
    }
    const auto& endpoints = std::get<EndpointSelector>(peer);
    if (endpoints.namespaces) {
        lowered.namespaces.emplace(*endpoints.namespaces, HashedSelector::Subject::name_space);
    } else {
        lowered.name_space = own_namespace;
    }
    if (endpoints.pods) lowered.pods.emplace(*endpoints.pods, HashedSelector::Subject::endpoint);
    return lowered;
}

LoweredRule lower(const Rule& rule, LabelHash own_namespace) {
    LoweredRule lowered;
    for (const Peer& peer : rule.peers)
        lowered.peers.push_back(lower(peer, own_namespace));
    for (const Port& each : rule.ports) {
        const auto* const range = std::get_if<PortRange>(&each);
        if (range == nullptr) continue;
        if (range->first <= 1 && range->last == 65535) {
            lowered.ports.emplace_back(range->protocol, 0);
            continue;
        }
        for (std::uint32_t port = range->first; port <= range->last; ++port)
            lowered.ports.emplace_back(range->protocol, static_cast<std::uint16_t>(port));
    }
    if (rule.ports.empty()) lowered.ports.emplace_back(0, 0);
    return lowered;
}

LoweredDirection lower(const Direction& direction, weft_direction which, std::string_view policy,
                       LabelHash own_namespace, const NumberRule& number_rule) {
    LoweredDirection lowered;
    lowered.direction = which;
    lowered.isolates = direction.isolates;
    if (!direction.isolates) return lowered;
    const std::string_view name = which == WEFT_INGRESS ? "ingress" : "egress";
    lowered.isolation_rule = number_rule(fmt::format("{} isolation of {}", name, policy));
    for (std::size_t i = 0; i < direction.rules.size(); ++i) {
        lowered.rules.push_back(lower(direction.rules[i], own_namespace));
        lowered.rules.back().number = number_rule(fmt::format("{} rule {} of {}", name, i + 1, policy));
    }
    return lowered;
}

void add_entries(Entries& entries, const LoweredDirection& direction, std::span<const NumberedIdentity> peers) {
    for (const LoweredRule& rule : direction.rules) {
        const auto allow = [&](std::uint32_t peer) {
            for (const auto& [protocol, port] : rule.ports)
                entries.try_emplace({peer, direction.direction, protocol, port}, EntryValue{WEFT_ALLOW, rule.number});
        };
        if (rule.peers.empty()) {
            allow(identity_any);
            continue;
        }
        for (const auto& [number, identity] : peers)
            if (std::ranges::any_of(rule.peers, [&](const LoweredPeer& peer) { return peer.matches(*identity); }))
                allow(number);
    }
}

} // namespace

bool LoweredPeer::matches(const Identity& identity) const {
    if (block) {
        const auto in = [&](const net::Prefix& cidr) { return std::ranges::binary_search(identity.cidrs, cidr); };
        return in(block->cidr) && std::ranges::none_of(block->except, in);
    }
    if (!identity.labels.is_endpoint()) return false;
    if (name_space && !identity.labels.contains(*name_space)) return false;
    if (namespaces && !namespaces->matches(identity.labels)) return false;
    return !pods || pods->matches(identity.labels);
}

LoweredPolicy lower(const Policy& policy, const NumberRule& number_rule) {
    const LabelHash own_namespace = hash_label(LabelKind::namespace_name, policy.name.name_space);
    const std::string name = policy.name.to_string();
    return {.name_space = own_namespace,
            .pods = HashedSelector(policy.subject.pods.value_or(LabelSelector{}), HashedSelector::Subject::endpoint),
            .directions = {lower(policy.ingress, WEFT_INGRESS, name, own_namespace, number_rule),
                           lower(policy.egress, WEFT_EGRESS, name, own_namespace, number_rule)}};
}

Entries compile(std::span<const LoweredPolicy* const> policies, const HashedLabels& local,
                std::span<const NumberedIdentity> peers) {
    Entries entries;
    std::array<std::uint32_t, 2> isolation{};
    for (const LoweredPolicy* policy : policies) {
        if (!policy->selects(local)) continue;
        for (std::size_t i = 0; i < isolation.size(); ++i) {
            const LoweredDirection& direction = policy->directions[i];
            if (!direction.isolates) continue;
            if (isolation[i] == 0) isolation[i] = direction.isolation_rule;
            add_entries(entries, direction, peers);
        }
    }
    // Last: where a rule allows everyone everything, there is nothing left to deny.
    for (const auto& [which, rule] : {std::pair{WEFT_INGRESS, isolation[0]}, std::pair{WEFT_EGRESS, isolation[1]}})
        if (rule != 0) entries.try_emplace({identity_any, which, 0, 0}, EntryValue{WEFT_DENY, rule});
    return entries;
}

fastpath::PolicyKey to_message(std::uint32_t local, const EntryKey& key) {
    fastpath::PolicyKey message;
    message.set_direction(key.direction == WEFT_INGRESS ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS);
    message.set_local_identity(local);
    message.set_peer_identity(key.peer);
    message.set_protocol(key.protocol);
    message.set_port(key.port);
    return message;
}

fastpath::PolicyEntry to_message(std::uint32_t local, const EntryKey& key, const EntryValue& value) {
    fastpath::PolicyEntry message;
    *message.mutable_key() = to_message(local, key);
    message.set_verdict(value.verdict == WEFT_ALLOW ? fastpath::VERDICT_ALLOW : fastpath::VERDICT_DENY);
    message.set_precedence(value.verdict == WEFT_ALLOW ? 1 : 0);
    message.set_rule(value.rule);
    return message;
}

} // namespace weft::policy
