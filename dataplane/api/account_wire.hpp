// SPDX-License-Identifier: BSD-3-Clause
// What accounts hold, as the agent is told.
#pragma once

#include <algorithm>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/limits.hpp"
#include "dataplane/pipeline/account.h"

namespace weft::fastpath {

static_assert(WEFT_ACCOUNTS == 2 * (port_id_max + 1), "every port has its accounts");

/// visit(EndpointSessions) for each port that has any; read(number) gives what an account holds.
template <class Read, class Visit>
void each_endpoint_sessions(Read read, Visit visit) {
    const auto count = [](std::int32_t sessions) { return static_cast<std::uint64_t>(std::max(sessions, 0)); };
    for (std::uint32_t port = 1; port <= port_id_max; ++port) {
        const weft_account opened = read(weft_account_of(port, WEFT_OPENED));
        const weft_account accepted = read(weft_account_of(port, WEFT_ACCEPTED));
        if (opened.sessions <= 0 && accepted.sessions <= 0) continue;
        EndpointSessions message;
        message.set_port(port);
        message.set_opened(count(opened.sessions));
        message.set_opened_unanswered(count(opened.half_open));
        message.set_accepted(count(accepted.sessions));
        message.set_accepted_unanswered(count(accepted.half_open));
        visit(message);
    }
}

inline void add_quota(SessionsReply& reply, weft_quota quota) {
    reply.set_quota(static_cast<std::uint64_t>(quota.sessions));
    reply.set_unanswered_quota(static_cast<std::uint64_t>(quota.half_open));
}

} // namespace weft::fastpath
