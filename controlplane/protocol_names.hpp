// SPDX-License-Identifier: BSD-3-Clause
// The upper-layer protocols that have names in the API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/pipeline/wire.h"

namespace weft::agent {

struct ProtocolName {
    std::uint32_t number;
    const char* name;
};

inline constexpr ProtocolName protocol_names[] = {{WEFT_PROTO_TCP, "tcp"},
                                                  {WEFT_PROTO_UDP, "udp"},
                                                  {WEFT_PROTO_SCTP, "sctp"},
                                                  {WEFT_PROTO_ICMP, "icmp"},
                                                  {WEFT_PROTO_ICMPV6, "icmpv6"}};

[[nodiscard]] inline const ProtocolName* find_protocol(std::string_view name) {
    for (const auto& each : protocol_names)
        if (name == each.name) return &each;
    return nullptr;
}

/// Its name, or else its number.
[[nodiscard]] inline std::string protocol_text(std::uint32_t number) {
    for (const auto& each : protocol_names)
        if (number == each.number) return each.name;
    return std::to_string(number);
}

} // namespace weft::agent
