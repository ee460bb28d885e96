// SPDX-License-Identifier: BSD-3-Clause
// LabelFilter: labels that stay on their host. What does not travel is unknown elsewhere, so `NotIn` and
// `DoesNotExist` would match who has it: no peer may be selected by such a key.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/policy/labels.hpp"
#include "controlplane/policy/policy_model.hpp"

namespace weft::policy {

class LabelFilter {
  public:
    /// Nothing stays.
    LabelFilter() = default;

    /// Keys that stay: "build-id", "example.com/build-id", or "example.com/*" for all of a prefix. The label that
    /// carries a namespace's name cannot.
    [[nodiscard]] static Result<LabelFilter> make(std::vector<std::string> keys);

    [[nodiscard]] bool stays(std::string_view key) const;
    /// Without those that stay.
    [[nodiscard]] LabelSet travelling(const LabelSet& labels) const;
    /// Fails for a policy whose peers are selected by what stays, and names the rule and the key.
    [[nodiscard]] Result<void> check(const Policy& policy) const;

  private:
    std::vector<std::string> keys_;
};

} // namespace weft::policy
