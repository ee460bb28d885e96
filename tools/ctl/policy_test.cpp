// SPDX-License-Identifier: BSD-3-Clause
// weft policy test: whether policies come to what a file of expectations says, one line for each connection.
#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/policy_verbs.hpp"
#include "tools/ctl/text.hpp"
#include "tools/ctl/yaml_files.hpp"

namespace weft::ctl {

namespace {

std::string connection_of(const v1::TestedConnection& tested) {
    const std::string protocol = tested.protocol().empty() ? "ping" : tested.protocol();
    return fmt::format("{} to {}, {}{}", tested.from(), tested.to(), protocol,
                       tested.port() == 0 ? "" : fmt::format(" port {}", tested.port()));
}

std::string rules_of(const v1::TestedConnection& tested) {
    return tested.rules().empty() ? "no rule decides" : fmt::format("{}", fmt::join(tested.rules(), "; "));
}

std::string expected_of(const v1::TestedConnection& tested) {
    if (tested.ok()) return {};
    return tested.because().empty() ? tested.expected()
                                    : fmt::format("{} because {}", tested.expected(), tested.because());
}

std::string text_of(const v1::TestPolicyReply& reply, Style style) {
    Table table(
        {{" "}, {"CONNECTION"}, {"VERDICT"}, {"DECIDED BY"}, {.header = "EXPECTED", .optional = true}, {"WHERE"}});
    for (const v1::TestedConnection& tested : reply.connections())
        table.add({tested.ok() ? Cell("ok", Tone::good) : Cell("wrong", Tone::bad), connection_of(tested),
                   tested.verdict(), rules_of(tested), Cell(expected_of(tested), Tone::bad),
                   Cell(tested.where(), Tone::dim)});
    return fmt::format("{}{} ok, {} wrong\n", table.render(style), reply.ok(), reply.wrong());
}

Outcome<Exit> test(Context& context, const Arguments& arguments) {
    if (!arguments.has("file")) return refuse(Exit::usage, "policy test needs -f FILE, or -f - for standard input");
    v1::TestPolicyRequest request;
    auto expectations = read_yaml_files(context, arguments.all("file"), "expectations");
    if (!expectations) return pass_on(std::move(expectations));
    request.set_expectations(*std::move(expectations));
    if (arguments.has("with")) {
        auto policies = read_yaml_files(context, arguments.all("with"), "policy documents");
        if (!policies) return pass_on(std::move(policies));
        request.set_policies(*std::move(policies));
    }
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->test_policy(request);
    if (!reply) return std::unexpected(reply.error());
    if (context.json)
        context.print_json(*reply);
    else
        context.print(text_of(*reply, context.style));
    return reply->wrong() == 0 ? Exit::ok : Exit::wrong;
}

} // namespace

Command policy_test_verb() {
    return {
        .name = "test",
        .summary = "whether policies come to what a file of expectations says",
        .details = "Judges each connection as `weft policy explain` does: at both ends, by the policies applied to "
                   "this host, with those of --with in place of what is applied under their names. Nothing is "
                   "changed. The exit code is 0 when all is as expected, and 5 when anything is wrong.",
        .options = {yaml_file_option("expectations, a YAML file, or - for standard input"),
                    {.name = "with",
                     .help = "policies, a YAML file: judge as if they were applied",
                     .value = "FILE",
                     .repeatable = true,
                     .completes = Completes::files}},
        .examples = {{"weft policy test -f expect.yaml"},
                     {"weft policy test -f expect.yaml --with web.yaml && weft policy apply -f web.yaml"}},
        .run = test,
    };
}

} // namespace weft::ctl
