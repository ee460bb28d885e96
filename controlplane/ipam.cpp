// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/ipam.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::agent {

std::uint64_t AddressBlock::size() const {
    const unsigned bits = std::min(net::address_bits(prefix_.family()) - prefix_.length(), 32U);
    const std::uint64_t all = std::uint64_t{1} << bits;
    if (bits < 2) return all; // /31, /32: every address counts
    return all - (prefix_.family() == net::Family::ipv4 ? 2 : 1);
}

Result<net::Address> AddressBlock::lease() {
    const std::uint64_t count = size();
    const std::uint64_t skip = net::address_bits(prefix_.family()) - prefix_.length() < 2 ? 0 : 1;
    for (std::uint64_t tried = 0; tried < count; ++tried) {
        const net::Address address = prefix_.address().plus(skip + next_);
        next_ = (next_ + 1) % count;
        if (leased_.insert(address).second) return address;
    }
    return fail(ErrorCode::exhausted,
                fmt::format("no free address in {}: delete endpoints, or give the host a further --block",
                            prefix_.to_string()));
}

Result<void> AddressBlock::reserve(const net::Address& address) {
    if (!leased_.insert(address).second)
        return fail(ErrorCode::exists, fmt::format("address {} is taken", address.to_string()));
    return {};
}

} // namespace weft::agent
