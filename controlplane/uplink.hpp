// SPDX-License-Identifier: BSD-3-Clause
// Uplink: what this host is in the underlay: the interface, its address (our VTEP) and MTU, and what follows from
// them: router id, router MAC, the endpoints' MTU, and the DPDK device that takes the interface.
#pragma once

#include <string>

#include "controlplane/config.hpp"

namespace weft::agent {

struct Uplink {
    std::string interface; ///< empty: single host
    net::Address vtep;
    net::Address router_id;
    net::Mac router_mac;
    std::uint32_t mtu = 1500;
    std::uint32_t endpoint_mtu = 1450;
    std::string devargs;
    std::string warning; ///< what its kind of port costs; empty: nothing

    [[nodiscard]] bool exists() const { return !interface.empty(); }
};

/// Reads the interface that the configuration names; not_found and invalid say what is missing.
[[nodiscard]] Result<Uplink> find_uplink(const Config& config);

/// The container's address of an endpoint, and our router's: stable, locally administered, from a text.
[[nodiscard]] net::Mac derive_mac(std::string_view text);

} // namespace weft::agent
