// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/identity.hpp"

#include <algorithm>
#include <ranges>

namespace weft::policy {

Identity Identity::of(HashedLabels labels, std::vector<net::Prefix> cidrs) {
    if (labels.is_host()) cidrs.clear();
    return {std::move(labels), std::move(cidrs)};
}

std::string Identity::to_text() const {
    std::string text = labels.to_text() + "|";
    for (const auto& cidr : cidrs)
        text += (text.back() == '|' ? "" : ",") + cidr.to_string();
    return text;
}

std::optional<Identity> Identity::from_text(std::string_view text) {
    const auto bar = text.find('|');
    if (bar == std::string_view::npos) return std::nullopt;
    auto labels = HashedLabels::from_text(text.substr(0, bar));
    if (!labels) return std::nullopt;
    Identity identity{std::move(*labels), {}};
    const std::string_view cidrs = text.substr(bar + 1);
    if (cidrs.empty()) return identity;
    for (const auto part : cidrs | std::views::split(',')) {
        const auto cidr = net::Prefix::parse(std::string_view(part.begin(), part.end()));
        if (!cidr) return std::nullopt;
        identity.cidrs.push_back(*cidr);
    }
    std::ranges::sort(identity.cidrs);
    return identity;
}

bool IdentityTable::restore(std::uint32_t number, const std::string& text) {
    return Identity::from_text(text) && numbers_.restore(number, text);
}

NumberTable::Acquired IdentityTable::acquire(const Identity& identity) {
    if (identity == Identity{}) return {identity_world, false};
    const auto [item, added] = items_.try_emplace(identity);
    if (added) {
        item->second.number = identity.labels.is_host() ? identity_host : numbers_.acquire(identity.to_text()).number;
        by_number_.emplace(item->second.number, item);
    }
    ++item->second.uses;
    return {item->second.number, added};
}

bool IdentityTable::release(std::uint32_t number) {
    const auto found = by_number_.find(number);
    if (found == by_number_.end() || --found->second->second.uses > 0) return false;
    items_.erase(found->second);
    by_number_.erase(found);
    if (number != identity_host) numbers_.release(number);
    return true;
}

std::vector<std::uint32_t> IdentityTable::hold() {
    std::vector<std::uint32_t> held;
    held.reserve(items_.size());
    for (Item& item : items_ | std::views::values) {
        ++item.uses;
        held.push_back(item.number);
    }
    return held;
}

const Identity* IdentityTable::find(std::uint32_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : &found->second->first;
}

} // namespace weft::policy
