// SPDX-License-Identifier: BSD-3-Clause
// Sessions as people and programs read them.
#pragma once

#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/json.hpp"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// By network, then by initiator, responder, protocol and ports, addresses as numbers.
void sort_sessions(std::vector<v1::Session>& sessions);

[[nodiscard]] std::string sessions_table(const std::vector<v1::Session>& sessions, Style style);

[[nodiscard]] std::string session_counts(const v1::CountSessionsReply& counts, Style style);

} // namespace weft::ctl
