// SPDX-License-Identifier: BSD-3-Clause
// weft status: is this host well? The agent, its fast path, networks, how full the tables are, and warnings that say
// what to do.
#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/gauges.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::vector<std::string> strings(const google::protobuf::RepeatedPtrField<std::string>& field) {
    return {field.begin(), field.end()};
}

Cell fast_path_line(const v1::FastPathStatus& fast_path) {
    std::string text = fmt::format("{}, {}", fast_path.kind(), fast_path.state());
    if (fast_path.state() != "running") return {text, Tone::bad};
    text += fast_path.in_sync()
                ? ", in sync"
                : fmt::format(", {} not acknowledged yet", counted(fast_path.pending_changes(), "change"));
    if (fast_path.workers() == 0) // in the kernel, whoever runs
        return {text, fast_path.in_sync() ? Tone::good : Tone::warning};
    text += fmt::format("; {}, hugepages {}, up {}, pid {}", counted(fast_path.workers(), "worker"),
                        fast_path.hugepages() ? "on" : "off", duration(fast_path.uptime_s()), fast_path.pid());
    return {text, fast_path.in_sync() ? Tone::good : Tone::warning};
}

std::string summary(const v1::StatusReply& status, Style style) {
    Details details;
    details.add("weftd",
                fmt::format("{} on {}, up {}", status.version(), status.host_name(), duration(status.uptime_s())));
    details.add("router",
                fmt::format("{}, AS {}, MAC {}", status.router_id(), status.as_number(), status.router_mac()));
    if (status.uplink().empty())
        details.add("uplink", "none: a single host");
    else
        details.add("uplink", fmt::format("{}, VTEP {}, MTU {}", status.uplink(), join(strings(status.vteps()), ", "),
                                          status.uplink_mtu()));
    details.add("fast path", fast_path_line(status.fast_path()));
    for (const std::string& note : status.fast_path().notes())
        details.add("", Cell(note, Tone::dim));
    const bool all_peers = status.peers_established() >= status.peers_configured();
    details.add("peers", Cell(fmt::format("{} established, {} configured", status.peers_established(),
                                          status.peers_configured()),
                              all_peers ? Tone::plain : Tone::warning));
    details.add("holds",
                fmt::format("{} (MTU {}), {}, {}", counted(status.endpoints(), "endpoint"), status.endpoint_mtu(),
                            counted(status.routes(), "route"), counted(status.policies(), "policy", "policies")));
    return details.render(style);
}

std::string networks(const v1::StatusReply& status, Style style) {
    Table table({{"NETWORK"}, {"VNI", align_right}, {"USED", align_right}, {"BLOCKS"}, {"IMPORT"}, {"EXPORT"}});
    for (const v1::Network& network : status.networks())
        table.add({network.name(), std::uint64_t{network.vni()}, network.addresses_used(),
                   join(strings(network.blocks()), ", "), join(strings(network.import_targets()), ", "),
                   join(strings(network.export_targets()), ", ")});
    return table.empty() ? std::string{} : "\n" + table.render(style);
}

Outcome<Exit> show_status(Context& context, const Arguments&) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto status = client->status();
    if (!status) return std::unexpected(status.error());
    if (context.json) {
        context.print_json(*status);
        return Exit::ok;
    }
    std::string text = summary(*status, context.style) + networks(*status, context.style);
    text += gauges_table(status->fast_path().gauges(), context.style);
    for (const std::string& warning : status->warnings())
        text += fmt::format("\n{} {}", context.style.paint("warning:", Tone::warning),
                            context.style.paint(warning, Tone::plain));
    if (status->warnings_size() > 0) text += '\n';
    context.print(text);
    return Exit::ok;
}

} // namespace

Command status_command() {
    return {
        .name = "status",
        .summary = "how this host's agent and fast path are",
        .details = "Shows the agent, its fast path, the networks, how full the tables are, and a warning with a "
                   "remedy for each thing that is wrong.",
        .examples = {{"weft status"},
                     {"weft status -o json | jq .fast_path.in_sync", "has the fast path everything it should have?"}},
        .run = show_status,
    };
}

} // namespace weft::ctl
