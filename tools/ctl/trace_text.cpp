// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/trace_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "dataplane/pipeline/wire.h"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

struct Named {
    std::uint32_t number;
    const char* name;
};

constexpr Named tcp_flags[] = {
    {WEFT_TCP_SYN, "syn"}, {WEFT_TCP_FIN, "fin"}, {WEFT_TCP_RST, "rst"}, {WEFT_TCP_ACK, "ack"}};

constexpr Named icmp_types[] = {{WEFT_ICMP_ECHO_REPLY, "echo reply"},
                                {WEFT_ICMP_UNREACHABLE, "unreachable"},
                                {WEFT_ICMP_REDIRECT, "redirect"},
                                {WEFT_ICMP_ECHO, "echo request"},
                                {WEFT_ICMP_TIME_EXCEEDED, "time exceeded"}};

constexpr Named icmpv6_types[] = {{WEFT_ICMPV6_UNREACHABLE, "unreachable"},
                                  {WEFT_ICMPV6_TOO_BIG, "too big"},
                                  {WEFT_ICMPV6_TIME_EXCEEDED, "time exceeded"},
                                  {WEFT_ICMPV6_ECHO, "echo request"},
                                  {WEFT_ICMPV6_ECHO_REPLY, "echo reply"},
                                  {WEFT_ICMPV6_ROUTER_SOLICITATION, "router solicitation"},
                                  {WEFT_ICMPV6_NEIGHBOUR_SOLICITATION, "neighbour solicitation"},
                                  {WEFT_ICMPV6_NEIGHBOUR_ADVERTISEMENT, "neighbour advertisement"},
                                  {143, "multicast listener report"}};

template <std::size_t size>
std::string name_of(const Named (&names)[size], std::uint32_t type, std::uint32_t code) {
    const auto* const found = std::ranges::find(names, type, &Named::number);
    const std::string name = found != std::end(names) ? found->name : fmt::format("type {}", type);
    return code == 0 ? name : fmt::format("{}, code {}", name, code);
}

std::string flags_of(std::uint32_t flags) {
    std::string text;
    for (const auto& [flag, name] : tcp_flags)
        if ((flags & flag) != 0) text += (text.empty() ? "" : ",") + std::string(name);
    return text;
}

std::string kind_of(const v1::TraceEvent& event) {
    const std::string& protocol = event.protocol();
    if (protocol.empty()) return fmt::format("Ethertype 0x{:04x}", event.ethertype());
    if (event.fragment() == "later" || event.source().empty()) return protocol;
    if (protocol == "tcp") return fmt::format("tcp {}", flags_of(event.tcp_flags()));
    if (protocol == "icmp") return "icmp " + name_of(icmp_types, event.icmp_type(), event.icmp_code());
    if (protocol == "icmpv6") return "icmpv6 " + name_of(icmpv6_types, event.icmp_type(), event.icmp_code());
    return protocol;
}

bool has_ports(const v1::TraceEvent& event) {
    return event.fragment() != "later" &&
           (event.protocol() == "tcp" || event.protocol() == "udp" || event.protocol() == "sctp");
}

std::string end_text(const v1::TraceEvent& event, const std::string& address, std::uint32_t port) {
    if (address.empty() || !has_ports(event)) return address;
    return fmt::format(fmt::runtime(address.contains(':') ? "[{}]:{}" : "{}:{}"), address, port);
}

/// That decided, and that would decide otherwise.
std::string rules_text(const v1::TraceEvent& event) {
    if (event.audited_rule().empty()) return event.rule();
    return fmt::format("{}{}audited: {}", event.rule(), event.rule().empty() ? "" : "; ", event.audited_rule());
}

/// A port, and the VTEP beyond it.
std::string port_text(const std::string& name, const std::string& vtep) {
    return vtep.empty() || name.empty() ? name : fmt::format("{} ({})", name, vtep);
}

/// HH:MM:SS.microseconds, UTC.
std::string time_text(std::uint64_t unix_ns) {
    const std::uint64_t s = unix_ns / 1'000'000'000;
    return fmt::format("{:02}:{:02}:{:02}.{:06}", s / 3600 % 24, s / 60 % 60, s % 60, unix_ns / 1000 % 1'000'000);
}

bool is_dropped(const v1::TraceEvent& event) { return event.verdict() == "dropped"; }

std::string with_rule(std::string text, const v1::TraceEvent& event) {
    if (!event.stage().empty()) text += fmt::format("; stage {}", event.stage());
    if (const std::string rules = rules_text(event); !rules.empty()) text += fmt::format("; {}", rules);
    return text;
}

} // namespace

std::string packet_text(const v1::TraceEvent& event) {
    std::string text =
        fmt::format("{}{}, {} bytes", event.outer() ? "outer " : "", kind_of(event), event.length_in());
    if (!event.fragment().empty()) text += fmt::format(", {} fragment", event.fragment());
    if (event.parts() > 1) text += fmt::format(", in {} frames", event.parts());
    return text;
}

std::string verdict_text(const v1::TraceEvent& event) {
    return is_dropped(event) ? fmt::format("dropped: {}", event.drop_reason()) : event.verdict();
}

std::string comment_in(const v1::TraceEvent& event) {
    std::string text = verdict_text(event);
    if (is_dropped(event) && !event.drop_text().empty()) text += fmt::format(" ({})", event.drop_text());
    if (event.verdict() == "forwarded")
        text += " to " + port_text(event.port_out(), event.from_underlay() ? "" : event.vtep());
    return with_rule(std::move(text), event);
}

std::string comment_out(const v1::TraceEvent& event) {
    if (is_dropped(event))
        return fmt::format("ICMP error about a packet from {} that was dropped: {}", event.port_in(),
                           event.drop_reason());
    std::string text = fmt::format("{} from {}", event.verdict(), event.port_in());
    if (event.parts() > 1) text += fmt::format(", frame {} of {}", event.part() + 1, event.parts());
    return with_rule(std::move(text), event);
}

std::string TraceLines::line(const v1::TraceEvent& event, Style style) {
    std::string text;
    if (!std::exchange(begun_, true)) {
        constexpr std::array<const char*, columns> headers{"TIME",   "IN",      "OUT",   "SOURCE", "DESTINATION",
                                                           "PACKET", "VERDICT", "STAGE", "RULE"};
        text =
            aligned({Cell(headers[0], Tone::strong), Cell(headers[1], Tone::strong), Cell(headers[2], Tone::strong),
                     Cell(headers[3], Tone::strong), Cell(headers[4], Tone::strong), Cell(headers[5], Tone::strong),
                     Cell(headers[6], Tone::strong), Cell(headers[7], Tone::strong), Cell(headers[8], Tone::strong)},
                    style);
    }
    const bool in = event.from_underlay();
    const Tone tone = is_dropped(event) ? Tone::bad : event.verdict() == "answered" ? Tone::dim : Tone::good;
    // An ICMP error goes back the way that the packet came: nothing of the packet left.
    const std::string out = is_dropped(event) ? std::string{} : port_text(event.port_out(), in ? "" : event.vtep());
    return text + aligned({time_text(event.time_unix_ns()), port_text(event.port_in(), in ? event.vtep() : ""), out,
                           end_text(event, event.source(), event.source_port()),
                           end_text(event, event.destination(), event.destination_port()), packet_text(event),
                           Cell(verdict_text(event), tone), event.stage(), rules_text(event)},
                          style);
}

std::string TraceLines::aligned(const std::array<Cell, columns>& cells, Style style) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i) {
        const std::string text = printable(cells[i].text.empty() ? "-" : cells[i].text);
        line += style.paint(text, cells[i].tone);
        if (i + 1 == columns) break;
        widths_[i] = std::max(widths_[i], display_width(text));
        line.append(widths_[i] - display_width(text) + 2, ' ');
    }
    return line + '\n';
}

} // namespace weft::ctl
