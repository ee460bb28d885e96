// SPDX-License-Identifier: BSD-3-Clause
// From the agent's values to the bytes of fastpath.proto, and back.
#pragma once

#include <string>

#include "controlplane/config.hpp"
#include "dataplane/api/fastpath.pb.h"
#include "routing/net/address.hpp"

namespace weft::agent {

[[nodiscard]] inline std::string wire(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline std::string wire(const net::Address& address) { return wire(address.bytes()); }

/// What wire() wrote.
[[nodiscard]] inline net::Address address_from(const std::string& bytes) {
    return net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})
        .value_or(net::Address());
}

[[nodiscard]] inline std::string wire(const net::Mac& mac) { return wire(mac.bytes()); }

[[nodiscard]] inline fastpath::Prefix wire(const net::Prefix& prefix) {
    fastpath::Prefix message;
    message.set_address(wire(prefix.address()));
    message.set_length(prefix.length());
    return message;
}

[[nodiscard]] inline fastpath::UplinkHook wire(UplinkHook hook) {
    return hook == UplinkHook::tc    ? fastpath::UPLINK_HOOK_TC
           : hook == UplinkHook::xdp ? fastpath::UPLINK_HOOK_XDP
                                     : fastpath::UPLINK_HOOK_AUTO;
}

} // namespace weft::agent
