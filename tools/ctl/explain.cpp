// SPDX-License-Identifier: BSD-3-Clause
// weft explain: what would happen to a packet, computed by the fast path from the tables that packets meet.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "dataplane/pipeline/drop_reason.h"
#include "tools/ctl/context.hpp"
#include "tools/ctl/explain_request.hpp"
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
    auto asked = explain_request(arguments);
    if (!asked) return pass_on(std::move(asked));
    const v1::ExplainRequest& request = *asked;
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->explain(request);
    if (!reply) return std::unexpected(reply.error());
    if (context.json) {
        context.print_json(*reply);
    } else {
        const std::string title = title_of(request);
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
        .operands = explain_operands(),
        .options = explain_options(),
        .examples = {{"weft explain web-1 db"},
                     {"weft explain web-1 10.244.1.7 tcp 5432"},
                     {"weft explain web-1 db tcp 5432 || echo no", "in a script: 4 means dropped"}},
        .run = explain,
    };
}

} // namespace weft::ctl
