// SPDX-License-Identifier: BSD-3-Clause
// weft explain: what would happen to a packet, computed by the fast path from the tables that packets meet.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "dataplane/pipeline/drop_reason.h"
#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::string_view meaning(std::string_view reason) {
#define WEFT_MEANING(number, name, text)                                                                             \
    if (reason == #name) return text;
    WEFT_DROP_REASONS(WEFT_MEANING)
#undef WEFT_MEANING
    return {};
}

/// PROTO and PORT, or PROTO alone where a protocol has no ports.
Outcome<void> set_protocol(const Arguments& arguments, v1::ExplainRequest& request) {
    request.set_protocol(arguments.get("PROTO"));
    const bool has_ports = request.protocol() == "tcp" || request.protocol() == "udp" || request.protocol() == "sctp";
    if (has_ports != arguments.has("PORT"))
        return refuse(Exit::usage,
                      has_ports
                          ? fmt::format("explain needs a PORT behind {}: policies decide by it", request.protocol())
                          : fmt::format("{} has no ports; leave {} out", request.protocol(), arguments.get("PORT")));
    if (!has_ports) return {};
    auto port = parse_number("PORT", arguments.get("PORT"), 1, 65535);
    if (!port) return pass_on(std::move(port));
    request.set_port(static_cast<std::uint32_t>(*port));
    return {};
}

std::string verdict_of(const v1::ExplainReply& reply, Style style) {
    const std::string rule = reply.rule().empty() ? std::string{} : fmt::format("; decided by: {}", reply.rule());
    if (reply.allowed()) return fmt::format("{}{}\n", style.paint("allowed", Tone::good), printable(rule));
    const std::string_view text = meaning(reply.drop_reason());
    return fmt::format("{}: {}{}{}\n", style.paint("denied", Tone::bad), printable(reply.drop_reason()),
                       text.empty() ? "" : fmt::format(" ({})", text), printable(rule));
}

std::string steps_of(const v1::ExplainReply& reply, Style style) {
    Table table({{" ", align_right}, {"STAGE"}, {"WHAT HAPPENS"}});
    std::uint64_t number = 0;
    for (const v1::ExplainStep& step : reply.steps()) {
        const bool drops = step.stops() && !reply.allowed();
        table.add({++number, Cell(step.stage(), drops ? Tone::bad : Tone::plain),
                   Cell(step.detail(), drops ? Tone::bad : Tone::plain)});
    }
    return table.empty() ? std::string{} : table.render(style);
}

Outcome<Exit> explain(Context& context, const Arguments& arguments) {
    v1::ExplainRequest request;
    request.set_source(arguments.get("SRC"));
    request.set_destination(arguments.get("DST"));
    request.set_network(arguments.get("network"));
    if (auto set = set_protocol(arguments, request); !set) return pass_on(std::move(set));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->explain(request);
    if (!reply) return std::unexpected(reply.error());
    if (context.json) {
        context.print_json(*reply);
    } else {
        const std::string what = request.protocol().empty() ? "ping"
                                 : request.port() == 0
                                     ? request.protocol()
                                     : fmt::format("{} port {}", request.protocol(), request.port());
        const std::string title = fmt::format("{} to {}, {}", request.source(), request.destination(), what);
        context.print(context.style.paint(title, Tone::strong) + "\n" + steps_of(*reply, context.style) +
                      verdict_of(*reply, context.style));
    }
    return reply->allowed() ? Exit::ok : Exit::denied;
}

} // namespace

Command explain_command() {
    return {
        .name = "explain",
        .summary = "would this packet arrive, by which path, and if not: why",
        .details = "Asks the fast path, which decides from the same tables that packets meet; no packet is sent. "
                   "Egress policy is judged on the source's host and "
                   "ingress policy on the destination's: between hosts, ask on both. The exit code is 0 when the "
                   "packet would go on, and 4 when it would be dropped.",
        .operands =
            {{.name = "SRC", .help = "an endpoint's name, or an address", .completes = Completes::endpoint},
             {.name = "DST", .help = "an endpoint's name, or an address", .completes = Completes::endpoint},
             {.name = "PROTO", .help = "default: ping", .required = false, .choices = {"tcp", "udp", "sctp", "icmp"}},
             {.name = "PORT", .help = "the destination's port; for tcp, udp and sctp", .required = false}},
        .options = {{.name = "network",
                     .help = "default: the source's, or default",
                     .value = "N",
                     .completes = Completes::network}},
        .examples = {{"weft explain web-1 db"},
                     {"weft explain web-1 10.244.1.7 tcp 5432"},
                     {"weft explain web-1 db tcp 5432 || echo no", "in a script: 4 means dropped"}},
        .run = explain,
    };
}

} // namespace weft::ctl
