// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/command.hpp"
#include "tools/ctl/nouns.hpp"

namespace weft::ctl {

const std::vector<Option>& global_options() {
    static const std::vector<Option> options{
        {.name = "socket",
         .help = "where weftd listens; default: $WEFT_SOCKET, or /run/weft/weftd.sock",
         .value = "PATH",
         .completes = Completes::files},
        {.name = "output",
         .help = "table for people, json for programs (docs/cli.md)",
         .value = "FORMAT",
         .letter = 'o',
         .choices = {"table", "json"}},
        {.name = "timeout", .help = "how long one answer may take, in seconds; default 30", .value = "SECONDS"},
        {.name = "help", .help = "explain the command, with examples", .letter = 'h'},
    };
    return options;
}

Command all_commands() {
    return {
        .name = "weft",
        .summary = "the operator's view of weftd, which gives containers their addresses, routes and policies",
        .examples = {{"weft status", "is this host well?"},
                     {"weft endpoint add web-1 --netns web-1 --label app=web",
                      "attach the container in /run/netns/web-1"},
                     {"weft explain web-1 10.244.1.7 tcp 80", "may it talk, by which path, and if not: why"},
                     {"weft route list --view fib -o json", "anything, for programs"}},
        .verbs = {status_command(), endpoint_command(), namespace_command(), route_command(), peer_command(),
                  policy_command(), session_command(), counters_command(), explain_command(), trace_command(),
                  capture_command(), doctor_command(), completion_command(), complete_command(), version_command(),
                  help_command()},
    };
}

} // namespace weft::ctl
