// SPDX-License-Identifier: BSD-3-Clause
// What a purge, the way back from a fast path, tells whoever asked for it: step by step, in words.
#pragma once

#include <functional>
#include <string>

#include "routing/net/result.hpp"

namespace weft::fastpath {

struct PurgeReport {
    std::function<void(const std::string& what)> removed; ///< in words, as it goes
    std::function<void(const Error& why)> kept;           ///< what could not be removed, one by one
};

} // namespace weft::fastpath
