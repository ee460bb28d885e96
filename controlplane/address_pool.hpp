// SPDX-License-Identifier: BSD-3-Clause
// AddressPool: the host's blocks, by network, and what of them is leased. Addresses outside every block are nobody's
// to count: an operator who asks for one gets it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controlplane/config.hpp"
#include "controlplane/ipam.hpp"

namespace weft::agent {

class AddressPool {
  public:
    /// Does another host announce the address? Such a one is passed over.
    using TakenElsewhere = std::function<bool(const net::Address&)>;

    explicit AddressPool(const std::vector<NetworkSettings>& networks);

    /// One address of each family that the network has blocks of; all or none.
    [[nodiscard]] Result<std::vector<net::Address>> lease(const std::string& network, const TakenElsewhere& taken);
    /// Takes particular addresses, all or none; exists names the one that is taken.
    [[nodiscard]] Result<void> reserve(const std::string& network, const std::vector<net::Address>& addresses);
    void release(const std::string& network, const std::vector<net::Address>& addresses);

    [[nodiscard]] std::uint64_t used(const std::string& network) const;

  private:
    [[nodiscard]] Result<net::Address> lease(const std::string& network, net::Family family,
                                             const TakenElsewhere& taken);
    [[nodiscard]] AddressBlock* block_of(const std::string& network, const net::Address& address);

    std::map<std::string, std::vector<AddressBlock>> blocks_;
};

} // namespace weft::agent
