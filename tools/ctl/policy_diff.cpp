// SPDX-License-Identifier: BSD-3-Clause
// weft policy diff: what applying policies would change, for whom.
#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/policy_verbs.hpp"
#include "tools/ctl/text.hpp"
#include "tools/ctl/yaml_files.hpp"

namespace weft::ctl {

namespace {

std::string rule_or_none(const std::string& rule) { return rule.empty() ? "no rule" : rule; }

std::string changes_of(const v1::DiffPolicyReply& reply, Style style) {
    if (reply.changes().empty()) return "nothing changes between endpoints of this host and peers that it knows\n";
    Table table({{"DIRECTION"}, {"ENDPOINTS HERE"}, {"PEER"}, {" "}, {"WHAT"}, {"BEFORE"}, {"AFTER"}});
    for (const v1::PolicyChange& change : reply.changes())
        table.add({change.direction(), fmt::format("{}", fmt::join(change.endpoints(), ", ")),
                   fmt::format("{}", fmt::join(change.peer(), ", ")),
                   change.allowed() ? Cell("gains", Tone::good) : Cell("loses", Tone::bad),
                   fmt::format("{}", fmt::join(change.ports(), ", ")), rule_or_none(change.rule_before()),
                   rule_or_none(change.rule_after())});
    const auto gains =
        static_cast<std::uint64_t>(std::ranges::count(reply.changes(), true, &v1::PolicyChange::allowed));
    const auto all = static_cast<std::uint64_t>(reply.changes_size());
    return fmt::format("{}{}, {}{}\n", table.render(style), counted(gains, "gain"),
                       counted(all - gains, "loss", "losses"),
                       reply.more() == 0 ? "" : fmt::format("; {} more are not shown", reply.more()));
}

Outcome<Exit> diff(Context& context, const Arguments& arguments) {
    if (!arguments.has("file")) return refuse(Exit::usage, "policy diff needs -f FILE, or -f - for standard input");
    auto yaml = read_yaml_files(context, arguments.all("file"), "policy documents");
    if (!yaml) return pass_on(std::move(yaml));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = named_by_files(client->diff_policy(*yaml), arguments.all("file"));
    if (!reply) return pass_on(std::move(reply));
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    std::string text;
    for (const v1::Policy& policy : reply->policies())
        text += fmt::format("{}: {}\n", context.style.paint(policy.full_name(), Tone::strong),
                            printable(policy.action()));
    context.print(text + "\n" + changes_of(*reply, context.style));
    return Exit::ok;
}

} // namespace

Command policy_diff_verb() {
    return {
        .name = "diff",
        .summary = "what applying policies would change: who gains and loses which ports",
        .details = "Compares what is applied with what would be, for this host's endpoints and all peers that its "
                   "routes tell of. Nothing is changed; what `apply` refuses is refused.",
        .options = {yaml_file_option()},
        .examples = {{"weft policy diff -f web.yaml"}},
        .run = diff,
    };
}

} // namespace weft::ctl
