// SPDX-License-Identifier: BSD-3-Clause
// A verdict list's number, made from its content: equal lists are one list, and a restarted agent calls them what the
// fast path that it adopts calls them.
#pragma once

#include "dataplane/api/fastpath.pb.h"

namespace weft::policy {

/// 64 bits of SHA-256 over the ranges; never 0.
[[nodiscard]] std::uint64_t verdict_number(const fastpath::VerdictList& list);

} // namespace weft::policy
