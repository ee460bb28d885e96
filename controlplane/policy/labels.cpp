// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/labels.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace weft::policy {

namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_alphanumeric(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_dns_label(std::string_view text) {
    if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
    return std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    return std::ranges::all_of(text | std::views::split('.'), [](const auto& part) {
        return is_dns_label(std::string_view(part.begin(), part.end()));
    });
}

/// Hostile text is shown, but not at its full length.
std::string shown(std::string_view text) {
    return text.size() <= 80 ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, 77));
}

constexpr std::string_view name_syntax =
    "at most 63 letters, digits, '-', '_' and '.', the first and last a letter or digit";
constexpr std::string_view subdomain_syntax = "lower-case letters, digits, '-' and '.', at most 253";

} // namespace

bool is_label_name(std::string_view text) {
    if (text.empty() || text.size() > 63 || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back()))
        return false;
    return std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

Result<void> check_label_key(std::string_view key) {
    const auto slash = key.find('/');
    if (slash != std::string_view::npos && !is_dns_subdomain(key.substr(0, slash)))
        return fail(ErrorCode::invalid,
                    fmt::format("label key {}: the part before '/' is a DNS name: {}", shown(key), subdomain_syntax));
    if (!is_label_name(slash == std::string_view::npos ? key : key.substr(slash + 1)))
        return fail(ErrorCode::invalid,
                    fmt::format("label key {}: want [DNS-NAME/]NAME, the name {}", shown(key), name_syntax));
    return {};
}

Result<void> check_label_value(std::string_view value) {
    if (!value.empty() && !is_label_name(value))
        return fail(ErrorCode::invalid,
                    fmt::format("label value {}: want nothing, or {}", shown(value), name_syntax));
    return {};
}

Result<void> check_namespace_name(std::string_view name) {
    if (!is_dns_label(name))
        return fail(
            ErrorCode::invalid,
            fmt::format("namespace {}: want at most 63 lower-case letters, digits and '-', no '-' at the ends",
                        shown(name)));
    return {};
}

Result<void> check_policy_name(std::string_view name) {
    if (!is_dns_subdomain(name))
        return fail(ErrorCode::invalid, fmt::format("name {}: want {}", shown(name), subdomain_syntax));
    return {};
}

Result<LabelSet> LabelSet::make(Map labels) {
    if (labels.size() > labels_max)
        return fail(ErrorCode::invalid,
                    fmt::format("{} labels: at most {} can travel on a route", labels.size(), labels_max));
    for (const auto& [key, value] : labels) {
        if (auto checked = check_label_key(key); !checked) return std::unexpected(std::move(checked).error());
        if (auto checked = check_label_value(value); !checked)
            return fail_in(std::move(checked), fmt::format("label {}", key));
    }
    return LabelSet(std::move(labels));
}

std::string LabelSet::to_string() const {
    std::string text;
    for (const auto& [key, value] : items_)
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
    return text;
}

Result<LabelSet> namespace_labels(std::string_view name, LabelSet::Map labels) {
    if (auto checked = check_namespace_name(name); !checked) return std::unexpected(std::move(checked).error());
    const auto [label, added] = labels.try_emplace(std::string(namespace_name_label), name);
    if (!added && label->second != name)
        return fail(ErrorCode::invalid, fmt::format("namespace {}: label {} is always the namespace's name, not '{}'",
                                                    name, namespace_name_label, label->second.substr(0, 63)));
    return LabelSet::make(std::move(labels));
}

} // namespace weft::policy
