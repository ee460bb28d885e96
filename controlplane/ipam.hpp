// SPDX-License-Identifier: BSD-3-Clause
// AddressBlock: which addresses of a block are leased. Leases go round the block, so that an address rests as long as
// possible before somebody else has it.
#pragma once

#include <unordered_set>

#include "routing/net/address.hpp"

namespace weft::agent {

class AddressBlock {
  public:
    explicit AddressBlock(net::Prefix prefix) : prefix_(prefix) {}

    /// The next free address; exhausted names the block. The first address, and in IPv4 the last, are never leased.
    [[nodiscard]] Result<net::Address> lease();
    /// Takes a particular address; exists when it is taken.
    [[nodiscard]] Result<void> reserve(const net::Address& address);

    void release(const net::Address& address) { leased_.erase(address); }

    [[nodiscard]] const net::Prefix& prefix() const { return prefix_; }

    [[nodiscard]] std::size_t used() const { return leased_.size(); }

  private:
    /// Addresses that may be leased, at most 2^32.
    [[nodiscard]] std::uint64_t size() const;

    net::Prefix prefix_;
    std::unordered_set<net::Address> leased_;
    std::uint64_t next_ = 0;
};

} // namespace weft::agent
