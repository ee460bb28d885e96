// SPDX-License-Identifier: BSD-3-Clause
// A selector over hashes: what the compiler evaluates, for local and remote endpoints alike. Selectors that ask the
// same, in whatever order, are equal.
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
    /// Both of its selectors, or the namespace that it is confined to where it has none for namespaces.
    HashedSelector(const EndpointSelector& selector, std::string_view own_namespace);

    [[nodiscard]] bool matches(const HashedLabels& labels) const;

    friend auto operator<=>(const HashedSelector&, const HashedSelector&) = default;

  private:
    struct Term {
        std::vector<LabelHash> any_of; ///< sorted
        bool wanted = true;            ///< any of them present; otherwise none of them

        friend auto operator<=>(const Term&, const Term&) = default;
    };

    void add(const LabelSelector& selector, Subject subject);
    void normalize();

    std::vector<Term> terms_; ///< sorted, no duplicates
};

} // namespace weft::policy
