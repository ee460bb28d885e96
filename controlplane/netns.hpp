// SPDX-License-Identifier: BSD-3-Clause
// What happens inside a container's network namespace: its interface gets addresses, MTU and the default routes over
// the link-local gateway, whose MAC address it knows without asking. The host's own interface gets routes to the
// overlay instead.
#pragma once

#include <string>
#include <vector>

#include "routing/net/address.hpp"

namespace weft::agent {

/// The gateway's, for all containers everywhere.
inline constexpr net::Mac gateway_mac({0x02, 0x77, 0x65, 0x66, 0x74, 0x01});

/// Enough to find it by.
struct Interface {
    std::string netns; ///< empty: the host's own
    std::string ifname;
    net::Mac mac;
};

/// All that it is to have.
struct InterfaceSettings {
    Interface interface;
    std::uint32_t mtu;
    std::vector<net::Address> addresses;
    std::vector<net::Prefix> routes; ///< of the host's own, in place of default routes

    [[nodiscard]] bool is_hosts() const { return interface.netns.empty(); }
};

/// The namespace exists, is one, and is not the host's; the error says which of these is not so.
[[nodiscard]] Result<void> check_netns(const std::string& path);
/// Sets the interface up. Doing it again changes nothing. A default route that is there already stays the better one;
/// the host's own gets routes as set_host_routes() says.
[[nodiscard]] Result<void> configure_interface(const InterfaceSettings& settings);
/// Removes the TAP or veth pair if it is still there; anything else of that name, or with another MAC address, is not
/// ours and stays.
void remove_interface(const Interface& interface);
/// Removes a TAP that no process serves any more: whether there was one that is ours. One that is served is an error.
[[nodiscard]] Result<bool> remove_tap(const Interface& interface);

} // namespace weft::agent
