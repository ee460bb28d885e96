// SPDX-License-Identifier: BSD-3-Clause
// Policies' words: what people write and read for a tier, a kind and a name.
#include "controlplane/policy/policy_model.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "controlplane/policy/labels.hpp"

namespace weft::policy {

namespace {

struct KindWords {
    std::string_view name;
    std::string_view prefix; ///< of a PolicyName; a NetworkPolicy has its namespace instead
};

/// By Kind.
constexpr std::array<KindWords, 4> kind_words{{{"NetworkPolicy", ""},
                                               {"ClusterNetworkPolicy", "cnp"},
                                               {"AdminNetworkPolicy", "anp"},
                                               {"BaselineAdminNetworkPolicy", "banp"}}};

} // namespace

std::string_view to_string(Tier tier) {
    constexpr std::array<std::string_view, 3> names{"admin", "network_policy", "baseline"};
    return names[std::to_underlying(tier)];
}

std::string_view to_string(Kind kind) { return kind_words[std::to_underlying(kind)].name; }

std::string PolicyName::to_string() const {
    if (kind == Kind::network_policy) return fmt::format("{}/{}", name_space, name);
    return fmt::format("{}:{}", kind_words[std::to_underlying(kind)].prefix, name);
}

Result<PolicyName> PolicyName::parse(std::string_view text) {
    PolicyName parsed;
    if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        const auto known = std::ranges::find(kind_words, text.substr(0, colon), &KindWords::prefix);
        if (colon == 0 || known == kind_words.end())
            return fail(ErrorCode::invalid,
                        fmt::format("policy '{}': want NAME, NAMESPACE/NAME, cnp:NAME, anp:NAME or banp:NAME",
                                    text.substr(0, 80)));
        parsed.kind = static_cast<Kind>(known - kind_words.begin());
        text.remove_prefix(colon + 1);
    } else {
        const auto slash = text.find('/');
        parsed.name_space = slash == std::string_view::npos ? "default" : text.substr(0, slash);
        if (slash != std::string_view::npos) text.remove_prefix(slash + 1);
        if (auto checked = check_namespace_name(parsed.name_space); !checked)
            return std::unexpected(std::move(checked).error());
    }
    parsed.name = text;
    if (auto checked = check_policy_name(parsed.name); !checked)
        return std::unexpected(std::move(checked).error().in("policy"));
    return parsed;
}

} // namespace weft::policy
