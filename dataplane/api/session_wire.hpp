// SPDX-License-Identifier: BSD-3-Clause
// From a session as both fast paths keep it to its message (fastpath.proto), and how much of a table is walked and
// told at a time.
#pragma once

#include <cstdint>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/session.h"

namespace weft::fastpath {

/// Sessions of one message: little enough that who takes it is soon back.
constexpr int session_message_max = 1024;

/// `now_s` is on the clock of `last_seen_s`.
[[nodiscard]] Session to_message(const weft_session_key& key, const weft_session_value& value, std::uint32_t now_s);

} // namespace weft::fastpath
