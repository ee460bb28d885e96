// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/expectation.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "controlplane/policy/api_object.hpp"
#include "controlplane/policy/policy_reader.hpp"

namespace weft::policy {

namespace {

/// A value, or a list of some.
std::vector<YamlField> one_or_more(const YamlField& field) {
    if (!field.present() || field.node()->kind != YamlNode::Kind::sequence) return {field};
    auto items = field.items();
    if (items.empty()) field.refuse(ErrorCode::invalid, "an empty list expects nothing; leave the item out");
    return items;
}

std::vector<std::string> read_ends(const YamlField& field) {
    std::vector<std::string> ends;
    for (const YamlField& each : one_or_more(field)) {
        ends.push_back(each.text());
        if (ends.back().empty()) each.refuse(ErrorCode::invalid, "missing; want an endpoint's name or an address");
    }
    return ends;
}

/// Of a protocol without ports 0.
std::vector<std::uint16_t> read_ports(const YamlField& field, const std::string& protocol) {
    const bool has_ports = !protocol.empty() && protocol != "icmp";
    if (!has_ports && field.present()) field.refuse(ErrorCode::invalid, fmt::format("{} has no ports", protocol));
    if (!has_ports) return {0};
    std::vector<std::uint16_t> ports;
    for (const YamlField& each : one_or_more(field))
        ports.push_back(read_port_number(each));
    return ports;
}

/// What stands at the port decides where nothing is said.
std::string read_protocol_name(const YamlField& field, bool has_port) {
    static constexpr std::array<std::string_view, 4> known{"tcp", "udp", "sctp", "icmp"};
    if (!field.present()) return has_port ? "tcp" : "";
    const std::string name = field.text();
    if (std::ranges::find(known, name) == known.end())
        field.refuse(ErrorCode::invalid, "want tcp, udp, sctp or icmp");
    return name;
}

bool read_verdict(const YamlField& field) {
    const std::string verdict = field.text();
    if (verdict != "allow" && verdict != "deny") field.refuse(ErrorCode::invalid, "want allow or deny");
    return verdict == "allow";
}

/// Adds what the item expects.
void read_item(const YamlField& item, std::size_t place, std::vector<Expectation>& expectations) {
    item.expect_map({"from", "to", "network", "protocol", "port", "verdict", "because"});
    const YamlField port = item.field("port");
    Expectation each{.where = fmt::format("expect[{}] (line {})", place, item.node()->line),
                     .from = {},
                     .to = {},
                     .network = item.field("network").text(),
                     .protocol = read_protocol_name(item.field("protocol"), port.present()),
                     .allowed = read_verdict(item.field("verdict")),
                     .because = item.field("because").text()};
    const auto sources = read_ends(item.field("from"));
    const auto destinations = read_ends(item.field("to"));
    const auto ports = read_ports(port, each.protocol);
    if (expectations.size() + sources.size() * destinations.size() * ports.size() > expectations_max)
        return item.refuse(ErrorCode::invalid,
                           fmt::format("more than {} connections; split the file", expectations_max));
    for (const std::string& source : sources)
        for (const std::string& destination : destinations)
            for (const std::uint16_t number : ports) {
                each.from = source;
                each.to = destination;
                each.port = number;
                expectations.push_back(each);
            }
}

} // namespace

Result<std::vector<Expectation>> read_expectations(std::string_view yaml) {
    if (yaml.size() > policy_text_max)
        return fail(ErrorCode::invalid,
                    fmt::format("{} bytes: at most {} are read at once", yaml.size(), policy_text_max));
    const auto documents = read_yaml(yaml);
    if (!documents) return std::unexpected(documents.error());
    std::vector<Expectation> expectations;
    for (const YamlNode& document : *documents) {
        std::optional<Error> error;
        const YamlField root(document, error);
        root.expect_map({"expect"});
        const auto items = root.field("expect").items();
        for (std::size_t i = 0; i < items.size() && !error; ++i)
            read_item(items[i], i, expectations);
        if (error) return std::unexpected(std::move(*error));
    }
    if (expectations.empty()) return fail(ErrorCode::invalid, "nothing is expected: want a list under expect");
    return expectations;
}

} // namespace weft::policy
