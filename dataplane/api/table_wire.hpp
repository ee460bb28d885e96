// SPDX-License-Identifier: BSD-3-Clause
// Checked conversions between the bytes of fastpath.proto and what the tables keep. Whatever the agent says is
// checked here.
#pragma once

#include <array>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/entries.h"
#include "routing/net/address.hpp"

namespace weft::fastpath {

using MacBytes = std::array<std::uint8_t, WEFT_MAC_SIZE>;

/// 4 or 16 bytes.
[[nodiscard]] inline Result<weft_address> to_address(const std::string& bytes) {
    const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (bytes.size() == 4) return weft_address_v4(at);
    if (bytes.size() == 16) {
        const weft_address address = weft_address_v6(at);
        if (weft_address_is_v4(&address))
            return fail(ErrorCode::invalid, "an IPv4-mapped IPv6 address: send its 4 bytes");
        return address;
    }
    return fail(ErrorCode::invalid, fmt::format("an IP address has 4 or 16 bytes, not {}", bytes.size()));
}

[[nodiscard]] inline std::string to_bytes(const weft_address& address) {
    const auto* const at = reinterpret_cast<const char*>(address.bytes);
    return weft_address_is_v4(&address) ? std::string(at + 12, 4) : std::string(at, 16);
}

[[nodiscard]] inline std::string to_text(const weft_address& address) {
    const std::string bytes = to_bytes(address);
    return net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})->to_string();
}

[[nodiscard]] inline Result<MacBytes> to_mac(const std::string& bytes) {
    MacBytes mac{};
    if (bytes.size() != mac.size())
        return fail(ErrorCode::invalid, fmt::format("a MAC address has 6 bytes, not {}", bytes.size()));
    std::memcpy(mac.data(), bytes.data(), mac.size());
    return mac;
}

/// Like to_mac(), but empty stands for a zero address.
[[nodiscard]] inline Result<MacBytes> to_optional_mac(const std::string& bytes) {
    return bytes.empty() ? MacBytes{} : to_mac(bytes);
}

[[nodiscard]] inline Result<net::Prefix> to_prefix(const Prefix& message) {
    const auto& bytes = message.address();
    auto address = net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    if (!address) return std::unexpected(std::move(address).error());
    auto prefix = net::Prefix::make(*address, message.length());
    if (!prefix) return prefix;
    if (prefix->address() != *address)
        return fail(ErrorCode::invalid,
                    fmt::format("{}/{} has host bits set", address->to_string(), message.length()));
    // Addresses of both families lie in one space of 128 bits (types.h), and this place in it is IPv4's.
    if (!address->is_v4())
        if (const weft_address first = weft_address_v6(prefix->address().bytes().data()); weft_address_is_v4(&first))
            return fail(ErrorCode::invalid,
                        fmt::format("{} is an IPv4-mapped IPv6 prefix: send its 4 bytes", prefix->to_string()));
    return prefix;
}

} // namespace weft::fastpath
