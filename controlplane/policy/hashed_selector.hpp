// SPDX-License-Identifier: BSD-3-Clause
// A label selector over hashes: what the compiler evaluates, for local and remote endpoints alike.
#pragma once

#include <vector>

#include "controlplane/policy/label_hash.hpp"
#include "controlplane/policy/policy_model.hpp"

namespace weft::policy {

class HashedSelector {
  public:
    /// Whose labels it looks at.
    enum class Subject : std::uint8_t { endpoint, name_space };

    HashedSelector(const LabelSelector& selector, Subject subject);

    [[nodiscard]] bool matches(const HashedLabels& labels) const;

  private:
    struct Term {
        std::vector<LabelHash> any_of;
        bool wanted = true; ///< any of them present; otherwise none of them
    };

    std::vector<Term> terms_;
};

} // namespace weft::policy
