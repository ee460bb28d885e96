// SPDX-License-Identifier: BSD-3-Clause
// SessionWalk: one walk over the map of sessions for those that an operator asked for, to tell them or to end them, a
// slice at a time.
#pragma once

#include <functional>
#include <vector>

#include "dataplane/api/session_matcher.hpp"
#include "ebpf/layout.h"
#include "ebpf/map.hpp"
#include "ebpf/session_accounts.hpp"

namespace weft::ebpf {

using VisitSession = std::function<void(const weft_session_key&, const weft_session_value&)>;

/// As Map::walk() of the map of sessions.
[[nodiscard]] Result<void> walk_sessions(const Map& sessions, Map::Cursor& cursor, const VisitSession& visit);

class SessionWalk {
  public:
    /// The map must outlive it.
    SessionWalk(const Map& sessions, fastpath::SessionMatcher matcher) :
        sessions_(sessions), matcher_(std::move(matcher)) {}

    /// Visits those that match among the next; true when it came to the end. `now_s` is on the programs' clock.
    [[nodiscard]] Result<bool> look(std::uint32_t now_s, const VisitSession& visit);
    /// Erases them instead, and takes them out of the books. CPUs may still have copies of what they found lately
    /// (recent.bpf.h).
    [[nodiscard]] Result<bool> flush(std::uint32_t now_s, SessionAccounts& accounts);

    /// All that it came by.
    [[nodiscard]] std::uint64_t seen() const { return seen_; }

    /// Those that matched, or were erased.
    [[nodiscard]] std::uint64_t matched() const { return matched_; }

    /// Sessions of one call: about a millisecond, or two if all are erased.
    static constexpr std::size_t slice = 1024;

  private:
    const Map& sessions_;
    fastpath::SessionMatcher matcher_;
    Map::Cursor cursor_{slice};
    std::vector<weft_session_key> found_;
    std::uint64_t seen_ = 0;
    std::uint64_t matched_ = 0;
};

} // namespace weft::ebpf
