// SPDX-License-Identifier: BSD-3-Clause
// HostNames: what the fast path's numbers mean on this host, for what it tells of packets and sessions.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

namespace weft::agent {

struct HostNames {
    std::map<std::uint32_t, std::string> ports;
    std::map<std::uint32_t, std::string> networks;                          ///< by VNI
    std::map<std::pair<std::uint32_t, std::string>, std::string> endpoints; ///< by VNI and address, as text
    std::function<std::string(std::uint32_t)> rule;

    /// "port 7" of one without a name; empty for 0, which is none.
    [[nodiscard]] std::string port(std::uint32_t number) const;
    // Empty of those that have none:
    [[nodiscard]] std::string network(std::uint32_t vni) const;
    [[nodiscard]] std::string endpoint(std::uint32_t vni, const std::string& address) const;
};

/// Of 4 or 16 bytes; empty of others.
[[nodiscard]] std::string address_text(const std::string& bytes);

} // namespace weft::agent
