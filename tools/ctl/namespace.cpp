// SPDX-License-Identifier: BSD-3-Clause
// weft namespace: the labels that policies' namespaceSelectors see.
#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::string labels_of(const v1::Namespace& space) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : space.labels())
        texts.push_back(fmt::format("{}={}", key, value));
    std::ranges::sort(texts);
    return join(texts, ",");
}

Outcome<Exit> list(Context& context, const Arguments&) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->namespaces();
    if (!reply) return pass_on(std::move(reply));
    std::ranges::sort(*reply->mutable_namespaces(), natural_less,
                      [](const v1::Namespace& space) -> std::string_view { return space.name(); });
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    Table table({{"NAMESPACE"}, {"LABELS"}});
    for (const v1::Namespace& space : reply->namespaces())
        table.add({space.name(), labels_of(space)});
    if (table.empty())
        context.remark("no namespaces");
    else
        context.print(table.render(context.style));
    return Exit::ok;
}

Outcome<Exit> set(Context& context, const Arguments& arguments) {
    auto labels = parse_labels(arguments.all("KEY=VALUE"));
    if (!labels) return pass_on(std::move(labels));
    v1::Namespace request;
    request.set_name(arguments.get("NAME"));
    for (const auto& [key, value] : *labels)
        (*request.mutable_labels())[key] = value;
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto space = client->set_namespace(request);
    if (!space) return std::unexpected(space.error());
    if (context.json)
        context.print_json(*space);
    else
        context.print(fmt::format("{}: {}\n", context.style.paint(space->name(), Tone::strong),
                                  space->labels().empty() ? "no labels" : printable(labels_of(*space))));
    return Exit::ok;
}

Outcome<Exit> remove(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto space = client->delete_namespace(arguments.get("NAME"));
    if (!space) return std::unexpected(space.error());
    if (context.json)
        context.print_json(*space);
    else
        context.print(fmt::format("{}: deleted\n", context.style.paint(space->name(), Tone::strong)));
    return Exit::ok;
}

} // namespace

Command namespace_command() {
    const Operand name{.name = "NAME", .help = "the namespace's name", .completes = Completes::label_namespace};
    return {
        .name = "namespace",
        .summary = "groups of endpoints, and the labels by which policies select them",
        .details = "A namespace is a group of endpoints with labels of its own, which the namespaceSelector of a "
                   "policy sees. "
                   "It has nothing to do with the kernel's network namespaces.",
        .examples = {{"weft namespace set shop team=blue env=prod"}, {"weft namespace list"}},
        .verbs = {{.name = "list",
                   .summary = "namespaces and their labels",
                   .examples = {{"weft namespace list"}},
                   .run = list},
                  {.name = "set",
                   .summary = "make a namespace, or replace its labels",
                   .details = "The labels given are all that the namespace has afterwards.",
                   .operands = {name,
                                {.name = "KEY=VALUE", .help = "a label", .required = false, .repeatable = true}},
                   .examples = {{"weft namespace set shop team=blue env=prod"},
                                {"weft namespace set shop", "takes its labels away"}},
                   .run = set},
                  {.name = "delete",
                   .summary = "delete a namespace",
                   .operands = {name},
                   .examples = {{"weft namespace delete shop"}},
                   .run = remove}},
    };
}

} // namespace weft::ctl
