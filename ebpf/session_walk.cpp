// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/session_walk.hpp"

#include <cstring>

namespace weft::ebpf {

Result<void> walk_sessions(const Map& sessions, Map::Cursor& cursor, const VisitSession& visit) {
    return sessions.walk(cursor, [&](const void* at_key, const void* at_value) {
        weft_session_key key;
        weft_session_value value;
        std::memcpy(&key, at_key, sizeof key);
        std::memcpy(&value, at_value, sizeof value);
        visit(key, value);
    });
}

Result<bool> SessionWalk::look(std::uint32_t now_s, const VisitSession& visit) {
    auto walked =
        walk_sessions(sessions_, cursor_, [&](const weft_session_key& key, const weft_session_value& value) {
            ++seen_;
            if (!matcher_.matches(key, value, now_s)) return;
            ++matched_;
            visit(key, value);
        });
    if (!walked) return std::unexpected(std::move(walked).error());
    return cursor_.at_end();
}

Result<bool> SessionWalk::flush(std::uint32_t now_s, SessionAccounts& accounts) {
    found_.clear();
    const std::uint64_t before = matched_;
    auto ended = look(now_s, [&](const weft_session_key& key, const weft_session_value&) { found_.push_back(key); });
    matched_ = before;
    if (!ended) return ended;
    for (const weft_session_key& key : found_) {
        // A packet may have come since, and changed what it is.
        weft_session_value value;
        auto found = sessions_.find(&key, &value);
        if (!found) return found;
        if (!*found || !matcher_.matches(key, value, now_s)) continue;
        auto taken = sessions_.take(&key, &value);
        if (!taken) return taken;
        if (!*taken) continue;
        accounts.ended(key, value);
        ++matched_;
    }
    return ended;
}

} // namespace weft::ebpf
