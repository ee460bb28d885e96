// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/session_wire.hpp"

#include <algorithm>
#include <utility>

#include "dataplane/api/table_wire.hpp"
#include "dataplane/pipeline/account.h"

namespace weft::fastpath {

static_assert(static_cast<int>(SESSION_STATE_NEW) == WEFT_SESSION_NEW &&
              static_cast<int>(SESSION_STATE_ESTABLISHED) == WEFT_SESSION_ESTABLISHED &&
              static_cast<int>(SESSION_STATE_CLOSING) == WEFT_SESSION_CLOSING &&
              static_cast<int>(SESSION_STATE_CLOSED) == WEFT_SESSION_CLOSED);

Session to_message(const weft_session_key& key, const weft_session_value& value, std::uint32_t now_s) {
    const std::uint32_t protocol = key.vni_protocol & 0xff;
    // An identification is kept as the machine has it.
    const auto port = [&](std::uint16_t kept) {
        return std::uint32_t{protocol == WEFT_PROTO_FRAGMENT ? kept : __builtin_bswap16(kept)};
    };
    Session session;
    session.set_vni(key.vni_protocol >> 8);
    session.set_protocol(protocol);
    session.set_initiator(to_bytes(key.low));
    session.set_responder(to_bytes(key.high));
    session.set_initiator_port(port(key.low_port));
    session.set_responder_port(port(key.high_port));
    if (weft_session_initiator_is_low(&value) == 0) {
        session.mutable_initiator()->swap(*session.mutable_responder());
        session.set_initiator_port(port(key.high_port));
        session.set_responder_port(port(key.low_port));
    }
    session.set_state(static_cast<SessionState>(value.state));
    // Clocks of different cores may be a second apart.
    session.set_idle_s(static_cast<std::uint32_t>(std::max(static_cast<std::int32_t>(now_s - value.last_seen_s), 0)));
    session.set_timeout_s(weft_session_timeout_s(protocol, value.state));
    session.set_rule(value.rule);
    session.set_port(weft_port_of_account(value.account));
    return session;
}

} // namespace weft::fastpath
