// SPDX-License-Identifier: BSD-3-Clause
// weft policy: Kubernetes NetworkPolicy documents, applied and shown.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <tuple>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::size_t most_yaml_bytes = 1 << 20; // as much as the agent reads

Outcome<std::string> read_stream(std::istream& stream, const std::string& what) {
    std::string text(most_yaml_bytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (stream.bad()) return refuse(Exit::failed, fmt::format("{} cannot be read: {}", what, std::strerror(errno)));
    if (text.size() > most_yaml_bytes)
        return refuse(Exit::failed, fmt::format("{} is longer than {} bytes, the most for one apply; split it", what,
                                                most_yaml_bytes));
    return text;
}

Outcome<std::string> read_source(Context& context, const std::string& path) {
    if (path == "-") return read_stream(context.environment.in, "standard input");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return refuse(Exit::failed, fmt::format("{} cannot be opened: {}", path, std::strerror(errno)));
    return read_stream(file, path);
}

/// The documents of all files, as one stream of documents: applied together or not at all.
Outcome<std::string> read_sources(Context& context, const std::vector<std::string>& paths) {
    std::string yaml;
    for (const std::string& path : paths) {
        auto text = read_source(context, path);
        if (!text) return pass_on(std::move(text));
        if (text->find_first_not_of(" \t\r\n") == std::string::npos)
            return refuse(Exit::failed, fmt::format("{} is empty; it should hold NetworkPolicy documents",
                                                    path == "-" ? "standard input" : path));
        if (!is_utf8(*text))
            return refuse(Exit::failed,
                          fmt::format("{} is not UTF-8 text; it should hold NetworkPolicy documents, as YAML",
                                      path == "-" ? "standard input" : path));
        if (!yaml.empty()) yaml += yaml.ends_with('\n') ? "---\n" : "\n---\n";
        yaml += *text;
    }
    if (yaml.size() > most_yaml_bytes)
        return refuse(
            Exit::failed,
            fmt::format("the files are longer than {} bytes together, the most for one apply; apply them in parts",
                        most_yaml_bytes));
    return yaml;
}

std::string name_of(const v1::Policy& policy) { return policy.namespace_() + "/" + policy.name(); }

std::string effect_of(const v1::Policy& policy) {
    return fmt::format("{}; {}; selects {} here",
                       policy.types().empty() ? "no direction" : fmt::format("{}", fmt::join(policy.types(), ", ")),
                       counted(policy.rules(), "rule"), counted(policy.selected_endpoints(), "endpoint"));
}

Outcome<Exit> apply(Context& context, const Arguments& arguments) {
    if (!arguments.has("file")) return refuse(Exit::usage, "policy apply needs -f FILE, or -f - for standard input");
    auto yaml = read_sources(context, arguments.all("file"));
    if (!yaml) return pass_on(std::move(yaml));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->apply_policy(*yaml);
    if (!reply) {
        if (reply.error().exit == Exit::failed)
            reply.error().message.insert(0, fmt::format("{}: ", fmt::join(arguments.all("file"), ", ")));
        return pass_on(std::move(reply));
    }
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    for (const v1::Policy& policy : reply->policies())
        context.print(fmt::format("{}: {} ({})\n", context.style.paint(name_of(policy), Tone::strong),
                                  printable(policy.action()), printable(effect_of(policy))));
    return Exit::ok;
}

/// "shop/web", or NAME with --namespace; "default" if neither says.
Outcome<std::pair<std::string, std::string>> full_name(const Arguments& arguments) {
    const std::string given = arguments.get("NAME");
    const std::size_t slash = given.find('/');
    if (slash == std::string::npos)
        return std::pair(arguments.has("namespace") ? arguments.get("namespace") : "default", given);
    if (arguments.has("namespace"))
        return refuse(Exit::usage, fmt::format("'{}' names a namespace already; leave --namespace out", given));
    const std::string name = given.substr(slash + 1);
    if (slash == 0 || name.empty() || name.contains('/'))
        return refuse(Exit::usage, fmt::format("'{}' is not of the form NAME or NAMESPACE/NAME", given));
    return std::pair(given.substr(0, slash), name);
}

Outcome<Exit> list(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->policies(arguments.get("namespace"));
    if (!reply) return pass_on(std::move(reply));
    std::ranges::sort(*reply->mutable_policies(), [](const v1::Policy& a, const v1::Policy& b) {
        return a.namespace_() != b.namespace_() ? natural_less(a.namespace_(), b.namespace_())
                                                : natural_less(a.name(), b.name());
    });
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    Table table({{"NAMESPACE"}, {"NAME"}, {"TYPES"}, {"RULES", align_right}, {"ENDPOINTS HERE", align_right}});
    for (const v1::Policy& policy : reply->policies())
        table.add({policy.namespace_(), policy.name(), fmt::format("{}", fmt::join(policy.types(), ",")),
                   std::uint64_t{policy.rules()}, std::uint64_t{policy.selected_endpoints()}});
    if (table.empty())
        context.remark("no policies: everything is allowed; `weft policy apply --help` says how to add one");
    else
        context.print(table.render(context.style));
    return Exit::ok;
}

/// Adds what was probably meant, if the agent knows no policy of this name.
Failure with_hint(Failure failure, Client& client, const std::string& full) {
    if (!failure.not_found) return failure;
    std::vector<std::string> names;
    if (const auto all = client.policies())
        for (const v1::Policy& policy : all->policies())
            names.push_back(name_of(policy));
    failure.message += did_you_mean(full, std::vector<std::string_view>(names.begin(), names.end()));
    return failure;
}

Outcome<Exit> show(Context& context, const Arguments& arguments) {
    auto name = full_name(arguments);
    if (!name) return pass_on(std::move(name));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->policies(name->first, name->second);
    if (!reply) return std::unexpected(with_hint(reply.error(), *client, name->first + "/" + name->second));
    if (reply->policies().empty())
        return refuse(Exit::failed,
                      fmt::format("weftd answered without the policy {}/{}", name->first, name->second));
    const v1::Policy& policy = reply->policies(0);
    if (context.json) {
        context.print_json(policy);
        return Exit::ok;
    }
    // The comment keeps the output a document that `policy apply` takes.
    const std::string comment = fmt::format("# {}: {}", name_of(policy), effect_of(policy));
    context.print(fmt::format("{}\n{}{}", context.style.paint(comment, Tone::dim), printable_lines(policy.yaml()),
                              policy.yaml().ends_with('\n') ? "" : "\n"));
    return Exit::ok;
}

Outcome<Exit> remove(Context& context, const Arguments& arguments) {
    auto name = full_name(arguments);
    if (!name) return pass_on(std::move(name));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto policy = client->delete_policy(name->first, name->second);
    if (!policy) return std::unexpected(with_hint(policy.error(), *client, name->first + "/" + name->second));
    if (context.json)
        context.print_json(*policy);
    else
        context.print(fmt::format("{}: deleted\n", context.style.paint(name_of(*policy), Tone::strong)));
    return Exit::ok;
}

} // namespace

Command policy_command() {
    const Operand name{.name = "NAME",
                       .help = "NAMESPACE/NAME, or NAME in the namespace of --namespace",
                       .completes = Completes::policy};
    const Option in_namespace{
        .name = "namespace", .help = "default: default", .value = "NS", .completes = Completes::label_namespace};
    return {
        .name = "policy",
        .summary = "who may talk to whom: Kubernetes NetworkPolicy",
        .examples = {{"weft policy apply -f web.yaml"},
                     {"weft policy list"},
                     {"weft explain web-1 db tcp 5432", "what the policies come to"}},
        .verbs = {{.name = "apply",
                   .summary = "create or change policies from YAML",
                   .details =
                       "Takes networking.k8s.io/v1 NetworkPolicy documents, one or more. All of them are applied or "
                       "none; a field that weft does "
                       "not implement is refused by its name. When the command returns, this host enforces them.",
                   .options = {{.name = "file",
                                .help = "a YAML file, or - for standard input",
                                .value = "FILE",
                                .letter = 'f',
                                .repeatable = true,
                                .completes = Completes::files}},
                   .examples = {{"weft policy apply -f web.yaml"},
                                {"kubectl get netpol web -o yaml | weft policy apply -f -"}},
                   .run = apply},
                  {.name = "list",
                   .summary = "policies and what they select here",
                   .options = {{.name = "namespace",
                                .help = "only this namespace's",
                                .value = "NS",
                                .completes = Completes::label_namespace}},
                   .examples = {{"weft policy list --namespace shop"}},
                   .run = list},
                  {.name = "show",
                   .summary = "one policy's YAML",
                   .operands = {name},
                   .options = {in_namespace},
                   .examples = {{"weft policy show shop/web > web.yaml"}},
                   .run = show},
                  {.name = "delete",
                   .summary = "delete a policy",
                   .details = "When the command returns, this host no longer enforces it.",
                   .operands = {name},
                   .options = {in_namespace},
                   .examples = {{"weft policy delete shop/web"}},
                   .run = remove}},
    };
}

} // namespace weft::ctl
