// SPDX-License-Identifier: BSD-3-Clause
// A network device's features, by the names that ethtool -k shows.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "routing/net/result.hpp"

namespace weft::fastpath {

/// Switches features of a device of the calling thread's namespace off. One that the kernel does not know is none to
/// switch off.
[[nodiscard]] Result<void> disable_features(const std::string& ifname, std::span<const std::string_view> features);

} // namespace weft::fastpath
