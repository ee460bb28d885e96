// SPDX-License-Identifier: BSD-3-Clause
// weft session: the connections that the fast path tracks, and how to end some.
#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/flow_filter.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/session_text.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

Outcome<v1::SessionFilter> filter_of(const Arguments& arguments) {
    const auto flow = read_flow(arguments);
    if (!flow) return std::unexpected(flow.error());
    v1::SessionFilter filter;
    set_flow(filter, *flow);
    filter.set_state(arguments.get("state"));
    return filter;
}

/// One document, one session on each line: as a whole it could be a hundred megabytes, which nobody wants twice.
void print_json(Context& context, const std::vector<v1::Session>& sessions, std::uint64_t matched) {
    context.print("{\n  \"sessions\": [");
    for (const v1::Session& session : sessions) {
        std::string line = one_line(to_json(session));
        line.pop_back();
        context.environment.out << (&session == &sessions.front() ? "\n    " : ",\n    ") << line;
    }
    context.print(fmt::format("{}],\n  \"matched\": {}\n}}\n", sessions.empty() ? "" : "\n  ", matched));
}

Outcome<Exit> list(Context& context, const Arguments& arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) return std::unexpected(filter.error());
    v1::ListSessionsRequest request;
    *request.mutable_filter() = *filter;
    if (arguments.has("most")) {
        const auto most = parse_number("--most", arguments.get("most"), 1, 1UL << 32);
        if (!most) return std::unexpected(most.error());
        request.set_most(*most);
    }
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto listed = client->sessions(request);
    if (!listed) return pass_on(std::move(listed));
    sort_sessions(listed->sessions);
    if (context.json) {
        print_json(context, listed->sessions, listed->matched);
        return Exit::ok;
    }
    if (listed->sessions.empty())
        context.remark("no sessions");
    else
        context.print(sessions_table(listed->sessions, context.style));
    if (listed->matched > listed->sessions.size())
        context.remark(
            fmt::format("{} of {} sessions; --most says how many", listed->sessions.size(), listed->matched));
    return Exit::ok;
}

Outcome<Exit> count(Context& context, const Arguments& arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) return std::unexpected(filter.error());
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto counts = client->count_sessions(*filter);
    if (!counts) return pass_on(std::move(counts));
    std::ranges::sort(*counts->mutable_endpoints(), natural_less,
                      [](const v1::EndpointSessions& endpoint) -> std::string_view { return endpoint.endpoint(); });
    if (context.json)
        context.print_json(*counts);
    else
        context.print(session_counts(*counts, context.style));
    return Exit::ok;
}

Outcome<Exit> flush(Context& context, const Arguments& arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) return std::unexpected(filter.error());
    const bool narrowed = filter->ByteSizeLong() > 0;
    if (!narrowed && !arguments.has("all"))
        return refuse(Exit::usage, "session flush needs an END or another filter, or --all, which ends every "
                                   "session of this host; `weft session count` says how many a filter means");
    if (narrowed && arguments.has("all"))
        return refuse(Exit::usage, "--all ends every session: leave it out, or the filters");
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->flush_sessions(*filter);
    if (!reply) return std::unexpected(reply.error());
    if (context.json)
        context.print_json(*reply);
    else
        context.print(fmt::format("{} flushed\n", counted(reply->flushed(), "session")));
    return Exit::ok;
}

} // namespace

Command session_command() {
    const Operand end = end_operand("an endpoint's name, an address or a prefix: the sessions that it opened or "
                                    "that were opened to it; of two: those between them");
    std::vector<Option> filters = flow_options();
    filters.push_back({.name = "state",
                       .help = "only those in this state; of TCP, closing: one end has said that it is done, closed: "
                               "both have, or one broke it off",
                       .value = "S",
                       .choices = {"new", "established", "closing", "closed"}});
    std::vector<Option> of_list = filters;
    of_list.push_back({.name = "most", .help = "as many at most, whichever come first; default: all", .value = "N"});
    std::vector<Option> of_flush = filters;
    of_flush.push_back({.name = "all", .help = "every session of this host; goes without filters"});
    return {
        .name = "session",
        .summary = "connections that the fast path tracks: list, count and end them",
        .details =
            "A session is a connection, or an exchange of datagrams, that policy has allowed: its packets in "
            "both directions pass without being decided again until it has been silent for too long, or routes "
            "or policies change. Both hosts of a connection have a session of their own. All filters must "
            "match.",
        .examples = {{"weft session list web-1"},
                     {"weft session count --state new", "how many wait for an answer"},
                     {"weft session flush web-1 10.244.1.7"}},
        .verbs =
            {{.name = "list",
              .summary = "sessions as a table",
              .details =
                  "The initiator is the end whose packet came first. RULE is what allowed it, and is empty where "
                  "no policy had to. ENDS IN is how much longer it may be silent.",
              .operands = {end},
              .options = of_list,
              .examples = {{"weft session list"},
                           {"weft session list web-1 10.244.1.0/24 --protocol tcp --port 5432"},
                           {"weft session list --state established -o json | jq -r '.sessions[].initiator' | sort | "
                            "uniq -c",
                            "who opened most"}},
              .run = list},
             {.name = "count",
              .summary = "how many sessions match, and how full their table is",
              .details =
                  "What was silent for too long matches no more, but is counted as used until it is swept, within "
                  "seconds.",
              .operands = {end},
              .options = filters,
              .examples = {{"weft session count"}, {"weft session count web-1 --protocol udp"}},
              .run = count},
             {.name = "flush",
              .summary = "end sessions, so that the next packet of each is decided as a first one",
              .details =
                  "Connections that policy allows go on: whichever end speaks next opens the session anew, without a "
                  "word to either. If that is the responder, its packet counts as the first of a connection from it "
                  "to "
                  "the initiator: where policy allows that direction, the session's ends are swapped from then on; "
                  "where it does not, the packet is dropped, until the initiator speaks. What policy does not allow "
                  "any more stays stopped. Sessions of this host are ended, not those of the one at the other end, "
                  "which has its own. The command returns when no packet passes by any of them.",
              .operands = {end},
              .options = of_flush,
              .examples = {{"weft session flush web-1 10.244.1.7", "what goes on between the two"},
                           {"weft session flush --protocol udp --port 53 --network blue"},
                           {"weft session flush --all"}},
              .run = flush}},
    };
}

} // namespace weft::ctl
