// SPDX-License-Identifier: BSD-3-Clause
// Every noun of the CLI; each is made in the file of its name, and commands.cpp puts them together.
#pragma once

#include "tools/ctl/command.hpp"

namespace weft::ctl {

[[nodiscard]] Command status_command();
[[nodiscard]] Command endpoint_command();
[[nodiscard]] Command namespace_command();
[[nodiscard]] Command route_command();
[[nodiscard]] Command peer_command();
[[nodiscard]] Command policy_command();
[[nodiscard]] Command session_command();
[[nodiscard]] Command counters_command();
[[nodiscard]] Command explain_command();
[[nodiscard]] Command trace_command();
[[nodiscard]] Command capture_command();
[[nodiscard]] Command doctor_command();
[[nodiscard]] Command completion_command();
/// Hidden: what the shells' completion functions call.
[[nodiscard]] Command complete_command();
[[nodiscard]] Command version_command();
[[nodiscard]] Command help_command();

} // namespace weft::ctl
