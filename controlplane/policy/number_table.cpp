// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/number_table.hpp"

#include <algorithm>
#include <cassert>

namespace weft::policy {

bool NumberTable::restore(std::uint32_t number, const std::string& text) {
    if (number < first_ || by_number_.contains(number)) return false;
    const auto [entry, added] = entries_.try_emplace(text, Entry{number, 0});
    if (!added) return false;
    by_number_.emplace(number, entry);
    next_ = std::max(next_, number + 1);
    return true;
}

NumberTable::Acquired NumberTable::acquire(const std::string& text) {
    auto entry = entries_.find(text);
    if (entry == entries_.end()) {
        // Counting on, instead of taking the smallest free number, keeps a number that just went out of use out of
        // use for long.
        while (next_ < first_ || by_number_.contains(next_))
            next_ = next_ < first_ ? first_ : next_ + 1;
        entry = entries_.emplace(text, Entry{next_++, 0}).first;
        by_number_.emplace(entry->second.number, entry);
        changes_.push_back({entry->second.number, entry->first});
    }
    return {entry->second.number, entry->second.uses++ == 0};
}

bool NumberTable::release(std::uint32_t number) {
    const auto found = by_number_.find(number);
    assert(found != by_number_.end() && found->second->second.uses > 0);
    if (--found->second->second.uses > 0) return false;
    forget(found->second);
    return true;
}

void NumberTable::sweep() {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const auto each = entry++;
        if (each->second.uses == 0) forget(each);
    }
}

const std::string* NumberTable::find(std::uint32_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : &found->second->first;
}

void NumberTable::forget(Entries::iterator entry) {
    changes_.push_back({entry->second.number, std::nullopt});
    by_number_.erase(entry->second.number);
    entries_.erase(entry);
}

} // namespace weft::policy
