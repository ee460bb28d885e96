// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/label_hash.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <ranges>

#include <fmt/format.h>

#include "controlplane/policy/digest.hpp"

namespace weft::policy {

namespace {

constexpr unsigned kind_shift = 60;
constexpr unsigned protocol_shift = 16;

/// The protocols of ports with names; the place is the number that stands for it, none for 0.
constexpr std::array<std::uint8_t, 4> port_protocols{0, 6, 17, 132};

/// The least hash of the kind, which the least of the next is behind.
constexpr LabelHash first_of(LabelKind kind) { return static_cast<LabelHash>(kind) << kind_shift; }

bool is_known_kind(LabelHash hash) {
    const auto kind = hash >> kind_shift;
    return kind >= static_cast<LabelHash>(LabelKind::endpoint_label) &&
           kind <= static_cast<LabelHash>(LabelKind::port_name);
}

void append(std::vector<LabelHash>& hashes, const LabelSet& labels, LabelKind label_kind, LabelKind key_kind) {
    for (const auto& [key, value] : labels.items()) {
        hashes.push_back(hash_label(label_kind, fmt::format("{}={}", key, value)));
        hashes.push_back(hash_label(key_kind, key));
    }
}

std::vector<LabelHash> hash_all(const LabelSet& labels, std::string_view name, const LabelSet& labels_of_namespace,
                                std::span<const PortName> ports) {
    std::vector<LabelHash> hashes;
    append(hashes, labels, LabelKind::endpoint_label, LabelKind::endpoint_key);
    append(hashes, labels_of_namespace, LabelKind::namespace_label, LabelKind::namespace_key);
    hashes.push_back(hash_label(LabelKind::namespace_name, name));
    for (const PortName& port : ports)
        hashes.push_back(hash_port(port));
    return hashes;
}

} // namespace

LabelHash hash_label(LabelKind kind, std::string_view text) {
    return first_of(kind) | digest(text) >> (64 - kind_shift);
}

LabelHash hash_port_name(std::string_view name) { return name_of_port(hash_label(LabelKind::port_name, name)); }

LabelHash hash_port(const PortName& port) {
    const auto protocol = std::ranges::find(port_protocols, port.protocol) - port_protocols.begin();
    assert(protocol > 0 && protocol < std::ssize(port_protocols));
    return hash_port_name(port.name) | static_cast<LabelHash>(protocol) << protocol_shift | port.port;
}

std::optional<HashedPort> port_of(LabelHash hash) {
    const std::uint8_t protocol = port_protocols[hash >> protocol_shift & 3];
    if (protocol == 0) return std::nullopt;
    return HashedPort{protocol, static_cast<std::uint16_t>(hash)};
}

HashedLabels::HashedLabels(std::vector<LabelHash> hashes) : hashes_(std::move(hashes)) {
    std::ranges::sort(hashes_);
    const auto duplicates = std::ranges::unique(hashes_);
    hashes_.erase(duplicates.begin(), duplicates.end());
}

HashedLabels::HashedLabels(const LabelSet& labels, std::string_view name, const LabelSet& labels_of_namespace,
                           std::span<const PortName> ports) :
    HashedLabels(hash_all(labels, name, labels_of_namespace, ports)) {}

HashedLabels HashedLabels::of_host() {
    HashedLabels host;
    host.is_host_ = true;
    return host;
}

HashedLabels HashedLabels::from_communities(std::uint32_t marker, std::span<const bgp::LargeCommunity> communities) {
    std::vector<LabelHash> hashes;
    for (const auto& community : communities) {
        const LabelHash hash = LabelHash{community.local1} << 32 | community.local2;
        if (community.global == marker && is_known_kind(hash)) hashes.push_back(hash);
    }
    return HashedLabels(std::move(hashes));
}

std::optional<HashedLabels> HashedLabels::from_text(std::string_view text) {
    std::vector<LabelHash> hashes;
    if (text.empty()) return HashedLabels();
    for (const auto part : text | std::views::split('.')) {
        LabelHash hash = 0;
        const char* const end = std::to_address(part.end());
        const auto [stopped, status] = std::from_chars(std::to_address(part.begin()), end, hash, 16);
        if (status != std::errc{} || stopped != end || !is_known_kind(hash)) return std::nullopt;
        hashes.push_back(hash);
    }
    return HashedLabels(std::move(hashes));
}

std::vector<bgp::LargeCommunity> HashedLabels::to_communities(std::uint32_t marker) const {
    std::vector<bgp::LargeCommunity> communities;
    communities.reserve(hashes_.size());
    for (const LabelHash hash : hashes_)
        communities.push_back({.global = marker,
                               .local1 = static_cast<std::uint32_t>(hash >> 32),
                               .local2 = static_cast<std::uint32_t>(hash)});
    return communities;
}

std::string HashedLabels::to_text() const {
    std::string text;
    for (const LabelHash hash : hashes_)
        fmt::format_to(std::back_inserter(text), "{}{:016x}", text.empty() ? "" : ".", hash);
    return text;
}

bool HashedLabels::contains(LabelHash hash) const { return std::ranges::binary_search(hashes_, hash); }

bool HashedLabels::is_endpoint() const {
    const auto name = std::ranges::lower_bound(hashes_, first_of(LabelKind::namespace_name));
    return name != hashes_.end() && kind_of(*name) == LabelKind::namespace_name;
}

std::span<const LabelHash> HashedLabels::ports() const {
    // Sorted by kind, and ports are the last kind.
    return {std::ranges::lower_bound(hashes_, first_of(LabelKind::port_name)), hashes_.end()};
}

} // namespace weft::policy
