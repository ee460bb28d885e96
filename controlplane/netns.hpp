// SPDX-License-Identifier: BSD-3-Clause
// What happens inside a container's network namespace: its interface gets addresses, MTU and the default routes over
// the link-local gateway.
#pragma once

#include <string>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::agent {

struct InterfaceSettings {
    std::string netns;
    std::string ifname;
    std::uint32_t mtu = 1450;
    std::vector<net::Address> addresses;
};

/// The namespace exists and is one; not_found names it else.
[[nodiscard]] Result<void> check_netns(const std::string& path);
/// Sets the interface up. Doing it again changes nothing.
[[nodiscard]] Result<void> configure_interface(const InterfaceSettings& settings);

} // namespace weft::agent
