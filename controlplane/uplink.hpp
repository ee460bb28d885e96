// SPDX-License-Identifier: BSD-3-Clause
// Uplink: what this host is in the underlay: the interface, its address (our VTEP) and MTU, and what follows from
// them: router id, router MAC, the endpoints' MTU, and the DPDK device that takes the interface.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config.hpp"

namespace weft::agent {

inline constexpr std::uint32_t ipv6_mtu_min = 1280; ///< RFC 8200 section 5

struct Uplink {
    std::string interface; ///< empty: single host
    net::Address vtep;
    std::vector<net::Prefix> subnets; ///< of the interface's addresses, but for link-local ones
    net::Address router_id;
    net::Mac router_mac;
    std::uint32_t mtu = 1500;
    std::uint32_t endpoint_mtu = 1450;
    std::string devargs;
    std::uint32_t port_mtu_max = UINT32_MAX; ///< what its kind of port carries
    std::string warning;                     ///< what that costs; empty: nothing

    [[nodiscard]] bool exists() const { return !interface.empty(); }
};

/// Reads the interface that the configuration names; not_found and invalid say what is missing.
[[nodiscard]] Result<Uplink> find_uplink(const Config& config);

/// Reads its MTU again, and what follows from it. False: nothing is new, or the interface is not there, or its MTU is
/// one that no packet of a container fits.
[[nodiscard]] bool refresh_mtu(Uplink& uplink);

/// The container's address of an endpoint, and our router's: stable, locally administered, from a text.
[[nodiscard]] net::Mac derive_mac(std::string_view text);

} // namespace weft::agent
