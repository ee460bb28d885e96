// SPDX-License-Identifier: BSD-3-Clause
// CidrSet: the CIDRs (and excepted CIDRs) of all policies, counted by use, and which of them an address range lies
// in.
#pragma once

#include <map>
#include <vector>

#include "controlplane/policy/policy_model.hpp"

namespace weft::policy {

class CidrSet {
  public:
    /// True: it is new.
    bool add(const net::Prefix& cidr);

    /// True: nobody uses it any more.
    bool remove(const net::Prefix& cidr);

    [[nodiscard]] bool contains(const net::Prefix& cidr) const { return uses_.contains(cidr); }

    /// Those that contain all of `prefix`, sorted.
    [[nodiscard]] std::vector<net::Prefix> around(const net::Prefix& prefix) const;
    /// Those that lie in `prefix`, itself among them.
    [[nodiscard]] std::vector<net::Prefix> within(const net::Prefix& prefix) const;

  private:
    std::map<net::Prefix, std::size_t> uses_;
    std::map<std::pair<net::Family, unsigned>, std::size_t> lengths_; ///< how many have it
};

/// Every CIDR that the policy names, as often as it names it.
[[nodiscard]] std::vector<net::Prefix> cidrs_of(const Policy& policy);

} // namespace weft::policy
