// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/cidr.hpp"

#include <cassert>

namespace weft::policy {

bool CidrSet::add(const net::Prefix& cidr) {
    if (uses_[cidr]++ > 0) return false;
    ++lengths_[{cidr.family(), cidr.length()}];
    return true;
}

bool CidrSet::remove(const net::Prefix& cidr) {
    const auto found = uses_.find(cidr);
    assert(found != uses_.end());
    if (--found->second > 0) return false;
    uses_.erase(found);
    const auto length = lengths_.find({cidr.family(), cidr.length()});
    if (--length->second == 0) lengths_.erase(length);
    return true;
}

std::vector<net::Prefix> CidrSet::around(const net::Prefix& prefix) const {
    std::vector<net::Prefix> found;
    // Sorted: each begins where the one around it does, or behind.
    for (const auto& [length, count] : lengths_) {
        if (length.first != prefix.family() || length.second > prefix.length()) continue;
        const auto cidr = net::Prefix::make(prefix.address(), length.second).value();
        if (uses_.contains(cidr)) found.push_back(cidr);
    }
    return found;
}

std::vector<net::Prefix> CidrSet::within(const net::Prefix& prefix) const {
    std::vector<net::Prefix> found;
    // Sorted by family and address first: what lies within begins at the prefix's first address and ends with its
    // last.
    for (auto each = uses_.lower_bound(prefix); each != uses_.end() && prefix.contains(each->first.address()); ++each)
        if (prefix.contains(each->first)) found.push_back(each->first);
    return found;
}

std::vector<net::Prefix> cidrs_of(const Policy& policy) {
    std::vector<net::Prefix> cidrs;
    for (const Direction* direction : {&policy.ingress, &policy.egress})
        for (const Rule& rule : direction->rules)
            for (const Peer& peer : rule.peers) {
                const auto* const block = std::get_if<IpBlock>(&peer);
                if (block == nullptr) continue;
                cidrs.push_back(block->cidr);
                cidrs.insert(cidrs.end(), block->except.begin(), block->except.end());
            }
    return cidrs;
}

} // namespace weft::policy
