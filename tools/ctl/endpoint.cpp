// SPDX-License-Identifier: BSD-3-Clause
// weft endpoint: attachments of containers, and of the host itself, to the network.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::string addresses_of(const v1::Endpoint& endpoint, std::string_view separator) {
    return fmt::format("{}", fmt::join(endpoint.addresses(), separator));
}

std::string labels_of(const google::protobuf::Map<std::string, std::string>& labels, std::string_view separator) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : labels)
        texts.push_back(fmt::format("{}={}", key, value));
    std::ranges::sort(texts);
    return join(texts, separator);
}

std::string named_ports_of(const v1::Endpoint& endpoint, std::string_view separator) {
    return fmt::format("{}", fmt::join(endpoint.named_ports(), separator));
}

Cell state_of(const v1::Endpoint& endpoint) {
    return {endpoint.state(), endpoint.state() == "ready" ? Tone::good : Tone::warning};
}

std::string details_of(const v1::Endpoint& endpoint, Style style) {
    Details details;
    details.add("name", endpoint.name());
    if (endpoint.host())
        details.add("host", "the host's own; policies do not select it, and its containers always may talk with it");
    else
        details.add("namespace", endpoint.namespace_());
    details.add("state", state_of(endpoint));
    details.add("network", fmt::format("{} (VNI {})", endpoint.network(), endpoint.vni()));
    details.add("addresses", addresses_of(endpoint, "\n"));
    details.add("interface", fmt::format("{} {}, MTU {}, MAC {}", endpoint.ifname(),
                                         endpoint.host() ? "of the host" : "in " + endpoint.netns(), endpoint.mtu(),
                                         endpoint.mac()));
    if (!endpoint.routes().empty())
        details.add("further routes", fmt::format("{}", fmt::join(endpoint.routes(), "\n")));
    else if (endpoint.host())
        details.add("further routes", "none; what goes to containers of other hosts, replies too, needs --route");
    if (!endpoint.host()) details.add("labels", labels_of(endpoint.labels(), "\n"));
    if (!endpoint.named_ports().empty()) details.add("named ports", named_ports_of(endpoint, "\n"));
    details.add("identity", std::to_string(endpoint.identity()));
    details.add("port", std::to_string(endpoint.port()));
    if (endpoint.created_unix_s() != 0) details.add("created", utc_time(endpoint.created_unix_s()));
    return details.render(style);
}

bool selected(const v1::Endpoint& endpoint, const Arguments& arguments,
              const std::map<std::string, std::string>& labels) {
    if (arguments.has("namespace") && endpoint.namespace_() != arguments.get("namespace")) return false;
    if (arguments.has("network") && endpoint.network() != arguments.get("network")) return false;
    return std::ranges::all_of(labels, [&](const auto& label) {
        const auto found = endpoint.labels().find(label.first);
        return found != endpoint.labels().end() && found->second == label.second;
    });
}

Outcome<Exit> list(Context& context, const Arguments& arguments) {
    auto labels = parse_labels(arguments.all("label"));
    if (!labels) return pass_on(std::move(labels));
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    auto reply = client->endpoints();
    if (!reply) return pass_on(std::move(reply));
    std::vector<v1::Endpoint> endpoints;
    for (v1::Endpoint& endpoint : *reply->mutable_endpoints())
        if (selected(endpoint, arguments, *labels)) endpoints.push_back(std::move(endpoint));
    std::ranges::sort(endpoints, natural_less,
                      [](const v1::Endpoint& endpoint) -> std::string_view { return endpoint.name(); });
    if (context.json) {
        reply->mutable_endpoints()->Assign(endpoints.begin(), endpoints.end());
        context.print_json(*reply);
        return Exit::ok;
    }
    Table table({{"NAME"},
                 {"NAMESPACE"},
                 {"NETWORK"},
                 {"ADDRESSES"},
                 {"STATE"},
                 {"IDENTITY", align_right},
                 {"NETNS"},
                 {"LABELS"},
                 {.header = "NAMED PORTS", .optional = true}});
    for (const v1::Endpoint& endpoint : endpoints)
        table.add({endpoint.name(), endpoint.namespace_(), endpoint.network(), addresses_of(endpoint, ","),
                   state_of(endpoint), std::uint64_t{endpoint.identity()},
                   endpoint.host() ? "host" : endpoint.netns(), labels_of(endpoint.labels(), ","),
                   named_ports_of(endpoint, ",")});
    if (table.empty())
        context.remark("no endpoints; `weft endpoint add --help` says how to attach one");
    else
        context.print(table.render(context.style));
    return Exit::ok;
}

/// Adds what was probably meant, if the agent knows no endpoint of this name.
Failure with_hint(Failure failure, Client& client, const std::string& name) {
    if (!failure.not_found) return failure;
    std::vector<std::string_view> names;
    const auto all = client.endpoints();
    if (all)
        for (const v1::Endpoint& endpoint : all->endpoints())
            names.push_back(endpoint.name());
    failure.message += did_you_mean(name, names);
    return failure;
}

Outcome<Exit> show(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const std::string name = arguments.get("NAME");
    const auto reply = client->endpoints(name);
    if (!reply) return std::unexpected(with_hint(reply.error(), *client, name));
    if (reply->endpoints().empty())
        return refuse(Exit::failed, fmt::format("weftd answered without the endpoint {}", name));
    const v1::Endpoint& endpoint = reply->endpoints(0);
    if (context.json)
        context.print_json(endpoint);
    else
        context.print(details_of(endpoint, context.style));
    return Exit::ok;
}

/// A bare name is what `ip netns` calls it; a path is told absolutely, since the agent has another working directory.
std::string netns_path(const std::string& given) {
    if (!given.contains('/')) return "/run/netns/" + given;
    std::error_code error;
    const auto path = std::filesystem::absolute(given, error);
    return error ? given : path.lexically_normal().string();
}

Outcome<Exit> add(Context& context, const Arguments& arguments) {
    if (!arguments.has("netns") && !arguments.has("host"))
        return refuse(Exit::usage, "endpoint add needs --netns: the container's network namespace, as a path or a "
                                   "name that `ip netns` lists; or --host, for an endpoint of the host's own");
    auto labels = parse_labels(arguments.all("label"));
    if (!labels) return pass_on(std::move(labels));
    v1::AddEndpointRequest request;
    request.set_name(arguments.get("NAME"));
    request.set_host(arguments.has("host"));
    if (arguments.has("netns")) request.set_netns(netns_path(arguments.get("netns")));
    request.set_namespace_(arguments.get("namespace"));
    request.set_network(arguments.get("network"));
    request.set_ifname(arguments.get("ifname"));
    request.set_mac(arguments.get("mac"));
    for (const std::string& address : arguments.all("address"))
        request.add_addresses(address);
    for (const auto& [key, value] : *labels)
        (*request.mutable_labels())[key] = value;
    for (const std::string& port : arguments.all("named-port"))
        request.add_named_ports(port);
    for (const std::string& route : arguments.all("route"))
        request.add_routes(route);
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const auto endpoint = client->add_endpoint(request);
    if (!endpoint) return std::unexpected(endpoint.error());
    if (context.json)
        context.print_json(*endpoint);
    else
        context.print(fmt::format("{}: {}, {}\n", context.style.paint(endpoint->name(), Tone::strong),
                                  context.style.paint(endpoint->state(), state_of(*endpoint).tone),
                                  printable(addresses_of(*endpoint, ", "))));
    return Exit::ok;
}

Outcome<Exit> remove(Context& context, const Arguments& arguments) {
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const std::string name = arguments.get("NAME");
    const auto endpoint = client->delete_endpoint(name);
    if (!endpoint) return std::unexpected(with_hint(endpoint.error(), *client, name));
    if (context.json)
        context.print_json(*endpoint);
    else
        context.print(fmt::format("{}: deleted, {} free again\n", context.style.paint(endpoint->name(), Tone::strong),
                                  printable(addresses_of(*endpoint, ", "))));
    return Exit::ok;
}

} // namespace

Command endpoint_command() {
    const Operand existing{.name = "NAME", .help = "the endpoint's name", .completes = Completes::endpoint};
    return {
        .name = "endpoint",
        .summary = "containers attached to the network, and the host itself",
        .examples = {{"weft endpoint add web-1 --netns web-1 --label app=web"},
                     {"weft endpoint add host --host"},
                     {"weft endpoint list"},
                     {"weft endpoint delete web-1"}},
        .verbs =
            {{.name = "list",
              .summary = "this host's endpoints",
              .options =
                  {{.name = "namespace",
                    .help = "only those in this namespace",
                    .value = "NS",
                    .completes = Completes::label_namespace},
                   {.name = "network",
                    .help = "only those in this network",
                    .value = "N",
                    .completes = Completes::network},
                   {.name = "label", .help = "only those with this label", .value = "KEY=VALUE", .repeatable = true}},
              .examples = {{"weft endpoint list"},
                           {"weft endpoint list --label app=web --label tier=front"},
                           {"weft endpoint list -o json | jq -r '.endpoints[].addresses[]'",
                            "every address of this host"}},
              .run = list},
             {.name = "show",
              .summary = "everything about one endpoint",
              .operands = {existing},
              .examples = {{"weft endpoint show web-1"}},
              .run = show},
             {.name = "add",
              .summary = "attach a container, or the host itself",
              .details = "Gives the container an interface with addresses and routes, sets its policy, and announces "
                         "it to other hosts. "
                         "When the command returns, all of that is in force; when it fails, nothing of it is. With "
                         "--host the interface is the host's own, one for each network: the host's way to its "
                         "containers, which policies never close.",
              .operands = {{.name = "NAME", .help = "a name of your choice, unique on this host"}},
              .options =
                  {{.name = "netns",
                    .help = "the container's network namespace; a bare name means /run/netns/NAME",
                    .value = "PATH",
                    .completes = Completes::netns},
                   {.name = "namespace",
                    .help = "whose policies apply; default: default",
                    .value = "NS",
                    .completes = Completes::label_namespace},
                   {.name = "label", .help = "what policies select by", .value = "KEY=VALUE", .repeatable = true},
                   {.name = "named-port",
                    .help =
                        "a port that policies may name instead of giving its number; PROTO: TCP (default), UDP or "
                        "SCTP",
                    .value = "NAME=PORT[/PROTO]",
                    .repeatable = true},
                   {.name = "address",
                    .help = "instead of an address from the host's block",
                    .value = "A",
                    .repeatable = true},
                   {.name = "network", .help = "default: default", .value = "N", .completes = Completes::network},
                   {.name = "ifname",
                    .help = "the interface's name in the container; default: eth0, with --host weft0",
                    .value = "I"},
                   {.name = "mac",
                    .help = "the interface's MAC address; default: derived from its address",
                    .value = "MAC"},
                   {.name = "host",
                    .help = "an endpoint of the host's own, without --netns, --namespace, --label and --named-port"},
                   {.name = "route",
                    .help = "with --host: what else than this host's blocks is reached by it, such as those of other "
                            "hosts",
                    .value = "PREFIX",
                    .repeatable = true}},
              .examples = {{"weft endpoint add web-1 --netns web-1 --label app=web",
                            "the namespace that `ip netns add web-1` made"},
                           {"weft endpoint add db --netns /proc/4711/ns/net --namespace shop",
                            "the namespace of process 4711"},
                           {"weft endpoint add dns --netns dns --address 10.244.0.53 --address fd00:244::53"},
                           {"weft endpoint add dns --netns dns --named-port dns=53 --named-port dns=53/UDP",
                            "what a policy's `port: dns` means there"},
                           {"weft endpoint add host --host --route 10.244.0.0/16 --route fd00:244::/48",
                            "the host's own way to containers, those of other hosts included"}},
              .run = add},
             {.name = "delete",
              .summary = "detach a container",
              .details = "Withdraws its routes, removes its interface and frees its addresses.",
              .operands = {existing},
              .examples = {{"weft endpoint delete web-1"}},
              .run = remove}},
    };
}

} // namespace weft::ctl
