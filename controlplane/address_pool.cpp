// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/address_pool.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::agent {

namespace {

constexpr unsigned lease_attempts = 256;

/// The next address that no other host announces.
Result<net::Address> lease_unclaimed(AddressBlock& block, const AddressPool::TakenElsewhere& taken) {
    // Another host that was given the same block, by mistake or by default, is not to be disturbed.
    std::vector<net::Address> passed;
    Result<net::Address> leased = block.lease();
    while (leased && passed.size() < lease_attempts && taken(*leased)) {
        passed.push_back(*leased);
        leased = block.lease();
    }
    for (const auto& address : passed)
        block.release(address);
    if (leased && passed.size() == lease_attempts) {
        block.release(*leased);
        return fail(ErrorCode::exhausted,
                    fmt::format("block {} is in use on other hosts too: give this one a --block of its own",
                                block.prefix().to_string()));
    }
    return leased;
}

} // namespace

AddressPool::AddressPool(const std::vector<NetworkSettings>& networks) {
    for (const auto& network : networks)
        for (const auto& block : network.blocks)
            blocks_[network.name].emplace_back(block);
}

Result<std::vector<net::Address>> AddressPool::lease(const std::string& network, const TakenElsewhere& taken) {
    const auto& blocks = blocks_[network];
    if (blocks.empty())
        return fail(
            ErrorCode::not_found,
            fmt::format("network {} has no block to lease from: give --address, or weftd a --block", network));
    std::vector<net::Address> leased;
    for (const auto family : {net::Family::ipv4, net::Family::ipv6}) {
        if (std::ranges::none_of(blocks, [&](const auto& block) { return block.prefix().family() == family; }))
            continue;
        auto address = lease(network, family, taken);
        if (!address) {
            release(network, leased);
            return std::unexpected(std::move(address).error());
        }
        leased.push_back(*address);
    }
    return leased;
}

Result<net::Address> AddressPool::lease(const std::string& network, net::Family family, const TakenElsewhere& taken) {
    Result<net::Address> leased = fail(ErrorCode::exhausted, "no block");
    for (auto& block : blocks_[network])
        if (!leased && block.prefix().family() == family) leased = lease_unclaimed(block, taken);
    return leased;
}

Result<void> AddressPool::reserve(const std::string& network, const std::vector<net::Address>& addresses) {
    std::vector<net::Address> reserved;
    for (const auto& address : addresses) {
        auto* const block = block_of(network, address);
        if (block == nullptr) continue;
        if (auto taken = block->reserve(address); !taken) {
            release(network, reserved);
            return taken;
        }
        reserved.push_back(address);
    }
    return {};
}

void AddressPool::release(const std::string& network, const std::vector<net::Address>& addresses) {
    for (const auto& address : addresses)
        if (auto* const block = block_of(network, address)) block->release(address);
}

std::uint64_t AddressPool::used(const std::string& network) const {
    std::uint64_t used = 0;
    if (const auto blocks = blocks_.find(network); blocks != blocks_.end())
        for (const auto& block : blocks->second)
            used += block.used();
    return used;
}

AddressBlock* AddressPool::block_of(const std::string& network, const net::Address& address) {
    for (auto& block : blocks_[network])
        if (block.prefix().contains(address)) return &block;
    return nullptr;
}

} // namespace weft::agent
