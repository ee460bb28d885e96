// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/hashed_selector.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::policy {

namespace {

template <class T>
void sort_and_unite(std::vector<T>& items) {
    std::ranges::sort(items);
    const auto duplicates = std::ranges::unique(items);
    items.erase(duplicates.begin(), duplicates.end());
}

} // namespace

HashedSelector::HashedSelector(const LabelSelector& selector, Subject subject) {
    add(selector, subject);
    normalize();
}

HashedSelector::HashedSelector(const EndpointSelector& selector, std::string_view own_namespace) {
    if (selector.namespaces) {
        add(*selector.namespaces, Subject::name_space);
    } else {
        terms_.push_back({.any_of = {hash_label(LabelKind::namespace_name, own_namespace)}});
    }
    if (selector.pods) add(*selector.pods, Subject::endpoint);
    normalize();
}

void HashedSelector::add(const LabelSelector& selector, Subject subject) {
    const bool endpoint = subject == Subject::endpoint;
    const LabelKind label = endpoint ? LabelKind::endpoint_label : LabelKind::namespace_label;
    const LabelKind key = endpoint ? LabelKind::endpoint_key : LabelKind::namespace_key;
    for (const Requirement& requirement : selector.requirements) {
        Term term;
        // Without the key there is no pair either, so NotIn holds for it, as Kubernetes wants.
        term.wanted = requirement.op == Operator::in || requirement.op == Operator::exists;
        if (requirement.op == Operator::exists || requirement.op == Operator::does_not_exist)
            term.any_of.push_back(hash_label(key, requirement.key));
        else
            for (const std::string& value : requirement.values)
                term.any_of.push_back(hash_label(label, fmt::format("{}={}", requirement.key, value)));
        terms_.push_back(std::move(term));
    }
}

void HashedSelector::normalize() {
    for (Term& term : terms_)
        sort_and_unite(term.any_of);
    sort_and_unite(terms_);
}

bool HashedSelector::matches(const HashedLabels& labels) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        return std::ranges::any_of(term.any_of, [&](LabelHash hash) { return labels.contains(hash); }) == term.wanted;
    });
}

} // namespace weft::policy
