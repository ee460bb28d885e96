// SPDX-License-Identifier: BSD-3-Clause
// YAML that the operator names by files: read whole, as far as it may be sent to the agent, which understands it.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/ctl/command.hpp"
#include "tools/ctl/context.hpp"

namespace weft::ctl {

/// `-f FILE`, as often as there are files.
[[nodiscard]] Option yaml_file_option(std::string_view help = "a YAML file, or - for standard input");

/// The documents of all files, as one stream of documents; "-" is standard input. `holds`: what they should hold, for
/// failures ("policy documents").
[[nodiscard]] Outcome<std::string> read_yaml_files(Context& context, const std::vector<std::string>& paths,
                                                   std::string_view holds);

/// What the agent said of the documents of these files: its refusals begin with their names.
template <class Reply>
[[nodiscard]] Outcome<Reply> named_by_files(Outcome<Reply> reply, const std::vector<std::string>& paths) {
    if (!reply && reply.error().exit == Exit::failed)
        reply.error().message.insert(0, fmt::format("{}: ", fmt::join(paths, ", ")));
    return reply;
}

} // namespace weft::ctl
