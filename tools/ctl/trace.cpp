// SPDX-License-Identifier: BSD-3-Clause
// weft trace: live packets, what became of each, and by which stage, reason and rule.
#include <fmt/format.h>

#include "tools/ctl/nouns.hpp"
#include "tools/ctl/trace_request.hpp"
#include "tools/ctl/trace_text.hpp"

namespace weft::ctl {

namespace {

constexpr TraceDefaults defaults{.snap_length = 0, .events_per_s = 10'000};

Outcome<Exit> trace(Context& context, const Arguments& arguments) {
    if (arguments.has("snap") && !context.json)
        return refuse(Exit::usage, "--snap goes with -o json, which has the frames; for a file see `weft capture`");
    const auto request = trace_request(arguments, defaults);
    if (!request) return std::unexpected(request.error());
    TraceLines lines;
    const auto ended = run_trace(context, arguments, *request, [&](const v1::TraceEvent& event) {
        if (context.json)
            context.print(one_line(to_json(event)));
        else if (event.part() == 0)
            context.print(lines.line(event, context.style));
        return context.heard();
    });
    if (!ended) return std::unexpected(ended.error());
    if (context.json) context.print(one_line({{"packets", ended->packets}, {"lost", ended->lost}}));
    context.remark(ended->summary());
    return Exit::ok;
}

} // namespace

Command trace_command() {
    std::vector<Option> options = trace_options();
    options.push_back({.name = "snap",
                       .help = "with -o json: as many bytes of each frame as it came in and as it left, in "
                               "hexadecimal; default 0",
                       .value = "BYTES"});
    return {
        .name = "trace",
        .summary = "packets as they pass, and what became of each: stage, drop reason, rule",
        .details =
            "Shows this host's packets live, until interrupted: where each came in and went out, whether it was "
            "forwarded, answered by the gateway or dropped, in which stage of the pipeline (see "
            "dataplane/pipeline/stages.md) and by which rule of policy. Beside the uplink stands the VTEP that "
            "sent it or that it goes to. All filters must match. Tracing costs packets nothing while nobody "
            "does, and those that match a little while somebody does.",
        .operands = trace_operands(),
        .options = std::move(options),
        .examples = {{"weft trace web-1", "all that web-1 sends and receives"},
                     {"weft trace web-1 10.244.1.7 --protocol tcp --port 5432", "one service, both directions"},
                     {"weft trace --verdict dropped", "what is dropped on this host, and why"},
                     {"weft trace --decided web-1", "of web-1's connections only what policy decided about"},
                     {"weft trace --reason ingress_policy --count 1 db", "the next packet that policy keeps from db"},
                     {"weft trace --seconds 10 -o json | jq -r '.drop_reason // empty' | sort | uniq -c"}},
        .run = trace,
    };
}

} // namespace weft::ctl
