// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/trace_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controlplane/drop_reasons.hpp"
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

void set_packet(v1::TraceEvent& to, const fastpath::TraceEvent& from, const HostNames& names) {
    to.set_source(address_text(from.source()));
    to.set_destination(address_text(from.destination()));
    if (!from.outer()) {
        to.set_source_endpoint(names.endpoint(from.vni(), to.source()));
        to.set_destination_endpoint(names.endpoint(from.vni(), to.destination()));
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
    const auto flow = resolve_flow(flow_words(request), networks, endpoints);
    if (!flow) return std::unexpected(flow.error());
    set_flow(filter, *flow);
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

v1::TraceEvent to_api(const fastpath::TraceEvent& event, const HostNames& names) {
    v1::TraceEvent made;
    made.set_time_unix_ns(event.time_unix_ns());
    made.set_network(names.network(event.vni()));
    made.set_vni(event.vni());
    made.set_port_in(names.port(event.port_in()));
    made.set_port_out(names.port(event.port_out()));
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
