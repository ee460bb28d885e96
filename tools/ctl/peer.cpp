// SPDX-License-Identifier: BSD-3-Clause
// weft peer: the BGP sessions of this host.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "routing/net/address.hpp"
#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

bool is_established(const v1::Peer& peer) {
    return std::ranges::equal(peer.state(), std::string_view("established"),
                              [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

Cell state_of(const v1::Peer& peer) { return {peer.state(), is_established(peer) ? Tone::good : Tone::bad}; }

/// By address, as numbers; text that is no address comes last.
bool before(const v1::Peer& a, const v1::Peer& b) {
    const auto left = net::Address::parse(a.address());
    const auto right = net::Address::parse(b.address());
    if (left && right) return *left < *right;
    if (left.has_value() != right.has_value()) return left.has_value();
    return a.address() < b.address();
}

Outcome<Exit> list(Context& context, const Arguments&) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->peers();
    if (!reply) return pass_on(std::move(reply));
    std::ranges::sort(*reply->mutable_peers(), before);
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    Table table({{"PEER"},
                 {"AS", align_right},
                 {"STATE"},
                 {"SINCE", align_right},
                 {"RECEIVED", align_right},
                 {"ACCEPTED", align_right},
                 {"ADVERTISED", align_right},
                 {"STALE", align_right, true},
                 {"DESCRIPTION", Column::Align::left, true},
                 {"LAST ERROR", Column::Align::left, true}});
    for (const v1::Peer& peer : reply->peers())
        table.add({peer.address() + (peer.dynamic() ? " (dynamic)" : ""),
                   peer.remote_as() == 0 ? Cell("") : Cell(std::uint64_t{peer.remote_as()}), state_of(peer),
                   duration(peer.in_state_s()), peer.routes_received(), peer.routes_accepted(),
                   peer.routes_advertised(),
                   peer.routes_stale() == 0 ? Cell("") : Cell(std::to_string(peer.routes_stale()), Tone::warning),
                   peer.description(), is_established(peer) ? std::string{} : peer.last_error()});
    if (table.empty())
        context.remark("no peers; weftd learns them by --neighbor and --neighbor-range");
    else
        context.print(table.render(context.style));
    return Exit::ok;
}

std::string capability_text(const v1::Capability& capability) {
    if (capability.configured() && capability.received()) return capability.name() + ": both";
    return capability.name() + (capability.configured() ? ": only we" : ": only the peer");
}

std::string details_of(const v1::Peer& peer, Style style) {
    Details details;
    details.add("peer", peer.address() + (peer.dynamic() ? " (dynamic)" : ""));
    details.add_if("description", peer.description());
    details.add("state",
                Cell(fmt::format("{} for {}", peer.state(), duration(peer.in_state_s())), state_of(peer).tone));
    details.add("AS", peer.remote_as() == 0 ? Cell("any") : Cell(std::uint64_t{peer.remote_as()}));
    details.add_if("router id", peer.remote_router_id());
    details.add("hold time", fmt::format("{} s", peer.hold_time_s()));
    details.add("routes", fmt::format("{} received, {} accepted, {} advertised, {} stale", peer.routes_received(),
                                      peer.routes_accepted(), peer.routes_advertised(), peer.routes_stale()));
    details.add("updates", fmt::format("{} received, {} sent", peer.updates_received(), peer.updates_sent()));
    details.add("established", counted(peer.times_established(), "time"));
    details.add_if("last error", Cell(peer.last_error(), Tone::warning));
    std::vector<std::string> capabilities;
    for (const v1::Capability& capability : peer.capabilities())
        if (capability.configured() || capability.received()) capabilities.push_back(capability_text(capability));
    details.add_if("capabilities", join(capabilities, "\n"));
    return details.render(style);
}

Outcome<Exit> show(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const std::string address = arguments.get("ADDRESS");
    const auto reply = client->peers(address);
    if (!reply) return std::unexpected(reply.error());
    if (reply->peers().empty())
        return refuse(Exit::failed,
                      fmt::format("no peer has the address '{}'; `weft peer list` shows them", address));
    if (context.json)
        context.print_json(reply->peers(0));
    else
        context.print(details_of(reply->peers(0), context.style));
    return Exit::ok;
}

} // namespace

Command peer_command() {
    return {
        .name = "peer",
        .summary = "BGP sessions with other hosts and routers",
        .examples = {{"weft peer list"}, {"weft peer show 192.0.2.1"}},
        .verbs = {{.name = "list",
                   .summary = "every peer, its state and its routes",
                   .details = "RECEIVED counts the routes that the peer sent, ACCEPTED those that some network "
                              "imports, ADVERTISED those sent to it, "
                              "STALE those kept over a restart of the peer until it has said them again.",
                   .examples = {{"weft peer list"},
                                {"weft peer list -o json | jq '.peers[] | select(.state != \"Established\")'",
                                 "those in trouble"}},
                   .run = list},
                  {.name = "show",
                   .summary = "everything about one peer",
                   .operands = {{.name = "ADDRESS", .help = "the peer's address", .completes = Completes::peer}},
                   .examples = {{"weft peer show 192.0.2.1"}},
                   .run = show}},
    };
}

} // namespace weft::ctl
