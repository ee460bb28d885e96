// SPDX-License-Identifier: BSD-3-Clause
// What a test cannot do without: an error ends the case.
#pragma once

#include <stdexcept>
#include <utility>

#include "routing/net/result.hpp"

namespace weft::cases {

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

inline void must(Result<void> result) {
    if (!result) throw std::runtime_error(result.error().message);
}

} // namespace weft::cases
