// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/label_hash.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>

#include <fmt/format.h>
#include <openssl/sha.h>

namespace weft::policy {

namespace {

constexpr unsigned kind_shift = 60;

bool is_known_kind(LabelHash hash) {
    const auto kind = hash >> kind_shift;
    return kind >= static_cast<LabelHash>(LabelKind::endpoint_label) &&
           kind <= static_cast<LabelHash>(LabelKind::namespace_name);
}

void append(std::vector<LabelHash>& hashes, const LabelSet& labels, LabelKind label_kind, LabelKind key_kind) {
    for (const auto& [key, value] : labels.items()) {
        hashes.push_back(hash_label(label_kind, fmt::format("{}={}", key, value)));
        hashes.push_back(hash_label(key_kind, key));
    }
}

std::vector<LabelHash> hash_all(const LabelSet& labels, std::string_view name, const LabelSet& labels_of_namespace) {
    std::vector<LabelHash> hashes;
    append(hashes, labels, LabelKind::endpoint_label, LabelKind::endpoint_key);
    append(hashes, labels_of_namespace, LabelKind::namespace_label, LabelKind::namespace_key);
    hashes.push_back(hash_label(LabelKind::namespace_name, name));
    return hashes;
}

} // namespace

LabelHash hash_label(LabelKind kind, std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    LabelHash hash = 0;
    for (std::size_t i = 0; i < sizeof(hash); ++i)
        hash = hash << 8 | digest[i];
    return static_cast<LabelHash>(kind) << kind_shift | hash >> (64 - kind_shift);
}

HashedLabels::HashedLabels(std::vector<LabelHash> hashes) : hashes_(std::move(hashes)) {
    std::ranges::sort(hashes_);
    const auto duplicates = std::ranges::unique(hashes_);
    hashes_.erase(duplicates.begin(), duplicates.end());
}

HashedLabels::HashedLabels(const LabelSet& labels, std::string_view name, const LabelSet& labels_of_namespace) :
    HashedLabels(hash_all(labels, name, labels_of_namespace)) {}

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
    // Sorted by kind, and names of namespaces are the last kind.
    return !hashes_.empty() && hashes_.back() >> kind_shift == static_cast<LabelHash>(LabelKind::namespace_name);
}

} // namespace weft::policy
