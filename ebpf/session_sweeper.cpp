// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/session_sweeper.hpp"

#include <ctime>

#include "ebpf/session_walk.hpp"

namespace weft::ebpf {

namespace {

bool is_over(const weft_session_key& key, const weft_session_value& value, std::uint32_t now_s) {
    return weft_session_is_over(&value, key.vni_protocol & 0xff, now_s) != 0;
}

} // namespace

std::uint32_t SessionSweeper::clock_s() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint32_t>(now.tv_sec);
}

Result<bool> SessionSweeper::sweep(std::uint32_t now_s) {
    over_.clear();
    auto walked =
        walk_sessions(sessions_, cursor_, [&](const weft_session_key& key, const weft_session_value& value) {
            ++seen_;
            if (is_over(key, value, now_s))
                over_.push_back(key);
            else
                accounts_.seen(key, value);
        });
    if (!walked) return std::unexpected(std::move(walked).error());
    for (const weft_session_key& key : over_) {
        // A packet may have come since. One that comes between these two calls opens its session again.
        weft_session_value value;
        auto found = sessions_.find(&key, &value);
        if (!found) return std::unexpected(std::move(found).error());
        if (*found && !is_over(key, value, now_s)) {
            accounts_.seen(key, value);
            continue;
        }
        auto taken = sessions_.take(&key, &value);
        if (!taken) return taken;
        if (*taken) accounts_.ended(key, value);
        --seen_;
    }
    if (!cursor_.at_end()) return false;
    size_ = std::exchange(seen_, 0);
    accounts_.audit();
    return true;
}

} // namespace weft::ebpf
