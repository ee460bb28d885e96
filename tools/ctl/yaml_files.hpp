// SPDX-License-Identifier: BSD-3-Clause
// YAML that the operator names by files: read whole, as far as it may be sent to the agent, which understands it.
#pragma once

#include "tools/ctl/context.hpp"

namespace weft::ctl {

/// The documents of all files, as one stream of documents; "-" is standard input. `holds`: what they should hold, for
/// failures ("policy documents").
[[nodiscard]] Outcome<std::string> read_yaml_files(Context& context, const std::vector<std::string>& paths,
                                                   std::string_view holds);

} // namespace weft::ctl
