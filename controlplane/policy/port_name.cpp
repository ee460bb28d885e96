// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/port_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "dataplane/pipeline/wire.h"

namespace weft::policy {

namespace {

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 3> protocols{
    {{"TCP", WEFT_PROTO_TCP}, {"UDP", WEFT_PROTO_UDP}, {"SCTP", WEFT_PROTO_SCTP}}};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

Result<void> check(const PortName& name) {
    if (auto checked = check_port_name(name.name); !checked) return checked;
    if (std::ranges::find(protocols, name.protocol, &decltype(protocols)::value_type::second) == protocols.end())
        return fail(ErrorCode::invalid, fmt::format("named port {}: protocol {} has no ports: want TCP, UDP or SCTP",
                                                    name.name, name.protocol));
    if (name.port == 0)
        return fail(ErrorCode::invalid, fmt::format("named port {}: want a port from 1 to 65535", name.name));
    return {};
}

} // namespace

Result<void> check_port_name(std::string_view name) {
    const bool good =
        !name.empty() && name.size() <= 15 && name.front() != '-' && name.back() != '-' && !name.contains("--") &&
        std::ranges::any_of(name, is_letter) &&
        std::ranges::all_of(name, [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; });
    if (good) return {};
    return fail(
        ErrorCode::invalid,
        fmt::format("port name '{}': want 1 to 15 lower-case letters, digits and '-', at least one letter, no "
                    "'-' at the ends or twice in a row",
                    name.substr(0, 80)));
}

std::optional<std::uint8_t> parse_port_protocol(std::string_view text) {
    const auto found = std::ranges::find(protocols, text, &decltype(protocols)::value_type::first);
    if (found == protocols.end()) return std::nullopt;
    return found->second;
}

std::string port_protocol_text(std::uint8_t protocol) {
    const auto found = std::ranges::find(protocols, protocol, &decltype(protocols)::value_type::second);
    return found == protocols.end() ? std::to_string(protocol) : std::string(found->first);
}

std::string PortName::to_string() const { return fmt::format("{}={}/{}", name, port, port_protocol_text(protocol)); }

Result<PortName> PortName::parse(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::invalid, fmt::format("named port '{}': {}; want NAME=PORT or NAME=PORT/PROTOCOL",
                                                    text.substr(0, 80), why));
    };
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return refuse("no port");
    PortName made{.name = std::string(text.substr(0, equals))};
    std::string_view rest = text.substr(equals + 1);
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
        std::string upper(rest.substr(slash + 1, 8));
        std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
        const auto protocol = parse_port_protocol(upper);
        if (!protocol) return refuse("the protocol is TCP, UDP or SCTP");
        made.protocol = *protocol;
        rest = rest.substr(0, slash);
    }
    const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), made.port);
    if (status != std::errc{} || end != rest.data() + rest.size() || made.port == 0)
        return refuse("the port is a number from 1 to 65535");
    if (auto checked = check(made); !checked) return std::unexpected(std::move(checked).error());
    return made;
}

Result<std::vector<PortName>> make_port_names(std::vector<PortName> names) {
    for (const PortName& name : names)
        if (auto checked = check(name); !checked) return std::unexpected(std::move(checked).error());
    std::ranges::sort(names);
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    if (names.size() > port_names_max)
        return fail(ErrorCode::invalid,
                    fmt::format("{} named ports: at most {} can travel on a route", names.size(), port_names_max));
    const auto clash = std::ranges::adjacent_find(
        names, [](const PortName& a, const PortName& b) { return a.name == b.name && a.protocol == b.protocol; });
    if (clash != names.end())
        return fail(ErrorCode::invalid, fmt::format("named port {}: is {} and {} at once: give each its own name",
                                                    clash->name, clash->to_string(), std::next(clash)->to_string()));
    return names;
}

Result<std::vector<PortName>> parse_port_names(const std::vector<std::string>& texts) {
    std::vector<PortName> names;
    for (const std::string& text : texts) {
        auto name = PortName::parse(text);
        if (!name) return std::unexpected(std::move(name).error());
        names.push_back(std::move(*name));
    }
    return make_port_names(std::move(names));
}

} // namespace weft::policy
