// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/label_filter.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::policy {

namespace {

constexpr std::string_view any_name = "/*";

/// The first key of the selector that stays.
const std::string* first_that_stays(const LabelFilter& filter, const std::optional<LabelSelector>& selector) {
    if (!selector) return nullptr;
    const auto found =
        std::ranges::find_if(selector->requirements, [&](const Requirement& each) { return filter.stays(each.key); });
    return found == selector->requirements.end() ? nullptr : &found->key;
}

const std::string* first_that_stays(const LabelFilter& filter, const Rule& rule) {
    for (const Peer& peer : rule.peers) {
        const auto* const selector = std::get_if<EndpointSelector>(&peer);
        if (selector == nullptr) continue;
        if (const auto* key = first_that_stays(filter, selector->pods)) return key;
        if (const auto* key = first_that_stays(filter, selector->namespaces)) return key;
    }
    return nullptr;
}

} // namespace

Result<LabelFilter> LabelFilter::make(std::vector<std::string> keys) {
    LabelFilter filter;
    filter.keys_ = std::move(keys);
    for (const std::string& key : filter.keys_) {
        // All names of a prefix: as the key of any of them.
        const std::string one = key.ends_with(any_name) ? key.substr(0, key.size() - 1) + "any" : key;
        if (auto checked = check_label_key(one); !checked)
            return fail(ErrorCode::invalid,
                        fmt::format("{}; PREFIX/* means all of a prefix", checked.error().message));
    }
    if (filter.stays(namespace_name_label))
        return fail(ErrorCode::invalid,
                    fmt::format("{} is who an endpoint is elsewhere: it has to travel", namespace_name_label));
    return filter;
}

bool LabelFilter::stays(std::string_view key) const {
    return std::ranges::any_of(keys_, [&](std::string_view each) {
        return each.ends_with(any_name) ? key.starts_with(each.substr(0, each.size() - 1)) : key == each;
    });
}

LabelSet LabelFilter::travelling(const LabelSet& labels) const {
    LabelSet::Map items = labels.items();
    std::erase_if(items, [&](const auto& item) { return stays(item.first); });
    return LabelSet::make(std::move(items)).value();
}

Result<void> LabelFilter::check(const Policy& policy) const {
    const auto in_direction = [&](std::string_view direction, const Direction& rules) -> Result<void> {
        for (std::size_t i = 0; i < rules.rules.size(); ++i)
            if (const auto* const key = first_that_stays(*this, rules.rules[i]))
                return fail(
                    ErrorCode::invalid,
                    fmt::format("policy {}: {} rule {}: peers cannot be selected by the label {}, which stays "
                                "on its host: select by another, or take it out of weftd --local-label",
                                policy.name.to_string(), direction, i + 1, *key));
        return {};
    };
    if (auto checked = in_direction("ingress", policy.ingress); !checked) return checked;
    return in_direction("egress", policy.egress);
}

} // namespace weft::policy
