// SPDX-License-Identifier: BSD-3-Clause
// weft version: this program's, and the agent's if one answers.
#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"

namespace weft::ctl {

namespace {

Outcome<Exit> show_version(Context& context, const Arguments&) {
    context.timeout = std::min(context.timeout, std::chrono::milliseconds(2000)); // the agent's version is a courtesy
    Outcome<v1::StatusReply> status = refuse(Exit::unreachable, {});
    if (auto client = context.connect()) status = client->status();
    if (context.json) {
        context.print(pretty({{"weft", WEFT_VERSION}, {"weftd", status ? Json(status->version()) : Json(nullptr)}}));
        return Exit::ok;
    }
    context.print(fmt::format("weft {}\n", WEFT_VERSION));
    if (status) context.print(fmt::format("weftd {}\n", context.style.paint(status->version(), Tone::plain)));
    return Exit::ok;
}

} // namespace

Command version_command() {
    return {
        .name = "version",
        .summary = "the versions of weft, and of weftd if it answers",
        .examples = {{"weft version"}, {"weft version -o json"}},
        .run = show_version,
    };
}

} // namespace weft::ctl
