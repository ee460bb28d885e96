// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/host_names.hpp"

#include <fmt/format.h>

#include "routing/net/address.hpp"

namespace weft::agent {

namespace {

template <class Key>
std::string name_of(const std::map<Key, std::string>& names, const Key& key) {
    const auto found = names.find(key);
    return found != names.end() ? found->second : std::string();
}

} // namespace

std::string HostNames::port(std::uint32_t number) const {
    if (number == 0) return {};
    const std::string name = name_of(ports, number);
    return name.empty() ? fmt::format("port {}", number) : name;
}

std::string HostNames::network(std::uint32_t vni) const { return name_of(networks, vni); }

std::string HostNames::endpoint(std::uint32_t vni, const std::string& address) const {
    return name_of(endpoints, {vni, address});
}

std::string address_text(const std::string& bytes) {
    const auto address =
        net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return address ? address->to_string() : std::string();
}

} // namespace weft::agent
