// SPDX-License-Identifier: BSD-3-Clause
// Where a port's device lies: in the network namespace at a path or, if that is empty, in the host's own, in which
// agent and fast path run.
#pragma once

#include <string>

#include <fmt/format.h>

namespace weft::fastpath {

/// A path that can be opened.
[[nodiscard]] inline std::string netns_path(const std::string& netns) {
    return netns.empty() ? "/proc/self/ns/net" : netns;
}

/// For people: "eth0 in /run/netns/web-1", "weft0 of the host".
[[nodiscard]] inline std::string device_text(const std::string& ifname, const std::string& netns) {
    return netns.empty() ? ifname + " of the host" : fmt::format("{} in {}", ifname, netns);
}

} // namespace weft::fastpath
