// SPDX-License-Identifier: BSD-3-Clause
// Labels as people write them: `key=value` with Kubernetes' syntax. The API server checks endpoints' and namespaces'
// labels here, the NetworkPolicy reader its selectors; values only.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "routing/net/result.hpp"

namespace weft::policy {

/// The label that every namespace carries with its own name.
inline constexpr std::string_view namespace_name_label = "kubernetes.io/metadata.name";

/// More labels than this do not fit beside a route's other attributes in one BGP message.
inline constexpr std::size_t labels_max = 64;

/// 1 to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit: a key's name and a value, and
/// what endpoints and networks are called.
[[nodiscard]] bool is_label_name(std::string_view text);
/// "[prefix/]name": the prefix a DNS subdomain, the name as of is_label_name().
[[nodiscard]] Result<void> check_label_key(std::string_view key);
/// Empty, or as the name of a key.
[[nodiscard]] Result<void> check_label_value(std::string_view value);
/// A DNS label (RFC 1123): lower-case letters, digits and '-', at most 63.
[[nodiscard]] Result<void> check_namespace_name(std::string_view name);
/// A DNS subdomain: DNS labels joined by dots, at most 253.
[[nodiscard]] Result<void> check_policy_name(std::string_view name);

/// Keys with their values, sorted by key; every label valid.
class LabelSet {
  public:
    using Map = std::map<std::string, std::string, std::less<>>;

    LabelSet() = default;

    [[nodiscard]] static Result<LabelSet> make(Map labels);

    [[nodiscard]] const Map& items() const { return items_; }

    /// "app=web,tier=front"
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const LabelSet&, const LabelSet&) = default;

  private:
    explicit LabelSet(Map items) : items_(std::move(items)) {}

    Map items_;
};

/// A namespace's labels with the one that carries its name; a different value for that one is refused.
[[nodiscard]] Result<LabelSet> namespace_labels(std::string_view name, LabelSet::Map labels);

} // namespace weft::policy
