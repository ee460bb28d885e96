// SPDX-License-Identifier: BSD-3-Clause
// The verbs of `weft policy` that have a file of their own: they ask what policies say and do, and change nothing.
#pragma once

#include "tools/ctl/command.hpp"

namespace weft::ctl {

[[nodiscard]] Command policy_explain_verb();
[[nodiscard]] Command policy_log_verb();
[[nodiscard]] Command policy_test_verb();
[[nodiscard]] Command policy_diff_verb();

} // namespace weft::ctl
