// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/cli.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/help.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

Outcome<Exit> run_resolved(const Resolved& resolved, const Command& root, Environment& environment) {
    const Style style{environment.colour};
    if (resolved.wants_help) {
        environment.out << help_text(resolved, style) << std::flush;
        return Exit::ok;
    }
    if (resolved.command().run == nullptr) {
        // Options alone lead nowhere, but an unknown one deserves its own answer.
        if (auto arguments = parse(resolved); !arguments) return pass_on(std::move(arguments));
        environment.err << help_text(resolved, Style{environment.error_colour});
        return Exit::usage;
    }
    auto arguments = parse(resolved);
    if (!arguments) return pass_on(std::move(arguments));
    Context context{.environment = environment,
                    .root = root,
                    .json = arguments->get("output") == "json",
                    .socket = environment.socket,
                    .style = style};
    if (arguments->has("socket")) context.socket = arguments->get("socket");
    if (arguments->has("timeout")) {
        auto seconds = parse_seconds("--timeout", arguments->get("timeout"), 0.1, 86400);
        if (!seconds) return pass_on(std::move(seconds));
        context.timeout = std::chrono::milliseconds(static_cast<long>(*seconds * 1000));
    }
    return resolved.command().run(context, *arguments);
}

} // namespace

Exit run(std::span<const std::string> words, Environment& environment) {
    const Command root = all_commands();
    std::vector<std::string> rest(words.begin(), words.end());
    if (!rest.empty() && rest.front() == "--version") rest.front() = "version";
    auto resolved = resolve(root, rest);
    Outcome<Exit> outcome = resolved ? run_resolved(*resolved, root, environment) : pass_on(std::move(resolved));
    if (outcome && !environment.out)
        outcome = refuse(Exit::failed, "standard output cannot be written: the disk is full, or its reader is gone");
    if (outcome) return *outcome;
    const Style style{environment.error_colour};
    environment.err << fmt::format("{} {}\n", style.paint("weft:", Tone::bad),
                                   printable_lines(outcome.error().message));
    return outcome.error().exit;
}

} // namespace weft::ctl
