// SPDX-License-Identifier: BSD-3-Clause
// One run of the CLI: words in, text on the streams, exit code out. main.cpp calls it with the process's world, tests
// with their own.
#pragma once

#include <span>
#include <string>

#include "tools/ctl/context.hpp"

namespace weft::ctl {

/// `words`: without the program's name.
[[nodiscard]] Exit run(std::span<const std::string> words, Environment& environment);

} // namespace weft::ctl
