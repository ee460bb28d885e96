// SPDX-License-Identifier: BSD-3-Clause
// weft route: the routes of each station, from what peers sent (adj-in) over what was chosen (loc) to what packets
// meet (fib) and what peers are told (adj-out), and why a route won or lost.
#include <chrono>

#include <fmt/format.h>

#include "routing/net/address.hpp"
#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/route_text.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

v1::RouteView view_of(const Arguments& arguments) {
    const std::string view = arguments.get("view");
    if (view == "adj-in") return v1::ROUTE_VIEW_ADJ_IN;
    if (view == "fib") return v1::ROUTE_VIEW_FIB;
    if (view == "adj-out") return v1::ROUTE_VIEW_ADJ_OUT;
    return v1::ROUTE_VIEW_LOC;
}

/// The request of a route verb. `destination` is an address, a prefix, or nothing.
Outcome<v1::ListRoutesRequest> request_of(const Arguments& arguments, const std::string& destination) {
    v1::ListRoutesRequest request;
    request.set_view(view_of(arguments));
    request.set_network(arguments.get("network"));
    request.set_peer(arguments.get("peer"));
    const bool has_peers = request.view() == v1::ROUTE_VIEW_ADJ_IN || request.view() == v1::ROUTE_VIEW_ADJ_OUT;
    if (arguments.has("peer") && !has_peers)
        return refuse(Exit::usage, "--peer goes with --view adj-in or --view adj-out: the other views hold what "
                                   "became of all peers' routes");
    if (!destination.empty()) {
        // Whether it is an address (longest match) or a prefix (exactly that) is told by the slash.
        const auto prefix = net::Prefix::parse(destination);
        if (!prefix) return refuse(Exit::usage, prefix.error().message);
        request.set_prefix(destination);
    }
    return request;
}

Outcome<Exit> list(Context& context, const Arguments& arguments) {
    auto request = request_of(arguments, arguments.get("PREFIX"));
    if (!request) return pass_on(std::move(request));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto routes = client->routes(*request);
    if (!routes) return pass_on(std::move(routes));
    sort_routes(*routes);
    if (context.json) {
        context.print(routes_json(*routes));
    } else if (routes->empty()) {
        context.remark("no routes");
    } else {
        context.print(routes_table(*routes, request->view(), context.style));
    }
    return Exit::ok;
}

Outcome<Exit> get(Context& context, const Arguments& arguments) {
    const std::string destination = arguments.get("DESTINATION");
    auto request = request_of(arguments, destination);
    if (!request) return pass_on(std::move(request));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto routes = client->routes(*request);
    if (!routes) return pass_on(std::move(routes));
    if (routes->empty())
        return refuse(
            Exit::failed,
            fmt::format(
                "no route to {}{}; `weft route list` shows what there is, --view adj-in also what was not imported",
                destination, arguments.has("network") ? " in network " + arguments.get("network") : ""));
    sort_routes(*routes);
    if (context.json) {
        context.print(routes_json(*routes));
        return Exit::ok;
    }
    std::string text;
    for (const v1::Route& route : *routes)
        text += (text.empty() ? "" : "\n") + route_details(route, request->view(), context.style);
    context.print(text);
    return Exit::ok;
}

Outcome<Exit> watch(Context& context, const Arguments& arguments) {
    auto request = request_of(arguments, arguments.get("PREFIX"));
    if (!request) return pass_on(std::move(request));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto watched = client->watch_routes(*request, [&](const v1::RouteEvent& event) {
        context.print(context.json ? one_line(to_json(event)) : route_event_line(event, context.style));
        return context.heard();
    });
    if (!watched) return pass_on(std::move(watched));
    if (context.heard()) return refuse(Exit::unreachable, "weftd ended the watch: it is stopping");
    return Exit::ok;
}

} // namespace

Command route_command() {
    const Option in_network{
        .name = "network", .help = "only this network's", .value = "N", .completes = Completes::network};
    const std::vector<Option> options{{.name = "view",
                                       .help = "which station of a route's way; default: loc",
                                       .value = "VIEW",
                                       .choices = {"adj-in", "loc", "fib", "adj-out"}},
                                      in_network,
                                      {.name = "peer",
                                       .help = "only those from, or to, this peer; with adj-in and adj-out",
                                       .value = "ADDRESS",
                                       .completes = Completes::peer}};
    const Operand prefix{
        .name = "PREFIX", .help = "only this prefix; for an address: its longest match", .required = false};
    return {
        .name = "route",
        .summary = "where packets go, and why",
        .details = "A route comes from a peer (adj-in), wins or loses against others (loc), is programmed into the "
                   "fast path (fib), and is told "
                   "to peers (adj-out). Each view shows one of these stations.",
        .examples = {{"weft route list"},
                     {"weft route get 10.244.1.7", "the route that a packet takes, the losers, and why"},
                     {"weft route list --view fib", "what packets meet"}},
        .verbs =
            {{.name = "list",
              .summary = "routes as a table",
              .operands = {prefix},
              .options = options,
              .examples = {{"weft route list --view adj-in --peer 192.0.2.1", "what this peer sent"},
                           {"weft route list --view fib --network blue"},
                           {"weft route list -o json | jq -r '.routes[] | select(.best) | .prefix'"}},
              .run = list},
             {.name = "get",
              .summary = "every route to one destination, with all attributes",
              .operands = {{.name = "DESTINATION", .help = "an address (its longest match), or exactly this prefix"}},
              .options = options,
              .examples = {{"weft route get 10.244.1.7"},
                           {"weft route get fd00:244:1::7 --view fib --network default"}},
              .run = get},
             {.name = "watch",
              .summary = "changes as they happen, until interrupted",
              .details =
                  "One line for each best route that comes or changes (+) or goes (-). With -o json, each line is "
                  "one object.",
              .operands = {prefix},
              .options = {in_network},
              .examples = {{"weft route watch"}, {"weft route watch --network blue -o json"}},
              .run = watch}},
    };
}

} // namespace weft::ctl
