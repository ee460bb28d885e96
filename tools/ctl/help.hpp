// SPDX-License-Identifier: BSD-3-Clause
// --help, from the same Command that is parsed: what it does, how it is written, its operands and options, and
// examples.
#pragma once

#include <string>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

[[nodiscard]] std::string help_text(const Resolved& resolved, Style style);

} // namespace weft::ctl
