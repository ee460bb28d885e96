// SPDX-License-Identifier: BSD-3-Clause
// SessionMatcher: whether a session is one that an operator asked for. Pure, and the same for both fast paths, which
// differ in how they walk their tables.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/session.h"
#include "dataplane/pipeline/trace.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

class SessionMatcher {
  public:
    /// Checks the filter; `invalid` with what is wrong with it.
    [[nodiscard]] static Result<SessionMatcher> make(const SessionFilter& filter);

    /// False also for one that was silent for too long at `now_s`: no packet meets it any more, and it is about to be
    /// swept.
    [[nodiscard]] bool matches(const weft_session_key& key, const weft_session_value& value,
                               std::uint32_t now_s) const;

  private:
    SessionMatcher() = default;

    [[nodiscard]] bool ends_match(const weft_session_key& key) const;
    [[nodiscard]] bool port_matches(const weft_session_key& key) const;

    std::vector<weft_trace_end> ends_; ///< at most two: between them, either way
    std::uint32_t vni_ = 0;            ///< 0 is any, here and below
    std::uint32_t rule_ = 0;
    std::uint16_t l4_port_ = 0; ///< in network order
    std::uint8_t protocol_ = 0;
    std::uint8_t state_ = 0;
};

} // namespace weft::fastpath
