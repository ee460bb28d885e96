// SPDX-License-Identifier: BSD-3-Clause
// weft policy: Kubernetes policy documents of all tiers, applied and shown.
#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/policy_hits.hpp"
#include "tools/ctl/policy_verbs.hpp"
#include "tools/ctl/text.hpp"
#include "tools/ctl/yaml_files.hpp"

namespace weft::ctl {

namespace {

bool is_network_policy(const v1::Policy& policy) { return policy.tier() == "network_policy"; }

std::string effect_of(const v1::Policy& policy) {
    return fmt::format(
        "{}{}{}; {}; selects {} here", policy.audit() ? "audit: decides nothing; " : "",
        is_network_policy(policy) ? "" : fmt::format("{} tier, priority {}; ", policy.tier(), policy.priority()),
        policy.types().empty() ? "no direction" : fmt::format("{}", fmt::join(policy.types(), ", ")),
        counted(policy.rules(), "rule"), counted(policy.selected_endpoints(), "endpoint"));
}

Outcome<Exit> apply(Context& context, const Arguments& arguments) {
    if (!arguments.has("file")) return refuse(Exit::usage, "policy apply needs -f FILE, or -f - for standard input");
    auto yaml = read_yaml_files(context, arguments.all("file"), "policy documents");
    if (!yaml) return pass_on(std::move(yaml));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = named_by_files(client->apply_policy(*yaml), arguments.all("file"));
    if (!reply) return pass_on(std::move(reply));
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    for (const v1::Policy& policy : reply->policies())
        context.print(fmt::format("{}: {} ({})\n", context.style.paint(policy.full_name(), Tone::strong),
                                  printable(policy.action()), printable(effect_of(policy))));
    return Exit::ok;
}

/// Which policy a request means: in `namespace`, or `name` alone, which says its kind then ("cnp:lock").
struct Wanted {
    std::string name_space;
    std::string name;

    [[nodiscard]] std::string full_name() const { return name_space.empty() ? name : name_space + "/" + name; }
};

/// "shop/web", or NAME with --namespace; "default" if neither says. "cnp:lock" has no namespace.
Outcome<Wanted> wanted_policy(const Arguments& arguments) {
    const std::string given = arguments.get("NAME");
    const bool has_namespace = arguments.has("namespace");
    if (given.contains(':')) {
        if (has_namespace)
            return refuse(Exit::usage, fmt::format("'{}' is of the whole cluster; leave --namespace out", given));
        return Wanted{.name_space = "", .name = given};
    }
    const std::size_t slash = given.find('/');
    if (slash == std::string::npos)
        return Wanted{.name_space = has_namespace ? arguments.get("namespace") : "default", .name = given};
    if (has_namespace)
        return refuse(Exit::usage, fmt::format("'{}' names a namespace already; leave --namespace out", given));
    const std::string name = given.substr(slash + 1);
    if (slash == 0 || name.empty() || name.contains('/'))
        return refuse(
            Exit::usage,
            fmt::format("'{}' is not of the form NAME, NAMESPACE/NAME, cnp:NAME, anp:NAME or banp:NAME", given));
    return Wanted{.name_space = given.substr(0, slash), .name = name};
}

/// The order in which policies are asked, of those that come by kind and name; NetworkPolicies, which have none, by
/// name for people.
bool asked_before(const v1::Policy& a, const v1::Policy& b) {
    constexpr std::array<std::string_view, 3> tiers{"admin", "network_policy", "baseline"};
    const auto place = [&](const v1::Policy& policy) {
        return std::pair(std::ranges::find(tiers, policy.tier()), policy.priority());
    };
    if (place(a) != place(b) || !is_network_policy(a)) return place(a) < place(b);
    if (a.namespace_() != b.namespace_()) return natural_less(a.namespace_(), b.namespace_());
    return natural_less(a.name(), b.name());
}

Outcome<Exit> list(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->policies(arguments.get("namespace"));
    if (!reply) return pass_on(std::move(reply));
    std::ranges::stable_sort(*reply->mutable_policies(), asked_before);
    if (context.json) {
        context.print_json(*reply);
        return Exit::ok;
    }
    Table table({{"TIER"},
                 {.header = "PRIORITY", .align = align_right, .optional = true},
                 {.header = "NAMESPACE", .optional = true},
                 {"NAME"},
                 {"TYPES"},
                 {"RULES", align_right},
                 {"ENDPOINTS HERE", align_right},
                 {.header = "HITS", .align = align_right, .optional = true},
                 {.header = "MODE", .optional = true}});
    if (reply->has_host_access())
        table.add({"host", "", "", reply->host_access().rule(), "Ingress,Egress", std::uint64_t{1}, "",
                   reply->host_access().connections(), ""});
    for (const v1::Policy& policy : reply->policies()) {
        const bool in_namespace = is_network_policy(policy);
        table.add({in_namespace ? "network" : policy.tier(), in_namespace ? "" : std::to_string(policy.priority()),
                   policy.namespace_(), in_namespace ? policy.name() : policy.full_name(),
                   fmt::format("{}", fmt::join(policy.types(), ",")), std::uint64_t{policy.rules()},
                   std::uint64_t{policy.selected_endpoints()},
                   policy.hits().empty() ? Cell("") : Cell(total_hits(policy)),
                   Cell(policy.audit() ? "audit" : "", Tone::warning)});
    }
    if (table.empty())
        context.remark(
            arguments.has("namespace")
                ? fmt::format("no policies of namespace {}; those of all namespaces and of the cluster-wide "
                              "tiers are listed without --namespace",
                              arguments.get("namespace"))
                : "no policies: everything is allowed; `weft policy apply --help` says how to add one");
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
            names.push_back(policy.full_name());
    failure.message += did_you_mean(full, std::vector<std::string_view>(names.begin(), names.end()));
    return failure;
}

Outcome<Exit> show(Context& context, const Arguments& arguments) {
    auto wanted = wanted_policy(arguments);
    if (!wanted) return pass_on(std::move(wanted));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto reply = client->policies(wanted->name_space, wanted->name);
    if (!reply) return std::unexpected(with_hint(reply.error(), *client, wanted->full_name()));
    if (reply->policies().empty())
        return refuse(Exit::failed, fmt::format("weftd answered without the policy {}", wanted->full_name()));
    const v1::Policy& policy = reply->policies(0);
    if (context.json) {
        context.print_json(policy);
        return Exit::ok;
    }
    // Comments keep the output a document that `policy apply` takes.
    const std::string comment = fmt::format("# {}: {}", policy.full_name(), effect_of(policy));
    context.print(fmt::format("{}\n{}{}{}", context.style.paint(comment, Tone::dim),
                              hits_comment(policy, context.style), printable_lines(policy.yaml()),
                              policy.yaml().ends_with('\n') ? "" : "\n"));
    return Exit::ok;
}

Outcome<Exit> remove(Context& context, const Arguments& arguments) {
    auto wanted = wanted_policy(arguments);
    if (!wanted) return pass_on(std::move(wanted));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto policy = client->delete_policy(wanted->name_space, wanted->name);
    if (!policy) return std::unexpected(with_hint(policy.error(), *client, wanted->full_name()));
    if (context.json)
        context.print_json(*policy);
    else
        context.print(fmt::format("{}: deleted\n", context.style.paint(policy->full_name(), Tone::strong)));
    return Exit::ok;
}

} // namespace

Command policy_command() {
    const Operand name{.name = "NAME",
                       .help =
                           "NAMESPACE/NAME, or NAME in the namespace of --namespace; of the other tiers cnp:NAME, "
                           "anp:NAME, banp:default",
                       .completes = Completes::policy};
    const Option in_namespace{
        .name = "namespace", .help = "default: default", .value = "NS", .completes = Completes::label_namespace};
    return {
        .name = "policy",
        .summary = "who may talk to whom: Kubernetes NetworkPolicy, and tiers before and after it",
        .examples = {{"weft policy apply -f web.yaml"},
                     {"weft policy list"},
                     {"weft explain web-1 db tcp 5432", "what the policies come to"}},
        .verbs =
            {{.name = "apply",
              .summary = "create or change policies from YAML",
              .details =
                  "Takes NetworkPolicy (networking.k8s.io/v1), ClusterNetworkPolicy, AdminNetworkPolicy and "
                  "BaselineAdminNetworkPolicy (policy.networking.k8s.io) documents, one or more. All of them are "
                  "applied or none; a field that weft does not implement is refused by its name. When the command "
                  "returns, this host enforces them.",
              .options = {yaml_file_option()},
              .examples = {{"weft policy apply -f web.yaml"},
                           {"kubectl get netpol web -o yaml | weft policy apply -f -"}},
              .run = apply},
             {.name = "list",
              .summary =
                  "policies in the order in which they are asked, what they select here, and how often they decided",
              .options = {{.name = "namespace",
                           .help = "only this namespace's",
                           .value = "NS",
                           .completes = Completes::label_namespace}},
              .examples = {{"weft policy list --namespace shop"}},
              .run = list},
             {.name = "show",
              .summary = "one policy's YAML, and what its rules came to",
              .details =
                  "Above the YAML, as comments, stands for each rule how many connections it allowed and how many "
                  "packets it denied on this host; for one of an audited policy, how many of either it would have "
                  "decided otherwise than they were. Counts begin with the rule, and anew with the fast path.",
              .operands = {name},
              .options = {in_namespace},
              .examples = {{"weft policy show shop/web > web.yaml"}, {"weft policy show cnp:lockdown"}},
              .run = show},
             {.name = "delete",
              .summary = "delete a policy",
              .details = "When the command returns, this host no longer enforces it.",
              .operands = {name},
              .options = {in_namespace},
              .examples = {{"weft policy delete shop/web"}},
              .run = remove},
             policy_explain_verb(),
             policy_log_verb(),
             policy_test_verb(),
             policy_diff_verb()},
    };
}

} // namespace weft::ctl
