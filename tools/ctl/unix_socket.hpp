// SPDX-License-Identifier: BSD-3-Clause
// Connecting to the agent's UNIX socket, with a sentence for each way in which that fails. Used by the client, and by
// doctor, which only wants to know.
#pragma once

#include <string>

#include "tools/ctl/exit.hpp"

namespace weft::ctl {

/// A connected, non-blocking stream socket, which the caller owns. Failures are Exit::unreachable.
[[nodiscard]] Outcome<int> connect_unix_socket(const std::string& path);

} // namespace weft::ctl
