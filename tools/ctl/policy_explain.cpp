// SPDX-License-Identifier: BSD-3-Clause
// weft policy explain: what policies say of a connection at both of its ends, which rule decides, and which rules
// match but lose.
#include <fmt/format.h>

#include "tools/ctl/context.hpp"
#include "tools/ctl/explain_request.hpp"
#include "tools/ctl/policy_verbs.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::string end_of(const v1::PolicyJudgement& end) {
    std::string text = end.endpoint().empty() ? end.address() : fmt::format("{} {}", end.endpoint(), end.address());
    const std::string labels = fmt::format("{}", fmt::join(end.labels(), ", "));
    if (!labels.empty()) text += fmt::format(" ({})", labels);
    if (!end.state().empty() && end.state() != "ready") text += "; " + end.state();
    if (end.place() == "remote")
        text += fmt::format("; of another host{}, which decides by the policies applied there",
                            end.vtep().empty() ? "" : " (VTEP " + end.vtep() + ")");
    return text;
}

/// Without a verdict: "no policy selects it".
std::string reason_of(const v1::PolicyJudgement& end) {
    if (!end.rule().empty()) return end.rule();
    if (end.place() == "outside") return "no endpoint, so no policy selects it";
    return end.selected() ? "no rule decides" : "no policy selects it";
}

std::string rules_of(const v1::PolicyJudgement& end, Style style) {
    Table table({{"TIER"},
                 {.header = "PRIORITY", .align = align_right, .optional = true},
                 {"POLICY"},
                 {"RULE"},
                 {"ACTION"},
                 {"WHAT BECOMES OF IT"}});
    for (const v1::MatchingRule& rule : end.rules()) {
        if (rule.policy().empty()) {
            table.add({Cell("host", Tone::good), "", "", Cell(rule.text(), Tone::good),
                       Cell(rule.action(), Tone::good), Cell("decides", Tone::good)});
            continue;
        }
        const bool network_policy = rule.tier() == "network_policy";
        const std::string number = rule.number() == 0    ? "isolation"
                                   : rule.name().empty() ? std::to_string(rule.number())
                                                         : fmt::format("{} ({})", rule.number(), rule.name());
        const Tone tone = !rule.decides() ? Tone::dim : end.allowed() ? Tone::good : Tone::bad;
        table.add({Cell(network_policy ? "network" : rule.tier(), tone),
                   Cell(network_policy ? "" : std::to_string(rule.priority()), tone), Cell(rule.policy(), tone),
                   Cell(number, tone), Cell(rule.action(), tone),
                   Cell(rule.decides() ? "decides" : rule.why(), tone)});
    }
    return table.empty() ? std::string{} : table.render(style);
}

std::string text_of(std::string_view direction, const v1::PolicyJudgement& end, Style style) {
    std::string text =
        fmt::format("{} {}\n{}: {}\n", style.paint(direction, Tone::strong), printable(end_of(end)),
                    end.allowed() ? style.paint("allowed", Tone::good) : style.paint("denied", Tone::bad),
                    printable(reason_of(end)));
    if (!end.audited_rule().empty())
        text += fmt::format("{}: would be {} if audited policies were enforced: {}\n",
                            style.paint("audit", Tone::warning), end.allowed() ? "denied" : "allowed",
                            printable(end.audited_rule()));
    return text + rules_of(end, style);
}

Outcome<Exit> explain(Context& context, const Arguments& arguments) {
    auto request = explain_request(arguments);
    if (!request) return pass_on(std::move(request));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->explain_policy(*request);
    if (!reply) return std::unexpected(reply.error());
    const Style style = context.style;
    if (context.json)
        context.print_json(*reply);
    else
        context.print(
            fmt::format("{}\n\n{}\n{}\n{}\n", style.paint(title_of(*request), Tone::strong),
                        text_of("egress of", reply->egress(), style), text_of("ingress of", reply->ingress(), style),
                        reply->allowed() ? style.paint("allowed", Tone::good) : style.paint("denied", Tone::bad)));
    return reply->allowed() ? Exit::ok : Exit::denied;
}

} // namespace

Command policy_explain_verb() {
    return {
        .name = "explain",
        .summary = "what policies say of a connection, by which rule, and which rules lose",
        .details = "Judges both ends by the policies applied to this host, wherever the ends are. An end on another "
                   "host is decided there, by the policies applied there: the same, if policies are applied to all "
                   "hosts. No packet is sent and no table asked; `weft explain` does that, for this host. The exit "
                   "code is 0 when both ends allow the connection, and 4 when one denies it.",
        .operands = explain_operands(),
        .options = explain_options(),
        .examples = {{"weft policy explain web-1 db tcp 5432"}, {"weft policy explain 203.0.113.7 web-1 tcp 80"}},
        .run = explain,
    };
}

} // namespace weft::ctl
