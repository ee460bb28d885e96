// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/trace_view.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "controlplane/drop_reasons.hpp"
#include "controlplane/fast_path_wire.hpp"
#include "controlplane/protocol_names.hpp"

namespace weft::agent {

namespace {

struct VerdictName {
    fastpath::TraceVerdict verdict;
    const char* name;
};

constexpr VerdictName verdicts[] = {{fastpath::TRACE_VERDICT_FORWARDED, "forwarded"},
                                    {fastpath::TRACE_VERDICT_ANSWERED, "answered"},
                                    {fastpath::TRACE_VERDICT_DROPPED, "dropped"}};

struct DecisionName {
    weft_decided decided;
    const char* name;
};

constexpr DecisionName decisions[] = {
    {WEFT_DECIDED_ALLOWED, "allowed"}, {WEFT_DECIDED_DENIED, "denied"}, {WEFT_DECIDED_AUDITED, "audited"}};

Result<std::uint32_t> protocol_number(const std::string& text) {
    if (const auto* const named = find_protocol(text)) return named->number;
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && stop == end && number > 0 && number < 256) return number;
    return fail(ErrorCode::invalid,
                fmt::format("protocol {}: want tcp, udp, sctp, icmp, icmpv6 or a number from 1 to 255", text));
}

/// Narrows the trace to a network; an endpoint that is named narrows it to its own.
Result<void> set_network(fastpath::TraceFilter& filter, std::uint32_t vni, const std::string& what) {
    if (filter.vni() != 0 && filter.vni() != vni)
        return fail(ErrorCode::invalid,
                    fmt::format("{}: in another network; no packet goes from one network to another", what));
    filter.set_vni(vni);
    return {};
}

Result<void> add_end(fastpath::TraceFilter& filter, const std::string& text,
                     const std::map<std::string, v1::Endpoint>& endpoints) {
    auto& end = *filter.add_ends();
    if (const auto found = endpoints.find(text); found != endpoints.end()) {
        const v1::Endpoint& endpoint = found->second;
        end.set_port(endpoint.port());
        for (const auto& address : endpoint.addresses())
            if (const auto parsed = net::Prefix::parse(address)) *end.add_prefixes() = wire(*parsed);
        return set_network(filter, endpoint.vni(), "endpoint " + text);
    }
    auto prefix = net::Prefix::parse(text);
    if (!prefix && text.contains('/')) return std::unexpected(std::move(prefix).error());
    if (!prefix)
        return fail(ErrorCode::not_found, fmt::format("{}: neither an endpoint of this host (weft endpoint list) nor "
                                                      "an address or prefix; for an endpoint of another host, give "
                                                      "its address",
                                                      text));
    *end.add_prefixes() = wire(*prefix);
    return {};
}

std::string address_text(const std::string& bytes) {
    const auto address =
        net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return address ? address->to_string() : std::string();
}

template <class Key>
std::string name_of(const std::map<Key, std::string>& names, const Key& key) {
    const auto found = names.find(key);
    return found != names.end() ? found->second : std::string();
}

std::string port_name(const TraceNames& names, std::uint32_t port) {
    if (port == 0) return {};
    const std::string name = name_of(names.ports, port);
    return name.empty() ? fmt::format("port {}", port) : name;
}

void set_packet(v1::TraceEvent& to, const fastpath::TraceEvent& from, const TraceNames& names) {
    to.set_source(address_text(from.source()));
    to.set_destination(address_text(from.destination()));
    if (!from.outer()) {
        to.set_source_endpoint(name_of(names.endpoints, {from.vni(), to.source()}));
        to.set_destination_endpoint(name_of(names.endpoints, {from.vni(), to.destination()}));
    }
    to.set_protocol(protocol_text(from.protocol()));
    to.set_source_port(from.source_port());
    to.set_destination_port(from.destination_port());
    to.set_ttl(from.ttl());
    to.set_tcp_flags(from.tcp_flags());
    to.set_icmp_type(from.icmp_type());
    to.set_icmp_code(from.icmp_code());
    if (from.fragment() != WEFT_FRAGMENT_NONE)
        to.set_fragment(from.fragment() == WEFT_FRAGMENT_FIRST ? "first" : "later");
}

} // namespace

Result<fastpath::TraceRequest> resolve_trace(const v1::TraceRequest& request,
                                             std::span<const NetworkSettings> networks,
                                             const std::map<std::string, v1::Endpoint>& endpoints) {
    fastpath::TraceRequest resolved;
    auto& filter = *resolved.mutable_filter();
    if (!request.network().empty()) {
        const auto found = std::ranges::find(networks, request.network(), &NetworkSettings::name);
        if (found == networks.end())
            return fail(ErrorCode::not_found,
                        fmt::format("no network is named {}: weft status lists them", request.network()));
        filter.set_vni(found->vni.value());
    }
    if (request.ends_size() > 2)
        return fail(ErrorCode::invalid, fmt::format("{} ends: a packet has two", request.ends_size()));
    for (const auto& end : request.ends())
        if (auto added = add_end(filter, end, endpoints); !added) return std::unexpected(std::move(added).error());
    if (!request.protocol().empty()) {
        const auto number = protocol_number(request.protocol());
        if (!number) return std::unexpected(number.error());
        filter.set_protocol(*number);
    }
    if (request.port() > 65535)
        return fail(ErrorCode::invalid, fmt::format("port {}: at most 65535", request.port()));
    filter.set_l4_port(request.port());
    if (!request.verdict().empty()) {
        const auto* const found = std::ranges::find(verdicts, request.verdict(), &VerdictName::name);
        if (found == std::end(verdicts))
            return fail(ErrorCode::invalid,
                        fmt::format("verdict {}: want forwarded, answered or dropped", request.verdict()));
        filter.set_verdict(found->verdict);
    }
    if (!request.drop_reason().empty()) {
        const auto number = drop_reason_number(request.drop_reason());
        if (!number)
            return fail(ErrorCode::invalid, fmt::format("drop reason {}: there is none of this name; weft counters "
                                                        "shows those that occurred",
                                                        request.drop_reason()));
        filter.set_drop_reason(*number);
    }
    for (const auto& decision : request.decisions()) {
        const auto* const found = std::ranges::find(decisions, decision, &DecisionName::name);
        if (found == std::end(decisions))
            return fail(ErrorCode::invalid, fmt::format("decision {}: want allowed, denied or audited", decision));
        filter.set_decisions(filter.decisions() | found->decided);
    }
    if (request.snap_length() > WEFT_TRACE_SNAP_MAX)
        return fail(ErrorCode::invalid, fmt::format("snap length {}: at most {} bytes of a frame are kept",
                                                    request.snap_length(), unsigned{WEFT_TRACE_SNAP_MAX}));
    resolved.set_snap_length(request.snap_length());
    resolved.set_events_per_s(request.events_per_s());
    return resolved;
}

v1::TraceEvent to_api(const fastpath::TraceEvent& event, const TraceNames& names) {
    v1::TraceEvent made;
    made.set_time_unix_ns(event.time_unix_ns());
    made.set_network(name_of(names.networks, event.vni()));
    made.set_vni(event.vni());
    made.set_port_in(port_name(names, event.port_in()));
    made.set_port_out(port_name(names, event.port_out()));
    made.set_from_underlay(event.from_underlay());
    made.set_vtep(address_text(event.vtep()));
    made.set_ethertype(event.ethertype());
    made.set_outer(event.outer());
    if (!event.source().empty())
        set_packet(made, event, names);
    else if (event.ethertype() == WEFT_ETHERTYPE_ARP)
        made.set_protocol("arp");
    const auto* const verdict = std::ranges::find(verdicts, event.verdict(), &VerdictName::verdict);
    if (verdict != std::end(verdicts)) made.set_verdict(verdict->name);
    if (event.drop_reason() != 0) {
        made.set_drop_reason(drop_reason(event.drop_reason()).name);
        made.set_drop_text(drop_reason(event.drop_reason()).text);
    }
    made.set_stage(stage_name(event.stage()));
    if (event.rule() != 0) made.set_rule(names.rule(event.rule()));
    if (event.audited_rule() != 0) made.set_audited_rule(names.rule(event.audited_rule()));
    made.set_length_in(event.length_in());
    made.set_length_out(event.length_out());
    made.set_part(event.part());
    made.set_parts(event.parts());
    made.set_frame_in(event.frame_in());
    made.set_frame_out(event.frame_out());
    return made;
}

} // namespace weft::agent
