// SPDX-License-Identifier: BSD-3-Clause
// weft policy log: what policy decides on this host, live, in the lines of weftd's verdict log.
#include <chrono>

#include "controlplane/api/decision_names.hpp"
#include "controlplane/api/verdict_line.hpp"
#include "tools/ctl/policy_verbs.hpp"
#include "tools/ctl/trace_request.hpp"

namespace weft::ctl {

namespace {

constexpr TraceDefaults defaults{.snap_length = 0, .events_per_s = 10'000};

Outcome<Exit> log(Context& context, const Arguments& arguments) {
    auto request = trace_request(arguments, defaults);
    if (!request) return std::unexpected(request.error());
    request->clear_decisions();
    for (const char* const each : v1::decision_names)
        if (arguments.has(each)) request->add_decisions(each);
    if (request->decisions().empty())
        request->mutable_decisions()->Assign(v1::decision_names.begin(), v1::decision_names.end());
    const auto ended = run_trace(context, arguments, *request, [&](const v1::TraceEvent& event) {
        if (event.part() == 0) context.print(v1::verdict_line(event));
        return context.heard();
    });
    if (!ended) return std::unexpected(ended.error());
    if (ended->lost != 0) context.print(v1::lost_line(std::chrono::system_clock::now(), ended->lost));
    context.remark(ended->summary());
    return Exit::ok;
}

} // namespace

Command policy_log_verb() {
    std::vector<Option> options{
        {.name = "allowed", .help = "connections that were allowed, by their first packet"},
        {.name = "denied", .help = "packets that were denied"},
        {.name = "audited", .help = "of either, what audited policies would have decided otherwise"}};
    for (Option& option : trace_options())
        if (option.name != "verdict" && option.name != "reason" && option.name != "decided")
            options.push_back(std::move(option));
    return {
        .name = "log",
        .summary = "what policy decides, as it decides: a line of JSON for each decision",
        .details =
            "Shows decisions of this host live, until interrupted: denied packets, and the first packet of each "
            "connection that is allowed, with the rule that decided and the audited rule that would have "
            "decided otherwise. Without --allowed, --denied or --audited, all of them. What more there was "
            "than --rate allows is told at the end, as {\"lost\": N}. `weftd --verdict-log` keeps the same "
            "lines in a file.",
        .operands = trace_operands(),
        .options = std::move(options),
        .examples = {{"weft policy log --denied web-1", "what policy keeps from web-1, and web-1 from"},
                     {"weft policy log --audited | jq -r .audited_rule | sort | uniq -c",
                      "what enforcing audited policies would change"}},
        .run = log,
    };
}

} // namespace weft::ctl
