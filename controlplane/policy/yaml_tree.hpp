// SPDX-License-Identifier: BSD-3-Clause
// YAML text as a plain tree. Made for hostile input: size, depth and number of nodes are bounded, aliases and
// duplicate keys are refused. yaml-cpp scans the text; its exceptions end here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::policy {

struct YamlNode {
    enum class Kind : std::uint8_t { null, scalar, sequence, map };

    Kind kind = Kind::null;
    bool quoted = false;            ///< a scalar in quotes: text, whatever it looks like
    unsigned line = 0;              ///< from 1
    std::string text;               ///< of a scalar
    std::vector<YamlNode> items;    ///< of a sequence; the values of a map
    std::vector<std::string> names; ///< of a map's fields: names[i] has the value items[i]

    /// As YAML again.
    [[nodiscard]] std::string to_yaml() const;
};

/// The documents of the text; empty ones are left out.
[[nodiscard]] Result<std::vector<YamlNode>> read_yaml(std::string_view text);

} // namespace weft::policy
