// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/session_matcher.hpp"

#include <fmt/format.h>

#include "dataplane/api/flow_end.hpp"

namespace weft::fastpath {

namespace {

std::unexpected<Error> wrong(std::string message) {
    return fail(ErrorCode::invalid, "sessions: " + std::move(message));
}

bool has_ports(std::uint32_t protocol) {
    return protocol == WEFT_PROTO_TCP || protocol == WEFT_PROTO_UDP || protocol == WEFT_PROTO_SCTP;
}

} // namespace

Result<SessionMatcher> SessionMatcher::make(const SessionFilter& filter) {
    SessionMatcher matcher;
    if (filter.ends_size() > 2) return wrong(fmt::format("a session has 2 ends, not {}", filter.ends_size()));
    for (const FlowEnd& each : filter.ends()) {
        if (each.prefixes().empty()) return wrong("an end has a prefix: sessions know no ports");
        auto end = to_end(each);
        if (!end) return wrong(std::move(end).error().message);
        matcher.ends_.push_back(*end);
    }
    if (filter.vni() > 0xffffff) return wrong(fmt::format("VNI {}: at most 16777215", filter.vni()));
    if (filter.l4_port() > 0xffff) return wrong(fmt::format("port {}: at most 65535", filter.l4_port()));
    if (filter.protocol() > 0xff) return wrong(fmt::format("protocol {}: at most 255", filter.protocol()));
    if (!SessionState_IsValid(filter.state())) return wrong("a state that this fast path does not know");
    matcher.vni_ = filter.vni();
    matcher.rule_ = filter.rule();
    matcher.l4_port_ = __builtin_bswap16(static_cast<std::uint16_t>(filter.l4_port()));
    matcher.protocol_ = static_cast<std::uint8_t>(filter.protocol());
    matcher.state_ = static_cast<std::uint8_t>(filter.state());
    return matcher;
}

bool SessionMatcher::ends_match(const weft_session_key& key) const {
    const auto at = [&](std::size_t end, const weft_address& address) {
        return weft_trace_end_has(&ends_[end], &address) != 0;
    };
    if (ends_.empty()) return true;
    if (ends_.size() == 1) return at(0, key.low) || at(0, key.high);
    return (at(0, key.low) && at(1, key.high)) || (at(0, key.high) && at(1, key.low));
}

bool SessionMatcher::port_matches(const weft_session_key& key) const {
    if (l4_port_ == 0) return true;
    return has_ports(key.vni_protocol & 0xff) && (key.low_port == l4_port_ || key.high_port == l4_port_);
}

bool SessionMatcher::matches(const weft_session_key& key, const weft_session_value& value,
                             std::uint32_t now_s) const {
    const std::uint32_t protocol = key.vni_protocol & 0xff;
    const bool also_icmpv6 = protocol_ == WEFT_PROTO_ICMP && protocol == WEFT_PROTO_ICMPV6;
    return (vni_ == 0 || vni_ == key.vni_protocol >> 8) && (protocol_ == 0 || protocol_ == protocol || also_icmpv6) &&
           (state_ == 0 || state_ == value.state) && (rule_ == 0 || rule_ == value.rule) && port_matches(key) &&
           ends_match(key) && weft_session_is_over(&value, protocol, now_s) == 0;
}

} // namespace weft::fastpath
